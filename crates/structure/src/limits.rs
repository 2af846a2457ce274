//! The committed numbers, `limits.txt`. A line is what is measured, the number, and for a length the reason:
//! `function api entry 129 | why`. Each may only shrink.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};

/// What was measured, by the words that its limit begins with.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    of: BTreeMap<String, usize>,
    missing: Vec<String>,
}

impl Numbers {
    pub(crate) fn add(&mut self, what: String, number: usize) {
        *self.of.entry(what).or_default() += number;
    }

    /// Keeps the larger of two.
    pub(crate) fn raise(&mut self, what: String, number: usize) {
        let kept = self.of.entry(what).or_default();
        *kept = number.max(*kept);
    }

    /// Remembers something that cannot be measured, in words for the report.
    pub(crate) fn miss(&mut self, what: String) {
        self.missing.push(what);
    }

    fn get(&self, what: &str) -> usize {
        self.of.get(what).copied().unwrap_or_default()
    }
}

/// The committed numbers, with the comments between them.
#[derive(Debug)]
pub(crate) struct Limits {
    lines: Vec<Line>,
}

#[derive(Debug)]
enum Line {
    Comment(String),
    Limit(Limit),
}

#[derive(Debug)]
struct Limit {
    what: String,
    number: usize,
    reason: Option<String>,
}

/// Kinds whose limits say where to look: they stay at zero. Of any other one, a limit of zero goes without saying.
const PLACES: [&str; 2] = ["sql ", "type-names "];
/// Kinds whose limits are exceptions, each with its reason.
const EXCEPTIONS: [&str; 2] = ["function ", "file "];

impl Limits {
    pub(crate) fn parse(text: &str) -> Result<Limits, String> {
        let line = |line: &str| -> Result<Line, String> {
            if line.is_empty() || line.starts_with('#') {
                return Ok(Line::Comment(line.to_owned()));
            }
            Limit::parse(line).map(Line::Limit).ok_or_else(|| format!("limits.txt: cannot read '{line}'"))
        };
        let lines = text.lines().map(line).collect::<Result<_, _>>()?;
        Ok(Limits { lines })
    }

    fn limits(&self) -> impl Iterator<Item = &Limit> {
        self.lines.iter().filter_map(|line| match line {
            Line::Limit(limit) => Some(limit),
            Line::Comment(_) => None,
        })
    }

    /// The files and folders that limits of a kind are about.
    pub(crate) fn subjects(&self, kind: &str) -> impl Iterator<Item = &str> {
        self.limits().filter_map(move |limit| limit.what.strip_prefix(kind)?.strip_prefix(' '))
    }

    /// What differs from what is committed, each in words.
    pub(crate) fn compare(&self, numbers: &Numbers) -> Vec<String> {
        let mut faults = numbers.missing.clone();
        let mut committed: BTreeMap<&str, usize> = numbers.of.keys().map(|what| (what.as_str(), 0)).collect();
        committed.extend(self.limits().map(|limit| (limit.what.as_str(), limit.number)));
        for (what, limit) in committed {
            let number = numbers.get(what);
            if number > limit {
                let most = match limit {
                    0 if is_exception(what) => "no more than others".to_owned(),
                    _ => limit.to_string(),
                };
                faults.push(format!("{what}: {number}, and may be {most}"));
            } else if number < limit {
                faults.push(format!("{what}: {number} and no longer {limit}; write that down with --lower"));
            }
        }
        let without = self.limits().filter(|limit| is_exception(&limit.what) && limit.reason.is_none());
        faults.extend(without.map(|limit| format!("{}: an exception needs a reason", limit.what)));
        faults
    }

    /// Takes over the numbers that are smaller.
    pub(crate) fn lower(&mut self, numbers: &Numbers) {
        self.lines.retain_mut(|line| {
            let Line::Limit(limit) = line else { return true };
            limit.number = limit.number.min(numbers.get(&limit.what));
            limit.number > 0 || PLACES.iter().any(|kind| limit.what.starts_with(kind))
        });
    }
}

impl Limit {
    fn parse(line: &str) -> Option<Limit> {
        let (limit, reason) = match line.split_once(" | ") {
            Some((limit, reason)) => (limit, Some(reason.trim().to_owned())),
            None => (line, None),
        };
        let (what, number) = limit.trim().rsplit_once(' ')?;
        Some(Limit { what: what.to_owned(), number: number.parse().ok()?, reason })
    }
}

fn is_exception(what: &str) -> bool {
    EXCEPTIONS.iter().any(|kind| what.starts_with(kind))
}

/// The file; with `#` the sums of what is still allowed, for the report.
impl Display for Limits {
    fn fmt(&self, to: &mut Formatter<'_>) -> fmt::Result {
        if to.alternate() {
            let of = |kind: &str| -> Vec<usize> {
                self.limits().filter(|limit| limit.what.starts_with(kind)).map(|limit| limit.number).collect()
            };
            write!(to, "sql above the store: {}; ", of("sql ").iter().sum::<usize>())?;
            write!(to, "types named by generic code: {}; ", of("type-names ").iter().sum::<usize>())?;
            return write!(to, "exceptions: {} functions, {} files", of("function ").len(), of("file ").len());
        }
        for line in &self.lines {
            match line {
                Line::Comment(text) => writeln!(to, "{text}")?,
                Line::Limit(Limit { what, number, reason: Some(reason) }) => {
                    writeln!(to, "{what} {number} | {reason}")?
                }
                Line::Limit(Limit { what, number, reason: None }) => writeln!(to, "{what} {number}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# a comment\nfiles-in-circles api 3\nfunction api entry 70 | a table\nsql crates/api/src 2\n";

    fn numbers(of: &[(&str, usize)]) -> Numbers {
        let mut numbers = Numbers::default();
        of.iter().for_each(|(what, number)| numbers.add((*what).to_owned(), *number));
        numbers
    }

    #[test]
    fn the_committed_numbers_hold_exactly() {
        let limits = Limits::parse(TEXT).expect("limits");
        assert_eq!(limits.to_string(), TEXT);
        assert_eq!(limits.subjects("sql").collect::<Vec<_>>(), ["crates/api/src"]);
        let same = [("files-in-circles api", 3), ("function api entry", 70), ("sql crates/api/src", 2), ("file x", 0)];
        assert_eq!(limits.compare(&numbers(&same)), Vec::<String>::new());
        let other = [("files-in-circles api", 4), ("function api entry", 61), ("function api new", 90)];
        let faults = limits.compare(&numbers(&other));
        let begins: Vec<&str> = faults.iter().filter_map(|fault| fault.split_once(':')).map(|(what, _)| what).collect();
        assert_eq!(begins, ["files-in-circles api", "function api entry", "function api new", "sql crates/api/src"]);
    }

    #[test]
    fn an_exception_has_a_reason() {
        let limits = Limits::parse("file a.rs 600\n").expect("limits");
        assert_eq!(limits.compare(&numbers(&[("file a.rs", 600)])), ["file a.rs: an exception needs a reason"]);
        assert!(Limits::parse("file a.rs many | reason").is_err());
    }

    #[test]
    fn numbers_only_shrink() {
        let mut limits = Limits::parse(TEXT).expect("limits");
        limits.lower(&numbers(&[("files-in-circles api", 5), ("sql crates/api/src", 0)]));
        assert_eq!(limits.to_string(), "# a comment\nfiles-in-circles api 3\nsql crates/api/src 0\n");
    }
}
