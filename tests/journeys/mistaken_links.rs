//! Links that nobody meant: what a program writes when it has no id, the id that an entry does not get, and names of entries that
//! there are not.

use concord_tests::client::{Method, text};
use concord_tests::people::{self, blood_pressure, with};
use concord_tests::{Answer, App, Concord, on_both};
use serde_json::{Value, json};

on_both! {
    what_a_program_writes_for_want_of_an_id, such_an_id_may_be_there, hidden_is_as_missing, what_never_changes_has_no_such_links,
    an_id_that_an_entry_does_not_get, urns_that_nobody_can_open
}

const WORDS: [&str; 6] = ["undefined", "null", "NaN", "None", "nil", "[object Object]"];
const URN: &str = "urn:uuid:0c3201bd-1cbf-4d64-b04d-cd9187a4c6e0";
const OTHER: &str = "urn:uuid:0c3201bd-1cbf-4d64-b04d-cd9187a4c6e1";

/// A reading of Amina's with an extension.
fn extended(name: &str, value: Value) -> Value {
    let mut extension = json!({"url": "http://x.example"});
    extension[name] = value;
    with(blood_pressure("amina", 120), "extension", json!([extension]))
}

fn document(url: &str) -> Value {
    json!({"resourceType": "DocumentReference", "status": "current", "subject": {"reference": "Patient/amina"},
        "content": [{"attachment": {"url": url}}]})
}

fn narrated(tag: &str) -> Value {
    let div = format!("<div xmlns=\"http://www.w3.org/1999/xhtml\">x{tag}</div>");
    with(blood_pressure("amina", 120), "text", json!({"status": "generated", "div": div}))
}

/// An address in every kind of element that leads somewhere, with the place at which it is.
fn everywhere(name: &str, id: &str) -> Vec<(Value, &'static str)> {
    let address = format!("{name}/{id}");
    let reference = json!({"reference": address});
    let mut all = vec![
        (with(blood_pressure("amina", 120), "derivedFrom", json!([reference])), "Observation.derivedFrom[0]"),
        (
            extended("valueReference", json!({"reference": format!("http://concord.test/fhir/{address}/_history/1")})),
            "Observation.extension[0].valueReference",
        ),
    ];
    // Blanks are in no url.
    if !id.contains(' ') {
        all.extend([
            (document(&format!("{address}#page=2")), "DocumentReference.content[0].attachment"),
            (extended("valueUri", json!(address)), "Observation.extension[0].valueUri"),
            (
                extended("valueUrl", json!(format!("http://concord.test/fhir/{address}"))),
                "Observation.extension[0].valueUrl",
            ),
            (extended("valueCanonical", json!(format!("{address}|2"))), "Observation.extension[0].valueCanonical"),
            (narrated(&format!("<a href=\"{address}\">y</a>")), "Observation.text.div"),
            (narrated(&format!("<img src=\"{address}\" alt=\"y\"/>")), "Observation.text.div"),
        ]);
    }
    all
}

/// What can be no id is refused as such.
fn is_malformed(word: &str) -> bool {
    word.contains(' ')
}

fn entry(method: &str, url: &str, resource: &Value) -> Value {
    json!({"request": {"method": method, "url": url}, "resource": resource})
}

async fn send(app: &App, kind: &str, entries: &[Value]) -> Answer {
    app.post("", &json!({"resourceType": "Bundle", "type": kind, "entry": entries})).await
}

