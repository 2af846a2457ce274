//! A Consent decides who may see a record. Who made a version active is kept beside it; what somebody else proposes the patient makes active, or rejects, and changes nothing else of.

use concord_consent::caller::Actor;
use concord_consent::facts::{ConsentFacts, GivenBy};
use concord_fhir::check;
use concord_fhir::issue::{Issue, IssueCode};
use concord_fhir::json::Value;
use concord_fhir::literal::Literal;
use concord_fhir::registry::{PatientCompartment, ResourceType, is_own_record, patient_compartment};
use concord_store::rows::Version;

use crate::error::ApiError;
use crate::interact::access::named_before::NamedBefore;
use crate::interact::access::{self, facts, knowledge, references};
use crate::interact::changed;
use crate::interact::given;
use crate::interact::hooks::{Decides, Draft, TypeHooks};
use crate::interact::labels::review;
use crate::interact::session::Session;

pub(super) const HOOKS: TypeHooks = TypeHooks {
    decides_access: Some(Decides::Records),
    // What is not for somebody is not for them as it was either.
    names_deleted: &["provision.data.reference"],
    complete: Some(complete),
    also_changed: Some(settles),
    agrees: Some(agrees),
    refuse_change: Some(refuse_change),
    refuse_deletion: Some(keeps_what_is_not_hers),
    before_store: Some(keep_giver),
    confirm: Some(confirm_names),
    ..TypeHooks::of("Consent")
};

/// Refuses what may not be decided on at all.
fn complete(session: &mut Session<'_, '_>, draft: &Draft<'_>, value: &mut Value<'_>) -> Result<(), ApiError> {
    refuse_leniency(session, draft, value)?;
    let base = session.service.base.as_str();
    let named = draft.before.news(value, references::links(value), base)?;
    refuse_what_is_kept(session, value, named)
}

/// Refuses that anybody but a registered system names what is, or was when it was deleted, kept from the patient by its labels in a Consent that
/// is not: no label hides what is proposed to her, so that she would learn by it that there is such a thing. What its writer may not know of
/// has been refused before.
///
/// # Errors
/// [`ApiError::Unprocessable`] with every such name, at its place.
fn refuse_what_is_kept(
    session: &mut Session<'_, '_>,
    value: &Value<'_>,
    named: Vec<(String, String)>,
) -> Result<(), ApiError> {
    // From patients and their relations such a thing is kept as from her.
    if matches!(session.call.caller.actor, Actor::Patient(_) | Actor::RelatedPerson(_)) {
        return Ok(());
    }
    let is_kept = || value.get("meta").is_some_and(|meta| meta.list("security").iter().any(review::hides));
    match access::given_by(session.call) {
        GivenBy::System => return Ok(()),
        GivenBy::Safeguarding if is_kept() => return Ok(()),
        _ => {}
    }
    let mut issues = Vec::new();
    for (place, reference) in named {
        if let Literal::Local(resource_type, id) = Literal::read(&reference, &session.service.base)
            && is_of_records(resource_type)
            && knowledge::known(session, resource_type, id)?.is_some_and(|head| review::is_kept(&head.version))
        {
            let text = format!(
                "{resource_type}/{id} is kept from the patient, and she reads every Consent that is proposed to her"
            );
            issues.push(Issue::error(IssueCode::BusinessRule, place, text));
        }
    }
    if issues.is_empty() { Ok(()) } else { Err(ApiError::Unprocessable(issues)) }
}

/// Whether something of this type is in a record and is not whose record that is, which she knows.
fn is_of_records(resource_type: ResourceType) -> bool {
    patient_compartment(resource_type) != PatientCompartment::Shared && !is_own_record(resource_type)
}

/// The same when a transaction has stored all else: what a Consent has come to name by it may be kept from her by then.
fn confirm_names(session: &mut Session<'_, '_>, stored: &Version) -> Result<(), ApiError> {
    if stored.deleted {
        return Ok(());
    }
    let before = match stored.version {
        1 => None,
        number => session.transaction.superseded(stored.key, number - 1)?,
    };
    refuse_news_of_what_is_kept(session, before.as_ref(), stored)
}

/// Refuses what a version names that the one before does not, or does while it is itself kept from her.
fn refuse_news_of_what_is_kept(
    session: &mut Session<'_, '_>,
    before: Option<&Version>,
    stored: &Version,
) -> Result<(), ApiError> {
    let value = stored.resource()?;
    let shown = before.filter(|before| !review::is_hidden(before));
    let named = NamedBefore::by(shown).news(&value, references::links(&value), &session.service.base)?;
    refuse_what_is_kept(session, &value, named)
}

/// Refuses what R4 forbids and the national proxy service writes (actors without a role) from everybody but a registered system.
fn refuse_leniency(session: &mut Session<'_, '_>, draft: &Draft<'_>, value: &mut Value<'_>) -> Result<(), ApiError> {
    // Who settles what another wrote changes nothing of what it says, nor who ends what is stored as their own.
    if access::given_by(session.call) == GivenBy::System
        || draft.previous.is_some()
        || draft.before.says_the_rest(value, &["status"])?
    {
        return Ok(());
    }
    let problems = check::strictly(value);
    if problems.is_empty() { Ok(()) } else { Err(ApiError::Unprocessable(problems)) }
}

