//! This server as a relying party of a login service: how it asks, proves who it is, and reads what comes back beside what any
//! verifier of tokens reads.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA512, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use url::Url;

use crate::assertion;
use crate::pkce;
use crate::seal::SealError;

/// How long an assertion of this server lives, in seconds.
const LIFETIME_S: i64 = 240;

/// The key by which this server proves who it is.
pub struct ClientKey {
    pair: RsaKeyPair,
    id: Option<String>,
}

impl ClientKey {
    /// The RSA key in a PEM of PKCS #8.
    #[must_use]
    pub fn from_pem(text: &str, id: Option<String>) -> Option<ClientKey> {
        let body =
            text.trim().strip_prefix("-----BEGIN PRIVATE KEY-----")?.strip_suffix("-----END PRIVATE KEY-----")?;
        let der = STANDARD.decode(body.split_whitespace().collect::<String>()).ok()?;
        Some(ClientKey { pair: RsaKeyPair::from_pkcs8(&der).ok()?, id })
    }

    /// What proves to a token endpoint who this server is (RFC 7523, RS512 as NHS login asks).
    fn assertion(&self, client: &str, audience: &str, unique: &str, now_s: i64) -> Result<String, SealError> {
        let mut header = json!({"alg": "RS512", "typ": "JWT"});
        if let (Some(id), Some(object)) = (&self.id, header.as_object_mut()) {
            object.insert("kid".to_owned(), json!(id));
        }
        let expires_s = now_s.saturating_add(LIFETIME_S);
        let claims =
            json!({"iss": client, "sub": client, "aud": audience, "exp": expires_s, "iat": now_s, "jti": unique});
        let encoded = |value: &serde_json::Value| crate::base64url(value.to_string().as_bytes());
        let message = format!("{}.{}", encoded(&header), encoded(&claims));
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(&RSA_PKCS1_SHA512, &SystemRandom::new(), message.as_bytes(), &mut signature)
            .map_err(|_| SealError)?;
        Ok(format!("{message}.{}", crate::base64url(&signature)))
    }
}

/// How a login service is asked.
#[derive(Clone, Copy, Debug)]
pub struct Asking<'a> {
    /// This server's `client_id` there.
    pub client: &'a str,
    /// Where the person comes back to.
    pub redirect_uri: &'a str,
    /// The scopes.
    pub scope: &'a str,
    /// The vectors of trust of which one is needed (`vtr`), as JSON, where the service has them.
    pub trust: Option<&'a str>,
    /// What another service of theirs says of who it is, with which nobody is asked (`asserted_login_identity`).
    pub asserted: Option<&'a str>,
}

/// How this server proves to a login service who it is.
pub enum Proof {
    /// By a signed assertion (`private_key_jwt`).
    Key(ClientKey),
    /// By a secret (`client_secret_basic`).
    Secret(String),
}

impl Proof {
    /// The `Authorization` header, where it proves it by one.
    #[must_use]
    pub fn header(&self, client: &str) -> Option<String> {
        let encoded = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        match self {
            Proof::Key(_) => None,
            Proof::Secret(secret) => {
                Some(format!("Basic {}", STANDARD.encode(format!("{}:{}", encoded(client), encoded(secret)))))
            }
        }
    }
}

impl Asking<'_> {
    /// The address that a person is sent to.
    ///
    /// # Errors
    /// When the endpoint is no URL.
    pub fn address(&self, endpoint: &str, state: &str, nonce: &str, verifier: &str) -> Result<String, url::ParseError> {
        let mut url = Url::parse(endpoint)?;
        let mut query = url.query_pairs_mut();
        query
            .append_pair("response_type", "code")
            .append_pair("client_id", self.client)
            .append_pair("redirect_uri", self.redirect_uri)
            .append_pair("scope", self.scope)
            .append_pair("state", state)
            .append_pair("nonce", nonce)
            .append_pair("code_challenge", &pkce::challenge(verifier))
            .append_pair("code_challenge_method", "S256");
        if let Some(trust) = self.trust {
            query.append_pair("vtr", trust);
        }
        if let Some(asserted) = self.asserted {
            query.append_pair("asserted_login_identity", asserted).append_pair("prompt", "none");
        }
        drop(query);
        Ok(url.into())
    }

    /// The form that changes a code for an id token. `unique` is the assertion's `jti`.
    ///
    /// # Errors
    /// When the assertion cannot be signed.
    pub fn exchange(
        &self,
        proof: &Proof,
        endpoint: &str,
        (code, verifier): (&str, &str),
        unique: &str,
        now_s: i64,
    ) -> Result<String, SealError> {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "authorization_code")
            .append_pair("code", code)
            .append_pair("redirect_uri", self.redirect_uri)
            .append_pair("code_verifier", verifier);
        if let Proof::Key(key) = proof {
            form.append_pair("client_id", self.client)
                .append_pair("client_assertion_type", assertion::TYPE)
                .append_pair("client_assertion", &key.assertion(self.client, endpoint, unique, now_s)?);
        }
        Ok(form.finish())
    }
}

