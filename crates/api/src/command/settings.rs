//! `concord settings`: the page docs/SETTINGS.md, as it is committed.

use std::io::Write;

use crate::config;

/// Writes the page to `out`.
///
/// # Errors
/// One line, when it cannot be written.
pub fn run(out: &mut impl Write) -> Result<(), String> {
    out.write_all(config::markdown().as_bytes()).map_err(|error| format!("standard output: {error}"))
}
