//! Interim thoughts: what professionals keep among themselves leaves no trace for the patient, is looked at again, and is
//! shown by one act, at once.

use concord_tests::client::text;
use concord_tests::people::{self, blood_pressure, with};
use concord_tests::{App, Concord, on_both};
use serde_json::{Value, json};

use crate::leaks::said;
use crate::proxies::attorney;

on_both! { a_note_is_kept_and_released, who_releases, a_note_says_when_it_is_looked_at_again, labels_are_not_lost_by_the_way }

const ACT: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
const OWN: &str = "urn:concord:label";

fn note(id: &str, labels: &[(&str, &str)]) -> Value {
    let security: Vec<Value> = labels.iter().map(|(system, code)| json!({"system": system, "code": code})).collect();
    json!({"resourceType": "ClinicalImpression", "id": id, "meta": {"security": security}, "status": "in-progress",
        "identifier": [{"system": "urn:secret", "value": id}], "date": "2026-11-30", "summary": "Might be more than asthma",
        "subject": {"reference": "Patient/amina"}, "assessor": {"reference": "Practitioner/gp"}})
}

fn because(reason: &str) -> Value {
    json!({"resourceType": "Parameters", "parameter": [{"name": "reason", "valueString": reason}]})
}

/// Every way to come upon a note.
const PROBES: [&str; 25] = [
    "ClinicalImpression/interim",
    "ClinicalImpression/interim/_history",
    "ClinicalImpression/interim/_history/1",
    "ClinicalImpression/interim/$meta",
    "ClinicalImpression?patient=amina&_total=accurate",
    "ClinicalImpression?patient=amina&_summary=count",
    "ClinicalImpression?_id=interim",
    "ClinicalImpression?identifier=urn:secret|interim",
    "ClinicalImpression?date=2026-11-30",
    "ClinicalImpression?_security=AUTHOR-TEAM",
    "ClinicalImpression?patient=amina&_revinclude=Communication:about",
    "ClinicalImpression/_history",
    "_history?_count=1000",
    "Patient?_has:ClinicalImpression:subject:identifier=urn:secret|interim",
    "Patient?_id=amina&_revinclude=ClinicalImpression:subject",
    "Patient/amina/ClinicalImpression?_total=accurate",
    "Patient/amina/*?_type=ClinicalImpression",
    "Patient/amina/$everything?_type=ClinicalImpression,Communication,Provenance&_count=1000",
    "Patient/amina/$due-for-review?by=2030-01-01",
    "Communication?patient=amina&_total=accurate",
    "Communication?about=ClinicalImpression/interim",
    "Provenance?target=ClinicalImpression/interim",
    "Provenance?_total=accurate",
    "Observation?patient=amina&_include=Observation:derived-from",
    "AuditEvent?entity=ClinicalImpression/interim",
];

async fn asked(app: &App) -> Vec<String> {
    let mut all = Vec::new();
    for place in PROBES {
        all.push(said(&app.get(place).await));
    }
    all
}

fn same(before: &[String], after: &[String]) {
    for ((probe, before), after) in PROBES.iter().zip(before).zip(after) {
        assert_eq!(before, after, "{probe}");
    }
}