/// What is read of an id token beside what any verifier of tokens reads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Claims {
    /// What this server asked it with.
    pub nonce: Option<String>,
    /// Who vouches for the vector of trust.
    pub vtm: Option<String>,
    /// The vector of trust.
    pub vot: Option<String>,
    /// The person's date of birth.
    pub birthdate: Option<String>,
    /// For whom among several audiences the token is.
    pub azp: Option<String>,
    /// The service's name for the person.
    pub sub: Option<String>,
    /// The service's name for their session.
    pub sid: Option<String>,
    /// How they signed in.
    pub acr: Option<String>,
    /// How surely the person is known.
    pub identity_proofing_level: Option<String>,
    /// All others.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

impl Claims {
    /// The claims of an id token whose signature has been checked.
    #[must_use]
    pub fn of(token: &str) -> Option<Claims> {
        let payload = crate::from_base64url(token.split('.').nth(1)?)?;
        serde_json::from_slice(&payload).ok()
    }

    /// The claims of an id token whose signature, issuer and times have been checked and one of whose audiences `clients` has, if it is
    /// one for them (OpenID Connect Core 1.0, section 3.1.3.7): no other kind of token, and issued to none but them.
    ///
    /// # Errors
    /// What it is instead.
    pub fn of_id_token(token: &str, clients: &[String]) -> Result<Claims, &'static str> {
        const MALFORMED: &str = "the id token cannot be read";
        let header = token.split('.').next().and_then(crate::from_base64url).ok_or(MALFORMED)?;
        let header: Header = serde_json::from_slice(&header).map_err(|_| MALFORMED)?;
        if header.typ.is_some_and(|typ| !["jwt", "application/jwt"].contains(&typ.to_ascii_lowercase().as_str())) {
            return Err("the token's typ is not that of an id token (JWT)");
        }
        let claims = Claims::of(token).ok_or(MALFORMED)?;
        if claims.rest.get("token_use").is_some_and(|used| used != "id") {
            return Err("the token's token_use is not id");
        }
        if claims.rest.contains_key("events") {
            return Err("the token tells of events, as a logout token does, and so is no id token");
        }
        match &claims.azp {
            Some(azp) if !clients.contains(azp) => return Err("the id token was issued to another client (azp)"),
            None if claims.rest.get("aud").and_then(Value::as_array).is_some_and(|all| all.len() > 1) => {
                return Err("the id token has several audiences and does not say to which it was issued (azp)");
            }
            _ => {}
        }
        Ok(claims)
    }

    /// The text or whole number of any other claim.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<String> {
        match self.rest.get(name)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) if number.is_u64() => Some(number.to_string()),
            _ => None,
        }
    }
}

/// What is read of an id token's header.
#[derive(Deserialize)]
struct Header {
    typ: Option<String>,
}

/// Where a login service is, as it says itself (OpenID Connect Discovery 1.0).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Discovered {
    /// Its name.
    pub issuer: String,
    /// Where people are sent to sign in.
    pub authorization_endpoint: String,
    /// Where a code is changed for an id token.
    pub token_endpoint: String,
    /// Where its keys are.
    pub jwks_uri: String,
}

impl Discovered {
    /// What a discovery document says, if it is that of this issuer.
    #[must_use]
    pub fn of(document: &[u8], issuer: &str) -> Option<Discovered> {
        serde_json::from_slice::<Discovered>(document).ok().filter(|found| found.issuer == issuer)
    }

    /// Where the discovery document of an issuer is.
    #[must_use]
    pub fn address(issuer: &str) -> String {
        format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'))
    }
}

