//! `$verify`: a professional verifies what a patient reported, without changing it, or withdraws that.

use std::sync::Arc;

use concord_consent::caller::Actor;
use concord_consent::request::Action;
use concord_fhir::json::Value;
use concord_fhir::registry::ResourceType;

use super::{Input, Level, Operation, Output, Parameter, Running, Target};
use crate::fault::Fault;
use crate::interact::audit::Interaction;
use crate::interact::{Call, Concord, PROVENANCE, access, judge, labels, logged, read, verification};
use crate::store::audit::Record;
use crate::store::lower::Rows;
use crate::store::transaction::Transaction;

/// `$verify`
pub(super) const OPERATION: Operation = Operation {
    name: "$verify",
    levels: &[Level::Instance],
    types: &["AllergyIntolerance", "MedicationStatement", "Observation"],
    changes: true,
    takes_invalid: false,
    told: "A professional verifies the version that the patient reported, without changing it, or withdraws that; answers \
           with the Provenance that says so.",
    definition: None,
    parameters: &[
        Parameter { name: "version", of: "id", min: 0, max: 1, told: "The version that is verified: the current one" },
        Parameter {
            name: "withdraw",
            of: "boolean",
            min: 0,
            max: 1,
            told: "Whether one's own verification is withdrawn",
        },
    ],
    run,
};

fn run(concord: Arc<Concord>, call: Call, target: Target, input: Input) -> Running {
    Box::pin(async move {
        let (Some(resource_type), Some(id)) = (target.resource_type, target.id) else { return Err(Fault::NotFound) };
        let withdraws = match input.text("withdraw").as_deref() {
            None | Some("false") => false,
            Some("true") => true,
            Some(_) => return Err(Fault::parameter("withdraw", "true or false")),
        };
        let named = match input.text("version").map(|text| text.parse::<i64>()) {
            Some(Err(_)) => return Err(Fault::parameter("version", "a version id")),
            Some(Ok(number)) => Some(number),
            None if withdraws => None,
            None => {
                let text = "say which version you have seen, meta.versionId: another one may be current by now";
                return Err(Fault::parameter("version", text));
            }
        };
        let store = concord.store.clone();
        store
            .change(move |transaction| {
                let mut record = call.record(Interaction::Operation, Some(resource_type));
                record.query = if withdraws { "$verify?withdraw=true" } else { OPERATION.name }.to_owned();
                record.entity.clone_from(&id);
                let asked = Asked { resource_type, id: id.clone(), withdraws, named };
                let done = asked.done(&concord, &call, transaction, &mut record);
                logged(done.map(Output::Value), record)
            })
            .await
    })
}

struct Asked {
    resource_type: ResourceType,
    id: String,
    withdraws: bool,
    named: Option<i64>,
}

impl Asked {
    fn done(
        &self,
        concord: &Concord,
        call: &Call,
        transaction: &mut Transaction<'_>,
        record: &mut Record,
    ) -> Result<Value<'static>, Fault> {
        let head = read::visible(concord, call, transaction, self.resource_type, &self.id, Action::Read, record)?;
        let version = transaction.head(self.resource_type, &self.id, true)?.unwrap_or(head).version;
        if version.deleted {
            return Err(Fault::Gone);
        }
        access::require_scope(call, Action::Create, PROVENANCE)?;
        let (Actor::Practitioner(_) | Actor::PractitionerRole(_), Some(who)) =
            (&call.caller.actor, call.caller.actor.reference())
        else {
            return Err(Fault::denied("a professional verifies what a patient reported"));
        };
        // Whoever may add to the record: to look at it in an emergency is not enough.
        let adds =
            access::decide_about(concord, call, transaction, Action::Create, self.resource_type, version.patient)?;
        if !judge::permits(transaction, &adds, Rows::Current, &version)? {
            return Err(Fault::Denied(access::issues(&adds)));
        }
        if self.named.is_some_and(|named| named != version.version) {
            let text = format!("version {} is current: look at it, and verify that one", version.version);
            return Err(Fault::Conflict(text));
        }
        let told = match self.withdraws {
            true => verification::withdraw(call, transaction, &version, &who)?.ok_or_else(|| {
                Fault::rule("Parameters.parameter", "you have not verified this, and only who has takes it back")
            })?,
            false => {
                let place = self.resource_type.name();
                if !["Patient/", "RelatedPerson/"].iter().any(|kind| version.author.starts_with(kind)) {
                    let text = "only what a patient or somebody close to the patient reported is verified";
                    return Err(Fault::rule(place, text));
                }
                if access::stored(&version)?.text("status") == Some("entered-in-error") {
                    return Err(Fault::rule(format!("{place}.status"), "this was entered in error"));
                }
                verification::verify(call, transaction, &version, &who)?
            }
        };
        let now = transaction.head(self.resource_type, &self.id, true)?.ok_or(Fault::NotFound)?.version;
        labels::settle(concord, transaction, &now)?;
        Ok(told)
    }
}
