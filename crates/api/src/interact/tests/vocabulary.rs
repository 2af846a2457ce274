//! Searches by value sets, by the places of codes in a code system, by words and with an explanation, on each database.

use std::sync::Arc;

use concord_consent::caller::Actor;
use concord_fhir::issue::{Issue, IssueCode};

use crate::error::ApiError;
use crate::interact::tests::search::{
    call, found, on_each, open_with, page, patient, professional, query, reading, search, store, system, to,
};
use crate::interact::{Call, Service};

/// Ann's and Bob's readings, a code system of three levels and value sets over it.
async fn vocabulary(service: &Arc<Service>) {
    for id in ["ann", "bob"] {
        store(service, serde_json::json!({ "resourceType": "Patient", "id": id })).await;
    }
    for (id, of, code) in [
        ("a-vital", "ann", "vital"),
        ("a-bp", "ann", "bp"),
        ("a-sys", "ann", "sys"),
        ("a-mood", "ann", "mood"),
        ("b-sys", "bob", "sys"),
    ] {
        store(service, reading(id, of, code)).await;
    }
    store(
        service,
        serde_json::json!({ "resourceType": "CodeSystem", "id": "codes", "url": "http://loinc.org", "status": "active",
            "content": "complete", "concept": [
                { "code": "vital", "concept": [{ "code": "bp", "concept": [{ "code": "sys" }, { "code": "dia" }] }] },
                { "code": "mood" } ] }),
    )
    .await;
    let set = |id: &str, include: serde_json::Value| {
        serde_json::json!({ "resourceType": "ValueSet", "id": id, "url": format!("http://example.org/vs/{id}"),
            "version": "1", "status": "active", "compose": { "include": include } })
    };
    let pressures = serde_json::json!([{ "system": "http://loinc.org",
        "filter": [{ "property": "concept", "op": "is-a", "value": "bp" }] }]);
    store(service, set("pressures", pressures)).await;
    let listed =
        serde_json::json!([{ "system": "http://loinc.org", "concept": [{ "code": "mood" }, { "code": "vital" }] }]);
    store(service, set("listed", listed)).await;
    let all = serde_json::json!([{ "valueSet": ["http://example.org/vs/pressures"] }, { "valueSet": ["http://example.org/vs/listed|1"] }]);
    store(service, set("all", all)).await;
    store(service, set("round", serde_json::json!([{ "valueSet": ["http://example.org/vs/round"] }]))).await;
    let finals =
        serde_json::json!([{ "system": "http://hl7.org/fhir/observation-status", "concept": [{ "code": "final" }] }]);
    store(service, set("finals", finals)).await;
}

async fn refusal(service: &Arc<Service>, call: Call, text: &str) -> Issue {
    match search(service, call, query("Observation", text)).await {
        Err(ApiError::Malformed(mut issues)) => issues.remove(0),
        other => panic!("{text}: {other:?}"),
    }
}

#[tokio::test]
async fn codes_are_found_by_value_set_and_by_place() {
    on_each(async |service| {
        vocabulary(&service).await;
        for (text, wanted) in [
            ("code:in=http://example.org/vs/pressures", &["a-bp", "a-sys"][..]),
            ("code:in=http://example.org/vs/listed", &["a-mood", "a-vital"]),
            ("code:in=http://example.org/vs/listed|1", &["a-mood", "a-vital"]),
            ("code:in=ValueSet/listed", &["a-mood", "a-vital"]),
            ("code:in=http://example.org/vs/all", &["a-bp", "a-mood", "a-sys", "a-vital"]),
            ("code:in=ValueSet/listed,ValueSet/pressures", &["a-bp", "a-mood", "a-sys", "a-vital"]),
            ("code:not-in=http://example.org/vs/pressures", &["a-mood", "a-vital"]),
            ("code:below=http://loinc.org|bp", &["a-bp", "a-sys"]),
            ("code:above=http://loinc.org|sys", &["a-bp", "a-sys", "a-vital"]),
            ("status:in=ValueSet/finals&code=mood", &["a-mood"]),
            ("code:in=ValueSet/listed&code:below=http://loinc.org|vital", &["a-vital"]),
        ] {
            assert_eq!(found(&service, patient("ann"), "Observation", text).await, wanted, "{text}");
        }
        let text = "code:in=http://example.org/vs/pressures";
        assert_eq!(found(&service, system(), "Observation", text).await, ["a-bp", "a-sys", "b-sys"]);
        let through = "_has:Observation:subject:code:in=http://example.org/vs/pressures";
        assert_eq!(found(&service, system(), "Patient", through).await, ["ann", "bob"]);
        assert_eq!(found(&service, patient("bob"), "Patient", through).await, ["bob"]);
        // A withdrawn version does not stand in the way of the one in use.
        let retired = serde_json::json!({ "resourceType": "ValueSet", "id": "pressures-2", "version": "2",
            "url": "http://example.org/vs/pressures", "status": "retired" });
        store(&service, retired).await;
        assert_eq!(found(&service, patient("ann"), "Observation", text).await, ["a-bp", "a-sys"]);
    })
    .await;
}

