//! A row of the table: a request that is sent alone or as the only entry of a Bundle, and what is there before.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use concord_tests::client::{Ask, Method, text};
use concord_tests::people::{self, blood_pressure, with};
use concord_tests::{Answer, App, Concord};
use serde_json::{Value, json};

/// An id that nothing has.
const ABSENT: &str = "01900000-0000-7000-8000-000000000000";

/// How a request is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// By itself.
    Alone,
    /// As the only entry of a batch.
    Batch,
    /// As the only entry of a transaction.
    Transaction,
}

impl Way {
    /// The type of the Bundle.
    pub(super) fn name(self) -> &'static str {
        match self {
            Way::Alone => "alone",
            Way::Batch => "batch",
            Way::Transaction => "transaction",
        }
    }

    /// The way as an entry of that name.
    pub(super) fn parse(name: &str) -> Option<Way> {
        [Way::Batch, Way::Transaction].into_iter().find(|way| way.name() == name)
    }
}

/// Who sends a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Caller {
    System,
    Patient,
    /// On the patient's care team.
    Gp,
    /// Whom the patient's Consent lets see and write Observations.
    Carer,
    /// A professional without relation to the patient.
    Stranger,
    /// Another patient.
    Neighbour,
    /// An app of the patient's with scopes for Goals.
    GoalApp,
    /// In a role that is on the patient's care team.
    Role,
    /// In an office, who does not say why.
    Office,
    /// In an office, who says why.
    OfficeWithReason,
    /// A professional without relation to the patient, in an emergency.
    Emergency,
}

impl Caller {
    /// Every kind.
    pub(super) const ALL: [Caller; 11] = [
        Caller::System,
        Caller::Patient,
        Caller::Gp,
        Caller::Carer,
        Caller::Stranger,
        Caller::Neighbour,
        Caller::GoalApp,
        Caller::Role,
        Caller::Office,
        Caller::OfficeWithReason,
        Caller::Emergency,
    ];

    fn name(self) -> &'static str {
        match self {
            Caller::System => "system",
            Caller::Patient => "patient",
            Caller::Gp => "gp",
            Caller::Carer => "carer",
            Caller::Stranger => "stranger",
            Caller::Neighbour => "neighbour",
            Caller::GoalApp => "goal-app",
            Caller::Role => "role",
            Caller::Office => "office",
            Caller::OfficeWithReason => "office-with-reason",
            Caller::Emergency => "emergency",
        }
    }

    /// What the caller says with every request, of which an entry inherits it.
    fn headers(self) -> Vec<(&'static str, String)> {
        let said: &[(&'static str, &str)] = match self {
            Caller::OfficeWithReason => &[("X-Purpose-Reason", "a complaint is looked into")],
            Caller::Emergency => &[("X-Purpose-Of-Use", "BTG"), ("X-Purpose-Reason", "found unconscious")],
            _ => &[],
        };
        said.iter().map(|(name, value)| (*name, (*value).to_owned())).collect()
    }

    fn app(self, concord: &Concord, patient: &str) -> App {
        match self {
            Caller::System => concord.system(),
            Caller::Patient => concord.patient(patient),
            Caller::Gp => concord.user("Practitioner/gp"),
            Caller::Carer => concord.user(&format!("RelatedPerson/{patient}-carer")),
            Caller::Stranger | Caller::Emergency => concord.user("Practitioner/gp-elsewhere"),
            Caller::Role => concord.user("PractitionerRole/gp-role"),
            Caller::Office | Caller::OfficeWithReason => {
                concord.officer("Practitioner/gp-elsewhere", "privacy-officer")
            }
            Caller::Neighbour => concord.patient("callum"),
            Caller::GoalApp => concord.patient_with(patient, "patient/Goal.cruds"),
        }
    }
}

/// A body.
#[derive(Clone, Debug)]
pub(super) enum Body {
    None,
    Resource(Value),
    /// A JSON Patch: in an entry the Binary of it.
    Patch(Value),
    /// The parameters of a search: in an entry the Binary of them.
    Form(String),
}

/// A row: a request with `{p}` for the id of the row's patient, and `{obs}`, `{second}`, `{gone}` and `{goal}` for the ids of
/// her readings and her goal.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// Who asks for what.
    pub(super) name: String,
    pub(super) method: &'static str,
    pub(super) caller: Caller,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Body,
}

