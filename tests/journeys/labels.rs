//! Labels that change: a patient raises the sensitivity of what somebody else wrote, and it holds at once, everywhere,
//! without a new version.

use concord_tests::client::{Answer, Ask, text};
use concord_tests::people::{self, blood_pressure, with};
use concord_tests::{App, Concord, on_both};
use serde_json::{Value, json};

on_both! {
    raised_by_the_patient, for_older_and_newer_versions, not_by_others_and_not_lower, kept_when_left_out, ones_own,
    with_an_open_cursor, what_tells_of_it_is_labelled_too, exported_and_sent_back
}

const LEVEL: &str = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality";
const ACT: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";

fn label(system: &str, code: &str) -> Value {
    json!({"system": system, "code": code})
}

fn relabel(app: &App, place: &str, operation: &str, labels: &[Value]) -> Ask {
    let meta = json!({"name": "meta", "valueMeta": {"security": labels}});
    app.post(&format!("{place}/{operation}"), &json!({"resourceType": "Parameters", "parameter": [meta]}))
}

/// The codes of the labels in a resource or in the answer of an operation.
fn codes(answer: &Answer) -> Vec<String> {
    let body = answer.json();
    let meta =
        if text(&body, "/resourceType") == "Parameters" { "/parameter/0/valueMeta/security" } else { "/meta/security" };
    let labels = body.pointer(meta).and_then(Value::as_array).cloned().unwrap_or_default();
    labels.iter().map(|label| text(label, "/code").to_owned()).collect()
}

/// A diagnosis of Amina's that her GP wrote.
async fn diagnosis(concord: &Concord) -> String {
    people::arrive(concord).await;
    let condition = json!({"resourceType": "Condition", "subject": {"reference": "Patient/amina"},
        "asserter": {"reference": "Practitioner/gp"}, "code": {"text": "low mood"}});
    concord.system().store(&with(condition, "id", json!("mood"))).await;
    "Condition/mood".to_owned()
}

/// Another professional of the care team.
async fn nurse(concord: &Concord) -> App {
    let nurse = json!({"resourceType": "Practitioner", "id": "nurse", "name": [{"family": "Brown"}]});
    concord.system().store(&nurse).await;
    concord.system().store(&people::care_team(&["Practitioner/gp", "Practitioner/nurse"])).await;
    concord.user("Practitioner/nurse")
}

async fn raised_by_the_patient(concord: &Concord) {
    let place = diagnosis(concord).await;
    let (nurse, node) = (nurse(concord).await, concord.another_node().await);
    let (amina, gp) = (concord.patient("amina"), concord.user("Practitioner/gp"));
    let elsewhere = node.user("Practitioner/nurse");
    let check = async |seen: bool| {
        for app in [&nurse, &elsewhere] {
            let status = if seen { 200 } else { 404 };
            let plain = app.get("Condition/nothing").await.expect(404);
            for way in
                [place.clone(), format!("{place}/_history/1"), format!("{place}/_history"), format!("{place}/$meta")]
            {
                let answer = app.get(&way).await.expect(status);
                assert!(seen || answer.body == plain.body, "{answer}");
                let conditional = app.get(&way).header("if-none-match", "W/\"1\"").await;
                assert!(seen || conditional.status == 404, "{conditional}");
            }
            for search in
                ["Condition?patient=amina", "Condition?_id=mood", "Condition?code:text=low", "Patient/amina/Condition"]
            {
                let page =
                    app.get(&format!("{search}{}_total=accurate", if search.contains('?') { "&" } else { "?" })).await;
                assert_eq!(page.json()["total"], i32::from(seen), "{search}: {page}");
            }
            let named = app.get("Patient?_has:Condition:patient:code:text=low").await.expect(200);
            assert_eq!(named.ids().len(), usize::from(seen));
            let types = app.entries("Condition/_history").await;
            assert_eq!(types.is_empty(), !seen, "{types:?}");
        }
    };
    check(true).await;
    let raised = relabel(&amina, &place, "$meta-add", &[label(ACT, "MH")]).await.expect(200);
    assert_eq!(codes(&raised), ["MH"]);
    check(false).await;
    // Whoever sees it is shown the label, on the same version as before.
    for app in [&amina, &gp, &concord.system()] {
        let read = app.get(&place).await.expect(200);
        assert_eq!((codes(&read), read.header("etag")), (vec!["MH".to_owned()], "W/\"1\""));
        assert_eq!(read.json()["meta"]["security"][0]["userSelected"], true);
        assert_eq!(codes(&app.get(&format!("{place}/$meta")).await.expect(200)), ["MH"]);
        assert_eq!(app.get(&format!("Condition?_security={ACT}|MH&patient=amina")).await.expect(200).ids(), ["mood"]);
        assert_eq!(app.entries(&format!("{place}/_history")).await.len(), 1);
    }
    // A sharing choice that names it opens it.
    let mut sharing =
        people::without(people::consent("active", "Practitioner/nurse", &["access"], &["Condition"]), "id");
    sharing["provision"]["securityLabel"] = json!([label(ACT, "MH")]);
    let sharing = amina.create(&sharing).await;
    nurse.get(&place).await.expect(200);
    amina.delete(&format!("Consent/{sharing}")).await.expect(204);
    nurse.get(&place).await.expect(404);
    // The same again is the same; to take away what is not there is no mistake (R4 "Resource-meta-delete").
    relabel(&amina, &place, "$meta-add", &[label(ACT, "MH")]).await.expect(200);
    relabel(&amina, &place, "$meta-delete", &[label(ACT, "SEX")]).await.expect(200);
    check(false).await;
    assert!(codes(&relabel(&amina, &place, "$meta-delete", &[label(ACT, "MH")]).await.expect(200)).is_empty());
    check(true).await;
    assert_eq!(concord.system().entries(&format!("{place}/_history")).await.len(), 1);
    let log = amina.get("AuditEvent?subtype=operation&_count=100").await.expect(200).matches();
    assert!(log.iter().any(|event| event.to_string().contains("$meta-add")), "{log:?}");
}

