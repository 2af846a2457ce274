//! The settings of the server: a TOML file and `CONCORD_*` variables that override it.
//!
//! Nothing here reads the environment by itself: [`Config::load`] is given the variables.

mod aggregator;
mod cis2;
mod client;
mod error;
mod field;
mod group;
mod issuer;
mod log;
mod network;
mod page;
mod provider;
mod remarks;
mod sign_in;
mod source;
mod terminology_server;
#[cfg(test)]
mod tests;
mod values;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use concord_consent::caller::App;
use confique::Layer as _;

pub use aggregator::AggregatorConfig;
pub(crate) use cis2::ANY;
pub use cis2::Cis2Config;
pub use client::{ClientConfig, Clients};
pub use concord_store::{DatabaseUrl, Durability};
pub use error::ConfigError;
use field::Variable;
pub(crate) use issuer::OWN_CLIENT;
pub use issuer::{DEVELOPMENT_ISSUER, IssuerConfig, IssuerKind, Jwks};
pub use log::{LogFormat, LogLevel};
pub use network::Network;
pub use page::markdown;
pub(crate) use provider::is_safe;
pub use provider::{ProviderConfig, ProviderKind, SignsIn};
pub use sign_in::{Registering, SignInConfig};
use source::{File, Variables};
pub use terminology_server::TerminologyServerConfig;

use crate::interact::{OnWrite, Unfiled};

/// Settings of which some are not set yet.
type ConfigLayer = <Config as confique::Config>::Layer;

/// The name of the development issuer's key file where no setting says otherwise.
const DEVELOPMENT_KEY: &str = "concord-development-key.pem";

