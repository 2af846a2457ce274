//! Queries against the entries of a resource: what is found, what is refused, and in which words.

use super::{Handling, LONGEST_VALUE, MOST_ALTERNATIVES, MOST_PARAMETERS, Query, Sort, SortBy, Summary, Total, parse};
use crate::index::{Entries, ParameterId, extract_under, from_json};
use crate::issue::{Issue, IssueCode};
use crate::predicate::Predicate;
use crate::registry::{Kind, ResourceType, parameters};
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
    assert_eq!(strict[0].text, "search parameter `colour`: Observation has no such search parameter");
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
        ("subject.name", "amy"),
        ("subject:Patient.name", "amy"),
        ("_has:Observation:patient:code", "1"),
        ("_include", "Observation:subject"),
        ("_include:iterate", "Observation:subject"),
        ("_revinclude", "Provenance:target"),
        ("_filter", "code eq 1"),
        ("_text", "pain"),
        ("_content", "pain"),
        ("_type", "Goal"),
        ("date:exact", "2020"),
        ("_id:not", "a"),
        ("code:text", "pressure"),
        ("code:in", "http://example.org/vs"),
        ("code-value-quantity", "1$5"),
        ("_sort", "subject"),
    ] {
        let issue = refusal("Observation", name, value);
        assert_eq!(issue.code, IssueCode::NotSupported, "{name}: {}", issue.text);
        assert!(issue.text.contains(&format!("`{name}`")), "{}", issue.text);
    }
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
