//! What can go wrong with a request, in the terms of FHIR and Concord. What it has to say to a
//! client is in it (which methods there are instead, when to come again); `http::error` has the one table from it to a
//! status and headers.

use std::collections::HashMap;

use concord_fhir::issue::{Issue, IssueCode, Severity};
use concord_model::Refused;
use concord_store::{Extent, StoreError, WorkError};
use concord_terminology::elsewhere::Question;

/// Why a request was not carried out.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ApiError {
    /// The body or URL cannot be read as what it should be.
    #[error("cannot be read: {}", listed(.0))]
    Malformed(Vec<Issue>),
    /// The content can be read but is not valid FHIR, or breaks a rule of its type.
    #[error("not valid: {}", listed(.0))]
    Unprocessable(Vec<Issue>),
    /// Nobody, or nobody believable, is calling. The text is the `WWW-Authenticate` value.
    #[error("{text}")]
    Unauthenticated {
        /// The challenge for the header.
        challenge: String,
        /// The sentence for the client.
        text: String,
    },
    /// The caller may know that the thing is there but may not do this with it.
    #[error("refused: {}", listed(.0))]
    Denied(Vec<Issue>),
    /// The address names no resource type of R4.
    #[error("{0} is no resource type of R4")]
    NoSuchType(String),
    /// The address names no operation of that place.
    #[error("{}", .0.text)]
    NoSuchOperation(Issue),
    /// It is not there, or the caller may not know that it is: both are said alike.
    #[error("not found")]
    NotFound,
    /// It was there, and the caller could read it, but it has been deleted.
    #[error("deleted")]
    Gone,
    /// The interaction is never possible on this type.
    #[error("{text}")]
    NotAllowed {
        /// The sentence for the client.
        text: String,
        /// The methods that are possible, for the `Allow` header.
        allow: &'static str,
    },
    /// Another writer came first, or the state does not let it happen.
    #[error("{0}")]
    Conflict(String),
    /// `If-Match` names another version than the current one, or a condition matches several resources.
    #[error("{}", .0.text)]
    PreconditionFailed(Issue),
    /// It has to be said which version is meant, and is not.
    #[error("{}", .0.text)]
    PreconditionRequired(Issue),
    /// More bytes than allowed.
    #[error("{0}")]
    TooLarge(String),
    /// The body's media type is not one of FHIR.
    #[error("{0}")]
    MediaType(String),
    /// No acceptable media type to answer in.
    #[error("{0}")]
    NotAcceptable(String),
    /// The caller asks too often; come again after so many seconds.
    #[error("asked too often; again in {0} s")]
    Throttled(u32),
    /// What the caller labels is still handing on the labels that it got before; come again after so many seconds.
    #[error("labels are still being handed on from there; again in {0} s")]
    LabelsOnTheirWay(u32),
    /// Too busy now; come again after so many seconds.
    #[error("the database is busy or lost; again in {0} s")]
    Busy(u32),
    /// What is asked for may be in what cannot be read until somebody sees to it, which is said.
    #[error("{0}")]
    Unreadable(String),
    /// To match the condition of a write, or to search beside writes, takes more than the only writer may spend on it.
    #[error("the condition costs too much to be matched while others wait")]
    CostlyCondition,
    /// A read takes more than what others wait for may spend on it, SQLite's only writer or the statement that they share on
    /// PostgreSQL: so much, as far as is known. Nobody is told: it is read beside them.
    #[error("the read costs too much to be done while others wait")]
    CostlyRead(Extent),
    /// To decide about what a write changes or names leads further than the only writer may follow. Nobody is told: that is done
    /// before, and the write is tried again.
    #[error("what is decided before the write costs too much while others wait")]
    CostlyWalks,
    /// What a patch makes of the resource of that id has not been found before the write, or of another version. Nobody is told
    /// at first: it is found, and the write is tried again.
    #[error("what is to be patched has changed meanwhile")]
    NotForeseen {
        /// The id.
        id: String,
    },
    /// A terminology server elsewhere has to be asked first, or, where there is no question, definitions have to be read
    /// anew. Nobody is told: that is done, and then the work again.
    #[error("a terminology server has to be asked first")]
    AskElsewhere(Vec<Question>),
    /// A terminology server elsewhere that would tell cannot be reached.
    #[error("{0}")]
    TerminologyUnreachable(String),
    /// Entries of a transaction refer to versions of others that have come out otherwise: those that they come to, by place.
    #[error("entries refer to versions of others that have come out otherwise")]
    OtherVersions(HashMap<usize, i64>),
    /// An entry of a transaction failed, and all others with it.
    #[error("Bundle.entry[{place}]: {fault}")]
    InEntry {
        /// The place of the entry in the Bundle, from 0.
        place: usize,
        /// What is wrong with it.
        fault: Box<ApiError>,
    },
    /// Several entries of a transaction are not valid.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    InEntries(Vec<ApiError>),
    /// A system that asks on behalf of others has been kept waiting for as long as it waits.
    #[error("not answered in time")]
    TookTooLong,
    /// The server is being worked on.
    #[error("the server is being worked on")]
    Maintenance,
    /// Bodies that are arriving, or answers that are not taken, have all the memory that they may; come again after so many
    /// seconds.
    #[error("no memory for the body or the answer; again in {0} s")]
    Full(u32),
    /// The caller's own have all of it that one caller's may; come again after so many seconds.
    #[error("the caller's bodies or answers have their share of the memory; again in {0} s")]
    OverShare(u32),
    /// The body has not arrived within so many seconds.
    #[error("the body did not arrive within {0} s")]
    BodyTooSlow(u64),
    /// The database was lost while a change was being committed, so nobody knows whether it has been; look again after so
    /// many seconds.
    #[error("the database was lost during a commit; whether it was stored is not known; look again in {0} s")]
    OutcomeUnknown(u32),
    /// The disk of the database is full; come again after so many seconds.
    #[error("the disk of the database is full; again in {0} s")]
    NoSpace(u32),
    /// The server is at fault. The cause goes to the log, never to the client.
    #[error("{0}")]
    Internal(String),
}

