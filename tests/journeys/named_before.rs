//! What something names may be deleted, hidden or labelled later: whoever changes it is not asked again for what stays as it was. What
//! is named anew is asked for, and something hidden is as something that is not there.

use concord_fhir::registry::ResourceType;
use concord_tests::client::{Method, text};
use concord_tests::doors::{owner, targets};
use concord_tests::minimal::{self, Place};
use concord_tests::people::{self, with, without};
use concord_tests::{App, Concord, on_both};
use serde_json::{Value, json};

use crate::protection_follows::{relabel, said};

on_both! {
    sharing_ends_whatever_became_of_what_it_names, a_correction_goes_on, comments_are_taken_back, content_stays_where_it_belongs,
    by_every_element_of_every_type, what_several_write_goes_on, what_was_deleted_is_still_denied
}

const AMINA: &str = "Patient/amina";
const GP: &str = "Practitioner/gp";
const ELSEWHERE: &str = "Practitioner/gp-elsewhere";

/// What happens to what is named.
const FATES: [&str; 3] = ["deleted", "hidden from the patient", "hidden from the professional"];

async fn happens(concord: &Concord, fate: &str, place: &str) {
    match fate {
        "deleted" => drop(concord.system().delete(place).await.expect(204)),
        "hidden from the patient" => relabel(&concord.system(), place, "$meta-add", "NOPAT").await,
        _ => relabel(&concord.system(), place, "$meta-add", "SEX").await,
    }
}

fn reading(systolic: u32) -> Value {
    people::blood_pressure("amina", systolic)
}

async fn patch(app: &App, place: &str, path: &str, value: Value) -> u16 {
    let patch = json!([{"op": "add", "path": path, "value": value}]).to_string();
    app.ask(Method::PATCH, place).body("application/json-patch+json", patch).await.status
}

fn but(instance: &str) -> Value {
    let mut choice = without(people::consent("active", ELSEWHERE, &["access"], &["Observation"]), "id");
    choice["provision"]["provision"] =
        json!([{"type": "deny", "data": [{"meaning": "instance", "reference": {"reference": instance}}]}]);
    choice
}

/// A sharing choice that names something ends when its patient says so, whatever has become of that.
async fn sharing_ends_whatever_became_of_what_it_names(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, gp, elsewhere) = (concord.patient("amina"), concord.user(GP), concord.user(ELSEWHERE));
    let shared = format!("Observation/{}", amina.create(&reading(120)).await);
    for fate in &FATES[..2] {
        for way in ["PUT", "PATCH"] {
            let named = format!("Observation/{}", gp.create(&reading(130)).await);
            let choice = format!("Consent/{}", amina.create(&but(&named)).await);
            elsewhere.get(&shared).await.expect(200);
            happens(concord, fate, &named).await;
            let other = but("Observation/none");
            let changed = with(other, "id", json!(choice.trim_start_matches("Consent/")));
            amina.put(&choice, &changed).await.expect(422);
            let status = match way {
                "PUT" => {
                    let ended = with(amina.get(&choice).await.expect(200).json(), "status", json!("inactive"));
                    amina.put(&choice, &ended).await.status
                }
                _ => patch(&amina, &choice, "/status", json!("inactive")).await,
            };
            assert_eq!(status, 200, "{way}, {fate}");
            elsewhere.get(&shared).await.expect(404);
        }
    }
    // Whom it names may be gone, and what a proposal names.
    concord
        .system()
        .store(&json!({"resourceType": "RelatedPerson", "id": "kin", "patient": {"reference": AMINA}}))
        .await;
    let choice = without(people::consent("active", "RelatedPerson/kin", &["access"], &["Observation"]), "id");
    let choice = format!("Consent/{}", amina.create(&choice).await);
    concord.system().delete("RelatedPerson/kin").await.expect(204);
    assert_eq!(patch(&amina, &choice, "/status", json!("inactive")).await, 200);
    for status in ["rejected", "active"] {
        let named = format!("Observation/{}", gp.create(&reading(140)).await);
        let proposal = format!("Consent/{}", gp.create(&with(but(&named), "status", json!("proposed"))).await);
        gp.delete(&named).await.expect(204);
        let settled = with(amina.get(&proposal).await.expect(200).json(), "status", json!(status));
        assert_eq!(amina.put(&proposal, &settled).await.status, 200, "{status}");
    }
}

