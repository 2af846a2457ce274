//! The response that a reply is told by: its headers, and the body in the form that is asked for.

use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::{HttpResponse, HttpResponseBuilder};
use concord_fhir::issue::{Issue, Severity};
use concord_model::build::operation_outcome;

use super::content;
use super::exchange::Exchange;
use super::prefer::Return;
use super::reply::{Body, Reply, entity_tag, whole};
use crate::error::ApiError;

/// What HEAD is told of a large answer: all but how long it would be, for which it would have to be written.
pub(super) fn without_body(exchange: &Exchange, reply: Reply) -> HttpResponse {
    let mut builder = headed(&reply);
    builder.content_type(exchange.answer.content_type()).body(actix_web::body::None::new())
}

/// What whoever did not ask for it is told of a write: how much there is to say of it, and where.
fn warning(issues: &[Issue]) -> Option<String> {
    let count = issues.iter().filter(|issue| issue.severity == Severity::Warning).count();
    let text = match count {
        0 => return None,
        1 => "1 remark on what was stored".to_owned(),
        count => format!("{count} remarks on what was stored"),
    };
    Some(format!("{text}; send Prefer: return=OperationOutcome, or see"))
}

/// A response with what a reply says of a version, to be gone on with.
fn headed(reply: &Reply) -> HttpResponseBuilder {
    let mut builder = HttpResponse::build(reply.status);
    if let Some(version) = reply.version {
        builder.insert_header(header::ETag(entity_tag(version)));
    }
    if let Some(time) = reply
        .modified
        .and_then(|since| u64::try_from(since).ok())
        .and_then(|since| std::time::UNIX_EPOCH.checked_add(std::time::Duration::from_millis(since)))
    {
        builder.insert_header(header::LastModified(time.into()));
    }
    if reply.status != StatusCode::NO_CONTENT {
        builder.insert_header((header::CACHE_CONTROL, "no-store"));
    }
    builder
}

/// The response with a reply in it.
///
/// # Errors
/// When a stored version cannot be written in that form.
pub(super) fn response(exchange: &Exchange, reply: Reply) -> Result<HttpResponse, ApiError> {
    let mut builder = headed(&reply);
    if let Some(place) = reply.place {
        if reply.status == StatusCode::CREATED {
            builder.insert_header((header::LOCATION, place.as_str()));
        }
        builder.insert_header((header::CONTENT_LOCATION, place));
    }
    if let (Some(text), Some(named)) = (warning(&reply.warnings), &reply.named) {
        let place = format!("{}/{named}/$validate", exchange.server.service.base);
        builder.insert_header(("warning", format!("199 - \"{text}: {place}\"")));
        builder.append_header(("link", format!("<{place}>; rel=\"describedby\"")));
    }
    let form = &exchange.answer;
    let body = match reply.body {
        Body::Nothing => return Ok(builder.finish()),
        Body::Content(content) => return Ok(content::response(builder, *content)),
        Body::Read(version) => whole(*version, form)?,
        Body::Written(version) => match exchange.prefer().wanted() {
            Return::Minimal => return Ok(builder.finish()),
            Return::Outcome => form.value(&operation_outcome(&reply.warnings)),
            Return::Representation => whole(*version, form)?,
        },
        Body::Text(text) => text,
        Body::Packed(bytes) => {
            builder.insert_header(header::ContentEncoding::Gzip).append_header((header::VARY, "accept-encoding"));
            return Ok(builder.content_type(form.content_type()).body(bytes));
        }
    };
    Ok(builder.content_type(form.content_type()).body(body))
}
