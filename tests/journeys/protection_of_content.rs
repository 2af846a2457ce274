//! What an attachment shows is protected as the resource is that shows it; and nobody hides the content of others by showing
//! it.

use concord_tests::client::{Method, text};
use concord_tests::minimal::{self, Place};
use concord_tests::people::with;
use concord_tests::server::BASE;
use concord_tests::{App, Concord, on_both};
use serde_json::{Value, json};

use crate::protection_follows::relabel;
use crate::protection_is_inherited::{ACT, cast, hidden_from_both, owner};

on_both! {
    by_every_attachment, wherever_an_attachment_stands, as_labels_and_links_come_and_go, hidden_content_hides_no_document,
    nobody_hides_the_content_of_others, nobody_names_content_by_a_search
}

fn content(id: &str) -> Value {
    json!({"resourceType": "Binary", "id": id, "contentType": "text/plain", "data": "eA==",
        "securityContext": {"reference": "Patient/amina"}})
}

fn document(url: &str) -> Value {
    json!({"resourceType": "DocumentReference", "status": "current", "subject": {"reference": "Patient/amina"},
        "content": [{"attachment": {"url": url}}]})
}

fn hidden(resource: Value) -> Value {
    with(resource, "meta", hidden_from_both())
}

/// What somebody is shown of content, by any way.
async fn shown(app: &App, id: &str) -> bool {
    let read = app.get(&format!("Binary/{id}")).await.status == 200;
    let ids = app.get(&format!("Binary?_id={id}")).await.expect(200).ids();
    let past = app.get(&format!("Binary/{id}/_history/1")).await.status == 200;
    assert_eq!((ids.len() == 1, past), (read, read), "{id}");
    read
}

async fn assert_shown(apps: &[&App], id: &str, wanted: bool) {
    for (place, app) in apps.iter().enumerate() {
        assert_eq!(shown(app, id).await, wanted, "Binary/{id} to {place}");
    }
}

fn showing(place: &Place, url: &str) -> Value {
    let owner = owner(place.resource_type).unwrap_or_default();
    let of_amina = (owner.as_slice(), json!({"reference": "Patient/amina"}));
    let shows = (place.members.as_slice(), json!({"url": url, "title": "x"}));
    let values = if owner.is_empty() { vec![shows] } else { vec![of_amina, shows] };
    minimal::resource(place.resource_type, &values)
}

/// Over every element of type Attachment in the R4 table.
async fn by_every_attachment(concord: &Concord) {
    let (amina, nurse) = cast(concord).await;
    let places: Vec<Place> =
        minimal::attachments().into_iter().filter(|place| place.resource_type.name() != "Parameters").collect();
    assert!(places.len() > 30, "{}", places.len());
    let mut entries = Vec::new();
    for (number, place) in places.iter().enumerate() {
        for (kind, meta) in
            [("open", json!({"tag": [{"system": "urn:x", "code": "x"}]})), ("secret", hidden_from_both())]
        {
            let id = format!("{kind}-{number}");
            // The address of a page is an address of the whole.
            let page = ["", "#page=2"][number % 2];
            let shown = with(showing(place, &format!("Binary/{id}{page}")), "meta", meta);
            let named = with(shown, "id", json!(format!("names-{id}")));
            for resource in [content(&id), named] {
                let url = format!("{}/{}", text(&resource, "/resourceType"), text(&resource, "/id"));
                entries.push(json!({"resource": resource, "request": {"method": "PUT", "url": url}}));
            }
        }
    }
    let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": entries});
    let answer = concord.system().post("", &bundle).await;
    assert_eq!(answer.status, 200, "{:?}", answer.issues());
    let mut problems = Vec::new();
    for (number, place) in places.iter().enumerate() {
        for app in [&amina, &nurse] {
            let told = (shown(app, &format!("open-{number}")).await, shown(app, &format!("secret-{number}")).await);
            if told != (true, false) {
                problems.push(format!("{}: {told:?}", place.name()));
            }
        }
    }
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
    let everything = Value::from(amina.entries("Patient/amina/$everything?_count=1000").await).to_string();
    assert!(everything.contains("Binary/open-1\"") || everything.contains("\"open-1\""));
    assert!(!everything.contains("secret-"), "{everything}");
}

