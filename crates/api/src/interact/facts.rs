//! Facts for questions about others than the caller: what is known of an actor whom somebody asks about, of everybody who
//! is named in a record, and of one resource.

use std::sync::Arc;

use concord_consent::facts::{Facts, IdentityFacts, Provision, RoleFacts, Target};
use concord_consent::request::{Action, Request};
use concord_fhir::index::{self, Entries, Entry, ParameterId, SEPARATOR};
use concord_fhir::registry::ResourceType;

use super::{Call, Concord, PROVENANCE, SECURITY, access, judge, labels};
use crate::fault::Fault;
use crate::store::lower::Rows;
use crate::store::rows::Version;
use crate::store::statement::Sql;
use crate::store::transaction::Transaction;

const RELATED: [(&str, &str); 5] = [
    ("Device", "Device.identifier"),
    ("Organization", "Organization.identifier"),
    ("Practitioner", "Practitioner.identifier"),
    ("PractitionerRole", "PractitionerRole.identifier"),
    ("RelatedPerson", "RelatedPerson.identifier"),
];

/// What a version is judged by: its index entries, with the labels beside it.
pub(crate) fn entries(
    concord: &Concord,
    transaction: &mut Transaction<'_>,
    version: &Version,
) -> Result<Entries, Fault> {
    let value = labels::stored(version)?;
    let mut entries = index::extract_under(&concord.base, version.resource_type, &version.id, version.updated, &value);
    if version.resource_type == PROVENANCE {
        let mut patients = Vec::new();
        for key in transaction.patients_of(Rows::Current, version)? {
            patients.push(transaction.patient_id(key)?);
        }
        entries = entries.part_of(patients);
    }
    let beside = version.labels_beside();
    entries.rows.extend(beside.map(|key| Entry { parameter: SECURITY, key: key.to_owned(), low: None, high: None }));
    Ok(entries)
}

/// Whether the caller acts in an office, with a reason.
pub(crate) fn in_office(call: &Call) -> bool {
    let request = Request {
        caller: &call.caller,
        action: Action::Read,
        resource_type: None,
        purpose: call.purpose,
        reason: call.reason.as_deref(),
    };
    !call.caller.credentials.offices.is_empty() && request.good_reason().is_some()
}

/// Whether the caller may read the Consent that a reason stands in, `Consent/id/_history/version`. A draft is the
/// caller's own.
pub(crate) fn knows_consent(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    name: Option<&str>,
) -> Result<bool, Fault> {
    let Some(name) = name else { return Ok(false) };
    let Some((id, _)) = name.strip_prefix("Consent/").and_then(|rest| rest.split_once("/_history/")) else {
        return Ok(true);
    };
    readable(concord, call, transaction, ResourceType::of("Consent"), id)
}

fn readable(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    resource_type: ResourceType,
    id: &str,
) -> Result<bool, Fault> {
    let Some(head) = transaction.head(resource_type, id, false)? else { return Ok(false) };
    let decision = access::decide_on(concord, call, transaction, Action::Read, &head)?;
    judge::permits(transaction, &decision, Rows::Current, &head.version)
}

/// What has to be known to tell everybody who can see a record, as far as the caller may know it: a care team or Consent
/// that is hidden from the caller names nobody.
pub(crate) fn everybody(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    patient: i64,
) -> Result<Facts, Fault> {
    let mut facts = access::facts(concord, call, transaction, patient)?;
    facts.roles.clear();
    facts.identities.clear();
    for known in facts.patients.iter_mut().map(Arc::make_mut) {
        let mut teams = Vec::new();
        for team in std::mem::take(&mut known.care_teams) {
            if readable(concord, call, transaction, ResourceType::of("CareTeam"), &team.id)? {
                teams.push(team);
            }
        }
        known.care_teams = teams;
        let mut consents = Vec::new();
        for consent in std::mem::take(&mut known.consents) {
            if knows_consent(concord, call, transaction, Some(&consent.name))? {
                consents.push(consent);
            }
        }
        known.consents = consents;
    }
    let mut named: Vec<Target> = Vec::new();
    for known in &facts.patients {
        let members = known.care_teams.iter().flat_map(|team| team.participants.iter().map(|one| &one.member));
        named.extend(members.cloned());
        known.consents.iter().for_each(|consent| actors(&consent.root, &mut named));
    }
    named.sort_by_key(|target| format!("{target:?}"));
    named.dedup();
    for target in named {
        match target {
            Target::Local(reference) => roles(concord, transaction, &reference, &mut facts.roles)?,
            Target::Identified { system, value, .. } => {
                identified(concord, transaction, &system, &value, &mut facts)?;
            }
            Target::Elsewhere(_) | Target::Unreadable => {}
        }
    }
    facts.roles.sort_by(|a, b| a.id.cmp(&b.id));
    facts.roles.dedup_by(|a, b| a.id == b.id);
    Ok(facts)
}

fn actors(provision: &Provision, named: &mut Vec<Target>) {
    named.extend(provision.actors.iter().cloned());
    provision.provisions.iter().for_each(|inner| actors(inner, named));
}

/// The roles of a practitioner, or the one role.
fn roles(
    concord: &Concord,
    transaction: &mut Transaction<'_>,
    reference: &str,
    found: &mut Vec<RoleFacts>,
) -> Result<(), Fault> {
    let condition = match reference.split_once('/') {
        Some(("Practitioner", _)) => {
            Sql::new("r.deleted = 0 AND r.rid IN (SELECT e.resource FROM entry e WHERE e.key <> '' AND e.parameter = ")
                .bind(ParameterId::of("PractitionerRole.practitioner").0)
                .sql(" AND e.key = ")
                .bind(reference)
                .sql(") LIMIT 100")
        }
        Some(("PractitionerRole", id)) => Sql::new("r.deleted = 0 AND r.type = ")
            .bind(ResourceType::of("PractitionerRole").number())
            .sql(" AND r.id = ")
            .bind(id),
        _ => return Ok(()),
    };
    for version in transaction.versions(Rows::Current, condition)? {
        found.push(RoleFacts::from_resource(&version.id, &labels::stored(&version)?, &concord.base));
    }
    Ok(())
}

/// Who bears an identifier.
fn identified(
    concord: &Concord,
    transaction: &mut Transaction<'_>,
    system: &str,
    value: &str,
    facts: &mut Facts,
) -> Result<(), Fault> {
    for (name, parameter) in RELATED {
        let resource_type = ResourceType::of(name);
        let condition = Sql::new("r.deleted = 0 AND r.type = ")
            .bind(resource_type.number())
            .sql(" AND r.rid IN (SELECT e.resource FROM entry e WHERE e.key <> '' AND e.parameter = ")
            .bind(ParameterId::of(parameter).0)
            .sql(" AND e.key = ")
            .bind(format!("{value}{SEPARATOR}{system}"))
            .sql(") LIMIT 10");
        for version in transaction.versions(Rows::Current, condition)? {
            let stored = labels::stored(&version)?;
            facts.identities.push(IdentityFacts::from_resource(resource_type, &version.id, &stored));
            let reference = format!("{name}/{}", version.id);
            roles(concord, transaction, &reference, &mut facts.roles)?;
        }
    }
    Ok(())
}
