//! The keys that id tokens are signed with (RS256, which SMART and OpenID Connect ask every server for), and the id token.

use aws_lc_rs::digest;
use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Map, Value, json};

use crate::seal::{SealError, SealingKey};

/// For what signing keys are sealed.
const PURPOSE: &str = "signing key";

/// How long an id token works, in seconds.
pub const LIFETIME_S: i64 = 300;

/// A key that signs.
pub struct SigningKey {
    pair: RsaKeyPair,
    id: String,
    jwk: Value,
}

/// Who signed in, and for whom the token is.
#[derive(Clone, Copy, Debug)]
pub struct IdToken<'a> {
    /// Who says so.
    pub issuer: &'a str,
    /// The client.
    pub client: &'a str,
    /// Who: the same at every sign-in.
    pub subject: &'a str,
    /// Their resource, as an absolute URL, where that was asked for.
    pub fhir_user: Option<&'a str>,
    /// What the client wants in it.
    pub nonce: Option<&'a str>,
    /// When they signed in, in seconds since 1970.
    pub authenticated_s: i64,
}

impl SigningKey {
    /// A new key of 2048 bits.
    ///
    /// # Errors
    /// When the machine cannot make one.
    pub fn generate() -> Result<SigningKey, SealError> {
        RsaKeyPair::generate(KeySize::Rsa2048).ok().and_then(SigningKey::of).ok_or(SealError)
    }

    /// The key that was sealed.
    ///
    /// # Errors
    /// When it was sealed under another key, or has been changed.
    pub fn open(sealed: &str, under: &SealingKey) -> Result<SigningKey, SealError> {
        let der = under.open(PURPOSE, sealed)?;
        RsaKeyPair::from_pkcs8(&der).ok().and_then(SigningKey::of).ok_or(SealError)
    }

    /// The key as it is stored.
    ///
    /// # Errors
    /// When the machine gives no random bytes.
    pub fn seal(&self, under: &SealingKey) -> Result<String, SealError> {
        let der = self.pair.as_der().map_err(|_| SealError)?;
        under.seal(PURPOSE, der.as_ref())
    }

    fn of(pair: RsaKeyPair) -> Option<SigningKey> {
        let (modulus, exponent) = components(pair.public_key().as_ref())?;
        let (modulus, exponent) = (crate::base64url(modulus), crate::base64url(exponent));
        // The thumbprint of RFC 7638: the required members in alphabetical order.
        let members = format!(r#"{{"e":"{exponent}","kty":"RSA","n":"{modulus}"}}"#);
        let id = crate::base64url(digest::digest(&digest::SHA256, members.as_bytes()).as_ref());
        let jwk = json!({"kty": "RSA", "alg": "RS256", "use": "sig", "kid": id, "n": modulus, "e": exponent});
        Some(SigningKey { pair, id, jwk })
    }

    /// Its `kid`.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its public half.
    #[must_use]
    pub fn jwk(&self) -> &Value {
        &self.jwk
    }

    /// Signs an id token.
    ///
    /// # Errors
    /// When the machine cannot sign.
    pub fn sign(&self, token: &IdToken<'_>, now_s: i64) -> Result<String, SealError> {
        let mut claims = Map::new();
        let mut claim = |name: &str, value: Value| claims.insert(name.to_owned(), value);
        claim("iss", token.issuer.into());
        claim("sub", token.subject.into());
        claim("aud", token.client.into());
        claim("iat", now_s.into());
        claim("exp", now_s.saturating_add(LIFETIME_S).into());
        claim("auth_time", token.authenticated_s.into());
        if let Some(nonce) = token.nonce {
            claim("nonce", nonce.into());
        }
        if let Some(user) = token.fhir_user {
            claim("fhirUser", user.into());
        }
        let header = json!({"alg": "RS256", "typ": "JWT", "kid": self.id});
        let encoded = |value: &Value| crate::base64url(value.to_string().as_bytes());
        let message = format!("{}.{}", encoded(&header), encoded(&Value::Object(claims)));
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature)
            .map_err(|_| SealError)?;
        Ok(format!("{message}.{}", crate::base64url(&signature)))
    }
}

/// Modulus and exponent of an RSA public key in PKCS #1: a sequence of two integers.
fn components(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (sequence, rest) = element(der, 0x30)?;
    let (modulus, after) = element(sequence, 0x02)?;
    let (exponent, end) = element(after, 0x02)?;
    let positive = |bytes: &'_ [u8]| bytes.iter().take_while(|byte| **byte == 0).count();
    let strip = |bytes| -> Option<&[u8]> { <[u8]>::get(bytes, positive(bytes)..) };
    (rest.is_empty() && end.is_empty()).then_some((strip(modulus)?, strip(exponent)?))
}

/// The content of a DER element with that tag, and what follows it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (first, rest) = der.split_first()?;
    let (length, rest) = rest.split_first()?;
    let (length, rest) = match *length {
        short @ 0..=0x7f => (usize::from(short), rest),
        0x81 => rest.split_first().map(|(length, rest)| (usize::from(*length), rest))?,
        0x82 => {
            let ([high, low], rest) = rest.split_first_chunk::<2>()?;
            (usize::from(u16::from_be_bytes([*high, *low])), rest)
        }
        _ => return None,
    };
    (*first == tag).then(|| rest.split_at_checked(length)).flatten()
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};

    use super::*;

    #[test]
    fn an_id_token_is_verified_by_the_public_key() {
        let key = SigningKey::generate().unwrap();
        let token = IdToken {
            issuer: "https://phr.example",
            client: "app",
            subject: "s",
            fhir_user: Some("https://phr.example/fhir/Patient/a"),
            nonce: Some("n"),
            authenticated_s: 5,
        };
        let text = key.sign(&token, 100).unwrap();
        let (message, signature) = text.rsplit_once('.').unwrap();
        let part = |name: &str| crate::from_base64url(key.jwk()[name].as_str().unwrap()).unwrap();
        let (n, e) = (part("n"), part("e"));
        assert_eq!((n.len(), e.as_slice()), (256, &[1, 0, 1][..]));
        let public = RsaPublicKeyComponents { n: &n, e: &e };
        let signature = crate::from_base64url(signature).unwrap();
        public.verify(&RSA_PKCS1_2048_8192_SHA256, message.as_bytes(), &signature).unwrap();
        let claims = crate::from_base64url(message.split_once('.').unwrap().1).unwrap();
        let claims: Value = serde_json::from_slice(&claims).unwrap();
        assert_eq!(
            claims,
            json!({"iss": "https://phr.example", "sub": "s", "aud": "app", "iat": 100, "exp": 400, "auth_time": 5,
                "nonce": "n", "fhirUser": "https://phr.example/fhir/Patient/a"})
        );
    }

    #[test]
    fn a_key_is_the_same_after_it_was_sealed() {
        let under = SealingKey::parse(&SealingKey::generate().unwrap()).unwrap();
        let key = SigningKey::generate().unwrap();
        let sealed = key.seal(&under).unwrap();
        assert_eq!(SigningKey::open(&sealed, &under).unwrap().id(), key.id());
        let other = SealingKey::parse(&SealingKey::generate().unwrap()).unwrap();
        assert!(SigningKey::open(&sealed, &other).is_err());
        assert!(key.jwk().get("d").is_none());
    }
}
