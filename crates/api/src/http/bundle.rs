//! batch and transaction over HTTP (R4 "RESTful API", batch/transaction): what the entries led to, put into a Bundle.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::header::{self, ContentEncoding};
use actix_web::web::{Data, Payload};
use concord_fhir::issue::{Issue, Severity};
use concord_fhir::json::{self, Value};
use concord_model::build::operation_outcome;

use super::Server;
use super::answers::{self, Parts};
use super::exchange::Exchange;
use super::framed::Framed;
use super::negotiate::{Answer, Shape};
use super::reply::{Body, Reply, entity_tag, whole};
use crate::caller::KnownCaller;
use crate::error::ApiError;
use crate::interact::bundle::{self, Told};
use crate::interact::execute::Outcome;
use crate::interact::instant;
use crate::interact::slots::Slot;

/// Carries out a batch, entry by entry, or a transaction, all or nothing.
pub(super) async fn answered(exchange: &Exchange, payload: &mut Payload) -> Result<HttpResponse, ApiError> {
    // Until the answer has taken its room, the next one of the caller's waits.
    let (list, _place) = carried_out(exchange, payload).await?;
    let (answers, caller) = (&exchange.server.answers, &exchange.call.caller);
    let is_packed = list.length() > answers::SMALL && exchange.takes_packed();
    let is_small = answers::is_small(list.length(), !is_packed);
    let end = move || if is_packed { list.end().packed() } else { Ok(list.end()) };
    let parts = answers.apart(caller, is_small, true, end).await?;
    let mut response = HttpResponse::Ok();
    if is_packed {
        response.insert_header(ContentEncoding::Gzip).insert_header((header::VARY, "accept-encoding"));
    }
    Ok(response.insert_header(("cache-control", "no-store")).content_type(exchange.answer.content_type()).body(parts))
}

async fn carried_out(exchange: &Exchange, payload: &mut Payload) -> Result<(Entries, Option<Slot>), ApiError> {
    let requests = exchange.requests(payload).await?;
    let service = &exchange.server.service;
    let is_batch = requests.kind == bundle::BATCH;
    let entries = bundle::entries(service, requests, exchange.prefer().handling()).await?;
    let beyond_one = entries.len().saturating_sub(1);
    exchange.server.pace.admit(&exchange.call.caller, beyond_one, service.store.now_ms())?;
    let with_shape = |entry: Result<bundle::Entry, ApiError>| match entry.and_then(|entry| shape(exchange, entry)) {
        Ok((entry, shape)) => {
            let is_head = entry.is_head();
            (Ok(entry), (shape, is_head))
        }
        Err(fault) => (Err(fault), (Shape::Whole, false)),
    };
    let (entries, shapes): (Vec<_>, Vec<(Shape, bool)>) = entries.into_iter().map(with_shape).unzip();
    let mut list = Entries::new(exchange, is_batch, shapes)?;
    let place = bundle::place(service, &exchange.call, is_batch, entries.len()).await?;
    if is_batch {
        // Meanwhile others of this caller's may have been answered.
        list.require_room()?;
        bundle::batch(service, &exchange.call, entries, &mut list).await?;
        return Ok((list, place));
    }
    let done = bundle::transaction(service, exchange.call.clone(), entries).await?;
    let is_told_anyway = done.iter().flatten().any(Outcome::may_have_changed);
    let bytes = done.iter().flatten().map(|one| one.weight().bytes).sum::<usize>();
    let is_small = answers::is_small(bytes, list.form.is_plain());
    let tell = move || {
        for (place, one) in done.into_iter().enumerate() {
            if !is_told_anyway {
                list.require_room()?;
            }
            list.tell(place, one)?;
        }
        Ok(list)
    };
    let (answers, caller) = (&exchange.server.answers, &exchange.call.caller);
    let list = answers.apart(caller, is_small, is_told_anyway, tell).await?;
    Ok((list, place))
}

/// What of an exchange is needed to tell what an entry led to, wherever that is done.
#[derive(Clone)]
struct Teller {
    server: Data<Server>,
    caller: Arc<KnownCaller>,
    request_id: String,
    wants_representation: bool,
}

