//! `$verify`: a professional verifies what a patient reported, without changing it, or withdraws that.

use concord_consent::caller::Actor;
use concord_consent::request::Action;
use concord_fhir::json::Value;
use concord_fhir::registry::ResourceType;
use concord_store::lower::Rows;

use crate::error::ApiError;
use crate::interact::access::evaluation;
use crate::interact::operation::{Computing, Conduct, Input, Level, Operation, OperationTarget, Output, Parameter};
use crate::interact::provenance::verification;
use crate::interact::session::Session;
use crate::interact::{PROVENANCE, access, read};

/// `$verify`
pub(super) const OPERATION: Operation = Operation {
    name: "$verify",
    levels: &[Level::Instance],
    types: &["AllergyIntolerance", "MedicationStatement", "Observation"],
    conduct: Conduct { changes: true, logs_parameters: true, ..Conduct::READS },
    computing: Computing::InProportion,
    description: "A professional verifies the version that the patient reported, without changing it, or withdraws that; answers \
           with the Provenance that says so.",
    definition: None,
    parameters: &[
        Parameter::optional("version", "id", "The version that is verified: the current one"),
        Parameter::optional("withdraw", "boolean", "Whether one's own verification is withdrawn"),
    ],
    run,
};

fn run(session: &mut Session<'_, '_>, target: &OperationTarget, input: &Input) -> Result<Output, ApiError> {
    let (Some(resource_type), Some(id)) = (target.resource_type, &target.id) else { return Err(ApiError::NotFound) };
    let withdraws = match input.text("withdraw").as_deref() {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(ApiError::parameter("withdraw", "true or false")),
    };
    let named = match input.text("version").map(|text| text.parse::<i64>()) {
        Some(Err(_)) => return Err(ApiError::parameter("version", "a version id")),
        Some(Ok(number)) => Some(number),
        None if withdraws => None,
        None => {
            let text = "say which version you have seen, meta.versionId: another one may be current by now";
            return Err(ApiError::parameter("version", text));
        }
    };
    VerifyInput { resource_type, id: id.clone(), withdraws, named }.done(session).map(Output::Value)
}

struct VerifyInput {
    resource_type: ResourceType,
    id: String,
    withdraws: bool,
    named: Option<i64>,
}

impl VerifyInput {
    fn done(&self, session: &mut Session<'_, '_>) -> Result<Value<'static>, ApiError> {
        let head = read::visible(session, self.resource_type, &self.id, Action::Read)?;
        let version = session.transaction.head(&head.version.name(), true)?.unwrap_or_else(|| head.clone()).version;
        if version.deleted {
            return Err(ApiError::Gone);
        }
        access::require_scope(session.call, Action::Create, PROVENANCE)?;
        let (Actor::Practitioner(_) | Actor::PractitionerRole(_), Some(who)) =
            (&session.call.caller.actor, session.call.caller.actor.reference())
        else {
            return Err(ApiError::denied("a professional verifies what a patient reported"));
        };
        // Whoever may add to the record: to look at it in an emergency is not enough.
        let adds = access::decide_about(session, Action::Create, self.resource_type, version.patient)?;
        if !evaluation::permits(session.transaction, &adds, Rows::Current, &version)? {
            return Err(ApiError::Denied(access::issues(&adds)));
        }
        if self.named.is_some_and(|named| named != version.version) {
            let text = format!("version {} is current: look at it, and verify that one", version.version);
            return Err(ApiError::Conflict(text));
        }
        let told = match self.withdraws {
            true => verification::withdraw(session, &version, &who)?.ok_or_else(|| {
                ApiError::rule("Parameters.parameter", "you have not verified this, and only who has takes it back")
            })?,
            false => {
                let place = self.resource_type.name();
                if !["Patient/", "RelatedPerson/"].iter().any(|kind| version.author.starts_with(kind)) {
                    let text = "only what a patient or somebody close to the patient reported is verified";
                    return Err(ApiError::rule(place, text));
                }
                if access::stored(&version)?.text("status") == Some("entered-in-error") {
                    return Err(ApiError::rule(format!("{place}.status"), "this was entered in error"));
                }
                verification::verify(session, &version, &who)?
            }
        };
        let now = session.transaction.head(&version.name(), true)?.ok_or(ApiError::NotFound)?.version;
        session.transaction.refresh_labels(&now)?;
        Ok(told)
    }
}
