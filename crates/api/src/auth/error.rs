//! Why a caller is not believed.

/// Why a caller is not believed, as one sentence for the client's developer. No text holds any part of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// There is no token.
    #[error("a bearer token is required")]
    Missing,
    /// There is an `Authorization` header, but not one bearer token.
    #[error("the Authorization header must be \"Bearer\" and one token")]
    NotBearer,
    /// The token is longer than 16,384 bytes.
    #[error("the token is longer than 16384 bytes")]
    TooLong,
    /// The token is not a signed JWT; the text says what is wrong with it.
    #[error("{0}")]
    Malformed(&'static str),
    /// The token's algorithm is not one that is accepted.
    #[error("the token's algorithm is not one of RS, PS and ES 256 to 512 and EdDSA")]
    Algorithm,
    /// The token's issuer is not configured.
    #[error("the token's issuer is not known here")]
    Issuer,
    /// The issuer has no such key, or none that fits the token's algorithm.
    #[error("the issuer has no key that fits the token's kid and alg")]
    Key,
    /// The signature is wrong.
    #[error("the token's signature is wrong")]
    Signature,
    /// The token is for somebody else.
    #[error("the token is for another audience")]
    Audience,
    /// The token has expired.
    #[error("the token has expired")]
    Expired,
    /// The token is not valid yet.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// A claim is missing or of the wrong form.
    #[error("{0}")]
    Claim(&'static str),
    /// The claims do not say, or say twice, who is calling.
    #[error("{0}")]
    Identity(&'static str),
    /// The token has the form of one that this server gives out, and does not work.
    #[error("the token is not one that works here: it has expired, or what it came of has ended")]
    NotIssued,
    /// The issuer's keys cannot be had at the moment: the server's problem (503), not the caller's.
    #[error("the keys of the token's issuer cannot be fetched at the moment, try again later")]
    KeysUnavailable,
}

impl AuthError {
    /// The value of the `WWW-Authenticate` header of the 401 (RFC 6750 section 3). A request without credentials gets the
    /// plain challenge, as section 3.1 asks.
    #[must_use]
    pub fn www_authenticate(self) -> String {
        match self {
            AuthError::Missing | AuthError::NotBearer => "Bearer realm=\"concord\"".to_owned(),
            other => {
                let text = other.to_string().replace('"', "'");
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
            AuthError::NotIssued => "not-issued",
            AuthError::KeysUnavailable => "keys-unavailable",
        }
    }
}

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