/// A request for correction goes on, and can be taken back, when what was to be corrected is gone.
async fn a_correction_goes_on(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, gp) = (concord.patient("amina"), concord.user(GP));
    for fate in &FATES[..2] {
        let wrong = json!({"resourceType": "Condition", "code": {"text": "x"}, "subject": {"reference": AMINA}});
        let wrong = format!("Condition/{}", gp.create(&wrong).await);
        let ask = with(said(&[&wrong], "that is not so"), "recipient", json!([{"reference": GP}]));
        let told = amina.post("Communication/$correctionrequest", &ask).await.expect(200).json();
        let parts = told["parameter"].as_array().expect("parameters");
        let task = parts.iter().find(|part| part["name"] == "Task").map(|part| part["resource"].clone());
        let task = format!("Task/{}", text(&task.expect("a Task"), "/id"));
        happens(concord, fate, &wrong).await;
        let moved = |status: &str, code: &str| {
            json!([{"op": "replace", "path": "/status", "value": status},
                {"op": "replace", "path": "/businessStatus/coding/0/code", "value": code}])
            .to_string()
        };
        let ask = gp.ask(Method::PATCH, &task);
        ask.body("application/json-patch+json", moved("in-progress", "in-review")).await.expect(200);
        if *fate == "deleted" {
            let ask = amina.ask(Method::PATCH, &task);
            ask.body("application/json-patch+json", moved("cancelled", "requester-cancelled")).await.expect(200);
        }
    }
}

/// What was said about something is taken back and labelled when that is gone.
async fn comments_are_taken_back(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, gp) = (concord.patient("amina"), concord.user(GP));
    let named = format!("Observation/{}", amina.create(&reading(120)).await);
    let comment = format!("Communication/{}", amina.create(&said(&[&named], "after the stairs")).await);
    let answer = with(said(&[&named], "so it was"), "inResponseTo", json!([{"reference": comment}]));
    let answer = format!("Communication/{}", amina.create(&answer).await);
    amina.delete(&named).await.expect(204);
    amina.delete(&comment).await.expect(204);
    relabel(&amina, &answer, "$meta-add", "SEX").await;
    // What is said in a thread later is about what is left of that.
    let more = json!({"resourceType": "Communication", "status": "completed", "subject": {"reference": AMINA},
        "inResponseTo": [{"reference": answer}], "payload": [{"contentString": "and now"}]});
    let more = amina.post("Communication", &more).await.expect(201).json();
    assert_eq!(more.get("about"), None);
    let stored = amina.get(&answer).await.expect(200).json();
    let other = with(stored.clone(), "about", json!([{"reference": "Observation/none"}]));
    amina.put(&answer, &other).await.expect(422);
    amina.put(&answer, &with(stored, "status", json!("entered-in-error"))).await.expect(200);
    let prescribed = json!({"resourceType": "CommunicationRequest", "status": "active", "subject": {"reference": AMINA},
        "about": [{"reference": format!("Observation/{}", gp.create(&reading(150)).await)}]});
    let about = text(&prescribed, "/about/0/reference").to_owned();
    let prescribed = format!("CommunicationRequest/{}", gp.create(&prescribed).await);
    gp.delete(&about).await.expect(204);
    assert_eq!(patch(&gp, &prescribed, "/status", json!("revoked")).await, 200);
}

/// Content belongs to what it was stored for, in the record in which that is, and a letter shows what it showed.
async fn content_stays_where_it_belongs(concord: &Concord) {
    people::arrive(concord).await;
    let (gp, system) = (concord.user(GP), concord.system());
    let letter = json!({"resourceType": "DocumentReference", "status": "current", "subject": {"reference": AMINA},
        "content": [{"attachment": {"title": "x"}}]});
    let first = format!("DocumentReference/{}", system.create(&letter).await);
    let content = json!({"resourceType": "Binary", "contentType": "text/plain", "data": "eA==",
        "securityContext": {"reference": first}});
    let content = format!("Binary/{}", gp.create(&content).await);
    let showing = with(letter, "content", json!([{"attachment": {"url": content}}]));
    let showing = format!("DocumentReference/{}", gp.create(&showing).await);
    happens(concord, "hidden from the professional", &first).await;
    let stored = with(gp.get(&content).await.expect(200).json(), "data", json!("eXk="));
    gp.put(&content, &stored).await.expect(200);
    concord.patient("amina").get(&content).await.expect(200);
    gp.delete(&content).await.expect(204);
    relabel(&gp, &showing, "$meta-add", "SEX").await;
    assert_eq!(patch(&gp, &showing, "/status", json!("entered-in-error")).await, 200);
}

/// What is named is called that, of whatever type it is.
const NAMED: &str = "named-before";

/// A type that may stand at a place and of which something can be stored under an id, one in a record before another.
fn target(place: &Place) -> Option<ResourceType> {
    let can_be = |one: &ResourceType| {
        !["AuditEvent", "Parameters", "Patient", "Provenance", "Subscription"].contains(&one.name())
    };
    let mut all: Vec<ResourceType> = targets(place).into_iter().filter(can_be).collect();
    all.sort_by_key(|one| (one.name() != "Observation", owner(*one).is_none()));
    all.first().copied()
}

