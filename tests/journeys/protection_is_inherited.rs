//! What protects an encounter protects whatever names it: by any element of R4, by an extension, through others that are
//! part of it, and after it was deleted.

use concord_fhir::registry::ResourceType;
use concord_tests::client::text;
pub(crate) use concord_tests::doors::owner;
use concord_tests::minimal::{self, Place};
use concord_tests::people::{self, blood_pressure, with};
use concord_tests::{App, Concord, on_both};
use serde_json::{Value, json};

on_both! { by_every_element, by_an_extension, in_every_form, along_chains, through_what_was_deleted }

pub(crate) const ACT: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
const OPEN: &str = "known";
const HIDDEN: &str = "secret";

/// Places that may name a hidden encounter and be shown, each with its reason.
const EXCEPTIONS: [(&str, &str); 1] =
    [("Consent.provision.data.reference", "a sharing choice names what it is about, and decides by it")];

/// Labels by which something is hidden from the patient, and from a professional who has not written it.
pub(crate) fn hidden_from_both() -> Value {
    json!({"security": [{"system": ACT, "code": "NOPAT"}, {"system": ACT, "code": "SEX"}]})
}

pub(crate) fn encounter(id: &str, more: Value) -> Value {
    let mut made = json!({"resourceType": "Encounter", "id": id, "status": "finished", "class": {"code": "AMB"},
        "subject": {"reference": "Patient/amina"}});
    for (element, value) in more.as_object().into_iter().flatten() {
        made = with(made, element, value.clone());
    }
    made
}

fn episode(id: &str, more: Value) -> Value {
    let made = encounter(id, more);
    let made = people::without(people::without(made, "class"), "subject");
    with(with(made, "resourceType", json!("EpisodeOfCare")), "patient", json!({"reference": "Patient/amina"}))
}

/// People, a nurse of the care team who has written nothing, and an encounter, an episode of care and a reading in the
/// encounter, each once hidden from her and from the patient, and once not.
pub(crate) async fn cast(concord: &Concord) -> (App, App) {
    people::arrive(concord).await;
    let system = concord.system();
    system.store(&json!({"resourceType": "Practitioner", "id": "nurse", "name": [{"family": "Brown"}]})).await;
    system.store(&people::care_team(&["Practitioner/gp", "Practitioner/nurse"])).await;
    for (id, labels) in [(OPEN, json!({})), (HIDDEN, json!({"meta": hidden_from_both()}))] {
        system.store(&encounter(id, labels.clone())).await;
        system.store(&episode(id, labels)).await;
        let during = with(blood_pressure("amina", 120), "encounter", json!({"reference": format!("Encounter/{id}")}));
        system.store(&with(during, "id", json!(id))).await;
    }
    (concord.patient("amina"), concord.user("Practitioner/nurse"))
}

/// A resource and another that differs in nothing but that it names what is not hidden.
struct Pair {
    name: String,
    resource_type: String,
    open: Value,
    hidden: Value,
}

impl Pair {
    fn of(name: String, made: impl Fn(&str) -> Value) -> Pair {
        let (open, hidden) = (made(OPEN), made(HIDDEN));
        Pair { name, resource_type: text(&open, "/resourceType").to_owned(), open, hidden }
    }
}

/// Stores all of them at once; the ids of each pair.
async fn stored(concord: &Concord, pairs: &[Pair]) -> Vec<(String, String)> {
    let entries: Vec<Value> = pairs
        .iter()
        .flat_map(|pair| [&pair.open, &pair.hidden])
        .map(|resource| {
            json!({"resource": resource, "request": {"method": "POST", "url": text(resource, "/resourceType")}})
        })
        .collect();
    let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": entries});
    let answer = concord.system().post("", &bundle).await;
    if answer.status != 200 {
        let entry = |place: &str| place.split(['[', ']']).nth(1)?.parse::<usize>().ok();
        let told = answer.issues().into_iter().map(|(_, place, says)| {
            let pair = entry(&place).and_then(|at| pairs.get(at / 2)).map_or("?", |pair| pair.name.as_str());
            format!("{pair} {place}: {says}")
        });
        panic!("not stored:\n{}", told.collect::<Vec<_>>().join("\n"));
    }
    let told = answer.entries();
    let ids: Vec<String> = told
        .iter()
        .map(|entry| text(entry, "/response/location").split('/').rev().nth(2).unwrap_or_default().to_owned())
        .collect();
    ids.chunks(2).map(|ids| (ids[0].clone(), ids[1].clone())).collect()
}

