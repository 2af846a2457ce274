//! What a parameter is read against, and why one cannot be used.

use crate::issue::{Issue, IssueCode};
use crate::registry::{Index, Parameter, Registry, ResourceType};
use std::cell::Cell;

/// What a clause is read against.
#[derive(Clone, Copy)]
pub(super) struct Setting<'a> {
    pub(super) known: &'a KnownParameters<'a>,
    pub(super) resource_type: Option<ResourceType>,
    pub(super) now_ms: i64,
    pub(super) base: &'a str,
    /// The name of the parameter as it was given, for what is said about it.
    pub(super) whole: &'a str,
    /// How many resources have been looked through to get here.
    pub(super) depth: usize,
    /// How many ways through resources the query has so far.
    pub(super) ways: &'a Cell<usize>,
    /// In a filter, how the value is compared.
    pub(super) operator: Option<Operator>,
}

/// The search parameters that there are.
pub(super) struct KnownParameters<'a> {
    pub(super) registry: &'a Registry,
    /// Whether one that was added to the table has been asked for.
    pub(super) added: Cell<bool>,
}

impl KnownParameters<'_> {
    /// The parameter of the type with that name.
    ///
    /// # Errors
    /// One whose index is not whole: it would find less than there is.
    pub(super) fn parameter(
        &self,
        whole: &str,
        resource_type: ResourceType,
        code: &str,
    ) -> Result<Option<&Parameter>, Refusal> {
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
pub(super) enum Refusal {
    /// It is not known: a matter of [`Handling`].
    Unknown(String),
    /// It is wrong, or not supported.
    Wrong(Issue),
}

/// How a value of the resource must stand to the value of the test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    /// `eq`
    Equal,
    /// `ne`: there is a value that is another.
    Other,
    /// `co`
    Contains,
    /// `sw`
    Begins,
    /// `ew`
    Ends,
    /// `gt`, `lt`, `ge`, `le`, `ap`, `sa` and `eb`, which are prefixes.
    Prefix(&'static str),
    /// `pr`: whether there is a value.
    Present,
    /// `po`: a date that overlaps.
    Overlaps,
    /// `sb` and `ss` on a uri or a token, `in` and `ni` on a token.
    Modifier(&'static str),
}

/// The beginning of what the client sent, for an answer.
pub(super) fn shortened(text: &str) -> String {
    text.chars().take(64).collect()
}

pub(super) fn issue(code: IssueCode, name: &str, why: &str) -> Issue {
    Issue::plain(code, format!("search parameter `{name}`: {why}"))
}

/// The value is not of the form it should have.
pub(super) fn wrong(name: &str, why: &str) -> Refusal {
    Refusal::Wrong(issue(IssueCode::Value, name, why))
}

/// The server knows what is meant and does not do it.
pub(super) fn unsupported(name: &str, why: &str) -> Refusal {
    Refusal::Wrong(issue(IssueCode::NotSupported, name, why))
}
