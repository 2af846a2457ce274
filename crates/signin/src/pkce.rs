//! Proof Key for Code Exchange (RFC 7636), with `S256` and nothing else.

use aws_lc_rs::digest;

use crate::secret;

/// Whether a challenge has the form of one: 32 bytes in base64url.
#[must_use]
pub fn is_challenge(text: &str) -> bool {
    crate::from_base64url(text).is_some_and(|bytes| bytes.len() == 32)
}

/// Whether a verifier has the form of one (RFC 7636 section 4.1).
#[must_use]
pub fn is_verifier(text: &str) -> bool {
    (43..=128).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~'))
}

/// The challenge that is made of a verifier.
#[must_use]
pub fn challenge(verifier: &str) -> String {
    crate::base64url(digest::digest(&digest::SHA256, verifier.as_bytes()).as_ref())
}

/// Whether the verifier is the one that the challenge was made of.
#[must_use]
pub fn proves(verifier: &str, challenge: &str) -> bool {
    is_verifier(verifier) && secret::same(&self::challenge(verifier), challenge)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_rfc_proves_itself() {
        let (verifier, challenge) =
            ("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
        assert!(is_challenge(challenge) && proves(verifier, challenge));
        assert!(!proves(challenge, challenge), "the challenge itself is what `plain` would take");
        for bad in ["", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXl", "short"] {
            assert!(!proves(bad, challenge), "{bad}");
        }
        assert!(!is_challenge("abc") && !is_verifier(&"a".repeat(129)) && !is_verifier(&"é".repeat(43)));
    }
}
