//! One Patient bears an NHS number. Of two records of one person the one that is left is found by either's number.

use concord_tests::client::{App, text};
use concord_tests::people::{self, blood_pressure, with};
use concord_tests::{Concord, on_both};
use serde_json::{Value, json};

on_both! {
    nobody_else_bears_it, at_the_same_time, replaced_and_superseded, matched_by_number_and_by_demographics,
    swapped_in_one_transaction
}

const NHS: &str = "https://fhir.nhs.uk/Id/nhs-number";
const ONE: &str = "9990011176";
const OTHER: &str = "9434765919";

fn number(value: &str) -> Value {
    json!({"system": NHS, "value": value})
}

fn bearing(id: &str, numbers: &[&str]) -> Value {
    let numbers: Vec<Value> = numbers.iter().map(|one| number(one)).collect();
    let patient = json!({"resourceType": "Patient", "id": id, "name": [{"family": "Hussain", "given": ["Amina"]}],
        "gender": "female", "birthDate": "1950-04-12"});
    if numbers.is_empty() { patient } else { with(patient, "identifier", json!(numbers)) }
}

async fn nobody_else_bears_it(concord: &Concord) {
    people::arrive(concord).await;
    let system = concord.system();
    system.store(&bearing("amina", &[ONE])).await;
    let conflict = async |app: &App, resource: &Value| {
        let place = format!("Patient/{}", text(resource, "/id"));
        app.put(&place, resource).await.expect(409).issues()[0].2.clone()
    };
    let told = conflict(&system, &bearing("callum", &[ONE])).await;
    assert!(told.contains("Patient/amina") && told.contains("replaced-by"), "{told}");
    assert!(
        system.post("Patient", &bearing("x", &[OTHER, ONE])).await.expect(409).issues()[0].2.contains("NHS number")
    );
    // Who may not read Patients is told nothing of whose it is.
    let blind = concord.system_with("system/Patient.cu");
    let told = conflict(&blind, &bearing("another", &[ONE])).await;
    assert!(!told.contains("amina") && !told.contains("Patient/"), "{told}");
    // Not by patch, nor in a transaction with another; in a batch that entry alone.
    let patch = json!([{"op": "add", "path": "/identifier", "value": [number(ONE)]}]).to_string();
    let patched = system.ask(concord_tests::client::Method::PATCH, "Patient/callum");
    patched.body("application/json-patch+json", patch).await.expect(409).issues();
    let put = |resource: &Value| json!({"resource": resource, "request": {"method": "PUT", "url": format!("Patient/{}", text(resource, "/id"))}});
    let both = [put(&bearing("p", &[OTHER])), put(&bearing("q", &[OTHER]))];
    let bundle = |kind: &str| json!({"resourceType": "Bundle", "type": kind, "entry": both});
    system.post("/fhir", &bundle("transaction")).await.expect(409).issues();
    let entries = system.post("/fhir", &bundle("batch")).await.expect(200).entries();
    let statuses: Vec<&str> =
        entries.iter().map(|entry| text(entry, "/response/status").split(' ').next().unwrap_or_default()).collect();
    assert_eq!(statuses, ["201", "409"]);
    // What says the same again, changes something else, or gives the number up, is as ever.
    system.store(&bearing("amina", &[ONE])).await;
    system.store(&with(bearing("amina", &[ONE]), "active", json!(true))).await;
    system.store(&bearing("amina", &[])).await;
    system.store(&bearing("callum", &[ONE])).await;
    // So is another system's identifier of the same value.
    let local = json!([{"system": "urn:local", "value": ONE}]);
    system.store(&with(bearing("r", &[]), "identifier", local)).await;
}

/// Of two who store the same number at once, one is first.
async fn at_the_same_time(concord: &Concord) {
    let system = concord.system();
    let other = concord.another_node().await;
    let other = App::at(&other.origin()).with_token(system.token());
    let mut asked = Vec::new();
    for place in 0..8 {
        let app = if concord.is_postgres() && place % 2 == 1 { other.clone() } else { system.clone() };
        asked.push(tokio::spawn(async move { app.post("Patient", &bearing("x", &[ONE])).await.status }));
    }
    let mut statuses = Vec::new();
    for one in asked {
        statuses.push(one.await.expect("an answer"));
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409, 409, 409, 409, 409, 409, 409]);
    let found = system.get(&format!("Patient?identifier={NHS}|{ONE}")).await.expect(200).ids();
    assert_eq!(found.len(), 1);
}