/// A row for a request without headers and body.
pub(super) fn row(caller: Caller, method: &'static str, path: &str) -> Row {
    let name = format!("{} {method} {path}", caller.name());
    Row { name, method, caller, path: path.to_owned(), headers: caller.headers(), body: Body::None }
}

impl Row {
    /// With a header. `If-Modified-Since` is written as an instant.
    pub(super) fn header(mut self, name: &'static str, value: &str) -> Row {
        self.name.push_str(&format!(" [{name}: {value}]"));
        self.headers.push((name, value.to_owned()));
        self
    }

    /// With a header that has no place in the row's name.
    pub(super) fn quiet_header(mut self, name: &'static str, value: &str) -> Row {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// With a body.
    pub(super) fn resource(mut self, resource: &Value) -> Row {
        self.body = Body::Resource(resource.clone());
        self
    }

    /// With a JSON Patch.
    pub(super) fn patch(mut self, patch: Value) -> Row {
        self.body = Body::Patch(patch);
        self
    }

    /// With the parameters of a search as the body.
    pub(super) fn form(mut self, form: &str) -> Row {
        self.name.push_str(&format!(" ({form:?})"));
        self.body = Body::Form(form.to_owned());
        self
    }

    /// With a word on what is special about it.
    pub(super) fn note(mut self, note: &str) -> Row {
        self.name.push_str(&format!(" ({note})"));
        self
    }

    /// The same request by somebody else.
    pub(super) fn by(&self, caller: Caller) -> Row {
        let asked = self.name.strip_prefix(self.caller.name()).unwrap_or_default();
        let own = self.headers.iter().skip(self.caller.headers().len()).cloned();
        Row {
            name: format!("{}{asked}", caller.name()),
            caller,
            headers: caller.headers().into_iter().chain(own).collect(),
            ..self.clone()
        }
    }

    /// The parts of the path, and whether there is a query.
    fn parts(&self) -> (Vec<&str>, bool) {
        let (path, query) = self.path.split_once('?').unwrap_or((&self.path, ""));
        (path.split('/').filter(|part| !part.is_empty()).collect(), !query.is_empty())
    }

    /// The code of the interaction, as the CapabilityStatement lists it.
    pub(super) fn interaction(&self) -> &'static str {
        let (parts, _) = self.parts();
        match (self.method, parts.as_slice()) {
            (_, [.., last]) if last.starts_with('$') => "operation",
            ("GET", ["metadata"]) => "capabilities",
            ("GET", []) | ("POST", ["_search"]) => "search-system",
            ("GET", ["_history"]) => "history-system",
            ("GET", [_, "_history"]) => "history-type",
            ("GET", [_, _, "_history"]) => "history-instance",
            ("GET", [_, _, "_history", _]) => "vread",
            ("GET", [_]) | ("POST", [_, "_search"]) => "search-type",
            ("GET", [_, _]) => "read",
            ("POST", [_]) => "create",
            ("PUT", _) => "update",
            ("PATCH", _) => "patch",
            ("DELETE", _) => "delete",
            _ => "",
        }
    }

    /// The name of the operation, without the `$`.
    pub(super) fn operation(&self) -> Option<&str> {
        self.parts().0.last()?.strip_prefix('$')
    }

    /// Whether it is a request at that route of the OpenAPI document.
    pub(super) fn is_at(&self, route: &str) -> bool {
        let template: Vec<&str> = route.split('/').filter(|part| !part.is_empty()).skip(1).collect();
        let (parts, _) = self.parts();
        let plain = |part: &str| !part.starts_with(['$', '_']) && part != "metadata";
        template.len() == parts.len()
            && template.iter().zip(parts).all(|(wanted, part)| match wanted.starts_with('{') {
                true => plain(part),
                false => *wanted == part,
            })
    }

    /// Whether it asks for what is to be remarked on what it writes.
    pub(super) fn wants_remarks(&self) -> bool {
        self.headers.iter().any(|(_, value)| value == "return=OperationOutcome")
    }

