//! What a query asks for: from the names and values of a query string to a [`Query`] (R4 "Search").
//!
//! | part | file |
//! |---|---|
//! | `code=8480-6`: which resources | `clause` |
//! | `subject.name=amy`, `_has:...`, `_list`: which other resources they go with | `hop` |
//! | `_filter`: tests joined with `and`, `or` and `not` | `filter` |
//! | `_include`, `_revinclude`: what comes along | `include` |
//! | `_sort`, `_count`, ...: how they are answered | `answer` |
//! | `a,b` and `\,`: several values, and what stands for itself | `value_text` |
//! | `_text`, `_content`: which words are in them | `words` |
//! | whose records can match at all | `record` |
//!
//! What is known and not supported is refused by name: a filter that is left out would answer more than was asked for.

mod answer;
mod clause;
mod filter;
mod hop;
mod include;
mod prefix;
mod record;
mod value_text;
mod words;

use crate::index::ParameterId;
use crate::issue::{Issue, IssueCode};
use crate::predicate::{Predicate, Test};
use crate::registry::{
    Index, Kind, Parameter, Registry, ResourceType, compartment_parameters, parameter, parameter_of_every_resource,
};
pub use answer::{MOST_SORTS, Summary, Total};
pub use filter::{DEEPEST as DEEPEST_FILTER, MOST_TESTS};
pub use hop::{MOST_HOPS, MOST_WAYS};
pub use include::{Include, MOST_INCLUDES};
pub use prefix::Prefix;
pub use record::record_of;
use std::cell::Cell;
pub use words::{Within, Words};

/// The most parameters that a query may have.
pub const MOST_PARAMETERS: usize = 100;

/// The most values with commas between them that a parameter may have.
pub const MOST_ALTERNATIVES: usize = 200;

/// The longest value of a parameter, in bytes.
pub const LONGEST_VALUE: usize = 8_192;

/// The longest name of a parameter with its modifier, in bytes.
pub const LONGEST_NAME: usize = 512;

/// What becomes of parameters that the server does not know (R4 "Search", `Prefer: handling`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Handling {
    /// The query is refused.
    Strict,
    /// They are ignored, and the answer says so.
    #[default]
    Lenient,
}

/// An order of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sort {
    /// By what.
    pub by: SortBy,
    /// Whether the greatest comes first.
    pub descending: bool,
}

/// What an answer can be ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortBy {
    /// `_lastUpdated`
    Updated,
    /// `_id`
    Id,
    /// A date or number: the ends of its rows.
    Range(ParameterId),
    /// A string or token: the keys of its rows.
    Key(ParameterId),
}

/// A query, understood.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// The type asked about; none for a search over all types.
    pub resource_type: Option<ResourceType>,
    /// In a search over all types, the only ones that are wanted (`_type`); empty for all.
    pub types: Vec<ResourceType>,
    /// The logical id of the patient whose compartment is searched.
    pub compartment: Option<String>,
    /// Which resources of that type; [`Predicate::All`] if no parameter filters. It says nothing of what the caller may
    /// see.
    pub predicate: Predicate,
    /// What words they must have in them besides; each of these.
    pub words: Vec<Words>,
    /// What is to come along with the matches.
    pub include: Vec<Include>,
    /// In what order, the first before the others.
    pub sort: Vec<Sort>,
    /// How many on a page.
    pub count: Option<u32>,
    /// Whether the number of matches is wanted.
    pub total: Total,
    /// Which part of each resource is wanted.
    pub summary: Option<Summary>,
    /// Which elements of each resource are wanted; empty for all.
    pub elements: Vec<String>,
    /// Whether the answer is to say how it was found (`_explain`).
    pub explain: bool,
    /// Where the page begins: what a `next` link said.
    pub cursor: Option<String>,
    /// The parameters that were not understood, and why.
    pub ignored: Vec<(String, String)>,
    /// The parameters that were, as they were given, for the `self` link; `_cursor` is left out.
    pub used: Vec<(String, String)>,
    /// The version of the registry that the query can be run under; none if it needs nothing but the table.
    pub registry: Option<i64>,
}

