//! Every interaction on every resource type of R4, by the same generic walk.

use concord_tests::client::{Method, text};
use concord_tests::people::{with, without};
use concord_tests::server::BASE;
use concord_tests::{Answer, App, Concord, examples, on_both};
use serde_json::{Value, json};

on_both! { every_type_has_every_interaction, what_is_never_changed }

async fn every_type_has_every_interaction(concord: &Concord) {
    let system = concord.system();
    let examples = examples::smallest();
    assert_eq!(examples.len(), 145);
    for (name, example) in &examples {
        if !["AuditEvent", "Provenance"].contains(name) {
            a_life(concord, &system, name, example).await;
        }
    }
}

/// From create to delete and back.
async fn a_life(concord: &Concord, system: &App, name: &str, example: &Value) {
    let created = system.post(name, example).await.expect(201);
    let first = created.json();
    let id = text(&first, "/id").to_owned();
    assert_ne!(id, text(example, "/id"), "{name}: the server chooses the id");
    let place = format!("{name}/{id}");
    assert_eq!(created.header("location"), format!("{BASE}/{place}/_history/1"));
    is_version(&created, name, "1");
    assert_eq!(bare(&first), bare(example), "{name}");

    let read = system.get(&place).await.expect(200);
    assert_eq!(read.body, created.body, "{name}");
    assert_eq!(read.header("etag"), "W/\"1\"");

    concord.later(1_000);
    let tag = json!([{"system": "urn:test", "code": "changed"}]);
    let changed = with(first.clone(), "meta", with(first["meta"].clone(), "tag", tag));
    let updated = system.put(&place, &changed).await.expect(200);
    is_version(&updated, name, "2");
    assert_eq!(updated.header("location"), "");
    assert_eq!(system.get(&format!("{place}/_history/1")).await.expect(200).body, created.body, "{name}");
    assert_eq!(system.get(&format!("{place}/_history/2")).await.expect(200).body, updated.body, "{name}");
    assert_eq!(system.get(&format!("{place}/_history/3")).await.status, 404);
    let found = system.get(&format!("{name}?_id={id}&_tag=urn:test|changed")).await.expect(200);
    assert_eq!(found.ids(), [id.as_str()], "{name}");

    concord.later(1_000);
    let deleted = system.delete(&place).await.expect(204);
    assert_eq!(deleted.header("etag"), "W/\"3\"");
    assert_eq!(system.delete(&place).await.expect(204).header("etag"), "", "{name}: deleting again does nothing");
    system.get(&place).await.expect(410).issues();
    system.get(&format!("{place}/_history/3")).await.expect(410).issues();
    assert_eq!(system.get(&format!("{place}/_history/2")).await.expect(200).body, updated.body);
    assert!(system.get(&format!("{name}?_id={id}")).await.expect(200).ids().is_empty(), "{name}");

    concord.later(1_000);
    let back = system.put(&place, &first).await.expect(201);
    is_version(&back, name, "4");

    let told = |entries: &[Value]| -> Vec<(String, String, String)> {
        let entries = entries.iter().filter(|entry| text(entry, "/fullUrl") == format!("{BASE}/{place}"));
        entries
            .map(|entry| {
                let parts =
                    ["/request/method", "/request/url", "/response/status"].map(|at| text(entry, at).to_owned());
                let [method, url, status] = parts;
                (method, url, status)
            })
            .collect()
    };
    let wanted = [("PUT", &*place, "201"), ("DELETE", &place, "204"), ("PUT", &place, "200"), ("POST", name, "201")]
        .map(|(method, url, status)| (method.to_owned(), url.to_owned(), status.to_owned()));
    for history in [format!("{place}/_history"), format!("{name}/_history")] {
        let bundle = system.get(&history).await.expect(200);
        assert_eq!(text(&bundle.json(), "/type"), "history");
        assert_eq!(told(&bundle.entries()), wanted, "{history}");
    }
}

/// AuditEvent and Provenance say what happened: handed in by systems, changed by nobody.
async fn what_is_never_changed(concord: &Concord) {
    let system = concord.system();
    let examples = examples::smallest();
    for name in ["AuditEvent", "Provenance"] {
        let example = &examples[name];
        let created = system.post(name, example).await.expect(201);
        let stored = created.json();
        let place = format!("{name}/{}", text(&stored, "/id"));
        is_version(&created, name, "1");
        let read = system.get(&place).await.expect(200);
        assert_eq!(read.body, created.body);
        assert_eq!(system.get(&format!("{place}/_history/1")).await.expect(200).body, created.body);
        for history in [format!("{place}/_history"), format!("{name}/_history?_count=1000")] {
            if name == "AuditEvent" {
                // An event has one version, and the log is searched.
                system.get(&history).await.expect(405).issues();
            } else {
                let entries = system.get(&history).await.expect(200).entries();
                assert!(entries.iter().any(|entry| entry["resource"] == stored), "{history}");
            }
        }

        for app in [&system, &concord.patient("amina"), &concord.user("Practitioner/gp")] {
            for refused in [
                app.put(&place, &stored).await,
                app.delete(&place).await,
                app.ask(Method::PATCH, &place).await,
                app.put(&format!("{name}?_id=1"), &stored).await,
                app.delete(&format!("{name}?_id=1")).await,
            ] {
                let refused = refused.expect(405);
                refused.issues();
                assert!(refused.header("allow").contains("GET"), "{refused}");
            }
        }
        for app in [concord.patient("amina"), concord.user("Practitioner/gp")] {
            app.post(name, &without(example.clone(), "id")).await.expect(403).issues();
        }
        assert_eq!(system.get(&place).await.expect(200).body, created.body);
    }
}

/// The headers of a version that was written.
fn is_version(answer: &Answer, name: &str, version: &str) {
    let resource = answer.json();
    let place = format!("{BASE}/{name}/{}/_history/{version}", text(&resource, "/id"));
    assert_eq!(answer.header("content-location"), place);
    assert_eq!(answer.header("etag"), format!("W/\"{version}\""));
    assert_eq!(text(&resource, "/meta/versionId"), version);
    assert!(answer.header("last-modified").ends_with(" GMT"), "{answer}");
    assert_eq!(answer.header("content-type"), "application/fhir+json; charset=utf-8");
}

/// The resource without what the server puts in.
fn bare(resource: &Value) -> Value {
    let mut meta = resource.get("meta").cloned().unwrap_or_else(|| json!({}));
    for stamped in ["versionId", "lastUpdated"] {
        meta = without(meta, stamped);
    }
    let rest = without(without(resource.clone(), "id"), "meta");
    if meta == json!({}) { rest } else { with(rest, "meta", meta) }
}
