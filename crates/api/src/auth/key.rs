//! The public keys of an issuer: a JWK Set (RFC 7517) reduced to the keys that can verify a signature we accept.

use aws_lc_rs::signature::{ECDSA_P521_SHA512_FIXED, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::algorithm::{self, Algorithm};

/// The most keys that a set may hold.
const MAX_KEYS: usize = 100;
/// The shortest RSA modulus, in bytes (RFC 7518 section 3.3: 2048 bits).
const MIN_RSA_BYTES: usize = 256;
/// The longest RSA modulus, in bytes: 8192 bits, past which a check is slow enough to be a weapon.
const MAX_RSA_BYTES: usize = 1024;

/// A key that can verify signatures.
#[derive(Clone)]
pub(super) struct Key {
    /// Its `kid`.
    pub(super) id: Option<String>,
    algorithms: Vec<Algorithm>,
    form: Form,
}

/// A key in the form in which it verifies.
#[derive(Clone)]
enum Form {
    Common(DecodingKey),
    /// A point on P-521.
    P521(Vec<u8>),
}

#[derive(Deserialize)]
struct Set {
    keys: Vec<Jwk>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    kid: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
    d: Option<IgnoredAny>,
}

/// The usable keys of a JWK Set, and how many others it holds.
pub(super) struct ParsedSet {
    pub(super) keys: Vec<Key>,
    pub(super) unusable: usize,
}

/// Reads a JWK Set. Keys that cannot verify a signature we accept are left out, as RFC 7517 section 5 asks.
pub(super) fn parse_set(json: &[u8]) -> Result<ParsedSet, &'static str> {
    let set: Set = serde_json::from_slice(json).map_err(|_| "it is not a JWK Set")?;
    if set.keys.len() > MAX_KEYS {
        return Err("it holds more than 100 keys");
    }
    let total = set.keys.len();
    let keys: Vec<Key> = set.keys.into_iter().filter_map(Key::from_jwk).collect();
    Ok(ParsedSet { unusable: total - keys.len(), keys })
}

impl Key {
    fn from_jwk(jwk: Jwk) -> Option<Key> {
        let for_signatures = jwk.usage.as_deref().is_none_or(|usage| usage == "sig")
            && jwk.key_ops.as_ref().is_none_or(|operations| operations.iter().any(|operation| operation == "verify"));
        // A set that shows a private part has given the key away.
        if !for_signatures || jwk.d.is_some() {
            return None;
        }
        let form = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
            ("RSA", None) => Form::Common(rsa(&jwk)?),
            // The library reads EC keys as points.
            ("EC", Some("P-256")) => Form::Common(DecodingKey::from_ec_der(&point(&jwk, 32)?)),
            ("EC", Some("P-384")) => Form::Common(DecodingKey::from_ec_der(&point(&jwk, 48)?)),
            ("EC", Some("P-521")) => Form::P521(point(&jwk, 66)?),
            ("OKP", Some("Ed25519")) => Form::Common(ed(&jwk)?),
            _ => return None,
        };
        let possible = algorithm::of_key(&jwk.kty, jwk.crv.as_deref());
        let algorithms = match jwk.alg.as_deref() {
            None => possible,
            Some(name) => {
                let only = algorithm::accepted(name)?;
                possible.contains(&only).then(|| vec![only])?
            }
        };
        Some(Key { id: jwk.kid, algorithms, form })
    }

    /// Whether the key may verify signatures of that algorithm.
    pub(super) fn fits(&self, algorithm: Algorithm) -> bool {
        self.algorithms.contains(&algorithm)
    }

    /// Whether `signature` (base64url) is this key's over `message`.
    pub(super) fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &str) -> bool {
        match (&self.form, algorithm) {
            _ if !self.fits(algorithm) => false,
            (Form::Common(key), Algorithm::Common(algorithm)) => {
                jsonwebtoken::crypto::verify(signature, message, key, algorithm).unwrap_or(false)
            }
            (Form::P521(point), Algorithm::Es512) => URL_SAFE_NO_PAD.decode(signature).is_ok_and(|signature| {
                UnparsedPublicKey::new(&ECDSA_P521_SHA512_FIXED, point).verify(message, &signature).is_ok()
            }),
            _ => false,
        }
    }
}

