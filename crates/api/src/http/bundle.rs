//! batch and transaction over HTTP (R4 "RESTful API", batch/transaction): what the entries led to, put into a Bundle.

use actix_web::HttpResponse;
use actix_web::web::Payload;
use concord_fhir::issue::{Issue, Severity};
use concord_fhir::json::{self, Value};
use concord_model::build::operation_outcome;

use super::Server;
use super::answers::Parts;
use super::collection::own;
use super::exchange::Exchange;
use super::negotiate::{Answer, Shape};
use super::reply::{Body, Reply, entity_tag, whole};
use crate::error::ApiError;
use crate::interact::bundle::{self, Told};
use crate::interact::execute::Outcome;
use crate::interact::instant;

/// Carries out a batch, entry by entry, or a transaction, all or nothing.
pub(super) async fn answered(exchange: &Exchange, payload: &mut Payload) -> Result<HttpResponse, ApiError> {
    let body = carried_out(exchange, payload).await?;
    Ok(HttpResponse::Ok()
        .insert_header(("cache-control", "no-store"))
        .content_type(exchange.answer.content_type())
        .body(body))
}

async fn carried_out(exchange: &Exchange, payload: &mut Payload) -> Result<Parts, ApiError> {
    let requests = exchange.requests(payload).await?;
    let service = &exchange.server.service;
    let is_batch = requests.kind == bundle::BATCH;
    let entries = bundle::entries(service, requests, exchange.handling()).await?;
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
    let mut list = Entries::new(exchange, is_batch, shapes);
    let _place = bundle::place(service, &exchange.call, is_batch, entries.len()).await?;
    if is_batch {
        // Meanwhile others of this caller's may have been answered.
        list.require_room()?;
        bundle::batch(service, &exchange.call, entries, &mut list).await?;
        return list.end();
    }
    let done = bundle::transaction(service, exchange.call.clone(), entries).await?;
    let is_told_anyway = done.iter().any(Outcome::may_have_changed);
    for (place, one) in done.into_iter().enumerate() {
        if !is_told_anyway {
            list.require_room()?;
        }
        list.add(place, Ok(one))?;
    }
    list.end()
}

/// The entries of an answer, written around the stored bytes as they come: an answer is never in memory as a tree, which
/// takes many times what its text takes.
struct Entries<'e> {
    exchange: &'e Exchange,
    /// What of each resource is sent, and whether only what headers would say.
    shapes: Vec<(Shape, bool)>,
    /// What has been written, in parts: one text would be moved as it grows, and be there twice meanwhile.
    parts: Parts,
    text: String,
    any: bool,
}

/// How long a part is, or a little more.
const PART: usize = 1024 * 1024;

impl<'e> Entries<'e> {
    fn new(exchange: &'e Exchange, is_batch: bool, shapes: Vec<(Shape, bool)>) -> Entries<'e> {
        let kind = if is_batch { "batch-response" } else { "transaction-response" };
        let text = format!("{{\"resourceType\":\"Bundle\",\"type\":\"{kind}\"");
        Entries { exchange, shapes, parts: Parts::default(), text, any: false }
    }

    /// Ends a part. What has been written is told in any case, so it takes what room there is.
    fn end_part(&mut self) {
        let mut text = std::mem::take(&mut self.text);
        // It waits until the client takes it, with the memory that it fills and no more.
        text.shrink_to_fit();
        let room = self.exchange.server.answers.room_that_is_left(&self.exchange.call.caller, text.len());
        self.parts.add(text, room);
    }

    /// The Bundle, in the form that was asked for of the whole; what of each resource is sent has been settled.
    fn end(mut self) -> Result<Parts, ApiError> {
        self.text.push_str(if self.any { "]}" } else { "}" });
        self.end_part();
        let form = Answer { shape: Shape::Whole, ..self.exchange.answer.clone() };
        match form.is_plain() {
            true => Ok(self.parts),
            false => self.parts.rewritten(|plain| Ok(form.value(&own(plain)?))),
        }
    }
}

impl Told for Entries<'_> {
    fn require_room(&self) -> Result<(), ApiError> {
        let Server { service, answers, .. } = &**self.exchange.server;
        let ended = usize::try_from(self.parts.bytes()).unwrap_or(usize::MAX);
        service.settings.answer.require_text(ended.saturating_add(self.text.len()))?;
        answers.require_room_beside(&self.exchange.call.caller, self.parts.held())
    }

