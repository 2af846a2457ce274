//! The example app: a page and its script, as any app has them at a place of its own. They are here only where everybody may be
//! anybody, and know nothing of this server that another app could not know.

use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::{self, ServiceConfig};

use super::only;

/// Where it is, below `public_url`; where the sign-in sends back to.
pub(super) const PLACE: &str = "/example/";

/// The page runs its own script, loads its own files, calls this server, and does nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
    form-action 'none'; frame-ancestors 'none'; base-uri 'none'";

/// Its files, below its place.
const FILES: [(&str, &str, &str); 3] = [
    ("/example/", "text/html; charset=utf-8", include_str!("example/index.html")),
    ("/example/app.js", "text/javascript; charset=utf-8", include_str!("example/app.js")),
    ("/example/app.css", "text/css; charset=utf-8", include_str!("example/app.css")),
];

/// The addresses of it.
pub(super) fn routes(config: &mut ServiceConfig) {
    for (place, media, content) in FILES {
        let file = move || std::future::ready(served(media, content));
        config.service(only(place).route(web::get().to(file)).route(web::head().to(file)));
    }
    config.service(web::redirect("/example", PLACE));
}

fn served(media: &'static str, content: &'static str) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(media)
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((header::X_FRAME_OPTIONS, "DENY"))
        .insert_header((header::REFERRER_POLICY, "same-origin"))
        .body(content)
}
