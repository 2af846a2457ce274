//! Why a caller is not believed.

use std::fmt;

/// Why a caller is not believed. No text holds any part of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthError {
    /// There is no token.
    Missing,
    /// There is an `Authorization` header, but not one bearer token.
    NotBearer,
    /// The token is longer than 16,384 bytes.
    TooLong,
    /// The token is not a signed JWT; the text says what is wrong with it.
    Malformed(&'static str),
    /// The token's algorithm is not one that is accepted.
    Algorithm,
    /// The token's issuer is not configured.
    Issuer,
    /// The issuer has no such key, or none that fits the token's algorithm.
    Key,
    /// The signature is wrong.
    Signature,
    /// The token is for somebody else.
    Audience,
    /// The token has expired.
    Expired,
    /// The token is not valid yet.
    NotYetValid,
    /// A claim is missing or of the wrong form.
    Claim(&'static str),
    /// The claims do not say, or say twice, who is calling.
    Identity(&'static str),
    /// The issuer's keys cannot be had at the moment: the server's problem (503), not the caller's.
    KeysUnavailable,
}

impl AuthError {
    /// One sentence for the client's developer.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            AuthError::Missing => "a bearer token is required",
            AuthError::NotBearer => "the Authorization header must be \"Bearer\" and one token",
            AuthError::TooLong => "the token is longer than 16384 bytes",
            AuthError::Malformed(text) | AuthError::Claim(text) | AuthError::Identity(text) => text,
            AuthError::Algorithm => "the token's algorithm is not one of RS, PS and ES 256 to 512 and EdDSA",
            AuthError::Issuer => "the token's issuer is not known here",
            AuthError::Key => "the issuer has no key that fits the token's kid and alg",
            AuthError::Signature => "the token's signature is wrong",
            AuthError::Audience => "the token is for another audience",
            AuthError::Expired => "the token has expired",
            AuthError::NotYetValid => "the token is not valid yet",
            AuthError::KeysUnavailable => {
                "the keys of the token's issuer cannot be fetched at the moment, try again later"
            }
        }
    }

    /// The value of the `WWW-Authenticate` header of the 401 (RFC 6750 section 3). A request without credentials gets the
    /// plain challenge, as section 3.1 asks.
    #[must_use]
    pub fn www_authenticate(self) -> String {
        match self {
            AuthError::Missing | AuthError::NotBearer => "Bearer realm=\"concord\"".to_owned(),
            other => {
                let text = other.text().replace('"', "'");
                format!("Bearer realm=\"concord\", error=\"invalid_token\", error_description=\"{text}\"")
            }
        }
    }

    /// Whether the server rather than the token is the problem: answer 503 with Retry-After instead of 401.
    #[must_use]
    pub fn is_temporary(self) -> bool {
        self == AuthError::KeysUnavailable
    }

    /// A short stable name, for logs and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            AuthError::Missing => "missing",
            AuthError::NotBearer => "not-bearer",
            AuthError::TooLong => "too-long",
            AuthError::Malformed(_) => "malformed",
            AuthError::Algorithm => "algorithm",
            AuthError::Issuer => "issuer",
            AuthError::Key => "key",
            AuthError::Signature => "signature",
            AuthError::Audience => "audience",
            AuthError::Expired => "expired",
            AuthError::NotYetValid => "not-yet-valid",
            AuthError::Claim(_) => "claim",
            AuthError::Identity(_) => "identity",
            AuthError::KeysUnavailable => "keys-unavailable",
        }
    }
}

impl fmt::Display for AuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl std::error::Error for AuthError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_challenge_follows_rfc_6750() {
        assert_eq!(AuthError::Missing.www_authenticate(), "Bearer realm=\"concord\"");
        assert_eq!(
            AuthError::Expired.www_authenticate(),
            "Bearer realm=\"concord\", error=\"invalid_token\", error_description=\"the token has expired\""
        );
        let quoted = AuthError::Claim("a \"b\"").www_authenticate();
        assert!(quoted.ends_with("error_description=\"a 'b'\""), "{quoted}");
    }

    #[test]
    fn only_missing_keys_are_the_servers_problem() {
        assert!(AuthError::KeysUnavailable.is_temporary());
        assert!(!AuthError::Signature.is_temporary());
    }
}
