//! The metrics of the process, in Prometheus' text form.

use std::time::Duration;

use super::log;
use super::process::Taken;
use crate::terminology_server::Asked;
use prometheus::{
    Encoder as _, Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry,
    TextEncoder,
};

/// The upper bounds of the duration histogram, in seconds: from a remembered read to a large transaction.
const BUCKETS: [f64; 14] = [0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// The methods that get a label of their own; any text can be a method, and each label is memory.
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// The metrics of the process. Cheap to clone; clones count together.
#[derive(Clone)]
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    durations: HistogramVec,
    audit_records: IntCounter,
    database_errors: IntCounter,
    database_waits: Histogram,
    lateness: Histogram,
    tokens: TokenCounters,
    refusals: RefusalCounters,
    given_up: IntCounter,
    elsewhere: CountedElsewhere,
    gauges: Gauges,
}

/// What there is at the moment of a look.
#[derive(Clone)]
struct Gauges {
    database_waiting: IntGauge,
    connections_open: IntGauge,
    connections_busy: IntGauge,
    places_busy: IntGauge,
    places_waiting: IntGauge,
    clock_off: Gauge,
    unsealed: IntGauge,
    resident_bytes: IntGauge,
    open_files: IntGauge,
    most_files: IntGauge,
}

impl Gauges {
    fn new() -> Result<Gauges, prometheus::Error> {
        Ok(Gauges {
            database_waiting: IntGauge::new(
                "concord_database_waiting",
                "What waits for SQLite's writer, or for a connection to PostgreSQL.",
            )?,
            connections_open: IntGauge::new("concord_database_connections", "Open connections to PostgreSQL.")?,
            connections_busy: IntGauge::new(
                "concord_database_connections_busy",
                "Connections to PostgreSQL that are at work.",
            )?,
            places_busy: IntGauge::new("concord_places_busy", "Places taken of those for what may take long.")?,
            places_waiting: IntGauge::new("concord_places_waiting", "What waits for such a place.")?,
            clock_off: Gauge::new(
                "concord_clock_offset_seconds",
                "How far this machine's clock is ahead of the database's.",
            )?,
            unsealed: IntGauge::new(
                "concord_audit_unsealed_records",
                "Audit records that were not in the chain when this node last added to it; 100000 for as many or more.",
            )?,
            resident_bytes: IntGauge::new("process_resident_memory_bytes", "Resident memory size in bytes.")?,
            open_files: IntGauge::new("process_open_fds", "Number of open file descriptors.")?,
            most_files: IntGauge::new("process_max_fds", "Maximum number of open file descriptors.")?,
        })
    }

    /// With the version that runs, which never changes.
    fn register(&self, registry: &Registry) -> Result<(), prometheus::Error> {
        let build = IntGauge::with_opts(
            Opts::new("concord_build_info", "1, with the version that runs.")
                .const_label("version", env!("CARGO_PKG_VERSION")),
        )?;
        build.set(1);
        let own = [&self.unsealed, &self.resident_bytes, &self.open_files, &self.most_files];
        let of_database = [&self.database_waiting, &self.connections_open, &self.connections_busy];
        let places = [&self.places_busy, &self.places_waiting, &build];
        for gauge in own.into_iter().chain(of_database).chain(places) {
            registry.register(Box::new(gauge.clone()))?;
        }
        registry.register(Box::new(self.clock_off.clone()))?;
        Ok(())
    }

    fn set(&self, load: Load) {
        let set = |gauge: &IntGauge, number: usize| gauge.set(i64::try_from(number).unwrap_or(i64::MAX));
        set(&self.database_waiting, load.database_waiting);
        set(&self.connections_open, load.connections.0);
        set(&self.connections_busy, load.connections.1);
        set(&self.places_busy, load.places_busy);
        set(&self.places_waiting, load.places_waiting);
        self.unsealed.set(load.unsealed);
        let taken = Taken::now();
        let told = [
            (&self.resident_bytes, taken.resident_bytes),
            (&self.open_files, taken.open_files),
            (&self.most_files, taken.most_files),
        ];
        for (gauge, number) in told {
            gauge.set(number.and_then(|number| i64::try_from(number).ok()).unwrap_or(0));
        }
        #[expect(clippy::cast_precision_loss, reason = "milliseconds, of which a few are not missed")]
        self.clock_off.set(load.clock_off_ms as f64 / 1000.0);
    }
}

