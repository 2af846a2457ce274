//! `concord token`: a token of the development issuer, and nothing else, on standard output.

use std::io::Write;

use clap::Args;

use crate::auth::development::{DevelopmentIssuer, TokenRequest, usual_scope};
use crate::clock::Clock;
use crate::config::Config;

/// Who the token is for: a patient (`--patient`), a user (`--fhir-user`) or a system (`--system`).
#[derive(Args, Clone, Debug)]
#[command(about = "Print a token of the development issuer")]
pub struct TokenArgs {
    /// The logical id of the patient in context
    #[arg(long, value_name = "ID", conflicts_with = "system")]
    pub patient: Option<String>,
    /// The user, as Patient/ID, RelatedPerson/ID, Practitioner/ID or PractitionerRole/ID
    #[arg(long, value_name = "TYPE/ID", conflicts_with = "system")]
    pub fhir_user: Option<String>,
    /// A system without a user
    #[arg(long, required_unless_present_any = ["patient", "fhir_user"])]
    pub system: bool,
    /// The scopes, separated by spaces [default: patient/*.cruds for a patient, user/*.cruds for another user,
    /// system/*.cruds for a system]
    #[arg(long, value_name = "SCOPES")]
    pub scope: Option<String>,
    /// The app that the token is for
    #[arg(long, value_name = "ID", default_value = "concord-cli")]
    pub client_id: String,
    /// How long the token works: a number and s, m, h or d, at most 366d
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = lifetime)]
    pub expires_in: i64,
    /// How well the identity is proven: P0, P5 or P9
    #[arg(long, value_name = "LEVEL", conflicts_with = "system", value_parser = ["P0", "P5", "P9"])]
    pub proofing: Option<String>,
    /// What the data may be wanted for, as a code of v3-ActReason; may be given more than once
    #[arg(long, value_name = "CODE")]
    pub purpose: Vec<String>,
    /// A privileged role of a professional: safeguarding-lead or privacy-officer; may be given more than once
    #[arg(long, value_name = "ROLE", requires = "fhir_user")]
    pub role: Vec<String>,
}

/// Why there is no token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TokenError(String);

/// Writes the token and a line end to `out`. That a key was made for it is said on `beside`: a server with another key does not believe the
/// token.
///
/// # Errors
/// When the development issuer is switched off or has no usable key, and when `out` or `beside` cannot be written.
pub fn run(
    args: &TokenArgs,
    config: &Config,
    clock: &Clock,
    (out, beside): (&mut impl Write, &mut impl Write),
) -> Result<(), TokenError> {
    let issuer = DevelopmentIssuer::open(config).map_err(|error| TokenError(error.to_string()))?.ok_or_else(|| {
        TokenError(
            "the development issuer is switched off: set development_issuer = true, or CONCORD_DEVELOPMENT_ISSUER=true"
                .to_owned(),
        )
    })?;
    let request = TokenRequest {
        patient: args.patient.clone(),
        fhir_user: args.fhir_user.clone(),
        scope: args.scope.clone().unwrap_or_else(|| usual_scope(args.fhir_user.as_deref(), args.system).to_owned()),
        client_id: args.client_id.clone(),
        lifetime_s: args.expires_in,
        proofing: args.proofing.clone(),
        purposes: args.purpose.clone(),
        roles: args.role.clone(),
    };
    let token = issuer.mint(&request, clock.now_s()).map_err(|error| TokenError(error.to_string()))?;
    let failed = |error: std::io::Error| TokenError(format!("cannot write the token: {error}"));
    if issuer.has_new_key() {
        let path = config.development_key.display();
        let text =
            "there was no key, so that a new one is made: a server believes the token only if it reads its key from";
        writeln!(beside, "concord: {text} {path}").map_err(failed)?;
    }
    writeln!(out, "{token}").map_err(failed)
}

