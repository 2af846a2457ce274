//! Queries against the entries of a resource: what is found, what is refused, and in which words.

mod any_case;
mod chains;
mod filters;
mod properties;
mod refusals;

use super::{
    Handling, LONGEST_VALUE, MOST_ALTERNATIVES, MOST_PARAMETERS, Query, Sort, SortBy, Summary, Total, parse, parse_with,
};
use crate::index::{Entries, ParameterId, extract_under, from_json};
use crate::issue::{Issue, IssueCode};
use crate::predicate::{Predicate, Test};
use crate::registry::{
    Added, Index, Kind, Parameter, Registry, ResourceType, added_parameter, parameter_by_id, parameters,
};
use crate::terminology::Code;
use crate::value::of_codes;
use proptest::prelude::{any, prop, proptest};

const BASE: &str = "https://phr.example/fhir";
const NOW: i64 = 1_700_000_000_000;

fn of(name: &str) -> Option<ResourceType> {
    Some(ResourceType::parse(name).expect("a type"))
}

fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn query(resource_type: &str, pairs: &[(&str, &str)]) -> Query {
    parse(of(resource_type), &owned(pairs), Handling::Strict, NOW, BASE).expect("a query")
}

fn refusal(resource_type: &str, name: &str, value: &str) -> Issue {
    let refused = parse(of(resource_type), &owned(&[(name, value)]), Handling::Lenient, NOW, BASE);
    let mut issues = refused.expect_err(&format!("{name}={value} is refused"));
    assert_eq!(issues.len(), 1);
    issues.remove(0)
}

fn reading() -> Entries {
    let value = from_json(&serde_json::json!({
        "resourceType": "Observation",
        "meta": {
            "profile": ["https://fhir.hl7.org.uk/StructureDefinition/UKCore-Observation|2.5.0"],
            "tag": [{ "system": "http://example.org/tags", "code": "home" }],
            "source": "urn:app:one",
        },
        "identifier": [{ "system": "http://example.org/ids", "value": "a,b|c" }],
        "status": "final",
        "category": [{ "coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs",
        }] }],
        "code": { "coding": [{ "system": "http://loinc.org", "code": "85354-9" }, { "code": "local" }] },
        "subject": { "reference": "Patient/1" },
        "performer": [{ "identifier": { "system": "https://fhir.hl7.org.uk/Id/gmc-number", "value": "7654321" } }],
        "effectiveDateTime": "2023-03-05T07:30:00Z",
        "component": [
            {
                "code": { "coding": [{ "system": "http://loinc.org", "code": "8480-6" }] },
                "valueQuantity": { "value": 140, "system": "http://unitsofmeasure.org", "code": "mm[Hg]" },
            },
        ],
    }));
    extract_under(BASE, of("Observation").expect("a type"), "bp-1", 1_678_001_400_000, &value)
}

fn person() -> Entries {
    let value = from_json(&serde_json::json!({
        "resourceType": "Patient",
        "name": [{ "family": "O'Neill", "given": ["Siân"] }],
        "telecom": [{ "system": "email", "value": "sian@example.org" }, { "system": "phone", "value": "07700 900123" }],
        "gender": "female",
        "birthDate": "1974-12-25",
        "address": [{ "line": ["1 High St."], "city": "Leeds", "postalCode": "LS1 4AP" }],
    }));
    extract_under(BASE, of("Patient").expect("a type"), "1", 0, &value)
}

fn found_among(all: &[Entries], resource_type: &str, pairs: &[(&str, &str)]) -> Vec<String> {
    let asked = query(resource_type, pairs).predicate;
    let of_type = all.iter().filter(|one| one.resource_type.name() == resource_type);
    of_type.filter(|one| asked.holds_among(one, all)).map(|one| one.id.clone()).collect()
}

