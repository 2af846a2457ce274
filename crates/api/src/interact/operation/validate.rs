//! `$validate`: whether a resource would be taken (R4 "Resource-validate"). Nothing is stored.

use concord_consent::request::Action;
use concord_fhir::issue::{Issue, IssueCode, Severity};
use concord_fhir::json::Value;
use concord_fhir::schema;
use concord_model::build::operation_outcome;

use crate::error::ApiError;
use crate::interact::operation::{Input, Level, Operation, OperationTarget, Output, Parameter};
use crate::interact::read;
use crate::interact::session::Session;

/// `$validate`
pub(super) const OPERATION: Operation = Operation {
    name: "$validate",
    levels: &[Level::Type, Level::Instance],
    types: &[],
    changes: false,
    reads_log: false,
    logs_parameters: false,
    takes_invalid: true,
    description: "Says every problem of a resource, without storing it. The answer is 200 whatever is found.",
    definition: Some("http://hl7.org/fhir/OperationDefinition/Resource-validate"),
    parameters: &[
        Parameter {
            name: "resource",
            of: "Resource",
            min: 0,
            max: 1,
            description: "What to check; may be the body itself",
        },
        Parameter { name: "mode", of: "code", min: 0, max: 1, description: "create, update or delete" },
    ],
    run,
};

fn run(session: &mut Session<'_, '_>, target: &OperationTarget, input: &Input) -> Result<Output, ApiError> {
    let mode = match input.text("mode").as_deref() {
        None | Some("create" | "update") => "store",
        Some("delete") => "delete",
        Some("profile") => {
            return Err(ApiError::Malformed(vec![Issue::plain(
                IssueCode::NotSupported,
                "parameter mode: profiles are not checked",
            )]));
        }
        Some(_) => return Err(ApiError::parameter("mode", "create, update or delete")),
    };
    // Whoever cannot see the resource cannot ask about it.
    if let (Some(named), Some(id)) = (target.resource_type, &target.id) {
        read::visible(session, named, id, Action::Read)?;
    }
    problems(target, input, mode)
}

fn problems(target: &OperationTarget, input: &Input, mode: &str) -> Result<Output, ApiError> {
    let mut issues = input.problems.clone();
    match (input.resource("resource"), issues.is_empty(), mode) {
        (None, true, "store") => {
            return Err(ApiError::Malformed(vec![Issue::plain(IssueCode::Required, "parameter resource is missing")]));
        }
        (Some(resource), ..) => {
            let name = resource.text("resourceType");
            if name != target.resource_type.map(|named| named.name()) {
                let text = "the resource is of another type than the address";
                issues.push(Issue::error(IssueCode::Invalid, "resourceType", text));
            }
            if let (Some(id), Some(own)) = (&target.id, resource.get("id").and_then(Value::as_str))
                && id != own
            {
                issues.push(Issue::error(IssueCode::Invalid, "id", "the resource has another id than the address"));
            }
        }
        _ => {}
    }
    issues.extend(input.resource("resource").iter().flat_map(|resource| schema::remarks(resource)));
    if issues.is_empty() {
        issues.push(Issue::remark(Severity::Information, IssueCode::Informational, "no problem was found"));
    }
    Ok(Output::Value(operation_outcome(&issues)))
}