/// Problems in one line, each with its place.
fn listed(issues: &[Issue]) -> String {
    let told = issues.iter().map(|issue| match &issue.expression {
        Some(place) => format!("{place}: {}", issue.text),
        None => issue.text.clone(),
    });
    told.collect::<Vec<_>>().join("; ")
}

impl From<Refused> for ApiError {
    fn from(refused: Refused) -> ApiError {
        ApiError::Internal(refused.to_string())
    }
}

impl ApiError {
    /// What is wrong, wherever.
    pub(crate) fn cause(&self) -> &ApiError {
        match self {
            ApiError::InEntry { fault, .. } => fault.cause(),
            ApiError::InEntries(faults) => faults.first().map_or(self, ApiError::cause),
            own => own,
        }
    }

    /// What has to be asked elsewhere first.
    pub(crate) fn questions(&self) -> Option<&[Question]> {
        match self.cause() {
            ApiError::AskElsewhere(questions) => Some(questions),
            _ => None,
        }
    }

    /// Whether nothing has been decided yet, so that there is nothing to tell: something has to be found first, and the work
    /// is done again.
    pub(crate) fn is_undecided(&self) -> bool {
        matches!(
            self.cause(),
            ApiError::CostlyCondition
                | ApiError::CostlyRead(_)
                | ApiError::CostlyWalks
                | ApiError::AskElsewhere(_)
                | ApiError::OtherVersions(_)
                | ApiError::NotForeseen { .. }
        )
    }

    /// The problems of a body: 400 if it cannot be read as a resource at all, 422 if it can but is not valid.
    pub(crate) fn invalid(issues: Vec<Issue>) -> ApiError {
        let refuses = |issue: &&Issue| issue.severity >= Severity::Error;
        let beyond = |issue: &&Issue| issue.code == IssueCode::TooLong && issue.expression.is_none();
        if let Some(issue) = issues.iter().filter(refuses).find(beyond) {
            return ApiError::TooLarge(issue.text.clone());
        }
        if issues.iter().any(|issue| issue.code == IssueCode::Structure) {
            ApiError::Malformed(issues)
        } else {
            ApiError::Unprocessable(issues)
        }
    }

    /// An error of a header, named in the issue; the text goes on from its name.
    pub fn header(name: &str, text: impl std::fmt::Display) -> ApiError {
        ApiError::Malformed(vec![Issue::plain(IssueCode::Value, format!("header {name} {text}"))])
    }

    /// An error of a parameter, named in the issue.
    pub fn parameter(name: &str, text: impl std::fmt::Display) -> ApiError {
        ApiError::Malformed(vec![Issue::plain(IssueCode::Value, format!("parameter {name}: {text}"))])
    }

    /// That an answer would hold more than this setting allows.
    pub(crate) fn beyond_answer(setting: &str) -> ApiError {
        ApiError::TooLarge(format!(
            "the answer would hold more than {setting} allows; ask for less at once, for instance in several requests or with a \
             smaller _count"
        ))
    }

    /// A denial with one sentence.
    pub fn denied(text: impl Into<String>) -> ApiError {
        ApiError::Denied(vec![Issue::plain(IssueCode::Forbidden, text)])
    }

    /// A broken rule at a place.
    pub fn rule(expression: impl Into<String>, text: impl Into<String>) -> ApiError {
        ApiError::Unprocessable(vec![Issue::error(IssueCode::BusinessRule, expression, text)])
    }
}

/// What whoever may leave nothing to be done afterwards is told of labels that reach further than that.
fn too_far(most: usize) -> String {
    format!(
        "more than {most} resources are part of what would get a label by this, or speak about it, and each would get the label too: \
         ask the organisation that keeps it to have its system, which is registered here, label it; or label what you mean by itself"
    )
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> ApiError {
        match error {
            StoreError::Conflict(text) => ApiError::Conflict(text),
            StoreError::Busy(seconds) => ApiError::Busy(seconds),
            StoreError::OutcomeUnknown(seconds) => ApiError::OutcomeUnknown(seconds),
            StoreError::NoSpace(seconds) => ApiError::NoSpace(seconds),
            StoreError::TooCostly(text) => ApiError::Malformed(vec![Issue::plain(IssueCode::TooCostly, text)]),
            StoreError::BeyondAnswer => ApiError::beyond_answer("max_answer_bytes"),
            StoreError::LabelsTooMany(most) => {
                ApiError::Unprocessable(vec![Issue::plain(IssueCode::TooCostly, too_far(most))])
            }
            StoreError::LabelsOnTheirWay(seconds) => ApiError::LabelsOnTheirWay(seconds),
            StoreError::NotSupported(text) => ApiError::Malformed(vec![Issue::plain(IssueCode::NotSupported, text)]),
            StoreError::Internal(cause) => ApiError::Internal(cause),
        }
    }
}

impl WorkError for ApiError {
    fn is_failure(&self) -> bool {
        matches!(
            self.cause(),
            ApiError::Internal(_)
                | ApiError::Busy(_)
                | ApiError::Unreadable(_)
                | ApiError::Full(_)
                | ApiError::OverShare(_)
                | ApiError::OutcomeUnknown(_)
                | ApiError::NoSpace(_)
        )
    }
}
