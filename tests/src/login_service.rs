//! A login service of a test's own, with the claims and signatures of NHS login (RS512), CIS2 or another (RS256): its token
//! endpoint, its keys and its discovery document. The page on which a person signs in is left out: a test says who has.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::digest;
use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    KeyPair as _, RSA_PKCS1_2048_8192_SHA512, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RsaEncoding,
    RsaKeyPair, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::stub::{self, Asked};

/// The secret of whoever is registered with one.
const SECRET: &str = "a secret & more";

/// A running login service. It ends with the test's process.
#[derive(Debug)]
pub struct LoginService {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    key: RsaKeyPair,
    /// The key by which its client proves who it is.
    client: RsaKeyPair,
    is_nhs_login: bool,
    /// Codes, with the claims of the id token and the challenge that was sent.
    codes: Mutex<BTreeMap<String, (Value, String)>>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("is_nhs_login", &self.is_nhs_login).finish_non_exhaustive()
    }
}

impl LoginService {
    /// Starts one that signs as NHS login does, or as CIS2 does.
    ///
    /// # Panics
    /// When there is no port for it.
    #[must_use]
    pub fn start(is_nhs_login: bool) -> LoginService {
        let key = || RsaKeyPair::generate(KeySize::Rsa2048).expect("a key");
        let shared = Arc::new(Shared { key: key(), client: key(), is_nhs_login, codes: Mutex::default() });
        let own = Arc::clone(&shared);
        let address = stub::start(move |asked| own.answer(asked));
        LoginService { address, shared }
    }

    /// Where it is.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The setting of it, as an entry of `providers`, with the key of its client in a file of that folder.
    ///
    /// # Panics
    /// When the file cannot be written.
    #[must_use]
    pub fn setting(&self, name: &str, folder: &Path) -> Value {
        let file = folder.join(format!("{name}.pem"));
        let der = self.shared.client.as_der().expect("a key");
        let pem =
            format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(der.as_ref()));
        std::fs::write(&file, pem).expect("a key file");
        let origin = self.origin();
        let kind = if self.shared.is_nhs_login { "nhs-login" } else { "cis2" };
        json!({"name": name, "title": format!("Continue to {name}"), "kind": kind, "issuer": origin,
            "jwks": format!("{origin}/jwks"), "authorization_endpoint": format!("{origin}/authorize"),
            "token_endpoint": format!("{origin}/token"), "client_id": "phr", "key_file": file})
    }

    /// The setting of it as any login service, of which its issuer is known, and a secret, which is in a file of that folder.
    ///
    /// # Panics
    /// When the file cannot be written.
    #[must_use]
    pub fn discovered(&self, name: &str, folder: &Path) -> Value {
        let file = folder.join(format!("{name}.secret"));
        std::fs::write(&file, format!("{SECRET}\n")).expect("a file");
        json!({"name": name, "title": format!("Continue to {name}"), "kind": "oidc", "issuer": self.origin(),
            "client_id": "phr", "secret_file": file})
    }

    /// A logout token with these claims.
    #[must_use]
    pub fn logout_token(&self, claims: &Value) -> String {
        self.shared.of_type("logout+jwt", "RS256", &RSA_PKCS1_SHA256, claims)
    }

    /// Lets somebody have signed in: the code with which they go back. `challenge` is what they were sent with.
    #[must_use]
    pub fn signed_in(&self, claims: Value, challenge: &str) -> String {
        let code = uuid::Uuid::new_v4().to_string();
        let mut codes = self.shared.codes.lock().unwrap_or_else(PoisonError::into_inner);
        codes.insert(code.clone(), (claims, challenge.to_owned()));
        code
    }

    /// A signed assertion (RS384) with these claims, as of a client whose keys are where this service's are.
    #[must_use]
    pub fn assertion(&self, claims: &Value) -> String {
        self.shared.signed_by("RS384", &RSA_PKCS1_SHA384, claims)
    }

    /// An id token with these claims.
    #[must_use]
    pub fn id_token(&self, claims: &Value) -> String {
        self.shared.signed(claims)
    }

    /// The same, signed by the same key with RS256.
    #[must_use]
    pub fn id_token_rs256(&self, claims: &Value) -> String {
        self.shared.signed_by("RS256", &RSA_PKCS1_SHA256, claims)
    }
}

impl Shared {
    fn answer(&self, asked: &Asked) -> (&'static str, Value) {
        let header = |name: &str| asked.headers.get(name).map(String::as_str).unwrap_or_default();
        match asked.target.as_str() {
            "/jwks" => ("200 OK", self.keys()),
            "/.well-known/openid-configuration" => ("200 OK", discovery(&format!("http://{}", header("host")))),
            "/token" => {
                let token = self.token(&asked.body, header("authorization"));
                token.map_or(("400 Bad Request", json!({"error": "invalid_grant"})), |token| {
                    ("200 OK", json!({"access_token": "a", "token_type": "Bearer", "id_token": token}))
                })
            }
            _ => ("404 Not Found", json!({})),
        }
    }

    fn keys(&self) -> Value {
        let der = self.key.public_key().as_ref();
        // PKCS #1: a sequence of the modulus, 257 bytes of which the first is 0, and the exponent, 65537.
        let modulus = der.get(9..265).expect("a modulus of 2048 bits");
        json!({"keys": [{"kty": "RSA", "kid": "stub", "use": "sig", "n": URL_SAFE_NO_PAD.encode(modulus), "e": "AQAB"}]})
    }

    /// The id token for a form that is right in every part.
    fn token(&self, body: &str, basic: &str) -> Option<String> {
        let form: BTreeMap<&str, String> = body
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (name, value.replace("%3A", ":").replace("%2F", "/")))
            .collect();
        let taken = self.codes.lock().unwrap_or_else(PoisonError::into_inner).remove(form.get("code")?);
        let (claims, challenge) = taken?;
        let verifier = form.get("code_verifier")?;
        let made = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()).as_ref());
        match form.get("client_assertion") {
            Some(assertion) => {
                let (message, signature) = assertion.rsplit_once('.')?;
                let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
                let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA512, self.client.public_key().as_ref());
                key.verify(message.as_bytes(), &signature).ok()?;
            }
            None => {
                let pair = STANDARD.decode(basic.strip_prefix("Basic ")?).ok()?;
                (pair == b"phr:a+secret+%26+more").then_some(())?;
            }
        }
        (made == challenge && form.get("grant_type")? == "authorization_code").then(|| self.signed(&claims))
    }

    fn signed(&self, claims: &Value) -> String {
        match self.is_nhs_login {
            true => self.signed_by("RS512", &RSA_PKCS1_SHA512, claims),
            false => self.signed_by("RS256", &RSA_PKCS1_SHA256, claims),
        }
    }

    fn signed_by(&self, name: &str, padding: &'static dyn RsaEncoding, claims: &Value) -> String {
        self.of_type("JWT", name, padding, claims)
    }

    fn of_type(&self, typ: &str, name: &str, padding: &'static dyn RsaEncoding, claims: &Value) -> String {
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", encode(&json!({"alg": name, "kid": "stub", "typ": typ})), encode(claims));
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key.sign(padding, &SystemRandom::new(), message.as_bytes(), &mut signature).expect("a signature");
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// Where everything is.
fn discovery(origin: &str) -> Value {
    json!({"issuer": origin, "authorization_endpoint": format!("{origin}/authorize"),
        "token_endpoint": format!("{origin}/token"), "jwks_uri": format!("{origin}/jwks")})
}
