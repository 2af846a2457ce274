//! The outside of a token: the `Authorization` header and the compact form of a JWS (RFC 7515 section 7.1).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::algorithm::{self, Algorithm};
use super::error::AuthError;

/// The longest token, in bytes.
pub(super) const MAX_TOKEN_BYTES: usize = 16_384;

/// The token of an `Authorization` header (RFC 6750 section 2.1).
///
/// # Errors
/// [`AuthError::Missing`] without a header, [`AuthError::NotBearer`] when it is anything but `Bearer` and one token.
pub fn bearer(header: Option<&[u8]>) -> Result<&str, AuthError> {
    let header = header.ok_or(AuthError::Missing)?;
    let text = std::str::from_utf8(header).map_err(|_| AuthError::NotBearer)?;
    let (scheme, token) = text.trim().split_once(' ').ok_or(AuthError::NotBearer)?;
    let token = token.trim_start();
    // Without branches, so that many bytes are looked at together: there are hundreds, with every request.
    let one = !token.is_empty() && token.bytes().fold(true, |one, byte| one & byte.is_ascii_graphic() & (byte != b','));
    if scheme.eq_ignore_ascii_case("bearer") && one { Ok(token) } else { Err(AuthError::NotBearer) }
}

/// A token taken apart, with nothing in it believed yet.
pub(super) struct Parts<'t> {
    /// What is signed: header and payload as they were sent.
    pub(super) message: &'t [u8],
    /// The signature, in base64url.
    pub(super) signature: &'t str,
    /// The payload's JSON.
    pub(super) payload: Vec<u8>,
    /// The algorithm, one of those that are accepted.
    pub(super) algorithm: Algorithm,
    /// The `kid`.
    pub(super) key_id: Option<String>,
}

/// The header (RFC 7515 section 4.1). Keys that the token brings along (`jwk`, `jku`, `x5c`, `x5u`) are never looked at.
#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
    crit: Option<IgnoredAny>,
    enc: Option<IgnoredAny>,
}

/// Takes a token apart.
pub(super) fn split(token: &str) -> Result<Parts<'_>, AuthError> {
    split_of_type(token, is_access_token)
}

/// The same of a token whose `typ`, where it has one, is one of these.
pub(super) fn split_of_type(token: &str, is_wanted: fn(&str) -> bool) -> Result<Parts<'_>, AuthError> {
    if token.len() > MAX_TOKEN_BYTES {
        return Err(AuthError::TooLong);
    }
    let not_a_jwt = AuthError::Malformed("the token is not a signed JWT");
    let (message, signature) = token.rsplit_once('.').ok_or(not_a_jwt)?;
    let (header, payload) = message.split_once('.').ok_or(not_a_jwt)?;
    if header.is_empty() || payload.is_empty() || payload.contains('.') {
        return Err(not_a_jwt);
    }
    let header =
        URL_SAFE_NO_PAD.decode(header).map_err(|_| AuthError::Malformed("the token's header is not base64url"))?;
    let header: Header =
        serde_json::from_slice(&header).map_err(|_| AuthError::Malformed("the token's header is not a JWT header"))?;
    if header.crit.is_some() {
        return Err(AuthError::Malformed("the token's header has critical extensions, and none is known here"));
    }
    if header.enc.is_some() {
        return Err(AuthError::Malformed("the token is encrypted, which is not supported"));
    }
    if !header.typ.as_deref().is_none_or(is_wanted) {
        return Err(AuthError::Malformed("the token's typ is another than that of what it is sent as (JWT, at+jwt)"));
    }
    let algorithm = algorithm::accepted(&header.alg).ok_or(AuthError::Algorithm)?;
    if signature.is_empty() {
        return Err(AuthError::Signature);
    }
    let payload =
        URL_SAFE_NO_PAD.decode(payload).map_err(|_| AuthError::Malformed("the token's payload is not base64url"))?;
    Ok(Parts { message: message.as_bytes(), signature, payload, algorithm, key_id: header.kid })
}

/// Whether a `typ` (a media type, its `application/` may be left out) can be that of an access token: RFC 9068 section 2.1
/// names `at+jwt`; older issuers write `JWT`. Logout tokens and the like have types of their own.
fn is_access_token(typ: &str) -> bool {
    let typ = typ.to_ascii_lowercase();
    matches!(typ.strip_prefix("application/").unwrap_or(&typ), "jwt" | "at+jwt")
}

/// Whether a `typ` can be that of a logout token (OpenID Connect Back-Channel Logout 1.0, section 2.4).
pub(super) fn is_logout_token(typ: &str) -> bool {
    let typ = typ.to_ascii_lowercase();
    matches!(typ.strip_prefix("application/").unwrap_or(&typ), "jwt" | "logout+jwt")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_holds_one_bearer_token() {
        assert_eq!(bearer(Some(b"Bearer a.b.c")), Ok("a.b.c"));
        assert_eq!(bearer(Some(b"bearer  a.b.c ")), Ok("a.b.c"));
        assert_eq!(bearer(None), Err(AuthError::Missing));
        let bad: [&[u8]; 8] =
            [b"", b"Bearer", b"Bearer ", b"Basic dTpw", b"a.b.c", b"Bearer a b", b"Bearer a,b", b"Bearer \xff"];
        for header in bad {
            assert_eq!(bearer(Some(header)), Err(AuthError::NotBearer), "{header:?}");
        }
    }

    fn token(header: &str) -> String {
        format!("{}.{}.c2ln", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode("{}"))
    }

    fn error(token: &str) -> AuthError {
        split(token).err().expect("should be refused")
    }

    #[test]
    fn parts_are_taken_apart() {
        let text = token(r#"{"alg":"ES256","kid":"k","typ":"at+JWT","jku":"https://evil.example"}"#);
        let parts = split(&text).unwrap();
        assert_eq!((parts.algorithm, parts.key_id.as_deref()), (algorithm::accepted("ES256").unwrap(), Some("k")));
        assert_eq!((parts.payload.as_slice(), parts.signature), (&b"{}"[..], "c2ln"));
    }

    #[test]
    fn what_is_not_a_signed_jwt_is_refused() {
        for bad in ["", ".", "..", "a", "a.b", "a.b.c.d", ".a.b", "a..b", "%.e30.c2ln", "bm90IGpzb24.e30.c2ln"] {
            assert!(matches!(error(bad), AuthError::Malformed(_)), "{bad}");
        }
        assert!(matches!(error(&token(r#"{"alg":"ES256","alg":"none"}"#)), AuthError::Malformed(_)));
        assert!(matches!(error(&token(r#"{"kid":"k"}"#)), AuthError::Malformed(_)));
        assert!(matches!(error(&token(r#"{"alg":"ES256","crit":["exp"]}"#)), AuthError::Malformed(_)));
        assert!(matches!(error(&token(r#"{"alg":"ES256","enc":"A128GCM"}"#)), AuthError::Malformed(_)));
        assert!(matches!(error(&token(r#"{"alg":"ES256","typ":"logout+jwt"}"#)), AuthError::Malformed(_)));
        assert_eq!(error(&token(r#"{"alg":"none"}"#)), AuthError::Algorithm);
        assert_eq!(error(&token(r#"{"alg":"HS256"}"#)), AuthError::Algorithm);
        let unsigned = token(r#"{"alg":"ES256"}"#).replace("c2ln", "");
        assert_eq!(error(&unsigned), AuthError::Signature);
        assert_eq!(error(&"a".repeat(MAX_TOKEN_BYTES + 1)), AuthError::TooLong);
    }
}
