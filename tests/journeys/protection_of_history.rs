//! A superseded version is protected as what it names is now, whatever the versions after it name: when a label comes, and
//! when it goes.

use concord_api::auth::development::TokenRequest;
use concord_fhir::registry::ResourceType;
use concord_tests::client::{Method, text};
use concord_tests::doors::owner;
use concord_tests::minimal::{self, Place};
use concord_tests::people::{blood_pressure, with};
use concord_tests::{App, Concord, on_both};
use serde_json::{Value, json};

use crate::protection_follows::{relabel, said};
use crate::protection_is_inherited::{cast, encounter, hidden_from_both};

on_both! { a_version_follows_what_it_names, what_speaks_about_a_version_follows_it, the_log_tells_of_no_hidden_version }

on_both! {
    with super::CLIENTS;
    a_version_that_may_not_be_read_is_named_like_one_that_is_missing
}

const CLIENTS: &[(&str, &str)] =
    &[("CONCORD_CLIENTS", r#"[{"client": "phr-app"}, {"client": "letters", "purposes": ["TREAT"]}]"#)];

fn reading(id: &str, during: &str) -> Value {
    let reference = json!({"reference": format!("Encounter/{during}")});
    with(with(blood_pressure("amina", 120), "encounter", reference), "id", json!(id))
}

/// Readings of which the first version was taken during one visit: `moved` is of another now, `moved-twice` of a third,
/// `same` still of the first, `deleted` and `restored` were deleted when they were of another.
async fn versions(concord: &Concord) {
    let system = concord.system();
    for id in ["first", "second", "third"] {
        system.store(&encounter(id, json!({}))).await;
    }
    for id in ["moved", "moved-twice", "same", "deleted", "restored"] {
        system.store(&reading(id, "first")).await;
        let next = if id == "same" { "first" } else { "second" };
        system.store(&with(reading(id, next), "status", json!("amended"))).await;
    }
    system.store(&reading("moved-twice", "third")).await;
    for id in ["deleted", "restored"] {
        system.delete(&format!("Observation/{id}")).await.expect(204);
    }
    system.store(&reading("restored", "third")).await;
}

/// Which versions of these are shown: by their addresses, in the history of each, and in those of the type and of all.
async fn shown(app: &App) -> Vec<String> {
    let mut shown = Vec::new();
    let mut everywhere = Vec::new();
    for place in ["Observation/_history?_count=1000", "_history?_count=1000"] {
        everywhere.extend(app.entries(place).await);
    }
    for id in ["moved", "moved-twice", "same", "deleted", "restored"] {
        let mut told = everywhere.clone();
        let own = app.get(&format!("Observation/{id}/_history")).await;
        if own.status == 200 {
            told.extend(own.entries());
        }
        for number in 1..=4 {
            let by_address = app.get(&format!("Observation/{id}/_history/{number}")).await.status == 200;
            let version = number.to_string();
            let is_it = |entry: &&Value| {
                entry["resource"]["id"] == id && entry["resource"]["meta"]["versionId"] == version.as_str()
            };
            let by_history = told.iter().filter(is_it).count();
            if by_address || by_history > 0 {
                shown.push(format!("{id}/{number}"));
                assert!(by_address && by_history > 0, "{id}/{number}: {by_address}, {by_history} times");
            }
        }
    }
    shown
}

const ALL: [&str; 11] = [
    "moved/1",
    "moved/2",
    "moved-twice/1",
    "moved-twice/2",
    "moved-twice/3",
    "same/1",
    "same/2",
    "deleted/1",
    "deleted/2",
    "restored/1",
    "restored/2",
];

/// All versions but those.
fn all_but(hidden: &[&str]) -> Vec<String> {
    let mut all: Vec<&str> = ALL.to_vec();
    all.push("restored/4");
    all.into_iter().filter(|one| !hidden.contains(one)).map(str::to_owned).collect()
}

/// A label that comes later hides every version that names what bears it, at once, and no other; when it goes they are
/// shown again.
async fn a_version_follows_what_it_names(concord: &Concord) {
    let (amina, nurse) = cast(concord).await;
    versions(concord).await;
    assert_eq!(shown(&nurse).await, all_but(&[]));
    let of_first = ["moved/1", "moved-twice/1", "same/1", "same/2", "deleted/1", "restored/1"];
    relabel(&amina, "Encounter/first", "$meta-add", "SEX").await;
    assert_eq!(shown(&nurse).await, all_but(&of_first));
    assert_eq!(shown(&amina).await, all_but(&[]), "whoever labelled it");
    // The first visit turns out to be part of another, and that is what is labelled.
    relabel(&amina, "Encounter/first", "$meta-delete", "SEX").await;
    assert_eq!(shown(&nurse).await, all_but(&[]));
    let part = encounter("first", json!({"partOf": {"reference": "Encounter/whole"}}));
    concord.system().store(&encounter("whole", json!({}))).await;
    concord.system().store(&part).await;
    relabel(&amina, "Encounter/whole", "$meta-add", "SEX").await;
    assert_eq!(shown(&nurse).await, all_but(&of_first));
    // What a deletion is of counts on.
    concord.system().delete("Encounter/whole").await.expect(204);
    concord.system().delete("Encounter/first").await.expect(204);
    assert_eq!(shown(&nurse).await, all_but(&of_first));
    // The newest version decides about all: what hides it hides them.
    relabel(&amina, "Encounter/third", "$meta-add", "SEX").await;
    let rest: Vec<String> = all_but(&of_first)
        .into_iter()
        .filter(|one| !one.starts_with("moved-twice") && !one.starts_with("restored"))
        .collect();
    assert_eq!(shown(&nurse).await, rest);
}

/// What names a version is protected as that version is: the server's Provenance of it, and a comment on it.
async fn what_speaks_about_a_version_follows_it(concord: &Concord) {
    let (amina, nurse) = cast(concord).await;
    let (system, gp) = (concord.system(), concord.user("Practitioner/gp"));
    versions(concord).await;
    let first = concord_tests::people::without(reading("x", "first"), "id");
    let id = gp.create(&first).await;
    gp.put(&format!("Observation/{id}"), &reading(&id, "second")).await.expect(200);
    let on = |number: u8| format!("Observation/{id}/_history/{number}");
    let comments = [
        format!("Communication/{}", gp.create(&said(&[&on(1)], "on the first")).await),
        format!("Communication/{}", gp.create(&said(&[&on(2)], "on the second")).await),
    ];
    let mut of_version = [Vec::new(), Vec::new()];
    for entry in system.entries(&format!("Provenance?target=Observation/{id}")).await {
        let place = format!("Provenance/{}", entry["resource"]["id"].as_str().unwrap_or_default());
        let target = entry["resource"]["target"][0]["reference"].as_str().unwrap_or_default().to_owned();
        of_version[usize::from(target.ends_with("/2"))].push(place);
    }
    assert_eq!(of_version.each_ref().map(Vec::len), [1, 1]);
    let all = || comments.iter().chain(of_version.iter().flatten());
    for place in all() {
        nurse.get(place).await.expect(200);
    }
    relabel(&amina, "Encounter/first", "$meta-add", "SEX").await;
    for place in [&comments[0], &of_version[0][0]] {
        assert_eq!(nurse.get(place).await.status, 404, "{place}");
        amina.get(place).await.expect(200);
    }
    for place in [&comments[1], &of_version[1][0]] {
        assert_eq!(nurse.get(place).await.status, 200, "{place}");
    }
    relabel(&amina, "Encounter/first", "$meta-delete", "SEX").await;
    for place in all() {
        assert_eq!(nurse.get(place).await.status, 200, "{place}");
    }
    // A label that the first version bore itself, and the second does not.
    let own = json!({"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "SEX"}]});
    system.store(&with(with(blood_pressure("amina", 120), "id", json!("own")), "meta", own)).await;
    system.store(&with(said(&["Observation/own/_history/1"], "on the first"), "id", json!("early"))).await;
    let early = "Communication/early";
    amina.get(early).await.expect(200);
    relabel(&system, "Observation/own", "$meta-delete", "SEX").await;
    nurse.get("Observation/own").await.expect(200);
    nurse.get("Observation/own/_history/1").await.expect(404);
    nurse.get(early).await.expect(404);
}

/// The patient's log tells of no event about a version that is kept from her, though the newest is hers to read.
async fn the_log_tells_of_no_hidden_version(concord: &Concord) {
    let (amina, _) = cast(concord).await;
    let (system, gp) = (concord.system(), concord.user("Practitioner/gp"));
    versions(concord).await;
    gp.get("Observation/moved/_history/1").await.expect(200);
    gp.get("Observation/moved").await.expect(200);
    let told = async || {
        let events = amina.entries("AuditEvent?entity=Observation/moved&subtype=vread,read&_count=1000").await;
        let mut named: Vec<String> = events
            .iter()
            .filter_map(|event| event["resource"]["entity"].as_array())
            .flatten()
            .filter_map(|entity| entity["what"]["reference"].as_str())
            .filter(|reference| reference.starts_with("Observation/moved"))
            .map(str::to_owned)
            .collect();
        named.sort_unstable();
        named
    };
    assert_eq!(told().await, ["Observation/moved/_history/1", "Observation/moved/_history/2"]);
    relabel(&system, "Encounter/first", "$meta-add", "NOPAT").await;
    amina.get("Observation/moved").await.expect(200);
    amina.get("Observation/moved/_history/1").await.expect(404);
    // And of her own read.
    assert_eq!(told().await, ["Observation/moved/_history/2", "Observation/moved/_history/2"]);
}

/// The types of which the first version of `was-kept` is kept from everybody here, and the second is not.
const WERE_KEPT: [&str; 12] = [
    "Observation",
    "Encounter",
    "Condition",
    "DocumentReference",
    "Goal",
    "CarePlan",
    "MedicationRequest",
    "Appointment",
    "Media",
    "Procedure",
    "Immunization",
    "Task",
];

/// Every element by which a resource may name another, and every other way to name one, each with what a version is named by:
/// the resource, with `VERSION` where the number of the version stands.
fn naming_versions() -> Vec<(String, Value)> {
    let mut all = Vec::new();
    let mut name = |place: &Place, target: &str, value: Value| {
        let owner = owner(place.resource_type).unwrap_or_default();
        let of_amina = (owner.as_slice(), json!({"reference": "Patient/amina"}));
        let names = (place.members.as_slice(), value);
        let values = if owner.is_empty() || owner == place.members { vec![names] } else { vec![of_amina, names] };
        all.push((format!("{} to {target}", place.name()), minimal::resource(place.resource_type, &values)));
    };
    let types = |place: &Place| WERE_KEPT.into_iter().find(|one| place.may_name(one));
    for place in minimal::references().iter().filter(|place| place.resource_type.name() != "Parameters") {
        let Some(target) = types(place) else { continue };
        name(place, target, json!({"reference": format!("{target}/was-kept/_history/VERSION")}));
    }
    for place in minimal::attachments().iter().filter(|place| place.resource_type.name() != "Parameters") {
        name(place, "Observation", json!({"url": "Observation/was-kept/_history/VERSION", "title": "x"}));
    }
    for (member, value) in [
        ("valueUri", json!("Observation/was-kept/_history/VERSION")),
        ("valueUrl", json!("Observation/was-kept/_history/VERSION#x")),
        ("valueReference", json!({"reference": "Observation/was-kept/_history/VERSION"})),
    ] {
        let extension = json!([{"url": "http://x.example/x", member: value}]);
        all.push((member.to_owned(), with(blood_pressure("amina", 121), "extension", extension)));
    }
    let link = "<div xmlns='http://www.w3.org/1999/xhtml'><a href='Observation/was-kept/_history/VERSION'>x</a></div>";
    let text = json!({"status": "generated", "div": link});
    all.push(("text".to_owned(), with(blood_pressure("amina", 121), "text", text)));
    all
}

/// What each of these writes is answered, without what always differs.
async fn written(app: &App, number: u32) -> Vec<String> {
    let version = number.to_string();
    let entries: Vec<Value> = naming_versions()
        .into_iter()
        .map(|(_, resource)| {
            let filled = resource.to_string().replace("VERSION", &version);
            let resource: Value = serde_json::from_str(&filled).expect("JSON");
            json!({"request": {"method": "POST", "url": text(&resource, "/resourceType")}, "resource": resource})
        })
        .collect();
    let bundle = json!({"resourceType": "Bundle", "type": "batch", "entry": entries});
    let answer = app.post("", &bundle).header("prefer", "return=representation").await.expect(200);
    let told = |entry: &Value| {
        let status = text(entry, "/response/status");
        let said = entry["response"]["outcome"]["issue"].to_string();
        let said =
            said.replace(&format!("_history/{version}"), "_history/N").replace(&format!("new-{number}-"), "new-");
        format!("{status} {} {said}", entry["resource"]["meta"]["security"])
    };
    answer.entries().iter().map(told).collect()
}

async fn a_version_that_may_not_be_read_is_named_like_one_that_is_missing(concord: &Concord) {
    let (amina, nurse) = cast(concord).await;
    let system = concord.system();
    for name in WERE_KEPT {
        let resource_type = ResourceType::parse(name).expect("a type");
        let owner = owner(resource_type).expect("it is part of a record");
        let of_amina = (owner.as_slice(), json!({"reference": "Patient/amina"}));
        let made = with(minimal::resource(resource_type, &[of_amina]), "id", json!("was-kept"));
        system.store(&with(made.clone(), "meta", hidden_from_both())).await;
        system.store(&made).await;
    }
    let letters = concord.app(&TokenRequest {
        client_id: "letters".to_owned(),
        scope: "system/*.cruds".to_owned(),
        purposes: vec!["TREAT".to_owned()],
        ..TokenRequest::default()
    });
    let names: Vec<String> = naming_versions().into_iter().map(|(name, _)| name).collect();
    assert!(names.len() > 250, "{}", names.len());
    for (who, app) in [("the patient", &amina), ("a nurse", &nurse), ("a system", &letters)] {
        for name in WERE_KEPT {
            app.get(&format!("{name}/was-kept/_history/1")).await.expect(404);
            app.get(&format!("{name}/was-kept/_history/2")).await.expect(200);
        }
        let (kept, missing) = (written(app, 1).await, written(app, 9).await);
        for ((name, kept), missing) in names.iter().zip(&kept).zip(&missing) {
            assert_eq!(kept, missing, "{who}, {name}");
            // What systems hand in of a log of their own is kept as it is.
            assert!(!kept.starts_with('2') || name.starts_with("AuditEvent"), "{who}, {name}: {kept}");
        }
        let open = written(app, 2).await;
        let stored = open.iter().filter(|one| one.starts_with('2')).count();
        assert!(stored > 20, "{who}: {stored} of {}", open.len());
    }
    // In an update, a patch, a transaction, and what is said beside it.
    for number in [1, 9] {
        let focus = json!([{"reference": format!("Observation/was-kept/_history/{number}")}]);
        let id = amina.create(&blood_pressure("amina", 122)).await;
        let place = format!("Observation/{id}");
        let named = with(with(blood_pressure("amina", 122), "focus", focus.clone()), "id", json!(id));
        amina.put(&place, &named).await.expect(422);
        let patch = json!([{"op": "add", "path": "/focus", "value": focus}]).to_string();
        amina.ask(Method::PATCH, &place).body("application/json-patch+json", patch).await.expect(422);
        let entries = json!([
            {"resource": named, "request": {"method": "PUT", "url": place}},
            {"resource": with(blood_pressure("amina", 123), "focus", focus.clone()),
                "request": {"method": "POST", "url": "Observation"}}]);
        amina.post("", &json!({"resourceType": "Bundle", "type": "transaction", "entry": entries})).await.expect(422);
        let says = json!({"resourceType": "Provenance", "recorded": "2026-12-01T12:00:00Z",
            "agent": [{"who": {"reference": "Patient/amina"}}], "entity": [{"role": "source", "what": focus[0]}]});
        let ask = amina.post("Observation", &blood_pressure("amina", 124));
        ask.header("x-provenance", &says.to_string()).await.expect(422);
        amina.get(&place).await.expect(200);
    }
}
