//! What a caller may not know exists, no answer tells: for each kind of caller, every door at which an id can be named is
//! tried with one that is hidden, with one that was hidden and is deleted, and with one that was never used. Status,
//! headers, body and the caller's own log are the same.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use concord_api::auth::development::TokenRequest;
use concord_fhir::registry::ResourceType;
use concord_tests::client::{Answer, App, text};
use concord_tests::minimal;
use concord_tests::people::{self, blood_pressure, with, without};
use concord_tests::{Concord, on_both};
use serde_json::{Value, json};

use crate::existence_doors::{
    DEFINITIONS, Door, Named, doors, doors_of_definitions, doors_that_read, scopes_without_definitions,
};

on_both! {
    with super::SETTINGS;
    to_a_patient, to_a_carer, to_a_professional, to_a_stranger, to_an_office_without_a_reason, to_an_app_of_others,
    to_an_own_app_for_some_of_it, to_a_system_for_a_purpose, to_a_system_with_a_granular_scope, by_a_cursor_of_somebody_else,
    by_the_url_of_a_definition_to_a_patient, by_the_url_of_a_definition_to_a_professional,
    by_the_url_of_a_definition_to_a_system, how_a_search_is_run
}

on_both! { with super::UNCHECKED; where_references_are_not_checked }

const CLIENTS: &str = r#"[{"client": "phr-app"}, {"client": "heart-diary", "kind": "third-party"},
    {"client": "letters", "purposes": ["TREAT"]}]"#;
pub(crate) const SETTINGS: &[(&str, &str)] = &[("CONCORD_CLIENTS", CLIENTS)];
const UNCHECKED: &[(&str, &str)] = &[("CONCORD_CLIENTS", CLIENTS), ("CONCORD_CHECK_REFERENCES", "false")];

/// What is hidden from everybody whom these tests ask for: from the patient, from professionals who have not written it,
/// from a system that is for one purpose only, and by a granular scope.
pub(crate) fn hidden() -> Value {
    json!({"security": [
        {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "NOPAT"},
        {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "SEX"},
        {"system": "urn:concord:label", "code": "AUTHOR-TEAM"}]})
}

/// A visit of Amina's.
fn encounter(id: &str, meta: Value) -> Value {
    json!({"resourceType": "Encounter", "id": id, "status": "finished", "class": {"code": "AMB"}, "meta": meta,
        "subject": {"reference": "Patient/amina"}, "identifier": [{"system": "urn:secret", "value": id}]})
}

/// What those who are hidden are called: it tells no id.
pub(crate) const CALLED: &str = "4711";
pub(crate) const HIDDEN: &str = "secret-000";
const GONE: &str = "secret-gon";
/// What stands for an item and a patient that there never was, until each door has its own.
const NEVER: (&str, &str) = ("NEVER-ITEM", "NEVER-PATIENT");

async fn cast(concord: &Concord) {
    cast_with(concord, &hidden()).await;
}

