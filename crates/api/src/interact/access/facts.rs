//! What the store knows that access is decided by: of a caller and of a patient. What is known of a professional or a patient
//! is remembered under the access versions that the same transaction reads.

use std::sync::{Arc, PoisonError, RwLock};

use concord_consent::authorship::says_who_people_are;
use concord_consent::caller::Actor;
use concord_consent::facts::{
    BreakGlassFacts, CLIENT_SYSTEM, CareTeamFacts, ConsentFacts, Facts, GivenBy, ISSUED_CLIENT_SYSTEM, IdentityFacts,
    LinkFacts, PatientFacts, RelatedPersonFacts, RoleFacts, Target, ended, issued_client,
};
use concord_consent::request::BREAK_GLASS_MS;
use concord_fhir::index::ParameterId;
use concord_fhir::json::Value;
use concord_fhir::registry::ResourceType;
use concord_store::find::ByKey;
use concord_store::named::{KnownKey, KnownName};
use concord_store::rows::{Head, StoredVersion, Version};
use quick_cache::sync::Cache;

use crate::error::ApiError;
use crate::interact::session::Session;
use crate::interact::stored_entries::stored_view;

const CARE_TEAM: ResourceType = ResourceType::of("CareTeam");
const CONSENT: ResourceType = ResourceType::of("Consent");
const DEVICE: ResourceType = ResourceType::of("Device");
const PATIENT: ResourceType = ResourceType::of("Patient");
const PRACTITIONER: ResourceType = ResourceType::of("Practitioner");
const RELATED_PERSON: ResourceType = ResourceType::of("RelatedPerson");

/// The parameters by which what is stored in a record names those who may see it.
pub(crate) const NAMING: [ParameterId; 2] = [ParameterId::of("CareTeam.participant"), ParameterId::of("Consent.actor")];

/// How many resources that Consents name by what they are related to are looked into.
pub(crate) const RELATED: usize = 50;

/// Of how many patients it is remembered what is known.
const PATIENTS: usize = 2_000;

/// Of how many professionals it is.
const PROFESSIONALS: usize = 2_000;

/// What this process knows of professionals and patients, with the access versions that it was read under.
pub(crate) struct FactsCache {
    professionals: Cache<Actor, Arc<ProfessionalFacts>>,
    patients: Cache<i64, ((i64, i64), Arc<PatientFacts>)>,
    /// The labels that are on their way, with the access version of key 0.
    labels: RwLock<Option<(i64, Arc<[String]>)>>,
}

impl FactsCache {
    pub(crate) fn new() -> FactsCache {
        FactsCache {
            professionals: Cache::new(PROFESSIONALS),
            patients: Cache::new(PATIENTS),
            labels: RwLock::new(None),
        }
    }
}

/// What is known of a professional who acts, and until when roles begin or end.
struct ProfessionalFacts {
    /// The access version of what is about nobody: every type that it is read from raises it.
    access_of_nobody: i64,
    until: Option<i64>,
    facts: Facts,
}

/// What a professional is told of whom it is on record that they act no more, whatever they ask for.
const ACTS_NO_MORE: &str = "the token is valid, but whom it names is not active here any more";

/// What the store knows about the caller, read once in a session.
///
/// # Errors
/// [`ApiError::Denied`] for a professional of whom it is on record that they act no more: they are deleted or inactive; of a role, itself
/// or whose it is. Of whom nothing has ever been stored, the issuer's word counts.
pub(crate) fn of_caller(session: &mut Session<'_, '_>) -> Result<Facts, ApiError> {
    let actor = &session.call.caller.actor;
    if let Some((of, known)) = &*session.cache.facts.borrow()
        && of == actor
    {
        return Ok(known.clone());
    }
    let actor = actor.clone();
    let facts = match actor.is_professional() && session.call.asked_about.is_none() {
        true => of_professional(session, &actor)?,
        false => {
            let (name, own) = (own_name(session), own(session)?);
            of_actor(session, &actor, name, own)?
        }
    };
    let facts = facts.ok_or_else(|| ApiError::denied(ACTS_NO_MORE))?;
    session.cache.acts(&actor);
    *session.cache.facts.borrow_mut() = Some((actor, facts.clone()));
    Ok(facts)
}

