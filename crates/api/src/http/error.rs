//! The one table from an error to a status, and how an error is said.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header;
use concord_fhir::codec::{is_in_bundle, place_of_entry};
use concord_fhir::issue::{Issue, IssueCode, Severity};
use concord_model::build::operation_outcome;

use super::negotiate::Answer;
use crate::error::ApiError;

/// What an answer tells of an error, for whoever says it in another form.
pub(super) struct Told(pub(super) Vec<Issue>);

/// How long a client should wait before it comes back to a busy server, in seconds, when nothing better is known.
const RETRY: u32 = 1;

/// After how long what cannot be read may be there again: somebody has to see to it.
const UNREADABLE_RETRY: &str = "60";

/// How long a client should wait while the server is being worked on, in seconds.
const MAINTENANCE_RETRY: &str = "60";

/// What is said where the disk of the database is full.
const NO_SPACE: &str = "insufficient storage: the disk of the database is full, so nothing can be stored, nor read, since that has \
                        to be logged; nothing of this request was done. Whoever runs the server has to make room; try again \
                        then";

/// What is said to whoever asks too often.
const TOO_OFTEN: &str = "too many requests from this app for this person; wait as long as Retry-After says";

/// What is said where labels are still being handed on from what is to get more.
const LABELS_ON_THEIR_WAY: &str = "what would get a label by this is still handing on the labels that it got or lost before, to more \
                                   than one write may give them to; it gets no more until that is done; wait as long as \
                                   Retry-After says";

/// What is said while the server is being worked on.
const WORKED_ON: &str =
    "the server is being worked on, and answers again when that is done; try again as Retry-After says";

/// What is said where bodies or answers have all the memory that they may.
const NO_ROOM: &str = "bodies that are arriving, or answers that are not taken, have all the memory that they may; try \
                       again as Retry-After says";

/// What is said where the caller's own have all of it that one caller's may.
const OWN_SHARE: &str = "bodies from this app for this person, or answers to it that are not taken, have all the memory that \
                         one may; take the answers, send less at once, and try again as Retry-After says";

/// The status and the issues of an error.
pub(super) fn status_and_issues(error: &ApiError, request_id: &str) -> (StatusCode, Vec<Issue>) {
    (status(error), issues(error, request_id))
}

