//! Profiles: what `$validate` says of them, what a write is told or refused, where definitions come from, and answers by
//! their Questionnaire.

use std::io::Write as _;

use concord_api::auth::development::TokenRequest;
use concord_tests::client::{Answer, text};
use concord_tests::people::{self, blood_pressure, with, without};
use concord_tests::process::output;
use concord_tests::{Concord, on_both};
use serde_json::{Value, json};

on_both! {
    what_is_claimed_and_asked_is_checked,
    a_write_is_told_what_its_profile_asks,
    definitions_come_from_systems,
    answers_are_checked_by_their_questionnaire,
    a_package_is_taken_into_use
}

mod refusing {
    concord_tests::on_both! { with &[
        ("CONCORD_PROFILE_CHECKS", "https://fhir.hl7.org.uk/StructureDefinition/UKCore-Patient=off,\
            https://fhir.hl7.org.uk/StructureDefinition/UKCore-Observation-VitalSigns-BloodPressure=refuse"),
        ("CONCORD_QUESTIONNAIRE_CHECK", "refuse"),
    ]; what_is_refused_is_stored_by_nobody }

    use super::what_is_refused_is_stored_by_nobody;
}

const BLOOD_PRESSURE: &str = "https://fhir.hl7.org.uk/StructureDefinition/UKCore-Observation-VitalSigns-BloodPressure";

/// The issues of an answer that are errors, or warnings, as place and words.
fn of(answer: &Answer, severity: &str) -> Vec<(String, String)> {
    let outcome = answer.json();
    let issues = outcome["issue"].as_array().cloned().unwrap_or_default();
    let wanted = issues.iter().filter(|issue| issue["severity"] == severity);
    wanted.map(|issue| (text(issue, "/expression/0").to_owned(), text(issue, "/diagnostics").to_owned())).collect()
}

fn claims(resource: Value, profile: &str) -> Value {
    with(resource, "meta", json!({"profile": [profile]}))
}

/// A profile of Patient that asks for a name.
fn named_patient(version: &str, least: u32) -> Value {
    json!({"resourceType": "StructureDefinition", "url": "http://example.org/named", "version": version, "name": "Named",
        "status": "active", "kind": "resource", "abstract": false, "type": "Patient", "derivation": "constraint",
        "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient",
        "differential": {"element": [{"id": "Patient.name", "path": "Patient.name", "min": least}]}})
}

async fn what_is_claimed_and_asked_is_checked(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let bare = json!({"resourceType": "Observation", "status": "final", "subject": {"reference": "Patient/amina"},
        "code": {"text": "pressure"}, "effectiveDateTime": "2026-11-28", "valueString": "fine"});
    // What claims a profile and has none of it.
    let told = amina.post("Observation/$validate", &claims(bare.clone(), BLOOD_PRESSURE)).await.expect(200);
    let errors = of(&told, "error");
    assert!(errors.iter().any(|(at, said)| at == "Observation.component" && said.contains(BLOOD_PRESSURE)), "{told}");
    // Asked by the address, and with Parameters.
    let place = format!("Observation/$validate?profile={BLOOD_PRESSURE}");
    assert_eq!(of(&amina.post(&place, &bare).await.expect(200), "error"), errors);
    let parameters = json!({"resourceType": "Parameters", "parameter": [
        {"name": "profile", "valueCanonical": BLOOD_PRESSURE}, {"name": "mode", "valueCode": "profile"},
        {"name": "resource", "resource": bare}]});
    assert_eq!(of(&amina.post("Observation/$validate", &parameters).await.expect(200), "error"), errors);
    // What is not known is said: a remark on a claim, a warning to whoever asks.
    let unknown = "http://example.org/unknown";
    let told = amina.post("Observation/$validate", &claims(bare.clone(), unknown)).await.expect(200);
    assert!(of(&told, "information").iter().any(|(_, said)| said.contains("is not known here")), "{told}");
    let told = amina.post(&format!("Observation/$validate?profile={unknown}"), &bare).await.expect(200);
    assert!(of(&told, "warning").iter().any(|(_, said)| said.contains("is not known here")), "{told}");
    // A profile of another type, and another version than is known.
    let other = "https://fhir.hl7.org.uk/StructureDefinition/UKCore-Patient";
    let told = amina.post(&format!("Observation/$validate?profile={other}"), &bare).await.expect(200);
    assert!(of(&told, "error").iter().any(|(_, said)| said.contains("is a profile of Patient")), "{told}");
    let told = amina.post(&format!("Observation/$validate?profile={other}%7C0.0.9"), &bare).await.expect(200);
    assert!(of(&told, "warning").iter().any(|(_, said)| said.contains("known are the versions")), "{told}");
    // What is stored.
    let id = amina.create(&bare).await;
    let told = amina.get(&format!("Observation/{id}/$validate?profile={BLOOD_PRESSURE}")).await.expect(200);
    assert_eq!(of(&told, "error"), errors);
    // What no profile is claimed for has nothing to be told.
    let told = amina.post("Observation/$validate", &blood_pressure("amina", 120)).await.expect(200);
    assert_eq!(of(&told, "error"), []);
    assert!(!told.text().contains("profiles were not checked"));
}

