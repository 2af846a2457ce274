//! Regular expressions.

use regex::{Regex, RegexBuilder};

/// The largest compiled pattern in bytes.
const LARGEST_PATTERN: usize = 1 << 20;

/// A regular expression. A dot means any character, line ends too; it is matched without going back, so no pattern takes
/// longer than its text is long.
pub(in crate::path) fn pattern(text: &str, is_whole: bool) -> Option<Regex> {
    let anchored = if is_whole { format!("^(?:{text})$") } else { text.to_owned() };
    RegexBuilder::new(&anchored).dot_matches_new_line(true).size_limit(LARGEST_PATTERN).build().ok()
}
