//! What the tests of this crate share: signing keys, a folder of their own, an issuer's web server.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair,
    Ed25519KeyPair, KeyPair as _, RsaKeyPair, RsaPublicKeyComponents,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use uuid::Uuid;

use crate::config::Config;

/// The time at which tests happen, in seconds since 1970.
pub(crate) const NOW_S: i64 = 1_750_000_000;

/// The default configuration with some variables set.
pub(crate) fn config(variables: &[(&str, &str)]) -> Config {
    Config::load(None, variables.iter().copied()).unwrap()
}

/// A folder that is removed when it is dropped.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Folder {
        let path = std::env::temp_dir().join(format!("concord-test-{}", Uuid::new_v4()));
        std::fs::create_dir(&path).unwrap();
        Folder(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A private key that signs the tokens of a test.
pub(crate) struct Signer {
    pub(crate) algorithm: Algorithm,
    key: EncodingKey,
    /// In place of both: ES512, which the library does not have.
    es512: Option<EcdsaKeyPair>,
    public: Value,
}

fn encoded(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Signer {
    pub(crate) fn es256() -> Signer {
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref()).unwrap();
        let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
        Signer {
            algorithm: Algorithm::ES256,
            key: EncodingKey::from_ec_der(pkcs8.as_ref()),
            es512: None,
            public: json!({"kty": "EC", "crv": "P-256", "x": encoded(x), "y": encoded(y)}),
        }
    }

    pub(crate) fn es384() -> Signer {
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, &SystemRandom::new()).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, pkcs8.as_ref()).unwrap();
        let (x, y) = pair.public_key().as_ref()[1..].split_at(48);
        Signer {
            algorithm: Algorithm::ES384,
            key: EncodingKey::from_ec_der(pkcs8.as_ref()),
            es512: None,
            public: json!({"kty": "EC", "crv": "P-384", "x": encoded(x), "y": encoded(y)}),
        }
    }

    pub(crate) fn es512() -> Signer {
        let pair = EcdsaKeyPair::generate(&ECDSA_P521_SHA512_FIXED_SIGNING).unwrap();
        let (x, y) = pair.public_key().as_ref()[1..].split_at(66);
        let public = json!({"kty": "EC", "crv": "P-521", "x": encoded(x), "y": encoded(y)});
        Signer { public, es512: Some(pair), ..Signer::es256() }
    }

    pub(crate) fn ed25519() -> Signer {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap();
        Signer {
            algorithm: Algorithm::EdDSA,
            key: EncodingKey::from_ed_der(pkcs8.as_ref()),
            es512: None,
            public: json!({"kty": "OKP", "crv": "Ed25519", "x": encoded(pair.public_key().as_ref())}),
        }
    }

    /// An RSA key of 2048 bits for RS256.
    pub(crate) fn rsa() -> Signer {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let pkcs8: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        let public = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public_key());
        Signer {
            algorithm: Algorithm::RS256,
            // The library reads RSA keys in the form of PKCS#1, which PKCS#8 wraps in 26 bytes at this size.
            key: EncodingKey::from_rsa_der(&pkcs8.as_ref()[26..]),
            es512: None,
            public: json!({"kty": "RSA", "n": encoded(&public.n), "e": encoded(&public.e)}),
        }
    }

    pub(crate) fn one_of_each() -> [Signer; 5] {
        [Signer::es256(), Signer::es384(), Signer::es512(), Signer::ed25519(), Signer::rsa()]
    }

    /// The same key, used with another algorithm.
    pub(crate) fn with(mut self, algorithm: Algorithm) -> Signer {
        self.algorithm = algorithm;
        self
    }

    /// The public key under an id, without `alg`.
    pub(crate) fn jwk(&self, id: &str) -> Value {
        let mut jwk = self.public.clone();
        jwk["kid"] = id.into();
        jwk
    }

    /// Signs those claims under that `kid` (empty: none).
    pub(crate) fn sign(&self, id: &str, claims: &Value) -> String {
        if let Some(pair) = &self.es512 {
            let header = json!({"alg": "ES512", "kid": id}).to_string();
            let message = format!("{}.{}", encoded(header.as_bytes()), encoded(claims.to_string().as_bytes()));
            let signature = pair.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
            return format!("{message}.{}", encoded(signature.as_ref()));
        }
        let mut header = jsonwebtoken::Header::new(self.algorithm);
        header.kid = (!id.is_empty()).then(|| id.to_owned());
        jsonwebtoken::encode(&header, claims, &self.key).unwrap()
    }
}

/// A JWK Set.
pub(crate) fn set(jwks: &[Value]) -> String {
    json!({ "keys": jwks }).to_string()
}

/// An issuer's web server on this machine: it answers every request with what it is told to.
#[derive(Clone)]
pub(crate) struct KeyServer {
    pub(crate) url: String,
    answer: Arc<Mutex<String>>,
    hits: Arc<AtomicUsize>,
}

impl KeyServer {
    pub(crate) async fn start(body: &str) -> KeyServer {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/jwks", listener.local_addr().unwrap());
        let server = KeyServer { url, answer: Arc::default(), hits: Arc::default() };
        server.serve(body);
        let (answer, hits) = (Arc::clone(&server.answer), Arc::clone(&server.hits));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await;
                hits.fetch_add(1, Ordering::SeqCst);
                let answer = answer.lock().unwrap().clone();
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        });
        server
    }

    /// Answers with that body from now on.
    pub(crate) fn serve(&self, body: &str) {
        self.answer_with("200 OK", "", body);
    }

    /// Answers with that status, header lines (each with its line end) and body from now on.
    pub(crate) fn answer_with(&self, status: &str, headers: &str, body: &str) {
        let length = body.len();
        *self.answer.lock().unwrap() =
            format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}");
    }

    /// How often it was asked.
    pub(crate) fn hits(&self) -> usize {
        self.hits.load(Ordering::SeqCst)
    }
}
