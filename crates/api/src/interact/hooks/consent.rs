//! A Consent decides who may see a record. Who made a version active is kept beside it; what somebody else proposes the patient makes active, or rejects, and changes nothing else of.

use concord_consent::facts::{ConsentFacts, GivenBy};
use concord_fhir::check;
use concord_fhir::issue::{Issue, IssueCode};
use concord_fhir::json::Value;
use concord_store::rows::Version;

use crate::error::ApiError;
use crate::interact::access::{self, facts};
use crate::interact::changed;
use crate::interact::given;
use crate::interact::hooks::{Decides, Draft, TypeHooks};
use crate::interact::session::Session;

pub(super) const HOOKS: TypeHooks = TypeHooks {
    decides_access: Some(Decides::Records),
    // What is not for somebody is not for them as it was either.
    names_deleted: &["provision.data.reference"],
    complete: Some(refuse_leniency),
    also_changed: Some(settles),
    agrees: Some(agrees),
    refuse_change: Some(refuse_change),
    refuse_deletion: Some(keeps_what_is_not_hers),
    before_store: Some(keep_giver),
    ..TypeHooks::of("Consent")
};

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
