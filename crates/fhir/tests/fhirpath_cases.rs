//! The cases of HL7 for FHIRPath over R4 (`fhirpath/tests-fhir-r4.xml` of the repository `fhir-test-cases`).
//!
//! They are not part of this repository: `CONCORD_FHIR_TEST_CASES` names their folder, or they lie in
//! `../shared/data/fhir-test-cases` beside the tree. Without them this test says so and passes.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "all of this is a test, which tells what it counted"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use concord_fhir::codec::{Format, parsed};
use concord_fhir::json::{Limits, Value, parse};
use concord_fhir::path::{Context, Expression, Item};
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

/// How many cases the suite has, without the two that stand in comments.
const COUNT: usize = 935;

/// The cases that come out otherwise than the suite says, each with the reason.
const OTHERWISE: &[(&str, &str)] = &[
    ("testSimpleFail", OPTIONAL),
    ("testSimpleWithWrongContext", OPTIONAL),
    ("testPolymorphismAsB", OPTIONAL),
    ("testDollarOrderNotAllowed", OPTIONAL),
    ("testPlusDate19", "wrong in the suite: the specification ignores fractions of what is coarser than a second only"),
    ("LowBoundaryDecimal15", ROUNDED),
    ("HighBoundaryDecimal15", ROUNDED),
    ("HighBoundaryDecimal16", ROUNDED),
];

/// Cases of the strict mode: FHIRPath leaves it to an engine whether it checks types before it evaluates.
const OPTIONAL: &str = "optional: a strict mode, in which what can never be there is an error";

/// The suite rounds what is smaller than the last place asked for to zero, and elsewhere (`1.587.highBoundary(2)` is 1.59,
/// `(-1.587).lowBoundary(2)` is -1.59) away from the number, as a boundary must be.
const ROUNDED: &str = "wrong in the suite: the boundary that it gives is on the wrong side of the number";

/// What the suite takes for now.
const NOW: &str = "2026-11-29T12:00:00.000+00:00";

#[derive(Default, Debug)]
struct Case {
    name: String,
    input: Option<String>,
    is_predicate: bool,
    is_invalid: bool,
    expression: String,
    outputs: Vec<(Option<String>, String)>,
}

#[expect(clippy::disallowed_methods, reason = "a test has no configuration to take a folder from")]
fn folder() -> Option<PathBuf> {
    let named = std::env::var("CONCORD_FHIR_TEST_CASES").map(PathBuf::from).ok();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/fhir-test-cases");
    named.or(Some(root)).filter(|folder| folder.join("fhirpath/tests-fhir-r4.xml").is_file())
}

fn attribute(tag: &BytesStart<'_>, name: &str) -> Option<String> {
    let attribute = tag.try_get_attribute(name).unwrap()?;
    Some(attribute.value.into_owned())
}

/// Reads the suite: the tests in their order, each text with its entities resolved.
fn cases(text: &str) -> Vec<Case> {
    let mut reader = Reader::from_str(text);
    let mut cases: Vec<Case> = Vec::new();
    let (mut inside, mut written) = (None, String::new());
    loop {
        let event = reader.read_event().unwrap();
        let is_empty = matches!(event, Event::Empty(_));
        match event {
            Event::Start(tag) | Event::Empty(tag) => match tag.name().as_ref() {
                "test" => {
                    let name = attribute(&tag, "name").unwrap();
                    let before = cases.iter().filter(|case| case.name.split('#').next() == Some(&name)).count();
                    cases.push(Case {
                        name: if before > 0 { format!("{name}#{}", before + 1) } else { name },
                        input: attribute(&tag, "inputfile"),
                        is_predicate: attribute(&tag, "predicate").as_deref() == Some("true"),
                        ..Case::default()
                    });
                }
                "expression" => {
                    cases.last_mut().unwrap().is_invalid = attribute(&tag, "invalid").is_some();
                    (inside, written) = (Some("expression"), String::new());
                }
                "output" => {
                    let of_type = attribute(&tag, "type");
                    cases.last_mut().unwrap().outputs.push((of_type, String::new()));
                    (inside, written) = (Some("output").filter(|_| !is_empty), String::new());
                }
                _ => {}
            },
            Event::Text(part) => written.push_str(part.as_ref()),
            Event::CData(part) => written.push_str(part.as_ref()),
            Event::GeneralRef(part) => written.push_str(match part.as_ref() {
                "lt" => "<",
                "gt" => ">",
                "amp" => "&",
                "quot" => "\"",
                "apos" => "'",
                other => panic!("an unknown entity {other:?}"),
            }),
            Event::End(_) => match (inside.take(), cases.last_mut()) {
                (Some("expression"), Some(case)) => case.expression = std::mem::take(&mut written),
                (Some(_), Some(case)) => case.outputs.last_mut().unwrap().1 = std::mem::take(&mut written),
                _ => {}
            },
            Event::Eof => return cases,
            _ => {}
        }
    }
}

