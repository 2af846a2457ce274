//! A page of what was found.

use std::collections::HashSet;

use concord_fhir::issue::Issue;
use concord_fhir::registry::ResourceType;
use concord_store::lower::Rows;
use concord_store::rows::Version;

use crate::error::ApiError;

/// A page of matches.
#[derive(Debug, Default)]
pub(crate) struct Page {
    /// The matches, in order.
    pub(crate) versions: Vec<Version>,
    /// What comes along with them.
    pub(crate) included: Vec<Version>,
    /// The keys of the matches that are found by what is kept from patients alone, where that was asked for.
    pub(crate) by_kept: HashSet<i64>,
    /// The patients some of whose data its number counts, with the types of that, where it is to be said.
    pub(crate) counted: Vec<(i64, ResourceType)>,
    /// The first match after these, without what it says: that there is a next page tells that it is there.
    pub(crate) beyond: Option<Box<Version>>,
    /// Why nothing of it is told but whose it is.
    pub(crate) refused: Option<Box<ApiError>>,
    /// What the client should know of the page.
    pub(crate) remarks: Vec<Issue>,
    /// How many there are on all pages, if that was asked.
    pub(crate) total: Option<i64>,
    /// The cursor of the next page, if there is one.
    pub(crate) next: Option<String>,
}

impl Page {
    /// A page of matches and nothing else.
    pub(crate) fn of(versions: Vec<Version>, total: Option<i64>, next: Option<String>) -> Page {
        Page { versions, total, next, ..Page::default() }
    }

    /// Everything that it shows.
    pub(crate) fn shown(&mut self) -> Vec<&mut Version> {
        self.versions.iter_mut().chain(&mut self.included).collect()
    }

    /// Everything that it discloses, with the table that it is in.
    pub(crate) fn disclosed(&self) -> Vec<(Rows, &Version)> {
        self.versions.iter().chain(&self.included).map(|version| (Rows::Current, version)).collect()
    }
}
