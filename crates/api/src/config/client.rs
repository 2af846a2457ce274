//! The apps and systems that the operator has registered: what kind of app one is, and for which purposes a system acts.

use std::path::PathBuf;

use concord_consent::caller::App;
use concord_consent::purpose::Purpose;
use concord_signin::client::{Authentication, Client};
use serde::de::{Deserializer, Error as _};

use super::values::path;
use super::{Jwks, field, group, issuer};

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
    /// The scopes that it may ask this server for, separated by spaces. With it the client is one of the sign-in of this server
    /// (`[sign_in]`).
    ///
    /// Default: it gets no tokens here
    #[config(deserialize_with = scope)]
    pub scope: Option<String>,
    /// What it is called, on the page where a person lets it in.
    ///
    /// Default: the client id
    #[config(deserialize_with = words)]
    pub name: Option<String>,
    /// What it does, in a plain sentence for the same page.
    ///
    /// Default: nothing is said
    #[config(deserialize_with = words)]
    pub about: Option<String>,
    /// The file with its logo for the same page: a PNG of at most 64 KiB, which is read at the start.
    ///
    /// Default: none
    #[config(deserialize_with = path)]
    pub logo_file: Option<PathBuf>,
    /// Where it is sent back to after sign-in: a list of addresses, compared character by character.
    #[config(default = [], deserialize_with = redirect_uris)]
    pub redirect_uris: Vec<String>,
    /// The SHA-256 of its secret in hexadecimal (`printf %s "$SECRET" | sha256sum`), where it proves who it is by one.
    ///
    /// Default: it has none
    #[config(deserialize_with = secret_sha256)]
    pub secret_sha256: Option<String>,
    /// Where its public keys are (a JWK Set with RS384 or ES384 keys), where it proves who it is by signing: an https URL, http
    /// only on this machine.
    ///
    /// Default: it has none
    #[config(deserialize_with = issuer::jwks)]
    pub keys: Option<Jwks>,
    /// Whether it may introspect the tokens of other clients, as a resource server does.
    #[config(default = false, deserialize_with = field::switch)]
    pub introspects: bool,
}

impl ClientConfig {
    /// What is registered of it for the sign-in of this server, if it is one of its clients. Keys in a file are read now.
    ///
    /// # Errors
    /// One line, when the registration is no good.
    pub fn of_sign_in(&self) -> Result<Option<Client>, String> {
        let Some(scope) = &self.scope else { return Ok(None) };
        let failed = |text: String| format!("setting clients: {:?}: {text}", self.client);
        let authentication = match (&self.secret_sha256, &self.keys) {
            (None, None) => Authentication::None,
            (Some(hash), None) => Authentication::Secret(hash.clone()),
            (None, Some(Jwks::Url(url))) => Authentication::KeysAt(url.to_string()),
            (None, Some(Jwks::File(path))) => Authentication::Keys(
                std::fs::read_to_string(path).map_err(|error| failed(format!("{}: {error}", path.display())))?,
            ),
            (Some(_), Some(_)) => {
                return Err(failed("it has secret_sha256 and keys, and may have only one".to_owned()));
            }
        };
        let client = Client {
            id: self.client.clone(),
            name: self.name.clone().unwrap_or_else(|| self.client.clone()),
            about: self.about.clone(),
            own: self.kind == App::Own,
            purposes: self.purposes.as_ref().map(|all| all.iter().map(|one| one.code().to_owned()).collect()),
            redirect_uris: self.redirect_uris.clone(),
            scope: scope.clone(),
            authentication,
            introspects: self.introspects,
            registered_itself: false,
        };
        client.check().map_err(failed)?;
        Ok(Some(client))
    }
}

/// All that is known of apps and systems.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Clients {
    /// Those that are registered.
    pub registered: Vec<ClientConfig>,
    /// What kind of app one is that is not.
    pub others: App,
    /// Whose tokens are believed here, this server's own among them.
    pub issuers: Vec<String>,
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

    /// Whether a client of another issuer that is believed here may have the same id: there is another, and the settings do not
    /// say that it is one of this issuer alone.
    #[must_use]
    pub fn is_ambiguous(&self, issuer: &str, client: &str) -> bool {
        let mut named = self.registered.iter().filter(|one| one.client == client).peekable();
        let is_only_here = named.peek().is_some() && named.all(|one| one.issuer.as_deref() == Some(issuer));
        !is_only_here && self.issuers.iter().any(|other| other != issuer)
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

fn scope<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    field::text(
        deserializer,
        "scopes of SMART separated by spaces, such as launch/patient patient/*.rs",
        field::non_empty,
    )
}

fn words<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    field::text(deserializer, "a few words", field::non_empty)
}

fn redirect_uris<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    field::texts(deserializer, "addresses such as https://app.example.org/callback", |texts| {
        texts.iter().all(|text| !text.is_empty()).then_some(texts)
    })
}

fn secret_sha256<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    field::secret(deserializer, "64 lower-case hexadecimal digits", |text| {
        let hex = text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        hex.then(|| text.to_owned())
    })
}
