//! In what form answers come: Prefer, HEAD, _format, _pretty, _summary, _elements, gzip, CORS, and the headers.

use std::io::Read as _;

use concord_tests::client::{Method, text};
use concord_tests::people::{self, blood_pressure, with};
use concord_tests::server::{BASE, ORIGIN};
use concord_tests::{Concord, on_both};
use serde_json::{Value, json};

on_both! {
    what_a_write_answers, contents_as_they_are, head_is_get_without_a_body, formats, parts_of_resources, compressed,
    other_origins, request_ids, numbers_and_order_are_kept, outside_the_base
}

async fn what_a_write_answers(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let reading = blood_pressure("amina", 120);
    let place = format!("Observation/{}", amina.create(&reading).await);
    for (prefer, kind) in [
        ("return=minimal", ""),
        ("return=representation", "Observation"),
        ("Return=minimal", ""),
        ("return=OperationOutcome", "OperationOutcome"),
        ("respond-async, return=\"minimal\"", ""),
        ("handling=strict; return=OperationOutcome", "OperationOutcome"),
        ("return=everything", "Observation"),
        ("", "Observation"),
    ] {
        let created = amina.post("Observation", &reading).header("prefer", prefer).await.expect(201);
        assert!(created.header("location").starts_with(&format!("{BASE}/Observation/")), "{prefer}");
        let next = amina.get(&place).await.expect(200).json();
        let next = with(next, "note", json!([{"text": prefer.len().to_string()}]));
        let updated = amina.put(&place, &next).header("prefer", prefer).await.expect(200);
        for answer in [created, updated] {
            assert!(!answer.header("etag").is_empty() && !answer.header("content-location").is_empty(), "{prefer}");
            if kind.is_empty() {
                assert!(answer.body.is_empty(), "{prefer}");
            } else {
                assert_eq!(text(&answer.json(), "/resourceType"), kind, "{prefer}");
            }
        }
    }
}

async fn head_is_get_without_a_body(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let place = format!("Observation/{}", amina.create(&blood_pressure("amina", 120)).await);
    for (place, status) in [
        (place.as_str(), 200),
        (&format!("{place}/_history/1"), 200),
        (&format!("{place}/_history"), 200),
        ("Observation/_history", 200),
        ("_history", 200),
        ("Observation?_count=1", 200),
        ("metadata", 200),
        ("Observation/none", 404),
        ("/healthz", 200),
        ("/readyz", 200),
        ("/openapi.json", 200),
        ("/nowhere", 404),
    ] {
        let (get, head) = (amina.get(place).await.expect(status), amina.head(place).await.expect(status));
        assert!(head.body.is_empty(), "{place}");
        for name in ["content-type", "etag", "last-modified", "cache-control"] {
            assert_eq!(head.header(name), get.header(name), "{place}: {name}");
        }
    }
}

