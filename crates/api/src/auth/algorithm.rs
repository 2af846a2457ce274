//! The signature algorithms that are accepted (RFC 7518 section 3.1, RFC 8037), and nothing else: never `none`, never a
//! shared secret. ES512 is left out because jsonwebtoken 11 does not have it.

use jsonwebtoken::Algorithm;

/// The accepted algorithm of that name, compared exactly.
pub(super) fn accepted(name: &str) -> Option<Algorithm> {
    Some(match name {
        "RS256" => Algorithm::RS256,
        "RS384" => Algorithm::RS384,
        "RS512" => Algorithm::RS512,
        "PS256" => Algorithm::PS256,
        "PS384" => Algorithm::PS384,
        "PS512" => Algorithm::PS512,
        "ES256" => Algorithm::ES256,
        "ES384" => Algorithm::ES384,
        "EdDSA" => Algorithm::EdDSA,
        _ => return None,
    })
}

/// What an RSA key without an `alg` of its own may be used for.
pub(super) const RSA: &[Algorithm] =
    &[Algorithm::RS256, Algorithm::RS384, Algorithm::RS512, Algorithm::PS256, Algorithm::PS384, Algorithm::PS512];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_asymmetric_signatures_are_accepted() {
        for name in ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"] {
            assert!(accepted(name).is_some(), "{name}");
        }
        for name in
            ["none", "None", "NONE", "", "HS256", "HS384", "HS512", "rs256", "RS1", "ES256K", "ES512", "RSA-OAEP"]
        {
            assert!(accepted(name).is_none(), "{name}");
        }
    }
}
