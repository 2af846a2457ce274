//! What is hidden leaves no trace: every way to ask is answered alike before and after there is something hidden to find,
//! and differently to whoever may see it.

use concord_tests::client::{Answer, Ask, Method, text};
use concord_tests::people::{self, blood_pressure, with};
use concord_tests::{App, Concord, on_both};
use serde_json::{Value, json};

on_both! {
    answers_are_the_same_with_and_without, conditions_see_nothing_hidden, references_to_what_is_hidden, older_labels,
    what_is_kept_from_the_patient, encounters_that_are_hidden
}

const ACT: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";

/// A reading with an identifier and a label.
fn reading(id: &str, labels: &[&str]) -> Value {
    let security: Vec<Value> = labels.iter().map(|code| json!({"system": ACT, "code": code})).collect();
    let mut reading = with(
        with(blood_pressure("amina", 199), "id", json!(id)),
        "identifier",
        json!([
        {"system": "urn:secret", "value": id}]),
    );
    reading["code"] = json!({"coding": [{"system": "urn:code", "code": "secret"}]});
    reading["effectiveDateTime"] = json!("2020-01-01");
    if !security.is_empty() {
        reading["meta"] = json!({"security": security});
    }
    reading
}

/// Everybody may know that the open one is there.
async fn cast(concord: &Concord) -> App {
    people::arrive(concord).await;
    let system = concord.system();
    system.store(&json!({"resourceType": "Practitioner", "id": "nurse", "name": [{"family": "Brown"}]})).await;
    system.store(&people::care_team(&["Practitioner/gp", "Practitioner/nurse"])).await;
    system.store(&with(blood_pressure("amina", 120), "id", json!("open"))).await;
    concord.user("Practitioner/nurse")
}

/// What is derived from the secret one, and is as secret.
async fn derive(concord: &Concord) {
    let from = json!([{"reference": "Observation/secret"}]);
    let derived = with(with(blood_pressure("amina", 121), "id", json!("derived")), "derivedFrom", from);
    concord.system().store(&derived).await;
}

const PROBES: [&str; 36] = [
    "Observation/secret",
    "Observation/secret/_history",
    "Observation/secret/_history/1",
    "Observation/secret/_history/2",
    "Observation/secret/$meta",
    "Observation?patient=amina",
    "Observation?patient=amina&_total=accurate&_count=1",
    "Observation?patient=amina&_summary=count",
    "Observation?patient=amina&_count=1&_sort=date",
    "Observation?patient=amina&_count=1&_sort=-date",
    "Observation?patient=amina&_sort=code",
    "Observation?_id=secret",
    "Observation?identifier=urn:secret|secret",
    "Observation?code=urn:code|secret&_total=accurate",
    "Observation?code:not=urn:code|other&_total=accurate",
    "Observation?component-value-quantity=199",
    "Observation?date=2020-01-01",
    "Observation?date:missing=false&_total=accurate",
    "Observation?_security=http://terminology.hl7.org/CodeSystem/v3-ActCode|MH",
    "Observation?derived-from:Observation.code=urn:code|secret",
    "Observation?patient=amina&_include=Observation:derived-from",
    "Observation?_filter=code eq urn:code|secret",
    "Patient?_has:Observation:patient:code=urn:code|secret",
    "Patient?_has:Observation:patient:component-value-quantity=199",
    "Patient?_id=amina&_revinclude=Observation:patient",
    "?_type=Observation,Condition&_total=accurate",
    "Patient/amina/Observation?_total=accurate",
    "Patient/amina/*?_type=Observation",
    "Observation/_history",
    "_history?_count=1000",
    "Observation/_history?_since=2020-01-01T00:00:00Z",
    "Provenance?target=Observation/secret",
    "Provenance?_total=accurate",
    "Provenance?target:Observation.code=urn:code|secret",
    "AuditEvent?entity=Observation/secret",
    "Consent/$evaluate?patient=Patient/amina&actor=SELF&resource=Observation/secret",
];

/// What an answer says, without what differs from one request to the next.
pub(crate) fn said(answer: &Answer) -> String {
    let body = answer.text();
    let mut parts = body.split("_cursor=");
    let mut said = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        said.push_str("_cursor=");
        said.push_str(part.trim_start_matches(|character: char| character != '"' && character != '&'));
    }
    format!("{} {} {} {said}", answer.status, answer.header("etag"), answer.header("last-modified"))
}