/// Where somebody is shown one of the hidden ones; and where one of the others is not shown, without which this would
/// show nothing.
async fn problems(app: &App, who: &str, pairs: &[Pair], ids: &[(String, String)]) -> Vec<String> {
    let mut problems = Vec::new();
    let mut everywhere = Vec::new();
    for (way, place) in [
        ("$everything", "Patient/amina/$everything?_count=1000"),
        ("the history of the system", "_history?_count=1000"),
        ("the compartment", "Patient/amina/*?_count=1000"),
    ] {
        everywhere.push((way, Value::from(app.entries(place).await).to_string()));
    }
    let mut types: Vec<&str> = pairs.iter().map(|pair| pair.resource_type.as_str()).collect();
    types.sort_unstable();
    types.dedup();
    for name in types {
        let of_type: Vec<_> = pairs.iter().zip(ids).filter(|(pair, _)| pair.resource_type == name).collect();
        let all: Vec<&str> = of_type.iter().flat_map(|(_, (open, hidden))| [open.as_str(), hidden.as_str()]).collect();
        let found = app.get(&format!("{name}?_id={}&_count=1000", all.join(","))).await.expect(200).ids();
        for (pair, (open, hidden)) in of_type {
            if !found.contains(open) {
                problems.push(format!("{}: not even what is open is shown to {who}", pair.name));
            }
            let place = format!("{name}/{hidden}");
            let mut shown = Vec::new();
            if found.contains(hidden) {
                shown.push("search");
            }
            for (way, place) in [
                ("read", place.clone()),
                ("vread", format!("{place}/_history/1")),
                ("history", format!("{place}/_history")),
            ] {
                // An event has one version and no history.
                if app.get(&place).await.status == 200 {
                    shown.push(way);
                }
            }
            shown.extend(everywhere.iter().filter(|(_, told)| told.contains(hidden.as_str())).map(|(way, _)| *way));
            if !shown.is_empty() {
                problems.push(format!("{}: shown to {who} by {}", pair.name, shown.join(", ")));
            }
        }
    }
    problems
}

async fn check(concord: &Concord, viewers: (App, App), pairs: &[Pair]) {
    let ids = stored(concord, pairs).await;
    let mut all = problems(&viewers.0, "the patient", pairs, &ids).await;
    // The log of a record is the patient's.
    let (pairs, ids): (Vec<_>, Vec<_>) =
        pairs.iter().zip(&ids).filter(|(pair, _)| pair.resource_type != "AuditEvent").unzip();
    let pairs: Vec<Pair> = pairs
        .into_iter()
        .map(|pair| Pair {
            name: pair.name.clone(),
            resource_type: pair.resource_type.clone(),
            open: Value::Null,
            hidden: Value::Null,
        })
        .collect();
    let ids: Vec<(String, String)> = ids.into_iter().cloned().collect();
    all.extend(problems(&viewers.1, "a professional", &pairs, &ids).await);
    assert!(all.is_empty(), "{} problems:\n{}", all.len(), all.join("\n"));
}

/// A resource in Amina's record that names something at that place.
fn naming(place: &Place, owner: &[String], reference: &str) -> Value {
    let of_amina = (owner, json!({"reference": "Patient/amina"}));
    let named = (place.members.as_slice(), json!({"reference": reference}));
    minimal::resource(place.resource_type, &[of_amina, named])
}

/// Over every element of type Reference in the R4 table.
async fn by_every_element(concord: &Concord) {
    let viewers = cast(concord).await;
    let mut pairs = Vec::new();
    for place in minimal::references() {
        let Some(owner) = owner(place.resource_type) else { continue };
        let is_list =
            ["AuditEvent", "Contract", "Provenance", "VerificationResult"].contains(&place.resource_type.name());
        if EXCEPTIONS.iter().any(|(name, _)| *name == place.name()) || (owner == place.members && !is_list) {
            continue;
        }
        // Through the encounter itself; and where anything may be named, through what was recorded in it.
        let named = ["Encounter", "EpisodeOfCare"].into_iter().filter(|name| place.may_name(name));
        let recorded = place.targets.is_empty().then_some("Observation");
        for target in named.chain(recorded) {
            let made = |id: &str| naming(&place, &owner, &format!("{target}/{id}"));
            pairs.push(Pair::of(format!("{} -> {target}", place.name()), made));
        }
    }
    assert!(pairs.len() > 150, "{}", pairs.len());
    check(concord, viewers, &pairs).await;
}