/// Refused for everybody, wherever it stands and however it comes.
async fn what_a_program_writes_for_want_of_an_id(concord: &Concord) {
    people::arrive(concord).await;
    let apps = [concord.system(), concord.patient("amina"), concord.system_with("system/*.c")];
    for word in WORDS {
        for (resource, place) in everywhere("Binary", word).into_iter().chain(everywhere("Observation", word)) {
            let name = text(&resource, "/resourceType").to_owned();
            for app in &apps {
                let alone = app.post(&name, &resource).await.expect(422).issues();
                assert_eq!(alone[0].1, place, "{resource}");
                let batch = send(app, "batch", &[entry("POST", &name, &resource)]).await.expect(200).entries();
                assert_eq!(text(&batch[0], "/response/outcome/issue/0/expression/0"), place, "{}", batch[0]);
            }
            let told = send(&apps[0], "transaction", &[entry("POST", &name, &resource)]).await.expect(422).issues();
            let checked = apps[0].post(&format!("{name}/$validate"), &resource).await.expect(200).issues();
            assert!(
                is_malformed(word) || checked.iter().any(|(code, at, _)| code == "not-found" && at == place),
                "{checked:?}"
            );
            assert_eq!(told[0].1, format!("Bundle.entry[0].resource.{}", place.split_once('.').expect("a place").1));
        }
    }
    // In whose record it would be is a word of a program too.
    for subject in ["Patient/undefined", "http://concord.test/fhir/Patient/null"] {
        let reading = with(blood_pressure("amina", 120), "subject", json!({"reference": subject}));
        for app in &apps {
            let refused = app.post("Observation", &reading).await.expect(422).issues();
            assert_eq!(refused[0].1, "Observation.subject");
            assert!(refused[0].2.contains("has no id"), "{refused:?}");
        }
    }
    // An address that is nothing else.
    for url in ["undefined", "null", "http://concord.test/fhir/NaN", "undefined#page=2"] {
        for app in &apps {
            let refused = app.post("DocumentReference", &document(url)).await.expect(422).issues();
            assert_eq!(refused[0].1, "DocumentReference.content[0].attachment", "{url}");
        }
    }
    // By PUT and by a patch.
    let id = apps[0].create(&blood_pressure("amina", 120)).await;
    let place = format!("Observation/{id}");
    let wrong = with(
        with(blood_pressure("amina", 120), "id", json!(id)),
        "derivedFrom",
        json!([{"reference": "Observation/NaN"}]),
    );
    let patch = json!([{"op": "add", "path": "/derivedFrom", "value": [{"reference": "Observation/NaN"}]}]).to_string();
    for refused in [
        apps[0].put(&place, &wrong).await,
        apps[0].ask(Method::PATCH, &place).body("application/json-patch+json", patch).await,
    ] {
        assert_eq!(refused.expect(422).issues()[0].1, "Observation.derivedFrom[0]");
    }
    // Elsewhere it may be anything, and so may what only looks like it.
    for url in ["https://other.example/fhir/Binary/undefined", "https://undefined", "none", "undefined.pdf"] {
        apps[0].create(&document(url)).await;
    }
}

/// A resource may bear such an id, or get it in the same transaction.
async fn such_an_id_may_be_there(concord: &Concord) {
    people::arrive(concord).await;
    let (system, amina) = (concord.system(), concord.patient("amina"));
    let binary = json!({"resourceType": "Binary", "id": "null", "contentType": "text/plain", "data": "eA==",
        "securityContext": {"reference": "Patient/amina"}});
    let both = [entry("PUT", "Binary/null", &binary), entry("POST", "DocumentReference", &document("Binary/null"))];
    send(&system, "transaction", &both).await.expect(200);
    for app in [&system, &amina] {
        app.create(&document("Binary/null")).await;
    }
    system.delete("Binary/null").await.expect(204);
    system.post("DocumentReference", &document("Binary/null")).await.expect(422);
}

/// Nobody learns from a refusal whether something is there.
async fn hidden_is_as_missing(concord: &Concord) {
    people::arrive(concord).await;
    let (system, amina) = (concord.system(), concord.patient("amina"));
    let binary = |id: &str| {
        json!({"resourceType": "Binary", "id": id, "contentType": "text/plain", "data": "eA==",
            "securityContext": {"reference": "Patient/callum"}})
    };
    system.store(&binary("undefined")).await;
    // Nor does an app learn it of what none of its scopes is about.
    for app in [&amina, &concord.system_with("system/DocumentReference.c")] {
        let told = ["undefined", "null"].map(|word| (word, document(&format!("Binary/{word}"))));
        let mut texts = Vec::new();
        for (word, resource) in told {
            let refused = app.post("DocumentReference", &resource).await.expect(422);
            texts.push(refused.text().replace(word, "WORD"));
        }
        assert_eq!(texts[0], texts[1]);
    }
}

