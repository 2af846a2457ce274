//! Who wrote what, who may change it, and as whom somebody writes.

use concord_consent::authorship::speaks_for_itself_only;
use concord_consent::caller::Actor;
use concord_consent::request::Action;
use concord_fhir::issue::{Issue, IssueCode};
use concord_fhir::json::Value;
use concord_fhir::predicate::Predicate;
use concord_fhir::rules::{self, Writer, WriterKind};
use concord_store::lower::Rows;
use concord_store::rows::Version;

use crate::error::ApiError;
use crate::interact::access::decision::{decide_about, facts_about, issues};
use crate::interact::access::{evaluation, facts};
use crate::interact::client_uri::client_uri;
use crate::interact::labels;
use crate::interact::session::Session;

/// Refuses a change of what somebody else wrote, or that no permission covers. The caller can see the resource, so the
/// reason is told.
pub(crate) fn may_change(session: &mut Session<'_, '_>, action: Action, version: &Version) -> Result<(), ApiError> {
    // What nobody is known to have written (the review of a broken glass) is also for those whose office it is, who say
    // why as for every act of it, as far as the office itself lets them: what else they may, they may of their own only. What
    // several parties write is bounded by the rules of its type; it is deleted by the one who wrote it first.
    let by_role = version.author.is_empty() && is_of_office(session, action, version)?;
    let is_party = !speaks_for_itself_only(&session.call.caller);
    let joint = action == Action::Update && is_party && is_multi_author(version)?;
    if !by_role && !joint {
        authored(session, version)?.map_err(ApiError::Denied)?;
    }
    permitted(session, action, version)
}

/// Whether the caller's office lets them do that, whatever else does.
fn is_of_office(session: &mut Session<'_, '_>, action: Action, version: &Version) -> Result<bool, ApiError> {
    let given = concord_consent::changed_in_office(&session.call.request(action, Some(version.resource_type)));
    Ok(given != Predicate::None && session.transaction.holds(&given, Rows::Current, version)?)
}

/// Refuses what no permission covers, whoever wrote it.
pub(crate) fn permitted(session: &mut Session<'_, '_>, action: Action, version: &Version) -> Result<(), ApiError> {
    let decision = decide_about(session, action, version.resource_type, version.patient)?;
    if evaluation::permits(session.transaction, &decision, Rows::Current, version)? {
        return Ok(());
    }
    Err(ApiError::Denied(issues(&decision)))
}

/// Whether the caller wrote the resource first, or why that is not so.
fn authored(session: &mut Session<'_, '_>, version: &Version) -> Result<Result<(), Vec<Issue>>, ApiError> {
    let author = Some(version.author.as_str()).filter(|author| !author.is_empty());
    let caller = &session.call.caller;
    if speaks_for_itself_only(caller) && author != Some(client_uri(&caller.client).as_str()) {
        let text = "nobody has registered this system here: it changes and deletes what it wrote itself";
        return Ok(Err(vec![Issue::plain(IssueCode::BusinessRule, text)]));
    }
    let roles = facts::of_caller(session)?.roles;
    let written =
        concord_consent::authorship::may_change(&session.call.caller.actor, author, &roles, session.transaction.now);
    Ok(written.map_err(|reason| concord_consent::explain::refusal(std::slice::from_ref(&*reason))))
}

/// Whether the caller wrote the resource first.
pub(crate) fn wrote(session: &mut Session<'_, '_>, version: &Version) -> Result<bool, ApiError> {
    Ok(authored(session, version)?.is_ok())
}

/// Whether several parties write what stands in a version, each its part.
fn is_multi_author(version: &Version) -> Result<bool, ApiError> {
    let resource_type = version.resource_type;
    if !rules::may_be_multi_author(resource_type) || version.deleted {
        return Ok(false);
    }
    Ok(rules::is_multi_author(resource_type, &stored(version)?))
}

/// The resource of a version that is not a deletion.
pub(crate) fn stored(version: &Version) -> Result<Value<'static>, ApiError> {
    facts::parsed(version)?.ok_or(ApiError::Gone)
}

/// Whether the caller may change what is labelled in a resource: who wrote it, and a system what no patient and no
/// related person wrote. What not, with the reason.
pub(crate) fn owns(session: &mut Session<'_, '_>, version: &Version) -> Result<Result<(), Vec<Issue>>, ApiError> {
    if session.call.caller.actor == Actor::System && labels::is_a_persons(version) {
        let text = "the patient or somebody close to the patient wrote this, and decides how it is labelled";
        return Ok(Err(vec![Issue::plain(IssueCode::BusinessRule, text)]));
    }
    // To negotiate a goal is not to own it.
    if is_multi_author(version)?
        && let Err(issues) = authored(session, version)?
    {
        return Ok(Err(issues));
    }
    match may_change(session, Action::Update, version) {
        Ok(()) => Ok(Ok(())),
        Err(ApiError::Denied(issues)) => Ok(Err(issues)),
        Err(error) => Err(error),
    }
}

/// Who writes, for the rules of the type.
pub(crate) fn writer(session: &mut Session<'_, '_>) -> Result<Writer, ApiError> {
    let actor = &session.call.caller.actor;
    let mut writer = Writer { kind: WriterKind::System, reference: actor.reference(), also: Vec::new(), patient: None };
    match actor {
        Actor::System if speaks_for_itself_only(&session.call.caller) => writer.kind = WriterKind::Unregistered,
        Actor::System => {}
        Actor::Patient(id) => {
            writer.kind = WriterKind::Patient;
            writer.patient = Some(id.clone());
        }
        Actor::RelatedPerson(_) => {
            writer.patient.clone_from(&session.call.caller.patient);
            if writer.patient.is_none()
                && let Some(own) = facts::own(session)?
            {
                // Without a patient in context it is the one whom this person is known to be related to.
                writer.patient = Some(session.transaction.patient_id(own.patient)?).filter(|id| !id.is_empty());
            }
            let decides = match &writer.patient {
                Some(patient) => decides_for(session, patient)?,
                None => false,
            };
            writer.kind = WriterKind::RelatedPerson { decides };
        }
        Actor::Practitioner(_) | Actor::PractitionerRole(_) => {
            writer.kind = WriterKind::Professional;
            let roles = facts::of_caller(session)?.roles;
            writer.also = concord_consent::identity::references(actor, &roles, session.transaction.now);
        }
    }
    Ok(writer)
}

/// Whether the law lets the caller decide for the patient.
fn decides_for(session: &mut Session<'_, '_>, patient: &str) -> Result<bool, ApiError> {
    let record = session.transaction.named_record(patient)?;
    if record.is_unused() {
        return Ok(false);
    }
    #[expect(clippy::disallowed_methods, reason = "whether the caller decides for that patient is decided next")]
    let key = record.deciding();
    let facts = facts_about(session, key)?;
    Ok(concord_consent::legal_basis(&session.call.caller, &facts, patient, session.transaction.now).is_some())
}
