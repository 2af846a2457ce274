//! What a client registers over HTTP (RFC 7591, RFC 7592): by itself, within narrow bounds, or by a system that may.

use concord_consent::purpose::Purpose;
use concord_consent::scope::Context;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use url::{Host, Url};

use crate::authentication::METHODS;
use crate::client::{Authentication, Client, is_plain_line, is_redirect_uri};
use crate::error::{ErrorCode, OauthError};
use crate::jwk;
use crate::name;
pub use crate::registrar::Registrar;
use crate::scope::{CLIENTS, Granted};
use crate::secret::{self, Kind, NoRandomness};
use crate::token::GRANT_TYPES;

/// The most addresses that one client registers.
const MAX_REDIRECT_URIS: usize = 5;
/// The longest list of scopes, in bytes.
const MAX_SCOPE_BYTES: usize = 4096;
/// The longest address of keys, in bytes.
const MAX_URL_BYTES: usize = 2048;

/// What is said of a client. Members that are not known are ignored (RFC 7591 section 2).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Metadata {
    /// Its `client_id`, where a system says so or where it is changed.
    pub client_id: Option<String>,
    client_name: Option<String>,
    redirect_uris: Vec<String>,
    token_endpoint_auth_method: Option<String>,
    grant_types: Option<Vec<String>>,
    response_types: Option<Vec<String>>,
    scope: Option<String>,
    jwks: Option<Value>,
    jwks_uri: Option<String>,
    /// What somebody whom the operator trusts says of it.
    pub software_statement: Option<String>,
    concord_kind: Option<String>,
    concord_about: Option<String>,
    concord_purposes: Option<Vec<String>>,
    concord_introspects: bool,
    /// Whether its keys may be at a URL of which no system says so: the statement does, or the operator lets everybody.
    #[serde(skip)]
    may_name_url: bool,
}

/// A client as it may be registered, and its new secret, which is told once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// The client.
    pub client: Client,
    /// Its secret, if it gets a new one.
    pub secret: Option<String>,
}

const fn metadata(text: &'static str) -> OauthError {
    OauthError::new(ErrorCode::InvalidClientMetadata, text)
}

impl Metadata {
    /// Reads a request. `statement` has the payload of its software statement, if it brings one that is believed: what that says
    /// goes before what the client says itself.
    ///
    /// # Errors
    /// `invalid_client_metadata`
    pub fn read(bytes: &[u8], statement: Option<&[u8]>) -> Result<Metadata, OauthError> {
        const MALFORMED: OauthError =
            metadata("the body is not a JSON object of client metadata, each of the form that RFC 7591 has");
        let mut members: Map<String, Value> = serde_json::from_slice(bytes).map_err(|_| MALFORMED)?;
        let mut may_name_url = false;
        if let Some(statement) = statement {
            let said: Map<String, Value> = serde_json::from_slice(statement).map_err(|_| MALFORMED)?;
            may_name_url = said.contains_key("jwks_uri");
            members.extend(said.into_iter().filter(|(name, _)| name != "client_id"));
        }
        let read: Metadata = serde_json::from_value(Value::Object(members)).map_err(|_| MALFORMED)?;
        Ok(Metadata { may_name_url, ..read })
    }

    /// The same where the operator lets everybody say at which URL their keys are.
    #[must_use]
    pub fn with_keys_at_a_url(self, lets: bool) -> Metadata {
        Metadata { may_name_url: self.may_name_url || lets, ..self }
    }

    /// The client that is to be registered. `known` is what is registered of it, where it is changed. Keys may be at an address only if
    /// a system or a statement says so, or the operator lets everybody: one that anybody can name is fetched from here.
    ///
    /// # Errors
    /// What cannot be registered; the outer one, when the machine gives no random bytes.
    pub fn client(
        &self,
        registrar: Registrar<'_>,
        id: String,
        known: Option<&Client>,
    ) -> Result<Result<Registration, OauthError>, NoRandomness> {
        let secret = secret::fresh(Kind::Client)?;
        Ok(self.registration(registrar, id, known, secret))
    }

