//! Sealing what has to be read again, the signing keys, under a key that is the operator's: AES-256-GCM.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::rand;

/// The operator's key.
pub struct SealingKey(RandomizedNonceKey);

/// A key could not be made, or something was sealed under another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it was sealed under another key, or has been changed")]
pub struct SealError;

impl SealingKey {
    /// A new key in the form that [`SealingKey::parse`] reads.
    ///
    /// # Errors
    /// When the machine gives no random bytes.
    pub fn generate() -> Result<String, SealError> {
        let mut bytes = [0; 32];
        rand::fill(&mut bytes).map_err(|_| SealError)?;
        Ok(crate::base64url(&bytes))
    }

    /// The key in a text: 32 bytes in base64url.
    #[must_use]
    pub fn parse(text: &str) -> Option<SealingKey> {
        let bytes = crate::from_base64url(text.trim()).filter(|bytes| bytes.len() == 32)?;
        RandomizedNonceKey::new(&AES_256_GCM, &bytes).ok().map(SealingKey)
    }

    /// Seals bytes for one use, which `purpose` names.
    ///
    /// # Errors
    /// When the machine gives no random bytes.
    pub fn seal(&self, purpose: &str, bytes: &[u8]) -> Result<String, SealError> {
        let mut sealed = bytes.to_vec();
        let nonce =
            self.0.seal_in_place_append_tag(Aad::from(purpose.as_bytes()), &mut sealed).map_err(|_| SealError)?;
        Ok(crate::base64url(&[nonce.as_ref().as_slice(), &sealed].concat()))
    }

    /// The bytes that were sealed for that use.
    ///
    /// # Errors
    /// When they were sealed under another key or for another use, or have been changed.
    pub fn open(&self, purpose: &str, text: &str) -> Result<Vec<u8>, SealError> {
        let bytes = crate::from_base64url(text).ok_or(SealError)?;
        let (nonce, sealed) = bytes.split_at_checked(NONCE_LEN).ok_or(SealError)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError)?;
        let mut sealed = sealed.to_vec();
        let opened = self.0.open_in_place(nonce, Aad::from(purpose.as_bytes()), &mut sealed).map_err(|_| SealError)?;
        Ok(opened.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_is_opened_by_the_same_key_for_the_same_use_only() {
        let key = || SealingKey::parse(&SealingKey::generate().unwrap()).unwrap();
        let (one, other) = (key(), key());
        let sealed = one.seal("a", b"secret").unwrap();
        assert_eq!(one.open("a", &sealed).unwrap(), b"secret");
        assert_eq!(one.open("b", &sealed), Err(SealError));
        assert_eq!(other.open("a", &sealed), Err(SealError));
        for bad in ["", "AAAA", sealed.split_at(1).1] {
            assert_eq!(one.open("a", bad), Err(SealError));
        }
        assert!(SealingKey::parse("").is_none() && SealingKey::parse("AAAA").is_none());
    }
}
