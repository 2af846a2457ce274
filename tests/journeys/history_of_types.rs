//! The history of a type and that of everything tell of each version what its address and the history of its resource tell:
//! of what is hidden, was hidden, has lost its label, was deleted or has left the record, to everybody alike.

use std::collections::BTreeSet;

use concord_tests::client::text;
use concord_tests::people::{blood_pressure, with};
use concord_tests::{App, Concord, on_both};
use serde_json::{Value, json};

use crate::protection_follows::relabel;
use crate::protection_is_inherited::{cast, encounter, hidden_from_both};

on_both! { each_version_is_told_alike, a_label_that_comes_later_hides_what_was_before, what_left_is_told_where_it_was }

const READINGS: [&str; 9] = [
    "plain",
    "plain-deleted",
    "hidden",
    "hidden-deleted",
    "hidden-later",
    "hidden-later-deleted",
    "inherits-deleted",
    "restored",
    "released",
];

fn reading(id: &str) -> Value {
    with(blood_pressure("amina", 120), "id", json!(id))
}

fn amended(id: &str) -> Value {
    with(reading(id), "status", json!("amended"))
}

/// Versions with and without labels, deleted and not.
async fn stored(concord: &Concord) {
    let system = concord.system();
    system.store(&encounter("visit", json!({}))).await;
    for id in ["plain", "plain-deleted", "hidden-later", "hidden-later-deleted"] {
        system.store(&reading(id)).await;
        system.store(&amended(id)).await;
    }
    for id in ["hidden", "hidden-deleted", "restored", "released"] {
        system.store(&with(reading(id), "meta", hidden_from_both())).await;
        system.store(&with(amended(id), "meta", hidden_from_both())).await;
    }
    for id in ["hidden-later", "hidden-later-deleted"] {
        system.store(&with(reading(id), "meta", hidden_from_both())).await;
    }
    let during = json!({"reference": "Encounter/visit"});
    system.store(&with(reading("inherits-deleted"), "encounter", during.clone())).await;
    system.store(&with(amended("inherits-deleted"), "encounter", during)).await;
    system.store(&with(encounter("visit", json!({})), "meta", hidden_from_both())).await;
    for id in ["plain-deleted", "hidden-deleted", "hidden-later-deleted", "inherits-deleted", "restored"] {
        system.delete(&format!("Observation/{id}")).await.expect(204);
    }
    system.store(&with(reading("restored"), "meta", hidden_from_both())).await;
    for code in ["NOPAT", "SEX"] {
        relabel(&system, "Observation/released", "$meta-delete", code).await;
    }
}

/// Which versions of these the entries of a history tell of: `id/version`.
fn told(entries: &[Value], ids: &[&str]) -> BTreeSet<String> {
    let version = |entry: &Value| text(entry, "/response/etag").trim_start_matches("W/").trim_matches('"').to_owned();
    let of = |entry: &Value| text(entry, "/fullUrl").rsplit('/').next().unwrap_or_default().to_owned();
    let is_one =
        |entry: &&Value| text(entry, "/fullUrl").contains("/Observation/") && ids.contains(&of(entry).as_str());
    entries.iter().filter(is_one).map(|entry| format!("{}/{}", of(entry), version(entry))).collect()
}

/// The versions that somebody is told of, which are the same whichever way they are asked for; what is not told is answered as
/// what there never was.
async fn shown(app: &App, ids: &[&str]) -> BTreeSet<String> {
    let mut by_address = BTreeSet::new();
    let mut by_resource = BTreeSet::new();
    for id in ids {
        let own = app.get(&format!("Observation/{id}/_history?_count=100")).await;
        if own.status == 200 {
            by_resource.extend(told(&own.entries(), ids));
        } else {
            let never = app.get("Observation/never-was/_history?_count=100").await;
            assert_eq!((own.status, own.issues()), (never.status, never.issues()), "{id}");
        }
        for number in 1..=6 {
            let version = app.get(&format!("Observation/{id}/_history/{number}")).await;
            match version.status {
                200 | 410 => {
                    by_address.insert(format!("{id}/{number}"));
                }
                status => assert_eq!(status, 404, "{id}/{number}"),
            }
        }
    }
    assert_eq!(by_resource, by_address, "the history of each");
    for way in ["Observation/_history", "_history"] {
        for count in [1_000, 3] {
            let entries = app.entries(&format!("{way}?_count={count}")).await;
            assert_eq!(told(&entries, ids), by_address, "{way} in pages of {count}");
        }
        let page = app.get(&format!("{way}?_count=1000")).await.expect(200);
        assert_eq!(page.json()["total"], json!(page.entries().len()), "{way}: the number tells of no more");
    }
    by_address
}

