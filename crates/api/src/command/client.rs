//! `concord client`: the apps and systems that sign people in or get tokens of their own, beside those of the settings.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use concord_consent::purpose::Purpose;
use concord_signin::client::{Authentication, Client};
use concord_signin::secret::{self, Kind};
use concord_store::StoreError;
use concord_store::sign_in::{NewClient, SELF, StoredClient};
use concord_store::transaction::Transaction;

use crate::clock::Clock;
use crate::config::Config;
use crate::interact::Service;
use crate::telemetry::Metrics;

/// Register apps and systems for sign-in, list and revoke them
#[derive(Args, Clone, Debug)]
pub struct ClientArgs {
    /// What to do
    #[command(subcommand)]
    pub action: Action,
}

/// What to do with clients.
#[derive(Subcommand, Clone, Debug)]
pub enum Action {
    /// Register a client; prints its secret, if it gets one, and nothing ever prints it again
    Add(Box<AddArgs>),
    /// List the clients, those of the settings among them
    List,
    /// Revoke a client: all that people have let it do ends, and its tokens work no longer
    Revoke {
        /// The client
        #[arg(value_name = "ID")]
        id: String,
    },
    /// Give a client another secret, which is printed, or other keys; the old ones work no longer
    Rotate {
        /// The client
        #[arg(value_name = "ID")]
        id: String,
        /// The file with the new keys, for a client that has keys
        #[arg(long, value_name = "FILE")]
        keys: Option<PathBuf>,
    },
    /// Let an app register itself, where `registration` is `invitation`: prints what it has to bring along, once, within a week
    Invite,
    /// Forget the keys that id tokens are signed with, when their key file is lost; the next start makes new ones
    ForgetKeys,
}

/// What is registered of a client.
#[derive(Args, Clone, Debug)]
pub struct AddArgs {
    /// Its client_id
    #[arg(value_name = "ID")]
    pub id: String,
    /// What it is called, on the page where a person lets it in
    #[arg(long, value_name = "TEXT")]
    pub name: String,
    /// What it does, in a plain sentence for the same page
    #[arg(long, value_name = "TEXT")]
    pub about: Option<String>,
    /// It is one of those who keep the record, and not somebody else's
    #[arg(long)]
    pub own: bool,
    /// The scopes that it may ask for, separated by spaces
    #[arg(long, value_name = "SCOPES")]
    pub scope: String,
    /// Where it is sent back to, character by character; may be given more than once
    #[arg(long, value_name = "URI")]
    pub redirect_uri: Vec<String>,
    /// It gets a secret
    #[arg(long, group = "proof")]
    pub secret: bool,
    /// The file with its public keys (a JWK Set with RS384 or ES384 keys)
    #[arg(long, value_name = "FILE", group = "proof")]
    pub keys: Option<PathBuf>,
    /// The https URL of its public keys
    #[arg(long, value_name = "URL", group = "proof")]
    pub keys_url: Option<String>,
    /// What it is registered for, as a code of v3-ActReason; may be given more than once [default: not bounded]
    #[arg(long, value_name = "CODE")]
    pub purpose: Vec<String>,
    /// It may introspect the tokens of other clients
    #[arg(long)]
    pub introspects: bool,
}

/// Runs it.
///
/// # Errors
/// One line: when the registration is no good, there is no such client, or the database fails.
pub async fn run(args: &ClientArgs, config: &Config, clock: Clock, out: &mut impl Write) -> Result<(), String> {
    let metrics = Metrics::new().map_err(|error| error.to_string())?;
    let service = super::open(config, clock, metrics).await?;
    let mut say = |text: String| writeln!(out, "{text}").map_err(|error| format!("standard output: {error}"));
    match &args.action {
        Action::Add(args) => {
            let (client, secret) = registration(args)?;
            refuse_configured(config, &client.id)?;
            add(&service, &client).await?;
            secret.map_or(Ok(()), &mut say)
        }
        Action::List => {
            for client in configured(config)? {
                say(line(&client, "settings"))?;
            }
            let configured = configured(config)?;
            for (client, stored) in stored(&service).await? {
                say(line(&client, place(&stored, &configured)))?;
            }
            Ok(())
        }
        Action::Revoke { id } => {
            refuse_configured(config, id)?;
            revoke(&service, id).await
        }
        Action::Rotate { id, keys } => {
            refuse_configured(config, id)?;
            let secret = rotate(&service, id, keys.as_deref()).await?;
            secret.map_or(Ok(()), &mut say)
        }
        Action::Invite => say(invite(&service).await?),
        Action::ForgetKeys => write(&service, |transaction, _| transaction.forget_signing_keys(i64::MAX)).await,
    }
}

/// Changes what is stored, at this time.
async fn write<T: Send + 'static>(
    service: &Service,
    work: impl FnOnce(&mut Transaction<'_>, i64) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, String> {
    let now_s = service.store.now_ms().div_euclid(1000);
    let done = service.store.write(move |transaction| (work(transaction, now_s), Vec::new())).await;
    done.map_err(|error| format!("the database fails: {error}"))
}

/// The clients of the settings.
fn configured(config: &Config) -> Result<Vec<Client>, String> {
    config.clients.iter().filter_map(|one| one.of_sign_in().transpose()).collect()
}

fn refuse_configured(config: &Config, id: &str) -> Result<(), String> {
    match configured(config)?.iter().any(|client| client.id == id) {
        true => Err(format!("{id:?} is registered in the settings ([[clients]]): change it there")),
        false => Ok(()),
    }
}

/// The clients that are stored, each as it was registered and as it is stored.
async fn stored(service: &Service) -> Result<Vec<(Client, StoredClient)>, String> {
    let stored = service.store.read(|transaction| (transaction.sign_in_clients(), Vec::new())).await;
    let stored: Vec<StoredClient> = stored.map_err(|error: StoreError| format!("the database fails: {error}"))?;
    stored.into_iter().map(|one| Ok((parsed(&one.body)?, one))).collect()
}

