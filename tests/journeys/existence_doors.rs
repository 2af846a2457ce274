//! Every door at which a caller can name an id, an identifier or a reference.

use concord_fhir::registry::ResourceType;
use concord_tests::client::{FHIR_JSON, Method};
use concord_tests::minimal;
use concord_tests::people::{self, blood_pressure, with, without};
use serde_json::{Value, json};

use crate::existence::CALLED;
use crate::protection_is_inherited::owner;

/// What is named.
pub(crate) struct Named<'a> {
    /// The id of a resource, of whatever type is asked for.
    pub(crate) item: &'a str,
    /// The id of a patient.
    pub(crate) patient: &'a str,
    /// An Observation that the caller has written.
    pub(crate) mine: &'a str,
    /// Of whom the caller may ask what they see: of themselves, or a patient of her carer.
    pub(crate) own: &'a str,
}

impl Named<'_> {
    /// A text with placeholders, filled in.
    pub(crate) fn filled(&self, text: &str) -> String {
        let text = text.replace("{item}", self.item).replace("{patient}", self.patient);
        text.replace("{mine}", self.mine).replace("{own}", self.own)
    }

    /// A text without the ids.
    pub(crate) fn replaced(&self, text: &str) -> String {
        text.replace(self.item, "ITEM").replace(self.patient, "PATIENT")
    }
}

/// A request.
pub(crate) struct Door {
    /// What it is called in messages.
    pub(crate) name: String,
    pub(crate) method: Method,
    pub(crate) place: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    /// Media type and body.
    pub(crate) body: Option<(&'static str, String)>,
}

impl Door {
    fn new(method: Method, place: &str, named: &Named<'_>) -> Door {
        let name = format!("{method} {place}");
        Door { name, method, place: named.filled(place), headers: Vec::new(), body: None }
    }

    /// The same door with other ids.
    pub(crate) fn renamed(mut self, item: (&str, &str), patient: (&str, &str)) -> Door {
        let renamed = |text: &str| text.replace(item.0, item.1).replace(patient.0, patient.1);
        self.place = renamed(&self.place);
        self.headers.iter_mut().for_each(|(_, value)| *value = renamed(value));
        self.body = self.body.map(|(media, body)| (media, renamed(&body)));
        self
    }

    /// Whether the same is sent at both.
    pub(crate) fn sends_what(&self, other: &Door) -> bool {
        self.place == other.place && self.headers == other.headers && self.body == other.body
    }

    fn header(mut self, name: &'static str, value: &str, named: &Named<'_>) -> Door {
        self.name.push_str(&format!(" with {name}"));
        self.headers.push((name, named.filled(value)));
        self
    }

    fn resource(mut self, resource: &Value, named: &Named<'_>) -> Door {
        self.body = Some((FHIR_JSON, named.filled(&resource.to_string())));
        self
    }

