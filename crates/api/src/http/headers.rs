//! What the headers of a request say.

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::error::ApiError;

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
