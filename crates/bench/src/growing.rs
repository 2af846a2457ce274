//! A record that grows: how everybody else fares, minute by minute, while connections write into one record and read it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::database::Kind;
use crate::load::{self, Load, Measured};
use crate::place_args::PlaceArgs;
use crate::product::Product;
use crate::report;
use crate::workload::{self, Case, PATIENTS};

/// Measures whether a record that grows slows the rest
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct GrowingArgs {
    /// Only these databases
    #[arg(long, value_delimiter = ',', value_name = "NAMES", default_value = "sqlite,postgres")]
    databases: Vec<Kind>,
    /// For how many minutes
    #[arg(long, default_value_t = 10, value_name = "NUMBER")]
    minutes: u32,
    /// How many connections write into the record
    #[arg(long, default_value_t = 8, value_name = "NUMBER")]
    writers: usize,
    /// How many read its latest pages
    #[arg(long, default_value_t = 8, value_name = "NUMBER")]
    readers: usize,
    /// How many read in other records
    #[arg(long, default_value_t = 16, value_name = "NUMBER")]
    others: usize,
    #[command(flatten)]
    place: PlaceArgs,
}

const MINUTE: Duration = Duration::from_secs(60);

/// The name of the database.
const DATABASE: &str = "growing";

/// How the three kinds of connections fared in a minute.
struct Minute {
    written: Measured,
    read: Measured,
    others: Measured,
}

/// Measures and prints a line a minute.
///
/// # Errors
/// One line, when the server fails.
pub(crate) fn run(arguments: &GrowingArgs) -> Result<(), String> {
    arguments.place.each(&arguments.databases, |folder, kind| measure(arguments, folder, kind))
}

fn measure(arguments: &GrowingArgs, folder: &Path, kind: Kind) -> Result<(), String> {
    let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let product = Product::new(&arguments.place.program()?, folder, kind, workers);
    let place = arguments.place.databases(folder, kind)?;
    place.make(DATABASE)?;
    let url = place.url(DATABASE);
    product.import(&url, PATIENTS)?;
    let tokens = product.tokens(&url, PATIENTS)?;
    let server = product.serve(&url)?;
    let of = |case, in_record| Arc::new(requests(case, &tokens, in_record));
    let (writes, reads, others) = (of(Case::Create, true), of(Case::Search, true), of(Case::Read, false));
    let mut stored = workload::READINGS;
    report::line(&format!("{}, in milliseconds", kind.name()));
    for minute in 1..=arguments.minutes {
        let together = [(&writes, arguments.writers), (&reads, arguments.readers), (&others, arguments.others)];
        let fared = fare(server.address, together)?;
        stored = stored.saturating_add(usize::try_from(fared.written.requests).unwrap_or(usize::MAX));
        report::line(&told(minute, stored, &fared));
    }
    drop(server);
    place.remove(DATABASE)
}

/// The requests of a case that are for the record that grows, or for all others.
fn requests(case: Case, tokens: &[String], in_record: bool) -> Vec<Vec<u8>> {
    let record = workload::of_caller(0, PATIENTS);
    let (person, reading) = (workload::patient_id(record), workload::observation_id(record, 0));
    let reading = reading.trim_end_matches("000");
    let is_about = |request: &Vec<u8>| {
        let text = String::from_utf8_lossy(request);
        text.contains(&person) || text.contains(reading)
    };
    workload::requests(case, tokens, PATIENTS).into_iter().filter(|request| is_about(request) == in_record).collect()
}

/// One minute of all three at once: those who write, those who read there, and all others.
fn fare(address: SocketAddr, together: [(&Arc<Vec<Vec<u8>>>, usize); 3]) -> Result<Minute, String> {
    std::thread::scope(|scope| {
        let all = together.map(|(requests, connections)| {
            scope.spawn(move || load::run(address, requests, Load::full(connections, MINUTE)))
        });
        let [written, read, others] =
            all.map(|one| one.join().map_err(|_| "the client failed".to_owned()).and_then(|measured| measured));
        Ok(Minute { written: written?, read: read?, others: others? })
    })
}

fn told(minute: u32, stored: usize, fared: &Minute) -> String {
    let ms = |time: Duration| time.as_secs_f64() * 1_000.0;
    format!(
        "minute {minute}: {stored} in the record; others p50 {:.2} p99 {:.2}, {:.0} a second; its latest p99 {:.2}, {:.0} a \
         second; writes p99 {:.2}, {:.0} a second",
        ms(fared.others.p50),
        ms(fared.others.p99),
        fared.others.throughput(),
        ms(fared.read.p99),
        fared.read.throughput(),
        ms(fared.written.p99),
        fared.written.throughput(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_record_grows_and_the_others_are_read() {
        let tokens: Vec<String> = (0..workload::CALLERS + 4).map(|number| format!("t{number}.")).collect();
        let of = |case, in_record| requests(case, &tokens, in_record);
        for case in [Case::Create, Case::Search] {
            let own = of(case, true);
            assert!(own.len() == 10 && own.iter().all(|one| String::from_utf8_lossy(one).contains("Bearer t0.")));
        }
        let others = of(Case::Read, false);
        assert!(others.len() == 990 && !others.iter().any(|one| String::from_utf8_lossy(one).contains("Bearer t0.")));
    }
}