fn resource(folder: &Path, name: &str) -> Value<'static> {
    let text = std::fs::read(folder.join("fhirpath/input").join(name)).unwrap();
    if name.ends_with(".xml") {
        // Not all of them obey R4's constraints.
        return parsed(Format::Xml, &text, &Limits::default()).unwrap().0.into_owned();
    }
    parse(&text, &Limits::default()).unwrap().into_owned()
}

fn shown(item: &Item<'_>) -> String {
    item.system().map_or_else(|| format!("a {}", item.type_name().1), |value| value.to_text().into_owned())
}

/// What is otherwise than the case says; nothing if it is right.
fn difference(case: &Case, input: &Value<'_>) -> Option<String> {
    let result = match Expression::compile(&case.expression) {
        Err(_) if case.is_invalid => return None,
        Err(problem) => return Some(format!("cannot be compiled: {problem}")),
        Ok(expression) => {
            let context = Context::of(input).now(NOW);
            match expression.evaluate(&context) {
                Err(_) if case.is_invalid => return None,
                Err(fault) => return Some(format!("cannot be evaluated: {fault}")),
                Ok(found) => {
                    let holds = !found.is_empty();
                    let texts: Vec<(String, String)> = found
                        .items()
                        .iter()
                        .map(|item| (item.type_name().1.to_ascii_lowercase(), shown(item)))
                        .collect();
                    if case.is_predicate { vec![("boolean".to_owned(), holds.to_string())] } else { texts }
                }
            }
        }
    };
    if case.is_invalid {
        return Some(format!("is evaluated: {result:?}"));
    }
    let wanted: Vec<(Option<String>, String)> = case
        .outputs
        .iter()
        .map(|(of_type, text)| {
            let text = text.trim_start_matches('@');
            (of_type.as_ref().map(|name| name.to_ascii_lowercase()), text.to_owned())
        })
        .collect();
    let is_same = result.len() == wanted.len()
        && result.iter().zip(&wanted).all(|((own_type, own), (of_type, text))| {
            of_type.as_ref().is_none_or(|of_type| of_type == own_type)
                && own == text.strip_prefix('T').filter(|_| own_type == "time").unwrap_or(text)
        });
    (!is_same).then(|| format!("gives {result:?}, not {wanted:?}"))
}

#[test]
fn all_come_out_as_the_suite_says_or_as_is_told_here() {
    let Some(folder) = folder() else {
        println!("the FHIRPath cases are not here (CONCORD_FHIR_TEST_CASES): nothing is compared");
        return;
    };
    let text = std::fs::read_to_string(folder.join("fhirpath/tests-fhir-r4.xml")).unwrap();
    let cases = cases(&text);
    let otherwise: BTreeMap<&str, &str> = OTHERWISE.iter().copied().collect();
    let mut inputs: BTreeMap<String, Value<'static>> = BTreeMap::new();
    let (mut right, mut failures) = (0, Vec::new());
    for case in &cases {
        let name = case.input.clone().unwrap_or_else(|| "patient-example.xml".to_owned());
        let input = &*inputs.entry(name.clone()).or_insert_with(|| resource(&folder, &name));
        match (difference(case, input), otherwise.get(case.name.as_str())) {
            (None, None) => right += 1,
            (Some(_), Some(_)) => {}
            (None, Some(_)) => failures.push(format!("{} is right, but listed", case.name)),
            (Some(difference), None) => {
                failures.push(format!("{}: `{}` {difference}", case.name, case.expression.trim()));
            }
        }
    }
    println!("{right} of {} FHIRPath cases are as the suite says; {} are listed", cases.len(), otherwise.len());
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), cases.len(), failures.join("\n"));
    assert_eq!(cases.len(), COUNT);
}
