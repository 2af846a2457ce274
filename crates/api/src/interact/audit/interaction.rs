//! What was done, how it ended, and the start of a record of it.

use concord_fhir::registry::ResourceType;
use concord_store::audit::Record;

use crate::error::ApiError;
use crate::interact::Call;
use crate::interact::audit::said::Said;

/// The purpose of breaking the glass (v3-ActReason).
pub(crate) const BREAK_GLASS: &str = "BTG";

/// What was done (R4 value set `system-restful-interaction` and `type-restful-interaction`, and one of Concord's own for
/// a token that was refused). The number is what is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interaction {
    /// Read of the current version.
    Read = 0,
    /// Read of a version.
    Vread = 1,
    /// Search of one type.
    Search = 2,
    /// Create.
    Create = 3,
    /// Update.
    Update = 4,
    /// Delete.
    Delete = 5,
    /// The versions of one resource.
    History = 6,
    /// The versions of all resources of a type.
    TypeHistory = 7,
    /// The versions of all resources.
    SystemHistory = 8,
    /// Somebody who signed in, or a call without a believable token.
    Login = 9,
    /// An operation, which is named by the query of the record.
    Operation = 10,
    /// Change of parts.
    Patch = 12,
    /// The glass was broken.
    BreakGlass = 11,
}

/// The code of a coming in (DICOM "Login").
pub(super) const LOGIN: &str = "110122";

/// The code of a broken glass (DICOM "Emergency Override Started").
pub(super) const OVERRIDE: &str = "110127";

pub(super) const INTERACTIONS: [(Interaction, &str, &str, &str); 13] = [
    (Interaction::Read, "read", "R", "Read"),
    (Interaction::Vread, "vread", "R", "Read"),
    (Interaction::Search, "search-type", "E", "Query"),
    (Interaction::Create, "create", "C", "Create"),
    (Interaction::Update, "update", "U", "Update"),
    (Interaction::Delete, "delete", "D", "Delete"),
    (Interaction::History, "history-instance", "R", "Read"),
    (Interaction::TypeHistory, "history-type", "R", "Read"),
    (Interaction::SystemHistory, "history-system", "R", "Read"),
    (Interaction::Login, LOGIN, "E", ""),
    (Interaction::Operation, "operation", "E", ""),
    (Interaction::Patch, "patch", "U", "Update"),
    (Interaction::BreakGlass, OVERRIDE, "E", ""),
];

/// The code of the interaction, the code of AuditEvent.action, and the name of the BALP profile.
pub(super) fn codes_of(number: i16) -> (&'static str, &'static str, &'static str) {
    INTERACTIONS
        .iter()
        .find(|(interaction, ..)| *interaction as i16 == number)
        .map_or(("operation", "E", ""), |(_, code, action, profile)| (*code, *action, *profile))
}

/// How it ended (R4 value set `audit-event-outcome`).
pub(crate) mod outcome {
    /// Done.
    pub(crate) const SUCCESS: i16 = 0;
    /// Refused, or the request was at fault.
    pub(crate) const REFUSED: i16 = 4;
    /// The server was at fault.
    pub(crate) const FAILED: i16 = 8;
}

/// Why something that was done does not stand.
const UNDONE: &str = "undone: another entry of the transaction failed";

/// The interactions that change nothing.
const READING: [Interaction; 6] = [
    Interaction::Read,
    Interaction::Vread,
    Interaction::Search,
    Interaction::History,
    Interaction::TypeHistory,
    Interaction::SystemHistory,
];

/// What the log says of what was done in a transaction that fails. Nothing of it stands; but what was met, and what was tested, was so: whoever
/// sent the transaction learns it by the entry at which it fails.
pub(crate) fn undone(mut record: Record) -> Record {
    if record.outcome != outcome::SUCCESS || READING.iter().any(|one| *one as i16 == record.interaction) {
        return record;
    }
    if record.interaction == Interaction::Create as i16 {
        record.entity.clear();
    }
    record.version = 0;
    record.outcome = outcome::REFUSED;
    record.reason = format!("{}{UNDONE}", Said::of(&record.reason).begin);
    record
}

impl Call {
    /// Who calls, as the log names them.
    pub(crate) fn agent(&self) -> String {
        self.caller.actor.reference().unwrap_or_else(|| self.caller.subject.clone())
    }

    /// The start of a record of this call.
    pub(crate) fn record(&self, interaction: Interaction, resource_type: Option<ResourceType>) -> Record {
        Record {
            interaction: interaction as i16,
            outcome: outcome::SUCCESS,
            agent: self.agent(),
            client: self.caller.client.clone(),
            purpose: self.purpose_code().to_owned(),
            resource_type: resource_type.map_or(-1, ResourceType::number),
            request: self.request_id.clone(),
            ..Record::default()
        }
    }
}

/// The record of a call that is refused before it is known what it would do: for its purpose, or for whom it is made.
pub(crate) fn call_refused(call: &Call, text: &str) -> Record {
    let reason = text.to_owned();
    Record { outcome: outcome::REFUSED, reason, ..call.record(Interaction::Login, None) }
}

/// The record of a call that nobody believable made.
pub(crate) fn login_refused(reason: &str, request_id: &str) -> Record {
    Record {
        interaction: Interaction::Login as i16,
        outcome: outcome::REFUSED,
        agent: "anonymous".to_owned(),
        resource_type: -1,
        reason: reason.to_owned(),
        request: request_id.to_owned(),
        ..Record::default()
    }
}

/// The record of somebody's signing in.
pub(crate) fn came_in(agent: &str, client: &str, reason: &str, request_id: &str) -> Record {
    Record {
        interaction: Interaction::Login as i16,
        outcome: outcome::SUCCESS,
        agent: agent.to_owned(),
        client: client.to_owned(),
        resource_type: -1,
        reason: reason.to_owned(),
        request: request_id.to_owned(),
        ..Record::default()
    }
}

/// The outcome to log for an error.
pub(crate) fn outcome_of(error: &ApiError) -> i16 {
    match error {
        ApiError::Internal(_)
        | ApiError::Busy(_)
        | ApiError::Unreadable(_)
        | ApiError::OutcomeUnknown(_)
        | ApiError::NoSpace(_) => outcome::FAILED,
        _ => outcome::REFUSED,
    }
}
