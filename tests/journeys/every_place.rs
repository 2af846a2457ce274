//! Every element of R4 by which a resource may name another, without a server: what is made for the journeys is valid, and each
//! element hands on what its row of the table says.

use concord_fhir::check::check;
use concord_fhir::json::{Limits, parse};
use concord_fhir::label;
use concord_fhir::registry::ResourceType;
use concord_tests::doors::targets;
use concord_tests::minimal::{self, Place};
use serde_json::{Value, json};

/// The table, as it is read here: a line is an element, what it says, and perhaps why.
const TABLE: &str = include_str!("../../crates/fhir/src/label/references.txt");

/// The people, whose labels are about themselves.
const PEOPLE: [&str; 5] = ["Group", "Patient", "Person", "Practitioner", "RelatedPerson"];

/// Who may do something, answer for it or be reached.
const PARTIES: [&str; 11] = [
    "CareTeam",
    "Device",
    "Endpoint",
    "Group",
    "HealthcareService",
    "Organization",
    "Patient",
    "Person",
    "Practitioner",
    "PractitionerRole",
    "RelatedPerson",
];

/// The types of which a resource may be content of another.
const CONTENT: [&str; 5] = ["Binary", "Bundle", "Composition", "DocumentReference", "Media"];

/// What the table says of an element.
fn row(element: &str) -> &'static str {
    let mut rows = TABLE.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    rows.find(|words| words.first() == Some(&element)).and_then(|words| words.get(1).copied()).unwrap_or("undecided")
}

/// Where another party than the first writer says something, which hands nothing on whatever the row says (ADR 75).
const OF_PARTIES: [&str; 1] = ["Goal.note.authorReference"];

/// Whether an element hands on the labels of a resource of that type.
pub(crate) fn hands_on(place: &Place, target: ResourceType) -> bool {
    if OF_PARTIES.contains(&place.name().as_str()) {
        return false;
    }
    match row(&place.element) {
        "part" | "as-is" => true,
        "who" => !PEOPLE.contains(&target.name()),
        "shows" => target.name() != "Binary" && !PEOPLE.contains(&target.name()),
        "party" => !(PARTIES.contains(&target.name()) && place.may_name(target.name())),
        "none" => !place.may_name(target.name()),
        other => panic!("{}: {other}", place.element),
    }
}

/// Whether what it names of that type is content, which is protected as the resource is.
fn shows(place: &Place, target: ResourceType) -> bool {
    match row(&place.element) {
        "shows" => CONTENT.contains(&target.name()),
        "none" => target.name() == "Binary" && !place.may_name("Binary"),
        _ => target.name() == "Binary",
    }
}

/// What is made is what R4 takes, with its constraints: of every type, and with a value at every place.
#[test]
fn small_resources_are_valid() {
    let mut problems = Vec::new();
    let mut try_one = |name: String, made: Value| {
        let text = made.to_string();
        let value = parse(text.as_bytes(), &Limits::default()).expect("JSON");
        if let Err(issues) = check(&value, &Limits::default()) {
            let told: Vec<String> =
                issues.iter().map(|issue| format!("{:?} {}", issue.expression, issue.text)).collect();
            problems.push(format!("{name}: {}", told.join("; ")));
        }
    };
    for resource_type in ResourceType::all().filter(|named| named.name() != "Parameters") {
        try_one(resource_type.name().to_owned(), minimal::resource(resource_type, &[]));
    }
    let values = [
        (minimal::references(), json!({"reference": "Patient/amina"})),
        (minimal::attachments(), json!({"title": "x"})),
        (minimal::canonicals(), json!("http://example.org/x")),
    ];
    for (places, value) in values {
        for place in places {
            try_one(place.name(), minimal::resource(place.resource_type, &[(&place.members[..], value.clone())]));
        }
    }
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}

/// What a resource inherits from and what it shows, of what it names at that place.
fn linked(place: &Place, reference: &str) -> (Option<i64>, bool) {
    let named = (place.members.as_slice(), json!({"reference": reference}));
    let text = minimal::resource(place.resource_type, &[named]).to_string();
    let value = parse(text.as_bytes(), &Limits::default()).expect("JSON");
    let links = label::links(&value, "own", "http://concord.test/fhir");
    let is_it = |source: &&label::Source| source.id == "it";
    let source = links.sources.iter().find(is_it).map(|source| source.version);
    (source, links.contents.iter().any(|content| content.id == "it"))
}

/// Each element of type Reference, with each type that it may name: by its address, below the server's, and with a version.
#[test]
fn every_reference_hands_on_what_its_row_says() {
    let (mut problems, mut tried, mut handed) = (Vec::new(), 0, 0);
    for place in minimal::references() {
        for target in targets(&place) {
            let wanted = (hands_on(&place, target), shows(&place, target));
            for (form, version) in [
                (format!("{target}/it"), 0),
                (format!("http://concord.test/fhir/{target}/it"), 0),
                (format!("{target}/it/_history/3"), if row(&place.element) == "as-is" { 0 } else { 3 }),
            ] {
                let found = linked(&place, &form);
                if found != (wanted.0.then_some(version), wanted.1) {
                    problems.push(format!("{} -> {form}: {found:?}, and its row says {wanted:?}", place.name()));
                }
                tried += 1;
                handed += usize::from(wanted.0);
            }
        }
    }
    assert!(tried > 5_000 && handed > 3_000, "{tried}, {handed}");
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}
