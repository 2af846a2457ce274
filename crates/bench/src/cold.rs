//! What the first touch costs: a professional's first record on a server that has just started, then the first on each of more
//! connections, one after the other and all at once. Every run has a server of its own, and every request another patient.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::database::Kind;
use crate::load;
use crate::place_args::PlaceArgs;
use crate::process::{Cluster, Server};
use crate::product::Product;
use crate::{report, workload};

/// Measures the first requests on fresh servers and fresh connections
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct ColdArgs {
    /// Only these databases
    #[arg(long, value_delimiter = ',', value_name = "NAMES", default_value = "sqlite,postgres")]
    databases: Vec<Kind>,
    /// How many connections ask, each once
    #[arg(long, default_value_t = 8, value_name = "NUMBER", value_parser = connections)]
    connections: usize,
    /// How many fresh servers there are for each case
    #[arg(long, default_value_t = 5, value_name = "NUMBER")]
    runs: usize,
    /// What the first request on any connection may take while nothing else asks, in milliseconds
    #[arg(long, default_value_t = 150, value_name = "MS")]
    limit: u64,
    /// Fail where one takes longer
    #[arg(long)]
    strict: bool,
    #[command(flatten)]
    place: PlaceArgs,
}

/// One patient for each.
fn connections(text: &str) -> Result<usize, String> {
    let number = text.parse().map_err(|_| "a whole number".to_owned())?;
    if (2..=workload::CALLERS).contains(&number) { Ok(number) } else { Err(format!("2 to {}", workload::CALLERS)) }
}

/// What a professional looks at first.
const CASES: [(&str, &str); 3] = [
    ("$everything", "/$everything"),
    ("the compartment", "/*"),
    ("a search in it", "/Observation?_sort=-date&_count=20"),
];

/// What requests took.
#[derive(Clone, Copy, Debug, Default)]
struct Took {
    wall: Duration,
    /// Of the server and, where it can be seen, of PostgreSQL.
    processor: Duration,
}

/// What was measured of one case, a value a run.
#[derive(Default)]
struct Measured {
    first: Vec<Took>,
    /// The slowest of the connections after the first one, and all of them on the processor.
    next: Vec<Took>,
    /// The slowest of all at once, and all of them on the processor.
    together: Vec<Took>,
}

/// Measures and prints a line for each case.
///
/// # Errors
/// One line, when the server fails, or with `--strict` when something takes longer than it may.
pub(crate) fn run(arguments: &ColdArgs) -> Result<(), String> {
    let mut missed = Vec::new();
    arguments.place.each(&arguments.databases, |folder, kind| {
        missed.extend(measure(arguments, folder, kind)?);
        Ok(())
    })?;
    match missed.is_empty() || !arguments.strict {
        true => Ok(()),
        false => Err(format!("more than {} ms: {}", arguments.limit, missed.join("; "))),
    }
}

/// Measures every case on a database, and says which took longer than they may.
fn measure(arguments: &ColdArgs, folder: &Path, kind: Kind) -> Result<Vec<String>, String> {
    let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let product = Product::new(&arguments.place.program()?, folder, kind, workers);
    let place = arguments.place.databases(folder, kind)?;
    place.make("cold")?;
    let database = place.url("cold");
    product.import(&database, workload::PATIENTS)?;
    place.vacuum("cold")?;
    let who = ["--fhir-user".to_owned(), format!("Practitioner/{}", workload::PROFESSIONAL)];
    let token = product.token(&database, &who)?;
    let cluster = place.cluster();
    let mut missed = Vec::new();
    for (name, tail) in CASES {
        let requests: Vec<Vec<u8>> = (0..arguments.connections).map(|patient| asking(patient, tail, &token)).collect();
        let mut measured = Measured::default();
        for _ in 0..arguments.runs {
            let server = product.serve(&database)?;
            let (first, next) = one_after_the_other(&server, cluster.as_ref(), &requests)?;
            measured.first.push(first);
            measured.next.push(next);
            drop(server);
            let server = product.serve(&database)?;
            measured.together.push(at_once(&server, cluster.as_ref(), &requests)?);
        }
        tell(kind, name, &measured, arguments.connections);
        let slowest = measured.first.iter().chain(&measured.next).map(|took| took.wall).max().unwrap_or_default();
        if slowest > Duration::from_millis(arguments.limit) {
            missed.push(format!("{}: {name}, {} ms", kind.name(), slowest.as_millis()));
        }
    }
    place.remove("cold")?;
    Ok(missed)
}

