//! Histories of an instance, a type and the system: paged, from a time on, and as of a time.

use concord_tests::client::text;
use concord_tests::people::{self, blood_pressure, with};
use concord_tests::{Concord, on_both};
use serde_json::{Value, json};

on_both! {
    pages_have_every_version_once, since_and_at, a_page_holds_while_others_write, a_history_shows_what_the_caller_may_see
}

/// Which version of what: `Observation/1 2`.
fn versions(entries: &[Value]) -> Vec<String> {
    let etag = |entry: &Value| text(entry, "/response/etag").trim_start_matches("W/").trim_matches('"').to_owned();
    entries
        .iter()
        .map(|entry| format!("{} {}", text(entry, "/fullUrl").replace("http://concord.test/fhir/", ""), etag(entry)))
        .collect()
}

fn note(id: &str, text: &str) -> Value {
    json!({"resourceType": "Basic", "id": id, "code": {"text": text}})
}

async fn pages_have_every_version_once(concord: &Concord) {
    let system = concord.system();
    for round in 0..5 {
        // Two of them at the same millisecond.
        for id in ["a", "b"] {
            system.store(&note(id, &format!("round {round}"))).await;
        }
        concord.later(1);
    }
    let of_type: Vec<String> =
        (1..=5).rev().flat_map(|version| ["b", "a"].map(|id| format!("Basic/{id} {version}"))).collect();
    let of_a: Vec<String> = (1..=5).rev().map(|version| format!("Basic/a {version}")).collect();
    for count in [1, 2, 3, 4, 10, 11] {
        for (place, wanted) in [("Basic/_history", &of_type), ("_history", &of_type), ("Basic/a/_history", &of_a)] {
            let entries = system.entries(&format!("{place}?_count={count}")).await;
            let mut found = versions(&entries);
            let updated: Vec<&str> = entries.iter().map(|entry| text(entry, "/response/lastModified")).collect();
            assert!(updated.is_sorted_by(|newer, older| newer >= older), "{place} {count}: {updated:?}");
            assert_eq!(found.len(), wanted.len(), "{place} {count}: {found:?}");
            let mut wanted = wanted.clone();
            found.sort();
            wanted.sort();
            assert_eq!(found, wanted, "{place} {count}");
        }
    }
    let page = system.get("Basic/_history?_count=3").await.expect(200);
    assert_eq!(page.entries().len(), 3);
    // Told where it costs nothing: when there is one page.
    assert_eq!(page.json().get("total"), None);
    assert_eq!(system.get("Basic/_history?_count=0").await.json().get("total"), None);
    assert_eq!(system.get("Basic/_history").await.expect(200).json()["total"], 10);
    assert_eq!(system.get("Basic/a/_history").await.expect(200).json()["total"], 5);
    let next = page.link("next").expect("a next page");
    // Other histories have other cursors, and a cursor is nobody else's.
    let cursor = next.split("_cursor=").nth(1).expect("a cursor");
    for place in [format!("Basic/a/_history?_cursor={cursor}"), format!("_history?_cursor={cursor}")] {
        system.get(&place).await.expect(400).issues();
    }
    concord.patient("amina").get(&next).await.expect(400).issues();
    system.get("Basic/_history?_cursor=AAAA").await.expect(400).issues();
    system.get("Basic/_history?code=x").await.expect(400).issues();
    system.get("Basic/_history?_since=yesterday").await.expect(400).issues();
    system.get("Basic/_history?_count=many").await.expect(400).issues();
    system.get("Basic/none/_history").await.expect(404).issues();
}

async fn since_and_at(concord: &Concord) {
    let system = concord.system();
    // At 12:00:00, 12:01:00 and 12:02:00; deleted at 12:03:00.
    for version in 1..=3 {
        system.store(&note("a", &format!("version {version}"))).await;
        concord.later(60_000);
    }
    system.delete("Basic/a").await.expect(204);
    let all = ["Basic/a 4", "Basic/a 3", "Basic/a 2", "Basic/a 1"];
    for (parameter, wanted) in [
        ("", &all[..]),
        ("_since=2026-12-01T12:00:00Z", &all),
        ("_since=2026-12-01T13:01:00%2B01:00", &all[..3]),
        ("_since=2026-12-01T12:01:00.001Z", &all[..2]),
        ("_since=2026-12-02", &[]),
        ("_since=2026", &all),
        ("_at=2026-12-01T12:01:30Z", &all[2..3]),
        ("_at=2026-12-01T12:02:00Z", &all[1..2]),
        ("_at=2026-12-01T12:03:00Z", &all[..1]),
        ("_at=2026-12-01T11:00:00Z", &[]),
        // At some time of that day each of them was current.
        ("_at=2026-12-01", &all),
        ("_at=2026-11-30", &[]),
    ] {
        for place in ["Basic/a/_history", "Basic/_history", "_history"] {
            let found = system.get(&format!("{place}?{parameter}")).await.expect(200);
            assert_eq!(versions(&found.entries()), wanted, "{place}?{parameter}");
        }
    }
    let pages = system.entries("Basic/_history?_since=2026-12-01T12:01:00Z&_count=1").await;
    assert_eq!(versions(&pages), all[..3]);
}

