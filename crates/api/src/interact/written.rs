//! What a write leads to.

use concord_fhir::issue::Issue;
use concord_store::rows::Version;

/// What a write led to.
#[derive(Debug)]
pub(crate) struct Written {
    /// The version that now stands.
    pub(crate) version: Version,
    /// Whether the resource is new.
    pub(crate) created: bool,
    /// What the client should know although the write stands.
    pub(crate) warnings: Vec<Issue>,
}