    /// Sends it.
    pub(super) async fn send(&self, concord: &Concord, prepared: &Prepared, way: Way) -> Answer {
        let app = self.caller.app(concord, &prepared.patient);
        let asked = match way {
            Way::Alone => self.alone(&app, prepared),
            Way::Batch | Way::Transaction => self.as_an_entry(&app, prepared, way),
        };
        let asked = asked.header("x-request-id", &prepared.request_id);
        match self.headers.iter().any(|(name, _)| *name == "Prefer") {
            true => asked.await,
            // What a server sends by default differs with reason: see the rows without it.
            false => asked.header("Prefer", "return=representation").await,
        }
    }

    fn alone(&self, app: &App, prepared: &Prepared) -> Ask {
        let path = prepared.filled(&self.path);
        let path = if path.starts_with('?') { format!("/fhir{path}") } else { path };
        let method = Method::from_bytes(self.method.as_bytes()).expect("a method");
        let mut asked = app.ask(method, &path);
        for (name, value) in self.headers.iter().filter(|(_, value)| !value.is_empty()) {
            let value = if *name == "If-Modified-Since" { header_date(value) } else { prepared.filled(value) };
            asked = asked.header(name, &value);
        }
        match &self.body {
            Body::None => asked,
            Body::Resource(resource) => {
                asked.body(concord_tests::client::FHIR_JSON, prepared.filled(&resource.to_string()))
            }
            Body::Patch(patch) => asked.body(PATCH, prepared.filled(&patch.to_string())),
            Body::Form(form) => asked.body(FORM, prepared.filled(form)),
        }
    }

    fn as_an_entry(&self, app: &App, prepared: &Prepared, way: Way) -> Ask {
        let mut request = json!({"method": self.method, "url": prepared.filled(&self.path)});
        let mut beside = Vec::new();
        for (name, value) in self.headers.iter().filter(|(_, value)| !value.is_empty()) {
            let element = match *name {
                "If-Match" => "ifMatch",
                "If-None-Match" => "ifNoneMatch",
                "If-None-Exist" => "ifNoneExist",
                "If-Modified-Since" => "ifModifiedSince",
                other => {
                    beside.push((other, prepared.filled(value)));
                    continue;
                }
            };
            request[element] = json!(prepared.filled(value));
        }
        let binary = |media: &str, text: String| {
            Some(json!({"resourceType": "Binary", "contentType": media, "data": STANDARD.encode(text)}))
        };
        let resource = match &self.body {
            Body::None => None,
            Body::Resource(resource) => serde_json::from_str(&prepared.filled(&resource.to_string())).ok(),
            Body::Patch(patch) => binary(PATCH, prepared.filled(&patch.to_string())),
            Body::Form(form) if form.is_empty() => None,
            Body::Form(form) => binary(FORM, prepared.filled(form)),
        };
        let mut entry = json!({"request": request});
        if let Some(resource) = resource {
            entry["resource"] = resource;
        }
        let bundle = json!({"resourceType": "Bundle", "type": way.name(), "entry": [entry]});
        beside.into_iter().fold(app.post("/fhir", &bundle), |asked, (name, value)| asked.header(name, &value))
    }
}

const PATCH: &str = "application/json-patch+json";
const FORM: &str = "application/x-www-form-urlencoded";

/// When nothing had been written, and when everything has.
pub(super) const LONG_AGO: &str = "2020-01-01T00:00:00Z";
pub(super) const LATER: &str = "2030-01-01T00:00:00Z";

fn header_date(instant: &str) -> String {
    match instant {
        LONG_AGO => "Wed, 01 Jan 2020 00:00:00 GMT".to_owned(),
        LATER => "Tue, 01 Jan 2030 00:00:00 GMT".to_owned(),
        other => panic!("no date of a header: {other}"),
    }
}

