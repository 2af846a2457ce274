//! What is left out of a resource for some: it is marked, it cannot be searched by, and it cannot be overwritten.

use concord_tests::client::{Answer, text};
use concord_tests::people::{self, blood_pressure, with};
use concord_tests::{Concord, on_both};
use serde_json::{Value, json};

on_both! { whereabouts_are_left_out, what_repeats_what_is_hidden_is_left_out, a_part_replaces_no_whole }

const OBSERVATION_VALUE: &str = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue";

fn marks(resource: &Value) -> Vec<&str> {
    let labels = resource.pointer("/meta/security").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let own = labels.iter().filter(|label| label["system"] == OBSERVATION_VALUE);
    own.map(|label| text(label, "/code")).filter(|code| ["REDACTED", "SUBSETTED"].contains(code)).collect()
}

async fn whereabouts_are_left_out(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, gp, system) = (concord.patient("amina"), concord.user("Practitioner/gp"), concord.system());
    let patient = json!({"resourceType": "Patient", "id": "amina", "name": [{"family": "Hussain"}], "gender": "female",
        "address": [{"city": "Bradford", "line": ["7 Hidden Street"]}], "telecom": [{"system": "phone", "value": "0700"}]});
    system.store(&patient).await;
    let whole = |answer: &Answer| answer.text().contains("Bradford") && answer.text().contains("0700");
    let ways = ["Patient/amina", "Patient/amina/_history/2", "Patient/amina/_history", "Patient/_history"];
    for way in ways {
        assert!(whole(&gp.get(way).await.expect(200)), "{way}");
    }
    assert_eq!(gp.get("Patient?address-city=Bradford").await.expect(200).ids(), ["amina"]);
    let label = json!({"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "LOCIS"});
    let given =
        json!({"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": {"security": [label]}}]});
    amina.post("Patient/amina/$meta-add", &given).await.expect(200);
    for way in ways {
        let answer = gp.get(way).await.expect(200);
        let said = answer.text();
        assert!(
            !said.contains("Bradford") && !said.contains("Hidden Street") && !said.contains("0700"),
            "{way}: {said}"
        );
        assert!(whole(&amina.get(way).await.expect(200)), "{way}");
        let body = answer.json();
        let shown = body.pointer("/entry/0/resource").unwrap_or(&body);
        assert_eq!(marks(shown), ["REDACTED", "SUBSETTED"], "{way}: {said}");
        assert_eq!((text(shown, "/gender"), text(shown, "/name/0/family")), ("female", "Hussain"));
    }
    assert!(marks(&amina.get("Patient/amina").await.expect(200).json()).is_empty());
    // Neither found nor sorted by what is hidden, and not brought along.
    let reading = amina.create(&blood_pressure("amina", 120)).await;
    for search in [
        "Patient?address-city=Bradford",
        "Patient?address-city=London",
        "Patient?phone=0700",
        "Patient?_sort=address-city",
    ] {
        let page = gp.get(search).await.expect(200);
        assert!(page.ids().is_empty(), "{search}: {page}");
    }
    for search in [
        "Observation?subject:Patient.address-city=Bradford",
        "Observation?patient=amina&subject:Patient.address-city=Bradford",
    ] {
        assert!(gp.get(search).await.expect(200).ids().is_empty(), "{search}");
        assert_eq!(amina.get(search).await.expect(200).ids(), [reading.as_str()], "{search}");
    }
    let along = gp.get("Observation?patient=amina&_include=Observation:subject").await.expect(200);
    assert!(along.ids() == [reading.as_str()] && !along.text().contains("Bradford"), "{along}");
    // She has another way to be reached by whom she lets.
    let mut sharing = people::without(people::consent("active", "Practitioner/gp", &["access"], &["Patient"]), "id");
    sharing["provision"]["securityLabel"] = json!([label]);
    amina.create(&sharing).await;
    assert!(whole(&gp.get("Patient/amina").await.expect(200)));
}

/// What is hidden may stand again in an extension of any element, in what the Patient contains and in who gives a number out.
async fn what_repeats_what_is_hidden_is_left_out(concord: &Concord) {
    people::arrive(concord).await;
    let (gp, system) = (concord.user("Practitioner/gp"), concord.system());
    let secret = json!([{"url": "http://x.example/place", "valueString": "SECRET"}]);
    let said = json!({"extension": secret});
    for code in ["R", "DEMO", "DOB", "GENDER", "LIVARG", "LOCIS", "MARST", "RACE", "REL"] {
        let patient = json!({"resourceType": "Patient", "id": "amina", "extension": secret, "modifierExtension": secret,
            "meta": {"extension": secret, "security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": code}]},
            "text": {"status": "generated", "div": "<div xmlns=\"http://www.w3.org/1999/xhtml\">SECRET</div>"},
            "contained": [{"resourceType": "Organization", "id": "inner", "name": "SECRET", "telecom": [{"system": "phone", "value": "SECRET"}]}],
            "identifier": [{"extension": secret, "_value": said, "system": "urn:x", "value": "1",
                "assigner": {"extension": secret, "reference": "#inner"}}],
            "name": [{"family": "Hussain", "_family": said, "given": ["Amina"], "_given": [said], "period": {"extension": secret, "start": "1990"}},
                {"_family": said}],
            "active": true, "_active": said, "_deceasedBoolean": said,
            "link": [{"modifierExtension": secret, "type": "seealso", "other": {"reference": "Patient/callum", "extension": secret}}]});
        system.store(&patient).await;
        for way in ["Patient/amina", "Patient/amina/_history", "Patient?_id=amina", "Patient/amina/$summary"] {
            let answer = gp.get(way).await.expect(200);
            assert!(!answer.text().contains("SECRET"), "{code} {way}: {answer}");
        }
        let shown = gp.get("Patient/amina").await.expect(200).json();
        assert_eq!(shown["name"], json!([{"family": "Hussain", "given": ["Amina"], "period": {"start": "1990"}}]));
        assert_eq!(shown["identifier"], json!([{"system": "urn:x", "value": "1"}]));
        assert!(concord.patient("amina").get("Patient/amina").await.expect(200).text().contains("SECRET"));
    }
    // Who gives out a number says where somebody is known.
    let patient = json!({"resourceType": "Patient", "id": "amina", "identifier": [{"value": "1", "assigner": {"display": "SECRET"}}],
        "meta": {"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "LOCIS"}]}});
    system.store(&patient).await;
    assert!(!gp.get("Patient/amina").await.expect(200).text().contains("SECRET"));
}

async fn a_part_replaces_no_whole(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let place = format!("Observation/{}", amina.create(&blood_pressure("amina", 120)).await);
    let part = amina.get(&format!("{place}?_elements=status,code,subject,category,effective")).await.expect(200).json();
    assert!(part.to_string().contains("SUBSETTED") && part.get("component").is_none(), "{part}");
    let refused = amina.put(&place, &part).await.expect(422);
    assert!(refused.issues()[0].1.starts_with("Observation.meta."), "{refused}");
    let whole = amina.get(&place).await.expect(200).json();
    let mut marked = with(whole.clone(), "status", json!("amended"));
    marked["meta"]["security"] = json!([{"system": OBSERVATION_VALUE, "code": "REDACTED"}]);
    for app in [&amina, &concord.system()] {
        app.put(&place, &marked).await.expect(422).issues();
    }
    amina.put(&place, &with(whole, "status", json!("amended"))).await.expect(200);
}
