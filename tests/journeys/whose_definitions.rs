//! Who gave a definition decides whether others are checked and found by it; and which one a url means does not depend on what
//! whoever asks may not find.

use concord_api::auth::development::TokenRequest;
use concord_tests::client::{Answer, text};
use concord_tests::people::{self, with, without};
use concord_tests::{App, Concord, on_both};
use serde_json::{Value, json};

use crate::protection_is_inherited::cast;

on_both! { with &[("CONCORD_MAX_BODY_BYTES", "2000000")];
    what_registered_systems_gave_stays,
    what_registered_systems_gave_comes_first,
    the_highest_version_is_meant,
    hidden_ones_take_up_nothing,
    a_hidden_one_takes_no_protection_away
}

const SET: &str = "https://example.org/vs/pets";
const SYSTEM: &str = "https://example.org/cs/pets";

fn code_system(id: &str, codes: &[&str]) -> Value {
    let codes: Vec<Value> = codes.iter().map(|code| json!({"code": code})).collect();
    json!({"resourceType": "CodeSystem", "id": id, "url": SYSTEM, "status": "active", "content": "complete",
        "concept": codes})
}

fn set(id: &str, url: &str, version: &str, codes: &[&str]) -> Value {
    let codes: Vec<Value> = codes.iter().map(|code| json!({"code": code})).collect();
    json!({"resourceType": "ValueSet", "id": id, "url": url, "version": version, "status": "active",
        "compose": {"include": [{"system": SYSTEM, "concept": codes}]}})
}

fn profile(id: &str, value_set: &str) -> Value {
    json!({"resourceType": "StructureDefinition", "id": id, "url": format!("https://example.org/profile/{id}"),
        "name": "Own", "status": "active", "kind": "resource", "abstract": false, "type": "Observation",
        "derivation": "constraint", "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Observation",
        "differential": {"element": [
            {"id": "Observation.code", "path": "Observation.code",
                "binding": {"strength": "required", "valueSet": value_set}}]}})
}

fn form(id: &str, is_required: bool) -> Value {
    json!({"resourceType": "Questionnaire", "id": id, "url": "https://example.org/form", "status": "active",
        "item": [{"linkId": "a", "type": "boolean", "required": is_required}]})
}

fn observed(claimed: &str, code: &str) -> Value {
    json!({"resourceType": "Observation", "status": "final", "subject": {"reference": "Patient/amina"},
        "meta": {"profile": [format!("https://example.org/profile/{claimed}")]}, "effectiveDateTime": "2026-11-28",
        "valueString": "seen", "code": {"coding": [{"system": SYSTEM, "code": code}]}})
}

/// A system that nobody has registered.
fn unregistered(concord: &Concord) -> App {
    concord.app(&TokenRequest {
        scope: ["CodeSystem", "ValueSet", "StructureDefinition", "Questionnaire"]
            .map(|name| format!("system/{name}.cruds"))
            .join(" "),
        client_id: "nobody-knows".to_owned(),
        ..TokenRequest::default()
    })
}

fn errors(answer: &Answer) -> usize {
    let issues = answer.json()["issue"].as_array().cloned().unwrap_or_default();
    issues.iter().filter(|issue| issue["severity"] == "error").count()
}

fn codes(answer: &Answer) -> Vec<String> {
    let found = answer.json()["expansion"]["contains"].as_array().cloned().unwrap_or_default();
    found.iter().map(|one| text(one, "/code").to_owned()).collect()
}

fn tag() -> Value {
    json!({"resourceType": "Parameters", "parameter": [
        {"name": "meta", "valueMeta": {"tag": [{"system": "urn:x", "code": "seen"}]}}]})
}

async fn wrong(app: &App, claimed: &str, code: &str) -> usize {
    errors(&app.post("Observation/$validate", &observed(claimed, code)).await.expect(200))
}

