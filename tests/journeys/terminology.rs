//! Value sets, code systems and concept maps: R4's own, those that are stored and may be seen, and those of a server
//! elsewhere.

use std::sync::Arc;

use concord_api::clock::Clock;
use concord_tests::client::{Answer, text};
use concord_tests::database::Scratch;
use concord_tests::people::{self, blood_pressure, with};
use concord_tests::server::START_MS;
use concord_tests::terminology_stub::TerminologyStub;
use concord_tests::{App, Concord, Database, on_both};
use serde_json::{Value, json};

use crate::leaks::said;

on_both! {
    over_the_tables_of_r4, over_what_is_stored, what_is_hidden_is_not_there, there_is_an_end,
    what_the_server_can_do, slips_are_told
}

const GENDER: &str = "http://hl7.org/fhir/administrative-gender";
const REASONS: &str = "http://terminology.hl7.org/CodeSystem/v3-ActReason";
const SNOMED: &str = "http://snomed.info/sct";

fn codes(answer: &Value) -> Vec<&str> {
    answer["expansion"]["contains"].as_array().into_iter().flatten().map(|one| text(one, "/code")).collect()
}

/// The value of a parameter of an answer.
fn told<'v>(answer: &'v Value, name: &str) -> &'v Value {
    let found = answer["parameter"].as_array().into_iter().flatten().find(|one| one["name"] == name);
    let members = found.and_then(Value::as_object);
    members.and_then(|all| all.iter().find(|(member, _)| *member != "name")).map_or(&Value::Null, |(_, value)| value)
}

fn parameters(all: Value) -> Value {
    json!({"resourceType": "Parameters", "parameter": all})
}

