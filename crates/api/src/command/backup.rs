//! `concord backup` and `concord restore`: the embedded database as it is at one moment, and back.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::audit;
use crate::clock::Clock;
use crate::config::Config;

/// Write a copy of the SQLite database as it is at this moment; the server may go on meanwhile
#[derive(Args, Clone, Debug)]
pub struct BackupArgs {
    /// Where the copy goes: a file that is not there yet
    #[arg(value_name = "FILE")]
    pub to: PathBuf,
}

/// Put a copy of the SQLite database in its place, once it has been checked
#[derive(Args, Clone, Debug)]
pub struct RestoreArgs {
    /// The copy
    #[arg(value_name = "FILE")]
    pub from: PathBuf,
    /// Put it in the place of a database that is there, which is kept beside it; stop the server first
    #[arg(long)]
    pub replace: bool,
    /// A head of the log's chain that was kept elsewhere: the copy must lead through it
    #[arg(long, value_name = "FILE")]
    pub head: Option<PathBuf>,
    /// The public key that the head must be signed with, as `audit head` printed it
    #[arg(long, value_name = "BASE64", requires = "head")]
    pub public_key: Option<String>,
}

/// How often a spinner moves.
const TICK: Duration = Duration::from_millis(200);

/// Something that is under way.
fn shown(text: String) -> indicatif::ProgressBar {
    let bar = indicatif::ProgressBar::new_spinner().with_message(text);
    bar.enable_steady_tick(TICK);
    bar
}

/// Writes the copy.
///
/// # Errors
/// As [`concord_store::backup`].
pub fn backup(args: &BackupArgs, config: &Config, out: &mut impl Write) -> Result<(), String> {
    let bar = shown(format!("copying to {}", args.to.display()));
    let bytes = concord_store::backup(&config.database_url, &args.to, Clock::System)?;
    bar.finish_and_clear();
    let told = writeln!(out, "{}: {bytes} bytes, read again and found whole", args.to.display());
    told.map_err(|error| format!("standard output: {error}"))
}

/// Checks the copy, with the chain of its log, and puts it in place.
///
/// # Errors
/// One line: when the copy is not whole, its log is not, or there is a database already.
pub async fn restore(args: &RestoreArgs, config: &Config, clock: Clock, out: &mut impl Write) -> Result<(), String> {
    let bar = shown(format!("checking {}", args.from.display()));
    let restoring = concord_store::Restoring::begin(&args.from, &config.database_url, args.replace)?;
    bar.finish_and_clear();
    let own = Config { database_url: restoring.address(), migrate_at_start: true, ..config.clone() };
    // What was kept of the database that is replaced goes further than the copy: that is what restoring it says.
    let own = Config { audit_heads: None, ..own };
    let verified = audit::VerifyArgs { head: args.head.clone(), public_key: args.public_key.clone(), periods: None };
    audit::run(&audit::AuditArgs { action: audit::Action::Verify(verified) }, &own, clock.clone(), out).await?;
    let kept = restoring.finish()?;
    if config.audit_heads.is_some() {
        let reason = format!("concord restore {}", args.from.display());
        let own = Config { migrate_at_start: true, ..config.clone() };
        audit::run(&audit::AuditArgs { action: audit::Action::Restored { reason } }, &own, clock, out).await?;
    }
    let mut say = |text: String| writeln!(out, "{text}").map_err(|error| format!("standard output: {error}"));
    if let Some(kept) = kept {
        say(format!("the database that was there is {} now", kept.display()))?;
    }
    say(format!("{}: restored", config.database_url))
}
