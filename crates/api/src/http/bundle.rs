//! batch and transaction over HTTP (R4 "RESTful API", batch/transaction).

use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};
use concord_fhir::issue::{Issue, IssueCode, outcome};
use concord_fhir::json::{self, Value};
use concord_fhir::registry::ResourceType;

use super::Server;
use super::collection::Bundle;
use super::exchange::{Exchange, exchange};
use super::negotiate::{Answer, Shape};
use super::operation::page_bundle;
use super::resource::{history_bundle, received};
use super::search::{address, ignored};
use crate::fault::Fault;
use crate::interact::bundle::{self, Done};
use crate::interact::operation::Output;
use crate::interact::{instant, labels};

const BUNDLE: ResourceType = ResourceType::of("Bundle");

/// Carry out a batch, entry by entry, or a transaction, all or nothing
#[utoipa::path(post, path = "/fhir", tag = "resources", operation_id = "batch",
    params(("Prefer" = Option<String>, Header, description = "return=minimal or representation")),
    request_body(content = String, content_type = "application/fhir+json"),
    responses((status = 200, description = "A Bundle with an answer to each entry", content_type = "application/fhir+json"),
        (status = 400, description = "Not a batch or transaction, or an entry of a transaction is malformed"),
        (status = 401, description = "No valid token"), (status = 403, description = "An entry of a transaction is not permitted"),
        (status = 404, description = "An entry of a transaction is for what is not there, or hidden"),
        (status = 412, description = "A condition in a transaction does not hold"),
        (status = 413, description = "Too large"), (status = 422, description = "Not valid")))]
pub async fn batch(request: HttpRequest, server: Data<Server>, body: Result<Bytes, actix_web::Error>) -> HttpResponse {
    exchange(&request, &server, None, async |exchange| match carried_out(&exchange, body).await {
        Ok(text) => Ok(HttpResponse::Ok()
            .insert_header(("cache-control", "no-store"))
            .content_type(exchange.answer.content_type())
            .body(text)),
        Err(fault) => Err(exchange.fault(fault)),
    })
    .await
}

async fn carried_out(exchange: &Exchange, body: Result<Bytes, actix_web::Error>) -> Result<String, Fault> {
    let value = exchange.body(&received(body)?, BUNDLE)?;
    let concord = &exchange.server.concord;
    let entries = bundle::entries(concord, &value).await?;
    let beyond_one = entries.len().saturating_sub(1);
    exchange.server.pace.admit(&exchange.call.caller, beyond_one, concord.store.now_ms())?;
    let with_shape = |entry: Result<bundle::Entry, Fault>| match entry.and_then(|entry| shape(exchange, entry)) {
        Ok((entry, shape)) => (Ok(entry), shape),
        Err(fault) => (Err(fault), Shape::Whole),
    };
    let (entries, shapes): (Vec<_>, Vec<Shape>) = entries.into_iter().map(with_shape).unzip();
    let (kind, answers) = match value.text("type") {
        Some("batch") => ("batch-response", bundle::batch(concord, &exchange.call, entries).await),
        Some("transaction") => {
            let done = bundle::transaction(concord, exchange.call.clone(), entries).await?;
            ("transaction-response", done.into_iter().map(Ok).collect())
        }
        _ => {
            return Err(Fault::Malformed(vec![Issue::error(
                IssueCode::Value,
                "Bundle.type",
                "only a batch or a transaction is carried out",
            )]));
        }
    };
    let mut list = Vec::with_capacity(answers.len());
    for (answer, shape) in answers.into_iter().zip(shapes) {
        list.push(match answer {
            Ok(done) => answered(exchange, done, shape)?,
            Err(fault) => refused(exchange, &fault),
        });
    }
    let mut all = Value::object([("resourceType", Value::string("Bundle")), ("type", Value::string(kind))]);
    if let (Some(object), false) = (all.as_object_mut(), list.is_empty()) {
        object.set("entry", Value::Array(list));
    }
    // The form of the whole; what of each resource is sent has been settled above.
    Ok(Answer { shape: Shape::Whole, ..exchange.answer.clone() }.value(&all))
}

