//! `Communication/$correctionrequest`: somebody asks for a correction, disagrees with its denial, or says more about
//! either (HL7 Patient Corrections). It does what a create of that Communication does; see `interact::communication::correction`.

use concord_consent::caller::Actor;
use concord_fhir::issue::{Issue, IssueCode};
use concord_fhir::json::Value;
use concord_fhir::rules::communication::CORRECTIONS;
use concord_fhir::rules::local_reference;
use concord_model::build::{Content, code, fragment, parameter, parameters};
use concord_store::named::{Ground, Permitted};
use concord_store::rows::Version;

use crate::error::ApiError;
use crate::interact::communication::comment::COMMUNICATION;
use crate::interact::communication::correction::{MESSAGES, TASK};
use crate::interact::logical_id;
use crate::interact::operation::{Computing, Conduct, Input, Level, Operation, OperationTarget, Output, Parameter};
use crate::interact::session::Session;
use crate::interact::{create, labels};

/// `Communication/$correctionrequest`
pub(super) const OPERATION: Operation = Operation {
    name: "$correctionrequest",
    levels: &[Level::Type],
    types: &["Communication"],
    conduct: Conduct { changes: true, ..Conduct::READS },
    computing: Computing::InProportion,
    description: "Asks for a correction, or disagrees with its denial. Takes a Bundle with the Communication, or the \
           Communication; answers with it and with the Task that was opened.",
    definition: Some("http://hl7.org/fhir/uv/patient-corrections/OperationDefinition/correction-request"),
    parameters: &[
        Parameter::optional("CorrectionRequest", "Bundle", "A Bundle with the Communication"),
        Parameter::optional("resource", "Resource", "The Communication, or a Bundle with it, as the body itself"),
    ],
    run,
};

fn run(session: &mut Session<'_, '_>, _target: &OperationTarget, input: &Input) -> Result<Output, ApiError> {
    asked(session, request(input)?).map(Output::Value)
}

/// The Communication: itself the body, or in a Bundle.
fn request(input: &Input) -> Result<Value<'static>, ApiError> {
    let missing = || {
        let text = "send the Communication that asks for the correction, or a Bundle with exactly one";
        ApiError::Malformed(vec![Issue::plain(IssueCode::Required, text)])
    };
    let given = input.resource("CorrectionRequest").or_else(|| input.resource("resource")).ok_or_else(missing)?;
    match given.text("resourceType") {
        Some("Communication") => Ok(given.clone()),
        Some("Bundle") => {
            let resources = given.list("entry").iter().filter_map(|entry| entry.get("resource"));
            let mut found = resources.filter(|one| one.text("resourceType") == Some("Communication"));
            match (found.next(), found.next()) {
                (Some(only), None) => Ok(only.clone()),
                _ => Err(missing()),
            }
        }
        _ => Err(missing()),
    }
}

fn asked(session: &mut Session<'_, '_>, mut request: Value<'static>) -> Result<Value<'static>, ApiError> {
    if !matches!(session.call.caller.actor, Actor::Patient(_) | Actor::RelatedPerson(_)) {
        return Err(ApiError::denied("a patient, or somebody close to the patient, asks for a correction"));
    }
    if request.list("category").is_empty()
        && request.list("inResponseTo").is_empty()
        && let Some(object) = request.as_object_mut()
    {
        let category = fragment::codeable_concept(code(MESSAGES, CORRECTIONS[0]));
        object.set("category", Value::Array(vec![category]));
    }
    let id = logical_id::new_id(session.transaction.now);
    let written = create::create(session, COMMUNICATION, request, None, Some(id.clone()))?;
    let communication = labels::value_shown(&written.version)?.into_owned();
    let about = communication.list("about").iter().filter_map(|one| one.text("reference"));
    let tasks = about.filter_map(|one| local_reference(&session.service.base, one));
    // The last, as the server names the one that it opens after what the request itself named.
    let task = tasks.filter_map(|one| one.strip_prefix("Task/").map(str::to_owned)).next_back();
    let mut answer = vec![parameter("Response", Content::Resource(communication.clone()))];
    if let Some(task) = task {
        let named = session.transaction.named(TASK, &task, false)?;
        #[expect(clippy::disallowed_methods, reason = "the server has just opened it for what the caller says")]
        let opened = named.evaluated(|head| {
            Ok::<_, ApiError>(
                opened_by(&head.version, &id)?.map(|task| Permitted::on(Ground::OwnTask, head).with(task)),
            )
        })?;
        answer.extend(opened.map(|(_, task)| parameter("Task", Content::Resource(task))));
    }
    Ok(parameters(answer)?)
}

/// What a Task says, if it is the one that was opened for the Communication of that id, and is new.
fn opened_by(task: &Version, communication: &str) -> Result<Option<Value<'static>>, ApiError> {
    let value = labels::value_shown(task)?.into_owned();
    let is_about = value.list("input").iter().any(|input| {
        let said = input.get("valueReference").and_then(|one| one.text("reference"));
        said.and_then(|said| said.strip_prefix("Communication/")) == Some(communication)
    });
    Ok((is_about && task.version == 1).then_some(value))
}