    fn registration(
        &self,
        registrar: Registrar<'_>,
        id: String,
        known: Option<&Client>,
        fresh: String,
    ) -> Result<Registration, OauthError> {
        let name = self.client_name.as_deref().filter(|name| is_plain_line(name));
        let name = name.ok_or(metadata(
            "the client_name is missing, longer than 200 bytes, or has characters that cannot be seen",
        ))?;
        if self.concord_about.as_deref().is_some_and(|about| !is_plain_line(about)) {
            return Err(metadata("the concord_about is longer than 200 bytes, or has characters that cannot be seen"));
        }
        let is_system = matches!(registrar, Registrar::System(_));
        if !is_system && !name::is_of_one_script(name) {
            return Err(metadata("the client_name has letters of other scripts beside Latin ones"));
        }
        let (authentication, secret) = self.authentication(known, is_system, fresh)?;
        let own = match self.concord_kind.as_deref() {
            None | Some("third-party") => false,
            Some("own") if is_system => true,
            Some(_) => {
                return Err(metadata("the concord_kind is third-party or own, and of a client itself third-party"));
            }
        };
        if !is_system && (self.concord_purposes.is_some() || self.concord_introspects || self.concord_about.is_some()) {
            return Err(metadata(
                "concord_about, concord_purposes and concord_introspects are for systems to register",
            ));
        }
        let purposes = registrar.purposes(self.concord_purposes.as_deref());
        if purposes.iter().flatten().any(|code| Purpose::parse(code).is_none()) {
            return Err(metadata("a code of concord_purposes is none of v3-ActReason, such as TREAT"));
        }
        let client = Client {
            id,
            name: name.to_owned(),
            about: self.concord_about.clone(),
            own,
            purposes,
            redirect_uris: self.addresses(registrar)?,
            scope: self.scopes(registrar)?.to_string(),
            authentication,
            introspects: self.concord_introspects,
            registered_itself: !is_system,
        };
        registrar.covers(&client)?;
        self.flows(&client)?;
        client.check().map_err(|_| metadata("the client_id is 1 to 128 letters, digits, '-', '.', '_' and ':'"))?;
        Ok(Registration { client, secret })
    }

    /// How it proves who it is: a secret where nothing is said (RFC 7591 section 2), its keys where it shows them.
    fn authentication(
        &self,
        known: Option<&Client>,
        is_system: bool,
        fresh: String,
    ) -> Result<(Authentication, Option<String>), OauthError> {
        let keys = match (&self.jwks, &self.jwks_uri) {
            (Some(_), Some(_)) => return Err(metadata("a client has jwks or jwks_uri, and not both")),
            (Some(set), None) => {
                let text = set.to_string();
                match jwk::parse_set(text.as_bytes()) {
                    Ok(keys) if !keys.is_empty() => Some(Authentication::Keys(text)),
                    Ok(_) => return Err(metadata("no key of jwks has a kid and can verify RS384 or ES384")),
                    Err(_) => return Err(metadata("the jwks is no JWK Set of public keys")),
                }
            }
            (None, Some(_)) if !is_system && !self.may_name_url => {
                return Err(metadata("jwks_uri is taken in a software statement or of a system only: register jwks"));
            }
            (None, Some(url)) if is_system && https(url).is_some() => Some(Authentication::KeysAt(url.clone())),
            (None, Some(url)) if !is_system && is_on_the_web(url) => Some(Authentication::KeysAt(url.clone())),
            (None, Some(_)) => {
                return Err(metadata(
                    "the jwks_uri is not an absolute https URL of a host, without a user, a fragment and blanks; of a client itself it names a \
                     host on the web by a name with a dot, and no port",
                ));
            }
            (None, None) => None,
        };
        let [none, basic, signed] = METHODS;
        match (self.token_endpoint_auth_method.as_deref(), keys) {
            (Some(method), None) if method == none => Ok((Authentication::None, None)),
            (Some(method), Some(keys)) if method == signed => Ok((keys, None)),
            (None, Some(keys)) => Ok((keys, None)),
            (method, None) if method.is_none_or(|method| method == basic) => match known.map(|one| &one.authentication)
            {
                Some(Authentication::Secret(hash)) => Ok((Authentication::Secret(hash.clone()), None)),
                _ => Ok((Authentication::Secret(secret::hash(&fresh)), Some(fresh))),
            },
            _ => Err(metadata(
                "the token_endpoint_auth_method is none, client_secret_basic, or private_key_jwt with jwks",
            )),
        }
    }