async fn a_write_is_told_what_its_profile_asks(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let odd =
        claims(with(without(blood_pressure("amina", 120), "component"), "valueString", json!("fine")), BLOOD_PRESSURE);
    let stored = amina.post("Observation", &odd).await.expect(201);
    assert!(stored.header("warning").contains("remark"), "{stored}");
    let asked = amina.post("Observation", &odd).header("prefer", "return=OperationOutcome").await.expect(201);
    let warnings = of(&asked, "warning");
    assert!(
        warnings.iter().any(|(at, said)| at == "Observation.component" && said.contains(BLOOD_PRESSURE)),
        "{asked}"
    );
    assert_eq!(of(&asked, "error"), []);
    // What cannot be checked here is no reason for a word on a write.
    let unknown = claims(blood_pressure("amina", 120), "http://example.org/unknown");
    let told = amina.post("Observation", &unknown).header("prefer", "return=OperationOutcome").await.expect(201);
    assert!(!told.text().contains("http://example.org/unknown"), "{told}");
}

async fn what_is_refused_is_stored_by_nobody(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, system) = (concord.patient("amina"), concord.system());
    let odd =
        claims(with(without(blood_pressure("amina", 120), "component"), "valueString", json!("fine")), BLOOD_PRESSURE);
    for caller in [&amina, &system] {
        let refused = caller.post("Observation", &odd).await.expect(422).issues();
        assert!(refused.iter().any(|(_, at, _)| at == "Observation.component"), "{refused:?}");
    }
    // Whoever may not write there hears that, whatever the profile says.
    let elsewhere = with(odd.clone(), "subject", json!({"reference": "Patient/callum"}));
    let denied = amina.post("Observation", &elsewhere).await.expect(403).issues();
    assert!(!denied.iter().any(|(_, at, _)| at == "Observation.component"), "{denied:?}");
    // A profile that is not looked at.
    let off = claims(json!({"resourceType": "Patient"}), "https://fhir.hl7.org.uk/StructureDefinition/UKCore-Patient");
    assert_eq!(system.post("Patient", &off).await.expect(201).header("warning"), "");
    let form = json!({"resourceType": "Questionnaire", "url": "http://example.org/form", "status": "active",
        "item": [{"linkId": "q", "type": "integer", "required": true}]});
    system.create(&form).await;
    let answers = json!({"resourceType": "QuestionnaireResponse", "status": "completed",
        "questionnaire": "http://example.org/form", "subject": {"reference": "Patient/amina"}});
    amina.post("QuestionnaireResponse", &answers).await.expect(422);
    let answers = with(answers, "item", json!([{"linkId": "q", "answer": [{"valueInteger": 3}]}]));
    amina.post("QuestionnaireResponse", &answers).await.expect(201);
    // What is too much to be checked is not stored unchecked.
    let refused = amina.post("QuestionnaireResponse", &too_many_answers()).await.expect(422);
    assert!(of(&refused, "error").iter().any(|(_, said)| said.contains("too much to check")), "{refused}");
}

/// Answers with their own form, whose conditions ask every answer.
fn too_many_answers() -> Value {
    let when = json!([{"question": "a", "operator": "=", "answerString": "z"}]);
    let asked = (0..2_000).map(|at| json!({"linkId": format!("b{at}"), "type": "string", "enableWhen": when}));
    let form = json!({"resourceType": "Questionnaire", "id": "form", "status": "active", "item":
        std::iter::once(json!({"linkId": "a", "type": "string", "repeats": true})).chain(asked).collect::<Vec<_>>()});
    let answers: Vec<Value> = (0..5_000).map(|at| json!({"valueString": format!("t{at}")})).collect();
    json!({"resourceType": "QuestionnaireResponse", "status": "completed", "contained": [form],
        "questionnaire": "#form", "subject": {"reference": "Patient/amina"}, "item": [{"linkId": "a", "answer": answers}]})
}

