//! How long a blood pressure takes against UK Core's profile of it, and what 1,000 profiles take:
//! `cargo run --release --example profile_speed -p concord-profile`.

use std::hint::black_box;
use std::io::Write as _;
use std::time::Instant;

use concord_fhir::json::{Limits, Value, parse};
use concord_profile::check::{Asked, Checker};
use concord_profile::definition::Definition;
use concord_profile::library::Library;
use concord_terminology::Tables;

const PROFILE: &str = "https://fhir.hl7.org.uk/StructureDefinition/UKCore-Observation-VitalSigns-BloodPressure";
const ROUNDS: u32 = 100;
const BATCHES: u32 = 200;

fn main() {
    let start = Instant::now();
    let library = Library::shipped();
    report("what ships, read", start.elapsed().as_secs_f64());
    let limits = Limits::default();
    let Ok(value) = parse(OBSERVATION.as_bytes(), &limits) else { return };
    let checker = Checker { library, terminology: &Tables, stored: None, is_whole: false, now: None, together: None };
    let asked = [PROFILE.to_owned()];
    let start = Instant::now();
    let issues = checker.check(&value, Asked { profiles: &asked, claimed: None });
    report("first check, with the profile's compilation", start.elapsed().as_secs_f64());
    let _ = writeln!(std::io::stdout(), "{} issues", issues.len());
    for issue in &issues {
        let _ = writeln!(std::io::stdout(), "  {} {}", issue.severity.code(), issue.text);
    }
    let mut best = f64::INFINITY;
    for _ in 0..BATCHES {
        let start = Instant::now();
        for _ in 0..ROUNDS {
            black_box(checker.check(black_box(&value), Asked { profiles: &asked, claimed: Some(&[]) }));
        }
        best = best.min(start.elapsed().as_secs_f64() / f64::from(ROUNDS));
    }
    report("check of a blood pressure by UK Core", best);
    thousand();
}

/// Reads and compiles 1,000 profiles: the shipped ones, again and again under other urls.
fn thousand() {
    let before = resident();
    let lines: Vec<&str> = [include_str!("../src/shipped/ukcore.txt"), include_str!("../src/shipped/r4.txt")]
        .into_iter()
        .flat_map(str::lines)
        .filter(|line| !line.starts_with('#'))
        .collect();
    let start = Instant::now();
    let mut library = Library::over_shipped();
    for (number, line) in lines.iter().cycle().take(1_000).enumerate() {
        let Ok(mut value) = parse(line.as_bytes(), &Limits::default()).map(Value::into_owned) else { continue };
        if let Some(object) = value.as_object_mut() {
            object.set("url", Value::string(format!("urn:example:{number}")));
        }
        if let Ok(definition) = Definition::read(&value) {
            let _ = library.add(definition);
        }
    }
    report("1,000 profiles, read", start.elapsed().as_secs_f64());
    for number in 0..1_000 {
        black_box(library.profile(&format!("urn:example:{number}")).is_some_and(|profile| profile.is_ok()));
    }
    report("1,000 profiles, read and compiled", start.elapsed().as_secs_f64());
    let _ = writeln!(std::io::stdout(), "{:10.1} MB  more memory", (resident() - before) / 1e6);
    black_box(&library);
}

/// The memory of this process that is resident, in bytes.
fn resident() -> f64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = text.split(' ').nth(1).and_then(|pages| pages.parse::<f64>().ok());
    pages.unwrap_or_default() * 4096.0
}

fn report(what: &str, seconds: f64) {
    let _ = writeln!(std::io::stdout(), "{:10.2} us  {what}", seconds * 1e6);
}

const OBSERVATION: &str = r#"{"resourceType":"Observation","id":"bp","meta":{"profile":["https://fhir.hl7.org.uk/StructureDefinition/UKCore-Observation-VitalSigns-BloodPressure"]},
"status":"final","category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"vital-signs"}]}],
"code":{"coding":[{"system":"http://loinc.org","code":"85354-9"},{"system":"http://snomed.info/sct","code":"75367002","display":"Blood pressure"}]},
"subject":{"reference":"Patient/amina"},"effectiveDateTime":"2026-11-28T08:30:00Z","performer":[{"reference":"Patient/amina"}],
"component":[
{"code":{"coding":[{"system":"http://loinc.org","code":"8480-6"},{"system":"http://snomed.info/sct","code":"72313002"}],"text":"Systolic blood pressure"},
"valueQuantity":{"value":118,"unit":"millimeter of mercury","system":"http://unitsofmeasure.org","code":"mm[Hg]"}},
{"code":{"coding":[{"system":"http://loinc.org","code":"8462-4"},{"system":"http://snomed.info/sct","code":"1091811000000102"}],"text":"Diastolic blood pressure"},
"valueQuantity":{"value":76,"unit":"millimeter of mercury","system":"http://unitsofmeasure.org","code":"mm[Hg]"}}]}"#;
