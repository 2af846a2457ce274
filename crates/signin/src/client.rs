//! What is registered of an app or a system that signs people in or gets tokens of its own.

use concord_consent::caller::App;
use concord_consent::purpose::Purpose;
use concord_consent::scope::Context;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::name::is_hidden;
use crate::scope::{CLIENTS, Granted};

/// A registered client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    /// Its `client_id`.
    pub id: String,
    /// What it is called, on the page where a person lets it in.
    pub name: String,
    /// What it does, in a plain sentence for the same page.
    pub about: Option<String>,
    /// Whether it is one of those who keep the record (`own`), or somebody else's.
    pub own: bool,
    /// The purposes that a system is registered for, as codes of v3-ActReason; none when it is not bounded.
    pub purposes: Option<Vec<String>>,
    /// Where answers of the authorization endpoint may go, compared character by character.
    pub redirect_uris: Vec<String>,
    /// The scopes that it may ask for.
    pub scope: String,
    /// How it proves who it is.
    pub authentication: Authentication,
    /// Whether it may introspect the tokens of other clients: a resource server.
    pub introspects: bool,
    /// Whether it has registered itself, so that nobody has looked at who it is.
    #[serde(default)]
    pub registered_itself: bool,
}

/// How a client proves who it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Authentication {
    /// It does not: a public client.
    None,
    /// By a secret, of which the SHA-256 is kept in hexadecimal (`client_secret_basic`).
    Secret(String),
    /// By a signed assertion, with a key of this JWK Set (`private_key_jwt`).
    Keys(String),
    /// The same, with a key of the JWK Set at this URL.
    KeysAt(String),
}

impl Client {
    /// What kind of app it is.
    #[must_use]
    pub fn app(&self) -> App {
        if self.own { App::Own } else { App::ThirdParty }
    }

    /// The purposes that it is registered for. One that is not known is left out, so that it gives nothing.
    #[must_use]
    pub fn known_purposes(&self) -> Option<Vec<Purpose>> {
        self.purposes.as_ref().map(|codes| codes.iter().filter_map(|code| Purpose::parse(code)).collect())
    }

    /// Whether it is a public one.
    #[must_use]
    pub fn is_public(&self) -> bool {
        self.authentication == Authentication::None
    }

    /// Whether it may get tokens of its own, without a person: by its key, within its `system/` scopes.
    #[must_use]
    pub fn may_act_alone(&self) -> bool {
        let scope = Granted::parse(&self.scope);
        matches!(self.authentication, Authentication::Keys(_) | Authentication::KeysAt(_))
            && (scope.has(CLIENTS) || scope.resources().any(|scope| scope.context == Context::System))
    }

    /// What is wrong with a registration, as a line for the operator.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<(), String> {
        let is_id = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b':');
        if self.id.is_empty() || self.id.len() > 128 || !self.id.bytes().all(is_id) {
            return Err("the client id is 1 to 128 letters, digits, '-', '.', '_' and ':'".to_owned());
        }
        if !is_plain_line(&self.name) {
            return Err("the name is 1 to 200 bytes, without control characters and what turns text around".to_owned());
        }
        if let Some(bad) = self.redirect_uris.iter().find(|uri| !is_redirect_uri(uri)) {
            return Err(format!(
                "the redirect URI {bad:?} is not absolute, has a fragment or characters that are no host, or is http to \
                 another machine"
            ));
        }
        if let Authentication::Secret(hash) = &self.authentication
            && (hash.len() != 64 || !hash.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)))
        {
            return Err("the hash of the secret is a SHA-256 in 64 lower-case hexadecimal digits".to_owned());
        }
        if let Authentication::Keys(set) = &self.authentication {
            let keys = crate::jwk::parse_set(set.as_bytes()).map_err(|text| format!("the keys: {text}"))?;
            if keys.is_empty() {
                return Err("the keys: none has a kid and can verify RS384 or ES384".to_owned());
            }
        }
        if self.introspects && self.is_public() {
            return Err(
                "it introspects the tokens of others, and so has to prove who it is by a secret or keys".to_owned()
            );
        }
        match Granted::parse(&self.scope).unknown() {
            [] => Ok(()),
            [first, ..] => Err(format!("the scope {first:?} is not known")),
        }
    }
}

/// Whether a text may stand on a page as one line that says what it seems to: not empty, not long, without control characters and
/// those invisible ones that turn text around or hide in it.
pub(crate) fn is_plain_line(text: &str) -> bool {
    !text.trim().is_empty() && text.len() <= 200 && !text.chars().any(is_hidden)
}

