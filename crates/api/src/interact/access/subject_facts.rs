//! Facts for questions about others than the caller: what is known of an actor whom somebody asks about, of everybody who
//! is named in a record, and of one resource.

use std::collections::HashMap;
use std::sync::Arc;

use concord_consent::facts::{Facts, IdentityFacts, Provision, RoleFacts, Target};
use concord_consent::request::Action;
use concord_fhir::index::{Entries, Entry, ParameterId};
use concord_fhir::registry::ResourceType;
use concord_store::find::ByKey;
use concord_store::named::{KnownIdentifier, KnownName};
use concord_store::rows::{StoredVersion, Version};

use crate::error::ApiError;
use crate::interact::access::{facts, knowledge};
use crate::interact::session::Session;
use crate::interact::stored_entries::stored_entries;
use crate::interact::{Call, SECURITY, access};

const RELATED: [(&str, &str); 5] = [
    ("Device", "Device.identifier"),
    ("Organization", "Organization.identifier"),
    ("Practitioner", "Practitioner.identifier"),
    ("PractitionerRole", "PractitionerRole.identifier"),
    ("RelatedPerson", "RelatedPerson.identifier"),
];

/// About how many steps of the database's machine it takes as long as to look at one resource that decides about others.
const STEPS_OF_ITEM: u64 = 100;

/// What a version is evaluated by: its index entries, with the labels beside it.
pub(crate) fn entries(session: &mut Session<'_, '_>, version: &Version) -> Result<Entries, ApiError> {
    let value = version.resource()?;
    let mut entries = stored_entries(session, version, &value)?.by(version.author.clone());
    let beside = version.added_labels().chain(version.inherited_labels());
    entries.rows.extend(beside.map(|key| Entry { parameter: SECURITY, key: key.to_owned(), low: None, high: None }));
    Ok(entries)
}

/// Whether the caller acts in a privileged role, with a reason.
pub(crate) fn has_privileged_role(call: &Call) -> bool {
    let in_a_role = !call.caller.credentials.privileged_roles.is_empty();
    in_a_role && call.request(Action::Read, None).good_reason().is_some()
}

/// Whether the caller may read the Consent that a reason stands in, `Consent/id/_history/version`. A draft is the
/// caller's own.
pub(crate) fn knows_consent(session: &mut Session<'_, '_>, name: Option<&str>) -> Result<bool, ApiError> {
    let Some(name) = name else { return Ok(false) };
    let Some(id) = consent_id(name) else { return Ok(true) };
    Ok(knowledge::readable(session, ResourceType::of("Consent"), id)?.is_some())
}

/// The id of a stored Consent of that name.
fn consent_id(name: &str) -> Option<&str> {
    Some(name.strip_prefix("Consent/")?.split_once("/_history/")?.0)
}

/// What has to be known to tell everybody who can see a record, as far as the caller may know it: a care team or Consent
/// that is hidden from the caller names nobody.
pub(crate) fn everybody(session: &mut Session<'_, '_>, patient: i64) -> Result<Facts, ApiError> {
    let mut facts = access::facts_about(session, patient)?;
    facts.roles.clear();
    facts.identities.clear();
    let stored = leave_hidden(session, &mut facts)?;
    let mut named: Vec<Target> = Vec::new();
    for known in &facts.patients {
        let members = known.care_teams.iter().flat_map(|team| team.participants.iter().map(|one| &one.member));
        named.extend(members.cloned());
        known.consents.iter().for_each(|consent| actors(&consent.root, &mut named));
    }
    named.sort_by_key(|target| format!("{target:?}"));
    named.dedup();
    let (mut names, mut identifiers) = (HashMap::new(), HashMap::new());
    for one in &stored {
        names.extend(one.names(&session.service.base)?.into_iter().map(|name| (name.reference(), name)));
        let said = one.identifiers()?.into_iter();
        identifiers.extend(said.map(|one| ((one.parts().0.to_owned(), one.parts().1.to_owned()), one)));
    }
    for target in named {
        session.transaction.compute(STEPS_OF_ITEM)?;
        match target {
            Target::Local(reference) => {
                if let Some(name) = names.get(&reference) {
                    roles(session, name, &reference, &mut facts.roles)?;
                }
            }
            Target::Identified { system, value, .. } => {
                if let Some(identifier) = identifiers.get(&(system, value)) {
                    identified(session, identifier, &mut facts)?;
                }
            }
            Target::WithoutSystem(_) | Target::Elsewhere(_) | Target::Unreadable => {}
        }
    }
    facts.roles.sort_by(|a, b| a.id.cmp(&b.id));
    facts.roles.dedup_by(|a, b| a.id == b.id);
    facts.identities.sort_by(|a, b| a.reference.cmp(&b.reference));
    facts.identities.dedup_by(|a, b| a.reference == b.reference);
    Ok(facts)
}

