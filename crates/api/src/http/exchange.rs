//! One request and its answer: what was asked in which form, who asks, and the response in that form.

use std::cell::Cell;
use std::hash::Hash;
use std::sync::Arc;

use actix_web::http::Method as HttpMethod;
use actix_web::http::header::{self, Header as _, HeaderMap, HeaderName};
use actix_web::web::{Data, Payload};
use actix_web::{HttpMessage, HttpRequest};
use concord_consent::caller::Caller;
use concord_consent::purpose::{Purpose, may_claim};
use concord_consent::request::{LONGEST_REASON, SHORTEST_REASON, is_reason};
use concord_fhir::codec::{self, Requests};
use concord_fhir::json::{Limits, Value};
use concord_fhir::patch::Patch;
use concord_fhir::registry::ResourceType;

use super::client_address::counted;
use super::headers::{
    CONTENT_TYPE, IF_MATCH, IF_NONE_EXIST, IF_NONE_MATCH, Named, PURPOSE, REASON, X_PROVENANCE, once, text,
};
use super::negotiate::{Answer, body_format, wants_page};
use super::prefer::Prefer;
use super::share::{Allowance, Room};
use super::{Aggregator, Server, body, caller, content};
use crate::auth::{AuthError, Identity, bearer};
use crate::caller::KnownCaller;
use crate::error::ApiError;
use crate::interact::access::person;
use crate::interact::command;
use crate::interact::command::{Address, Content, Method, Request};
use crate::interact::operation::Operation;
use crate::interact::provenance::client_provenance;
use crate::interact::{Call, Pairs, audit, media_type, operation, patch};
use crate::telemetry::{Progress, RequestIds};

/// A request whose form is understood and whose caller is verified.
pub(super) struct Exchange {
    pub(super) server: Data<Server>,
    pub(super) call: Call,
    pub(super) answer: Answer,
    parameters: Pairs,
    request: HttpRequest,
    /// Whether what is read may be content, to be sent as it is.
    pub(super) may_be_content: bool,
    /// What the body counts for among all bodies.
    room: Cell<Option<Allowance>>,
    /// What the answer counts for among all answers.
    pub(super) answer_room: Cell<Option<Room>>,
}

impl Exchange {
    /// Understands in what form the answer is wanted, and who asks for what purpose. Nothing of the body has been read.
    ///
    /// # Errors
    /// What is wrong, with the form in which to say so.
    pub(super) async fn begin(request: &HttpRequest, server: &Data<Server>) -> Result<Exchange, (ApiError, Answer)> {
        let ids = request_id(request);
        let plain = |fault: ApiError| (fault, Answer::default());
        let parameters = command::query_parameters(request.query_string().as_bytes(), &[]).map_err(plain)?;
        let accept = text(request.headers(), &header::ACCEPT);
        let may_be_content = content::may_be_read(request, &parameters);
        let is_page = may_be_page(request) && wants_page(&parameters, accept);
        // What goes wrong is told as if there were no pages.
        let named: Pairs = parameters.iter().filter(|(name, _)| !is_page || name != "_format").cloned().collect();
        let answer = match Answer::asked(&named, accept) {
            Ok(answer) => Answer { is_page, ..answer },
            // Whether what there is can be had in the form that is wanted is known when it has been read.
            Err(ApiError::NotAcceptable(_)) if may_be_content => Answer::default(),
            Err(fault) => return Err(plain(fault)),
        };
        let told = |fault: ApiError| (fault, answer.clone());
        let mut call = authenticate(request, server, &ids).await.map_err(told)?;
        if let Some(progress) = request.extensions_mut().get_mut::<Progress>() {
            progress.is_asked_by(&call.caller.client);
        }
        let now_ms = server.service.store.now_ms();
        let admitted = server.pace.admit(&call.caller, 1, now_ms).and_then(|()| {
            aggregator_of(server, &call.caller).map_or(Ok(()), |aggregator| aggregator.admit(&call.caller, now_ms))
        });
        if let Err(fault) = admitted.and_then(|()| server.answers.require_room(&call.caller)) {
            server.refusal_pace.keep_back(&fault, who(&call.caller), now_ms).await;
            return Err(told(fault));
        }
        match stating(request, server) {
            Ok(said) => call.provenance = said,
            Err(fault) => {
                let fault = Box::pin(person::told_to_whoever_acts(&server.service, &call, fault)).await;
                return Err(told(fault));
            }
        }
        if aggregator_of(server, &call.caller).is_some() {
            // Whatever it says itself that it asks for.
            call.purpose = Some(Purpose::PATIENT_REQUEST);
        }
        Ok(Exchange {
            server: server.clone(),
            call,
            answer,
            parameters,
            request: request.clone(),
            may_be_content,
            room: Cell::default(),
            answer_room: Cell::default(),
        })
    }