    fn addresses(&self, registrar: Registrar<'_>) -> Result<Vec<String>, OauthError> {
        let refused = |text| Err(OauthError::new(ErrorCode::InvalidRedirectUri, text));
        if matches!(registrar, Registrar::Itself(_)) && self.redirect_uris.is_empty() {
            return refused("a client that registers itself has redirect_uris");
        }
        if self.redirect_uris.len() > MAX_REDIRECT_URIS {
            return refused("a client has at most 5 redirect_uris");
        }
        if !self.redirect_uris.iter().all(|uri| is_redirect_uri(uri)) {
            return refused(
                "a redirect URI is not absolute, has a fragment or characters that are no host, or is http to another machine",
            );
        }
        Ok(self.redirect_uris.clone())
    }

    fn scopes(&self, registrar: Registrar<'_>) -> Result<Granted, OauthError> {
        if self.scope.as_deref().is_some_and(|scope| scope.len() > MAX_SCOPE_BYTES) {
            return Err(metadata("the scope is longer than 4096 bytes"));
        }
        let scope = match registrar {
            Registrar::Itself(bound) => {
                let bound = Granted::parse(bound);
                let asked = self.scope.as_deref().map_or_else(|| bound.clone(), Granted::parse);
                asked.within(&bound).without(CLIENTS).only(&[Context::Patient, Context::User])
            }
            Registrar::System(_) => {
                let asked = Granted::parse(self.scope.as_deref().ok_or(metadata("the scope is missing"))?);
                if !asked.unknown().is_empty() || asked.has(CLIENTS) {
                    return Err(metadata(
                        "a scope is not known here, or is system/clients, which only the operator gives",
                    ));
                }
                asked
            }
        };
        match scope.resources().next().is_none() && !scope.has("openid") {
            true => Err(metadata("nothing of the scope can be registered here")),
            false => Ok(scope),
        }
    }

    /// Whether it asks for flows that it could use.
    fn flows(&self, client: &Client) -> Result<(), OauthError> {
        if client.introspects && client.is_public() {
            return Err(metadata("concord_introspects is for clients that prove who they are"));
        }
        let there = grant_types(client);
        let known = |one: &String| there.contains(&one.as_str());
        if !self.grant_types.iter().flatten().all(known) {
            return Err(metadata(
                "a grant type is none of authorization_code and refresh_token, or client_credentials for systems with keys \
                 and system/ scopes",
            ));
        }
        match self.response_types.iter().flatten().all(|one| one == "code") {
            true => Ok(()),
            false => Err(metadata("the only response type is code")),
        }
    }
}

/// An absolute https URL with a host that is written as it is meant: a parser would read more into a text than stands there.
fn https(text: &str) -> Option<Url> {
    let is_odd = |letter: char| letter.is_whitespace() || letter.is_control() || matches!(letter, '\\' | '#');
    let rest = text.strip_prefix("https://").filter(|_| text.len() <= MAX_URL_BYTES && !text.contains(is_odd))?;
    let authority = rest.split(['/', '?']).next().filter(|authority| !authority.is_empty())?;
    Url::parse(text).ok().filter(|url| url.has_host() && !authority.contains('@'))
}

