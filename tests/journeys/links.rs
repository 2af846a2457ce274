//! The links between the entries of a transaction: rewritten by the type of the element that each stands in, and nothing
//! else is.

use concord_tests::client::text;
use concord_tests::people::{self, blood_pressure, with};
use concord_tests::{Answer, App, Concord, on_both};
use serde_json::{Value, json};

on_both! {
    what_is_no_link_is_stored_as_sent, every_kind_of_link_leads_to_the_new_resource, any_form_of_address_names_an_entry,
    versions_of_entries, an_unchanged_entry_keeps_its_version, links_to_what_is_patched, conditional_references_are_references,
    one_name_in_every_spelling, what_leads_nowhere_is_refused, a_reference_leads_to_a_resource, an_address_keeps_its_part, urns_outside_of_transactions_lead_nowhere
}

const URN: &str = "urn:uuid:0c3201bd-1cbf-4d64-b04d-cd9187a4c6e0";
const OTHER: &str = "urn:uuid:0c3201bd-1cbf-4d64-b04d-cd9187a4c6e1";

async fn send(app: &App, entries: &[Value]) -> Answer {
    app.post("/fhir", &json!({"resourceType": "Bundle", "type": "transaction", "entry": entries})).await
}

fn entry(method: &str, url: &str, full_url: &str, resource: &Value) -> Value {
    json!({"fullUrl": full_url, "request": {"method": method, "url": url}, "resource": resource})
}

/// The address of what an entry wrote, with its version.
fn versioned(answer: &Answer, place: usize) -> String {
    let entries = answer.entries();
    text(&entries[place], "/response/location").trim_start_matches("http://concord.test/fhir/").to_owned()
}

/// The address of what an entry wrote.
fn written(answer: &Answer, place: usize) -> String {
    versioned(answer, place).split("/_history/").next().unwrap_or_default().to_owned()
}

async fn stored(app: &App, answer: &Answer, place: usize) -> Value {
    app.get(&written(answer, place)).await.expect(200).json()
}

/// An identifier, an answer or a name may look like a link: to rewrite it would corrupt the data, and repeat what
/// `ifNoneExist` is to store once.
async fn what_is_no_link_is_stored_as_sent(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let observation = json!({"resourceType": "Observation", "status": "final", "code": {"text": URN},
        "subject": {"reference": "Patient/amina", "display": URN}, "effectiveDateTime": "2026-11-30", "valueString": URN, "note": [{"text": URN}],
        "identifier": [{"system": "urn:ietf:rfc:3986", "value": URN}],
        "extension": [{"url": "http://x.example/uuid", "valueUuid": URN}, {"url": "http://x.example/c", "valueCanonical": URN},
            {"url": "http://x.example/m", "valueMarkdown": URN}, {"url": "http://x.example/i", "valueIdentifier": {"value": URN}}]});
    let mut create = entry("POST", "Observation", URN, &observation);
    create["request"]["ifNoneExist"] = json!(format!("identifier=urn:ietf:rfc:3986|{URN}"));
    let mut addresses = Vec::new();
    for status in ["201", "200", "200"] {
        let answer = send(&amina, std::slice::from_ref(&create)).await.expect(200);
        assert!(text(&answer.entries()[0], "/response/status").starts_with(status), "{answer}");
        addresses.push(written(&answer, 0));
    }
    assert!(addresses.iter().all(|address| *address == addresses[0]), "{addresses:?}");
    let found = amina.get(&addresses[0]).await.expect(200).json();
    for member in ["code", "valueString", "note", "identifier", "extension"] {
        assert_eq!(found[member], observation[member], "{member}");
    }
    assert_eq!(text(&found, "/subject/display"), URN);
    // A definition is called as it is called, whatever its entry is.
    let canonical = "http://source.example/fhir/CodeSystem/colours";
    let entries = [
        entry(
            "POST",
            "CodeSystem",
            canonical,
            &json!({"resourceType": "CodeSystem", "url": canonical, "status": "active",
            "content": "complete", "concept": [{"code": "red"}]}),
        ),
        entry(
            "POST",
            "ValueSet",
            OTHER,
            &json!({"resourceType": "ValueSet", "url": OTHER, "status": "active",
            "compose": {"include": [{"system": canonical}]}}),
        ),
        entry(
            "POST",
            "Basic",
            URN,
            &json!({"resourceType": "Basic", "code": {"coding": [{"system": canonical, "code": "red"}]},
            "meta": {"profile": [canonical]}}),
        ),
    ];
    let system = concord.system();
    let answer = send(&system, &entries).await.expect(200);
    assert_eq!(text(&stored(&system, &answer, 0).await, "/url"), canonical);
    let set = stored(&system, &answer, 1).await;
    assert_eq!((text(&set, "/url"), text(&set, "/compose/include/0/system")), (OTHER, canonical));
    let basic = stored(&system, &answer, 2).await;
    assert_eq!((text(&basic, "/code/coding/0/system"), text(&basic, "/meta/profile/0")), (canonical, canonical));
    // An item is defined by an element of a definition, and what a resource is from is no link to it.
    let defined = format!("{canonical}#Observation.value[x]");
    let item = |definition: &str| json!([{"linkId": "1", "type": "string", "definition": definition}]);
    for (definition, source) in [(defined.as_str(), format!("{OTHER}#request")), (canonical, OTHER.to_owned())] {
        let form = json!({"resourceType": "Questionnaire", "status": "active", "meta": {"source": source}, "item": item(definition)});
        let form_entry = entry("POST", "Questionnaire", OTHER, &form);
        let answer = send(&system, &[entries[0].clone(), form_entry]).await.expect(200);
        let found = stored(&system, &answer, 1).await;
        assert_eq!((text(&found, "/item/0/definition"), text(&found, "/meta/source")), (definition, source.as_str()));
    }
    // What a Bundle holds is stored as it is.
    let collection = json!({"resourceType": "Bundle", "type": "collection", "entry": [{"fullUrl": URN, "resource":
        {"resourceType": "Basic", "code": {"text": "x"}, "subject": {"reference": URN}}}]});
    let answer = send(&system, &[entry("POST", "Bundle", URN, &collection)]).await.expect(200);
    assert_eq!(stored(&system, &answer, 0).await["entry"], collection["entry"]);
}

