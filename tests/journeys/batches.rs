//! A batch is entry by entry, whatever is wrong with one of them.

use concord_tests::client::text;
use concord_tests::people::{self, blood_pressure, with, without};
use concord_tests::{Answer, App, Concord, on_both};
use reqwest::Method;
use serde_json::{Value, json};

on_both! {
    what_is_wrong_with_an_entry_is_its_own, in_xml_too, problems_are_told_and_bounded, conditional_reads,
    everything_below_the_base_is_an_entry, entries_of_a_batch_do_not_refer_to_one_another,
    a_transaction_tells_all_that_is_wrong, the_url_of_an_entry_is_read_as_that_of_a_request
}

mod few {
    use concord_tests::{Concord, on_both};
    use serde_json::json;

    on_both! { with &[("CONCORD_MAX_BUNDLE_ENTRIES", "3")]; no_more_than_the_setting_says }

    async fn no_more_than_the_setting_says(concord: &Concord) {
        let (system, entry) = (concord.system(), json!({"request": {"method": "GET", "url": "metadata"}}));
        let basic = json!({"resource": {"resourceType": "Basic", "code": {"text": "x"}},
            "request": {"method": "POST", "url": "Basic"}});
        for (kind, entry) in [("batch", &entry), ("batch", &basic), ("transaction", &basic)] {
            for (many, status) in [(3, 200), (4, 413)] {
                let answer = super::send(&system, kind, &vec![entry.clone(); many]).await.expect(status);
                assert!(status == 200 || answer.text().contains("max_bundle_entries"), "{answer}");
            }
        }
    }
}

async fn send(app: &App, kind: &str, entries: &[Value]) -> Answer {
    app.post("/fhir", &json!({"resourceType": "Bundle", "type": kind, "entry": entries})).await
}

fn request(method: &str, url: &str) -> Value {
    json!({"request": {"method": method, "url": url}})
}

fn post(url: &str, resource: &Value) -> Value {
    json!({"request": {"method": "POST", "url": url}, "resource": resource})
}

fn statuses(answer: &Answer) -> Vec<String> {
    let told = |entry: &Value| text(entry, "/response/status").chars().take(3).collect();
    answer.entries().iter().map(told).collect()
}

async fn what_is_wrong_with_an_entry_is_its_own(concord: &Concord) {
    people::arrive(concord).await;
    let system = concord.system();
    let reading = blood_pressure("amina", 120);
    let patient = json!({"resourceType": "Patient", "active": true});
    let mut no_method = post("Patient", &patient);
    no_method["request"]["method"] = json!("POKE");
    let mut versioned = post("Patient", &patient);
    versioned["fullUrl"] = json!("http://x.example/Patient/1/_history/1");
    let entries = [
        post("Patient", &patient),
        post("Observation", &without(reading.clone(), "status")),
        post("Observation", &with(reading.clone(), "status", json!("excellent"))),
        post("Observation", &with(reading.clone(), "colour", json!("red"))),
        post("Observation", &with(reading.clone(), "note", json!({"text": "no list"}))),
        post("Observation", &without(reading.clone(), "resourceType")),
        post("Nonsense", &json!({"resourceType": "Nonsense"})),
        json!({"request": {"method": "PUT", "url": "Patient/not_an_id"}, "resource": with(patient.clone(), "id", json!("not_an_id"))}),
        json!({"request": {"method": "PUT", "url": "Patient/amina"}, "resource": patient}),
        no_method,
        versioned,
        json!({"resource": patient}),
        json!({"fullUrl": "urn:uuid:0c3201bd-1cbf-4d64-b04d-cd9187a4c6e0"}),
        request("GET", "Patient/amina"),
        post("Patient", &patient),
    ];
    let answer = send(&system, "batch", &entries).await.expect(200);
    assert_eq!(
        statuses(&answer),
        ["201", "422", "422", "422", "400", "400", "404", "404", "400", "422", "422", "422", "422", "200", "201"],
        "{answer}"
    );
    let place = |at: usize| text(&answer.entries()[at], "/response/outcome/issue/0/expression/0").to_owned();
    for (at, wanted) in [
        (1, "Observation.status"),
        (2, "Observation.status"),
        (3, "Observation.colour"),
        (4, "Observation.note"),
        (8, "Patient.id"),
        (9, "Bundle.entry[9].request.method"),
        (10, "Bundle.entry[10]"),
        (11, "Bundle.entry[11]"),
    ] {
        assert_eq!(place(at), wanted, "{}", answer.entries()[at]);
    }
    let said = answer.entries()[8]["response"]["outcome"]["issue"][0]["diagnostics"].to_string();
    assert!(said.contains("has no id"), "{said}");
    // What is not valid outside of the entries refuses all of them.
    for bundle in [
        json!({"resourceType": "Bundle", "type": "batch", "total": 1, "entry": entries}),
        json!({"resourceType": "Bundle", "type": "batch", "colour": 1, "entry": entries}),
    ] {
        let refused = system.post("/fhir", &bundle).await.expect(422);
        assert!(refused.issues().iter().all(|(_, place, _)| !place.contains("entry[")), "{refused}");
    }
    let refused = system.post("/fhir", &json!({"resourceType": "Bundle", "type": "batch", "entry": []})).await;
    assert_eq!(refused.expect(400).issues()[0].1, "Bundle.entry");
}

