//! `Communication/$correctionrequest`: somebody asks for a correction, disagrees with its denial, or says more about
//! either (HL7 Patient Corrections). It does what a create of that Communication does; see `interact::correction`.

use std::sync::Arc;

use concord_consent::caller::Actor;
use concord_fhir::issue::{Issue, IssueCode};
use concord_fhir::json::Value;
use concord_fhir::rules::communication::CORRECTIONS;
use concord_fhir::rules::local_reference;

use super::{Input, Level, Operation, Output, Parameter, Running, Target};
use crate::fault::Fault;
use crate::interact::audit::Interaction;
use crate::interact::comment::COMMUNICATION;
use crate::interact::correction::{TASK, concept};
use crate::interact::{Call, Concord, access, create, logged, matching};
use crate::store::audit::Record;
use crate::store::transaction::Transaction;

/// `Communication/$correctionrequest`
pub(super) const OPERATION: Operation = Operation {
    name: "$correctionrequest",
    levels: &[Level::Type],
    types: &["Communication"],
    changes: true,
    takes_invalid: false,
    told: "Asks for a correction, or disagrees with its denial. Takes a Bundle with the Communication, or the \
           Communication; answers with it and with the Task that was opened.",
    definition: Some("http://hl7.org/fhir/uv/patient-corrections/OperationDefinition/correction-request"),
    parameters: &[
        Parameter { name: "CorrectionRequest", of: "Bundle", min: 0, max: 1, told: "A Bundle with the Communication" },
        Parameter {
            name: "resource",
            of: "Resource",
            min: 0,
            max: 1,
            told: "The Communication, or a Bundle with it, as the body itself",
        },
    ],
    run,
};

fn run(concord: Arc<Concord>, call: Call, _: Target, input: Input) -> Running {
    Box::pin(async move {
        let store = concord.store.clone();
        store
            .change(move |transaction| {
                let mut record = call.record(Interaction::Operation, Some(COMMUNICATION));
                record.query = OPERATION.name.to_owned();
                let done = request(&input)
                    .and_then(|request| asked(&concord, &call, transaction, request, &mut record))
                    .map(Output::Value);
                logged(done, record)
            })
            .await
    })
}

/// The Communication: itself the body, or in a Bundle.
fn request(input: &Input) -> Result<Value<'static>, Fault> {
    let missing = || {
        let text = "send the Communication that asks for the correction, or a Bundle with exactly one";
        Fault::Malformed(vec![Issue::plain(IssueCode::Required, text)])
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

fn asked(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    mut request: Value<'static>,
    record: &mut Record,
) -> Result<Value<'static>, Fault> {
    if !matches!(call.caller.actor, Actor::Patient(_) | Actor::RelatedPerson(_)) {
        return Err(Fault::denied("a patient, or somebody close to the patient, asks for a correction"));
    }
    if request.list("category").is_empty()
        && request.list("inResponseTo").is_empty()
        && let Some(object) = request.as_object_mut()
    {
        let category = concept("PatientCorrectionCommunicationTypes", CORRECTIONS[0]);
        object.set("category", Value::Array(vec![category]));
    }
    let id = matching::new_id(transaction.now);
    let written = create::run(concord, call, transaction, COMMUNICATION, request, None, &id, record)?;
    let communication = access::stored(&written.version)?;
    let about = communication.list("about").iter().filter_map(|one| one.text("reference"));
    let tasks = about.filter_map(|one| local_reference(&concord.base, one));
    // The last, as the server names the one that it opens after what the request itself named.
    let task = tasks.filter_map(|one| one.strip_prefix("Task/").map(str::to_owned)).next_back();
    let mut parameters =
        vec![Value::object([("name", Value::string("Response")), ("resource", communication.clone())])];
    if let Some(head) = task.map(|task| transaction.head(TASK, &task, false)).transpose()?.flatten() {
        let task = access::stored(&head.version)?;
        let opened = task.list("input").iter().any(|input| {
            let said = input.get("valueReference").and_then(|one| one.text("reference"));
            said == Some(&format!("Communication/{id}"))
        });
        if opened && head.version.version == 1 {
            parameters.push(Value::object([("name", Value::string("Task")), ("resource", task)]));
        }
    }
    Ok(Value::object([("resourceType", Value::string("Parameters")), ("parameter", Value::Array(parameters))]))
}