/// What is there before a row is run.
pub(super) struct Prepared {
    /// The id of the row's patient.
    pub(super) patient: String,
    /// The id of the row's request.
    pub(super) request_id: String,
    /// When the last of it was written.
    pub(super) written: String,
    /// What stands for what.
    ids: Vec<(&'static str, String)>,
}

impl Prepared {
    /// The patient writes two readings and a goal, changes the first reading and deletes a third one.
    pub(super) async fn new(concord: &Concord, number: usize) -> Prepared {
        let patient = patient(number);
        let app = concord.patient(&patient);
        let reading = |name: &str, hour: u32| {
            let identifier = json!([{"system": "urn:test", "value": format!("{patient}-{name}")}]);
            let reading = with(blood_pressure(&patient, 120), "identifier", identifier);
            with(reading, "effectiveDateTime", json!(format!("2026-11-30T{hour:02}:00:00Z")))
        };
        let goal = json!({"resourceType": "Goal", "lifecycleStatus": "active", "description": {"text": "walk"},
            "subject": {"reference": format!("Patient/{patient}")}});
        let post = |resource: Value| json!({"request": {"method": "POST", "url": text(&resource, "/resourceType")}, "resource": resource});
        let batch = async |entries: Value| {
            let bundle = json!({"resourceType": "Bundle", "type": "batch", "entry": entries});
            app.post("/fhir", &bundle).await.expect(200).entries()
        };
        let created =
            batch(json!([post(reading("obs", 8)), post(reading("second", 9)), post(reading("gone", 10)), post(goal),]))
                .await;
        let id = |entry: &Value| text(entry, "/response/location").split('/').nth(5).expect("an id").to_owned();
        let [obs, second, gone, goal] = [0, 1, 2, 3].map(|place: usize| id(&created[place]));
        concord.later(1_000);
        let changed = with(with(reading("obs", 8), "id", json!(obs)), "status", json!("amended"));
        let done = batch(json!([
            {"request": {"method": "PUT", "url": format!("Observation/{obs}")}, "resource": changed},
            {"request": {"method": "DELETE", "url": format!("Observation/{gone}")}},
        ]))
        .await;
        let written = text(&done[0], "/response/lastModified").to_owned();
        assert!(!written.is_empty() && text(&done[1], "/response/status").starts_with("204"), "{done:?}");
        Prepared {
            request_id: format!("00000000-0000-4000-8000-{number:012}"),
            ids: vec![
                ("{obs}", obs),
                ("{second}", second),
                ("{gone}", gone),
                ("{goal}", goal),
                ("{absent}", ABSENT.to_owned()),
                ("{written}", written.clone()),
                ("{p}", patient.clone()),
            ],
            patient,
            written,
        }
    }

    /// The text with the ids in it.
    pub(super) fn filled(&self, text: &str) -> String {
        self.ids.iter().fold(text.to_owned(), |text, (name, id)| text.replace(name, id))
    }