async fn in_xml_too(concord: &Concord) {
    let entry = |inside: &str| {
        format!(
            "<entry><resource><Patient>{inside}</Patient></resource><request><method value=\"POST\"/>\
             <url value=\"Patient\"/></request></entry>"
        )
    };
    let body = format!(
        "<Bundle xmlns=\"http://hl7.org/fhir\"><type value=\"batch\"/>{}{}{}</Bundle>",
        entry("<active value=\"true\"/>"),
        entry("<colour value=\"red\"/>"),
        entry("<active value=\"perhaps\"/>"),
    );
    let answer = concord.system().ask(Method::POST, "/fhir").body("application/fhir+xml", body).await.expect(200);
    assert_eq!(statuses(&answer), ["201", "422", "400"], "{answer}");
    assert_eq!(text(&answer.entries()[1], "/response/outcome/issue/0/expression/0"), "Patient.colour");
}

/// A body of nothing but problems is answered with the first of them, and with 422: none of it is too large.
async fn problems_are_told_and_bounded(concord: &Concord) {
    let system = concord.system();
    let names = vec![json!({"use": "zzz"}); 1_001];
    let patient = json!({"resourceType": "Patient", "name": names});
    for (answer, status) in
        [(system.post("Patient", &patient).await, 422), (system.post("Patient/$validate", &patient).await, 200)]
    {
        let issues = answer.expect(status).issues();
        assert_eq!(issues.len(), 1_001);
        assert_eq!(issues[999].1, "Patient.name[999].use");
        assert!(issues[1_000].2.contains("1 more"), "{:?}", issues[1_000]);
    }
    let answer =
        send(&system, "batch", &[post("Patient", &patient), request("GET", "Patient/none"), post("Patient", &patient)])
            .await;
    assert_eq!(statuses(&answer.expect(200)), ["422", "404", "422"]);
    let refused = send(&system, "transaction", &[post("Patient", &patient)]).await.expect(422);
    assert_eq!(refused.issues()[999].1, "Bundle.entry[0].resource.name[999].use");
}

async fn conditional_reads(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let id = amina.create(&blood_pressure("amina", 120)).await;
    let stored = amina.get(&format!("Observation/{id}")).await.expect(200).json();
    let updated = text(&stored, "/meta/lastUpdated");
    let read = |name: &str, value: &str| {
        let mut entry = request("GET", &format!("Observation/{id}"));
        entry["request"][name] = json!(value);
        entry
    };
    let entries = [
        read("ifNoneMatch", "W/\"1\""),
        read("ifNoneMatch", "\"1\""),
        read("ifNoneMatch", "W/\"2\""),
        read("ifModifiedSince", updated),
        read("ifModifiedSince", "2020-01-01T00:00:00Z"),
    ];
    for kind in ["batch", "transaction"] {
        let answer = send(&amina, kind, &entries).await.expect(200);
        assert_eq!(statuses(&answer), ["304", "304", "200", "304", "200"], "{kind}");
        for (entry, has_body) in answer.entries().iter().zip([false, false, true, false, true]) {
            assert_eq!(entry.get("resource").is_some(), has_body, "{entry}");
            assert_eq!(text(entry, "/response/etag"), "W/\"1\"", "{entry}");
        }
    }
}

