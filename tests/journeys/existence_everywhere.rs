//! What a caller may not know exists, no answer tells: over every form of address of every type, every operation with every
//! parameter, every search parameter, and every element by which a resource may name another. Each is tried with what is hidden
//! and with what was never used, as entries of a batch, whose answers and whose log must be the same.
//!
//! The kinds of callers share them: what differs between types, parameters and elements are rows of tables, and what differs
//! between callers [`crate::existence`] tries at each kind of door.

use concord_api::describe::openapi;
use concord_fhir::registry::{Kind, Parameter, ResourceType, Targets, parameters};
use concord_tests::client::{App, text};
use concord_tests::minimal;
use concord_tests::people::with;
use concord_tests::{Concord, on_both};
use serde_json::{Value, json};

use crate::every_place::targets;
use crate::existence::{
    Asker, HIDDEN, SETTINGS, a_carer, a_patient, a_professional, a_stranger, a_system_for_a_purpose,
    a_system_with_a_granular_scope, an_app_of_others, an_office_without_a_reason, difference, hidden, plain, readable,
};
use crate::existence_doors::Named;
use crate::protection_is_inherited::owner;

on_both! {
    with super::SETTINGS;
    to_a_patient, to_a_carer, to_a_professional, to_a_stranger, to_an_office_without_a_reason, to_an_app_of_others,
    to_a_system_for_a_purpose, to_a_system_with_a_granular_scope
}

/// How many kinds of callers share the doors.
const CALLERS: usize = 8;

/// How many entries a batch has.
const AT_ONCE: usize = 250;

/// An id that was never used, and a patient's, as long as those that are hidden.
const NEVER: &str = "absent-000";

/// Types of which nothing can be stored under an id that somebody chooses.
const UNNAMED: [&str; 4] = ["AuditEvent", "Parameters", "Provenance", "Subscription"];

/// Whether something of that type can be hidden: what is in nobody's record is shared, and told to whoever has a scope for it.
fn can_be_hidden(resource_type: ResourceType) -> bool {
    owner(resource_type).is_some() && !UNNAMED.contains(&resource_type.name())
}

/// The types of which something is hidden.
fn types() -> impl Iterator<Item = ResourceType> {
    ResourceType::all().filter(|one| can_be_hidden(*one))
}

/// One hidden resource of every type that is part of records, in Amina's, with an identifier and a url where it can have them.
async fn hide(concord: &Concord, seen: &[&str]) {
    let put = |resource_type: ResourceType| {
        let amina = json!({"reference": "Patient/amina"});
        let owner = owner(resource_type);
        let values: Vec<(&[String], Value)> = owner.iter().map(|owner| (owner.as_slice(), amina.clone())).collect();
        let mut made = with(with(minimal::resource(resource_type, &values), "id", json!(HIDDEN)), "meta", hidden());
        let name = resource_type.name();
        if parameters(resource_type).any(|one| &*one.code == "url") {
            made["url"] = json!(format!("http://secret.example/{name}/{HIDDEN}"));
        }
        if parameters(resource_type).any(|one| &*one.code == "identifier") && made["identifier"].is_null() {
            made["identifier"] = json!([{"system": "urn:secret", "value": HIDDEN}]);
        }
        json!({"resource": made, "request": {"method": "PUT", "url": format!("{name}/{HIDDEN}")}})
    };
    // Those that the cast has hidden already stay as they are.
    let system = concord.system();
    let mut entries = Vec::new();
    for one in types().filter(|one| !seen.contains(&one.name())) {
        if system.get(&format!("{one}/{HIDDEN}")).await.status == 404 {
            entries.push(put(one));
        }
    }
    let bundle = json!({"resourceType": "Bundle", "type": "batch", "entry": entries});
    let answer = system.post("", &bundle).await.expect(200);
    for (entry, told) in entries.iter().zip(answer.entries()) {
        let stored = text(&told, "/response/status").starts_with('2');
        // Some types have one identifier and no list.
        assert!(stored || retried(&system, entry).await, "{entry}: {told}");
    }
}

/// Stores it with one identifier instead of a list.
async fn retried(system: &App, entry: &Value) -> bool {
    let mut resource = entry["resource"].clone();
    resource["identifier"] = resource["identifier"][0].clone();
    system.put(text(entry, "/request/url"), &resource).await.status == 201
}

