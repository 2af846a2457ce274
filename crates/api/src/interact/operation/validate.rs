//! `$validate`: whether a resource would be taken (R4 "Resource-validate"). Nothing is stored.

use concord_consent::request::Action;
use concord_fhir::issue::{Issue, IssueCode, Severity};
use concord_fhir::json::Value;
use concord_fhir::registry::ResourceType;
use concord_fhir::{check, rules};
use concord_model::build::operation_outcome;
use concord_store::rows::Version;

use crate::error::ApiError;
use crate::interact::access::references;
use crate::interact::audit::said::Act;
use crate::interact::operation::{Computing, Conduct, Input, Level, Operation, OperationTarget, Output, Parameter};
use crate::interact::session::Session;
use crate::interact::{access, allowed, create, profiles, read, update, write};

/// `$validate`
pub(super) const OPERATION: Operation = Operation {
    name: "$validate",
    levels: &[Level::Type, Level::Instance],
    types: &[],
    conduct: Conduct { takes_invalid: true, ..Conduct::READS },
    computing: Computing::ByPieces,
    description: "Says every problem of a resource, without storing it; of one that is stored, what there is to say of it. The \
           answer is 200 whatever is found. The profiles that it claims are checked, and those that are asked; what could \
           not be checked is said. With mode create, update or delete, what is decided of whoever would do that now is said too.",
    definition: Some("http://hl7.org/fhir/OperationDefinition/Resource-validate"),
    parameters: &[
        Parameter::optional("resource", "Resource", "What to check; may be the body itself"),
        Parameter::optional(
            "mode",
            "code",
            "What is to be done with it: create; update or delete, of one that is stored; or profile, by the profiles that \
             are named",
        ),
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

/// What is to be done with the resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Nothing in particular.
    Any,
    Create,
    Update,
    Delete,
}

impl Mode {
    fn of(target: &OperationTarget, input: &Input, profiles: &[String]) -> Result<Mode, ApiError> {
        let mode = match input.text("mode").as_deref() {
            None => Mode::Any,
            // Profiles are checked in any mode.
            Some("profile") if profiles.is_empty() => {
                return Err(ApiError::parameter("profile", "with the mode profile, which profile is asked about"));
            }
            Some("profile") => Mode::Any,
            Some("create") => Mode::Create,
            Some("update") => Mode::Update,
            Some("delete") => Mode::Delete,
            Some(_) => return Err(ApiError::parameter("mode", "create, update, delete or profile")),
        };
        if matches!(mode, Mode::Update | Mode::Delete) && target.id.is_none() {
            return Err(ApiError::parameter(
                "mode",
                "an update or deletion is of one that is stored: name it in the address",
            ));
        }
        Ok(mode)
    }
}

fn run(session: &mut Session<'_, '_>, target: &OperationTarget, input: &Input) -> Result<Output, ApiError> {
    let asked = input.texts("profile");
    let mode = Mode::of(target, input, &asked)?;
    // Whoever cannot see the resource cannot ask about it.
    let stored = match (target.resource_type, &target.id) {
        (Some(named), Some(id)) => Some(read::current(session, named, id)?),
        _ => None,
    };
    let mut issues = match (input.resource("resource"), input.problems.is_empty(), mode, &stored) {
        // What is in it is beside the point.
        (_, _, Mode::Delete, _) => Vec::new(),
        (None, true, _, Some(stored)) => {
            let resource = stored.resource()?;
            let mut issues = remarks(session, stored.resource_type, &resource, mode)?;
            issues.extend(profiles::problems(session, &resource, &asked, Some(stored), read::current)?);
            issues
        }
        (None, true, _, None) => {
            return Err(ApiError::Malformed(vec![Issue::plain(IssueCode::Required, "parameter resource is missing")]));
        }
        (resource, ..) => problems(session, target, input, (resource, stored.as_ref()), (&asked, mode))?,
    };
    let whole = input.resource("resource").filter(|_| input.problems.is_empty());
    for issue in refusals(session, target, whole, mode, stored.as_ref())? {
        // What is wrong with the content is told already.
        if !issues.contains(&issue) {
            issues.push(issue);
        }
    }
    let told = |text: &str| Issue::remark(Severity::Information, IssueCode::Informational, text);
    if issues.is_empty() {
        issues.push(told("no problem was found"));
    }
    Ok(Output::Value(operation_outcome(&issues)))
}

/// Why the caller might not do with the resource what is asked about: all that would be decided if it were done now. A resource that
/// cannot be read is decided on as far as that does not depend on what is in it.
fn refusals(
    session: &mut Session<'_, '_>,
    target: &OperationTarget,
    resource: Option<&Value<'static>>,
    mode: Mode,
    stored: Option<&Version>,
) -> Result<Vec<Issue>, ApiError> {
    let resource = resource.filter(|one| one.text("resourceType") == target.resource_type.map(|named| named.name()));
    let allowed = match (target.resource_type, mode, stored) {
        (Some(named), Mode::Create, _) => match resource {
            Some(resource) => create::refuse(session, named, resource.clone()),
            None => access::require_scope(session.call, Action::Create, named),
        },
        (_, Mode::Update, Some(stored)) => update_allowed(session, stored, resource),
        (_, Mode::Delete, Some(stored)) => deletion_allowed(session, stored),
        _ => Ok(()),
    };
    if let Err(ApiError::Denied(issues)) = &allowed
        && let Some(issue) = issues.first()
    {
        session.audit.done(Act::Refusal, &issue.text);
    }
    match allowed {
        Ok(()) => Ok(Vec::new()),
        Err(ApiError::Denied(issues) | ApiError::Unprocessable(issues) | ApiError::Malformed(issues)) => Ok(issues),
        Err(ApiError::NotAllowed { text, .. }) => Ok(vec![Issue::plain(IssueCode::NotSupported, text)]),
        Err(ApiError::Conflict(text)) => Ok(vec![Issue::plain(IssueCode::Conflict, text)]),
        Err(ApiError::NotFound | ApiError::Gone) => Ok(vec![Issue::plain(
            IssueCode::NotFound,
            "something that it is about is not there, or you may not read it",
        )]),
        Err(fault) => Err(fault),
    }
}

fn update_allowed(
    session: &mut Session<'_, '_>,
    stored: &Version,
    resource: Option<&Value<'static>>,
) -> Result<(), ApiError> {
    session.service.hooks.of(stored.resource_type).refuse_if_append_only()?;
    match resource {
        Some(resource) => update::refuse(session, stored, resource.clone()),
        None => {
            access::require_scope(session.call, Action::Update, stored.resource_type)?;
            allowed::update(session, stored)
        }
    }
}

fn deletion_allowed(session: &mut Session<'_, '_>, stored: &Version) -> Result<(), ApiError> {
    session.service.hooks.of(stored.resource_type).refuse_if_append_only()?;
    access::require_scope(session.call, Action::Delete, stored.resource_type)?;
    allowed::deletion(session, stored)
}

/// What is wrong with a resource that would be stored, and what there is to say of it.
fn problems(
    session: &mut Session<'_, '_>,
    target: &OperationTarget,
    input: &Input,
    (resource, stored): (Option<&Value<'static>>, Option<&Version>),
    (asked, mode): (&[String], Mode),
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
        if !session.service.hooks.of(named).is_kept_as_sent {
            issues.extend(references::mistakes(session, resource)?);
        }
        issues.extend(remarks(session, named, resource, mode)?);
        issues.extend(profiles::problems(session, resource, asked, stored, read::current)?);
    }
    Ok(issues)
}

/// What the answer to a write would say of a resource that is stored.
fn remarks(
    session: &mut Session<'_, '_>,
    resource_type: ResourceType,
    resource: &Value<'_>,
    mode: Mode,
) -> Result<Vec<Issue>, ApiError> {
    let mut issues = write::remarks(session, resource)?;
    // Whoever stores something need not hear of these each time.
    issues.extend(check::practices(resource));
    issues.extend(concord_terminology::remarks::on_bindings(resource));
    let writer = access::writer(session)?;
    let settings = session.service.rules();
    let context = rules::WriteContext {
        previous: None,
        writer: &writer,
        filed: &[],
        now: session.transaction.now,
        settings: &settings,
    };
    let told = rules::prepare(resource_type, &mut resource.clone(), &context);
    // To what it belongs is decided when it is written, and of what is completed then nobody knows yet what it lacks.
    let is_final = mode == Mode::Create && session.service.hooks.of(resource_type).complete.is_none();
    let is_told = |issue: &Issue| issue.severity == Severity::Warning || is_final;
    issues.extend(told.unwrap_or_else(|all| all).into_iter().filter(is_told));
    Ok(issues)
}
