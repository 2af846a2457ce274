//! `POST /oauth/token`

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use concord_signin::resource;
use concord_signin::token::TokenRequest;

use super::{answered, client, sign_in};
use crate::http::Server;
use crate::sign_in::{Fault, Issued};

pub(super) async fn serve(request: HttpRequest, mut payload: Payload, server: Data<Server>) -> HttpResponse {
    answered(&request, issue(&request, &mut payload, &server).await)
}

async fn issue(request: &HttpRequest, payload: &mut Payload, server: &Data<Server>) -> Result<Issued, Fault> {
    let sign_in = sign_in(server)?;
    let (client, form) = client(request, payload, server).await?;
    resource::check(&form, sign_in.audience())?;
    sign_in.exchange(client, TokenRequest::read(&form)?).await
}
