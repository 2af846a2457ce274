//! What the server itself composes, compared as a whole with a file beside this one: a member that is lost, misspelt or
//! said otherwise shows in the difference. Member order says nothing, and ids that are drawn are written `(id)`.
//!
//! `CONCORD_WRITE_WHOLE_ANSWERS=1` writes the files anew.

use std::path::Path;

use concord_tests::client::text;
use concord_tests::people::{self, blood_pressure, with};
use concord_tests::{App, Concord, on_both};
use serde_json::{Value, json};

on_both! {
    outcomes, parameters_of_readings, parameters_of_agreement, parameters_of_decisions, provenance, audit_events, summary,
    capability_statement, emergency, correction
}

/// The text with each drawn id, and the version of this release, written as a word.
fn steady(text: &str) -> String {
    let is_id = |part: &str| {
        part.len() == 36
            && part.char_indices().all(|(at, c)| match at {
                8 | 13 | 18 | 23 => c == '-',
                _ => c.is_ascii_hexdigit(),
            })
    };
    let mut told = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        match rest.get(..36).filter(|part| is_id(part)) {
            Some(_) => {
                told.push_str("(id)");
                rest = rest.get(36..).unwrap_or_default();
            }
            None => {
                told.push(first);
                rest = rest.get(first.len_utf8()..).unwrap_or_default();
            }
        }
    }
    told
}

fn writes() -> bool {
    std::env::var_os("CONCORD_WRITE_WHOLE_ANSWERS").is_some()
}

/// Compares an answer with the file of that name.
fn is_as_kept(name: &str, found: &Value) {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("journeys/whole_answers").join(format!("{name}.json"));
    let found: Value = serde_json::from_str(&steady(&found.to_string())).expect("JSON");
    let pretty = format!("{found:#}\n");
    if writes() {
        std::fs::write(&place, &pretty).expect("a file");
    }
    let kept = std::fs::read_to_string(&place).expect("a file of what was answered before");
    let kept: Value = serde_json::from_str(&kept).expect("JSON");
    assert!(found == kept, "{name} is not as in {}:\n{pretty}", place.display());
}

/// The server's own Provenance of a version.
async fn provenance_of(concord: &Concord, version: &str) -> Value {
    let mut found = concord.system().get(&format!("Provenance?target={version}")).await.expect(200).matches();
    found.retain(|one| text(one, "/target/0/reference") == version && one.pointer("/meta/tag").is_none());
    assert_eq!(found.len(), 1, "{version}: {found:?}");
    found.remove(0)
}

/// The one resource that a search finds.
async fn only(app: &App, place: &str) -> Value {
    let mut found = app.get(place).await.expect(200).matches();
    assert_eq!(found.len(), 1, "{place}: {found:?}");
    found.remove(0)
}

async fn outcomes(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    is_as_kept("outcome-not-found", &amina.get("Observation/none").await.expect(404).json());
    let wrong = json!({"resourceType": "Observation", "status": "finished", "colour": "red", "note": []});
    is_as_kept("outcome-invalid", &amina.post("Observation", &wrong).await.expect(400).json());
    let valid = amina.post("Observation/$validate", &blood_pressure("amina", 120)).await.expect(200).json();
    is_as_kept("outcome-all-is-well", &valid);
    is_as_kept("outcome-page", &amina.get("Observation?colour=red").await.expect(200).json());
    let batch = json!({"resourceType": "Bundle", "type": "batch", "entry": [
        {"request": {"method": "GET", "url": "Observation/none"}}]});
    is_as_kept("outcome-entry", &amina.post("", &batch).await.expect(200).json());
}

