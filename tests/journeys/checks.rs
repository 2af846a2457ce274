//! What checks of profiles ask besides the resource: stored value sets and code systems, a terminology server elsewhere, and
//! what references lead to; each as the caller may see it.

use std::sync::Arc;

use concord_api::auth::development::TokenRequest;
use concord_api::clock::Clock;
use concord_tests::client::{Answer, text};
use concord_tests::database::Scratch;
use concord_tests::people::{self, with};
use concord_tests::server::START_MS;
use concord_tests::terminology_stub::TerminologyStub;
use concord_tests::{App, Concord, Database, on_both};
use serde_json::{Value, json};

on_both! {
    stored_value_sets_are_asked,
    what_is_hidden_is_as_if_it_were_not_there,
    references_are_followed_as_the_caller_may
}

mod refusing {
    concord_tests::on_both! { with &[
        ("CONCORD_PROFILE_CHECK", "refuse"),
        ("CONCORD_QUESTIONNAIRE_CHECK", "refuse"),
        ("CONCORD_REQUIRED_PROFILES", "Goal=https://example.org/profile/dated-goal"),
    ]; every_way_to_write_is_checked }

    use super::every_way_to_write_is_checked;
}

const SNOMED: &str = "http://snomed.info/sct";

/// The issues of an answer of that severity, as place and words.
fn of(answer: &Answer, severity: &str) -> Vec<(String, String)> {
    let issues = answer.json()["issue"].as_array().cloned().unwrap_or_default();
    let wanted = issues.iter().filter(|issue| issue["severity"] == severity);
    wanted.map(|issue| (text(issue, "/expression/0").to_owned(), text(issue, "/diagnostics").to_owned())).collect()
}

fn says(answer: &Answer, severity: &str, words: &str) -> bool {
    of(answer, severity).iter().any(|(_, said)| said.contains(words))
}

fn profile(name: &str, of_type: &str, elements: Value) -> Value {
    json!({"resourceType": "StructureDefinition", "url": format!("https://example.org/profile/{name}"), "name": "Own",
        "status": "active", "kind": "resource", "abstract": false, "type": of_type, "derivation": "constraint",
        "baseDefinition": format!("http://hl7.org/fhir/StructureDefinition/{of_type}"), "differential": {"element": elements}})
}

/// A profile whose code is bound to a value set, and by an expression as well.
fn coded(name: &str, value_set: &str) -> Value {
    profile(
        name,
        "Observation",
        json!([
        {"id": "Observation", "path": "Observation", "constraint": [{"key": "own-1", "severity": "error",
            "human": "its value is of the set too", "expression": format!("value.ofType(CodeableConcept).memberOf('{value_set}')")}]},
        {"id": "Observation.code", "path": "Observation.code", "binding": {"strength": "required", "valueSet": value_set}}]),
    )
}

fn animals(name: &str) -> Value {
    json!({"resourceType": "CodeSystem", "id": name, "url": format!("https://example.org/cs/{name}"), "name": "Animals",
        "status": "active", "content": "complete", "concept": [{"code": "animal", "concept": [{"code": "dog"}]}, {"code": "tree"}]})
}

fn set(name: &str) -> Value {
    json!({"resourceType": "ValueSet", "id": name, "url": format!("https://example.org/vs/{name}"), "status": "active",
        "compose": {"include": [{"system": format!("https://example.org/cs/{name}"),
            "filter": [{"property": "concept", "op": "is-a", "value": "animal"}]}]}})
}

/// An observation of a code, with another as its value, that claims a profile.
fn observed(claimed: &str, system: &str, code: &str, value: &str) -> Value {
    let concept = |code: &str| json!({"coding": [{"system": system, "code": code}]});
    json!({"resourceType": "Observation", "status": "final", "subject": {"reference": "Patient/amina"},
        "meta": {"profile": [format!("https://example.org/profile/{claimed}")]}, "effectiveDateTime": "2026-11-28",
        "code": concept(code), "valueCodeableConcept": concept(value)})
}

const PETS: &str = "https://example.org/cs/pets";