async fn formats(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let place = format!("Observation/{}", amina.create(&blood_pressure("amina", 120)).await);
    let (json_type, xml_type) = ("application/fhir+json; charset=utf-8", "application/fhir+xml; charset=utf-8");
    for (query, accept, wanted) in [
        ("", "", json_type),
        ("", "*/*", json_type),
        ("", "application/fhir+json", json_type),
        ("", "application/json", json_type),
        ("", "application/fhir+xml", xml_type),
        ("", "text/xml", xml_type),
        ("", "application/fhir+xml;q=0.4, application/fhir+json;q=0.6", json_type),
        ("", "application/fhir+xml, application/fhir+json;q=0.6", xml_type),
        ("?_format=xml", "application/fhir+json", xml_type),
        ("?_format=application/fhir%2Bxml", "", xml_type),
        ("?_format=application/fhir+xml", "", xml_type),
        ("?_format=json", "application/fhir+xml", json_type),
        ("?_format=json", "image/png", json_type),
    ] {
        let answer = amina.get(&format!("{place}{query}")).header("accept", accept).await.expect(200);
        assert_eq!(answer.header("content-type"), wanted, "{query} {accept}");
        if wanted == xml_type {
            assert!(answer.text().contains("<Observation xmlns=\"http://hl7.org/fhir\">"), "{answer}");
        } else {
            assert_eq!(text(&answer.json(), "/resourceType"), "Observation");
        }
    }
    for (query, accept) in [("", "image/png"), ("?_format=yaml", ""), ("", "application/fhir+json; fhirVersion=3.0")] {
        for place in [place.as_str(), "Observation", "metadata", "_history"] {
            amina.get(&format!("{place}{query}")).header("accept", accept).await.expect(406).issues();
        }
    }
    let missing = amina.get("Observation/none?_format=xml").await.expect(404);
    assert_eq!(missing.header("content-type"), xml_type);
    assert!(missing.text().contains("<OperationOutcome xmlns=\"http://hl7.org/fhir\">"), "{missing}");
    let bundle = amina.get("Observation?_format=xml").await.expect(200);
    assert!(bundle.text().contains("<Bundle xmlns=\"http://hl7.org/fhir\">"), "{bundle}");

    let xml = amina.get(&format!("{place}?_format=xml")).await.expect(200).text();
    let posted = amina.ask(Method::POST, "Observation").body("application/fhir+xml", xml).await.expect(201);
    let drop_server_parts = |mut value: Value| {
        for name in ["id", "meta"] {
            if let Some(object) = value.as_object_mut() {
                object.shift_remove(name);
            }
        }
        value
    };
    let stored = amina.get(&place).await.expect(200).json();
    assert_eq!(drop_server_parts(posted.json()), drop_server_parts(stored));

    let plain = amina.get(&place).await.expect(200);
    let pretty = amina.get(&format!("{place}?_pretty=true")).await.expect(200);
    assert!(!plain.text().contains('\n') && pretty.text().lines().count() > 10);
    assert_eq!(pretty.json(), plain.json());
    amina.get(&format!("{place}?_pretty=maybe")).await.expect(400).issues();
}

async fn parts_of_resources(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let narrative = json!({"status": "generated", "div": "<div xmlns=\"http://www.w3.org/1999/xhtml\">high</div>"});
    let reading = with(with(blood_pressure("amina", 120), "text", narrative), "note", json!([{"text": "after tea"}]));
    let place = format!("Observation/{}", amina.create(&reading).await);
    let names = |value: &Value| -> Vec<String> {
        value.as_object().map(|object| object.keys().cloned().collect()).unwrap_or_default()
    };
    for (query, there, gone) in [
        ("_summary=true", &["code", "status", "subject"][..], &["text", "note"][..]),
        ("_summary=text", &["text", "status", "code"], &["note", "component"]),
        ("_summary=data", &["note", "component", "status"], &["text"]),
        ("_summary=false", &["note", "component", "text"], &[]),
        ("_elements=note", &["note", "status", "code"], &["text", "component"]),
        ("_elements=note,component", &["note", "component"], &["text", "effectiveDateTime"]),
    ] {
        let read = amina.get(&format!("{place}?{query}")).await.expect(200).json();
        let found = amina.get(&format!("Observation?{query}")).await.expect(200).matches().pop().expect("a match");
        for part in [read, found] {
            let names = names(&part);
            let has = |name: &&str| names.iter().any(|known| known == name);
            assert!(["resourceType", "id", "meta"].iter().all(has), "{query}: {names:?}");
            assert!(there.iter().all(has), "{query}: {names:?}");
            assert!(!gone.iter().any(has), "{query}: {names:?}");
            let tagged = part.pointer("/meta/tag").is_some_and(|tags| tags.to_string().contains("SUBSETTED"));
            assert_eq!(tagged, query != "_summary=false", "{query}");
        }
    }
    let counted = amina.get("Observation?_summary=count").await.expect(200);
    assert_eq!(counted.json()["total"], json!(1));
    assert!(counted.entries().is_empty());
    for wrong in ["_summary=all", "_elements=", "_summary=true&_elements=note"] {
        amina.get(&format!("{place}?{wrong}")).await.expect(400).issues();
    }
}

