//! The tables on standard output and the figures as JSON.

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::check::Checked;
use crate::load::Measured;
use crate::product::Imported;

/// All figures of a run.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    /// One for each case, database and number of connections.
    pub(crate) rows: Vec<Row>,
    /// Of each database.
    pub(crate) startups: Vec<Startup>,
    /// Parsing and checking.
    pub(crate) checked: Option<Checked>,
}

/// A run on one server.
#[derive(Clone, Debug)]
pub(crate) struct Side {
    /// As the client saw it.
    pub(crate) measured: Measured,
    /// The server's time on the processor for each request, in milliseconds.
    pub(crate) processor_ms: f64,
    /// PostgreSQL's, where it can be seen.
    pub(crate) database_ms: Option<f64>,
}

/// One case, on one database, under one number of connections.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// The database.
    pub(crate) database: &'static str,
    /// The case.
    pub(crate) case: &'static str,
    /// The number of connections.
    pub(crate) connections: usize,
    /// The floor, if it was measured.
    pub(crate) floor: Option<Side>,
    /// The product.
    pub(crate) product: Side,
}

/// What was seen of the product besides its answers.
#[derive(Clone, Debug)]
pub(crate) struct Startup {
    /// The database.
    pub(crate) database: &'static str,
    /// From the start of the program to the first good answer of `/readyz`, the median.
    pub(crate) start: Duration,
    /// Resident bytes before the first request.
    pub(crate) idle: u64,
    /// Resident bytes after the last.
    pub(crate) busy: u64,
    /// The import.
    pub(crate) imported: Imported,
}

impl Row {
    /// The product's throughput as a part of the floor's.
    fn ratio(&self) -> Option<f64> {
        self.floor.as_ref().map(|floor| self.product.measured.throughput() / floor.measured.throughput())
    }
}

/// Says what is being done.
pub(crate) fn note(text: &str) {
    line(text);
}

/// Tells of a finished case while the others run.
pub(crate) fn progress(row: &Row) {
    line(&format!("{}: {}, {} connections: {}", row.database, row.case, row.connections, cells(row).join("  ")));
}

const HEAD: [&str; 10] = [
    "case",
    "conn",
    "ratio",
    "product/s",
    "floor/s",
    "p50 ms",
    "p99 ms",
    "CPU ms",
    "floor CPU ms",
    "PostgreSQL CPU ms",
];

fn cells(row: &Row) -> Vec<String> {
    let ms = |time: Duration| format!("{:.2}", time.as_secs_f64() * 1000.0);
    let floor = |text: fn(&Side) -> String| row.floor.as_ref().map_or_else(|| "-".to_owned(), text);
    let databases = match (row.product.database_ms, row.floor.as_ref().and_then(|floor| floor.database_ms)) {
        (Some(product), Some(floor)) => format!("{product:.3} (floor {floor:.3})"),
        (Some(product), None) => format!("{product:.3}"),
        _ => "-".to_owned(),
    };
    vec![
        row.ratio().map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}")),
        format!("{:.0}", row.product.measured.throughput()),
        floor(|side| format!("{:.0}", side.measured.throughput())),
        ms(row.product.measured.p50),
        ms(row.product.measured.p99),
        format!("{:.3}", row.product.processor_ms),
        floor(|side| format!("{:.3}", side.processor_ms)),
        databases,
    ]
}

