//! Patients, their carers and proxies, and the apps that they use.

use std::sync::Arc;

use concord_fhir::index::{ParameterId, SEPARATOR};
use concord_fhir::predicate::{Predicate, Test};
use concord_fhir::registry::ResourceType;

use crate::asked::{Asked, Reach, Records};
use crate::caller::{Actor, App, Caller, LOGIN_SYSTEM, Proofing};
use crate::combine::{all_rulings, combine};
use crate::decision::{Layer, Reason, Verdict, unversioned};
use crate::facts::{ConsentFacts, Facts, GivenBy, LegalBasis, PatientFacts, Provision, RelatedPersonFacts, Target};
use crate::identity::Identity;
use crate::label;
use crate::provision_scope::ProvisionContext;
use crate::purpose::Purpose;
use crate::request::Action;
use crate::ruling::{Kind, Question, is_in_force};
use crate::tri::Tri;
use crate::types;
use crate::unseen;

/// A patient reaches her own record, but for what is hidden from patients, as far as the app may.
pub(crate) fn patient(asked: &mut Asked<'_>, own: &str) -> Reach {
    let request = asked.request;
    let known = asked.facts.patients.iter().map(Arc::as_ref).find(|patient| patient.patient == own);
    let in_log = asked.only() == Some(types::AUDIT_EVENT);
    let record = Predicate::PatientCompartment(own.to_owned());
    let credentials = &request.caller.credentials;
    let reached = match credentials.proofing {
        Proofing::P9 => {
            asked.gives(Layer::Relationship, "own-record", record.clone(), "this is the patient's own record");
            record
        }
        Proofing::P5 => {
            let text = "until the patient's identity is proven, only what was entered in this sign-in can be seen";
            asked.takes(Layer::Assurance, "assurance.claimed", Predicate::All, text);
            let entered = match (request.action, &credentials.login) {
                (Action::Create, _) => types::entered_without_proof(asked.only()),
                (Action::Read | Action::Search | Action::History | Action::TypeHistory, Some(login)) => {
                    let key = format!("{login}{SEPARATOR}{LOGIN_SYSTEM}");
                    Predicate::Entry(ParameterId::of("_tag"), Test::Is(key))
                }
                _ => Predicate::None,
            };
            let entered = record.and(entered);
            if entered != Predicate::None {
                let text = "this was entered by the person who is signed in";
                asked.gives(Layer::Assurance, "assurance.own-entries", entered.clone(), text);
            }
            entered
        }
        Proofing::P0 => {
            let text = "nothing is known of who this is, so no record can be seen";
            asked.takes(Layer::Assurance, "assurance.unknown", Predicate::All, text);
            return Reach::nothing();
        }
    };
    let hidden = match request.action {
        Action::Create => label::hidden_from_patients(),
        _ => label::hidden_from_patients().and(may_be_kept_from_her(known, asked.only())),
    };
    say_hidden(asked, &hidden);
    let reached = reached.and(hidden.negate());
    let reached = match request.action.writes() {
        true => types::written_by_patients(request.action, asked.only()).and(reached),
        false => reached,
    };
    let app = app(asked, known, request.purpose.unwrap_or(Purpose::PATIENT_REQUEST));
    let app = if in_log { unseen::wholly(&app, types::AUDIT_EVENT, own) } else { app };
    Reach::wholly(reached.and(app))
}

/// What a label may keep from the patient: not a Consent, which is her own choice or is proposed to her, unless a
/// registered system or the safeguarding office wrote it.
fn may_be_kept_from_her(known: Option<&PatientFacts>, only: Option<ResourceType>) -> Predicate {
    let by_others = |consent: &&ConsentFacts| matches!(consent.given_by, GivenBy::System | GivenBy::Safeguarding);
    let consents = known.map_or(&[][..], |patient| &patient.consents);
    let id = |consent: &ConsentFacts| consent.name.split('/').nth(1).map(str::to_owned);
    let mut ids: Vec<String> = consents.iter().filter(by_others).filter_map(id).collect();
    ids.sort();
    let consents = types::consent(only);
    let kept = if ids.is_empty() { Predicate::None } else { consents.clone().and(Predicate::Id(ids)) };
    consents.negate().or(kept)
}

fn say_hidden(asked: &mut Asked<'_>, hidden: &Predicate) {
    let text = "this is marked as not for patients, and stays with the professionals who look after it";
    asked.takes(Layer::Label, "label.not-for-patients", hidden.clone(), text);
}

