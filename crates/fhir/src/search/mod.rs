//! What a query asks for: from the names and values of a query string to a [`Query`] (R4 "Search").
//!
//! | part | file |
//! |---|---|
//! | `code=8480-6`: which resources | `clause` |
//! | `_sort`, `_count`, ...: how they are answered | `answer` |
//! | `a,b` and `\,`: several values, and what stands for itself | `value_text` |
//! | whose records can match at all | `record` |
//!
//! Chained parameters, `_has`, `_include`, composites and text search are refused by name: a filter that is left out
//! would answer more than was asked for.

mod answer;
mod clause;
mod prefix;
mod record;
mod value_text;

use crate::index::ParameterId;
use crate::issue::{Issue, IssueCode};
use crate::predicate::Predicate;
use crate::registry::ResourceType;
pub use answer::{MOST_SORTS, Summary, Total};
pub use prefix::Prefix;
pub use record::record_of;

/// The most parameters that a query may have.
pub const MOST_PARAMETERS: usize = 100;

/// The most values with commas between them that a parameter may have.
pub const MOST_ALTERNATIVES: usize = 200;

/// The longest value of a parameter, in bytes.
pub const LONGEST_VALUE: usize = 8_192;

/// The longest name of a parameter with its modifier, in bytes.
pub const LONGEST_NAME: usize = 128;

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
    /// Which resources of that type; [`Predicate::All`] if no parameter filters. It says nothing of what the caller may
    /// see.
    pub predicate: Predicate,
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
    /// Where the page begins: what a `next` link said.
    pub cursor: Option<String>,
    /// The parameters that were not understood, and why.
    pub ignored: Vec<(String, String)>,
    /// The parameters that were, as they were given, for the `self` link; `_cursor` is left out.
    pub used: Vec<(String, String)>,
}

/// What a clause is read against.
#[derive(Clone, Copy)]
struct Setting<'a> {
    resource_type: Option<ResourceType>,
    now_ms: i64,
    base: &'a str,
}

/// Why a parameter cannot be used.
enum Refusal {
    /// It is not known: a matter of [`Handling`].
    Unknown(String),
    /// It is wrong, or not supported.
    Wrong(Issue),
}

/// Reads a query. `pairs` are the names and values of the query string, decoded, in their order; `now_ms` is the time
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
    if pairs.len() > MOST_PARAMETERS {
        let text = format!("there are {} search parameters, more than {MOST_PARAMETERS}", pairs.len());
        return Err(vec![Issue::plain(IssueCode::TooCostly, text)]);
    }
    let setting = Setting { resource_type, now_ms, base };
    let mut query = Query::of(resource_type, Predicate::All);
    let mut issues = Vec::new();
    for (name, value) in pairs {
        match read(&mut query, setting, name, value) {
            Ok(()) if name == "_cursor" => {}
            Ok(()) => query.used.push((name.clone(), value.clone())),
            Err(Refusal::Unknown(why)) if handling == Handling::Lenient => query.ignored.push((name.clone(), why)),
            Err(Refusal::Unknown(why)) => issues.push(issue(IssueCode::NotSupported, name, &why)),
            Err(Refusal::Wrong(found)) => issues.push(found),
        }
    }
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
    if answer::read(query, name, value)? {
        return Ok(());
    }
    let clause = clause::read(setting, name, value)?;
    let before = std::mem::replace(&mut query.predicate, Predicate::All);
    query.predicate = before.and(clause);
    Ok(())
}

impl Query {
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
            predicate,
            sort: Vec::new(),
            count: None,
            total: Total::None,
            summary: None,
            elements: Vec::new(),
            cursor: None,
            ignored: Vec::new(),
            used: Vec::new(),
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
