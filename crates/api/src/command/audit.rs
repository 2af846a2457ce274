//! `concord audit`: whether the log is whole, and where its chain stands, signed, to be kept elsewhere.

use std::io::Write;
use std::path::{Path, PathBuf};

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use clap::{Args, Subcommand};
use concord_fhir::json::{self, Value};

use crate::clock::Clock;
use crate::config::Config;
use crate::interact::audit::chain;
use crate::interact::{base64, base64_bytes};
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
    Verify {
        /// A head that was kept elsewhere: the chain must still lead through it
        #[arg(long, value_name = "FILE")]
        head: Option<PathBuf>,
        /// The public key that the head must be signed with, as `audit head` printed it
        #[arg(long, value_name = "BASE64", requires = "head")]
        public_key: Option<String>,
    },
    /// Bring the chain up to date and print its signed head, to be kept where the database is not
    Head {
        /// The private key (Ed25519, PKCS#8), which is made when the file is not there
        #[arg(long, value_name = "FILE", default_value = "concord-audit.key")]
        key: PathBuf,
    },
}

/// Runs it.
///
/// # Errors
/// One line: when the database fails, or the log is not whole.
pub async fn run(args: &AuditArgs, config: &Config, clock: Clock, out: &mut impl Write) -> Result<(), String> {
    let metrics = Metrics::new().map_err(|error| error.to_string())?;
    let service = super::open(config, clock, metrics).await?;
    let failed = |fault: crate::error::ApiError| format!("the log cannot be read: {fault}");
    let written = |error: std::io::Error| format!("cannot write: {error}");
    match &args.action {
        Action::Head { key } => {
            let key = key_pair(key)?;
            chain::ChainWriter::default().run(&service, true).await.map_err(failed)?;
            let head = chain::standing(&service).await.map_err(failed)?;
            writeln!(out, "{}", signed(&head, &key)).map_err(written)
        }
        Action::Verify { head, public_key } => {
            let known = match head {
                Some(path) => Some(kept(path, public_key.as_deref())?),
                None => None,
            };
            let bar = indicatif::ProgressBar::new_spinner();
            let report =
                chain::verify(&service, known.as_ref(), |report| bar.set_message(format!("{} links", report.links)))
                    .await
                    .map_err(failed)?;
            bar.finish_and_clear();
            for problem in &report.problems {
                writeln!(out, "{problem}").map_err(written)?;
            }
            writeln!(
                out,
                "{} records in {} links, {} not in the chain yet, {} problems",
                report.records, report.links, report.unlinked, report.wrong
            )
            .map_err(written)?;
            match report.wrong {
                0 => Ok(()),
                wrong => Err(format!("the audit log is not whole: {wrong} problems")),
            }
        }
    }
}

/// What is signed of a head.
fn message(head: &chain::Head) -> String {
    format!("concord audit head 1\n{}\n{}\n{}\n", head.number, head.at, head.head)
}

fn signed(head: &chain::Head, key: &Ed25519KeyPair) -> String {
    json::to_string(&Value::object([
        ("number", Value::Number(head.number.to_string().into())),
        ("at", Value::Number(head.at.to_string().into())),
        ("head", Value::string(head.head.as_str())),
        ("publicKey", Value::string(base64(key.public_key().as_ref()))),
        ("signature", Value::string(base64(key.sign(message(head).as_bytes()).as_ref()))),
    ]))
}

/// A head that was kept elsewhere, if its signature is right.
fn kept(path: &Path, public_key: Option<&str>) -> Result<chain::Head, String> {
    let name = path.display();
    let text = std::fs::read(path).map_err(|error| format!("{name}: {error}"))?;
    let wrong = || format!("{name}: not a head that `concord audit head` printed");
    let value = json::parse(&text, &json::Limits::default()).map_err(|_| wrong())?;
    let number = |part: &str| value.get(part).and_then(Value::as_number).and_then(|text| text.parse().ok());
    let bytes = |part: &str| value.text(part).and_then(base64_bytes);
    let (Some(count), Some(at), Some(head), Some(own), Some(signature)) =
        (number("number"), number("at"), value.text("head"), bytes("publicKey"), bytes("signature"))
    else {
        return Err(wrong());
    };
    let head = chain::Head { number: count, at, head: head.to_owned() };
    if public_key.is_some_and(|wanted| base64_bytes(wanted).is_none_or(|wanted| wanted != own)) {
        return Err(format!("{name}: signed with another key"));
    }
    UnparsedPublicKey::new(&ED25519, own)
        .verify(message(&head).as_bytes(), &signature)
        .map_err(|_| format!("{name}: the signature is wrong"))?;
    Ok(head)
}

/// The key in the file, made when there is none; only its owner can read it.
fn key_pair(path: &Path) -> Result<Ed25519KeyPair, String> {
    let name = path.display();
    let wrong = || format!("{name}: no Ed25519 key in PKCS#8");
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let made = Ed25519KeyPair::generate_pkcs8(&aws_lc_rs::rand::SystemRandom::new()).map_err(|_| wrong())?;
            let mut options = std::fs::OpenOptions::new();
            options.write(true).create_new(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            options
                .open(path)
                .and_then(|mut file| file.write_all(made.as_ref()).and_then(|()| file.sync_all()))
                .map_err(|error| format!("{name}: {error}"))?;
            made.as_ref().to_vec()
        }
        Err(error) => return Err(format!("{name}: {error}")),
    };
    Ed25519KeyPair::from_pkcs8(&bytes).map_err(|_| wrong())
}