    /// The text without what is another one each time.
    pub(super) fn plain(&self, text: &str) -> String {
        // The patient and the time are the same whichever way.
        let same = ["{p}", "{written}", "{absent}"];
        let named = |text: String, (name, id): &(&str, String)| {
            if same.contains(name) { text } else { text.replace(id, name) }
        };
        let text = self.ids.iter().fold(text.to_owned(), named);
        without_cursors(&without_numbers(&without_uuids(&text)))
    }
}

/// `<id>` for every UUID.
fn without_uuids(text: &str) -> String {
    const LENGTH: usize = 36;
    let is_one = |part: &str| {
        part.bytes().enumerate().all(|(place, byte)| match place {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
    };
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if rest.get(..LENGTH).is_some_and(is_one) {
            plain.push_str("<id>");
            rest = rest.get(LENGTH..).unwrap_or_default();
        } else {
            plain.push(first);
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
        }
    }
    plain
}

/// `<number>` for every number of an event: which it is depends on when the database was asked what time it is.
fn without_numbers(text: &str) -> String {
    const LENGTH: usize = 18;
    let mut plain = String::with_capacity(text.len());
    for part in text.split_inclusive(|character: char| !character.is_ascii_digit()) {
        let digits = part.trim_end_matches(|character: char| !character.is_ascii_digit());
        match digits.len() == LENGTH {
            true => plain.extend(["<number>", part.get(LENGTH..).unwrap_or_default()]),
            false => plain.push_str(part),
        }
    }
    plain
}

/// `<cursor>` for every cursor of a link.
fn without_cursors(text: &str) -> String {
    const NAME: &str = "_cursor=";
    let mut parts = text.split(NAME);
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.find(['"', '&']).and_then(|end| part.get(end..)).unwrap_or_default();
        plain.push_str(NAME);
        plain.push_str("<cursor>");
        plain.push_str(rest);
    }
    plain
}

fn patient(number: usize) -> String {
    format!("p{number:04}")
}

/// The row's patient, her care team, her carer, her Consent, and a note of her GP's that is kept from her.
pub(super) fn household(number: usize) -> Vec<Value> {
    let id = patient(number);
    let subject = json!({"reference": format!("Patient/{id}")});
    let member = |who: &str| json!({"member": {"reference": who}});
    let consent = people::consent(
        "active",
        &format!("RelatedPerson/{id}-carer"),
        &["access", "collect", "correct"],
        &["Observation"],
    );
    let hidden = json!([
        {"system": "urn:concord:label", "code": "AUTHOR-TEAM"},
        {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "NOPAT"}]);
    vec![
        json!({"resourceType": "Patient", "id": id, "name": [{"family": format!("Family-{id}")}]}),
        json!({"resourceType": "CareTeam", "id": format!("{id}-team"), "status": "active", "subject": subject,
            "participant": [member("Practitioner/gp"), member("PractitionerRole/gp-role")]}),
        json!({"resourceType": "RelatedPerson", "id": format!("{id}-carer"), "active": true, "patient": subject}),
        with(with(consent, "id", json!(format!("{id}-consent"))), "patient", subject.clone()),
        json!({"resourceType": "Composition", "id": format!("{id}-letter"), "status": "final", "title": "A letter",
            "type": {"text": "letter"}, "date": "2026-11-30", "subject": subject,
            "author": [{"reference": "Practitioner/gp"}]}),
        json!({"resourceType": "ClinicalImpression", "id": format!("{id}-note"), "meta": {"security": hidden},
            "status": "in-progress", "date": "2026-11-30", "summary": "Might be more than asthma", "subject": subject,
            "assessor": {"reference": "Practitioner/gp"}}),
    ]
}

/// What is not the row's patient's: somebody in a role, and what operations are called on: codes, a document, and what another
/// patient has reported.
pub(super) fn shared() -> Vec<Value> {
    let verna = json!({"reference": "Patient/verna"});
    let colours = json!([{"code": "red"}, {"code": "green"}]);
    vec![
        json!({"resourceType": "Organization", "id": "surgery", "name": "Example Surgery"}),
        json!({"resourceType": "Practitioner", "id": "gp-in-role", "name": [{"family": "Walsh"}]}),
        json!({"resourceType": "PractitionerRole", "id": "gp-role", "active": true,
            "practitioner": {"reference": "Practitioner/gp-in-role"},
            "organization": {"reference": "Organization/surgery"}}),
        json!({"resourceType": "CodeSystem", "id": "colours", "url": "urn:test:colours", "status": "active",
            "content": "complete", "concept": colours}),
        json!({"resourceType": "ValueSet", "id": "colours", "url": "urn:test:all-colours", "status": "active",
            "compose": {"include": [{"system": "urn:test:colours", "concept": colours}]}}),
        json!({"resourceType": "ConceptMap", "id": "colours", "url": "urn:test:colour-words", "status": "active",
            "group": [{"source": "urn:test:colours", "target": "urn:test:words", "element": [
                {"code": "red", "target": [{"code": "rot", "equivalence": "equivalent"}]}]}]}),
        json!({"resourceType": "Bundle", "id": "leaflet", "type": "document", "timestamp": "2026-11-30T08:00:00Z",
            "identifier": {"system": "urn:test", "value": "leaflet"}, "entry": [{"fullUrl": "urn:uuid:00000000-0000-4000-8000-0000000000aa",
                "resource": {"resourceType": "Composition", "status": "final", "title": "A leaflet",
                    "type": {"text": "leaflet"}, "date": "2026-11-30", "author": [{"display": "the library"}]}}]}),
        json!({"resourceType": "Patient", "id": "verna", "name": [{"family": "Sowande"}]}),
        json!({"resourceType": "CareTeam", "id": "verna-team", "status": "active", "subject": verna,
            "participant": [{"member": {"reference": "Practitioner/gp"}}]}),
        json!({"resourceType": "AllergyIntolerance", "id": "verna-allergy", "patient": verna, "asserter": verna,
            "recorder": verna, "code": {"text": "penicillin"},
            "clinicalStatus": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical",
                "code": "active"}]}}),
        json!({"resourceType": "MedicationStatement", "id": "verna-tablets", "status": "active", "subject": verna,
            "informationSource": verna, "medicationCodeableConcept": {"text": "tablets"}}),
    ]
}