/// A patient with a reading, one without, the reading's provenance, a questionnaire and an answer to it, and a list.
fn household() -> Vec<Entries> {
    let entries = |json: serde_json::Value| {
        let value = from_json(&json);
        let resource_type = of(value.text("resourceType").expect("a type")).expect("a type");
        extract_under(BASE, resource_type, value.text("id").expect("an id"), 0, &value)
    };
    let to = |reference: &str| serde_json::json!({ "reference": reference });
    vec![
        reading(),
        person(),
        entries(serde_json::json!({ "resourceType": "Patient", "id": "2", "gender": "male",
            "generalPractitioner": [to("Practitioner/gp")] })),
        entries(serde_json::json!({ "resourceType": "Practitioner", "id": "gp", "name": [{ "family": "Okafor" }] })),
        entries(serde_json::json!({ "resourceType": "Observation", "id": "two", "status": "final",
            "code": { "coding": [{ "code": "local" }] }, "subject": to("Patient/2") })),
        entries(serde_json::json!({ "resourceType": "Provenance", "id": "p",
            "target": [to("Observation/bp-1/_history/1")], "agent": [{ "who": to("Patient/1") }] })),
        entries(
            serde_json::json!({ "resourceType": "Questionnaire", "id": "q", "url": "http://example.org/q", "version": "2",
            "status": "active" }),
        ),
        entries(serde_json::json!({ "resourceType": "QuestionnaireResponse", "id": "a", "status": "completed",
            "questionnaire": "http://example.org/q|2" })),
        entries(serde_json::json!({ "resourceType": "List", "id": "l", "status": "current", "mode": "working",
            "entry": [{ "item": to("Observation/two") }] })),
    ]
}

fn finds(entries: &Entries, name: &str, value: &str) -> bool {
    query(entries.resource_type.name(), &[(name, value)]).predicate.holds(entries)
}

#[test]
fn a_reading_is_found_by_what_it_says() {
    let reading = reading();
    for (name, value) in [
        ("code", "85354-9"),
        ("code", "http://loinc.org|85354-9"),
        ("code", "http://loinc.org|"),
        ("code", "|local"),
        ("code", "x,85354-9"),
        ("code:not", "8480-6"),
        ("combo-code", "8480-6"),
        ("component-value-quantity", "ge140|http://unitsofmeasure.org|mm[Hg]"),
        ("component-value-quantity", "140||mm[Hg]"),
        ("category", "vital-signs"),
        ("status", "final,amended"),
        ("patient", "1"),
        ("patient", "Patient/1"),
        ("subject", "https://phr.example/fhir/Patient/1"),
        ("subject:Patient", "1"),
        ("subject", "1"),
        ("performer:identifier", "https://fhir.hl7.org.uk/Id/gmc-number|7654321"),
        ("performer:missing", "false"),
        ("date", "2023-03-05"),
        ("date", "2023"),
        ("date", "ge2023-03-05T07:30:00Z"),
        ("date", "sa2023-03-04"),
        ("date", "ap2023-03-06"),
        ("identifier", r"http://example.org/ids|a\,b\|c"),
        ("value-quantity:missing", "true"),
        ("_id", "x,bp-1"),
        ("_lastUpdated", "2023-03-05"),
        ("_lastUpdated", "gt2023-03-04"),
        ("_lastUpdated", "ne2023-03-04"),
        ("_lastUpdated", "ap2023-03-06"),
        ("_tag", "http://example.org/tags|home"),
        ("_profile", "https://fhir.hl7.org.uk/StructureDefinition/UKCore-Observation"),
        ("_profile:below", "https://fhir.hl7.org.uk/StructureDefinition"),
        ("_source", "urn:app:one"),
        ("_security:missing", "true"),
    ] {
        assert!(finds(&reading, name, value), "{name}={value}");
    }
}

#[test]
fn a_reading_is_found_by_values_that_belong_together() {
    let value = from_json(&serde_json::json!({
        "resourceType": "Observation",
        "identifier": [{
            "type": { "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR" }] },
            "value": "12345",
        }],
        "code": { "coding": [{ "system": "http://loinc.org", "code": "15074-8", "display": "Glucose [Moles/volume]" }],
            "text": "Blood sugar" },
        "valueQuantity": { "value": 5.5, "system": "http://unitsofmeasure.org", "code": "mmol/L" },
        "component": [
            { "code": { "coding": [{ "code": "a" }] },
              "valueCodeableConcept": { "coding": [{ "system": "s", "code": "x" }] } },
            { "code": { "coding": [{ "code": "b" }] }, "valueQuantity": { "value": 70, "unit": "kg" } },
        ],
    }));
    let glucose = extract_under(BASE, of("Observation").expect("a type"), "g", 0, &value);
    for (name, value) in [
        ("code-value-quantity", "http://loinc.org|15074-8$5.5"),
        ("code-value-quantity", "15074-8$gt5|http://unitsofmeasure.org|mmol/L"),
        ("code-value-quantity", "15074-8$5500||umol/L"),
        ("code-value-quantity", "http://loinc.org|$ge5.5||mmol/L"),
        ("code-value-quantity", "x$1,15074-8$lt6"),
        ("combo-code-value-quantity", "15074-8$5.5"),
        ("combo-code-value-quantity", "b$70||kg"),
        ("component-code-value-concept", "a$x"),
        ("component-code-value-concept", "a$s|x"),
        ("component-code-value-concept", "a$s|"),
        ("component-code-value-concept:missing", "false"),
        ("value-quantity", "5500|http://unitsofmeasure.org|umol/L"),
        ("value-quantity", "gt5400||umol/L"),
        ("value-quantity", "ap0.0055||mol/L"),
        ("code:text", "blood"),
        ("code:text", "GLUCOSE moles"),
        ("identifier:of-type", "http://terminology.hl7.org/CodeSystem/v2-0203|MR|12345"),
    ] {
        assert!(finds(&glucose, name, value), "{name}={value}");
    }
    for (name, value) in [
        ("code-value-quantity", "15074-8$gt6"),
        ("code-value-quantity", "15074$5.5"),
        ("code-value-quantity", "15074-8$5.5||mol/L"),
        ("combo-code-value-quantity", "b$5.5"),
        ("component-code-value-concept", "b$x"),
        ("component-code-value-concept", "a$y"),
        ("component-code-value-quantity", "a$70"),
        ("value-quantity", "gt5500||umol/L"),
        ("value-quantity", "5.5||mg/dL"),
        ("value-quantity", "0.0055"),
        ("code:text", "sugar"),
        ("identifier:of-type", "http://terminology.hl7.org/CodeSystem/v2-0203|MR|123"),
    ] {
        assert!(!finds(&glucose, name, value), "{name}={value}");
    }
}

