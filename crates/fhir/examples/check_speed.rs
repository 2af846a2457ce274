//! How long parse and check take for an Observation of 2 KB: `cargo run --release --example check_speed -p concord-fhir`.

use std::hint::black_box;
use std::io::Write as _;
use std::time::Instant;

use concord_fhir::check::check;
use concord_fhir::codec::{Format, read, write_xml};
use concord_fhir::json::{Limits, parse, to_string};
use concord_fhir::schema::remarks;

/// How often the work is done in a batch, and how many batches there are. The best batch counts: what makes the others slower is
/// the machine's other work.
const ROUNDS: u32 = 100;
const BATCHES: u32 = 400;

fn main() {
    let text = observation();
    let limits = Limits::default();
    let start = Instant::now();
    let _ = black_box(check(&parse(b"{}", &limits).unwrap_or(concord_fhir::json::Value::Null), &limits));
    report("first use, with the table's compilation", start.elapsed().as_secs_f64());

    let Ok(value) = parse(text.as_bytes(), &limits) else { return };
    let Ok(xml) = write_xml(&value) else { return };
    let _ = writeln!(std::io::stdout(), "{} bytes of JSON, {} bytes of XML", text.len(), xml.len());
    time("parse", || black_box(parse(black_box(text.as_bytes()), &limits)).is_ok());
    time("check", || black_box(check(black_box(&value), &limits)).is_ok());
    let evaluated = evaluated();
    let Ok(rules) = parse(evaluated.as_bytes(), &limits) else { return };
    time("check where rules have to be evaluated", || black_box(check(black_box(&rules), &limits)).is_ok());
    time("remarks", || black_box(remarks(black_box(&value))).is_empty());
    time("parse and check", || black_box(read(Format::Json, black_box(text.as_bytes()), &limits)).is_ok());
    time("write JSON", || !black_box(to_string(black_box(&value))).is_empty());
    time("read and check XML", || black_box(read(Format::Xml, black_box(xml.as_bytes()), &limits)).is_ok());
    time("write XML", || black_box(write_xml(black_box(&value))).is_ok());
}

fn time(what: &str, work: impl Fn() -> bool) {
    let mut best = f64::INFINITY;
    for _ in 0..BATCHES {
        let start = Instant::now();
        for _ in 0..ROUNDS {
            if !work() {
                let _ = writeln!(std::io::stderr(), "{what} failed");
                return;
            }
        }
        best = best.min(start.elapsed().as_secs_f64() / f64::from(ROUNDS));
    }
    report(what, best);
}

fn report(what: &str, seconds: f64) {
    let _ = writeln!(std::io::stdout(), "{:10.2} us  {what}", seconds * 1e6);
}

/// A resource of which presence does not say that it keeps its rules: periods, a range, a contained resource.
fn evaluated() -> String {
    let name = r#"{"family":"Khan","period":{"start":"2020-01-01","end":"2021-01-01"}}"#;
    format!(
        r##"{{"resourceType":"Patient","contained":[{{"resourceType":"Organization","id":"o","name":"Surgery"}}],
        "name":[{name},{name},{name}],"managingOrganization":{{"reference":"#o"}}}}"##
    )
}

/// A blood pressure as a patient's app sends it.
fn observation() -> String {
    let component = |code: &str, display: &str, value: &str| {
        format!(
            r#"{{"code":{{"coding":[{{"system":"http://loinc.org","code":"{code}","display":"{display}"}}],"text":"{display}"}},
            "valueQuantity":{{"value":{value},"unit":"mmHg","system":"http://unitsofmeasure.org","code":"mm[Hg]"}},
            "interpretation":[{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation","code":"N","display":"Normal"}}]}}]}}"#
        )
    };
    format!(
        r#"{{"resourceType":"Observation","id":"home-blood-pressure-1",
        "meta":{{"profile":["http://hl7.org/fhir/StructureDefinition/bp"],"tag":[{{"system":"https://app.example/tags","code":"home"}}]}},
        "text":{{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><p><b>Blood pressure</b> 121/79 mmHg, measured at home on 1 March 2024, sitting, left arm</p></div>"}},
        "identifier":[{{"system":"urn:ietf:rfc:3986","value":"urn:uuid:187e0c12-8dd2-67e2-99b2-bf273c878281"}}],
        "status":"final",
        "category":[{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"vital-signs","display":"Vital Signs"}}]}}],
        "code":{{"coding":[{{"system":"http://loinc.org","code":"85354-9","display":"Blood pressure panel"}}],"text":"Blood pressure"}},
        "subject":{{"reference":"Patient/9990000018","display":"A synthetic patient"}},
        "effectiveDateTime":"2024-03-01T07:45:12.000+00:00","issued":"2024-03-01T07:46:00.123Z",
        "performer":[{{"reference":"Patient/9990000018"}}],
        "bodySite":{{"coding":[{{"system":"http://snomed.info/sct","code":"368208006","display":"Left upper arm"}}]}},
        "component":[{},{}]}}"#,
        component("8480-6", "Systolic blood pressure", "121.0"),
        component("8462-4", "Diastolic blood pressure", "79.0"),
    )
}
