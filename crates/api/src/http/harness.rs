//! What a server has besides that is there for tests and gone after them (`concord serve --ephemeral`): everything put back as
//! it was, the clock moved, a token for anybody. No other server has these addresses.

mod arriving;
mod token;

use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, PoisonError, RwLock};

use actix_web::dev::{Extensions, Payload, ServiceRequest};
use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpMessage, HttpRequest, HttpResponse};
use concord_fhir::issue::{Issue, IssueCode};

use super::exchange::request_id;
use super::negotiate::Answer;
use super::{Server, health};
use crate::auth::development::DevelopmentIssuer;
use crate::clock::{self, Clock};
use crate::error::ApiError;
use crate::interact::command::query_parameters;
use crate::interact::{Pairs, instant, media_type};
use arriving::{Arriving, Door, Inside};

/// What makes the server anew, as it was when it began.
pub type Begin = Box<dyn Fn() -> Pin<Box<dyn Future<Output = Result<Data<Server>, String>>>> + Send + Sync>;

/// A server that can be put back.
pub struct Harness {
    current: RwLock<Data<Server>>,
    begin: Begin,
    /// Shared by all that is being answered, and had alone by whoever puts the server back: what comes meanwhile waits for it.
    door: Door,
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
        let (current, door) = (RwLock::new(first), Arc::default());
        Ok(Arc::new(Harness { current, begin, door, clock, begun_ms, issuer }))
    }

    /// The server as it is now.
    pub fn current(&self) -> Data<Server> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Lets a request be answered by the server as it is, once nobody is putting it back. Operators' questions wait for
    /// nobody, and nobody waits for a request whose body is still to come.
    pub(super) async fn let_in(&self, request: &mut ServiceRequest) {
        if !health::is_here(request.path()) {
            let begun = match request.take_payload() {
                Payload::None => None,
                payload => Some(Arriving::begin(payload).await),
            };
            let inside = Inside::enter(&self.door).await;
            if let Some(begun) = begun {
                request.set_payload(begun.inside(inside.clone()));
            }
            request.extensions_mut().insert(inside);
        }
        let mut data = Extensions::new();
        data.insert(self.current());
        request.add_data_container(Rc::new(data));
    }

    /// A request has been answered, or is no longer of those that are waited for.
    pub(super) fn let_out(request: &HttpRequest) {
        if let Some(inside) = request.extensions_mut().remove::<Inside>() {
            inside.leave();
        }
    }

    /// Puts everything back as it was, when what is being answered has been.
    async fn reset(&self) -> Result<(), ApiError> {
        let mut times = self.door.write().await;
        self.clock.set_ms(self.begun_ms);
        let new = (self.begin)().await.map_err(ApiError::Internal)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = new;
        *times += 1;
        Ok(())
    }

    /// Moves the clock to a time, or on by so many seconds.
    fn move_clock(&self, asked: &Pairs) -> Result<(), ApiError> {
        if matches!(self.clock, Clock::System) {
            let text = "the clock is the machine's: start the server with --at INSTANT to have one that can be moved";
            return Err(ApiError::Malformed(vec![Issue::plain(IssueCode::NotSupported, text)]));
        }
        let to_ms = match asked.as_slice() {
            [(name, text)] if name == "to" => {
                clock::settable_text(text).ok_or_else(|| ApiError::parameter("to", clock::NOT_SETTABLE))?
            }
            [(name, text)] if name == "by" => {
                let by_ms = text.parse().ok().and_then(|seconds: i64| seconds.checked_mul(1000));
                let to_ms = by_ms.and_then(|by_ms| self.clock.now_ms().checked_add(by_ms)).and_then(clock::settable);
                let expected = || format!("a whole number of seconds that leads to {}", clock::NOT_SETTABLE);
                to_ms.ok_or_else(|| ApiError::parameter("by", expected()))?
            }
            [] => return Err(ApiError::parameter("to", SAY_WHERE)),
            [(name, _), ..] => return Err(ApiError::parameter(name, SAY_WHERE)),
        };
        self.clock.set_ms(to_ms);
        Ok(())
    }

    /// A token for whoever is named.
    fn token(&self, asked: Pairs) -> Result<String, ApiError> {
        self.issuer
            .mint(&token::read(asked)?, self.clock.now_s())
            .map_err(|error| ApiError::Internal(error.to_string()))
    }
}

/// What is said to who does not say where the clock goes, and no more.
const SAY_WHERE: &str = "say where the clock goes and nothing else: ?to=INSTANT, or ?by=SECONDS";

/// The addresses, if the server has them.
pub(super) fn routes(config: &mut ServiceConfig) {
    config
        .service(super::only_by("/fhir/$reset", "POST").route(web::post().to(reset)))
        .service(
            super::only_by("/fhir/$clock", "GET, HEAD, POST")
                .route(super::read().to(tell_clock))
                .route(web::post().to(move_clock)),
        )
        .service(super::only_by("/fhir/$token", "POST").route(web::post().to(token)));
}

async fn reset(request: HttpRequest, form: web::Bytes, harness: Data<Harness>) -> HttpResponse {
    let done = async {
        nothing(asked(&request, &form)?)?;
        // Whoever puts it back does not wait for themselves.
        Harness::let_out(&request);
        harness.reset().await
    };
    match done.await {
        Ok(()) => HttpResponse::NoContent().finish(),
        Err(fault) => refused(&request, &fault),
    }
}

async fn tell_clock(request: HttpRequest, harness: Data<Harness>) -> HttpResponse {
    match asked(&request, &web::Bytes::new()).and_then(nothing) {
        Ok(()) => plain(instant(harness.clock.now_ms())),
        Err(fault) => refused(&request, &fault),
    }
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

/// The parameters of an address and of a form.
fn asked(request: &HttpRequest, form: &web::Bytes) -> Result<Pairs, ApiError> {
    let media = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !form.is_empty() && !media_type::is(media, media_type::FORM) {
        let text = "parameters stand in the address, or in a body that is application/x-www-form-urlencoded";
        return Err(ApiError::MediaType(text.to_owned()));
    }
    query_parameters(request.query_string().as_bytes(), form)
}

/// Refuses parameters where there are none.
fn nothing(asked: Pairs) -> Result<(), ApiError> {
    match asked.first() {
        None => Ok(()),
        Some((name, _)) => Err(ApiError::parameter(name, "there are no parameters here")),
    }
}

fn plain(text: String) -> HttpResponse {
    HttpResponse::build(StatusCode::OK).content_type("text/plain; charset=utf-8").body(text + "\n")
}

fn refused(request: &HttpRequest, fault: &ApiError) -> HttpResponse {
    super::error::response(fault, &Answer::default(), &request_id(request))
}