async fn replaced_and_superseded(concord: &Concord) {
    people::arrive(concord).await;
    let system = concord.system();
    let replaced = |id: &str, numbers: &[&str], by: &str| {
        with(
            bearing(id, numbers),
            "link",
            json!([{"other": {"reference": format!("Patient/{by}")}, "type": "replaced-by"}]),
        )
    };
    // A superseded number beside the one that holds.
    system.store(&bearing("callum", &[OTHER, "9449305552"])).await;
    // A record that has been replaced by another, which bears the same number.
    system.store(&replaced("old", &[ONE], "middle")).await;
    system.store(&replaced("middle", &[ONE], "amina")).await;
    system.store(&bearing("amina", &[ONE])).await;
    let reading = |number: &str| {
        with(blood_pressure("amina", 120), "subject", json!({"identifier": {"system": NHS, "value": number}}))
    };
    for (number, patient) in [(ONE, "amina"), ("9449305552", "callum"), (OTHER, "callum")] {
        let id = system.create(&reading(number)).await;
        concord.patient(patient).get(&format!("Observation/{id}")).await.expect(200);
    }
    // A summary by the number is of the one who is left.
    let summary = system.get(&format!("Patient/$summary?identifier={NHS}|{ONE}")).await.expect(200).json();
    assert!(
        summary["entry"][0]["resource"]["subject"]["reference"]
            .as_str()
            .is_some_and(|of| of.ends_with("Patient/amina"))
    );
    // Both ids are kept, and the link may not be taken away while both bear the number.
    let kept = system.get(&format!("Patient?identifier={NHS}|{ONE}&_sort=_id")).await.expect(200).ids();
    assert_eq!(kept, ["amina", "middle", "old"]);
    system.put("Patient/middle", &bearing("middle", &[ONE])).await.expect(409).issues();
    system.put("Patient/other", &bearing("other", &[ONE])).await.expect(409).issues();
    // Two that say that they have been replaced by each other mean nobody.
    system.store(&bearing("a", &["9876543210"])).await;
    system.put("Patient/b", &replaced("b", &["9876543210"], "a")).await.expect(201);
    let refused = system.put("Patient/a", &replaced("a", &["9876543210"], "b")).await;
    assert_eq!(refused.status, 422, "{refused}");
}