async fn over_the_tables_of_r4(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let expand = "ValueSet/$expand?url=http://hl7.org/fhir/ValueSet/administrative-gender";
    let whole = amina.get(expand).await.expect(200).json();
    assert_eq!(codes(&whole), ["male", "female", "other", "unknown"], "{whole}");
    assert_eq!((&whole["expansion"]["total"], text(&whole, "/version")), (&json!(4), "4.0.1"));
    assert_eq!(text(&whole, "/expansion/contains/0/display"), "Male");
    for (more, wanted) in [
        ("&count=2&offset=1", &["female", "other"][..]),
        ("&count=0", &[]),
        ("&filter=fem", &["female"]),
        ("&filter=UNK%20unkn", &["unknown"]),
        ("&filter=nothing", &[]),
        ("&offset=9", &[]),
        ("&valueSetVersion=4.0.1", &["male", "female", "other", "unknown"]),
    ] {
        let found = amina.get(&format!("{expand}{more}")).await.expect(200).json();
        assert_eq!(codes(&found), wanted, "{more}: {found}");
    }
    for (more, status) in [("&count=-1", 400), ("&count=10001", 400), ("&colour=red", 400), ("&valueSetVersion=5", 422)]
    {
        amina.get(&format!("{expand}{more}")).await.expect(status);
    }
    let missing = amina.get("ValueSet/$expand?url=http://hl7.org/fhir/ValueSet/no-such").await.expect(422).issues();
    assert_eq!(missing[0].0, "not-found");
    amina.get("ValueSet/$expand").await.expect(400);
    // Inline, in Parameters and as the body itself, over a hierarchy of R4's.
    let set = json!({"resourceType": "ValueSet", "status": "draft", "compose": {
        "include": [{"system": REASONS, "filter": [{"property": "concept", "op": "is-a", "value": "ETREAT"}]}],
        "exclude": [{"system": REASONS, "concept": [{"code": "BTG"}]}]}});
    let inline = parameters(json!([{"name": "valueSet", "resource": set}]));
    for body in [&inline, &set] {
        let found = amina.post("ValueSet/$expand", body).await.expect(200).json();
        assert_eq!(codes(&found), ["ETREAT", "ERTREAT"], "{found}");
    }
    for (place, result, words) in [
        ("ValueSet/$validate-code?url=http://hl7.org/fhir/ValueSet/administrative-gender&code=female", true, ""),
        (
            "ValueSet/$validate-code?url=http://hl7.org/fhir/ValueSet/administrative-gender&code=f&system=http://hl7.org/fhir/administrative-gender",
            false,
            "not in the value set",
        ),
        (
            "CodeSystem/$validate-code?url=http://hl7.org/fhir/administrative-gender&code=female&display=female",
            true,
            "",
        ),
        (
            "CodeSystem/$validate-code?url=http://hl7.org/fhir/administrative-gender&code=female&display=Woman",
            false,
            "`Female`",
        ),
        ("CodeSystem/$validate-code?url=http://unitsofmeasure.org&code=mmol/L", true, ""),
        ("CodeSystem/$validate-code?url=http://unitsofmeasure.org&code=mmHg", false, "no code"),
    ] {
        let found = amina.get(place).await.expect(200).json();
        assert_eq!(told(&found, "result"), &json!(result), "{place}: {found}");
        assert!(told(&found, "message").as_str().unwrap_or_default().contains(words), "{found}");
    }
    // Of several codings one is enough; what nobody here can tell is said to be so.
    let concept = |codings: Value| {
        parameters(json!([{"name": "url", "valueUri": "http://hl7.org/fhir/ValueSet/administrative-gender"},
            {"name": "codeableConcept", "valueCodeableConcept": {"coding": codings}}]))
    };
    let both = json!([{"system": "urn:own", "code": "x"}, {"system": GENDER, "code": "male"}]);
    let found = amina.post("ValueSet/$validate-code", &concept(both)).await.expect(200).json();
    assert_eq!((told(&found, "result"), told(&found, "display")), (&json!(true), &json!("Male")));
    let unknown = format!("ValueSet/$validate-code?url=http://hl7.org/fhir/ValueSet/body-site&system={SNOMED}&code=1");
    let refused = amina.get(&unknown).await.expect(422).issues();
    assert!(refused[0].0 == "not-found" && refused[0].2.contains(SNOMED), "{refused:?}");
    let looked = amina.get(&format!("CodeSystem/$lookup?system={REASONS}&code=BTG")).await.expect(200).json();
    assert_eq!(told(&looked, "display"), "break the glass", "{looked}");
    assert!(looked.to_string().contains("ETREAT"), "what lies above it: {looked}");
    amina.get(&format!("CodeSystem/$lookup?system={REASONS}&code=NO")).await.expect(422);
    for (one, other, outcome) in [("TREAT", "BTG", "subsumes"), ("BTG", "TREAT", "subsumed-by")] {
        let place = format!("CodeSystem/$subsumes?system={REASONS}&codeA={one}&codeB={other}");
        assert_eq!(told(&amina.get(&place).await.expect(200).json(), "outcome"), outcome);
    }
    let map = "ConceptMap/$translate?url=http://hl7.org/fhir/ConceptMap/cm-administrative-gender-v2";
    let found = amina.get(&format!("{map}&system={GENDER}&code=female")).await.expect(200).json();
    assert!(told(&found, "result") == &json!(true) && found.to_string().contains("\"F\""), "{found}");
    let back = format!("{map}&system=http://terminology.hl7.org/CodeSystem/v2-0001&code=F&reverse=true");
    assert!(amina.get(&back).await.expect(200).json().to_string().contains("female"));
    // Everything by XML, in a batch and in a transaction too.
    let xml = amina.get(&format!("{expand}&_format=xml")).await.expect(200);
    assert!(xml.text().contains("<code value=\"female\"/>"), "{xml}");
    for kind in ["batch", "transaction"] {
        let entry = json!({"request": {"method": "GET", "url": expand}});
        let bundle = json!({"resourceType": "Bundle", "type": kind, "entry": [entry]});
        let answer = amina.post("/fhir", &bundle).await.expect(200).entries();
        assert_eq!(codes(&answer[0]["resource"]).len(), 4, "{kind}: {}", answer[0]);
    }
    // A search by what is R4's own.
    amina.create(&blood_pressure("amina", 120)).await;
    let place = "Observation?category:in=http://hl7.org/fhir/ValueSet/observation-category";
    assert_eq!(amina.get(place).await.expect(200).ids().len(), 1);
    let place = format!("Consent?purpose:below={REASONS}|TREAT");
    amina.get(&place).await.expect(200);
}

