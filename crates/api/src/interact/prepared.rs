//! A version about to be stored, with all that is stored with it; and what of that has been made ready before the write.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use concord_fhir::index::{Entries, NumberedPatient};
use concord_fhir::issue::Issue;
use concord_fhir::registry::ResourceType;
use concord_store::filing::Filed;
use concord_store::rows::Version;
use concord_store::transaction::recall::Recall;

use crate::interact::audit::entry::AuditEntry;

/// A version about to be stored, with what it is found and evaluated by.
#[derive(Debug)]
pub(crate) struct PreparedVersion {
    /// The version.
    pub(crate) version: Version,
    /// Its index entries.
    pub(crate) entries: Entries,
    /// What the client should know although the write stands.
    pub(crate) warnings: Vec<Issue>,
    /// The Patients whom it names by a number.
    pub(crate) filing: Filing,
}

/// What is known of the numbers in a version that is about to be stored.
#[derive(Debug, Default)]
pub(crate) struct Filing {
    /// Numbers and the patients whom they mean.
    pub(crate) known: Vec<(String, String)>,
    /// What is to be kept of them.
    pub(crate) found: Vec<Filed>,
    /// Numbers that decide in whose record it is, and whose patients cannot be told, with their places.
    pub(crate) problems: Vec<(NumberedPatient, Problem)>,
    /// What the resource has waited for until now.
    pub(crate) waited: Vec<Filed>,
}

/// Why nobody can tell whom a number means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    /// No Patient bears it that the caller may know of.
    Nobody,
    /// More than one does.
    Several,
}

/// All that is stored of a version.
#[derive(Debug)]
pub(crate) struct Made {
    /// The version.
    pub(crate) proposed: PreparedVersion,
    /// What is told of it.
    pub(crate) told: Vec<PreparedVersion>,
    /// Whether whoever stores it wrote what stands before, or may change all of it.
    pub(crate) own: bool,
    /// Whether it says what stands before, so that nothing is stored.
    pub(crate) is_unchanged: bool,
}

/// What has been made ready, and what that depends on.
#[derive(Debug)]
pub(crate) struct Ready {
    /// What is stored.
    pub(crate) made: Made,
    /// When.
    pub(crate) now: i64,
    /// The version that stood before.
    pub(crate) old: Option<Version>,
    /// What the log would say before it was made, and after.
    pub(crate) audit: (AuditEntry, AuditEntry),
    /// What was read for it.
    pub(crate) recall: Recall,
}

/// What has been made ready for a request, by the type and id of the resource.
#[derive(Clone, Debug, Default)]
pub(crate) struct Readiness {
    /// Whether it is being made ready, so that nothing is stored.
    is_before: bool,
    all: RefCell<HashMap<(ResourceType, String), Arc<Ready>>>,
}

impl Readiness {
    /// For what is made ready from here on.
    pub(crate) fn before() -> Readiness {
        Readiness { is_before: true, ..Readiness::default() }
    }

    /// The same for the write.
    pub(crate) fn for_write(mut self) -> Readiness {
        self.is_before = false;
        self
    }

    /// Whether it is being made ready.
    pub(crate) fn is_before(&self) -> bool {
        self.is_before
    }

    /// Keeps what has been made ready.
    pub(crate) fn keep(&self, (resource_type, id): (ResourceType, &str), ready: Ready) {
        self.all.borrow_mut().insert((resource_type, id.to_owned()), Arc::new(ready));
    }

    /// Takes what has been made ready of that resource: it is stored once.
    pub(crate) fn take(&self, (resource_type, id): (ResourceType, &str)) -> Option<Ready> {
        self.all.borrow_mut().remove(&(resource_type, id.to_owned())).and_then(Arc::into_inner)
    }

    /// Whether that resource has been made ready as a new one.
    pub(crate) fn has_new(&self, resource_type: ResourceType, id: &str) -> bool {
        self.all.borrow().get(&(resource_type, id.to_owned())).is_some_and(|ready| ready.old.is_none())
    }
}
