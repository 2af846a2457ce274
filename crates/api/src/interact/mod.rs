//! In what order: one file per interaction, one function each, one transaction.
//!
//! facts -> decide -> rules -> store -> audit -> answer. Nothing here knows HTTP or SQL dialects, and nothing decides:
//! `concord_consent::decide` does.

pub(crate) mod access;
pub(crate) mod audit;
pub(crate) mod break_glass;
pub(crate) mod bulk;
pub(crate) mod bundle;
pub(crate) mod comment;
pub(crate) mod correction;
pub(crate) mod create;
pub(crate) mod cursor;
pub(crate) mod delete;
pub(crate) mod export;
pub(crate) mod facts;
pub(crate) mod history;
pub(crate) mod identify;
pub(crate) mod include;
pub(crate) mod judge;
pub(crate) mod known;
pub(crate) mod labels;
mod lead;
pub(crate) mod log;
pub(crate) mod logical;
pub(crate) mod matching;
pub(crate) mod operation;
pub(crate) mod parameters;
pub(crate) mod patch;
pub(crate) mod provenance;
pub(crate) mod read;
pub(crate) mod redact;
pub(crate) mod references;
pub(crate) mod reindex;
pub(crate) mod review;
pub(crate) mod seal;
pub(crate) mod search;
pub(crate) mod statement;
pub(crate) mod terminology;
pub(crate) mod update;
pub(crate) mod verification;
pub(crate) mod why;
pub(crate) mod words;
pub(crate) mod write;

#[cfg(test)]
mod bulk_tests;
#[cfg(test)]
mod example_tests;
#[cfg(test)]
mod hidden_tests;
#[cfg(test)]
mod parameter_tests;
#[cfg(test)]
mod plan_tests;
#[cfg(test)]
mod search_tests;
#[cfg(test)]
mod vocabulary_tests;

use std::sync::Arc;

use concord_consent::caller::Caller;
use concord_consent::purpose::Purpose;
use concord_fhir::index::ParameterId;
use concord_fhir::json::{Limits, Value};
use concord_fhir::registry::ResourceType;

use crate::fault::Fault;
use crate::store::Store;
use crate::store::audit::Record;

/// Parameters of an address, decoded, in their order.
pub(crate) type Pairs = Vec<(String, String)>;

/// The parameters that say in what form an answer goes, and nothing else.
pub(crate) const FORM: [&str; 4] = ["_format", "_pretty", "_summary", "_elements"];

/// The type of the audit log's events.
pub(crate) const AUDIT_EVENT: ResourceType = ResourceType::of("AuditEvent");
/// The parameter of the labels in `meta.security`.
pub(crate) const SECURITY: ParameterId = ParameterId::of("_security");
/// The type that says where a resource is from.
pub(crate) const PROVENANCE: ResourceType = ResourceType::of("Provenance");

pub(crate) use concord_consent::purpose::SYSTEM as PURPOSE_SYSTEM;

/// What every interaction needs: made once at start.
pub struct Concord {
    /// Where the data is.
    pub store: Store,
    /// The address of the FHIR base as clients see it, without a slash at its end.
    pub base: String,
    /// What a body may be at most.
    pub limits: Limits,
    /// How many entries a page has when nobody asks, and at most.
    pub page: (u32, u32),
    /// Whether references in what people write must exist and be readable by them.
    pub check_references: bool,
    /// Whether an NHS number must pass its check digit.
    pub check_nhs_numbers: bool,
    /// Whether every caller may ask how a search is run; systems always may.
    pub explain: bool,
    /// Whether answers to writes name the labels that codes suggest.
    pub suggest_labels: bool,
    pub(crate) facts: access::Remembered,
    pub(crate) known: known::Known,
    pub(crate) cursors: cursor::Signer,
}

impl Concord {
    /// With an opened store and the secret that its nodes share.
    #[must_use]
    pub fn new(
        store: Store,
        base: String,
        limits: Limits,
        page: (u32, u32),
        check_references: bool,
        check_nhs_numbers: bool,
        secret: &str,
    ) -> Concord {
        store.serves(&base);
        Concord {
            store,
            base,
            limits,
            page,
            check_references,
            check_nhs_numbers,
            explain: false,
            suggest_labels: false,
            facts: access::Remembered::new(),
            known: known::Known::new(),
            cursors: cursor::Signer::new(secret),
        }
    }
}