fn animals(id: &str, more: Value) -> Value {
    let mut made = json!({"resourceType": "CodeSystem", "id": id, "url": format!("https://example.org/cs/{id}"),
        "version": "2", "name": "Animals", "status": "active", "content": "complete",
        "property": [{"code": "legs", "type": "integer"}],
        "concept": [{"code": "animal", "display": "Animal", "concept": [
            {"code": "dog", "display": "Dog", "definition": "It barks",
             "designation": [{"language": "cy", "value": "Ci"}],
             "property": [{"code": "legs", "valueInteger": 4}]},
            {"code": "bird", "display": "Bird", "property": [{"code": "legs", "valueInteger": 2}]}]}]});
    for (element, value) in more.as_object().into_iter().flatten() {
        made = with(made, element, value.clone());
    }
    made
}

fn set(id: &str, system: &str, more: Value) -> Value {
    let mut made = json!({"resourceType": "ValueSet", "id": id, "url": format!("https://example.org/vs/{id}"),
        "status": "active", "compose": {"include": [{"system": format!("https://example.org/cs/{system}"),
            "filter": [{"property": "concept", "op": "descendent-of", "value": "animal"}]}]}});
    for (element, value) in more.as_object().into_iter().flatten() {
        made = with(made, element, value.clone());
    }
    made
}

fn map(id: &str, system: &str, more: Value) -> Value {
    let mut made = json!({"resourceType": "ConceptMap", "id": id, "url": format!("https://example.org/cm/{id}"),
        "status": "active", "group": [{"source": format!("https://example.org/cs/{system}"), "target": "urn:sounds",
            "element": [{"code": "dog", "target": [{"code": "woof", "equivalence": "relatedto"}]}]}]});
    for (element, value) in more.as_object().into_iter().flatten() {
        made = with(made, element, value.clone());
    }
    made
}

async fn over_what_is_stored(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, system) = (concord.patient("amina"), concord.system());
    system.store(&animals("farm", json!({}))).await;
    system.store(&set("farm", "farm", json!({}))).await;
    system.store(&map("farm", "farm", json!({}))).await;
    for place in ["ValueSet/farm/$expand", "ValueSet/$expand?url=https://example.org/vs/farm"] {
        let found = amina.get(place).await.expect(200).json();
        assert_eq!((codes(&found), text(&found, "/url")), (vec!["dog", "bird"], "https://example.org/vs/farm"));
        assert_eq!(text(&found, "/expansion/contains/0/version"), "2", "{found}");
        amina.post(place, &parameters(json!([{"name": "count", "valueInteger": 1}]))).await.expect(200);
    }
    let found = amina.get("ValueSet/farm/$expand?includeDesignations=true&displayLanguage=cy").await.expect(200).json();
    assert_eq!(text(&found, "/expansion/contains/0/display"), "Ci");
    assert_eq!(text(&found, "/expansion/contains/0/designation/0/value"), "Ci");
    amina.get("ValueSet/farm/$expand?url=https://example.org/vs/farm").await.expect(400);
    for (place, result) in [
        ("ValueSet/farm/$validate-code?code=dog", true),
        ("ValueSet/farm/$validate-code?code=animal", false),
        ("CodeSystem/farm/$validate-code?code=animal", true),
        ("CodeSystem/farm/$validate-code?code=cat", false),
        ("CodeSystem/$validate-code?url=https://example.org/cs/farm&version=2&code=dog&display=ci", true),
    ] {
        assert_eq!(told(&amina.get(place).await.expect(200).json(), "result"), &json!(result), "{place}");
    }
    amina.get("CodeSystem/$validate-code?url=https://example.org/cs/farm&version=9&code=dog").await.expect(422);
    let looked = amina.get("CodeSystem/$lookup?system=https://example.org/cs/farm&code=dog").await.expect(200).json();
    for words in ["It barks", "\"legs\"", "\"valueInteger\":4", "\"animal\"", "Ci"] {
        assert!(looked.to_string().contains(words), "{words}: {looked}");
    }
    let found = amina.get("CodeSystem/farm/$subsumes?codeA=animal&codeB=dog").await.expect(200).json();
    assert_eq!(told(&found, "outcome"), "subsumes");
    for place in
        ["ConceptMap/farm/$translate?code=dog", "ConceptMap/$translate?url=https://example.org/cm/farm&code=dog"]
    {
        assert!(amina.get(place).await.expect(200).json().to_string().contains("woof"), "{place}");
    }
    let nothing = amina.get("ConceptMap/farm/$translate?code=bird").await.expect(200).json();
    assert_eq!(told(&nothing, "result"), &json!(false));
    // What is stored under a name of R4's does not replace it; another version stands beside it.
    let own = json!({"resourceType": "ValueSet", "id": "own-gender", "status": "active",
        "url": "http://hl7.org/fhir/ValueSet/administrative-gender",
        "compose": {"include": [{"system": "urn:own", "concept": [{"code": "person"}]}]}});
    system.store(&with(own, "version", json!("99"))).await;
    let place = "ValueSet/$expand?url=http://hl7.org/fhir/ValueSet/administrative-gender";
    assert!(!codes(&amina.get(place).await.expect(200).json()).contains(&"person"));
    assert_eq!(codes(&amina.get(&format!("{place}%7C99")).await.expect(200).json()), ["person"]);
}

