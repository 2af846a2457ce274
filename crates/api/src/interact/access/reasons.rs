//! Why somebody could see a resource or not, as the log tells it: rules and Consents by name.

use concord_consent::decision::{Decision, Layer, Reason, Verdict};
use concord_fhir::predicate::Predicate;
use concord_store::lower::Rows;
use concord_store::rows::Version;
use concord_store::transaction::Transaction;

use crate::error::ApiError;
use crate::interact::access::evaluation;
use crate::interact::audit::entry::AuditEntry;
use crate::interact::session::Session;

/// How long the reason of an audit record may grow, in bytes, by what a caller gave as theirs.
const LONGEST_REASON: usize = 1_000;

/// What is told where no rule forbids anything and none permits it: the rule of `concord_consent` for that.
const NOTHING_PERMITS: &str = "default";

/// Puts the rules and Consents that let a version be seen into the record: those that are about it, and no others that
/// the caller might have seen something else by.
pub(crate) fn permit_of(session: &mut Session<'_, '_>, decision: &Decision, version: &Version) -> Result<(), ApiError> {
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
    session.audit.permitted(with_given(named.text, decision));
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

/// Puts the rules and Consents into the record that let the caller find something, with the labels that bound it.
pub(crate) fn permit(audit: &mut AuditEntry, decision: &Decision) {
    let tells = |reason: &&Reason| reason.verdict == Verdict::Permits || reason.layer == Layer::Label;
    let named = Named::all(decision.reasons.iter().filter(tells));
    audit.permitted(with_given(named, decision));
}

/// The same with the reason that the caller gave with what it opened.
fn with_given(mut text: String, decision: &Decision) -> String {
    for reason in &decision.reasons {
        let told =
            matches!(reason.layer, Layer::BreakGlass | Layer::PrivilegedRole) && reason.verdict == Verdict::Permits;
        if told && text.len() < LONGEST_REASON {
            text = format!("{text}; {}", reason.text);
        }
    }
    text
}

/// Puts the rules that keep a version from the caller into the record, or that nothing permits it.
pub(crate) fn denial(session: &mut Session<'_, '_>, decision: &Decision, version: &Version) -> Result<(), ApiError> {
    let patient = session.transaction.patient_id(version.patient)?;
    let tells = |reason: &&Reason| {
        reason.verdict != Verdict::Permits && evaluation::holds_by_row(&reason.about, version, &patient) != Some(false)
    };
    let told = Named::all(decision.reasons.iter().filter(tells));
    session.audit.hidden(format!("hidden: {}", if told.is_empty() { NOTHING_PERMITS } else { told.as_str() }));
    Ok(())
}

/// How many rules and Consents an audit record names.
const MOST_NAMED: usize = 5;

/// Rules and Consents in one line, each once.
#[derive(Default)]
struct Named<'a> {
    names: Vec<&'a str>,
    text: String,
}

impl<'a> Named<'a> {
    fn all(reasons: impl Iterator<Item = &'a Reason>) -> String {
        let mut named = Named::default();
        for reason in reasons {
            named.add(reason);
        }
        named.text
    }

    fn add(&mut self, reason: &'a Reason) {
        let name = reason.consent.as_deref().unwrap_or(reason.rule);
        if self.is_full() || self.names.contains(&name) {
            return;
        }
        if !self.names.is_empty() {
            self.text.push_str(", ");
        }
        self.names.push(name);
        self.text.push_str(name);
    }

    fn is_full(&self) -> bool {
        self.names.len() == MOST_NAMED
    }
}