async fn every_kind_of_link_leads_to_the_new_resource(concord: &Concord) {
    people::arrive(concord).await;
    let system = concord.system();
    for source in ["http://source.example/fhir/Patient/s", URN, "urn:oid:1.2.3.4"] {
        let div = format!(
            "<div xmlns=\"http://www.w3.org/1999/xhtml\"><a href=\"{source}\">{source}</a><a title='x' href='{source}'>y</a>\
             <img alt='z' src='{source}'/></div>"
        );
        let plan = json!({"resourceType": "CarePlan", "status": "active", "intent": "plan",
            "text": {"status": "generated", "div": div}, "subject": {"reference": source},
            "instantiatesUri": ["http://other.example", source], "instantiatesCanonical": [source],
            "contained": [{"resourceType": "Basic", "id": "b", "code": {"text": source}, "subject": {"reference": source}}],
            "supportingInfo": [{"reference": "#b"}, {"reference": source}],
            "extension": [{"url": "http://x.example/a", "valueUri": source}, {"url": "http://x.example/b", "valueUrl": source},
                {"url": "http://x.example/c", "valueReference": {"reference": source}},
                {"url": "http://x.example/d", "valueAttachment": {"url": source}},
                {"url": "http://x.example/e", "extension": [{"url": "http://x.example/f", "valueUri": source}]}],
            "_intent": {"extension": [{"url": "http://x.example/g", "valueUri": source}]}});
        let entries = [
            entry("POST", "Patient", source, &json!({"resourceType": "Patient", "active": true})),
            entry("POST", "CarePlan", OTHER, &plan),
        ];
        let answer = send(&system, &entries).await.expect(200);
        let patient = written(&answer, 0);
        let found = stored(&system, &answer, 1).await;
        for place in [
            "/subject/reference",
            "/instantiatesUri/1",
            "/contained/0/subject/reference",
            "/supportingInfo/1/reference",
            "/extension/0/valueUri",
            "/extension/1/valueUrl",
            "/extension/2/valueReference/reference",
            "/extension/3/valueAttachment/url",
            "/extension/4/extension/0/valueUri",
            "/_intent/extension/0/valueUri",
        ] {
            assert_eq!(text(&found, place), patient, "{place} of {source}");
        }
        let wanted = div.replace(&format!("\"{source}\""), &format!("\"{patient}\""));
        let wanted = wanted.replace(&format!("'{source}'"), &format!("'{patient}'"));
        assert_eq!(text(&found, "/text/div"), wanted);
        assert_eq!(
            (text(&found, "/instantiatesCanonical/0"), text(&found, "/contained/0/code/text")),
            (source, source)
        );
    }
}

