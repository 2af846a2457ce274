//! patch and conditional patch with JSON Patch or a merge patch (R4 "RESTful API", patch). What comes of it goes the way of an update:
//! the same rules, the same versions, the same provenance.

use concord_consent::request::Action;
use concord_fhir::check;
use concord_fhir::issue::{Issue, IssueCode};
use concord_fhir::json::{self, Limits, Value};
use concord_fhir::patch::{Mismatch, Patch};
use concord_fhir::registry::ResourceType;

use crate::error::ApiError;
use crate::interact::access::redaction;
use crate::interact::command::{Precondition, Target};
use crate::interact::search::conditional;
use crate::interact::session::Session;
use crate::interact::update;
use crate::interact::written::Written;
use crate::interact::{access, labels, media_type, read};

/// Reads a patch of that media type. Of plain JSON a list is a JSON Patch and an object a merge patch, as libraries send.
///
/// # Errors
/// A media type of no patch that there is, and what is wrong with the body.
pub(crate) fn read_as(media: &str, body: &[u8], limits: &Limits) -> Result<Patch, ApiError> {
    let is_list = || body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
    let patch = match media_type::bare(media).as_str() {
        media_type::JSON_PATCH => Patch::read(body, limits),
        media_type::JSON if is_list() => Patch::read(body, limits),
        media_type::MERGE_PATCH | media_type::JSON => Patch::read_merge(body, limits),
        _ => return Err(ApiError::MediaType(PATCH_FORMS.to_owned())),
    };
    patch.map_err(ApiError::Malformed)
}

/// In which forms patches come.
const PATCH_FORMS: &str =
    "send the patch as application/json-patch+json (RFC 6902) or application/merge-patch+json (RFC 7396)";

/// Changes parts of the current version.
pub(crate) fn patch(
    session: &mut Session<'_, '_>,
    resource_type: ResourceType,
    target: &Target,
    patch: &Patch,
    precondition: Option<&Precondition>,
) -> Result<Written, ApiError> {
    let id = self::target(session, resource_type, target)?;
    run(session, resource_type, &id, patch, precondition)
}

/// The id of what is to be patched.
fn target(session: &mut Session<'_, '_>, resource_type: ResourceType, target: &Target) -> Result<String, ApiError> {
    match target {
        Target::Id(id) => Ok(id.clone()),
        Target::Match(query) => {
            access::require_scope(session.call, Action::Update, resource_type)?;
            conditional::lock(session.transaction, resource_type, query)?;
            let found = conditional::one(session, query)?;
            found.map(|version| version.id).ok_or(ApiError::NotFound)
        }
    }
}

/// A patch makes nothing larger than what could have been sent whole: one that copies could grow without end.
fn within(value: &Value<'_>, most: usize) -> Result<(), ApiError> {
    match json::to_string(value).len() > most {
        true => Err(ApiError::TooLarge("the patched resource would be larger than max_body_bytes".to_owned())),
        false => Ok(()),
    }
}

fn run(
    session: &mut Session<'_, '_>,
    resource_type: ResourceType,
    id: &str,
    patch: &Patch,
    precondition: Option<&Precondition>,
) -> Result<Written, ApiError> {
    session.audit.about(id);
    let (head, seen) = read::seen(session, resource_type, id, Action::Update)?;
    let old = head.version;
    if old.deleted {
        return Err(ApiError::Gone);
    }
    Precondition::check(precondition, &old)?;
    update::may_change(session, &old)?;
    let stored = old.resource()?;
    // Before the patch is tried: whoever does not see an element cannot test it.
    redaction::refuse_part(session.transaction, &seen, &old, &stored)?;
    let mut value = patch.apply(stored.into_owned()).map_err(|mismatch| match mismatch {
        Mismatch::Test(issue) => ApiError::Conflict(issue.text),
        Mismatch::Place(issue) => ApiError::Unprocessable(vec![issue]),
    })?;
    if value.text("resourceType") != Some(resource_type.name()) || value.text("id") != Some(id) {
        let text = "a patch changes neither the type nor the id of a resource";
        return Err(ApiError::Unprocessable(vec![Issue::plain(IssueCode::BusinessRule, text)]));
    }
    within(&value, session.service.settings.limits.bytes)?;
    check::check(&value, &session.service.settings.limits).map_err(ApiError::Unprocessable)?;
    let kept = labels::keep(session.call, &old, &mut value)?;
    update::put(session, old, value, kept)
}
