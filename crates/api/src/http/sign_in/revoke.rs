//! `POST /oauth/revoke` (RFC 7009)

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use concord_signin::error::OauthError;

use super::{client, refused, sign_in, unkept};
use crate::http::Server;
use crate::sign_in::Fault;

pub(super) async fn serve(request: HttpRequest, mut payload: Payload, server: Data<Server>) -> HttpResponse {
    match revoke(&request, &mut payload, &server).await {
        Ok(()) => unkept(StatusCode::OK).finish(),
        Err(fault) => refused(&request, &fault),
    }
}

async fn revoke(request: &HttpRequest, payload: &mut Payload, server: &Data<Server>) -> Result<(), Fault> {
    let sign_in = sign_in(server)?;
    let (client, form) = client(request, payload, server).await?;
    let token = form.one("token")?.ok_or(OauthError::request("the token is missing"))?;
    sign_in.revoke(&client, token).await
}