/// In an extension, in a contained resource, by an absolute URL, with a version; and other content than a Binary.
async fn wherever_an_attachment_stands(concord: &Concord) {
    let (amina, nurse) = cast(concord).await;
    let system = concord.system();
    let extension = |url: &str| json!([{"url": "http://example.org/scan", "valueAttachment": {"url": url}}]);
    let plain = || json!({"resourceType": "Flag", "status": "active", "code": {"text": "x"}, "subject": {"reference": "Patient/amina"}});
    let inner = with(document("Binary/contained"), "id", json!("inner"));
    for (id, resource) in [
        ("extended", with(plain(), "extension", extension("Binary/extended"))),
        ("primitive", with(plain(), "_status", json!({"extension": extension("Binary/primitive")}))),
        (
            "contained",
            with(
                with(plain(), "contained", json!([inner])),
                "extension",
                json!([{"url": "http://example.org/of", "valueReference": {"reference": "#inner"}}]),
            ),
        ),
        (
            "referenced",
            json!({"resourceType": "Communication", "status": "completed", "subject": {"reference": "Patient/amina"},
            "payload": [{"contentReference": {"reference": "Binary/referenced"}}]}),
        ),
        (
            "named",
            with(
                plain(),
                "extension",
                json!([{"url": "http://example.org/of", "valueReference": {"reference": "Binary/named"}}]),
            ),
        ),
        ("absolute", document("http://concord.test/fhir/Binary/absolute")),
        ("version", document("Binary/version/_history/1")),
    ] {
        system.store(&content(id)).await;
        let resource = with(resource, "id", json!(format!("names-{id}")));
        system.store(&resource).await;
        assert_shown(&[&amina, &nurse], id, true).await;
        system.store(&hidden(resource)).await;
        assert_shown(&[&amina, &nurse], id, false).await;
    }
    // Elsewhere is not here.
    system.store(&content("elsewhere")).await;
    system.store(&hidden(with(document("https://other.example/fhir/Binary/elsewhere"), "id", json!("far")))).await;
    assert_shown(&[&amina, &nurse], "elsewhere", true).await;
    let media = json!({"resourceType": "Media", "id": "photo", "status": "completed", "subject": {"reference": "Patient/amina"},
        "content": {"url": "Binary/inside"}});
    system.store(&content("inside")).await;
    system.store(&media).await;
    system.store(&hidden(with(document("Media/photo"), "id", json!("album")))).await;
    amina.get("Media/photo").await.expect(404);
    assert_shown(&[&amina, &nurse], "inside", false).await;
}

/// A label and a link that come later, content that comes later, a deletion, and what it showed before.
async fn as_labels_and_links_come_and_go(concord: &Concord) {
    let (amina, nurse) = cast(concord).await;
    let system = concord.system();
    for id in ["first", "second"] {
        system.store(&content(id)).await;
    }
    let letter = |url: &str| with(document(url), "id", json!("letter"));
    system.store(&letter("Binary/first")).await;
    system.store(&letter("Binary/second")).await;
    assert_shown(&[&nurse], "first", true).await;
    relabel(&amina, "DocumentReference/letter", "$meta-add", "SEX").await;
    for id in ["first", "second"] {
        assert_shown(&[&nurse], id, false).await;
        assert_shown(&[&amina], id, true).await;
    }
    // What is written anew stays protected, and so does what comes after what shows it.
    system.store(&with(content("second"), "data", json!("eXk="))).await;
    nurse.get("Binary/second").await.expect(404);
    system.store(&letter("Binary/third")).await;
    system.store(&content("third")).await;
    assert_shown(&[&nurse], "third", false).await;
    system.delete("DocumentReference/letter").await.expect(204);
    assert_shown(&[&nurse], "third", false).await;
    system.store(&letter("Binary/third")).await;
    relabel(&amina, "DocumentReference/letter", "$meta-delete", "SEX").await;
    for id in ["first", "third"] {
        assert_shown(&[&nurse, &amina], id, true).await;
    }
    nurse.get("Binary/second").await.expect(200);
    // By what the document is part of: strictest of all that shows it.
    let visit = json!({"resourceType": "Encounter", "id": "visit", "status": "finished", "class": {"system": ACT, "code": "AMB"},
        "subject": {"reference": "Patient/amina"}});
    system.store(&visit).await;
    let of_visit = with(letter("Binary/third"), "context", json!({"encounter": [{"reference": "Encounter/visit"}]}));
    system.store(&with(of_visit, "id", json!("of-visit"))).await;
    assert_shown(&[&nurse], "third", true).await;
    relabel(&amina, "Encounter/visit", "$meta-add", "SEX").await;
    assert_shown(&[&nurse], "third", false).await;
}

/// Content that is hidden by itself is named by a document that is not.
async fn hidden_content_hides_no_document(concord: &Concord) {
    let (amina, nurse) = cast(concord).await;
    let system = concord.system();
    system.store(&hidden(content("kept"))).await;
    system.store(&with(document("Binary/kept"), "id", json!("open"))).await;
    for app in [&amina, &nurse] {
        app.get("DocumentReference/open").await.expect(200);
        app.get("Binary/kept").await.expect(404);
    }
}

