//! Codes and the version of their code system: in value sets, bindings and answers; what a value set lists and its code system does
//! not have; and what is here in part.

use concord_tests::client::{Answer, text};
use concord_tests::people::{self, with};
use concord_tests::{Concord, on_both};
use serde_json::{Value, json};

on_both! { checks_ask_for_the_version, what_is_listed_and_is_no_code, what_is_here_in_part, which_version_is_the_newest }

const FARM: &str = "https://example.org/cs/farm";
const FARM_SET: &str = "https://example.org/vs/farm";

fn farm(version: &str, more: &[&str]) -> Value {
    let concepts: Vec<Value> = [&["dog"][..], more].concat().iter().map(|code| json!({"code": code})).collect();
    let id = format!("farm-{}", version.replace('.', "-"));
    json!({"resourceType": "CodeSystem", "id": id, "url": FARM, "version": version, "status": "active",
        "content": "complete", "concept": concepts})
}

fn set(id: &str, include: Value) -> Value {
    json!({"resourceType": "ValueSet", "id": id, "url": format!("https://example.org/vs/{id}"), "version": "1",
        "status": "active", "compose": {"include": include}})
}

/// What is said of a severity.
fn said(answer: &Answer, severity: &str) -> Vec<String> {
    let issues = answer.json()["issue"].as_array().cloned().unwrap_or_default();
    issues.iter().filter(|one| one["severity"] == severity).map(|one| text(one, "/diagnostics").to_owned()).collect()
}

fn result(answer: &Answer) -> (Value, String) {
    let told = answer.json();
    let all = told["parameter"].as_array().cloned().unwrap_or_default();
    let named = |name: &str| all.iter().find(|one| one["name"] == name).cloned().unwrap_or_default();
    (named("result")["valueBoolean"].clone(), text(&named("message"), "/valueString").to_owned())
}

fn parameters(all: Value) -> Value {
    json!({"resourceType": "Parameters", "parameter": all})
}

async fn checks_ask_for_the_version(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, system) = (concord.patient("amina"), concord.system());
    let form = json!({"resourceType": "Questionnaire", "id": "animals", "url": "https://example.org/q/animals",
        "status": "active", "item": [{"linkId": "q", "type": "choice", "answerValueSet": FARM_SET}]});
    let profile = json!({"resourceType": "StructureDefinition", "url": "https://example.org/profile/bound", "name": "Bound",
        "status": "active", "kind": "resource", "abstract": false, "type": "Observation", "derivation": "constraint",
        "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Observation",
        "differential": {"element": [{"id": "Observation.code", "path": "Observation.code",
            "binding": {"strength": "required", "valueSet": FARM_SET}}]}});
    for one in [farm("1", &["old"]), farm("2", &["new"]), set("farm", json!([{"system": FARM}])), form] {
        system.store(&one).await;
    }
    system.create(&profile).await;
    for (version, code, is_wrong, is_told) in [
        ("1", "old", false, false),
        ("1", "new", true, false),
        ("2", "new", false, false),
        ("", "old", true, false),
        ("9", "new", false, true),
        ("9", "old", true, true),
    ] {
        let mut coding = json!({"system": FARM, "code": code});
        if !version.is_empty() {
            coding["version"] = json!(version);
        }
        let seen = json!({"resourceType": "Observation", "status": "final", "subject": {"reference": "Patient/amina"},
            "meta": {"profile": ["https://example.org/profile/bound"]}, "effectiveDateTime": "2026-11-28",
            "code": {"coding": [coding]}, "valueString": "fine"});
        let answers = json!({"resourceType": "QuestionnaireResponse", "status": "completed",
            "questionnaire": "https://example.org/q/animals", "subject": {"reference": "Patient/amina"},
            "authored": "2026-11-28T10:00:00Z", "item": [{"linkId": "q", "answer": [{"valueCoding": coding}]}]});
        for body in [&seen, &answers] {
            let told = amina.post(&format!("{}/$validate", text(body, "/resourceType")), body).await.expect(200);
            let is_about =
                |all: Vec<String>| all.iter().any(|said| said.contains("value set") && !said.contains("checked"));
            let wrong = is_about(said(&told, "error")) || is_about(said(&told, "warning"));
            assert_eq!(wrong, is_wrong, "{version} {code}: {told}");
            let unheard = said(&told, "information").iter().any(|said| said.contains("in version 9 is not known here"));
            assert_eq!(unheard, is_told, "{version} {code}: {told}");
        }
        // A write says the same of what it claims.
        let stored = amina.post("Observation", &seen).header("prefer", "return=OperationOutcome").await.expect(201);
        let warned = said(&stored, "warning").iter().any(|said| said.contains("no code is from the value set"));
        assert_eq!(warned, is_wrong, "{version} {code}: {stored}");
    }
}

