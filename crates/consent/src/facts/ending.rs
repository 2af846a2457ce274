//! Which Consents have ended, so that they take part in no decision any more and need not be read for one.

use concord_fhir::index::{ParameterId, SEPARATOR};
use concord_fhir::predicate::{Comparison, Predicate, Test};
use concord_fhir::registry::ResourceType;

use super::{ConsentFacts, GivenBy, Standing};
use crate::tri::Tri;

/// The statuses of a Consent that is not active, so that it shares and denies nothing.
const NOT_ACTIVE: [&str; 5] = ["draft", "entered-in-error", "inactive", "proposed", "rejected"];

/// The Consents that take part in no decision at `now` (milliseconds since 1970 UTC) or later, as they are: those that are not active,
/// and those whose period is over. Of those alone that patients or who only proposes gave, and which suspend nobody therefore:
/// what a system or an office gave is looked at whatever its status is.
#[must_use]
pub fn ended(now: i64) -> Predicate {
    let given = |by: GivenBy| Predicate::Given(by.number());
    let status = |codes: &[&str]| {
        let tests: Vec<Test> = codes.iter().map(|code| Test::Starts(format!("{code}{SEPARATOR}"))).collect();
        Predicate::Entry(ParameterId::of("Consent.status"), Test::Either(tests.into()))
    };
    // An open beginning may be one that cannot be read, and then the period is not known to be over.
    let begins = Test::Low(Comparison::Greater, f64::MIN);
    let is_over = Test::Every(vec![begins, Test::High(Comparison::Less, as_stored(now))]);
    let is_over = Predicate::Entry(ParameterId::of("Consent.period"), is_over);
    Predicate::Type(vec![ResourceType::of("Consent")])
        .and(given(GivenBy::Patient).or(given(GivenBy::Proposer)))
        .and(status(&NOT_ACTIVE).or(status(&["active"]).and(is_over)))
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds are exact in a double for 285,000 years")]
fn as_stored(now: i64) -> f64 {
    now as f64
}

impl ConsentFacts {
    /// Whether it says anything at `now`: it is active, and its period is not over.
    pub(crate) fn takes_part(&self, now: i64) -> bool {
        match self.standing {
            Standing::Apart => false,
            _ => !self.is_over(now),
        }
    }

    /// Whether its period is over for certain.
    pub(crate) fn is_over(&self, now: i64) -> bool {
        self.root.period.holds(now) == Tri::No && self.root.period.has_begun(now)
    }
}
