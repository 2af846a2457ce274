use concord_fhir::issue::{Issue, IssueCode, Severity};
use concord_fhir::json::Value;
use fhirbolt::model::r4::Resource;
use fhirbolt::model::r4::resources::{OperationOutcome, OperationOutcomeIssue};

use crate::verbatim::Verbatim;
use crate::write::to_value;

/// The OperationOutcome that lists the issues (R4 "OperationOutcome"). An empty list says that all is well.
///
/// It is what a failure is told with, so that it has no failure of its own: should it ever not be written, an empty
/// one is the answer.
#[must_use]
pub fn operation_outcome(issues: &[Issue]) -> Value<'static> {
    let all_well = [Issue::remark(Severity::Information, IssueCode::Informational, "all is well")];
    let issues = if issues.is_empty() { &all_well[..] } else { issues };
    let outcome = OperationOutcome { issue: issues.iter().map(issue).collect(), ..Default::default() };
    to_value(&Resource::OperationOutcome(Box::new(outcome)), Verbatim::default())
        .unwrap_or_else(|_| Value::object([("resourceType", Value::string("OperationOutcome"))]))
}

fn issue(issue: &Issue) -> OperationOutcomeIssue {
    OperationOutcomeIssue {
        severity: issue.severity.code().into(),
        code: issue.code.code().into(),
        diagnostics: Some(issue.text.as_str().into()),
        expression: issue.expression.iter().map(|place| place.as_str().into()).collect(),
        ..Default::default()
    }
}