    fn called(mut self, name: &str) -> Door {
        self.name.push_str(&format!(": {name}"));
        self
    }
}

/// The doors, always the same in the same order.
pub(crate) fn doors(named: &Named<'_>) -> Vec<Door> {
    let mut all = read(named);
    all.extend(searched(named));
    all.extend(asked(named));
    all.extend(conditional(named));
    all.extend(bundled(named, false));
    // From here on something is stored: what names the one that is there again and again is found by the doors above.
    all.extend(referred_to(named));
    all.extend(bundled(named, true));
    all.extend(changed(named));
    all
}

/// Those that change nothing.
pub(crate) fn doors_that_read(named: &Named<'_>) -> Vec<Door> {
    let mut all = read(named);
    all.extend(searched(named));
    all.extend(asked(named));
    all
}

/// The log of what was asked is compared after every request, and is no door here.
fn read(named: &Named<'_>) -> Vec<Door> {
    const PLACES: [&str; 23] = [
        "Observation/{item}",
        "Observation/{item}/_history",
        "Observation/{item}/_history/1",
        "Observation/{item}/_history/2",
        "Observation/{item}/$meta",
        "Encounter/{item}",
        "Consent/{item}",
        "CareTeam/{item}",
        "Goal/{item}/$agreement",
        "RelatedPerson/{item}",
        "Patient/{patient}",
        "Patient/{patient}/_history",
        "Patient/{patient}/_history/1",
        "Patient/{patient}/$meta",
        "Patient/{patient}/Observation",
        "Patient/{patient}/Observation?_total=accurate&_summary=count",
        "Patient/{patient}/*",
        "Patient/{patient}/$everything",
        "Patient/{patient}/$summary",
        "Composition/{item}/$document",
        "Patient/{patient}/$who-can-see",
        "Patient/{patient}/$connected-apps",
        "Patient/{patient}/$due-for-review?by=2030-01-01",
    ];
    let mut all: Vec<Door> = PLACES.iter().map(|place| Door::new(Method::GET, place, named)).collect();
    for place in ["Observation/{item}", "Patient/{patient}", "Patient/{patient}/$everything"] {
        all.push(Door::new(Method::HEAD, place, named));
        all.push(Door::new(Method::GET, place, named).header("if-none-match", "W/\"1\"", named));
        all.push(Door::new(Method::GET, place, named).header("accept", "application/fhir+xml", named));
    }
    for (purpose, reason) in [("BTG", ""), ("HRESCH", "we are curious about this"), ("TREAT", "")] {
        let door = Door::new(Method::GET, "Observation/{item}", named).header("x-purpose-of-use", purpose, named);
        all.push(door.header("x-purpose-reason", reason, named).called(purpose));
    }
    all
}

fn searched(named: &Named<'_>) -> Vec<Door> {
    const QUERIES: [&str; 39] = [
        "Observation?_id={item}",
        "Observation?_id={mine},{item}&_total=accurate",
        "Observation?identifier=urn:secret|{item}",
        "Observation?encounter=Encounter/{item}",
        "Observation?encounter:Encounter.status=finished&encounter=Encounter/{item}",
        "Observation?encounter.identifier=urn:secret|{item}",
        "Observation?derived-from=Observation/{item}",
        "Observation?derived-from:Observation.identifier=urn:secret|{item}",
        "Observation?focus=Observation/{item}&_total=accurate",
        "Observation?patient=Patient/{patient}",
        "Observation?patient=Patient/{patient}&_total=accurate",
        "Observation?patient:Patient._id={patient}",
        "Observation?subject={patient}",
        "Observation?subject=Patient/{patient}&_summary=count",
        "Observation?performer=Patient/{patient}",
        "Observation?patient=amina&_id={item}&_include=Observation:encounter",
        "Observation?_filter=_id eq {item}",
        "Observation?_has:Provenance:target:_id={item}",
        "Encounter?_id={item}",
        "Encounter?_id={item}&_revinclude=Observation:encounter",
        "Encounter?identifier=urn:secret|{item}",
        "Encounter?part-of=Encounter/{item}",
        "Consent?_id={item}",
        "Consent?data=Encounter/{item}",
        "Consent?patient=Patient/{patient}",
        "Communication?about=Observation/{item}",
        "CareTeam?_id={item}",
        "Goal?_id={item}",
        "Patient?_id={patient}",
        "Patient?_id={patient}&_revinclude=Observation:patient",
        "Patient?_has:Observation:patient:_id={item}",
        "Patient?_has:Observation:patient:identifier=urn:secret|{item}",
        "Provenance?target=Observation/{item}",
        "Provenance?patient=Patient/{patient}",
        "Observation/$lastn?patient=Patient/{patient}",
        "Observation/$trend?patient=Patient/{patient}&code=85354-9",
        "Observation/$duplicates?patient=Patient/{patient}",
        "?_type=Observation,Encounter&_id={item}",
        "_history?_count=1000&_since=2026-12-01T12:00:00.001Z&_id={item}",
    ];
    let mut all: Vec<Door> = QUERIES.iter().map(|place| Door::new(Method::GET, place, named)).collect();
    for (place, form) in [
        ("Observation/_search", "_id={item}"),
        ("Observation/_search", "patient=Patient/{patient}"),
        ("Patient/{patient}/Observation/_search", "_total=accurate"),
        ("_search", "_type=Observation&_id={item}"),
    ] {
        let mut door = Door::new(Method::POST, place, named).called(form);
        door.body = Some(("application/x-www-form-urlencoded", named.filled(form)));
        all.push(door);
    }
    all
}

/// `$evaluate` and `$validate`, with drafts that name what is hidden.
fn asked(named: &Named<'_>) -> Vec<Door> {
    let reference = |name: &str, to: &str| json!({"name": name, "valueReference": {"reference": to}});
    let draft = |meaning: &str, effect: &str, of: &str| {
        let mut draft = without(people::consent("draft", "{own}", &["access"], &["Observation"]), "id");
        draft["provision"]["type"] = json!(effect);
        draft["provision"].as_object_mut().expect("a provision").shift_remove("class");
        draft["provision"]["data"] = json!([{"meaning": meaning, "reference": {"reference": of}}]);
        json!({"name": "consent", "resource": draft})
    };
    let mut questions: Vec<(String, Vec<Value>)> = vec![
        (
            "about it".to_owned(),
            vec![
                reference("patient", "Patient/amina"),
                reference("actor", "{own}"),
                reference("resource", "Observation/{item}"),
            ],
        ),
        (
            "about the encounter".to_owned(),
            vec![
                reference("patient", "Patient/amina"),
                reference("actor", "{own}"),
                reference("resource", "Encounter/{item}"),
            ],
        ),
        (
            "about somebody's record".to_owned(),
            vec![
                reference("patient", "Patient/{patient}"),
                reference("actor", "{own}"),
                reference("resource", "Observation/{mine}"),
            ],
        ),
        (
            "about a type in somebody's record".to_owned(),
            vec![
                reference("patient", "Patient/{patient}"),
                reference("actor", "{own}"),
                json!({"name": "type", "valueCode": "Observation"}),
            ],
        ),
        (
            "about somebody hidden".to_owned(),
            vec![
                reference("patient", "Patient/amina"),
                reference("actor", "RelatedPerson/{item}"),
                reference("resource", "Observation/{mine}"),
            ],
        ),
        (
            "about another patient".to_owned(),
            vec![
                reference("patient", "Patient/amina"),
                reference("actor", "Patient/{patient}"),
                reference("resource", "Observation/{mine}"),
            ],
        ),
    ];
    // Only what is related is looked into; the others are tried once each.
    for (meaning, of) in [
        ("related", "Observation/{item}"),
        ("related", "Encounter/{item}"),
        ("related", "CareTeam/{item}"),
        ("related", "Patient/{patient}"),
        ("instance", "Observation/{item}"),
        ("dependents", "Encounter/{item}"),
        ("authoredby", "CareTeam/{item}"),
    ] {
        for effect in ["permit", "deny"] {
            questions.push((
                format!("a draft to {effect} {meaning} {of}"),
                vec![
                    reference("patient", "Patient/amina"),
                    reference("actor", "{own}"),
                    reference("resource", "Observation/{mine}"),
                    reference("resource", "Observation/{item}"),
                    reference("resource", "Patient/amina"),
                    // What is hidden refers to this one, which is not.
                    reference("resource", "Observation/common"),
                    draft(meaning, effect, of),
                ],
            ));
        }
    }
    // Who is asked about and whom a draft means by what they are called: one of the two is hidden.
    for actor in ["RelatedPerson/{item}", "Patient/{patient}"] {
        for effect in ["permit", "deny"] {
            let mut called = draft("instance", effect, "Observation/{mine}");
            called["resource"]["provision"]["actor"][0]["reference"] =
                json!({"identifier": {"system": "urn:people", "value": CALLED}});
            questions.push((
                format!("a draft to {effect} whoever has a number, about {actor}"),
                vec![
                    reference("patient", "Patient/amina"),
                    reference("actor", actor),
                    reference("resource", "Observation/{mine}"),
                    called,
                ],
            ));
        }
    }
    let mut replacing = draft("instance", "permit", "Observation/{mine}");
    replacing["resource"]["id"] = json!("{item}");
    questions.push((
        "a draft in the place of a hidden one".to_owned(),
        vec![
            reference("patient", "Patient/amina"),
            reference("actor", "{own}"),
            reference("resource", "Observation/{mine}"),
            replacing,
        ],
    ));
    let mut all: Vec<Door> = questions
        .into_iter()
        .map(|(name, parameters)| {
            let body = json!({"resourceType": "Parameters", "parameter": parameters});
            Door::new(Method::POST, "Consent/$evaluate", named).resource(&body, named).called(&name)
        })
        .collect();
    let judged = with(laboratory(), "encounter", json!({"reference": "Encounter/{item}"}));
    all.push(Door::new(Method::POST, "Observation/$validate", named).resource(&judged, named));
    let judged = with(judged, "id", json!("{item}"));
    all.push(Door::new(Method::POST, "Observation/{item}/$validate", named).resource(&judged, named));
    for mode in ["create", "update", "delete"] {
        let place = format!("Observation/{{item}}/$validate?mode={mode}");
        all.push(Door::new(Method::POST, &place, named).resource(&judged, named));
    }
    all
}

/// A result that a laboratory's scope covers.
fn laboratory() -> Value {
    let mut made = blood_pressure("amina", 121);
    made["category"][0]["coding"][0]["code"] = json!("laboratory");
    made
}

/// What is written names it, in every place.
fn references() -> Vec<(&'static str, Value)> {
    let to = |reference: &str| json!({"reference": reference});
    let extension = json!([{"url": "http://example.org/x", "valueReference": to("Observation/{item}")}]);
    let said = json!({"resourceType": "Communication", "status": "completed", "subject": to("Patient/amina"),
        "payload": [{"contentString": "x"}]});
    let mut sharing = without(people::consent("draft", "{own}", &["access"], &["Observation"]), "id");
    sharing["provision"]["data"] = json!([{"meaning": "instance", "reference": to("Observation/{item}")}]);
    let contained = json!([{"resourceType": "Condition", "id": "c", "subject": to("Patient/amina"),
        "encounter": to("Encounter/{item}")}]);
    vec![
        ("encounter", with(laboratory(), "encounter", to("Encounter/{item}"))),
        ("a version of it", with(laboratory(), "encounter", to("Encounter/{item}/_history/1"))),
        ("its URL", with(laboratory(), "encounter", to("http://concord.test/fhir/Encounter/{item}"))),
        (
            "its identifier",
            with(
                laboratory(),
                "encounter",
                json!({"type": "Encounter", "identifier": {"system": "urn:secret", "value": "{item}"}}),
            ),
        ),
        ("a search for it", with(laboratory(), "encounter", to("Encounter?identifier=urn:secret|{item}"))),
        ("derivedFrom", with(laboratory(), "derivedFrom", json!([to("Observation/{item}")]))),
        ("focus", with(laboratory(), "focus", json!([to("Observation/{item}")]))),
        ("performer", with(laboratory(), "performer", json!([to("RelatedPerson/{item}")]))),
        ("a team as performer", with(laboratory(), "performer", json!([to("CareTeam/{item}")]))),
        ("subject", with(laboratory(), "subject", to("Patient/{patient}"))),
        ("an extension", with(laboratory(), "extension", extension.clone())),
        (
            "a url in an extension",
            with(laboratory(), "extension", json!([{"url": "http://example.org/x", "valueUri": "Observation/{item}"}])),
        ),
        (
            "a link of the narrative",
            with(
                laboratory(),
                "text",
                json!({"status": "generated", "div": "<div xmlns=\"http://www.w3.org/1999/xhtml\"><a href=\"Observation/{item}\">x</a></div>"}),
            ),
        ),
        ("an extension of a primitive", with(laboratory(), "_status", json!({"extension": extension}))),
        ("a contained resource", with(with(laboratory(), "contained", contained), "focus", json!([to("#c")]))),
        ("about", with(said.clone(), "about", json!([to("Observation/{item}")]))),
        ("about a version", with(said.clone(), "about", json!([to("Observation/{item}/_history/1")]))),
        ("about a patient", with(said.clone(), "about", json!([to("Patient/{patient}")]))),
        ("inResponseTo", with(said.clone(), "inResponseTo", json!([to("Communication/{item}")]))),
        ("basedOn", with(said.clone(), "basedOn", json!([to("CommunicationRequest/{item}")]))),
        ("recipient", with(said.clone(), "recipient", json!([to("RelatedPerson/{item}")]))),
        ("data of a sharing choice", sharing),
        (
            "an actor of a sharing choice",
            without(people::consent("draft", "RelatedPerson/{item}", &["access"], &["Goal"]), "id"),
        ),
        (
            "addresses",
            json!({"resourceType": "Goal", "lifecycleStatus": "proposed", "description": {"text": "x"},
            "subject": to("Patient/amina"), "addresses": [to("Observation/{item}")]}),
        ),
    ]
}

fn referred_to(named: &Named<'_>) -> Vec<Door> {
    let mut all = Vec::new();
    for (name, resource) in references() {
        let place = resource["resourceType"].as_str().unwrap_or_default();
        all.push(Door::new(Method::POST, place, named).resource(&resource, named).called(name));
    }
    let asks = references().into_iter().filter(|(name, _)| name.starts_with("about"));
    for (name, resource) in asks {
        let door = Door::new(Method::POST, "Communication/$correctionrequest", named);
        all.push(door.resource(&resource, named).called(name));
    }
    let says = json!({"resourceType": "Provenance", "recorded": "2026-12-01T12:00:00Z", "target": [],
        "agent": [{"who": {"reference": "{own}"}}],
        "entity": [{"role": "source", "what": {"reference": "Observation/{item}"}}]});
    let says = without(says, "target");
    let door = Door::new(Method::POST, "Observation", named).resource(&laboratory(), named);
    all.push(door.header("x-provenance", &says.to_string(), named));
    let who = with(says, "agent", json!([{"who": {"reference": "RelatedPerson/{item}"}}]));
    let door = Door::new(Method::POST, "Observation", named).resource(&laboratory(), named);
    all.push(door.header("x-provenance", &who.to_string(), named).called("agent"));
    all
}

/// The types of definitions of which some are hidden, called `http://secret.example/Type/id`.
pub(crate) const DEFINITIONS: [&str; 6] =
    ["ActivityDefinition", "Library", "Measure", "PlanDefinition", "Questionnaire", "ValueSet"];

/// The doors at which a definition can be named by its url.
pub(crate) fn doors_of_definitions(named: &Named<'_>) -> Vec<Door> {
    let mut all = called(named);
    all.extend(followed(named));
    all
}

/// The scopes of an app that may see no definitions, and of one type only some.
pub(crate) fn scopes_without_definitions(context: &str) -> String {
    let types = ResourceType::all().map(ResourceType::name).filter(|name| !DEFINITIONS.contains(name));
    let mut scopes: Vec<String> = types.map(|name| format!("{context}/{name}.cruds")).collect();
    scopes.push(format!("{context}/Questionnaire.rs?_id=open"));
    scopes.join(" ")
}

/// What asks for what is called by a url, or checks by it.
fn called(named: &Named<'_>) -> Vec<Door> {
    let mut places: Vec<String> = DEFINITIONS
        .iter()
        .flat_map(|name| {
            let url = format!("http://secret.example/{name}/{{item}}");
            [
                format!("{name}?url={url}"),
                format!("{name}?url={url}&_total=accurate&_summary=count"),
                format!("{name}/{{item}}"),
            ]
        })
        .collect();
    for (of, code, to) in [
        ("QuestionnaireResponse", "questionnaire", "Questionnaire"),
        ("ServiceRequest", "instantiates-canonical", "ActivityDefinition"),
        ("CarePlan", "instantiates-canonical", "PlanDefinition"),
        ("MedicationRequest", "instantiates-canonical", "ActivityDefinition"),
        ("MeasureReport", "measure", "Measure"),
        ("RequestGroup", "instantiates-canonical", "PlanDefinition"),
    ] {
        let url = format!("http://secret.example/{to}/{{item}}");
        for query in [
            format!("{code}={url}&_total=accurate"),
            format!("{code}={url}|1&_include={of}:{code}"),
            format!("{code}:below={url}"),
            format!("{code}={to}/{{item}}&_include={of}:{code}"),
            format!("{code}:{to}.url={url}"),
            format!("{code}:{to}.status=active&{code}={url}"),
        ] {
            places.push(format!("{of}?{query}"));
        }
        places.push(format!("{to}?_has:{of}:{code}:_id={{mine}}&url={url}"));
        places.push(format!("{to}?url={url}&_revinclude={of}:{code}"));
    }
    for (operation, parameter, name) in [
        ("ValueSet/$expand", "url", "ValueSet"),
        ("ValueSet/$validate-code", "code=x&url", "ValueSet"),
        ("Observation/{mine}/$validate", "profile", "StructureDefinition"),
    ] {
        places.push(format!("{operation}?{parameter}=http://secret.example/{name}/{{item}}"));
    }
    let mut all: Vec<Door> = places.iter().map(|place| Door::new(Method::GET, place, named)).collect();
    for to in ["http://secret.example/Questionnaire/{item}", "http://secret.example/Questionnaire/{item}|1"] {
        let checked = json!({"resourceType": "QuestionnaireResponse", "status": "completed", "questionnaire": to,
            "subject": {"reference": "Patient/amina"}, "item": [{"linkId": "none", "answer": [{"valueString": "x"}]}]});
        let door = Door::new(Method::POST, "QuestionnaireResponse/$validate", named);
        all.push(door.resource(&checked, named).called(to));
    }
    all
}

/// What is written names a definition by its url, in every element of type canonical and in an extension, and is looked for
/// when it is stored: what follows what is hidden would vanish from who has written it.
fn followed(named: &Named<'_>) -> Vec<Door> {
    let mut made: Vec<(String, Value)> = Vec::new();
    for place in minimal::canonicals() {
        let Some(owner) = owner(place.resource_type) else { continue };
        let to = DEFINITIONS.into_iter().find(|name| place.may_name(name)).unwrap_or("Questionnaire");
        let of_amina = (owner.as_slice(), json!({"reference": "Patient/amina"}));
        let follows = (place.members.as_slice(), json!(format!("http://secret.example/{to}/{{item}}")));
        made.push((place.name(), minimal::resource(place.resource_type, &[of_amina, follows])));
    }
    let by =
        json!([{"url": "http://example.org/by", "valueCanonical": "http://secret.example/Questionnaire/{item}|1"}]);
    made.push(("an extension that names a definition".to_owned(), with(laboratory(), "extension", by)));
    let answers = json!({"resourceType": "QuestionnaireResponse", "status": "in-progress",
        "questionnaire": "http://secret.example/Questionnaire/{item}|2", "author": {"reference": "{own}"},
        "subject": {"reference": "Patient/amina"}});
    made.push(("answers in a version".to_owned(), answers));
    let stored = |(number, (name, resource)): (usize, (String, Value))| {
        let tag = format!("{{item}}-{number}");
        let mut resource = resource;
        resource["meta"]["tag"] = json!([{"system": "urn:made", "code": tag}]);
        let kind = resource["resourceType"].clone();
        let found = format!("{}?_tag=urn:made|{tag}&_total=accurate", kind.as_str().unwrap_or_default());
        let bundle = json!({"resourceType": "Bundle", "type": "batch", "entry": [
            {"resource": resource, "request": {"method": "POST", "url": kind}},
            {"request": {"method": "GET", "url": found}}]});
        Door::new(Method::POST, "/fhir", named).resource(&bundle, named).called(&format!("follows, {name}"))
    };
    made.into_iter().enumerate().map(stored).collect()
}

/// Creates with a condition.
fn conditional(named: &Named<'_>) -> Vec<Door> {
    let conditions = ["identifier=urn:secret|{item}", "_id={item}", "encounter=Encounter/{item}"];
    let door = |condition: &&str| {
        let door = Door::new(Method::POST, "Observation", named).resource(&laboratory(), named);
        door.header("if-none-exist", condition, named).called(condition)
    };
    conditions.iter().map(door).collect()
}

/// Entries of Bundles: those that read, or those that write.
fn bundled(named: &Named<'_>, writes: bool) -> Vec<Door> {
    let entries = if writes { writing_entries() } else { reading_entries() };
    let mut all = Vec::new();
    for kind in ["transaction", "batch"] {
        // A batch reads and writes as single requests do: what is different is how its entries are told.
        let tried = if kind == "batch" { &entries[..3] } else { &entries[..] };
        for (name, entry) in tried {
            let bundle = json!({"resourceType": "Bundle", "type": kind, "entry": [entry]});
            all.push(
                Door::new(Method::POST, "/fhir", named).resource(&bundle, named).called(&format!("{kind}, {name}")),
            );
        }
    }
    all
}

fn reading_entries() -> Vec<(String, Value)> {
    let mut entries: Vec<(String, Value)> = Vec::new();
    for (method, url) in [
        ("GET", "Observation/{item}"),
        ("GET", "Observation?_id={item}"),
        ("GET", "Observation?patient=Patient/{patient}"),
        ("GET", "Patient/{patient}/$everything"),
        ("DELETE", "Observation?identifier=urn:secret|{item}"),
    ] {
        entries.push((format!("{method} {url}"), json!({"request": {"method": method, "url": url}})));
    }
    entries
}

fn writing_entries() -> Vec<(String, Value)> {
    let mut entries: Vec<(String, Value)> = Vec::new();
    for (name, resource) in references() {
        let url = resource["resourceType"].clone();
        entries.push((name.to_owned(), json!({"resource": resource, "request": {"method": "POST", "url": url}})));
    }
    let by_search =
        with(laboratory(), "derivedFrom", json!([{"reference": "Observation?identifier=urn:secret|{item}"}]));
    entries.push((
        "a reference by a search".to_owned(),
        json!({"resource": by_search, "request": {"method": "POST", "url": "Observation"}}),
    ));
    entries.push((
        "ifNoneExist".to_owned(),
        json!({"resource": laboratory(),
        "request": {"method": "POST", "url": "Observation", "ifNoneExist": "identifier=urn:secret|{item}"}}),
    ));
    entries.push((
        "ifMatch".to_owned(),
        json!({"resource": with(laboratory(), "id", json!("{item}")),
        "request": {"method": "PUT", "url": "Observation/{item}", "ifMatch": "W/\"1\""}}),
    ));
    entries.push((
        "fullUrl".to_owned(),
        json!({"resource": laboratory(),
        "fullUrl": "http://concord.test/fhir/Observation/{item}", "request": {"method": "POST", "url": "Observation"}}),
    ));
    entries
}

/// Changes of it, which come last: they must find nothing to change.
fn changed(named: &Named<'_>) -> Vec<Door> {
    let mine = with(laboratory(), "id", json!("{item}"));
    let moved = with(with(laboratory(), "id", json!("{mine}")), "encounter", json!({"reference": "Encounter/{item}"}));
    let label = json!({"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": {"security": [
        {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "SEX"}]}}]});
    let because = json!({"resourceType": "Parameters",
        "parameter": [{"name": "reason", "valueString": "we have talked about it"}]});
    let version = json!({"resourceType": "Parameters", "parameter": [{"name": "version", "valueId": "1"}]});
    let patch = json!([{"op": "replace", "path": "/status", "value": "amended"}]).to_string();
    let mut all = vec![
        Door::new(Method::PUT, "Observation/{mine}", named).resource(&moved, named).called("into a hidden encounter"),
        Door::new(Method::POST, "Observation/{item}/$meta-add", named).resource(&label, named),
        Door::new(Method::POST, "Observation/{item}/$meta-delete", named).resource(&label, named),
        Door::new(Method::POST, "Observation/{item}/$release", named).resource(&because, named),
        Door::new(Method::POST, "Observation/{item}/$verify", named).resource(&version, named),
        Door::new(Method::POST, "Patient/{patient}/$meta-add", named).resource(&label, named),
    ];
    let resources = [
        ("Observation", mine),
        (
            "Encounter",
            json!({"resourceType": "Encounter", "id": "{item}", "status": "finished", "class": {"code": "IMP"},
            "subject": {"reference": "Patient/amina"}}),
        ),
        ("Consent", with(people::consent("draft", "{own}", &["access"], &["Goal"]), "id", json!("{item}"))),
        (
            "Goal",
            json!({"resourceType": "Goal", "id": "{item}", "lifecycleStatus": "proposed", "description": {"text": "x"},
            "subject": {"reference": "Patient/amina"}}),
        ),
    ];
    for (name, resource) in &resources {
        let place = format!("{name}/{{item}}");
        // Preconditions are the same code for every type.
        let headers =
            [("if-none-match", "*"), ("if-match", "W/\"1\""), ("if-match", "*"), ("prefer", "return=minimal")];
        let headers = if *name == "Observation" { &headers[..] } else { &headers[..1] };
        for (header, value) in headers {
            let door = Door::new(Method::PUT, &place, named).resource(resource, named);
            all.push(door.header(header, value, named).called(value));
        }
        let mut door = Door::new(Method::PATCH, &place, named);
        door.body = Some(("application/json-patch+json", patch.clone()));
        all.push(door);
        let conditional = format!("{name}?_id={{item}}");
        all.push(Door::new(Method::PUT, &conditional, named).resource(&without(resource.clone(), "id"), named));
        all.push(Door::new(Method::DELETE, &place, named).header("if-match", "W/\"1\"", named));
        all.push(Door::new(Method::DELETE, &place, named));
        all.push(Door::new(Method::DELETE, &conditional, named));
    }
    let person = json!({"resourceType": "Patient", "id": "{patient}", "name": [{"family": "X"}]});
    all.push(Door::new(Method::PUT, "Patient/{patient}", named).resource(&person, named));
    all.push(Door::new(Method::DELETE, "Patient/{patient}", named));
    all
}