async fn stored_value_sets_are_asked(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, system) = (concord.patient("amina"), concord.system());
    system.create(&coded("pets", "https://example.org/vs/pets")).await;
    let ask = async |app: &App, code: &str, value: &str| {
        app.post("Observation/$validate", &observed("pets", PETS, code, value)).await.expect(200)
    };
    // Nobody can tell until there is one.
    let told = ask(&amina, "tree", "tree").await;
    assert!(of(&told, "error").is_empty() && says(&told, "information", "could not be checked"), "{told}");
    assert!(says(&told, "information", "own-1 of https://example.org/profile/pets was not evaluated"), "{told}");
    // One from a system that nobody has registered does not count, and the answer says so.
    let unregistered = concord.app(&TokenRequest {
        scope: "system/ValueSet.cruds system/CodeSystem.cruds".to_owned(),
        client_id: "nobody-knows".to_owned(),
        ..TokenRequest::default()
    });
    for one in [animals("pets"), set("pets")] {
        let place = format!("{}/{}", text(&one, "/resourceType"), text(&one, "/id"));
        let told = unregistered.put(&place, &one).header("prefer", "return=OperationOutcome").await.expect(201);
        assert!(says(&told, "warning", "registered systems"), "{told}");
    }
    assert!(of(&ask(&amina, "tree", "tree").await, "error").is_empty());
    // The same content from one that is registered does.
    let other = concord.another_node().await;
    for one in [animals("pets"), set("pets")] {
        system.store(&one).await;
    }
    for app in [&amina, &other.patient("amina")] {
        let told = ask(app, "tree", "tree").await;
        let errors = of(&told, "error");
        assert!(errors.iter().any(|(at, said)| at == "Observation.code" && said.contains("vs/pets")), "{told}");
        assert!(errors.iter().any(|(at, said)| at == "Observation" && said.contains("own-1")), "{told}");
        assert_eq!(of(&ask(app, "dog", "animal").await, "error"), []);
    }
    // A write is told.
    let odd = observed("pets", PETS, "tree", "dog");
    let told = amina.post("Observation", &odd).header("prefer", "return=OperationOutcome").await.expect(201);
    assert!(says(&told, "warning", "https://example.org/vs/pets"), "{told}");
    // So is who answers a question that offers them.
    let form = json!({"resourceType": "Questionnaire", "url": "https://example.org/form", "status": "active",
        "item": [{"linkId": "pet", "type": "choice", "answerValueSet": "https://example.org/vs/pets"}]});
    system.create(&form).await;
    for (code, count) in [("tree", 1), ("dog", 0)] {
        let answers = json!({"resourceType": "QuestionnaireResponse", "status": "completed",
            "questionnaire": "https://example.org/form", "subject": {"reference": "Patient/amina"},
            "item": [{"linkId": "pet", "answer": [{"valueCoding": {"system": PETS, "code": code}}]}]});
        let told = amina.post("QuestionnaireResponse/$validate", &answers).await.expect(200);
        assert_eq!(of(&told, "error").len(), count, "{told}");
    }
    // Another version is another set, on every node, and one that is retired or gone is none.
    system.store(&with(set("pets"), "compose", json!({"include": [{"system": PETS}]}))).await;
    assert_eq!(of(&ask(&other.patient("amina"), "tree", "tree").await, "error"), []);
    system.store(&with(set("pets"), "status", json!("retired"))).await;
    assert!(says(&ask(&amina, "nothing", "nothing").await, "information", "could not be checked"));
    system.store(&set("pets")).await;
    assert!(!of(&ask(&amina, "tree", "tree").await, "error").is_empty());
    system.delete("ValueSet/pets").await.expect(204);
    assert!(of(&ask(&amina, "tree", "tree").await, "error").is_empty());
    // What R4 says of its own elements nobody changes.
    let own = json!({"resourceType": "ValueSet", "status": "active", "url": "http://hl7.org/fhir/ValueSet/observation-category",
        "compose": {"include": [{"system": "urn:own", "concept": [{"code": "own"}]}]}});
    system.create(&own).await;
    system.create(&coded("categories", "http://hl7.org/fhir/ValueSet/observation-category")).await;
    let category = "http://terminology.hl7.org/CodeSystem/observation-category";
    let told = amina.post("Observation/$validate", &observed("categories", category, "survey", "imaging")).await;
    assert_eq!(of(&told.expect(200), "error"), []);
}

