//! Who can see a record: every actor who has access to anything in it, to what, by which rule, and until when.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use concord_fhir::predicate::Predicate;
use concord_fhir::registry::{PatientCompartment, ResourceType, patient_compartment};

use crate::caller::{Actor, App, Caller, Credentials};
use crate::combine::MOST_ASKED;
use crate::decide::decide;
use crate::decision::{Decision, Layer, Reason, Verdict};
use crate::facts::{Coding, ConsentFacts, Facts, IdentityFacts, PatientFacts, RoleFacts, Standing, Target};
use crate::identity::{CLIENT_SYSTEM, Identity, names_apps};
use crate::label;
use crate::request::{Action, Request};
use crate::scope::Scopes;
use crate::tri::Tri;
use crate::unseen::{example, may_hold};

/// What one actor may see of a patient's record.
#[derive(Clone, Debug, PartialEq)]
pub struct Access {
    /// Who: `Type/id`, or `system|value` where a Consent names them so and nobody is known to bear it.
    pub who: String,
    /// To what: types that are seen alike stand together.
    pub sees: Vec<Sight>,
    /// The reasons that give it.
    pub because: Vec<Reason>,
    /// The first moment (milliseconds since 1970 UTC) at which this may change; none when time changes nothing.
    pub until: Option<i64>,
}

/// What of some types may be seen.
#[derive(Clone, Debug, PartialEq)]
pub struct Sight {
    /// The types.
    pub types: Vec<ResourceType>,
    /// The labels of what may be seen: `N` for what has none that needs naming, then levels and sensitivities.
    pub labels: Vec<&'static str>,
    /// Whether only some of it may be seen: it depends on a code, a time, the author, or the item itself.
    pub in_part: bool,
}

/// About how many steps of the database's machine it takes as long as to find out what one actor sees: by itself, and for each
/// Consent that may be about them.
const STEPS_OF_ONE: u64 = 2_000;
const STEPS_OF_CONSENT: u64 = 50;

/// Everybody who can see anything of the record now, in the order of their references. `facts` holds that one patient,
/// with all related persons, and as roles those of every professional whom a care team or Consent names. Before each of them
/// `spend` is told about how many steps it takes to find out, and may end it.
///
/// What follows from having written something is left out, and so is what an emergency or a privileged role may open.
///
/// # Errors
/// Those of `spend`.
pub fn who_can_see<E>(facts: &Facts, now: i64, spend: impl FnMut(u64) -> Result<(), E>) -> Result<Vec<Access>, E> {
    found(facts, now, true, spend)
}

/// The same; with `by_actor` each is looked at by the Consents alone that may be about them.
pub(crate) fn found<E>(
    facts: &Facts,
    now: i64,
    by_actor: bool,
    mut spend: impl FnMut(u64) -> Result<(), E>,
) -> Result<Vec<Access>, E> {
    let Some(patient) = facts.patients.first() else { return Ok(Vec::new()) };
    let labels = label::distinguished(labels_of(patient).into_iter());
    let consents_by = ByActor::of(patient, now);
    let mut all: Vec<Access> = Vec::new();
    for who in named(patient) {
        let Some((caller, name, roles)) = as_caller(&who, facts, patient) else { continue };
        let known = of_caller(&caller, roles, facts, now);
        let consents = consents_by.about(&caller, &known, now).filter(|_| by_actor);
        let number = u64::try_from(consents.as_ref().map_or(patient.consents.len(), Vec::len)).unwrap_or(u64::MAX);
        spend(STEPS_OF_ONE.saturating_add(STEPS_OF_CONSENT.saturating_mul(number)))?;
        let of_patient = match consents {
            Some(consents) => Arc::new(consents_by.alone(&consents, &caller)),
            None => Arc::clone(patient),
        };
        let known = Facts { patients: vec![of_patient], ..known };
        all.extend(access(&caller, name, &known, &labels, now));
    }
    // What changes for one is told as what may change for all, whomever a Consent is about.
    let until = Facts { patients: facts.patients.clone(), ..Facts::default() }.next_change(now);
    for one in &mut all {
        one.until = one.until.into_iter().chain(until).min();
    }
    all.sort_by(|a, b| a.who.cmp(&b.who));
    all.dedup_by(|a, b| a.who == b.who);
    Ok(all)
}