/// What is counted where it happens, and brought here when somebody looks.
#[derive(Clone)]
struct CountedElsewhere {
    log_lines_lost: IntCounter,
    key_failures: IntCounter,
    decisions: IntCounterVec,
    terminology: IntCounterVec,
    terminology_reachable: IntGauge,
}

impl CountedElsewhere {
    fn new() -> Result<CountedElsewhere, prometheus::Error> {
        Ok(CountedElsewhere {
            log_lines_lost: IntCounter::new(
                "concord_log_lines_lost_total",
                "Lines of the program's own log that were lost because standard error was not read fast enough.",
            )?,
            key_failures: IntCounter::new(
                "concord_issuer_key_failures_total",
                "Times that the keys of an issuer could not be read, from its URL or file.",
            )?,
            decisions: IntCounterVec::new(
                Opts::new(
                    "concord_decisions_total",
                    "Access decisions, by whether they permit all that was asked, some of it by its content, or none.",
                ),
                &["permit"],
            )?,
            terminology: IntCounterVec::new(
                Opts::new(
                    "concord_terminology_questions_total",
                    "Questions to the terminology server elsewhere: answered by it, from memory, or not since it cannot be \
                     reached.",
                ),
                &["outcome"],
            )?,
            terminology_reachable: IntGauge::new(
                "concord_terminology_reachable",
                "1 while the terminology server elsewhere is asked, 0 while it is not since it could not be reached.",
            )?,
        })
    }

    fn register(&self, registry: &Registry) -> Result<(), prometheus::Error> {
        registry.register(Box::new(self.log_lines_lost.clone()))?;
        registry.register(Box::new(self.key_failures.clone()))?;
        registry.register(Box::new(self.decisions.clone()))?;
        registry.register(Box::new(self.terminology.clone()))?;
        registry.register(Box::new(self.terminology_reachable.clone()))
    }

    fn bring(&self, load: Load) {
        let bring_to = |counter: &IntCounter, number: u64| counter.inc_by(number.saturating_sub(counter.get()));
        bring_to(&self.log_lines_lost, log::lost());
        bring_to(&self.key_failures, load.key_failures);
        for (permit, number) in ["all", "some", "none"].into_iter().zip(load.decisions) {
            bring_to(&self.decisions.with_label_values(&[permit]), number);
        }
        let asked = load.terminology.unwrap_or_default();
        let outcomes = [("answered", asked.answered), ("remembered", asked.remembered), ("failed", asked.failed)];
        for (outcome, number) in outcomes {
            bring_to(&self.terminology.with_label_values(&[outcome]), number);
        }
        self.terminology_reachable.set(i64::from(asked.is_reachable));
    }
}

/// How busy the server is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// How much waits for SQLite's writer or for a connection to PostgreSQL.
    pub database_waiting: usize,
    /// How many connections to PostgreSQL are open, and how many of them are at work.
    pub connections: (usize, usize),
    /// How many of the places are taken that there are for what may take long.
    pub places_busy: usize,
    /// How much waits for one of them.
    pub places_waiting: usize,
    /// How far this machine's clock is ahead of the database's, in milliseconds.
    pub clock_off_ms: i64,
    /// How many audit records were not in the chain when this node last added to it.
    pub unsealed: i64,
    /// How often the keys of an issuer could not be read since the start.
    pub key_failures: u64,
    /// How many decisions permitted all that was asked, some of it, and none since the start.
    pub decisions: [u64; 3],
    /// What has become of questions to a terminology server elsewhere; none where there is no such server.
    pub terminology: Option<Asked>,
}

/// How the log was told of calls without a believable token.
#[derive(Clone)]
pub struct RefusalCounters {
    /// By an entry of its own.
    pub told: IntCounter,
    /// As one of a number.
    pub counted: IntCounter,
}

/// What became of bearer tokens.
#[derive(Clone)]
pub struct TokenCounters {
    /// Verified earlier and remembered.
    pub remembered: IntCounter,
    /// Verified by their signature.
    pub verified: IntCounter,
    /// Refused.
    pub refused: IntCounter,
    /// Not looked at, because the issuer's keys could not be had.
    pub without_keys: IntCounter,
}

