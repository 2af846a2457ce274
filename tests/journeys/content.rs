//! Content as it is: photos, letters, and what refers to them.

use concord_tests::client::{FHIR_JSON, Method, text};
use concord_tests::people::{self, with, without};
use concord_tests::{App, Concord, on_both};
use serde_json::{Value, json};

on_both! {
    content_goes_in_and_out_as_it_is, a_resource_is_content_only_where_it_is_no_binary, parts_of_content,
    content_whose_last_bits_stand_for_nothing,
    a_patient_keeps_her_own_content, attachments_lead_somewhere, what_patients_write,
    what_systems_hand_in_may_come_before_its_content
}

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\x00\xffpixels";

async fn raw(app: &App, method: Method, place: &str, media: &str, bytes: &[u8]) -> concord_tests::Answer {
    app.ask(method, place).body(media, bytes.to_vec()).await
}

async fn content_goes_in_and_out_as_it_is(concord: &Concord) {
    people::arrive(concord).await;
    for app in [concord.system(), concord.patient("amina")] {
        let stored = raw(&app, Method::POST, "Binary", "image/png", PNG).await.expect(201).json();
        assert_eq!((text(&stored, "/resourceType"), text(&stored, "/contentType")), ("Binary", "image/png"));
        let place = format!("Binary/{}", text(&stored, "/id"));
        for accept in
            ["*/*", "image/png", "image/*;q=0.3", "image/png,*/*;q=0.1", "text/html,application/xml;q=0.9,*/*;q=0.8"]
        {
            let read = app.get(&place).header("accept", accept).await.expect(200);
            assert_eq!((read.body.as_slice(), read.header("content-type")), (PNG, "image/png"), "{accept}");
        }
        for accept in [FHIR_JSON, "application/json", "application/fhir+json, image/png"] {
            assert_eq!(app.get(&place).header("accept", accept).await.expect(200).json(), stored, "{accept}");
        }
        let xml = app.get(&place).header("accept", "application/fhir+xml").await.expect(200);
        assert!(xml.text().contains("<contentType value=\"image/png\"/>"), "{xml}");
        let shown = app.get(&format!("{place}?_format=json")).header("accept", "image/png").await.expect(200);
        assert_eq!(shown.json(), stored);
        app.get(&place).header("accept", "image/jpeg").await.expect(406).issues();
        // Another version, of another type.
        let letter = "text/plain; charset=utf-8";
        raw(&app, Method::PUT, &place, letter, b"Hello").await.expect(200);
        let read = app.get(&place).header("accept", "*/*").await.expect(200);
        assert_eq!((read.body.as_slice(), read.header("content-type")), (&b"Hello"[..], letter));
        let old = app.get(&format!("{place}/_history/1")).header("accept", "*/*").await.expect(200);
        assert_eq!(old.body, PNG);
        // Nothing at all is content too.
        let empty = raw(&app, Method::POST, "Binary", "text/plain", b"").await.expect(201).json();
        assert!(empty.get("data").is_none(), "{empty}");
        let read = app.get(&format!("Binary/{}", text(&empty, "/id"))).header("accept", "*/*").await.expect(200);
        assert!(read.body.is_empty());
        app.ask(Method::POST, "Binary").await.expect(415).issues();
        raw(&app, Method::POST, "Observation", "image/png", PNG).await.expect(415).issues();
    }
    let system = concord.system();
    let hers = system.ask(Method::POST, "Binary").body("image/png", PNG).header("x-security-context", "Patient/amina");
    let stored = hers.await.expect(201).json();
    assert_eq!(text(&stored, "/securityContext/reference"), "Patient/amina");
    let place = format!("Binary/{}", text(&stored, "/id"));
    assert_eq!(concord.patient("amina").get(&place).header("accept", "*/*").await.expect(200).body, PNG);
    concord.patient("callum").get(&place).header("accept", "*/*").await.expect(404);
}

