//! What a server has besides that is there for tests and gone after them (`concord serve --ephemeral`): everything put back as
//! it was, the clock moved, a token for anybody. No other server has these addresses.

mod arriving;
mod token;

use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, PoisonError, RwLock};

use actix_web::dev::{Extensions, Payload, ServiceRequest};
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap};
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpMessage, HttpRequest, HttpResponse};
use concord_fhir::issue::{Issue, IssueCode};

use super::exchange::request_id;
use super::hosts::Hosts;
use super::negotiate::Answer;
use super::{Server, health};
use crate::auth::development::DevelopmentIssuer;
use crate::clock::{self, Clock};
use crate::config::Config;
use crate::error::ApiError;
use crate::interact::command::query_parameters;
use crate::interact::{Pairs, instant, media_type};
use arriving::{Arriving, Door, Inside};

/// What makes the server anew, as it was when it began.
pub type Begin = Box<dyn Fn() -> Pin<Box<dyn Future<Output = Result<Data<Server>, String>>>> + Send + Sync>;

/// Whose pages may have a browser put the server back, move its clock or ask for tokens. A browser sends what the page of any site asks
/// of this machine, and asks beforehand only where a request is of a form that pages could not always send.
struct Pages {
    /// The names of this machine, and the one by which the server calls itself.
    here: Hosts,
    /// The origins whose pages may call the API.
    origins: Vec<String>,
}

impl Pages {
    fn of(config: &Config) -> Pages {
        Pages { here: Hosts::of_this_machine(&config.public_url), origins: config.cors_origins.clone() }
    }

    /// Refuses what the page of another site asks.
    fn require(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        let asked = headers.get(header::HOST).and_then(|value| value.to_str().ok());
        let may = |origin: &str| {
            let host = origin.split_once("://").map(|(_, host)| host);
            let is_here = host.is_some_and(|host| self.here.has(host) || asked == Some(host));
            is_here || self.origins.iter().any(|one| one == "*" || one == origin)
        };
        match headers.get_all(header::ORIGIN).all(|value| value.to_str().is_ok_and(may)) {
            true => Ok(()),
            false => Err(ApiError::denied(FOREIGN)),
        }
    }
}

const FOREIGN: &str = "a page of another site asks for this, which is for tests: ask without a browser, from a page of localhost or of this \
                       server, or from one of the origins of cors_origins";

/// A server that can be put back.
pub struct Harness {
    current: RwLock<Data<Server>>,
    begin: Begin,
    /// Shared by all that is being answered, and had alone by whoever puts the server back: what comes meanwhile waits for it.
    door: Door,
    clock: Clock,
    begun_ms: i64,
    issuer: DevelopmentIssuer,
    pages: Pages,
}

impl Harness {
    /// The server of these settings as it begins, with what makes it anew.
    ///
    /// # Errors
    /// One line, when it cannot begin.
    pub async fn new(
        config: &Config,
        begin: Begin,
        clock: Clock,
        issuer: DevelopmentIssuer,
    ) -> Result<Arc<Harness>, String> {
        let first = begin().await?;
        let begun_ms = clock.now_ms();
        let (current, door, pages) = (RwLock::new(first), Arc::default(), Pages::of(config));
        Ok(Arc::new(Harness { current, begin, door, clock, begun_ms, issuer, pages }))
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

    /// The parameters of what is asked, by whom it may be.
    fn asked(&self, request: &HttpRequest, form: &web::Bytes) -> Result<Pairs, ApiError> {
        self.pages.require(request.headers())?;
        parameters(request, form)
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
        nothing(harness.asked(&request, &form)?)?;
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
    match harness.asked(&request, &web::Bytes::new()).and_then(nothing) {
        Ok(()) => plain(instant(harness.clock.now_ms())),
        Err(fault) => refused(&request, &fault),
    }
}

async fn move_clock(request: HttpRequest, form: web::Bytes, harness: Data<Harness>) -> HttpResponse {
    let moved = harness.asked(&request, &form).and_then(|asked| harness.move_clock(&asked));
    match moved {
        Ok(()) => plain(instant(harness.clock.now_ms())),
        Err(fault) => refused(&request, &fault),
    }
}

async fn token(request: HttpRequest, form: web::Bytes, harness: Data<Harness>) -> HttpResponse {
    match harness.asked(&request, &form).and_then(|asked| harness.token(asked)) {
        Ok(token) => plain(token),
        Err(fault) => refused(&request, &fault),
    }
}

/// The parameters of an address and of a form.
fn parameters(request: &HttpRequest, form: &web::Bytes) -> Result<Pairs, ApiError> {
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

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    #[test]
    fn pages_of_other_sites_are_told_from_those_of_this_machine() {
        let pages = Pages {
            here: Hosts::of_this_machine("http://phr.test:8080"),
            origins: vec!["https://runner.example".to_owned()],
        };
        let may = |host: &str, origins: &[&str]| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_str(host).unwrap());
            for origin in origins {
                headers.append(header::ORIGIN, HeaderValue::from_str(origin).unwrap());
            }
            pages.require(&headers).is_ok()
        };
        assert!(may("localhost:8080", &[]) && may("concord:8080", &["http://concord:8080"]));
        for origin in [
            "http://localhost:3000",
            "http://127.0.0.1",
            "http://[::1]:1",
            "http://app.localhost:1",
            "https://phr.test",
            "https://runner.example",
        ] {
            assert!(may("localhost:8080", &[origin]), "{origin}");
        }
        for origin in [
            "http://evil.example",
            "null",
            "",
            "localhost",
            "http://localhost.evil.example",
            "http://localhost@evil.example",
            "http://runner.example",
            "https://runner.example:8443",
            "http://192.0.2.1",
        ] {
            assert!(!may("localhost:8080", &[origin]), "{origin}");
            assert!(!may("localhost:8080", &["http://localhost", origin]), "{origin}");
        }
        let any = Pages { origins: vec!["*".to_owned()], ..pages };
        let evil = HeaderMap::from_iter([(header::ORIGIN, HeaderValue::from_static("http://evil.example"))]);
        assert!(any.require(&evil).is_ok());
    }
}
