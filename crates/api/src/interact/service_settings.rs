//! What of the settings the interactions go by.

use std::path::PathBuf;
use std::time::Duration;

use concord_fhir::json::Limits;
use concord_store::Cost;

use crate::interact::budget::Budget;
use crate::interact::profiles::ProfileChecks;
use crate::interact::time_limits::TimeLimits;
use crate::terminology_server::TerminologyServerSettings;

/// What becomes of what a system sends whose patient, named by an NHS number alone, cannot be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfiled {
    /// It is refused.
    Refuse,
    /// It is kept in no patient's record until the Patient comes, and a Task tells an office.
    Keep,
}

/// Where the files of closed periods of the log are, and the key that they are signed with.
#[derive(Clone, Debug)]
pub struct AuditPeriods {
    /// The folder.
    pub folder: PathBuf,
    /// The public key, in base64.
    pub public_key: String,
}

/// What the operator settles. The default is what the settings are when nothing is said, but for `slots`.
#[derive(Clone, Debug)]
pub struct ServiceSettings {
    /// What a body may be at most.
    pub limits: Limits,
    /// What an answer may hold.
    pub answer: Budget,
    /// How many entries a batch or transaction may have.
    pub bundle_entries: usize,
    /// How many entries a page has when nobody asks, and at most.
    pub page: (u32, u32),
    /// Whether references to reference data in what people write must exist and be readable by them, as others must.
    pub check_references: bool,
    /// Whether an NHS number must pass its check digit.
    pub check_nhs_numbers: bool,
    /// Whose tokens are believed here.
    pub issuers: Vec<String>,
    /// What becomes of what a system sends whose patient, named by an NHS number alone, cannot be told.
    pub unfiled: Unfiled,
    /// Whether every caller may ask how a search is run; systems always may.
    pub explain: bool,
    /// What is done on a write with what does not keep to a profile or a Questionnaire.
    pub profiles: ProfileChecks,
    /// Whether answers to writes name the labels that codes suggest.
    pub suggest_labels: bool,
    /// What one request may have the database do.
    pub cost: Cost,
    /// How long one request may take.
    pub time: TimeLimits,
    /// The terminology server elsewhere that is asked, if there is one.
    pub terminology_server: Option<TerminologyServerSettings>,
    /// Where the files of closed periods of the log are, if they are to be read.
    pub audit_periods: Option<AuditPeriods>,
    /// How many places there are for what may cost the database much.
    pub slots: usize,
}

impl Default for ServiceSettings {
    fn default() -> ServiceSettings {
        let seconds = Duration::from_secs;
        ServiceSettings {
            limits: Limits::default(),
            answer: Budget { bytes: 64 * 1024 * 1024, resources: 100_000 },
            bundle_entries: 5_000,
            page: (20, 2_000),
            check_references: false,
            check_nhs_numbers: false,
            issuers: Vec::new(),
            unfiled: Unfiled::Refuse,
            explain: false,
            profiles: ProfileChecks::default(),
            suggest_labels: false,
            cost: Cost { time: seconds(10), steps: 100_000_000, condition: 100_000 },
            time: TimeLimits { read: seconds(15), write: seconds(15), transaction: seconds(60) },
            terminology_server: None,
            audit_periods: None,
            slots: 2,
        }
    }
}
