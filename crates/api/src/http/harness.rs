//! What a server has besides that is there for tests and gone after them (`concord serve --ephemeral`): everything put back as
//! it was, the clock moved, a token for anybody. No other server has these addresses.

use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, PoisonError, RwLock};

use actix_web::dev::{Extensions, ServiceRequest};
use actix_web::http::StatusCode;
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use chrono::DateTime;
use concord_fhir::issue::{Issue, IssueCode};
use tokio::sync::Mutex;

use super::Server;
use super::exchange::request_id;
use super::negotiate::Answer;
use crate::auth::development::{DevelopmentIssuer, TokenRequest, usual_scope};
use crate::clock::Clock;
use crate::error::ApiError;
use crate::interact::command::query_parameters;
use crate::interact::{Pairs, instant};

/// How long a token works where nothing else is asked, in seconds.
const HOUR_S: i64 = 3600;

/// The furthest that a clock is moved, in seconds: a hundred years.
const FURTHEST_S: i64 = 100 * 366 * 86_400;

/// What makes the server anew, as it was when it began.
pub type Begin = Box<dyn Fn() -> Pin<Box<dyn Future<Output = Result<Data<Server>, String>>>> + Send + Sync>;

/// A server that can be put back.
pub struct Harness {
    current: RwLock<Data<Server>>,
    begin: Begin,
    /// Held by whoever puts it back.
    resetting: Mutex<()>,
    clock: Clock,
    begun_ms: i64,
    issuer: DevelopmentIssuer,
}

impl Harness {
    /// The server as it begins, with what makes it anew.
    ///
    /// # Errors
    /// One line, when it cannot begin.
    pub async fn new(begin: Begin, clock: Clock, issuer: DevelopmentIssuer) -> Result<Arc<Harness>, String> {
        let first = begin().await?;
        let begun_ms = clock.now_ms();
        let (current, resetting) = (RwLock::new(first), Mutex::default());
        Ok(Arc::new(Harness { current, begin, resetting, clock, begun_ms, issuer }))
    }

    /// The server as it is now.
    pub fn current(&self) -> Data<Server> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Lets a request be answered by the server as it is now.
    pub(super) fn give(&self, request: &mut ServiceRequest) {
        let mut data = Extensions::new();
        data.insert(self.current());
        request.add_data_container(Rc::new(data));
    }

    /// Puts everything back as it was. What is being answered is answered by what was there.
    async fn reset(&self) -> Result<(), ApiError> {
        let _alone = self.resetting.lock().await;
        self.clock.set_ms(self.begun_ms);
        let new = (self.begin)().await.map_err(ApiError::Internal)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }

    /// Moves the clock to a time, or on by so many seconds.
    fn move_clock(&self, asked: &Pairs) -> Result<(), ApiError> {
        if matches!(self.clock, Clock::System) {
            let text = "the clock is the machine's: start the server with --at INSTANT to have one that can be moved";
            return Err(ApiError::Malformed(vec![Issue::plain(IssueCode::NotSupported, text)]));
        }
        let to_ms = match asked.as_slice() {
            [(name, text)] if name == "to" => DateTime::parse_from_rfc3339(text)
                .map_err(|_| ApiError::parameter("to", "a time such as 2026-03-01T09:30:00Z"))?
                .timestamp_millis(),
            [(name, text)] if name == "by" => {
                let seconds = text.parse().ok().filter(|seconds: &i64| seconds.abs() <= FURTHEST_S);
                let seconds = seconds.ok_or_else(|| ApiError::parameter("by", "a whole number of seconds"))?;
                self.clock.now_ms() + seconds * 1000
            }
            _ => return Err(ApiError::parameter("to", "say where the clock goes: ?to=INSTANT, or ?by=SECONDS")),
        };
        self.clock.set_ms(to_ms);
        Ok(())
    }

    /// A token for whoever is named.
    fn token(&self, asked: Pairs) -> Result<String, ApiError> {
        let (mut request, mut system) = (TokenRequest { lifetime_s: HOUR_S, ..TokenRequest::default() }, false);
        "concord-cli".clone_into(&mut request.client_id);
        let mut scope = None;
        for (name, value) in asked {
            match name.as_str() {
                "patient" => request.patient = Some(value),
                "fhir-user" => request.fhir_user = Some(value),
                "system" => system = value == "true",
                "scope" => scope = Some(value),
                "client-id" => request.client_id = value,
                "proofing" => request.proofing = Some(value),
                "purpose" => request.purposes.push(value),
                "role" => request.roles.push(value),
                "expires-in" => {
                    let seconds = value.parse().ok().filter(|seconds| (1..=366 * 86_400).contains(seconds));
                    let text = "a whole number of seconds, at most a year's";
                    request.lifetime_s = seconds.ok_or_else(|| ApiError::parameter("expires-in", text))?;
                }
                other => return Err(ApiError::parameter(other, TOKEN_PARAMETERS)),
            }
        }
        if system == (request.patient.is_some() || request.fhir_user.is_some()) {
            return Err(ApiError::parameter("patient", "say whom the token is for: patient, fhir-user or system=true"));
        }
        let usual = || usual_scope(request.fhir_user.as_deref(), system).to_owned();
        request.scope = scope.unwrap_or_else(usual);
        self.issuer.mint(&request, self.clock.now_s()).map_err(|error| ApiError::parameter("patient", error))
    }
}

const TOKEN_PARAMETERS: &str = "there is no such parameter; there are patient, fhir-user, system, scope, client-id, proofing, \
                                purpose, role and expires-in";

/// The addresses, if the server has them.
pub(super) fn routes(config: &mut ServiceConfig) {
    config
        .service(super::only_by("/fhir/$reset", "POST").route(web::post().to(reset)))
        .service(
            super::only_by("/fhir/$clock", "GET, POST")
                .route(web::get().to(tell_clock))
                .route(web::post().to(move_clock)),
        )
        .service(super::only_by("/fhir/$token", "POST").route(web::post().to(token)));
}

async fn reset(request: HttpRequest, harness: Data<Harness>) -> HttpResponse {
    match harness.reset().await {
        Ok(()) => HttpResponse::NoContent().finish(),
        Err(fault) => refused(&request, &fault),
    }
}

async fn tell_clock(harness: Data<Harness>) -> HttpResponse {
    plain(instant(harness.clock.now_ms()))
}

async fn move_clock(request: HttpRequest, form: web::Bytes, harness: Data<Harness>) -> HttpResponse {
    let moved = asked(&request, &form).and_then(|asked| harness.move_clock(&asked));
    match moved {
        Ok(()) => plain(instant(harness.clock.now_ms())),
        Err(fault) => refused(&request, &fault),
    }
}

async fn token(request: HttpRequest, form: web::Bytes, harness: Data<Harness>) -> HttpResponse {
    match asked(&request, &form).and_then(|asked| harness.token(asked)) {
        Ok(token) => plain(token),
        Err(fault) => refused(&request, &fault),
    }
}

fn asked(request: &HttpRequest, form: &web::Bytes) -> Result<Pairs, ApiError> {
    query_parameters(request.query_string().as_bytes(), form)
}

fn plain(text: String) -> HttpResponse {
    HttpResponse::build(StatusCode::OK).content_type("text/plain; charset=utf-8").body(text + "\n")
}

fn refused(request: &HttpRequest, fault: &ApiError) -> HttpResponse {
    super::error::response(fault, &Answer::default(), &request_id(request))
}
