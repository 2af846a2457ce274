//! What it costs to check a resource by a profile, and to read and compile many profiles: in this process, without a server.

use std::hint::black_box;
use std::time::{Duration, Instant};

use concord_fhir::issue::Severity;
use concord_fhir::json::{Limits, Value, parse};
use concord_profile::check::{Asked, Checker};
use concord_profile::definition::Definition;
use concord_profile::library::Library;
use concord_terminology::Tables;

use crate::{check, report};

/// How many profiles are read and compiled.
const MANY: usize = 1_000;

/// What ships, a StructureDefinition a line.
const SHIPPED: [&str; 2] =
    [include_str!("../../profile/src/shipped/ukcore.txt"), include_str!("../../profile/src/shipped/r4.txt")];

/// Measures and prints a line for each.
///
/// # Errors
/// One line, when what is checked is not as it should be.
pub(crate) fn run(time: Duration) -> Result<(), String> {
    let plain = check::run(time)?;
    report::note(&format!(
        "Observation of {} bytes by R4             check {:.1} us  parse {:.1} us  both {:.1} us",
        plain.bytes,
        plain.read_us - plain.parse_us,
        plain.parse_us,
        plain.read_us
    ));
    report::note(&format!("a blood pressure by UK Core's profile, warm  {:.1} us", by_profile(time)?));
    many()
}

/// Microseconds for a blood pressure by UK Core's profile of it.
fn by_profile(time: Duration) -> Result<f64, String> {
    let text = pressure(0);
    let value = parse(text.as_bytes(), &Limits::default()).map_err(|_| "the bench's own observation is no JSON")?;
    let library = Library::shipped();
    let checker = Checker { library, terminology: &Tables, stored: None, is_whole: false, now: None, together: None };
    let by_claim = || checker.check(black_box(&value), Asked::default());
    if let Some(wrong) = by_claim().iter().find(|issue| issue.severity >= Severity::Error) {
        return Err(format!("the bench's own observation is refused: {}", wrong.text));
    }
    Ok(check::each(time, || {
        black_box(by_claim());
    }))
}

/// Reads and compiles the shipped profiles, again and again under other urls.
fn many() -> Result<(), String> {
    let lines: Vec<&str> = SHIPPED.iter().flat_map(|text| text.lines()).filter(|line| !line.starts_with('#')).collect();
    let before = resident();
    let started = Instant::now();
    let mut library = Library::over_shipped();
    for (number, line) in lines.iter().cycle().take(MANY).enumerate() {
        let failed = |what: &str| format!("profile {number}: {what}");
        let mut value = parse(line.as_bytes(), &Limits::default()).map_err(|_| failed("no JSON"))?.into_owned();
        if let Some(object) = value.as_object_mut() {
            object.set("url", Value::string(name(number)));
        }
        let definition = Definition::read(&value).map_err(|issue| failed(&issue.text))?;
        library.add(definition).map_err(|issue| failed(&issue.text))?;
    }
    let read = started.elapsed();
    let usable = (0..MANY).filter(|number| library.profile(&name(*number)).is_some_and(|made| made.is_ok())).count();
    let compiled = started.elapsed();
    report::note(&format!(
        "{usable} profiles                              read {:.0} ms  read and compiled {:.0} ms  memory {:.1} MB",
        read.as_secs_f64() * 1e3,
        compiled.as_secs_f64() * 1e3,
        (resident() - before) / 1e6
    ));
    black_box(&library);
    Ok(())
}

/// A blood pressure, as UK Core has it.
pub(crate) fn pressure(number: usize) -> String {
    let part = |loinc: &str, snomed: &str, name: &str, value: usize| {
        format!(
            r#"{{"code":{{"coding":[{{"system":"http://loinc.org","code":"{loinc}"}},{{"system":"http://snomed.info/sct","code":"{snomed}"}}],"text":"{name}"}},"valueQuantity":{{"value":{value},"unit":"millimeter of mercury","system":"http://unitsofmeasure.org","code":"mm[Hg]"}}}}"#
        )
    };
    format!(
        r#"{{"resourceType":"Observation","id":"bp-{number}","meta":{{"profile":["https://fhir.hl7.org.uk/StructureDefinition/UKCore-Observation-VitalSigns-BloodPressure"]}},"status":"final","category":[{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"vital-signs"}}]}}],"code":{{"coding":[{{"system":"http://loinc.org","code":"85354-9"}},{{"system":"http://snomed.info/sct","code":"75367002"}}]}},"subject":{{"reference":"Patient/p"}},"effectiveDateTime":"2025-{:02}-{:02}T08:30:00Z","performer":[{{"reference":"Patient/p"}}],"method":{{"coding":[{{"system":"http://snomed.info/sct","code":"17146006"}}]}},"component":[{},{}]}}"#,
        1 + number % 12,
        1 + number / 12 % 28,
        part("8480-6", "72313002", "Systolic blood pressure", 110 + number % 30),
        part("8462-4", "1091811000000102", "Diastolic blood pressure", 70 + number % 20),
    )
}

fn name(number: usize) -> String {
    format!("urn:example:{number}")
}

/// The memory of this process that is resident, in bytes.
fn resident() -> f64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = text.split(' ').nth(1).and_then(|pages| pages.parse::<f64>().ok());
    pages.unwrap_or_default() * 4096.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_measured_is_as_it_should_be() {
        assert!(by_profile(Duration::from_millis(5)).unwrap() > 0.0);
        many().unwrap();
    }
}