#[test]
fn a_reading_is_not_found_by_what_it_does_not_say() {
    let reading = reading();
    for (name, value) in [
        ("code", "85354"),
        ("code", "http://snomed.info/sct|85354-9"),
        ("code", "|85354-9"),
        ("code:not", "85354-9"),
        ("component-value-quantity", "gt140"),
        ("component-value-quantity", "140||kPa"),
        ("patient", "2"),
        ("subject", "Group/1"),
        ("subject", "https://other.example/fhir/Patient/1"),
        ("performer", "Patient/1"),
        ("performer:missing", "true"),
        ("date", "2023-03-06"),
        ("date", "lt2023-03-05"),
        ("date:missing", "true"),
        ("_id", "bp-2"),
        ("_lastUpdated", "lt2023-03-05"),
        ("_id:missing", "true"),
        ("_profile:below", "https://fhir.hl7.org.uk/StructureDefinition/UKCore"),
    ] {
        assert!(!finds(&reading, name, value), "{name}={value}");
    }
}

#[test]
fn a_person_is_found_by_name_address_and_telecom() {
    let person = person();
    for (name, value) in [
        ("name", "sian"),
        ("name", "ONEILL"),
        ("family", "o’n"),
        ("name:contains", "neil"),
        ("name:exact", "Siân"),
        ("address", "leeds"),
        ("address", "1 high st"),
        ("address-postalcode", "ls1"),
        ("email", "sian@example.org"),
        ("telecom", "07700 900123"),
        ("gender", "female"),
        ("birthdate", "1974"),
        ("birthdate", "le1974-12-25"),
        ("deceased", "false"),
    ] {
        assert!(finds(&person, name, value), "{name}={value}");
    }
    for (name, value) in [
        ("name", "neill"),
        ("name:exact", "Sian"),
        ("phone", "sian@example.org"),
        ("deceased", "true"),
        ("gender:not", "female"),
    ] {
        assert!(!finds(&person, name, value), "{name}={value}");
    }
}

#[test]
fn repeated_parameters_must_all_be_met() {
    let reading = reading();
    let both = query("Observation", &[("date", "ge2023-01-01"), ("date", "lt2023-02-01")]);
    assert!(!both.predicate.holds(&reading));
}

#[test]
fn parameters_of_the_answer_are_kept_apart() {
    let query = query(
        "Observation",
        &[
            ("_sort", "-date,_id"),
            ("_count", "20"),
            ("_total", "accurate"),
            ("_summary", "text"),
            ("_elements", "code,value[x]"),
            ("_cursor", "abc"),
            ("_format", "json"),
        ],
    );
    let by_date = Sort { by: SortBy::Range(ParameterId::of("Observation.date")), descending: true };
    assert_eq!(query.sort, [by_date, Sort { by: SortBy::Id, descending: false }]);
    assert_eq!(query.count, Some(20));
    assert_eq!(query.total, Total::Accurate);
    assert_eq!(query.summary, Some(Summary::Text));
    assert_eq!(query.elements, ["code", "value[x]"]);
    assert_eq!(query.cursor.as_deref(), Some("abc"));
    let used: Vec<_> = query.used.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(used, ["_sort", "_count", "_total", "_summary", "_elements", "_format"]);
    assert_eq!(query.predicate, Predicate::All);
}

