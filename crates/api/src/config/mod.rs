//! The settings of the server: a TOML file and `CONCORD_*` variables that override it.
//!
//! Nothing here reads the environment by itself: [`Config::load`] is given a function that does.

mod client;
mod database;
mod error;
mod issuer;
pub mod settings;
mod source;
mod tables;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

pub use client::{ClientConfig, Clients};
pub use database::DatabaseUrl;
pub use error::ConfigError;
pub use issuer::{IssuerConfig, IssuerKind, Jwks};
use source::Source;

/// The name of the development issuer's key file where no setting says otherwise.
const DEVELOPMENT_KEY: &str = "concord-development-key.pem";

/// Every setting; [`settings::SETTINGS`] says what each means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The address and port to serve on.
    pub listen: SocketAddr,
    /// The URL under which clients reach the server, without `/fhir` and without a slash at its end.
    pub public_url: String,
    /// The database.
    pub database_url: DatabaseUrl,
    /// The greatest number of open database connections.
    pub database_pool_size: u32,
    /// How long a search may take, in milliseconds.
    pub query_timeout_ms: u64,
    /// Whether everybody may ask how a search is run.
    pub explain: bool,
    /// What a finished write survives on SQLite.
    pub durability: Durability,
    /// The number of threads that serve HTTP; none means one for each processor core.
    pub workers: Option<usize>,
    /// The largest request body, in bytes.
    pub max_body_bytes: usize,
    /// Matches on a page when `_count` does not say.
    pub default_page_size: u32,
    /// Matches on a page at most.
    pub max_page_size: u32,
    /// Whether what a write refers to must exist and be readable, for callers that are not systems.
    pub check_references: bool,
    /// Whether NHS numbers must have a right check digit.
    pub check_nhs_numbers: bool,
    /// The web origins whose pages may call the API; `*` alone is any.
    pub cors_origins: Vec<String>,
    /// Whose tokens are accepted, besides the development issuer's.
    pub issuers: Vec<IssuerConfig>,
    /// What is known of the apps and systems that call.
    pub clients: Clients,
    /// Whether answers to writes name the labels that codes suggest.
    pub suggest_labels: bool,
    /// Whether the development issuer exists.
    pub development_issuer: bool,
    /// The key file of the development issuer.
    pub development_key: PathBuf,
    /// How far clocks may differ, in seconds.
    pub clock_leeway_seconds: i64,
    /// How often keys are fetched again, in seconds.
    pub jwks_refresh_seconds: i64,
    /// How long keys are used that cannot be fetched again, in seconds.
    pub jwks_max_age_seconds: i64,
    /// How many verified tokens are remembered.
    pub token_cache_size: usize,
    /// How many requests a minute one app may make for one person; any number with 0.
    pub requests_per_minute: u32,
    /// The form of the log.
    pub log_format: LogFormat,
    /// How much is logged.
    pub log_level: LogLevel,
    /// How long requests in flight may take to finish when the server stops, in seconds.
    pub shutdown_timeout_seconds: u64,
}

/// What a finished write survives on SQLite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// A power cut (`synchronous=FULL`).
    Full,
    /// A crash of the process, but maybe not a power cut (`synchronous=NORMAL`).
    Process,
}

/// The form of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// Text for people.
    Pretty,
}

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// Only what went wrong.
    Error,
    /// And what looks wrong.
    Warn,
    /// And what was done.
    Info,
    /// And how.
    Debug,
    /// And every step.
    Trace,
}

impl LogLevel {
    /// As the setting is written.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            LogLevel::Error => "error",
            LogLevel::Warn => "warn",
            LogLevel::Info => "info",
            LogLevel::Debug => "debug",
            LogLevel::Trace => "trace",
        }
    }
}

