//! In whose record is what names its patient by an NHS number alone? NHS systems write so. When a system sends it, the number is
//! looked up once and what was found is kept beside the resource, which stays as it was sent; the index and access go by what
//! is kept. Of what anybody else writes nothing is looked up: the answer would tell who is known here.

use std::borrow::Cow;

use concord_consent::caller::Actor;
use concord_fhir::index::{self, Entries, NumberedPatient};
use concord_fhir::issue::{Issue, IssueCode, Severity};
use concord_fhir::json::Value;
use concord_fhir::nhs_number;
use concord_fhir::registry::{PatientCompartment, ResourceType, patient_compartment};
use concord_store::filing::Filed;
use concord_store::rows::Version;

use crate::error::ApiError;
use crate::interact::prepared::{Filing, Problem};
use crate::interact::service_settings::Unfiled;
use crate::interact::session::Session;
use crate::interact::{access, patient_number, stored_entries};

impl Filing {
    /// Whether it has only now been found whom a number means: what says the same is filed by it.
    pub(crate) fn is_news(&self) -> bool {
        !self.found.is_empty()
    }

    /// The resource as it is found and evaluated.
    pub(super) fn view<'v, 'a>(&self, resource_type: ResourceType, value: &'v Value<'a>) -> Cow<'v, Value<'a>> {
        stored_entries::view(&self.known, resource_type, value)
    }
}

/// Looks up whom the numbers in a resource mean. `old` is the version in whose place it comes: what has been found for that
/// stays, whoever writes.
///
/// # Errors
/// When the store fails.
pub(super) fn resolve(
    session: &mut Session<'_, '_>,
    resource_type: ResourceType,
    old: Option<&Version>,
    value: &Value<'_>,
) -> Result<Filing, ApiError> {
    let named = index::numbered_patients(resource_type, value);
    let known = match old {
        Some(old) if !named.is_empty() || may_wait(old) => session.transaction.filings(&[old.key])?,
        _ => Vec::new(),
    };
    let mut filing = Filing::default();
    let mut numbers: Vec<&str> = named.iter().map(|named| named.number.as_str()).collect();
    numbers.sort_unstable();
    numbers.dedup();
    for number in numbers {
        let kept = known.iter().map(|(_, kept)| kept).find(|kept| kept.number == number);
        if let Some(patient) = kept.and_then(|kept| kept.patient.clone()) {
            filing.known.push((number.to_owned(), patient));
            continue;
        }
        if session.call.caller.actor != Actor::System {
            continue;
        }
        match whose(session, number)? {
            Ok(patient) => {
                filing.known.push((number.to_owned(), patient.clone()));
                let task = kept.map(|kept| kept.task.clone()).unwrap_or_default();
                filing.found.push(Filed { number: number.to_owned(), patient: Some(patient), task });
            }
            Err(problem) => {
                let deciding = named.iter().filter(|named| named.decides && named.number == number);
                filing.problems.extend(deciding.map(|named| (named.clone(), problem)));
            }
        }
    }
    filing.waited = known.into_iter().map(|(_, kept)| kept).filter(|kept| kept.patient.is_none()).collect();
    Ok(filing)
}

/// The Patients whom the numbers in a resource mean, as far as that has been found for the version in whose place it comes: number and
/// logical id.
///
/// # Errors
/// When the store fails.
pub(super) fn kept(
    session: &mut Session<'_, '_>,
    resource_type: ResourceType,
    old: &Version,
    value: &Value<'_>,
) -> Result<Vec<(String, String)>, ApiError> {
    if index::numbered_patients(resource_type, value).is_empty() {
        return Ok(Vec::new());
    }
    let known = session.transaction.filings(&[old.key])?.into_iter();
    Ok(known.filter_map(|(_, kept)| kept.patient.map(|patient| (kept.number, patient))).collect())
}

/// What a system is told that names a patient in a way by which nobody here can tell whose record it belongs to: it is in nobody's.
pub(super) fn unplaced(
    session: &Session<'_, '_>,
    resource_type: ResourceType,
    value: &Value<'_>,
    entries: &Entries,
    filing: &Filing,
) -> Option<Issue> {
    let is_silent = session.call.caller.actor != Actor::System || session.transaction.is_buffering();
    if is_silent || !entries.patients.is_empty() || !filing.problems.is_empty() {
        return None;
    }
    let place = index::means_somebody(resource_type, value)?;
    let text = "this names no Patient of this server, so it is in no patient's record, where systems alone see it: refer to the Patient \
                (Patient/id), or give the NHS number (https://fhir.nhs.uk/Id/nhs-number) and no reference";
    Some(Issue::remark_at(Severity::Warning, IssueCode::BusinessRule, place, text))
}

/// Whether a resource may wait for a Patient: its type has a record, and it names somebody by a number.
pub(super) fn may_wait(old: &Version) -> bool {
    old.body.contains(nhs_number::SYSTEM)
        && matches!(patient_compartment(old.resource_type), PatientCompartment::Record { .. })
}

/// The only Patient whom a number means, as far as the caller may know of Patients: one that is hidden is as one that is not
/// there.
fn whose(session: &mut Session<'_, '_>, number: &str) -> Result<Result<String, Problem>, ApiError> {
    patient_number::lock(session.transaction, number, false)?;
    let mut known = Vec::new();
    for patient in patient_number::survivors(session.transaction, number)? {
        if access::reads_patient(session, &patient)? {
            known.push(patient);
        }
    }
    Ok(match (known.pop(), known.is_empty()) {
        (Some(only), true) => Ok(only),
        (None, _) => Err(Problem::Nobody),
        (Some(_), false) => Err(Problem::Several),
    })
}

/// What the caller is told of numbers whose patients cannot be told: why it is refused, or that it waits, where the operator
/// says so and the type can be filed later.
///
/// # Errors
/// [`ApiError::Unprocessable`] with every one of them, at its place.
pub(super) fn settle(
    session: &Session<'_, '_>,
    resource_type: ResourceType,
    filing: &Filing,
) -> Result<Vec<Issue>, ApiError> {
    if filing.problems.is_empty() {
        return Ok(Vec::new());
    }
    let waits =
        session.service.settings.unfiled == Unfiled::Keep && !session.service.hooks.of(resource_type).is_append_only;
    let issue = |(named, problem): &(NumberedPatient, Problem)| {
        let (code, why) = match problem {
            Problem::Nobody => (IssueCode::NotFound, "no Patient that you may know of bears this NHS number"),
            Problem::Several => (IssueCode::MultipleMatches, "several Patients bear this NHS number"),
        };
        let what = match waits {
            true => "so this is kept in no patient's record, and filed when the Patient comes; a Task tells an office",
            false => {
                "so nobody can tell whose record this belongs to: store the Patient first, or refer to it (Patient/id)"
            }
        };
        let severity = if waits { Severity::Warning } else { Severity::Error };
        Issue { severity, ..Issue::error(code, named.place.clone(), format!("{why}, {what}")) }
    };
    let issues = filing.problems.iter().map(issue).collect();
    if waits { Ok(issues) } else { Err(ApiError::Unprocessable(issues)) }
}
