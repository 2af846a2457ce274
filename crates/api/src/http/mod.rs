//! How it is said over HTTP. The only code that names actix, besides the start of the server.

pub mod bundle;
mod collection;
mod exchange;
mod fault;
mod negotiate;
mod operation;
mod pace;
pub mod resource;
pub mod search;
pub mod system;
mod trace;

use std::sync::Arc;

use actix_web::guard::{GuardContext, fn_guard};
use actix_web::web::{self, ServiceConfig};

use crate::auth::Verifier;
use crate::describe::capability::Statement;
use crate::interact::Concord;
use crate::telemetry::Metrics;

/// What every request needs.
pub struct Server {
    /// The interactions.
    pub concord: Arc<Concord>,
    /// Who calls.
    pub verifier: Arc<Verifier>,
    /// How often apps may ask.
    pub pace: Pace,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// The CapabilityStatement.
    pub capabilities: Statement,
    /// Where apps get their tokens, as JSON, made once at start; none if that is not known.
    pub smart: Option<String>,
    /// The OpenAPI document, made once at start.
    pub openapi: String,
}

use operation::NAME;
pub use pace::Pace;

pub use trace::traced;

/// An address at which other methods than its routes' are answered with 405.
fn only(path: &str) -> actix_web::Resource {
    web::resource(path).default_service(web::to(system::not_allowed))
}

/// An address of operations: by POST, and by GET those that change nothing.
fn called<F, Args>(path: &str, handler: F) -> actix_web::Resource
where
    F: actix_web::Handler<Args, Output = actix_web::HttpResponse> + Clone,
    Args: actix_web::FromRequest + 'static,
{
    only(path)
        .route(web::get().to(handler.clone()))
        .route(web::head().to(handler.clone()))
        .route(web::post().to(handler))
}

/// The address of one resource.
fn instance() -> actix_web::Resource {
    only("/{type}/{id}")
        .route(web::get().to(resource::read))
        .route(web::head().to(resource::read))
        .route(web::put().to(resource::update))
        .route(web::patch().to(resource::patch))
        .route(web::delete().to(resource::delete))
}

/// The address of the resources of a type.
fn all_of_a_type() -> actix_web::Resource {
    only("/{type}")
        .route(web::get().to(search::search))
        .route(web::head().to(search::search))
        .route(web::post().to(resource::create))
        .route(web::put().to(resource::conditional_update))
        .route(web::patch().to(resource::conditional_patch))
        .route(web::delete().to(resource::conditional_delete))
}

/// Whether a path ends with what can only be a type or an id: `$...` and `_...`, however they are escaped, cannot.
fn plain_end(request: &GuardContext<'_>) -> bool {
    let path = request.head().uri.path();
    let end = path.rsplit_once('/').map_or(path, |(_, end)| end);
    !end.is_empty() && end.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.')
}

/// Every route. The access matrix in `tests/` and the OpenAPI document are checked against this list.
pub fn routes(config: &mut ServiceConfig) {
    config
        .service(
            web::scope("/fhir")
                .service(
                    only("")
                        .route(web::post().to(bundle::batch))
                        .route(web::get().to(search::system))
                        .route(web::head().to(search::system)),
                )
                .service(
                    only("/")
                        .route(web::post().to(bundle::batch))
                        .route(web::get().to(search::system))
                        .route(web::head().to(search::system)),
                )
                .service(
                    only("/metadata").route(web::get().to(system::metadata)).route(web::head().to(system::metadata)),
                )
                .service(
                    only("/.well-known/smart-configuration")
                        .route(web::get().to(system::smart))
                        .route(web::head().to(system::smart)),
                )
                .service(
                    only("/_history")
                        .route(web::get().to(resource::system_history))
                        .route(web::head().to(resource::system_history)),
                )
                .service(only("/_search").route(web::post().to(search::system_by_post)))
                // What is asked for most comes before the addresses that are told from it by a pattern each.
                .service(instance().guard(fn_guard(plain_end)))
                .service(all_of_a_type().guard(fn_guard(plain_end)))
                .service(called(&format!("/{NAME}"), operation::on_system))
                .service(called(&format!("/{{type}}/{NAME}"), operation::on_type))
                .service(called(&format!("/{{type}}/{{id}}/{NAME}"), operation::on_instance))
                .service(only("/{type}/_search").route(web::post().to(search::search_by_post)))
                .service(
                    only("/{type}/_history")
                        .route(web::get().to(resource::type_history))
                        .route(web::head().to(resource::type_history)),
                )
                .service(
                    only("/{type}/{id}/_history/{version}")
                        .route(web::get().to(resource::vread))
                        .route(web::head().to(resource::vread)),
                )
                .service(
                    only("/{type}/{id}/_history")
                        .route(web::get().to(resource::instance_history))
                        .route(web::head().to(resource::instance_history)),
                )
                .service(only("/Patient/{id}/{type}/_search").route(web::post().to(search::compartment_by_post)))
                .service(
                    only("/Patient/{id}/{type}")
                        .route(web::get().to(search::compartment))
                        .route(web::head().to(search::compartment)),
                )
                .service(instance())
                .service(all_of_a_type())
                .default_service(web::to(system::unknown)),
        )
        .service(only("/healthz").route(web::get().to(system::alive)).route(web::head().to(system::alive)))
        .service(only("/readyz").route(web::get().to(system::ready)).route(web::head().to(system::ready)))
        .service(only("/metrics").route(web::get().to(system::metrics)).route(web::head().to(system::metrics)))
        .service(only("/openapi.json").route(web::get().to(system::openapi)).route(web::head().to(system::openapi)))
        .service(web::redirect("/docs", "/docs/"))
        .service(
            utoipa_swagger_ui::SwaggerUi::new("/docs/{_:.*}").config(utoipa_swagger_ui::Config::from("/openapi.json")),
        )
        .default_service(web::to(system::unknown));
}