async fn what_registered_systems_gave_stays(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, system, other) = (concord.patient("amina"), concord.system(), unregistered(concord));
    let given = [
        code_system("pets", &["dog", "tree"]),
        set("pets", SET, "1", &["dog"]),
        profile("pets", SET),
        form("pets", true),
    ];
    for one in &given {
        system.store(one).await;
    }
    assert_eq!(wrong(&amina, "pets", "tree").await, 1);
    for one in &given {
        let place = format!("{}/pets", text(one, "/resourceType"));
        for changed in [one.clone(), with(one.clone(), "title", json!("mine"))] {
            let told = other.put(&place, &changed).await;
            assert!(told.status == 403 || (changed == *one && told.status == 200), "{told}");
        }
        other.post(&format!("{place}/$meta-add"), &tag()).await.expect(403);
        other.delete(&place).await.expect(403);
        assert_eq!(wrong(&amina, "pets", "tree").await, 1, "{place}");
        // Who gave it may tag it, and change it.
        system.post(&format!("{place}/$meta-add"), &tag()).await.expect(200);
        assert_eq!(wrong(&amina, "pets", "tree").await, 1, "{place}");
    }
    // A tag of a registered system makes nothing its own that another gave.
    let foreign = "https://example.org/vs/foreign";
    other.put("ValueSet/foreign", &set("foreign", foreign, "1", &["dog"])).await.expect(201);
    other.put("StructureDefinition/strange", &profile("strange", SET)).await.expect(201);
    system.store(&profile("foreign", foreign)).await;
    for place in ["ValueSet/foreign", "StructureDefinition/strange"] {
        for _ in 0..2 {
            system.post(&format!("{place}/$meta-add"), &tag()).await.expect(200);
        }
    }
    assert_eq!(wrong(&amina, "foreign", "tree").await, 0);
    assert_eq!(wrong(&amina, "strange", "tree").await, 0);
    // What it gives itself is.
    system.store(&set("foreign", foreign, "2", &["dog"])).await;
    assert_eq!(wrong(&amina, "foreign", "tree").await, 1);
    system.delete("ValueSet/foreign").await.expect(204);
}

async fn what_registered_systems_gave_comes_first(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, system, other) = (concord.patient("amina"), concord.system(), unregistered(concord));
    // More than are looked at of one url, and earlier.
    for number in 0..22 {
        let id = format!("squat-{number}");
        other.put(&format!("ValueSet/{id}"), &set(&id, SET, "9", &["tree"])).await.expect(201);
    }
    let expand = format!("ValueSet/$expand?url={SET}");
    let search = format!("Observation?code:in={SET}");
    let dog = amina.create(&without(observed("none", "dog"), "meta")).await;
    amina.create(&without(observed("none", "tree"), "meta")).await;
    // Where nobody else has the name an operation tells of it, and nobody finds by it.
    assert_eq!(codes(&amina.get(&expand).await.expect(200)), ["tree"]);
    amina.get(&search).await.expect(400);
    system.store(&set("pets", SET, "1", &["dog"])).await;
    other.put("ValueSet/later", &set("later", SET, "10", &["tree"])).await.expect(201);
    assert_eq!(codes(&amina.get(&expand).await.expect(200)), ["dog"]);
    assert_eq!(amina.get(&search).await.expect(200).ids(), [dog]);
    assert_eq!(codes(&amina.get("ValueSet/later/$expand").await.expect(200)), ["tree"]);
    // Nobody replaces the tables of R4.
    let status = "http://hl7.org/fhir/observation-status";
    for (app, id) in [(&other, "other"), (&system, "own")] {
        let mine = with(code_system(id, &["nonsense"]), "url", json!(status));
        app.put(&format!("CodeSystem/{id}"), &mine).await.expect(201);
        amina.get(&format!("CodeSystem/$lookup?system={status}&code=final")).await.expect(200);
    }
    // Answers are checked by the form of a registered system alone.
    let answers = json!({"resourceType": "QuestionnaireResponse", "status": "completed",
        "questionnaire": "https://example.org/form", "subject": {"reference": "Patient/amina"}});
    let checked = async || errors(&amina.post("QuestionnaireResponse/$validate", &answers).await.expect(200));
    other.put("Questionnaire/other", &form("other", true)).await.expect(201);
    assert_eq!(checked().await, 0);
    system.store(&form("own", true)).await;
    other.put("Questionnaire/other", &with(form("other", false), "version", json!("9"))).await.expect(200);
    assert_eq!(checked().await, 1);
}