/// Every setting. docs/SETTINGS.md is written from this definition: the documentation of a field is what operators read.
#[derive(Clone, Debug, PartialEq, Eq, confique::Config)]
pub struct Config {
    /// The address and port to serve on. Port 0 takes any that is free, which the log names.
    #[config(default = "127.0.0.1:8080", deserialize_with = values::listen)]
    pub listen: SocketAddr,
    /// An address and port at which `/healthz`, `/readyz` and `/metrics` are answered besides, by a thread of their own: also
    /// when every thread that serves HTTP is held up, and where no client need reach.
    ///
    /// Default: none
    #[config(deserialize_with = values::listen)]
    pub health_listen: Option<SocketAddr>,
    /// The URL under which clients reach the server, without `/fhir`. It is the base of `Location`, of the links in
    /// Bundles and of absolute `fhirUser` references.
    ///
    /// Default: `http://` and the address of `listen`
    #[config(deserialize_with = values::public_url)]
    pub public_url: String,
    /// The proxies, as addresses or networks, whose `X-Forwarded-For` or `Forwarded` says from which address a client calls, where
    /// something is counted by address: attempts to sign in, registrations, and calls without a believable token in the log. A proxy
    /// that is named here has to write one of the two headers and to take away the other. Without them all clients behind a
    /// proxy count as one address.
    #[config(default = [], deserialize_with = network::networks)]
    pub trusted_proxies: Vec<Network>,
    /// The database. A relative PATH starts in the working folder.
    #[config(default = "sqlite:concord.db", deserialize_with = values::database_url)]
    pub database_url: DatabaseUrl,
    /// How many connections to PostgreSQL searches and writes share. Each node has three more, one for single reads and two for the
    /// audit log. SQLite has no such bound.
    #[config(default = 8, deserialize_with = field::number::<1, 512, _, _>)]
    pub database_pool_size: u32,
    /// Whether commands that open the database bring it to the schema of this release first. With `false` they only look
    /// whether it is, and `concord migrate` does it, under a role that may: the server needs no right to change the
    /// schema then.
    #[config(default = true, deserialize_with = field::switch)]
    pub migrate_at_start: bool,
    /// How long `serve` waits at its start for a database that cannot be reached, in seconds. After that it ends with an
    /// error.
    #[config(default = 0, deserialize_with = field::number::<0, 86_400, _, _>)]
    pub database_wait_seconds: u64,
    /// How long the database may take over a search, in milliseconds. One that takes longer is stopped and answered with
    /// 400 and the issue `too-costly`. On PostgreSQL it holds for every statement.
    #[config(default = 10_000, deserialize_with = field::number::<1, 3_600_000, _, _>)]
    pub query_timeout_ms: u64,
    /// How long a request that reads may take once it has arrived, in milliseconds. One that takes longer, whatever holds the
    /// database up, is answered with 503 and `Retry-After`.
    #[config(default = 15_000, deserialize_with = field::number::<1, 3_600_000, _, _>)]
    pub read_timeout_ms: u64,
    /// The same for one that writes. Nobody can tell then whether it will be done, and the answer says so; what has not
    /// been begun by then is not.
    #[config(default = 15_000, deserialize_with = field::number::<1, 3_600_000, _, _>)]
    pub write_timeout_ms: u64,
    /// The same for a transaction Bundle.
    #[config(default = 60_000, deserialize_with = field::number::<1, 3_600_000, _, _>)]
    pub transaction_timeout_ms: u64,
    /// How many steps the database's machine may take over all searches of one request, or of one entry of a Bundle, on SQLite; a row
    /// that is looked at takes some ten. What takes more is stopped and answered like what takes too long. PostgreSQL counts none.
    #[config(default = 100_000_000, deserialize_with = field::number::<1000, 1_000_000_000_000, _, _>)]
    pub query_steps: u64,
    /// How many of these steps the condition of a write (`If-None-Exist`, a conditional update, patch or delete) may take on
    /// SQLite's only writer. One that takes more is matched before, in a read, and again if data has changed meanwhile; where all
    /// those of a transaction take more than 20 times that, so are they. To find a resource by its identifier takes some hundreds.
    #[config(default = 100_000, deserialize_with = field::number::<1000, 1_000_000_000, _, _>)]
    pub condition_steps: u64,
    /// How many searches, histories, operations and transactions of reads run at once that may take long. On SQLite these are
    /// transactions, and what has taken some milliseconds; on PostgreSQL what is not in one record, follows references, or
    /// asks for a large page (more than 100), an exact total or many tests, writes with such a condition, and transactions.
    /// One caller has at most half of these places; the others wait their turn, and beyond 256 of one caller that wait, or
    /// 4,096 of all, they are answered with 429 or 503 and `Retry-After`. Batches and long transactions have as many of their own.
    ///
    /// Default: one for each processor core, at least 2, on SQLite; three quarters of `database_pool_size` on PostgreSQL
    #[config(deserialize_with = field::number::<1, 1024, _, _>)]
    pub query_slots: Option<usize>,
    /// Whether every caller may ask with `_explain=true` how a search is run. Callers with `system/` scopes always may.
    /// The answer shows how sharing choices became conditions, so leave it off where real people are served.
    #[config(default = false, deserialize_with = field::switch)]
    pub explain: bool,
    /// What a finished write survives on SQLite: `full` a power cut (synchronous=FULL), `process` a crash of the process
    /// but maybe not a power cut (synchronous=NORMAL). PostgreSQL decides this for itself.
    #[config(default = "full", deserialize_with = values::durability)]
    pub durability: Durability,
    /// The number of threads that serve HTTP.
    ///
    /// Default: one for each processor core
    #[config(deserialize_with = field::number::<1, 1024, _, _>)]
    pub workers: Option<usize>,
    /// The largest request body, in bytes. A larger one is answered with 413.
    #[config(default = 10_485_760, deserialize_with = field::number::<1024, 1_073_741_824, _, _>)]
    pub max_body_bytes: usize,
    /// How many bytes all requests' bodies may take together, unpacked, until they are answered, with what is made of them
    /// (64 bytes a value); one caller has at most a quarter. One of more than 64 KB waits in a fair line for room for all
    /// that it may need (seven times its length; the whole share if it says no length), for `body_timeout_seconds`; what has
    /// none then is answered with 503 or 429 and `Retry-After`. Those of up to 64 KB, and those of up to 512 KB, have an
    /// eighth each to themselves. Counts as four times `max_body_bytes` at least.
    #[config(default = 268_435_456, deserialize_with = field::number::<1024, 1_099_511_627_776, _, _>)]
    pub max_body_bytes_together: usize,
    /// How long a body may take to arrive, in seconds. One that takes longer is answered with 408.
    #[config(default = 30, deserialize_with = field::number::<1, 3600, _, _>)]
    pub body_timeout_seconds: u64,
    /// How long a connection may be still when it is the client's turn, in seconds: to send the head of a request, or to take
    /// what has been answered (of a large answer 16 KB a second). One that is still for longer is closed.
    #[config(default = 30, deserialize_with = field::number::<1, 3600, _, _>)]
    pub connection_timeout_seconds: u64,
    /// How many bytes of resources one answer may hold: a page, or all that the entries of a Bundle ask for. What is beyond is
    /// answered with 413, in a batch entry by entry; a transaction is not carried out then.
    #[config(default = 33_554_432, deserialize_with = field::number::<1024, 1_099_511_627_776, _, _>)]
    pub max_answer_bytes: usize,
    /// How many bytes large answers may take together until their clients have taken them; one caller has at most half. One
    /// that there is no room for is answered with 429 or 503 and `Retry-After`. At least `max_answer_bytes`.
    #[config(default = 67_108_864, deserialize_with = field::number::<1024, 1_099_511_627_776, _, _>)]
    pub max_answer_bytes_together: usize,
    /// How many resources one answer may hold, in the same way.
    #[config(default = 100_000, deserialize_with = field::number::<1, 1_000_000_000, _, _>)]
    pub max_answer_resources: usize,
    /// How many entries a batch or transaction may have; one with more is answered with 413. A transaction has SQLite's only writer
    /// until it is done: so long others' writes wait at most.
    #[config(default = 5_000, deserialize_with = field::number::<1, 100_000, _, _>)]
    pub max_bundle_entries: usize,
    /// How many matches a page of a search or of a history holds when `_count` does not say.
    #[config(default = 50, deserialize_with = field::number::<1, 10_000, _, _>)]
    pub default_page_size: u32,
    /// How many matches a page holds at most; a greater `_count` is lowered to it.
    #[config(default = 1000, deserialize_with = field::number::<1, 10_000, _, _>)]
    pub max_page_size: u32,
    /// How many resources one write may give other security labels because they are part of what it labels, or speak about
    /// it. What is beyond follows in the background, in short transactions, where a registered system labels it, and is refused from
    /// others; until it is done, what is meant is kept back from whoever may not see what bears those labels.
    #[config(default = 5_000, deserialize_with = field::number::<1, 1_000_000, _, _>)]
    pub label_steps: usize,
    /// Whether what a write refers to outside of records (practitioners, organizations, devices) must exist and be readable by
    /// the caller. What it refers to in a record must be in any case, or the answer would tell what is hidden. Callers with
    /// `system/` scopes are exempt, so that data can be loaded in any order.
    #[config(default = true, deserialize_with = field::switch)]
    pub check_references: bool,
    /// Whether NHS numbers must have a right check digit. Switch it off only against a sandbox that hands out made-up
    /// numbers.
    #[config(default = true, deserialize_with = field::switch)]
    pub check_nhs_numbers: bool,
    /// What becomes of what a system sends that names its patient by an NHS number which no Patient here bears, or several:
    /// `refuse` answers with 422. `keep` stores it in no patient's record, where systems alone see it, with a Task
    /// (`urn:concord:task|file-in-record`) for an office, and files it when a Patient with that number is stored.
    #[config(default = "refuse", deserialize_with = values::unfiled)]
    pub unfiled: Unfiled,
    /// The web origins whose pages may call the API: a list, in the variable separated by commas. `*` lets any origin
    /// call (never with cookies: the API does not know any).
    #[config(default = [], deserialize_with = values::cors_origins)]
    pub cors_origins: Vec<String>,
    /// Whose tokens are accepted, besides the development issuer's.
    #[config(default = [], deserialize_with = issuer::list)]
    pub issuers: Vec<IssuerConfig>,
    /// The apps and systems that are registered.
    #[config(default = [], deserialize_with = client::list)]
    pub clients: Vec<ClientConfig>,
    /// How this server gives out tokens itself. Without this table it gives out none. It needs `public_url`, which is the issuer:
    /// https, or http on this machine.
    #[config(deserialize_with = sign_in::group)]
    pub sign_in: Option<SignInConfig>,
    /// The login services that people sign in with, where this server gives out tokens itself.
    #[config(default = [], deserialize_with = provider::list)]
    pub providers: Vec<ProviderConfig>,
    /// The terminology server that is asked about what is not here: SNOMED CT, LOINC, dm+d. Without this table none is.
    #[config(deserialize_with = terminology_server::group)]
    pub terminology_server: Option<TerminologyServerConfig>,
    /// What is asked of professionals of the NHS Care Identity Service 2. Without this table its defaults hold.
    #[config(deserialize_with = cis2::group)]
    pub cis2: Option<Cis2Config>,
    /// The aggregator that asks as a system on behalf of people who are signed in there, such as that of the NHS App. Without this
    /// table none does.
    #[config(deserialize_with = aggregator::group)]
    pub aggregator: Option<AggregatorConfig>,
    /// What kind an app is that no `[[clients]]` table names. With `third-party` it sees what the patient's Consents permit
    /// it by name, and proposes sharing choices; a system that is not registered suspends nobody and makes nobody a proxy,
    /// unless its issuer gives it every right (`system/*.cruds`).
    #[config(default = "third-party", deserialize_with = field::app)]
    pub unregistered_apps: App,
    /// What is done on a write with a resource that does not keep to a profile that it claims (`meta.profile`): `off` does
    /// not look, `warn` stores it and says so in the answer, `refuse` answers 422. What could not be checked, such as a
    /// value set of SNOMED CT, refuses nothing.
    #[config(default = "warn", deserialize_with = values::on_write)]
    pub profile_check: OnWrite,
    /// The same for single profiles, each as `URL=off`, `URL=warn` or `URL=refuse`, without a version.
    #[config(default = [], deserialize_with = values::profiles)]
    pub profile_checks: BTreeMap<String, OnWrite>,
    /// Profiles that resources of a type are checked by on a write whether they claim them or not, each as `TYPE=URL`.
    /// `profile_check` and `profile_checks` say what is done with what does not keep to them.
    #[config(default = [], deserialize_with = values::required_profiles)]
    pub required_profiles: BTreeMap<String, Vec<String>>,
    /// Whether checks on a write ask the terminology server about codes that are not known here. The write waits for the
    /// answers, outside of the database; what is not told in time could not be checked.
    #[config(default = false, deserialize_with = field::switch)]
    pub write_checks_ask: bool,
    /// What is done on a write with a QuestionnaireResponse that does not keep to its Questionnaire, where that is contained
    /// in it, or stored here and readable by the caller.
    #[config(default = "warn", deserialize_with = values::on_write)]
    pub questionnaire_check: OnWrite,
    /// Whether the answer to a write names the sensitivity labels that its SNOMED CT codes suggest, where it bears none
    /// of them. The table behind it is small and has not been reviewed by clinicians; nothing is labelled by it.
    #[config(default = false, deserialize_with = field::switch)]
    pub suggest_labels: bool,
    /// Whether tokens of `concord token` are accepted. Whoever can read the key file can then be anybody: never switch it
    /// on where real data is.
    #[config(default = false, deserialize_with = field::switch)]
    pub development_issuer: bool,
    /// The key file of the development issuer, made on first use.
    ///
    /// Default: concord-development-key.pem beside the SQLite file, or in the working folder
    #[config(deserialize_with = values::path)]
    pub development_key: PathBuf,
    /// A file to which the server appends the signed head of the audit log's chain, once a minute while there is a new one and
    /// when it stops. Have it where whoever can change the database cannot: `concord audit verify` shows by it that nobody has
    /// cut off the chain's end or made it anew.
    ///
    /// Default: none
    #[config(deserialize_with = values::path)]
    pub audit_heads: Option<PathBuf>,
    /// The folder with the files that `concord audit close` has written, from which `Patient/$access-log`, and searches of AuditEvent
    /// that say whose record it was about, then tell what happened in closed periods too. They must be signed with `audit_key`. An index is kept beside each, so the server needs to write there
    /// where one is missing or is not that of its file.
    ///
    /// Default: none
    #[config(deserialize_with = values::path)]
    pub audit_periods: Option<PathBuf>,
    /// The file of the private key (Ed25519, PKCS#8) that heads of the audit log's chain and closed periods are signed with, made on
    /// first use.
    #[config(default = "concord-audit.key", deserialize_with = values::path)]
    pub audit_key: PathBuf,
    /// How far the clocks of an issuer and of this server may differ when `exp`, `nbf` and `iat` are checked.
    #[config(default = 30, deserialize_with = field::number::<0, 300, _, _>)]
    pub clock_leeway_seconds: i64,
    /// How far this machine's clock may be from the database's, in seconds. What is stored is put in order by the database's;
    /// beyond this `/readyz` says that the node is not ready. On SQLite, which has no other clock, it is how far the
    /// machine's may be behind the newest event of the log.
    #[config(default = 30, deserialize_with = field::number::<1, 86_400, _, _>)]
    pub clock_limit_seconds: u32,
    /// How often an issuer's keys are fetched again from a URL. While the issuer can be reached, a key that it has
    /// withdrawn works no longer than twice this. (A file is looked at every second; an unknown key is fetched at once.)
    #[config(default = 300, deserialize_with = field::number::<10, 86_400, _, _>)]
    pub jwks_refresh_seconds: i64,
    /// How long known keys are used while an issuer cannot be reached. After that its tokens are answered with 503 until
    /// it can.
    #[config(default = 3600, deserialize_with = field::number::<10, 604_800, _, _>)]
    pub jwks_max_age_seconds: i64,
    /// How many verified tokens are remembered, each for at most five minutes and never longer than it is valid.
    #[config(default = 10_000, deserialize_with = field::number::<1, 10_000_000, _, _>)]
    pub token_cache_size: usize,
    /// How many requests a minute one app may make for one person, each entry of a Bundle counted; beyond that they are
    /// answered with 429 and `Retry-After`. Systems are not bounded. 0 for no bound; each process counts for itself.
    #[config(default = 0, deserialize_with = field::number::<0, 10_000_000, _, _>)]
    pub requests_per_minute: u32,
    /// A file that says by being there that this server is being worked on: as long as it is, requests to the API are answered with 503
    /// and `Retry-After`. It is looked for once a second. The process goes on, is alive and ready, and says what it can do.
    ///
    /// Default: none
    #[config(deserialize_with = values::path)]
    pub maintenance_file: Option<PathBuf>,
    /// The form of the log on standard error: one JSON object a line, or text for people.
    #[config(default = "pretty", deserialize_with = values::log_format)]
    pub log_format: LogFormat,
    /// How much of its own work the server logs. Libraries log warnings and errors only.
    #[config(default = "info", deserialize_with = values::log_level)]
    pub log_level: LogLevel,
    /// How long requests in flight may take to finish once the server is told to stop.
    #[config(default = 30, deserialize_with = field::number::<0, 3600, _, _>)]
    pub shutdown_timeout_seconds: u64,
}

