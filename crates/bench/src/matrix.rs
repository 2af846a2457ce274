//! Every case, on every database, under every number of connections: the floor, then the product.

use std::path::Path;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use crate::Bench;
use crate::check;
use crate::database::{Kind, Place};
use crate::load::{self, Load, Measured};
use crate::process::{Cluster, Server};
use crate::product::{Imported, Product};
use crate::report::{self, Figures, Row, Side, Startup};
use crate::workload::{self, Case};

/// Measures, prints the tables and writes the file.
///
/// # Errors
/// One line, when something cannot be measured.
pub(crate) fn run(bench: &Bench) -> Result<(), String> {
    let checked = check::run(Duration::from_millis(if bench.quick { 300 } else { 2_000 }))?;
    let mut figures = Figures { checked: Some(checked), ..Figures::default() };
    let kinds = if bench.databases.is_empty() { Kind::ALL.to_vec() } else { bench.databases.clone() };
    bench.place.each(&kinds, |folder, kind| {
        let session = Session::open(bench, kind, bench.place.databases(folder, kind)?, folder)?;
        session.measure(bench, &mut figures)?;
        session.close()
    })?;
    report::print(&figures);
    report::write(&report::as_json(&figures), &bench.output)
}

/// The two servers of one database, with their databases loaded.
struct Session {
    kind: Kind,
    place: Place,
    cluster: Option<Cluster>,
    product: Product,
    tokens: Vec<String>,
    imported: Imported,
}

impl Session {
    fn open(bench: &Bench, kind: Kind, place: Place, folder: &Path) -> Result<Session, String> {
        let workers = available_parallelism().map_or(1, std::num::NonZero::get);
        let product = Product::new(&bench.place.program()?, folder, kind, workers);
        place.make("product")?;
        report::note(&format!("{}: loading", kind.name()));
        let imported = product.import(&place.url("product"), bench.patients)?;
        let tokens = product.tokens(&place.url("product"), bench.patients)?;
        {
            let server = product.serve(&place.url("product"))?;
            Product::create_once(&server, &tokens, bench.patients)?;
        }
        place.vacuum("product")?;
        place.copy("product", "floor")?;
        let cluster = place.cluster();
        Ok(Session { kind, place, cluster, product, tokens, imported })
    }

    fn measure(&self, bench: &Bench, figures: &mut Figures) -> Result<(), String> {
        let time = Duration::from_millis(bench.time.unwrap_or(if bench.quick { 300 } else { 2_000 }));
        let cases = if bench.cases.is_empty() { Case::ALL.to_vec() } else { bench.cases.clone() };
        let connections = match (bench.connections.is_empty(), bench.quick) {
            (false, _) => bench.connections.clone(),
            (true, true) => vec![1, 32],
            (true, false) => vec![1, 8, 32],
        };
        let mut starts: Vec<Duration> = Vec::new();
        for _ in 0..if bench.quick { 1 } else { 5 } {
            starts.push(self.product.serve(&self.place.url("product"))?.start);
        }
        let server = self.product.serve(&self.place.url("product"))?;
        starts.push(server.start);
        starts.sort_unstable();
        std::thread::sleep(Duration::from_millis(if bench.quick { 300 } else { 2_000 }));
        let idle = server.resident();
        let floor = if bench.product_only { None } else { Some(self.product.serve_floor(&self.place, "floor")?) };
        for case in cases {
            let asked = Arc::new(workload::requests(case, &self.tokens, bench.patients));
            let plain = Arc::new(workload::requests(case, &[], bench.patients));
            for &connections in &connections {
                let load = Load { connections, time, rate: bench.rate };
                let floor = match &floor {
                    Some(floor) => Some(self.side(floor, &plain, load)?),
                    None => None,
                };
                let product = self.side(&server, &asked, load)?;
                let row = Row { database: self.kind.name(), case: case.name(), connections, floor, product };
                report::progress(&row);
                figures.rows.push(row);
            }
        }
        figures.startups.push(Startup {
            database: self.kind.name(),
            start: starts.get(starts.len() / 2).copied().unwrap_or_default(),
            idle,
            busy: server.resident(),
            imported: self.imported,
        });
        Ok(())
    }

    /// One run after a short one that warms it up, with the time that it cost the server and the database.
    fn side(&self, server: &Server, requests: &Arc<Vec<Vec<u8>>>, load: Load) -> Result<Side, String> {
        load::run(server.address, requests, Load { time: load.time / 5, ..load })?;
        let database = || self.cluster.as_ref().map_or(Duration::ZERO, Cluster::processor_time);
        let (before, database_before) = (server.processor_time(), database());
        let measured = load::run(server.address, requests, load)?;
        let (after, database_after) = (server.processor_time(), database());
        Ok(Side {
            processor_ms: each_ms(after.saturating_sub(before), &measured),
            database_ms: self
                .cluster
                .as_ref()
                .map(|_| each_ms(database_after.saturating_sub(database_before), &measured)),
            measured,
        })
    }

    fn close(&self) -> Result<(), String> {
        self.place.remove("floor")?;
        self.place.remove("product")
    }
}

/// Milliseconds for each request.
fn each_ms(total: Duration, measured: &Measured) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "far fewer requests than a double can count")]
    let requests = measured.requests.max(1) as f64;
    total.as_secs_f64() * 1000.0 / requests
}