/// Every way to ask, with a name for what is asked about.
const PROBES: [&str; 13] = [
    "ValueSet/$expand?url=https://example.org/vs/NAME",
    "ValueSet/NAME/$expand",
    "ValueSet/$expand?url=ValueSet/NAME",
    "ValueSet/$validate-code?url=https://example.org/vs/NAME&code=dog",
    "ValueSet/NAME/$validate-code?code=dog",
    "CodeSystem/$validate-code?url=https://example.org/cs/NAME&code=dog",
    "CodeSystem/NAME/$validate-code?code=dog",
    "CodeSystem/$lookup?system=https://example.org/cs/NAME&code=dog",
    "CodeSystem/$subsumes?system=https://example.org/cs/NAME&codeA=animal&codeB=dog",
    "CodeSystem/NAME/$subsumes?codeA=animal&codeB=dog",
    "ConceptMap/$translate?url=https://example.org/cm/NAME&code=dog",
    "ConceptMap/NAME/$translate?code=dog",
    "Observation?code:in=https://example.org/vs/NAME",
];

/// What each way answers, without the name and what differs from one request to the next.
async fn answers(app: &App, name: &str) -> Vec<String> {
    let plain = |answer: &Answer| said(answer).replace(name, "NAME");
    let mut all = Vec::new();
    for probe in PROBES {
        all.push(plain(&app.get(&probe.replace("NAME", name)).await));
        if let Some((place, query)) = probe.split_once('?').filter(|_| probe.contains('$')) {
            // The same by POST, with a value set of the caller's own that is built on the one that is asked about.
            let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            let given: Vec<Value> = pairs
                .map(|(key, value)| match key {
                    "url" | "system" => json!({"name": key, "valueUri": value.replace("NAME", name)}),
                    _ => json!({"name": key, "valueCode": value}),
                })
                .collect();
            all.push(plain(&app.post(&place.replace("NAME", name), &parameters(json!(given))).await));
        }
    }
    for include in [
        json!({"valueSet": [format!("https://example.org/vs/{name}")]}),
        json!({"system": format!("https://example.org/cs/{name}")}),
    ] {
        let own = json!({"resourceType": "ValueSet", "status": "draft", "compose": {"include": [include]}});
        all.push(plain(&app.post("ValueSet/$expand", &own).await));
        let asked = json!([{"name": "valueSet", "resource": own}, {"name": "code", "valueCode": "dog"},
            {"name": "system", "valueUri": format!("https://example.org/cs/{name}")}]);
        all.push(plain(&app.post("ValueSet/$validate-code", &parameters(asked)).await));
    }
    all
}

