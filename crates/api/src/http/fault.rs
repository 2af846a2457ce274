//! The one table from a fault to a status, and how a fault is said.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header;
use concord_fhir::issue::{Issue, IssueCode, Severity, outcome};

use super::negotiate::Answer;
use crate::fault::Fault;

/// How long a client should wait before it comes back to a busy server, in seconds, when nothing better is known.
const RETRY: u32 = 1;

/// The status and the issues of a fault.
pub(super) fn told(fault: &Fault, request_id: &str) -> (StatusCode, Vec<Issue>) {
    let one = |code: IssueCode, text: &str| vec![Issue::plain(code, text)];
    match fault {
        Fault::Malformed(issues) => (StatusCode::BAD_REQUEST, issues.clone()),
        Fault::RuleBroken(issues) => (StatusCode::UNPROCESSABLE_ENTITY, issues.clone()),
        Fault::Unauthenticated { text, .. } => (StatusCode::UNAUTHORIZED, one(IssueCode::Login, text)),
        Fault::Denied(issues) => (StatusCode::FORBIDDEN, issues.clone()),
        Fault::NoSuchType(name) => (
            StatusCode::NOT_FOUND,
            one(IssueCode::NotSupported, &format!("{name:?} is no resource type of R4 with an endpoint here")),
        ),
        Fault::NoSuchOperation(issue) => (StatusCode::NOT_FOUND, vec![issue.clone()]),
        Fault::NotFound => (StatusCode::NOT_FOUND, one(IssueCode::NotFound, "not found")),
        Fault::Gone => (StatusCode::GONE, one(IssueCode::Deleted, "the resource has been deleted")),
        Fault::NotAllowed { text, .. } => (StatusCode::METHOD_NOT_ALLOWED, one(IssueCode::NotSupported, text)),
        Fault::Conflict(text) => (StatusCode::CONFLICT, one(IssueCode::Conflict, text)),
        Fault::PreconditionFailed(issue) => (StatusCode::PRECONDITION_FAILED, vec![issue.clone()]),
        Fault::TooLarge(text) => (StatusCode::PAYLOAD_TOO_LARGE, one(IssueCode::TooLong, text)),
        Fault::MediaType(text) => (StatusCode::UNSUPPORTED_MEDIA_TYPE, one(IssueCode::NotSupported, text)),
        Fault::NotAcceptable(text) => (StatusCode::NOT_ACCEPTABLE, one(IssueCode::NotSupported, text)),
        Fault::Throttled(_) => (
            StatusCode::TOO_MANY_REQUESTS,
            one(
                IssueCode::Throttled,
                "too many requests from this app for this person; wait as long as Retry-After says",
            ),
        ),
        Fault::Busy(_) => (
            StatusCode::SERVICE_UNAVAILABLE,
            one(IssueCode::Transient, "the server cannot answer now; try again in a moment"),
        ),
        Fault::Internal(_) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            vec![Issue {
                severity: Severity::Fatal,
                code: IssueCode::Exception,
                text: format!("the server failed; its log has the cause under request id {request_id}"),
                expression: None,
            }],
        ),
    }
}

/// The response to a fault, in the form that the client asked for.
pub(super) fn response(fault: &Fault, answer: &Answer, request_id: &str) -> HttpResponse {
    if let Fault::Internal(cause) = fault {
        tracing::error!(request_id, cause, "a request failed");
    }
    let (status, issues) = told(fault, request_id);
    let mut builder = HttpResponse::build(status);
    match fault {
        Fault::Unauthenticated { challenge, .. } => {
            builder.insert_header((header::WWW_AUTHENTICATE, challenge.as_str()));
        }
        Fault::NotAllowed { allow, .. } => {
            builder.insert_header((header::ALLOW, *allow));
        }
        Fault::Busy(seconds) | Fault::Throttled(seconds) => {
            builder.insert_header((header::RETRY_AFTER, (*seconds).max(RETRY).to_string()));
        }
        _ => {}
    }
    builder.insert_header((header::CACHE_CONTROL, "no-store"));
    builder.content_type(answer.content_type()).body(answer.value(&outcome(&issues)))
}
