//! One request neither ends the process nor holds up who else writes: what is in many records is bounded, and what is computed beside
//! writes takes as little as what is searched there.

use concord_tests::client::{Method, text};
use concord_tests::people::{self, blood_pressure, with};
use concord_tests::{App, Concord, on_both};
use serde_json::{Value, json};

on_both! {
    a_resource_is_in_a_hundred_records_at_most, what_is_in_many_records_has_few_values,
    a_transaction_stores_few_copies, what_is_computed_beside_writes_is_told
}

/// References to so many patients, each made of by `of`.
fn each(number: usize, of: impl Fn(Value) -> Value) -> Vec<Value> {
    (0..number).map(|at| of(json!({"reference": format!("Patient/q{at}")}))).collect()
}

fn appointment(number: usize) -> Value {
    json!({"resourceType": "Appointment", "status": "proposed",
        "participant": each(number, |actor| json!({"status": "accepted", "actor": actor}))})
}

/// What is in the records of so many patients, in each way in which one resource can be.
fn shared(number: usize) -> [Value; 4] {
    let plain = || each(number, |patient| patient);
    [
        appointment(number),
        json!({"resourceType": "Person", "link": each(number, |target| json!({"target": target}))}),
        json!({"resourceType": "Schedule", "actor": plain()}),
        json!({"resourceType": "Communication", "status": "completed", "recipient": plain(),
            "payload": [{"contentString": "x"}]}),
    ]
}

fn transaction(entries: &[(&str, &str, Option<Value>)]) -> Value {
    let entry = |(method, url, resource): &(&str, &str, Option<Value>)| {
        let mut entry = json!({"request": {"method": method, "url": url}});
        if let Some(resource) = resource {
            entry["resource"] = resource.clone();
        }
        entry
    };
    json!({"resourceType": "Bundle", "type": "transaction", "entry": entries.iter().map(entry).collect::<Vec<_>>()})
}

async fn refused(app: &App, bundle: &Value) -> (String, String) {
    let answer = app.post("/fhir", bundle).await;
    let (code, _, text) = answer.expect(422).issues().remove(0);
    (code, text)
}

async fn a_resource_is_in_a_hundred_records_at_most(concord: &Concord) {
    let system = concord.system();
    for (most, more) in shared(100).into_iter().zip(shared(101)) {
        let named = text(&most, "/resourceType").to_owned();
        let (code, _, said) = system.post(&named, &more).await.expect(422).issues().remove(0);
        assert_eq!(code, "too-costly", "{named}");
        assert!(said.contains("101 patients") && said.contains("those of 100"), "{named}: {said}");
        let place = format!("{named}/{}", system.create(&most).await);
        // Nor does it come to be in more.
        let whole = system.get(&place).await.expect(200).json();
        let id = text(&whole, "/id").to_owned();
        let grown = with(more.clone(), "id", json!(id));
        // Of most types nothing comes to be in another record at all.
        let stays = |code: &str| assert!(["too-costly", "business-rule"].contains(&code), "{named}: {code}");
        stays(&system.put(&place, &grown).await.expect(422).issues()[0].0);
        stays(&refused(&system, &transaction(&[("PUT", &place, Some(grown.clone()))])).await.0);
        assert_eq!(refused(&system, &transaction(&[("POST", &named, Some(more))])).await.0, "too-costly");
        // It is labelled and changed as ever.
        let label = json!({"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": {"security": [
            {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "SEX"}]}}]});
        system.post(&format!("{place}/$meta-add"), &label).await.expect(200);
        system.put(&place, &with(whole, "language", json!("en"))).await.expect(200);
    }
    let patch = json!([{"op": "add", "path": "/participant/-",
        "value": {"status": "accepted", "actor": {"reference": "Patient/another"}}}]);
    let place = format!("Appointment/{}", system.create(&appointment(100)).await);
    let patched = system.ask(Method::PATCH, &place).body("application/json-patch+json", patch.to_string()).await;
    assert_eq!(patched.expect(422).issues()[0].0, "too-costly");
    // What is told of such resources is in their records.
    let mut others = appointment(100);
    for (at, one) in others["participant"].as_array_mut().expect("participants").iter_mut().enumerate() {
        one["actor"]["reference"] = json!(format!("Patient/r{at}"));
    }
    let others = format!("Appointment/{}", system.create(&others).await);
    let told = |targets: &[&String]| {
        let targets: Vec<Value> = targets.iter().map(|target| json!({"reference": target})).collect();
        json!({"resourceType": "Provenance", "recorded": "2026-01-01T00:00:00Z", "target": targets,
            "agent": [{"who": {"reference": "Practitioner/gp"}}]})
    };
    system.create(&told(&[&place])).await;
    let refused = system.post("Provenance", &told(&[&place, &others])).await.expect(422);
    assert_eq!(refused.issues()[0].0, "too-costly");
}

