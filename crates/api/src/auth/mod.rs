//! Who is calling: bearer tokens (RFC 6750) that are JWTs (RFC 7519) signed by a configured issuer.
//!
//! This module knows nothing of HTTP responses and of the store. It is the only code that names jsonwebtoken.

mod algorithm;
mod assurance;
mod cis2;
mod claims;
pub mod development;
mod error;
mod identity;
mod key;
mod key_set;
mod key_source;
mod nhs_login;
mod on_behalf;
mod public_web;
mod smart;
mod token;
mod verifier;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod verifier_tests;

pub use assurance::{ProofingLevel, Role};
pub(crate) use assurance::{is_vouched, trust};
pub use error::AuthError;
pub(crate) use identity::login;
pub use identity::{Identity, Person, PersonIdentifier, Verified};
pub use key_source::KeyError;
pub(crate) use key_source::{fetch_json, fetch_keys, post_form};
pub(crate) use on_behalf::{OnBehalf, Person as SignedInElsewhere};
pub(crate) use public_web::fetch_strangers_keys;
pub use token::bearer;
pub use verifier::Verifier;

use aws_lc_rs::digest;

/// A SHA-256 digest.
pub(crate) type Sha256 = [u8; 32];

pub(crate) fn sha256(bytes: &[u8]) -> Sha256 {
    let mut sum = [0; 32];
    for (to, from) in sum.iter_mut().zip(digest::digest(&digest::SHA256, bytes).as_ref()) {
        *to = *from;
    }
    sum
}

/// Whether the text has the form of a logical id (R4 data type `id`).
fn is_logical_id(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.')
}