async fn what_is_hidden_is_not_there(concord: &Concord) {
    people::arrive(concord).await;
    let system = concord.system();
    // An app that may see some of each type and no others.
    let scopes = ["ValueSet", "CodeSystem", "ConceptMap"].map(|name| format!("patient/{name}.rs?_id=open,half"));
    let amina = concord.patient_with("amina", &format!("patient/Observation.rs {}", scopes.join(" ")));
    let absent = answers(&amina, "secret").await;
    for id in ["open", "secret"] {
        system.store(&animals(id, json!({}))).await;
        system.store(&set(id, id, json!({}))).await;
        system.store(&map(id, id, json!({}))).await;
    }
    let (open, hidden) = (answers(&amina, "open").await, answers(&amina, "secret").await);
    assert_eq!(absent, hidden, "what is hidden is as if it were not there");
    for (place, (open, hidden)) in open.iter().zip(&hidden).enumerate() {
        assert_ne!(open, hidden, "what is open is told: {place}");
    }
    // To whom it is not hidden each tells of it as of what is open.
    assert_eq!(answers(&system, "open").await, answers(&system, "secret").await);
    // A value set that is open, over what is hidden.
    system.store(&set("half", "secret", json!({}))).await;
    amina.get("ValueSet/half/$expand").await.expect(422);
    system.get("ValueSet/half/$expand").await.expect(200);
    // Without a scope for the type, it is as if it were not there either.
    let app = concord.patient_with("amina", "patient/Observation.rs");
    assert_eq!(answers(&app, "open").await, answers(&app, "none").await);
    // What has been deleted is not there for anybody.
    for name in ["ValueSet", "ConceptMap", "CodeSystem"] {
        system.delete(&format!("{name}/secret")).await.expect(204);
    }
    assert_eq!(answers(&amina, "secret").await, absent);
}

async fn there_is_an_end(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, system) = (concord.patient("amina"), concord.system());
    let of = |id: &str, include: Value| {
        json!({"resourceType": "ValueSet", "id": id, "url": format!("https://example.org/vs/{id}"), "status": "active",
            "compose": {"include": include}})
    };
    system.store(&of("itself", json!([{"valueSet": ["https://example.org/vs/itself"]}]))).await;
    system.store(&of("one", json!([{"valueSet": ["https://example.org/vs/other"]}]))).await;
    system.store(&of("other", json!([{"valueSet": ["https://example.org/vs/one"]}]))).await;
    for place in [
        "ValueSet/itself/$expand",
        "ValueSet/$expand?url=https://example.org/vs/itself",
        "ValueSet/itself/$validate-code?system=x&code=1",
        "ValueSet/one/$expand",
        "ValueSet/$validate-code?url=https://example.org/vs/one&system=x&code=1",
    ] {
        let refused = amina.get(place).await.expect(422).issues();
        assert!(refused[0].2.contains("built on itself"), "{place}: {refused:?}");
    }
    let many: Vec<Value> = (0..10_001).map(|number| json!({"code": number.to_string()})).collect();
    system.store(&of("many", json!([{"system": "urn:many", "concept": many}]))).await;
    let refused = amina.get("ValueSet/many/$expand").await.expect(422).issues();
    assert!(refused[0].0 == "too-costly" && refused[0].2.contains("`count`"), "{refused:?}");
    let page = amina.get("ValueSet/many/$expand?count=3&offset=9999").await.expect(200).json();
    assert_eq!((codes(&page), &page["expansion"]["total"]), (vec!["9999", "10000"], &json!(10_001)));
    let found = amina.get("ValueSet/many/$validate-code?system=urn:many&code=10000").await.expect(200).json();
    assert_eq!(told(&found, "result"), &json!(true));
    let filtered = |op: &str, value: &str| {
        let filter = json!([{"property": "code", "op": op, "value": value}]);
        json!({"resourceType": "ValueSet", "status": "draft",
            "compose": {"include": [{"system": REASONS, "filter": filter}]}})
    };
    // Of one set, whatever it is made of, and wherever it stands.
    let parts = json!(vec![json!({"system": REASONS}); 1_001]);
    system.store(&of("parts", parts.clone())).await;
    let given = json!({"resourceType": "ValueSet", "status": "draft", "compose": {"include": parts}});
    for answer in [
        amina.post("ValueSet/$expand", &given).await,
        amina.get("ValueSet/parts/$expand").await,
        amina.get(&format!("ValueSet/parts/$validate-code?system={REASONS}&code=TREAT")).await,
    ] {
        assert_eq!(answer.expect(422).issues()[0].0, "too-costly");
    }
    for (op, value, code) in [
        ("regex", "((a{1,99}){1,99}){1,99}", "too-costly"),
        ("regex", "(a", "value"),
        ("=", "x", ""),
        ("regex", "(T|R)*(T|R)*(T|R)*x", ""),
    ] {
        let answer = amina.post("ValueSet/$expand", &filtered(op, value)).await;
        match code {
            "" => assert!(codes(&answer.expect(200).json()).is_empty(), "{value}"),
            code => assert_eq!(answer.expect(422).issues()[0].0, code, "{value}"),
        }
    }
}

