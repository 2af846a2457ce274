//! Where something is from: what the server says, what the client says beside it, and who has verified it.

use concord_tests::client::{Ask, Method, text};
use concord_tests::people::{self, blood_pressure, with, without};
use concord_tests::{App, Concord, on_both};
use serde_json::{Value, json};

on_both! {
    a_statement_tells_nothing_of_what_is_hidden, a_client_says_where_it_is_from,
    nobody_is_named_as_the_author_but_the_writer,
    a_bad_statement_refuses_the_write,
    a_reading_is_verified,
    who_verifies,
    what_is_said_anew_is_not_verified
}

const PARTICIPANT: &str = "http://terminology.hl7.org/CodeSystem/provenance-participant-type";

fn agent(code: &str, who: Value) -> Value {
    json!({"type": {"coding": [{"system": PARTICIPANT, "code": code}]}, "who": who})
}

fn statement(agents: &[Value]) -> Value {
    json!({"resourceType": "Provenance", "recorded": "2026-12-01T11:59:00Z", "agent": agents})
}

fn posted(app: &App, reading: &Value, statement: &Value) -> Ask {
    app.post("Observation", reading).header("X-Provenance", &statement.to_string())
}

fn is_statement(provenance: &Value) -> bool {
    text(provenance, "/meta/tag/0/code") == "client-statement"
}

async fn provenances(app: &App, place: &str) -> Vec<Value> {
    app.get(&format!("Provenance?target={place}")).await.expect(200).matches()
}

/// Who may not know of everything names in a statement what they may read: the rest would be told by what it hands on.
async fn a_statement_tells_nothing_of_what_is_hidden(concord: &Concord) {
    people::arrive(concord).await;
    let hidden = with(
        blood_pressure("amina", 120),
        "meta",
        json!({"security": [
        {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "SEX"}]}),
    );
    let hidden = format!("Observation/{}", concord.system().create(&without(hidden, "category")).await);
    let bounded =
        concord.system_with("system/Observation.cruds?category=vital-signs system/Provenance.rs system/Patient.rs");
    for what in [hidden.as_str(), "Observation/nothing"] {
        let mut says = statement(&[agent("informant", json!({"reference": "Patient/amina"}))]);
        says["entity"] = json!([{"role": "source", "what": {"reference": what}}]);
        let refused = posted(&bounded, &blood_pressure("amina", 121), &says).await.expect(422).issues();
        assert_eq!(refused[0].1, "Provenance.entity[0].what", "{what}");
    }
}