async fn what_is_hidden_is_as_if_it_were_not_there(concord: &Concord) {
    people::arrive(concord).await;
    let system = concord.system();
    let narrow = concord
        .patient_with("amina", "patient/Observation.cruds patient/ValueSet.rs?_id=open patient/CodeSystem.rs?_id=open");
    for name in ["open", "secret", "absent"] {
        system.create(&coded(name, &format!("https://example.org/vs/{name}"))).await;
        if name != "absent" {
            system.store(&animals(name)).await;
            system.store(&set(name)).await;
        }
    }
    // A set that is open, over a code system that is not.
    let half = json!({"include": [{"system": "https://example.org/cs/secret", "filter": [
        {"property": "concept", "op": "is-a", "value": "animal"}]}]});
    let said = async |app: &App, name: &str, code: &str| {
        let odd = observed(name, &format!("https://example.org/cs/{name}"), code, code);
        let asked = app.post("Observation/$validate", &odd).await.expect(200);
        let stored = app.post("Observation", &odd).header("prefer", "return=OperationOutcome").await.expect(201);
        format!("{}{}", asked.json()["issue"], stored.json()["issue"]).replace(name, "NAME")
    };
    for code in ["tree", "dog"] {
        assert_eq!(said(&narrow, "secret", code).await, said(&narrow, "absent", code).await, "{code}");
        assert_ne!(said(&system, "secret", code).await, said(&system, "absent", code).await, "{code}");
    }
    assert_ne!(said(&narrow, "open", "tree").await, said(&narrow, "absent", "tree").await);
    system.store(&with(set("open"), "compose", half)).await;
    let odd = observed("open", "https://example.org/cs/secret", "tree", "tree");
    let told = narrow.post("Observation/$validate", &odd).await.expect(200);
    assert!(of(&told, "error").is_empty() && says(&told, "information", "vs/open could not be checked"), "{told}");
    assert_eq!(of(&system.post("Observation/$validate", &odd).await.expect(200), "error").len(), 2);
}

async fn references_are_followed_as_the_caller_may(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, system) = (concord.patient("amina"), concord.system());
    let target = "https://example.org/profile/named";
    system
        .create(&profile("named", "Patient", json!([{"id": "Patient.photo", "path": "Patient.photo", "min": 1}])))
        .await;
    let holds =
        |key: &str, expression: &str| json!({"key": key, "severity": "error", "human": "h", "expression": expression});
    system
        .create(&profile(
            "about",
            "Observation",
            json!([
            {"id": "Observation", "path": "Observation", "constraint": [
                holds("own-1", "subject.resolve().ofType(Patient).photo.exists()"),
                holds("own-2", &format!("subject.resolve().conformsTo('{target}')"))]},
            {"id": "Observation.subject", "path": "Observation.subject",
                "type": [{"code": "Reference", "targetProfile": [target]}]}]),
        ))
        .await;
    let about = |subject: &str| {
        let made = observed("about", "urn:own", "a", "b");
        with(made, "subject", json!({"reference": subject}))
    };
    let place = "Observation/$validate";
    // Who may read what it leads to is told how it is.
    let told = amina.post(place, &about("Patient/amina")).await.expect(200);
    assert_eq!(of(&told, "error").len(), 3, "{told}");
    assert!(says(&told, "error", "does not keep to https://example.org/profile/named"), "{told}");
    // Who may not is told what anybody is of what is not there.
    let callum = concord.patient("callum");
    let told = async |app: &App, id: &str| {
        app.post(place, &about(&format!("Patient/{id}"))).await.expect(200).json()["issue"]
            .to_string()
            .replace(id, "ID")
    };
    let hidden = told(&callum, "amina").await;
    assert_eq!(hidden, told(&callum, "nobody-at-all").await);
    assert!(hidden.contains("is not known here, and was not checked by"), "{hidden}");
    let scoped = concord.patient_with("amina", "patient/Observation.cruds");
    assert_eq!(told(&scoped, "amina").await, told(&scoped, "nobody-at-all").await);
    // What was looked at stands in the log, for whose record it is.
    let doctor = concord.user("Practitioner/gp");
    let seen = async || {
        amina.get("Patient/amina/$access-log?_count=200").await.expect(200).text().matches("Practitioner/gp").count()
    };
    let before = seen().await;
    doctor.post(place, &about("Patient/amina")).await.expect(200);
    assert!(seen().await > before);
    // A write does not look.
    let stored = amina.post("Observation", &about("Patient/amina")).header("prefer", "return=OperationOutcome");
    assert!(!says(&stored.await.expect(201), "warning", "does not keep to"));
    // A profile that asks for itself by what it refers to comes to an end.
    let (own, url) = ("loop", "https://example.org/profile/loop");
    system
        .create(&profile(own, "Observation", json!([{"id": "Observation", "path": "Observation", "constraint": [
            holds("own-3", &format!("%resource.conformsTo('{url}') and hasMember.resolve().all(conformsTo('{url}'))"))]}])))
        .await;
    let mut looping = with(observed(own, "urn:own", "a", "b"), "id", json!("itself"));
    looping["hasMember"] = json!([{"reference": "Observation/itself"}]);
    let bundle = json!({"resourceType": "Bundle", "type": "collection",
        "entry": [{"fullUrl": "http://example.org/Observation/itself", "resource": looping}]});
    let told = amina.post("Bundle/$validate", &bundle).await.expect(200);
    assert_eq!(of(&told, "error"), [], "{told}");
}

