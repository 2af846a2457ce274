//! `GET` and `POST /oauth/userinfo` (OpenID Connect Core section 5.3)

use actix_web::http::{StatusCode, header};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use concord_signin::error::ErrorCode;

use super::{answered, challenged, sign_in, unkept};
use crate::auth::{AuthError, bearer};
use crate::http::Server;
use crate::sign_in::{Fault, Inspected};

pub(super) async fn serve(request: HttpRequest, server: Data<Server>) -> HttpResponse {
    let header = request.headers().get(header::AUTHORIZATION).map(|value| value.as_bytes());
    let token = match bearer(header) {
        Ok(token) => token,
        Err(error) => return challenged(error),
    };
    match inspected(token, &server).await {
        Ok(Some(told)) => answered(&request, Ok(told)),
        Ok(None) => challenged(AuthError::NotIssued),
        // RFC 6750 section 3.1
        Err(Fault::Refused(error)) if error.code == ErrorCode::InvalidScope => unkept(StatusCode::FORBIDDEN)
            .insert_header((
                header::WWW_AUTHENTICATE,
                "Bearer realm=\"concord\", error=\"insufficient_scope\", scope=\"openid\"",
            ))
            .finish(),
        Err(fault) => answered(&request, Err(fault)),
    }
}

async fn inspected(token: &str, server: &Data<Server>) -> Result<Option<Inspected>, Fault> {
    sign_in(server)?.userinfo(token).await
}