/// A version that is superseded between two pages is neither lost nor told twice, also when many share a millisecond.
async fn a_page_holds_while_others_write(concord: &Concord) {
    let system = concord.system();
    let ids: Vec<String> = (0..8).map(|number| format!("n{number}")).collect();
    for id in &ids {
        system.store(&note(id, "first")).await;
    }
    concord.later(1_000);
    for place in ["Basic/_history", "_history"] {
        let mut found = Vec::new();
        let mut next = Some(format!("{place}?_count=2&_at=2026-12-01T12:00:00Z"));
        let mut turn = 0;
        while let Some(link) = next {
            let page = system.get(&link).await.expect(200);
            found.extend(versions(&page.entries()));
            next = page.link("next");
            // Whatever has been told or not is written over.
            for id in &ids {
                system.store(&note(id, &format!("{place} {turn}"))).await;
            }
            turn += 1;
            concord.later(1);
        }
        found.sort();
        let wanted: Vec<String> = ids.iter().map(|id| format!("Basic/{id} 1")).collect();
        assert_eq!(found, wanted, "{place}");
    }
}

async fn a_history_shows_what_the_caller_may_see(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let callum = concord.patient("callum");
    // What a system loads, the system labels; how her own entries are labelled is the patient's to decide.
    let own = concord.system().create(&blood_pressure("amina", 120)).await;
    let other = callum.create(&blood_pressure("callum", 121)).await;
    let shown = |entries: Vec<Value>| -> Vec<String> { versions(&entries) };
    for place in ["Observation/_history", "_history"] {
        let seen = shown(amina.entries(place).await);
        assert!(seen.contains(&format!("Observation/{own} 1")), "{place}: {seen:?}");
        assert!(
            !seen.iter().any(|entry| entry.contains(&other) || entry.contains("Patient/callum")),
            "{place}: {seen:?}"
        );
        let seen = shown(concord.user("Practitioner/gp").entries(place).await);
        assert!(seen.contains(&format!("Observation/{own} 1")), "{place}: {seen:?}");
        assert!(!seen.iter().any(|entry| entry.contains(&other)), "{place}: {seen:?}");
        let seen = shown(concord.user("Practitioner/gp-elsewhere").entries(place).await);
        assert!(!seen.iter().any(|entry| entry.starts_with("Observation/")), "{place}: {seen:?}");
    }
    callum.get(&format!("Observation/{own}/_history")).await.expect(404).issues();
    callum.get(&format!("Observation/{own}/_history/1")).await.expect(404).issues();

    // A label that hides the resource now hides its past, and one that hid a version in the past goes on hiding that.
    let system = concord.system();
    let place = format!("Observation/{own}");
    let stored = system.get(&place).await.expect(200).json();
    let labelled = |code: &str| {
        let label = json!([{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": code}]);
        with(stored.clone(), "meta", json!({"security": label}))
    };
    concord.later(1_000);
    system.store(&labelled("NOPAT")).await;
    amina.get(&place).await.expect(404).issues();
    amina.get(&format!("{place}/_history/1")).await.expect(404).issues();
    amina.get(&format!("{place}/_history")).await.expect(404).issues();
    assert!(!shown(amina.entries("Observation/_history").await).iter().any(|entry| entry.contains(&own)));
    concord.later(1_000);
    // An update that leaves a label out does not take it away: that is an act of its own.
    let labels = json!([{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "NOPAT"}]);
    let parameters =
        json!({"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": {"security": labels}}]});
    system.post(&format!("{place}/$meta-delete"), &parameters).await.expect(200);
    amina.get(&place).await.expect(200);
    amina.get(&format!("{place}/_history/1")).await.expect(200);
    amina.get(&format!("{place}/_history/2")).await.expect(404).issues();
    let seen = shown(amina.entries(&format!("{place}/_history")).await);
    assert_eq!(seen, [format!("{place} 3"), format!("{place} 1")]);
}