/// What the app may reach of a record, whoever uses it: an app of those who keep the record everything but what the
/// patient's Consents deny it by name; another one nothing but what they permit it by name.
pub(crate) fn app(asked: &mut Asked<'_>, patient: Option<&PatientFacts>, purpose: Purpose) -> Predicate {
    let request = asked.request;
    let third_party = request.caller.credentials.app == App::ThirdParty;
    let implied = if third_party { Predicate::None } else { Predicate::All };
    let permitted = match patient.filter(|patient| patient.names_an_app()) {
        Some(patient) => {
            let identity = Identity::of_app(request.caller, asked.facts);
            let reading = reading(asked, patient);
            let question = Question {
                action: request.action,
                purpose,
                identity: &identity,
                kind: if third_party { Kind::OtherApp } else { Kind::OwnApp },
                in_care_team: false,
                patient,
                reading,
                in_part: false,
                kept: Predicate::None,
                now: asked.now,
            };
            asked.note_comments(&question);
            asked.note_unnamed(&question, &Predicate::None, &Predicate::None);
            combine(implied, &question, &mut asked.reasons)
        }
        None => implied,
    };
    if third_party {
        let text = "the patient has not shared this with the app that is used";
        asked.takes(Layer::Consent, "app.not-permitted", permitted.clone().negate(), text);
    }
    permitted
}

/// How the criteria of the patient's Consents are read.
pub(crate) fn reading<'a>(asked: &Asked<'a>, patient: &'a PatientFacts) -> ProvisionContext<'a> {
    ProvisionContext { only: asked.request.resource_type, links: &patient.links }
}

/// A related person reaches what the patient's Consents or the law name them for, and their own RelatedPerson.
pub(crate) fn related_person(asked: &mut Asked<'_>, own: &str) -> Reach {
    let request = asked.request;
    let only = asked.only();
    if request.caller.credentials.proofing < Proofing::P9 {
        let text = "until this person's identity is proven, nobody else's record can be seen";
        asked.takes(Layer::Assurance, "assurance.claimed", Predicate::All, text);
        return Reach::nothing();
    }
    let identity = Identity::of(request.caller, asked.facts, asked.now);
    let purpose = request.purpose.unwrap_or(Purpose::FAMILY_REQUEST);
    let in_part = asked.in_part();
    let (mut records, mut whole) = (Records::default(), Records::default());
    if asked.facts.patients.is_empty() {
        say_hidden(asked, &label::hidden_from_patients());
    }
    for patient in &asked.facts.patients {
        let record = Predicate::PatientCompartment(patient.patient.clone());
        let reading = reading(asked, patient);
        let hidden = label::hidden_from_patients();
        say_hidden(asked, &record.clone().and(hidden.clone()));
        if !is_related(asked, patient, own) {
            continue;
        }
        let mut question = Question {
            action: request.action,
            purpose,
            identity: &identity,
            kind: Kind::Related,
            in_care_team: false,
            patient,
            reading,
            in_part,
            kept: Predicate::None,
            now: asked.now,
        };
        let suspending = patient.consents.iter().filter(|consent| suspends(consent, &question));
        let suspending: Vec<String> = suspending.map(|consent| unversioned(&consent.name)).collect();
        if !suspending.is_empty() {
            asked.reasons.push(suspended(record, suspending));
            continue;
        }
        asked.note_comments(&question);
        asked.note_unnamed(&question, &Predicate::None, &Predicate::None);
        let app = app(asked, Some(patient), purpose);
        let bounds = within(request.action, only).and(app).and(hidden.negate());
        let role = own_roles(asked, &question);
        let permitted = combine(Predicate::None, &question, &mut asked.reasons).and(bounds.clone()).or(role.clone());
        records.add(&patient.patient, permitted);
        if in_part {
            question.in_part = false;
            whole.add(&patient.patient, combine(Predicate::None, &question, &mut Vec::new()).and(bounds).or(role));
        }
    }
    if request.action.writes() {
        return Reach::wholly(records.bounded(asked).predicate());
    }
    let itself = own_entry(asked, own);
    let whole = in_part.then(|| whole.bounded(asked).predicate().or(itself.clone()));
    Reach { permit: records.bounded(asked).predicate().or(itself), whole }
}