async fn asked(app: &App, own: &str) -> Vec<String> {
    let mut all = Vec::new();
    for probe in PROBES {
        let place = probe.replace("SELF", own);
        all.push(said(&app.get(&place).await));
        all.push(said(&app.get(&place).header("if-none-match", "W/\"2\"").await));
        let head = app.ask(Method::HEAD, &place).await;
        all.push(format!("{} {}", head.status, head.header("content-length")));
    }
    all
}

async fn answers_are_the_same_with_and_without(concord: &Concord) {
    let nurse = cast(concord).await;
    let (amina, system) = (concord.patient("amina"), concord.system());
    let before = (asked(&nurse, "Practitioner/nurse").await, asked(&amina, "Patient/amina").await);
    // First without its label and then with it, and its Provenance.
    let target = json!({"resourceType": "Provenance", "target": [{"reference": "Observation/secret"}],
        "recorded": "2026-12-01T12:00:00Z", "agent": [{"who": {"reference": "Practitioner/gp"}}]});
    system.store(&reading("secret", &[])).await;
    system.store(&reading("secret", &["MH"])).await;
    derive(concord).await;
    system.create(&target).await;
    let after = (asked(&nurse, "Practitioner/nurse").await, asked(&amina, "Patient/amina").await);
    for (place, (before, after)) in before.0.iter().zip(&after.0).enumerate() {
        assert_eq!(before, after, "{}", PROBES[place / 3]);
    }
    // To whom it is not hidden each of them tells of it.
    for (place, (before, after)) in before.1.iter().zip(&after.1).enumerate().filter(|(place, _)| place % 3 == 0) {
        assert_ne!(before, after, "{}", PROBES[place / 3]);
    }
    // Not even when it goes away again.
    system.delete("Observation/secret").await.expect(204);
    let gone = asked(&nurse, "Practitioner/nurse").await;
    assert_eq!(gone, before.0);
}

fn changed(app: &App, place: &str) -> Ask {
    app.put(place, &with(people::without(reading("secret", &[]), "identifier"), "status", json!("amended")))
}

async fn conditions_see_nothing_hidden(concord: &Concord) {
    let nurse = cast(concord).await;
    let system = concord.system();
    for id in ["one", "two", "three"] {
        system.store(&reading(id, &["MH"])).await;
    }
    system.store(&reading("secret", &["MH"])).await;
    let mine = |id: &str| people::without(reading(id, &[]), "id");
    let create = |app: &App, id: &str| {
        app.post("Observation", &mine(id)).header("if-none-exist", &format!("identifier=urn:secret|{id}"))
    };
    // As if there were none: a new one. To whom it is not hidden, it is the one that matches.
    let control = create(&system, "one").await.expect(200);
    assert_eq!(text(&control.json(), "/id"), "one");
    let made = create(&nurse, "one").await.expect(201);
    assert!(text(&made.json(), "/id") != "one" && !made.text().contains("MH"), "{made}");
    let control = system.put("Observation?identifier=urn:secret|two", &mine("two")).await.expect(200);
    assert_eq!(text(&control.json(), "/id"), "two");
    let made = nurse.put("Observation?identifier=urn:secret|three", &mine("three")).await.expect(201);
    assert_ne!(text(&made.json(), "/id"), "three");
    nurse.delete("Observation?identifier=urn:secret|secret").await.expect(204);
    assert_eq!(system.get("Observation/secret").await.expect(200).header("etag"), "W/\"1\"");
    // Changes of what is hidden are answered as those of what is not there.
    let missing = with(people::without(reading("nothing", &[]), "identifier"), "status", json!("amended"));
    for if_match in ["W/\"1\"", "W/\"2\"", "*"] {
        let hidden = changed(&nurse, "Observation/secret").header("if-match", if_match).await;
        let nothing = nurse.put("Observation/nothing", &missing).header("if-match", if_match).await;
        assert_eq!((hidden.status, hidden.text()), (404, nothing.text()));
        let hidden = nurse.delete("Observation/secret").header("if-match", if_match).await;
        let nothing = nurse.delete("Observation/nothing").header("if-match", if_match).await;
        assert_eq!((hidden.status, hidden.text()), (404, nothing.text()));
    }
    changed(&system, "Observation/secret").header("if-match", "W/\"7\"").await.expect(412);
    let meta = json!({"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": {
        "security": [{"system": ACT, "code": "MH"}]}}]});
    for operation in ["$meta-add", "$meta-delete"] {
        let hidden = nurse.post(&format!("Observation/secret/{operation}"), &meta).await.expect(404);
        assert_eq!(hidden.body, nurse.post(&format!("Observation/nothing/{operation}"), &meta).await.body);
    }
    // In a transaction too: by condition, by reference and by read.
    for (url, body) in
        [("Observation/ID", None), ("Observation?_id=ID", None), ("Observation", Some("Observation?_id=ID"))]
    {
        let told = async |id: &str| {
            let mut entry = json!({"request": {"method": "GET", "url": url.replace("ID", id)}});
            if let Some(reference) = body {
                let from = json!([{"reference": reference.replace("ID", id)}]);
                let derived = with(blood_pressure("amina", 121), "derivedFrom", from);
                entry = json!({"request": {"method": "POST", "url": url}, "resource": derived});
            }
            let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": [entry]});
            said(&nurse.post("/fhir", &bundle).await).replace(id, "ID")
        };
        assert_eq!(told("secret").await, told("nothing").await, "{url}");
    }
}