/// The id token in the answer of a token endpoint.
#[must_use]
pub fn id_token(answer: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Answer {
        id_token: String,
    }
    serde_json::from_slice::<Answer>(answer).ok().map(|answer| answer.id_token)
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::encoding::AsDer as _;
    use aws_lc_rs::rsa::KeySize;

    #[test]
    fn a_login_service_is_asked_with_everything_that_ties_its_answer_to_the_question() {
        let asking = Asking {
            client: "phr",
            redirect_uri: "https://phr.example/sign-in/return",
            scope: "openid profile",
            trust: Some(r#"["P9.Cp.Cd"]"#),
            asserted: None,
        };
        let address = asking.address("https://login.example/authorize?x=1", "s", "n", "v").unwrap();
        assert!(
            address.starts_with("https://login.example/authorize?x=1&response_type=code&client_id=phr&redirect_uri=")
        );
        assert!(address.contains("&state=s&nonce=n&code_challenge=") && address.ends_with("&vtr=%5B%22P9.Cp.Cd%22%5D"));
        let der = RsaKeyPair::generate(KeySize::Rsa2048).unwrap().as_der().unwrap();
        let encoded = STANDARD.encode(der.as_ref());
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{encoded}\n-----END PRIVATE KEY-----\n");
        let key = ClientKey::from_pem(&pem, Some("k".to_owned())).unwrap();
        let asserted = Asking { asserted: Some("a.b.c"), ..asking };
        let address = asserted.address("https://login.example/authorize", "s", "n", "v").unwrap();
        assert!(address.ends_with("&asserted_login_identity=a.b.c&prompt=none"), "{address}");
        let secret = Proof::Secret("s &".to_owned());
        let form = asking.exchange(&secret, "https://login.example/token", ("c", "v"), "j", 100).unwrap();
        assert!(!form.contains("client_assertion") && !form.contains("s+"), "{form}");
        assert_eq!(secret.header("phr").unwrap(), format!("Basic {}", STANDARD.encode("phr:s+%26")));
        let key = Proof::Key(key);
        assert_eq!(key.header("phr"), None);
        let form = asking.exchange(&key, "https://login.example/token", ("c", "v"), "j", 100).unwrap();
        assert!(form.contains("code=c") && form.contains("code_verifier=v") && form.contains("client_assertion=ey"));
        assert!(ClientKey::from_pem("no key", None).is_none());
    }

    #[test]
    fn what_comes_back_is_read() {
        assert_eq!(id_token(br#"{"access_token":"a","id_token":"x.y.z"}"#).as_deref(), Some("x.y.z"));
        assert_eq!(id_token(b"{}"), None);
        let token = format!("h.{}.s", crate::base64url(br#"{"nonce":"n","birthdate":"1970-01-01","other":1}"#));
        let claims = Claims::of(&token).unwrap();
        assert_eq!((claims.nonce.as_deref(), claims.birthdate.as_deref()), (Some("n"), Some("1970-01-01")));
        assert_eq!(Claims::of("x"), None);
        assert_eq!((claims.text("other").as_deref(), claims.text("nonce")), (Some("1"), None));
        let document = br#"{"issuer": "https://i.example/", "authorization_endpoint": "a", "token_endpoint": "t",
            "jwks_uri": "j", "more": []}"#;
        assert_eq!(Discovered::of(document, "https://i.example/").unwrap().token_endpoint, "t");
        assert_eq!(Discovered::of(document, "https://i.example"), None, "another's document");
        assert_eq!(Discovered::address("https://i.example/"), "https://i.example/.well-known/openid-configuration");
    }

    #[test]
    fn an_id_token_is_no_other_token_and_for_no_other_client() {
        let token = |header: &Value, more: &Value| {
            let mut claims = json!({"iss": "i", "aud": "phr", "nonce": "n"});
            let (object, more) = (claims.as_object_mut().unwrap(), more.as_object().unwrap());
            object.extend(more.iter().map(|(name, value)| (name.clone(), value.clone())));
            let encoded = |value: &Value| crate::base64url(value.to_string().as_bytes());
            format!("{}.{}.s", encoded(header), encoded(&claims))
        };
        let clients = ["phr".to_owned(), "phr-app".to_owned()];
        let is_one = |header: &Value, more: &Value| Claims::of_id_token(&token(header, more), &clients).is_ok();
        let plain = json!({"alg": "RS512", "typ": "JWT"});
        for more in [
            json!({}),
            json!({"token_use": "id", "azp": "phr"}),
            json!({"aud": ["phr"]}),
            json!({"aud": ["phr", "other"], "azp": "phr-app"}),
        ] {
            assert!(is_one(&plain, &more), "{more}");
        }
        for more in [
            json!({"azp": "other"}),
            json!({"azp": ""}),
            json!({"azp": ["phr"]}),
            json!({"aud": ["phr", "other"]}),
            json!({"aud": ["phr", "other"], "azp": "other"}),
            json!({"token_use": "access"}),
            json!({"token_use": ["id"]}),
            json!({"token_use": null}),
            json!({"token_use": 1}),
            json!({"events": {"http://schemas.openid.net/event/backchannel-logout": {}}}),
            json!({"events": null}),
        ] {
            assert!(!is_one(&plain, &more), "{more}");
        }
        for (typ, may) in
            [("jwt", true), ("application/jwt", true), ("at+jwt", false), ("logout+jwt", false), ("", false)]
        {
            assert_eq!(is_one(&json!({"alg": "RS512", "typ": typ}), &json!({})), may, "{typ}");
        }
        assert!(is_one(&json!({"alg": "RS512"}), &json!({})) && !is_one(&json!({"typ": ["JWT"]}), &json!({})));
        assert!(Claims::of_id_token("x", &clients).is_err());
    }
}