async fn what_is_in_many_records_has_few_values(concord: &Concord) {
    let system = concord.system();
    let of = |patients: usize, values: usize| {
        let identifiers: Vec<Value> =
            (0..values).map(|at| json!({"system": "urn:x", "value": format!("v{at}")})).collect();
        with(appointment(patients), "identifier", json!(identifiers))
    };
    let (code, _, said) = system.post("Appointment", &of(90, 1_000)).await.expect(422).issues().remove(0);
    assert_eq!(code, "too-costly");
    assert!(said.contains("50000") && said.contains("90 patients"), "{said}");
    system.create(&of(90, 50)).await;
    system.create(&of(1, 1_000)).await;
}

async fn a_transaction_stores_few_copies(concord: &Concord) {
    let system = concord.system();
    let of = |number: usize| {
        let entries: Vec<_> = (0..number).map(|_| ("POST", "Appointment", Some(appointment(100)))).collect();
        transaction(&entries)
    };
    let (code, said) = refused(&system, &of(40)).await;
    assert_eq!(code, "too-costly");
    assert!(said.contains("send fewer"), "{said}");
    system.post("/fhir", &of(4)).await.expect(200);
}

/// So many carers of Amina's, each with a Consent of their own.
async fn carers(concord: &Concord, number: usize) {
    let system = concord.system();
    let consent = people::without(people::consent("active", "RelatedPerson/x", &["access"], &["Goal"]), "id");
    let mut entries = Vec::new();
    for at in 0..number {
        let own = format!("RelatedPerson/c{at}");
        let carer = json!({"resourceType": "RelatedPerson", "id": format!("c{at}"), "active": true,
            "patient": {"reference": "Patient/amina"}});
        entries.push(("PUT", own.clone(), Some(carer)));
        let text = consent.to_string().replace("RelatedPerson/x", &own);
        entries.push(("POST", "Consent".to_owned(), Some(serde_json::from_str(&text).expect("JSON"))));
    }
    let entries: Vec<_> = entries.iter().map(|(method, url, body)| (*method, url.as_str(), body.clone())).collect();
    system.post("/fhir", &transaction(&entries)).await.expect(200);
}

async fn what_is_computed_beside_writes_is_told(concord: &Concord) {
    people::arrive(concord).await;
    carers(concord, 80).await;
    let amina = concord.patient("amina");
    let write = ("POST", "Observation", Some(people::without(blood_pressure("amina", 120), "id")));
    let who = ("GET", "Patient/amina/$who-can-see", None);
    let told = amina.get("Patient/amina/$who-can-see").await.expect(200).json();
    let named = told["parameter"].as_array().expect("parameters").iter();
    assert!(named.filter(|one| text(one, "/name") == "access").count() >= 80);
    amina.post("/fhir", &transaction(&[who.clone(), who.clone()])).await.expect(200);
    let evaluate = json!({"resourceType": "Parameters", "parameter": [
        {"name": "patient", "valueReference": {"reference": "Patient/amina"}},
        {"name": "actor", "valueReference": {"reference": "RelatedPerson/c1"}},
        {"name": "type", "valueCode": "Goal"}]});
    let evaluate = ("POST", "Consent/$evaluate", Some(evaluate));
    amina.post("/fhir", &transaction(&[write.clone(), evaluate.clone()])).await.expect(200);
    let one = transaction(&[write.clone(), who]);
    let many = transaction(&[&[write][..], &vec![evaluate; 400][..]].concat());
    for bundle in [one, many] {
        let told = amina.post("/fhir", &bundle).await.expect(200);
        for entry in told.entries() {
            assert!(text(&entry, "/response/status").starts_with("20"), "{entry}");
        }
    }
    assert_eq!(amina.get("Observation?patient=amina&_count=50").await.expect(200).ids().len(), 3, "each write stands");
}