/// An entry, with placeholders.
pub(crate) struct Door {
    pub(crate) name: String,
    entry: Value,
}

impl Door {
    fn get(url: String) -> Door {
        Door { name: format!("GET {url}"), entry: json!({"request": {"method": "GET", "url": url}}) }
    }

    fn of(name: String, method: &str, url: &str, resource: Value) -> Door {
        Door { name, entry: json!({"request": {"method": method, "url": url}, "resource": resource}) }
    }

    pub(crate) fn filled(&self, named: &Named<'_>) -> Value {
        serde_json::from_str(&named.filled(&self.entry.to_string())).expect("JSON")
    }
}

/// What reads by an address, of every type.
fn addresses() -> Vec<Door> {
    let all = types().flat_map(|one| {
        ["{item}", "{item}/_history", "{item}/_history/1", "{item}/$meta", "{item}/$validate"]
            .map(|rest| Door::get(format!("{one}/{rest}")))
    });
    all.chain(
        ["Patient/{patient}", "Patient/{patient}/_history", "Patient/{patient}/*"].map(|url| Door::get(url.to_owned())),
    )
    .chain(ResourceType::all().map(|one| Door::get(format!("Patient/{{patient}}/{one}"))))
    .collect()
}

/// What may be said for a parameter that names something.
const VALUES: [&str; 5] = ["{item}", "Observation/{item}", "urn:secret|{item}", "Patient/{patient}", "{patient}"];

/// Every operation at every address, without parameters and with each that it has, by GET and by POST.
pub(crate) fn operations() -> Vec<Door> {
    let document: Value = serde_json::from_str(&openapi::document().expect("a document")).expect("JSON");
    let mut all = Vec::new();
    let has_dollar = |path: &&String| path.starts_with("/fhir/") && path.contains('$');
    for key in document["paths"].as_object().into_iter().flat_map(|paths| paths.keys()).filter(has_dollar) {
        let path = key.trim_start_matches("/fhir/").replace("{type}", "Observation");
        let named = path.split('/').next().and_then(ResourceType::parse);
        // What is shared is told to whoever asks for it.
        if path.contains("{id}") && !named.is_some_and(|one| can_be_hidden(one) || one.name() == "Patient") {
            continue;
        }
        let place = match path.strip_prefix("Patient/{id}") {
            Some(rest) => format!("Patient/{{patient}}{rest}"),
            None => path.replace("{id}", "{item}"),
        };
        let parameters = document["paths"][key]["get"]["parameters"].as_array().cloned();
        let asked_for =
            parameters.iter().flatten().filter(|one| one["in"] == "query").map(|one| text(one, "/name").to_owned());
        let mut asked: Vec<String> = vec![String::new()];
        for name in asked_for.chain(["code".to_owned(), "patient".to_owned(), "url".to_owned()]) {
            asked.extend(VALUES.iter().map(|value| format!("?{name}={value}")));
        }
        for query in asked {
            all.push(Door::get(format!("{place}{query}")));
            if let Some((name, value)) = query.trim_start_matches('?').split_once('=') {
                let given = json!({"resourceType": "Parameters", "parameter": [{"name": name, "valueString": value}]});
                all.push(Door::of(format!("POST {place} with {name} {value}"), "POST", &place, given));
            }
        }
        let label = json!({"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": {"tag": [{"code": "x"}]}},
            {"name": "reason", "valueString": "we have talked about it"}, {"name": "version", "valueId": "1"}]});
        for (name, _) in label["parameter"].as_array().into_iter().flatten().map(|one| (text(one, "/name"), one)) {
            let only: Vec<&Value> =
                label["parameter"].as_array().into_iter().flatten().filter(|one| text(one, "/name") == name).collect();
            let given = json!({"resourceType": "Parameters", "parameter": only});
            all.push(Door::of(format!("POST {place} with {name}"), "POST", &place, given));
        }
    }
    all
}

/// Every search parameter that may name something, in each way in which it may.
fn searches() -> Vec<Door> {
    let mut all = Vec::new();
    for of in ResourceType::all() {
        for one in parameters(of) {
            all.extend(queries(of, one).into_iter().map(|query| Door::get(format!("{of}?{query}"))));
        }
    }
    all
}

