//! `POST /oauth/launch`: an app of those who keep the record starts another one for its user.

use actix_web::http::header;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use concord_signin::context;
use concord_signin::error::OauthError;
use serde_json::{Map, Value, json};

use super::{answered, challenged, parameters, sign_in};
use crate::auth::{AuthError, Verified, bearer};
use crate::http::Server;
use crate::http::exchange::request_id;
use crate::sign_in::{Fault, LAUNCH_LASTS_S, Starting};

pub(super) async fn serve(request: HttpRequest, mut payload: Payload, server: Data<Server>) -> HttpResponse {
    let header = request.headers().get(header::AUTHORIZATION).map(|value| value.as_bytes());
    let verified = match (bearer(header), &server.sign_in) {
        (Ok(token), Some(sign_in)) if sign_in.has_issued(token) => sign_in.verify(token).await,
        (Ok(_), _) => Err(AuthError::NotIssued),
        (Err(error), _) => Err(error),
    };
    match verified {
        Ok(verified) => answered(&request, start(&request, &mut payload, &server, &verified).await),
        Err(error) => challenged(error),
    }
}

async fn start(
    request: &HttpRequest,
    payload: &mut Payload,
    server: &Data<Server>,
    verified: &Verified,
) -> Result<Map<String, Value>, Fault> {
    let sign_in = sign_in(server)?;
    let form = parameters(request, payload).await?;
    let starting = Starting {
        client: form.one("client_id")?.ok_or(OauthError::request("the client_id of the app is missing"))?,
        patient: form.one("patient")?.ok_or(OauthError::request("the patient is missing"))?,
        encounter: form.one("encounter")?,
        context: form.one("fhirContext")?.map_or(Ok(Vec::new()), context::read)?,
    };
    let launch = sign_in.start(verified, &starting, &request_id(request)).await?;
    let mut told = Map::new();
    told.insert("launch".to_owned(), json!(launch));
    told.insert("iss".to_owned(), json!(sign_in.audience()));
    told.insert("expires_in".to_owned(), json!(LAUNCH_LASTS_S));
    Ok(told)
}