/// Relative links are relative to where their entry came from.
async fn any_form_of_address_names_an_entry(concord: &Concord) {
    people::arrive(concord).await;
    let system = concord.system();
    let letter = json!({"resourceType": "Binary", "contentType": "text/plain", "data": "aGVsbG8="});
    let document = json!({"resourceType": "DocumentReference", "status": "current", "subject": {"reference": "Patient/amina"},
        "content": [{"attachment": {"url": "Binary/letter"}}, {"attachment": {"url": "https://a.example/r/Binary/letter"}}]});
    let entries = [
        entry("POST", "Binary", "https://a.example/r/Binary/letter", &letter),
        entry("POST", "DocumentReference", "https://a.example/r/DocumentReference/1", &document),
    ];
    let answer = send(&system, &entries).await.expect(200);
    let found = stored(&system, &answer, 1).await;
    for place in ["/content/0/attachment/url", "/content/1/attachment/url"] {
        assert_eq!(text(&found, place), written(&answer, 0), "{place}");
    }
    assert_eq!(text(&found, "/subject/reference"), "Patient/amina");
    for named in ["http://concord.test/fhir/Patient/source", "mailto:source@a.example"] {
        let reading = with(blood_pressure("amina", 120), "subject", json!({"reference": named}));
        let entries = [
            entry("POST", "Observation", OTHER, &reading),
            entry("POST", "Patient", named, &json!({"resourceType": "Patient"})),
        ];
        let answer = send(&system, &entries).await.expect(200);
        assert_eq!(text(&stored(&system, &answer, 0).await, "/subject/reference"), written(&answer, 1), "{named}");
    }
    // A full URL is absolute.
    let relative = [entry("POST", "Patient", "Patient/source", &json!({"resourceType": "Patient"}))];
    let refused = send(&system, &relative).await.expect(422);
    assert_eq!(refused.issues()[0].1, "Bundle.entry[0]", "{refused}");
}

/// A reference to a version is to that which the entry leads to, whichever it named.
async fn versions_of_entries(concord: &Concord) {
    people::arrive(concord).await;
    let system = concord.system();
    let source = "http://source.example/fhir/Patient/s";
    let old = json!({"resourceType": "Patient", "id": "known", "active": true});
    system.store(&old).await;
    system.put("Patient/known", &with(old.clone(), "active", json!(false))).await.expect(200);
    let patient = json!({"resourceType": "Patient", "identifier": [{"system": "urn:app", "value": "v"}]});
    let mut condition = entry("POST", "Patient", source, &patient);
    condition["request"]["ifNoneExist"] = json!("identifier=urn:app|v");
    for (subject, version) in [
        (entry("POST", "Patient", source, &json!({"resourceType": "Patient"})), 1),
        (condition.clone(), 1),
        (condition, 1),
        (entry("PUT", "Patient/known", source, &with(old.clone(), "gender", json!("male"))), 3),
        (entry("PUT", "Patient?identifier=urn:app|v", source, &with(patient.clone(), "active", json!(true))), 2),
        (entry("PUT", "Patient/brand-new", source, &with(old.clone(), "id", json!("brand-new"))), 1),
    ] {
        for reference in [format!("{source}/_history/7"), "Patient/s/_history/7".to_owned()] {
            let reading = with(blood_pressure("amina", 120), "subject", json!({"reference": reference}));
            let entries =
                [entry("POST", "Observation", "http://source.example/fhir/Observation/1", &reading), subject.clone()];
            let answer = send(&system, &entries).await.expect(200);
            assert_eq!(versioned(&answer, 1), format!("{}/_history/{version}", written(&answer, 1)), "{subject}");
            let found = stored(&system, &answer, 0).await;
            assert_eq!(text(&found, "/subject/reference"), versioned(&answer, 1), "{subject}");
        }
    }
}

/// Which version an update leads to is known when it is done: one that changes nothing leads to none.
async fn an_unchanged_entry_keeps_its_version(concord: &Concord) {
    people::arrive(concord).await;
    let system = concord.system();
    let group = |id: &str, other: &str| {
        json!({"resourceType": "Group", "id": id, "type": "person", "actual": true,
            "member": [{"entity": {"reference": format!("http://source.example/fhir/Group/{other}/_history/1")}}]})
    };
    let entries = [
        entry("PUT", "Group/a", "http://source.example/fhir/Group/a", &group("a", "b")),
        entry("PUT", "Group/b", "http://source.example/fhir/Group/b", &group("b", "a")),
    ];
    for _ in 0..2 {
        let answer = send(&system, &entries).await.expect(200);
        for (place, other) in [(0, "b"), (1, "a")] {
            assert_eq!(versioned(&answer, place).rsplit('/').next(), Some("1"));
            let found = stored(&system, &answer, place).await;
            assert_eq!(text(&found, "/member/0/entity/reference"), format!("Group/{other}/_history/1"));
        }
    }
    // The log tells of each entry once, however often it was tried.
    let told = system.get("AuditEvent?entity=Group/a&_count=100").await.expect(200).matches();
    let writes = told.iter().filter(|event| ["C", "U"].contains(&text(event, "/action"))).count();
    assert_eq!(writes, 2, "{told:?}");
}

