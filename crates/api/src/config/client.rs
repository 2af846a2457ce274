//! The apps and systems that the operator has registered: what kind of app one is, and for which purposes a system acts.

use concord_consent::caller::App;
use concord_consent::purpose::Purpose;

use super::error::ConfigError;
use super::settings::CLIENT;
use super::source::Source;
use super::tables::{self, Table, only};

/// A registered app or system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientConfig {
    /// The token's `client_id` (or `azp`).
    pub client: String,
    /// The issuer whose tokens are meant; none means any.
    pub issuer: Option<String>,
    /// What kind of app it is.
    pub kind: App,
    /// The purposes that it acts for when it acts as a system; none when its registration does not bound it.
    pub purposes: Option<Vec<Purpose>>,
}

/// All that is known of apps and systems.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Clients {
    /// Those that are registered.
    pub registered: Vec<ClientConfig>,
    /// What kind of app one is that is not.
    pub others: App,
}

impl Clients {
    /// What the registration of a client says. One for an issuer goes before one for any.
    #[must_use]
    pub fn of(&self, issuer: &str, client: &str) -> (App, Option<Vec<Purpose>>) {
        let named = |one: &&ClientConfig| one.client == client;
        let of_issuer = self.registered.iter().filter(named).find(|one| one.issuer.as_deref() == Some(issuer));
        let known = of_issuer.or_else(|| self.registered.iter().filter(named).find(|one| one.issuer.is_none()));
        known.map_or((self.others, None), |one| (one.kind, one.purposes.clone()))
    }
}

/// The kind of app of that name, as settings write it.
pub(super) fn kind(text: &str) -> Option<App> {
    match text {
        "own" => Some(App::Own),
        "third-party" => Some(App::ThirdParty),
        _ => None,
    }
}

/// Reads the registered clients: `CONCORD_CLIENTS`, or the file's `[[clients]]`.
pub(super) fn read(source: &Source<'_>) -> Result<Clients, ConfigError> {
    let registered: Vec<ClientConfig> =
        tables::read(source, "clients", CLIENT)?.iter().map(build).collect::<Result<_, _>>()?;
    for (position, one) in registered.iter().enumerate() {
        let same = |other: &ClientConfig| (&other.client, &other.issuer) == (&one.client, &one.issuer);
        if registered.iter().take(position).any(same) {
            return Err(ConfigError::new(format!("setting clients: {:?} is there twice", one.client)));
        }
    }
    Ok(Clients { registered, others: source.get("unregistered_apps", kind)?.unwrap_or_default() })
}

fn build(table: &Table) -> Result<ClientConfig, ConfigError> {
    let text = |texts: &[String]| Some(only(texts)?.to_owned()).filter(|text| !text.is_empty());
    Ok(ClientConfig {
        client: table.required("client", text)?,
        issuer: table.optional("issuer", text)?,
        kind: table.optional("kind", |texts| kind(only(texts)?))?.unwrap_or_default(),
        purposes: table.optional("purposes", |texts| {
            let purposes: Option<Vec<Purpose>> = texts.iter().map(|code| Purpose::parse(code)).collect();
            purposes.filter(|purposes| !purposes.is_empty())
        })?,
    })
}
