//! patch and conditional patch, in each of the forms of a patch (R4 "RESTful API", patch). What comes of it goes the way of
//! an update: the same rules, the same versions, the same provenance.

use std::sync::Arc;

use concord_consent::decision::Decision;
use concord_consent::request::Action;
use concord_fhir::codec::{self, Format};
use concord_fhir::issue::{Issue, IssueCode};
use concord_fhir::json::{self, Limits, Value};
use concord_fhir::patch::{Mismatch, Patch, PatchBudget, RESOURCE, is_patch};
use concord_fhir::registry::ResourceType;
use concord_store::rows::{Head, Version};
use concord_store::{Extent, WorkError as _};

use crate::error::ApiError;
use crate::interact::access::redaction;
use crate::interact::command::{Command, Precondition, Target};
use crate::interact::foreseen::{Foreseen, Patched};
use crate::interact::search::conditional;
use crate::interact::session::Session;
use crate::interact::update;
use crate::interact::written::Written;
use crate::interact::{access, allowed, labels, media_type, read};

/// Reads a patch of that media type. What only says that it is JSON or XML is taken for what it looks like: a list is a
/// JSON Patch, Parameters are a FHIRPath Patch, another object is a merge patch, and other XML an XML Patch.
///
/// # Errors
/// A media type of no patch that there is, and what is wrong with the body.
pub(crate) fn read_as(media: &str, body: &[u8], limits: &Limits) -> Result<Patch, ApiError> {
    let is_list = || body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
    let is_parameters = || json::parse(body, limits).is_ok_and(|value| is_patch(&value));
    let patch = match media_type::bare(media).as_str() {
        media_type::JSON_PATCH => Patch::read(body, limits),
        media_type::MERGE_PATCH => Patch::read_merge(body, limits),
        media_type::XML_PATCH => Patch::read_xml(body, limits),
        media_type::FHIR_JSON => return of_parameters(Format::Json, body, limits),
        media_type::FHIR_XML => return of_parameters(Format::Xml, body, limits),
        media_type::JSON if is_list() => Patch::read(body, limits),
        media_type::JSON if is_parameters() => return of_parameters(Format::Json, body, limits),
        media_type::JSON => Patch::read_merge(body, limits),
        media_type::XML | media_type::TEXT_XML => match codec::root_of_xml(body) {
            Some(root) if root == RESOURCE => return of_parameters(Format::Xml, body, limits),
            _ => Patch::read_xml(body, limits),
        },
        _ => return Err(ApiError::MediaType(PATCH_FORMS.to_owned())),
    };
    patch.map_err(ApiError::Malformed)
}

/// Reads the patch that a resource is: Parameters that have passed the check.
///
/// # Errors
/// What is wrong with it, and another type.
pub(crate) fn of_resource(resource: &Value<'_>, limits: &Limits) -> Result<Patch, ApiError> {
    Patch::of_parameters(resource, limits).map_err(ApiError::Malformed)
}

fn of_parameters(format: Format, body: &[u8], limits: &Limits) -> Result<Patch, ApiError> {
    let read = codec::read(format, body, limits).map_err(ApiError::invalid)?;
    of_resource(&read.value, limits)
}

/// In which forms patches come.
pub(crate) const PATCH_FORMS: &str = "send the patch as application/json-patch+json (RFC 6902), \
    application/merge-patch+json (RFC 7396), application/xml-patch+xml (RFC 5261) or, as Parameters (FHIRPath Patch), \
    application/fhir+json or application/fhir+xml";

/// Changes parts of the current version. What that makes has been found before ([`foresee`]): for what takes as long as the
/// caller decides, nobody else waits.
///
/// # Errors
/// [`ApiError::NotForeseen`] where that was not, or for another version, and it cannot be done at once.
pub(crate) fn patch(
    session: &mut Session<'_, '_>,
    resource_type: ResourceType,
    target: &Target,
    patch: &Patch,
    precondition: Option<&Precondition>,
) -> Result<Written, ApiError> {
    let id = self::target(session, resource_type, target)?;
    session.audit.about(&id);
    let seen = read::seen(session, resource_type, &id, Action::Update)?;
    let old = patchable(session, seen, precondition)?;
    let foreseen = session.foreseen.and_then(|foreseen| foreseen.patched.get(&old.key));
    let mut value = match foreseen.filter(|patched| patched.version == old.version) {
        Some(patched) => patched.made.clone()?,
        None => at_once(session, patch, &old)?,
    };
    refuse_unseen(session, &old, &value, precondition)?;
    let kept = labels::keep(session.call, &old, Some(&old), &mut value)?;
    update::put(session, old, value, kept)
}

/// Refuses a patch by which somebody agrees to what others wrote without saying which version they have seen: another may have come in its
/// place. Whoever sends the whole says by that what it is.
fn refuse_unseen(
    session: &mut Session<'_, '_>,
    old: &Version,
    value: &Value<'_>,
    precondition: Option<&Precondition>,
) -> Result<(), ApiError> {
    match session.service.hooks.of(old.resource_type).agrees {
        Some(agrees) if !precondition.is_some_and(Precondition::names_the_version) && agrees(session, old, value)? => {
            Err(Precondition::needed())
        }
        _ => Ok(()),
    }
}