impl Config {
    /// Reads the settings: the file at `path` (else the one that `CONCORD_CONFIG` names, else none), then the `CONCORD_*`
    /// ones of the environment variables.
    ///
    /// # Errors
    /// When the file cannot be read or is not TOML, the file or a variable has an unknown name, or a value does not fit:
    /// one line that names the setting, what was found and what is expected.
    pub fn load<N: Into<OsString>, V: Into<OsString>>(
        path: Option<&Path>,
        variables: impl IntoIterator<Item = (N, V)>,
    ) -> Result<Config, ConfigError> {
        let variables = Variables::new(variables)?;
        let file = path.or(variables.file()).map(File::read).transpose()?;
        let (mut layer, mut set) = from_variables::<Config>(&variables, source::variable)?;
        if let Some(issuer) = single_issuer(&variables)? {
            layer.issuers = Some(vec![issuer]);
            set.push("issuers");
        }
        if let Some(file) = file {
            layer = layer.with_fallback(from_file(&file, &set)?);
        }
        if layer.sign_in.is_some() && layer.public_url.is_none() {
            return Err(ConfigError::new(
                "setting sign_in: public_url has to be set, since it is the issuer of tokens",
            ));
        }
        complete(layer)?.check()
    }

    /// Whether `public_url` says another address than `listen` does.
    #[must_use]
    pub fn has_public_url(&self) -> bool {
        self.public_url != local_url(self.listen)
    }

