//! What goes wrong, and how it is said: always an OperationOutcome that helps the developer and tells nobody a secret.

use concord_api::auth::development::TokenRequest;
use concord_tests::client::{FHIR_JSON, Method, text};
use concord_tests::people::{self, blood_pressure, with, without};
use concord_tests::server::MAX_BODY_BYTES;
use concord_tests::{Answer, Concord, on_both};
use serde_json::json;

on_both! {
    without_a_token, without_a_scope, hidden_is_missing, bodies_that_cannot_be_read, every_problem_is_listed,
    bodies_too_large, methods_and_media_types, addresses, headers_that_stand_there_twice,
    refusals_say_what_to_do, who_names_the_patient_otherwise_is_told_how
}

/// On whom, why and what depends by one header must not depend by another that somebody between added to it.
async fn headers_that_stand_there_twice(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let goal = json!({"resourceType": "Goal", "lifecycleStatus": "active", "description": {"text": "walk"},
        "subject": {"reference": "Patient/amina"}});
    let bearer = format!("Bearer {}", concord.patient("callum").token());
    let refused = amina.post("Goal", &goal).header("authorization", &bearer).await.expect(401);
    assert!(refused.issues()[0].2.contains("one token"), "{refused}");
    let provenance = json!({"resourceType": "Provenance"}).to_string();
    for (name, value) in [
        ("x-purpose-of-use", "PATRQT"),
        ("x-purpose-reason", "because I would like to"),
        ("x-provenance", provenance.as_str()),
        ("content-encoding", "identity"),
        ("content-type", "application/fhir+json"),
        ("if-none-exist", "identifier=urn:app|1"),
        ("if-match", "W/\"1\""),
        ("if-none-match", "*"),
    ] {
        let mut ask = amina.post("Goal", &goal).header(name, value);
        if name != "content-type" {
            ask = ask.header(name, value);
        }
        let (_, _, said) = ask.await.expect(400).issues().swap_remove(0);
        assert!(said.to_ascii_lowercase().contains(name) && said.contains("only once"), "{name}: {said}");
    }
    assert_eq!(amina.get("Goal").await.expect(200).ids().len(), 0);
}

async fn without_a_token(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let token = amina.token().to_owned();
    let place = format!("Observation/{}", amina.create(&blood_pressure("amina", 120)).await);
    let soon = concord.app(&TokenRequest {
        patient: Some("amina".to_owned()),
        scope: "patient/*.cruds".to_owned(),
        lifetime_s: 60,
        ..TokenRequest::default()
    });
    soon.get(&place).await.expect(200);
    concord.later(91_000);
    let (head, rest) = token.split_once('.').expect("a JWT");
    let (claims, signature) = rest.split_once('.').expect("a JWT");
    let none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0";
    let changed = signature.replace(|letter: char| letter.is_ascii_digit(), "A");
    for (app, error) in [
        (concord.nobody(), ""),
        (amina.with_token("junk"), "invalid_token"),
        (amina.with_token(format!("{none}.{claims}.")), "invalid_token"),
        (amina.with_token(format!("{none}.{claims}.{signature}")), "invalid_token"),
        (amina.with_token(format!("{head}.{claims}.{changed}")), "invalid_token"),
        (amina.with_token(format!("{head}.{claims}")), "invalid_token"),
        (soon, "invalid_token"),
    ] {
        for place in [place.as_str(), "Observation/none", "Observation", "_history", "Nonsense/1"] {
            let refused = app.get(place).await.expect(401);
            let challenge = refused.header("www-authenticate");
            assert!(challenge.starts_with("Bearer realm="), "{challenge}");
            assert_eq!(challenge.contains("invalid_token"), !error.is_empty(), "{challenge}");
            assert_eq!(refused.issues()[0].0, "login");
            let says_where = refused.issues()[0].2.contains("/fhir/.well-known/smart-configuration says where");
            assert!(!says_where, "there is none: {refused}");
        }
    }
    let basic = concord.nobody().get(&place).header("authorization", "Basic YTpi").await.expect(401);
    assert!(basic.header("www-authenticate").starts_with("Bearer"));
    amina.get(&place).await.expect(200);
}