/// Refuses a professional who acts no more, where no decision has found that they still do.
///
/// # Errors
/// As [`of_caller`].
pub(crate) fn require_acting(session: &mut Session<'_, '_>) -> Result<(), ApiError> {
    let actor = &session.call.caller.actor;
    if actor.is_professional() && !session.cache.is_certain(actor) {
        of_caller(session)?;
    }
    Ok(())
}

/// Whether this refuses a professional who acts no more.
pub(crate) fn is_of_the_ended(fault: &ApiError) -> bool {
    matches!(fault.cause(), ApiError::Denied(issues) if issues.iter().any(|issue| issue.text == ACTS_NO_MORE))
}

/// Whether it is on record of somebody, whoever asks, that they are a professional who acts no more.
/// `own` is their resource, as far as who asks may know of it.
pub(crate) fn has_ended(
    session: &mut Session<'_, '_>,
    actor: &Actor,
    own: Option<StoredVersion>,
) -> Result<bool, ApiError> {
    if !actor.is_professional() {
        return Ok(false);
    }
    let name = own.as_ref().map(|own| own.name().into_owned());
    Ok(session.without_explain(|session| of_actor(session, actor, name, own))?.is_none())
}

/// The same as [`of_actor`] of a professional: remembered while nothing changes that it is read from.
fn of_professional(session: &mut Session<'_, '_>, actor: &Actor) -> Result<Option<Facts>, ApiError> {
    let (access_of_nobody, now) = (access_of_nobody(session)?, session.transaction.now);
    if let Some(known) = session.service.facts.professionals.get(actor)
        && known.access_of_nobody == access_of_nobody
        && known.until.is_none_or(|until| now < until)
    {
        return Ok(Some(known.facts.clone()));
    }
    let (name, own) = (own_name(session), own(session)?);
    let Some(facts) = of_actor(session, actor, name, own)? else { return Ok(None) };
    let known = ProfessionalFacts { access_of_nobody, until: facts.next_change(now), facts: facts.clone() };
    session.service.facts.professionals.insert(actor.clone(), Arc::new(known));
    Ok(Some(facts))
}

/// The access versions of a record and of what is about nobody.
pub(crate) fn access_versions(session: &mut Session<'_, '_>, patient: i64) -> Result<(i64, i64), ApiError> {
    Ok(session.cache.under(session.transaction.access_versions(patient)?))
}

/// The access version of what is about nobody, as the session has read it last.
fn access_of_nobody(session: &mut Session<'_, '_>) -> Result<i64, ApiError> {
    match session.cache.access_of_nobody.get() {
        Some(known) => Ok(known),
        None => access_versions(session, 0).map(|(_, version)| version),
    }
}

/// The resource of who calls, deleted or not: the token names it. Of somebody whom a caller asks about it has been found before, as far
/// as the caller may know of it.
pub(crate) fn own(session: &mut Session<'_, '_>) -> Result<Option<StoredVersion>, ApiError> {
    let call = session.call;
    if let Some(asked) = &call.asked_about {
        return Ok(asked.own.clone());
    }
    match own_name(session) {
        Some(name) => Ok(session.transaction.head(&name, false)?.map(|head| head.version)),
        None => Ok(None),
    }
}

/// The name of who calls: the token says it. That of somebody whom a caller asks about is that of what they may know of them.
fn own_name<'s>(session: &Session<'s, '_>) -> Option<KnownName<'s>> {
    let call = session.call;
    if let Some(asked) = &call.asked_about {
        return asked.own.as_ref().map(|own| own.name());
    }
    #[expect(clippy::disallowed_methods, reason = "a verified token says who calls")]
    let name = call.caller.actor.resource().map(|(of, id)| KnownName::of_caller(of, id));
    name
}

/// The key of the record of the patient who calls, if there is one; none for anybody else.
///
/// # Errors
/// When the store fails.
pub(crate) fn own_record(session: &mut Session<'_, '_>) -> Result<Option<i64>, ApiError> {
    if !matches!(session.call.caller.actor, Actor::Patient(_)) {
        return Ok(None);
    }
    match own_name(session) {
        Some(name) => Ok(session.transaction.record_of(&name)?),
        None => Ok(None),
    }
}

