//! The signature algorithms that are accepted (RFC 7518 section 3.1, RFC 8037), and nothing else: never `none`, never a
//! shared secret.

/// An accepted algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    /// One that jsonwebtoken has.
    Common(jsonwebtoken::Algorithm),
    /// ECDSA on P-521 with SHA-512, which jsonwebtoken 11 does not have.
    Es512,
}

/// The accepted algorithm of that name, compared exactly.
pub(super) fn accepted(name: &str) -> Option<Algorithm> {
    use jsonwebtoken::Algorithm as Common;
    Some(Algorithm::Common(match name {
        "ES512" => return Some(Algorithm::Es512),
        "RS256" => Common::RS256,
        "RS384" => Common::RS384,
        "RS512" => Common::RS512,
        "PS256" => Common::PS256,
        "PS384" => Common::PS384,
        "PS512" => Common::PS512,
        "ES256" => Common::ES256,
        "ES384" => Common::ES384,
        "EdDSA" => Common::EdDSA,
        _ => return None,
    }))
}

/// What a key without an `alg` of its own may be used for, by its type and curve.
pub(super) fn of_key(kind: &str, curve: Option<&str>) -> Vec<Algorithm> {
    let names: &[&str] = match (kind, curve) {
        ("RSA", None) => &["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"],
        ("EC", Some("P-256")) => &["ES256"],
        ("EC", Some("P-384")) => &["ES384"],
        ("EC", Some("P-521")) => &["ES512"],
        ("OKP", Some("Ed25519")) => &["EdDSA"],
        _ => &[],
    };
    names.iter().filter_map(|name| accepted(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_asymmetric_signatures_are_accepted() {
        for name in ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"] {
            assert!(accepted(name).is_some(), "{name}");
        }
        for name in ["none", "None", "NONE", "", "HS256", "HS384", "HS512", "rs256", "RS1", "ES256K", "RSA-OAEP"] {
            assert!(accepted(name).is_none(), "{name}");
        }
    }
}