impl Config {
    /// Reads the settings: the file at `path` (else the one that `CONCORD_CONFIG` names, else none), then the variables
    /// that `environment` knows.
    ///
    /// # Errors
    /// When the file cannot be read or is not TOML, holds an unknown key, or a value does not fit: one line that names
    /// the setting, what was found and what is expected.
    pub fn load(path: Option<&Path>, environment: impl Fn(&str) -> Option<String>) -> Result<Config, ConfigError> {
        let source = Source::read(path, &environment)?;
        let listen =
            source.get("listen", |text| text.parse().ok())?.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 8080)));
        let public_url = source.get("public_url", issuer::base_url)?.unwrap_or_else(|| local_url(listen));
        let database_url = source
            .get("database_url", DatabaseUrl::parse)?
            .unwrap_or_else(|| DatabaseUrl::Sqlite(PathBuf::from("concord.db")));
        let development_key = source
            .get("development_key", |text| Some(PathBuf::from(text)))?
            .unwrap_or_else(|| database_url.folder().join(DEVELOPMENT_KEY));
        let config = Config {
            listen,
            public_url,
            database_pool_size: source.number("database_pool_size", 1, 512, 8)?,
            query_timeout_ms: source.number("query_timeout_ms", 1, 3_600_000, 10_000)?,
            explain: source.switch("explain", false)?,
            durability: source
                .get("durability", |text| {
                    choose(text, &[("full", Durability::Full), ("process", Durability::Process)])
                })?
                .unwrap_or(Durability::Full),
            workers: source.get("workers", |text| text.parse().ok().filter(|count| (1..=1024).contains(count)))?,
            max_body_bytes: source.number("max_body_bytes", 1024, 1 << 30, 10 << 20)?,
            default_page_size: source.number("default_page_size", 1, 10_000, 50)?,
            max_page_size: source.number("max_page_size", 1, 10_000, 1000)?,
            check_references: source.switch("check_references", true)?,
            check_nhs_numbers: source.switch("check_nhs_numbers", true)?,
            cors_origins: cors_origins(&source)?,
            issuers: issuer::read(&source)?,
            clients: client::read(&source)?,
            suggest_labels: source.switch("suggest_labels", false)?,
            development_issuer: source.switch("development_issuer", false)?,
            development_key,
            clock_leeway_seconds: source.number("clock_leeway_seconds", 0, 300, 30)?,
            jwks_refresh_seconds: source.number("jwks_refresh_seconds", 10, 86_400, 300)?,
            jwks_max_age_seconds: source.number("jwks_max_age_seconds", 10, 604_800, 3600)?,
            requests_per_minute: source.number("requests_per_minute", 0, 10_000_000, 0)?,
            token_cache_size: source.number("token_cache_size", 1, 10_000_000, 10_000)?,
            log_format: source
                .get("log_format", |text| choose(text, &[("json", LogFormat::Json), ("pretty", LogFormat::Pretty)]))?
                .unwrap_or(LogFormat::Pretty),
            log_level: source.get("log_level", log_level)?.unwrap_or(LogLevel::Info),
            shutdown_timeout_seconds: source.number("shutdown_timeout_seconds", 0, 3600, 30)?,
            database_url,
        };
        config.check()
    }

    /// The base URL of the API: `public_url` and `/fhir`.
    #[must_use]
    pub fn fhir_base(&self) -> String {
        format!("{}/fhir", self.public_url)
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
        if self.issuers.iter().any(|issuer| issuer.issuer == crate::auth::development::ISSUER) {
            return Err(ConfigError::new(format!(
                "setting issuers: {:?} is the development issuer's own name",
                crate::auth::development::ISSUER
            )));
        }
        Ok(self)
    }
}

/// The URL of a server that is reached on this machine: an unspecified address is no place to go to.
fn local_url(listen: SocketAddr) -> String {
    if listen.ip().is_unspecified() {
        format!("http://localhost:{}", listen.port())
    } else {
        format!("http://{listen}")
    }
}

fn choose<T: Copy>(text: &str, choices: &[(&str, T)]) -> Option<T> {
    choices.iter().find(|(name, _)| *name == text).map(|(_, value)| *value)
}

fn log_level(text: &str) -> Option<LogLevel> {
    let levels = [LogLevel::Error, LogLevel::Warn, LogLevel::Info, LogLevel::Debug, LogLevel::Trace];
    levels.into_iter().find(|level| level.name() == text)
}

fn cors_origins(source: &Source<'_>) -> Result<Vec<String>, ConfigError> {
    let origins = source.list("cors_origins")?;
    for origin in &origins {
        let serialised = url::Url::parse(origin).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        // An origin is compared as browsers send it, so it must be written exactly so (RFC 6454 section 6.1).
        let exact = serialised.is_some_and(|url| url.origin().ascii_serialization() == *origin);
        if !(exact || (origin == "*" && origins.len() == 1)) {
            return Err(ConfigError::value(
                "cors_origins",
                origin,
                "origins such as https://app.example.org, or * alone",
            ));
        }
    }
    Ok(origins)
}