    /// The settings of a server that has got an address where `listen` left the port to the system.
    #[must_use]
    pub fn listening_on(&self, address: SocketAddr) -> Config {
        let public_url = if self.has_public_url() { self.public_url.clone() } else { local_url(address) };
        Config { listen: address, public_url, ..self.clone() }
    }

    /// The base URL of the API: `public_url` and `/fhir`.
    #[must_use]
    pub fn fhir_base(&self) -> String {
        format!("{}/fhir", self.public_url)
    }

    /// What is known of the apps and systems that call.
    #[must_use]
    pub fn registered_clients(&self) -> Clients {
        let mut registered = self.clients.clone();
        // Whoever can read the development issuer's key can be anybody: the app of `concord token` is the operator's own.
        if self.development_issuer && !registered.iter().any(|one| one.client == OWN_CLIENT) {
            registered.push(ClientConfig {
                client: OWN_CLIENT.to_owned(),
                issuer: Some(DEVELOPMENT_ISSUER.to_owned()),
                kind: App::Own,
                purposes: None,
                scope: None,
                name: None,
                about: None,
                logo_file: None,
                redirect_uris: Vec::new(),
                secret_sha256: None,
                keys: None,
                introspects: false,
            });
        }
        let mut issuers: Vec<String> = self.issuers.iter().map(|one| one.issuer.clone()).collect();
        issuers.extend(self.development_issuer.then(|| DEVELOPMENT_ISSUER.to_owned()));
        issuers.extend(self.sign_in.is_some().then(|| self.public_url.clone()));
        Clients { registered, others: self.unregistered_apps, issuers }
    }