/// Whether the patient, in her own app, settles what another wrote: she takes or rejects a proposal, and ends what gives access, whoever
/// stored it. What suspends somebody, and by what right of the law somebody acts, is not hers ([`keeps_what_is_not_hers`]).
fn settles(session: &mut Session<'_, '_>, old: &Version) -> Result<bool, ApiError> {
    if access::given_by(session.call) != GivenBy::Patient || access::wrote(session, old)? {
        return Ok(false);
    }
    let Some(known) = facts::of_consent(session, old)? else { return Ok(false) };
    Ok(!known.suspends && !is_legal_basis(&known))
}

/// Whether the patient makes active what another wrote.
fn agrees(session: &mut Session<'_, '_>, old: &Version, value: &Value<'_>) -> Result<bool, ApiError> {
    let is_active = |value: &Value<'_>| value.text("status") == Some("active");
    Ok(is_active(value) && !is_active(&access::stored(old)?) && settles(session, old)?)
}

/// The states that a patient may bring a Consent into that another wrote.
const DECIDED: [&str; 3] = ["active", "rejected", "inactive"];

fn refuse_change(session: &mut Session<'_, '_>, old: &Version, value: &Value<'_>) -> Result<(), ApiError> {
    keeps_what_is_not_hers(session, old)?;
    if old.deleted || !settles(session, old)? {
        return Ok(());
    }
    let rule = |element: String, text: &str| {
        Err(ApiError::Unprocessable(vec![Issue::error(IssueCode::BusinessRule, element, text)]))
    };
    if value.text("status").is_none_or(|status| !DECIDED.contains(&status)) {
        let text = "what another wrote becomes active, rejected or inactive";
        return rule("Consent.status".to_owned(), text);
    }
    let stored = access::stored(old)?;
    match changed(&stored, value) {
        Some(element) => rule(
            format!("Consent.{element}"),
            "another wrote this: you make it active, reject it or end it, and change nothing else of it",
        ),
        None => Ok(()),
    }
}

/// The first element, besides the status and what the server stamps, in which two versions differ.
fn changed(stored: &Value<'_>, value: &Value<'_>) -> Option<String> {
    let element = changed::element(stored, value, &["status"]);
    element.or_else(|| changed::meta(stored, value).then(|| "meta".to_owned()))
}

/// Refuses that anybody but a registered system, or the office whose it is, takes away what suspends somebody; and that anybody but a
/// registered system changes by what right of the law somebody acts, whomever the Consent names as having agreed to it.
fn keeps_what_is_not_hers(session: &mut Session<'_, '_>, old: &Version) -> Result<(), ApiError> {
    let Some(known) = facts::of_consent(session, old)? else { return Ok(()) };
    let by = access::given_by(session.call);
    if by == GivenBy::System {
        return Ok(());
    }
    if known.suspends && !(by == GivenBy::Safeguarding && known.given_by == GivenBy::Safeguarding) {
        let text = "this suspends somebody: a registered system changes it, or the safeguarding office that wrote it";
        return Err(ApiError::denied(text));
    }
    if is_legal_basis(&known) {
        let text =
            "by this the law lets somebody act for the patient: the registered system that it is from changes it";
        return Err(ApiError::denied(text));
    }
    Ok(())
}

/// Whether by it the law lets somebody act for the patient: a registered system has said so.
fn is_legal_basis(known: &ConsentFacts) -> bool {
    known.basis.is_some() && known.given_by == GivenBy::System
}

/// Keeps who makes the version what it is. Whoever labels it, or releases it, makes it nothing else.
fn keep_giver(session: &mut Session<'_, '_>, old: Option<&Version>, new: &Version) -> Result<Vec<Issue>, ApiError> {
    end_what_rests_on_it(session, old, new)?;
    // Whoever releases it to her releases no name of what is not.
    if old.is_some_and(review::is_hidden) && !new.deleted && !review::is_hidden(new) {
        refuse_news_of_what_is_kept(session, old, new)?;
    }
    given::keep(session, old, new)?;
    Ok(Vec::new())
}

/// Ends what an app was let do by sign-in with this Consent, when it is not active any more.
fn end_what_rests_on_it(session: &mut Session<'_, '_>, old: Option<&Version>, new: &Version) -> Result<(), ApiError> {
    if old.is_none() || (!new.deleted && access::stored(new)?.text("status") == Some("active")) {
        return Ok(());
    }
    let now_s = session.transaction.now.div_euclid(1000);
    session.transaction.end_grants_of_consent(&new.id, now_s)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_migration_knows_a_consent_by_its_number() {
        assert_eq!(HOOKS.resource_type.number(), 28, "migrations 2026-11-28-000007_given_by");
    }
}
