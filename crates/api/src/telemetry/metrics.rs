//! The metrics of the process, in Prometheus' text form.

use std::fmt;
use std::time::Duration;

use prometheus::{Encoder as _, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, Registry, TextEncoder};

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
    tokens: TokenCounters,
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
}

/// Why the metrics could not be set up or written.
#[derive(Debug)]
pub struct MetricsError(prometheus::Error);

impl fmt::Display for MetricsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "metrics: {}", self.0)
    }
}

impl std::error::Error for MetricsError {}

impl From<prometheus::Error> for MetricsError {
    fn from(error: prometheus::Error) -> MetricsError {
        MetricsError(error)
    }
}

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
        let tokens = TokenCounters {
            remembered: outcomes.with_label_values(&["remembered"]),
            verified: outcomes.with_label_values(&["verified"]),
            refused: outcomes.with_label_values(&["refused"]),
        };
        let registry = Registry::new();
        registry.register(Box::new(requests.clone()))?;
        registry.register(Box::new(durations.clone()))?;
        registry.register(Box::new(audit_records.clone()))?;
        registry.register(Box::new(database_errors.clone()))?;
        registry.register(Box::new(outcomes))?;
        Ok(Metrics { registry, requests, durations, audit_records, database_errors, tokens })
    }

    /// Counts a finished request. `route` is the template of its path (`/fhir/{type}/{id}`), none when no route matched:
    /// a path itself would be health data and a label without end.
    pub fn request(&self, method: &str, route: Option<&str>, status: u16, took: Duration) {
        let method = if METHODS.contains(&method) { method } else { "other" };
        let route = route.unwrap_or("unmatched");
        self.requests.with_label_values(&[method, route, status.to_string().as_str()]).inc();
        self.durations.with_label_values(&[method, route]).observe(took.as_secs_f64());
    }

    /// Counts audit records that are durable now.
    pub fn audit_records(&self, count: u64) {
        self.audit_records.inc_by(count);
    }

    /// Counts a database call that failed.
    pub fn database_error(&self) {
        self.database_errors.inc();
    }

    /// The counters that the token verifier counts with.
    #[must_use]
    pub fn tokens(&self) -> TokenCounters {
        self.tokens.clone()
    }

    /// Every metric in Prometheus' text form, whose media type is `text/plain; version=0.0.4`.
    ///
    /// # Errors
    /// When a metric cannot be written.
    pub fn render(&self) -> Result<String, MetricsError> {
        let mut bytes = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut bytes)?;
        String::from_utf8(bytes).map_err(|error| MetricsError(prometheus::Error::Msg(error.to_string())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_counted_is_rendered() {
        let metrics = Metrics::new().unwrap();
        metrics.request("GET", Some("/fhir/{type}/{id}"), 200, Duration::from_millis(3));
        metrics.clone().request("GET", Some("/fhir/{type}/{id}"), 200, Duration::from_millis(3));
        metrics.request("BREW", None, 404, Duration::ZERO);
        metrics.audit_records(3);
        metrics.database_error();
        metrics.tokens().remembered.inc();
        let text = metrics.render().unwrap();
        for line in [
            r#"concord_http_requests_total{method="GET",route="/fhir/{type}/{id}",status="200"} 2"#,
            r#"concord_http_requests_total{method="other",route="unmatched",status="404"} 1"#,
            r#"concord_http_request_duration_seconds_bucket{method="GET",route="/fhir/{type}/{id}",le="0.005"} 2"#,
            "concord_audit_records_total 3",
            "concord_database_errors_total 1",
            r#"concord_tokens_total{outcome="remembered"} 1"#,
            r#"concord_tokens_total{outcome="refused"} 0"#,
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }
}
