//! How long a decision takes: for a patient with 50 Consents of 10 provisions each and 20 members of the care team, the
//! time to read those facts from their JSON, to decide, and to ask a decision about one resource.
//! `cargo run --release -p concord-consent --example decision`

#![expect(clippy::print_stdout, reason = "it reports to whoever runs it")]

use std::hint::black_box;
use std::time::Instant;

use concord_consent::caller::{Actor, Caller, Credentials};
use concord_consent::decide;
use concord_consent::facts::{CareTeamFacts, ConsentFacts, Facts, GivenBy, PatientFacts};
use concord_consent::request::{Action, Request};
use concord_consent::scope::Scopes;
use concord_fhir::index::extract;
use concord_fhir::json::{self, Limits, Value};
use concord_fhir::registry::ResourceType;

/// The allocator of the server: most of what a cold decision takes is memory.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const BASE: &str = "https://phr.example/fhir";

/// 1 March 2026.
const NOW: i64 = 1_772_366_400_000;

fn parsed(text: &str) -> Option<Value<'static>> {
    json::parse(text.as_bytes(), &Limits::default()).ok().map(Value::into_owned)
}

/// A Consent with ten provisions: a root that permits somebody something, and nine exceptions.
fn consent(number: usize) -> String {
    let who = if number.is_multiple_of(5) { "Practitioner/gp".to_owned() } else { format!("Practitioner/p{number}") };
    let labels = ["MH", "SEX", "HIV", "SUD", "SDV", "ETH", "STD", "PSY", "GDIS"];
    let exception = |label: &&str| {
        format!(
            r#"{{"type":"deny","actor":[{{"reference":{{"reference":"{who}"}}}}],
            "class":[{{"system":"http://hl7.org/fhir/resource-types","code":"Observation"}}],
            "securityLabel":[{{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"{label}"}}],
            "dataPeriod":{{"start":"2020-01-01","end":"202{number}-01-01"}}}}"#,
            number = number % 10
        )
    };
    let inner: Vec<String> = labels.iter().map(exception).collect();
    format!(
        r#"{{"resourceType":"Consent","id":"c{number}","status":"active","scope":{{"coding":[{{
        "system":"http://terminology.hl7.org/CodeSystem/consentscope","code":"patient-privacy"}}]}},
        "patient":{{"reference":"Patient/p"}},"dateTime":"2025-01-01","provision":{{"type":"permit",
        "actor":[{{"reference":{{"reference":"{who}"}}}}],
        "purpose":[{{"system":"http://terminology.hl7.org/CodeSystem/v3-ActReason","code":"TREAT"}}],
        "provision":[{}]}}}}"#,
        inner.join(",")
    )
}

fn team() -> String {
    let members: Vec<String> = (0..20)
        .map(|number| if number == 0 { "gp".to_owned() } else { format!("p{number}") })
        .map(|who| format!(r#"{{"member":{{"reference":"Practitioner/{who}"}}}}"#))
        .collect();
    format!(
        r#"{{"resourceType":"CareTeam","id":"t","status":"active","subject":{{"reference":"Patient/p"}},
        "participant":[{}]}}"#,
        members.join(",")
    )
}

/// Microseconds of one run: the best of twenty rounds.
fn each(name: &str, rounds: u32, mut work: impl FnMut()) {
    let mut best = f64::INFINITY;
    for _ in 0..20 {
        let started = Instant::now();
        for _ in 0..rounds {
            work();
        }
        best = best.min(started.elapsed().as_secs_f64() * 1e6 / f64::from(rounds));
    }
    println!("{name:<60} {best:>9.2} us");
}

fn main() {
    let texts: Vec<String> = (0..50).map(consent).collect();
    let values: Vec<Value<'static>> = texts.iter().filter_map(|text| parsed(text)).collect();
    let Some(team) = parsed(&team()) else { return };
    let facts = || {
        let mut patient = PatientFacts { patient: "p".to_owned(), ..PatientFacts::default() };
        for (number, value) in values.iter().enumerate() {
            patient
                .consents
                .push(ConsentFacts::from_resource(&format!("c{number}"), 1, value, BASE).given_by(GivenBy::Patient));
        }
        patient.care_teams.push(CareTeamFacts::from_resource("t", &team, BASE));
        Facts { patients: vec![patient.into()], ..Facts::default() }
    };
    let caller = Caller {
        actor: Actor::Practitioner("gp".to_owned()),
        subject: "gp".to_owned(),
        issuer: "https://issuer.example".to_owned(),
        client: "app".to_owned(),
        scopes: Scopes::parse("user/*.cruds"),
        patient: None,
        credentials: Credentials::default(),
    };
    let observation = ResourceType::of("Observation");
    let about =
        |resource_type| Request { caller: &caller, action: Action::Read, resource_type, purpose: None, reason: None };
    let Some(reading) = parsed(
        r#"{"resourceType":"Observation","id":"o","meta":{"security":[
        {"system":"http://terminology.hl7.org/CodeSystem/v3-Confidentiality","code":"N"}]},
        "status":"final","code":{"coding":[{"system":"http://loinc.org","code":"8867-4"}]},
        "subject":{"reference":"Patient/p"},"effectiveDateTime":"2026-02-01"}"#,
    ) else {
        return;
    };
    let entries = extract(observation, "o", NOW, &reading);
    let known = facts();
    let decision = decide(&about(Some(observation)), &known, NOW);
    println!("{} Consents, {} reasons, permitted: {}", values.len(), decision.reasons.len(), decision.allows(&entries));
    each("facts from parsed JSON", 20, || {
        black_box(facts());
    });
    each("a decision about one type, from facts (cold)", 50, || {
        black_box(decide(&about(Some(observation)), &known, NOW));
    });
    each("facts and decision together (cold)", 20, || {
        black_box(decide(&about(Some(observation)), &facts(), NOW));
    });
    each("a decision about every type, from facts", 20, || {
        black_box(decide(&about(None), &known, NOW));
    });
    each("one resource by a decision that is remembered (warm)", 500, || {
        black_box(decision.allows(black_box(&entries)));
    });
    each("one resource with its reasons ($evaluate)", 50, || {
        black_box(decision.on(black_box(&entries)));
    });
}
