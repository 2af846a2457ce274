//! What is wrong, how badly, and where: the items of an OperationOutcome.

/// The resource that says what is wrong with a request or a resource.
pub const OUTCOME: &str = "OperationOutcome";

/// How bad an issue is (R4 value set `issue-severity`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing is wrong.
    Information,
    /// Accepted, but somebody should look.
    Warning,
    /// Refused.
    Error,
    /// Refused, and nothing more can be said of the rest.
    Fatal,
}

impl Severity {
    /// The code of the value set.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Severity::Information => "information",
            Severity::Warning => "warning",
            Severity::Error => "error",
            Severity::Fatal => "fatal",
        }
    }
}

/// The kind of an issue (R4 value set `issue-type`; the codes that Concord uses).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum IssueCode {
    /// The content cannot be read: not JSON, not XML.
    Structure,
    /// A required element is missing.
    Required,
    /// An element's value is not of its type's form.
    Value,
    /// The content breaks a rule of the resource type (cardinality, unknown element, choice).
    Invalid,
    /// A rule that holds between elements is broken.
    Invariant,
    /// A code is not in the value set that the element is bound to.
    CodeInvalid,
    /// The thing asked for is not supported here.
    NotSupported,
    /// Too long, too deep, too many.
    TooLong,
    /// Too costly to answer.
    TooCostly,
    /// It is not there, or the caller may not know that it is.
    NotFound,
    /// It was there and has been deleted.
    Deleted,
    /// The caller did not say who they are, or it could not be believed.
    Login,
    /// The token has expired.
    Expired,
    /// The caller may not do this.
    Forbidden,
    /// Some information may be withheld.
    Suppressed,
    /// A rule of Concord is broken.
    BusinessRule,
    /// Another writer came first.
    Conflict,
    /// There is one already, or more than one.
    MultipleMatches,
    /// Wait and try again.
    Transient,
    /// It took too long to arrive.
    Timeout,
    /// Too many requests.
    Throttled,
    /// The server is at fault.
    Exception,
    /// For the reader's information.
    Informational,
}

impl IssueCode {
    /// The code of the value set.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            IssueCode::Structure => "structure",
            IssueCode::Required => "required",
            IssueCode::Value => "value",
            IssueCode::Invalid => "invalid",
            IssueCode::Invariant => "invariant",
            IssueCode::CodeInvalid => "code-invalid",
            IssueCode::NotSupported => "not-supported",
            IssueCode::TooLong => "too-long",
            IssueCode::TooCostly => "too-costly",
            IssueCode::NotFound => "not-found",
            IssueCode::Deleted => "deleted",
            IssueCode::Login => "login",
            IssueCode::Expired => "expired",
            IssueCode::Forbidden => "forbidden",
            IssueCode::Suppressed => "suppressed",
            IssueCode::BusinessRule => "business-rule",
            IssueCode::Conflict => "conflict",
            IssueCode::MultipleMatches => "multiple-matches",
            IssueCode::Transient => "transient",
            IssueCode::Timeout => "timeout",
            IssueCode::Throttled => "throttled",
            IssueCode::Exception => "exception",
            IssueCode::Informational => "informational",
        }
    }
}

/// One thing to say about a request or a resource (R4 `OperationOutcome.issue`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// How bad.
    pub severity: Severity,
    /// Of what kind.
    pub code: IssueCode,
    /// One sentence for the client's developer; it may repeat what the client sent, nothing else.
    pub text: String,
    /// The place, as a simple FHIRPath (`Observation.component[1].code`), where one is known.
    pub expression: Option<String>,
    /// The rule of access that it is about, by which the log names it.
    pub rule: Option<&'static str>,
}

impl Issue {
    /// An error with a place.
    pub fn error(code: IssueCode, expression: impl Into<String>, text: impl Into<String>) -> Issue {
        Issue { severity: Severity::Error, code, text: text.into(), expression: Some(expression.into()), rule: None }
    }

    /// An error without a place.
    pub fn plain(code: IssueCode, text: impl Into<String>) -> Issue {
        Issue { severity: Severity::Error, code, text: text.into(), expression: None, rule: None }
    }

    /// A remark with a place.
    pub fn remark_at(
        severity: Severity,
        code: IssueCode,
        expression: impl Into<String>,
        text: impl Into<String>,
    ) -> Issue {
        Issue { severity, ..Issue::error(code, expression, text) }
    }

    /// A remark without a place.
    pub fn remark(severity: Severity, code: IssueCode, text: impl Into<String>) -> Issue {
        Issue { severity, code, text: text.into(), expression: None, rule: None }
    }
}
