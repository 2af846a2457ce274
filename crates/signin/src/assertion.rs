//! A client that proves who it is by a signed JWT (RFC 7523; SMART App Launch 2.2, "Client Authentication: Asymmetric").

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::error::OauthError;
use crate::jwk::{Algorithm, Key};

/// The value of `client_assertion_type`.
pub const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// How long an assertion may live, in seconds.
pub const MAX_LIFETIME_S: i64 = 300;
/// The longest assertion, in bytes.
const MAX_BYTES: usize = 8192;
/// The longest `jti`, in bytes.
const MAX_ID_BYTES: usize = 256;

/// An assertion taken apart, of which nothing is believed yet.
#[derive(Clone, Debug)]
pub struct Assertion {
    message: String,
    signature: Vec<u8>,
    algorithm: Algorithm,
    key_id: String,
    key_url: Option<String>,
    claims: Claims,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    jku: Option<String>,
    typ: Option<String>,
    crit: Option<IgnoredAny>,
}

#[derive(Clone, Debug, Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    exp: f64,
    iat: Option<f64>,
    nbf: Option<f64>,
    jti: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

/// An assertion that is believed, and must be remembered so that it is not believed again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Believed {
    /// Its `jti`.
    pub id: String,
    /// Until when it could be sent again, in seconds since 1970.
    pub until_s: i64,
}

impl Assertion {
    /// Takes an assertion apart.
    ///
    /// # Errors
    /// `invalid_client`, with what is wrong with it.
    pub fn parse(text: &str) -> Result<Assertion, OauthError> {
        const MALFORMED: OauthError =
            OauthError::client("the client_assertion is not a signed JWT with iss, sub, aud, exp and jti");
        if text.len() > MAX_BYTES {
            return Err(OauthError::client("the client_assertion is longer than 8192 bytes"));
        }
        let (message, signature) = text.rsplit_once('.').ok_or(MALFORMED)?;
        let (header, claims) = message.split_once('.').ok_or(MALFORMED)?;
        let header = crate::from_base64url(header).ok_or(MALFORMED)?;
        let header: Header = serde_json::from_slice(&header).map_err(|_| MALFORMED)?;
        if header.crit.is_some() {
            return Err(OauthError::client("the client_assertion has critical extensions, and none is known here"));
        }
        if header.typ.is_some_and(|typ| !typ.eq_ignore_ascii_case("JWT")) {
            return Err(OauthError::client("the client_assertion's typ is not JWT"));
        }
        let algorithm = Algorithm::parse(&header.alg)
            .ok_or(OauthError::client("the client_assertion is signed by neither RS384 nor ES384"))?;
        let claims = crate::from_base64url(claims).ok_or(MALFORMED)?;
        Ok(Assertion {
            message: message.to_owned(),
            signature: crate::from_base64url(signature).ok_or(MALFORMED)?,
            algorithm,
            key_id: header.kid.ok_or(OauthError::client("the client_assertion's header has no kid"))?,
            key_url: header.jku,
            claims: serde_json::from_slice(&claims).map_err(|_| MALFORMED)?,
        })
    }

    /// The client that it says it is from.
    #[must_use]
    pub fn client(&self) -> &str {
        &self.claims.iss
    }

    /// Checks everything but whether it has been sent before. `audience` is the token endpoint, `keys` those of the client,
    /// and `key_url` where it registered them, if it did so by a URL.
    ///
    /// # Errors
    /// `invalid_client`, with what is wrong with it.
    pub fn check(
        &self,
        keys: &[Key],
        key_url: Option<&str>,
        audience: &str,
        now_s: i64,
        leeway_s: i64,
    ) -> Result<Believed, OauthError> {
        let claims = &self.claims;
        if self.key_url.as_deref().is_some_and(|named| Some(named) != key_url) {
            return Err(OauthError::client("the client_assertion's jku is not the URL that the client registered"));
        }
        let mut named = keys.iter().filter(|key| key.id == self.key_id).peekable();
        if named.peek().is_none() {
            return Err(OauthError::client("the client has no key with the client_assertion's kid"));
        }
        if !named.any(|key| key.verifies(self.algorithm, self.message.as_bytes(), &self.signature)) {
            return Err(OauthError::client("the client_assertion's signature is wrong"));
        }
        if claims.iss != claims.sub {
            return Err(OauthError::client("the client_assertion's iss and sub are not both the client_id"));
        }
        let is_for = |one: &String| one == audience;
        if !(match &claims.aud {
            Audience::One(one) => is_for(one),
            Audience::Many(many) => many.iter().any(is_for),
        }) {
            return Err(OauthError::client("the client_assertion's aud is not the URL of the token endpoint"));
        }
        if claims.jti.is_empty() || claims.jti.len() > MAX_ID_BYTES {
            return Err(OauthError::client("the client_assertion's jti is empty or longer than 256 bytes"));
        }
        let expires_s = seconds(claims.exp)?;
        if expires_s.saturating_add(leeway_s) <= now_s {
            return Err(OauthError::client("the client_assertion has expired"));
        }
        if expires_s > now_s.saturating_add(MAX_LIFETIME_S).saturating_add(leeway_s) {
            return Err(OauthError::client("the client_assertion lives longer than five minutes"));
        }
        for time in [claims.iat, claims.nbf].into_iter().flatten() {
            if seconds(time)? > now_s.saturating_add(leeway_s) {
                return Err(OauthError::client("the client_assertion is not valid yet"));
            }
        }
        Ok(Believed { id: claims.jti.clone(), until_s: expires_s.saturating_add(leeway_s) })
    }
}