/// The same, with these labels.
async fn cast_with(concord: &Concord, labels: &Value) {
    people::arrive(concord).await;
    let system = concord.system();
    system.store(&json!({"resourceType": "Practitioner", "id": "nurse", "name": [{"family": "Brown"}]})).await;
    system.store(&people::care_team(&["Practitioner/gp", "Practitioner/nurse"])).await;
    system
        .store(&json!({"resourceType": "Patient", "id": "callum", "name": [{"family": "Fraser"}],
        "identifier": [{"system": "urn:people", "value": CALLED}]}))
        .await;
    system
        .store(&json!({"resourceType": "RelatedPerson", "id": HIDDEN, "active": true, "meta": hidden(),
        "identifier": [{"system": "urn:people", "value": CALLED}],
        "patient": {"reference": "Patient/callum"}}))
        .await;
    system.store(&with(blood_pressure("amina", 118), "id", json!("common"))).await;
    for id in [HIDDEN, GONE] {
        let reading = with(with(blood_pressure("amina", 199), "id", json!(id)), "meta", labels.clone());
        let reading = with(reading, "derivedFrom", json!([{"reference": "Observation/common"}]));
        system.store(&with(reading, "identifier", json!([{"system": "urn:secret", "value": id}]))).await;
        system.store(&encounter(id, labels.clone())).await;
        let team = with(people::care_team(&["Practitioner/gp"]), "id", json!(id));
        system.store(&with(team, "meta", labels.clone())).await;
        let sharing = people::consent("active", "Practitioner/gp", &["access"], &["Goal"]);
        system.store(&with(with(sharing, "id", json!(id)), "meta", labels.clone())).await;
        let goal = json!({"resourceType": "Goal", "id": id, "lifecycleStatus": "active", "description": {"text": "x"},
            "subject": {"reference": "Patient/amina"}, "meta": labels});
        system.store(&goal).await;
        for name in DEFINITIONS {
            let (member, url) = (["url".to_owned()], json!(format!("http://secret.example/{name}/{id}")));
            let definition = minimal::resource(ResourceType::parse(name).expect("a type"), &[(member.as_slice(), url)]);
            system.store(&with(with(definition, "id", json!(id)), "meta", labels.clone())).await;
        }
    }
    for name in ["Observation", "Encounter", "CareTeam", "Consent", "Goal"].into_iter().chain(DEFINITIONS) {
        system.delete(&format!("{name}/{GONE}")).await.expect(204);
    }
}

/// Somebody who asks.
pub(crate) struct Asker<'a> {
    pub(crate) app: App,
    /// Of whom they may ask what they see: of themselves, or a patient of her carer.
    own: &'a str,
    /// A patient of whom they may not know.
    pub(crate) patient: &'a str,
    /// Something in Amina's record that they may change, or that they may not.
    mine: String,
}

impl Asker<'_> {
    pub(crate) fn naming<'n>(&'n self, item: &'n str, patient: &'n str) -> Named<'n> {
        Named { item, patient, mine: &self.mine, own: self.own }
    }
}

/// Everything that an answer tells, without what differs from one request to the next.
fn told(answer: &Answer, named: &Named<'_>) -> String {
    let mut headers: Vec<String> = answer
        .headers
        .iter()
        .filter(|(name, _)| {
            !["date", "x-request-id", "x-correlation-id", "access-control-expose-headers"].contains(&name.as_str())
        })
        .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())))
        .collect();
    headers.sort_unstable();
    plain(&format!("{} {}\n{}", answer.status, headers.join(" | "), answer.text()), named)
}

/// The text without the ids that were named, and without those that the server has made.
pub(crate) fn plain(text: &str, named: &Named<'_>) -> String {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    let mut told = String::with_capacity(text.len());
    let mut word = String::new();
    for letter in text.chars().chain([' ']) {
        if is_part(letter) {
            word.push(letter);
            continue;
        }
        if word.contains(named.item) || word.contains(named.patient) {
            told.push_str(&named.replaced(&word));
        } else if word.len() >= 15 && word.bytes().any(|byte| byte.is_ascii_digit()) {
            told.push_str("NEW");
        } else {
            told.push_str(&word);
        }
        told.push(letter);
        word.clear();
    }
    told
}

/// What the caller's own log says of the request, however they ask for it.
async fn log(app: &App, door: &str, request: &str, named: &Named<'_>) -> String {
    let mut all = String::new();
    let mut places = vec!["AuditEvent?_count=5".to_owned()];
    if door.contains("{patient}") {
        places.push(format!("AuditEvent?patient=Patient/{}&_count=5", named.patient));
        places.push(format!("Patient/{}/$access-log?_count=5", named.patient));
    }
    for place in places {
        let answer = app.get(&place).await;
        all.push_str(&format!("{} {}", named.replaced(&place), answer.status));
        if answer.status != 200 {
            all.push_str(&plain(&answer.text(), named));
            continue;
        }
        for mut event in answer.matches().into_iter().filter(|event| event.to_string().contains(request)) {
            readable(&mut event);
            all.push_str(&plain(&event.to_string().replace(request, "REQUEST"), named));
        }
        all.push('\n');
    }
    all
}