fn asking(patient: usize, tail: &str, token: &str) -> Vec<u8> {
    let id = workload::patient_id(patient);
    format!("GET /fhir/Patient/{id}{tail} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {token}\r\n\r\n")
        .into_bytes()
}

/// The first request, and the slowest of those after it; each on a connection of its own.
fn one_after_the_other(
    server: &Server,
    cluster: Option<&Cluster>,
    requests: &[Vec<u8>],
) -> Result<(Took, Took), String> {
    let ask = |request: &Vec<u8>| {
        let before = spent(server, cluster);
        let wall = ask(server.address, request)?;
        Ok::<_, String>(Took { wall, processor: spent(server, cluster).saturating_sub(before) })
    };
    let Some((first, rest)) = requests.split_first() else { return Err("there are no requests".to_owned()) };
    let first = ask(first)?;
    let mut next = Took::default();
    for request in rest {
        let took = ask(request)?;
        next = Took { wall: next.wall.max(took.wall), processor: next.processor + took.processor };
    }
    Ok((first, next))
}

/// All requests at once.
fn at_once(server: &Server, cluster: Option<&Cluster>, requests: &[Vec<u8>]) -> Result<Took, String> {
    let before = spent(server, cluster);
    let address = server.address;
    let took: Vec<Result<Duration, String>> = std::thread::scope(|scope| {
        let asked: Vec<_> = requests.iter().map(|request| scope.spawn(move || ask(address, request))).collect();
        asked.into_iter().map(|one| one.join().unwrap_or_else(|_| Err("the client failed".to_owned()))).collect()
    });
    let mut wall = Duration::ZERO;
    for one in took {
        wall = wall.max(one?);
    }
    Ok(Took { wall, processor: spent(server, cluster).saturating_sub(before) })
}

/// How long an answer took on a connection that is opened for it.
fn ask(address: SocketAddr, request: &[u8]) -> Result<Duration, String> {
    let started = Instant::now();
    load::once(address, request)?;
    Ok(started.elapsed())
}

fn spent(server: &Server, cluster: Option<&Cluster>) -> Duration {
    server.on_processor() + cluster.map_or(Duration::ZERO, Cluster::on_processor)
}

fn tell(kind: Kind, name: &str, measured: &Measured, connections: usize) {
    let all = u32::try_from(connections).unwrap_or(u32::MAX);
    report::note(&format!(
        "{:<11} {name:<16} first {}; on {} more connections, slowest {}; {connections} at once, slowest {}",
        kind.name(),
        told(&measured.first, 1),
        connections - 1,
        told(&measured.next, all.saturating_sub(1)),
        told(&measured.together, all),
    ));
}

/// The middle of the runs and the slowest in ms, and what each request took on the processor.
fn told(runs: &[Took], requests: u32) -> String {
    let sorted = |of: &dyn Fn(&Took) -> Duration| {
        let mut all: Vec<Duration> = runs.iter().map(of).collect();
        all.sort_unstable();
        let middle = all.get(all.len() / 2).copied().unwrap_or_default();
        (middle.as_secs_f64() * 1000.0, all.last().copied().unwrap_or_default().as_secs_f64() * 1000.0)
    };
    let (wall, slowest) = sorted(&|took| took.wall);
    let (processor, _) = sorted(&|took| took.processor / requests.max(1));
    format!("{wall:.0} ms (at most {slowest:.0}; processor {processor:.1} each)")
}