    /// The system that asks on behalf of others, if that is who calls.
    pub(super) fn aggregator(&self) -> Option<&Aggregator> {
        aggregator_of(&self.server, &self.call.caller)
    }

    /// In whose record alone may be searched, where a system asks on behalf of somebody.
    ///
    /// # Errors
    /// As [`Aggregator::record`].
    pub(super) async fn record(&self, asked: &Request) -> Result<Option<Option<String>>, ApiError> {
        let Some(aggregator) = self.aggregator() else { return Ok(None) };
        let headers = self.request.headers();
        Box::pin(aggregator.record(&self.server.service, &self.call, headers, asked)).await.map(Some)
    }

    /// What is asked for, but for the content.
    ///
    /// # Errors
    /// [`ApiError::Malformed`] for a header on which it depends whether something is written, and that cannot be read: it must
    /// not be taken for none.
    pub(super) fn asked(&self, method: Method, address: Address) -> Result<Request, ApiError> {
        let demands = |named: &Named| match method {
            Method::Get => Ok(self.header(&named.name).map(str::to_owned)),
            _ => self.demanded(named).map(|text| text.map(str::to_owned)),
        };
        Ok(Request {
            method,
            address,
            parameters: self.parameters.clone(),
            handling: self.prefer().handling(),
            if_match: demands(&IF_MATCH)?,
            if_none_match: demands(&IF_NONE_MATCH)?,
            if_modified_since: self.header(&header::IF_MODIFIED_SINCE).map(str::to_owned),
            if_none_exist: demands(&IF_NONE_EXIST)?,
        })
    }
}

/// The system that asks on behalf of others, if that is who calls.
fn aggregator_of<'s>(server: &'s Server, caller: &Caller) -> Option<&'s Aggregator> {
    server.aggregator.as_ref().filter(|aggregator| aggregator.is(caller))
}

/// Whether what is asked for has a page.
fn may_be_page(request: &HttpRequest) -> bool {
    request.path().rsplit('/').next().is_some_and(operation::has_page)
}

/// The request id that the tracing layer gave.
pub(super) fn request_id(request: &HttpRequest) -> String {
    request.extensions().get::<RequestIds>().map(|ids| ids.request.clone()).unwrap_or_default()
}

/// Who calls. A refusal is in the log before it is told.
async fn authenticate(request: &HttpRequest, server: &Data<Server>, request_id: &str) -> Result<Call, ApiError> {
    let now_s = server.service.store.now_ms().div_euclid(1000);
    let mut headers = request.headers().get_all(header::AUTHORIZATION).map(|value| value.as_bytes());
    let token = match (headers.next(), headers.next()) {
        (_, Some(_)) => Err(AuthError::NotBearer),
        (header, None) => bearer(header),
    };
    let token = match token {
        Ok(token) => token,
        Err(error) => return Err(Box::pin(refused(request, server, error, request_id)).await),
    };
    let verified = match server.sign_in.as_ref().filter(|sign_in| sign_in.has_issued(token)) {
        Some(sign_in) => Box::pin(sign_in.verify(token)).await,
        None => server.verifier.verify(token, now_s).await,
    };
    let verified = match verified {
        Ok(verified) => verified,
        Err(error) => return Err(Box::pin(refused(request, server, error, request_id)).await),
    };
    let caller = resolved(request, server, &verified.identity, request_id).await?;
    let mut call = Call::of(caller, request_id);
    match purposed(request, server, &verified.purpose_of_use, &mut call).await {
        Ok(()) => Ok(call),
        Err(fault) => Err(Box::pin(person::told_to_whoever_acts(&server.service, &call, fault)).await),
    }
}

