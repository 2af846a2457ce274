//! Queries against the entries of a resource: what is found, what is refused, and in which words.

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
fn a_filter_joins_tests() {
    let (reading, person) = (reading(), person());
    for filter in [
        "status eq final",
        "status eq final and code eq http://loinc.org|85354-9",
        "status eq draft or date ge 2023-01-01",
        "not (status eq draft)",
        "(status eq draft or status eq final) and not(code eq x)",
        "subject eq Patient/1",
        "patient re Patient/1",
        "code ne local",
        "status pr true and value-quantity pr false",
        "date po 2023-03-05 and date sa 2023-03-04 and date lt 2024",
        "_id eq bp-1 and _lastUpdated gt 2023-03-04",
        "status eq draft and status eq final or code eq local",
        "_tag eq \"http://example.org/tags|home\"",
        "_source sb urn:app:one",
    ] {
        assert!(finds(&reading, "_filter", filter), "{filter}");
    }
    for filter in ["status eq draft", "status ne final", "not(status eq final)", "code eq local and status eq draft"] {
        assert!(!finds(&reading, "_filter", filter), "{filter}");
    }
    for filter in [
        "name co \"ia\"",
        "family sw ONE",
        "family ew neill",
        "given eq sian",
        "given ne siana",
        "address-city eq \"Leeds\"",
    ] {
        assert!(finds(&person, "_filter", filter), "{filter}");
    }
    for filter in ["given eq sia", "family ew ne", "given ne sian", "name co x"] {
        assert!(!finds(&person, "_filter", filter), "{filter}");
    }
    let all = household();
    assert_eq!(
        found_among(&all, "Observation", &[("_filter", "patient.name co \"ia\" and status eq final")]),
        ["bp-1"]
    );
    assert_eq!(found_among(&all, "Patient", &[("_filter", "_has:Observation:patient:code eq local")]), ["1", "2"]);
}