    /// What no setting can tell by itself.
    fn check(self) -> Result<Config, ConfigError> {
        if self.default_page_size > self.max_page_size {
            return Err(ConfigError::new(format!(
                "setting default_page_size: expected at most max_page_size ({}), found {}",
                self.max_page_size, self.default_page_size
            )));
        }
        if self.jwks_refresh_seconds > self.jwks_max_age_seconds {
            return Err(ConfigError::new(format!(
                "setting jwks_refresh_seconds: expected at most jwks_max_age_seconds ({}), found {}",
                self.jwks_max_age_seconds, self.jwks_refresh_seconds
            )));
        }
        if self.issuers.iter().any(|issuer| issuer.issuer == DEVELOPMENT_ISSUER) {
            return Err(ConfigError::new(format!(
                "setting issuers: {DEVELOPMENT_ISSUER:?} is the development issuer's own name"
            )));
        }
        if self.public_url.to_ascii_lowercase().ends_with("/fhir") {
            return Err(ConfigError::new(format!(
                "setting public_url: expected the address without /fhir, which is added to it, found {}",
                self.public_url
            )));
        }
        self.check_sign_in()?;
        self.check_terminology_server()?;
        self.check_aggregator()?;
        Ok(self)
    }
}

/// What variables set of a group, and of which keys. `name` is the variable of a key.
fn from_variables<C: confique::Config>(
    variables: &Variables,
    name: fn(&str) -> String,
) -> Result<(C::Layer, Vec<&'static str>), ConfigError> {
    let mut layer = C::Layer::empty();
    let mut set = Vec::new();
    for key in group::keys::<C>() {
        let name = name(key);
        if let Some(text) = variables.get(&name) {
            let one = group::one::<C>(key, Variable(text)).map_err(|text| ConfigError::at(&name, &text))?;
            layer = layer.with_fallback(one);
            set.push(key);
        }
    }
    Ok((layer, set))
}

