//! The apps and systems that the operator has registered: what kind of app one is, and for which purposes a system acts.

use concord_consent::caller::App;
use concord_consent::purpose::Purpose;
use serde::de::{Deserializer, Error as _};

use super::{field, group, issuer};

/// A registered app or system.
#[derive(Clone, Debug, PartialEq, Eq, confique::Config)]
pub struct ClientConfig {
    /// Which app or system: the `client_id` claim, or `azp` where there is none.
    #[config(deserialize_with = client_id)]
    pub client: String,
    /// Whose tokens are meant, where two issuers give out the same `client_id`.
    ///
    /// Default: any issuer
    #[config(deserialize_with = issuer::name)]
    pub issuer: Option<String>,
    /// An `own` app may do what its user may, unless the patient denies it. A `third-party` app may do what its user may
    /// and a Consent of the patient permits this app.
    #[config(default = "own", deserialize_with = field::app)]
    pub kind: App,
    /// What a system is registered for. It then acts for these only, never for research, public health or marketing, and
    /// sees no sensitive data on its own authority.
    ///
    /// Default: not bounded
    #[config(deserialize_with = purposes)]
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
        self.find(issuer, client).map_or((self.others, None), |one| (one.kind, one.purposes.clone()))
    }

    /// Whether a client is registered.
    #[must_use]
    pub fn knows(&self, issuer: &str, client: &str) -> bool {
        self.find(issuer, client).is_some()
    }

    fn find(&self, issuer: &str, client: &str) -> Option<&ClientConfig> {
        let named = |one: &&ClientConfig| one.client == client;
        let of_issuer = self.registered.iter().filter(named).find(|one| one.issuer.as_deref() == Some(issuer));
        of_issuer.or_else(|| self.registered.iter().filter(named).find(|one| one.issuer.is_none()))
    }
}

/// The registered clients, each only once.
pub(super) fn list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<ClientConfig>, D::Error> {
    let clients: Vec<ClientConfig> = group::tables(deserializer, "clients")?;
    for (position, one) in clients.iter().enumerate() {
        let same = |other: &ClientConfig| (&other.client, &other.issuer) == (&one.client, &one.issuer);
        if clients.iter().take(position).any(same) {
            return Err(D::Error::custom(format!("{:?} is there twice", one.client)));
        }
    }
    Ok(clients)
}

fn client_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    field::text(deserializer, "the exact `client_id` of its tokens", field::non_empty)
}

fn purposes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Purpose>, D::Error> {
    field::texts(deserializer, "one or more codes of v3-ActReason, such as TREAT", |codes| {
        let purposes: Option<Vec<Purpose>> = codes.iter().map(|code| Purpose::parse(code)).collect();
        purposes.filter(|purposes| !purposes.is_empty())
    })
}