/// Everybody whom the facts name, each once.
fn named(patient: &PatientFacts) -> Vec<Target> {
    let (mut found, mut seen): (Vec<Target>, HashSet<Target>) = (Vec::new(), HashSet::new());
    let mut add = |target: &Target| {
        if seen.insert(target.clone()) {
            found.push(target.clone());
        }
    };
    for team in &patient.care_teams {
        team.participants.iter().for_each(|one| add(&one.member));
    }
    for one in &patient.related_persons {
        add(&Target::Local(format!("RelatedPerson/{}", one.id)));
    }
    patient.each_provision(&mut |provision| provision.actors.iter().for_each(&mut add));
    found
}

/// The Consents of a patient by whom they may be about. What names others alone says nothing of somebody: without it, finding out
/// about each of many takes as long as what is about them, and not as what is about all.
struct ByActor<'a> {
    patient: &'a PatientFacts,
    /// Their places, by the references of those whom their roots name.
    people: HashMap<&'a str, Vec<usize>>,
    /// Those that may be about others besides.
    others: Vec<usize>,
    /// Whether more is said than can be evaluated, so that it is a no of them all together.
    is_too_much: bool,
}

impl<'a> ByActor<'a> {
    fn of(patient: &'a PatientFacts, now: i64) -> ByActor<'a> {
        let (mut people, mut others): (HashMap<&str, Vec<usize>>, Vec<usize>) = (HashMap::new(), Vec::new());
        for (place, consent) in patient.consents.iter().enumerate() {
            if is_about_any(consent) || consent.root.actors.iter().any(|target| person(target).is_none()) {
                others.push(place);
            }
            consent.root.actors.iter().filter_map(person).for_each(|name| people.entry(name).or_default().push(place));
        }
        ByActor { patient, people, others, is_too_much: patient.asks(now) > MOST_ASKED }
    }

    /// The places of those that may be about a caller; none if that is all of them.
    fn about(&self, caller: &Caller, known: &Facts, now: i64) -> Option<Vec<usize>> {
        if caller.credentials.app == App::ThirdParty || self.is_too_much {
            return None;
        }
        let identity = Identity::of(caller, known, now);
        let may_be = |place: &&usize| {
            self.patient.consents.get(**place).is_some_and(|consent| {
                let names = |target: &Target| identity.is_actor(target, self.patient, now).0 != Tri::No;
                is_about_any(consent) || consent.root.actors.iter().any(names)
            })
        };
        let mut found: Vec<usize> = self.others.iter().filter(may_be).copied().collect();
        found.extend(identity.references().filter_map(|own| self.people.get(own)).flatten());
        found.sort_unstable();
        found.dedup();
        Some(found)
    }

    /// What is known of the patient with these Consents alone, as far as it is about somebody.
    fn alone(&self, places: &[usize], caller: &Caller) -> PatientFacts {
        let PatientFacts { patient, consents: _, care_teams, related_persons, identifiers, break_glass, links } =
            self.patient;
        let is_own = |id: &str| matches!(&caller.actor, Actor::RelatedPerson(own) if own == id);
        PatientFacts {
            patient: patient.clone(),
            consents: places.iter().filter_map(|place| self.patient.consents.get(*place)).cloned().collect(),
            care_teams: care_teams.clone(),
            related_persons: related_persons.iter().filter(|one| is_own(&one.id)).cloned().collect(),
            identifiers: identifiers.clone(),
            break_glass: break_glass.clone(),
            links: links.clone(),
        }
    }
}

/// Whether a Consent may say something of anybody, whomever its root names: it names nobody there, cannot be understood,
/// suspends somebody, or says something of emergencies.
fn is_about_any(consent: &ConsentFacts) -> bool {
    consent.root.actors.is_empty()
        || matches!(consent.standing, Standing::Unreadable(_))
        || consent.suspends
        || consent.names_break_glass()
}

/// The reference of a target that means one person, role or organization, and nobody else.
fn person(target: &Target) -> Option<&str> {
    let Target::Local(reference) = target else { return None };
    let is_one =
        |kind: &str| ["Organization", "Patient", "Practitioner", "PractitionerRole", "RelatedPerson"].contains(&kind);
    reference.split_once('/').is_some_and(|(kind, _)| is_one(kind)).then_some(reference.as_str())
}

fn labels_of(patient: &PatientFacts) -> Vec<&Coding> {
    let mut found = Vec::new();
    patient.each_provision(&mut |provision| found.extend(provision.labels.iter()));
    found
}

/// A caller that stands for whom a rule names, what they are called, and their roles.
type Named = (Caller, String, Vec<RoleFacts>);

/// What is known of a caller, with nothing of any patient yet.
fn of_caller(caller: &Caller, roles: Vec<RoleFacts>, facts: &Facts, now: i64) -> Facts {
    let own = crate::identity::references(&caller.actor, &roles, now);
    let is_own = |known: &&IdentityFacts| own.contains(&known.reference);
    Facts {
        roles,
        identities: facts.identities.iter().filter(is_own).cloned().collect(),
        labels_on_their_way: facts.labels_on_their_way.clone(),
        ..Facts::default()
    }
}

/// What that one sees, if anything, by what is known of them and the patient.
fn access(caller: &Caller, name: String, facts: &Facts, labels: &[&'static str], now: i64) -> Option<Access> {
    let patient = facts.patients.first()?;
    let own = crate::identity::references(&caller.actor, &facts.roles, now);
    let request = Request { caller, action: Action::Read, resource_type: None, purpose: None, reason: None };
    let decision = decide(&request, facts, now);
    let sees = sights(&decision, patient, labels, &own);
    let gives = |reason: &&Reason| {
        reason.verdict == Verdict::Permits
            && reason.layer != Layer::Scope
            && !matches!(reason.rule, "shared-reference" | "author" | "own-record" | "own-entry")
    };
    let because: Vec<Reason> = decision.reasons.iter().filter(gives).cloned().collect();
    let until = decision.until;
    (!sees.is_empty() && !because.is_empty()).then_some(Access { who: name, sees, because, until })
}

/// The caller that stands for whom a rule names; none for the patient and for what is nobody (a group, somebody of
/// another server). An organization is somebody who works for it.
fn as_caller(who: &Target, facts: &Facts, patient: &PatientFacts) -> Option<Named> {
    let caller = |actor: Actor, client: &str, app: App| Caller {
        actor,
        subject: String::new(),
        issuer: String::new(),
        client: client.to_owned(),
        scopes: Scopes::parse("user/*.rs patient/*.rs"),
        patient: Some(patient.patient.clone()),
        credentials: Credentials { app, ..Credentials::default() },
    };
    let professional = |actor: Actor| {
        let roles = facts.roles.iter().filter(|role| role.is_of(&actor)).cloned().collect();
        (actor, "", App::Own, roles)
    };
    match who {
        Target::Local(local) => {
            let (kind, id) = local.split_once('/')?;
            let id = id.to_owned();
            let (actor, client, app, roles) = match kind {
                "Practitioner" => professional(Actor::Practitioner(id)),
                "PractitionerRole" => professional(Actor::PractitionerRole(id)),
                "RelatedPerson" => (Actor::RelatedPerson(id), "", App::Own, Vec::new()),
                "Organization" | "CareTeam" => return of_body(who, local, caller),
                "Device" => (
                    Actor::Patient(patient.patient.clone()),
                    local.strip_prefix("Device/")?,
                    App::ThirdParty,
                    Vec::new(),
                ),
                _ => return None,
            };
            Some((caller(actor, client, app), local.clone(), roles))
        }
        Target::Identified { system, value, .. } if names_apps(system) => {
            let actor = Actor::Patient(patient.patient.clone());
            let (issuer, client) = match system == CLIENT_SYSTEM {
                true => ("", value.as_str()),
                false => value.split_once('|')?,
            };
            let app = Caller { issuer: issuer.to_owned(), ..caller(actor, client, App::ThirdParty) };
            Some((app, format!("{system}|{value}"), Vec::new()))
        }
        Target::Identified { system, value, .. } => {
            let bears = |known: &&crate::facts::IdentityFacts| {
                known.identifiers.iter().any(|(own, number)| own == system && number == value)
            };
            let known = facts.identities.iter().find(bears)?;
            as_caller(&Target::Local(known.reference.clone()), facts, patient)
        }
        Target::WithoutSystem(_) | Target::Elsewhere(_) | Target::Unreadable => None,
    }
}

/// Somebody who works for an organization, or is in a team, and is nobody else.
fn of_body(who: &Target, name: &str, caller: impl Fn(Actor, &str, App) -> Caller) -> Option<Named> {
    if name.starts_with("CareTeam/") {
        // Its members are named themselves.
        return None;
    }
    let role = RoleFacts {
        id: String::new(),
        practitioner: None,
        organization: Some(who.clone()),
        active: true,
        period: crate::facts::Period::Always,
    };
    Some((caller(Actor::PractitionerRole(String::new()), "", App::Own), name.to_owned(), vec![role]))
}

/// What the decision lets be seen, type by type and label by label.
fn sights(decision: &Decision, patient: &PatientFacts, labels: &[&'static str], own: &[String]) -> Vec<Sight> {
    let mut sights: Vec<Sight> = Vec::new();
    let types =
        ResourceType::all().filter(|one| matches!(patient_compartment(*one), PatientCompartment::Record { .. }));
    for resource_type in types {
        let permit = decision.permit.clone().of_type(resource_type);
        if permit == Predicate::None {
            continue;
        }
        let mut seen = Vec::new();
        let mut in_part = false;
        for label in labels {
            let holds = may_hold(&permit, &example(resource_type, patient, label), own);
            if holds != Tri::No {
                seen.push(*label);
                in_part |= holds == Tri::Maybe;
            }
        }
        if seen.is_empty() {
            continue;
        }
        match sights.iter_mut().find(|sight| sight.labels == seen && sight.in_part == in_part) {
            Some(sight) => sight.types.push(resource_type),
            None => sights.push(Sight { types: vec![resource_type], labels: seen, in_part }),
        }
    }
    sights
}

impl Decision {
    /// Whether it may be done to data of this type of which nothing is known but that it is this patient's and has no
    /// label: none when that depends on the item.
    #[must_use]
    pub fn on_type(&self, resource_type: ResourceType, patient: &str) -> Option<bool> {
        let known = PatientFacts { patient: patient.to_owned(), ..PatientFacts::default() };
        match may_hold(&self.permit.clone().of_type(resource_type), &example(resource_type, &known, "N"), &[]) {
            Tri::Yes => Some(true),
            Tri::Maybe => None,
            Tri::No => Some(false),
        }
    }

    /// Whether a reason is one of those by which that was answered: it is about such data, and not only about some of it.
    #[must_use]
    pub fn decided_on_type(reason: &Reason, resource_type: ResourceType, patient: &str) -> bool {
        let known = PatientFacts { patient: patient.to_owned(), ..PatientFacts::default() };
        let about = reason.about.clone().of_type(resource_type);
        may_hold(&about, &example(resource_type, &known, "N"), &[]) == Tri::Yes
    }
}