/// What a clause is read against.
#[derive(Clone, Copy)]
struct Setting<'a> {
    known: &'a Known<'a>,
    resource_type: Option<ResourceType>,
    now_ms: i64,
    base: &'a str,
    /// The name of the parameter as it was given, for what is said about it.
    whole: &'a str,
    /// How many resources have been looked through to get here.
    hops: usize,
    /// How many ways through resources the query has so far.
    ways: &'a Cell<usize>,
    /// In a filter, how the value is compared.
    operator: Option<filter::Operator>,
}

/// The search parameters that there are.
struct Known<'a> {
    registry: &'a Registry,
    /// Whether one that was added to the table has been asked for.
    added: Cell<bool>,
}

impl Known<'_> {
    /// The parameter of the type with that name.
    ///
    /// # Errors
    /// One whose index is not whole: it would find less than there is.
    fn parameter(&self, whole: &str, resource_type: ResourceType, code: &str) -> Result<Option<&Parameter>, Refusal> {
        let found = self.registry.parameter(resource_type, code);
        let Some(added) = found.and_then(|found| found.added.as_ref()) else { return Ok(found) };
        self.added.set(true);
        let done = match added.index {
            Index::Whole => return Ok(found),
            Index::Missing => "it has not been begun".to_owned(),
            Index::Begun(hundredths) => format!("{hundredths} % of it are done"),
        };
        Err(unsupported(
            whole,
            &format!("the index of `{code}` is still to be built, until when it finds nothing: {done}"),
        ))
    }
}

/// Why a parameter cannot be used.
enum Refusal {
    /// It is not known: a matter of [`Handling`].
    Unknown(String),
    /// It is wrong, or not supported.
    Wrong(Issue),
}

/// Reads a query with the parameters of R4 and Concord's own. `pairs` are the names and values of the query string, decoded, in their order; `now_ms` is the time
/// in milliseconds since 1970 UTC, for `ap`; `base` is the url of this server's FHIR endpoint.
///
/// # Errors
/// Everything that is wrong with the query, each naming its parameter.
pub fn parse(
    resource_type: Option<ResourceType>,
    pairs: &[(String, String)],
    handling: Handling,
    now_ms: i64,
    base: &str,
) -> Result<Query, Vec<Issue>> {
    parse_with(Registry::r4(), resource_type, pairs, handling, now_ms, base)
}

/// The same, where operators have added parameters.
///
/// # Errors
/// As [`parse`]; and each parameter whose index is not whole.
pub fn parse_with(
    registry: &Registry,
    resource_type: Option<ResourceType>,
    pairs: &[(String, String)],
    handling: Handling,
    now_ms: i64,
    base: &str,
) -> Result<Query, Vec<Issue>> {
    if pairs.len() > MOST_PARAMETERS {
        let text = format!("there are {} search parameters, more than {MOST_PARAMETERS}", pairs.len());
        return Err(vec![Issue::plain(IssueCode::TooCostly, text)]);
    }
    let mut query = Query::of(resource_type, Predicate::All);
    let mut issues = Vec::new();
    if resource_type.is_none() {
        // What other parameters mean depends on these, wherever they stand.
        for (_, value) in pairs.iter().filter(|(name, _)| name == "_type") {
            if let Err(Refusal::Wrong(found)) = types(&mut query, value) {
                issues.push(found);
            }
        }
    }
    let ways = Cell::new(0);
    let known = &Known { registry, added: Cell::new(false) };
    for (name, value) in pairs {
        let resource_type = query.resource_type;
        let setting = Setting { known, resource_type, now_ms, base, whole: name, hops: 0, ways: &ways, operator: None };
        match read(&mut query, setting, name, value) {
            Ok(()) if name == "_cursor" => {}
            Ok(()) => query.used.push((name.clone(), value.clone())),
            Err(Refusal::Unknown(why)) if handling == Handling::Lenient => query.ignored.push((name.clone(), why)),
            Err(Refusal::Unknown(why)) => issues.push(issue(IssueCode::NotSupported, name, &why)),
            Err(Refusal::Wrong(found)) => issues.push(found),
        }
    }
    if query.resource_type.is_none() && !query.types.is_empty() {
        let asked = std::mem::replace(&mut query.predicate, Predicate::All);
        query.predicate = Predicate::Type(query.types.clone()).and(asked);
    }
    query.registry = known.added.get().then(|| registry.version());
    if issues.is_empty() { Ok(query) } else { Err(issues) }
}

