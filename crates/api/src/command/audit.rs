//! `concord audit`: whether the log is whole, and where its chain stands, signed, to be kept elsewhere.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Subcommand};

use crate::clock::Clock;
use crate::config::Config;
use crate::error::ApiError;
use crate::interact::Service;
use crate::interact::audit::chain;
use crate::interact::audit::heads::{self, HeadFile, Kept, Key};
use crate::interact::audit::verification;
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
            let head = chain::standing(&service).await.map_err(failed)?;
            writeln!(out, "{}", heads::signed(&head, None, &key)).map_err(written)
        }
        Action::Verify(args) => verify(args, config, &service, out).await,
        Action::Restored { reason } => {
            let Some(path) = &config.audit_heads else {
                return Err("audit_heads: no file of heads is set, so there is nobody to tell".to_owned());
            };
            let head = chain::standing(&service).await.map_err(failed)?;
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

async fn verify(
    args: &VerifyArgs,
    config: &Config,
    service: &Arc<Service>,
    out: &mut impl Write,
) -> Result<(), String> {
    let kept = args.kept(config)?;
    let bar = indicatif::ProgressBar::new_spinner();
    let told = |report: &verification::Report| bar.set_message(format!("{} links", report.links));
    let report = verification::verify(service, &kept.heads, told).await.map_err(failed)?;
    bar.finish_and_clear();
    for remark in kept.remarks.iter().chain(&report.problems) {
        writeln!(out, "{remark}").map_err(written)?;
    }
    let heads = kept.heads.len();
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
