//! Plans: a patient writes hers in her own words; a professional's is commented on; a joint plan has parts by author.

use concord_tests::client::text;
use concord_tests::people::{self, with};
use concord_tests::{Concord, on_both};
use serde_json::{Value, json};

on_both! { a_plan_in_ones_own_words, a_joint_plan_has_parts_by_author }

fn plan(title: &str, rest: Value) -> Value {
    let mut plan = json!({"resourceType": "CarePlan", "status": "active", "intent": "plan", "title": title,
        "category": [{"text": "Personalised care and support plan"}], "subject": {"reference": "Patient/amina"}});
    for (name, value) in rest.as_object().expect("an object") {
        plan[name] = value.clone();
    }
    plan
}

async fn a_plan_in_ones_own_words(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, gp) = (concord.patient("amina"), concord.user("Practitioner/gp"));
    let budget = json!({"resourceType": "DocumentReference", "status": "current", "subject": {"reference": "Patient/amina"},
        "description": "My personal health budget for this year",
        "content": [{"attachment": {"contentType": "text/plain", "data": "MSwyMDAgcG91bmRz"}}]});
    let budget = format!("DocumentReference/{}", amina.create(&budget).await);
    let own = plan(
        "My week",
        json!({"supportingInfo": [{"reference": budget}], "activity": [
        {"detail": {"status": "in-progress", "description": "Aqua aerobics on Tuesdays, from my budget"}},
        {"detail": {"status": "not-started", "description": "Somebody to walk the dog when my knee is bad"}}]}),
    );
    let stored = amina.post("CarePlan", &own).await.expect(201).json();
    assert_eq!(text(&stored, "/author/reference"), "Patient/amina");
    assert_eq!(text(&stored, "/activity/1/detail/description"), "Somebody to walk the dog when my knee is bad");
    let place = format!("CarePlan/{}", text(&stored, "/id"));
    for reader in [&amina, &gp] {
        reader.get(&place).await.expect(200);
        assert!(reader.get("Patient/amina/$summary").await.expect(200).text().contains("Aqua aerobics"));
    }
    let app = concord.patient_with("amina", "patient/CarePlan.rs");
    app.get(&place).await.expect(200);
    app.put(&place, &with(stored.clone(), "title", json!("Ours"))).await.expect(403);
    for stranger in [
        concord.patient("callum"),
        concord.user("Practitioner/former"),
        concord.user("RelatedPerson/yusuf"),
        concord.user("RelatedPerson/neighbour"),
    ] {
        stranger.get(&place).await.expect(404);
        stranger.put(&place, &stored).await.expect(404);
    }
    // Nobody orders anything by it, nor writes in another's name.
    let order = with(own.clone(), "intent", json!("order"));
    assert_eq!(amina.post("CarePlan", &order).await.expect(422).issues()[0].1, "CarePlan.intent");
    let forged = with(own.clone(), "author", json!({"reference": "Practitioner/gp"}));
    assert_eq!(amina.post("CarePlan", &forged).await.expect(422).issues()[0].1, "CarePlan.author");
    let joined = with(own, "contributor", json!([{"reference": "Practitioner/gp"}]));
    assert_eq!(amina.post("CarePlan", &joined).await.expect(422).issues()[0].1, "CarePlan.contributor[0]");
    // A professional comments on it, and does not edit.
    let refused = gp.put(&place, &with(stored, "title", json!("The plan"))).await.expect(403);
    assert!(refused.text().contains("`about`"), "{refused}");
    gp.post("Communication", &about(&place, "The pool is closed in May")).await.expect(201);
    assert_eq!(amina.get(&place).await.expect(200).header("etag"), "W/\"1\"");
}

fn about(place: &str, says: &str) -> Value {
    json!({"resourceType": "Communication", "status": "completed", "subject": {"reference": "Patient/amina"},
        "about": [{"reference": place}], "payload": [{"contentString": says}]})
}

async fn a_joint_plan_has_parts_by_author(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, gp) = (concord.patient("amina"), concord.user("Practitioner/gp"));
    concord.system().store(&people::care_team(&["Practitioner/gp", "Practitioner/former"])).await;
    let nurse = concord.user("Practitioner/former");
    let frame = plan(
        "Amina's plan",
        json!({"contributor": [{"reference": "Patient/amina"}, {"reference": "Practitioner/former"}]}),
    );
    let frame = gp.post("CarePlan", &frame).await.expect(201).json();
    let whole = format!("CarePlan/{}", text(&frame, "/id"));
    let part = |title: &str, says: &str| {
        plan(
            title,
            json!({"partOf": [{"reference": whole}], "activity": [{"detail": {"status": "in-progress", "description": says}}]}),
        )
    };
    let parts = [
        (&amina, amina.post("CarePlan", &part("What I do", "I walk to my sister's")).await.expect(201).json()),
        (&gp, gp.post("CarePlan", &part("What the surgery does", "Tablets reviewed")).await.expect(201).json()),
        (&nurse, nurse.post("CarePlan", &part("What the clinic does", "Foot check")).await.expect(201).json()),
    ];
    let found = gp.get(&format!("CarePlan?patient=amina&part-of={whole}")).await.expect(200).ids();
    assert_eq!(found.len(), 3);
    let page =
        amina.get(&format!("CarePlan?_id={}&patient=amina&_revinclude=CarePlan:part-of", text(&frame, "/id"))).await;
    assert!(page.expect(200).text().contains("Foot check"));
    // Each changes their own part, and nobody another's, nor the frame but who wrote it.
    for (writer, (owner, stored)) in parts.iter().enumerate() {
        let place = format!("CarePlan/{}", text(stored, "/id"));
        let changed = with(stored.clone(), "note", json!([{"text": format!("changed by {writer}")}]));
        for (other, (app, _)) in parts.iter().enumerate() {
            let status = if other == writer { 200 } else { 403 };
            app.put(&place, &changed).await.expect(status);
        }
        owner.get(&place).await.expect(200);
    }
    amina.put(&whole, &with(frame.clone(), "title", json!("My plan"))).await.expect(403);
    amina.delete(&whole).await.expect(403);
    nurse.put(&whole, &with(frame.clone(), "title", json!("Ours"))).await.expect(403);
    gp.put(&whole, &with(frame, "title", json!("The plan that we made"))).await.expect(200);
    // A part of what cannot be seen is none.
    let lost = plan("Lost", json!({"partOf": [{"reference": "CarePlan/none"}]}));
    let refused = amina.post("CarePlan", &lost).await.expect(422);
    assert!(refused.issues()[0].1.starts_with("CarePlan.partOf[0]"), "{refused}");
    let elsewhere = concord
        .patient("callum")
        .post("CarePlan", &with(part("Theirs", "x"), "subject", json!({"reference": "Patient/callum"})));
    assert!(elsewhere.await.expect(422).issues()[0].1.starts_with("CarePlan.partOf[0]"));
}