async fn references_to_what_is_hidden(concord: &Concord) {
    let nurse = cast(concord).await;
    concord.system().store(&reading("secret", &["MH"])).await;
    let from = |id: &str| {
        with(blood_pressure("amina", 121), "derivedFrom", json!([{"reference": format!("Observation/{id}")}]))
    };
    let hidden = nurse.post("Observation", &from("secret")).await.expect(422);
    let nothing = nurse.post("Observation", &from("nothing")).await.expect(422);
    assert_eq!(hidden.text().replace("secret", "ID"), nothing.text().replace("nothing", "ID"));
    concord.patient("amina").post("Observation", &from("secret")).await.expect(201);
    let about = |id: &str| {
        json!({"resourceType": "Communication", "status": "completed",
        "subject": {"reference": "Patient/amina"}, "about": [{"reference": format!("Observation/{id}")}]})
    };
    let hidden = nurse.post("Communication", &about("secret")).await;
    let nothing = nurse.post("Communication", &about("nothing")).await;
    assert_eq!((hidden.status, nothing.status), (404, 404));
    assert_eq!(hidden.text().replace("secret", "ID"), nothing.text().replace("nothing", "ID"));
}

async fn older_labels(concord: &Concord) {
    let nurse = cast(concord).await;
    let (amina, system) = (concord.patient("amina"), concord.system());
    // Labelled once and no more, and the other way about.
    for labels in [&["MH"][..], &[]] {
        system.store(&reading("was", labels)).await;
    }
    for labels in [&[][..], &["MH"]] {
        system.store(&reading("is", labels)).await;
    }
    let meta = json!({"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": {
        "security": [{"system": ACT, "code": "MH"}]}}]});
    // What another wrote keeps its label until it is taken away in so many words.
    nurse.get("Observation/was").await.expect(200);
    for (way, status) in [
        ("Observation/was/_history/1", 404),
        ("Observation/was/_history/2", 200),
        ("Observation/is", 404),
        ("Observation/is/_history/1", 404),
        ("Observation/is/_history/2", 404),
        ("Observation/is/_history", 404),
    ] {
        nurse.get(way).await.expect(status);
        amina.get(way).await.expect(200);
    }
    let versions = |entries: Vec<Value>| {
        let name = |entry: &Value| text(entry, "/resource/meta/versionId").to_owned();
        entries.iter().map(name).collect::<Vec<_>>()
    };
    assert_eq!(versions(nurse.entries("Observation/was/_history").await), ["2"]);
    assert_eq!(versions(amina.entries("Observation/was/_history").await), ["2", "1"]);
    system.post("Observation/is/$meta-delete", &meta).await.expect(200);
    assert_eq!(versions(nurse.entries("Observation/is/_history").await), ["3", "1"]);
}

