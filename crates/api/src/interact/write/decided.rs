//! What is decided of a version before anything is made of it: by the rules of its type, by whose record it would be in, and by what
//! it refers to. A write asks it, and so does whoever asks whether a write would be taken.

use concord_consent::request::Action;
use concord_fhir::index::{self, Entries};
use concord_fhir::issue::{Issue, IssueCode};
use concord_fhir::json::Value;
use concord_fhir::registry::ResourceType;

use super::denial::denied;
use super::{Filing, VersionPlace, apply_rules, author, copies, filing, mismatch, stays_in_record};
use crate::error::ApiError;
use crate::interact::access::named_before::NamedBefore;
use crate::interact::access::{self, references};
use crate::interact::session::Session;
use crate::interact::told_of_emergency::leave_whom_it_names;

/// A version that the caller may write, as far as that is decided by whose record it is in.
pub(super) struct Decided {
    /// What it is found and evaluated by.
    pub(super) entries: Entries,
    /// Who wrote the resource.
    pub(super) author: String,
    /// What it refers to that the caller may not read.
    pub(super) unreadable: references::Unreadable,
    /// The Patients whom it names by a number.
    pub(super) filing: Filing,
    /// What the client should know.
    pub(super) warnings: Vec<Issue>,
}

/// Completes what the client sent by the rules of its type, and decides on the result.
///
/// # Errors
/// Why it may not be written, and when the store fails.
pub(super) fn decided(
    session: &mut Session<'_, '_>,
    action: Action,
    resource_type: ResourceType,
    value: &mut Value<'_>,
    place: &VersionPlace<'_>,
) -> Result<Decided, ApiError> {
    let hooks = session.service.hooks.of(resource_type);
    let before = NamedBefore::by(place.old);
    let prepared = apply_rules(session, hooks, resource_type, value, place, &before)?;
    let filing = filing::resolve(session, resource_type, place.old, value)?;
    let filed = filing.view(resource_type, value);
    let mut entries = index::extract_under(&session.service.base, resource_type, place.id, place.updated, &filed);
    if let Some(records) = hooks.records {
        let mut found = records(session, &filed)?;
        if let Some(old) = place.old.filter(|_| found.is_empty())
            && before.names_all(&filed, &session.service.base)?
        {
            // What it belongs to may be hidden by now, and it is where it was.
            found = session.transaction.patient_ids_of(old)?;
        }
        entries = entries.part_of(found);
    }
    if let Some(old) = place.old {
        stays_in_record::refuse_move(session, old, value, &entries)?;
    }
    let author = author(session, resource_type, place, value);
    leave_whom_it_names(resource_type, &author, &filed, &mut entries.sources);
    entries = entries.by(author.clone());
    // Whoever may not know of everything would learn from what theirs inherits that what it names is there.
    let unreadable = match session.call.caller.knows_everything() {
        true => references::Unreadable::default(),
        false => references::unreadable(session, value, &entries.patients, &before)?,
    };
    let as_known = unreadable.without(&entries);
    copies::refuse_many(session, place.old, &as_known, &filing)?;
    // In whose record it would be is decided before what it says; what would be in no patient compartment for want of a
    // subject breaks a rule of its type first.
    let decided = decide(session, action, resource_type, &as_known);
    let warnings: Vec<Issue> = match (prepared, decided) {
        (Err(issues), Err(ApiError::Denied(_)))
            if entries.patients.is_empty() && issues.iter().any(|issue| issue.code == IssueCode::Required) =>
        {
            return Err(ApiError::Unprocessable(issues));
        }
        (_, Err(ApiError::Denied(issues))) => {
            return Err(denied(session, (action, resource_type), value, &entries, issues));
        }
        (_, Err(error)) => return Err(error),
        (Err(issues), Ok(())) => return Err(ApiError::Unprocessable(issues)),
        (Ok(warnings), Ok(())) => warnings,
    };
    Ok(Decided { entries, author, unreadable, filing, warnings })
}

/// Refuses what would be refused if it were written now. Nothing is stored.
///
/// # Errors
/// Why it would be, and when the store fails.
pub(crate) fn refuse(
    session: &mut Session<'_, '_>,
    action: Action,
    resource_type: ResourceType,
    mut value: Value<'_>,
    place: &VersionPlace<'_>,
) -> Result<(), ApiError> {
    let decided = decided(session, action, resource_type, &mut value, place)?;
    decided.unreadable.refuse()?;
    mismatch::refuse(session, resource_type, place.old, &value)?;
    filing::settle(session, resource_type, &decided.filing).map(drop)
}

/// Whether the caller may write a resource with these entries: into every record that it would be part of.
fn decide(
    session: &mut Session<'_, '_>,
    action: Action,
    resource_type: ResourceType,
    entries: &Entries,
) -> Result<(), ApiError> {
    access::require_scope(session.call, action, resource_type)?;
    // What is being handed on to it is no part of what the caller says.
    let mut single = entries.clone().by_itself();
    let patients: Vec<Option<&String>> =
        if entries.patients.is_empty() { vec![None] } else { entries.patients.iter().map(Some).collect() };
    for patient in patients {
        single.patients = patient.into_iter().cloned().collect();
        let key = match patient {
            // A record that nothing has ever named has no facts that permit anything to anybody but its patient.
            #[expect(clippy::disallowed_methods, reason = "whether it may be written there is decided next")]
            Some(id) => session.transaction.named_record(id)?.deciding(),
            None => 0,
        };
        let decision = access::decide_about(session, action, resource_type, key)?;
        if !decision.permit.holds(&single) {
            return Err(ApiError::Denied(access::issues(&decision)));
        }
    }
    Ok(())
}