async fn what_is_listed_and_is_no_code(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, system) = (concord.patient("amina"), concord.system());
    let listed = json!([{"code": "dog"}, {"code": "unicorn", "display": "Unicorn"}]);
    system.store(&set("listed", json!([{"system": FARM, "concept": listed}]))).await;
    let ask = format!("ValueSet/listed/$validate-code?system={FARM}&code=unicorn");
    let codes = async || {
        let told = amina.get("ValueSet/listed/$expand").await.expect(200).json();
        let all = told["expansion"]["contains"].as_array().cloned().unwrap_or_default();
        all.iter().map(|one| format!("{}|{}", text(one, "/code"), text(one, "/version"))).collect::<Vec<_>>()
    };
    // As long as nobody knows the code system, the list holds.
    assert_eq!(result(&amina.get(&ask).await.expect(200)).0, true);
    assert_eq!(codes().await, ["dog|", "unicorn|"]);
    system.store(&farm("1", &[])).await;
    let (is_in, why) = result(&amina.get(&ask).await.expect(200));
    assert!(is_in == false && why.contains("no such code"), "{why}");
    assert_eq!(codes().await, ["dog|1"]);
    // In part it may have it, and where it only says that it is one.
    for content in ["fragment", "not-present"] {
        let mut half = with(farm("1", &[]), "content", json!(content));
        if content == "not-present" {
            half.as_object_mut().expect("an object").remove("concept");
        }
        system.store(&half).await;
        assert_eq!(result(&amina.get(&ask).await.expect(200)).0, true, "{content}");
        assert_eq!(codes().await.len(), 2, "{content}");
    }
}

async fn what_is_here_in_part(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, system) = (concord.patient("amina"), concord.system());
    system.store(&with(farm("1", &["cat"]), "content", json!("fragment"))).await;
    system.store(&set("farm", json!([{"system": FARM}]))).await;
    amina.get(&format!("CodeSystem/$lookup?system={FARM}&code=cat")).await.expect(200);
    for place in [
        format!("CodeSystem/$lookup?system={FARM}&code=cow"),
        format!("CodeSystem/$validate-code?url={FARM}&code=cow"),
        format!("ValueSet/$validate-code?url={FARM_SET}&system={FARM}&code=cow"),
    ] {
        let told = amina.get(&place).await.expect(422).issues();
        assert!(
            told[0].0 == "not-found" && told[0].2.contains("not here as a whole, but as `fragment`"),
            "{place}: {told:?}"
        );
    }
    for place in
        [format!("ValueSet/$expand?url={FARM_SET}"), format!("CodeSystem/$subsumes?system={FARM}&codeA=dog&codeB=cat")]
    {
        let told = amina.get(&place).await.expect(422).issues();
        assert!(told[0].2.contains("`fragment`"), "{place}: {told:?}");
    }
    // What is not in use is left out, also of what comes from another value set.
    let inert = json!({"code": "inert", "property": [{"code": "inactive", "valueBoolean": true}]});
    system.store(&with(farm("2", &[]), "concept", json!([{"code": "dog"}, inert]))).await;
    for (inactive, count) in [(json!(false), 1), (json!(true), 2)] {
        let compose = json!({"inactive": inactive, "include": [{"valueSet": [FARM_SET]}]});
        system.store(&with(set("own", json!([])), "compose", compose)).await;
        let told = amina.get("ValueSet/own/$expand").await.expect(200).json();
        assert_eq!(told["expansion"]["total"], count, "{told}");
        let told = amina.get(&format!("ValueSet/own/$validate-code?system={FARM}&code=inert")).await.expect(200);
        assert_eq!(result(&told).0, count == 2, "{told}");
        let told = amina.get("ValueSet/own/$expand?activeOnly=true").await.expect(200).json();
        assert_eq!(told["expansion"]["total"], 1, "{told}");
    }
}

/// Numbers by their value, then what was released, then what was stored last.
async fn which_version_is_the_newest(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, system) = (concord.patient("amina"), concord.system());
    let newest = async || {
        let told = amina.get(&format!("CodeSystem/$lookup?system={FARM}&code=dog")).await.expect(200).json();
        let all = told["parameter"].as_array().cloned().unwrap_or_default();
        all.iter()
            .find(|one| one["name"] == "version")
            .map(|one| text(one, "/valueString").to_owned())
            .unwrap_or_default()
    };
    for (version, wanted) in [
        ("draft", "draft"),
        ("other", "other"),
        ("2024-03-01", "2024-03-01"),
        ("2024-01-31", "2024-03-01"),
        ("1.9.0", "1.9.0"),
        ("1.10.0-beta", "1.10.0-beta"),
        ("1.10.0", "1.10.0"),
        ("1.10.0-rc.1", "1.10.0"),
        ("1.2.0", "1.10.0"),
    ] {
        system.store(&farm(version, &[])).await;
        assert_eq!(newest().await, wanted, "{version}");
    }
    // However many there are.
    for minor in 1..40 {
        system.store(&farm(&format!("0.{minor}.0"), &[])).await;
    }
    system.store(&farm("3.0.0", &[])).await;
    assert_eq!(newest().await, "3.0.0");
    // Each is there by its version.
    let asked = json!([{"name": "coding", "valueCoding": {"system": FARM, "version": "2024-01-31", "code": "dog"}}]);
    let told = amina.post("CodeSystem/$lookup", &parameters(asked)).await.expect(200);
    assert!(told.text().contains("2024-01-31"), "{told}");
}