async fn every_way_to_write_is_checked(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, system) = (concord.patient("amina"), concord.system());
    for one in [coded("pets", "https://example.org/vs/pets"), animals("pets"), set("pets")] {
        system.post(text(&one, "/resourceType"), &one).await.expect(201);
    }
    let set_id = system.get("ValueSet?url=https://example.org/vs/pets").await.expect(200).ids().remove(0);
    assert_eq!(system.get(&format!("ValueSet/{set_id}")).await.expect(200).json()["status"], "active");
    let (good, odd) = (observed("pets", PETS, "dog", "dog"), observed("pets", PETS, "tree", "dog"));
    let id = amina.create(&good).await;
    let refused = |answer: Answer| {
        let issues = answer.expect(422).issues();
        assert!(issues.iter().any(|(_, at, said)| at.ends_with(".code") && said.contains("vs/pets")), "{issues:?}");
    };
    refused(amina.post("Observation", &odd).await);
    let place = format!("Observation/{id}");
    refused(amina.put(&place, &with(odd.clone(), "id", json!(id))).await);
    refused(amina.put("Observation?identifier=urn:none|1", &odd).await);
    refused(system.put("Observation/of-its-own", &with(odd.clone(), "id", json!("of-its-own"))).await);
    let patches = [
        ("application/json-patch+json", json!([{"op": "replace", "path": "/code/coding/0/code", "value": "tree"}])),
        ("application/merge-patch+json", json!({"code": odd["code"]})),
    ];
    for (media, patch) in patches {
        refused(amina.ask(reqwest::Method::PATCH, &place).body(media, patch.to_string()).await);
    }
    let entry = |method: &str, url: &str| json!({"resource": odd, "request": {"method": method, "url": url}});
    let bundle = |kind: &str| json!({"resourceType": "Bundle", "type": kind, "entry": [entry("POST", "Observation"), entry("PUT", "Observation?identifier=urn:none|2")]});
    refused(amina.post("/fhir", &bundle("transaction")).await);
    let answered = amina.post("/fhir", &bundle("batch")).await.expect(200).json();
    for one in answered["entry"].as_array().expect("entries") {
        assert!(text(one, "/response/status").starts_with("422"), "{one}");
    }
    assert_eq!(amina.get("Observation?patient=amina&code=tree").await.expect(200).ids(), Vec::<String>::new());
    // A profile that is asked of a type, claimed or not; until it is known here nobody is refused for it.
    let goal = json!({"resourceType": "Goal", "lifecycleStatus": "active", "description": {"text": "walk"},
        "subject": {"reference": "Patient/amina"}});
    amina.post("Goal", &goal).await.expect(201);
    system
        .create(&profile("dated-goal", "Goal", json!([{"id": "Goal.startDate", "path": "Goal.start[x]", "min": 1}])))
        .await;
    let refused = amina.post("Goal", &goal).await.expect(422).issues();
    assert!(refused.iter().any(|(_, _, said)| said.contains("profile/dated-goal")), "{refused:?}");
    amina.post("Goal", &with(goal, "startDate", json!("2026-11-28"))).await.expect(201);
    // A plain reading of a patient's, in the words of UK Core, is not refused for want of SNOMED CT.
    let profile = "https://fhir.hl7.org.uk/StructureDefinition/UKCore-Observation-VitalSigns-BloodPressure";
    let part = |loinc: &str, snomed: &str, name: &str, value: u32| {
        json!({"code": {"coding": [{"system": "http://loinc.org", "code": loinc}, {"system": SNOMED, "code": snomed}], "text": name},
            "valueQuantity": {"value": value, "unit": "millimeter of mercury", "system": "http://unitsofmeasure.org", "code": "mm[Hg]"}})
    };
    let reading = json!({"resourceType": "Observation", "meta": {"profile": [profile]}, "status": "final",
        "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs"}]}],
        "code": {"coding": [{"system": "http://loinc.org", "code": "85354-9"}, {"system": SNOMED, "code": "75367002"}]},
        "subject": {"reference": "Patient/amina"}, "effectiveDateTime": "2026-11-28T08:30:00Z",
        "performer": [{"reference": "Patient/amina"}], "method": {"coding": [{"system": SNOMED, "code": "17146006"}]},
        "component": [part("8480-6", "72313002", "Systolic blood pressure", 118),
            part("8462-4", "1091811000000102", "Diastolic blood pressure", 76)]});
    amina.post("Observation", &reading).await.expect(201);
}

