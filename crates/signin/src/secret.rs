//! What is given out and has to be kept secret: random, with a prefix by which scanners find it in places where it should
//! not be, and stored as its SHA-256 only.

use aws_lc_rs::{constant_time, digest, rand};

/// What a secret is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An access token.
    Access,
    /// A refresh token.
    Refresh,
    /// An authorization code.
    Code,
    /// The secret of a client.
    Client,
    /// What a browser keeps of a session.
    Session,
    /// What a browser keeps of somebody who has come without having been asked: no session.
    Arrival,
    /// What tells an app that it has been started from another one.
    Launch,
    /// What a browser keeps before anybody has signed in.
    Visit,
    /// What brings back somebody of whom another service has said who they are, without having asked them.
    Asserted,
    /// What lets somebody register one client.
    Invitation,
    /// What lets a client that has registered itself change that.
    Management,
}

impl Kind {
    /// What such a secret begins with.
    #[must_use]
    pub fn prefix(self) -> &'static str {
        match self {
            Kind::Access => "concord_at_",
            Kind::Refresh => "concord_rt_",
            Kind::Code => "concord_ac_",
            Kind::Client => "concord_cs_",
            Kind::Session => "concord_se_",
            Kind::Arrival => "concord_ar_",
            Kind::Launch => "concord_la_",
            Kind::Visit => "concord_vi_",
            Kind::Asserted => "concord_as_",
            Kind::Invitation => "concord_in_",
            Kind::Management => "concord_rm_",
        }
    }

    /// Whether a text has the form of such a secret.
    #[must_use]
    pub fn is_form_of(self, text: &str) -> bool {
        text.strip_prefix(self.prefix()).is_some_and(|rest| {
            rest.len() == LENGTH
                && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        })
    }
}

/// The characters of the random part: 32 bytes in base64url.
const LENGTH: usize = 43;

/// There is no randomness to be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the machine gives no random bytes")]
pub struct NoRandomness;

/// A new secret: 256 random bits after the prefix.
///
/// # Errors
/// When the machine gives no random bytes.
pub fn fresh(kind: Kind) -> Result<String, NoRandomness> {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(format!("{}{}", kind.prefix(), crate::base64url(&bytes)))
}

/// How a secret is stored: its SHA-256 in hexadecimal. It has 256 random bits, so that nobody finds it by trying.
#[must_use]
pub fn hash(secret: &str) -> String {
    hex(digest::digest(&digest::SHA256, secret.as_bytes()).as_ref())
}

/// A text that only whoever has the secret can tell, for another use than the secret itself.
#[must_use]
pub fn derived(secret: &str, purpose: &str) -> String {
    hash(&format!("{purpose}\n{secret}"))
}

/// Whether two texts are the same, in a time that does not tell where they differ.
#[must_use]
pub fn same(one: &str, other: &str) -> bool {
    constant_time::verify_slices_are_equal(one.as_bytes(), other.as_bytes()).is_ok()
}

fn hex(bytes: &[u8]) -> String {
    let digit = |of: u8| char::from(if of < 10 { b'0' + of } else { b'a' + (of - 10) });
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_has_its_form_and_no_other() {
        let kinds = [
            Kind::Access,
            Kind::Refresh,
            Kind::Code,
            Kind::Client,
            Kind::Session,
            Kind::Arrival,
            Kind::Launch,
            Kind::Visit,
            Kind::Asserted,
            Kind::Invitation,
            Kind::Management,
        ];
        for kind in kinds {
            let secret = fresh(kind).unwrap();
            for other in kinds {
                assert_eq!(other.is_form_of(&secret), other == kind, "{other:?}");
            }
            assert_ne!(fresh(kind).unwrap(), secret);
            assert!(!kind.is_form_of(&format!("{secret}a")) && !kind.is_form_of(kind.prefix()));
        }
        assert!(!Kind::Access.is_form_of(&format!("concord_at_{}", ".".repeat(LENGTH))));
    }

    #[test]
    fn the_hash_is_sha_256() {
        assert_eq!(hash("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_ne!(derived("abc", "form"), hash("abc"));
        assert!(same("abc", "abc") && !same("abc", "abd") && !same("abc", "ab"));
    }
}
