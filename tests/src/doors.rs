//! The doors by which a caller may name what they may not know of: every form of address of every type, every operation with every
//! parameter, every search parameter, every element by which a resource may name another, and every change. Each is an entry of a
//! batch. The journeys compare what is answered to them where something is hidden and where it is not there; a test of
//! `concord-api`, which has this file too, what the database has to do for that.

use concord_fhir::registry::{
    Kind, Parameter, PatientCompartment, ResourceType, Targets, parameters, patient_compartment,
};
use serde_json::{Value, json};

use super::minimal::{self, Place};

/// All of them; `document` is the OpenAPI document. What only reads comes first, so that nothing that is written on the way is found by
/// it.
#[must_use]
pub fn all(document: &Value) -> Vec<Door> {
    [addresses(), operations(document), searches(), elements(), changes()].into_iter().flatten().collect()
}

/// The members that lead to whom a resource is about.
#[must_use]
pub fn owner(resource_type: ResourceType) -> Option<Vec<String>> {
    let members = match (resource_type.name(), patient_compartment(resource_type)) {
        ("Provenance", _) => "target",
        ("AuditEvent", _) => "entity.what",
        (_, PatientCompartment::Record { owner: [first, ..], .. }) if *first != "." => first,
        _ => return None,
    };
    Some(members.split('.').map(str::to_owned).collect())
}

/// The types that may stand at a place: all, where R4 does not say.
#[must_use]
pub fn targets(place: &Place) -> Vec<ResourceType> {
    if place.targets.is_empty() { ResourceType::all().collect() } else { place.targets.clone() }
}

/// Types of which nothing can be stored under an id that somebody chooses.
const UNNAMED: [&str; 4] = ["AuditEvent", "Parameters", "Provenance", "Subscription"];

/// Whether something of that type can be hidden: what is in nobody's record is shared, and told to whoever has a scope for it.
#[must_use]
pub fn can_be_hidden(resource_type: ResourceType) -> bool {
    owner(resource_type).is_some() && !UNNAMED.contains(&resource_type.name())
}

/// The types of which something is hidden.
pub fn types() -> impl Iterator<Item = ResourceType> {
    ResourceType::all().filter(|one| can_be_hidden(*one))
}

/// An entry, with placeholders.
pub struct Door {
    /// What it is called in messages.
    pub name: String,
    entry: Value,
}

impl Door {
    fn get(url: String) -> Door {
        Door { name: format!("GET {url}"), entry: json!({"request": {"method": "GET", "url": url}}) }
    }

    fn of(name: String, method: &str, url: &str, resource: Value) -> Door {
        Door { name, entry: json!({"request": {"method": method, "url": url}, "resource": resource}) }
    }

    /// The entry, with something in the place of `{item}` and `{patient}`, which stand for an id.
    ///
    /// # Panics
    /// When what is filled in makes it no JSON.
    pub fn filled(&self, fill: impl Fn(&str) -> String) -> Value {
        serde_json::from_str(&fill(&self.entry.to_string())).expect("JSON")
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

/// Every operation at every address of the OpenAPI document, without parameters and with each that it has, by GET and by POST.
#[must_use]
pub fn operations(document: &Value) -> Vec<Door> {
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
            parameters.iter().flatten().filter(|one| one["in"] == "query").map(|one| name_of(one).to_owned());
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
        for (name, _) in label["parameter"].as_array().into_iter().flatten().map(|one| (name_of(one), one)) {
            let only: Vec<&Value> =
                label["parameter"].as_array().into_iter().flatten().filter(|one| name_of(one) == name).collect();
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
    let made = |place: &Place, value: Value| {
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
        let own = {
            let mut own = made.clone();
            own["id"] = json!("{item}");
            own
        };
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

fn name_of(parameter: &Value) -> &str {
    parameter["name"].as_str().unwrap_or_default()
}