/// Puts into a call what for and why it is made. A refusal is in the log before it is told.
async fn purposed(
    request: &HttpRequest,
    server: &Data<Server>,
    said: &[String],
    call: &mut Call,
) -> Result<(), ApiError> {
    let named: Vec<Purpose> = said.iter().filter_map(|code| Purpose::parse(code)).collect();
    if named.is_empty() && !said.is_empty() {
        return Err(ApiError::denied("the token's purpose_of_use is not one of v3-ActReason"));
    }
    let usual = named.iter().find(|purpose| **purpose != Purpose::BREAK_GLASS).or(named.first()).copied();
    (call.purpose, call.reason) = stated(request.headers(), usual)?;
    match call.purpose {
        Some(purpose) if !may_claim(&call.caller.actor, &named, purpose) => {
            let text = "neither the token nor who calls allows this purpose";
            Box::pin(audit::tell_refused(&server.service, call, text)).await?;
            Err(ApiError::denied(text))
        }
        _ => Ok(()),
    }
}

/// The caller whom a token names. A refusal is in the log before it is told.
async fn resolved(
    request: &HttpRequest,
    server: &Data<Server>,
    named: &Identity,
    request_id: &str,
) -> Result<Arc<KnownCaller>, ApiError> {
    match caller::named(&server.service, named).await? {
        Ok(caller) => Ok(caller),
        Err(text) => {
            Box::pin(note(request, server, text, request_id)).await?;
            Err(ApiError::denied(text))
        }
    }
}

/// What the client itself says of where that is from which it writes.
fn stating(request: &HttpRequest, server: &Data<Server>) -> Result<Option<Arc<Value<'static>>>, ApiError> {
    let Some(header) = once(request.headers(), &X_PROVENANCE)? else { return Ok(None) };
    let writes = [HttpMethod::POST, HttpMethod::PUT, HttpMethod::PATCH].contains(request.method());
    let last = request.path().rsplit('/').next().unwrap_or_default();
    if !writes || last == "_search" || last.starts_with('$') {
        return Err(ApiError::header(X_PROVENANCE.said, "goes with a create, an update or a patch"));
    }
    let provenance = client_provenance::read(header.as_bytes(), &server.service.settings.limits)?;
    Ok(Some(Arc::new(provenance)))
}

/// For what and why, as `X-Purpose-Of-Use` and `X-Purpose-Reason` say it; without the first, the usual purpose.
fn stated(headers: &HeaderMap, usual: Option<Purpose>) -> Result<(Option<Purpose>, Option<String>), ApiError> {
    let text = |named: &Named| -> Result<Option<&str>, ApiError> {
        Ok(once(headers, named)?.map(|value| std::str::from_utf8(value.as_bytes()).unwrap_or("")))
    };
    let purpose = match text(&PURPOSE)? {
        Some(code) => Some(Purpose::parse(code.trim()).ok_or_else(|| {
            ApiError::header(PURPOSE.said, "must be a purpose of use of v3-ActReason, for instance BTG")
        })?),
        None => usual,
    };
    let reason = match text(&REASON)?.map(str::trim) {
        Some(reason) => {
            if !is_reason(reason) {
                let text = format!("must have {SHORTEST_REASON} to {LONGEST_REASON} characters in UTF-8 that say why");
                return Err(ApiError::header(REASON.said, text));
            }
            Some(reason.to_owned())
        }
        None if purpose == Some(Purpose::BREAK_GLASS) => {
            let text =
                format!("is missing: breaking the glass needs a reason of at least {SHORTEST_REASON} characters");
            return Err(ApiError::header(REASON.said, text));
        }
        None => None,
    };
    Ok((purpose, reason))
}