/// Puts the query into words.
pub(crate) fn readable(value: &mut Value) {
    match value {
        Value::Object(object) => {
            for (name, value) in object.iter_mut() {
                match value.as_str().filter(|_| name == "query").and_then(|text| STANDARD.decode(text).ok()) {
                    Some(bytes) => *value = json!(String::from_utf8_lossy(&bytes)),
                    None => readable(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(readable),
        _ => {}
    }
}

async fn tried(app: &App, door: &Door, named: &Named<'_>) -> (String, String) {
    let request = uuid::Uuid::new_v4().to_string();
    let mut ask = app.ask(door.method.clone(), &door.place).header("x-request-id", &request);
    for (name, value) in &door.headers {
        ask = ask.header(name, value);
    }
    if let Some((media, body)) = &door.body {
        ask = ask.body(media, body.clone());
    }
    let answer = ask.await;
    assert!(!answer.text().contains(r#""code":"exception""#), "{}: {answer}", door.name);
    let mut told = (told(&answer, named).replace(&request, "REQUEST"), log(app, &door.name, &request, named).await);
    if door.name.contains("Observation/{mine}") {
        // How often that was changed before.
        told.0.retain(|letter| !letter.is_ascii_digit());
        told.1.retain(|letter| !letter.is_ascii_digit());
    }
    told
}

/// Where two texts begin to differ.
pub(crate) fn difference(one: &str, other: &str) -> String {
    let same = one.chars().zip(other.chars()).take_while(|(one, other)| one == other).count();
    let from = same.saturating_sub(60);
    let part = |text: &str| text.chars().skip(from).take(200).collect::<String>().replace('\n', " / ");
    let status = |text: &str| text.chars().take(4).collect::<String>();
    format!("\n    there:      {}.. {}\n    never used: {}.. {}", status(one), part(one), status(other), part(other))
}

/// Tries every door.
async fn check(asker: &Asker<'_>) {
    check_at(asker, doors).await;
}

/// Tries these doors.
async fn check_at(asker: &Asker<'_>, doors: fn(&Named<'_>) -> Vec<Door>) {
    let mut problems = Vec::new();
    let [hidden, gone] = [HIDDEN, GONE].map(|item| asker.naming(item, asker.patient));
    let never = doors(&asker.naming(NEVER.0, NEVER.1));
    for (number, ((found, later), never)) in doors(&hidden).into_iter().zip(doors(&gone)).zip(never).enumerate() {
        // Of the same length, and another for each door: what is created at one must not be there for the next.
        let unused = format!("absent-{number:03}");
        let nobody = format!("{number:0>width$}", width = asker.patient.len());
        let none = asker.naming(&unused, &nobody);
        let nothing = tried(&asker.app, &never.renamed((NEVER.0, &unused), (NEVER.1, &nobody)), &none).await;
        // Where only the patient is named, there is no other door to what is deleted.
        let once = found.sends_what(&later);
        for (kind, door, there) in [("hidden", found, &hidden), ("hidden and deleted", later, &gone)] {
            // An evaluation of what was deleted differs in nothing from a read of it.
            if kind != "hidden" && (once || door.name.contains("$evaluate")) {
                continue;
            }
            let found = tried(&asker.app, &door, there).await;
            for (what, found, nothing) in [("answer", &found.0, &nothing.0), ("log", &found.1, &nothing.1)] {
                if found != nothing {
                    let told = difference(found, nothing);
                    problems.push(format!("{} ({kind}): the {what} differs{told}", door.name));
                }
            }
        }
    }
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}

async fn mine(app: &App) -> String {
    app.create(&blood_pressure("amina", 120)).await
}

/// To the patient: what is kept from her, and other patients.
pub(crate) async fn a_patient(concord: &Concord) -> Asker<'static> {
    cast(concord).await;
    let app = concord.patient("amina");
    let mine = mine(&app).await;
    Asker { app, own: "RelatedPerson/yusuf", patient: "callum", mine }
}

async fn to_a_patient(concord: &Concord) {
    check(&a_patient(concord).await).await;
}

/// To a carer.
pub(crate) async fn a_carer(concord: &Concord) -> Asker<'static> {
    cast(concord).await;
    let types = ["Observation", "Communication", "Goal", "Encounter", "Consent", "Patient"];
    let sharing = people::consent("active", "RelatedPerson/yusuf", &["access", "collect", "correct"], &types);
    concord.system().store(&sharing).await;
    let app = concord.user("RelatedPerson/yusuf");
    let mine = mine(&app).await;
    Asker { app, own: "RelatedPerson/yusuf", patient: "callum", mine }
}

async fn to_a_carer(concord: &Concord) {
    check(&a_carer(concord).await).await;
}

/// To a professional of the care team.
pub(crate) async fn a_professional(concord: &Concord) -> Asker<'static> {
    cast(concord).await;
    let app = concord.user("Practitioner/nurse");
    let mine = mine(&app).await;
    Asker { app, own: "Practitioner/nurse", patient: "callum", mine }
}

async fn to_a_professional(concord: &Concord) {
    check(&a_professional(concord).await).await;
}

/// To a professional who is nobody to the patient.
pub(crate) async fn a_stranger(concord: &Concord) -> Asker<'static> {
    cast(concord).await;
    let mine = mine(&concord.patient("amina")).await;
    let app = concord.user("Practitioner/gp-elsewhere");
    Asker { app, own: "Practitioner/gp-elsewhere", patient: "callum", mine }
}

async fn to_a_stranger(concord: &Concord) {
    check(&a_stranger(concord).await).await;
}

/// To a privacy officer who gives no reason.
pub(crate) async fn an_office_without_a_reason(concord: &Concord) -> Asker<'static> {
    cast(concord).await;
    let mine = mine(&concord.patient("amina")).await;
    let app = concord.officer("Practitioner/gp-elsewhere", "privacy-officer");
    Asker { app, own: "Practitioner/gp-elsewhere", patient: "callum", mine }
}

