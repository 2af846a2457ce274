//! `GET /sign-in/logo` and `/sign-in/logo/[client]`: the logos that the settings name.

use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::{Data, Path};

use crate::http::Server;

pub(super) async fn own(server: Data<Server>) -> HttpResponse {
    image(server.sign_in.as_ref().and_then(|sign_in| sign_in.own_logo()))
}

pub(super) async fn of_app(client: Path<String>, server: Data<Server>) -> HttpResponse {
    image(server.sign_in.as_ref().and_then(|sign_in| sign_in.logo_of(&client)))
}

fn image(logo: Option<&[u8]>) -> HttpResponse {
    let Some(logo) = logo else { return HttpResponse::NotFound().finish() };
    HttpResponse::Ok()
        .content_type("image/png")
        .insert_header((header::CACHE_CONTROL, "max-age=3600"))
        .insert_header((header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"))
        .body(logo.to_vec())
}
