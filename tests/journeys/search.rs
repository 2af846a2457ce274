//! Search: what matches, how it is paged, and what a search tells about what the caller may not see.

use concord_tests::client::{Method, text};
use concord_tests::people::{self, blood_pressure, with};
use concord_tests::{Concord, on_both};
use serde_json::{Value, json};

on_both! {
    dates_and_their_prefixes, tokens_references_and_the_compartment, pages_hold_while_others_write, sorted_pages, cursors,
    parameters_that_are_not_known, by_post, totals_and_limits, by_what_is_hidden, by_value_set_and_by_words, explained,
    too_much
}

fn at(when: &str) -> Value {
    with(blood_pressure("amina", 120), "effectiveDateTime", json!(when))
}

async fn dates_and_their_prefixes(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let mut ids = Vec::new();
    for when in ["2026-01-31", "2026-02-01T00:00:00Z", "2026-02-01T23:30:00+01:00", "2026-02-02T08:00:00Z", "2026-03"] {
        ids.push(amina.create(&at(when)).await);
    }
    for (query, wanted) in [
        ("date=2026-02-01", &[1, 2][..]),
        ("date=eq2026-02-01", &[1, 2]),
        ("date=2026-02", &[1, 2, 3]),
        ("date=2026", &[0, 1, 2, 3, 4]),
        ("date=ne2026-02-01", &[0, 3, 4]),
        ("date=lt2026-02-01", &[0]),
        ("date=le2026-02-01", &[0, 1, 2]),
        ("date=gt2026-02-01", &[3, 4]),
        ("date=ge2026-02-02", &[3, 4]),
        ("date=sa2026-02-02", &[4]),
        ("date=eb2026-02-01", &[0]),
        ("date=ge2026-02-01&date=lt2026-02-02", &[1, 2]),
        ("date=2026-02-01,2026-02-02", &[1, 2, 3]),
        ("date=2026-02-01T22:30:00Z", &[2]),
        ("date=2026-03-15", &[]),
        ("date=ge2026-02-02T08:00:01Z", &[4]),
        ("date:missing=true", &[]),
        ("date:missing=false", &[0, 1, 2, 3, 4]),
    ] {
        let mut found = amina.get(&format!("Observation?{query}")).await.expect(200).ids();
        found.sort();
        let mut wanted: Vec<String> = wanted.iter().map(|place| ids[*place].clone()).collect();
        wanted.sort();
        assert_eq!(found, wanted, "{query}");
    }
    for wrong in ["date=2026-13", "date=tomorrow", "date=xx2026", "date=", "date=ge", "date:missing=perhaps"] {
        amina.get(&format!("Observation?{wrong}")).await.expect(400).issues();
    }
}

async fn tokens_references_and_the_compartment(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, system) = (concord.patient("amina"), concord.system());
    let pressure = amina.create(&blood_pressure("amina", 120)).await;
    let coded = |code: &str, system: &str| json!({"coding": [{"system": system, "code": code}]});
    let weight = amina.create(&with(blood_pressure("amina", 1), "code", coded("29463-7", "http://loinc.org"))).await;
    let other = concord.patient("callum").create(&blood_pressure("callum", 125)).await;
    let reference = "http://concord.test/fhir/Patient/amina";
    let both = [&pressure, &weight];
    for (query, wanted) in [
        ("code=85354-9", vec![&pressure, &other]),
        ("code=http://loinc.org|85354-9", vec![&pressure, &other]),
        ("code=http://snomed.info/sct|85354-9", vec![]),
        ("code=|85354-9", vec![]),
        ("code=http://loinc.org|", vec![&pressure, &weight, &other]),
        ("code=85354-9,29463-7&patient=amina", both.to_vec()),
        ("code:not=85354-9&patient=amina", vec![&weight]),
        ("code=85354-9&code=29463-7", vec![]),
        ("patient=amina", both.to_vec()),
        ("patient=Patient/amina", both.to_vec()),
        (&format!("subject={reference}"), both.to_vec()),
        ("subject:Patient=amina", both.to_vec()),
        ("patient=amina,callum", vec![&pressure, &weight, &other]),
        ("patient=nobody", vec![]),
        ("status=final&category=vital-signs&patient=callum", vec![&other]),
        ("performer=Patient/callum", vec![&other]),
        (&format!("_id={pressure},{other}"), vec![&pressure, &other]),
        (&format!("_id={pressure}&patient=callum"), vec![]),
        ("_lastUpdated=2026-12-01", vec![&pressure, &weight, &other]),
        ("_lastUpdated=lt2026-12-01", vec![]),
        ("combo-code=8480-6&patient=callum", vec![&other]),
    ] {
        let sorted = |mut ids: Vec<String>| {
            ids.sort();
            ids
        };
        let found = sorted(system.get(&format!("Observation?{query}")).await.expect(200).ids());
        assert_eq!(found, sorted(wanted.iter().map(|id| (*id).clone()).collect()), "{query}");
        let own = sorted(amina.get(&format!("Observation?{query}")).await.expect(200).ids());
        let seen = wanted.iter().filter(|id| **id != &other).map(|id| (*id).clone()).collect();
        assert_eq!(own, sorted(seen), "{query} as Amina");
    }
}