/// The entries of an answer, written around the stored bytes as they come: an answer is never in memory as a tree, which
/// takes many times what its text takes.
struct Entries {
    teller: Teller,
    form: Framed,
    /// What of each resource is sent, and whether only what headers would say.
    shapes: Vec<(Shape, bool)>,
    /// What has been written, in parts: one text would be moved as it grows, and be there twice meanwhile.
    parts: Parts,
    text: String,
    any: bool,
}

/// How long a part is, or a little more.
const PART: usize = 1024 * 1024;

impl Entries {
    fn new(exchange: &Exchange, is_batch: bool, shapes: Vec<(Shape, bool)>) -> Result<Entries, ApiError> {
        let kind = if is_batch { "batch-response" } else { "transaction-response" };
        let form = Framed::of(&exchange.answer);
        let text = form.head(format!("{{\"resourceType\":\"Bundle\",\"type\":\"{kind}\""))?;
        let teller = Teller {
            server: exchange.server.clone(),
            caller: Arc::clone(&exchange.call.caller),
            request_id: exchange.call.request_id.clone(),
            wants_representation: exchange.prefer().wants_representation(),
        };
        Ok(Entries { teller, form, shapes, parts: Parts::default(), text, any: false })
    }

    /// How many bytes have been written.
    fn length(&self) -> usize {
        let ended = usize::try_from(self.parts.bytes()).unwrap_or(usize::MAX);
        ended.saturating_add(self.text.len())
    }

    /// Ends a part. What has been written is told in any case, so it takes what room there is.
    fn end_part(&mut self) {
        let mut text = std::mem::take(&mut self.text);
        // It waits until the client takes it, with the memory that it fills and no more.
        text.shrink_to_fit();
        let room = self.teller.server.answers.room_that_is_left(&self.teller.caller, text.len());
        self.parts.add(text, room);
    }

    /// The Bundle, in the form that was asked for of the whole; what of each resource is sent has been settled.
    fn end(mut self) -> Parts {
        self.text.push_str(self.form.end(self.any));
        self.end_part();
        self.parts
    }

    /// What of an entry's resource is sent, if there is room for it.
    fn sent(&self, is_head: bool) -> Sent {
        match is_head {
            true => Sent::Head,
            false => self.require_room().map_or_else(Sent::LeftOut, |()| Sent::Whole),
        }
    }

    /// Says that the answer to an entry has been added.
    fn has_added(&mut self) {
        self.any = true;
        if self.text.len() >= PART {
            self.end_part();
        }
    }

    /// Adds what an entry led to.
    fn tell(&mut self, place: usize, done: Result<Outcome, ApiError>) -> Result<(), ApiError> {
        let (shape, is_head) = self.shapes.get(place).cloned().unwrap_or((Shape::Whole, false));
        let entry = self.teller.entry(done, shape, &self.sent(is_head))?;
        self.form.entry(&entry, !self.any, &mut self.text)?;
        self.has_added();
        Ok(())
    }
}

impl Told for Entries {
    fn require_room(&self) -> Result<(), ApiError> {
        let Server { service, answers, .. } = &**self.teller.server;
        service.settings.answer.require_text(self.length())?;
        answers.require_room_beside(&self.teller.caller, self.parts.held())
    }

    async fn add(&mut self, place: usize, done: Result<Outcome, ApiError>) -> Result<(), ApiError> {
        let bytes = done.as_ref().map_or(0, |done| done.weight().bytes);
        let (shape, is_head) = self.shapes.get(place).cloned().unwrap_or((Shape::Whole, false));
        if answers::is_small(bytes, shape == Shape::Whole && self.form.is_plain()) {
            return self.tell(place, done);
        }
        let (teller, sent) = (self.teller.clone(), self.sent(is_head));
        let (server, caller) = (teller.server.clone(), Arc::clone(&teller.caller));
        let (form, is_first) = (self.form, !self.any);
        let write = move || {
            let mut text = String::new();
            form.entry(&teller.entry(done, shape, &sent)?, is_first, &mut text)?;
            Ok(text)
        };
        // The entries before it have been carried out, and are told in any case.
        let entry = server.answers.apart(&caller, false, true, write).await?;
        self.text.push_str(&entry);
        self.has_added();
        Ok(())
    }
}