fn status(error: &ApiError) -> StatusCode {
    match error {
        ApiError::InEntry { fault, .. } => status(fault),
        ApiError::InEntries(faults) => faults.first().map_or(StatusCode::UNPROCESSABLE_ENTITY, status),
        ApiError::Malformed(_) | ApiError::CostlyCondition => StatusCode::BAD_REQUEST,
        ApiError::Unprocessable(_) => StatusCode::UNPROCESSABLE_ENTITY,
        ApiError::Unauthenticated { .. } => StatusCode::UNAUTHORIZED,
        ApiError::Denied(_) => StatusCode::FORBIDDEN,
        ApiError::NoSuchType(_) | ApiError::NoSuchOperation(_) | ApiError::NotFound => StatusCode::NOT_FOUND,
        ApiError::Gone => StatusCode::GONE,
        ApiError::NotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
        ApiError::BodyTooSlow(_) => StatusCode::REQUEST_TIMEOUT,
        ApiError::TookTooLong => StatusCode::GATEWAY_TIMEOUT,
        ApiError::Conflict(_) | ApiError::OtherVersions(_) | ApiError::NotForeseen { .. } => StatusCode::CONFLICT,
        ApiError::PreconditionFailed(_) => StatusCode::PRECONDITION_FAILED,
        ApiError::PreconditionRequired(_) => StatusCode::PRECONDITION_REQUIRED,
        ApiError::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
        ApiError::MediaType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ApiError::NotAcceptable(_) => StatusCode::NOT_ACCEPTABLE,
        ApiError::Throttled(_) | ApiError::OverShare(_) | ApiError::LabelsOnTheirWay(_) => {
            StatusCode::TOO_MANY_REQUESTS
        }
        ApiError::Busy(_)
        | ApiError::Unreadable(_)
        | ApiError::Full(_)
        | ApiError::Maintenance
        | ApiError::OutcomeUnknown(_)
        | ApiError::NoSpace(_)
        | ApiError::AskElsewhere(_)
        | ApiError::CostlyRead(_)
        | ApiError::CostlyWalks
        | ApiError::TerminologyUnreachable(_) => StatusCode::SERVICE_UNAVAILABLE,
        ApiError::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

const TOO_LONG_NOW: &str = "this takes too long now; try again";

fn issues(error: &ApiError, request_id: &str) -> Vec<Issue> {
    let one = |code: IssueCode, text: &str| vec![Issue::plain(code, text)];
    match error {
        ApiError::InEntry { place, fault } => {
            issues(fault, request_id).into_iter().map(|issue| within(issue, *place)).collect()
        }
        ApiError::InEntries(faults) => faults.iter().flat_map(|fault| issues(fault, request_id)).collect(),
        ApiError::Malformed(issues) | ApiError::Unprocessable(issues) | ApiError::Denied(issues) => issues.clone(),
        ApiError::NoSuchOperation(issue)
        | ApiError::PreconditionFailed(issue)
        | ApiError::PreconditionRequired(issue) => {
            vec![issue.clone()]
        }
        ApiError::Unauthenticated { text, .. } => one(IssueCode::Login, text),
        ApiError::NoSuchType(name) => {
            one(IssueCode::NotSupported, &format!("{name:?} is no resource type of R4 with an endpoint here"))
        }
        ApiError::NotFound => one(IssueCode::NotFound, "not found"),
        ApiError::Gone => one(IssueCode::Deleted, "the resource has been deleted"),
        ApiError::Conflict(text) => one(IssueCode::Conflict, text),
        ApiError::OtherVersions(_) => one(IssueCode::Conflict, "the entries refer to versions that there will not be"),
        ApiError::NotForeseen { .. } => one(
            IssueCode::Conflict,
            "what is to be patched keeps changing; if another entry of the same transaction changes it, send the patch by itself",
        ),
        ApiError::TooLarge(text) => one(IssueCode::TooLong, text),
        ApiError::TerminologyUnreachable(text) | ApiError::Unreadable(text) => one(IssueCode::Transient, text),
        ApiError::CostlyRead(_) | ApiError::CostlyWalks => one(IssueCode::Transient, TOO_LONG_NOW),
        ApiError::AskElsewhere(_) => one(IssueCode::Transient, "the terminology server cannot be asked now; try again"),
        ApiError::NotAllowed { text, .. } | ApiError::MediaType(text) | ApiError::NotAcceptable(text) => {
            one(IssueCode::NotSupported, text)
        }
        ApiError::Throttled(_) => one(IssueCode::Throttled, TOO_OFTEN),
        ApiError::LabelsOnTheirWay(_) => one(IssueCode::Throttled, LABELS_ON_THEIR_WAY),
        ApiError::Busy(_) => one(IssueCode::Transient, "the server cannot answer now; try again in a moment"),
        ApiError::TookTooLong => one(IssueCode::Timeout, "this took longer than the caller waits for it; try again"),
        ApiError::Maintenance => one(IssueCode::Transient, WORKED_ON),
        ApiError::Full(_) => one(IssueCode::Transient, NO_ROOM),
        ApiError::OverShare(_) => one(IssueCode::Throttled, OWN_SHARE),
        ApiError::BodyTooSlow(seconds) => {
            one(IssueCode::Timeout, &format!("the body did not arrive within {seconds} s (body_timeout_seconds)"))
        }
        ApiError::CostlyCondition => one(
            IssueCode::TooCostly,
            "this takes too long to be found inside a transaction that writes; send the entry by itself, or name an identifier",
        ),
        ApiError::OutcomeUnknown(_) => one(
            IssueCode::Transient,
            "the database was lost while this was being stored, so whether it has been is unknown; look whether it is \
             there before you send it again",
        ),
        ApiError::NoSpace(_) => one(IssueCode::Transient, NO_SPACE),
        ApiError::Internal(_) => {
            let text = format!("the server failed; its log has the cause under request id {request_id}");
            vec![Issue::remark(Severity::Fatal, IssueCode::Exception, text)]
        }
    }
}

/// An issue with the place of its entry before its own.
fn within(issue: Issue, place: usize) -> Issue {
    let entry = place_of_entry(place);
    let expression = match issue.expression {
        Some(own) if is_in_bundle(&own) => own,
        Some(own) => match own.split_once('.') {
            Some((_, rest)) => format!("{entry}.resource.{rest}"),
            None => format!("{entry}.resource"),
        },
        None => entry,
    };
    Issue { expression: Some(expression), ..issue }
}

/// The response to an error, in the form that the client asked for.
pub(super) fn response(error: &ApiError, answer: &Answer, request_id: &str) -> HttpResponse {
    if let ApiError::Internal(cause) = error.cause() {
        tracing::error!(request_id, cause, "a request failed");
    }
    let (status, issues) = status_and_issues(error, request_id);
    let mut builder = HttpResponse::build(status);
    match error.cause() {
        ApiError::Unauthenticated { challenge, .. } => {
            builder.insert_header((header::WWW_AUTHENTICATE, challenge.as_str()));
        }
        ApiError::NotAllowed { allow, .. } => {
            builder.insert_header((header::ALLOW, *allow));
        }
        ApiError::Busy(seconds)
        | ApiError::Full(seconds)
        | ApiError::OverShare(seconds)
        | ApiError::OutcomeUnknown(seconds)
        | ApiError::NoSpace(seconds)
        | ApiError::LabelsOnTheirWay(seconds)
        | ApiError::Throttled(seconds) => {
            builder.insert_header((header::RETRY_AFTER, (*seconds).max(RETRY).to_string()));
        }
        ApiError::Unreadable(_) => {
            builder.insert_header((header::RETRY_AFTER, UNREADABLE_RETRY));
        }
        ApiError::Maintenance => {
            builder.insert_header((header::RETRY_AFTER, MAINTENANCE_RETRY));
        }
        _ => {}
    }
    builder.insert_header((header::CACHE_CONTROL, "no-store"));
    let mut response = builder.content_type(answer.content_type()).body(answer.value(&operation_outcome(&issues)));
    response.extensions_mut().insert(Told(issues));
    response
}
