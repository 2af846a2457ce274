//! Measures the structure of the source and compares it with what is committed in `limits.txt` beside this crate.
//!
//! `concord-structure` prints one table and fails if a number is not the committed one: what is worse may not come in,
//! and what is better is written down, so that it stays. `--lower` writes the numbers that have become smaller.
//!
//! | question | module |
//! |---|---|
//! | which modules has a crate, and what does each name? | [`source`] |
//! | where is what a path names? | [`resolve`] |
//! | which files need each other? | [`circles`] |
//! | what are the numbers? | [`measure`] |
//! | are they the committed ones? | [`limits`] |
//! | is what the documents say of the source so? | [`documents`] |

mod circles;
mod documents;
mod limits;
mod measure;
mod resolve;
mod source;

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use limits::Limits;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (text, code) = match run(&arguments) {
        Ok(text) => (text, ExitCode::SUCCESS),
        Err(text) => (text, ExitCode::FAILURE),
    };
    let _ = writeln!(std::io::stdout(), "{text}");
    code
}

/// The report; as an error if a number is not the committed one.
fn run(arguments: &[String]) -> Result<String, String> {
    let lower = match arguments {
        [] => false,
        [one] if one == "--lower" => true,
        _ => return Err("the only argument is --lower: write the numbers that have become smaller".into()),
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let file = root.join("crates/structure/limits.txt");
    let text = std::fs::read_to_string(&file).map_err(|error| format!("cannot read limits.txt: {error}"))?;
    let mut limits = Limits::parse(&text)?;
    let crates = measure::crates(&root)?;
    let numbers = measure::numbers(&crates, &limits);
    if lower {
        limits.lower(&numbers);
        std::fs::write(&file, limits.to_string()).map_err(|error| format!("cannot write limits.txt: {error}"))?;
    }
    let report = measure::table(&crates, &limits);
    let mut faults = limits.compare(&numbers);
    faults.extend(documents::faults(&root, &crates.iter().map(measure::Crate::named).collect::<Vec<_>>())?);
    if faults.is_empty() { Ok(report) } else { Err(format!("{report}\n{}", faults.join("\n"))) }
}
