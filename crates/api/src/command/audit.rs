//! `concord audit`: whether the log is whole, and where its chain stands, signed, to be kept elsewhere.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Subcommand};

use crate::clock::Clock;
use crate::config::Config;
use crate::error::ApiError;
use crate::interact::Service;
use crate::interact::audit::chain;
use crate::interact::audit::closing;
use crate::interact::audit::heads::{self, HeadFile, Kept, Key};
use crate::interact::audit::verification::{self, Evidence};
use crate::telemetry::Metrics;

/// Check the audit log, or print where it stands
#[derive(Args, Clone, Debug)]
pub struct AuditArgs {
    /// What to do
    #[command(subcommand)]
    pub action: Action,
}

/// What to do with the log.
#[derive(Subcommand, Clone, Debug)]
pub enum Action {
    /// Go through the whole chain and name every record that was changed, taken out, put in or moved
    Verify(VerifyArgs),
    /// Bring the chain up to date and print its signed head, to be kept where the database is not
    Head {
        /// The private key (Ed25519, PKCS#8), which is made when the file is not there [default: the setting audit_key]
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
    },
    /// Close a period of the log: write it to a signed file and take it out of the database. Needs the right to delete, which
    /// the server has not
    Close {
        /// The period ends before this day (UTC), which must be over for a day
        #[arg(long, value_name = "YYYY-MM-DD")]
        before: String,
        /// The folder that the file goes to
        #[arg(value_name = "FOLDER")]
        folder: PathBuf,
    },
    /// Say in the file of heads (the setting audit_heads) that a backup has been restored: its chain is the one from now on
    Restored {
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
}

/// What to check the chain against.
#[derive(Args, Clone, Debug, Default)]
pub struct VerifyArgs {
    /// Heads that were kept elsewhere: the chain must still lead through each [default: the setting audit_heads]
    #[arg(long, value_name = "FILE")]
    pub head: Option<PathBuf>,
    /// The public key that they must be signed with, as `audit head` printed it [default: that of the setting audit_key]
    #[arg(long, value_name = "BASE64")]
    pub public_key: Option<String>,
    /// The folder with the files of closed periods, to go through these too [default: the setting audit_periods]
    #[arg(long, value_name = "FOLDER")]
    pub periods: Option<PathBuf>,
}

impl VerifyArgs {
    /// The public key that everything kept must be signed with, if it is known.
    fn key(&self, config: &Config) -> Result<Option<String>, String> {
        match &self.public_key {
            Some(key) => Ok(Some(key.clone())),
            None if config.audit_key.exists() => Key::open(&config.audit_key).map(|key| Some(key.public())),
            None => Ok(None),
        }
    }

    /// The heads that were kept elsewhere.
    fn kept(&self, config: &Config) -> Result<Kept, String> {
        match &self.head {
            // One that was handed over bears the key that it was signed with: which it must be is for the caller to say.
            Some(path) => heads::read(path, self.public_key.as_deref()),
            None => match config.audit_heads.as_ref().filter(|path| path.exists()) {
                Some(path) => heads::read(path, self.key(config)?.as_deref()),
                None => Ok(Kept::default()),
            },
        }
    }
}

/// Runs it.
///
/// # Errors
/// One line: when the database fails, or the log is not whole.
pub async fn run(args: &AuditArgs, config: &Config, clock: Clock, out: &mut impl Write) -> Result<(), String> {
    let metrics = Metrics::new().map_err(|error| error.to_string())?;
    let service = super::open(config, clock, metrics).await?;
    match &args.action {
        Action::Head { key } => {
            let key = Key::open(key.as_ref().unwrap_or(&config.audit_key))?;
            chain::ChainWriter::default().run(&service, true).await.map_err(failed)?;
            let head = chain::current_head(&service).await.map_err(failed)?;
            writeln!(out, "{}", heads::signed(&head, None, &key)).map_err(written)
        }
        Action::Verify(args) => verify(args, config, &service, out).await,
        Action::Close { before, folder } => close(before, folder, config, &service, out).await,
        Action::Restored { reason } => {
            let Some(path) = &config.audit_heads else {
                return Err("audit_heads: no file of heads is set, so there is nobody to tell".to_owned());
            };
            let head = chain::current_head(&service).await.map_err(failed)?;
            HeadFile::open(path, &config.audit_key)?.restored(&head, reason)?;
            writeln!(out, "{}: the chain goes on from link {}", path.display(), head.number).map_err(written)
        }
    }
}

fn failed(fault: ApiError) -> String {
    format!("the log cannot be read: {fault}")
}

fn written(error: std::io::Error) -> String {
    format!("cannot write: {error}")
}

async fn close(
    before: &str,
    folder: &Path,
    config: &Config,
    service: &Arc<Service>,
    out: &mut impl Write,
) -> Result<(), String> {
    let day = chrono::NaiveDate::parse_from_str(before, "%Y-%m-%d");
    let day = day.map_err(|_| format!("--before: expected a day such as 2026-01-31, found {before:?}"))?;
    let before_ms = day.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_millis();
    if before_ms > service.store.now_ms() - closing::OVER_FOR_MS {
        return Err(format!("--before: {before} has not been over for a day"));
    }
    let bar = indicatif::ProgressBar::new_spinner();
    let told = |link: i64| bar.set_message(format!("link {link}"));
    let closed = closing::close(service, folder, before_ms, &Key::open(&config.audit_key)?, told).await?;
    bar.finish_and_clear();
    match closed {
        None => writeln!(out, "nothing is left to close before {before}").map_err(written),
        Some(period) => writeln!(
            out,
            "{}: links {} to {} with {} records; keep it as long as the log has to be kept",
            folder.join(&period.file).display(),
            period.after + 1,
            period.number,
            period.records
        )
        .map_err(written),
    }
}

async fn verify(
    args: &VerifyArgs,
    config: &Config,
    service: &Arc<Service>,
    out: &mut impl Write,
) -> Result<(), String> {
    let kept = args.kept(config)?;
    let bar = indicatif::ProgressBar::new_spinner();
    let told = |report: &verification::Report| bar.set_message(format!("{} links", report.links));
    let periods = args.periods.clone().or_else(|| config.audit_periods.clone());
    let evidence = Evidence { heads: kept.heads, public_key: args.key(config)?, periods };
    let report = verification::verify(service, &evidence, told).await.map_err(failed)?;
    bar.finish_and_clear();
    for remark in kept.remarks.iter().chain(&report.problems) {
        writeln!(out, "{remark}").map_err(written)?;
    }
    if report.closed > 0 && evidence.periods.is_none() {
        let closed = report.closed;
        writeln!(out, "links 1 to {closed} were closed, and their files were not looked at: --periods FOLDER does")
            .map_err(written)?;
    }
    let heads = evidence.heads.len();
    writeln!(
        out,
        "{} records in {} links, {} not in the chain yet, {} problems; {heads} heads were kept elsewhere",
        report.records, report.links, report.unlinked, report.wrong
    )
    .map_err(written)?;
    match report.wrong {
        0 => Ok(()),
        wrong => Err(format!("the audit log is not whole: {wrong} problems")),
    }
}