async fn compressed(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    for number in 0..20 {
        amina.create(&blood_pressure("amina", 120 + number)).await;
    }
    let plain = amina.get("Observation").await.expect(200);
    assert_eq!(plain.header("content-encoding"), "");
    let small = amina.get("Observation").header("accept-encoding", "gzip").await.expect(200);
    assert_eq!(small.header("content-encoding"), "gzip");
    assert!(small.body.len() * 4 < plain.body.len(), "{} of {}", small.body.len(), plain.body.len());
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(small.body.as_slice()).read_to_end(&mut unpacked).expect("gzip");
    assert_eq!(unpacked, plain.body);
    let none = amina.get("Observation").header("accept-encoding", "identity").await.expect(200);
    assert_eq!(none.header("content-encoding"), "");
    for nothing in ["identity;q=0", "*;q=0"] {
        let refused = amina.get("Observation").header("accept-encoding", nothing).await.expect(406);
        assert!(refused.issues()[0].2.contains("Accept-Encoding takes none of these"), "{nothing}: {refused}");
    }
}

async fn other_origins(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let read = amina.get("Observation").header("origin", ORIGIN).await.expect(200);
    assert_eq!(read.header("access-control-allow-origin"), ORIGIN);
    assert!(read.header("access-control-expose-headers").to_lowercase().contains("etag"));
    let preflight = concord
        .nobody()
        .ask(Method::OPTIONS, "Observation/1")
        .header("origin", ORIGIN)
        .header("access-control-request-method", "PUT")
        .header("access-control-request-headers", "authorization,content-type,if-match,prefer,x-provenance")
        .await;
    assert_eq!(preflight.status, 200, "{preflight}");
    assert_eq!(preflight.header("access-control-allow-origin"), ORIGIN);
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
        assert!(preflight.header("access-control-allow-methods").contains(method), "{method}");
    }
    // A browser needs to read why it was refused.
    let refused = concord.nobody().get("Observation").header("origin", ORIGIN).await.expect(401);
    assert_eq!(refused.header("access-control-allow-origin"), ORIGIN);
    for other in ["https://evil.example", "null", "http://app.example.org"] {
        let read = amina.get("Observation").header("origin", other).await;
        assert_eq!(read.header("access-control-allow-origin"), "", "{other}: {read}");
        let preflight = concord.nobody().ask(Method::OPTIONS, "Observation").header("origin", other);
        let preflight = preflight.header("access-control-request-method", "GET").await;
        assert_eq!(preflight.header("access-control-allow-origin"), "", "{other}");
    }
}

async fn request_ids(concord: &Concord) {
    let nobody = concord.nobody();
    let own = "0190f2b4-7a51-7cc4-9d5e-3a1b2c4d5e6f";
    for place in ["metadata", "Observation", "/healthz", "/nowhere"] {
        let answer = nobody.get(place).header("x-request-id", own).header("x-correlation-id", own).await;
        assert_eq!((answer.header("x-request-id"), answer.header("x-correlation-id")), (own, own), "{place}");
        let made = nobody.get(place).await;
        assert_eq!(made.header("x-request-id").len(), 36, "{place}: {made}");
        assert_eq!(made.header("x-correlation-id"), "");
        let forged = nobody.get(place).header("x-request-id", "1; DROP TABLE audit").await;
        assert_eq!(forged.header("x-request-id").len(), 36, "{place}");
        assert_eq!(made.header("x-content-type-options"), "nosniff");
    }
}

async fn numbers_and_order_are_kept(concord: &Concord) {
    let system = concord.system();
    let body = r#"{"resourceType":"Observation","id":"exact","extension":[{"url":"urn:z","valueDecimal":1.10}],"valueQuantity":{"unit":"x","value":1e2},"status":"final","code":{"text":"caf\u00e9 \ud83d\ude00"},"component":[{"id":"one","code":{"text":"a"},"valueQuantity":{"value":-0.0}},{"code":{"text":"b"},"valueQuantity":{"value":123456789012345678901234567890.123450}}],"_effectiveDateTime":{"extension":[{"url":"urn:why","valueCode":"unknown"}]}}"#;
    let put = system.ask(Method::PUT, "Observation/exact").body("application/fhir+json", body).await.expect(201);
    for place in ["Observation/exact", "Observation/exact/_history/1"] {
        let read = system.get(place).await.expect(200);
        assert_eq!(read.body, put.body);
        let text = read.text();
        let (_, rest) = text.split_once("}").expect("the meta");
        assert_eq!(
            rest,
            body.replace("\\u00e9", "\u{e9}")
                .replace("\\ud83d\\ude00", "\u{1f600}")
                .split_once("\"exact\"")
                .expect("the id")
                .1
        );
    }
    let found = system.get("Observation?_id=exact").await.expect(200).text();
    assert!(found.contains("\"valueDecimal\":1.10") && found.contains("\"value\":1e2"), "{found}");
}

