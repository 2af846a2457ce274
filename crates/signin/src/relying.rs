//! This server as a relying party of a login service: how it asks, proves who it is, and reads what comes back beside what any
//! verifier of tokens reads.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA512, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::json;
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
        drop(query);
        Ok(url.into())
    }

    /// The form that changes a code for an id token. `unique` is the assertion's `jti`.
    ///
    /// # Errors
    /// When the assertion cannot be signed.
    pub fn exchange(
        &self,
        key: &ClientKey,
        endpoint: &str,
        (code, verifier): (&str, &str),
        unique: &str,
        now_s: i64,
    ) -> Result<String, SealError> {
        let assertion = key.assertion(self.client, endpoint, unique, now_s)?;
        Ok(url::form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "authorization_code")
            .append_pair("code", code)
            .append_pair("redirect_uri", self.redirect_uri)
            .append_pair("code_verifier", verifier)
            .append_pair("client_id", self.client)
            .append_pair("client_assertion_type", assertion::TYPE)
            .append_pair("client_assertion", &assertion)
            .finish())
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
}

impl Claims {
    /// The claims of an id token whose signature has been checked.
    #[must_use]
    pub fn of(token: &str) -> Option<Claims> {
        let payload = crate::from_base64url(token.split('.').nth(1)?)?;
        serde_json::from_slice(&payload).ok()
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
    }
}
