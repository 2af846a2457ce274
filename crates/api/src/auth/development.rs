//! The development issuer: signs tokens for whoever asks on this machine. It exists only when it is switched on.
//!
//! Its key is an ES256 key in a file that only the owner can read, made on first use, so that `concord token` and
//! `concord serve` share it without talking to each other.

use std::io::Write as _;
use std::path::Path;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::sha256;
use crate::config::{Config, DEVELOPMENT_ISSUER};

const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const END: &str = "-----END PRIVATE KEY-----";

/// An issuer for development: it signs what it is asked to.
pub struct DevelopmentIssuer {
    key: EncodingKey,
    key_id: String,
    jwk: Value,
    audience: String,
    /// Whether its key has been made just now.
    key_is_new: bool,
}

/// For whom a token is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenRequest {
    /// The logical id of the patient in context.
    pub patient: Option<String>,
    /// The user, as `Type/id`.
    pub fhir_user: Option<String>,
    /// The scopes, separated by spaces.
    pub scope: String,
    /// The app.
    pub client_id: String,
    /// How long the token works, in seconds.
    pub lifetime_s: i64,
    /// `identity_proofing_level`: P0, P5 or P9.
    pub proofing: Option<String>,
    /// `purpose_of_use`: codes of v3-ActReason.
    pub purposes: Vec<String>,
    /// `roles`: `safeguarding-lead`, `privacy-officer`.
    pub roles: Vec<String>,
}

/// The scopes of a token where none are named: all that whoever it is for may have.
#[must_use]
pub fn usual_scope(fhir_user: Option<&str>, system: bool) -> &'static str {
    match fhir_user {
        _ if system => "system/*.cruds",
        Some(user) if !user.starts_with("Patient/") => "user/*.cruds",
        _ => "patient/*.cruds",
    }
}

/// Why the development issuer cannot work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DevelopmentError(String);

impl DevelopmentIssuer {
    /// The development issuer, if it is switched on; makes its key file when there is none.
    ///
    /// # Errors
    /// When the key file cannot be read, made or understood.
    pub fn open(config: &Config) -> Result<Option<DevelopmentIssuer>, DevelopmentError> {
        if !config.development_issuer {
            return Ok(None);
        }
        DevelopmentIssuer::with_key_file(&config.development_key, config.fhir_base()).map(Some)
    }

