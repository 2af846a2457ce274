//! What the headers of a request say, and one that several answers have.

use actix_web::http::header::{self, ACCESS_CONTROL_ALLOW_ORIGIN, HeaderMap, HeaderName, HeaderValue};

use crate::error::ApiError;
use crate::interact::provenance::client_provenance;

/// Any page may read what everybody may know (SMART App Launch 2.2, "Considerations for CORS support").
pub(super) const FOR_ANY_PAGE: (HeaderName, &str) = (ACCESS_CONTROL_ALLOW_ORIGIN, "*");

/// A header of requests, by its name as it is looked for and as it is said to people. A name that is looked for by its text is read,
/// and kept in memory of its own, each time.
pub(super) struct Named {
    /// As it is looked for.
    pub(super) name: HeaderName,
    /// As it is said.
    pub(super) said: &'static str,
}

impl Named {
    const fn of(name: HeaderName, said: &'static str) -> Named {
        Named { name, said }
    }
}

/// For what purpose.
pub(super) static PURPOSE: Named = Named::of(HeaderName::from_static("x-purpose-of-use"), "X-Purpose-Of-Use");
/// Why.
pub(super) static REASON: Named = Named::of(HeaderName::from_static("x-purpose-reason"), "X-Purpose-Reason");
/// From where.
pub(super) static X_PROVENANCE: Named = Named::of(HeaderName::from_static("x-provenance"), client_provenance::HEADER);
/// To what content belongs.
pub(super) static SECURITY_CONTEXT: Named =
    Named::of(HeaderName::from_static("x-security-context"), "X-Security-Context");
/// Who is signed in with a system that asks on behalf of others.
pub(super) static ID_TOKEN: Named = Named::of(HeaderName::from_static("nhsd-id-token"), "NHSD-ID-Token");
/// What the body is.
pub(super) static CONTENT_TYPE: Named = Named::of(header::CONTENT_TYPE, "Content-Type");
/// How the body is packed.
pub(super) static CONTENT_ENCODING: Named = Named::of(header::CONTENT_ENCODING, "Content-Encoding");
/// Which version is to be changed.
pub(super) static IF_MATCH: Named = Named::of(header::IF_MATCH, "If-Match");
/// Which version the client has, or that nothing is to be changed.
pub(super) static IF_NONE_MATCH: Named = Named::of(header::IF_NONE_MATCH, "If-None-Match");
/// What is not to be there already (R4 "RESTful API", conditional create).
pub(super) static IF_NONE_EXIST: Named = Named::of(HeaderName::from_static("if-none-exist"), "If-None-Exist");
/// What a client would like of the answer (RFC 7240).
pub(super) static PREFER: HeaderName = HeaderName::from_static("prefer");

/// The header of a name on which it depends why something is asked or what is stored: which of two counts must not be
/// left to whoever stands between.
///
/// # Errors
/// [`ApiError::Malformed`] when there are two.
pub(super) fn once<'h>(headers: &'h HeaderMap, named: &Named) -> Result<Option<&'h HeaderValue>, ApiError> {
    let mut all = headers.get_all(&named.name);
    match (all.next(), all.next()) {
        (_, Some(_)) => Err(ApiError::header(named.said, "may be given only once")),
        (header, None) => Ok(header),
    }
}

/// The first header of a name, if it is text.
pub(super) fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