async fn without_a_scope(concord: &Concord) {
    people::arrive(concord).await;
    let id = concord.patient("amina").create(&blood_pressure("amina", 120)).await;
    let place = format!("Observation/{id}");
    let reader = concord.patient_with("amina", "patient/Observation.r patient/Goal.cruds openid");
    reader.get(&place).await.expect(200);
    reader.get(&format!("{place}/_history")).await.expect(200);
    let written = with(blood_pressure("amina", 121), "id", json!(id));
    for refused in [
        reader.get("Observation").await,
        reader.get("Observation/_history").await,
        reader.post("Observation", &blood_pressure("amina", 120)).await,
        reader.put(&place, &written).await,
        reader.put("Observation?_id=1", &blood_pressure("amina", 120)).await,
        reader.delete(&place).await,
        reader.delete("Observation?_id=1").await,
        reader.get("Patient/amina").await,
        reader.get("Patient/callum").await,
        reader.get("Patient/none").await,
        // A scope that is not understood gives nothing.
        concord.patient_with("amina", "patient/Observation.xyz patient/Goal.r").get(&place).await,
    ] {
        let issues = refused.expect(403).issues();
        assert!(issues.iter().all(|(code, ..)| code == "forbidden"), "{issues:?}");
    }
    let denied = reader.get("Patient/amina").await.expect(403).issues();
    assert!(denied[0].2.contains("scope"), "the caller is told what the token lacks: {denied:?}");
}

/// The answer to what is hidden is the answer to what is not there, to the byte.
async fn hidden_is_missing(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let hidden = amina.create(&blood_pressure("amina", 120)).await;
    let gone = amina.create(&blood_pressure("amina", 120)).await;
    amina.delete(&format!("Observation/{gone}")).await.expect(204);
    // As long as a real one, so that no length tells them apart.
    let unused = "01900000-0000-7000-8000-000000000000";
    let bare = |answer: &Answer| {
        let mut headers: Vec<(String, String)> = answer
            .headers
            .iter()
            .filter(|(name, _)| !["date", "x-request-id"].contains(&name.as_str()))
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().to_owned()))
            .collect();
        headers.sort();
        (answer.status, headers, answer.text())
    };
    for app in [
        concord.patient("callum"),
        concord.user("Practitioner/gp-elsewhere"),
        concord.user("RelatedPerson/neighbour"),
        concord.user("Practitioner/former"),
    ] {
        for tail in ["", "/_history", "/_history/1", "/_history/2", "?_format=xml", "?_pretty=true&_summary=true"] {
            let wanted = bare(&app.get(&format!("Observation/{unused}{tail}")).await.expect(404));
            for id in [&hidden, &gone] {
                let found = bare(&app.get(&format!("Observation/{id}{tail}")).await);
                assert_eq!(found, wanted, "{tail}");
            }
        }
        // The same inside of what is written: whether a reference leads nowhere or to what is hidden is not told.
        if app.get("Patient/callum").await.status == 200 {
            let refers = |id: &str| {
                with(blood_pressure("callum", 120), "derivedFrom", json!([{"reference": format!("Observation/{id}")}]))
            };
            let told = |answer: Answer, id: &str| answer.expect(422).text().replace(id, "ID");
            let wanted = told(app.post("Observation", &refers(unused)).await, unused);
            for id in [&hidden, &gone] {
                assert_eq!(told(app.post("Observation", &refers(id)).await, id), wanted);
            }
        }
    }
    // Whoever could read it knows that it is gone.
    for app in [&amina, &concord.user("Practitioner/gp"), &concord.system()] {
        assert_eq!(app.get(&format!("Observation/{gone}")).await.expect(410).issues()[0].0, "deleted");
    }
}