/// What the store knows about somebody who may call, whose resource this is; none of a professional who acts no more.
fn of_actor(
    session: &mut Session<'_, '_>,
    actor: &Actor,
    name: Option<KnownName<'_>>,
    own: Option<StoredVersion>,
) -> Result<Option<Facts>, ApiError> {
    let mut facts = Facts::default();
    let now = session.transaction.now;
    if *actor == Actor::System {
        return Ok(Some(facts));
    }
    if actor.is_professional() && own.as_ref().is_some_and(|own| !is_active(own)) {
        return Ok(None);
    }
    let roles = match (actor, &name) {
        (Actor::Practitioner(_), Some(name)) => roles_of(session, name)?,
        (Actor::PractitionerRole(_), _) => own.iter().cloned().collect(),
        _ => Vec::new(),
    };
    for version in &roles {
        if let Some(value) = parsed(version)? {
            facts.roles.push(RoleFacts::from_resource(&version.id, &value, &session.service.base));
        }
    }
    let holders = match (actor, facts.roles.as_slice(), roles.as_slice()) {
        (Actor::PractitionerRole(_), [role], [stored]) => holders(session, role, stored)?,
        _ => Vec::new(),
    };
    if !holders.is_empty() && !holders.iter().any(|one| is_active(one)) {
        return Ok(None);
    }
    for name in concord_consent::identity::references(actor, &facts.roles, now) {
        let known = || own.iter().chain(&holders).chain(&roles).find(|one| one.name().is(&name));
        let found = match known() {
            Some(known) => Some(known.clone()),
            None if actor.reference().as_deref() == Some(name.as_str()) => None,
            None => said_by(session, &roles, &name)?,
        };
        if let Some(found) = found.filter(|found| says_who_people_are(&found.author))
            && let Some(value) = parsed(&found)?
        {
            facts.identities.push(IdentityFacts::from_resource(found.resource_type, &found.id, &value));
        }
    }
    Ok(Some(facts))
}

/// The roles of somebody.
pub(crate) fn roles_of(
    session: &mut Session<'_, '_>,
    practitioner: &KnownName<'_>,
) -> Result<Vec<StoredVersion>, ApiError> {
    let held = practitioner.referred_to_by(ParameterId::of("PractitionerRole.practitioner"));
    Ok(session.transaction.find_by_key(&ByKey::new(&held).limit(100))?)
}

/// What one of these names as that, `Type/id`, if it is there.
pub(crate) fn said_by(
    session: &mut Session<'_, '_>,
    stored: &[StoredVersion],
    name: &str,
) -> Result<Option<StoredVersion>, ApiError> {
    for one in stored {
        if let Some(name) = one.names(&session.service.base)?.into_iter().find(|said| said.is(name)) {
            return Ok(session.transaction.head(&name, false)?.map(|head| head.version));
        }
    }
    Ok(None)
}

/// Who holds a role, whenever it is held: whom it names, or whoever bears the identifier that it names.
fn holders(
    session: &mut Session<'_, '_>,
    role: &RoleFacts,
    stored: &StoredVersion,
) -> Result<Vec<StoredVersion>, ApiError> {
    match &role.practitioner {
        Some(Target::Local(local)) => {
            let found = said_by(session, std::slice::from_ref(stored), local)?;
            Ok(found.into_iter().filter(|found| found.resource_type == PRACTITIONER).collect())
        }
        Some(Target::Identified { system, value, .. }) => {
            match stored.identified(ParameterId::of("Practitioner.identifier"), system, value)? {
                Some(key) => {
                    let bearing = ByKey::new(&key).of_type(PRACTITIONER).limit(100);
                    Ok(session.transaction.find_by_key(&bearing)?)
                }
                None => Ok(Vec::new()),
            }
        }
        _ => Ok(Vec::new()),
    }
}

/// Who holds a stored role, whenever it is held.
///
/// # Errors
/// When the store fails.
pub(crate) fn whose_role(
    session: &mut Session<'_, '_>,
    stored: &StoredVersion,
) -> Result<Vec<StoredVersion>, ApiError> {
    let Some(value) = parsed(stored)? else { return Ok(Vec::new()) };
    let role = RoleFacts::from_resource(&stored.id, &value, &session.service.base);
    holders(session, &role, stored)
}

/// Whether a stored resource says nothing of being inactive.
pub(crate) fn is_active(version: &Version) -> bool {
    parsed(version).is_ok_and(|one| one.is_some_and(|one| one.get("active").and_then(Value::as_bool) != Some(false)))
}

/// Adds what the store knows about a patient that access is decided by, with the Devices that stand for the app that
/// calls. `access` are the access versions of the patient and of what is about nobody.
pub(crate) fn add_patient(
    session: &mut Session<'_, '_>,
    key: i64,
    access: (i64, i64),
    facts: &mut Facts,
) -> Result<(), ApiError> {
    let now = session.transaction.now;
    add_patient_at(session, key, access, now, facts)
}