async fn a_note_is_kept_and_released(concord: &Concord) {
    people::arrive(concord).await;
    let (system, amina, gp) = (concord.system(), concord.patient("amina"), concord.user("Practitioner/gp"));
    let types = ["ClinicalImpression", "Observation", "Communication", "Patient"];
    system.store(&people::consent("active", "RelatedPerson/yusuf", &["access"], &types)).await;
    let son = concord.user("RelatedPerson/yusuf");
    let app = concord.patient_with("amina", "patient/*.rs");
    system.store(&attorney("RelatedPerson/neighbour", "active")).await;
    let proxy = concord.user("RelatedPerson/neighbour");
    let readers = [&amina, &son, &app, &proxy];
    let mut before = Vec::new();
    for reader in readers {
        before.push(asked(reader).await);
    }
    system.store(&note("interim", &[(OWN, "AUTHOR-TEAM"), (ACT, "NOPAT")])).await;
    let comment = json!({"resourceType": "Communication", "status": "completed", "subject": {"reference": "Patient/amina"},
        "about": [{"reference": "ClinicalImpression/interim"}], "payload": [{"contentString": "I would wait"}]});
    gp.create(&comment).await;
    for (reader, before) in readers.into_iter().zip(&before) {
        same(before, &asked(reader).await);
        for place in ["Patient/amina/$summary", "Patient/amina/$access-log"] {
            let told = reader.get(place).await.text();
            assert!(
                !told.contains("\"reference\":\"ClinicalImpression/interim") && !told.contains("more than asthma"),
                "{told}"
            );
        }
        let unused = reader.post("ClinicalImpression/none/$release", &because("to see what happens")).await;
        let probed = reader.post("ClinicalImpression/interim/$release", &because("to see what happens")).await;
        assert_eq!(said(&probed), said(&unused));
    }
    // To whoever wrote it each of them tells of it.
    let seen = gp.get("ClinicalImpression/interim").await.expect(200);
    assert_eq!(gp.get("Patient/amina/$due-for-review").await.expect(200).ids(), ["interim"], "it says no date");
    concord.later(60_000);
    let shown = gp.post("ClinicalImpression/interim/$release", &because("we have talked about it")).await.expect(200);
    assert!(shown.json().pointer("/meta/security").is_none(), "{shown}");
    assert_ne!(shown.json()["meta"]["versionId"], seen.json()["meta"]["versionId"]);
    // From the next request on, and with who did it and why.
    let open = amina.get("ClinicalImpression/interim").await.expect(200).json();
    assert_eq!(text(&open, "/summary"), "Might be more than asthma");
    son.get("ClinicalImpression/interim").await.expect(200);
    proxy.get("ClinicalImpression/interim").await.expect(200);
    app.get("ClinicalImpression/interim").await.expect(200);
    for place in [
        "ClinicalImpression?patient=amina&_total=accurate",
        "Patient/amina/ClinicalImpression",
        "Patient/amina/$everything?_type=ClinicalImpression",
        "Patient?_has:ClinicalImpression:subject:identifier=urn:secret|interim",
    ] {
        assert_eq!(amina.get(place).await.expect(200).matches().len(), 1, "{place}");
    }
    let told = amina.get("Provenance?target=ClinicalImpression/interim").await.expect(200).matches();
    assert_eq!(told.len(), 1);
    assert_eq!(text(&told[0], "/reason/0/text"), "Released to the patient: we have talked about it");
    assert_eq!(text(&told[0], "/agent/0/who/reference"), "Practitioner/gp");
    let log = amina.get("Patient/amina/$access-log").await.expect(200).text();
    assert!(log.contains("released a clinical impression that was kept from the patient"), "{log}");
    assert!(log.contains("we have talked about it"), "{log}");
    // What it said while it was kept, and what was said about it then, is not thereby shown.
    amina.get("ClinicalImpression/interim/_history/1").await.expect(404);
    assert!(amina.get("Communication?about=ClinicalImpression/interim").await.expect(200).ids().is_empty());
    assert_eq!(gp.get("Communication?patient=amina&about=ClinicalImpression/interim").await.expect(200).ids().len(), 1);
    gp.post("ClinicalImpression/interim/$release", &because("we have talked about it")).await.expect(422);
}

async fn who_releases(concord: &Concord) {
    people::arrive(concord).await;
    let (system, amina) = (concord.system(), concord.patient("amina"));
    system.store(&json!({"resourceType": "Practitioner", "id": "nurse", "name": [{"family": "Brown"}]})).await;
    system.store(&json!({"resourceType": "Practitioner", "id": "visitor", "name": [{"family": "Hall"}]})).await;
    system.store(&people::care_team(&["Practitioner/gp", "Practitioner/nurse"])).await;
    let visitors = with(people::care_team(&["Practitioner/visitor"]), "id", json!("visitors"));
    system.store(&visitors).await;
    let reason = because("we have talked about it");
    let kinds = [(ACT, "NOPAT"), (OWN, "AUTHOR-TEAM"), (OWN, "THIRD-PARTY"), (OWN, "SAFEGUARDING")];
    for (at, label) in kinds.into_iter().enumerate() {
        let id = format!("note-{at}");
        system.store(&note(&id, &[label])).await;
        let place = format!("ClinicalImpression/{id}/$release");
        for (stranger, status) in [
            (concord.nobody(), 401),
            (amina.clone(), 404),
            (concord.user("RelatedPerson/yusuf"), 404),
            (concord.patient("callum"), 404),
            (concord.user("Practitioner/gp-elsewhere"), 404),
            (concord.user("Practitioner/former"), 404),
            // Of another team: they read what is not for patients, and do not decide about it.
            (concord.user("Practitioner/visitor"), if at == 0 { 403 } else { 404 }),
            (concord.user_with("Practitioner/gp", "user/*.rs"), 403),
        ] {
            stranger.post(&place, &reason).await.expect(status);
        }
        amina.get(&format!("ClinicalImpression/{id}")).await.expect(404);
        concord.user("Practitioner/gp").post(&place, &because("short")).await.expect(400);
        concord.user("Practitioner/gp").post(&place, &json!({"resourceType": "Parameters"})).await.expect(400);
        // A colleague, or somebody in a privileged role with a reason.
        let done = match at {
            0 | 1 => concord.user("Practitioner/nurse").post(&place, &reason).await,
            2 => {
                let officer = concord.officer("Practitioner/gp-elsewhere", "privacy-officer");
                officer.post(&place, &reason).await.expect(404);
                officer.post(&place, &reason).header("X-Purpose-Reason", "request for the record").await
            }
            _ => {
                let lead = concord.officer("Practitioner/gp-elsewhere", "safeguarding-lead");
                lead.post(&place, &reason).header("X-Purpose-Reason", "the risk is over").await
            }
        };
        done.expect(200);
        amina.get(&format!("ClinicalImpression/{id}")).await.expect(200);
    }
    // What nothing hides is not released.
    let gp = concord.user("Practitioner/gp");
    let open = format!("Observation/{}", gp.create(&blood_pressure("amina", 120)).await);
    gp.post(&format!("{open}/$release"), &reason).await.expect(422);
    amina.post(&format!("{open}/$release"), &reason).await.expect(403);
}