async fn a_client_says_where_it_is_from(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, gp) = (concord.patient("amina"), concord.user("Practitioner/gp"));
    let watch = agent(
        "performer",
        json!({"identifier": {"system": "https://watch.example", "value": "42"}, "display": "A watch"}),
    );
    let says = statement(&[agent("author", json!({"reference": "Patient/amina"})), watch]);
    let reading = posted(&amina, &blood_pressure("amina", 120), &says).await.expect(201).json();
    let place = format!("Observation/{}", text(&reading, "/id"));
    let all = provenances(&gp, &place).await;
    assert_eq!(all.len(), 2, "the server's and the client's: {all:?}");
    let own: Vec<&Value> = all.iter().filter(|one| is_statement(one)).collect();
    assert_eq!(own.len(), 1);
    assert_eq!(text(own[0], "/target/0/reference"), format!("{place}/_history/1"));
    assert_eq!(text(own[0], "/agent/1/who/display"), "A watch");
    assert_eq!(text(own[0], "/meta/security/0/code"), "PATAST", "it is she who says so");
    assert_eq!(text(own[0], "/meta/source"), "urn:concord:client:phr-app");
    let page = gp.get("Observation?patient=amina&_revinclude=Provenance:target").await.expect(200);
    let included = page.entries().iter().filter(|entry| text(entry, "/search/mode") == "include").count();
    assert_eq!(included, 2, "{page}");
    // With an update and a patch as well, each about its own version.
    let changed = with(reading.clone(), "note", json!([{"text": "after running"}]));
    amina.put(&place, &changed).header("X-Provenance", &says.to_string()).await.expect(200);
    let patch = json!([{"op": "replace", "path": "/note/0/text", "value": "before running"}]).to_string();
    let ask = amina.ask(Method::PATCH, &place).header("X-Provenance", &says.to_string());
    ask.body("application/json-patch+json", patch).await.expect(200);
    let targets: Vec<String> = provenances(&gp, &place)
        .await
        .iter()
        .filter(|one| is_statement(one))
        .map(|one| text(one, "/target/0/reference").to_owned())
        .collect();
    for version in 1..=3 {
        assert!(targets.contains(&format!("{place}/_history/{version}")), "{targets:?}");
    }
    // A transaction: of each resource that it writes.
    let entry = json!({"resource": blood_pressure("amina", 121), "request": {"method": "POST", "url": "Observation"}});
    let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": [entry, entry]});
    let done = amina.post("", &bundle).header("X-Provenance", &says.to_string()).await.expect(200).json();
    for at in 0..2 {
        let location = text(&done, &format!("/entry/{at}/response/location")).to_owned();
        let place = location.split("/_history/").next().expect("a place").to_owned();
        assert_eq!(provenances(&gp, &place).await.len(), 2);
    }
    // It is seen by whom what it is about is seen by, and is not changed.
    let one = format!("Provenance/{}", text(own[0], "/id"));
    for stranger in
        [concord.patient("callum"), concord.user("Practitioner/former"), concord.user("RelatedPerson/yusuf")]
    {
        stranger.get(&one).await.expect(404);
    }
    amina.delete(&one).await.expect(405);
    amina
        .post(
            &format!("{place}/$meta-add"),
            &json!({"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta":
        {"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}]}}]}),
        )
        .await
        .expect(200);
    gp.get(&one).await.expect(404);
    amina.get(&one).await.expect(200);
}

async fn nobody_is_named_as_the_author_but_the_writer(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, gp, system) = (concord.patient("amina"), concord.user("Practitioner/gp"), concord.system());
    let who = |reference: &str| json!({"reference": reference});
    let reading = blood_pressure("amina", 120);
    for (app, says, place) in [
        (&amina, statement(&[agent("author", who("Practitioner/gp"))]), "Provenance.agent[0].who"),
        (&amina, statement(&[agent("verifier", who("Practitioner/gp"))]), "Provenance.agent[0].who"),
        (&amina, statement(&[json!({"who": {"display": "Dr Okafor"}})]), "Provenance.agent[0].who"),
        (&gp, statement(&[agent("author", who("Patient/amina"))]), "Provenance.agent[0].who"),
        (&gp, statement(&[agent("informant", who("Patient/callum"))]), "Provenance.agent[0].who.reference"),
        (&amina, statement(&[agent("informant", who("Patient/nobody"))]), "Provenance.agent[0].who.reference"),
    ] {
        let refused = posted(app, &reading, &says).await.expect(422);
        assert!(refused.issues()[0].1.starts_with(place.trim_end_matches(".reference")), "{place}: {refused}");
    }
    let none = system.get("Observation?patient=amina").await.expect(200).ids();
    assert!(none.is_empty(), "nothing has changed");
    posted(&gp, &reading, &statement(&[agent("informant", who("Patient/amina"))])).await.expect(201);
    // The son writes in his own name, on her behalf.
    let mut own = agent("author", who("RelatedPerson/yusuf"));
    own["onBehalfOf"] = who("Patient/amina");
    posted(&concord.user("RelatedPerson/yusuf"), &reading, &statement(&[own.clone()])).await.expect(201);
    own["onBehalfOf"] = who("Patient/callum");
    posted(&concord.user("RelatedPerson/yusuf"), &reading, &statement(&[own])).await.expect(422);
    // A client's word changes nothing of who said what in a negotiation.
    let goal = json!({"resourceType": "Goal", "lifecycleStatus": "active", "description": {"text": "walk"},
        "subject": {"reference": "Patient/amina"}});
    let says = statement(&[agent("informant", who("Practitioner/gp"))]).to_string();
    let goal = amina.post("Goal", &goal).header("X-Provenance", &says).await.expect(201).json();
    let told = amina.get(&format!("Goal/{}/$agreement", text(&goal, "/id"))).await.expect(200).text();
    assert!(told.contains("Patient/amina") && !told.contains("Practitioner/gp"), "{told}");
}

async fn a_bad_statement_refuses_the_write(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let reading = blood_pressure("amina", 120);
    let fine = statement(&[agent("author", json!({"reference": "Patient/amina"}))]);
    for (says, status, place) in [
        ("{".to_owned(), 400, ""),
        ("[]".to_owned(), 422, "resourceType"),
        (with(fine.clone(), "resourceType", json!("Observation")).to_string(), 422, "resourceType"),
        (people::without(fine.clone(), "recorded").to_string(), 422, "Provenance.recorded"),
        (with(fine.clone(), "colour", json!("red")).to_string(), 422, "Provenance.colour"),
        (with(fine.clone(), "target", json!([{"reference": "Patient/amina"}])).to_string(), 422, "Provenance.target"),
        (with(fine.clone(), "recorded", json!("2027-01-01T00:00:00Z")).to_string(), 422, "Provenance.recorded"),
        (with(fine.clone(), "policy", json!([format!("http://{}", "x".repeat(9_000))])).to_string(), 400, ""),
    ] {
        let refused = amina.post("Observation", &reading).header("X-Provenance", &says).await.expect(status);
        let told = &refused.issues()[0];
        assert!(place.is_empty() || told.1 == place, "{refused}");
    }
    let xml = "<Provenance xmlns=\"http://hl7.org/fhir\"/>";
    amina.post("Observation", &reading).header("X-Provenance", xml).await.expect(400);
    for ask in [amina.get("Observation"), amina.delete("Observation/x"), amina.post("Observation/$validate", &reading)]
    {
        let refused = ask.header("X-Provenance", &fine.to_string()).await.expect(400);
        assert!(refused.issues()[0].2.contains("X-Provenance"), "{refused}");
    }
    let none = concord.system().get("Observation?patient=amina").await.expect(200).ids();
    assert!(none.is_empty(), "nothing has changed");
    assert!(concord.system().get("Provenance").await.expect(200).ids().is_empty());
}

fn version(number: u32) -> Value {
    json!({"resourceType": "Parameters", "parameter": [{"name": "version", "valueId": number.to_string()}]})
}

fn withdrawn() -> Value {
    json!({"resourceType": "Parameters", "parameter": [{"name": "withdraw", "valueBoolean": true}]})
}

fn codes(resource: &Value) -> Vec<String> {
    let labels = resource["meta"]["security"].as_array().cloned().unwrap_or_default();
    labels.iter().map(|label| text(label, "/code").to_owned()).collect()
}

async fn a_reading_is_verified(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, gp) = (concord.patient("amina"), concord.user("Practitioner/gp"));
    let place = format!("Observation/{}", amina.create(&blood_pressure("amina", 150)).await);
    let other = amina.create(&blood_pressure("amina", 151)).await;
    let before = amina.get(&place).await.expect(200);
    assert_eq!(codes(&before.json()), ["PATAST"]);
    let said = gp.post(&format!("{place}/$verify"), &version(1)).await.expect(200).json();
    assert_eq!(text(&said, "/target/0/reference"), format!("{place}/_history/1"));
    assert_eq!(text(&said, "/agent/0/type/coding/0/code"), "verifier");
    assert_eq!(text(&said, "/agent/0/who/reference"), "Practitioner/gp");
    // The reading is as it was, still hers, and says that a clinician vouches for it.
    for app in [&amina, &gp] {
        let now = app.get(&place).await.expect(200);
        assert_eq!(now.header("etag"), before.header("etag"));
        assert_eq!(codes(&now.json()), ["PATAST", "CLINAST"]);
    }
    let found = async |query: &str| amina.get(&format!("Observation?patient=amina&{query}")).await.expect(200).ids();
    let id = place.trim_start_matches("Observation/");
    assert_eq!(found("_security=CLINAST").await, [id]);
    assert_eq!(found("_security=PATAST&_security:not=CLINAST").await, [other]);
    assert_eq!(found("_has:Provenance:target:agent-type=verifier").await, [id]);
    let page = gp.get(&format!("Observation?_id={id}&patient=amina&_revinclude=Provenance:target")).await.expect(200);
    assert!(page.text().contains("\"verifier\""), "{page}");
    // Once more is the same, and it can be taken back by the one who said it.
    gp.post(&format!("{place}/$verify"), &version(1)).await.expect(200);
    concord.later(1_000);
    let back = gp.post(&format!("{place}/$verify"), &withdrawn()).await.expect(200).json();
    assert_eq!(text(&back, "/entity/0/role"), "removal");
    assert!(text(&back, "/entity/0/what/reference").starts_with("Provenance/"));
    assert_eq!(codes(&gp.get(&place).await.expect(200).json()), ["PATAST"]);
    assert!(found("_security=CLINAST").await.is_empty());
    gp.post(&format!("{place}/$verify"), &withdrawn()).await.expect(422);
    let log = amina.get("AuditEvent?patient=amina&subtype=operation").await.expect(200).text();
    assert!(log.contains("Practitioner/gp"), "{log}");
}