async fn for_older_and_newer_versions(concord: &Concord) {
    let place = diagnosis(concord).await;
    let nurse = nurse(concord).await;
    let (amina, system) = (concord.patient("amina"), concord.system());
    relabel(&amina, &place, "$meta-add", &[label(LEVEL, "R")]).await.expect(200);
    let stored = system.get(&place).await.expect(200).json();
    system.store(&with(stored, "code", json!({"text": "better mood"}))).await;
    system.delete(&place).await.expect(204);
    let stored = system.get(&format!("{place}/_history/2")).await.expect(200).json();
    system.store(&with(stored, "code", json!({"text": "good mood"}))).await;
    for way in ["", "/_history", "/_history/1", "/_history/2", "/_history/4"] {
        nurse.get(&format!("{place}{way}")).await.expect(404);
        amina.get(&format!("{place}{way}")).await.expect(200);
    }
    assert!(nurse.entries("Condition/_history").await.is_empty());
    relabel(&amina, &place, "$meta-delete", &[label(LEVEL, "R")]).await.expect(200);
    // What was beside the resource is beside none of its versions any more.
    for way in ["", "/_history", "/_history/1", "/_history/2", "/_history/4"] {
        nurse.get(&format!("{place}{way}")).await.expect(200);
    }
}

async fn not_by_others_and_not_lower(concord: &Concord) {
    let place = diagnosis(concord).await;
    let nurse = nurse(concord).await;
    let (amina, system) = (concord.patient("amina"), concord.system());
    for (app, status) in [
        (concord.nobody(), 401),
        (concord.patient("callum"), 404),
        (concord.user("RelatedPerson/yusuf"), 404),
        (nurse, 403),
        (concord.patient_with("amina", "patient/Condition.rs"), 403),
    ] {
        for operation in ["$meta-add", "$meta-delete"] {
            relabel(&app, &place, operation, &[label(LEVEL, "R")]).await.expect(status).issues();
        }
    }
    // Only what hides more, and never what hides from patients.
    for wrong in [
        label(LEVEL, "N"),
        label(LEVEL, "L"),
        label(ACT, "NOPAT"),
        label("urn:concord:label", "AUTHOR-TEAM"),
        label("urn:other", "MH"),
        label("", "MH"),
    ] {
        let wrong = if wrong["system"] == "" { json!({"code": "MH"}) } else { wrong };
        let refused = relabel(&amina, &place, "$meta-add", &[label(ACT, "MH"), wrong]).await.expect(422);
        assert_eq!(refused.issues()[0].1, "Parameters.parameter[0].value.security[1]");
    }
    relabel(&amina, &place, "$meta-add", &[json!({"system": ACT})]).await.expect(422).issues();
    for meta in [json!({"tag": [label("urn:tag", "x")]}), json!({"profile": ["http://example.org/p"]})] {
        let given = json!({"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": meta}]});
        amina.post(&format!("{place}/$meta-add"), &given).await.expect(403).issues();
    }
    for body in [
        json!({"resourceType": "Parameters"}),
        json!({"resourceType": "Parameters", "parameter": [
        {"name": "meta", "valueMeta": {"versionId": "7"}}]}),
    ] {
        amina.post(&format!("{place}/$meta-add"), &body).await.expect(400).issues();
    }
    assert_eq!(amina.get(&format!("{place}/$meta-add")).await.status, 405);
    assert!(codes(&amina.get(&place).await.expect(200)).is_empty());
    // What the professional labelled stays; so does what the patient put beside it.
    relabel(&system, &place, "$meta-add", &[label(LEVEL, "R")]).await.expect(200);
    relabel(&amina, &place, "$meta-add", &[label(LEVEL, "R"), label(ACT, "MH")]).await.expect(200);
    let refused = relabel(&amina, &place, "$meta-delete", &[label(LEVEL, "R")]).await.expect(403);
    assert_eq!(refused.issues()[0].0, "business-rule");
    for app in [&system, &concord.user("Practitioner/gp")] {
        relabel(app, &place, "$meta-delete", &[label(ACT, "MH")]).await.expect(403).issues();
    }
    assert_eq!(codes(&amina.get(&place).await.expect(200)), ["R", "MH"]);
    // No patient compartment.
    relabel(&amina, "Organization/surgery", "$meta-add", &[label(LEVEL, "R")]).await.expect(403).issues();
}