async fn a_note_says_when_it_is_looked_at_again(concord: &Concord) {
    people::arrive(concord).await;
    let (gp, amina) = (concord.user("Practitioner/gp"), concord.patient("amina"));
    let plain = people::without(note("x", &[(OWN, "AUTHOR-TEAM")]), "id");
    let warned = gp.post("ClinicalImpression", &plain).header("prefer", "return=OperationOutcome").await.expect(201);
    assert!(warned.text().contains("2027-03-01") && warned.text().contains("urn:concord:review-by"), "{warned}");
    let dated = |date: &str| {
        let mut note = plain.clone();
        note["meta"]["extension"] = json!([{"url": "urn:concord:review-by", "valueDate": date}]);
        note
    };
    let soon = gp.create(&dated("2026-12-10")).await;
    let later = gp.create(&dated("2027-01-10")).await;
    let refused = gp.post("ClinicalImpression", &dated("2031-01-01")).await.expect(422);
    assert_eq!(refused.issues()[0].1, "ClinicalImpression.meta.extension[0].value");
    let due =
        async |app: &App, by: &str| app.get(&format!("Patient/amina/$due-for-review{by}")).await.expect(200).ids();
    assert!(due(&gp, "").await.is_empty());
    assert_eq!(due(&gp, "?by=2026-12-31").await, [soon.as_str()]);
    assert_eq!(due(&gp, "?by=2027-01-31").await, [soon.as_str(), later.as_str()]);
    assert_eq!(due(&gp, "?by=2027-12-31").await.len(), 3);
    concord.later(20 * 24 * 60 * 60 * 1000);
    let gp = concord.user("Practitioner/gp");
    assert_eq!(due(&gp, "").await, [soon.as_str()], "by today");
    // Only what the caller may see: nothing for the patient, and nobody else's business.
    let amina = {
        drop(amina);
        concord.patient("amina")
    };
    assert!(due(&amina, "?by=2028-01-01").await.is_empty());
    let unused = concord.patient("callum").get("Patient/none/$due-for-review").await.expect(404);
    for stranger in
        [concord.patient("callum"), concord.user("Practitioner/former"), concord.user("RelatedPerson/yusuf")]
    {
        assert_eq!(stranger.get("Patient/amina/$due-for-review").await.expect(404).body, unused.body);
    }
    gp.get("Patient/amina/$due-for-review?by=soon").await.expect(400);
    // The date stays when it is left out, and moves when there is a new one.
    let place = format!("ClinicalImpression/{soon}");
    let rewritten = with(with(plain.clone(), "id", json!(soon)), "summary", json!("Still thinking"));
    let stored = gp.put(&place, &rewritten).await.expect(200).json();
    assert_eq!(text(&stored, "/meta/extension/0/valueDate"), "2026-12-10");
    gp.put(&place, &with(with(dated("2027-06-01"), "id", json!(soon)), "summary", json!("Later"))).await.expect(200);
    assert!(due(&gp, "").await.is_empty());
}

async fn labels_are_not_lost_by_the_way(concord: &Concord) {
    people::arrive(concord).await;
    let (gp, amina) = (concord.user("Practitioner/gp"), concord.patient("amina"));
    let id = gp.create(&people::without(note("x", &[(OWN, "AUTHOR-TEAM")]), "id")).await;
    let place = format!("ClinicalImpression/{id}");
    let bare = with(people::without(note(&id, &[]), "meta"), "summary", json!("Rewritten by another app"));
    let kept = gp.put(&place, &bare).header("prefer", "return=OperationOutcome").await.expect(200);
    assert!(kept.text().contains("$release"), "{kept}");
    amina.get(&place).await.expect(404);
    let patch = json!([{"op": "remove", "path": "/meta/security"}]).to_string();
    let ask = gp.ask(concord_tests::client::Method::PATCH, &place);
    ask.body("application/json-patch+json", patch).await;
    amina.get(&place).await.expect(404);
    let label = json!({"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": {"security": [
        {"system": OWN, "code": "AUTHOR-TEAM"}]}}]});
    gp.post(&format!("{place}/$meta-delete"), &label).await.expect(422);
    amina.get(&place).await.expect(404);
    gp.post(&format!("{place}/$release"), &because("we have talked about it")).await.expect(200);
    amina.get(&place).await.expect(200);
}