async fn to_an_office_without_a_reason(concord: &Concord) {
    check(&an_office_without_a_reason(concord).await).await;
}

/// To somebody else's app with the patient's token and her Consent for some types.
pub(crate) async fn an_app_of_others(concord: &Concord) -> Asker<'static> {
    cast(concord).await;
    let own = concord.patient("amina");
    let mine = mine(&own).await;
    let types = ["Observation", "Communication", "Encounter", "Patient", "AuditEvent"];
    let mut sharing = people::consent("active", "Device/x", &["access", "collect", "correct"], &types);
    sharing["provision"]["actor"][0]["reference"] =
        json!({"identifier": {"system": "urn:concord:client", "value": "heart-diary"}});
    own.create(&without(sharing, "id")).await;
    let app = concord.app(&TokenRequest {
        client_id: "heart-diary".to_owned(),
        patient: Some("amina".to_owned()),
        scope: "patient/*.cruds".to_owned(),
        ..TokenRequest::default()
    });
    Asker { app, own: "RelatedPerson/yusuf", patient: "callum", mine }
}

async fn to_an_app_of_others(concord: &Concord) {
    check(&an_app_of_others(concord).await).await;
}

/// To her own app, which she has let see laboratory results and the log: nothing but its scopes keeps anything from it.
async fn to_an_own_app_for_some_of_it(concord: &Concord) {
    cast_with(concord, &json!({"source": "urn:letters"})).await;
    let mine = mine(&concord.patient("amina")).await;
    let scope = "patient/Observation.cruds?category=http://terminology.hl7.org/CodeSystem/observation-category|laboratory \
                 patient/Encounter.cruds?class=IMP patient/Communication.cruds patient/Consent.cruds?status=draft \
                 patient/Goal.cruds?lifecycle-status=proposed patient/CareTeam.cruds?status=proposed patient/AuditEvent.rs";
    let app = concord.patient_with("amina", scope);
    check_at(&Asker { app, own: "RelatedPerson/yusuf", patient: "callum", mine }, doors_that_read).await;
}