/// The patient herself learns nothing of what is not for her, nor do her app and her carer.
async fn what_is_kept_from_the_patient(concord: &Concord) {
    cast(concord).await;
    let (amina, son) = (concord.patient("amina"), concord.user("RelatedPerson/yusuf"));
    let before = (asked(&amina, "Patient/amina").await, asked(&son, "RelatedPerson/yusuf").await);
    let gp = asked(&concord.user("Practitioner/gp"), "Practitioner/gp").await;
    concord.system().store(&reading("secret", &["NOPAT"])).await;
    concord.system().store(&with(reading("secret", &["NOPAT"]), "status", json!("amended"))).await;
    derive(concord).await;
    let after = (asked(&amina, "Patient/amina").await, asked(&son, "RelatedPerson/yusuf").await);
    for (place, (before, after)) in before.0.iter().zip(&after.0).enumerate() {
        // Her log tells her that a system wrote into her record, and no more.
        if !PROBES[place / 3].starts_with("AuditEvent") {
            assert_eq!(before, after, "{}", PROBES[place / 3]);
        }
    }
    assert_eq!(before.1, after.1);
    assert_ne!(gp[0], asked(&concord.user("Practitioner/gp"), "Practitioner/gp").await[0]);
}

/// Data inherits the labels of its encounter. Whoever may not see the encounter does not learn from that whether it is
/// there.
async fn encounters_that_are_hidden(concord: &Concord) {
    cast(concord).await;
    let system = concord.system();
    let encounter = |id: &str, labels: &[&str]| {
        let security: Vec<Value> = labels.iter().map(|code| json!({"system": ACT, "code": code})).collect();
        json!({"resourceType": "Encounter", "id": id, "status": "finished", "class": {"code": "AMB"},
            "subject": {"reference": "Patient/amina"}, "meta": {"security": security}})
    };
    system.store(&encounter("secret", &["NOPAT"])).await;
    system.store(&encounter("known", &["N"])).await;
    let during = |id: &str| {
        let encounter = json!({"reference": format!("Encounter/{id}")});
        with(blood_pressure("amina", 121), "encounter", encounter)
    };
    let about = |id: &str| {
        let focus = json!([{"reference": format!("Encounter/{id}/_history/1")}]);
        with(blood_pressure("amina", 122), "focus", focus)
    };
    let of_consent = |id: &str| {
        let mut consent = people::consent("active", "RelatedPerson/yusuf", &["access"], &["Observation"]);
        consent["provision"]["data"] =
            json!([{"meaning": "instance", "reference": {"reference": format!("Encounter/{id}")}}]);
        consent
    };
    let amina = concord.patient("amina");
    let own = amina.create(&during("known")).await;
    let moved = |id: &str| with(during(id), "id", json!(own));
    let bundle = |id: &str| {
        json!({"resourceType": "Bundle", "type": "transaction", "entry": [
            {"resource": during(id), "request": {"method": "POST", "url": "Observation"}}]})
    };
    let patch =
        |id: &str| json!([{"op": "replace", "path": "/encounter/reference", "value": format!("Encounter/{id}")}]);
    let place = format!("Observation/{own}");
    for (of, status) in [("secret", 422), ("nothing", 422), ("known", 201)] {
        amina.post("Observation", &during(of)).await.expect(status);
        amina.post("Observation", &about(of)).await.expect(status);
    }
    for ask in 0..6 {
        let asked = async |id: &str| {
            let answer = match ask {
                0 => amina.post("Observation", &during(id)).await,
                1 => amina.post("Observation", &about(id)).await,
                2 => amina.post("Consent", &of_consent(id)).await,
                3 => amina.put(&place, &moved(id)).await,
                4 => amina.post("", &bundle(id)).await,
                _ => {
                    let media = "application/json-patch+json";
                    amina.ask(Method::PATCH, &place).body(media, patch(id).to_string()).await
                }
            };
            (answer.status, answer.text().replace(id, "ID"))
        };
        assert_eq!(asked("secret").await, asked("nothing").await, "{ask}");
        assert!(matches!(asked("known").await.0, 200 | 201), "{ask}");
    }
    // Who sees the encounter may write into it.
    concord.user("Practitioner/gp").post("Observation", &during("secret")).await.expect(201);
}