async fn what_the_server_can_do(concord: &Concord) {
    let told = concord.nobody().get("/fhir/metadata?mode=terminology").await.expect(200).json();
    assert_eq!(text(&told, "/resourceType"), "TerminologyCapabilities");
    let systems = told["codeSystem"].as_array().expect("code systems");
    assert!(systems.len() > 1_000 && systems.iter().any(|one| one["uri"] == GENDER), "{}", systems.len());
    let problems = concord.system().post("TerminologyCapabilities/$validate", &told).await.expect(200).issues();
    // It has no narrative, which R4 advises.
    let is_advice = |(code, _, told): &(String, String, String)| code == "informational" || told.contains("(dom-6)");
    assert!(problems.iter().all(is_advice), "{problems:?}");
    let xml = concord.nobody().get("/fhir/metadata?mode=terminology&_format=xml").await.expect(200);
    assert!(xml.text().starts_with('<') || xml.text().contains("<TerminologyCapabilities"), "{xml}");
    let statement = concord.nobody().get("/fhir/metadata").await.expect(200).json().to_string();
    for operation in ["ValueSet-expand", "CodeSystem-lookup", "CodeSystem-subsumes", "ConceptMap-translate"] {
        assert!(statement.contains(operation), "{operation}");
    }
}

/// What was meant is said to who stores it, and to who asks.
async fn slips_are_told(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, system) = (concord.patient("amina"), concord.system());
    let reading = |coding: Value, quantity: Value| {
        json!({"resourceType": "Observation", "status": "final", "subject": {"reference": "Patient/amina"},
            "effectiveDateTime": "2026-11-30", "code": {"coding": [coding]}, "valueQuantity": quantity})
    };
    let weight = json!({"system": "http://loinc.org", "code": "29463-7"});
    let kilograms = json!({"value": 72, "system": "http://unitsofmeasure.org", "code": "kg"});
    amina.post("Observation", &reading(weight.clone(), kilograms.clone())).await.expect(201);
    let glucose = json!({"system": "http://loinc.org", "code": "15074-8"});
    let much = json!({"value": 115, "system": "http://unitsofmeasure.org", "code": "mmol/L"});
    for (odd, place, words) in [
        (
            reading(json!({"system": SNOMED, "code": "27113002"}), kilograms.clone()),
            "Observation.code.coding[0].code",
            "check digit",
        ),
        (reading(json!({"code": "29463-7"}), kilograms.clone()), "Observation.code.coding[0].code", "http://loinc.org"),
        (
            reading(json!({"system": "urn:oid:2.16.840.1.113883.6.96", "code": "27113001"}), kilograms.clone()),
            "Observation.code.coding[0].system",
            SNOMED,
        ),
        (
            reading(weight.clone(), with(kilograms.clone(), "code", json!("kgs"))),
            "Observation.valueQuantity.code",
            "`kg`",
        ),
        (reading(glucose, much), "Observation.value", "LOINC 2339-0"),
    ] {
        let stored = amina.post("Observation", &odd).header("prefer", "return=OperationOutcome").await.expect(201);
        let issues = stored.issues();
        assert!(issues.iter().any(|(_, at, said)| at == place && said.contains(words)), "{place} {words}: {issues:?}");
        assert!(stored.header("warning").contains("remark"), "{stored}");
        let asked = amina.post("Observation/$validate", &odd).await.expect(200).issues();
        assert!(asked.iter().any(|(_, at, said)| at == place && said.contains(words)), "{place}: {asked:?}");
    }
    let person = json!({"resourceType": "Patient", "maritalStatus": {"coding": [{"system": "urn:own", "code": "wed"}]},
        "identifier": [{"system": "http://fhir.nhs.uk/Id/nhs-number/", "value": "9000000009"}]});
    let asked = system.post("Patient/$validate", &person).await.expect(200).issues();
    let has = |place: &str, words: &str| asked.iter().any(|(_, at, said)| at == place && said.contains(words));
    assert!(has("Patient.identifier[0].system", "https://fhir.nhs.uk/Id/nhs-number"), "{asked:?}");
    assert!(has("Patient.maritalStatus", "marital-status"), "{asked:?}");
    let stored = system.post("Patient", &person).header("prefer", "return=OperationOutcome").await.expect(201).issues();
    assert!(!stored.iter().any(|(_, at, _)| at == "Patient.maritalStatus"), "only who asks hears of it: {stored:?}");
}

