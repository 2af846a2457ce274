//! `concord export`: every resource as NDJSON, a file a type, with progress. `concord import` reads it back.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

use clap::Args;
use concord_fhir::registry::ResourceType;
use indicatif::{ProgressBar, ProgressStyle};

use crate::clock::Clock;
use crate::config::Config;
use crate::interact::maintenance::export;
use crate::interact::{Call, labels};
use crate::telemetry::Metrics;

/// Write every resource to NDJSON files, one for each type
#[derive(Args, Clone, Debug)]
pub struct ExportArgs {
    /// The folder for the files; it must not have any yet
    #[arg(value_name = "FOLDER")]
    pub folder: PathBuf,
}

/// Writes everything. The audit log tells each patient whose data was exported.
///
/// # Errors
/// One line, when the database fails, a file is there already or cannot be written.
pub async fn run(args: &ExportArgs, config: &Config, clock: Clock) -> Result<(), String> {
    let metrics = Metrics::new().map_err(|error| error.to_string())?;
    let service = super::open(config, clock, metrics).await?;
    let failed = |error: std::io::Error| format!("{}: {error}", args.folder.display());
    std::fs::create_dir_all(&args.folder).map_err(failed)?;
    let bar = ProgressBar::new(u64::try_from(ResourceType::all().count()).unwrap_or_default());
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} types, {msg}") {
        bar.set_style(style);
    }
    let mut written = 0_u64;
    for resource_type in ResourceType::all() {
        let mut after = 0;
        let mut file: Option<BufWriter<File>> = None;
        loop {
            let page = export::page(&service, Call::export(), resource_type, after)
                .await
                .map_err(|fault| format!("{resource_type}: {fault}"))?;
            let Some(last) = page.last() else { break };
            after = last.key;
            let out = match &mut file {
                Some(out) => out,
                None => {
                    let path = args.folder.join(format!("{resource_type}.ndjson"));
                    let made = File::create_new(&path).map_err(|error| format!("{}: {error}", path.display()))?;
                    file.insert(BufWriter::new(made))
                }
            };
            for version in page {
                let body = labels::shown(version).map_err(|fault| format!("{resource_type}: {fault}"))?;
                out.write_all(body.as_bytes()).and_then(|()| out.write_all(b"\n")).map_err(failed)?;
                written += 1;
            }
            bar.set_message(format!("{written} resources"));
        }
        if let Some(mut out) = file {
            out.flush().map_err(failed)?;
        }
        bar.inc(1);
    }
    bar.finish();
    Ok(())
}