async fn who_verifies(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, gp, system) = (concord.patient("amina"), concord.user("Practitioner/gp"), concord.system());
    let place = format!("Observation/{}", amina.create(&blood_pressure("amina", 150)).await);
    let verify = format!("{place}/$verify");
    let unused = concord.patient("callum").post("Observation/none/$verify", &version(1)).await.expect(404);
    for (app, status) in [
        (concord.nobody(), 401),
        (amina.clone(), 403),
        (concord.user("RelatedPerson/yusuf"), 403),
        (concord.patient("callum"), 404),
        (concord.user("Practitioner/former"), 404),
        (concord.user("Practitioner/gp-elsewhere"), 404),
        (concord.user_with("Practitioner/gp", "user/Observation.rs"), 403),
        (system.clone(), 403),
    ] {
        let refused = app.post(&verify, &version(1)).await.expect(status);
        assert!(status != 404 || refused.body == unused.body);
    }
    // Not by who looks at it in an emergency only.
    let ask = concord.user("Practitioner/gp-elsewhere").get(&place);
    ask.header("X-Purpose-Of-Use", "BTG").header("X-Purpose-Reason", "found unconscious at home").await.expect(200);
    let ask = concord.user("Practitioner/gp-elsewhere").post(&verify, &version(1));
    ask.header("X-Purpose-Of-Use", "BTG").header("X-Purpose-Reason", "found unconscious at home").await.expect(403);
    assert_eq!(gp.post(&verify, &json!({"resourceType": "Parameters"})).await.expect(400).issues()[0].0, "value");
    gp.post(&verify, &version(2)).await.expect(409);
    let own = gp.create(&blood_pressure("amina", 149)).await;
    gp.post(&format!("Observation/{own}/$verify"), &version(1)).await.expect(422);
    assert_eq!(codes(&amina.get(&place).await.expect(200).json()), ["PATAST"], "nothing has changed");
    // Two verify; one takes it back; the patient cannot.
    system.store(&people::care_team(&["Practitioner/gp", "Practitioner/former"])).await;
    let other = concord.user("Practitioner/former");
    gp.post(&verify, &version(1)).await.expect(200);
    other.post(&verify, &version(1)).await.expect(200);
    gp.post(&verify, &withdrawn()).await.expect(200);
    assert_eq!(codes(&amina.get(&place).await.expect(200).json()), ["PATAST", "CLINAST"]);
    let label = json!({"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": {"security": [
        {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "CLINAST"}]}}]});
    amina.post(&format!("{place}/$meta-delete"), &label).await.expect(403);
    // Nor does she give herself one.
    let second = format!("Observation/{}", amina.create(&blood_pressure("amina", 140)).await);
    amina.post(&format!("{second}/$meta-add"), &label).await.expect(200);
    assert_eq!(codes(&amina.get(&second).await.expect(200).json()), ["PATAST"]);
}

