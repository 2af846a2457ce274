//! Searches that look at other resources, over a socket: chains, `_has`, includes, compartments and several types.

use concord_tests::client::{App, text};
use concord_tests::people::{self, blood_pressure, with};
use concord_tests::{Concord, on_both};
use serde_json::{Value, json};

on_both! {
    through_what_is_hidden_nothing_is_learnt, what_comes_along, disclosures_of_what_comes_along, chains_that_are_wrong,
    versions_of_what_is_included
}

/// A reading of Amina's that says what it was derived from, and a reading of Callum's.
async fn readings(concord: &Concord) -> (String, String) {
    people::arrive(concord).await;
    let system = concord.system();
    let other = system.create(&blood_pressure("callum", 111)).await;
    let from = json!([{"reference": format!("Observation/{other}")}]);
    (system.create(&with(blood_pressure("amina", 120), "derivedFrom", from)).await, other)
}

async fn total(app: &App, search: &str) -> i64 {
    app.get(search).await.expect(200).json()["total"].as_i64().expect("a total")
}

async fn through_what_is_hidden_nothing_is_learnt(concord: &Concord) {
    let (hers, _) = readings(concord).await;
    let callum_reading = "derived-from:Observation.component-value-quantity=111";
    for search in [
        format!("Observation?{callum_reading}"),
        "Observation?derived-from:Observation.subject:Patient.family=Fraser".to_owned(),
        format!("Patient/amina/Observation?{callum_reading}"),
        format!("?_type=Observation&{callum_reading}"),
        format!("Patient?_has:Observation:patient:{callum_reading}"),
    ] {
        let search = format!("{search}&_total=accurate&_sort=-_lastUpdated&_count=1");
        assert_eq!(total(&concord.system(), &search).await, 1, "{search}");
        for app in [concord.patient("amina"), concord.user("Practitioner/gp"), concord.user("RelatedPerson/yusuf")] {
            let answer = app.get(&search).await.expect(200);
            assert!(answer.ids().is_empty() && answer.link("next").is_none(), "{search}: {answer}");
            assert_eq!(answer.json()["total"], 0, "{search}");
        }
    }
    // Through what they do see, they find it.
    for app in [concord.patient("amina"), concord.user("Practitioner/gp")] {
        let found = app.get("Observation?subject:Patient.family=hussain").await.expect(200);
        assert_eq!(found.ids(), [hers.as_str()]);
    }
}

/// The resources of an answer that are in it for this reason, as `Type/id`.
fn with_mode(entries: &[Value], mode: &str) -> Vec<String> {
    let of_mode = entries.iter().filter(|entry| text(entry, "/search/mode") == mode);
    let name = |entry: &Value| format!("{}/{}", text(entry, "/resource/resourceType"), text(entry, "/resource/id"));
    let mut names: Vec<String> = of_mode.map(name).collect();
    names.sort();
    names
}

async fn what_comes_along(concord: &Concord) {
    let (hers, other) = readings(concord).await;
    let search = "Observation?patient=amina&_include=Observation:derived-from&_include=Observation:patient\
                  &_revinclude=Provenance:target";
    let seen = concord.system().get(search).await.expect(200).entries();
    assert_eq!(with_mode(&seen, "match"), [format!("Observation/{hers}")]);
    let along = with_mode(&seen, "include");
    assert!(
        along.contains(&format!("Observation/{other}")) && along.contains(&"Patient/amina".to_owned()),
        "{along:?}"
    );
    for app in [concord.patient("amina"), concord.user("Practitioner/gp")] {
        let answer = app.get(search).await.expect(200);
        let along = with_mode(&answer.entries(), "include");
        assert!(along.contains(&"Patient/amina".to_owned()), "{along:?}");
        let told = answer.json()["entry"].to_string();
        assert!(!told.contains("callum") && !along.contains(&format!("Observation/{other}")), "{along:?}");
    }
}

async fn disclosures_of_what_comes_along(concord: &Concord) {
    let (hers, _) = readings(concord).await;
    let callum = concord.patient("callum");
    let seen = async || total(&callum, "AuditEvent?_total=accurate&_count=0&action=E").await;
    let before = seen().await;
    concord.system().get(&format!("Observation?_id={hers}")).await.expect(200);
    // Each of his own looks at the log is in it from the next one on.
    assert_eq!(seen().await, before + 1, "her reading alone tells nothing of him");
    concord.system().get(&format!("Observation?_id={hers}&_include=Observation:derived-from")).await.expect(200);
    assert_eq!(seen().await, before + 3, "one for the answer that brought his reading along");
}