async fn kept_when_left_out(concord: &Concord) {
    let place = diagnosis(concord).await;
    let nurse = nurse(concord).await;
    let (gp, system) = (concord.user("Practitioner/gp"), concord.system());
    let bare = system.get(&place).await.expect(200).json();
    relabel(&gp, &place, "$meta-add", &[label(LEVEL, "R"), label("urn:concord:label", "AUTHOR-TEAM")])
        .await
        .expect(200);
    nurse.get(&place).await.expect(404);
    // A system that knows nothing of the labels sends it again without them.
    let changed = with(people::without(bare.clone(), "meta"), "code", json!({"text": "mood"}));
    let answer = system.put(&place, &changed).header("prefer", "return=OperationOutcome").await.expect(200);
    assert_eq!(answer.issues().len(), 2, "{answer}");
    let kept = system.get(&place).await.expect(200);
    assert!(codes(&kept).contains(&"R".to_owned()) && codes(&kept).contains(&"AUTHOR-TEAM".to_owned()), "{kept}");
    concord.patient("amina").get(&place).await.expect(404);
    // Whoever wrote it may leave them out, and a system takes them away when it says so.
    relabel(&system, &place, "$meta-delete", &[label("urn:concord:label", "AUTHOR-TEAM")]).await.expect(200);
    concord.patient("amina").get(&place).await.expect(200);
    nurse.get(&place).await.expect(404);
    let stored = gp.get(&place).await.expect(200).json();
    gp.put(&place, &people::without(stored, "meta")).await.expect(200);
    nurse.get(&place).await.expect(200);
}

async fn ones_own(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let place = format!("Observation/{}", amina.create(&blood_pressure("amina", 120)).await);
    let gp = concord.user("Practitioner/gp");
    gp.get(&place).await.expect(200);
    let raised = relabel(&amina, &place, "$meta-add", &[label(ACT, "SEX")]).await.expect(200);
    assert!(codes(&raised).contains(&"SEX".to_owned()), "{raised}");
    gp.get(&place).await.expect(404);
    assert_eq!(amina.get(&place).await.expect(200).header("etag"), "W/\"2\"");
    let tagged = json!({"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": {
        "tag": [label("urn:tag", "mine")], "profile": ["http://example.org/p"]}}]});
    amina.post(&format!("{place}/$meta-add"), &tagged).await.expect(200);
    assert_eq!(amina.get("Observation?_tag=urn:tag|mine").await.expect(200).ids().len(), 1);
    relabel(&amina, &place, "$meta-delete", &[label(ACT, "SEX")]).await.expect(200);
    gp.get(&place).await.expect(200);
    // The version that was labelled stays as it was.
    gp.get(&format!("{place}/_history/2")).await.expect(404);
    gp.get(&format!("{place}/_history/1")).await.expect(200);
}