async fn links_to_what_is_patched(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let goal = json!({"resourceType": "Goal", "lifecycleStatus": "active", "description": {"text": "walk"},
        "identifier": [{"system": "urn:app", "value": "g"}], "subject": {"reference": "Patient/amina"}});
    let id = amina.create(&goal).await;
    let plan = json!({"resourceType": "CarePlan", "status": "active", "intent": "plan", "title": "Mine",
        "category": [{"text": "support"}], "subject": {"reference": "Patient/amina"}, "goal": [{"reference": URN}]});
    for url in [format!("Goal/{id}"), "Goal?identifier=urn:app|g".to_owned()] {
        // [{"op": "replace", "path": "/description/text", "value": "run"}]
        let patch = json!({"resourceType": "Binary", "contentType": "application/json-patch+json", "data":
            "W3sib3AiOiAicmVwbGFjZSIsICJwYXRoIjogIi9kZXNjcmlwdGlvbi90ZXh0IiwgInZhbHVlIjogInJ1biJ9XQ=="});
        let entries = [entry("PATCH", &url, URN, &patch), entry("POST", "CarePlan", OTHER, &plan)];
        let answer = send(&amina, &entries).await.expect(200);
        assert_eq!(text(&stored(&amina, &answer, 1).await, "/goal/0/reference"), format!("Goal/{id}"), "{url}");
    }
}

/// A search stands for a reference, and for no other text that looks like one.
async fn conditional_references_are_references(concord: &Concord) {
    people::arrive(concord).await;
    let system = concord.system();
    let text_of_search = "Patient?identifier=urn:app|nobody";
    let basic = json!({"resourceType": "DetectedIssue", "status": "final", "reference": text_of_search,
        "patient": {"reference": "Patient/amina"}, "extension": [{"url": "http://x.example", "valueUri": text_of_search}]});
    let answer = send(&system, &[entry("POST", "DetectedIssue", URN, &basic)]).await.expect(200);
    let found = stored(&system, &answer, 0).await;
    assert_eq!((text(&found, "/reference"), text(&found, "/extension/0/valueUri")), (text_of_search, text_of_search));
    let by_search = with(basic, "patient", json!({"reference": text_of_search}));
    send(&system, &[entry("POST", "DetectedIssue", URN, &by_search)]).await.expect(412);
}

/// Two spellings of one URN or address are one name (RFC 8141, RFC 9562, RFC 3986).
async fn one_name_in_every_spelling(concord: &Concord) {
    people::arrive(concord).await;
    let system = concord.system();
    let (loud, mixed) = (URN.to_uppercase(), URN.replacen("urn:uuid", "Urn:UUID", 1));
    let (http, loud_host) = ("http://source.example/fhir/Patient/s", "HTTP://Source.Example/fhir/Patient/s");
    let same = [
        (URN, loud.as_str()),
        (&loud, URN),
        (URN, &mixed),
        (http, loud_host),
        (loud_host, http),
        ("urn:oid:1.2.3", "URN:OID:1.2.3"),
    ];
    for (name, spelled) in same {
        let div = format!("<div xmlns=\"http://www.w3.org/1999/xhtml\"><a href=\"{spelled}\">x</a></div>");
        let plan = json!({"resourceType": "CarePlan", "status": "active", "intent": "plan", "subject": {"reference": spelled},
            "text": {"status": "generated", "div": div}, "instantiatesUri": [spelled],
            "instantiatesCanonical": [spelled], "title": spelled});
        let entries = [
            entry("POST", "Patient", name, &json!({"resourceType": "Patient"})),
            entry("POST", "CarePlan", OTHER, &plan),
        ];
        let answer = send(&system, &entries).await.expect(200);
        let (patient, found) = (written(&answer, 0), stored(&system, &answer, 1).await);
        assert_eq!(text(&found, "/subject/reference"), patient, "{name} {spelled}");
        assert_eq!(found["instantiatesUri"], json!([patient]), "{name} {spelled}");
        assert!(text(&found, "/text/div").contains(&format!("href=\"{patient}\"")), "{found}");
        assert_eq!((text(&found, "/instantiatesCanonical/0"), text(&found, "/title")), (spelled, spelled));
        // Two entries of one name are two of one name however they spell it; so are those of a batch.
        let twice = [entries[0].clone(), entry("POST", "Patient", spelled, &json!({"resourceType": "Patient"}))];
        assert_eq!(
            send(&system, &twice).await.expect(400).issues()[0].1,
            "Bundle.entry[1].fullUrl",
            "{name} {spelled}"
        );
        let batch = json!({"resourceType": "Bundle", "type": "batch", "entry": entries});
        let answer = system.post("/fhir", &batch).await.expect(200).entries();
        assert!(text(&answer[1], "/response/status").starts_with("400"), "{name} {spelled}: {}", answer[1]);
    }
}