/// What has become of a client that is stored.
fn place(stored: &StoredClient, configured: &[Client]) -> &'static str {
    let registrar = stored.registrar.as_str();
    let has_registrar = registrar.is_empty()
        || registrar == SELF
        || !stored.registrar_body.is_empty()
        || configured.iter().any(|client| client.id == registrar);
    match (stored.is_revoked(), has_registrar) {
        (true, _) => "revoked",
        (false, true) => "registered",
        (false, false) => "ended with who registered it",
    }
}

fn parsed(body: &str) -> Result<Client, String> {
    serde_json::from_str(body).map_err(|error| format!("a client is stored that cannot be read: {error}"))
}

fn registration(args: &AddArgs) -> Result<(Client, Option<String>), String> {
    let mut secret = None;
    let authentication = match (&args.keys, &args.keys_url) {
        (Some(path), _) => Authentication::Keys(key_set(path)?),
        (None, Some(url)) if url.starts_with("https://") => Authentication::KeysAt(url.clone()),
        (None, Some(_)) => return Err("--keys-url is not an https URL".to_owned()),
        (None, None) if args.secret => {
            let fresh = secret::fresh(Kind::Client).map_err(|error| error.to_string())?;
            let hash = secret::hash(&fresh);
            secret = Some(fresh);
            Authentication::Secret(hash)
        }
        (None, None) => Authentication::None,
    };
    if let Some(bad) = args.purpose.iter().find(|code| Purpose::parse(code).is_none()) {
        return Err(format!("--purpose {bad:?} is not a code of v3-ActReason, such as TREAT"));
    }
    let client = Client {
        id: args.id.clone(),
        name: args.name.clone(),
        about: args.about.clone(),
        own: args.own,
        purposes: Some(args.purpose.clone()).filter(|codes| !codes.is_empty()),
        redirect_uris: args.redirect_uri.clone(),
        scope: args.scope.clone(),
        authentication,
        introspects: args.introspects,
        registered_itself: false,
    };
    client.check()?;
    Ok((client, secret))
}

fn key_set(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))
}

fn body_of(client: &Client) -> Result<String, String> {
    serde_json::to_string(client).map_err(|error| error.to_string())
}

/// How long an invitation can be used, in seconds.
const INVITATION_LASTS_S: i64 = 7 * 86_400;

async fn invite(service: &Service) -> Result<String, String> {
    let fresh = secret::fresh(Kind::Invitation).map_err(|error| error.to_string())?;
    let hash = secret::hash(&fresh);
    write(service, move |transaction, now_s| transaction.add_invitation(&hash, now_s + INVITATION_LASTS_S)).await?;
    Ok(fresh)
}

async fn add(service: &Service, client: &Client) -> Result<(), String> {
    let new = NewClient { id: client.id.clone(), body: body_of(client)?, ..NewClient::default() };
    match write(service, move |transaction, now_s| transaction.add_sign_in_client(&new, now_s)).await? {
        true => Ok(()),
        false => Err(format!("there is a client {:?} already, or there was one that is revoked", client.id)),
    }
}

async fn revoke(service: &Service, id: &str) -> Result<(), String> {
    let own = id.to_owned();
    match write(service, move |transaction, now_s| transaction.revoke_sign_in_client(&own, now_s)).await? {
        true => Ok(()),
        false => Err(format!("there is no client {id:?}, or it is revoked already")),
    }
}

/// Gives a client another secret or other keys; the secret.
async fn rotate(service: &Service, id: &str, keys: Option<&Path>) -> Result<Option<String>, String> {
    let none = || format!("there is no client {id:?}, or it is revoked");
    let known = stored(service).await?.into_iter().find(|(client, stored)| client.id == id && !stored.is_revoked());
    let (client, _) = known.ok_or_else(none)?;
    let (authentication, secret) = match (&client.authentication, keys) {
        (Authentication::Secret(_), None) => {
            let fresh = secret::fresh(Kind::Client).map_err(|error| error.to_string())?;
            (Authentication::Secret(secret::hash(&fresh)), Some(fresh))
        }
        (Authentication::Keys(_) | Authentication::KeysAt(_), Some(path)) => {
            (Authentication::Keys(key_set(path)?), None)
        }
        (Authentication::Secret(_), Some(_)) => return Err(format!("{id:?} has a secret and no keys")),
        (Authentication::Keys(_), None) => {
            return Err(format!("name the file with the new keys of {id:?}: --keys FILE"));
        }
        (Authentication::KeysAt(_), None) => return Err(format!("{id:?} changes its keys itself, at its URL")),
        (Authentication::None, _) => return Err(format!("{id:?} is a public client and has nothing to rotate")),
    };
    let client = Client { authentication, ..client };
    client.check()?;
    let (own, body) = (id.to_owned(), body_of(&client)?);
    match write(service, move |transaction, now_s| transaction.change_sign_in_client(&own, &body, now_s)).await? {
        true => Ok(secret),
        false => Err(none()),
    }
}

/// A client in a line: its id, where it is registered, what kind it is, how it proves who it is, its name and its scopes.
fn line(client: &Client, place: &str) -> String {
    let kind = match (client.own, client.registered_itself) {
        (true, _) => "own",
        (false, false) => "third-party",
        (false, true) => "third-party, registered itself",
    };
    let proof = match client.authentication {
        Authentication::None => "public",
        Authentication::Secret(_) => "secret",
        Authentication::Keys(_) | Authentication::KeysAt(_) => "keys",
    };
    [&client.id, place, kind, proof, &client.name, &client.scope].join("\t")
}
