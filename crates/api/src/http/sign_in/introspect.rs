//! `POST /oauth/introspect` (RFC 7662)

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use concord_signin::error::OauthError;

use super::{answered, client, sign_in};
use crate::http::Server;
use crate::sign_in::{Fault, Inspected};

pub(super) async fn serve(request: HttpRequest, mut payload: Payload, server: Data<Server>) -> HttpResponse {
    answered(&request, inspect(&request, &mut payload, &server).await)
}

async fn inspect(request: &HttpRequest, payload: &mut Payload, server: &Data<Server>) -> Result<Inspected, Fault> {
    let sign_in = sign_in(server)?;
    let (client, form) = client(request, payload, server).await?;
    if client.is_public() {
        // Anybody can say that they are a public client (RFC 7662 section 2.1).
        return Err(
            OauthError::client("a public client cannot prove who it is, so it is told nothing of tokens").into()
        );
    }
    let token = form.one("token")?.ok_or(OauthError::request("the token is missing"))?;
    sign_in.introspect(&client, token).await
}
