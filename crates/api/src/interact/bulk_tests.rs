//! A load holds back what it stores and looks many resources up at once: what comes of it must be what comes of storing
//! one after the other.

use std::cell::RefCell;
use std::sync::Arc;

use concord_fhir::json::{self, Limits, Value};

use super::bulk::{attempt, load};
use super::search_tests::{on_each, open_with};
use super::{Call, Concord};
use crate::store::statement::Sql;

fn value(text: &str) -> Value<'static> {
    json::parse(text.as_bytes(), &Limits::default()).unwrap().into_owned()
}

fn patient(id: &str) -> Value<'static> {
    value(&format!(r#"{{"resourceType":"Patient","id":"{id}","active":true}}"#))
}

fn weight(id: &str, patient: &str, kilograms: u32) -> Value<'static> {
    value(&format!(
        r#"{{"resourceType":"Observation","id":"{id}","status":"final","code":{{"coding":[{{"system":"http://loinc.org",
        "code":"29463-7"}}]}},"subject":{{"reference":"Patient/{patient}"}},"effectiveDateTime":"2025-01-01",
        "valueQuantity":{{"value":{kilograms},"system":"http://unitsofmeasure.org","code":"kg"}}}}"#
    ))
}

fn team(patient: &str) -> Value<'static> {
    value(&format!(
        r#"{{"resourceType":"CareTeam","id":"team-{patient}","status":"active",
        "subject":{{"reference":"Patient/{patient}"}},"participant":[{{"member":{{"reference":"Practitioner/gp"}}}}]}}"#
    ))
}

/// What two databases have in common that hold the same: all but row numbers and times.
async fn told(concord: &Concord) -> Vec<String> {
    let asked = [
        "SELECT CAST(r.type AS TEXT) || ' ' || r.id || ' ' || r.version || ' ' || r.method || ' ' || r.deleted || ' ' || \
         r.patients || ' ' || p.id || ' ' || r.labels || ' ' || length(r.body) FROM resource r JOIN patient p ON p.key = \
         r.patient ORDER BY r.type, r.id",
        "SELECT CAST(h.type AS TEXT) || ' ' || h.id || ' ' || h.version || ' ' || length(h.body) FROM history h ORDER BY \
         h.type, h.id, h.version",
        "SELECT CAST(r.type AS TEXT) || ' ' || r.id || ' ' || e.parameter || ' ' || e.position || ' ' || p.id || ' ' || \
         e.key || ' ' || coalesce(CAST(e.low AS TEXT), '-') FROM entry e JOIN resource r ON r.rid = e.resource JOIN \
         patient p ON p.key = e.patient WHERE e.parameter <> -1 ORDER BY r.type, r.id, e.parameter, e.position",
        "SELECT CAST(count(*) AS TEXT) FROM audit",
    ];
    let (lines, ()) = concord
        .store
        .read(move |transaction| {
            let lines: Vec<String> =
                asked.into_iter().flat_map(|sql| transaction.texts(Sql::new(sql)).unwrap()).collect();
            (Ok((lines, ())), Vec::new())
        })
        .await
        .unwrap();
    lines
}

/// Everything that makes a load go on without holding back: what comes before its patient, comes twice, changes what came
/// in the same load, changes who has access, and is there already.
fn mixed() -> Vec<Value<'static>> {
    let mut all = vec![weight("early", "a", 60), patient("a"), weight("early", "a", 61), patient("a"), team("a")];
    for number in 0..40 {
        all.push(weight(&format!("w{number}"), if number % 3 == 0 { "a" } else { "b" }, 50 + number));
    }
    all.extend([patient("b"), weight("w7", "b", 99), weight("w7", "b", 99), team("b"), weight("late", "a", 70)]);
    all
}

#[tokio::test]
async fn a_load_stores_what_one_after_the_other_would() {
    let together = RefCell::new(Vec::new());
    for held in [true, false] {
        let number = RefCell::new(0);
        let together = &together;
        let number = &number;
        on_each(async |concord| {
            let values = Arc::new(mixed());
            for _ in 0..2 {
                let results = attempt(&concord, &Call::import(), &values, !held).await.unwrap().unwrap();
                assert!(results.iter().all(Result::is_ok), "{results:?}");
            }
            let told = told(&concord).await;
            assert!(told.len() > 300, "{}", told.len());
            if held {
                together.borrow_mut().push(told);
            } else {
                assert_eq!(told, together.borrow()[*number.borrow()]);
            }
            *number.borrow_mut() += 1;
        })
        .await;
    }
}

#[tokio::test]
async fn what_is_refused_in_a_load_takes_nothing_with_it() {
    on_each(async |concord| {
        let concord = open_with(&concord, |concord| concord.check_nhs_numbers = true);
        let wrong = value(
            r#"{"resourceType":"Patient","id":"lost","identifier":[{"system":"https://fhir.nhs.uk/Id/nhs-number",
            "value":"9000000008"}]}"#,
        );
        let values = vec![patient("a"), weight("one", "a", 60), wrong, weight("two", "a", 62), patient("lost")];
        let results = load(&concord, Call::import(), values).await.unwrap();
        let fared: Vec<bool> = results.iter().map(Result::is_ok).collect();
        assert_eq!(fared, [true, true, false, true, true], "{results:?}");
        let told = told(&concord).await;
        assert!(told.iter().any(|line| line.contains(" lost 1 ")), "{told:?}");
        assert!(told.iter().any(|line| line.contains(" two 1 ")), "{told:?}");
    })
    .await;
}