/// R4: also what is in a form of FHIR is content, unless it is a Binary.
async fn a_resource_is_content_only_where_it_is_no_binary(concord: &Concord) {
    let system = concord.system();
    let document = json!({"resourceType": "Patient", "active": true}).to_string();
    let xml = "<Patient xmlns=\"http://hl7.org/fhir\"/>";
    for (media, body) in [
        (FHIR_JSON, document.as_str()),
        ("application/json", "[1, 2]"),
        ("application/json", "no JSON"),
        ("application/xml", "<note/>"),
        ("application/fhir+xml", xml),
    ] {
        let stored = raw(&system, Method::POST, "Binary", media, body.as_bytes()).await.expect(201).json();
        let read = system.get(&format!("Binary/{}", text(&stored, "/id"))).header("accept", media).await;
        // Asked for by a name of FHIR's it is a Binary again.
        if media.contains("fhir") {
            assert_eq!(text(&stored, "/contentType"), media);
        } else {
            assert_eq!(read.expect(200).text(), body, "{media}");
        }
    }
    let binary = json!({"resourceType": "Binary", "contentType": "image/png", "data": "AAAA"});
    for media in [FHIR_JSON, "application/json"] {
        let stored =
            raw(&system, Method::POST, "Binary", media, binary.to_string().as_bytes()).await.expect(201).json();
        assert_eq!((text(&stored, "/contentType"), text(&stored, "/data")), ("image/png", "AAAA"));
    }
    let wrong = with(binary, "colour", json!("red")).to_string();
    raw(&system, Method::POST, "Binary", FHIR_JSON, wrong.as_bytes()).await.expect(422).issues();
    raw(&system, Method::POST, "Binary", FHIR_JSON, b"no JSON").await.expect(400).issues();
}

async fn parts_of_content(concord: &Concord) {
    let system = concord.system();
    let stored = raw(&system, Method::POST, "Binary", "text/plain", b"0123456789").await.expect(201).json();
    let place = format!("Binary/{}", text(&stored, "/id"));
    for (range, body, told) in
        [("bytes=0-3", "0123", "bytes 0-3/10"), ("bytes=7-", "789", "bytes 7-9/10"), ("bytes=-2", "89", "bytes 8-9/10")]
    {
        let part = system.get(&place).header("accept", "*/*").header("range", range).header("accept-encoding", "gzip");
        let part = part.await.expect(206);
        assert_eq!((part.text().as_str(), part.header("content-range")), (body, told), "{range}");
        assert_eq!(part.header("content-encoding"), "", "{range}");
    }
    let beyond = system.get(&place).header("accept", "*/*").header("range", "bytes=10-").await.expect(416);
    assert_eq!(beyond.header("content-range"), "bytes */10");
    for range in ["bytes=0-1,4-5", "lines=1-2", "bytes=5-1"] {
        let whole = system.get(&place).header("accept", "*/*").header("range", range).await.expect(200);
        assert_eq!((whole.text().as_str(), whole.header("accept-ranges")), ("0123456789", "bytes"), "{range}");
    }
    let changed = system.get(&place).header("accept", "*/*").header("range", "bytes=0-1").header("if-range", "W/\"1\"");
    assert_eq!(changed.await.expect(200).text(), "0123456789");
    // HEAD tells the length that GET has, or none: what is packed is no longer as long.
    for (encoding, length) in [("identity", "10"), ("gzip", ""), ("deflate, br", ""), ("gzip;q=0", "")] {
        let told = system.head(&place).header("accept", "*/*").header("accept-encoding", encoding).await.expect(200);
        assert_eq!((told.header("content-length"), told.header("content-encoding")), (length, ""), "{encoding}");
        assert_eq!(told.header("content-type"), "text/plain");
    }
    assert_eq!(system.head(&place).header("accept", "*/*").await.expect(200).header("content-length"), "10");
}

/// The last letter of base64 may have bits that stand for nothing, whichever they are.
async fn content_whose_last_bits_stand_for_nothing(concord: &Concord) {
    let system = concord.system();
    for (data, bytes) in [("QR==", &b"A"[..]), ("QUJ=", b"AB"), ("QUJDRW==", b"ABCE")] {
        let binary = json!({"resourceType": "Binary", "contentType": "text/plain", "data": data});
        let stored = system.post("Binary", &binary).await.expect(201).json();
        let place = format!("Binary/{}", text(&stored, "/id"));
        assert_eq!(system.get(&place).header("accept", "*/*").await.expect(200).body, bytes, "{data}");
        let last = system.get(&place).header("accept", "*/*").header("range", "bytes=-1").await.expect(206);
        assert_eq!(last.body, bytes[bytes.len() - 1..], "{data}");
        let told = system.head(&place).header("accept", "*/*").await.expect(200);
        assert_eq!(told.header("content-length"), bytes.len().to_string(), "{data}");
    }
}