/// What a patch makes of what another write has come to before: found here if that takes next to nothing.
fn at_once(session: &Session<'_, '_>, patch: &Patch, old: &Version) -> Result<Value<'static>, ApiError> {
    let later = || ApiError::NotForeseen { id: old.id.clone() };
    let at_once = session.foreseen.map(|foreseen| &foreseen.at_once).ok_or_else(later)?;
    let mut budget = at_once.get();
    let made = made(old, patch, &session.service.settings.limits, &mut budget);
    at_once.set(budget);
    if budget.is_spent() { Err(later()) } else { made }
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

/// The version that is to be patched, if the caller may patch it.
fn patchable(
    session: &mut Session<'_, '_>,
    (head, seen): (Head, Arc<Decision>),
    precondition: Option<&Precondition>,
) -> Result<Version, ApiError> {
    let old = head.version.into_version();
    if old.deleted {
        return Err(ApiError::Gone);
    }
    Precondition::check(precondition, &old)?;
    allowed::update(session, &old)?;
    // Before the patch is tried: whoever does not see an element cannot test it.
    redaction::refuse_part(session.transaction, &seen, &old, &old.resource()?)?;
    Ok(old)
}

/// What the patches of a request may cost where they are applied: little where other requests wait meanwhile.
pub(crate) fn budget(limits: &Limits, extent: Extent) -> PatchBudget {
    match extent {
        Extent::Little => PatchBudget::small(limits),
        _ => PatchBudget::of_request(limits),
    }
}

/// Finds what a patch makes of the version of now, before the write and in a read: which version that is, is all that the
/// write compares. Nothing where there is nothing to patch or the caller may not: the write comes to that itself, and tells.
///
/// # Errors
/// What there is to tell when it takes more than is left, and when the store fails.
pub(crate) fn foresee(
    session: &mut Session<'_, '_>,
    command: &Command,
    foreseen: &mut Foreseen,
    budget: &mut PatchBudget,
) -> Result<(), ApiError> {
    let Command::Patch { resource_type, target, patch, precondition } = command else { return Ok(()) };
    let found = session.unlogged(|session| {
        let id = match (target, &foreseen.condition) {
            (Target::Id(id), _) => id.clone(),
            (Target::Match(_), Some(matched)) => conditional::only(&matched.met.found)?.ok_or(ApiError::NotFound)?.id,
            (Target::Match(query), None) => conditional::one(session, query)?.ok_or(ApiError::NotFound)?.id,
        };
        let seen = read::seen_before(session, *resource_type, &id, Action::Update)?;
        patchable(session, seen, precondition.as_ref())
    });
    let old = match found {
        Ok(old) => old,
        Err(fault) if fault.is_failure() => return Err(fault),
        Err(_) => {
            session.cache.found_nothing();
            return Ok(());
        }
    };
    let made = made(&old, patch, &session.service.settings.limits, budget);
    match made {
        Err(fault) if budget.is_spent() => Err(fault),
        made => {
            foreseen.patched.insert(old.key, Patched { version: old.version, made });
            Ok(())
        }
    }
}

/// What a patch makes of a version, checked like what could have been sent whole.
fn made(old: &Version, patch: &Patch, limits: &Limits, budget: &mut PatchBudget) -> Result<Value<'static>, ApiError> {
    take(budget, old.body.len().min(limits.bytes))?;
    let stored = old.resource()?;
    let value = patch.apply_within(stored.into_owned(), budget).map_err(|mismatch| match mismatch {
        Mismatch::Test(issue) => ApiError::Conflict(issue.text),
        Mismatch::Place(issues) => ApiError::Unprocessable(issues),
    })?;
    if value.text("resourceType") != Some(old.resource_type.name()) || value.text("id") != Some(&old.id) {
        let text = "a patch changes neither the type nor the id of a resource";
        return Err(ApiError::Unprocessable(vec![Issue::plain(IssueCode::BusinessRule, text)]));
    }
    let length = json::to_string(&value).len();
    if length > limits.bytes {
        // One that copies could grow without end.
        return Err(ApiError::TooLarge("the patched resource would be larger than max_body_bytes".to_owned()));
    }
    take(budget, length)?;
    budget.check(&value, limits).map_err(ApiError::Unprocessable)?;
    Ok(value)
}

/// Takes a resource of so many bytes from what the patches of a request may be about: they are in memory until it is answered.
fn take(budget: &mut PatchBudget, bytes: usize) -> Result<(), ApiError> {
    budget.take_bytes(bytes).ok_or_else(|| {
        let text = "the resources of the patches would together be larger than max_body_bytes: send fewer at once";
        ApiError::TooLarge(text.to_owned())
    })
}
