//! Where settings are written: the file, and the environment variables that override it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use super::error::ConfigError;
use super::group::{self, PREFIX};
use super::{Config, IssuerConfig};

/// The variable that names the file.
const FILE: &str = "CONCORD_CONFIG";
/// The largest configuration file, in bytes.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// The variable that overrides a setting of the file.
pub(super) fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.to_ascii_uppercase())
}

/// The variable that sets that key of a single issuer.
pub(super) fn issuer_variable(key: &str) -> String {
    match key {
        "issuer" => "CONCORD_ISSUER".to_owned(),
        key => format!("CONCORD_ISSUER_{}", key.to_ascii_uppercase()),
    }
}

/// The `CONCORD_*` variables that are set. An empty one counts as unset.
pub(super) struct Variables(BTreeMap<String, String>);

impl Variables {
    /// Takes those that are settings out of all variables.
    ///
    /// # Errors
    /// When one begins like ours and is none, or is not UTF-8.
    pub(super) fn new<N: Into<OsString>, V: Into<OsString>>(
        all: impl IntoIterator<Item = (N, V)>,
    ) -> Result<Variables, ConfigError> {
        let mut known: Vec<String> = group::keys::<Config>().map(variable).collect();
        known.extend(group::keys::<IssuerConfig>().map(issuer_variable));
        known.push(FILE.to_owned());
        let mut variables = BTreeMap::new();
        let mut unknown = Vec::new();
        for (name, value) in all {
            let Ok(name) = name.into().into_string() else { continue };
            if !name.starts_with(PREFIX) {
                continue;
            }
            let value = value.into().into_string();
            let value = value.map_err(|_| ConfigError::new(format!("setting {name}: the value is not UTF-8")))?;
            if value.trim().is_empty() || is_service_link(&name, &value) {
                continue;
            }
            if !known.contains(&name) {
                let hint = group::did_you_mean(&name, known.iter().map(String::as_str));
                unknown.push(format!("variable {name}: no setting is called so{hint}"));
            }
            variables.insert(name, value);
        }
        if unknown.is_empty() { Ok(Variables(variables)) } else { Err(ConfigError::new(unknown.join("; "))) }
    }

    /// The value of one.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The file that they name.
    pub(super) fn file(&self) -> Option<&Path> {
        self.get(FILE).map(Path::new)
    }
}

/// Whether Kubernetes has set this variable by itself, as it does for every Service of the namespace: one that is called
/// `concord` gives `CONCORD_SERVICE_HOST`, `CONCORD_SERVICE_PORT`, `CONCORD_PORT=tcp://...` and `CONCORD_PORT_8080_TCP`.
fn is_service_link(name: &str, value: &str) -> bool {
    if name.ends_with("_SERVICE_HOST") || name.ends_with("_SERVICE_PORT") || name.contains("_SERVICE_PORT_") {
        return true;
    }
    let is_address = ["tcp://", "udp://", "sctp://"].iter().any(|scheme| value.starts_with(scheme));
    if name.ends_with("_PORT") && is_address {
        return true;
    }
    let of_a_port = name.rsplit_once("_PORT_").or_else(|| name.strip_suffix("_PORT")?.rsplit_once("_PORT_"));
    of_a_port.is_some_and(|(_, rest)| {
        let (port, protocol) = rest.split_once('_').unwrap_or((rest, ""));
        let number = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        number && ["TCP", "UDP", "SCTP"].iter().any(|name| protocol.starts_with(name))
    })
}

/// A TOML file.
pub(super) struct File {
    /// How errors call it.
    pub(super) name: String,
    /// What it holds.
    pub(super) values: toml::Table,
}

impl File {
    /// Reads it.
    ///
    /// # Errors
    /// When it cannot be read or is not TOML.
    pub(super) fn read(path: &Path) -> Result<File, ConfigError> {
        let name = path.display().to_string();
        let cannot = |error: std::io::Error| ConfigError::new(format!("cannot read {name}: {error}"));
        if std::fs::metadata(path).map_err(cannot)?.len() > MAX_FILE_BYTES {
            return Err(ConfigError::new(format!("cannot read {name}: it is larger than {MAX_FILE_BYTES} bytes")));
        }
        let text = std::fs::read_to_string(path).map_err(cannot)?;
        let values = text.parse::<toml::Table>().map_err(|error| {
            let start = error.span().map_or(0, |span| span.start);
            let line = text.bytes().take(start).filter(|byte| *byte == b'\n').count() + 1;
            ConfigError::new(format!("{name} line {line} is not TOML: {}", error.message()))
        })?;
        Ok(File { name, values })
    }
}