async fn bodies_that_cannot_be_read(concord: &Concord) {
    let system = concord.system();
    let post = |media: &str, body: &str| system.ask(Method::POST, "Observation").body(media, body.to_owned());
    let good = r#"{"resourceType":"Observation","status":"final","code":{"text":"x"}}"#;
    post(FHIR_JSON, good).await.expect(201);
    let deep = format!("{}1{}", "[".repeat(100), "]".repeat(100));
    for body in [
        "",
        "{",
        "[]",
        "null",
        "\u{feff}",
        "not json",
        &format!("{good} trailing"),
        r#"{"resourceType":"Observation","status":"final","status":"final","code":{"text":"x"}}"#,
        r#"{"resourceType":"Nonsense"}"#,
        r#"{"status":"final"}"#,
        r#"{"resourceType":"Goal","lifecycleStatus":"active","description":{"text":"x"},"subject":{"display":"x"}}"#,
        &good.replace("\"x\"", &deep),
    ] {
        let refused = post(FHIR_JSON, body).await;
        // Nested too deep is too large.
        assert!([400, 413, 422].contains(&refused.status), "{body}: {refused}");
        refused.issues();
    }
    let xml = |body: &str| post("application/fhir+xml", body);
    xml("<Observation xmlns=\"http://hl7.org/fhir\"><status value=\"final\"/><code><text value=\"x\"/></code></Observation>")
        .await
        .expect(201);
    for body in [
        "<Observation",
        "<Observation xmlns=\"http://hl7.org/fhir\">",
        "<!DOCTYPE Observation [<!ENTITY a \"b\">]><Observation xmlns=\"http://hl7.org/fhir\"><status value=\"&a;\"/></Observation>",
        "<Observation xmlns=\"urn:other\"><status value=\"final\"/></Observation>",
    ] {
        let refused = xml(body).await;
        assert!([400, 422].contains(&refused.status), "{body}: {refused}");
        refused.issues();
    }
    let bytes = system.ask(Method::POST, "Observation").body(FHIR_JSON, vec![b'{', 0xff, b'}']).await.expect(400);
    bytes.issues();
}

async fn every_problem_is_listed(concord: &Concord) {
    people::arrive(concord).await;
    let body = json!({
        "resourceType": "Observation",
        "status": "finished",
        "colour": "red",
        "code": {"coding": [{"system": "not a uri", "code": 5}]},
        "subject": {"reference": "Patient/amina"},
        "effectiveDateTime": "2026-02-30",
        "issued": "yesterday",
        "valueString": "a", "valueBoolean": true,
        "note": [],
        "component": [{"valueQuantity": {"value": "12"}}]
    });
    for app in [concord.system(), concord.patient("amina")] {
        let refused = app.post("Observation", &body).await;
        assert!([400, 422].contains(&refused.status), "{refused}");
        let issues = refused.issues();
        for place in [
            "Observation.status",
            "Observation.colour",
            "Observation.code.coding[0].code",
            "Observation.effective",
            "Observation.issued",
            "Observation.value",
            "Observation.note",
            "Observation.component[0].code",
            "Observation.component[0].value",
        ] {
            assert!(issues.iter().any(|(_, at, _)| at.starts_with(place)), "{place} is not in {issues:?}");
        }
        for (_, _, said) in &issues {
            assert!(!said.is_empty() && !said.contains('\n') && !said.contains("::"), "{said}");
        }
    }
    let missing = without(without(blood_pressure("amina", 120), "status"), "code");
    let refused = concord.patient("amina").post("Observation", &missing).await.expect(422).issues();
    let places: Vec<&str> = refused.iter().map(|(_, place, _)| place.as_str()).collect();
    assert!(places.contains(&"Observation.status") && places.contains(&"Observation.code"), "{refused:?}");
    assert!(concord.system().get("Observation").await.expect(200).ids().is_empty(), "nothing of it was stored");
}

