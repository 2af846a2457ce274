//! Regular expressions, and how many of them expressions may bring.

use std::collections::HashMap;

use regex::{Regex, RegexBuilder};

use super::super::fault::Fault;

/// The largest compiled pattern in bytes, of those that come with the definitions of R4 and from operators.
const LARGEST: usize = 1 << 20;
/// The largest one that comes from anybody else.
const LARGEST_OF_CALLERS: usize = 64 << 10;
/// What a matching may keep of its work, in bytes.
const LARGEST_MEMORY: usize = 256 << 10;

/// Up to which sizes of a compiled pattern a text is worth how many steps a byte, in sixteenths: what looks for a large one
/// may have to look at all of its states for each letter.
const WEIGHTS: [(usize, usize); 3] = [(4 << 10, 16), (16 << 10, 64), (LARGEST_OF_CALLERS, 256)];

/// What it costs to compile a pattern while an expression is evaluated, in steps.
pub(in crate::path) const COMPILATION: usize = 50_000;

/// A regular expression. A dot means any character, line ends too; it is matched without going back, so that no pattern takes
/// longer than the length of its text times its own.
#[derive(Clone, Debug)]
pub struct Pattern {
    pub(in crate::path) regex: Regex,
    /// What 16 bytes of a text are worth that it is looked for in, in steps.
    pub(in crate::path) weight: usize,
}

fn built(text: &str, size: usize) -> Option<Regex> {
    let mut builder = RegexBuilder::new(text);
    builder.dot_matches_new_line(true).size_limit(size).dfa_size_limit(LARGEST_MEMORY.max(size)).build().ok()
}

impl Pattern {
    /// Compiles a pattern that somebody has sent; nothing if it is none, or too large a one.
    pub(in crate::path) fn read(text: &str, is_whole: bool) -> Option<Pattern> {
        let text = anchored(text, is_whole);
        WEIGHTS.iter().find_map(|(size, weight)| Some(Pattern { regex: built(&text, *size)?, weight: *weight }))
    }

    /// Compiles a pattern that somebody has sent, which the whole of a text has to match; nothing if it is none, or too large a one.
    #[must_use]
    pub fn sent(text: &str) -> Option<Pattern> {
        Pattern::read(text, true)
    }

    /// Whether a text is written so.
    #[must_use]
    pub fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// How many steps it takes to say so.
    #[must_use]
    pub fn steps(&self, text: &str) -> usize {
        (text.len() / 16).saturating_mul(self.weight)
    }

    /// Compiles one that is known not to be made for harm.
    fn trusted(text: &str, is_whole: bool) -> Option<Pattern> {
        Some(Pattern { regex: built(&anchored(text, is_whole), LARGEST)?, weight: 1 })
    }
}

fn anchored(text: &str, is_whole: bool) -> String {
    if is_whole { format!("^(?:{text})$") } else { text.to_owned() }
}

/// The patterns of some expressions: how many more there may be, and those that there are, each compiled once.
#[derive(Debug)]
pub struct Patterns {
    left: usize,
    is_trusted: bool,
    known: HashMap<(String, bool), Pattern>,
}

impl Patterns {
    /// Those of one patch.
    #[must_use]
    pub fn of_one_patch() -> Patterns {
        Patterns { left: 20, is_trusted: false, known: HashMap::new() }
    }

    /// Those of one definition, with all that it starts from.
    #[must_use]
    pub fn of_one_definition() -> Patterns {
        Patterns { left: 50, is_trusted: false, known: HashMap::new() }
    }

    /// Those of the definitions that come with R4, and of operators.
    pub(in crate::path) fn trusted() -> Patterns {
        Patterns { left: 50, is_trusted: true, known: HashMap::new() }
    }

    /// A pattern that stands in an expression.
    pub(in crate::path) fn compiled(&mut self, text: &str, is_whole: bool) -> Result<Pattern, &'static str> {
        let key = (text.to_owned(), is_whole);
        if let Some(known) = self.known.get(&key) {
            return Ok(known.clone());
        }
        self.left = self.left.checked_sub(1).ok_or("there are too many patterns here")?;
        let pattern = if self.is_trusted { Pattern::trusted(text, is_whole) } else { Pattern::read(text, is_whole) };
        let pattern = pattern.ok_or("the pattern is not a regular expression, or too large a one")?;
        self.known.insert(key, pattern.clone());
        Ok(pattern)
    }
}

/// Why a pattern cannot be looked for.
pub(in crate::path) fn unusable() -> Fault {
    Fault::wrong("a pattern is not a regular expression, or too large a one")
}
