//! `concord migrate`: brings the database to the schema of this release.

use std::io::Write;

use crate::config::Config;

/// Runs the missing migrations and writes their names to `out`.
///
/// # Errors
/// One line, when the database cannot be opened or a migration fails.
pub fn run(config: &Config, out: &mut impl Write) -> Result<(), String> {
    let names = concord_store::migrate(&config.database_url)?;
    let failed = |error: std::io::Error| format!("standard output: {error}");
    if names.is_empty() {
        writeln!(out, "{}: up to date", config.database_url).map_err(failed)?;
    }
    for name in names {
        writeln!(out, "{}: {name}", config.database_url).map_err(failed)?;
    }
    Ok(())
}