/// The same for a decision as of another time: what has ended by now and had not then is among it.
pub(crate) fn add_patient_at(
    session: &mut Session<'_, '_>,
    key: i64,
    access: (i64, i64),
    when: i64,
    facts: &mut Facts,
) -> Result<(), ApiError> {
    let is_past = when < session.transaction.now;
    let patient = match session.service.facts.patients.get(&key).filter(|_| !is_past) {
        Some((versions, patient)) if versions == access => patient,
        _ => {
            let patient = Arc::new(of_patient(session, key, when.min(session.transaction.now))?);
            if is_versioned(&patient) && !is_past {
                session.service.facts.patients.insert(key, (access, Arc::clone(&patient)));
            }
            patient
        }
    };
    add_devices(session, &patient, facts)?;
    facts.patients.push(patient);
    Ok(())
}

/// Adds the labels that are on their way.
pub(crate) fn add_labels(session: &mut Session<'_, '_>, facts: &mut Facts) -> Result<(), ApiError> {
    let version = access_of_nobody(session)?;
    let known = session.service.facts.labels.read().unwrap_or_else(PoisonError::into_inner).clone();
    if let Some((_, labels)) = known.filter(|(under, _)| *under == version) {
        facts.labels_on_their_way = labels.to_vec();
        return Ok(());
    }
    let (under, labels) = session.transaction.labels_on_their_way()?;
    facts.labels_on_their_way.clone_from(&labels);
    *session.service.facts.labels.write().unwrap_or_else(PoisonError::into_inner) = Some((under, labels.into()));
    Ok(())
}

/// Whether all that is known of a patient stands under the access versions. What a resource refers to that a Consent
/// names, and whose Device one is, have none, so what depends on them is asked anew each time.
pub(crate) fn is_versioned(patient: &PatientFacts) -> bool {
    patient.related_to().is_empty() && !patient.names_a_device()
}

/// What the store knows about a patient that access is decided by at that time or later. What has ended by then is not read: a record
/// has any number of Consents that nobody goes by any more.
fn of_patient(session: &mut Session<'_, '_>, key: i64, when: i64) -> Result<PatientFacts, ApiError> {
    let mut facts = PatientFacts { patient: session.transaction.patient_id(key)?, ..PatientFacts::default() };
    let deciding = [CONSENT, CARE_TEAM, RELATED_PERSON];
    let found = session.transaction.find_in_record(key, &deciding, &ended(when))?;
    let consents: Vec<i64> = found.iter().filter(|one| one.resource_type == CONSENT).map(|one| one.key).collect();
    let givers = session.transaction.givers(&consents)?;
    for version in &found {
        let Some(value) = parsed(version)? else { continue };
        let value = stored_view(session, version, &value)?;
        let (id, base) = (version.id.as_str(), session.service.base.as_str());
        match version.resource_type {
            CONSENT => {
                let given_by = given_by(&givers, version.key);
                let consent = ConsentFacts::from_resource(id, version.version, &value, base).given_by(given_by);
                facts.consents.push(consent);
            }
            CARE_TEAM => facts.care_teams.push(CareTeamFacts::from_resource(id, &value, base)),
            _ => facts.related_persons.push(RelatedPersonFacts::from_resource(id, &value, base)),
        }
    }
    let glass = session.transaction.broken_glass(key, session.transaction.now - BREAK_GLASS_MS)?;
    facts.break_glass = glass
        .into_iter()
        .map(|glass| BreakGlassFacts { who: glass.who, since: glass.since, reason: glass.reason })
        .collect();
    if facts.consents.iter().any(|consent| matches!(consent.patient, Some(Target::Identified { .. })))
        && let Some(head) = patient(session, key)?
        && let Some(value) = parsed(&head.version)?
    {
        facts.identifiers = IdentityFacts::from_resource(PATIENT, &facts.patient, &value).identifiers;
    }
    add_links(session, &found, &mut facts)?;
    Ok(facts)
}

/// The Patient whose record this is the key of.
fn patient(session: &mut Session<'_, '_>, key: i64) -> Result<Option<Head>, ApiError> {
    let name = session.transaction.record_name(PATIENT, key)?;
    Ok(session.transaction.head(&name, false)?)
}

