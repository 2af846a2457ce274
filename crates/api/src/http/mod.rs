//! How it is said over HTTP. The only code that names actix, besides the start of the server.

mod aggregator;
mod answers;
mod body;
mod bundle;
mod caller;
mod capability_page;
mod client_address;
mod collection;
mod connection;
mod content;
mod cors;
mod document_page;
mod error;
mod example;
mod exchange;
mod fhir;
mod framed;
mod front;
mod harness;
mod headers;
pub mod health;
mod hosts;
mod html;
mod kept_forms;
mod lateness;
mod line;
mod maintenance;
mod negotiate;
mod pace;
mod page;
mod portions;
mod prefer;
mod readable;
mod refusal_pace;
mod refusals;
mod reply;
mod response;
mod share;
mod sign_in;
pub mod system;
mod trace;
mod turns;

use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::guard;
use actix_web::web::{self, ServiceConfig};

use crate::auth::Verifier;
use crate::describe::capability::Statement;
use crate::interact::Service;
use crate::sign_in::SignIn;
use crate::telemetry::Metrics;

/// What every request needs.
pub struct Server {
    /// The interactions.
    pub service: Arc<Service>,
    /// Who calls.
    pub verifier: Arc<Verifier>,
    /// This server as an authorization server, if it is one.
    pub sign_in: Option<Arc<SignIn>>,
    /// How often apps may ask.
    pub pace: Pace,
    /// The system that asks on behalf of people who are signed in elsewhere, if there is one.
    pub aggregator: Option<Aggregator>,
    /// Whether the server is being worked on, if there is a file that could say so.
    pub maintenance: Option<Arc<Maintenance>>,
    /// What bodies may take.
    pub bodies: Bodies,
    /// What answers may take.
    pub answers: Answers,
    /// How fast one caller is refused.
    pub refusal_pace: RefusalPace,
    /// What is told of calls without a believable token.
    pub refusals: Arc<Refusals>,
    /// Whose word is believed for who calls.
    pub proxies: TrustedProxies,
    /// How far this machine's clock may be from the database's.
    pub clock_limit: Duration,
    /// Whether it can answer, for the page that says so.
    pub can_answer: CanAnswer,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// The CapabilityStatement.
    pub capabilities: Statement,
    /// It in the forms in which it has been asked for.
    pub forms: KeptForms,
    /// Where apps get their tokens, as JSON, made once at start; none if that is not known.
    pub smart: Option<String>,
}

pub use aggregator::Aggregator;
pub use answers::Answers;
pub use body::Bodies;
pub use client_address::TrustedProxies;
pub use connection::{Manners, mannered, opened};
pub use cors::cors;
pub use front::CanAnswer;
pub use harness::{Begin, Harness};
pub use health::Health;
pub use hosts::{Hosts, named_so};
pub use kept_forms::KeptForms;
pub use lateness::watch_lateness;
pub use maintenance::Maintenance;
pub use pace::Pace;
pub use portions::Portions;
pub use readable::{readable, unpackable};
pub use refusal_pace::RefusalPace;
pub use refusals::Refusals;

pub use trace::traced;

/// An address that is read, at which other methods are answered with 405.
fn only(path: &str) -> actix_web::Resource {
    only_by(path, "GET, HEAD")
}

/// What is read: HEAD is answered as GET is, without the body.
fn read() -> actix_web::Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

/// An address that has these methods, at which others are answered with 405, and OPTIONS with which it has.
fn only_by(path: &str, allow: &'static str) -> actix_web::Resource {
    let others = move |request: HttpRequest| std::future::ready(system::not_allowed(&request, allow));
    web::resource(path).default_service(web::to(others))
}

/// Every route. What is below the base is told apart by `interact::command`, against which the OpenAPI document is checked.
pub fn routes(config: &mut ServiceConfig, sign_in: Option<&SignIn>, ephemeral: bool) {
    if ephemeral {
        harness::routes(config);
    }
    if let Some(sign_in) = sign_in {
        sign_in::routes(config, sign_in.has_provider());
        if sign_in.is_for_development() {
            example::routes(config);
        }
    }
    config
        .service(
            web::scope("/fhir")
                .service(
                    only("/metadata").route(web::get().to(system::metadata)).route(web::head().to(system::metadata)),
                )
                .service(
                    only("/.well-known/smart-configuration")
                        .route(web::get().to(system::smart))
                        .route(web::head().to(system::smart)),
                )
                // All else is told apart by `interact::command`, for requests and entries of Bundles alike.
                .default_service(web::to(fhir::serve)),
        )
        .configure(health::routes)
        .service(only("/openapi.json").route(web::get().to(system::openapi)).route(web::head().to(system::openapi)))
        .service(only("/").route(web::get().to(front::page)).route(web::head().to(front::page)))
        .service(only(page::STYLE).route(web::get().to(page::style)).route(web::head().to(page::style)))
        .service(web::redirect("/docs", "/docs/"))
        .service(only("/docs/{_:.*}").guard(guard::Not(guard::Get())).route(web::head().to(system::documentation_head)))
        .service(
            utoipa_swagger_ui::SwaggerUi::new("/docs/{_:.*}").config(utoipa_swagger_ui::Config::from("/openapi.json")),
        )
        .default_service(web::to(system::unknown));
}
