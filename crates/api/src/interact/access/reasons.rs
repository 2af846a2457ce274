//! Why somebody could see a resource or not, as the log tells it: rules and Consents by name.

use std::sync::Arc;

use concord_consent::decision::{Decision, Layer, Reason, Verdict};
use concord_fhir::predicate::Predicate;
use concord_store::lower::Rows;
use concord_store::rows::Version;
use concord_store::transaction::Transaction;

use crate::error::ApiError;
use crate::interact::access::evaluation;
use crate::interact::audit::grounds::{self, Grounds, Named};
use crate::interact::audit::said::HIDDEN;
use crate::interact::session::Session;

/// What is told where no rule forbids anything and none permits it: the rule of `concord_consent` for that.
const NOTHING_PERMITS: &str = "default";

/// Puts the rules and Consents that let a version be seen into the record: those that are about it, and no others that
/// the caller might have seen something else by.
pub(crate) fn permit_of(
    session: &mut Session<'_, '_>,
    decision: &Arc<Decision>,
    version: &Version,
) -> Result<(), ApiError> {
    let patient = session.transaction.patient_id(version.patient)?;
    let (mut named, mut unsettled) = (Named::default(), Vec::new());
    let mut is_explained = false;
    for reason in decision.reasons.iter().filter(|reason| reason.verdict == Verdict::Permits) {
        match evaluation::holds_by_row(&reason.about, version, &patient) {
            Some(true) => {
                named.add(reason);
                is_explained |= reason.layer != Layer::Scope;
            }
            Some(false) => {}
            None => unsettled.push(reason),
        }
        if named.is_full() {
            break;
        }
    }
    if !is_explained && let Some(reason) = first_met(session.transaction, &unsettled, version, &patient)? {
        named.add(reason);
    }
    let given =
        decision.reasons.iter().filter(|reason| grounds::is_given(reason) && grounds::concerns(reason, &patient));
    let there = grounds::with_given(named.into_text(), given);
    session.audit.permitted(Grounds::OfVersion { record: version.patient, there, decision: Arc::clone(decision) });
    Ok(())
}

/// One of the reasons that are about a version, of those that the index is needed for. It is looked for by halves: each
/// question is a query.
fn first_met<'a>(
    transaction: &mut Transaction<'_>,
    reasons: &[&'a Reason],
    version: &Version,
    patient: &str,
) -> Result<Option<&'a Reason>, ApiError> {
    let any = |reasons: &[&Reason]| {
        reasons.iter().fold(Predicate::None, |any, reason| any.or(evaluation::settled(&reason.about, version, patient)))
    };
    let mut rest = reasons;
    if rest.is_empty() || !transaction.meets(Rows::Current, version.key, &any(rest))? {
        return Ok(None);
    }
    while rest.len() > 1 {
        let (first, second) = rest.split_at(rest.len() / 2);
        rest = if transaction.meets(Rows::Current, version.key, &any(first))? { first } else { second };
    }
    Ok(rest.first().copied())
}

/// Puts the rules that keep a version from the caller into the record, or that nothing permits it.
pub(crate) fn denial(session: &mut Session<'_, '_>, decision: &Decision, version: &Version) -> Result<(), ApiError> {
    let patient = session.transaction.patient_id(version.patient)?;
    let tells = |reason: &&Reason| {
        reason.verdict != Verdict::Permits && evaluation::holds_by_row(&reason.about, version, &patient) != Some(false)
    };
    let told = Named::all(decision.reasons.iter().filter(tells));
    session.audit.hidden(format!("{HIDDEN}{}", if told.is_empty() { NOTHING_PERMITS } else { told.as_str() }));
    Ok(())
}