fn queries(of: ResourceType, one: &Parameter) -> Vec<String> {
    let code = &*one.code;
    match one.kind {
        Kind::Token if can_be_hidden(of) => {
            vec![format!("{code}=urn:secret|{{item}}&_total=accurate"), format!("{code}={{item}}")]
        }
        Kind::Uri if can_be_hidden(of) => vec![format!("{code}=http://secret.example/{of}/{{item}}&_total=accurate")],
        Kind::Reference => {
            let target = match &one.targets {
                Targets::Any => Some(ResourceType::of("Encounter")),
                Targets::Types(types) => {
                    let thing = types.iter().find(|one| can_be_hidden(**one));
                    thing.or(types.iter().find(|one| one.name() == "Patient")).copied()
                }
            };
            let Some(target) = target else { return Vec::new() };
            let named = if target.name() == "Patient" { "{patient}" } else { "{item}" };
            let mut all = vec![
                format!("{code}={target}/{named}&_total=accurate"),
                format!("{code}={target}/{named}&_include={of}:{code}"),
                format!("{code}:{target}._id={named}&_summary=count"),
                format!("{code}:identifier=urn:secret|{{item}}"),
                format!("_has:{of}:{code}:_id={{item}}&_total=accurate"),
            ];
            if can_be_hidden(of) {
                all.push(format!("_id={{item}}&_include={of}:{code}&_revinclude={of}:{code}"));
            }
            all
        }
        _ => Vec::new(),
    }
}

/// What is written names it, at every element of type Reference, and of type Attachment.
fn elements() -> Vec<Door> {
    let mut all = Vec::new();
    let made = |place: &minimal::Place, value: Value| {
        let named = (place.members.as_slice(), value);
        let mut values = Vec::new();
        let owner = owner(place.resource_type).filter(|owner| *owner != place.members);
        let of_amina = owner.as_ref().map(|owner| (owner.as_slice(), json!({"reference": "Patient/amina"})));
        values.extend(of_amina);
        values.push(named);
        minimal::resource(place.resource_type, &values)
    };
    for place in minimal::references() {
        let types = targets(&place);
        let reference = match types.iter().find(|one| can_be_hidden(**one)) {
            Some(target) => format!("{target}/{{item}}"),
            None if types.iter().any(|one| one.name() == "Patient") => "Patient/{patient}".to_owned(),
            None => continue,
        };
        let resource = made(&place, json!({"reference": reference}));
        let name = format!("{} -> {reference}", place.name());
        all.push(Door::of(name, "POST", place.resource_type.name(), resource));
    }
    for place in minimal::attachments() {
        let resource = made(&place, json!({"url": "Binary/{item}", "contentType": "text/plain"}));
        all.push(Door::of(format!("{} -> Binary", place.name()), "POST", place.resource_type.name(), resource));
    }
    all
}

/// Changes by condition and by address, of every type: they must find nothing to change.
fn changes() -> Vec<Door> {
    let mut all = Vec::new();
    let patch = json!({"resourceType": "Parameters", "parameter": [{"name": "operation", "part": [
        {"name": "type", "valueCode": "replace"}, {"name": "path", "valueString": "language"}, {"name": "value", "valueCode": "cy"}]}]});
    for one in types() {
        let owner = owner(one);
        let of_amina = owner.as_ref().map(|owner| (owner.as_slice(), json!({"reference": "Patient/amina"})));
        let made = minimal::resource(one, &of_amina.into_iter().collect::<Vec<_>>());
        let by_id = format!("{one}/{{item}}");
        let by_condition = format!("{one}?_id={{item}}");
        let own = with(made.clone(), "id", json!("{item}"));
        all.push(Door::of(format!("PUT {by_id}"), "PUT", &by_id, own));
        all.push(Door::of(format!("PUT {by_condition}"), "PUT", &by_condition, made.clone()));
        for url in [&by_id, &by_condition] {
            all.push(Door::of(format!("PATCH {url}"), "PATCH", url, patch.clone()));
            let entry = json!({"request": {"method": "DELETE", "url": url}});
            all.push(Door { name: format!("DELETE {url}"), entry });
        }
        let entry =
            json!({"request": {"method": "POST", "url": one.name(), "ifNoneExist": "_id={item}"}, "resource": made});
        all.push(Door { name: format!("POST {one} if none is {{item}}"), entry });
    }
    all
}