impl TokenCounters {
    fn of(outcomes: &IntCounterVec) -> TokenCounters {
        TokenCounters {
            remembered: outcomes.with_label_values(&["remembered"]),
            verified: outcomes.with_label_values(&["verified"]),
            refused: outcomes.with_label_values(&["refused"]),
            without_keys: outcomes.with_label_values(&["without-keys"]),
        }
    }
}

fn database_waits() -> Result<Histogram, prometheus::Error> {
    let told = HistogramOpts::new(
        "concord_database_wait_seconds",
        "How long requests have waited for SQLite's writer, or for a connection to PostgreSQL.",
    );
    Histogram::with_opts(told.buckets(BUCKETS.to_vec()))
}

/// The histograms of how long requests wait for the database, and of how late threads are.
fn waits(registry: &Registry) -> Result<[Histogram; 2], prometheus::Error> {
    let both = [database_waits()?, lateness()?];
    for histogram in &both {
        registry.register(Box::new(histogram.clone()))?;
    }
    Ok(both)
}

fn lateness() -> Result<Histogram, prometheus::Error> {
    let told = HistogramOpts::new(
        "concord_http_thread_late_seconds",
        "How much later than it was due the threads that serve HTTP came to something else: looked at ten times a second each.",
    );
    Histogram::with_opts(told.buckets(BUCKETS.to_vec()))
}

/// Why the metrics could not be set up or written.
#[derive(Debug, thiserror::Error)]
#[error("metrics: {0}")]
pub struct MetricsError(#[from] prometheus::Error);

impl Metrics {
    /// New metrics, all zero, in a registry of their own.
    ///
    /// # Errors
    /// Only when two metrics share a name, which a test rules out.
    pub fn new() -> Result<Metrics, MetricsError> {
        let requests = IntCounterVec::new(
            Opts::new("concord_http_requests_total", "Finished HTTP requests."),
            &["method", "route", "status"],
        )?;
        let durations = HistogramVec::new(
            HistogramOpts::new("concord_http_request_duration_seconds", "How long HTTP requests took.")
                .buckets(BUCKETS.to_vec()),
            &["method", "route"],
        )?;
        let audit_records = IntCounter::new("concord_audit_records_total", "Audit records made durable.")?;
        let database_errors = IntCounter::new("concord_database_errors_total", "Database calls that failed.")?;
        let outcomes = IntCounterVec::new(
            Opts::new("concord_tokens_total", "Bearer tokens looked at, by what became of them."),
            &["outcome"],
        )?;
        let tokens = TokenCounters::of(&outcomes);
        let refused = IntCounterVec::new(
            Opts::new(
                "concord_refused_calls_total",
                "Calls without a believable token, by how the audit log tells them.",
            ),
            &["told"],
        )?;
        let refusals = RefusalCounters {
            told: refused.with_label_values(&["entry"]),
            counted: refused.with_label_values(&["number"]),
        };
        let given_up = IntCounter::new(
            "concord_connections_given_up_total",
            "Connections closed because the client did not take its answer, or did not end what it began.",
        )?;
        let elsewhere = CountedElsewhere::new()?;
        let gauges = Gauges::new()?;
        let registry = Registry::new();
        let [database_waits, lateness] = waits(&registry)?;
        gauges.register(&registry)?;
        registry.register(Box::new(requests.clone()))?;
        registry.register(Box::new(durations.clone()))?;
        registry.register(Box::new(outcomes))?;
        registry.register(Box::new(refused))?;
        elsewhere.register(&registry)?;
        for counter in [&audit_records, &database_errors, &given_up] {
            registry.register(Box::new(counter.clone()))?;
        }
        Ok(Metrics {
            registry,
            requests,
            durations,
            audit_records,
            database_errors,
            database_waits,
            lateness,
            tokens,
            refusals,
            given_up,
            elsewhere,
            gauges,
        })
    }

    /// Counts a finished request. `route` is the template of its path (`/fhir/{type}/{id}`), none when no route matched:
    /// a path itself would be health data and a label without end.
    pub fn request(&self, method: &str, route: Option<&str>, status: u16, took: Duration) {
        let method = if METHODS.contains(&method) { method } else { "other" };
        let route = route.unwrap_or("unmatched");
        self.requests.with_label_values(&[method, route, status.to_string().as_str()]).inc();
        self.durations.with_label_values(&[method, route]).observe(took.as_secs_f64());
    }

    /// Notes by how much a thread that serves HTTP was late.
    pub fn was_late(&self, by: Duration) {
        self.lateness.observe(by.as_secs_f64());
    }

    /// The counters that the token verifier counts with.
    #[must_use]
    pub fn tokens(&self) -> TokenCounters {
        self.tokens.clone()
    }

    /// The counters of calls without a believable token.
    #[must_use]
    pub fn refusals(&self) -> RefusalCounters {
        self.refusals.clone()
    }

    /// The counter of connections that were given up.
    #[must_use]
    pub fn given_up(&self) -> IntCounter {
        self.given_up.clone()
    }

    /// Every metric in Prometheus' text form, whose media type is `text/plain; version=0.0.4`.
    ///
    /// # Errors
    /// When a metric cannot be written.
    pub fn render(&self, load: Load) -> Result<String, MetricsError> {
        self.gauges.set(load);
        self.elsewhere.bring(load);
        let mut bytes = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut bytes)?;
        String::from_utf8(bytes).map_err(|error| MetricsError(prometheus::Error::Msg(error.to_string())))
    }
}