/// A patient of whom a system may not know that does not see what is sensitive on its own authority.
async fn sensitive_patient(concord: &Concord) -> &'static str {
    let quiet = json!({"resourceType": "Patient", "id": "quiet1", "name": [{"family": "Quiet"}], "meta": hidden()});
    concord.system().store(&quiet).await;
    "quiet1"
}

/// To a system that is registered for a purpose.
pub(crate) async fn a_system_for_a_purpose(concord: &Concord) -> Asker<'static> {
    cast(concord).await;
    let patient = sensitive_patient(concord).await;
    let app = concord.app(&TokenRequest {
        client_id: "letters".to_owned(),
        scope: "system/*.cruds".to_owned(),
        ..TokenRequest::default()
    });
    let mine = mine(&app).await;
    Asker { app, own: "Practitioner/gp", patient, mine }
}

async fn to_a_system_for_a_purpose(concord: &Concord) {
    check(&a_system_for_a_purpose(concord).await).await;
}

/// To a system whose scope is about laboratory results only.
pub(crate) async fn a_system_with_a_granular_scope(concord: &Concord) -> Asker<'static> {
    cast(concord).await;
    let patient = sensitive_patient(concord).await;
    let scope = "system/Observation.cruds?category=http://terminology.hl7.org/CodeSystem/observation-category|laboratory \
                 system/Encounter.cruds?class=IMP system/Communication.cruds system/Consent.cruds?status=draft \
                 system/Goal.cruds?lifecycle-status=proposed system/CareTeam.cruds?status=proposed";
    let app = concord.system_with(scope);
    let mine = mine(&concord.system()).await;
    Asker { app, own: "Practitioner/gp", patient, mine }
}

async fn to_a_system_with_a_granular_scope(concord: &Concord) {
    check(&a_system_with_a_granular_scope(concord).await).await;
}

/// Where operators have switched off that references are looked up: what names something hidden is answered as
/// what names nothing is.
async fn where_references_are_not_checked(concord: &Concord) {
    cast(concord).await;
    let app = concord.patient("amina");
    let mine = mine(&app).await;
    check(&Asker { app, own: "RelatedPerson/yusuf", patient: "callum", mine }).await;
    let app = concord.user("Practitioner/nurse");
    let mine = self::mine(&app).await;
    check(&Asker { app, own: "Practitioner/nurse", patient: "callum", mine }).await;
}

/// A definition is told to whoever has a scope for it, whatever protects what follows it. To an app without one, a system for some
/// things only among them, one that is called by a url is as if it were not there: what names it neither says nor vanishes.
async fn by_the_url_of_a_definition_to_a_patient(concord: &Concord) {
    cast(concord).await;
    let own = concord.patient("amina");
    let mine = mine(&own).await;
    let app = concord.patient_with("amina", &scopes_without_definitions("patient"));
    check_at(&Asker { app, own: "RelatedPerson/yusuf", patient: "callum", mine }, doors_of_definitions).await;
    // Whoever may find it has what they write protected by it.
    let answers = json!({"resourceType": "QuestionnaireResponse", "status": "in-progress",
        "questionnaire": format!("http://secret.example/Questionnaire/{HIDDEN}"),
        "subject": {"reference": "Patient/amina"}});
    let id = own.create(&answers).await;
    concord.user("Practitioner/nurse").get(&format!("QuestionnaireResponse/{id}")).await.expect(404);
}

/// The same to a professional.
async fn by_the_url_of_a_definition_to_a_professional(concord: &Concord) {
    cast(concord).await;
    let mine = mine(&concord.patient("amina")).await;
    let app = concord.user_with("Practitioner/gp", &scopes_without_definitions("user"));
    check_at(&Asker { app, own: "Practitioner/gp", patient: "callum", mine }, doors_of_definitions).await;
}

/// The same to a system.
async fn by_the_url_of_a_definition_to_a_system(concord: &Concord) {
    cast(concord).await;
    let mine = mine(&concord.patient("amina")).await;
    let app = concord.system_with(&scopes_without_definitions("system"));
    check_at(&Asker { app, own: "Practitioner/gp", patient: "callum", mine }, doors_of_definitions).await;
}

