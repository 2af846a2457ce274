//! The real server on one database, filled, with others and the hostile caller before it.

use std::path::Path;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use super::attack::AtWork;
use super::kind::Kind;
use super::others::{self, Fared};
use super::request::{self, From, PATIENT, RULED};
use super::table::Row;
use crate::database;
use crate::product::Product;
use crate::report;
use crate::workload::{self, Case, PATIENTS};

/// A database with all that callers ask for.
pub(crate) struct Stage {
    kind: database::Kind,
    place: database::Place,
    product: Product,
    reads: Arc<Vec<Vec<u8>>>,
    writes: Arc<Vec<Vec<u8>>>,
    /// The hostile caller's.
    token: String,
    /// That of whoever may see the same by hundreds of rules.
    ruled: String,
    /// Whether there is another database with the same in it.
    has_other: bool,
}

/// The name of the database.
const DATABASE: &str = "hostile";

/// The name of that of another server, which nobody else asks.
const OTHER: &str = "hostile_other";

impl Stage {
    /// Fills a database, and another one with the same for a control.
    ///
    /// # Errors
    /// One line.
    pub(crate) fn set(
        program: &Path,
        folder: &Path,
        (kind, place): (database::Kind, database::Place),
        has_other: bool,
    ) -> Result<Stage, String> {
        let workers = available_parallelism().map_or(1, std::num::NonZero::get);
        let product = Product::new(program, folder, kind, workers);
        place.make(DATABASE)?;
        report::note(&format!("{}: loading", kind.name()));
        let url = place.url(DATABASE);
        product.import_text(&url, &(workload::resources(PATIENTS) + &request::record()))?;
        let tokens = product.tokens(&url, PATIENTS)?;
        let token = product.token(&url, &["--patient".to_owned(), PATIENT.to_owned()])?;
        let ruled = product.token(&url, &["--fhir-user".to_owned(), RULED.to_owned()])?;
        crate::load::once(product.serve(&url)?.address, &From(Some(&token)).goal())?;
        place.vacuum(DATABASE)?;
        if has_other {
            place.copy(DATABASE, OTHER)?;
        }
        let reads = Arc::new(workload::requests(Case::Read, &tokens, PATIENTS));
        let writes = Arc::new(workload::requests(Case::Create, &tokens, PATIENTS));
        Ok(Stage { kind, place, product, reads, writes, token, ruled, has_other })
    }

    /// Measures what one kind does to others. The server is a new one, so that what one kind leaves behind is not
    /// counted for the next.
    ///
    /// # Errors
    /// One line, when it cannot be measured.
    pub(crate) fn rehearse(&self, kind: Kind, time: Duration) -> Result<Row, String> {
        let server = self.product.serve(&self.place.url(DATABASE))?;
        let fare = |time: Duration| others::fare(server.address, &self.reads, &self.writes, time);
        fare(time / 10)?;
        let before = server.processor_time();
        let (at_rest, writes_at_rest) = fare(time / 2)?;
        let processor = server.processor_time().saturating_sub(before);
        let elsewhere = if self.has_other { Some(self.control(kind, || fare(time))?) } else { None };
        server.forget_peak();
        let (connections, attack) = kind.attack(&self.token, &self.ruled);
        let before = server.processor_time();
        let hostile = AtWork::begin(server.address, attack, connections)?;
        let (reads, writes) = fare(time)?;
        let answers = hostile.end()?;
        let busy = server.processor_time().saturating_sub(before);
        let (peak, own_peak) = server.peak();
        Ok(Row {
            database: self.kind.name(),
            embedded: self.kind != database::Kind::Postgres,
            kind: kind.name(),
            connections,
            processor_each: processor / u32::try_from(at_rest.took.len().max(1)).unwrap_or(u32::MAX),
            processors: busy.as_secs_f64() / time.as_secs_f64(),
            at_rest,
            elsewhere,
            reads,
            writes_at_rest,
            writes,
            peak,
            own_peak,
            answers,
        })
    }

    /// How others' reads fare while a kind attacks another server: what it takes of the machine, and so of every server on it.
    fn control(&self, kind: Kind, fare: impl Fn() -> Result<(Fared, Fared), String>) -> Result<Fared, String> {
        let other = self.product.serve(&self.place.url(OTHER))?;
        let (connections, attack) = kind.attack(&self.token, &self.ruled);
        let hostile = AtWork::begin(other.address, attack, connections)?;
        let (reads, _) = fare()?;
        hostile.end()?;
        Ok(reads)
    }

    /// Removes what was filled.
    ///
    /// # Errors
    /// One line.
    pub(crate) fn clear(&self) -> Result<(), String> {
        self.place.remove(OTHER)?;
        self.place.remove(DATABASE)
    }
}
