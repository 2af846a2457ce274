//! `$validate`: whether a resource would be taken (R4 "Resource-validate"). Nothing is stored.

use concord_fhir::issue::{Issue, IssueCode, Severity};
use concord_fhir::json::Value;
use concord_fhir::registry::ResourceType;
use concord_fhir::{check, rules};
use concord_model::build::operation_outcome;
use concord_store::rows::Version;

use crate::error::ApiError;
use crate::interact::operation::{Conduct, Input, Level, Operation, OperationTarget, Output, Parameter};
use crate::interact::session::Session;
use crate::interact::{access, profiles, read, write};

/// `$validate`
pub(super) const OPERATION: Operation = Operation {
    name: "$validate",
    levels: &[Level::Type, Level::Instance],
    types: &[],
    conduct: Conduct { takes_invalid: true, computes: true, ..Conduct::READS },
    description: "Says every problem of a resource, without storing it; of one that is stored, what there is to say of it. The \
           answer is 200 whatever is found. The profiles that it claims are checked, and those that are asked; what could \
           not be checked is said.",
    definition: Some("http://hl7.org/fhir/OperationDefinition/Resource-validate"),
    parameters: &[
        Parameter::optional("resource", "Resource", "What to check; may be the body itself"),
        Parameter::optional("mode", "code", "create, update, delete or profile"),
        Parameter {
            max: 10,
            ..Parameter::optional(
                "profile",
                "canonical",
                "A profile to check it by besides those that it claims, with |version or without",
            )
        },
    ],
    run,
};

fn run(session: &mut Session<'_, '_>, target: &OperationTarget, input: &Input) -> Result<Output, ApiError> {
    let mode = match input.text("mode").as_deref() {
        None | Some("create" | "update") => "store",
        Some("delete") => "delete",
        // Profiles are checked in any mode.
        Some("profile") => "store",
        Some(_) => return Err(ApiError::parameter("mode", "create, update, delete or profile")),
    };
    let asked = input.texts("profile");
    // Whoever cannot see the resource cannot ask about it.
    let stored = match (target.resource_type, &target.id) {
        (Some(named), Some(id)) => Some(read::current(session, named, id)?),
        _ => None,
    };
    let mut issues = match (input.resource("resource"), input.problems.is_empty(), mode, stored) {
        (None, true, "store", Some(stored)) => {
            let resource = stored.resource()?;
            let mut issues = remarks(session, stored.resource_type, &resource)?;
            issues.extend(profiles::problems(session, &resource, &asked, Some(&stored), read::current)?);
            issues
        }
        (None, true, "store", None) => {
            return Err(ApiError::Malformed(vec![Issue::plain(IssueCode::Required, "parameter resource is missing")]));
        }
        (resource, _, _, stored) => problems(session, target, input, (resource, stored.as_ref()), &asked)?,
    };
    let told = |text: &str| Issue::remark(Severity::Information, IssueCode::Informational, text);
    if issues.is_empty() {
        issues.push(told("no problem was found"));
    }
    Ok(Output::Value(operation_outcome(&issues)))
}

/// What is wrong with a resource that would be stored, and what there is to say of it.
fn problems(
    session: &mut Session<'_, '_>,
    target: &OperationTarget,
    input: &Input,
    (resource, stored): (Option<&Value<'static>>, Option<&Version>),
    asked: &[String],
) -> Result<Vec<Issue>, ApiError> {
    let mut issues = input.problems.clone();
    let Some(resource) = resource else { return Ok(issues) };
    if resource.text("resourceType") != target.resource_type.map(|named| named.name()) {
        let text = "the resource is of another type than the address";
        issues.push(Issue::error(IssueCode::Invalid, "resourceType", text));
        return Ok(issues);
    }
    if let (Some(id), Some(own)) = (&target.id, resource.get("id").and_then(Value::as_str))
        && id != own
    {
        issues.push(Issue::error(IssueCode::Invalid, "id", "the resource has another id than the address"));
    }
    if let Some(named) = target.resource_type {
        issues.extend(remarks(session, named, resource)?);
        issues.extend(profiles::problems(session, resource, asked, stored, read::current)?);
    }
    Ok(issues)
}

/// What the answer to a write would say of a resource that is stored.
fn remarks(
    session: &mut Session<'_, '_>,
    resource_type: ResourceType,
    resource: &Value<'_>,
) -> Result<Vec<Issue>, ApiError> {
    let mut issues = write::remarks(session, resource)?;
    // Whoever stores something need not hear of these each time.
    issues.extend(check::practices(resource));
    issues.extend(concord_terminology::remarks::on_bindings(resource));
    let writer = access::writer(session)?;
    let settings = session.service.rules();
    let now = session.transaction.now;
    let told = rules::prepare(resource_type, &mut resource.clone(), &writer, now, &settings);
    // Who may write what, and to what it belongs, is decided when it is written.
    issues.extend(told.unwrap_or_else(|all| all).into_iter().filter(|issue| issue.severity == Severity::Warning));
    Ok(issues)
}