/// A cursor holds a position and never a permission: one that a system was given shows nobody else more than
/// their own, nor tells that there is more.
async fn by_a_cursor_of_somebody_else(concord: &Concord) {
    cast(concord).await;
    let (system, amina) = (concord.system(), concord.patient("amina"));
    for _ in 0..2 {
        mine(&amina).await;
    }
    let search = "Observation?patient=amina&_sort=_id&_count=1";
    let mut next = system.get(search).await.expect(200).link("next");
    let mut seen = Vec::new();
    while let Some(place) = next.take() {
        for app in [&amina, &concord.user("RelatedPerson/yusuf"), &concord.user("Practitioner/gp-elsewhere")] {
            let page = app.get(&place).await;
            assert!(!page.text().contains(HIDDEN), "{page}");
            assert!(matches!(page.status, 200 | 400), "{page}");
        }
        let page = system.get(&place).await.expect(200);
        seen.extend(page.ids());
        next = page.link("next");
    }
    assert!(
        seen.contains(&HIDDEN.to_owned()) || text(&system.get(search).await.json(), "/entry/0/resource/id") == HIDDEN
    );
}

/// How a search is run says the same of a record that the caller may not know of, large or small, and of one that there is not.
async fn how_a_search_is_run(concord: &Concord) {
    let asker = a_system_for_a_purpose(concord).await;
    let (there, none) = (asker.patient, "absent");
    assert_eq!(there.len(), none.len());
    let entry = |number: usize| {
        let reading =
            with(blood_pressure(there, 118), "identifier", json!([{"system": "urn:n", "value": number.to_string()}]));
        json!({"resource": with(without(reading, "id"), "meta", hidden()), "request": {"method": "POST", "url": "Observation"}})
    };
    // More than are looked at in the order of their updates.
    let entries: Vec<Value> = (0..600).map(entry).collect();
    concord.system().post("", &json!({"resourceType": "Bundle", "type": "batch", "entry": entries})).await.expect(200);
    let narrow = concord.system_with("system/Observation.rs?code=nothing system/Patient.rs?_id=none");
    for app in [&asker.app, &narrow] {
        for query in [
            "Observation?patient={}",
            "Observation?patient={}&_total=accurate",
            "Observation?patient={},amina&patient={}",
            "Observation?patient={}&_sort=-_lastUpdated",
            "Observation?patient={}&_sort=-date&code=85354-9",
            "Observation?patient={}&_sort=code&_include=Observation:patient",
            "Patient?_id={}",
            "Patient?_id={}&_revinclude=Observation:patient",
            "Observation?subject:Patient._id={}",
            "Patient/{}/Observation?_sort=_lastUpdated",
            "Observation?_has:Provenance:target:patient={}",
            "?_type=Patient,Observation&patient={}",
        ] {
            let mut told = Vec::new();
            for patient in [there, none] {
                let place = query.replace("{}", patient);
                let joint = if place.contains('?') { '&' } else { '?' };
                let answer = app.get(&format!("{place}{joint}_explain=true")).await;
                told.push((answer.status, plain_outcomes(&answer).replace(patient, "PATIENT")));
            }
            assert_eq!(told[0], told[1], "{query}: {}", difference(&told[0].1, &told[1].1));
        }
    }
    let answer = asker.app.get("Observation?patient=amina&_explain=true").await.expect(200);
    assert!(plain_outcomes(&answer).contains("plan: "), "{answer}");
    // Whoever may know of everything is told how it is run.
    let whole = concord.system().get(&format!("Observation?patient={there}&_explain=true")).await.expect(200);
    assert!(plain_outcomes(&whole).contains("plan: "), "{whole}");
}

/// What an answer says besides the resources that were found.
fn plain_outcomes(answer: &Answer) -> String {
    let outcomes = answer.entries().into_iter().filter(|entry| text(entry, "/search/mode") == "outcome");
    outcomes.map(|entry| entry["resource"]["issue"].to_string()).collect()
}