/// What is sent of the resource that an entry led to.
enum Sent {
    /// All that was asked for.
    Whole,
    /// Nothing, for only what headers would say was asked for.
    Head,
    /// Nothing, for there is no room for it: what has been carried out is told in any case.
    LeftOut(ApiError),
}

/// What of each resource is sent in the answer to an entry: what the entry says, else what the request says.
fn shape(exchange: &Exchange, entry: bundle::Entry) -> Result<(bundle::Entry, Shape), ApiError> {
    let form: Vec<(String, String)> = entry.form().iter().filter(|(name, _)| name != "_format").cloned().collect();
    let shape = match Answer::asked(&form, None)?.shape {
        Shape::Whole => exchange.answer.shape.clone(),
        own => own,
    };
    Ok((entry, shape))
}

impl Teller {
    /// The answer to one entry, as text.
    fn entry(&self, done: Result<Outcome, ApiError>, shape: Shape, sent: &Sent) -> Result<String, ApiError> {
        match done {
            Ok(done) => self.done(done, shape, sent),
            Err(fault) => Ok(json::to_string(&self.refused(&fault, matches!(sent, Sent::Head)))),
        }
    }

    /// The answer to an entry that was carried out: what a response says by its status and headers stands in elements here.
    fn done(&self, done: Outcome, shape: Shape, sent: &Sent) -> Result<String, ApiError> {
        let form = Answer { shape, ..Answer::default() };
        let mut reply = Reply::of(&self.server, done, &form)?;
        if let Sent::LeftOut(fault) = sent {
            let (_, issues) = super::error::status_and_issues(fault, &self.request_id);
            let left_out = |issue: Issue| {
                let text = format!("what the entry led to is left out: {}", issue.text);
                Issue { severity: Severity::Warning, text, ..issue }
            };
            reply.warnings.extend(issues.into_iter().map(left_out));
        }
        let response = response(&reply);
        let body = match reply.body {
            _ if !matches!(sent, Sent::Whole) => None,
            Body::Nothing | Body::Content(_) | Body::Packed(_) => None,
            Body::Read(version) => Some(whole(*version, &form)?),
            Body::Written(version) if self.wants_representation => Some(whole(*version, &form)?),
            Body::Written(_) => None,
            Body::Text(text) => Some(text),
        };
        let mut out = String::with_capacity(body.as_ref().map_or(0, String::len) + 1_024);
        out.push('{');
        if let Some(body) = body {
            if let Some(place) = reply.named {
                out.push_str("\"fullUrl\":");
                json::write(&Value::string(format!("{}/{place}", self.server.service.base)), &mut out);
                out.push(',');
            }
            out.push_str("\"resource\":");
            out.push_str(&body);
            out.push(',');
        }
        out.push_str("\"response\":");
        json::write(&response, &mut out);
        out.push('}');
        Ok(out)
    }

    /// The answer to an entry of a batch that was refused.
    fn refused(&self, fault: &ApiError, is_head: bool) -> Value<'static> {
        if let ApiError::Internal(cause) = fault {
            tracing::error!(request_id = self.request_id, cause, "an entry of a batch failed");
        }
        let (code, issues) = super::error::status_and_issues(fault, &self.request_id);
        let mut response = Value::object([("status", Value::string(status(code)))]);
        if let (Some(object), false) = (response.as_object_mut(), is_head) {
            object.set("outcome", operation_outcome(&issues));
        }
        Value::object([("response", response)])
    }
}

/// What a response says by its status and headers.
fn response(reply: &Reply) -> Value<'static> {
    let mut response = Value::object([("status", Value::string(status(reply.status)))]);
    let Some(said) = response.as_object_mut() else { return response };
    for (name, text) in [
        ("location", reply.place.clone()),
        ("etag", reply.version.map(|version| entity_tag(version).to_string())),
        ("lastModified", reply.modified.map(instant)),
    ] {
        if let Some(text) = text {
            said.set(name, Value::string(text));
        }
    }
    if !reply.warnings.is_empty() {
        said.set("outcome", operation_outcome(&reply.warnings));
    }
    response
}

/// A status in a line, as `Bundle.entry.response.status` has it.
fn status(code: actix_web::http::StatusCode) -> String {
    format!("{} {}", code.as_u16(), code.canonical_reason().unwrap_or_default()).trim().to_owned()
}
