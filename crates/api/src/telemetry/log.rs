//! The log, on standard error: one JSON object a line, or text for people.
//!
//! Lines are written by a thread of their own. A standard error that is full, slow, closed or read by nobody costs lines,
//! which are counted, and no request waits for it or fails by it.

use std::sync::OnceLock;
use std::time::Duration;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format;

use super::lines::{Lines, Writing};
use super::progress::Progress;
use super::quick_format::{QuickFormat, Style};
use super::request_id::RequestIds;
use crate::config::{LogFormat, LogLevel};

/// Why the log could not be started.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LogError(String);

/// Where the lines of the process's log wait.
static LINES: OnceLock<Lines> = OnceLock::new();

/// The log of the process. When it is dropped, what waits is written, as far as that takes no longer than a second.
#[must_use]
pub struct Log {
    _writing: Writing,
}

/// Starts the log of the process.
///
/// # Errors
/// When it has been started before, or there can be no thread for it.
pub fn start(format: LogFormat, level: LogLevel) -> Result<Log, LogError> {
    let (lines, writing) = Lines::start(std::io::stderr())
        .map_err(|error| LogError(format!("the log cannot have a thread of its own: {error}")))?;
    tracing::subscriber::set_global_default(subscriber(format, level, lines.clone()))
        .map_err(|_| LogError("the log has been started before".to_owned()))?;
    let _first = LINES.set(lines);
    Ok(Log { _writing: writing })
}

/// How many lines have been lost because too many waited.
pub(super) fn lost() -> u64 {
    LINES.get().map_or(0, Lines::lost)
}

/// Our own work at the level asked for. Libraries no lower than warnings, whatever is asked: what they log of a request
/// (its query string, a statement's values) would be health data. What reads HTTP has an error for each request that is none,
/// and anybody may send thousands of these a second.
fn filter(level: LogLevel) -> EnvFilter {
    let libraries = if level == LogLevel::Error { "error" } else { "warn" };
    EnvFilter::new(format!("{libraries},actix_http=off,concord={level},concord_api={level}", level = level.name()))
}

fn subscriber<W>(format: LogFormat, level: LogLevel, writer: W) -> Box<dyn tracing::Subscriber + Send + Sync>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let has_colours = format == LogFormat::Pretty && std::io::IsTerminal::is_terminal(&std::io::stderr());
    let builder = tracing_subscriber::fmt().with_ansi(has_colours).with_env_filter(filter(level)).with_writer(writer);
    let plain = format::format().with_target(false);
    match format {
        LogFormat::Json => {
            let json = format::format().json().flatten_event(true).with_span_list(false);
            let fields = format::JsonFields::new();
            Box::new(builder.fmt_fields(fields).event_format(QuickFormat::new(Style::Json, json)).finish())
        }
        // Whoever looks on can wait for it.
        LogFormat::Pretty if has_colours => Box::new(builder.event_format(plain).finish()),
        LogFormat::Pretty => Box::new(builder.event_format(QuickFormat::new(Style::Plain, plain)).finish()),
    }
}

/// Logs a finished request. `route` is the template of its path (`/fhir/{type}/{id}`), never the path itself. Of the time until
/// it was answered, `known_us` had gone when it was known who asks, and `body_us` when the body was there.
pub fn finished(ids: &RequestIds, progress: &Progress, method: &str, route: &str, status: u16) {
    let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    let took_us = micros(progress.took());
    let (known_us, body_us) = (progress.known.map(micros), progress.whole.map(micros));
    let (client, resource_type) = (progress.client.as_deref(), progress.resource_type);
    let correlation = ids.correlation.as_deref();
    let request = ids.request.as_str();
    macro_rules! line {
        ($level:ident, $text:literal) => {
            tracing::$level!(
                request,
                correlation,
                client,
                method,
                route,
                resource_type,
                status,
                known_us,
                body_us,
                took_us,
                $text
            )
        };
    }
    if status >= 500 {
        line!(error, "request failed");
    } else {
        line!(info, "request");
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat, level: LogLevel, work: impl FnOnce()) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        tracing::subscriber::with_default(subscriber(format, level, move || writer.clone()), work);
        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    fn ids() -> RequestIds {
        RequestIds::from_headers(Some("60e0b220-8136-4ca5-ae46-1d97ef59d068"), None)
    }

    #[test]
    fn a_request_is_one_json_line() {
        let text = logged(LogFormat::Json, LogLevel::Info, || {
            let mut progress = Progress::begin();
            progress.is_about("Observation");
            progress.is_asked_by(&"app".repeat(50));
            progress.is_whole();
            finished(&ids(), &progress, "GET", "/fhir/{type}/{id}", 200);
        });
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["request"], "60e0b220-8136-4ca5-ae46-1d97ef59d068");
        assert_eq!((line["route"].as_str(), line["status"].as_u64()), (Some("/fhir/{type}/{id}"), Some(200)));
        assert_eq!((line["resource_type"].as_str(), line["level"].as_str()), (Some("Observation"), Some("INFO")));
        assert_eq!(line["client"].as_str().map(str::len), Some(100), "no more than is read");
        let times = ["known_us", "body_us", "took_us"].map(|name| line[name].as_u64().unwrap());
        assert!(times.is_sorted(), "{times:?}");
    }

    #[test]
    fn levels_are_kept() {
        let work = || {
            finished(&ids(), &Progress::begin(), "GET", "/a", 200);
            finished(&ids(), &Progress::begin(), "GET", "/b", 503);
            tracing::info!(target: "actix_web", "a library says ?name=Smith");
            tracing::error!(target: "actix_http::h1::dispatcher", "stream error: request parse error: Smith");
        };
        let text = logged(LogFormat::Pretty, LogLevel::Error, work);
        assert!(text.contains("/b") && !text.contains("/a") && !text.contains("Smith"), "{text}");
        let text = logged(LogFormat::Pretty, LogLevel::Trace, work);
        assert!(text.contains("/a") && !text.contains("Smith"), "{text}");
    }
}
