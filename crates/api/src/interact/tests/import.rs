//! A load buffers what it stores and looks many resources up at once: what comes of it must be what comes of storing
//! one after the other.

use std::cell::RefCell;
use std::sync::Arc;

use concord_fhir::json::{self, Limits, Value};
use concord_fhir::predicate::Predicate;
use concord_fhir::registry::ResourceType;
use concord_store::StoreError;

use crate::interact::maintenance::import::{attempt, load};
use crate::interact::maintenance::reindex::everything;
use crate::interact::tests::search::{on_each, open_with};
use crate::interact::{Call, Service};

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
async fn contents(service: &Service) -> Vec<String> {
    service.store.read(|transaction| (Ok::<_, StoreError>(transaction.contents()), Vec::new())).await.unwrap()
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
    for buffered in [true, false] {
        let number = RefCell::new(0);
        let together = &together;
        let number = &number;
        on_each(async |service| {
            let values = Arc::new(mixed());
            for _ in 0..2 {
                let results = attempt(&service, &Call::import(), &values, !buffered).await.unwrap().unwrap();
                assert!(results.iter().all(Result::is_ok), "{results:?}");
            }
            let stored = contents(&service).await;
            assert!(stored.len() > 300, "{}", stored.len());
            if buffered {
                together.borrow_mut().push(stored);
            } else {
                assert_eq!(stored, together.borrow()[*number.borrow()]);
            }
            *number.borrow_mut() += 1;
        })
        .await;
    }
}

#[tokio::test]
async fn what_is_refused_in_a_load_takes_nothing_with_it() {
    on_each(async |service| {
        let service = open_with(&service, |settings| settings.check_nhs_numbers = true);
        let wrong = value(
            r#"{"resourceType":"Patient","id":"lost","identifier":[{"system":"https://fhir.nhs.uk/Id/nhs-number",
            "value":"9000000008"}]}"#,
        );
        let values = vec![patient("a"), weight("one", "a", 60), wrong, weight("two", "a", 62), patient("lost")];
        let results = load(&service, Call::import(), values).await.unwrap();
        let fared: Vec<bool> = results.iter().map(Result::is_ok).collect();
        assert_eq!(fared, [true, true, false, true, true], "{results:?}");
        let stored = contents(&service).await;
        assert!(stored.iter().any(|line| line.contains(" lost 1 ")), "{stored:?}");
        assert!(stored.iter().any(|line| line.contains(" two 1 ")), "{stored:?}");
    })
    .await;
}

/// What names its patient by a number is in the record, wherever in the load the Patient stands, and stays there when the
/// index is made anew.
#[tokio::test]
async fn what_a_load_names_by_a_number_is_filed() {
    on_each(async |service| {
        let numbered = |id: &str, number: &str| {
            value(&format!(
                r#"{{"resourceType":"Observation","id":"{id}","status":"final","code":{{"text":"x"}},
                "subject":{{"identifier":{{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"{number}"}}}}}}"#
            ))
        };
        let bearing = value(
            r#"{"resourceType":"Patient","id":"late","identifier":[{"system":"https://fhir.nhs.uk/Id/nhs-number",
            "value":"9434765919"}]}"#,
        );
        let mut values = vec![numbered("lost", "9000000009")];
        values.extend((0..30).map(|number| numbered(&format!("o{number}"), "9434765919")));
        values.push(bearing.clone());
        let results = load(&service, Call::import(), values.clone()).await.unwrap();
        let fared: Vec<bool> = results.iter().map(Result::is_ok).collect();
        assert!(!fared[0] && fared[1..].iter().all(|fared| *fared), "{results:?}");
        for _ in 0..2 {
            let found = of_patient(&service, "late").await;
            assert_eq!(found, 30, "and the Patient");
            while everything(&service).await.unwrap().is_some() {}
        }
        // Another Patient of that number is refused, and takes nothing with it.
        let other = value(&json::to_string(&bearing).replace("late", "other"));
        let results =
            load(&service, Call::import(), vec![patient("x"), other, numbered("p", "9434765919")]).await.unwrap();
        let fared: Vec<bool> = results.iter().map(Result::is_ok).collect();
        assert_eq!(fared, [true, false, true], "{results:?}");
        assert_eq!(of_patient(&service, "late").await, 31);
    })
    .await;
}

/// How many Observations are in a patient's record.
async fn of_patient(service: &Service, id: &'static str) -> usize {
    let found = service.store.read(move |transaction| {
        #[expect(clippy::disallowed_methods, reason = "a test")]
        let key = transaction.named_record(id).unwrap().deciding();
        (transaction.find_in_record(key, &[ResourceType::of("Observation")], &Predicate::None), Vec::new())
    });
    found.await.unwrap().len()
}