/// Reads one parameter into the query.
fn read(query: &mut Query, setting: Setting<'_>, name: &str, value: &str) -> Result<(), Refusal> {
    if name.len() > LONGEST_NAME {
        let text = format!("a search parameter's name is longer than {LONGEST_NAME} bytes");
        return Err(Refusal::Wrong(Issue::plain(IssueCode::TooLong, text)));
    }
    if value.len() > LONGEST_VALUE {
        let why = format!("the value is longer than {LONGEST_VALUE} bytes");
        return Err(Refusal::Wrong(issue(IssueCode::TooLong, name, &why)));
    }
    if value.bytes().any(|byte| byte.is_ascii_control()) {
        return Err(wrong(name, "the value has a control character in it"));
    }
    // It has been read before the others.
    if name == "_type" && setting.resource_type.is_none_or(|_| !query.types.is_empty()) {
        return Ok(());
    }
    let known = setting.known;
    if answer::read(query, known, name, value)?
        || include::read(query, known, name, value)?
        || words::read(query, name, value)?
    {
        return Ok(());
    }
    let clause = match setting.resource_type {
        None if !query.types.is_empty() => of_each(&query.types, setting, name, value)?,
        _ => clause::read(setting, name, value)?,
    };
    let before = std::mem::replace(&mut query.predicate, Predicate::All);
    query.predicate = before.and(clause);
    Ok(())
}

/// `_type=Observation,Goal` in a search over all types. Given again, only what both name is wanted. A single type is
/// searched as itself, with all its parameters.
fn types(query: &mut Query, value: &str) -> Result<(), Refusal> {
    let mut wanted = Vec::new();
    for text in value.split(',') {
        let known = ResourceType::parse(text);
        wanted.push(known.ok_or_else(|| wrong("_type", &format!("`{}` is not a resource type", shortened(text))))?);
    }
    wanted.sort_unstable();
    wanted.dedup();
    if !query.types.is_empty() {
        wanted.retain(|one| query.types.contains(one));
    }
    if wanted.is_empty() {
        return Err(wrong("_type", "no type is named by every one of them"));
    }
    query.resource_type = match wanted.as_slice() {
        [single] => Some(*single),
        _ => None,
    };
    query.types = wanted;
    Ok(())
}

/// The beginning of what the client sent, for an answer.
fn shortened(text: &str) -> String {
    text.chars().take(64).collect()
}

/// A filter on several types, each of which must have the parameter.
fn of_each(types: &[ResourceType], setting: Setting<'_>, name: &str, value: &str) -> Result<Predicate, Refusal> {
    let code = name.split([':', '.']).next().unwrap_or_default();
    if parameter_of_every_resource(code).is_some() {
        return clause::read(setting, name, value);
    }
    let mut any = Predicate::None;
    for one in types {
        let found = clause::read(Setting { resource_type: Some(*one), ..setting }, name, value)?;
        any = any.or(Predicate::Type(vec![*one]).and(found));
    }
    Ok(any)
}

