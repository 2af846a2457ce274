//! What a query asks for: from the names and values of a query string to a [`Query`] (R4 "Search").
//!
//! | part | file |
//! |---|---|
//! | `code=8480-6`: which resources | `clause`, `clause::value` |
//! | `subject.name=amy`, `_has:...`, `_list`: which other resources they go with | `clause::chain` |
//! | `_filter`: tests joined with `and`, `or` and `not` | `clause::filter` |
//! | `_include`, `_revinclude`: what comes along | `include` |
//! | `_sort`, `_count`, ...: how they are answered | `result_parameters` |
//! | `a,b` and `\,`: several values, and what stands for itself | `value_text` |
//! | `_text`, `_content`: which words are in them | `full_text` |
//! | whose records can match at all | `compartments` |
//!
//! What is known and not supported is refused by name: a filter that is left out would answer more than was asked for.

mod clause;
mod compartments;
mod full_text;
mod include;
mod result_parameters;
mod setting;
mod value_text;

use crate::entry::ParameterId;
use crate::issue::{Issue, IssueCode};
use crate::predicate::{Predicate, Test};
use crate::registry::{
    Kind, Registry, ResourceType, clinical_date, compartment_parameters, parameter, parameter_by_id,
    parameter_of_every_resource,
};
pub use crate::value::Prefix;
pub use clause::{DEEPEST_FILTER, LONGEST_CHAIN, MOST_TESTS, MOST_WAYS};
pub use compartments::{compartments_of, named_patients, names_only_owner, number_of};
pub use full_text::{FullText, Within};
pub use include::{Include, MOST_INCLUDES};
pub use result_parameters::{MOST_SORTS, Summary, Total};
use setting::{KnownParameters, Operator, Refusal, Setting, issue, shortened, unsupported, wrong};
use std::borrow::Cow;
use std::cell::Cell;

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

/// An order of the answer. Resources that have no value for it come last, whichever the direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sort {
    /// By what.
    pub by: SortBy,
    /// Whether the greatest comes first.
    pub descending: bool,
}

impl Sort {
    /// Whether there may be resources that have no value for it.
    #[must_use]
    pub fn may_be_missing(self) -> bool {
        matches!(self.by, SortBy::Range(_) | SortBy::Key(_) | SortBy::ClinicalDate)
    }
}

/// What an answer can be ordered by. Of several values of a resource the least counts, and descending the greatest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortBy {
    /// `_lastUpdated`
    Updated,
    /// `_id`
    Id,
    /// A date, number or quantity: the ends of its rows.
    Range(ParameterId),
    /// A string, token, reference or uri: the keys of its rows.
    Key(ParameterId),
    /// When what it tells of happened, whatever the parameter of its type is called.
    ClinicalDate,
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
    pub full_text: Vec<FullText>,
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
    let known = &KnownParameters { registry, added: Cell::new(false) };
    for (name, value) in pairs {
        let resource_type = query.resource_type;
        let setting =
            Setting { known, resource_type, now_ms, base, whole: name, depth: 0, ways: &ways, operator: None };
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
    if result_parameters::read(query, known, name, value)?
        || include::read(query, known, name, value)?
        || full_text::read(query, name, value)?
    {
        return Ok(());
    }
    let clause = match (setting.resource_type, query.types.as_slice()) {
        (Some(one), [_]) => clause::read(setting, &name_of(one, name), value)?,
        (None, types) if !types.is_empty() => of_each(types, setting, name, value)?,
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

/// A filter on several types, each of which must have the parameter.
fn of_each(types: &[ResourceType], setting: Setting<'_>, name: &str, value: &str) -> Result<Predicate, Refusal> {
    let code = name.split([':', '.']).next().unwrap_or_default();
    if parameter_of_every_resource(code).is_some() {
        return clause::read(setting, name, value);
    }
    let mut any = Predicate::None;
    for one in types {
        let found = clause::read(Setting { resource_type: Some(*one), ..setting }, &name_of(*one, name), value)?;
        any = any.or(Predicate::Type(vec![*one]).and(found));
    }
    Ok(any)
}

/// The parameter by which a type of several knows when what it tells of happened: over several types it is `date` of all.
const DATE: &str = "date";

/// What a parameter over several types is called on one of them.
fn name_of(resource_type: ResourceType, name: &str) -> Cow<'_, str> {
    let (code, modifier) = name.split_at(name.find(':').unwrap_or(name.len()));
    let own = clinical_date(resource_type).filter(|_| code == DATE).and_then(parameter_by_id);
    own.map_or(Cow::Borrowed(name), |own| Cow::Owned(format!("{}{modifier}", own.code)))
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

    /// The only patient whose record the query is about, as far as it says so itself.
    pub fn only_record(&self) -> Option<String> {
        match self.records().as_slice() {
            [single] => Some(single.clone()),
            _ => None,
        }
    }

    /// The patients whom the query names by id, wherever it does ([`named_patients`]), with whose compartment it is in.
    #[must_use]
    pub fn named_patients(&self) -> Vec<String> {
        let mut named = named_patients(&self.searched_types(), &self.predicate);
        if let Some(patient) = self.compartment.as_ref().filter(|patient| !named.contains(patient)) {
            named.push(patient.clone());
        }
        named
    }

    /// The same as [`compartments_of`], knowing the type: a search for Patients by id is one for their records.
    #[must_use]
    pub fn records(&self) -> Vec<String> {
        match self.resource_type {
            Some(one) => compartments_of(&Predicate::Type(vec![one]).and(self.predicate.clone())),
            None => compartments_of(&self.predicate),
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
            full_text: Vec::new(),
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

#[cfg(test)]
mod tests;