async fn bodies_too_large(concord: &Concord) {
    let system = concord.system();
    let large = with(blood_pressure("amina", 120), "note", json!([{"text": "x".repeat(MAX_BODY_BYTES)}]));
    let refused = system.post("Observation", &large).await.expect(413);
    assert_eq!(refused.issues()[0].0, "too-long");
    system.put("Observation/1", &with(large, "id", json!("1"))).await.expect(413).issues();
    let long = format!("Observation?code={}", "x".repeat(17_000));
    let refused = system.get(&long).await;
    assert!([400, 414].contains(&refused.status), "{refused}");
}

async fn methods_and_media_types(concord: &Concord) {
    people::arrive(concord).await;
    let system = concord.system();
    for (method, place) in [
        (Method::POST, "Observation/1"),
        (Method::PATCH, "Observation/1/_history/1"),
        (Method::DELETE, "_history"),
        (Method::POST, "metadata"),
        (Method::PUT, "Observation/_search"),
        (Method::DELETE, "Observation/1/_history"),
        (Method::PUT, "Observation/1/_history/1"),
    ] {
        let refused = system.ask(method.clone(), place).resource(&blood_pressure("amina", 120)).await.expect(405);
        assert_eq!(refused.issues()[0].0, "not-supported", "{method} {place}");
        assert!(!refused.header("allow").is_empty(), "{method} {place}");
    }
    let reading = blood_pressure("amina", 120).to_string();
    for media in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/fhir+turtle",
        "multipart/form-data",
        "application/fhir+json; fhirVersion=5.0",
    ] {
        system.ask(Method::POST, "Observation").body(media, reading.clone()).await.expect(415).issues();
        system.ask(Method::PUT, "Observation/1").body(media, reading.clone()).await.expect(415).issues();
    }
    for media in ["application/json", "application/fhir+json;charset=utf-8", "application/fhir+json; fhirVersion=4.0"] {
        system.ask(Method::POST, "Observation").body(media, reading.clone()).await.expect(201);
    }
    let encoded = system.post("Observation", &blood_pressure("amina", 120)).header("content-encoding", "compress");
    encoded.await.expect(415).issues();
    assert_eq!(system.delete("").await.expect(405).header("allow"), "GET, HEAD, POST");
    system.ask(Method::POST, "Observation/_search").body("text/plain", "code=x").await.expect(415).issues();
}

async fn addresses(concord: &Concord) {
    people::arrive(concord).await;
    let system = concord.system();
    for unknown in
        ["Nonsense", "Nonsense/1", "observation", "Parameters", "Resource", "DomainResource/1", "Observation%00"]
    {
        let refused = system.get(unknown).await;
        assert!([400, 404].contains(&refused.status), "{refused}");
        refused.issues();
    }
    for id in ["a_b", "x%20y", &"x".repeat(65), "%00", "%F0%9F%98%80"] {
        system.get(&format!("Observation/{id}")).await.expect(404).issues();
        system.delete(&format!("Observation/{id}")).await.expect(404).issues();
        let put = with(blood_pressure("amina", 120), "id", json!("x"));
        assert!([400, 404].contains(&system.put(&format!("Observation/{id}"), &put).await.status));
    }
    for version in ["0", "-1", "x", "99999999999999999999"] {
        system.get(&format!("Patient/amina/_history/{version}")).await.expect(404).issues();
    }
    let other = with(blood_pressure("amina", 120), "id", json!("2"));
    let refused = system.put("Observation/1", &other).await.expect(400).issues();
    assert_eq!(refused[0].1, "Observation.id");
    let none = without(other, "id");
    system.put("Observation/1", &none).await.expect(400).issues();
    let goal = json!({"resourceType": "Goal", "id": "1"});
    system.put("Observation/1", &goal).await;
    let outcome = system.get("Observation/none").await.expect(404);
    assert_eq!(text(&outcome.json(), "/issue/0/severity"), "error");
}