fn seconds(time: f64) -> Result<i64, OauthError> {
    #[expect(clippy::cast_possible_truncation, reason = "the range is checked, and the fraction is not wanted")]
    match (0.0..=1e11).contains(&time) {
        true => Ok(time as i64),
        false => Err(OauthError::client("a time of the client_assertion is not in seconds")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::jwk;
    use crate::testing::Signer;

    const NOW_S: i64 = 1_800_000_000;
    const AUDIENCE: &str = "https://phr.example/oauth/token";

    fn claims() -> Value {
        json!({"iss": "c", "sub": "c", "aud": AUDIENCE, "exp": NOW_S + 300, "jti": "1"})
    }

    fn header() -> Value {
        json!({"alg": "ES384", "kid": "k", "typ": "JWT"})
    }

    fn check(signer: &Signer, text: &str, url: Option<&str>) -> Result<Believed, OauthError> {
        let set = json!({ "keys": [signer.jwk()] }).to_string();
        Assertion::parse(text)?.check(&jwk::parse_set(set.as_bytes()).unwrap(), url, AUDIENCE, NOW_S, 30)
    }

    fn with(mut object: Value, key: &str, value: Value) -> Value {
        object[key] = value;
        object
    }

    #[test]
    fn an_assertion_is_believed_for_five_minutes() {
        let signer = Signer::new();
        let believed = check(&signer, &signer.sign(&header(), &claims()), None).unwrap();
        assert_eq!(believed, Believed { id: "1".into(), until_s: NOW_S + 330 });
        let many = with(claims(), "aud", json!(["https://else.example", AUDIENCE]));
        assert!(check(&signer, &signer.sign(&header(), &many), None).is_ok());
        let named = with(header(), "jku", json!("https://c.example/keys"));
        assert!(check(&signer, &signer.sign(&named, &claims()), Some("https://c.example/keys")).is_ok());
        assert!(check(&signer, &signer.sign(&named, &claims()), None).is_err());
        assert!(check(&Signer::new(), &signer.sign(&header(), &claims()), None).is_err(), "another's key");
    }

    #[test]
    fn what_is_wrong_with_an_assertion_is_told() {
        let signer = Signer::new();
        for (key, value, told) in [
            ("sub", json!("d"), "iss and sub"),
            ("aud", json!("https://phr.example"), "aud"),
            ("aud", json!([]), "aud"),
            ("exp", json!(NOW_S - 30), "expired"),
            ("exp", json!(NOW_S + 331), "five minutes"),
            ("exp", json!(NOW_S * 1000), "seconds"),
            ("exp", json!(1e300), "seconds"),
            ("exp", json!(-1), "seconds"),
            ("iss", json!("d"), "iss and sub"),
            ("aud", json!("https://phr.example/oauth/token/"), "aud"),
            ("aud", json!("HTTPS://phr.example/oauth/token"), "aud"),
            ("jti", json!("j".repeat(10_240)), "longer than 8192"),
            ("iat", json!(NOW_S + 31), "not valid yet"),
            ("nbf", json!(NOW_S + 31), "not valid yet"),
            ("jti", json!(""), "jti"),
            ("jti", json!("j".repeat(257)), "jti"),
            ("jti", json!(null), "signed JWT"),
            ("exp", json!("soon"), "signed JWT"),
        ] {
            let refused = check(&signer, &signer.sign(&header(), &with(claims(), key, value)), None).unwrap_err();
            assert!(refused.text.contains(told), "{key}: {refused}");
        }
        for (key, value, told) in [
            ("alg", json!("none"), "RS384"),
            ("alg", json!("HS256"), "RS384"),
            ("alg", json!("RS384"), "signature"),
            ("kid", json!(null), "kid"),
            ("kid", json!("other"), "kid"),
            ("crit", json!(["exp"]), "critical"),
            ("typ", json!("at+jwt"), "typ"),
        ] {
            let refused = check(&signer, &signer.sign(&with(header(), key, value), &claims()), None).unwrap_err();
            assert!(refused.text.contains(told), "{key}: {refused}");
        }
        // Of a claim or a member of the header that is there twice nobody knows which is meant.
        for (head, body) in [
            (r#"{"alg":"ES384","kid":"k","kid":"other"}"#.to_owned(), claims().to_string()),
            (header().to_string(), claims().to_string().replacen('{', r#"{"sub":"d","#, 1)),
        ] {
            let text = signer.sign_text(&head, &body);
            assert!(check(&signer, &text, None).unwrap_err().text.contains("signed JWT"), "{head} {body}");
        }
        let good = signer.sign(&header(), &claims());
        for bad in ["", "a", "a.b", good.split_at(good.len() - 4).0, &format!("{good}.x"), &"a".repeat(MAX_BYTES + 1)] {
            assert!(check(&signer, bad, None).is_err(), "{bad}");
        }
    }
}