/// Each entry is told once, whatever is written between the pages.
async fn pages_hold_while_others_write(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let mut ids = Vec::new();
    for number in 0..12 {
        ids.push(amina.create(&blood_pressure("amina", 100 + number)).await);
        concord.later(i64::from(number % 2));
    }
    for order in ["", "&_sort=date", "&_sort=-date", "&_sort=_id", "&_sort=code,-date"] {
        let mut found = Vec::new();
        let mut deleted = Vec::new();
        let mut next = Some(format!("Observation?patient=amina&status=final&_count=3{order}"));
        while let Some(link) = next {
            let page = amina.get(&link).await.expect(200);
            assert!(page.ids().len() <= 3);
            found.extend(page.ids());
            next = page.link("next");
            // One is added, one that has been told is deleted, and one that has been told is changed.
            amina.create(&with(blood_pressure("amina", 150), "status", json!("preliminary"))).await;
            let told: Vec<String> = page.ids();
            if let [first, second, ..] = told.as_slice() {
                let place = format!("Observation/{second}");
                let current = amina.get(&place).await.expect(200).json();
                let note = json!([{"text": format!("{order} {}", found.len())}]);
                amina.put(&place, &with(current, "note", note)).await.expect(200);
                if order.is_empty() && deleted.len() < 2 {
                    amina.delete(&format!("Observation/{first}")).await.expect(204);
                    deleted.push(first.clone());
                }
            }
        }
        let mut wanted = ids.clone();
        wanted.sort();
        let count = found.len();
        found.sort();
        found.dedup();
        assert_eq!(found.len(), count, "{order}: nothing is told twice");
        assert_eq!(found, wanted, "{order}");
        ids.retain(|id| !deleted.contains(id));
    }
}

async fn sorted_pages(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let mut wanted = Vec::new();
    for (day, status) in [(3, "final"), (1, "amended"), (2, "final"), (1, "final"), (3, "amended")] {
        let reading = with(at(&format!("2026-05-0{day}")), "status", json!(status));
        wanted.push((day, status, amina.create(&reading).await));
        concord.later(1_000);
    }
    let ids = |order: &[usize]| -> Vec<String> { order.iter().map(|place| wanted[*place].2.clone()).collect() };
    for (sort, order) in [
        ("date", ids(&[1, 3, 2, 0, 4])),
        ("-date", ids(&[0, 4, 2, 1, 3])),
        ("status,date", ids(&[1, 4, 3, 2, 0])),
        ("status,-date", ids(&[4, 1, 0, 2, 3])),
        ("-status,-date", ids(&[0, 2, 3, 4, 1])),
        ("_lastUpdated", ids(&[0, 1, 2, 3, 4])),
        ("-_lastUpdated", ids(&[4, 3, 2, 1, 0])),
        ("-date,-_lastUpdated", ids(&[4, 0, 2, 3, 1])),
    ] {
        for count in [1, 2, 5] {
            let entries = amina.entries(&format!("Observation?_sort={sort}&_count={count}")).await;
            let found: Vec<&str> = entries.iter().map(|entry| text(entry, "/resource/id")).collect();
            assert_eq!(found, order, "{sort} {count}");
        }
    }
    for wrong in ["_sort=nonsense", "_sort=", "_sort=date,date", "_sort=date&_sort=-date"] {
        amina.get(&format!("Observation?{wrong}")).await.expect(400).issues();
    }
}

