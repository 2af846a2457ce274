//! What is stored of a version, made ready in a read before the write: the only writer, for which all others wait, compares what
//! was read for it then with what is there now, and stores it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use concord_fhir::registry::ResourceType;
use concord_store::rows::Version;
use concord_store::transaction::recall::Recall;

use crate::error::ApiError;
use crate::interact::audit::entry::AuditEntry;
use crate::interact::session::Session;
use crate::interact::write::PreparedVersion;

/// For how long what has been made ready may be stored, in milliseconds: it was decided on by the time of then.
const FRESH: i64 = 10_000;

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
struct Ready {
    made: Made,
    /// When.
    now: i64,
    /// The version that stood before.
    old: Option<Version>,
    /// What the log would say before it was made, and after.
    audit: (AuditEntry, AuditEntry),
    /// What was read for it.
    recall: Recall,
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

    /// Whether that resource has been made ready as a new one.
    pub(crate) fn has_new(&self, resource_type: ResourceType, id: &str) -> bool {
        self.all.borrow().get(&(resource_type, id.to_owned())).is_some_and(|ready| ready.old.is_none())
    }
}

/// What `make` makes of a resource, in the place of `old`: as it has been made ready, where all that was read for it then would be
/// found the same now.
///
/// # Errors
/// Those of `make`, and before the write [`ApiError::NotForeseen`] once it is ready: nothing is stored then.
pub(crate) fn made<'t>(
    session: &mut Session<'_, 't>,
    (resource_type, id): (ResourceType, &str),
    old: Option<&Version>,
    make: impl FnOnce(&mut Session<'_, 't>) -> Result<Made, ApiError>,
) -> Result<Made, ApiError> {
    let Some(readiness) = session.foreseen.map(|foreseen| &foreseen.ready) else { return make(session) };
    if readiness.is_before {
        let (now, before) = (session.transaction.now, session.audit.clone());
        session.transaction.begin_recall();
        let made = make(session);
        let recall = session.transaction.end_recall();
        let ready = Ready { made: made?, now, old: old.cloned(), audit: (before, session.audit.clone()), recall };
        readiness.all.borrow_mut().insert((resource_type, id.to_owned()), Arc::new(ready));
        return Err(ApiError::NotForeseen { id: String::new() });
    }
    // It is stored once, and so no longer kept.
    let ready = readiness.all.borrow_mut().remove(&(resource_type, id.to_owned())).and_then(Arc::into_inner);
    match ready {
        Some(ready) if ready.holds(session, old)? => {
            *session.audit = ready.audit.1;
            Ok(ready.made)
        }
        _ => make(session),
    }
}

impl Ready {
    /// Whether it would be made the same now.
    fn holds(&self, session: &mut Session<'_, '_>, old: Option<&Version>) -> Result<bool, ApiError> {
        let is_fresh = session.transaction.now.abs_diff(self.now) < FRESH.unsigned_abs();
        if !is_fresh || self.old.as_ref() != old || self.audit.0 != *session.audit {
            return Ok(false);
        }
        Ok(session.transaction.finds_the_same(&self.recall)?)
    }
}