fn bytes(text: Option<&String>) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text?).ok()
}

fn rsa(jwk: &Jwk) -> Option<DecodingKey> {
    let (modulus, exponent) = (bytes(jwk.n.as_ref())?, bytes(jwk.e.as_ref())?);
    let significant = modulus.iter().skip_while(|byte| **byte == 0).count();
    let sensible = (MIN_RSA_BYTES..=MAX_RSA_BYTES).contains(&significant) && (1..=8).contains(&exponent.len());
    sensible.then(|| DecodingKey::from_rsa_raw_components(&modulus, &exponent))
}

/// An uncompressed point on a curve (SEC 1 section 2.3.3).
fn point(jwk: &Jwk, size: usize) -> Option<Vec<u8>> {
    let (x, y) = (bytes(jwk.x.as_ref())?, bytes(jwk.y.as_ref())?);
    (x.len() == size && y.len() == size).then(|| [&[4][..], &x, &y].concat())
}

fn ed(jwk: &Jwk) -> Option<DecodingKey> {
    let x = bytes(jwk.x.as_ref())?;
    (x.len() == 32).then(|| DecodingKey::from_ed_der(&x))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::auth::testing::Signer;

    fn usable(jwk: Value) -> usize {
        parse_set(json!({ "keys": [jwk] }).to_string().as_bytes()).unwrap().keys.len()
    }

    fn with(mut jwk: Value, key: &str, value: Value) -> Value {
        jwk[key] = value;
        jwk
    }

    #[test]
    fn keys_of_every_accepted_type_are_read() {
        for signer in Signer::one_of_each() {
            assert_eq!(usable(signer.jwk("k")), 1, "{}", signer.jwk("k"));
        }
    }

    #[test]
    fn keys_for_something_else_are_left_out() {
        let jwk = Signer::es256().jwk("k");
        assert_eq!(usable(with(jwk.clone(), "use", json!("enc"))), 0);
        assert_eq!(usable(with(jwk.clone(), "key_ops", json!(["encrypt"]))), 0);
        assert_eq!(usable(with(jwk.clone(), "key_ops", json!(["verify"]))), 1);
        assert_eq!(usable(with(jwk.clone(), "alg", json!("ES384"))), 0);
        assert_eq!(usable(with(jwk.clone(), "alg", json!("HS256"))), 0);
        assert_eq!(usable(with(jwk.clone(), "alg", json!("none"))), 0);
        assert_eq!(usable(with(jwk.clone(), "d", json!("AAAA"))), 0);
        assert_eq!(usable(with(jwk.clone(), "crv", json!("P-521"))), 0);
        assert_eq!(usable(with(jwk.clone(), "kty", json!("RSA"))), 0);
        assert_eq!(usable(with(jwk, "x", json!("AAAA"))), 0);
        assert_eq!(usable(json!({"kty": "oct", "k": "c2VjcmV0", "alg": "HS256"})), 0);
        assert_eq!(usable(json!({"kty": "RSA", "n": "AQAB", "e": "AQAB"})), 0);
    }

    #[test]
    fn sets_have_limits() {
        assert!(parse_set(b"[]").is_err());
        assert!(parse_set(b"not json").is_err());
        let set = parse_set(br#"{"keys":[{"kty":"oct"}],"more":1}"#).unwrap();
        assert_eq!((set.keys.len(), set.unusable), (0, 1));
        assert!(parse_set(json!({"keys": vec![json!({"kty": "oct"}); 101]}).to_string().as_bytes()).is_err());
    }
}
