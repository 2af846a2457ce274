//! A timeline: several types of a record by when what they tell of happened.

use concord_tests::client::text;
use concord_tests::people;
use concord_tests::{App, Concord, on_both};
use serde_json::{Value, json};

on_both! { several_types_by_clinical_date, what_has_no_date_of_its_own }

/// Of a type, with when it happened.
fn happened(name: &str, element: &str, when: &str) -> Value {
    let coding = |system: &str, code: &str| json!({"coding": [{"system": system, "code": code}]});
    let mut one = json!({"resourceType": name, "subject": {"reference": "Patient/amina"}});
    match name {
        "Observation" => {
            one["status"] = json!("final");
            one["code"] = coding("http://loinc.org", "8867-4");
        }
        "Encounter" => {
            one["status"] = json!("finished");
            one["class"] = json!({"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"});
        }
        "Procedure" => one["status"] = json!("completed"),
        _ => {
            one["clinicalStatus"] = coding("http://terminology.hl7.org/CodeSystem/condition-clinical", "active");
            one["code"] = json!({"text": "asthma"});
        }
    }
    one[element] = match element {
        "period" => json!({"start": when, "end": when}),
        _ => json!(when),
    };
    one
}

const HAPPENED: [(&str, &str, &str); 8] = [
    ("Observation", "effectiveDateTime", "2021-03-01"),
    ("Encounter", "period", "2021-04-01"),
    ("Condition", "recordedDate", "2021-02-01"),
    ("Procedure", "performedDateTime", "2021-06-01"),
    ("Observation", "effectiveDateTime", "2020-01-01"),
    ("Condition", "recordedDate", "2021-05-01"),
    ("Encounter", "period", "2019-01-01"),
    ("Observation", "effectiveDateTime", "2021-05-15"),
];

/// Everything on all pages, as `Type date`.
async fn all(app: &App, place: &str) -> Vec<String> {
    let (mut all, mut next) = (Vec::new(), Some(place.to_owned()));
    while let Some(place) = next {
        let page = app.get(&place).await.expect(200);
        all.extend(page.matches().iter().map(told));
        next = page.link("next");
    }
    all
}

fn told(one: &Value) -> String {
    let dates = ["/effectiveDateTime", "/period/start", "/recordedDate", "/performedDateTime"];
    let date = dates.iter().find_map(|place| one.pointer(place)).and_then(Value::as_str).unwrap_or("never");
    format!("{} {date}", text(one, "/resourceType"))
}

fn expected(types: &[&str], from: &str) -> Vec<String> {
    let wanted = HAPPENED.iter().filter(|(name, _, when)| types.contains(name) && *when >= from);
    let mut found: Vec<(&str, &str)> = wanted.map(|(name, _, when)| (*when, *name)).collect();
    found.sort_unstable();
    found.iter().rev().map(|(when, name)| format!("{name} {when}")).collect()
}

async fn several_types_by_clinical_date(concord: &Concord) {
    people::arrive(concord).await;
    let (system, amina, gp) = (concord.system(), concord.patient("amina"), concord.user("Practitioner/gp"));
    for (name, element, when) in HAPPENED {
        system.create(&happened(name, element, when)).await;
    }
    let types = ["Observation", "Encounter", "Condition", "Procedure"];
    for count in [1, 3, 50] {
        for app in [&amina, &gp, &system] {
            for within in ["?patient=amina&", "Patient/amina/*?"] {
                let place = format!("{within}_type={}&_sort=-date&_count={count}", types.join(","));
                assert_eq!(all(app, &place).await, expected(&types, ""), "{place}");
                let recent = format!("{place}&date=ge2021-03");
                assert_eq!(all(app, &recent).await, expected(&types, "2021-03"), "{recent}");
                let two = format!("{within}_type=Condition,Encounter&_sort=date&_count={count}");
                let mut other_way = expected(&["Condition", "Encounter"], "");
                other_way.reverse();
                assert_eq!(all(app, &two).await, other_way, "{two}");
            }
        }
    }
    // A single type, asked for in the same way.
    let place = "?patient=amina&_type=Condition&_sort=-date&date=ge2021-03";
    assert_eq!(all(&amina, place).await, expected(&["Condition"], "2021-03"));
    // What is kept from the caller is not there: her son sees Observations alone.
    let son = concord.user("RelatedPerson/yusuf");
    let place = format!("?patient=amina&_type={}&_sort=-date&_count=2", types.join(","));
    assert_eq!(all(&son, &place).await, expected(&["Observation"], ""));
}

async fn what_has_no_date_of_its_own(concord: &Concord) {
    people::arrive(concord).await;
    let (system, amina) = (concord.system(), concord.patient("amina"));
    system.create(&happened("Observation", "effectiveDateTime", "2021-03-01")).await;
    system.create(&happened("Condition", "onsetString", "as a child")).await;
    // It comes last, as in a search of one type.
    for order in ["-date", "date"] {
        let place = format!("?patient=amina&_type=Observation,Condition&_sort={order}&_count=1");
        assert_eq!(all(&amina, &place).await, ["Observation 2021-03-01", "Condition never"], "{order}");
    }
    let without = amina.get("?patient=amina&_type=Observation,Condition&date:missing=true").await.expect(200);
    assert_eq!(without.matches().iter().map(told).collect::<Vec<_>>(), ["Condition never"]);
    // A type that has no such date is not in a timeline.
    for wrong in ["_sort=-date", "date=2021&_sort=-date"] {
        let answer = amina.get(&format!("?_type=Observation,RelatedPerson&patient=amina&{wrong}")).await.expect(400);
        assert!(answer.text().contains("RelatedPerson"), "{answer}");
    }
}