/// Leaves out of what is known of patients the care teams, Consents and related persons that the caller may not read. What says
/// who is named, of those that they may.
///
/// # Errors
/// When the store fails.
pub(crate) fn leave_hidden(session: &mut Session<'_, '_>, facts: &mut Facts) -> Result<Vec<StoredVersion>, ApiError> {
    let mut stored = Vec::new();
    for known in facts.patients.iter_mut().map(Arc::make_mut) {
        let mut teams = Vec::new();
        for team in std::mem::take(&mut known.care_teams) {
            session.transaction.compute(STEPS_OF_ITEM)?;
            if let Some(head) = knowledge::readable(session, ResourceType::of("CareTeam"), &team.id)? {
                stored.push(head.version);
                teams.push(team);
            }
        }
        known.care_teams = teams;
        let mut consents = Vec::new();
        for consent in std::mem::take(&mut known.consents) {
            session.transaction.compute(STEPS_OF_ITEM)?;
            let Some(id) = consent_id(&consent.name) else { continue };
            if let Some(head) = knowledge::readable(session, ResourceType::of("Consent"), id)? {
                stored.push(head.version);
                consents.push(consent);
            }
        }
        known.consents = consents;
        let mut related = Vec::new();
        for person in std::mem::take(&mut known.related_persons) {
            session.transaction.compute(STEPS_OF_ITEM)?;
            if knowledge::readable(session, ResourceType::of("RelatedPerson"), &person.id)?.is_some() {
                related.push(person);
            }
        }
        known.related_persons = related;
    }
    Ok(stored)
}

fn actors(provision: &Provision, named: &mut Vec<Target>) {
    named.extend(provision.actors.iter().cloned());
    provision.provisions.iter().for_each(|inner| actors(inner, named));
}

/// The roles of a practitioner, or the one role, of that name: `Type/id`, which is `reference`.
fn roles(
    session: &mut Session<'_, '_>,
    name: &KnownName<'_>,
    reference: &str,
    found: &mut Vec<RoleFacts>,
) -> Result<(), ApiError> {
    let roles = match reference.split_once('/') {
        Some(("Practitioner", _)) => facts::roles_of(session, name)?,
        Some(("PractitionerRole", _)) => {
            let found = session.transaction.head(name, false)?.map(|head| head.version);
            found.into_iter().filter(|version| !version.deleted).collect()
        }
        _ => return Ok(()),
    };
    for version in roles {
        found.push(RoleFacts::from_resource(&version.id, &version.resource()?, &session.service.base));
    }
    Ok(())
}

/// Who bears an identifier by which somebody is named.
fn identified(session: &mut Session<'_, '_>, identifier: &KnownIdentifier, facts: &mut Facts) -> Result<(), ApiError> {
    for (name, parameter) in RELATED {
        let resource_type = ResourceType::of(name);
        let key = identifier.key(ParameterId::of(parameter));
        for version in session.transaction.find_by_key(&ByKey::new(&key).of_type(resource_type).limit(10))? {
            let said = version.resource()?;
            facts.identities.push(IdentityFacts::from_resource(resource_type, &version.id, &said));
            match name {
                "PractitionerRole" => {
                    facts.roles.push(RoleFacts::from_resource(&version.id, &said, &session.service.base));
                }
                _ => roles(session, &version.name(), &format!("{name}/{}", version.id), &mut facts.roles)?,
            }
        }
    }
    Ok(())
}
