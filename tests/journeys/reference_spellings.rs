//! A reference to this server has several spellings, which mean the same to every part of it; what only looks like one is
//! refused wherever it stands, whoever writes it.

use concord_tests::people::{blood_pressure, with};
use concord_tests::{Concord, on_both};
use serde_json::{Value, json};

use crate::protection_is_inherited::cast;

on_both! { every_good_spelling_is_the_same, what_looks_like_one_is_refused }

const BASE: &str = "http://concord.test/fhir";

fn good(name: &str) -> Vec<String> {
    let mut all = vec![name.to_owned(), format!("{name}/_history/1")];
    for root in [
        BASE,
        "HTTP://concord.test/fhir",
        "http://CONCORD.Test/fhir",
        "https://concord.test/fhir",
        "http://concord.test:80/fhir",
    ] {
        all.push(format!("{root}/{name}"));
        all.push(format!("{root}/{name}/_history/1"));
    }
    all
}

/// Ways that look like a reference to `Type/id` and are none.
fn bad(name: &str) -> Vec<String> {
    let (kind, id) = name.split_once('/').expect("a type and an id");
    let encoded: String = id.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let small = name.to_lowercase();
    let mut all = vec![
        format!("{name}#x"),
        format!("{name}/"),
        format!("{kind}//{id}"),
        format!("{name}?x=y"),
        format!("{kind}/{encoded}"),
        format!("{kind}%2F{id}"),
        format!("{name}/_history/"),
        format!("{name}/_history"),
        format!("{name}/_history/x"),
        format!("{name}/_history/01"),
        format!("{name}/_history/-1"),
        format!("{kind}/./{id}"),
        format!("{kind}/{id}/x"),
        format!("{kind}/{id}%20"),
        format!("{kind};x=1/{id}"),
        format!("{name};x=1"),
        small,
    ];
    let below: Vec<String> = all.iter().map(|one| format!("{BASE}/{one}")).collect();
    all.extend(below);
    for before in [
        "/",
        "./",
        "//",
        "../",
        "/fhir/",
        "http:",
        "https:/fhir/",
        "//concord.test/fhir/",
        "http://concord.test/fhir//",
        "http://concord.test//fhir/",
        "http://concord.test/x/../fhir/",
        "http://u@concord.test/fhir/",
        "http://concord.test/%66hir/",
    ] {
        all.push(format!("{before}{name}"));
    }
    all
}

/// Found by a search and along it, in the compartment, and hidden as what it names.
async fn every_good_spelling_is_the_same(concord: &Concord) {
    let (amina, nurse) = cast(concord).await;
    let system = concord.system();
    let subjects = good("Patient/amina");
    for (number, (hidden, open)) in good("Encounter/secret").into_iter().zip(good("Encounter/known")).enumerate() {
        for (kind, during) in [("hidden", &hidden), ("open", &open)] {
            let id = format!("{kind}-{number}");
            let subject = json!({"reference": subjects[number]});
            let reading = with(blood_pressure("amina", 120), "encounter", json!({"reference": during}));
            system.store(&with(with(reading, "subject", subject), "id", json!(id))).await;
            for app in [&amina, &nurse] {
                let wanted = if kind == "open" { 200 } else { 404 };
                assert_eq!(app.get(&format!("Observation/{id}")).await.status, wanted, "{during}");
            }
            assert_eq!(
                amina.get(&format!("Patient/amina/Observation?_id={id}")).await.expect(200).ids().len(),
                usize::from(kind == "open"),
                "{during}"
            );
        }
        for spelling in [&open, &"Encounter/known".to_owned()] {
            let along = format!("Observation?_id=open-{number}&encounter={spelling}&_include=Observation:encounter");
            let told = nurse.get(&along).await.expect(200).entries();
            let of = |name: &str| told.iter().filter(|entry| entry["resource"]["resourceType"] == name).count();
            assert_eq!((of("Observation"), of("Encounter")), (1, 1), "{spelling} for {open}");
        }
    }
}

