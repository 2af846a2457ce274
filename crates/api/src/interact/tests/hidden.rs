//! What the caller may not see changes nothing of an answer: not the order, a total, a page, a link, what comes along, a
//! remark or an error. Each search is asked before and after hidden resources are stored, and its control is that a
//! system's answer to the same search does change.

use std::sync::Arc;

use crate::interact::tests::search::{on_each, open_with, patient, query, reading, search, store, system, to};
use crate::interact::{Call, Service};

/// All that an answer tells, every page of it.
async fn answers(service: &Arc<Service>, call: &Call, resource_type: &str, text: &str) -> Vec<String> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = match search(service, call.clone(), query(resource_type, &format!("{text}{cursor}"))).await {
            Ok(page) => page,
            Err(error) => {
                all.push(format!("{error:?}"));
                return all;
            }
        };
        let names = |versions: &[concord_store::rows::Version]| {
            versions.iter().map(|one| format!("{}/{}/{}", one.resource_type, one.id, one.body)).collect::<Vec<_>>()
        };
        all.push(format!("{:?} {:?} {:?}", names(&page.versions), names(&page.included), page.total));
        all.extend(page.remarks.iter().map(|issue| issue.text.clone()));
        match page.next {
            Some(next) => cursor = format!("&_cursor={next}"),
            None => return all,
        }
    }
}

/// A reading that sorts before, between and after the others, is like them in all else, and refers to them.
fn like(id: &str, of: &str, value: i32) -> serde_json::Value {
    let mut one = reading(id, of, "shown");
    one.as_object_mut().unwrap().remove("valueString");
    one["valueQuantity"] = serde_json::json!({ "value": value, "unit": "kg" });
    one["effectiveDateTime"] = serde_json::json!(format!("2025-01-{:02}", 1 + value));
    one["performer"] = serde_json::json!([to(&format!("Practitioner/p{value}"))]);
    one["derivedFrom"] = serde_json::json!([to("Observation/ann-1")]);
    one["meta"] = serde_json::json!({ "source": format!("http://example.org/{value}") });
    one
}

const SEARCHES: [(&str, &str); 25] = [
    ("Observation", "code=shown"),
    ("Observation", "code=shown&_count=1"),
    ("Observation", "code=shown&_count=2&_total=accurate"),
    ("Observation", "code=shown&_count=1&_total=estimate&_sort=-date"),
    ("Observation", "_count=0"),
    ("Observation", "_sort=date&_count=1"),
    ("Observation", "_sort=-value-quantity&_count=1"),
    ("Observation", "_sort=performer&_count=1"),
    ("Observation", "_sort=-_source&_count=1"),
    ("Observation", "_sort=code,-_lastUpdated&_count=1"),
    ("Observation", "_sort=_id&_count=1"),
    ("Observation", "code:not=other&_count=1"),
    ("Observation", "_content=kg&_count=1"),
    ("Observation", "derived-from:Observation.code=shown&_total=accurate"),
    ("Observation", "derived-from:Observation._has:Observation:derived-from:value-quantity=gt4"),
    ("Observation", "_has:Observation:derived-from:value-quantity=gt4&_total=accurate"),
    ("Observation", "_filter=not(code eq other) and value-quantity gt 0"),
    ("Observation", "_id=ann-1&_revinclude=Observation:derived-from"),
    ("Observation", "_id=ann-1&_revinclude:iterate=Observation:derived-from&_include:iterate=Observation:derived-from"),
    ("Patient", "_has:Observation:subject:value-quantity=gt4&_total=accurate"),
    ("Patient", "_revinclude=Observation:subject"),
    ("", "_type=Observation,Patient&_count=1&_sort=-_lastUpdated&_total=accurate"),
    ("Observation", "code=shown&_explain=true&_total=accurate&_sort=-date"),
    ("Observation", "_has:Observation:derived-from:value-quantity=gt4&_explain=true"),
    ("Observation", "_id=ann-1&_revinclude=Observation:derived-from&_explain=true"),
];

#[tokio::test]
async fn what_is_hidden_changes_nothing() {
    on_each(async |service| {
        let service = open_with(&service, |open| open.explain = true);
        for id in ["ann", "bob"] {
            store(&service, serde_json::json!({ "resourceType": "Patient", "id": id })).await;
        }
        for value in [1, 3] {
            store(&service, like(&format!("ann-{value}"), "ann", value)).await;
        }
        let ask = async || {
            let (mut hers, mut systems) = (Vec::new(), Vec::new());
            for (resource_type, text) in SEARCHES {
                hers.push(answers(&service, &patient("ann"), resource_type, text).await);
                systems.push(answers(&service, &system(), resource_type, text).await);
            }
            (hers, systems)
        };
        let (hers, systems) = ask().await;
        for value in [0, 2, 5] {
            let mut hidden = like(&format!("ann-{value}"), "ann", value);
            hidden["meta"]["security"] = serde_json::json!([{
                "system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "NOPAT" }]);
            store(&service, hidden).await;
            store(&service, like(&format!("bob-{value}"), "bob", value)).await;
        }
        let (hers_after, systems_after) = ask().await;
        for (place, (resource_type, text)) in SEARCHES.iter().enumerate() {
            assert_eq!(hers[place], hers_after[place], "{resource_type}?{text}");
            assert!(hers[place].iter().all(|page| !page.contains("ApiError") && !page.contains("Malformed")), "{text}");
            if !text.contains("_explain") {
                assert_ne!(systems[place], systems_after[place], "{resource_type}?{text} has no control");
            }
        }
    })
    .await;
}
