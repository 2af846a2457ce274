//! From where the pages of others may call, and what they may send and read (CORS, Fetch section 3.2). Why one may not is said in
//! `readable`.

use std::sync::Arc;

use actix_cors::Cors;
use actix_web::web::Data;

use super::{Harness, Server};
use crate::sign_in::SignIn;

/// Browsers may call from the configured origins, from those of registered clients, and from no others.
pub fn cors(origins: &[String], server: Data<Server>, harness: Option<Data<Harness>>) -> Cors {
    let mut cors = Cors::default()
        .allowed_methods(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
        .allowed_headers([
            "accept",
            "authorization",
            "content-type",
            "if-match",
            "if-modified-since",
            "if-none-exist",
            "if-none-match",
            "prefer",
            "range",
            "x-correlation-id",
            "x-provenance",
            "x-purpose-of-use",
            "x-purpose-reason",
            "x-request-id",
            "x-security-context",
        ])
        .expose_headers([
            "accept-ranges",
            "content-location",
            "content-range",
            "etag",
            "last-modified",
            "link",
            "location",
            "retry-after",
            "warning",
            "x-correlation-id",
            "x-request-id",
        ])
        .max_age(3600);
    if server.sign_in.is_some() {
        cors = cors.allowed_origin_fn(move |origin, _| {
            // A server that was put back has other clients.
            let now = harness.as_ref().map_or_else(|| server.clone(), |harness| harness.current());
            let known = |sign_in: &Arc<SignIn>| origin.to_str().is_ok_and(|origin| sign_in.knows_origin(origin));
            now.sign_in.as_ref().is_some_and(known)
        });
    }
    for origin in origins {
        cors = if origin == "*" { cors.allow_any_origin() } else { cors.allowed_origin(origin) };
    }
    cors
}
