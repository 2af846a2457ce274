//! In what order: a file for each interaction, each in one transaction.
//!
//! facts -> rules -> decide -> store -> audit -> answer. Nothing here knows connections or SQL, and who may read, find and
//! write what `concord_consent::decide` says.

pub(crate) mod access;
mod allowed;
pub(crate) mod audit;
mod budget;
pub(crate) mod bundle;
mod call;
mod canonical;
mod changed;
mod client_uri;
pub(crate) mod command;
pub(crate) mod communication;
mod company;
pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod emergency_record;
pub(crate) mod execute;
pub(crate) mod followed;
pub(crate) mod foreseen;
mod given;
pub(crate) mod history;
pub(crate) mod hooks;
pub(crate) mod human_name;
pub(crate) mod labels;
pub(crate) mod logical_id;
pub(crate) mod maintenance;
pub(crate) mod media_type;
pub(crate) mod operation;
pub(crate) mod outcome;
pub(crate) mod patch;
pub(crate) mod patient_number;
pub(crate) mod prepared;
pub(crate) mod profiles;
pub(crate) mod provenance;
mod questions;
pub(crate) mod read;
pub(crate) mod search;
mod service_settings;
pub(crate) mod session;
pub(crate) mod sign_in_apps;
pub(crate) mod slots;
mod stored_entries;
mod succession;
pub(crate) mod terminology;
mod time_limits;
mod told_of_emergency;
pub(crate) mod update;
pub(crate) mod write;
pub(crate) mod written;

#[cfg(test)]
pub(crate) mod tests;

use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use audit::closed::ClosedPeriods;
use company::Company;
use concord_fhir::index::ParameterId;
use concord_fhir::registry::ResourceType;
use concord_fhir::rules;
use concord_store::Store;
use hooks::Hooks;
use slots::Slots;

use crate::clock;
use crate::terminology_server::TerminologyServer;

pub use budget::Budget;
pub use call::Call;
pub use profiles::{OnWrite, ProfileChecks};
pub use questions::Questions;
pub use service_settings::{AuditPeriods, ServiceSettings, Unfiled};
pub use time_limits::TimeLimits;

/// Parameters of an address, decoded, in their order.
pub(crate) type Pairs = Vec<(String, String)>;

/// The parameters that say in what form an answer goes, and nothing else.
pub(crate) const FORM: [&str; 4] = ["_format", "_pretty", "_summary", "_elements"];

/// What is possible on a type that nobody changes.
pub(crate) const APPEND_ONLY: &str = "GET, HEAD, POST";

/// The type of the audit log's events.
pub(crate) const AUDIT_EVENT: ResourceType = ResourceType::of("AuditEvent");

// The events of the log are no rows among the resources.
pub(crate) use concord_fhir::registry::is_event;

/// The parameter of the labels in `meta.security`.
pub(crate) const SECURITY: ParameterId = ParameterId::of("_security");
/// The type that says where a resource is from.
pub(crate) const PROVENANCE: ResourceType = ResourceType::of("Provenance");

pub(crate) use concord_consent::purpose::SYSTEM as PURPOSE_SYSTEM;

/// What every interaction needs: made once at start.
pub struct Service {
    /// Where the data is.
    pub store: Store,
    /// The address of the FHIR base as clients see it, without a slash at its end.
    pub base: String,
    /// What the operator settles.
    pub settings: ServiceSettings,
    /// Who asks for anything: whoever does so alone has more of the places.
    pub(crate) company: Arc<Company>,
    pub(crate) slots: Slots,
    /// Where searches wait that cost little: many at once of one caller must not stand before another's.
    pub(crate) turns: Slots,
    /// Where Bundles wait: what a batch answers grows in memory until its last entry is done, and a transaction has the
    /// writer as long.
    pub(crate) bundles: Slots,
    /// What single types do besides what every type does.
    pub(crate) hooks: Hooks,
    /// What every session ends with.
    pub(crate) require_acting: session::RequireActing,
    pub(crate) decisions: access::DecisionCache,
    pub(crate) facts: access::facts::FactsCache,
    pub(crate) bearers: access::person::BearerCache,
    /// The definitions that resources are checked by.
    pub(crate) profiles: profiles::Cache,
    /// The stored code systems and value sets that checks may look for.
    pub(crate) code_lists: profiles::CodeListCache,
    pub(crate) cursors: search::cursor::Signer,
    /// The terminology server elsewhere, if there is one.
    pub(crate) terminology_server: Option<TerminologyServer>,
    /// Where events of closed periods of the log are read, if they are.
    pub(crate) closed_periods: Option<ClosedPeriods>,
    /// How many audit records were not in the chain when this node last added to it.
    pub(crate) unsealed: AtomicI64,
}

impl Service {
    /// With an opened store and the secret that its nodes share.
    #[must_use]
    pub fn new(store: Store, base: String, settings: ServiceSettings, secret: &str) -> Service {
        store.serves(&base);
        let company = Arc::new(Company::new());
        let slots = Slots::new(settings.slots);
        Service {
            // What runs on PostgreSQL cannot be stopped at once.
            slots: if store.has_many_writers() { slots } else { slots.lending(&company) },
            turns: Slots::for_each(settings.slots.div_ceil(2)).lending(&company),
            company,
            bundles: Slots::new(settings.slots),
            closed_periods: settings.audit_periods.clone().map(ClosedPeriods::new),
            terminology_server: settings.terminology_server.clone().map(TerminologyServer::new),
            store,
            base,
            settings,
            hooks: hooks::table::HOOKS,
            require_acting: access::facts::require_acting,
            decisions: access::DecisionCache::new(),
            facts: access::facts::FactsCache::new(),
            bearers: access::person::BearerCache::new(),
            profiles: profiles::Cache::new(),
            code_lists: profiles::CodeListCache::new(),
            cursors: search::cursor::Signer::new(secret),
            unsealed: AtomicI64::new(0),
        }
    }

    /// What the rules of types go by.
    pub(crate) fn rules(&self) -> rules::Settings<'_> {
        rules::Settings {
            base: &self.base,
            check_nhs_number: self.settings.check_nhs_numbers,
            issuers: &self.settings.issuers,
        }
    }
}

/// A time as an R4 instant in UTC with milliseconds.
pub(crate) fn instant(ms: i64) -> String {
    chrono::DateTime::from_timestamp_millis(ms).map(|time| clock::written(time, 3)).unwrap_or_default()
}

/// The bytes of base64 with padding; none for what is not base64. The bits of the last letter that stand for nothing may be any, as the
/// check of resources has it (RFC 4648, section 3.5, leaves that open).
pub(crate) fn base64_bytes(text: &str) -> Option<Vec<u8>> {
    use base64::Engine;
    use base64::alphabet::STANDARD;
    use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
    const ENGINE: GeneralPurpose =
        GeneralPurpose::new(&STANDARD, GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true));
    ENGINE.decode(text).ok()
}

/// Base64 with padding (RFC 4648, section 4).
pub(crate) fn base64(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