/// Whether an address may be registered as one that answers go to: absolute, without a fragment, its host of letters, digits, `-` and
/// `.`; `http` only to this machine;
/// another scheme only if its name has a dot, as one that belongs to a domain has (RFC 8252 section 7.1).
pub(crate) fn is_redirect_uri(text: &str) -> bool {
    let Ok(url) = Url::parse(text) else { return false };
    let is_this_machine = match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    let safe = match url.scheme() {
        "https" => url.has_host(),
        "http" => is_this_machine,
        other => other.contains('.'),
    };
    // Other characters that a URL may have there are of no host, and mean something else where addresses stand in a policy.
    let names_a_host = |name: &str| {
        let is_of_web = matches!(url.scheme(), "https" | "http");
        name.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-') || (byte == b'_' && !is_of_web))
    };
    let safe = safe && !matches!(url.host(), Some(url::Host::Domain(name)) if !names_a_host(name));
    safe && is_written_out(text, &url) && url.fragment().is_none() && text.len() <= 2048
}

/// Whether all who read an address find the same host in it. What RFC 3986 has no place for (`\\`, say) some take for a part of the host
/// and others for its end; what browsers forgive, other programs do not.
fn is_written_out(text: &str, url: &Url) -> bool {
    const OF_NO_URI: &[u8] = br#""<>\^`{|}"#;
    let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic() && !OF_NO_URI.contains(&byte));
    let rest = text.get(url.scheme().len()..).unwrap_or_default();
    let authority = rest.strip_prefix("://").map(|rest| rest.split(['/', '?', '#']).next().unwrap_or_default());
    let is_of_web = matches!(url.scheme(), "https" | "http");
    let is_readable = |named: &str| !named.contains(['@', '%']) && (!named.is_empty() || !is_of_web);
    is_plain && authority.map_or(!is_of_web, is_readable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Signer;

    fn client() -> Client {
        Client {
            id: "heart-diary".into(),
            name: "Heart Diary".into(),
            about: None,
            own: false,
            purposes: None,
            redirect_uris: vec!["https://app.example/back".into()],
            scope: "openid launch/patient patient/*.rs".into(),
            authentication: Authentication::None,
            introspects: false,
            registered_itself: false,
        }
    }

    #[test]
    fn a_registration_is_checked() {
        assert_eq!(client().check(), Ok(()));
        let set = serde_json::json!({ "keys": [Signer::new().jwk()] }).to_string();
        assert_eq!(Client { authentication: Authentication::Keys(set), ..client() }.check(), Ok(()));
        for bad in [
            Client { id: "a b".into(), ..client() },
            Client { id: String::new(), ..client() },
            Client { name: " ".into(), ..client() },
            Client { name: "Heart\u{202e} yraiD".into(), ..client() },
            Client { name: "Heart\u{3164}Diary".into(), ..client() },
            Client { scope: "patient/Nonsense.rs".into(), ..client() },
            Client { authentication: Authentication::Secret("secret".into()), ..client() },
            Client { authentication: Authentication::Keys("{\"keys\":[]}".into()), ..client() },
            Client { introspects: true, ..client() },
        ] {
            assert!(bad.check().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn answers_go_to_safe_places_only() {
        for good in [
            "https://app.example/back?x=1",
            "http://localhost:3000/",
            "http://127.0.0.1/b",
            "http://[::1]:3000/",
            "https://app.example:8443/",
            "uk.example.app:/back",
            "uk.example.app://oauth_back",
        ] {
            assert!(is_redirect_uri(good), "{good}");
        }
        for bad in [
            "",
            "/back",
            "http://app.example/back",
            "https://app.example/back#x",
            "javascript:alert(1)",
            "data:text/html,x",
            "app:/back",
            "https://user@app.example/",
            "https://:secret@app.example/",
            "https://@app.example/",
            "https://app%2eexample/",
            "https:app.example/",
            "https:/app.example/",
            "https:///app.example/",
            "https:\\\\app.example/",
            "https://app.example\\@evil.example/",
            "https://app.example/{id}",
            "uk.example.app://user@host/back",
            "https://app.example/a b",
            "https://a;sandbox/x",
            "https://a'self'/x",
            "https://a,b.example/",
            "https://*.example/",
            "https://a_b.example/",
            "uk.example.app://a;b/x",
        ] {
            assert!(!is_redirect_uri(bad), "{bad}");
        }
    }

    #[test]
    fn only_a_client_with_keys_acts_alone() {
        let set = serde_json::json!({ "keys": [Signer::new().jwk()] }).to_string();
        let keys = Client { authentication: Authentication::Keys(set), scope: "system/*.rs".into(), ..client() };
        assert!(keys.may_act_alone());
        assert!(!Client { scope: "patient/*.rs".into(), ..keys.clone() }.may_act_alone());
        assert!(!Client { authentication: Authentication::Secret("0".repeat(64)), ..keys.clone() }.may_act_alone());
        assert!(!Client { authentication: Authentication::None, ..keys }.may_act_alone());
    }
}