fn is_bare(parameter: ParameterId) -> bool {
    parameter_by_id(parameter).is_some_and(Parameter::is_of_bare_codes)
}

#[test]
fn codes_that_are_to_be_looked_up_are_nothing_until_then() {
    use crate::terminology::Codes;
    let asked = query("Observation", &[("code:in", "http://example.org/vs|2")]).predicate;
    let set = Codes::In("http://example.org/vs|2".to_owned());
    assert_eq!(asked, Predicate::Coded(ParameterId::of("Observation.code"), set));
    assert!(!asked.holds(&reading()));
    let filtered = query("Observation", &[("_filter", "code in http://example.org/vs|2")]).predicate;
    assert_eq!(filtered, asked);
    let below = query("Observation", &[("code:below", "http://loinc.org|1")]).predicate;
    assert_eq!(query("Observation", &[("_filter", "code sb http://loinc.org|1")]).predicate, below);
    let deep = query("Patient", &[("_has:Observation:subject:code:below", "http://loinc.org|1")]).predicate;
    let not_in = query("Observation", &[("code:not-in", "http://example.org/vs")]).predicate;
    let mut seen = Vec::new();
    let codes = [Code { system: "http://loinc.org".to_owned(), code: "85354-9".to_owned() }];
    let mut look_up = |parameter: ParameterId, codes_of: &Codes| -> Result<Test, ()> {
        seen.push(codes_of.to_string());
        Ok(of_codes(is_bare(parameter), codes.iter()))
    };
    assert!(asked.settled(&mut look_up).expect("settled").holds(&reading()));
    assert!(!not_in.settled(&mut look_up).expect("settled").holds(&reading()));
    let deep = deep.settled(&mut look_up).expect("settled");
    assert!(deep.holds_among(&person(), &[reading(), person()]));
    assert_eq!(seen.len(), 3);
    // A code that says no system is compared without one.
    let status = ParameterId::of("Observation.status");
    let codes = [Code { system: "http://hl7.org/fhir/observation-status".to_owned(), code: "final".to_owned() }];
    assert!(Predicate::Entry(status, of_codes(is_bare(status), codes.iter())).holds(&reading()));
}

#[test]
fn a_composite_of_a_token_and_a_span() {
    let value = from_json(&serde_json::json!({ "resourceType": "MolecularSequence", "id": "m", "coordinateSystem": 0,
        "referenceSeq": { "windowStart": 128273724, "windowEnd": 128273740, "chromosome": { "coding": [{ "code": "8" }] } },
        "variant": [{ "start": 10, "end": 20 }, { "start": 128273732, "end": 128273736 }] }));
    let entries = extract_under(BASE, of("MolecularSequence").expect("a type"), "m", 0, &value);
    let found = |name: &str, text: &str| query("MolecularSequence", &[(name, text)]).predicate.holds(&entries);
    let variant = "chromosome-variant-coordinate";
    assert!(found(variant, "8$128273732$128273736") && found(variant, "8$gt5$lt25"));
    assert!(!found(variant, "9$10$20") && !found(variant, "8$10$128273736"), "both ends are of one variant");
    assert!(found("chromosome-window-coordinate", "8$ge128273724$le128273740"));
    for bad in ["8", "8$1", "8$1$2$3", "8$$2", "8$x$2"] {
        assert_eq!(refusal("MolecularSequence", variant, bad).code, IssueCode::Value, "{bad}");
    }
}

#[test]
fn an_answer_can_be_sorted_by_every_kind_but_composites() {
    let sort = |text: &str| query("Observation", &[("_sort", text)]).sort.first().map(|sort| sort.by);
    let of = ParameterId::of;
    assert_eq!(sort("subject"), Some(SortBy::Key(of("Observation.subject"))));
    assert_eq!(sort("-value-quantity"), Some(SortBy::Range(of("Observation.value-quantity"))));
    assert_eq!(sort("_profile"), Some(SortBy::Key(of("_profile"))));
    assert_eq!(sort("_source"), Some(SortBy::Key(of("_source"))));
}