/// What the caller's own log says of a request, put into words, in an order that has nothing to do with time.
async fn log(app: &App, request: &str, named: &Named<'_>) -> Vec<String> {
    let answer = app.get("AuditEvent?_count=1000").await;
    if answer.status != 200 {
        return vec![answer.status.to_string()];
    }
    let mut told: Vec<String> = answer
        .matches()
        .into_iter()
        .filter(|event| event.to_string().contains(request))
        .map(|mut event| {
            readable(&mut event);
            plain(&event.to_string().replace(request, "REQUEST"), named)
        })
        .collect();
    told.sort_unstable();
    told
}

/// What is answered to each of the doors, and what the log says of all of them.
async fn tried(app: &App, doors: &[&Door], named: &Named<'_>) -> (Vec<String>, Vec<String>) {
    let request = uuid::Uuid::new_v4().to_string();
    let entries: Vec<Value> = doors.iter().map(|door| door.filled(named)).collect();
    let bundle = json!({"resourceType": "Bundle", "type": "batch", "entry": entries});
    let answer = app.post("", &bundle).header("x-request-id", &request).await.expect(200);
    let told = |entry: &Value| {
        assert!(!entry.to_string().contains(r#""code":"exception""#), "{entry}");
        plain(&entry.to_string().replace(&request, "REQUEST"), named)
    };
    let entries = answer.entries();
    (entries.iter().map(told).collect(), log(app, &request, named).await)
}

/// Tries the caller's share of all doors. Of the types that are `seen` whole nothing is hidden.
async fn check(concord: &Concord, number: usize, asker: Asker<'_>, seen: &[&str]) {
    hide(concord, seen).await;
    // What only reads comes first, so that nothing that is written on the way is found by it.
    let all: Vec<Door> = [addresses(), operations(), searches(), elements(), changes()].into_iter().flatten().collect();
    let own: Vec<&Door> = all.iter().skip(number).step_by(CALLERS).collect();
    assert!(own.len() > 500, "{}", own.len());
    // As long, and with digits where the other has some: what is no id may be said otherwise of the two.
    let letters = "nobody".chars().cycle().zip(asker.patient.chars());
    let nobody: String = letters.map(|(other, own)| if own.is_ascii_digit() { '0' } else { other }).collect();
    let (there, none) = (asker.naming(HIDDEN, asker.patient), asker.naming(NEVER, &nobody));
    let mut problems = Vec::new();
    for doors in own.chunks(AT_ONCE) {
        let (found, own_log) = tried(&asker.app, doors, &there).await;
        let (nothing, log_of_nothing) = tried(&asker.app, doors, &none).await;
        for ((door, found), nothing) in doors.iter().zip(&found).zip(&nothing) {
            if found != nothing {
                problems.push(format!("{}: the answer differs{}", door.name, difference(found, nothing)));
            }
        }
        if own_log != log_of_nothing {
            let at = own_log.iter().zip(&log_of_nothing).find(|(one, other)| one != other);
            let told = at.map_or_else(
                || format!("{} and {} events", own_log.len(), log_of_nothing.len()),
                |(one, other)| difference(one, other),
            );
            problems.push(format!("the log of {} and what comes after differs: {told}", doors[0].name));
        }
    }
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}

async fn to_a_patient(concord: &Concord) {
    check(concord, 0, a_patient(concord).await, &[]).await;
}

async fn to_a_carer(concord: &Concord) {
    check(concord, 1, a_carer(concord).await, &[]).await;
}

async fn to_a_professional(concord: &Concord) {
    check(concord, 2, a_professional(concord).await, &[]).await;
}

async fn to_a_stranger(concord: &Concord) {
    check(concord, 3, a_stranger(concord).await, &[]).await;
}

async fn to_an_office_without_a_reason(concord: &Concord) {
    check(concord, 4, an_office_without_a_reason(concord).await, &[]).await;
}

async fn to_an_app_of_others(concord: &Concord) {
    check(concord, 5, an_app_of_others(concord).await, &[]).await;
}

async fn to_a_system_for_a_purpose(concord: &Concord) {
    check(concord, 6, a_system_for_a_purpose(concord).await, &[]).await;
}

async fn to_a_system_with_a_granular_scope(concord: &Concord) {
    check(concord, 7, a_system_with_a_granular_scope(concord).await, &["Communication"]).await;
}