/// Something of that type, in Amina's record if it can be in one.
fn named(resource_type: ResourceType, id: &str) -> Value {
    let owner = owner(resource_type);
    let of_amina = owner.iter().map(|owner| (owner.as_slice(), json!({"reference": AMINA}))).collect::<Vec<_>>();
    with(minimal::resource(resource_type, &of_amina), "id", json!(id))
}

/// A resource of the type in Amina's record that names something at a place.
fn naming(place: &Place, of: ResourceType, id: &str) -> Option<Value> {
    let owner = owner(place.resource_type).filter(|owner| *owner != place.members)?;
    let of_amina = (owner.as_slice(), json!({"reference": AMINA}));
    let names = (place.members.as_slice(), json!({"reference": format!("{of}/{id}")}));
    Some(minimal::resource(place.resource_type, &[of_amina, names]))
}

async fn sent(app: &App, entries: &[Value]) -> Vec<Value> {
    let mut answered = Vec::new();
    for some in entries.chunks(200) {
        let bundle = json!({"resourceType": "Bundle", "type": "batch", "entry": some});
        answered.extend(app.post("", &bundle).await.expect(200).entries());
    }
    answered
}

fn answered(entry: &Value) -> &str {
    text(entry, "/response/status").get(..3).unwrap_or_default()
}

fn located(entry: &Value) -> String {
    let location = text(entry, "/response/location");
    let mut parts = location.rsplit('/').skip(2);
    let (id, name) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    format!("{name}/{id}")
}

fn ask(method: &str, url: &str, resource: &Value) -> Value {
    json!({"resource": resource, "request": {"method": method, "url": url}})
}

fn labelling() -> Value {
    let label = json!({"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "MH"}]});
    json!({"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": label}]})
}

