//! How the lines of the log are written: as tracing-subscriber does, which takes several times as long. There is one for every
//! request. What is not plain here is written there.

use std::fmt::{self, Write as _};

use chrono::{DateTime, Utc};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::registry::LookupSpan;

use crate::clock;

/// How a line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// As one JSON object, with the target.
    Json,
    /// As text without colours and without the target.
    Plain,
}

/// Writes plain lines by itself, and has all else written as before.
pub(super) struct QuickFormat<F> {
    style: Style,
    otherwise: F,
}

impl<F> QuickFormat<F> {
    /// Writes as `otherwise` does, which has to be set to that style.
    pub(super) fn new(style: Style, otherwise: F) -> QuickFormat<F> {
        QuickFormat { style, otherwise }
    }
}

impl<S, N, F> FormatEvent<S, N> for QuickFormat<F>
where
    S: Subscriber + for<'l> LookupSpan<'l>,
    N: for<'w> FormatFields<'w> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        match line(self.style, event, clock::of_the_machine()) {
            Some(line) if context.lookup_current().is_none() => writer.write_str(&line),
            _ => self.otherwise.format_event(context, writer, event),
        }
    }
}

/// How long most lines are, or less.
const USUAL: usize = 512;

/// An event as a line, if nothing in it has to be escaped.
fn line(style: Style, event: &Event<'_>, now: DateTime<Utc>) -> Option<String> {
    let (metadata, at) = (event.metadata(), clock::written(now, 6));
    let level = *metadata.level();
    let mut line = Line { style, text: String::with_capacity(USUAL), is_plain: true, is_first: true };
    match style {
        Style::Json => line.text.extend(["{\"timestamp\":\"", &at, "\",\"level\":\"", level.as_str(), "\""]),
        Style::Plain => line.text.extend([&at, padding(level), level.as_str(), " "]),
    }
    event.record(&mut line);
    match style {
        Style::Json => {
            line.value("target", metadata.target());
            line.text.push_str("}\n");
        }
        Style::Plain => line.text.push('\n'),
    }
    line.is_plain.then_some(line.text)
}

/// What stands before a level, so that all take as much room.
fn padding(level: Level) -> &'static str {
    if level.as_str().len() < 5 { "  " } else { " " }
}

/// A line that is being written.
struct Line {
    style: Style,
    text: String,
    /// Whether all of it could be written as it is.
    is_plain: bool,
    /// Whether nothing has been recorded yet.
    is_first: bool,
}

/// Whether a text is in quotation marks what it is without.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b'"' && byte != b'\\')
}

impl Line {
    /// Begins a value, of which it writes the name.
    fn begin(&mut self, name: &str) {
        match self.style {
            Style::Json => self.text.extend([",\"", name, "\":"]),
            Style::Plain => {
                let space = if self.is_first { "" } else { " " };
                let sign = if name == MESSAGE { ["", ""] } else { [name, "="] };
                self.text.extend([space, sign[0], sign[1]]);
            }
        }
        self.is_first = false;
        // A name that is a word of Rust's is told without the mark of that.
        self.is_plain &= !name.starts_with("r#");
    }

    fn value(&mut self, name: &str, value: &str) {
        self.begin(name);
        self.is_plain &= is_plain(value);
        let quote = if self.style == Style::Plain && name == MESSAGE { "" } else { "\"" };
        self.text.extend([quote, value, quote]);
    }
}

/// What the text of an event is called.
const MESSAGE: &str = "message";

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.value(field.name(), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.begin(field.name());
        self.is_plain &= write!(self.text, "{value}").is_ok();
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.begin(field.name());
        self.text.push_str(if value { "true" } else { "false" });
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == MESSAGE {
            self.value(MESSAGE, &format!("{value:?}"));
        } else {
            self.is_plain = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::fmt::format::{self, DefaultFields, JsonFields};

    use super::*;

    /// What is logged, without the time, which is as long whoever writes it.
    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged<N, F>(fields: N, format: F, work: impl FnOnce()) -> Vec<String>
    where
        N: for<'w> FormatFields<'w> + Send + Sync + 'static,
        F: FormatEvent<tracing_subscriber::Registry, N> + Send + Sync + 'static,
    {
        use tracing_subscriber::layer::SubscriberExt as _;
        let written = Written::default();
        let writer = written.clone();
        let layer = tracing_subscriber::fmt::layer().with_ansi(false).fmt_fields(fields);
        let layer = layer.event_format(format).with_writer(move || writer.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), work);
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        let without_time = |line: &str| {
            let (before, time) = line.split_at(line.find("20").unwrap());
            format!("{before}{}", time.split_at(27).1)
        };
        text.lines().map(without_time).collect()
    }

    /// One of each kind of value, and what has to be escaped, is left out, or has a name that means something.
    fn everything() {
        let (none, some): (Option<&str>, Option<u64>) = (None, Some(7));
        tracing::info!(request = "60e0b220", none, some, status = 200_u64, is_new = true, "request");
        tracing::error!(text = "a \"quoted\" one", "failed");
        tracing::warn!(text = "é\n\u{1b}[31m", "a warning \u{1b}[31m of {}", "\\");
        tracing::debug!(signed = -3, float = 1.5, debug = ?Some("x"), display = %"y", "all kinds");
        tracing::trace!(r#type = "word", "named by a word");
        tracing::trace!(only = "fields");
        tracing::info!(message = "a text", after = 1_u64);
        let failure = io::Error::other("broken");
        tracing::error!(error = &failure as &(dyn std::error::Error + 'static), "with an error");
        let span = tracing::info_span!("span", inside = 1);
        span.in_scope(|| tracing::info!(own = 2_u64, "in a span"));
    }

    #[test]
    fn a_line_is_what_it_was() {
        let json = || format::format().json().flatten_event(true).with_span_list(false);
        let plain = || format::format().with_target(false);
        let as_json = QuickFormat::new(Style::Json, json());
        assert_eq!(logged(JsonFields::new(), as_json, everything), logged(JsonFields::new(), json(), everything));
        let as_text = QuickFormat::new(Style::Plain, plain());
        assert_eq!(
            logged(DefaultFields::new(), as_text, everything),
            logged(DefaultFields::new(), plain(), everything)
        );
    }

    /// An event about which nothing has to be asked: that the line of a request is one is what all this is for.
    struct Nothing;

    impl<S: Subscriber + for<'l> LookupSpan<'l>, N: for<'w> FormatFields<'w> + 'static> FormatEvent<S, N> for Nothing {
        fn format_event(&self, _: &FmtContext<'_, S, N>, _: Writer<'_>, _: &Event<'_>) -> fmt::Result {
            panic!("this is not plain")
        }
    }

    #[test]
    fn the_line_of_a_request_is_written_here() {
        let ids = crate::telemetry::RequestIds::from_headers(None, None);
        for style in [Style::Json, Style::Plain] {
            let lines = logged(DefaultFields::new(), QuickFormat::new(style, Nothing), || {
                let mut progress = crate::telemetry::Progress::begin();
                progress.is_about("Observation");
                progress.is_asked_by("app");
                crate::telemetry::finished(&ids, &progress, "GET", "/fhir/{type}/{id}", 200);
            });
            assert!(lines.len() == 1 && lines[0].contains("/fhir/{type}/{id}"), "{lines:?}");
        }
    }
}