async fn cursors(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, callum) = (concord.patient("amina"), concord.patient("callum"));
    for number in 0..3 {
        amina.create(&blood_pressure("amina", 100 + number)).await;
        callum.create(&blood_pressure("callum", 100 + number)).await;
    }
    let page = amina.get("Observation?patient=amina&_count=1").await.expect(200);
    let next = page.link("next").expect("a next page");
    assert!(next.starts_with("http://concord.test/fhir/Observation?"), "{next}");
    amina.get(&next).await.expect(200);
    // The same on another node.
    concord.another_node().await.patient("amina").get(&next).await.expect(200);
    let cursor = next.split("_cursor=").nth(1).and_then(|rest| rest.split('&').next()).expect("a cursor");
    let mut forged: Vec<u8> = cursor.bytes().collect();
    let middle = forged.len() / 2;
    forged[middle] = if forged[middle] == b'A' { b'B' } else { b'A' };
    let forged = String::from_utf8(forged).expect("letters");
    for (app, place) in [
        // Somebody else's, also that of a professional who may see the record, and of another app of hers.
        (&callum, next.clone()),
        (&concord.user("Practitioner/gp"), next.clone()),
        (&concord.system(), next.clone()),
        // Another search's.
        (&amina, format!("Observation?patient=amina&status=final&_count=1&_cursor={cursor}")),
        (&amina, format!("Observation?patient=amina&_sort=date&_count=1&_cursor={cursor}")),
        (&amina, format!("Goal?patient=amina&_count=1&_cursor={cursor}")),
        (&amina, next.replace(cursor, &forged)),
        (&amina, next.replace(cursor, "")),
        (&amina, next.replace(cursor, "AAAA")),
        (&amina, format!("{next}&_cursor={cursor}")),
    ] {
        let refused = app.get(&place).await.expect(400);
        assert!(refused.issues()[0].2.contains("_cursor"), "{refused}");
    }
    // A cursor holds a position, not a permission.
    let gp = concord.user("Practitioner/gp");
    let next = gp.get("Observation?patient=amina&_count=1").await.expect(200).link("next").expect("a next page");
    assert_eq!(gp.get(&next).await.expect(200).ids().len(), 1);
    concord.system().store(&people::care_team(&["Practitioner/former"])).await;
    let after = gp.get(&next).await.expect(200);
    assert!(after.ids().is_empty() && after.link("next").is_none(), "{after}");
}

async fn parameters_that_are_not_known(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let id = amina.create(&blood_pressure("amina", 120)).await;
    // What is known to R4 and not done here is refused: without it the answer would be more than was asked for.
    for refused in ["code:sounds-like=x", "_query=x", "_contained=true", "_score=x", "subject.identifier:in=x"] {
        amina.get(&format!("Observation?{refused}")).header("prefer", "handling=lenient").await.expect(400).issues();
    }
    for unknown in ["colour=red", "_colour=red", "subjct=Patient/callum"] {
        let place = format!("Observation?{unknown}&status=final");
        let strict = amina.get(&place).header("prefer", "handling=strict").await.expect(400);
        assert!(!strict.issues()[0].2.is_empty());
        let lenient = amina.get(&place).header("prefer", "handling=lenient").await.expect(200);
        assert_eq!(lenient.ids(), [id.as_str()], "{unknown}");
        let this = lenient.link("self").expect("a self link");
        assert!(this.contains("status=final") && !this.contains("colour") && !this.contains("subjct"), "{this}");
        let entries = lenient.entries();
        let remark = entries.iter().find(|entry| text(entry, "/search/mode") == "outcome").expect("a remark");
        assert_eq!(text(remark, "/resource/resourceType"), "OperationOutcome");
        let name = unknown.split('=').next().expect("a name");
        assert!(remark.to_string().contains(name), "{remark}");
    }
    let known = amina.get("Observation?status=final").header("prefer", "handling=strict").await.expect(200);
    assert_eq!(known.ids(), [id.as_str()]);
}