/// Whoever wrote something goes on labelling it when what it names is gone or hidden from them, at every element of every type. To name
/// something hidden anew is refused as to name what is not there.
async fn by_every_element_of_every_type(concord: &Concord) {
    people::arrive(concord).await;
    let (gp, system) = (concord.user(GP), concord.system());
    let hidden = json!({"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "SEX"}]});
    for fate in [FATES[0], FATES[2]] {
        let places: Vec<(Place, ResourceType)> =
            minimal::references().into_iter().filter_map(|place| Some((place.clone(), target(&place)?))).collect();
        let mut types: Vec<ResourceType> = places.iter().map(|(_, of)| *of).collect();
        types.sort_by_key(|one| one.name());
        types.dedup();
        let put = |one: &ResourceType, id: &str| ask("PUT", &format!("{one}/{id}"), &named(*one, id));
        let mut entries: Vec<Value> = types.iter().map(|one| put(one, NAMED)).collect();
        let hide = |one: &ResourceType| {
            let resource = with(named(*one, "hidden"), "meta", hidden.clone());
            ask("PUT", &format!("{one}/hidden"), &resource)
        };
        entries.extend(types.iter().map(hide));
        for (entry, told) in entries.iter().zip(&sent(&system, &entries).await) {
            assert!(["200", "201"].contains(&answered(told)), "{entry}: {told}");
        }
        let all: Vec<(&Place, ResourceType, Value)> =
            places.iter().filter_map(|(place, of)| Some((place, *of, naming(place, *of, NAMED)?))).collect();
        let posts: Vec<Value> =
            all.iter().map(|(place, _, one)| ask("POST", place.resource_type.name(), one)).collect();
        // What the rules of its type let a professional write.
        let told = sent(&gp, &posts).await;
        let stored: Vec<(&Place, ResourceType, String)> = all
            .iter()
            .zip(&told)
            .filter(|(_, told)| answered(told) == "201")
            .map(|((place, of, _), told)| (*place, *of, located(told)))
            .collect();
        assert!(stored.len() > 300, "{} of {}", stored.len(), all.len());
        for of in &types {
            let place = format!("{of}/{NAMED}");
            match fate {
                "deleted" => drop(system.delete(&place).await.expect(204)),
                _ => relabel(&system, &place, "$meta-add", "SEX").await,
            }
        }
        let labels: Vec<Value> =
            stored.iter().map(|(_, _, place)| ask("POST", &format!("{place}/$meta-add"), &labelling())).collect();
        let told = sent(&gp, &labels).await;
        let failed: Vec<String> = stored
            .iter()
            .zip(&told)
            .filter(|(_, told)| answered(told) != "200")
            .map(|((place, of, _), told)| format!("{} -> {of}: {}", place.name(), told["response"]))
            .collect();
        assert!(failed.is_empty(), "{fate}: {} problems:\n{}", failed.len(), failed.join("\n"));
        // Another one is asked for.
        for other in ["hidden", "none"] {
            let anew: Vec<Value> = stored
                .iter()
                .filter(|(_, of, _)| other == "none" || owner(*of).is_some())
                .filter_map(|(place, of, at)| {
                    let id = at.split('/').nth(1).unwrap_or_default();
                    Some(ask("PUT", at, &with(naming(place, *of, other)?, "id", json!(id))))
                })
                .collect();
            for (entry, told) in anew.iter().zip(&sent(&gp, &anew).await) {
                let is_refused = ["404", "422"].contains(&answered(told));
                assert!(is_refused, "{other}: {entry} is answered {}", told["response"]);
            }
        }
        for entry in &stored {
            system.delete(&entry.2).await;
        }
    }
}

/// What several parties write they go on writing, at every element: a goal is negotiated, the Task of a correction moved on, a proposal
/// of a sharing choice settled.
async fn what_several_write_goes_on(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, gp, system) = (concord.patient("amina"), concord.user(GP), concord.system());
    let mut failed = Vec::new();
    let mut tried = 0;
    for place in minimal::references() {
        let name = place.resource_type.name();
        let Some(of) = target(&place).filter(|_| ["Consent", "Goal", "Task"].contains(&name)) else { continue };
        let Some(resource) = naming(&place, of, NAMED) else { continue };
        let resource = match name {
            "Consent" => with(resource, "status", json!("proposed")),
            "Goal" => with(resource, "lifecycleStatus", json!("active")),
            _ => {
                let code = json!({"coding": [{"code": "medRecCxReq"}]});
                let state = json!({"coding": [{"code": "queued"}]});
                with(with(with(resource, "code", code), "status", json!("ready")), "businessStatus", state)
            }
        };
        for fate in FATES {
            system.store(&named(of, NAMED)).await;
            let at = format!("{name}/{}", system.create(&resource).await);
            happens(concord, fate, &format!("{of}/{NAMED}")).await;
            // What hands its label on hides this with it from one of them.
            let app = if name == "Consent" { &amina } else { &gp };
            if app.get(&at).await.status == 200 {
                let status = match name {
                    "Consent" => patch(app, &at, "/status", json!("rejected")).await,
                    "Goal" => patch(app, &at, "/lifecycleStatus", json!("on-hold")).await,
                    _ => {
                        let moved = json!([{"op": "replace", "path": "/status", "value": "in-progress"},
                            {"op": "replace", "path": "/businessStatus/coding/0/code", "value": "in-review"}]);
                        let ask = app.ask(Method::PATCH, &at);
                        ask.body("application/json-patch+json", moved.to_string()).await.status
                    }
                };
                tried += 1;
                if status != 200 {
                    failed.push(format!("{}: {fate}: {status}", place.name()));
                }
            }
            system.delete(&at).await;
            system.delete(&format!("{of}/{NAMED}")).await;
        }
    }
    assert!(failed.is_empty() && tried > 60, "{tried} tried, {} problems:\n{}", failed.len(), failed.join("\n"));
}

/// What its patient has deleted goes on being in the history: she denies it by a sharing choice. What she could not read is as what
/// never was.
async fn what_was_deleted_is_still_denied(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, gp, system) = (concord.patient("amina"), concord.user(GP), concord.system());
    let mine = format!("Observation/{}", amina.create(&reading(120)).await);
    amina.delete(&mine).await.expect(204);
    let version = format!("{mine}/_history/1");
    gp.get(&version).await.expect(200);
    let denial = |named: &str| {
        let mut denial = without(people::consent("active", GP, &["access"], &[]), "id");
        denial["provision"]["type"] = json!("deny");
        denial["provision"].as_object_mut().expect("an object").remove("class");
        denial["provision"]["data"] = json!([{"meaning": "instance", "reference": {"reference": named}}]);
        denial
    };
    amina.post(&format!("{mine}/$meta-add"), &labelling()).await.expect(410);
    amina.create(&denial(&mine)).await;
    gp.get(&version).await.expect(404);
    gp.get(&format!("{mine}/_history")).await.expect(404);
    gp.get(&mine).await.expect(404);
    amina.get(&version).await.expect(200);
    // A note that was kept from her, and what was never there.
    let note = with(
        reading(130),
        "meta",
        json!({"security": [
        {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "NOPAT"}]}),
    );
    let note = format!("Observation/{}", system.create(&note).await);
    system.delete(&note).await.expect(204);
    let hidden = amina.post("Consent", &denial(&note)).await.expect(422);
    let missing = amina.post("Consent", &denial("Observation/none")).await.expect(422);
    let bare = |body: String, id: &str| body.replace(id.trim_start_matches("Observation/"), "x");
    assert_eq!(bare(hidden.text(), &note), bare(missing.text(), "none"));
    // In a sharing choice alone.
    amina.post("Communication", &said(&[&mine], "it was wrong")).await.expect(404);
    amina.post("Observation", &with(reading(140), "derivedFrom", json!([{"reference": mine}]))).await.expect(422);
}
