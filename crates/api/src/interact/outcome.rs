//! What a command led to.

use concord_fhir::json::{self, Value};
use concord_fhir::search::Query;
use concord_store::rows::Version;

use crate::interact::budget::Weight;
use crate::interact::command::Unless;
use crate::interact::history::{self, Of};
use crate::interact::operation::Output;
use crate::interact::written::Written;
use crate::interact::{Pairs, search};

/// What a command led to: small, for it passes through many hands.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// A read.
    Found(Box<Version>),
    /// A read of what the client has already.
    Unchanged(Box<Version>),
    /// A create, update or patch.
    Written(Box<Written>),
    /// A delete: the version id of the deletion, or none if nothing had to be done.
    Deleted(Option<i64>),
    /// A search, at its path below the base.
    Page(Box<SearchPage>),
    /// A history.
    Versions(Box<HistoryPage>),
    /// What an operation answers.
    Output(Box<OperationOutput>),
    /// What the server can do, which is composed where it is told.
    Capabilities,
}

impl Outcome {
    /// What a version leads to that was read, unless the client has it already.
    pub(super) fn read(version: Version, unless: Option<&Unless>) -> Outcome {
        let led_to =
            if unless.is_some_and(|unless| unless.has(&version)) { Outcome::Unchanged } else { Outcome::Found };
        led_to(Box::new(version))
    }

    /// What a write leads to.
    pub(super) fn written(written: Written) -> Outcome {
        Outcome::Written(Box::new(written))
    }

    /// Whether something may be another since: whoever did it is told in any case.
    pub(crate) fn may_have_changed(&self) -> bool {
        matches!(self, Outcome::Written(_) | Outcome::Deleted(_) | Outcome::Output(_))
    }

    /// What it shows: of what is stored, and composed for it.
    pub(super) fn shown(&mut self) -> (Vec<&mut Version>, Option<&mut Value<'static>>) {
        match self {
            Outcome::Found(version) => (vec![version], None),
            Outcome::Written(written) => (vec![&mut written.version], None),
            Outcome::Unchanged(_) | Outcome::Deleted(_) | Outcome::Capabilities => (Vec::new(), None),
            Outcome::Page(found) => (found.page.shown(), None),
            Outcome::Versions(found) => (found.page.versions.iter_mut().collect(), None),
            Outcome::Output(found) => match &mut found.output {
                Output::Page(page) => (page.shown(), None),
                Output::Value(value) => (Vec::new(), Some(value)),
            },
        }
    }

    /// What it takes of an answer.
    pub(crate) fn weight(&self) -> Weight {
        let versions = |all: &mut dyn Iterator<Item = &Version>| {
            all.fold(Weight::default(), |sum, version| Weight {
                bytes: sum.bytes.saturating_add(version.body.len()),
                resources: sum.resources + 1,
            })
        };
        match self {
            Outcome::Found(version) => versions(&mut std::iter::once(&**version)),
            Outcome::Written(written) => versions(&mut std::iter::once(&written.version)),
            Outcome::Unchanged(_) | Outcome::Deleted(_) | Outcome::Capabilities => Weight::default(),
            Outcome::Page(found) => versions(&mut found.page.versions.iter().chain(&found.page.included)),
            Outcome::Versions(found) => versions(&mut found.page.versions.iter()),
            Outcome::Output(found) => match &found.output {
                Output::Page(page) => versions(&mut page.versions.iter().chain(&page.included)),
                Output::Value(value) => Weight { bytes: json::to_string(value).len(), resources: 1 },
            },
        }
    }
}

/// A page of a search.
#[derive(Debug)]
pub(crate) struct SearchPage {
    /// The path below the base.
    pub(crate) path: String,
    /// What was searched for.
    pub(crate) query: Query,
    /// What was found.
    pub(crate) page: search::Page,
}

/// A page of a history.
#[derive(Debug)]
pub(crate) struct HistoryPage {
    /// Of what.
    pub(crate) of: Of,
    /// The parameters.
    pub(crate) asked: Pairs,
    /// What was found.
    pub(crate) page: history::Page,
    /// How many versions a page has.
    pub(crate) limit: u32,
}

/// What an operation answers.
#[derive(Debug)]
pub(crate) struct OperationOutput {
    /// The answer.
    pub(crate) output: Output,
    /// The path below the base at which it was called.
    pub(crate) path: String,
    /// The parameters of the address.
    pub(crate) asked: Pairs,
}
