//! `make hostile`: what one hostile caller does to all others. The real server is filled with synthetic people, and other
//! callers' plain reads are measured at rest and while one caller of each kind does its worst, on both databases. See
//! docs/OPERATIONS.md and docs/PERFORMANCE.md.

mod attack;
mod kind;
mod others;
mod request;
mod stage;
mod table;

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::database;
use crate::place_args::PlaceArgs;
use crate::report;

/// Measures what one hostile caller does to all others
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct HostileArgs {
    /// Fail when a kind misses the aim: p99 less than 5 times what it is at rest, on SQLite less than 256 MB of memory, and
    /// no error for anybody else
    #[arg(long)]
    strict: bool,
    /// Only these kinds
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    kinds: Vec<kind::Kind>,
    /// Only these databases
    #[arg(long, value_delimiter = ',', value_name = "NAMES", default_value = "sqlite,postgres")]
    databases: Vec<database::Kind>,
    /// How long each kind is at work, in milliseconds; half as long is measured at rest before
    #[arg(long, default_value_t = 5_000, value_name = "MS")]
    time: u64,
    /// Have each kind attack another server on this machine before, to tell what is the machine's: both have its processors
    #[arg(long)]
    control: bool,
    #[command(flatten)]
    place: PlaceArgs,
    /// Where the figures go
    #[arg(long, default_value = "target/hostile.json", value_name = "FILE")]
    output: PathBuf,
}

/// Measures, prints the tables and writes the file.
///
/// # Errors
/// One line, when something cannot be measured, or a kind misses the aim and that is to be a failure.
pub(crate) fn run(arguments: &HostileArgs) -> Result<(), String> {
    let mut rows = Vec::new();
    arguments.place.each(&arguments.databases, |folder, database| measured(arguments, folder, database, &mut rows))?;
    table::print(&rows);
    report::write(&table::as_json(&rows), &arguments.output)?;
    let missed = table::missed(&rows);
    match arguments.strict && !missed.is_empty() {
        true => Err(format!("the aim is missed by {}", missed.join("; "))),
        false => Ok(()),
    }
}

fn measured(
    arguments: &HostileArgs,
    folder: &Path,
    database: database::Kind,
    rows: &mut Vec<table::Row>,
) -> Result<(), String> {
    let place = arguments.place.databases(folder, database)?;
    let stage = stage::Stage::set(&arguments.place.program()?, folder, (database, place), arguments.control)?;
    let kinds = if arguments.kinds.is_empty() { kind::Kind::all() } else { arguments.kinds.clone() };
    for kind in kinds {
        let row = stage.rehearse(kind, Duration::from_millis(arguments.time))?;
        table::progress(&row);
        rows.push(row);
    }
    stage.clear()
}
