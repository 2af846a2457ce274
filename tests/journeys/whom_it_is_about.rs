//! What a Consent denies takes nobody away: whom data is about stays, is found by, and what else there is of them is found; and who
//! asks about what is denied is answered as about what is not there.

use concord_tests::client::text;
use concord_tests::people::{self, with};
use concord_tests::{App, Concord, on_both};
use serde_json::{Value, json};

on_both! { a_denied_code_leaves_the_person, a_person_who_is_denied_leaves_the_data, what_is_asked_about_is_told_in_ones_own_words }

fn allergy() -> Value {
    let system = "http://terminology.hl7.org/CodeSystem/allergyintolerance";
    json!({"resourceType": "AllergyIntolerance", "id": "penicillin", "patient": {"reference": "Patient/amina"},
        "clinicalStatus": {"coding": [{"system": format!("{system}-clinical"), "code": "active"}]},
        "verificationStatus": {"coding": [{"system": format!("{system}-verification"), "code": "confirmed"}]},
        "code": {"coding": [{"system": "http://snomed.info/sct", "code": "91936005", "display": "Allergy to penicillin"}]}})
}

fn denial(actor: &str, what: &Value) -> Value {
    let mut denied = with(people::consent("active", actor, &[], &[]), "id", json!("denial"));
    let provision = denied["provision"].as_object_mut().expect("an object");
    provision.extend(what.as_object().expect("an object").clone());
    provision.insert("type".to_owned(), json!("deny"));
    for empty in ["class", "action"] {
        if provision.get(empty).is_some_and(|list| list == &json!([])) {
            provision.shift_remove(empty);
        }
    }
    denied
}

/// How many a search finds.
async fn total(app: &App, search: &str) -> u64 {
    let and = if search.contains('?') { '&' } else { '?' };
    let found = app.get(&format!("{search}{and}_total=accurate&_count=1")).await.expect(200).json();
    found["total"].as_u64().expect("a total")
}

const SEARCHES: [&str; 3] = [
    "AllergyIntolerance?patient=amina",
    "AllergyIntolerance?patient=Patient/amina",
    "Patient/amina/AllergyIntolerance",
];

async fn a_denied_code_leaves_the_person(concord: &Concord) {
    people::arrive(concord).await;
    let (system, gp) = (concord.system(), concord.user("Practitioner/gp"));
    system.store(&allergy()).await;
    assert_eq!(seen(&gp).await, [1; 3]);
    for denied in [
        json!({"code": [{"coding": [{"system": "urn:c", "code": "another"}]}]}),
        json!({"dataPeriod": {"start": "1990", "end": "1991"}, "class": people::consent("active", "", &[], &["Goal"])["provision"]["class"]}),
    ] {
        system.store(&denial("Practitioner/gp", &denied)).await;
        gp.get("Patient/amina").await.expect(200);
        assert_eq!(seen(&gp).await, [1; 3], "{denied}");
        let summary = gp.get("Patient/amina/$summary").await.expect(200).text();
        assert!(summary.contains("Allergy to penicillin"), "{denied}");
    }
    // By what it says itself a person is reached.
    let ethnic = json!({"coding": [{"system": "urn:c", "code": "another"}]});
    let mut amina = system.get("Patient/amina").await.expect(200).json();
    amina["extension"] = json!([{"url": "urn:e", "valueCodeableConcept": ethnic}]);
    system.store(&amina).await;
    system.store(&denial("Practitioner/gp", &json!({"code": [ethnic]}))).await;
    gp.get("Patient/amina").await.expect(404);
    assert_eq!(total(&gp, SEARCHES[0]).await, 1);
}

async fn seen(app: &App) -> Vec<u64> {
    let mut all = Vec::new();
    for search in SEARCHES {
        all.push(total(app, search).await);
    }
    all
}

async fn a_person_who_is_denied_leaves_the_data(concord: &Concord) {
    people::arrive(concord).await;
    let (system, gp) = (concord.system(), concord.user("Practitioner/gp"));
    system.store(&allergy()).await;
    let class = people::consent("active", "", &[], &["Patient"])["provision"]["class"].clone();
    system.store(&denial("Practitioner/gp", &json!({"class": class}))).await;
    gp.get("Patient/amina").await.expect(404);
    gp.get("AllergyIntolerance/penicillin").await.expect(200);
    assert_eq!(seen(&gp).await, [1; 3]);
}

async fn what_is_asked_about_is_told_in_ones_own_words(concord: &Concord) {
    people::arrive(concord).await;
    let (system, gp) = (concord.system(), concord.user("Practitioner/gp"));
    system.store(&allergy()).await;
    let denied =
        json!({"data": [{"meaning": "instance", "reference": {"reference": "AllergyIntolerance/penicillin"}}]});
    system.store(&denial("Practitioner/gp", &denied)).await;
    let asked = async |reference: &str| {
        let question = json!({"resourceType": "Parameters", "parameter": [
            {"name": "patient", "valueReference": {"reference": "Patient/amina"}},
            {"name": "actor", "valueReference": {"reference": "Practitioner/gp"}},
            {"name": "resource", "valueReference": {"reference": reference}}]});
        let alone = gp.post("Consent/$evaluate", &question).await.expect(200).json();
        let batch = json!({"resourceType": "Bundle", "type": "batch",
            "entry": [{"request": {"method": "POST", "url": "Consent/$evaluate"}, "resource": question}]});
        let entry = gp.post("/fhir", &batch).await.expect(200).json();
        assert_eq!(entry["entry"][0]["resource"], alone);
        assert_eq!(text(&alone, "/parameter/0/part/0/valueReference/reference"), reference);
        alone.to_string().replace(reference, "it")
    };
    for way in ["", "https://phr.example/fhir/", "http://concord.test/fhir/"] {
        let [there, missing] = ["penicillin", "nothing"].map(|id| format!("{way}AllergyIntolerance/{id}"));
        assert_eq!(asked(&there).await, asked(&missing).await, "{way}");
    }
}