/// In her own record and in no other.
async fn a_patient_keeps_her_own_content(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let photo = |context: Value| json!({"resourceType": "Binary", "contentType": "image/png", "data": "AAAA", "securityContext": context});
    let own = json!({"reference": "Patient/amina"});
    let stored = amina.post("Binary", &photo(own.clone())).await.expect(201).json();
    let id = text(&stored, "/id").to_owned();
    let told = amina.get(&format!("Provenance?target=Binary/{id}")).await.expect(200).matches();
    assert_eq!(told.len(), 1);
    // Who says nothing says that it is hers.
    let bare = amina.post("Binary", &without(photo(own), "securityContext")).await.expect(201).json();
    assert_eq!(text(&bare, "/securityContext/reference"), "Patient/amina");
    for context in [
        json!({"reference": "Patient/callum"}),
        json!({"reference": "Patient/nobody"}),
        json!({"reference": "Practitioner/gp"}),
        json!({"display": "me"}),
    ] {
        let refused = amina.post("Binary", &photo(context.clone())).await;
        assert!([403, 422].contains(&refused.status), "{context}: {refused}");
        let moved = with(photo(context.clone()), "id", json!(id));
        let refused = amina.put(&format!("Binary/{id}"), &moved).await;
        assert!([403, 404, 422].contains(&refused.status), "{context}: {refused}");
    }
    // To what it belongs may be something of her own record; what is hidden there, or is another's, is as nothing at all.
    let document = |subject: &str| {
        json!({"resourceType": "DocumentReference", "status": "current", "subject": {"reference": subject},
            "content": [{"attachment": {"title": "x"}}]})
    };
    let system = concord.system();
    let label = json!({"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "NOPAT"}]});
    let letter = json!({"reference": format!("DocumentReference/{}", amina.create(&document("Patient/amina")).await)});
    let theirs = json!({"reference": format!("DocumentReference/{}", system.create(&document("Patient/amina")).await)});
    for context in [&letter, &theirs] {
        let scan = amina.create(&photo(context.clone())).await;
        for app in [&amina, &concord.user("Practitioner/gp")] {
            app.get(&format!("Binary/{scan}")).await.expect(200);
        }
        for app in [concord.patient("callum"), concord.user("Practitioner/gp-elsewhere")] {
            app.get(&format!("Binary/{scan}")).await.expect(404);
        }
    }
    let kept = system.create(&with(document("Patient/amina"), "meta", label)).await;
    let others = system.create(&document("Patient/callum")).await;
    let mut told = Vec::new();
    for name in [kept.as_str(), others.as_str(), "never"] {
        let refused = amina.post("Binary", &photo(json!({"reference": format!("DocumentReference/{name}")}))).await;
        told.push((refused.status, refused.text().replace(name, "(id)")));
    }
    assert!([403, 422].contains(&told[0].0) && told.iter().all(|one| *one == told[0]), "{told:?}");
    // Her care team sees it, a stranger does not, and nobody else changes it.
    concord.user("Practitioner/gp").get(&format!("Binary/{id}")).await.expect(200);
    for app in [concord.patient("callum"), concord.user("Practitioner/gp-elsewhere")] {
        app.get(&format!("Binary/{id}")).await.expect(404);
        app.delete(&format!("Binary/{id}")).await.expect(404);
    }
    concord.user("Practitioner/gp").delete(&format!("Binary/{id}")).await.expect(403);
    amina.delete(&format!("Binary/{id}")).await.expect(204);
}

/// A document of Amina's whose content stands there.
fn document(url: &str) -> Value {
    json!({"resourceType": "DocumentReference", "status": "current", "subject": {"reference": "Patient/amina"},
        "content": [{"attachment": {"url": url}}]})
}

/// A picture of hers whose content stands there.
fn media(url: &str) -> Value {
    json!({"resourceType": "Media", "status": "completed", "subject": {"reference": "Patient/amina"},
        "content": {"url": url}})
}

/// A document whose content is nowhere would be found missing when it is needed.
async fn attachments_lead_somewhere(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let photo = raw(&amina, Method::POST, "Binary", "image/png", PNG).await.expect(201).json();
    let photo = format!("Binary/{}", text(&photo, "/id"));
    let hidden = raw(&concord.system(), Method::POST, "Binary", "image/png", PNG).await.expect(201).json();
    let hidden = format!("Binary/{}", text(&hidden, "/id"));
    let absolute = format!("http://concord.test/fhir/{photo}");
    for url in [
        photo.as_str(),
        &absolute,
        "https://other.example/letter.pdf",
        "https://other.example/fhir/Binary/1",
        "letter.pdf",
    ] {
        amina.create(&document(url)).await;
        let stored = amina.post("Media", &media(url)).await.expect(201).json();
        assert_eq!(text(&stored, "/operator/reference"), "Patient/amina");
    }
    let mut told = Vec::new();
    for url in ["Binary/missing", "http://concord.test/fhir/Binary/missing", hidden.as_str()] {
        for (resource, place) in
            [(document(url), "DocumentReference.content[0].attachment"), (media(url), "Media.content")]
        {
            let refused = amina.post(text(&resource, "/resourceType"), &resource).await.expect(422);
            assert_eq!(refused.issues()[0].1, place, "{url}: {refused}");
            told.push(refused.text().replace(&hidden, "Binary/missing"));
        }
    }
    assert_eq!(told[..2], told[4..], "what is hidden is told like what is missing");
}

/// As docs/API.md lists it: what she is told by a device is hers to say, a diagnosis is not.
async fn what_patients_write(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let subject = json!({"reference": "Patient/amina"});
    let watch = json!({"resourceType": "Device", "patient": subject, "deviceName": [{"name": "Watch", "type": "user-friendly-name"}]});
    let id = amina.create(&watch).await;
    let reading = with(people::blood_pressure("amina", 120), "device", json!({"reference": format!("Device/{id}")}));
    amina.create(&reading).await;
    let condition = json!({"resourceType": "Condition", "code": {"text": "migraine"}, "subject": subject});
    let refused = amina.post("Condition", &condition).await;
    assert!([403, 422].contains(&refused.status), "{refused}");
    for (resource, place) in [
        (with(watch.clone(), "patient", json!({"reference": "Patient/callum"})), "Device.patient"),
        (without(watch, "patient"), "Device.patient"),
    ] {
        let refused = amina.post("Device", &resource).await;
        assert!([403, 422].contains(&refused.status), "{place}: {refused}");
    }
}

/// What a system hands in may come before its content: it is stored, and the system told.
async fn what_systems_hand_in_may_come_before_its_content(concord: &Concord) {
    people::arrive(concord).await;
    let system = concord.system();
    let there = raw(&system, Method::POST, "Binary", "image/png", PNG).await.expect(201).json();
    let there = format!("Binary/{}", text(&there, "/id"));
    for (url, count) in [("Binary/later", 1), (there.as_str(), 0), ("https://other.example/fhir/Binary/1", 0)] {
        for (resource, place) in [
            (document(url), "DocumentReference.content[0].attachment"),
            (media(url), "Media.content"),
            (
                with(
                    people::blood_pressure("amina", 120),
                    "extension",
                    json!([{"url": "http://x.example", "valueAttachment": {"url": url}}]),
                ),
                "Observation.extension[0].valueAttachment",
            ),
        ] {
            let stored = system.post(text(&resource, "/resourceType"), &resource).await.expect(201);
            let link = stored.header("link").split('>').next().unwrap_or_default().trim_start_matches('<').to_owned();
            let told = if link.is_empty() { Vec::new() } else { system.get(&link).await.expect(200).issues() };
            let found = told.iter().filter(|(code, at, _)| code == "not-found" && at == place).count();
            assert_eq!(found, count, "{url}: {told:?}");
        }
    }
    let urn = "urn:uuid:0c3201bd-1cbf-4d64-b04d-cd9187a4c6e0";
    let entries = [
        json!({"request": {"method": "POST", "url": "DocumentReference"}, "resource": document(urn)}),
        json!({"fullUrl": urn, "request": {"method": "POST", "url": "Binary"},
            "resource": {"resourceType": "Binary", "contentType": "image/png", "data": "AAAA"}}),
    ];
    let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": entries});
    let answer = system.post("/fhir", &bundle).await.expect(200).entries();
    assert!(answer[0]["response"].get("outcome").is_none(), "{}", answer[0]);
}