impl concord_store::Observer for Metrics {
    fn audit_records(&self, count: u64) {
        self.audit_records.inc_by(count);
    }

    fn database_error(&self) {
        self.database_errors.inc();
    }

    fn waited(&self, how_long: Duration) {
        self.database_waits.observe(how_long.as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use concord_store::Observer as _;

    use super::*;

    #[test]
    fn everything_counted_is_rendered() {
        let metrics = Metrics::new().unwrap();
        metrics.request("GET", Some("/fhir/{type}/{id}"), 200, Duration::from_millis(3));
        metrics.clone().request("GET", Some("/fhir/{type}/{id}"), 200, Duration::from_millis(3));
        metrics.request("BREW", None, 404, Duration::ZERO);
        metrics.audit_records(3);
        metrics.database_error();
        metrics.waited(Duration::from_millis(30));
        metrics.was_late(Duration::from_millis(3));
        metrics.tokens().remembered.inc();
        let load = Load {
            database_waiting: 7,
            connections: (10, 4),
            places_busy: 2,
            places_waiting: 1,
            clock_off_ms: -1_500,
            unsealed: 5,
            key_failures: 2,
            decisions: [4, 3, 0],
            terminology: Some(Asked { answered: 5, remembered: 9, failed: 1, is_reachable: true }),
        };
        let text = metrics.render(load).unwrap();
        for line in [
            r#"concord_http_requests_total{method="GET",route="/fhir/{type}/{id}",status="200"} 2"#,
            r#"concord_http_requests_total{method="other",route="unmatched",status="404"} 1"#,
            r#"concord_http_request_duration_seconds_bucket{method="GET",route="/fhir/{type}/{id}",le="0.005"} 2"#,
            "concord_audit_records_total 3",
            "concord_database_errors_total 1",
            r#"concord_tokens_total{outcome="remembered"} 1"#,
            r#"concord_tokens_total{outcome="refused"} 0"#,
            r#"concord_refused_calls_total{told="number"} 0"#,
            "concord_connections_given_up_total 0",
            "concord_log_lines_lost_total 0",
            r#"concord_tokens_total{outcome="without-keys"} 0"#,
            "concord_database_waiting 7",
            "concord_database_connections 10",
            "concord_database_connections_busy 4",
            r#"concord_database_wait_seconds_bucket{le="0.05"} 1"#,
            r#"concord_http_thread_late_seconds_bucket{le="0.005"} 1"#,
            "concord_places_busy 2",
            "concord_places_waiting 1",
            "concord_clock_offset_seconds -1.5",
            "concord_audit_unsealed_records 5",
            "concord_issuer_key_failures_total 2",
            r#"concord_decisions_total{permit="all"} 4"#,
            r#"concord_decisions_total{permit="some"} 3"#,
            r#"concord_decisions_total{permit="none"} 0"#,
            r#"concord_terminology_questions_total{outcome="remembered"} 9"#,
            "concord_terminology_reachable 1",
            "process_resident_memory_bytes ",
            "process_open_fds ",
            "process_max_fds ",
            "concord_build_info{version=",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }
}