/// A reference that nobody can follow is no reference: it is refused with its place, whichever way it comes.
async fn what_leads_nowhere_is_refused(concord: &Concord) {
    people::arrive(concord).await;
    let system = concord.system();
    let reading = |element: &str, reference: &str| {
        let value = json!({"reference": reference});
        let value = if element == "subject" { value } else { json!([value]) };
        with(blood_pressure("amina", 120), element, value)
    };
    let (part, loud) = (format!("{URN}#part"), format!("{}#part", URN.to_uppercase()));
    let query = format!("{URN}?=part");
    for reference in [
        &part,
        &loud,
        &query,
        OTHER,
        "URN:UUID:x",
        "urn:oid:1.2.3",
        "urn:x:y",
        "http://source.example/fhir/Patient/s#part",
    ] {
        for (element, place) in [("subject", "subject"), ("focus", "focus[0]"), ("hasMember", "hasMember[0]")] {
            let name = if reference.starts_with("http") { "http://source.example/fhir/Patient/s" } else { URN };
            let entries = [
                entry("POST", "Patient", name, &json!({"resourceType": "Patient"})),
                entry(
                    "POST",
                    "Observation",
                    "urn:uuid:0c3201bd-1cbf-4d64-b04d-cd9187a4c6e2",
                    &reading(element, reference),
                ),
            ];
            let refused = send(&system, &entries).await.expect(422).issues();
            assert_eq!(refused[0].1, format!("Bundle.entry[1].resource.{place}"), "{reference}");
        }
    }
    assert!(system.get("Observation").await.expect(200).ids().is_empty());
}

/// A search is a reference in a transaction only, with this server's address before it as without. What leads to this server and to no
/// resource of it is refused: what is said of somebody would be in nobody's record, without a word.
async fn a_reference_leads_to_a_resource(concord: &Concord) {
    people::arrive(concord).await;
    let system = concord.system();
    let base = "http://concord.test/fhir";
    let identified =
        json!({"resourceType": "Patient", "id": "found", "identifier": [{"system": "urn:app", "value": "v"}]});
    system.store(&identified).await;
    let about = |reference: &str| with(blood_pressure("amina", 120), "subject", json!({"reference": reference}));
    for root in [String::new(), format!("{base}/"), "HTTPS://Concord.test/fhir/".to_owned()] {
        let search = format!("{root}Patient?identifier=urn:app|v");
        let answer = send(&system, &[entry("POST", "Observation", URN, &about(&search))]).await.expect(200);
        assert_eq!(text(&stored(&system, &answer, 0).await, "/subject/reference"), "Patient/found", "{search}");
        let nobody = format!("{root}Patient?identifier=urn:app|nobody");
        send(&system, &[entry("POST", "Observation", URN, &about(&nobody))]).await.expect(412);
        for search in [search, nobody] {
            let refused = system.post("Observation", &about(&search)).await.expect(400).issues();
            assert_eq!(refused[0].1, "Observation.subject", "{search}");
        }
    }
    let nothing = ["Patient", "patient?identifier=x", "Patient#x", "undefined", "null", "metadata"];
    let below = nothing.iter().chain(&[""]).map(|one| format!("{base}/{one}"));
    for reference in nothing.iter().map(|one| (*one).to_owned()).chain(below).chain([base.to_owned()]) {
        let refused = system.post("Observation", &about(&reference)).await.expect(422).issues();
        assert_eq!(refused[0].1, "Observation.subject", "{reference}");
        let refused =
            send(&system, &[entry("POST", "Observation", URN, &about(&reference))]).await.expect(422).issues();
        assert_eq!(refused[0].1, "Bundle.entry[0].resource.subject", "{reference}");
    }
    system.create(&about("http://other.example/fhir/Patient/p")).await;
    // Other links may lead to what is no resource.
    let linked = json!({"resourceType": "Basic", "code": {"text": "x"}, "extension": [
        {"url": "http://x.example", "valueUri": format!("{base}/Patient?identifier=x")}, {"url": "http://x.example", "valueUri": "Patient"}]});
    system.create(&linked).await;
}