/// Who made a Consent what it is.
fn given_by(givers: &[(i64, i16)], key: i64) -> GivenBy {
    let kind = givers.iter().find(|(resource, _)| *resource == key).map_or(0, |(_, kind)| *kind);
    GivenBy::from_number(kind)
}

/// What a stored Consent says, with who made it so.
pub(crate) fn of_consent(session: &mut Session<'_, '_>, version: &Version) -> Result<Option<ConsentFacts>, ApiError> {
    let Some(value) = parsed(version)? else { return Ok(None) };
    let given_by = given_by(&session.transaction.givers(&[version.key])?, version.key);
    let consent = ConsentFacts::from_resource(&version.id, version.version, &value, &session.service.base);
    Ok(Some(consent.given_by(given_by)))
}

/// Adds what the resources refer to that these Consents name by what is related to them, as far as it is not known yet.
fn add_links(
    session: &mut Session<'_, '_>,
    stored: &[StoredVersion],
    facts: &mut PatientFacts,
) -> Result<(), ApiError> {
    let related: Vec<String> = facts.related_to().into_iter().take(RELATED).collect();
    if related.is_empty() {
        return Ok(());
    }
    let mut names = Vec::new();
    for consent in stored.iter().filter(|one| one.resource_type == CONSENT) {
        names.extend(consent.names(&session.service.base)?);
    }
    for reference in related {
        if facts.links.iter().all(|known| known.reference != reference)
            && let Some(name) = names.iter().find(|name| name.is(&reference))
            && let Some(head) = session.transaction.head(name, false)?
            && let Some(links) = links_of(session, &head.version, reference)?
        {
            facts.links.push(links);
        }
    }
    Ok(())
}

/// What a version refers to; none if it is a deletion.
pub(crate) fn links_of(
    session: &Session<'_, '_>,
    version: &Version,
    reference: String,
) -> Result<Option<LinkFacts>, ApiError> {
    let Some(value) = parsed(version)? else { return Ok(None) };
    let local = |text: &str| concord_fhir::rules::local_reference(&session.service.base, text);
    let refers_to = concord_fhir::index::references(&value).iter().filter_map(|(_, text)| local(text)).collect();
    Ok(Some(LinkFacts { reference, refers_to }))
}

/// The Devices that stand for the app that calls, or may, if the patient's Consents name any Device.
fn add_devices(session: &mut Session<'_, '_>, patient: &PatientFacts, facts: &mut Facts) -> Result<(), ApiError> {
    if !patient.names_a_device() {
        return Ok(());
    }
    let caller = Arc::clone(&session.call.caller);
    // Those that count, and those that somebody wrote who does not say which app is which.
    let mut bearing = |system: &str, value: &str| -> Result<(Vec<String>, Vec<String>), ApiError> {
        #[expect(clippy::disallowed_methods, reason = "a verified token says which app calls")]
        let key = KnownKey::of_app(ParameterId::of("Device.identifier"), system, value);
        let found = session.transaction.find_by_key(&ByKey::new(&key).of_type(DEVICE).limit(100))?;
        let (sure, unsure): (Vec<StoredVersion>, Vec<StoredVersion>) =
            found.into_iter().partition(|version| says_who_people_are(&version.author));
        let names = |all: Vec<StoredVersion>| all.iter().map(|version| format!("Device/{}", version.id)).collect();
        Ok((names(sure), names(unsure)))
    };
    let (issued, unsure) = bearing(ISSUED_CLIENT_SYSTEM, &issued_client(&caller.issuer, &caller.client))?;
    facts.devices.extend(issued);
    facts.possible_devices.extend(unsure);
    let (by_client, unsure) = bearing(CLIENT_SYSTEM, &caller.client)?;
    facts.possible_devices.extend(unsure);
    match caller.credentials.client_is_ambiguous {
        true => facts.possible_devices.extend(by_client),
        false => facts.devices.extend(by_client),
    }
    for devices in [&mut facts.devices, &mut facts.possible_devices] {
        devices.sort_unstable();
        devices.dedup();
    }
    Ok(())
}

/// The resource of a version; none for a deletion. A stored body that cannot be read stops the request: a fact that
/// is missing might be a denial.
pub(crate) fn parsed(version: &Version) -> Result<Option<Value<'static>>, ApiError> {
    if version.deleted {
        return Ok(None);
    }
    Ok(Some(version.resource()?.into_owned()))
}
