//! What is known of all records that somebody may know who names none: of every patient whose Consent or CareTeam names them.

use concord_consent::caller::Actor;
use concord_consent::facts::Facts;
use concord_consent::purpose::Purpose;
use concord_consent::request::BREAK_GLASS_MS;
use concord_fhir::issue::{Issue, IssueCode};

use crate::error::ApiError;
use crate::interact::Call;
use crate::interact::access::facts;
use crate::interact::session::Session;

/// How many patients may be reached by a request that names none.
const REACH: usize = 200;

/// The access versions under which facts were read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Under {
    /// That of what is about nobody; none where not all that was read stands under versions.
    nobody: Option<i64>,
    /// Those of each record, by its key, with that of what is about nobody as it was read with it.
    records: Vec<(i64, (i64, i64))>,
}

impl Under {
    /// Whether all that was read stands under these versions.
    pub(super) fn is_certain(&self) -> bool {
        self.nobody.is_some()
    }
}

/// The facts about every patient whose Consent or CareTeam names the caller, and, in an emergency, whose record they have opened.
pub(super) fn reached(session: &mut Session<'_, '_>) -> Result<(Facts, Under), ApiError> {
    let mut facts = facts::of_caller(session)?;
    let named = names(session.call, &facts, session.transaction.now);
    let mut keys: Vec<i64> = session.transaction.records_with_keys(&facts::NAMING, named, REACH + 1)?;
    if matches!(session.call.caller.actor, Actor::RelatedPerson(_)) {
        keys.extend(facts::own(session)?.map(|own| own.patient));
    }
    if session.call.purpose == Some(Purpose::BREAK_GLASS)
        && let Some(who) = session.call.caller.actor.reference()
    {
        let after = session.transaction.now - BREAK_GLASS_MS;
        keys.extend(session.transaction.glass_broken_by(&who, after, REACH + 1)?);
    }
    if keys.len() > REACH {
        return Err(ApiError::Malformed(vec![Issue::plain(
            IssueCode::TooCostly,
            format!("the caller may see more than {REACH} patients; name one with the parameter patient"),
        )]));
    }
    keys.sort_unstable();
    keys.dedup();
    let mut records = Vec::with_capacity(keys.len());
    for key in keys {
        let access = facts::access_versions(session, key)?;
        facts::add_patient(session, key, access, &mut facts)?;
        records.push((key, access));
    }
    facts::add_labels(session, &mut facts)?;
    // Of others than professionals, who they are has no version.
    let is_versioned = facts.patients.iter().all(|patient| facts::is_versioned(patient));
    let is_certain = is_versioned && session.call.caller.actor.is_professional();
    let under = Under { nobody: session.cache.access_of_nobody.get().filter(|_| is_certain), records };
    for devices in [&mut facts.devices, &mut facts.possible_devices] {
        devices.sort_unstable();
        devices.dedup();
    }
    Ok((facts, under))
}

/// The references by which Consents and CareTeams may name the caller.
fn names(call: &Call, facts: &Facts, now: i64) -> Vec<String> {
    let mut names = concord_consent::identity::references(&call.caller.actor, &facts.roles, now);
    names.extend(call.caller.actor.reference());
    names.sort_unstable();
    names.dedup();
    names
}
