//! The public keys of a client: a JWK Set (RFC 7517) reduced to the keys that verify RS384 or ES384, which SMART asks for.

use aws_lc_rs::signature::{
    ECDSA_P384_SHA384_FIXED, RSA_PKCS1_2048_8192_SHA384, RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde::Deserialize;
use serde::de::IgnoredAny;

/// The most keys that a set may hold.
const MAX_KEYS: usize = 20;
/// The most bytes of a set.
pub const MAX_SET_BYTES: usize = 65_536;

/// The algorithms by which a client may sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// ECDSA on P-384 with SHA-384.
    Es384,
}

impl Algorithm {
    /// Their names.
    pub const NAMES: [&str; 2] = ["RS384", "ES384"];

    /// The one of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Algorithm> {
        match name {
            "RS384" => Some(Algorithm::Rs384),
            "ES384" => Some(Algorithm::Es384),
            _ => None,
        }
    }
}

/// A key of a client.
pub struct Key {
    /// Its `kid`.
    pub id: String,
    form: Form,
}

enum Form {
    Rsa {
        modulus: Vec<u8>,
        exponent: Vec<u8>,
    },
    /// A point on P-384.
    Point(Vec<u8>),
}

#[derive(Deserialize)]
struct Set {
    keys: Vec<Jwk>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
    d: Option<IgnoredAny>,
}

/// The usable keys of a set. One that could not verify an assertion is left out (RFC 7517 section 5).
///
/// # Errors
/// When it is no JWK Set, too large, or shows a private key.
pub fn parse_set(json: &[u8]) -> Result<Vec<Key>, &'static str> {
    if json.len() > MAX_SET_BYTES {
        return Err("it is larger than 65536 bytes");
    }
    let set: Set = serde_json::from_slice(json).map_err(|_| "it is not a JWK Set")?;
    if set.keys.len() > MAX_KEYS {
        return Err("it holds more than 20 keys");
    }
    if set.keys.iter().any(|key| key.d.is_some()) {
        return Err("it shows a private key, which has to be replaced now");
    }
    let keys: Vec<Key> = set.keys.into_iter().filter_map(Key::from_jwk).collect();
    // A signature is checked by one key: who publishes 20 of one name would have each checked.
    let is_twice = |(place, key): (usize, &Key)| keys.iter().take(place).any(|other| other.has_name_of(key));
    match keys.iter().enumerate().any(is_twice) {
        true => Err("it holds two keys of one kid and kty"),
        false => Ok(keys),
    }
}

impl Key {
    fn from_jwk(jwk: Jwk) -> Option<Key> {
        if jwk.usage.as_deref().is_some_and(|usage| usage != "sig") {
            return None;
        }
        let bytes = |text: &Option<String>| crate::from_base64url(text.as_deref()?);
        let (form, algorithm) = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
            ("RSA", None) => {
                let without_zeros =
                    |bytes: Vec<u8>| -> Vec<u8> { bytes.into_iter().skip_while(|byte| *byte == 0).collect() };
                let (modulus, exponent) = (without_zeros(bytes(&jwk.n)?), without_zeros(bytes(&jwk.e)?));
                let sensible = (256..=1024).contains(&modulus.len()) && (1..=8).contains(&exponent.len());
                (sensible.then_some(Form::Rsa { modulus, exponent })?, "RS384")
            }
            ("EC", Some("P-384")) => {
                let (x, y) = (bytes(&jwk.x)?, bytes(&jwk.y)?);
                let point = (x.len() == 48 && y.len() == 48).then(|| [&[4][..], &x, &y].concat())?;
                (Form::Point(point), "ES384")
            }
            _ => return None,
        };
        jwk.alg.is_none_or(|named| named == algorithm).then_some(Key { id: jwk.kid?, form })
    }

    /// Whether another one is meant by the same `kid` (RFC 7517 section 4.5).
    fn has_name_of(&self, other: &Key) -> bool {
        self.id == other.id && std::mem::discriminant(&self.form) == std::mem::discriminant(&other.form)
    }

    /// Whether `signature` is this key's over `message`.
    #[must_use]
    pub fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        match (&self.form, algorithm) {
            (Form::Rsa { modulus, exponent }, Algorithm::Rs384) => RsaPublicKeyComponents { n: modulus, e: exponent }
                .verify(&RSA_PKCS1_2048_8192_SHA384, message, signature)
                .is_ok(),
            (Form::Point(point), Algorithm::Es384) => {
                UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point).verify(message, signature).is_ok()
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::Signer;

    fn usable(jwk: Value) -> Result<usize, &'static str> {
        parse_set(json!({ "keys": [jwk] }).to_string().as_bytes()).map(|keys| keys.len())
    }

    #[test]
    fn keys_that_could_not_verify_are_left_out() {
        let with = |key: &str, value: Value| {
            let mut jwk = Signer::new().jwk();
            jwk[key] = value;
            jwk
        };
        assert_eq!(usable(Signer::new().jwk()), Ok(1));
        assert_eq!(usable(with("use", json!("sig"))), Ok(1));
        for (key, value) in
            [("use", json!("enc")), ("alg", json!("ES256")), ("crv", json!("P-256")), ("kid", json!(null))]
        {
            assert_eq!(usable(with(key, value)), Ok(0), "{key}");
        }
        assert!(usable(with("d", json!("AAAA"))).is_err());
        assert!(parse_set(b"[]").is_err() && parse_set(b"{}").is_err());
        let twice = json!({ "keys": vec![Signer::new().jwk(), Signer::new().jwk()] }).to_string();
        assert!(parse_set(twice.as_bytes()).is_err_and(|told| told.contains("kid")));
        let mut other = Signer::new().jwk();
        other["kid"] = json!("other");
        assert_eq!(parse_set(json!({ "keys": [Signer::new().jwk(), other] }).to_string().as_bytes()).unwrap().len(), 2);
        let many = json!({ "keys": vec![Signer::new().jwk(); MAX_KEYS + 1] }).to_string();
        assert!(parse_set(many.as_bytes()).is_err());
    }
}
