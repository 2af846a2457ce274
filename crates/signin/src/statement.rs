//! Software statements (RFC 7591 section 2.3): what somebody whom the operator trusts says of an app that registers itself.

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::error::{ErrorCode, OauthError};
use crate::jwk::{Algorithm, Key};

/// The longest statement, in bytes.
const MAX_BYTES: usize = 16_384;

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: String,
    crit: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    exp: Option<f64>,
}

const fn refused(text: &'static str) -> OauthError {
    OauthError::new(ErrorCode::InvalidSoftwareStatement, text)
}

/// The payload of a statement that this issuer has signed with one of these keys and that has not expired.
///
/// # Errors
/// `invalid_software_statement`
pub fn payload(text: &str, issuer: &str, keys: &[Key], now_s: i64) -> Result<Vec<u8>, OauthError> {
    const MALFORMED: OauthError = refused("the software_statement is not a JWT signed by RS384 or ES384, with a kid");
    if text.len() > MAX_BYTES {
        return Err(MALFORMED);
    }
    let (message, signature) = text.rsplit_once('.').ok_or(MALFORMED)?;
    let (header, payload) = message.split_once('.').ok_or(MALFORMED)?;
    let header = crate::from_base64url(header).ok_or(MALFORMED)?;
    let header: Header = serde_json::from_slice(&header).map_err(|_| MALFORMED)?;
    let algorithm = Algorithm::parse(&header.alg).filter(|_| header.crit.is_none()).ok_or(MALFORMED)?;
    let signature = crate::from_base64url(signature).ok_or(MALFORMED)?;
    let signed = keys
        .iter()
        .filter(|key| key.id == header.kid)
        .any(|key| key.verifies(algorithm, message.as_bytes(), &signature));
    if !signed {
        return Err(refused("the software_statement is not signed by a key of whom this server trusts"));
    }
    let payload = crate::from_base64url(payload).ok_or(MALFORMED)?;
    let claims: Claims = serde_json::from_slice(&payload).map_err(|_| MALFORMED)?;
    if claims.iss != issuer {
        return Err(refused("the software_statement's iss is not whom this server trusts"));
    }
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are far below 2 to the 53rd")]
    if claims.exp.is_some_and(|expires| expires <= now_s as f64) {
        return Err(refused("the software_statement has expired"));
    }
    Ok(payload)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::jwk;
    use crate::testing::Signer;

    #[test]
    fn a_statement_is_believed_of_whom_one_trusts() {
        let (signer, header) = (Signer::new(), json!({"alg": "ES384", "kid": "k"}));
        let set = json!({ "keys": [signer.jwk()] }).to_string();
        let keys = jwk::parse_set(set.as_bytes()).unwrap();
        let read = |text: &str| payload(text, "https://trust.example", &keys, 1000).map_err(|error| error.code);
        let good = json!({"iss": "https://trust.example", "client_name": "x", "exp": 1001});
        assert_eq!(read(&signer.sign(&header, &good)).unwrap(), good.to_string().into_bytes());
        let other = json!({"iss": "https://else.example"});
        let old = json!({"iss": "https://trust.example", "exp": 1000});
        for bad in [
            signer.sign(&header, &other),
            signer.sign(&header, &old),
            Signer::new().sign(&header, &good),
            signer.sign(&json!({"alg": "none", "kid": "k"}), &good),
            signer.sign(&json!({"alg": "ES384", "kid": "other"}), &good),
            signer.sign(&json!({"alg": "ES384", "kid": "k", "crit": ["x"]}), &good),
            "a.b.c".to_owned(),
            "x".repeat(MAX_BYTES + 1),
        ] {
            assert_eq!(read(&bad), Err(ErrorCode::InvalidSoftwareStatement), "{bad}");
        }
    }
}