async fn the_highest_version_is_meant(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, system) = (concord.patient("amina"), concord.system());
    system.store(&set("newer", SET, "1.10.0", &["dog"])).await;
    system.store(&set("older", SET, "1.9.0", &["tree"])).await;
    let expand = format!("ValueSet/$expand?url={SET}");
    assert_eq!(codes(&amina.get(&expand).await.expect(200)), ["dog"]);
    system.post("ValueSet/older/$meta-add", &tag()).await.expect(200);
    assert_eq!(codes(&amina.get(&expand).await.expect(200)), ["dog"]);
    assert_eq!(codes(&amina.get(&format!("{expand}%7C1.9.0")).await.expect(200)), ["tree"]);
}

/// Hidden ones of a name that whoever asks may find, so many and so large as nobody looks at; and hidden ones of many names.
async fn hidden_ones_take_up_nothing(concord: &Concord) {
    people::arrive(concord).await;
    let system = concord.system();
    let narrow = concord.patient_with("amina", "patient/Observation.cruds patient/ValueSet.rs?_id=open");
    system.store(&set("open", SET, "1", &["dog"])).await;
    system.store(&profile("pets", SET)).await;
    let asked = |name: &str| {
        let one = |key: String, url: String| {
            json!({"key": key, "severity": "error", "human": "it is one of these",
                "expression": format!("code.memberOf('{url}') or true")})
        };
        let mut rules: Vec<Value> = (0..105)
            .map(|number| one(format!("a-{number}"), format!("https://example.org/vs/{name}-{number}")))
            .collect();
        rules.push(json!({"key": "z", "severity": "error", "human": "it is a pet",
            "expression": format!("code.memberOf('{SET}')")}));
        with(
            profile(name, "https://example.org/vs/none"),
            "differential",
            json!({"element": [{"id": "Observation", "path": "Observation", "constraint": rules}]}),
        )
    };
    system.store(&asked("secret")).await;
    system.store(&asked("absent")).await;
    let said = async |claimed: &str| {
        let stored = narrow.post("Observation", &observed(claimed, "tree"));
        let stored = stored.header("prefer", "return=OperationOutcome").await.expect(201);
        stored.json()["issue"].to_string().replace(claimed, "NAME")
    };
    let before = said("pets").await;
    assert!(before.contains("no code is from the value set"), "{before}");
    for number in 0..22 {
        system.store(&set(&format!("hidden-{number}"), SET, &format!("2.{number}"), &["tree"])).await;
    }
    let half = json!("x".repeat(600_000));
    let large = with(set("large", SET, "3", &["tree"]), "description", half.clone());
    let large = with(large, "purpose", half);
    system.store(&large).await;
    assert_eq!(said("pets").await, before);
    for number in 0..105 {
        let id = format!("secret-{number}");
        system.store(&set(&id, &format!("https://example.org/vs/{id}"), "1", &["dog"])).await;
    }
    assert_eq!(said("secret").await, said("absent").await);
}

async fn a_hidden_one_takes_no_protection_away(concord: &Concord) {
    let (_, nurse) = cast(concord).await;
    let system = concord.system();
    let scopes = "patient/QuestionnaireResponse.cruds patient/Questionnaire.rs?_id=open";
    let narrow = concord.patient_with("amina", scopes);
    let url = "https://example.org/q/own";
    let sensitive =
        json!({"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "SEX"}]});
    let own = with(with(form("open", false), "url", json!(url)), "meta", sensitive);
    system.store(&own).await;
    let answers = json!({"resourceType": "QuestionnaireResponse", "status": "in-progress", "questionnaire": url,
        "subject": {"reference": "Patient/amina"}});
    let id = narrow.create(&answers).await;
    nurse.get(&format!("QuestionnaireResponse/{id}")).await.expect(404);
    for number in 0..60 {
        let hidden = with(form(&format!("hidden-{number}"), false), "url", json!(url));
        system.store(&with(hidden, "status", json!("draft"))).await;
    }
    let id = narrow.create(&answers).await;
    nurse.get(&format!("QuestionnaireResponse/{id}")).await.expect(404);
    narrow.get(&format!("QuestionnaireResponse/{id}")).await.expect(200);
    // A label on a hidden one neither protects it nor tells.
    let labelled =
        json!({"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "NOPAT"}]});
    let hidden = with(with(form("hidden-0", false), "url", json!(url)), "meta", labelled);
    system.store(&hidden).await;
    narrow.get(&format!("QuestionnaireResponse/{id}")).await.expect(200);
}