/// Of every type that is part of a record.
async fn by_an_extension(concord: &Concord) {
    let viewers = cast(concord).await;
    let mut pairs = Vec::new();
    for resource_type in ResourceType::all().filter(|one| !["Binary", "Consent"].contains(&one.name())) {
        let Some(owner) = owner(resource_type) else { continue };
        let made = |id: &str| {
            let of_amina = (owner.as_slice(), json!({"reference": "Patient/amina"}));
            let extension = json!([{"url": "http://example.org/during",
                "valueReference": {"reference": format!("Encounter/{id}")}}]);
            with(minimal::resource(resource_type, &[of_amina]), "extension", extension)
        };
        pairs.push(Pair::of(format!("{resource_type}.extension"), made));
    }
    assert!(pairs.len() > 60, "{}", pairs.len());
    check(concord, viewers, &pairs).await;
}

/// However the reference is written, and wherever an extension or a contained resource stands.
async fn in_every_form(concord: &Concord) {
    let viewers = cast(concord).await;
    let reading = || blood_pressure("amina", 121);
    let extension = |id: &str| json!([{"url": "http://example.org/during", "valueReference": {"reference": format!("Encounter/{id}")}}]);
    let at = |pointer: &str, value: Value| {
        let mut made = reading();
        let (parent, member) = pointer.rsplit_once('/').expect("a pointer");
        let parent = made.pointer_mut(parent).expect("a place");
        parent[member] = value;
        made
    };
    let during = |reference: String| with(reading(), "encounter", json!({"reference": reference}));
    let pairs = [
        Pair::of("a version".to_owned(), |id| during(format!("Encounter/{id}/_history/1"))),
        Pair::of("a link of the narrative".to_owned(), |id| {
            let div = format!("<div xmlns=\"http://www.w3.org/1999/xhtml\"><a href='Encounter/{id}'>then</a></div>");
            with(reading(), "text", json!({"status": "generated", "div": div}))
        }),
        Pair::of("a picture of the narrative".to_owned(), |id| {
            let div =
                format!("<div xmlns=\"http://www.w3.org/1999/xhtml\"><img alt='x' src='Observation/{id}'/></div>");
            with(reading(), "text", json!({"status": "generated", "div": div}))
        }),
        Pair::of("a url in an extension".to_owned(), |id| {
            with(
                reading(),
                "extension",
                json!([{"url": "http://example.org/x", "valueUrl": format!("http://concord.test/fhir/Encounter/{id}")}]),
            )
        }),
        Pair::of("a uri of its own".to_owned(), |id| {
            with(reading(), "meta", json!({"source": format!("Encounter/{id}")}))
        }),
        Pair::of("an absolute URL".to_owned(), |id| during(format!("http://concord.test/fhir/Encounter/{id}"))),
        Pair::of("an extension of a component".to_owned(), |id| at("/component/0/extension", extension(id))),
        Pair::of("an extension of a data type".to_owned(), |id| at("/code/coding/0/extension", extension(id))),
        Pair::of("an extension of a primitive".to_owned(), |id| at("/_status", json!({"extension": extension(id)}))),
        Pair::of("an extension in an extension".to_owned(), |id| {
            at("/extension", json!([{"url": "http://example.org/outer", "extension": extension(id)}]))
        }),
        Pair::of("an extension of meta".to_owned(), |id| at("/meta", json!({"extension": extension(id)}))),
        Pair::of("a contained resource".to_owned(), |id| {
            let inner = with(during(format!("Encounter/{id}")), "id", json!("inner"));
            with(with(reading(), "contained", json!([inner])), "hasMember", json!([{"reference": "#inner"}]))
        }),
        Pair::of("a note by somebody with an extension".to_owned(), |id| {
            at("/note", json!([{"text": "x", "authorReference": {"display": "y", "extension": extension(id)}}]))
        }),
    ];
    check(concord, viewers, &pairs).await;
}