async fn definitions_come_from_systems(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, system) = (concord.patient("amina"), concord.system());
    let other = concord.another_node().await;
    let place = "Patient/$validate?profile=http://example.org/named";
    let nameless = json!({"resourceType": "Patient"});
    let is_unknown = |told: &Answer| of(told, "warning").iter().any(|(_, said)| said.contains("is not known here"));
    assert!(is_unknown(&amina.post(place, &nameless).await.expect(200)));
    let id = system.create(&named_patient("1", 1)).await;
    for node in [&amina, &other.patient("amina")] {
        let told = node.post(place, &nameless).await.expect(200);
        assert!(of(&told, "error").iter().any(|(at, _)| at == "Patient.name"), "{told}");
    }
    // Versions stand side by side, and the newest is meant where none is named.
    let newer = system.create(&named_patient("2", 0)).await;
    assert_eq!(of(&amina.post(place, &nameless).await.expect(200), "error"), []);
    let told = amina.post(&format!("{place}%7C1"), &nameless).await.expect(200);
    assert_eq!(of(&told, "error").len(), 1, "{told}");
    // A definition that contradicts itself is stored, and said not to be used.
    let wrong = with(
        named_patient("3", 1),
        "differential",
        json!({"element": [
        {"id": "Patient.nothing", "path": "Patient.nothing", "min": 1}]}),
    );
    let told = system.post("StructureDefinition", &wrong).header("prefer", "return=OperationOutcome").await.expect(201);
    let warnings = of(&told, "warning");
    assert!(warnings.iter().any(|(at, said)| at.ends_with("element[0]") && said.contains("not used")), "{told}");
    // One with labels is not used; what it says would be told to everybody.
    let labelled = with(
        with(named_patient("4", 1), "url", json!("http://example.org/secret")),
        "meta",
        json!({"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}]}),
    );
    system.create(&labelled).await;
    let secret = "Patient/$validate?profile=http://example.org/secret";
    assert!(is_unknown(&amina.post(secret, &nameless).await.expect(200)));
    // One from a system that nobody has registered is not, and none that ships gives way to another.
    let unregistered = concord.app(&TokenRequest {
        scope: "system/StructureDefinition.cruds".to_owned(),
        client_id: "nobody-knows".to_owned(),
        ..TokenRequest::default()
    });
    let foreign = with(named_patient("1", 1), "url", json!("http://example.org/foreign"));
    let told = unregistered
        .post("StructureDefinition", &foreign)
        .header("prefer", "return=OperationOutcome")
        .await
        .expect(201);
    assert!(of(&told, "warning").iter().any(|(_, said)| said.contains("from registered systems")), "{told}");
    let asked = amina.post("Patient/$validate?profile=http://example.org/foreign", &nameless).await.expect(200);
    assert!(is_unknown(&asked), "{asked}");
    let shipped = "https://fhir.hl7.org.uk/StructureDefinition/UKCore-Patient";
    let instead = without(with(named_patient("1", 1), "url", json!(shipped)), "version");
    let told =
        system.post("StructureDefinition", &instead).header("prefer", "return=OperationOutcome").await.expect(201);
    assert!(of(&told, "warning").iter().any(|(_, said)| said.contains("comes with the server")), "{told}");
    let asked = amina.post(&format!("Patient/$validate?profile={shipped}"), &nameless).await.expect(200);
    assert_eq!(of(&asked, "error"), [], "{asked}");
    // Taken out of use by being deleted.
    for gone in [id, newer] {
        system.delete(&format!("StructureDefinition/{gone}")).await;
    }
    let told = other.patient("amina").post(&format!("{place}%7C1"), &nameless).await.expect(200);
    assert!(is_unknown(&told), "{told}");
}

async fn answers_are_checked_by_their_questionnaire(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, system) = (concord.patient("amina"), concord.system());
    let form = |url: &str| {
        json!({"resourceType": "Questionnaire", "url": url, "status": "active", "item": [
            {"linkId": "walks", "type": "boolean", "required": true},
            {"linkId": "how-far", "type": "integer", "enableWhen": [
                {"question": "walks", "operator": "=", "answerBoolean": true}]}]})
    };
    let answers = |to: &str, items: Value| {
        json!({"resourceType": "QuestionnaireResponse", "status": "completed", "questionnaire": to,
            "subject": {"reference": "Patient/amina"}, "item": items})
    };
    let odd = json!([{"linkId": "walks", "answer": [{"valueBoolean": false}]},
        {"linkId": "how-far", "answer": [{"valueInteger": 3}]}]);
    system.create(&form("http://example.org/open")).await;
    let told = amina.post("QuestionnaireResponse/$validate", &answers("http://example.org/open", odd.clone())).await;
    let errors = of(&told.expect(200), "error");
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].0 == "QuestionnaireResponse.item[1]" && errors[0].1.contains("enableWhen"), "{errors:?}");
    let stored =
        amina.post("QuestionnaireResponse", &answers("http://example.org/open", odd.clone())).await.expect(201);
    assert!(stored.header("warning").contains("1 remark"), "{stored}");
    // One that is contained.
    let mut inside = answers("#form", odd.clone());
    inside["contained"] = json!([with(form("http://example.org/inside"), "id", json!("form"))]);
    let told = amina.post("QuestionnaireResponse/$validate", &inside).await.expect(200);
    assert_eq!(of(&told, "error").len(), 1, "{told}");
    // More than can be checked is stored, and said not to have been checked.
    let stored = amina.post("QuestionnaireResponse", &too_many_answers());
    let stored = stored.header("prefer", "return=OperationOutcome").await.expect(201);
    assert!(of(&stored, "warning").iter().any(|(_, said)| said.contains("too much to check")), "{stored}");
    // One that whoever asks may not read is like one that is not there.
    let narrow = concord.patient_with("amina", "patient/QuestionnaireResponse.cruds");
    let said = |told: Answer| told.expect(200).json()["issue"].clone();
    let place = "QuestionnaireResponse/$validate";
    let hidden = said(narrow.post(place, &answers("http://example.org/open", odd.clone())).await);
    let missing = said(narrow.post(place, &answers("http://example.org/missing", odd.clone())).await);
    assert_eq!(hidden, missing);
    let stored =
        narrow.post("QuestionnaireResponse", &answers("http://example.org/open", odd.clone())).await.expect(201);
    assert_eq!(stored.header("warning"), "");
    // A profile is the server's own, whoever may read its StructureDefinition.
    system.create(&named_patient("1", 1)).await;
    let asked = concord.patient_with("amina", "patient/Patient.cruds");
    let told =
        asked.post("Patient/$validate?profile=http://example.org/named", &json!({"resourceType": "Patient"})).await;
    assert_eq!(of(&told.expect(200), "error").len(), 1);
}

