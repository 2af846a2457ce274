//! What checks, profiles and summaries cost: a check by R4 and by a profile, 1,000 profiles, an import that is checked by a profile
//! beside one that is not, and `$summary` of a record of 2,000 resources.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::database::Kind;
use crate::definitions;
use crate::load::{self, Load};
use crate::place_args::PlaceArgs;
use crate::product::Product;
use crate::report;

/// Measures what it costs to check a resource and an import by a profile, to read many profiles, and to make a summary
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct ProfileArgs {
    /// Only these databases
    #[arg(long, value_delimiter = ',', value_name = "NAMES", default_value = "sqlite,postgres")]
    databases: Vec<Kind>,
    /// How many blood pressures an import has
    #[arg(long, default_value_t = 20_000, value_name = "NUMBER")]
    resources: usize,
    /// How many times each import is done; the best of each counts
    #[arg(long, default_value_t = 3, value_name = "NUMBER")]
    rounds: usize,
    /// How long summaries are asked for, in milliseconds
    #[arg(long, default_value_t = 3_000, value_name = "MS")]
    time: u64,
    #[command(flatten)]
    place: PlaceArgs,
}

/// How many processors the server may use.
const WORKERS: usize = 2;
/// How many resources the record has of which a summary is made.
const RECORD: usize = 2_000;

/// Measures and prints a line for each case.
///
/// # Errors
/// One line, when the server fails.
pub(crate) fn run(arguments: &ProfileArgs) -> Result<(), String> {
    definitions::run(Duration::from_millis(arguments.time))?;
    arguments.place.each(&arguments.databases, |folder, kind| {
        imports(arguments, folder, kind)?;
        summaries(arguments, folder, kind)
    })
}

/// The same import with the profile refused where it is broken, and not looked at.
fn imports(arguments: &ProfileArgs, folder: &Path, kind: Kind) -> Result<(), String> {
    let program = arguments.place.program()?;
    let place = arguments.place.databases(folder, kind)?;
    let text = pressures(arguments.resources);
    let rate = |check: &str| -> Result<f64, String> {
        let settings = vec![("CONCORD_PROFILE_CHECK", check.to_owned())];
        let product = Product::new(&program, folder, kind, WORKERS).with(settings);
        place.make("profiles")?;
        let imported = product.import_text(&place.url("profiles"), &text)?;
        place.remove("profiles")?;
        let resources = u32::try_from(imported.resources).unwrap_or(u32::MAX);
        Ok(f64::from(resources) / imported.time.as_secs_f64())
    };
    let (mut checked, mut unchecked) = (0.0_f64, 0.0_f64);
    for _ in 0..arguments.rounds {
        checked = checked.max(rate("refuse")?);
        unchecked = unchecked.max(rate("off")?);
    }
    report::note(&format!(
        "{:<16} import of blood pressures by UK Core   checked {checked:.0}/s  unchecked {unchecked:.0}/s  ratio {:.2}",
        kind.name(),
        checked / unchecked
    ));
    Ok(())
}

fn summaries(arguments: &ProfileArgs, folder: &Path, kind: Kind) -> Result<(), String> {
    let program = arguments.place.program()?;
    let product = Product::new(&program, folder, kind, WORKERS);
    let place = arguments.place.databases(folder, kind)?;
    place.make("summaries")?;
    let database = place.url("summaries");
    product.import_text(&database, &record())?;
    let token = product.token(&database, &["--patient".to_owned(), "p".to_owned()])?;
    let server = product.serve(&database)?;
    let request =
        format!("GET /fhir/Patient/p/$summary HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {token}\r\n\r\n");
    let before = server.processor_time();
    let measured = load::run(
        server.address,
        &Arc::new(vec![request.into_bytes()]),
        Load::full(1, Duration::from_millis(arguments.time)),
    )?;
    let spent = server.processor_time().saturating_sub(before);
    let count = u32::try_from(measured.requests).unwrap_or(u32::MAX).max(1);
    report::note(&format!(
        "{:<16} $summary of {RECORD} resources            p50 {:.1} ms  p99 {:.1} ms  CPU {:.1} ms",
        kind.name(),
        measured.p50.as_secs_f64() * 1e3,
        measured.p99.as_secs_f64() * 1e3,
        spent.as_secs_f64() * 1e3 / f64::from(count)
    ));
    drop(server);
    place.remove("summaries")
}

/// A patient and so many blood pressures, as UK Core has them.
fn pressures(count: usize) -> String {
    let mut out = r#"{"resourceType":"Patient","id":"p","gender":"unknown"}"#.to_owned();
    out.push('\n');
    for number in 0..count {
        let _ = writeln!(out, "{}", definitions::pressure(number));
    }
    out
}

/// A record of everything that a summary has.
fn record() -> String {
    let mut out = pressures(RECORD / 2);
    for number in 0..RECORD / 8 {
        let subject = r#""subject":{"reference":"Patient/p"}"#;
        let text = format!(r#"{{"text":"thing {number}"}}"#);
        for (of, more) in [
            ("Condition", format!(r#""code":{text},{subject}"#)),
            ("MedicationStatement", format!(r#""status":"active","medicationCodeableConcept":{text},{subject}"#)),
            ("Procedure", format!(r#""status":"completed","code":{text},{subject}"#)),
            (
                "AllergyIntolerance",
                format!(
                    r#""clinicalStatus":{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical","code":"active"}}]}},"code":{text},"patient":{{"reference":"Patient/p"}}"#
                ),
            ),
        ] {
            let _ = writeln!(out, r#"{{"resourceType":"{of}","id":"{}-{number}",{more}}}"#, of.to_lowercase());
        }
    }
    out
}