async fn matched_by_number_and_by_demographics(concord: &Concord) {
    people::arrive(concord).await;
    let system = concord.system();
    system.store(&bearing("amina", &[ONE])).await;
    system.store(&with(bearing("callum", &[OTHER]), "name", json!([{"family": "Fraser", "given": ["Callum"]}]))).await;
    let ask = async |app: &App, patient: &Value, more: &[(&str, Value)]| {
        let mut parameter = vec![json!({"name": "resource", "resource": patient})];
        for (name, value) in more {
            let kind = if value.is_boolean() { "valueBoolean" } else { "valueInteger" };
            parameter.push(json!({"name": name, kind: value}));
        }
        app.post("Patient/$match", &json!({"resourceType": "Parameters", "parameter": parameter})).await
    };
    let graded = |answer: &concord_tests::Answer| -> Vec<(String, String)> {
        let entries = answer.entries().into_iter().filter(|entry| text(entry, "/search/mode") == "match");
        let grade = |entry: Value| {
            assert_eq!(text(&entry, "/search/extension/0/url"), "http://hl7.org/fhir/StructureDefinition/match-grade");
            assert!(entry["search"]["score"].is_number(), "{entry}");
            (text(&entry, "/resource/id").to_owned(), text(&entry, "/search/extension/0/valueCode").to_owned())
        };
        entries.map(grade).collect()
    };
    let person = |members: Value| {
        let mut patient = json!({"resourceType": "Patient"});
        for (name, value) in members.as_object().expect("an object") {
            patient[name] = value.clone();
        }
        patient
    };
    let name = json!([{"family": "HUSSAIN", "given": ["amina"]}]);
    let (born, wrong) = ("1950-04-12", "1950-12-04");
    for (asked, wanted) in [
        (person(json!({"identifier": [number(ONE)], "birthDate": born})), vec![("amina", "certain")]),
        (person(json!({"identifier": [number(ONE)], "name": name, "birthDate": born})), vec![("amina", "certain")]),
        (person(json!({"identifier": [number(ONE)]})), vec![("amina", "probable")]),
        (person(json!({"identifier": [number(ONE)], "birthDate": wrong})), vec![("amina", "possible")]),
        (person(json!({"name": name, "birthDate": born, "gender": "female"})), vec![("amina", "probable")]),
        (person(json!({"name": [{"family": "Hussain"}], "birthDate": born})), vec![("amina", "possible")]),
        (person(json!({"name": name, "birthDate": wrong, "gender": "female"})), vec![]),
        (person(json!({"name": name, "birthDate": born, "gender": "male"})), vec![("amina", "possible")]),
        (person(json!({"identifier": [number("9876543210")], "name": name, "birthDate": born})), vec![]),
    ] {
        let answer = ask(&system, &asked, &[]).await.expect(200);
        let wanted: Vec<(String, String)> =
            wanted.into_iter().map(|(id, grade): (&str, &str)| (id.to_owned(), grade.to_owned())).collect();
        assert_eq!(graded(&answer), wanted, "{asked}");
    }
    // Of a description with the numbers of two nobody is certain.
    let both = person(json!({"identifier": [number(ONE), number(OTHER)], "name": name, "birthDate": born}));
    let answer = ask(&system, &both, &[]).await.expect(200);
    assert!(graded(&answer).iter().all(|(_, grade)| grade != "certain"), "{answer}");
    assert_eq!(graded(&ask(&system, &both, &[("onlyCertainMatches", json!(true))]).await.expect(200)).len(), 0);
    // One whom another has replaced is told as the one who is left.
    let replaced = json!([{"other": {"reference": "Patient/amina"}, "type": "replaced-by"}]);
    system.store(&with(bearing("old", &[ONE]), "link", replaced)).await;
    let asked = person(json!({"identifier": [number(ONE)], "name": name, "birthDate": born}));
    let answer = ask(&system, &asked, &[("onlyCertainMatches", json!(true))]).await.expect(200);
    assert_eq!(graded(&answer), [("amina".to_owned(), "certain".to_owned())]);
    // Both numbers are hers, one of them of the record that she has come in the place of.
    let replaced = json!([{"other": {"reference": "Patient/amina"}, "type": "replaced-by"}]);
    system.store(&with(bearing("older", &["9876543210"]), "link", replaced)).await;
    let asked = person(json!({"identifier": [number(ONE), number("9876543210")], "name": name, "birthDate": born}));
    let answer = ask(&system, &asked, &[]).await.expect(200);
    assert_eq!(graded(&answer), [("amina".to_owned(), "certain".to_owned())]);
    // Only what is certain, and no more than are wanted.
    let vague = person(json!({"name": [{"family": "Hussain"}], "birthDate": born}));
    system.store(&with(bearing("twin", &[]), "name", json!([{"family": "Hussain", "given": ["Aisha"]}]))).await;
    assert_eq!(graded(&ask(&system, &vague, &[]).await.expect(200)).len(), 2);
    assert_eq!(graded(&ask(&system, &vague, &[("count", json!(1))]).await.expect(200)).len(), 1);
    assert_eq!(graded(&ask(&system, &vague, &[("onlyCertainMatches", json!(true))]).await.expect(200)).len(), 0);
    // What says nothing of a person matches nobody, and says why.
    let refused = ask(&system, &person(json!({"gender": "female"})), &[]).await.expect(422).issues();
    assert!(refused[0].2.contains("birthDate"), "{refused:?}");
    ask(&system, &vague, &[("count", json!(0))]).await.expect(400).issues();
    // For systems that may search Patients.
    for app in [
        concord.patient("amina"),
        concord.user("Practitioner/gp"),
        concord.system_with("system/Observation.cruds"),
        concord.system_with("system/Patient.c"),
    ] {
        ask(&app, &vague, &[]).await.expect(403).issues();
    }
}

/// Two numbers that were mixed up are put right in one transaction; what leaves two Patients with one number is refused whole.
async fn swapped_in_one_transaction(concord: &Concord) {
    people::arrive(concord).await;
    let system = concord.system();
    system.store(&bearing("amina", &[ONE])).await;
    system.store(&bearing("callum", &[OTHER])).await;
    let change = |id: &str, of: &str| json!({"resource": bearing(id, &[of]), "request": {"method": "PUT", "url": format!("Patient/{id}")}});
    let together = async |entries: Vec<Value>| {
        let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": entries});
        system.post("/fhir", &bundle).await
    };
    let who = async |number: &str| system.get(&format!("Patient?identifier={NHS}|{number}")).await.expect(200).ids();
    for bad in [
        vec![change("amina", OTHER), change("callum", OTHER)],
        vec![change("amina", OTHER), change("gp-list", ONE)],
        vec![change("amina", OTHER)],
    ] {
        together(bad).await.expect(409).issues();
        assert_eq!((who(ONE).await, who(OTHER).await), (vec!["amina".to_owned()], vec!["callum".to_owned()]));
    }
    together(vec![change("amina", OTHER), change("callum", ONE)]).await.expect(200);
    assert_eq!((who(ONE).await, who(OTHER).await), (vec!["callum".to_owned()], vec!["amina".to_owned()]));
    // One after the other, there is a moment in which two bear it.
    system.put("Patient/amina", &bearing("amina", &[ONE])).await.expect(409).issues();
}