    fn add(&mut self, place: usize, done: Result<Outcome, ApiError>) -> Result<(), ApiError> {
        let (shape, is_head) = self.shapes.get(place).cloned().unwrap_or((Shape::Whole, false));
        let room = self.require_room();
        self.text.push_str(if self.any { "," } else { ",\"entry\":[" });
        self.any = true;
        match done {
            Ok(done) if is_head => entry(self.exchange, done, shape, Sent::Head, &mut self.text)?,
            Ok(done) => {
                entry(self.exchange, done, shape, room.map_or_else(Sent::LeftOut, |()| Sent::Whole), &mut self.text)?
            }
            Err(fault) => json::write(&refused(self.exchange, &fault, is_head), &mut self.text),
        }
        if self.text.len() >= PART {
            self.end_part();
        }
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

/// The answer to one entry: what a response says by its status and headers stands in elements here.
fn entry(exchange: &Exchange, done: Outcome, shape: Shape, sent: Sent, out: &mut String) -> Result<(), ApiError> {
    let form = Answer { shape, ..Answer::default() };
    let service = &exchange.server.service;
    let mut reply = Reply::of(&exchange.server, done, &form)?;
    if let Sent::LeftOut(fault) = &sent {
        let (_, issues) = super::error::status_and_issues(fault, &exchange.call.request_id);
        let left_out = |issue: Issue| {
            let text = format!("what the entry led to is left out: {}", issue.text);
            Issue { severity: Severity::Warning, text, ..issue }
        };
        reply.warnings.extend(issues.into_iter().map(left_out));
    }
    let mut response = Value::object([("status", Value::string(status(reply.status)))]);
    let Some(said) = response.as_object_mut() else { return Ok(()) };
    for (name, text) in [
        ("location", reply.place),
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
    let body = match reply.body {
        _ if !matches!(sent, Sent::Whole) => None,
        Body::Nothing => None,
        Body::Read(version) => Some(whole(*version, &form)?),
        Body::Written(version) if exchange.wants_representation() => Some(whole(*version, &form)?),
        Body::Written(_) => None,
        Body::Text(text) => Some(text),
    };
    out.push('{');
    if let Some(body) = body {
        if let Some(place) = reply.named {
            out.push_str("\"fullUrl\":");
            json::write(&Value::string(format!("{}/{place}", service.base)), out);
            out.push(',');
        }
        out.push_str("\"resource\":");
        out.push_str(&body);
        out.push(',');
    }
    out.push_str("\"response\":");
    json::write(&response, out);
    out.push('}');
    Ok(())
}

/// The answer to an entry of a batch that was refused.
fn refused(exchange: &Exchange, fault: &ApiError, is_head: bool) -> Value<'static> {
    if let ApiError::Internal(cause) = fault {
        tracing::error!(request_id = exchange.call.request_id, cause, "an entry of a batch failed");
    }
    let (code, issues) = super::error::status_and_issues(fault, &exchange.call.request_id);
    let mut response = Value::object([("status", Value::string(status(code)))]);
    if let (Some(object), false) = (response.as_object_mut(), is_head) {
        object.set("outcome", operation_outcome(&issues));
    }
    Value::object([("response", response)])
}

/// A status in a line, as `Bundle.entry.response.status` has it.
fn status(code: actix_web::http::StatusCode) -> String {
    format!("{} {}", code.as_u16(), code.canonical_reason().unwrap_or_default()).trim().to_owned()
}