/// Whether resources of the type may be in the compartment of a patient.
fn is_linked(resource_type: ResourceType) -> bool {
    resource_type.name() == "Patient" || !compartment_parameters(resource_type).is_empty()
}

/// The resources of the type that are in the compartment of the patient.
fn links(resource_type: ResourceType, patient: &str) -> Predicate {
    let key = format!("Patient/{patient}");
    let itself = match resource_type.name() {
        "Patient" => Predicate::Id(vec![patient.to_owned()]),
        _ => Predicate::None,
    };
    compartment_parameters(resource_type).iter().fold(itself, |any, code| {
        match parameter(resource_type, code).filter(|link| link.kind == Kind::Reference) {
            Some(link) => any.or(Predicate::Entry(link.id, Test::Is(key.clone()))),
            None => any,
        }
    })
}

impl Query {
    /// The query with only what the patient's compartment links to that patient (R4 "Search", compartments).
    ///
    /// # Errors
    /// Why not, if resources of a type that it asks for are never in the compartment of a patient.
    pub fn in_compartment(mut self, patient: &str) -> Result<Query, Issue> {
        let outside = self.resource_type.iter().chain(&self.types).find(|one| !is_linked(**one));
        if let Some(outside) = outside {
            let text = format!("{outside} is not in the compartment of a patient");
            return Err(Issue::plain(IssueCode::NotSupported, text));
        }
        self.compartment = Some(patient.to_owned());
        Ok(self)
    }

    /// The query, asking for the number of matches alone if that is all that `_summary` wants.
    #[must_use]
    pub fn counted(mut self) -> Query {
        if self.summary == Some(Summary::Count) {
            self.count = Some(0);
            self.total = Total::Accurate;
        }
        self
    }

    /// The types that are searched: one, those that `_type` names, or all that are in a patient's compartment; none if
    /// the query does not say.
    #[must_use]
    pub fn searched_types(&self) -> Vec<ResourceType> {
        match self.resource_type {
            Some(one) => vec![one],
            None if self.types.is_empty() && self.compartment.is_some() => {
                ResourceType::all().filter(|one| is_linked(*one)).collect()
            }
            None => self.types.clone(),
        }
    }

    /// Which resources of one type are asked for, the compartment included.
    #[must_use]
    pub fn of_type(&self, resource_type: ResourceType) -> Predicate {
        let asked = self.predicate.clone().of_type(resource_type);
        match &self.compartment {
            Some(patient) => asked.and(links(resource_type, patient)),
            None => asked,
        }
    }

    /// The same as [`record_of`], knowing the type: a search for Patients by id is one for their records.
    #[must_use]
    pub fn records(&self) -> Vec<String> {
        match self.resource_type {
            Some(one) => record_of(&Predicate::Type(vec![one]).and(self.predicate.clone())),
            None => record_of(&self.predicate),
        }
    }

    /// A query that asks for nothing more than the predicate.
    #[must_use]
    pub fn of(resource_type: Option<ResourceType>, predicate: Predicate) -> Query {
        Query {
            resource_type,
            types: Vec::new(),
            compartment: None,
            predicate,
            words: Vec::new(),
            include: Vec::new(),
            sort: Vec::new(),
            count: None,
            total: Total::None,
            summary: None,
            elements: Vec::new(),
            explain: false,
            cursor: None,
            ignored: Vec::new(),
            used: Vec::new(),
            registry: None,
        }
    }
}

fn issue(code: IssueCode, name: &str, why: &str) -> Issue {
    Issue::plain(code, format!("search parameter `{name}`: {why}"))
}

/// The value is not of the form it should have.
fn wrong(name: &str, why: &str) -> Refusal {
    Refusal::Wrong(issue(IssueCode::Value, name, why))
}

/// The server knows what is meant and does not do it.
fn unsupported(name: &str, why: &str) -> Refusal {
    Refusal::Wrong(issue(IssueCode::NotSupported, name, why))
}

#[cfg(test)]
mod tests;
