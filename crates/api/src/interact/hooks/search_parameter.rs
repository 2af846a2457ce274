//! An active SearchParameter adds a parameter that can be searched by (ADR 7).

use concord_fhir::issue::Issue;
use concord_store::rows::Version;

use crate::error::ApiError;
use crate::interact::given;
use crate::interact::hooks::TypeHooks;
use crate::interact::search::parameters;
use crate::interact::session::Session;

pub(super) const HOOKS: TypeHooks =
    TypeHooks { before_store: Some(define), again: Some(define_again), ..TypeHooks::of("SearchParameter") };

fn define(session: &mut Session<'_, '_>, old: Option<&Version>, new: &Version) -> Result<Vec<Issue>, ApiError> {
    given::keep_definition(session, old, new)?;
    parameters::define(session.transaction, new)
}

fn define_again(session: &mut Session<'_, '_>, version: &Version) -> Result<Vec<Issue>, ApiError> {
    given::keep_again(session, version)?;
    parameters::define(session.transaction, version)
}