async fn what_is_said_anew_is_not_verified(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, gp) = (concord.patient("amina"), concord.user("Practitioner/gp"));
    let place = format!("Observation/{}", amina.create(&blood_pressure("amina", 150)).await);
    let verify = format!("{place}/$verify");
    gp.post(&verify, &version(1)).await.expect(200);
    let seen = amina.get(&place).await.expect(200).json();
    // The same once more, as it was shown, is no new version.
    amina.put(&place, &seen).await.expect(200);
    assert_eq!(codes(&gp.get(&place).await.expect(200).json()), ["PATAST", "CLINAST"]);
    let label = json!({"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": {"tag": [
        {"system": "urn:x", "code": "mine"}]}}]});
    amina.post(&format!("{place}/$meta-add"), &label).await.expect(200);
    assert_eq!(codes(&gp.get(&place).await.expect(200).json()), ["PATAST", "CLINAST"], "a tag says nothing anew");
    let changed = with(amina.get(&place).await.expect(200).json(), "note", json!([{"text": "it was another day"}]));
    amina.put(&place, &changed).await.expect(200);
    assert_eq!(codes(&gp.get(&place).await.expect(200).json()), ["PATAST"]);
    let none = gp.get("Observation?patient=amina&_security=CLINAST").await.expect(200).ids();
    assert!(none.is_empty());
    // Its Provenance still tells of the version that was verified.
    let verified = gp.get(&format!("Provenance?target={place}&agent-type=verifier")).await.expect(200).matches();
    assert_eq!(text(&verified[0], "/target/0/reference"), format!("{place}/_history/1"));
    gp.post(&verify, &version(1)).await.expect(409);
}