async fn everything_below_the_base_is_an_entry(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let form = json!({"resourceType": "Binary", "contentType": "application/x-www-form-urlencoded",
        "data": "c3RhdHVzPWZpbmFs"});
    let entries = [
        request("GET", "metadata"),
        request("HEAD", "metadata"),
        request("GET", "_history?_count=1"),
        request("GET", "?_type=Observation,Goal"),
        request("GET", "http://concord.test/fhir?_type=Observation,Goal"),
        post("Observation/_search", &form),
        post("_search?_type=Observation", &form),
        request("GET", "http://concord.test/fhir/metadata"),
    ];
    for kind in ["batch", "transaction"] {
        let answer = send(&amina, kind, &entries).await.expect(200);
        assert_eq!(statuses(&answer), ["200"; 8], "{kind}: {answer}");
        let types: Vec<String> = answer
            .entries()
            .iter()
            .map(|entry| format!("{} {}", text(entry, "/resource/resourceType"), text(entry, "/resource/type")))
            .collect();
        let search = "Bundle searchset";
        let wanted =
            ["CapabilityStatement ", " ", "Bundle history", search, search, search, search, "CapabilityStatement "];
        assert_eq!(types, wanted, "{kind}");
    }
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        assert_eq!(statuses(&send(&amina, "batch", &[request(method, "metadata")]).await.expect(200)), ["405"]);
    }
}

/// What another entry will be called nobody knows: such a reference would lead nowhere.
async fn entries_of_a_batch_do_not_refer_to_one_another(concord: &Concord) {
    people::arrive(concord).await;
    let system = concord.system();
    let named = |full_url: &str, entry: Value| with(entry, "fullUrl", json!(full_url));
    let urn = "urn:uuid:0c3201bd-1cbf-4d64-b04d-cd9187a4c6e0";
    let patient = json!({"resourceType": "Patient", "active": true});
    let of = |reference: &str| with(blood_pressure("amina", 120), "subject", json!({"reference": reference}));
    for (source, reference) in [
        (urn, urn),
        ("http://s.example/Patient/s", "http://s.example/Patient/s"),
        ("http://s.example/Patient/s", "Patient/s"),
        ("http://s.example/Patient/s", "Patient/s/_history/3"),
    ] {
        let entries = [
            named("http://s.example/Observation/o", post("Observation", &of(reference))),
            named(source, post("Patient", &patient)),
            post("Observation", &of("Patient/amina")),
        ];
        let answer = send(&system, "batch", &entries).await.expect(200);
        assert_eq!(statuses(&answer), ["400", "201", "201"], "{reference}: {answer}");
        let place = text(&answer.entries()[0], "/response/outcome/issue/0/expression/0").to_owned();
        assert_eq!(place, "Observation.subject");
    }
    // An entry that is where it says that it is can be referred to.
    let put = json!({"fullUrl": "http://concord.test/fhir/Patient/amina", "request": {"method": "PUT", "url": "Patient/amina"},
        "resource": with(patient, "id", json!("amina"))});
    let answer = send(&system, "batch", &[put, post("Observation", &of("Patient/amina"))]).await.expect(200);
    assert_eq!(statuses(&answer), ["200", "201"], "{answer}");
}

async fn a_transaction_tells_all_that_is_wrong(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let wrong = without(blood_pressure("amina", 120), "status");
    let entries =
        [post("Observation", &wrong), post("Observation", &blood_pressure("amina", 120)), post("Observation", &wrong)];
    let refused = send(&amina, "transaction", &entries).await.expect(422);
    let places: Vec<String> = refused.issues().into_iter().map(|(_, place, _)| place).collect();
    assert_eq!(places, ["Bundle.entry[0].resource.status", "Bundle.entry[2].resource.status"]);
    assert!(amina.get("Observation").await.expect(200).ids().is_empty());
    // What asks for what is wrong is told it, in a transaction too.
    let answer = send(&amina, "transaction", &[post("Observation/$validate", &wrong)]).await.expect(200);
    assert_eq!(text(&answer.entries()[0], "/resource/issue/0/expression/0"), "Observation.status");
}