/// What the file sets beside the keys that variables have set.
fn from_file(file: &File, set: &[&str]) -> Result<ConfigLayer, ConfigError> {
    let mut layer = ConfigLayer::empty();
    for (key, value) in &file.values {
        let Some(key) = group::find::<Config>(key) else {
            let hint = group::did_you_mean(key, group::keys::<Config>());
            return Err(ConfigError::new(format!("unknown setting {key:?} in {}{hint}", file.name)));
        };
        if set.contains(&key) {
            continue;
        }
        let one = group::one::<Config>(key, value.clone());
        let one = one.map_err(|text| ConfigError::at(&format!("{key} in {}", file.name), &text))?;
        layer = layer.with_fallback(one);
    }
    Ok(layer)
}

/// The one issuer that `CONCORD_ISSUER` and its companions describe.
fn single_issuer(variables: &Variables) -> Result<Option<IssuerConfig>, ConfigError> {
    let (layer, set) = from_variables::<IssuerConfig>(variables, source::issuer_variable)?;
    let Some(first) = set.first() else { return Ok(None) };
    let (many, one) = (source::variable("issuers"), source::issuer_variable(first));
    if variables.get(&many).is_some() {
        return Err(ConfigError::new(format!("setting {many} and setting {one}: only one may be set")));
    }
    group::complete(layer, &set).map(Some).map_err(|text| ConfigError::at("CONCORD_ISSUER", &text))
}

/// The settings, with the defaults that depend on other settings.
fn complete(layer: ConfigLayer) -> Result<Config, ConfigError> {
    let mut layer = layer.with_fallback(ConfigLayer::default_values());
    layer.public_url = layer.public_url.or_else(|| layer.listen.map(local_url));
    let folder = layer.database_url.as_ref().map(DatabaseUrl::folder);
    layer.development_key = layer.development_key.or_else(|| folder.map(|folder| folder.join(DEVELOPMENT_KEY)));
    <Config as confique::Config>::from_layer(layer).map_err(|error| ConfigError::new(error.to_string()))
}

/// The URL of a server that is reached on this machine: an unspecified address is no place to go to.
fn local_url(listen: SocketAddr) -> String {
    match listen.ip().is_unspecified() {
        true => format!("http://localhost:{}", listen.port()),
        false => format!("http://{listen}"),
    }
}