/// Seconds of a time such as `90s`, `15m`, `1h` or `7d`.
fn lifetime(text: &str) -> Result<i64, String> {
    let expected = || "expected a number and s, m, h or d, such as 1h, at most 366d".to_owned();
    let number = text.trim_end_matches(|character: char| character.is_ascii_alphabetic());
    let unit = match text.strip_prefix(number) {
        Some("s") => 1,
        Some("m") => 60,
        Some("h") => 3600,
        Some("d") => 86_400,
        _ => return Err(expected()),
    };
    let seconds = number.parse::<u32>().ok().map(|number| i64::from(number) * unit);
    seconds.filter(|seconds| (1..=366 * 86_400).contains(seconds)).ok_or_else(expected)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::auth::testing::{Folder, NOW_S, config};
    use crate::auth::{Identity, Verified, Verifier};
    use crate::telemetry::Metrics;
    use concord_consent::caller::Actor;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: TokenArgs,
    }

    fn parse(line: &[&str]) -> Result<TokenArgs, clap::Error> {
        Line::try_parse_from(std::iter::once(&"token").chain(line)).map(|line| line.args)
    }

    async fn verified(line: &[&str]) -> Verified {
        let folder = Folder::new();
        let key = folder.path("k.pem").display().to_string();
        let config = config(&[("CONCORD_DEVELOPMENT_ISSUER", "true"), ("CONCORD_DEVELOPMENT_KEY", &key)]);
        let print = || {
            let (mut out, mut beside) = (Vec::new(), Vec::new());
            let clock = Clock::fixed(NOW_S * 1000);
            run(&parse(line).unwrap(), &config, &clock, (&mut out, &mut beside)).unwrap();
            (String::from_utf8(out).unwrap(), String::from_utf8(beside).unwrap())
        };
        // Where the key is, is said once.
        let (text, beside) = print();
        assert!(beside.contains(&key) && beside.lines().count() == 1, "{beside}");
        assert_eq!(print().1, "");
        assert_eq!(text.lines().count(), 1);
        let issuer = DevelopmentIssuer::open(&config).unwrap();
        let verifier = Verifier::new(&config, issuer.as_ref(), Metrics::new().unwrap().tokens()).unwrap();
        Verified::clone(&*verifier.verify(text.trim_end(), NOW_S).await.unwrap())
    }

    async fn actor(line: &[&str]) -> (Actor, usize) {
        match verified(line).await.identity {
            Identity::Known(caller) => (caller.actor.clone(), caller.scopes.0.len()),
            Identity::Identifier(_) => panic!("the development issuer knows its people"),
        }
    }

    #[tokio::test]
    async fn each_kind_of_caller_gets_its_default_scope() {
        assert_eq!(actor(&["--patient", "a"]).await, (Actor::Patient("a".into()), 1));
        assert_eq!(actor(&["--fhir-user", "Patient/a"]).await, (Actor::Patient("a".into()), 1));
        assert_eq!(actor(&["--fhir-user", "Practitioner/p"]).await, (Actor::Practitioner("p".into()), 1));
        assert_eq!(
            actor(&["--fhir-user", "RelatedPerson/r", "--patient", "a"]).await,
            (Actor::RelatedPerson("r".into()), 1)
        );
        assert_eq!(actor(&["--system"]).await, (Actor::System, 1));
        let scopes = ["--patient", "a", "--scope", "patient/Goal.rs patient/Observation.rs"];
        assert_eq!(actor(&scopes).await, (Actor::Patient("a".into()), 2));
    }

    #[tokio::test]
    async fn the_lifetime_is_kept() {
        assert_eq!(verified(&["--system"]).await.expires_s, NOW_S + 3600);
        assert_eq!(verified(&["--system", "--expires-in", "15m"]).await.expires_s, NOW_S + 900);
    }

    #[test]
    fn bad_command_lines_are_refused() {
        for line in [
            &[][..],
            &["--system", "--patient", "a"],
            &["--system", "--fhir-user", "Practitioner/p"],
            &["--system", "--expires-in", "1"],
            &["--system", "--expires-in", "0s"],
            &["--system", "--expires-in", "367d"],
            &["--system", "--expires-in", "h"],
            &["--system", "--expires-in", "1.5h"],
            &["--system", "--expires-in", "99999999999s"],
        ] {
            assert!(parse(line).is_err(), "{line:?}");
        }
    }

    #[test]
    fn there_is_no_token_while_the_issuer_is_off() {
        let mut out = Vec::new();
        let error =
            run(&parse(&["--system"]).unwrap(), &config(&[]), &Clock::System, (&mut out, &mut Vec::new())).unwrap_err();
        assert!(error.to_string().contains("CONCORD_DEVELOPMENT_ISSUER=true"));
        assert!(out.is_empty());
    }
}