/// One call: who, what for, and the id by which logs and audit tell of it.
#[derive(Clone, Debug)]
pub struct Call {
    /// The verified caller.
    pub caller: Arc<Caller>,
    /// The purpose asked for, if any was.
    pub purpose: Option<Purpose>,
    /// Why, in the caller's own words, where that was said.
    pub reason: Option<String>,
    /// The request id.
    pub request_id: String,
    /// What tells this caller's rights from those of others: a hash of the token, or of what it says.
    pub fingerprint: [u8; 16],
    /// References (`Type/id`) to resources that the same transaction is about to store.
    pub together: Vec<String>,
    /// What the client says itself of where that is from which it writes (`X-Provenance`), checked.
    pub provenance: Option<Arc<Value<'static>>>,
}

impl Call {
    /// The call of an import at the command line.
    pub(crate) fn import() -> Call {
        Call::operator("concord import")
    }

    /// The call of an export at the command line.
    pub(crate) fn export() -> Call {
        Call::operator("concord export")
    }

    /// A system with every right: whoever has the database has them all.
    fn operator(subject: &str) -> Call {
        use concord_consent::caller::{Actor, Credentials};
        use concord_consent::scope::Scopes;
        Call {
            caller: Arc::new(Caller {
                actor: Actor::System,
                subject: subject.to_owned(),
                issuer: String::new(),
                client: "concord".to_owned(),
                scopes: Scopes::parse("system/*.cruds"),
                patient: None,
                credentials: Credentials::default(),
            }),
            purpose: None,
            reason: None,
            request_id: uuid::Uuid::new_v4().to_string(),
            fingerprint: [0; 16],
            together: Vec::new(),
            provenance: None,
        }
    }

    /// The purpose to log: the one asked for, else the usual one of such a caller.
    pub(crate) fn purpose_code(&self) -> &'static str {
        use concord_consent::caller::Actor;
        match (&self.purpose, &self.caller.actor) {
            (Some(purpose), _) => purpose.code(),
            (None, Actor::Patient(_)) => Purpose::PATIENT_REQUEST.code(),
            (None, Actor::RelatedPerson(_)) => Purpose::FAMILY_REQUEST.code(),
            (None, Actor::Practitioner(_) | Actor::PractitionerRole(_)) => Purpose::TREATMENT.code(),
            (None, Actor::System) => "",
        }
    }
}

/// Ends an interaction: a fault becomes the outcome and the reason of its record. What cannot be known to the caller
/// (`NotFound`) is told in the log by its true reason, in `reason`, if one was put there.
pub(crate) fn logged<T>(result: Result<T, Fault>, mut record: Record) -> (Result<T, Fault>, Vec<Record>) {
    if let Err(fault) = &result {
        record.outcome = audit::outcome_of(fault);
        if record.reason.is_empty() {
            record.reason = reason(fault);
        }
    }
    (result, vec![record])
}

/// A fault in one line for the log. It repeats nothing that the client sent.
fn reason(fault: &Fault) -> String {
    match fault {
        Fault::Malformed(_) => "malformed".to_owned(),
        Fault::RuleBroken(_) => "not valid".to_owned(),
        Fault::Denied(issues) => issues.first().map_or_else(|| "denied".to_owned(), |issue| issue.text.clone()),
        Fault::NotFound => "not found".to_owned(),
        Fault::Gone => "deleted".to_owned(),
        Fault::NotAllowed { .. } => "not allowed".to_owned(),
        Fault::Conflict(_) => "conflict".to_owned(),
        Fault::PreconditionFailed(_) => "precondition failed".to_owned(),
        _ => "failed".to_owned(),
    }
}

/// A time as an R4 instant in UTC with milliseconds.
pub(crate) fn instant(ms: i64) -> String {
    chrono::DateTime::from_timestamp_millis(ms)
        .map(|time| time.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string())
        .unwrap_or_default()
}

/// The bytes of base64 with padding; none for what is not base64.
pub(crate) fn base64_bytes(text: &str) -> Option<Vec<u8>> {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.decode(text).ok()
}

/// Base64 with padding (RFC 4648, section 4).
pub(crate) fn base64(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
