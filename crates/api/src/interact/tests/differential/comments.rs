//! The comments that a carer is let read, in memory and as SQL, among comments about anything in any record.

use std::sync::Arc;

use concord_consent::caller::{Actor, Caller, Credentials};
use concord_consent::facts::{ConsentFacts, Facts, PatientFacts, RelatedPersonFacts};
use concord_consent::request::Request;
use concord_consent::scope::Scopes;
use concord_fhir::index::extract;
use concord_fhir::json::{self, Limits, Value};

use super::*;

const COMMUNICATION: ResourceType = ResourceType::of("Communication");
const OTHERS: [&str; 3] = ["Condition", "Goal", "Observation"];
const MANY: usize = 24;

/// Of which type something is, in whose record, whether it is a comment, and what it names by each element: by numbers.
type Said = (usize, usize, bool, Vec<usize>, Vec<usize>, Vec<usize>);

fn value(text: &str) -> Value<'static> {
    json::parse(text.as_bytes(), &Limits::default()).unwrap().into_owned()
}

/// Each third is a Communication.
fn name(number: usize, of_type: usize) -> String {
    match number % 3 {
        0 => format!("{}/r{number}", OTHERS[of_type]),
        _ => format!("Communication/r{number}"),
    }
}

fn data(said: &[Said]) -> Data {
    let named = |numbers: &[usize]| {
        let references = numbers.iter().map(|one| format!(r#"{{"reference":"{}"}}"#, name(*one, said[*one].0)));
        references.collect::<Vec<_>>().join(",")
    };
    let each = said.iter().enumerate().map(|(number, (of_type, patient, comments, about, reason, answers))| {
        let name = name(number, *of_type);
        let (kind, id) = name.split_once('/').unwrap();
        let code = if *comments { "comment" } else { "letter" };
        let more = match kind {
            "Communication" => format!(
                r#","category":[{{"coding":[{{"code":"{code}"}}]}}],"about":[{}],"reasonReference":[{}],"inResponseTo":[{}]"#,
                named(about), named(reason), named(answers)
            ),
            _ => String::new(),
        };
        let subject = PATIENTS[*patient];
        let value = value(&format!(
            r#"{{"resourceType":"{kind}","id":"{id}","subject":{{"reference":"Patient/{subject}"}}{more}}}"#
        ));
        let entries = extract(ResourceType::parse(kind).unwrap(), id, NOW, &value);
        (entries.clone(), entries)
    });
    each.collect()
}

/// What a carer of two patients is let read: of one Observations and Goals, but for a comment; of the other Conditions.
fn permit() -> Predicate {
    let patient = |id: &str, types: &str, denied: &str| {
        let consent = |kind: &str, what: &str| {
            let text = format!(
                r#"{{"resourceType":"Consent","status":"active","scope":{{"coding":[{{
                "system":"http://terminology.hl7.org/CodeSystem/consentscope","code":"patient-privacy"}}]}},
                "patient":{{"reference":"Patient/{id}"}},"provision":{{"type":"{kind}",
                "actor":[{{"reference":{{"reference":"RelatedPerson/c1"}}}}],{what}}}}}"#
            );
            ConsentFacts::from_resource(&format!("{kind}-{id}"), 1, &value(&text), "")
        };
        let classes: Vec<String> = types
            .split(' ')
            .map(|name| format!(r#"{{"system":"http://hl7.org/fhir/resource-types","code":"{name}"}}"#))
            .collect();
        let named = format!(r#""data":[{{"meaning":"instance","reference":{{"reference":"{denied}"}}}}]"#);
        let related = value(&format!(r#"{{"resourceType":"RelatedPerson","patient":{{"reference":"Patient/{id}"}}}}"#));
        Arc::new(PatientFacts {
            patient: id.to_owned(),
            consents: vec![consent("permit", &format!(r#""class":[{}]"#, classes.join(","))), consent("deny", &named)],
            related_persons: vec![RelatedPersonFacts::from_resource("c1", &related, "")],
            ..PatientFacts::default()
        })
    };
    let patients =
        vec![patient("p1", "Observation Goal", "Communication/r1"), patient("p2", "Condition", "Condition/r0")];
    let caller = Caller {
        actor: Actor::RelatedPerson("c1".to_owned()),
        subject: String::new(),
        issuer: String::new(),
        client: String::new(),
        scopes: Scopes::parse("user/*.rs"),
        patient: None,
        credentials: Credentials::default(),
    };
    let resource_type = Some(COMMUNICATION);
    let request = Request { caller: &caller, action: Action::Search, resource_type, purpose: None, reason: None };
    concord_consent::decide(&request, &Facts { patients, ..Facts::default() }, NOW).permit.of_type(COMMUNICATION)
}

async fn comments_found(store: &Store, permit: Predicate) -> Vec<String> {
    let work = move |transaction: &mut Transaction<'_>| {
        let found = search(transaction, COMMUNICATION, None, &permit);
        for patient in PATIENTS {
            let own = permit.clone().and(Predicate::PatientCompartment(patient.to_owned()));
            assert_eq!(
                search(transaction, COMMUNICATION, Some(patient), &own),
                search(transaction, COMMUNICATION, None, &own)
            );
        }
        let is_found = |version: &Version| found.contains(&version.id);
        for rows in [Rows::Current, Rows::Superseded] {
            for version in transaction.all(rows).iter().filter(|one| one.resource_type == COMMUNICATION) {
                let permitted = evaluation::permits(transaction, &permitting(permit.clone()), rows, version).unwrap();
                assert_eq!(permitted, is_found(version), "{rows:?} {version:?}");
            }
        }
        (Ok::<_, StoreError>(found), Vec::new())
    };
    store.read(work).await.unwrap()
}

#[test]
fn the_comments_that_a_carer_reads_are_found_alike() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let numbers = |most| prop::collection::vec(0..MANY, 0..most);
    let said = (0..OTHERS.len(), 0..PATIENTS.len(), prop::bool::weighted(0.8), numbers(3), numbers(2), numbers(2));
    let permit = permit();
    runner(5)
        .run(&prop::collection::vec(said, MANY), |said| {
            let data = data(&said);
            let all: Vec<Entries> = data.iter().map(|(_, new)| new.clone()).collect();
            let comments = all.iter().filter(|one| one.resource_type == COMMUNICATION);
            let mut wanted: Vec<String> =
                comments.filter(|one| permit.holds_among(one, &all)).map(|one| one.id.clone()).collect();
            wanted.sort();
            for scratch in Scratch::both() {
                let store = scratch.store();
                runtime.block_on(fill(&store, data.clone()));
                let found = runtime.block_on(comments_found(&store, permit.clone()));
                prop_assert_eq!(&found, &wanted, "on {:?}", scratch.address);
            }
            Ok(())
        })
        .unwrap();
}