    fn with_key_file(path: &Path, audience: String) -> Result<DevelopmentIssuer, DevelopmentError> {
        let failed = |error: std::io::Error| {
            DevelopmentError(format!("the development issuer's key file {}: {error}", path.display()))
        };
        let not_a_key = || {
            DevelopmentError(format!(
                "the development issuer's key file {} does not hold a P-256 key in PKCS#8; remove it to get a new one",
                path.display()
            ))
        };
        let (text, key_is_new) = match std::fs::read_to_string(path) {
            Ok(text) => (text, false),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                create_private(path, &new_key()?).map_err(failed)?;
                // Read what is there now: another process may have been first.
                (std::fs::read_to_string(path).map_err(failed)?, true)
            }
            Err(error) => return Err(failed(error)),
        };
        let pkcs8 = from_pem(&text).ok_or_else(not_a_key)?;
        let issuer = DevelopmentIssuer::from_pkcs8(&pkcs8, audience).ok_or_else(not_a_key)?;
        Ok(DevelopmentIssuer { key_is_new, ..issuer })
    }

    fn from_pkcs8(pkcs8: &[u8], audience: String) -> Option<DevelopmentIssuer> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8).ok()?;
        let point = pair.public_key().as_ref();
        let (x, y) = (point.get(1..33)?, point.get(33..65)?);
        let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        // The thumbprint of RFC 7638: the required members in alphabetical order.
        let thumbprint = sha256(format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#).as_bytes());
        let key_id = URL_SAFE_NO_PAD.encode(thumbprint);
        let jwk = json!({"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": key_id, "x": x, "y": y});
        Some(DevelopmentIssuer { key: EncodingKey::from_ec_der(pkcs8), key_id, jwk, audience, key_is_new: false })
    }

    /// Whether there was no key file, so that one has been made.
    #[must_use]
    pub fn has_new_key(&self) -> bool {
        self.key_is_new
    }

    /// Its public key, as a JWK Set.
    #[must_use]
    pub fn jwks(&self) -> String {
        json!({ "keys": [self.jwk] }).to_string()
    }

    /// The `aud` of its tokens.
    #[must_use]
    pub fn audience(&self) -> &str {
        &self.audience
    }

    /// Signs a token. `now_s` is in seconds since 1970.
    ///
    /// # Errors
    /// When signing fails.
    pub fn mint(&self, request: &TokenRequest, now_s: i64) -> Result<String, DevelopmentError> {
        let subject = match (&request.fhir_user, &request.patient) {
            (Some(user), _) => user.clone(),
            (None, Some(patient)) => format!("Patient/{patient}"),
            (None, None) => request.client_id.clone(),
        };
        let mut claims = Map::new();
        let mut claim = |key: &str, value: Value| claims.insert(key.to_owned(), value);
        claim("iss", DEVELOPMENT_ISSUER.into());
        claim("sub", subject.into());
        claim("aud", self.audience.as_str().into());
        claim("iat", now_s.into());
        claim("exp", now_s.saturating_add(request.lifetime_s).into());
        claim("jti", Uuid::new_v4().to_string().into());
        claim("client_id", request.client_id.as_str().into());
        claim("scope", request.scope.as_str().into());
        if let Some(patient) = &request.patient {
            claim("patient", patient.as_str().into());
        }
        if let Some(user) = &request.fhir_user {
            claim("fhirUser", user.as_str().into());
        }
        if let Some(level) = &request.proofing {
            claim("identity_proofing_level", level.as_str().into());
        }
        for (name, values) in [("purpose_of_use", &request.purposes), ("roles", &request.roles)] {
            if !values.is_empty() {
                claim(name, values.clone().into());
            }
        }
        let header =
            jsonwebtoken::Header { kid: Some(self.key_id.clone()), ..jsonwebtoken::Header::new(Algorithm::ES256) };
        jsonwebtoken::encode(&header, &claims, &self.key)
            .map_err(|error| DevelopmentError(format!("the development issuer cannot sign: {error}")))
    }
}

/// Says loudly that the development issuer is switched on. `serve` calls it once, at the start.
pub fn warn(config: &Config) {
    tracing::warn!(
        issuer = DEVELOPMENT_ISSUER,
        key_file = %config.development_key.display(),
        "THE DEVELOPMENT ISSUER IS ON: whoever can read the key file can be anybody. Never use it with real data"
    );
    if !config.listen.ip().is_loopback() {
        tracing::warn!(listen = %config.listen, "the development issuer is on and the server can be reached from other machines");
    }
}

fn new_key() -> Result<String, DevelopmentError> {
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
        .map_err(|_| DevelopmentError("the development issuer cannot make a key".to_owned()))?;
    let mut pem = format!("{BEGIN}\n");
    for (position, character) in STANDARD.encode(pkcs8.as_ref()).chars().enumerate() {
        if position > 0 && position % 64 == 0 {
            pem.push('\n');
        }
        pem.push(character);
    }
    pem.push_str(&format!("\n{END}\n"));
    Ok(pem)
}

fn from_pem(text: &str) -> Option<Vec<u8>> {
    let body = text.trim().strip_prefix(BEGIN)?.strip_suffix(END)?;
    let joined: String = body.split_whitespace().collect();
    STANDARD.decode(joined).ok()
}

