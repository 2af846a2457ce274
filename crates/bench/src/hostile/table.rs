//! What hostile callers did to others, as a table and as JSON.

use std::time::Duration;

use serde_json::{Value, json};

use super::attack::Answers;
use super::others::Fared;
use crate::report::{line, megabytes};

/// So many times what it is at rest others' p99 may be.
const MOST_RATIO: f64 = 5.0;

/// So much memory the process may take on the embedded database.
const MOST_BYTES: u64 = 256 * 1024 * 1024;

/// What one kind did.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// The database.
    pub(crate) database: &'static str,
    /// Whether it is the embedded one, in the server's own process.
    pub(crate) embedded: bool,
    /// The kind.
    pub(crate) kind: String,
    /// How many connections it had.
    pub(crate) connections: usize,
    /// The server's time on the processor for each read at rest, with its part of the writes.
    pub(crate) processor_each: Duration,
    /// How many processors the server kept busy while it was at work.
    pub(crate) processors: f64,
    /// Others' reads without it.
    pub(crate) at_rest: Fared,
    /// And while it attacks another server on the same machine, if that was measured.
    pub(crate) elsewhere: Option<Fared>,
    /// And with it.
    pub(crate) reads: Fared,
    /// Others' writes without it.
    pub(crate) writes_at_rest: Fared,
    /// And with it.
    pub(crate) writes: Fared,
    /// The most resident memory.
    pub(crate) peak: u64,
    /// The most that was the process's own, without pages of files.
    pub(crate) own_peak: u64,
    /// What it was answered.
    pub(crate) answers: Answers,
}

impl Row {
    /// How many times what it is at rest others' p99 is.
    fn ratio(&self) -> f64 {
        self.reads.p99().as_secs_f64() / self.at_rest.p99().as_secs_f64().max(1e-6)
    }

    fn errors(&self) -> usize {
        self.reads.errors + self.writes.errors
    }

    /// Whether the aim is missed.
    fn misses(&self) -> bool {
        self.ratio() >= MOST_RATIO || (self.embedded && self.peak >= MOST_BYTES) || self.errors() > 0
    }

    fn cells(&self) -> Vec<String> {
        let answers: Vec<String> = self
            .answers
            .iter()
            .map(|(status, times)| match status {
                0 => format!("none {times}"),
                status => format!("{status} {times}"),
            })
            .collect();
        let error = self.reads.first_error.as_deref().or(self.writes.first_error.as_deref());
        vec![
            self.kind.clone(),
            ms(self.at_rest.p99()),
            self.elsewhere.as_ref().map_or_else(|| "-".to_owned(), |fared| ms(fared.p99())),
            ms(self.reads.p99()),
            format!("{:.1}", self.ratio()),
            format!("{} to {}", ms(self.writes_at_rest.p99()), ms(self.writes.p99())),
            ms(self.processor_each),
            format!("{:.2}", self.processors),
            format!("{:.0} ({:.0})", megabytes(self.peak), megabytes(self.own_peak)),
            match error {
                Some(error) => format!("{} ({error})", self.errors()),
                None => "0".to_owned(),
            },
            answers.join(", "),
        ]
    }
}

const HEAD: [&str; 11] = [
    "kind",
    "p99 without ms",
    "elsewhere ms",
    "p99 with ms",
    "ratio",
    "p99 of writes ms",
    "CPU of a read ms",
    "CPUs busy",
    "peak MB (own)",
    "others' errors",
    "it was answered",
];

/// Tells of a kind while the others are still to come.
pub(crate) fn progress(row: &Row) {
    let mark = if row.misses() { "MISSED" } else { "held" };
    line(&format!("{}: {mark}: {}", row.database, row.cells().join("  ")));
}

/// Prints the tables, in the form in which docs/PERFORMANCE.md has them.
pub(crate) fn print(rows: &[Row]) {
    let mut databases: Vec<&str> = rows.iter().map(|row| row.database).collect();
    databases.dedup();
    for database in databases {
        line(&format!("\n## {database}\n"));
        line(&format!("| {} |", HEAD.join(" | ")));
        line(&format!("|{}", "---|".repeat(HEAD.len())));
        for row in rows.iter().filter(|row| row.database == database) {
            line(&format!("| {} |", row.cells().join(" | ")));
        }
    }
    let missed = missed(rows);
    line(&format!("\n{} of {} kinds miss the aim", missed.len(), rows.len()));
    for one in missed {
        line(&format!("- {one}"));
    }
}

/// Which kinds miss the aim, and by what.
pub(crate) fn missed(rows: &[Row]) -> Vec<String> {
    let told = |row: &Row| {
        format!(
            "{} on {}: ratio {:.1}, {:.0} MB, {} errors",
            row.kind,
            row.database,
            row.ratio(),
            megabytes(row.peak),
            row.errors()
        )
    };
    rows.iter().filter(|row| row.misses()).map(told).collect()
}

/// The figures as JSON.
pub(crate) fn as_json(rows: &[Row]) -> Value {
    let us = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    let fared = |fared: &Fared| {
        json!({
            "requests": fared.took.len(),
            "p99_us": us(fared.p99()),
            "errors": fared.errors,
            "first_error": fared.first_error,
        })
    };
    let rows: Vec<Value> = rows
        .iter()
        .map(|row| {
            json!({
                "database": row.database,
                "kind": row.kind,
                "connections": row.connections,
                "ratio": row.ratio(),
                "misses": row.misses(),
                "reads": {
                    "without": fared(&row.at_rest),
                    "elsewhere": row.elsewhere.as_ref().map(fared),
                    "with": fared(&row.reads),
                },
                "writes": {"without": fared(&row.writes_at_rest), "with": fared(&row.writes)},
                "cpu_us_of_a_read": us(row.processor_each),
                "cpus_busy": row.processors,
                "peak_bytes": row.peak,
                "own_peak_bytes": row.own_peak,
                "answers": row.answers.iter().map(|(status, times)| (status.to_string(), json!(times))).collect::<serde_json::Map<_, _>>(),
            })
        })
        .collect();
    json!({"most_ratio": MOST_RATIO, "most_bytes": MOST_BYTES, "kinds": rows})
}

fn ms(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64() * 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(with: u64, peak: u64, errors: usize) -> Row {
        let fared = |ms: u64| Fared { took: vec![Duration::from_millis(ms)], ..Fared::default() };
        Row {
            database: "SQLite",
            embedded: true,
            kind: "chains".to_owned(),
            connections: 16,
            processor_each: Duration::from_micros(90),
            processors: 1.0,
            at_rest: fared(2),
            elsewhere: None,
            reads: Fared { errors, ..fared(with) },
            writes_at_rest: fared(3),
            writes: fared(4),
            peak,
            own_peak: peak,
            answers: Answers::from([(0, 1), (400, 3)]),
        }
    }

    #[test]
    fn the_aim_is_a_ratio_and_memory_and_no_error_for_others() {
        let rows = [row(9, 1, 0), row(10, 1, 0), row(2, MOST_BYTES, 0), row(2, 1, 1)];
        assert_eq!(missed(&rows).len(), 3);
        assert!(!rows[0].misses());
        assert!(!Row { embedded: false, ..row(2, MOST_BYTES, 0) }.misses());
        assert_eq!(rows[0].cells()[4..], ["4.5", "3.00 to 4.00", "0.09", "1.00", "0 (0)", "0", "none 1, 400 3"]);
        assert_eq!(as_json(&rows)["kinds"][1]["misses"], true);
    }
}