/// Why a carer who is suspended sees nothing of a record.
fn suspended(record: Predicate, by: Vec<String>) -> Reason {
    let text = "this person's access to the record is suspended";
    Reason::new(Layer::Proxy, Verdict::Denies, "proxy.suspended", text).about(record).resting_on(by)
}

/// The types that a related person may see or write.
fn within(action: Action, only: Option<ResourceType>) -> Predicate {
    match action.writes() {
        true => types::written_by_related_persons(action, only),
        false => types::seen_by_related_persons(only),
    }
}

/// Whether the person is a carer or proxy of the patient now; says so if not.
fn is_related(asked: &mut Asked<'_>, patient: &PatientFacts, own: &str) -> bool {
    let is_own = |one: &RelatedPersonFacts| one.id == own && one.is_related_to(&patient.patient, asked.now);
    let related = patient.related_persons.iter().any(is_own);
    if !related {
        let text = "this person is not known as a carer or proxy of the patient at this time";
        let record = Predicate::PatientCompartment(patient.patient.clone());
        asked.takes(Layer::Relationship, "not-related", record, text);
    }
    related
}

/// Their own RelatedPerson.
fn own_entry(asked: &mut Asked<'_>, own: &str) -> Predicate {
    let itself = types::related_person(asked.only()).and(Predicate::Id(vec![own.to_owned()]));
    if itself != Predicate::None {
        let text = "this is what is recorded of this person as a carer or proxy";
        asked.gives(Layer::Relationship, "own-entry", itself.clone(), text);
    }
    itself
}

/// The Consents by which the caller is the patient's proxy, if they name nobody else.
fn own_roles(asked: &mut Asked<'_>, question: &Question<'_>) -> Predicate {
    let consents = types::consent(question.reading.only);
    if question.action.writes() || consents == Predicate::None {
        return Predicate::None;
    }
    let names_only_caller = |consent: &&ConsentFacts| {
        let mut actors = Vec::new();
        actors_of(&consent.root, &mut actors);
        is_in_force(consent, question)
            && consent.basis.is_some()
            && !actors.is_empty()
            && actors.iter().all(|actor| question.identity.is(actor).0 == Tri::Yes)
    };
    let id = |consent: &ConsentFacts| consent.name.split('/').nth(1).map(str::to_owned);
    let mut ids: Vec<String> = question.patient.consents.iter().filter(names_only_caller).filter_map(id).collect();
    ids.sort();
    if ids.is_empty() {
        return Predicate::None;
    }
    let own = consents.and(Predicate::Id(ids));
    let about = Predicate::PatientCompartment(question.patient.patient.clone()).and(own.clone());
    asked.gives(Layer::Proxy, "proxy.own-role", about, "this says by which right this person acts for the patient");
    own
}

/// The right by which a related person acts for the patient, where the law gives one: the first in the order of
/// [`LegalBasis`]. None for whom a Consent suspends. `now` is in milliseconds since 1970 UTC.
#[must_use]
pub fn legal_basis(caller: &Caller, facts: &Facts, patient: &str, now: i64) -> Option<LegalBasis> {
    let Actor::RelatedPerson(own) = &caller.actor else { return None };
    let patient = facts.patients.iter().find(|known| known.patient == patient)?;
    let related = patient.related_persons.iter().any(|one| one.id == *own && one.is_related_to(&patient.patient, now));
    let identity = Identity::of(caller, facts, now);
    let question = Question {
        action: Action::Read,
        purpose: Purpose::FAMILY_REQUEST,
        identity: &identity,
        kind: Kind::Related,
        in_care_team: false,
        patient,
        reading: ProvisionContext { only: None, links: &[] },
        in_part: false,
        kept: Predicate::None,
        now,
    };
    if !related || patient.consents.iter().any(|consent| suspends(consent, &question)) {
        return None;
    }
    let rulings = all_rulings(&question);
    let names = |consent: &&ConsentFacts| {
        rulings.iter().any(|ruling| ruling.permits && ruling.reason.consent.as_deref() == Some(&consent.name))
    };
    let in_force = patient.consents.iter().filter(|consent| is_in_force(consent, &question)).filter(names);
    in_force.filter_map(|consent| consent.basis).min()
}

/// Whether the Consent suspends the caller. One that names nobody who can be told suspends no one.
fn suspends(consent: &ConsentFacts, question: &Question<'_>) -> bool {
    if !consent.suspends {
        return false;
    }
    let mut named = consent.performers.clone();
    actors_of(&consent.root, &mut named);
    named.iter().any(|target| question.identity.is(target).0 != Tri::No)
}