/// What of each resource is sent in the answer to an entry: what the entry says, else what the request says.
fn shape(exchange: &Exchange, entry: bundle::Entry) -> Result<(bundle::Entry, Shape), Fault> {
    let form: Vec<(String, String)> = entry.form().iter().filter(|(name, _)| name != "_format").cloned().collect();
    let shape = match Answer::asked(&form, None)?.shape {
        Shape::Whole => exchange.answer.shape.clone(),
        own => own,
    };
    Ok((entry, shape))
}

/// The answer to one entry.
fn answered(exchange: &Exchange, done: Done, shape: Shape) -> Result<Value<'static>, Fault> {
    let form = Answer { shape, ..Answer::default() };
    let base = exchange.server.concord.base.as_str();
    let mut response = Value::object([("status", Value::string(done.status()))]);
    let Some(object) = response.as_object_mut() else { return Ok(Value::Null) };
    let body = match done {
        Done::Written(written) => {
            let version = written.version;
            let place = format!("{base}/{}/{}/_history/{}", version.resource_type, version.id, version.version);
            object.set("location", Value::string(place));
            object.set("etag", Value::string(format!("W/\"{}\"", version.version)));
            object.set("lastModified", Value::string(instant(version.updated)));
            if !written.warnings.is_empty() {
                object.set("outcome", outcome(&written.warnings));
            }
            match exchange.wants_representation() {
                true => Some(form.resource(labels::shown(version)?)?),
                false => None,
            }
        }
        Done::Deleted(version) => {
            if let Some(version) = version {
                object.set("etag", Value::string(format!("W/\"{version}\"")));
            }
            None
        }
        Done::Found(version) => {
            object.set("etag", Value::string(format!("W/\"{}\"", version.version)));
            object.set("lastModified", Value::string(instant(version.updated)));
            Some(form.resource(labels::shown(version)?)?)
        }
        Done::Versions(history) => {
            let (of, pairs, page, limit) = *history;
            Some(history_bundle(exchange, of, &pairs, page, limit).written(&form)?)
        }
        Done::Output(output) => match *output {
            (Output::Value(value), ..) => Some(json::to_string(&form.shaped(value))),
            (Output::Page(page), path, pairs) => Some(page_bundle(exchange, page, &path, &pairs).written(&form)?),
        },
        Done::Page(page) => {
            let (path, query, page) = *page;
            let path = format!("{base}{path}");
            let bundle = Bundle {
                kind: "searchset",
                base,
                now_ms: exchange.server.concord.store.now_ms(),
                total: page.total,
                this: address(&path, &query, query.cursor.as_deref()),
                next: page.next.as_deref().map(|cursor| address(&path, &query, Some(cursor))),
                versions: page.versions,
                included: page.included,
                remarks: page.remarks.into_iter().chain(ignored(&query)).collect(),
            };
            Some(bundle.written(&form)?)
        }
    };
    let mut entry = Value::object([]);
    if let (Some(body), Some(object)) = (body, entry.as_object_mut()) {
        let value = json::parse(body.as_bytes(), &json::Limits::default())
            .map_err(|_| Fault::Internal("a stored body cannot be read".to_owned()))?;
        if let (Some(name), Some(id)) = (value.text("resourceType"), value.text("id")) {
            object.set("fullUrl", Value::string(format!("{base}/{name}/{id}")));
        }
        object.set("resource", value.into_owned());
    }
    if let Some(object) = entry.as_object_mut() {
        object.set("response", response);
    }
    Ok(entry)
}

/// The answer to an entry of a batch that was refused.
fn refused(exchange: &Exchange, fault: &Fault) -> Value<'static> {
    if let Fault::Internal(cause) = fault {
        tracing::error!(request_id = exchange.call.request_id, cause, "an entry of a batch failed");
    }
    let (status, issues) = super::fault::told(fault, &exchange.call.request_id);
    let status = format!("{} {}", status.as_u16(), status.canonical_reason().unwrap_or_default());
    Value::object([(
        "response",
        Value::object([("status", Value::string(status.trim())), ("outcome", outcome(&issues))]),
    )])
}
