//! `concord reindex`: makes index rows, with progress; it can be stopped at any time and goes on where it was when it is
//! run again.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use crate::clock::Clock;
use crate::config::Config;
use crate::error::ApiError;
use crate::interact::Service;
use crate::interact::maintenance::reindex;
use crate::telemetry::Metrics;

/// How often a step is tried that others stand in the way of.
const MOST_TRIES: usize = 50;

/// How long to let them go on in between.
const PAUSE: Duration = Duration::from_millis(100);

/// Make the index rows of search parameters that were added, and remove those of parameters taken out of use
#[derive(Args, Clone, Debug, Default)]
pub struct ReindexArgs {
    /// Make the index rows of every resource and parameter again; run it again to go on with what was stopped
    #[arg(long, conflicts_with = "parameter")]
    pub all: bool,
    /// Make the index rows of the added parameter with this url again
    #[arg(long, value_name = "URL")]
    pub parameter: Option<String>,
    /// Stop after so many batches of 200 resources
    #[arg(long, value_name = "NUMBER")]
    pub batches: Option<u64>,
}

/// Runs until all is done. The server may go on serving meanwhile.
///
/// # Errors
/// One line, when the database fails or no added parameter has the url.
pub async fn run(args: &ReindexArgs, config: &Config, clock: Clock) -> Result<(), String> {
    let metrics = Metrics::new().map_err(|error| error.to_string())?;
    let service = super::open(config, clock, metrics).await?;
    if let Some(url) = &args.parameter {
        reindex::again(&service, url.clone()).await.map_err(|fault| match fault {
            ApiError::NotFound => format!("--parameter: no search parameter that was added has the url {url}"),
            fault => failed(&fault),
        })?;
    }
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg} ({eta} left)") {
        bar.set_style(style);
    }
    let mut left = args.batches.unwrap_or(u64::MAX);
    while left > 0 {
        let Some(progress) = step(&service, args).await.map_err(|fault| failed(&fault))? else { break };
        left -= 1;
        let number = |count: i64| u64::try_from(count).unwrap_or_default();
        bar.set_length(number(progress.total.max(progress.done)));
        bar.set_position(number(progress.done));
        bar.set_message(progress.what);
    }
    bar.finish();
    Ok(())
}

/// The next step. Those who write come first: what stands in their way gives up and begins again.
async fn step(service: &Arc<Service>, args: &ReindexArgs) -> Result<Option<reindex::Progress>, ApiError> {
    for _ in 1..MOST_TRIES {
        let done = match args.all {
            true => reindex::everything(service).await,
            false => reindex::parameters(service, args.parameter.clone()).await,
        };
        match done {
            // A step that has been committed after all is not the next one.
            Err(ApiError::Busy(_) | ApiError::OutcomeUnknown(_) | ApiError::Conflict(_)) => {
                tokio::time::sleep(PAUSE).await
            }
            done => return done,
        }
    }
    Err(ApiError::Busy(1))
}

fn failed(fault: &ApiError) -> String {
    format!("{fault}; what is done is kept, run the command again to go on")
}