/// A server with a terminology server elsewhere.
async fn asking(database: Database, stub: &TerminologyStub) -> Concord {
    let scratch = Arc::new(Scratch::new(database));
    let setting = stub.setting(scratch.folder());
    Concord::start(scratch, Clock::fixed(START_MS), &[("CONCORD_TERMINOLOGY_SERVER", &setting)]).await
}

/// What is not here is told by the server elsewhere, from memory the next time; nothing but urls and codes leaves; when it
/// cannot be reached that is said, and nobody waits.
async fn elsewhere(database: Database) {
    let stub = TerminologyStub::start();
    let concord = asking(database, &stub).await;
    people::arrive(&concord).await;
    let (amina, system) = (concord.patient("amina"), concord.system());
    let kinds = ["73211009", "46635009", "44054006"];
    let expand = "ValueSet/$expand?url=https://fhir.nhs.uk/ValueSet/diabetes";
    assert_eq!(codes(&amina.get(expand).await.expect(200).json()), kinds);
    let asked = stub.asked();
    assert!(asked.len() == 2 && asked[0].starts_with("/token") && asked[1].contains("/ValueSet/"), "{asked:?}");
    // A word is compared here and never sent.
    let found = amina.get(&format!("{expand}&filter=Type")).await.expect(200).json();
    assert_eq!((codes(&found), stub.asked()), (vec!["46635009", "44054006"], vec![]), "from memory");
    // A value set that is stored here, of which the server elsewhere tells the part in SNOMED CT.
    let part = json!({"system": SNOMED, "filter": [{"property": "concept", "op": "is-a", "value": "73211009"}]});
    let both = json!([part, {"system": "urn:own", "concept": [{"code": "own"}]}]);
    system
        .store(&json!({"resourceType": "ValueSet", "id": "mixed", "url": "https://example.org/vs/mixed",
        "status": "active", "compose": {"include": both}}))
        .await;
    let found = amina.get("ValueSet/mixed/$expand").await.expect(200).json();
    assert_eq!(codes(&found), ["73211009", "46635009", "44054006", "own"]);
    for (code, result) in [("46635009", true), ("22298006", false)] {
        let place = format!("ValueSet/mixed/$validate-code?system={SNOMED}&code={code}");
        assert_eq!(told(&amina.get(&place).await.expect(200).json(), "result"), &json!(result), "{code}");
    }
    let looked = amina.get(&format!("CodeSystem/$lookup?system={SNOMED}&code=46635009")).await.expect(200).json();
    assert_eq!(told(&looked, "display"), "Type 1 diabetes");
    let place = format!("CodeSystem/$validate-code?url={SNOMED}&code=46635009&display=Amina%20Hussain");
    let found = amina.get(&place).await.expect(200).json();
    assert_eq!(told(&found, "result"), &json!(false), "what it is called is compared here: {found}");
    let place = format!("CodeSystem/$subsumes?system={SNOMED}&codeA=73211009&codeB=46635009");
    assert_eq!(told(&amina.get(&place).await.expect(200).json(), "outcome"), "subsumes");
    let place =
        format!("ConceptMap/$translate?system={SNOMED}&code=46635009&targetsystem=http://hl7.org/fhir/sid/icd-10");
    assert!(amina.get(&place).await.expect(200).json().to_string().contains("E10"));
    // Searches, also in a transaction and as a condition.
    let coded = json!({"coding": [{"system": SNOMED, "code": "46635009"}]});
    let mine = amina.create(&with(blood_pressure("amina", 120), "code", coded)).await;
    amina.create(&blood_pressure("amina", 121)).await;
    for query in [format!("code:below={SNOMED}|73211009"), "code:in=ValueSet/mixed".to_owned()] {
        assert_eq!(amina.get(&format!("Observation?{query}")).await.expect(200).ids(), [mine.as_str()], "{query}");
    }
    let condition = format!("Observation?patient=amina&code:below={SNOMED}|44054006");
    let amended = with(amina.get(&format!("Observation/{mine}")).await.expect(200).json(), "status", json!("amended"));
    amina.put(&condition, &amended).await.expect(200);
    let entry = json!({"request": {"method": "GET", "url": format!("Observation?code:below={SNOMED}|46635009")}});
    for kind in ["batch", "transaction"] {
        let bundle = json!({"resourceType": "Bundle", "type": kind, "entry": [entry]});
        amina.post("/fhir", &bundle).await.expect(200);
    }
    // What nobody lets out and what is no code is not asked.
    let _before = stub.asked();
    for place in [
        "ValueSet/$expand?url=https://own.example/ValueSet/x",
        "CodeSystem/$lookup?system=urn:own&code=1",
        "CodeSystem/$lookup?system=http://snomed.info/sct&code=Amina%20Hussain",
        "ValueSet/$validate-code?url=https://fhir.nhs.uk/ValueSet/diabetes&code=46635009",
    ] {
        amina.get(place).await.expect(422);
    }
    assert_eq!(stub.asked(), Vec::<String>::new());
    unreachable(&concord, &stub, &amina).await;
}

async fn unreachable(concord: &Concord, stub: &TerminologyStub, amina: &App) {
    stub.fail(true);
    let place = format!("CodeSystem/$lookup?system={SNOMED}&code=38341003");
    let refused = amina.get(&place).await.expect(503).issues();
    assert!(refused[0].0 == "transient" && refused[0].2.contains("cannot be reached"), "{refused:?}");
    assert!(!stub.asked().is_empty());
    // Nobody else asks for a while, and what was said before is still told.
    let refused = amina.get(&format!("Observation?code:below={SNOMED}|38341003")).await.expect(503).issues();
    assert!(refused[0].2.contains("`code`"), "{refused:?}");
    amina.get(&format!("CodeSystem/$lookup?system={SNOMED}&code=46635009")).await.expect(200);
    amina.get("ValueSet/$expand?url=http://hl7.org/fhir/ValueSet/administrative-gender").await.expect(200);
    assert_eq!(stub.asked(), Vec::<String>::new());
    let metrics = concord.nobody().get("/metrics").await.expect(200).text();
    assert!(metrics.contains("concord_terminology_reachable 0"), "{metrics}");
    assert!(!metrics.contains("concord_terminology_questions_total{outcome=\"failed\"} 0"), "{metrics}");
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
