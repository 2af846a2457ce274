//! `concord reindex`: makes every resource's index rows again, with progress; it can be stopped and continued.

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use crate::clock::Clock;
use crate::config::Config;
use crate::interact::reindex;
use crate::telemetry::Metrics;

/// Make the index rows of every resource again
#[derive(Args, Clone, Debug)]
pub struct ReindexArgs {
    /// Go on after this resource key, which an interrupted run printed
    #[arg(long, value_name = "KEY", default_value_t = 0)]
    pub after: i64,
}

/// Runs until all is done. The server may go on serving meanwhile.
///
/// # Errors
/// One line, with the key to go on from, when the database fails.
pub async fn run(args: &ReindexArgs, config: &Config, clock: Clock) -> Result<(), String> {
    let metrics = Metrics::new().map_err(|error| error.to_string())?;
    let concord = super::open(config, clock, metrics).await?;
    let mut after = args.after;
    let failed = |fault: crate::fault::Fault, after: i64| format!("{fault:?}; go on with --after {after}");
    let total = reindex::remaining(&concord, after).await.map_err(|fault| failed(fault, after))?;
    let bar = ProgressBar::new(u64::try_from(total).unwrap_or_default());
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} resources, done to key {msg} ({eta} left)") {
        bar.set_style(style);
    }
    loop {
        let progress = reindex::step(&concord, after).await.map_err(|fault| failed(fault, after))?;
        if progress.resources == 0 {
            break;
        }
        after = progress.done_to;
        bar.inc(u64::try_from(progress.resources).unwrap_or_default());
        bar.set_message(after.to_string());
    }
    bar.finish();
    Ok(())
}
