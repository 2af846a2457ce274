//! What the headers of a request say, and one that several answers have.

use actix_web::http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, HeaderMap, HeaderName, HeaderValue};

use crate::error::ApiError;

/// Any page may read what everybody may know (SMART App Launch 2.2, "Considerations for CORS support").
pub(super) const FOR_ANY_PAGE: (HeaderName, &str) = (ACCESS_CONTROL_ALLOW_ORIGIN, "*");

/// The header of a name on which it depends why something is asked or what is stored: which of two counts must not be
/// left to whoever stands between.
///
/// # Errors
/// [`ApiError::Malformed`] when there are two.
pub(super) fn once<'h>(headers: &'h HeaderMap, name: &'static str) -> Result<Option<&'h HeaderValue>, ApiError> {
    let mut all = headers.get_all(name);
    match (all.next(), all.next()) {
        (_, Some(_)) => Err(ApiError::parameter(name, "it may be given only once")),
        (header, None) => Ok(header),
    }
}

/// The first header of a name, if it is text.
pub(super) fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