#[tokio::test]
async fn codes_that_cannot_be_told_are_refused_by_name() {
    on_each(async |service| {
        vocabulary(&service).await;
        for (text, code) in [
            ("code:in=http://example.org/vs/none", IssueCode::NotFound),
            ("code:in=http://example.org/vs/listed|9", IssueCode::NotFound),
            ("code:not-in=ValueSet/none", IssueCode::NotFound),
            ("code:in=CodeSystem/codes", IssueCode::NotFound),
            ("code:in=http://example.org/vs/round", IssueCode::NotSupported),
            ("code:below=http://loinc.org|unknown", IssueCode::NotFound),
            ("code:above=http://snomed.info/sct|1", IssueCode::NotFound),
        ] {
            let issue = refusal(&service, patient("ann"), text).await;
            assert_eq!(issue.code, code, "{text}: {}", issue.text);
            assert!(issue.text.contains("`code`"), "{}", issue.text);
        }
        // To an app without a scope for value sets there are none: the answer is the same as for one that is not there.
        let narrow = |text: &'static str| {
            refusal(&service, call(Actor::Patient("ann".to_owned()), "patient/Observation.rs"), text)
        };
        let (there, not_there) = (narrow("code:in=ValueSet/listed").await, narrow("code:in=ValueSet/nothing").await);
        assert_eq!(there.text.replace("listed", "nothing"), not_there.text);
        assert_eq!(there.code, not_there.code);
    })
    .await;
}