async fn with_an_open_cursor(concord: &Concord) {
    people::arrive(concord).await;
    let nurse = nurse(concord).await;
    let node = concord.another_node().await;
    for number in 0..6 {
        let condition = json!({"resourceType": "Condition", "id": format!("c{number}"),
            "asserter": {"reference": "Practitioner/gp"}, "subject": {"reference": "Patient/amina"}});
        concord.system().store(&condition).await;
    }
    let first = nurse.get("Condition?patient=amina&_count=2&_sort=_id").await.expect(200);
    assert_eq!(first.ids(), ["c0", "c1"]);
    relabel(&node.patient("amina"), "Condition/c3", "$meta-add", &[label(ACT, "MH")]).await.expect(200);
    let next = first.link("next").expect("a next page");
    for app in [&nurse, &node.user("Practitioner/nurse").with_token(nurse.token())] {
        assert_eq!(app.get(&next).await.expect(200).ids(), ["c2", "c4"]);
    }
    relabel(&concord.patient("amina"), "Condition/c3", "$meta-delete", &[label(ACT, "MH")]).await.expect(200);
    assert_eq!(nurse.get(&next).await.expect(200).ids(), ["c2", "c3"]);
}

async fn what_tells_of_it_is_labelled_too(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, gp) = (concord.patient("amina"), concord.user("Practitioner/gp"));
    let nurse = nurse(concord).await;
    let condition =
        json!({"resourceType": "Condition", "subject": {"reference": "Patient/amina"}, "code": {"text": "mood"}});
    let place = format!("Condition/{}", gp.create(&condition).await);
    let search = format!("Provenance?target={place}");
    let provenance = nurse.get(&search).await.expect(200).ids();
    assert_eq!(provenance.len(), 1);
    let read = format!("Provenance/{}", provenance[0]);
    relabel(&amina, &place, "$meta-add", &[label(ACT, "MH")]).await.expect(200);
    let handed_in = json!({"resourceType": "Provenance", "target": [{"reference": place}], "recorded": "2026-12-01T12:00:00Z",
        "agent": [{"who": {"reference": "Practitioner/gp"}}]});
    let later = format!("Provenance/{}", concord.system().create(&handed_in).await);
    for way in [read.as_str(), later.as_str()] {
        nurse.get(way).await.expect(404);
        amina.get(way).await.expect(200);
    }
    assert!(nurse.get(&search).await.expect(200).ids().is_empty());
    let along = nurse.get("Condition?patient=amina&_revinclude=Provenance:target").await.expect(200);
    assert!(!along.text().contains(&place), "{along}");
    relabel(&amina, &place, "$meta-delete", &[label(ACT, "MH")]).await.expect(200);
    assert_eq!(nurse.get(&search).await.expect(200).ids().len(), 2);
    nurse.get(&read).await.expect(200);
}

async fn exported_and_sent_back(concord: &Concord) {
    let place = diagnosis(concord).await;
    let (amina, system) = (concord.patient("amina"), concord.system());
    relabel(&amina, &place, "$meta-add", &[label(ACT, "MH")]).await.expect(200);
    let shown = system.get(&place).await.expect(200).json();
    // What readers are shown and send back does not become the resource's own.
    assert_eq!(system.store(&shown).await.header("etag"), "W/\"1\"");
    system.store(&with(shown, "code", json!({"text": "mood"}))).await;
    assert_eq!(codes(&amina.get(&place).await.expect(200)), ["MH"]);
    relabel(&amina, &place, "$meta-delete", &[label(ACT, "MH")]).await.expect(200);
    assert!(codes(&system.get(&place).await.expect(200)).is_empty());
}