/// Prints the tables, in the form in which docs/PERFORMANCE.md has them.
pub(crate) fn print(figures: &Figures) {
    let mut databases: Vec<&str> = figures.rows.iter().map(|row| row.database).collect();
    databases.dedup();
    for database in databases {
        line(&format!("\n## {database}\n"));
        line(&format!("| {} |", HEAD.join(" | ")));
        line(&format!("|{}", "---|".repeat(HEAD.len())));
        for row in figures.rows.iter().filter(|row| row.database == database) {
            line(&format!("| {} | {} | {} |", row.case, row.connections, cells(row).join(" | ")));
        }
    }
    line("\n## Start, memory and import\n");
    line("| database | start ms | idle MB | after the load MB | import resources/s |\n|---|---|---|---|---|");
    for one in &figures.startups {
        line(&format!(
            "| {} | {:.0} | {:.1} | {:.1} | {:.0} |",
            one.database,
            one.start.as_secs_f64() * 1000.0,
            megabytes(one.idle),
            megabytes(one.busy),
            import_rate(&one.imported)
        ));
    }
    if let Some(checked) = figures.checked {
        line(&format!(
            "\nAn Observation of {} bytes: {:.1} us to parse, {:.1} us to parse and check.",
            checked.bytes, checked.parse_us, checked.read_us
        ));
    }
}

/// Writes the figures as JSON.
///
/// # Errors
/// One line, when the file cannot be written.
pub(crate) fn write(figures: &Value, path: &Path) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    let text = serde_json::to_string_pretty(figures).map_err(|error| error.to_string())?;
    std::fs::write(path, text + "\n").map_err(failed)
}

/// The figures as JSON.
pub(crate) fn as_json(figures: &Figures) -> Value {
    let us = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    let side = |side: &Side| {
        json!({
            "requests": side.measured.requests,
            "per_second": side.measured.throughput(),
            "p50_us": us(side.measured.p50),
            "p99_us": us(side.measured.p99),
            "cpu_ms": side.processor_ms,
            "postgres_cpu_ms": side.database_ms,
        })
    };
    let rows: Vec<Value> = figures
        .rows
        .iter()
        .map(|row| {
            json!({
                "database": row.database,
                "case": row.case,
                "connections": row.connections,
                "ratio": row.ratio(),
                "product": side(&row.product),
                "floor": row.floor.as_ref().map(side),
            })
        })
        .collect();
    let startups: Vec<Value> = figures
        .startups
        .iter()
        .map(|one| {
            json!({
                "database": one.database,
                "start_ms": one.start.as_secs_f64() * 1000.0,
                "idle_bytes": one.idle,
                "busy_bytes": one.busy,
                "import_per_second": import_rate(&one.imported),
            })
        })
        .collect();
    let checked = figures.checked.map(
        |checked| json!({"bytes": checked.bytes, "parse_us": checked.parse_us, "parse_and_check_us": checked.read_us}),
    );
    json!({"requests": rows, "servers": startups, "observation": checked})
}

fn import_rate(imported: &Imported) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "far fewer resources than a double can count")]
    let resources = imported.resources as f64;
    resources / imported.time.as_secs_f64()
}

/// Bytes in units of 2 to the 20th.
pub(crate) fn megabytes(bytes: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "far fewer bytes than a double can count")]
    let bytes = bytes as f64;
    bytes / 1_048_576.0
}

/// Prints a line.
pub(crate) fn line(text: &str) {
    // Whoever closed the pipe does not want the rest.
    let _closed = writeln!(std::io::stdout(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(requests: u64) -> Side {
        let measured = Measured {
            requests,
            time: Duration::from_secs(2),
            p50: Duration::from_micros(150),
            p99: Duration::from_millis(3),
        };
        Side { measured, processor_ms: 0.05, database_ms: None }
    }

    #[test]
    fn the_ratio_is_of_throughputs() {
        let row = Row { database: "SQLite", case: "read", connections: 8, floor: Some(side(1000)), product: side(400) };
        assert_eq!(cells(&row), ["0.40", "200", "500", "0.15", "3.00", "0.050", "0.050", "-"]);
        let figures = Figures { rows: vec![row], ..Figures::default() };
        let value = as_json(&figures);
        assert_eq!(value["requests"][0]["product"]["p99_us"], 3000);
        assert_eq!(value["requests"][0]["ratio"], 0.4);
    }

    #[test]
    fn without_a_floor_there_is_no_ratio() {
        let row = Row { database: "SQLite", case: "read", connections: 1, floor: None, product: side(10) };
        assert_eq!(cells(&row).first().map(String::as_str), Some("-"));
    }
}
