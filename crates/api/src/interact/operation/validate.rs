//! `$validate`: whether a resource would be taken (R4 "Resource-validate"). Nothing is stored.

use std::sync::Arc;

use concord_consent::request::Action;
use concord_fhir::issue::{Issue, IssueCode, Severity, outcome};
use concord_fhir::json::Value;
use concord_fhir::schema;

use super::{Input, Level, Operation, Output, Parameter, Running, Target};
use crate::fault::Fault;
use crate::interact::audit::Interaction;
use crate::interact::{Call, Concord, logged, read};

/// `$validate`
pub(super) const OPERATION: Operation = Operation {
    name: "$validate",
    levels: &[Level::Type, Level::Instance],
    types: &[],
    changes: false,
    takes_invalid: true,
    told: "Says every problem of a resource, without storing it. The answer is 200 whatever is found.",
    definition: Some("http://hl7.org/fhir/OperationDefinition/Resource-validate"),
    parameters: &[
        Parameter { name: "resource", of: "Resource", min: 0, max: 1, told: "What to check; may be the body itself" },
        Parameter { name: "mode", of: "code", min: 0, max: 1, told: "create, update or delete" },
    ],
    run,
};

fn run(concord: Arc<Concord>, call: Call, target: Target, input: Input) -> Running {
    Box::pin(async move {
        let mode = match input.text("mode").as_deref() {
            None | Some("create" | "update") => "store",
            Some("delete") => "delete",
            Some("profile") => {
                return Err(Fault::Malformed(vec![Issue::plain(
                    IssueCode::NotSupported,
                    "parameter mode: profiles are not checked",
                )]));
            }
            Some(_) => return Err(Fault::parameter("mode", "create, update or delete")),
        };
        let store = concord.store.clone();
        store
            .read(move |transaction| {
                let mut record = call.record(Interaction::Operation, target.resource_type);
                record.query = "$validate".to_owned();
                let done = match (target.resource_type, &target.id) {
                    // Whoever cannot see the resource cannot ask about it.
                    (Some(named), Some(id)) => {
                        record.entity.clone_from(id);
                        read::visible(&concord, &call, transaction, named, id, Action::Read, &mut record).map(|_| ())
                    }
                    _ => Ok(()),
                };
                logged(done.and_then(|()| judged(&target, &input, mode)), record)
            })
            .await
    })
}

fn judged(target: &Target, input: &Input, mode: &str) -> Result<Output, Fault> {
    let mut issues = input.problems.clone();
    match (input.resource("resource"), issues.is_empty(), mode) {
        (None, true, "store") => {
            return Err(Fault::Malformed(vec![Issue::plain(IssueCode::Required, "parameter resource is missing")]));
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
    Ok(Output::Value(outcome(&issues)))
}