#[test]
fn all_types_are_searched_by_what_they_share() {
    let pairs = owned(&[("_type", "Observation,Goal"), ("_lastUpdated", "2023"), ("_tag", "home")]);
    let query = parse(None, &pairs, Handling::Strict, NOW, BASE).expect("a query");
    assert!(query.predicate.holds(&reading()));
    assert!(!query.predicate.holds(&person()));
    assert!(parse(None, &owned(&[("code", "1")]), Handling::Strict, NOW, BASE).is_err());
    assert!(parse(None, &owned(&[("_type", "Gaol")]), Handling::Lenient, NOW, BASE).is_err());
}

#[test]
fn several_types_are_searched_by_what_they_share() {
    let several = |pairs: &[(&str, &str)]| parse(None, &owned(pairs), Handling::Strict, NOW, BASE);
    let asked = several(&[("patient", "1"), ("_type", "Observation,Goal")]).expect("a query");
    assert!(asked.predicate.holds(&reading()) && !asked.predicate.holds(&person()));
    assert_eq!(asked.searched_types().len(), 2);
    let single = several(&[("code", "85354-9"), ("_type", "Observation")]).expect("a query");
    assert_eq!(single.resource_type, of("Observation"));
    assert!(single.predicate.holds(&reading()));
    assert!(several(&[("_type", "Observation,Goal"), ("component-code", "1")]).is_err());
    assert!(several(&[("_type", "Observation"), ("_type", "Goal")]).is_err());
    assert!(several(&[("_type", "")]).is_err());
    assert!(several(&[("subject.name", "x")]).is_err());
    assert!(several(&[("_type", "Observation,Goal"), ("subject:Patient.name", "x")]).is_ok());
}

#[test]
fn what_was_added_is_searched_by_once_it_is_whole() {
    let registry = |index: Index| {
        let row = "taken-by reference Practitioner note.authorReference:Reference";
        let added = Added { url: "http://example.org/p".into(), number: 5, index };
        let parameter = added_parameter(of("Observation").expect("a type"), row, added).expect("a parameter");
        Registry::with(7, vec![parameter])
    };
    let read = |index: Index, resource_type: &str, name: &str, value: &str| {
        let pairs = owned(&[(name, value)]);
        parse_with(&registry(index), of(resource_type), &pairs, Handling::Strict, NOW, BASE)
    };
    let forms = [
        ("Observation", "taken-by", "Practitioner/1"),
        ("Observation", "taken-by:missing", "true"),
        ("Observation", "taken-by.family", "x"),
        ("Observation", "_sort", "taken-by"),
        ("Observation", "_include", "Observation:taken-by"),
        ("Observation", "_filter", "taken-by re Practitioner/1"),
        ("Practitioner", "_has:Observation:taken-by:status", "final"),
        ("Practitioner", "_revinclude", "Observation:taken-by"),
    ];
    for (resource_type, name, value) in forms {
        let found = read(Index::Whole, resource_type, name, value).expect("a query");
        assert_eq!(found.registry, Some(7), "{name}");
        for (index, told) in [(Index::Missing, "not been begun"), (Index::Begun(40), "40 %")] {
            let refused = read(index, resource_type, name, value).expect_err("not yet");
            assert_eq!(refused[0].code, IssueCode::NotSupported, "{name}");
            assert!(refused[0].text.contains(told) && refused[0].text.contains("taken-by"), "{}", refused[0].text);
        }
        let pairs = owned(&[(name, value)]);
        assert!(parse(of(resource_type), &pairs, Handling::Strict, NOW, BASE).is_err(), "{name}");
    }
    assert_eq!(read(Index::Whole, "Observation", "code", "x").expect("a query").registry, None);
}

#[test]
fn a_bare_code_may_be_asked_for_with_the_system_that_its_element_implies() {
    let value = from_json(&serde_json::json!({"resourceType": "Patient", "gender": "female", "active": true,
        "address": [{"use": "home"}]}));
    let patient = extract_under(BASE, of("Patient").expect("a type"), "1", 0, &value);
    for (name, value, wanted) in [
        ("gender", "http://hl7.org/fhir/administrative-gender|female", true),
        ("gender", "http://hl7.org/fhir/administrative-gender|male", false),
        ("gender", "http://hl7.org/fhir/administrative-gender|male,female", true),
        ("gender:not", "http://hl7.org/fhir/administrative-gender|female", false),
        ("gender", "http://example.org/gender|female", false),
        ("gender", "http://hl7.org/fhir/address-use|home", false),
        ("gender", "|female", true),
        ("address-use", "http://hl7.org/fhir/address-use|home", true),
        ("address-use", "http://hl7.org/fhir/address-use|work", false),
    ] {
        assert_eq!(finds(&patient, name, value), wanted, "{name}={value}");
    }
}
