//! What can go wrong with a request, in the terms of FHIR and Concord. Nothing here knows HTTP: `http::fault` has the
//! one table from a fault to a status.

use concord_fhir::issue::{Issue, IssueCode};

/// Why a request was not carried out.
#[derive(Debug)]
pub enum Fault {
    /// The body or URL cannot be read as what it should be.
    Malformed(Vec<Issue>),
    /// The content can be read but is not valid FHIR, or breaks a rule of its type.
    RuleBroken(Vec<Issue>),
    /// Nobody, or nobody believable, is calling. The text is the `WWW-Authenticate` value.
    Unauthenticated {
        /// The challenge for the header.
        challenge: String,
        /// The sentence for the client.
        text: String,
    },
    /// The caller may know that the thing is there but may not do this with it.
    Denied(Vec<Issue>),
    /// The address names no resource type of R4.
    NoSuchType(String),
    /// The address names no operation of that place.
    NoSuchOperation(Issue),
    /// It is not there, or the caller may not know that it is: both are said alike.
    NotFound,
    /// It was there, and the caller could read it, but it has been deleted.
    Gone,
    /// The interaction is never possible on this type.
    NotAllowed {
        /// The sentence for the client.
        text: String,
        /// The methods that are possible, for the `Allow` header.
        allow: &'static str,
    },
    /// Another writer came first, or the state does not let it happen.
    Conflict(String),
    /// `If-Match` names another version than the current one, or a condition matches several resources.
    PreconditionFailed(Issue),
    /// More bytes than allowed.
    TooLarge(String),
    /// The body's media type is not one of FHIR.
    MediaType(String),
    /// No acceptable media type to answer in.
    NotAcceptable(String),
    /// The caller asks too often; come again after so many seconds.
    Throttled(u32),
    /// Too busy now; come again after so many seconds.
    Busy(u32),
    /// The server is at fault. The cause goes to the log, never to the client.
    Internal(String),
}

impl Fault {
    /// A fault of a parameter or header, named in the issue.
    pub fn parameter(name: &str, text: impl std::fmt::Display) -> Fault {
        Fault::Malformed(vec![Issue::plain(IssueCode::Value, format!("parameter {name}: {text}"))])
    }

    /// A denial with one sentence.
    pub fn denied(text: impl Into<String>) -> Fault {
        Fault::Denied(vec![Issue::plain(IssueCode::Forbidden, text)])
    }

    /// A broken rule at a place.
    pub fn rule(expression: impl Into<String>, text: impl Into<String>) -> Fault {
        Fault::RuleBroken(vec![Issue::error(IssueCode::BusinessRule, expression, text)])
    }
}