fn set(versions: &[&str]) -> BTreeSet<String> {
    versions.iter().map(|one| (*one).to_owned()).collect()
}

async fn each_version_is_told_alike(concord: &Concord) {
    let (amina, nurse) = cast(concord).await;
    stored(concord).await;
    let open = set(&["plain/1", "plain/2", "plain-deleted/1", "plain-deleted/2", "plain-deleted/3"]);
    for app in [&amina, &nurse] {
        let shown = shown(app, &READINGS).await;
        let rest: BTreeSet<&String> = shown.difference(&open).collect();
        assert!(open.is_subset(&shown), "{shown:?}");
        assert!(rest.iter().all(|one| one.starts_with("released/")), "{rest:?}");
    }
    for app in [&concord.patient("callum"), &concord.user("Practitioner/gp-elsewhere")] {
        assert_eq!(shown(app, &READINGS).await, set(&[]));
    }
    // Whatever her carer is let see, it is nothing of what she is not shown.
    let seen = shown(&concord.user("RelatedPerson/yusuf"), &READINGS).await;
    assert!(seen.is_subset(&shown(&amina, &READINGS).await), "{seen:?}");
}

/// What was told before is told no more, and is told again when the label goes.
async fn a_label_that_comes_later_hides_what_was_before(concord: &Concord) {
    let (amina, nurse) = cast(concord).await;
    let system = concord.system();
    let ids = ["early", "early-deleted"];
    for id in ids {
        system.store(&reading(id)).await;
        system.store(&amended(id)).await;
    }
    relabel(&system, "Observation/early", "$meta-add", "SEX").await;
    relabel(&amina, "Observation/early-deleted", "$meta-add", "SEX").await;
    system.delete("Observation/early-deleted").await.expect(204);
    assert_eq!(shown(&nurse, &ids).await, set(&[]));
    let hers = shown(&amina, &ids).await;
    assert!(hers.contains("early/1") && hers.contains("early-deleted/3"), "{hers:?}");
    relabel(&system, "Observation/early", "$meta-delete", "SEX").await;
    let again = shown(&nurse, &ids).await;
    assert!(again.contains("early/1") && again.contains("early/2"), "{again:?}");
    assert!(again.iter().all(|one| one.starts_with("early/")), "{again:?}");
}

/// Of a device that has come to be somebody else's, each of two patients is told what it was of theirs, deleted or not.
async fn what_left_is_told_where_it_was(concord: &Concord) {
    cast(concord).await;
    let system = concord.system();
    let device = |patient: &str, meta: Value| {
        json!({"resourceType": "Device", "id": "cuff", "patient": {"reference": format!("Patient/{patient}")}, "meta": meta,
            "lotNumber": format!("of-{patient}")})
    };
    system.store(&device("amina", json!({"tag": [{"system": "urn:x", "code": "x"}]}))).await;
    system.store(&device("amina", hidden_from_both())).await;
    system.store(&device("callum", json!({"tag": [{"system": "urn:x", "code": "y"}]}))).await;
    system.delete("Device/cuff").await.expect(204);
    for way in ["Device/cuff/_history", "Device/_history", "_history"] {
        let hers = concord.patient("amina").get(&format!("{way}?_count=1000")).await;
        assert!(!hers.text().contains("Device/cuff"), "it was hidden when it left: {way} {}", hers.text());
        let his = concord.patient("callum").get(&format!("{way}?_count=1000")).await;
        assert!(!his.text().contains("of-amina"), "{way}: {}", his.text());
    }
}