#[test]
fn a_filter_that_is_not_understood_is_refused() {
    let deep = format!("{}status eq final{}", "(".repeat(30), ")".repeat(30));
    let many = ["status eq final"; 60].join(" or ");
    for (filter, code) in [
        ("status", IssueCode::Value),
        ("status eq", IssueCode::Value),
        ("status is final", IssueCode::Value),
        ("status eq final)", IssueCode::Value),
        ("(status eq final", IssueCode::Value),
        ("status eq final and", IssueCode::Value),
        ("status eq \"final", IssueCode::Value),
        ("status eq final status eq draft", IssueCode::Value),
        ("colour eq red", IssueCode::Value),
        ("status:not eq final", IssueCode::Value),
        ("date eq ge2020", IssueCode::Value),
        ("date eq never", IssueCode::Value),
        ("status pr perhaps", IssueCode::Value),
        ("status co fin", IssueCode::NotSupported),
        ("value-string in http://example.org/vs", IssueCode::NotSupported),
        ("related[type eq x].target eq y", IssueCode::NotSupported),
        (&deep, IssueCode::TooCostly),
        (&many, IssueCode::TooCostly),
    ] {
        let issue = refusal("Observation", "_filter", filter);
        assert_eq!(issue.code, code, "{filter}: {}", issue.text);
        assert!(issue.text.contains("`_filter`"), "{}", issue.text);
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

#[test]
fn an_unknown_parameter_is_refused_or_ignored_and_named() {
    let pairs = owned(&[("colour", "red"), ("code", "1")]);
    let strict = parse(of("Observation"), &pairs, Handling::Strict, NOW, BASE).expect_err("refused");
    assert_eq!(strict[0].text, "search parameter `colour`: Observation has no search parameter `colour`");
    let lenient = parse(of("Observation"), &pairs, Handling::Lenient, NOW, BASE).expect("a query");
    assert_eq!(lenient.ignored[0].0, "colour");
    assert_eq!(lenient.used, owned(&[("code", "1")]));
}

#[test]
fn what_is_known_and_wrong_is_always_refused() {
    for (name, value) in [
        ("date", "2020-13"),
        ("date", "xx2020"),
        ("date", "2020-01-01,"),
        ("code", ""),
        ("code", "|"),
        ("code", "a|b|c"),
        ("code:blue", "a"),
        ("status:missing", "maybe"),
        ("subject", "#a"),
        ("subject:Organization", "1"),
        ("subject:Patient", "Group/1"),
        ("value-quantity", "high"),
        ("value-quantity", "5||mg|x"),
        ("value-string", "--"),
        ("_id", "a b"),
        ("_lastUpdated", "yesterday"),
        ("_count", "-1"),
        ("_count", "+1"),
        ("_count", "99999999999"),
        ("_count", ""),
        ("_total", "some"),
        ("_summary", "yes"),
        ("_elements", "a,,b"),
        ("_sort", "colour"),
        ("_sort", "date,-date"),
        ("_sort", ""),
        ("_cursor", ""),
        ("code", "a\u{1f}b"),
        ("code-value-quantity", "1"),
        ("code-value-quantity", "1$"),
        ("code-value-quantity", "1$2$3"),
        ("code-value-quantity", "1$x"),
        ("identifier:of-type", "a|b"),
        ("code:in", ""),
        ("code:not-in", "http://example.org/vs,"),
        ("code:below", "1"),
        ("code:above", "http://loinc.org|"),
        ("_explain", "yes"),
        ("_text", "-"),
    ] {
        let issue = refusal("Observation", name, value);
        assert_eq!(issue.code, IssueCode::Value, "{name}={value}: {}", issue.text);
        assert!(issue.text.contains(&format!("`{}`", name)), "{}", issue.text);
    }
    for name in ["_count", "_cursor"] {
        let twice = parse(of("Goal"), &owned(&[(name, "1"), (name, "2")]), Handling::Lenient, NOW, BASE);
        let text = format!("search parameter `{name}`: it may be given only once");
        assert_eq!(twice.expect_err("refused")[0].text, text);
    }
}

#[test]
fn what_is_not_supported_is_refused_by_name() {
    for (name, value) in [
        ("_contained", "true"),
        ("_query", "pain"),
        ("_type", "Goal"),
        ("date:exact", "2020"),
        ("_id:not", "a"),
        ("_id:in", "http://example.org/vs"),
        ("subject:below", "Patient/1"),
        ("_sort", "code-value-quantity"),
    ] {
        let issue = refusal("Observation", name, value);
        assert_eq!(issue.code, IssueCode::NotSupported, "{name}: {}", issue.text);
        assert!(issue.text.contains(&format!("`{name}`")), "{}", issue.text);
    }
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
fn a_query_has_limits() {
    let many: Vec<_> = (0..=MOST_PARAMETERS).map(|_| ("code".to_owned(), "1".to_owned())).collect();
    assert!(parse(of("Goal"), &many, Handling::Lenient, NOW, BASE).is_err());
    assert_eq!(refusal("Observation", "code", &"a,".repeat(MOST_ALTERNATIVES)).code, IssueCode::TooCostly);
    assert_eq!(refusal("Observation", "code", &"a".repeat(LONGEST_VALUE + 1)).code, IssueCode::TooLong);
    let long_name = "a".repeat(1_000);
    let refused = parse(of("Goal"), &owned(&[(&long_name, "1")]), Handling::Lenient, NOW, BASE);
    assert!(refused.expect_err("refused")[0].text.len() < 200);
}

#[test]
fn every_problem_is_listed() {
    let pairs = owned(&[("date", "x"), ("_count", "y"), ("_include", "z")]);
    let issues = parse(of("Observation"), &pairs, Handling::Lenient, NOW, BASE).expect_err("refused");
    assert_eq!(issues.len(), 3);
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
        entries(serde_json::json!({ "resourceType": "Questionnaire", "id": "q", "url": "http://example.org/q",
            "status": "active" })),
        entries(serde_json::json!({ "resourceType": "QuestionnaireResponse", "id": "a", "status": "completed",
            "questionnaire": "http://example.org/q|2" })),
        entries(serde_json::json!({ "resourceType": "List", "id": "l", "status": "current", "mode": "working",
            "entry": [{ "item": to("Observation/two") }] })),
    ]
}

#[test]
fn chains_lead_through_other_resources() {
    let all = household();
    let found = |resource_type: &str, name: &str, value: &str| found_among(&all, resource_type, &[(name, value)]);
    assert_eq!(found("Observation", "subject:Patient.name", "sian"), ["bp-1"]);
    assert_eq!(found("Observation", "subject.name", "sian"), ["bp-1"]);
    assert_eq!(found("Observation", "patient.gender", "male"), ["two"]);
    assert_eq!(found("Observation", "patient.gender:not", "male"), ["bp-1"]);
    assert_eq!(found("Observation", "patient._id", "1,2"), ["bp-1", "two"]);
    assert_eq!(found("Observation", "patient.general-practitioner:Practitioner.family", "okafor"), ["two"]);
    assert_eq!(found("Observation", "patient.general-practitioner:missing", "true"), ["bp-1"]);
    assert_eq!(found("Provenance", "target:Observation.patient.name:exact", "Siân"), ["p"]);
    assert_eq!(found("QuestionnaireResponse", "questionnaire.status", "active"), ["a"]);
    assert_eq!(found("Observation", "patient.name", "okafor"), [""; 0]);
}

#[test]
fn reverse_chains_and_lists_lead_back() {
    let all = household();
    let found = |resource_type: &str, name: &str, value: &str| found_among(&all, resource_type, &[(name, value)]);
    assert_eq!(found("Patient", "_has:Observation:patient:code", "85354-9"), ["1"]);
    assert_eq!(found("Patient", "_has:Observation:patient:_id", "two,bp-1"), ["1", "2"]);
    assert_eq!(found("Observation", "_has:Provenance:target:agent", "Patient/1"), ["bp-1"]);
    assert_eq!(found("Patient", "_has:Observation:patient:_has:Provenance:target:agent", "Patient/1"), ["1"]);
    assert_eq!(found("Observation", "patient._has:Observation:subject:status", "final"), ["bp-1", "two"]);
    assert_eq!(found("Questionnaire", "_has:QuestionnaireResponse:questionnaire:status", "completed"), ["q"]);
    assert_eq!(found("Observation", "_list", "l"), ["two"]);
    assert_eq!(found("Observation", "_list", "other"), [""; 0]);
}

#[test]
fn a_hop_that_may_not_be_made_finds_nothing_under_any_negation() {
    let all = household();
    let asked = |name: &str, value: &str| query("Observation", &[(name, value)]).predicate;
    let never = &mut |_: ResourceType| Ok::<_, ()>(Predicate::None);
    let only_two = &mut |_: ResourceType| Ok::<_, ()>(Predicate::Id(vec!["2".to_owned()]));
    assert_eq!(asked("patient.gender", "male").at_hops(never), Ok(Predicate::None));
    assert_eq!(asked("patient.gender", "male").negate().at_hops(never), Ok(Predicate::All));
    let female = asked("patient.gender:not", "male").at_hops(only_two).expect("no error");
    assert!(!all.iter().any(|one| female.holds_among(one, &all)));
    let deep = asked("patient._has:Observation:patient:code", "85354-9").at_hops(never);
    assert_eq!(deep, Ok(Predicate::None));
    assert!(asked("patient.gender", "male").has_hops() && !asked("code", "1").has_hops());
}

#[test]
fn a_chain_that_leads_nowhere_is_refused() {
    for (name, value, why) in [
        ("code.name", "a", "leads to no resource"),
        ("subject:Organization.name", "a", "never refers to Organization"),
        ("subject:Nobody.name", "a", "is not a resource type"),
        ("subject.colour", "a", "no search parameter `colour`"),
        ("subject:Patient.birthdate", "2020-13", "not a date"),
        ("focus.status", "final", "name one"),
        ("_has:Observation", "a", "has the form"),
        ("_has:Observation:patient", "a", "has the form"),
        ("_has:Nobody:patient:code", "a", "is not a resource type"),
        ("_has:Goal:colour:code", "a", "no search parameter `colour`"),
        ("_has:Goal:subject:status", "a", "never refers to Observation"),
        ("_has:Goal:lifecycle-status:status", "a", "leads to no resource"),
        ("_list", "a b", "not the id of a List"),
        ("_include", "Observation", "the form"),
        ("_include", "Observation:code", "no reference parameter"),
        ("_include", "Nobody:code", "is not a resource type"),
        ("_include", "Goal:subject", "no Goal is among the matches"),
        ("_include", "Observation:subject:Organization", "never refers to Organization"),
        ("_include", "Observation:subject:Patient:x", "the form"),
        ("_include:recurse", "Observation:subject", "the only modifier"),
    ] {
        let issue = refusal("Observation", name, value);
        assert_eq!(issue.code, IssueCode::Value, "{name}={value}: {}", issue.text);
        assert!(issue.text.contains(why) && issue.text.contains(&format!("`{name}`")), "{}", issue.text);
    }
    assert_eq!(refusal("Observation", "_list", "$current-problems").code, IssueCode::NotSupported);
    let deep = format!("{}_id", "part-of.".repeat(super::MOST_HOPS + 1));
    assert_eq!(refusal("Encounter", &deep, "1").code, IssueCode::TooCostly);
    let wide = "based-on.subject.organization.partof.name";
    let narrow = query("CarePlan", &[("based-on.subject:Patient.organization.partof.name", "x")]);
    assert!(narrow.predicate.has_hops());
    assert!(
        parse(of("ServiceRequest"), &owned(&[(wide, "x")]), Handling::Strict, NOW, BASE)
            .is_ok_and(|found| { found.predicate.has_hops() })
    );
}

#[test]
fn includes_are_read() {
    let asked = query(
        "Observation",
        &[
            ("_include", "Observation:subject:Patient"),
            ("_include", "*"),
            ("_include:iterate", "Patient:general-practitioner"),
            ("_revinclude", "Provenance:target"),
            ("_revinclude", "Communication:*"),
            ("_revinclude", "Communication:*"),
        ],
    );
    assert_eq!(asked.include.len(), 5);
    assert_eq!(asked.predicate, Predicate::All);
    assert!(asked.include[2].iterate && !asked.include[2].reverse);
    assert!(asked.include[3].reverse && asked.include[3].source == of("Provenance"));
    assert_eq!(asked.include[0].target, of("Patient"));
    assert_eq!(asked.include[4].parameter, None);
}

#[test]
fn a_compartment_is_what_the_parameters_link() {
    let all = household();
    let asked = query("Observation", &[("status", "final")]).in_compartment("2").expect("a compartment");
    let found = |one: &&Entries| asked.of_type(one.resource_type).holds_among(one, &all);
    let observations = all.iter().filter(|one| one.resource_type.name() == "Observation");
    assert_eq!(observations.filter(found).map(|one| one.id.as_str()).collect::<Vec<_>>(), ["two"]);
    assert!(query("Practitioner", &[]).in_compartment("2").is_err());
    let everything = parse(None, &[], Handling::Strict, NOW, BASE).expect("a query");
    assert!(everything.searched_types().is_empty());
    let everything = everything.in_compartment("1").expect("a compartment");
    assert!(everything.searched_types().len() > 60);
    let patient = of("Patient").expect("a type");
    assert!(everything.of_type(patient).holds(&person()));
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

proptest! {
    #[test]
    fn no_value_of_any_parameter_makes_it_panic(
        at in any::<prop::sample::Index>(),
        suffix in "(:[a-zA-Z-]{0,12})?(\\.[a-z]{1,5})?",
        value in "(?s).{0,40}|[a-z]{0,2}[0-9T:+.,|\\\\$eZ-]{0,24}",
    ) {
        let of_type: Vec<_> = parameters(of("Observation").expect("a type")).collect();
        let name = format!("{}{suffix}", at.get(&of_type).code);
        if let Ok(query) = parse(of("Observation"), &[(name, value)], Handling::Strict, NOW, BASE) {
            let _ = query.predicate.holds(&reading());
        }
    }

    #[test]
    fn no_filter_makes_it_panic(value in "(not|and|or|eq|co|ne|pr|status|date|code|\\(|\\)|\"|[a-z0-9.:|$-]{1,5}| ){0,16}") {
        if let Ok(query) = parse(of("Observation"), &[("_filter".to_owned(), value)], Handling::Strict, NOW, BASE) {
            let _ = query.predicate.holds(&reading());
        }
    }

    #[test]
    fn no_name_makes_it_panic(name in "(?s).{0,40}", value in "(?s).{0,40}") {
        let _ = parse(None, &[(name.clone(), value.clone())], Handling::Lenient, NOW, BASE);
        let _ = parse(of("Patient"), &[(name, value)], Handling::Lenient, NOW, BASE);
    }

    #[test]
    fn what_is_missing_is_not_there_and_the_reverse(at in any::<prop::sample::Index>()) {
        let of_type: Vec<_> =
            parameters(of("Observation").expect("a type")).filter(|known| known.kind != Kind::Composite).collect();
        let name = format!("{}:missing", at.get(&of_type).code);
        let reading = reading();
        proptest::prop_assert_ne!(finds(&reading, &name, "true"), finds(&reading, &name, "false"));
    }

    #[test]
    fn a_number_is_found_by_itself_however_precise(whole in -1_000_i32..1_000, fraction in "[0-9]{0,6}") {
        let number = if fraction.is_empty() { whole.to_string() } else { format!("{whole}.{fraction}") };
        let json: serde_json::Value = serde_json::from_str(&number).expect("a number");
        let value = from_json(&serde_json::json!({ "valueQuantity": { "value": json, "unit": "x" } }));
        let entries = extract_under(BASE, of("Observation").expect("a type"), "1", 0, &value);
        for prefix in ["", "ge", "le", "ap"] {
            let found = finds(&entries, "value-quantity", &format!("{prefix}{number}"));
            proptest::prop_assert!(found, "{}{}", prefix, number);
        }
        for prefix in ["ne", "gt", "lt", "sa", "eb"] {
            let found = finds(&entries, "value-quantity", &format!("{prefix}{number}"));
            proptest::prop_assert!(!found, "{}{}", prefix, number);
        }
    }
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
