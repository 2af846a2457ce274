//! The protocol of sign-in (OAuth 2.0, OpenID Connect Core, SMART App Launch 2.2) as data: what a request says, whether it
//! may be believed, what is granted, and how what is given out looks.
//!
//! Nothing here knows a network, a clock, a database or HTTP responses: times and what is stored are arguments.

pub mod assertion;
pub mod authentication;
pub mod authorize;
pub mod client;
pub mod context;
pub mod error;
pub mod form;
pub mod id_token;
pub mod jwk;
pub mod kinds;
pub mod logout;
pub mod name;
pub mod pkce;
pub mod registrar;
pub mod registration;
pub mod relying;
pub mod resource;
pub mod scope;
pub mod seal;
pub mod secret;
pub mod statement;
pub mod token;

#[cfg(test)]
mod testing;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// base64url without padding (RFC 7515 section 2).
pub(crate) fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The bytes of base64url without padding.
pub(crate) fn from_base64url(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}