/// Puts a key file in place whole and readable by its owner only. When two processes do it at once the first wins and
/// the second does nothing.
pub(crate) fn create_private(path: &Path, text: &str) -> std::io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}", Uuid::new_v4()));
    let temporary = path.with_file_name(name);
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(&temporary).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    // A hard link fails where the name is taken, so it never replaces a key that is in use.
    let linked = written.and_then(|()| std::fs::hard_link(&temporary, path));
    let _ = std::fs::remove_file(&temporary);
    match linked {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::testing::{Folder, NOW_S, config};
    use crate::auth::{AuthError, Identity, Verifier};
    use crate::telemetry::Metrics;
    use concord_consent::caller::Actor;

    fn open(folder: &Folder) -> DevelopmentIssuer {
        let path = folder.path("key.pem").display().to_string();
        let config = config(&[("CONCORD_DEVELOPMENT_ISSUER", "true"), ("CONCORD_DEVELOPMENT_KEY", &path)]);
        DevelopmentIssuer::open(&config).unwrap().unwrap()
    }

    fn for_patient(id: &str) -> TokenRequest {
        TokenRequest {
            patient: Some(id.into()),
            scope: "patient/*.cruds".into(),
            client_id: "app".into(),
            lifetime_s: 60,
            ..TokenRequest::default()
        }
    }

    #[test]
    fn it_does_not_exist_unless_it_is_switched_on() {
        let folder = Folder::new();
        let path = folder.path("key.pem");
        let config = config(&[("CONCORD_DEVELOPMENT_KEY", &path.display().to_string())]);
        assert!(DevelopmentIssuer::open(&config).unwrap().is_none());
        assert!(!path.exists());
    }

    #[test]
    fn the_key_file_is_private_and_kept() {
        let folder = Folder::new();
        let first = open(&folder).jwks();
        assert_eq!(open(&folder).jwks(), first);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = std::fs::metadata(folder.path("key.pem")).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        assert_eq!(std::fs::read_dir(folder.path("")).unwrap().count(), 1, "nothing else is left behind");
        create_private(&folder.path("key.pem"), "another").unwrap();
        assert_eq!(open(&folder).jwks(), first, "a key that is there is never replaced");
    }

    #[test]
    fn processes_that_start_at_once_share_one_key() {
        let folder = Folder::new();
        let keys: Vec<String> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| open(&folder).jwks())).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(keys.iter().all(|key| *key == keys[0]));
    }

    #[test]
    fn a_broken_key_file_is_named() {
        let folder = Folder::new();
        let path = folder.path("key.pem");
        for text in ["", "junk", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"] {
            std::fs::write(&path, text).unwrap();
            let error = DevelopmentIssuer::with_key_file(&path, "a".into()).err().unwrap().to_string();
            assert!(error.contains("key.pem") && !error.contains('\n'), "{error}");
        }
    }

    #[tokio::test]
    async fn its_tokens_are_verified_only_while_it_is_on() {
        let folder = Folder::new();
        let issuer = open(&folder);
        let on = Verifier::new(&config(&[]), Some(&issuer), Metrics::new().unwrap().tokens()).unwrap();
        let token = issuer.mint(&for_patient("a"), NOW_S).unwrap();
        let verified = on.verify(&token, NOW_S).await.unwrap();
        let Identity::Known(caller) = &verified.identity else { panic!("known") };
        assert_eq!((&caller.actor, caller.client.as_str()), (&Actor::Patient("a".into()), "app"));
        assert_eq!(verified.expires_s, NOW_S + 60);
        assert_eq!(on.verify(&token, NOW_S + 60 + 30).await, Err(AuthError::Expired));

        let off = Verifier::new(&config(&[]), None, Metrics::new().unwrap().tokens()).unwrap();
        assert_eq!(off.verify(&token, NOW_S).await, Err(AuthError::Issuer));

        let stranger = Folder::new();
        let forged = open(&stranger).mint(&for_patient("a"), NOW_S).unwrap();
        assert_eq!(on.verify(&forged, NOW_S).await, Err(AuthError::Key));
    }
}