async fn by_post(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let id = amina.create(&blood_pressure("amina", 120)).await;
    amina.create(&with(blood_pressure("amina", 130), "status", json!("amended"))).await;
    let form = "application/x-www-form-urlencoded";
    let post = |place: &str, body: &'static str| amina.ask(Method::POST, place).body(form, body);
    assert_eq!(
        post("Observation/_search", "status=final&patient=Patient%2Famina").await.expect(200).ids(),
        [id.as_str()]
    );
    assert_eq!(post("Observation/_search?patient=amina", "status=final").await.expect(200).ids(), [id.as_str()]);
    assert_eq!(post("Observation/_search", "").await.expect(200).ids().len(), 2);
    let page = post("Observation/_search", "patient=amina&_count=1").await.expect(200);
    assert_eq!(amina.get(&page.link("next").expect("a next page")).await.expect(200).ids().len(), 1);
    post("Observation/_search", "status=").await.expect(400).issues();
}

async fn totals_and_limits(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    for number in 0..3 {
        amina.create(&blood_pressure("amina", 100 + number)).await;
        concord.patient("callum").create(&blood_pressure("callum", 100)).await;
    }
    for (query, total, entries) in [
        ("_total=accurate&_count=1", Some(3), 1),
        ("_total=estimate&_count=2", Some(3), 2),
        ("_total=none&_count=2", None, 2),
        ("_count=2", None, 2),
        ("_count=0", Some(3), 0),
        ("_summary=count", Some(3), 0),
        ("_count=100000&_total=accurate", Some(3), 3),
    ] {
        let page = amina.get(&format!("Observation?{query}")).await.expect(200);
        assert_eq!(page.json().get("total").and_then(Value::as_u64), total, "{query}");
        assert_eq!(page.ids().len(), entries, "{query}");
        if entries == 0 {
            assert!(page.link("next").is_none(), "{query}");
        }
    }
    let codes: Vec<String> = (0..1_000).map(|number| number.to_string()).collect();
    let many = amina.get(&format!("Observation?code={}", codes.join(","))).await;
    assert!([200, 400].contains(&many.status), "{many}");
    for wrong in ["_count=-1", "_count=x", "_total=perhaps", "_count=1&_count=2", "_summary=maybe"] {
        amina.get(&format!("Observation?{wrong}")).await.expect(400).issues();
    }
}

/// No parameter, sort or total lets a caller feel for what is hidden.
async fn by_what_is_hidden(concord: &Concord) {
    people::arrive(concord).await;
    let id = concord.patient("amina").create(&blood_pressure("amina", 120)).await;
    for app in [
        concord.patient("callum"),
        concord.user("Practitioner/gp-elsewhere"),
        concord.user("Practitioner/former"),
        concord.user("RelatedPerson/neighbour"),
    ] {
        for query in [
            "",
            "patient=amina",
            "subject=Patient/amina&_total=accurate",
            "_total=accurate",
            "_summary=count",
            "_sort=-date&_total=accurate",
            &format!("_id={id}&_total=accurate"),
            "code:not=nothing&_total=accurate",
            "performer=Patient/amina&_total=accurate",
            "date:missing=false&_total=accurate",
        ] {
            let found = app.get(&format!("Observation?{query}")).await.expect(200);
            assert!(found.ids().is_empty(), "{query}");
            let total = found.json().get("total").and_then(Value::as_u64).unwrap_or_default();
            assert_eq!(total, 0, "{query}");
            assert!(!found.text().contains(&id) || query.contains(&id), "{query}");
        }
    }
}