#[tokio::test]
async fn words_are_found_in_what_the_caller_may_see() {
    on_each(async |service| {
        vocabulary(&service).await;
        let told = |id: &str, of: &str, words: &str| {
            let mut value = reading(id, of, "note");
            value["valueString"] = serde_json::json!(words);
            value["text"] = serde_json::json!({ "status": "generated",
                "div": format!("<div xmlns=\"http://www.w3.org/1999/xhtml\"><p>About {id}</p></div>") });
            value
        };
        store(&service, told("a-head", "ann", "A splitting head\u{e4}che")).await;
        store(&service, told("b-head", "bob", "headache again")).await;
        let mut hidden = told("a-hidden", "ann", "headache, confidential");
        hidden["meta"] = serde_json::json!({ "security": [{
            "system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "NOPAT" }] });
        store(&service, hidden).await;
        assert_eq!(
            found(&service, system(), "Observation", "_content=headache").await,
            ["a-head", "a-hidden", "b-head"]
        );
        for (text, wanted) in [
            ("_content=headache", &["a-head"][..]),
            ("_content=HEAD split", &["a-head"]),
            ("_content=splitting,mood", &["a-head", "a-mood"]),
            ("_content=confidential", &[]),
            ("_content=headache&code=mood", &[]),
            ("_text=about", &["a-head"]),
            ("_text=headache", &["a-head"]),
            ("_text=splitting", &[]),
        ] {
            // The narrative is compared as words: `a-head` is two.
            let wanted: &[&str] = if text == "_text=headache" { &[] } else { wanted };
            assert_eq!(found(&service, patient("ann"), "Observation", text).await, wanted, "{text}");
            let counted =
                page(&service, patient("ann"), "Observation", &format!("{text}&_total=accurate&_count=1")).await;
            assert_eq!(counted.total, i64::try_from(wanted.len()).ok(), "{text}");
            assert_eq!(counted.next.is_some(), wanted.len() > 1, "{text}");
        }
        assert_eq!(
            found(&service, system(), "", "_type=Observation,Patient&_content=bob").await,
            ["b-head", "b-sys", "bob"]
        );
    })
    .await;
}

#[tokio::test]
async fn an_answer_is_sorted_by_references_uris_and_quantities() {
    on_each(async |service| {
        store(&service, serde_json::json!({ "resourceType": "Patient", "id": "ann" })).await;
        for (id, value, performer, source) in [
            ("x1", 20, "Practitioner/b", "http://b.example"),
            ("x2", 3, "Practitioner/c", "http://a.example"),
            ("x3", 100, "Practitioner/a", "http://c.example"),
        ] {
            let mut one = reading(id, "ann", "x");
            one.as_object_mut().unwrap().remove("valueString");
            one["valueQuantity"] = serde_json::json!({ "value": value });
            one["performer"] = serde_json::json!([to(performer)]);
            one["meta"] = serde_json::json!({ "source": source });
            store(&service, one).await;
        }
        store(&service, reading("none", "ann", "x")).await;
        for (sort, wanted) in [
            ("value-quantity", ["x2", "x1", "x3", "none"]),
            ("-value-quantity", ["x3", "x1", "x2", "none"]),
            ("performer", ["x3", "x1", "x2", "none"]),
            ("-performer", ["x2", "x1", "x3", "none"]),
            ("_source", ["x2", "x1", "x3", "none"]),
        ] {
            let (mut seen, mut cursor) = (Vec::new(), String::new());
            loop {
                let one = page(&service, system(), "Observation", &format!("_sort={sort}&_count=1{cursor}")).await;
                seen.extend(one.versions.into_iter().map(|version| version.id));
                let Some(next) = one.next else { break };
                cursor = format!("&_cursor={next}");
            }
            assert_eq!(seen, wanted, "{sort}");
        }
    })
    .await;
}

fn texts(issues: &[Issue]) -> String {
    issues.iter().map(|issue| issue.text.as_str()).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn a_search_is_explained_to_those_who_may_know() {
    on_each(async |service| {
        vocabulary(&service).await;
        let text = "code:in=ValueSet/listed&patient=ann&_sort=-date&_explain=true";
        let explained = page(&service, system(), "Observation", text).await;
        assert_eq!(explained.versions.len(), 2);
        let words = texts(&explained.remarks);
        for part in ["predicate: ", "Observation.code: is `mood|http://loinc.org`", "sql: SELECT", "plan: ", "d.dated"]
        {
            assert!(words.contains(part), "{part}: {words}");
        }
        assert!(page(&service, system(), "Observation", "_explain=false").await.remarks.is_empty());
        for call in [patient("ann"), professional("gp")] {
            let refused = search(&service, call, query("Observation", text)).await;
            assert!(matches!(refused, Err(ApiError::Denied(_))), "{refused:?}");
        }
        let log = search(&service, system(), query("AuditEvent", "_explain=true")).await;
        assert!(matches!(log, Err(ApiError::Malformed(_))), "{log:?}");
    })
    .await;
}

#[tokio::test]
async fn an_explanation_tells_nothing_of_what_is_hidden() {
    on_each(async |service| {
        vocabulary(&service).await;
        let service = open_with(&service, |open| open.explain = true);
        let explained = async |call: Call, text: &str| {
            let text = format!("{text}&_explain=true&_total=accurate&_include=Observation:derived-from");
            texts(&page(&service, call, "Observation", &text).await.remarks)
        };
        // It says the same before and after somebody else's readings, and his own hidden ones, are there.
        for (call, text) in [
            (patient("ann"), "code=secret"),
            (patient("ann"), "_has:Observation:derived-from:code=secret"),
            (patient("ann"), "derived-from:Observation.code=secret&_sort=-date"),
            (patient("ann"), "_content=secret"),
            (professional("gp"), "patient=bob&code=secret"),
        ] {
            let before = explained(call.clone(), text).await;
            assert!(before.contains("sql: "), "{before}");
            let mut hidden = reading("hidden", "ann", "secret");
            hidden["meta"] = serde_json::json!({ "security": [{
                "system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "NOPAT" }] });
            hidden["derivedFrom"] = serde_json::json!([to("Observation/a-bp")]);
            store(&service, hidden.clone()).await;
            let mut others = reading("others", "bob", "secret");
            others["derivedFrom"] = serde_json::json!([to("Observation/a-bp")]);
            store(&service, others.clone()).await;
            assert_eq!(explained(call, text).await, before, "{text}");
            hidden["code"] = serde_json::json!({ "text": "nothing" });
            others["code"] = serde_json::json!({ "text": "nothing" });
            store(&service, hidden).await;
            store(&service, others).await;
        }
        // Whether somebody has a record here is not told either.
        let there = explained(professional("gp"), "patient=bob").await.replace("Patient/bob", "Patient/xyz");
        let not_there = explained(professional("gp"), "patient=nobody").await.replace("Patient/nobody", "Patient/xyz");
        assert_eq!(without_numbers(&there), without_numbers(&not_there));
    })
    .await;
}

/// The text with every number taken for another: the keys of records tell nothing.
fn without_numbers(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_ascii_digit() && *letter != '-').collect()
}