async fn chains_that_are_wrong(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let deep = format!("Encounter?{}_id=x", "part-of.".repeat(7));
    for search in [
        "Observation?code.display=x",
        "Observation?subject:Organization.name=x",
        "Observation?subject:Patient.colour=x",
        "Observation?subject:Patient.birthdate=x",
        "Observation?focus.name=x",
        "Observation?_has:Goal:patient=x",
        "Observation?_has:Nothing:patient:code=x",
        "Observation?_include=subject",
        "Observation?_include=Observation:code",
        "Observation?_revinclude=Nothing:target",
        "Observation?_filter=code is x",
        "Observation?_filter=(code eq x",
        "Observation?_list=$current-problems",
        "Observation?code-value-quantity=x",
        "Observation?code-value-quantity=x$y",
        "Patient?_has:AuditEvent:patient:action=R",
        "?_lastUpdated=2026",
        "?_type=Nothing",
        "?_type=AuditEvent,Goal",
        "Patient/amina/Practitioner",
        &deep,
    ] {
        let answer = amina.get(search).header("prefer", "handling=lenient").await;
        assert_eq!(answer.status, 400, "{search}: {answer}");
        assert!(!answer.issues().is_empty(), "{search}");
    }
}

/// `url|version` means that version, `url` any.
async fn versions_of_what_is_included(concord: &Concord) {
    people::arrive(concord).await;
    let system = concord.system();
    let url = "http://example.org/Questionnaire/mood";
    let mut ids = Vec::new();
    for version in ["1.0", "2.0"] {
        let questionnaire =
            json!({"resourceType": "Questionnaire", "url": url, "version": version, "status": "active"});
        ids.push(system.create(&questionnaire).await);
    }
    let response = |canonical: &str| {
        json!({"resourceType": "QuestionnaireResponse", "status": "completed", "questionnaire": canonical,
            "subject": {"reference": "Patient/amina"}})
    };
    let first = system.create(&response(&format!("{url}|1.0"))).await;
    let second = system.create(&response(&format!("{url}|2.0"))).await;
    let third = system.create(&response(&format!("{url}|3.0"))).await;
    let any = system.create(&response(url)).await;
    let along = async |place: String| {
        let entries = system.get(&place).await.expect(200).entries();
        let included = entries.iter().filter(|entry| entry["search"]["mode"] == "include");
        let mut ids: Vec<String> = included.map(|entry| text(entry, "/resource/id").to_owned()).collect();
        ids.sort_unstable();
        ids
    };
    let sorted = |mut ids: Vec<String>| {
        ids.sort_unstable();
        ids
    };
    for (id, wanted) in
        [(&first, vec![ids[0].clone()]), (&second, vec![ids[1].clone()]), (&third, vec![]), (&any, sorted(ids.clone()))]
    {
        let place = format!("QuestionnaireResponse?_id={id}&_include=QuestionnaireResponse:questionnaire");
        assert_eq!(along(place).await, wanted, "{id}");
    }
    for (id, wanted) in [(&ids[0], vec![first, any.clone()]), (&ids[1], vec![second, any])] {
        let place = format!("Questionnaire?_id={id}&_revinclude=QuestionnaireResponse:questionnaire");
        assert_eq!(along(place).await, sorted(wanted), "{id}");
    }
    for version in ["1.0", "2.0"] {
        let chain = format!("QuestionnaireResponse?questionnaire:Questionnaire.version={version}");
        assert_eq!(system.get(&chain).await.expect(200).matches().len(), 2, "{version}");
        let back = format!("Questionnaire?version={version}&_has:QuestionnaireResponse:questionnaire:status=completed");
        assert_eq!(system.get(&back).await.expect(200).matches().len(), 1, "{version}");
    }
    // Nobody answers this one: what there is names other versions.
    let lonely = json!({"resourceType": "Questionnaire", "url": "http://example.org/Questionnaire/sleep",
        "version": "2", "status": "active"});
    system.create(&lonely).await;
    system.create(&response("http://example.org/Questionnaire/sleep|1")).await;
    let back = "Questionnaire?url=http://example.org/Questionnaire/sleep&_has:QuestionnaireResponse:questionnaire:status=completed";
    assert!(system.get(back).await.expect(200).matches().is_empty());
    let chain = "QuestionnaireResponse?questionnaire:Questionnaire.url=http://example.org/Questionnaire/sleep";
    assert!(system.get(chain).await.expect(200).matches().is_empty());
}
