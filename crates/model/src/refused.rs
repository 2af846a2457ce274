use std::panic::{AssertUnwindSafe, catch_unwind};

/// Why fhirbolt did not take or give a resource. The text is fhirbolt's own: it is for the log, not for the client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the typed model refuses the resource: {0}")]
pub struct Refused(pub(crate) String);

/// Calls fhirbolt with a panic turned into a refusal. Nothing that it works on is seen after a panic.
pub(crate) fn guarded<T>(call: impl FnOnce() -> Result<T, String>) -> Result<T, Refused> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => result.map_err(Refused),
        Err(_) => Err(Refused("it panicked".to_owned())),
    }
}
