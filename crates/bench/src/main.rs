//! `make bench`: the product beside its floor, on both databases, in one run.
//!
//! The floor (`concord-bench floor`) is a bare HTTP handler that does the same primary-key read, the same page query or
//! the same inserts over the same tables, and writes the same bytes, with no token, no decision, no audit of reads and no
//! FHIR. Both are servers of their own, loaded by the same client, so that their time on the processor can be told
//! apart. See docs/PERFORMANCE.md. `make hostile` measures what one hostile caller does to all others (`hostile`),
//! `make bench ARGS=tokens` what sign-in costs (`tokens`), `make bench ARGS=growing` whether a record that grows slows the rest
//! (`growing`), `make bench ARGS=cold` what the first touch of a fresh server does (`cold`), `make bench ARGS=profiles` what
//! checks, profiles and summaries cost (`profiles`).

mod check;
mod cold;
mod database;
mod definitions;
mod floor;
mod growing;
mod hostile;
mod load;
mod matrix;
mod place_args;
mod process;
mod product;
mod profiles;
mod report;
mod scratch;
mod tokens;
mod workload;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::place_args::PlaceArgs;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures Concord beside its floor
#[derive(Parser)]
#[command(name = "concord-bench", version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    bench: Bench,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the floor (started by the bench itself)
    Floor(floor::FloorArgs),
    Growing(growing::GrowingArgs),
    Hostile(hostile::HostileArgs),
    Tokens(tokens::TokenArgs),
    Cold(cold::ColdArgs),
    Profiles(profiles::ProfileArgs),
}

/// What to measure.
#[derive(clap::Args, Clone, Debug)]
struct Bench {
    /// Shorter runs: less than a minute, for a first look
    #[arg(long)]
    quick: bool,
    /// Only these cases
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    cases: Vec<workload::Case>,
    /// Only these databases: sqlite (every commit on the disk), sqlite-process (commits survive a crash of the process
    /// only), postgres
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    databases: Vec<database::Kind>,
    /// How many connections, one run for each [default: 1,8,32; with --quick 1,32]
    #[arg(long, value_delimiter = ',', value_name = "NUMBERS")]
    connections: Vec<usize>,
    /// How long each run takes, in milliseconds [default: 2000; with --quick 300]
    #[arg(long, value_name = "MS")]
    time: Option<u64>,
    /// How many requests a second are sent in all, as far as they are answered, so that the time on the processor is told of the
    /// same load for both [default: as many as are answered]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    /// How many patients, each with 100 Observations and their index: 1000 for 100,000 resources
    #[arg(long, default_value_t = workload::PATIENTS, value_name = "NUMBER", value_parser = patients)]
    patients: usize,
    /// Measure the product only
    #[arg(long)]
    product_only: bool,
    #[command(flatten)]
    place: PlaceArgs,
    /// Where the figures go
    #[arg(long, default_value = "target/bench.json", value_name = "FILE")]
    output: PathBuf,
}

/// At least one for each caller.
fn patients(text: &str) -> Result<usize, String> {
    let number = text.parse().map_err(|_| "a whole number".to_owned())?;
    let range = workload::CALLERS..=100_000;
    if range.contains(&number) { Ok(number) } else { Err(format!("{} to {}", range.start(), range.end())) }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match arguments.command {
        Some(Command::Floor(floor)) => floor::serve(&floor),
        Some(Command::Growing(growing)) => growing::run(&growing),
        Some(Command::Hostile(hostile)) => hostile::run(&hostile),
        Some(Command::Tokens(tokens)) => tokens::run(&tokens),
        Some(Command::Cold(cold)) => cold::run(&cold),
        Some(Command::Profiles(profiles)) => profiles::run(&profiles),
        None => matrix::run(&arguments.bench),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            #[expect(clippy::print_stderr, reason = "the one place where the bench says why it failed")]
            {
                eprintln!("concord-bench: {text}");
            }
            ExitCode::FAILURE
        }
    }
}
