//! Who can see a record: every actor who has access to anything in it, to what, by which rule, and until when.

use std::sync::Arc;

use concord_fhir::predicate::Predicate;
use concord_fhir::registry::{PatientCompartment, ResourceType, patient_compartment};

use crate::caller::{Actor, App, Caller, Credentials};
use crate::decide::decide;
use crate::decision::{Decision, Layer, Reason, Verdict};
use crate::facts::{Coding, Facts, PatientFacts, RoleFacts, Target};
use crate::identity::{CLIENT_SYSTEM, names_apps};
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

/// Everybody who can see anything of the record now, in the order of their references. `facts` holds that one patient,
/// with all related persons, and as roles those of every professional whom a care team or Consent names.
///
/// What follows from having written something is left out, and so is what an emergency or a privileged role may open.
#[must_use]
pub fn who_can_see(facts: &Facts, now: i64) -> Vec<Access> {
    let Some(patient) = facts.patients.first() else { return Vec::new() };
    let labels = label::distinguished(labels_of(patient).into_iter());
    let mut all: Vec<Access> =
        named(patient).into_iter().filter_map(|who| access(&who, facts, patient, &labels, now)).collect();
    all.sort_by(|a, b| a.who.cmp(&b.who));
    all.dedup_by(|a, b| a.who == b.who);
    all
}

/// Everybody whom the facts name, each once.
fn named(patient: &PatientFacts) -> Vec<Target> {
    let mut found: Vec<Target> = Vec::new();
    let mut add = |target: &Target| {
        if !found.contains(target) {
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

fn labels_of(patient: &PatientFacts) -> Vec<&Coding> {
    let mut found = Vec::new();
    patient.each_provision(&mut |provision| found.extend(provision.labels.iter()));
    found
}

/// What that one sees, if anything.
fn access(
    who: &Target,
    facts: &Facts,
    patient: &Arc<PatientFacts>,
    labels: &[&'static str],
    now: i64,
) -> Option<Access> {
    let (caller, name, roles) = as_caller(who, facts, patient)?;
    let facts = Facts {
        roles,
        patients: vec![Arc::clone(patient)],
        identities: facts.identities.clone(),
        devices: Vec::new(),
        possible_devices: Vec::new(),
        labels_on_their_way: facts.labels_on_their_way.clone(),
    };
    let request = Request { caller: &caller, action: Action::Read, resource_type: None, purpose: None, reason: None };
    let decision = decide(&request, &facts, now);
    let own: Vec<String> = crate::identity::references(&request.caller.actor, &facts.roles, now);
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
fn as_caller(who: &Target, facts: &Facts, patient: &PatientFacts) -> Option<(Caller, String, Vec<RoleFacts>)> {
    let caller = |actor: Actor, client: &str, app: App| Caller {
        actor,
        subject: String::new(),
        issuer: String::new(),
        client: client.to_owned(),
        scopes: Scopes::parse("user/*.rs patient/*.rs"),
        patient: Some(patient.patient.clone()),
        credentials: Credentials { app, ..Credentials::default() },
    };
    match who {
        Target::Local(local) => {
            let (kind, id) = local.split_once('/')?;
            let id = id.to_owned();
            let (actor, client, app, roles) = match kind {
                "Practitioner" => (Actor::Practitioner(id), "", App::Own, facts.roles.clone()),
                "PractitionerRole" => (Actor::PractitionerRole(id), "", App::Own, facts.roles.clone()),
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
fn of_body(
    who: &Target,
    name: &str,
    caller: impl Fn(Actor, &str, App) -> Caller,
) -> Option<(Caller, String, Vec<RoleFacts>)> {
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
