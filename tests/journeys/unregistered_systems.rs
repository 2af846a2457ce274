//! A system that nobody has registered speaks for itself only: it has no word for others, tells of nobody's part in what it writes, and
//! adds nothing that everybody searches by.

use concord_api::auth::development::TokenRequest;
use concord_tests::client::text;
use concord_tests::people::{self, with};
use concord_tests::{App, Concord, on_both};
use serde_json::{Value, json};

on_both! { agrees_for_nobody, tells_of_nobody, says_not_what_is_searched_by }

const AMINA: &str = "Patient/amina";
const GP: &str = "Practitioner/gp";

fn stranger(concord: &Concord) -> App {
    concord.app(&TokenRequest {
        // Whom the issuer gives every right counts as registered.
        scope: ["Goal", "Observation", "Provenance", "SearchParameter"]
            .map(|name| format!("system/{name}.cruds"))
            .join(" "),
        client_id: "nobody-knows".to_owned(),
        ..TokenRequest::default()
    })
}

fn goal(words: &[(&str, &str)]) -> Value {
    let word = |(who, status): &(&str, &str)| {
        json!({"url": "http://hl7.org/fhir/StructureDefinition/goal-acceptance", "extension": [
            {"url": "individual", "valueReference": {"reference": who}}, {"url": "status", "valueCode": status}]})
    };
    let words: Vec<Value> = words.iter().map(word).collect();
    json!({"resourceType": "Goal", "lifecycleStatus": "active", "description": {"text": "give up the car"},
        "subject": {"reference": AMINA}, "extension": words})
}

async fn agrees_for_nobody(concord: &Concord) {
    people::arrive(concord).await;
    let (stranger, amina) = (stranger(concord), concord.patient("amina"));
    let agreed = goal(&[(AMINA, "agree"), (GP, "agree")]);
    for words in [&agreed, &goal(&[(GP, "agree")]), &goal(&[(AMINA, "disagree")])] {
        let told = stranger.post("Goal", words).await.expect(422);
        assert_eq!(told.issues()[0].1, "Goal.extension[0]");
    }
    let accepted = with(goal(&[(AMINA, "pending")]), "lifecycleStatus", json!("accepted"));
    assert_eq!(stranger.post("Goal", &accepted).await.expect(422).issues()[0].1, "Goal.lifecycleStatus");
    let asked = goal(&[(AMINA, "pending"), (GP, "pending")]);
    let place = format!("Goal/{}", stranger.create(&asked).await);
    let changed = with(agreed.clone(), "id", json!(place.trim_start_matches("Goal/")));
    stranger.put(&place, &changed).await.expect(422);
    let entry = json!({"resource": agreed, "request": {"method": "POST", "url": "Goal"}});
    stranger.post("", &json!({"resourceType": "Bundle", "type": "transaction", "entry": [entry]})).await.expect(422);
    // What was agreed elsewhere a registered system says.
    let known = format!("Goal/{}", concord.system().create(&agreed).await);
    let told = amina.get(&format!("{known}/$agreement")).await.expect(200).json();
    assert!(told.to_string().contains("\"agreed\""), "{told}");
}

async fn tells_of_nobody(concord: &Concord) {
    people::arrive(concord).await;
    let stranger = stranger(concord);
    let reading = people::blood_pressure("amina", 120);
    let told_by =
        |who: Value| json!({"resourceType": "Provenance", "recorded": "2026-01-01T00:00:00Z", "agent": [{"who": who}]});
    for who in [json!({"reference": GP}), json!({"reference": AMINA}), json!({"display": "Dr Okafor"})] {
        let along =
            stranger.post("Observation", &reading).header("X-Provenance", &told_by(who.clone()).to_string()).await;
        let by_itself = with(told_by(who), "target", json!([{"reference": AMINA}]));
        let alone = stranger.post("Provenance", &by_itself).await.expect(403);
        assert_eq!(along.expect(403).issues()[0].2, alone.issues()[0].2);
    }
    assert!(concord.system().get("Observation").await.expect(200).ids().is_empty());
    stranger.create(&reading).await;
    let gp = json!({"reference": GP});
    concord.system().post("Observation", &reading).header("X-Provenance", &told_by(gp).to_string()).await.expect(201);
}

async fn says_not_what_is_searched_by(concord: &Concord) {
    people::arrive(concord).await;
    let parameter = json!({"resourceType": "SearchParameter", "id": "eyes", "url": "http://example.org/eyes", "name": "eyes",
        "status": "active", "description": "x", "code": "eyes", "base": ["Observation"], "type": "string",
        "expression": "Observation.note.text"});
    let stranger = stranger(concord);
    let told = stranger.put("SearchParameter/eyes", &parameter).await.expect(403);
    assert!(text(&told.json(), "/issue/0/diagnostics").contains("registered system"), "{told}");
    stranger.post("SearchParameter", &people::without(parameter.clone(), "id")).await.expect(403);
    let strictly =
        |app: App| async move { app.get("Observation?eyes=x").header("Prefer", "handling=strict").await.status };
    assert_eq!(strictly(concord.patient("amina")).await, 400);
    concord.system().store(&parameter).await;
    assert_eq!(strictly(concord.patient("amina")).await, 200);
    stranger.delete("SearchParameter/eyes").await.expect(403);
}