/// Transitively, through `partOf` and through episodes of care.
async fn along_chains(concord: &Concord) {
    let viewers = cast(concord).await;
    let system = concord.system();
    let reference = |name: &str, id: &str| json!({"reference": format!("{name}/{id}")});
    for (id, of) in [("open", OPEN), ("hid", HIDDEN)] {
        let labelled = |one: Value| one;
        for resource in [
            encounter(&format!("child-{id}"), json!({"partOf": reference("Encounter", of)})),
            encounter(&format!("grandchild-{id}"), json!({"partOf": reference("Encounter", &format!("child-{id}"))})),
            encounter(&format!("course-{id}"), json!({"episodeOfCare": [reference("EpisodeOfCare", of)]})),
            with(
                minimal::resource(
                    ResourceType::of("MedicationAdministration"),
                    &[
                        (&["subject".to_owned()], json!({"reference": "Patient/amina"})),
                        (&["context".to_owned()], reference("Encounter", of)),
                    ],
                ),
                "id",
                json!(format!("given-{id}")),
            ),
        ] {
            system.store(&labelled(resource)).await;
        }
    }
    let kind = |id: &str| if id == OPEN { "open" } else { "hid" };
    let during = |encounter: String| with(blood_pressure("amina", 121), "encounter", json!({"reference": encounter}));
    let pairs = [
        Pair::of("in a child".to_owned(), |id| during(format!("Encounter/child-{}", kind(id)))),
        Pair::of("in a grandchild".to_owned(), |id| during(format!("Encounter/grandchild-{}", kind(id)))),
        Pair::of("in a course".to_owned(), |id| during(format!("Encounter/course-{}", kind(id)))),
        Pair::of("a child of a grandchild".to_owned(), |id| {
            people::without(
                encounter("x", json!({"partOf": reference("Encounter", &format!("grandchild-{}", kind(id)))})),
                "id",
            )
        }),
        Pair::of("a report in a grandchild".to_owned(), |id| {
            json!({"resourceType": "DiagnosticReport", "status": "final", "code": {"text": "x"},
                "subject": {"reference": "Patient/amina"}, "encounter": reference("Encounter", &format!("grandchild-{}", kind(id)))})
        }),
        Pair::of("part of what was given in it".to_owned(), |id| {
            with(
                blood_pressure("amina", 121),
                "partOf",
                json!([reference("MedicationAdministration", &format!("given-{}", kind(id)))]),
            )
        }),
        Pair::of("evidence of what was recorded in it".to_owned(), |id| {
            json!({"resourceType": "DetectedIssue", "status": "final", "patient": {"reference": "Patient/amina"},
                "evidence": [{"detail": [reference("Observation", id)]}]})
        }),
    ];
    check(concord, viewers, &pairs).await;
}

/// Also through deleted resources, at the end of a chain and in the middle of it.
async fn through_what_was_deleted(concord: &Concord) {
    let viewers = cast(concord).await;
    let system = concord.system();
    for (id, of) in [("open", OPEN), ("hid", HIDDEN)] {
        let of = json!({"reference": format!("Encounter/{of}")});
        system.store(&encounter(&format!("child-{id}"), json!({"partOf": of}))).await;
    }
    let during = |encounter: String| with(blood_pressure("amina", 121), "encounter", json!({"reference": encounter}));
    let kind = |id: &str| if id == OPEN { "open" } else { "hid" };
    let pairs = [
        Pair::of("in one that was deleted".to_owned(), |id| during(format!("Encounter/{id}"))),
        Pair::of("in the child of a deleted one".to_owned(), |id| during(format!("Encounter/child-{}", kind(id)))),
        Pair::of("said about what was recorded in it".to_owned(), |id| {
            json!({"resourceType": "Communication", "status": "completed", "subject": {"reference": "Patient/amina"},
                "about": [{"reference": format!("Observation/{id}")}], "payload": [{"contentString": "x"}]})
        }),
    ];
    let ids = stored(concord, &pairs).await;
    for place in ["Encounter/secret", "Encounter/known"] {
        system.delete(place).await.expect(204);
    }
    let mut all = problems(&viewers.0, "the patient", &pairs, &ids).await;
    all.extend(problems(&viewers.1, "a professional", &pairs, &ids).await);
    for place in ["Encounter/child-hid", "Encounter/child-open", "Observation/secret", "Observation/known"] {
        system.delete(place).await.expect(204);
    }
    all.extend(problems(&viewers.0, "the patient, later", &pairs, &ids).await);
    all.extend(problems(&viewers.1, "a professional, later", &pairs, &ids).await);
    assert!(all.is_empty(), "{} problems:\n{}", all.len(), all.join("\n"));
}