async fn refused(request: &HttpRequest, server: &Data<Server>, error: AuthError, request_id: &str) -> ApiError {
    if let Err(fault) = note(request, server, error.name(), request_id).await {
        return fault;
    }
    if error.is_temporary() {
        return ApiError::Busy(2);
    }
    let text = match (error, &server.smart) {
        (AuthError::Missing, Some(_)) => {
            format!("{error}: {}/.well-known/smart-configuration says where apps get one", server.service.base)
        }
        _ => error.to_string(),
    };
    let fault = ApiError::Unauthenticated { challenge: error.www_authenticate(), text };
    let from = server.proxies.client_of(request).map(counted);
    server.refusal_pace.keep_back(&fault, from, server.service.store.now_ms()).await;
    fault
}

/// Who asks: an app for a person.
fn who(caller: &Caller) -> impl Hash + '_ {
    (&caller.issuer, &caller.client, &caller.actor)
}

/// Tells the log of a call that nobody who is known here made.
async fn note(
    request: &HttpRequest,
    server: &Data<Server>,
    why: &'static str,
    request_id: &str,
) -> Result<(), ApiError> {
    let address = server.proxies.client_of(request);
    server.refusals.note(&server.service, why, address, request_id).await
}

/// The resource that bytes in a form of FHIR are, checked.
fn checked(format: codec::Format, body: &[u8], limits: &Limits) -> Result<Value<'static>, ApiError> {
    codec::read(format, body, limits).map(|read| read.value.into_owned()).map_err(ApiError::invalid)
}

impl Exchange {
    /// A refusal of what was asked, when it is due: until then nothing is held for it.
    pub(super) async fn refused(&self, fault: ApiError) -> ApiError {
        drop((self.room.take(), self.answer_room.take()));
        let now_ms = self.server.service.store.now_ms();
        self.server.refusal_pace.keep_back(&fault, who(&self.call.caller), now_ms).await;
        fault
    }

    /// The bytes of the body. What it takes of the room for bodies it takes until the request is answered: what is made of
    /// the bytes is larger than they are.
    async fn bytes(&self, payload: &mut Payload) -> Result<Vec<u8>, ApiError> {
        let bodies = &self.server.bodies;
        let (bytes, room) = Box::pin(bodies.read(&self.call.caller, payload, self.request.headers())).await?;
        self.room.set(Some(room));
        if let Some(progress) = self.request.extensions_mut().get_mut::<Progress>() {
            progress.is_whole();
        }
        Ok(bytes)
    }

    /// What the body says that it is.
    fn media_type(&self) -> Result<Option<&str>, ApiError> {
        Ok(once(self.request.headers(), &CONTENT_TYPE)?.and_then(|value| value.to_str().ok()))
    }