/// A member of an archive, as tar writes it.
fn member(name: &str, content: &str) -> Vec<u8> {
    let mut header = vec![0_u8; 512];
    header[..name.len()].copy_from_slice(name.as_bytes());
    header[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
    header[156] = b'0';
    header[257..262].copy_from_slice(b"ustar");
    header.extend_from_slice(content.as_bytes());
    header.resize(512 + content.len().div_ceil(512) * 512, 0);
    header
}

async fn a_package_is_taken_into_use(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let folder = concord.scratch().folder().to_owned();
    let mut archive = member("package/package.json", r#"{"name":"example.guide","version":"1.0.0"}"#);
    archive.extend(member("package/StructureDefinition-named.json", &named_patient("1", 1).to_string()));
    let file = folder.join("guide.tgz");
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(&archive).expect("memory");
    std::fs::write(&file, packed.finish().expect("memory")).expect("a file");
    let settings = [("CONCORD_DATABASE_URL", concord.scratch().url())];
    let run = |arguments: &[&str]| output(&folder, arguments, &settings);
    let told = run(&["package", "add", file.to_str().expect("a path")]);
    assert!(told.contains("example.guide#1.0.0: 1 profiles and extensions are in use"), "{told}");
    assert_eq!(run(&["package", "list"]).trim(), "example.guide#1.0.0\t1");
    // In the server that is running.
    let place = "Patient/$validate?profile=http://example.org/named";
    let nameless = json!({"resourceType": "Patient"});
    let told = amina.post(place, &nameless).await.expect(200);
    assert!(of(&told, "error").iter().any(|(at, _)| at == "Patient.name"), "{told}");
    // Another package with odd names, that needs one that is not here and says something else of the same profile.
    let described =
        r#"{"name":"Example.Other","version":"1","dependencies":{"base.guide":"1.0.0","example.guide":"1.0.x"}}"#;
    let mut archive = member("package/package.json", described);
    archive.extend(member("package/StructureDefinition-named.json", &named_patient("1", 2).to_string()));
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(&archive).expect("memory");
    std::fs::write(&file, packed.finish().expect("memory")).expect("a file");
    let told = run(&["package", "add", file.to_str().expect("a path")]);
    for words in [
        "note: Example.Other is listed as example.other",
        "note: base.guide#1.0.0, on which it depends, was not added",
        "is in example.guide#1.0.0 too and says something else there: that of example.other#1 is used",
        "example.other#1: 1 profiles and extensions are in use",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
    assert!(!told.contains("1.0.x"), "{told}");
    run(&["package", "remove", "EXAMPLE.other#1"]);
    run(&["package", "remove", "example.guide#1.0.0"]);
    assert_eq!(run(&["package", "list"]), "");
    let told = amina.post(place, &nameless).await.expect(200);
    assert!(of(&told, "warning").iter().any(|(_, said)| said.contains("is not known here")), "{told}");
}