async fn outside_the_base(concord: &Concord) {
    let nobody = concord.nobody();
    assert_eq!(nobody.get("/healthz").await.expect(200).text(), "ok\n");
    assert_eq!(nobody.get("/readyz").await.expect(200).text(), "ready\n");
    let metrics = nobody.get("/metrics").await.expect(200).text();
    assert!(metrics.lines().any(|line| line.starts_with("# TYPE ")), "{metrics}");
    for nowhere in
        ["/nowhere", "/fhir", "/fhir/", "/fhir/Observation/1/2/3/4", "/fhir//", "/etc/passwd", "/fhir/..%2f..%2fetc"]
    {
        let answer = nobody.get(nowhere).await;
        assert!([401, 404, 405].contains(&answer.status), "{answer}");
        answer.issues();
    }
    let statement = nobody.get("metadata").await.expect(200).json();
    assert_eq!(text(&statement, "/resourceType"), "CapabilityStatement");
    assert_eq!(text(&statement, "/fhirVersion"), "4.0.1");
    assert_eq!(statement["rest"][0]["resource"].as_array().map(Vec::len), Some(145));
}

/// The content of a Binary goes out as it is to whoever asks for its type, and who may read it.
async fn contents_as_they_are(concord: &Concord) {
    people::arrive(concord).await;
    let (system, amina) = (concord.system(), concord.patient("amina"));
    let binary = |data: &str| {
        json!({"resourceType": "Binary", "id": "letter", "contentType": "text/plain", "data": data,
            "securityContext": {"reference": "Patient/amina"}})
    };
    system.store(&binary("SGVsbG8gQW1pbmE=")).await;
    system.store(&binary("SGVsbG8gYWdhaW4=")).await;
    for accept in ["text/plain", "image/png, text/plain;q=0.5"] {
        let read = amina.get("Binary/letter").header("accept", accept).await.expect(200);
        assert_eq!((read.text().as_str(), read.header("content-type")), ("Hello again", "text/plain"), "{accept}");
        assert_eq!(read.header("etag"), "W/\"2\"");
        assert!(read.header("content-security-policy").starts_with("sandbox"));
    }
    let before = amina.get("Binary/letter/_history/1").header("accept", "text/plain").await.expect(200);
    assert_eq!(before.text(), "Hello Amina");
    let known = amina.get("Binary/letter").header("accept", "text/plain").header("if-none-match", "W/\"2\"");
    known.await.expect(304);
    let read = amina.get("Binary/letter").header("accept", "application/fhir+json").await.expect(200).json();
    assert_eq!(read["data"], "SGVsbG8gYWdhaW4=");
    for (place, accept) in [
        ("Binary/letter", "image/png"),
        ("Binary/letter", "text/plain;q=0"),
        ("Binary/letter?_format=pdf", "text/plain"),
        ("Binary/letter/_history", "image/png"),
        ("Binary", "image/png"),
        ("Patient/amina", "image/png"),
    ] {
        amina.get(place).header("accept", accept).await.expect(406).issues();
    }
    // Hidden is missing, in this form too.
    let stranger = concord.patient("callum");
    let hidden = stranger.get("Binary/letter").header("accept", "text/plain").await.expect(404);
    let nothing = stranger.get("Binary/nothing").header("accept", "text/plain").await.expect(404);
    assert_eq!(hidden.body, nothing.body);
    concord.nobody().get("Binary/letter").header("accept", "text/plain").await.expect(401);
}