/// What a system hands in once and for all, and what a client says of where its data is from.
async fn what_never_changes_has_no_such_links(concord: &Concord) {
    people::arrive(concord).await;
    let system = concord.system();
    let what = json!({"reference": "Observation/undefined"});
    let event = json!({"resourceType": "AuditEvent", "type": {"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "110100"},
        "recorded": "2026-11-01T10:00:00Z", "agent": [{"requestor": true, "who": {"reference": "Practitioner/gp"}}],
        "source": {"observer": {"display": "x"}}, "entity": [{"what": what}]});
    assert_eq!(system.post("AuditEvent", &event).await.expect(422).issues()[0].1, "AuditEvent.entity[0].what");
    let said = json!({"resourceType": "Provenance", "recorded": "2026-11-01T10:00:00Z",
        "agent": [{"who": {"reference": "Patient/amina"}}], "entity": [{"role": "source", "what": what}]});
    let reading = concord.patient("amina").post("Observation", &blood_pressure("amina", 120));
    let refused = reading.header("x-provenance", &said.to_string()).await.expect(422).issues();
    assert!(refused[0].1.ends_with("entity[0].what") && refused[0].2.contains("has no id"), "{refused:?}");
}

/// What is created gets an id of the server's, so that nobody can refer to it by the one that it was sent with.
async fn an_id_that_an_entry_does_not_get(concord: &Concord) {
    people::arrive(concord).await;
    let (system, amina) = (concord.system(), concord.patient("amina"));
    let watch = json!({"resourceType": "Device", "id": "temp-1", "patient": {"reference": "Patient/amina"}});
    let reading = with(blood_pressure("amina", 120), "device", json!({"reference": "Device/temp-1"}));
    let mut again = entry("POST", "Device", &watch);
    again["request"]["ifNoneExist"] = json!("identifier=urn:x|nothing");
    for device in [entry("POST", "Device", &watch), again] {
        for app in [&system, &amina] {
            let entries = [entry("POST", "Observation", &reading), device.clone()];
            let refused = send(app, "transaction", &entries).await.expect(422).issues();
            assert_eq!(refused[0].1, "Bundle.entry[0].resource.device", "{refused:?}");
            assert!(refused[0].2.contains("Bundle.entry[1]") && refused[0].2.contains("fullUrl"), "{refused:?}");
            let batch = send(app, "batch", &entries).await.expect(200).entries();
            assert!(text(&batch[0], "/response/outcome/issue/0/diagnostics").contains("fullUrl"), "{}", batch[0]);
            // As it says.
            let mut named = device.clone();
            named["fullUrl"] = json!(URN);
            let linked = with(reading.clone(), "device", json!({"reference": URN}));
            send(app, "transaction", &[entry("POST", "Observation", &linked), named]).await.expect(200);
        }
    }
    // One that is there is meant, whatever an entry was sent with.
    system.store(&watch).await;
    for app in [&system, &amina] {
        send(app, "transaction", &[entry("POST", "Observation", &reading), entry("POST", "Device", &watch)])
            .await
            .expect(200);
    }
    // And one that the entry does get.
    let own = with(watch, "id", json!("temp-2"));
    let linked = with(reading, "device", json!({"reference": "Device/temp-2"}));
    let entries = [entry("POST", "Observation", &linked), entry("PUT", "Device/temp-2", &own)];
    send(&system, "transaction", &entries).await.expect(200);
}

/// A URN in an attachment or a narrative leads nowhere unless an entry has it: it is stored with a word. In another element it may
/// be a name.
async fn urns_that_nobody_can_open(concord: &Concord) {
    people::arrive(concord).await;
    let (system, amina) = (concord.system(), concord.patient("amina"));
    let binary = json!({"resourceType": "Binary", "contentType": "text/plain", "data": "eA==",
        "securityContext": {"reference": "Patient/amina"}});
    let named = |resource: &Value| json!({"fullUrl": URN, "request": {"method": "POST", "url": "Binary"}, "resource": resource});
    for app in [&system, &amina] {
        for (url, is_told) in [(URN, false), (OTHER, true), ("URN:oid:1.2.3", true), ("urn:isbn:123", false)] {
            for (resource, place) in [
                (document(url), Some("DocumentReference.content[0].attachment")),
                (narrated(&format!("<a href=\"{url}\">y</a>")), Some("Observation.text.div")),
                (extended("valueUri", json!(url)), None),
            ] {
                let name = text(&resource, "/resourceType").to_owned();
                let wanted = place.filter(|_| is_told);
                let answer =
                    send(app, "transaction", &[named(&binary), entry("POST", &name, &resource)]).await.expect(200);
                let outcome = &answer.entries()[1]["response"]["outcome"];
                let told =
                    outcome["issue"].as_array().into_iter().flatten().filter(|issue| issue["code"] == "not-found");
                let told: Vec<_> = told.map(|issue| (text(issue, "/severity"), text(issue, "/expression/0"))).collect();
                assert_eq!(
                    told,
                    wanted.map(|place| ("warning", place)).into_iter().collect::<Vec<_>>(),
                    "{url} {answer}"
                );
                if url == URN {
                    continue;
                }
                let alone = app.post(&name, &resource).header("prefer", "return=OperationOutcome").await.expect(201);
                let found =
                    alone.json()["issue"].as_array().into_iter().flatten().any(|issue| issue["code"] == "not-found");
                assert_eq!(found, wanted.is_some(), "{url} {alone}");
            }
        }
    }
    // What a Bundle holds is among its own entries.
    let held = json!({"resourceType": "Bundle", "type": "collection", "entry": [{"fullUrl": OTHER, "resource": document(OTHER)}]});
    let stored = system.post("Bundle", &held).header("prefer", "return=OperationOutcome").await.expect(201);
    assert!(!stored.text().contains("opens this"), "{stored}");
}