async fn parameters_of_readings(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let none = amina.get("Observation/$trend?code=http://loinc.org|8867-4").await.expect(200).json();
    is_as_kept("parameters-trend-empty", &none);
    is_as_kept("parameters-duplicates-empty", &amina.get("Observation/$duplicates").await.expect(200).json());
    for (value, day) in [("70.50", 5), ("7.1e1", 5), ("69", 7)] {
        let value: Value = serde_json::from_str(value).expect("a number");
        let reading = json!({"resourceType": "Observation", "status": "final", "subject": {"reference": "Patient/amina"},
            "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7", "display": "Body weight"}]},
            "effectiveDateTime": format!("2026-01-{day:02}T08:00:00Z"),
            "valueQuantity": {"value": value, "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"}});
        amina.create(&reading).await;
    }
    let trend = amina.get("Observation/$trend?code=http://loinc.org|29463-7").await.expect(200).json();
    is_as_kept("parameters-trend", &trend);
    for _ in 0..2 {
        amina.create(&blood_pressure("amina", 120)).await;
    }
    is_as_kept("parameters-duplicates", &amina.get("Observation/$duplicates").await.expect(200).json());
    let label = json!({"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": {
        "security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}]}}]});
    let id = amina.create(&blood_pressure("amina", 121)).await;
    let labelled = amina.post(&format!("Observation/{id}/$meta-add"), &label).await.expect(200).json();
    is_as_kept("parameters-meta", &labelled);
}

fn word(who: &str, status: &str) -> Value {
    json!({"url": "http://hl7.org/fhir/StructureDefinition/goal-acceptance", "extension": [
        {"url": "individual", "valueReference": {"reference": who}}, {"url": "status", "valueCode": status},
        {"url": "priority", "valueCodeableConcept": {"text": "high"}}]})
}

async fn parameters_of_agreement(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, gp) = (concord.patient("amina"), concord.user("Practitioner/gp"));
    let mut asked = word("Practitioner/gp", "pending");
    asked["extension"].as_array_mut().expect("parts").truncate(2);
    let words = [word("Patient/amina", "agree"), asked];
    let goal = json!({"resourceType": "Goal", "lifecycleStatus": "active", "description": {"text": "walk"},
        "subject": {"reference": "Patient/amina"}, "extension": words});
    let id = amina.create(&goal).await;
    concord.later(60_000);
    let mut goal = gp.get(&format!("Goal/{id}")).await.expect(200).json();
    goal["extension"][1] = word("Practitioner/gp", "agree");
    gp.put(&format!("Goal/{id}"), &goal).await.expect(200);
    is_as_kept("parameters-agreement", &amina.get(&format!("Goal/{id}/$agreement")).await.expect(200).json());
}

async fn parameters_of_decisions(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let doctor = concord.user("Practitioner/gp-elsewhere");
    let broken = doctor.get("Condition?patient=amina").header("x-purpose-of-use", "BTG");
    broken.header("x-purpose-reason", "found unconscious").await.expect(200);
    is_as_kept("parameters-who-can-see", &amina.get("Patient/amina/$who-can-see").await.expect(200).json());
    concord.system().store(&with(blood_pressure("amina", 120), "id", json!("bp"))).await;
    for (name, actor) in [("permitted", "RelatedPerson/yusuf"), ("denied", "RelatedPerson/neighbour")] {
        let place = format!(
            "Consent/$evaluate?patient=Patient/amina&actor={actor}&resource=Observation/bp&resource=Observation/none&type=Goal"
        );
        is_as_kept(&format!("parameters-evaluate-{name}"), &amina.get(&place).await.expect(200).json());
    }
}

async fn provenance(concord: &Concord) {
    people::arrive(concord).await;
    let (yusuf, system) = (concord.user("RelatedPerson/yusuf"), concord.system());
    let id = yusuf.create(&blood_pressure("amina", 120)).await;
    let place = format!("Observation/{id}/_history");
    is_as_kept("provenance-create", &provenance_of(concord, &format!("{place}/1")).await);
    let changed = with(blood_pressure("amina", 121), "id", json!(id));
    yusuf.put(&format!("Observation/{id}"), &changed).await.expect(200);
    is_as_kept("provenance-update", &provenance_of(concord, &format!("{place}/2")).await);
    let gp = concord.user("Practitioner/gp");
    let seen = json!({"resourceType": "Parameters", "parameter": [{"name": "version", "valueId": "2"}]});
    let verified = gp.post(&format!("Observation/{id}/$verify"), &seen);
    is_as_kept("provenance-verify", &verified.await.expect(200).json());
    let withdrawn = json!({"resourceType": "Parameters", "parameter": [{"name": "withdraw", "valueBoolean": true}]});
    let withdrawn = gp.post(&format!("Observation/{id}/$verify"), &withdrawn);
    is_as_kept("provenance-verify-withdrawn", &withdrawn.await.expect(200).json());
    let said = json!({"resourceType": "Provenance", "recorded": "2026-11-30T08:00:00Z", "agent": [{
        "who": {"reference": "Patient/amina"}}]});
    let amina = concord.patient("amina");
    let told = amina.post("Observation", &blood_pressure("amina", 122)).header("x-provenance", &said.to_string());
    let id = text(&told.await.expect(201).json(), "/id").to_owned();
    let statement = format!("Provenance?target=Observation/{id}&_tag=client-statement");
    is_as_kept("provenance-statement", &only(&system, &statement).await);
    amina.delete(&format!("Observation/{id}")).await.expect(204);
    is_as_kept("provenance-delete", &provenance_of(concord, &format!("Observation/{id}/_history/2")).await);
    let note = json!({"resourceType": "ClinicalImpression", "status": "completed", "summary": "a note",
        "subject": {"reference": "Patient/amina"}, "assessor": {"reference": "Practitioner/gp"},
        "meta": {"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "NOPAT"}]}});
    let place = format!("ClinicalImpression/{}", gp.create(&note).await);
    let because =
        json!({"resourceType": "Parameters", "parameter": [{"name": "reason", "valueString": "we have talked"}]});
    gp.post(&format!("{place}/$release"), &because).await.expect(200);
    let released = provenance_of(concord, &format!("{place}/_history/2")).await;
    is_as_kept("provenance-release", &released);
}

async fn audit_events(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let id = amina.create(&blood_pressure("amina", 120)).await;
    amina.get(&format!("Observation/{id}")).await.expect(200);
    amina.get(&format!("Observation/{id}/_history/1")).await.expect(200);
    amina.get("Observation?status=final").await.expect(200);
    amina.get("Observation/_history").await.expect(200);
    amina.get("Observation/$lastn").await.expect(200);
    concord.patient("callum").get(&format!("Observation/{id}")).await.expect(404);
    concord.nobody().get("Patient/amina").await.expect(401);
    let doctor = concord.user("Practitioner/gp-elsewhere");
    let broken = doctor.get("Condition?patient=amina").header("x-purpose-of-use", "BTG");
    broken.header("x-purpose-reason", "found unconscious").await.expect(200);
    amina.delete(&format!("Observation/{id}")).await.expect(204);
    let page = concord.system().get("AuditEvent?_sort=_id&_count=1000&action=C,R,U,D,E").await.expect(200);
    let events: Vec<Value> = page.matches().into_iter().map(|event| with(event, "id", json!("(number)"))).collect();
    is_as_kept("audit-events", &json!(events));
}

async fn summary(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let statement = json!({"resourceType": "Consent", "id": "adr", "status": "active", "patient": {"reference": "Patient/amina"},
        "scope": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "adr"}]},
        "category": [{"coding": [{"system": "http://loinc.org", "code": "42348-3"}]}], "dateTime": "2024-01-01",
        "policyRule": {"text": "advance decision"}, "provision": {"period": {"end": "2025-01-01"}}});
    concord.system().store(&statement).await;
    for number in [1, 2] {
        let reading = with(blood_pressure("amina", 120 + number), "id", json!(format!("bp-{number}")));
        concord.system().store(&with(reading, "effectiveDateTime", json!(format!("2026-01-0{number}")))).await;
    }
    let document = amina.get("Patient/amina/$summary").await.expect(200).json();
    is_as_kept("summary", &document);
}

async fn capability_statement(concord: &Concord) {
    let mut statement = concord.nobody().get("metadata").await.expect(200).json();
    let resources = statement["rest"][0]["resource"].as_array_mut().expect("the types");
    assert_eq!(resources.len(), 145, "every type but Parameters");
    // All are made by the same code; these differ by what the log, an append-only type and an operation are.
    resources.retain(|one| ["AuditEvent", "Goal", "Provenance"].contains(&text(one, "/type")));
    is_as_kept("capability-statement", &statement);
}

async fn emergency(concord: &Concord) {
    people::arrive(concord).await;
    let doctor = concord.user("Practitioner/gp-elsewhere");
    let broken = doctor.get("Condition?patient=amina").header("x-purpose-of-use", "BTG");
    broken.header("x-purpose-reason", "found <unconscious> & \"alone\"").await.expect(200);
    let system = concord.system();
    is_as_kept("emergency-communication", &only(&system, "Communication?category=alert").await);
    is_as_kept("emergency-task", &only(&system, "Task?patient=amina").await);
}

async fn correction(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, gp) = (concord.patient("amina"), concord.user("Practitioner/gp"));
    // Labelled: the Task has the label too.
    let condition =
        json!({"resourceType": "Condition", "code": {"text": "asthma"}, "subject": {"reference": "Patient/amina"}});
    let condition = format!("Condition/{}", gp.create(&condition).await);
    let request = json!({"resourceType": "Communication", "status": "completed", "subject": {"reference": "Patient/amina"},
        "about": [{"reference": condition, "display": "what the GP wrote"}],
        "recipient": [{"reference": "Practitioner/gp", "display": "Dr Okafor"}],
        "meta": {"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "MH"}]},
        "payload": [{"contentString": "It was 2017"}]});
    let answer = amina.post("Communication/$correctionrequest", &request).await.expect(200).json();
    is_as_kept("correction-opened", &answer);
    let task = answer["parameter"][1]["resource"].clone();
    let state = "http://hl7.org/fhir/uv/patient-corrections/CodeSystem/PatientCorrectionBusinessStatus";
    let waits = with(task.clone(), "status", json!("in-progress"));
    let waits =
        with(waits, "businessStatus", json!({"coding": [{"system": state, "code": "waiting-for-information"}]}));
    let place = format!("Task/{}", text(&task, "/id"));
    concord.system().put(&place, &waits).await.expect(200);
    concord.later(60_000);
    let more = with(request, "about", json!([{"reference": place}]));
    let category = json!([{"coding": [{"code": "medRecCxReq"}]}]);
    amina.create(&with(more, "category", category)).await;
    is_as_kept("correction-answered", &amina.get(&place).await.expect(200).json());
}