/// A refusal says what to do instead, and whether there is what it is about makes no difference.
async fn refusals_say_what_to_do(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, gp) = (concord.patient("amina"), concord.user("Practitioner/gp"));
    // Whose record it is, at its place.
    for whose in ["callum", "never"] {
        for (resource, place) in [
            (blood_pressure(whose, 120), "Observation.subject"),
            (
                json!({"resourceType": "AllergyIntolerance", "patient": {"reference": format!("Patient/{whose}")},
                    "code": {"text": "x"}, "clinicalStatus": {"coding": [{
                        "system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", "code": "active"}]}}),
                "AllergyIntolerance.patient",
            ),
        ] {
            let name = text(&resource, "/resourceType");
            let refused = amina.post(name, &resource).await.expect(403).issues();
            assert_eq!(refused, [("forbidden".into(), place.into(), "you may write in Patient/amina only".into())]);
        }
        // For others it is the record too, and not the type.
        let refused = gp.post("Observation", &blood_pressure(whose, 120)).await.expect(403).issues();
        assert!(refused[0].2.contains("in whose care you are"), "{whose}: {refused:?}");
    }
    // The type, where it is about that.
    let concept = json!({"text": "x"});
    let condition = json!({"resourceType": "Condition", "subject": {"reference": "Patient/amina"}, "code": concept});
    let refused = amina.post("Condition", &condition).await.expect(403).issues();
    assert!(refused[0].2.contains("resources of this type"), "{refused:?}");
    let team = without(people::care_team(&["Practitioner/gp"]), "id");
    let refused = gp.post("CareTeam", &team).await.expect(403).issues();
    assert!(refused[0].2.contains("resources of this type"), "{refused:?}");
    // Dates.
    for (search, words) in [("date=yesterday", "2026-11-30"), ("date=ge", "2026-11-30"), ("date=2026-13", "2026-11-30")]
    {
        let refused = amina.get(&format!("Observation?{search}")).await.expect(400).issues();
        assert!(refused[0].2.contains(words), "{search}: {refused:?}");
    }
    let later = with(blood_pressure("amina", 120), "effectiveDateTime", json!("2099-01-01"));
    let refused = amina.post("Observation", &later).await.expect(422).issues();
    assert_eq!(refused[0].1, "Observation.effective");
    assert!(refused[0].2.contains("'effective' lies in the future"), "{refused:?}");
}

/// Whoever names the patient by what tells nobody whose record it is, is told how to: whosever number that is.
async fn who_names_the_patient_otherwise_is_told_how(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, gp) = (concord.patient("amina"), concord.user("Practitioner/gp"));
    let numbered =
        |number: &str| json!({"identifier": {"system": "https://fhir.nhs.uk/Id/nhs-number", "value": number}});
    let others =
        [json!({"reference": "https://other.example/fhir/Patient/amina"}), json!({"identifier": {"value": "7"}})];
    let system = concord.system();
    system
        .store(&json!({"resourceType": "Patient", "id": "amina",
        "identifier": [{"system": "https://fhir.nhs.uk/Id/nhs-number", "value": "9990011176"}]}))
        .await;
    let son = concord.user("RelatedPerson/yusuf");
    for subject in [numbered("9990011176"), numbered("9434765919")].iter().chain(&others) {
        for (app, words) in [(&amina, "Patient/amina only"), (&gp, "Patient/id"), (&son, "Patient/id")] {
            let refused =
                app.post("Observation", &with(blood_pressure("amina", 120), "subject", subject.clone())).await;
            let issues = refused.expect(403).issues();
            let told = issues.iter().find(|(_, place, _)| place == "Observation.subject").expect("the place");
            assert!(told.2.contains(words) && told.2.contains("by reference"), "{subject}: {told:?}");
        }
    }
}