    /// The resource in a body, of whatever type, checked.
    async fn checked(&self, body: Vec<u8>) -> Result<Value<'static>, ApiError> {
        let format = body_format(self.media_type()?)?;
        let limits = self.server.service.settings.limits;
        self.apart(body, move |body| checked(format, body, &limits)).await
    }

    /// Makes something of a body. A large one takes long, so it waits for a place and is read where no other request of this
    /// thread waits for it.
    async fn apart<T: Send + 'static>(
        &self,
        body: Vec<u8>,
        read: impl FnOnce(&[u8]) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let is_small = body::is_small(&body);
        self.server.bodies.apart(&self.call.caller, is_small, move || read(&body)).await
    }

    /// The resource of that type that is the body, in a form of FHIR or as its content.
    pub(super) async fn body(
        &self,
        named: ResourceType,
        id: Option<&str>,
        payload: &mut Payload,
    ) -> Result<Value<'static>, ApiError> {
        let body = self.bytes(payload).await?;
        let Some(media) = self.media_type()?.filter(|_| content::is_of(named)) else {
            return self.checked(body).await;
        };
        let (media, id, limits) = (media.to_owned(), id.map(str::to_owned), self.server.service.settings.limits);
        let headers = self.request.headers().clone();
        self.apart(body, move |body| match content::is_raw(named, &media, body, &limits) {
            true => content::resource(named, id.as_deref(), &headers, &media, body, &limits),
            false => checked(body_format(Some(&media))?, body, &limits),
        })
        .await
    }

    /// The Bundle of requests that is the body.
    pub(super) async fn requests(&self, payload: &mut Payload) -> Result<Requests<'static>, ApiError> {
        let body = self.bytes(payload).await?;
        let (format, limits) = (body_format(self.media_type()?)?, self.server.service.settings.limits);
        let read = move |body: &[u8]| codec::read_requests(format, body, &limits).map(Requests::into_owned);
        self.apart(body, move |body| read(body).map_err(ApiError::invalid)).await
    }

    /// What goes into an operation.
    pub(super) async fn input(&self, operation: &Operation, payload: &mut Payload) -> Result<Content, ApiError> {
        let body = self.bytes(payload).await?;
        if body.is_empty() {
            return Ok(Content::Nothing);
        }
        match self.checked(body).await {
            Ok(value) => Ok(Content::Resource(value)),
            Err(ApiError::Malformed(problems) | ApiError::Unprocessable(problems))
                if operation.conduct.takes_invalid =>
            {
                Ok(Content::Invalid(problems))
            }
            Err(fault) => Err(fault),
        }
    }

    /// The patch that is the body.
    pub(super) async fn patch(&self, payload: &mut Payload) -> Result<Patch, ApiError> {
        let body = self.bytes(payload).await?;
        let (media, limits) = (self.media_type()?.unwrap_or_default().to_owned(), self.server.service.settings.limits);
        self.apart(body, move |body| patch::read_as(&media, body, &limits)).await
    }

    /// The parameters of a search by POST: those of the address and those of the form that is the body, which say in what
    /// form the answer goes too.
    pub(super) async fn form(&mut self, payload: &mut Payload) -> Result<Pairs, ApiError> {
        let body = self.bytes(payload).await?;
        let media = self.media_type()?.unwrap_or_default();
        if !body.is_empty() && !media_type::is(media, media_type::FORM) {
            return Err(ApiError::MediaType("send the parameters as application/x-www-form-urlencoded".to_owned()));
        }
        self.parameters = command::query_parameters(self.request.query_string().as_bytes(), &body)?;
        self.answer = Answer::asked(&self.parameters, text(self.request.headers(), &header::ACCEPT))?;
        Ok(self.parameters.clone())
    }

    /// The request as it came.
    pub(super) fn request(&self) -> &HttpRequest {
        &self.request
    }

    /// What the client accepts.
    pub(super) fn accept(&self) -> &str {
        self.header(&header::ACCEPT).unwrap_or_default()
    }

    /// Whether the client would rather have an answer packed with gzip than as it is.
    pub(super) fn takes_packed(&self) -> bool {
        let known = [header::Encoding::gzip(), header::Encoding::identity()];
        let accepted = header::AcceptEncoding::parse(&self.request).ok();
        accepted.and_then(|accepted| accepted.negotiate(known.iter())) == Some(header::Encoding::gzip())
    }

    /// The header of that name as text.
    fn header(&self, name: &HeaderName) -> Option<&str> {
        text(self.request.headers(), name)
    }

    /// The header of that name on which it depends whether something is written. One that cannot be read is refused: it
    /// must not be taken for none.
    fn demanded(&self, named: &Named) -> Result<Option<&str>, ApiError> {
        let Some(value) = once(self.request.headers(), named)? else { return Ok(None) };
        let text = std::str::from_utf8(value.as_bytes()).map_err(|_| ApiError::header(named.said, "must be UTF-8"))?;
        Ok(Some(text))
    }

    /// What the client would rather have.
    pub(super) fn prefer(&self) -> Prefer<'_> {
        Prefer(self.request.headers())
    }
}
