//! Makes the compact R4 tables that Concord compiles in, from the official definitions (npm `hl7.fhir.r4.examples`
//! 4.0.1, unpacked).
//!
//! `concord-generate --definitions DIR` writes them; with `--check` nothing is written, and the exit code tells whether
//! the committed tables are what would be written. Profiles that others publish are made where their folder is named
//! (`--ukcore DIR`, `--ips DIR`).

mod bindings;
mod constraints;
mod definitions;
mod elements;
mod profiles;
mod search;
mod terminology;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Makes some tables: each a path below the workspace's root, and what the file holds.
type Generator = fn(&Path) -> Result<Vec<(PathBuf, String)>, String>;

/// Every maker of tables. A new one is a line here and a module above.
const GENERATORS: &[Generator] = &[
    elements::generate,
    bindings::generate,
    constraints::generate,
    search::generate,
    terminology::generate,
    profiles::r4,
];

/// Makers of tables from what others publish, each with the argument that names its folder.
const OTHERS: &[(&str, Generator)] = &[("--ukcore", profiles::ukcore), ("--ips", profiles::ips)];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(text) => {
            let _ = writeln!(std::io::stdout(), "{text}");
            ExitCode::SUCCESS
        }
        Err(text) => {
            let _ = writeln!(std::io::stderr(), "concord-generate: {text}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<String, String> {
    let mut definitions = None;
    let mut check = false;
    let mut made: Vec<(&Path, Generator)> = Vec::new();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--check" => check = true,
            "--definitions" => definitions = Some(rest.next().ok_or("--definitions needs a folder")?),
            other => {
                let known = "known are --definitions DIR, --ukcore DIR, --ips DIR and --check";
                let (_, generator) = OTHERS
                    .iter()
                    .find(|(name, _)| *name == other)
                    .ok_or_else(|| format!("unknown argument '{other}'; {known}"))?;
                made.push((Path::new(rest.next().ok_or_else(|| format!("{other} needs a folder"))?), *generator));
            }
        }
    }
    let definitions = Path::new(definitions.ok_or("--definitions DIR is missing: the unpacked R4 definitions")?);
    made.extend(GENERATORS.iter().map(|generator| (definitions, *generator)));
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut files = 0;
    let mut stale = Vec::new();
    for (folder, generator) in made {
        for (path, text) in generator(folder)? {
            files += 1;
            let target = root.join(&path);
            if check {
                // A file that is missing is as stale as one that differs.
                if std::fs::read_to_string(&target).ok().as_deref() != Some(text.as_str()) {
                    stale.push(path.display().to_string());
                }
            } else {
                std::fs::write(&target, text).map_err(|error| format!("cannot write {}: {error}", path.display()))?;
            }
        }
    }
    if stale.is_empty() {
        Ok(format!("{files} tables are {}", if check { "up to date" } else { "written" }))
    } else {
        Err(format!("not up to date, generate again: {}", stale.join(", ")))
    }
}