async fn asking(database: Database, stub: &TerminologyStub, settings: &[(&str, &str)]) -> Concord {
    let scratch = Arc::new(Scratch::new(database));
    let setting = stub.setting(scratch.folder());
    let mut all = vec![("CONCORD_TERMINOLOGY_SERVER", setting.as_str())];
    all.extend(settings);
    let concord = Concord::start(scratch, Clock::fixed(START_MS), &all).await;
    people::arrive(&concord).await;
    concord.system().create(&coded("diabetes", "https://fhir.nhs.uk/ValueSet/diabetes")).await;
    concord
}

/// `$validate` asks what is not here, all in one go; a write does only where the operator says so; and when nobody can be
/// reached, that is said and nobody waits.
async fn elsewhere(database: Database) {
    let stub = TerminologyStub::start();
    let (kind, none) = ("46635009", "22298006");
    let concord = asking(database, &stub, &[]).await;
    let amina = concord.patient("amina");
    let place = "Observation/$validate";
    let told = amina.post(place, &observed("diabetes", SNOMED, kind, none)).await.expect(200);
    let errors = of(&told, "error");
    assert!(errors.len() == 1 && errors[0].1.contains("own-1"), "{told}");
    let asked: Vec<String> = stub.asked().into_iter().filter(|one| one.contains("$validate-code")).collect();
    assert_eq!(asked.len(), 2, "{asked:?}");
    assert!(!asked.iter().any(|one| one.contains("amina")), "{asked:?}");
    let told = amina.post(place, &observed("diabetes", SNOMED, none, kind)).await.expect(200);
    assert!(of(&told, "error").len() == 1 && says(&told, "error", "fhir.nhs.uk/ValueSet/diabetes"), "{told}");
    assert_eq!(stub.asked(), Vec::<String>::new(), "from memory");
    // A write asks nobody, and does not go by what happens to be remembered.
    let stored = amina.post("Observation", &observed("diabetes", SNOMED, none, none)).await.expect(201);
    assert_eq!((stored.header("warning"), stub.asked()), ("", vec![]));
    // However many codes there are, a request asks so many and says of the others that they were not checked.
    let mut many = observed("diabetes", SNOMED, kind, kind);
    let codings: Vec<Value> = (0..80).map(|number| json!({"system": SNOMED, "code": format!("9{number}")})).collect();
    many["code"] = json!({"coding": codings});
    let told = amina.post(place, &many).await.expect(200);
    assert!(of(&told, "error").is_empty() && says(&told, "information", "could not be checked"), "{told}");
    assert!(stub.asked().len() <= 50);
    stub.fail(true);
    let told = amina.post(place, &observed("diabetes", SNOMED, "38341003", "38341003")).await.expect(200);
    assert!(of(&told, "error").is_empty() && says(&told, "information", "cannot be reached now"), "{told}");
    stub.fail(false);

    let stub = TerminologyStub::start();
    let settings = [("CONCORD_WRITE_CHECKS_ASK", "true"), ("CONCORD_PROFILE_CHECK", "refuse")];
    let concord = asking(database, &stub, &settings).await;
    let amina = concord.patient("amina");
    let refused = amina.post("Observation", &observed("diabetes", SNOMED, none, kind)).await.expect(422).issues();
    assert!(refused.iter().any(|(_, at, _)| at == "Observation.code"), "{refused:?}");
    amina.post("Observation", &observed("diabetes", SNOMED, kind, kind)).await.expect(201);
    let entry = json!({"resource": observed("diabetes", SNOMED, "44054006", "44054006"), "request": {"method": "POST", "url": "Observation"}});
    let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": [entry, entry]});
    amina.post("/fhir", &bundle).await.expect(200);
    stub.fail(true);
    amina.post("Observation", &observed("diabetes", SNOMED, "38341003", "38341003")).await.expect(201);
}

mod a_server_elsewhere {
    fn run(database: concord_tests::Database) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(super::elsewhere(database));
    }

    #[test]
    fn sqlite() {
        run(concord_tests::Database::Sqlite);
    }

    #[test]
    fn postgres() {
        run(concord_tests::Database::Postgres);
    }
}