/// The address of a document may be that of a part of it: the part stays behind the address that the entry gets, and who may
/// not have the document is told nothing more.
async fn an_address_keeps_its_part(concord: &Concord) {
    people::arrive(concord).await;
    let system = concord.system();
    for name in [URN.to_owned(), URN.to_uppercase().replace("URN:UUID", "urn:uuid")] {
        let part = format!("{name}#page=2");
        let div = format!("<div xmlns=\"http://www.w3.org/1999/xhtml\"><a href=\"{part}\">x</a></div>");
        let letter = json!({"resourceType": "DocumentReference", "status": "current", "subject": {"reference": "Patient/amina"},
            "text": {"status": "generated", "div": div}, "content": [{"attachment": {"url": part}}],
            "extension": [{"url": "http://x.example", "valueUri": part}]});
        let entries = [
            entry(
                "POST",
                "Binary",
                URN,
                &json!({"resourceType": "Binary", "contentType": "text/plain", "data": "eA==",
                "securityContext": {"reference": "Patient/amina"}}),
            ),
            entry("POST", "DocumentReference", OTHER, &letter),
        ];
        let answer = send(&system, &entries).await.expect(200);
        let binary = written(&answer, 0);
        let stored = stored(&system, &answer, 1).await;
        let wanted = format!("{binary}#page=2");
        for place in ["/content/0/attachment/url", "/extension/0/valueUri"] {
            assert_eq!(text(&stored, place), wanted);
        }
        assert!(text(&stored, "/text/div").contains(&format!("href=\"{wanted}\"")), "{stored}");
        let hidden = json!({"resourceType": "Binary", "id": "hidden", "contentType": "text/plain", "data": "eA==",
            "securityContext": {"reference": "Patient/ben"}});
        system.store(&hidden).await;
        let amina = concord.patient("amina");
        for there in ["hidden", "missing"] {
            let mut own = letter.clone();
            own["content"][0]["attachment"]["url"] = json!(format!("Binary/{there}#page=2"));
            let refused = amina.post("DocumentReference", &own).await.expect(422).issues();
            assert_eq!(refused[0].1, "DocumentReference.content[0].attachment", "{there}");
        }
    }
}

/// A URN in a reference leads nowhere where there is nothing that could be meant.
async fn urns_outside_of_transactions_lead_nowhere(concord: &Concord) {
    people::arrive(concord).await;
    let (system, amina) = (concord.system(), concord.patient("amina"));
    let id = amina.create(&blood_pressure("amina", 120)).await;
    let wrong = with(blood_pressure("amina", 120), "hasMember", json!([{"reference": OTHER}]));
    let batch =
        json!({"resourceType": "Bundle", "type": "batch", "entry": [entry("POST", "Observation", URN, &wrong)]});
    let answer = system.post("/fhir", &batch).await.expect(200).entries();
    assert_eq!(text(&answer[0], "/response/outcome/issue/0/expression/0"), "Observation.hasMember[0]", "{}", answer[0]);
    let patch = json!([{"op": "add", "path": "/hasMember", "value": [{"reference": OTHER}]}]).to_string();
    let place = format!("Observation/{id}");
    for refused in [
        amina.post("Observation", &wrong).await,
        amina.put(&place, &with(wrong.clone(), "id", json!(id))).await,
        amina.ask(concord_tests::client::Method::PATCH, &place).body("application/json-patch+json", patch).await,
    ] {
        assert_eq!(refused.expect(422).issues()[0].1, "Observation.hasMember[0]");
    }
    // What a Bundle holds is among its own entries.
    let collection = json!({"resourceType": "Bundle", "type": "collection", "entry": [{"fullUrl": URN, "resource":
        {"resourceType": "Basic", "code": {"text": "x"}, "subject": {"reference": format!("{URN}#part")}}}]});
    system.create(&collection).await;
    send(&system, &[entry("POST", "Bundle", URN, &collection)]).await.expect(200);
}