/// Whether a URL may be one of the web, as far as it tells: https at its usual port, to a host by its name, which is no machine of
/// this network.
fn is_on_the_web(text: &str) -> bool {
    const OF_NO_WEB: [&str; 5] = ["localhost", "local", "internal", "localdomain", "arpa"];
    let Some(url) = https(text).filter(|url| url.port().is_none()) else { return false };
    let Some(Host::Domain(name)) = url.host() else { return false };
    let name = name.trim_end_matches('.');
    name.rsplit_once('.').is_some_and(|(_, last)| !OF_NO_WEB.contains(&last))
}

/// The grant types that a client can use.
fn grant_types(client: &Client) -> Vec<&'static str> {
    let [code, refresh, alone] = GRANT_TYPES;
    let mut all = Vec::new();
    if !client.redirect_uris.is_empty() {
        all.extend([code, refresh]);
    }
    if client.may_act_alone() {
        all.push(alone);
    }
    all
}

/// What is registered, as it is told (RFC 7591 section 3.2.1).
#[must_use]
pub fn shown(client: &Client, secret: Option<&str>, changed_s: i64) -> Map<String, Value> {
    let [none, basic, signed] = METHODS;
    let mut told = Map::new();
    let mut set = |name: &str, value: Value| told.insert(name.to_owned(), value);
    set("client_id", json!(client.id));
    set("client_id_issued_at", json!(changed_s));
    set("client_name", json!(client.name));
    set("redirect_uris", json!(client.redirect_uris));
    set("scope", json!(client.scope));
    set("grant_types", json!(grant_types(client)));
    set("response_types", if client.redirect_uris.is_empty() { json!([]) } else { json!(["code"]) });
    set("concord_kind", json!(if client.own { "own" } else { "third-party" }));
    if let Some(about) = &client.about {
        set("concord_about", json!(about));
    }
    if let Some(purposes) = &client.purposes {
        set("concord_purposes", json!(purposes));
    }
    if client.introspects {
        set("concord_introspects", json!(true));
    }
    let method = match &client.authentication {
        Authentication::None => none,
        Authentication::Secret(_) => basic,
        Authentication::Keys(text) => {
            set("jwks", serde_json::from_str(text).unwrap_or(Value::Null));
            signed
        }
        Authentication::KeysAt(url) => {
            set("jwks_uri", json!(url));
            signed
        }
    };
    set("token_endpoint_auth_method", json!(method));
    if let Some(secret) = secret {
        set("client_secret", json!(secret));
        // It does not expire.
        set("client_secret_expires_at", json!(0));
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Signer;

    const BOUND: &str = "openid fhirUser launch/patient offline_access patient/*.rs";

    fn admin() -> Client {
        Client {
            id: "admin".into(),
            name: "Admin".into(),
            about: None,
            own: true,
            purposes: None,
            redirect_uris: Vec::new(),
            scope: "system/clients system/Observation.rs openid patient/*.cruds user/*.cruds".into(),
            authentication: Authentication::None,
            introspects: false,
            registered_itself: false,
        }
    }

    fn register(said: &Value, registrar: Registrar<'_>) -> Result<Registration, &'static str> {
        let metadata = Metadata::read(said.to_string().as_bytes(), None).map_err(|error| error.code.name())?;
        metadata.client(registrar, "id".into(), None).unwrap().map_err(|error| error.code.name())
    }

    fn good() -> Value {
        json!({"client_name": "Heart Diary", "redirect_uris": ["https://app.example/back"], "logo_uri": "https://x.example",
            "token_endpoint_auth_method": "none", "scope": "openid patient/*.cruds system/*.cruds"})
    }

    fn with(name: &str, value: Value) -> Value {
        let mut said = good();
        said[name] = value;
        said
    }

    #[test]
    fn who_registers_itself_is_somebody_elses_and_gets_no_more_than_is_set() {
        let done = register(&good(), Registrar::Itself(BOUND)).unwrap();
        let client = &done.client;
        assert!(!client.own && client.registered_itself && client.purposes.is_none() && !client.introspects);
        assert_eq!((client.scope.as_str(), &done.secret), ("openid patient/*.rs", &None));
        let all = register(&with("scope", Value::Null), Registrar::Itself(BOUND)).unwrap();
        assert_eq!(all.client.scope, BOUND);
        let secret = register(&with("token_endpoint_auth_method", Value::Null), Registrar::Itself(BOUND)).unwrap();
        let fresh = secret.secret.unwrap();
        assert_eq!(secret.client.authentication, Authentication::Secret(secret::hash(&fresh)));
        for (name, value, refused) in [
            ("client_name", Value::Null, "invalid_client_metadata"),
            ("client_name", json!("a\u{202e}b"), "invalid_client_metadata"),
            ("client_name", json!("a\u{3164}b"), "invalid_client_metadata"),
            ("client_name", json!("He\u{430}rt"), "invalid_client_metadata"),
            ("client_name", json!(["a"]), "invalid_client_metadata"),
            ("redirect_uris", json!([]), "invalid_redirect_uri"),
            ("redirect_uris", json!(["https://a;sandbox/x"]), "invalid_redirect_uri"),
            ("redirect_uris", json!(["http://app.example/back"]), "invalid_redirect_uri"),
            ("redirect_uris", json!(vec!["https://app.example/"; MAX_REDIRECT_URIS + 1]), "invalid_redirect_uri"),
            ("token_endpoint_auth_method", json!("client_secret_post"), "invalid_client_metadata"),
            ("token_endpoint_auth_method", json!("private_key_jwt"), "invalid_client_metadata"),
            ("jwks_uri", json!("https://169.254.169.254/"), "invalid_client_metadata"),
            ("jwks", json!({"keys": []}), "invalid_client_metadata"),
            ("grant_types", json!(["client_credentials"]), "invalid_client_metadata"),
            ("response_types", json!(["token"]), "invalid_client_metadata"),
            ("scope", json!("system/*.rs system/clients"), "invalid_client_metadata"),
            ("scope", json!("patient/*.rs ".repeat(400)), "invalid_client_metadata"),
            ("concord_kind", json!("own"), "invalid_client_metadata"),
            ("concord_purposes", json!(["TREAT"]), "invalid_client_metadata"),
            ("concord_introspects", json!(true), "invalid_client_metadata"),
            ("concord_about", json!("Approved by the NHS"), "invalid_client_metadata"),
        ] {
            let done = register(&with(name, value.clone()), Registrar::Itself(BOUND));
            assert_eq!(done, Err(refused), "{name} {value}");
        }
        assert_eq!(register(&json!([]), Registrar::Itself(BOUND)), Err("invalid_client_metadata"));
    }

    #[test]
    fn a_system_registers_what_it_may() {
        let admin = admin();
        let set = json!({ "keys": [Signer::new().jwk()] });
        let said = json!({"client_name": "Letters", "scope": "system/Observation.rs", "concord_kind": "own", "jwks": set,
            "concord_purposes": ["TREAT"], "grant_types": ["client_credentials"]});
        let done = register(&said, Registrar::System(&admin)).unwrap().client;
        assert!(done.own && !done.registered_itself && done.may_act_alone());
        assert_eq!(shown(&done, None, 5)["grant_types"], json!(["client_credentials"]));
        for (name, value) in [("concord_purposes", json!(["HRESCH"])), ("concord_introspects", json!(true))] {
            let mut more = said.clone();
            more[name] = value;
            let bounded = Client { purposes: Some(vec!["TREAT".into()]), ..admin.clone() };
            assert_eq!(register(&more, Registrar::System(&bounded)), Err("invalid_client_metadata"), "{name}");
        }
        for scope in ["system/Observation.cruds", "system/*.rs", "system/clients", "patient/Nonsense.rs", ""] {
            let mut more = said.clone();
            more["scope"] = json!(scope);
            assert_eq!(register(&more, Registrar::System(&admin)), Err("invalid_client_metadata"), "{scope}");
        }
        let people = with("scope", json!("openid patient/*.cruds user/*.cruds"));
        assert!(register(&people, Registrar::System(&admin)).is_ok());
    }

    #[test]
    fn a_statement_goes_before_what_the_client_says() {
        let said = good().to_string();
        let statement = br#"{"client_name": "True name", "jwks_uri": "https://keys.example/", "client_id": "x",
            "token_endpoint_auth_method": "private_key_jwt"}"#;
        let metadata = Metadata::read(said.as_bytes(), Some(statement)).unwrap();
        assert_eq!(metadata.client_id, None);
        let done = metadata.client(Registrar::Itself(BOUND), "id".into(), None).unwrap().unwrap().client;
        assert_eq!(done.name, "True name");
        assert_eq!(done.authentication, Authentication::KeysAt("https://keys.example/".into()));
    }

    #[test]
    fn a_statement_that_names_no_address_of_keys_vouches_for_none() {
        let said = with("jwks_uri", json!("https://169.254.169.254/")).to_string();
        let metadata = Metadata::read(said.as_bytes(), Some(br#"{"client_name": "True name"}"#)).unwrap();
        assert!(metadata.client(Registrar::Itself(BOUND), "id".into(), None).unwrap().is_err());
    }

    #[test]
    fn keys_are_on_the_web_where_everybody_may_say_where() {
        let at = |url: &str, lets: bool| {
            let mut said = with("jwks_uri", json!(url));
            said["token_endpoint_auth_method"] = json!("private_key_jwt");
            let metadata = Metadata::read(said.to_string().as_bytes(), None).unwrap().with_keys_at_a_url(lets);
            metadata.client(Registrar::Itself(BOUND), "id".into(), None).unwrap().is_ok()
        };
        assert!(at("https://keys.example/jwks", true) && !at("https://keys.example/jwks", false));
        let of_no_web = "https://169.254.169.254/|https://0x7f.1/|https://[::1]/|https://keys.example:8443/|https://localhost/|\
                         https://LOCALHOST./|https://a.localhost/|https://keys/|https://keys./";
        for bad in of_no_web.split('|') {
            assert!(!at(bad, true) && https(bad).is_some(), "{bad}");
        }
        // Nobody's keys are there, whoever says so.
        let none = "http://keys.example/|https://|keys|https:keys.example.com|https:/keys.example.com|https:///keys.example.com|\
                    https:\\\\keys.example.com|https://\\keys.example.com| https://keys.example/|https://keys.example/ |\
                    \thttps://keys.example/|https://keys.exa\tmple/|https://keys.example/a b|https://keys.example/#keys|\
                    https://keys.example/#|https://me@keys.example/|https://@keys.example/";
        let long = format!("https://keys.example/{}", "a".repeat(MAX_URL_BYTES));
        for bad in none.split('|').chain([long.as_str()]) {
            assert!(!at(bad, true) && https(bad).is_none(), "{bad}");
        }
        assert!(at("https://keys.example/@us/jwks?a=b", true));
    }

    #[test]
    fn a_secret_is_kept_when_something_else_is_changed() {
        let said = with("token_endpoint_auth_method", json!("client_secret_basic"));
        let first = register(&said, Registrar::Itself(BOUND)).unwrap();
        let metadata = Metadata::read(said.to_string().as_bytes(), None).unwrap();
        let again = metadata.client(Registrar::Itself(BOUND), "id".into(), Some(&first.client)).unwrap().unwrap();
        assert_eq!((again.secret, again.client), (None, first.client.clone()));
        let answer = shown(&first.client, first.secret.as_deref(), 5);
        assert_eq!((&answer["client_secret_expires_at"], &answer["client_id_issued_at"]), (&json!(0), &json!(5)));
    }
}