async fn what_looks_like_one_is_refused(concord: &Concord) {
    let (amina, _) = cast(concord).await;
    let (system, gp) = (concord.system(), concord.user("Practitioner/gp"));
    let said = |wanted: &str, answer: &concord_tests::Answer, spelling: &str| {
        assert_eq!(answer.status, 422, "{spelling:?} at {wanted}");
        let told = answer.issues();
        assert!(told.iter().any(|(_, place, _)| place == wanted), "{spelling:?} at {wanted}: {told:?}");
    };
    let spelled = |spelling: &str| json!({"reference": spelling});
    for one in bad("Encounter/known") {
        let reading = with(with(blood_pressure("amina", 120), "encounter", spelled(&one)), "id", json!("odd"));
        said("Observation.encounter", &system.put("Observation/odd", &reading).await, &one);
        said(
            "Observation.encounter",
            &amina.post("Observation", &concord_tests::people::without(reading.clone(), "id")).await,
            &one,
        );
    }
    for one in bad("Encounter/known").into_iter().step_by(7) {
        let extension = json!([{"url": "http://example.org/during", "valueReference": spelled(&one)}]);
        let beside = json!({"extension": [{"url": "http://example.org/scan", "valueAttachment": {"url": one}}]});
        let inner = json!({"resourceType": "Procedure", "id": "inner", "status": "completed", "subject": {"reference": "Patient/amina"},
            "encounter": spelled(&one)});
        let outer = with(blood_pressure("amina", 120), "partOf", json!([{"reference": "#inner"}]));
        let mut all = vec![
            ("Observation.extension[0].value", with(blood_pressure("amina", 120), "extension", extension)),
            ("Observation.contained[0].encounter", with(outer, "contained", json!([inner]))),
        ];
        // A file has pages.
        if !one.contains('#') {
            all.push(("Observation._status.extension[0].value", with(blood_pressure("amina", 120), "_status", beside)));
        }
        for (place, resource) in all {
            let answer = system.post("Observation", &resource).await;
            assert_eq!(answer.status, 422, "{one:?} at {place}");
            assert!(
                answer.issues().iter().any(|(_, told, _)| told.starts_with(place)),
                "{one:?} at {place}: {:?}",
                answer.issues()
            );
            let entry = json!({"resource": resource, "request": {"method": "POST", "url": "Observation"}});
            let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": [entry]});
            system.post("", &bundle).await.expect(422);
        }
        let event = json!({"resourceType": "AuditEvent", "type": {"code": "rest"}, "recorded": "2026-11-28T10:00:00Z",
            "agent": [{"requestor": true, "who": {"reference": "Practitioner/gp"}}], "source": {"observer": {"display": "x"}},
            "entity": [{"what": spelled(&one)}]});
        said("AuditEvent.entity[0].what", &system.post("AuditEvent", &event).await, &one);
        let provenance: Value = json!({"resourceType": "Provenance", "target": [{"reference": "Observation/x"}],
            "recorded": "2026-11-28T10:00:00Z", "agent": [{"who": {"display": "x"}}],
            "entity": [{"role": "source", "what": spelled(&one)}]});
        let told = system
            .post("Observation", &blood_pressure("amina", 120))
            .header("x-provenance", &provenance.to_string())
            .await;
        assert_eq!(told.status, 422, "{one:?} in X-Provenance");
    }
    // A canonical may have a fragment.
    for one in bad("Questionnaire/x").into_iter().filter(|one| !one.contains('#')).step_by(3) {
        let answers = json!({"resourceType": "QuestionnaireResponse", "status": "completed", "subject": {"reference": "Patient/amina"},
            "questionnaire": format!("{one}|2")});
        for app in [&system, &amina] {
            said("QuestionnaireResponse.questionnaire", &app.post("QuestionnaireResponse", &answers).await, &one);
        }
    }
    for one in bad("Binary/x").into_iter().filter(|one| !one.contains('#')).step_by(3) {
        let document = json!({"resourceType": "DocumentReference", "status": "current", "subject": {"reference": "Patient/amina"},
            "content": [{"attachment": {"url": one}}]});
        for app in [&system, &gp] {
            said("DocumentReference.content[0].attachment", &app.post("DocumentReference", &document).await, &one);
        }
    }
}