/// Whoever shows what another wrote does not hide it: not by a label that the document has, nor by one that it gets.
async fn nobody_hides_the_content_of_others(concord: &Concord) {
    let (amina, nurse) = cast(concord).await;
    let (system, gp) = (concord.system(), concord.user("Practitioner/gp"));
    let hers = amina.ask(Method::POST, "Binary").body("text/plain", "hers").await.expect(201).json();
    let hers = text(&hers, "/id");
    system.store(&content("loaded")).await;
    for id in [hers, "loaded"] {
        let secret = hidden(document(&format!("Binary/{id}")));
        let refused = gp.post("DocumentReference", &secret).await.expect(422).issues();
        assert!(refused.iter().any(|(_, place, _)| place == "DocumentReference.content[0].attachment"), "{refused:?}");
        let open = gp.create(&document(&format!("Binary/{id}"))).await;
        let place = format!("DocumentReference/{open}");
        gp.put(&place, &with(hidden(document(&format!("Binary/{id}"))), "id", json!(open))).await.expect(422);
        let meta = json!({"name": "meta", "valueMeta": {"security": [{"system": ACT, "code": "NOPAT"}]}});
        let given = json!({"resourceType": "Parameters", "parameter": [meta]});
        gp.post(&format!("{place}/$meta-add"), &given).await.expect(422);
        relabel(&amina, &place, "$meta-add", "SEX").await;
        assert_shown(&[&amina, &nurse], id, true).await;
    }
    // Nor does a system hide what a patient wrote, who labels it herself.
    system
        .put(
            "DocumentReference/of-system",
            &with(hidden(document(&format!("Binary/{hers}"))), "id", json!("of-system")),
        )
        .await
        .expect(422);
    // One's own content follows one's own document, by whatever label.
    let of_gp = gp.create(&people_without_id(content("x"))).await;
    gp.create(&hidden(document(&format!("Binary/{of_gp}")))).await;
    amina.get(&format!("Binary/{of_gp}")).await.expect(404);
    gp.get(&format!("Binary/{of_gp}")).await.expect(200);
    let own = amina.create(&document(&format!("Binary/{hers}"))).await;
    relabel(&amina, &format!("DocumentReference/{own}"), "$meta-add", "SEX").await;
    assert_shown(&[&nurse], hers, false).await;
    assert_shown(&[&amina], hers, true).await;
    // In one transaction too, in whatever order.
    let urn = "urn:uuid:0c3201bd-1cbf-4d64-b04d-cd9187a4c6e0";
    let binary = json!({"fullUrl": urn, "resource": people_without_id(content("x")), "request": {"method": "POST", "url": "Binary"}});
    let shows = json!({"resource": hidden(document(urn)), "request": {"method": "POST", "url": "DocumentReference"}});
    for (entries, at) in [([shows.clone(), binary.clone()], 1), ([binary, shows], 0)] {
        let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": entries});
        let told = gp.post("", &bundle).await.expect(200).entries();
        let place = text(&told[at], "/response/location").split("/_history").next().unwrap_or_default().to_owned();
        let place = place.rsplitn(3, '/').take(2).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("/");
        gp.get(&place).await.expect(200);
        amina.get(&place).await.expect(404);
    }
    // What is labelled already may be shown by what is labelled alike.
    gp.get(&format!("Binary/{hers}")).await.expect(404);
}

fn people_without_id(resource: Value) -> Value {
    concord_tests::people::without(resource, "id")
}

async fn nobody_names_content_by_a_search(concord: &Concord) {
    let (amina, _) = cast(concord).await;
    let system = concord.system();
    system.store(&content("found")).await;
    let below = |address: &str| format!("{BASE}/{address}");
    for address in ["Binary?_id=found", "/Binary?_id=found", "Binary?_format=json&_id=found", "?_type=Binary&_id=found"]
    {
        for address in [address.to_owned(), below(address.trim_start_matches('/'))] {
            let refused = system.post("DocumentReference", &hidden(document(&address))).await.expect(422);
            let (_, place, text) = &refused.issues()[0];
            assert!(text.contains("Type/id"), "{address}: {place} {text}");
            let div = format!("<div xmlns=\"http://www.w3.org/1999/xhtml\"><img src=\"{address}\" alt=\"x\"/></div>");
            let told = with(
                document("Binary/found"),
                "text",
                json!({"status": "generated", "div": div.replace('&', "&amp;")}),
            );
            system.post("DocumentReference", &told).await.expect(422);
        }
    }
    // A list that nobody is shown more of for it.
    system.post("DocumentReference", &document("Observation?patient=amina&code=1")).await.expect(201);
    assert_shown(&[&amina], "found", true).await;
}