async fn by_value_set_and_by_words(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let pressure = amina.create(&blood_pressure("amina", 120)).await;
    let note = json!([{"text": "Taken in the garden"}]);
    let coded = json!({"coding": [{"system": "http://loinc.org", "code": "29463-7"}]});
    let weight = amina.create(&with(with(blood_pressure("amina", 70), "code", coded), "note", note)).await;
    concord.patient("callum").create(&blood_pressure("callum", 125)).await;
    let set = |id: &str, codes: &[&str]| {
        let concepts: Vec<Value> = codes.iter().map(|code| json!({"code": code})).collect();
        json!({"resourceType": "ValueSet", "id": id, "url": format!("https://example.org/vs/{id}"), "status": "active",
            "compose": {"include": [{"system": "http://loinc.org", "concept": concepts}]}})
    };
    concord.system().store(&set("pressures", &["85354-9", "8480-6"])).await;
    for (query, wanted) in [
        ("code:in=https://example.org/vs/pressures", &pressure),
        ("code:in=ValueSet/pressures", &pressure),
        ("code:not-in=https://example.org/vs/pressures", &weight),
        ("_content=GARDEN", &weight),
        ("_content=85354", &pressure),
    ] {
        let found = amina.get(&format!("Observation?{query}&_total=accurate")).await.expect(200);
        assert_eq!(found.ids(), [wanted.as_str()], "{query}");
        assert_eq!(found.json()["total"], 1, "{query}");
        assert!(concord.patient("nobody").get(&format!("Observation?{query}")).await.expect(200).ids().is_empty());
    }
    let missing = amina.get("Observation?code:in=https://example.org/vs/none").await.expect(400);
    assert!(missing.issues()[0].2.contains("`code`"), "{missing}");
    // A condition is one as well.
    let place = "Observation?code:in=ValueSet/pressures&patient=amina";
    amina.put(place, &with(blood_pressure("amina", 121), "status", json!("amended"))).await.expect(200);
}

async fn explained(concord: &Concord) {
    people::arrive(concord).await;
    concord.patient("amina").create(&blood_pressure("amina", 120)).await;
    let search = "Observation?patient=amina&_sort=-date&_include=Observation:subject&_explain=true";
    let answer = concord.system().get(search).await.expect(200);
    let outcome =
        answer.entries().into_iter().find(|entry| text(entry, "/search/mode") == "outcome").expect("an outcome");
    for part in ["predicate: ", "Observation.patient", "sql: SELECT", "plan: "] {
        assert!(outcome.to_string().contains(part), "{part}: {outcome}");
    }
    assert!(answer.link("self").expect("a link").contains("_explain=true"));
    for app in [concord.patient("amina"), concord.user("Practitioner/gp"), concord.user("RelatedPerson/yusuf")] {
        let refused = app.get(search).await.expect(403);
        assert!(refused.issues()[0].2.contains("_explain"), "{refused}");
    }
}

/// Each limit says which parameter it is about, where it is about one.
async fn too_much(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let long = "x".repeat(9_000);
    let parameters = "code=1&".repeat(101);
    let values = "1,".repeat(200);
    let deep = "part-of.".repeat(7);
    let nested = "(".repeat(12);
    let words = "word%20".repeat(21);
    for (search, code, name) in [
        (format!("Observation?code={long}"), "too-long", "`code`"),
        (format!("Observation?code={long}{long}"), "too-long", ""),
        (format!("Observation?{parameters}"), "too-costly", ""),
        (format!("Observation?code={values}1"), "too-costly", "`code`"),
        (format!("Encounter?{deep}_id=x"), "too-costly", "part-of"),
        (format!("Observation?_filter={nested}code%20eq%201"), "too-costly", "`_filter`"),
        (format!("Observation?_content={words}"), "too-costly", "`_content`"),
        ("Observation?_sort=code-value-quantity".to_owned(), "not-supported", "`_sort`"),
        ("Observation?code:below=85354-9".to_owned(), "value", "`code:below`"),
        ("AuditEvent?_sort=agent".to_owned(), "value", "_sort"),
    ] {
        let refused = amina.get(&search).await.expect(400);
        let shown: String = search.chars().take(60).collect();
        let (found, _, words) = refused.issues().remove(0);
        assert_eq!(found, code, "{shown}: {words}");
        assert!(words.contains(name), "{shown}: {words}");
    }
}