fn actors_of(provision: &Provision, actors: &mut Vec<Target>) {
    actors.extend(provision.actors.iter().cloned());
    for inner in &provision.provisions {
        actors_of(inner, actors);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::cases::{NOW, caller, facts};
    use concord_fhir::json::{self, Limits, Value};

    fn basis(actor: &str, status: &str, more: &str) -> Option<LegalBasis> {
        let text = format!(
            r#"[{{"resourceType":"RelatedPerson","id":"c1","patient":{{"reference":"Patient/p1"}}}},
            {{"resourceType":"Consent","id":"c","status":"{status}","scope":{{"coding":[{{
            "system":"https://terminology.hl7.org/CodeSystem/consentscope","code":"patient-privacy"}}]}},
            "patient":{{"reference":"Patient/p1"}},"policyRule":{{"coding":[{{
            "system":"https://fhir.nhs.uk/England/CodeSystem/England-NHSProxyLegalBasis",
            "code":"parental-responsibility"}}]}},"provision":{{"type":"permit","actor":[{{
            "reference":{{"reference":"RelatedPerson/c1"}}}}]}}{more}}}]"#
        );
        let value = json::parse(text.as_bytes(), &Limits::default()).unwrap().into_owned();
        let Value::Array(resources) = value else { panic!("a list") };
        legal_basis(&caller(actor, "user/*.rs", None), &facts(&resources), "p1", NOW)
    }

    #[test]
    fn the_law_lets_a_parent_decide_until_suspended() {
        let parent = Some(LegalBasis::ParentalResponsibility);
        assert_eq!(basis("RelatedPerson/c1", "active", ""), parent);
        assert_eq!(basis("RelatedPerson/c2", "active", ""), None);
        assert_eq!(basis("Patient/p1", "active", ""), None);
        assert_eq!(basis("RelatedPerson/c1", "inactive", ""), None);
        assert_eq!(basis("RelatedPerson/c1", "active", r#","dateTime":"2027-01-01""#), None);
        let suspended = r#","extension":[{"url":"x/Extension-England-Consent-Status-Reason",
            "valueCodeableConcept":{"coding":[{"code":"ROLE_SUSPENDED_PENDING_REVIEW"}]}}]"#;
        assert_eq!(basis("RelatedPerson/c1", "active", suspended), None);
    }

    #[test]
    fn a_right_is_that_of_the_consent_that_names_the_caller() {
        let consent = |id: &str, who: &str, basis: &str| {
            format!(
                r#"{{"resourceType":"Consent","id":"{id}","status":"active","scope":{{"coding":[{{
                "system":"http://terminology.hl7.org/CodeSystem/consentscope","code":"patient-privacy"}}]}},
                "patient":{{"reference":"Patient/p1"}},"policyRule":{{"coding":[{{
                "system":"https://fhir.nhs.uk/England/CodeSystem/England-NHSProxyLegalBasis","code":"{basis}"}}]}},
                "provision":{{"type":"permit","actor":[{{"reference":{{"reference":"{who}"}}}}]}}}}"#
            )
        };
        let related = |id: &str, more: &str| {
            format!(r#"{{"resourceType":"RelatedPerson","id":"{id}","patient":{{"reference":"Patient/p1"}}{more}}}"#)
        };
        let basis = |resources: &[String], who: &str| {
            let text = format!("[{}]", resources.join(","));
            let value = json::parse(text.as_bytes(), &Limits::default()).unwrap().into_owned();
            let Value::Array(resources) = value else { panic!("a list") };
            legal_basis(&caller(who, "user/*.rs", None), &facts(&resources), "p1", NOW)
        };
        let mut resources = vec![
            related("c1", ""),
            related("c2", ""),
            consent("a", "RelatedPerson/c1", "best-interest"),
            consent("b", "RelatedPerson/c2", "parental-responsibility"),
        ];
        assert_eq!(basis(&resources, "RelatedPerson/c1"), Some(LegalBasis::BestInterest));
        assert_eq!(basis(&resources, "RelatedPerson/c2"), Some(LegalBasis::ParentalResponsibility));
        // Who is related no longer has no right, though somebody else still is.
        resources[0] = related("c1", r#","active":false"#);
        assert_eq!(basis(&resources, "RelatedPerson/c1"), None);
    }
}
