//! `GET /.well-known/openid-configuration` and `/.well-known/jwks.json`, for pages of any origin.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::{refused, sign_in};
use crate::describe::sign_in as described;
use crate::http::Server;
use crate::http::headers::FOR_ANY_PAGE;
use crate::sign_in::Fault;

pub(super) async fn openid(request: HttpRequest, server: Data<Server>) -> HttpResponse {
    match sign_in(&server) {
        Ok(sign_in) => document(described::openid(&sign_in.issuer, sign_in.lets_register())),
        Err(fault) => refused(&request, &fault),
    }
}

pub(super) async fn jwks(request: HttpRequest, server: Data<Server>) -> HttpResponse {
    match keys(&server).await {
        Ok(keys) => document(keys),
        Err(fault) => refused(&request, &fault),
    }
}

async fn keys(server: &Data<Server>) -> Result<String, Fault> {
    sign_in(server)?.jwks().await
}

fn document(text: String) -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").insert_header(FOR_ANY_PAGE).body(text)
}
