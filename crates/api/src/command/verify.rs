//! `concord verify`: whether every version that is stored is still what it was.

use std::io::Write;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use crate::clock::Clock;
use crate::config::Config;
use crate::interact::maintenance::verify;
use crate::telemetry::Metrics;

/// Check every stored version against the digest that was noted of it, and name those that are not what they were
#[derive(Args, Clone, Debug, Default)]
pub struct VerifyArgs {
    /// Note a digest of what a release without them has stored, as it is now
    #[arg(long)]
    pub fill: bool,
}

/// Runs it. The server may go on serving meanwhile.
///
/// # Errors
/// One line: when the database fails, or something is not what it was.
pub async fn run(args: &VerifyArgs, config: &Config, clock: Clock, out: &mut impl Write) -> Result<(), String> {
    let metrics = Metrics::new().map_err(|error| error.to_string())?;
    let service = super::open(config, clock, metrics).await?;
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} versions ({eta} left)") {
        bar.set_style(style);
    }
    let report = verify::verify(&service, args.fill, |report| {
        bar.set_length(report.total.max(report.versions));
        bar.set_position(report.versions);
    })
    .await
    .map_err(|fault| format!("the database cannot be read: {fault}"))?;
    bar.finish_and_clear();
    let mut say = |text: &str| writeln!(out, "{text}").map_err(|error| format!("standard output: {error}"));
    for problem in &report.problems {
        say(problem)?;
    }
    say(&format!("{} versions, {} without a digest, {} problems", report.versions, report.without, report.wrong))?;
    match (report.without, args.fill) {
        (0, _) => {}
        (_, true) => say("those have one now")?,
        (_, false) => say("those are of an older release: `concord verify --fill` notes one of each")?,
    }
    match report.wrong {
        0 => Ok(()),
        wrong => Err(format!("{wrong} problems: restore these versions from a backup, or find out who changed them")),
    }
}