/// Encoded or not, with a slash before it or behind it, relative or whole, with what clients leave out of a request.
async fn the_url_of_an_entry_is_read_as_that_of_a_request(concord: &Concord) {
    people::arrive(concord).await;
    let system = concord.system();
    let odd = json!({"resourceType": "Patient", "id": "odd", "name": [{"family": "a b+c|d"}],
        "identifier": [{"system": "urn:s", "value": "1+1"}]});
    system.store(&odd).await;
    // The url of an entry, and the path of a request below the base.
    let table = [
        ("Patient/odd", "Patient/odd"),
        ("/Patient/odd", "Patient/odd"),
        ("./Patient/odd", "Patient/odd"),
        ("Patient/odd/", "Patient/odd/"),
        ("Patient/%6fdd", "Patient/%6fdd"),
        ("Patient%2Fodd", "Patient%2Fodd"),
        ("Patient/odd?", "Patient/odd?"),
        ("Patient/odd#part", "Patient/odd#part"),
        ("Patient/odd?_summary=true#part", "Patient/odd?_summary=true#part"),
        ("/fhir/Patient/odd", "Patient/odd"),
        ("http://concord.test/fhir/Patient/odd", "Patient/odd"),
        ("HTTPS://Concord.test:443/fhir/Patient/odd", "Patient/odd"),
        ("patient/odd", "patient/odd"),
        ("Patient/odd/x", "Patient/odd/x"),
        ("fhir/Patient/odd", "fhir/Patient/odd"),
        ("Patient?identifier=urn:s|1%2B1", "Patient?identifier=urn:s|1%2B1"),
        ("Patient?identifier=urn%3As%7C1%2B1", "Patient?identifier=urn%3As%7C1%2B1"),
        ("Patient?identifier=urn:s|1+1", "Patient?identifier=urn:s|1+1"),
        ("Patient?family=a+b%2Bc%5C%7Cd", "Patient?family=a+b%2Bc%5C%7Cd"),
        ("Patient?family=a%20b%2bc%5c%7cd&", "Patient?family=a%20b%2bc%5c%7cd&"),
        ("/Patient/?_id=odd", "Patient/?_id=odd"),
        ("?_type=Patient&_id=odd", "?_type=Patient&_id=odd"),
        ("http://concord.test/fhir?_type=Patient&_id=odd", "?_type=Patient&_id=odd"),
        ("Patient?_id=odd?", "Patient?_id=odd?"),
        ("Patient/$everything", "Patient/$everything"),
        ("Patient/odd/%24everything?_count=1", "Patient/odd/%24everything?_count=1"),
    ];
    for (url, path) in table {
        let alone = system.get(path).await;
        let found = if alone.status == 200 { alone.json() } else { Value::Null };
        for kind in ["batch", "transaction"] {
            let answer = send(&system, kind, &[request("GET", url)]).await;
            if alone.status != 200 && kind == "transaction" {
                assert_eq!(answer.status, alone.status, "{url} {answer}");
                continue;
            }
            let entry = &answer.expect(200).entries()[0];
            assert!(
                text(entry, "/response/status").starts_with(&alone.status.to_string()),
                "{url} {path}: {alone} {entry}"
            );
            assert_eq!(entry["resource"]["total"], found["total"], "{url}");
            assert_eq!(text(&entry["resource"], "/id").is_empty(), text(&found, "/id").is_empty(), "{url}");
            assert_eq!(entry["resource"]["entry"][0]["resource"], found["entry"][0]["resource"], "{url}");
        }
    }
    for url in [
        "http://other.example/fhir/Patient/odd",
        "http://concord.test/fhirPatient/odd",
        "ftp://concord.test/fhir/Patient/odd",
    ] {
        let entry = &send(&system, "batch", &[request("GET", url)]).await.expect(200).entries()[0];
        assert_eq!(text(entry, "/response/status").chars().take(3).collect::<String>(), "400", "{url}");
        let told = text(entry, "/response/outcome/issue/0/diagnostics");
        assert!(told.contains("another server") && told.contains("http://concord.test/fhir"), "{told}");
    }
}
