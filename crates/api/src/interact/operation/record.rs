//! What operations over a whole record share: whose it is, what stands at its top, and what is looked for in it.

use concord_consent::caller::Actor;
use concord_consent::request::Action;
use concord_fhir::index::{ParameterId, SEPARATOR};
use concord_fhir::predicate::{Comparison, Predicate, Test};
use concord_fhir::registry::{PatientCompartment, ResourceType, patient_compartment};
use concord_fhir::rules::instant;
use concord_fhir::search::Include;
use concord_store::search::TypeQuery;

use crate::error::ApiError;
use crate::interact::operation::{Input, OperationTarget};
use crate::interact::session::Session;
use crate::interact::{Call, Service, access, is_event};

/// The type that a record is named by.
pub(super) const PATIENT: ResourceType = ResourceType::of("Patient");
/// The type of About Me and other answers.
pub(super) const QUESTIONNAIRE_RESPONSE: ResourceType = ResourceType::of("QuestionnaireResponse");

/// The questionnaire of About Me (PRSB): `fixtures/` has it.
pub(super) const ABOUT_ME: &str = "https://concord.example/Questionnaire/about-me";

/// The questionnaire of advance statements: what matters to a person who cannot speak then.
pub(super) const ADVANCE_STATEMENT: &str = "https://concord.example/Questionnaire/advance-statement";

/// The question of that questionnaire when the statement is looked at again.
pub(super) const REVIEW_DATE: &str = "review-date";

/// The types of what a record refers to without being part of it: who, where, and which medicine.
const REFERRED: [&str; 6] =
    ["Practitioner", "PractitionerRole", "Organization", "Location", "Medication", "Questionnaire"];

/// The patient that the call is about: the one in the address, else the patient who calls, or whose app it is.
pub(super) fn patient(call: &Call, target: &OperationTarget) -> Result<String, ApiError> {
    let own = match &call.caller.actor {
        Actor::Patient(id) => Some(id),
        _ => call.caller.patient.as_ref(),
    };
    target.id.clone().or_else(|| own.cloned()).ok_or_else(|| {
        ApiError::parameter("id", "name the patient in the address, Patient/{id}: the token has none in context")
    })
}

/// The types of resources that are part of records.
pub(super) fn types() -> impl Iterator<Item = ResourceType> {
    let in_records = |one: &ResourceType| matches!(patient_compartment(*one), PatientCompartment::Record { .. });
    ResourceType::all().filter(in_records).filter(|one| !is_event(*one))
}

/// What is at the top of every summary: what the person wants everybody who supports them to know.
pub(super) fn about_me() -> Predicate {
    Predicate::Entry(ParameterId::of("QuestionnaireResponse.questionnaire"), Test::Is(ABOUT_ME.to_owned()))
        .and(not_in_error("QuestionnaireResponse.status"))
}

/// What the person has said for the time when they cannot speak.
pub(super) fn advance_statement() -> Predicate {
    Predicate::Entry(ParameterId::of("QuestionnaireResponse.questionnaire"), Test::Is(ADVANCE_STATEMENT.to_owned()))
        .and(not_in_error("QuestionnaireResponse.status"))
}

/// Those that have not been entered in error, by the parameter of their status.
pub(super) fn not_in_error(parameter: &str) -> Predicate {
    coded(parameter, &["entered-in-error"]).negate()
}

/// Those with one of these codes, whatever its system.
pub(super) fn coded(parameter: &str, codes: &[&str]) -> Predicate {
    let tests = codes.iter().map(|code| Test::Starts(format!("{code}{SEPARATOR}"))).collect();
    Predicate::Entry(ParameterId::of(parameter), Test::Either(tests))
}

/// Those with a value of the parameter.
pub(super) fn present(parameter: ParameterId) -> Predicate {
    Predicate::Entry(parameter, Test::Present)
}

/// What is looked for among one type in the record and what the caller may find of it; none if no scope covers the type
/// or nothing of it may be found.
pub(super) fn type_queries(
    session: &mut Session<'_, '_>,
    resource_type: ResourceType,
    patient: &str,
    wanted: Predicate,
) -> Result<Option<TypeQuery>, ApiError> {
    if session.call.caller.scopes.that_permit(Action::Search, Some(resource_type)).next().is_none() {
        return Ok(None);
    }
    let decision = access::decide_search(session, Action::Search, resource_type, Some(patient))?;
    let predicate = Predicate::PatientCompartment(patient.to_owned()).and(wanted).and(decision.permit.clone());
    let found = predicate != Predicate::None;
    Ok(found.then(|| TypeQuery { resource_type, record: Some(patient.to_owned()), predicate }))
}

/// What comes along with a page: whom and what its resources name.
pub(super) fn referred() -> Vec<Include> {
    let include = |target| Include { reverse: false, iterate: false, source: None, parameter: None, target };
    REFERRED.iter().map(|name| include(ResourceType::parse(name))).collect()
}

/// The two ends of a span of time that parameters name, in milliseconds since 1970 UTC.
pub(super) fn span(input: &Input, start: &str, end: &str) -> Result<(Option<i64>, Option<i64>), ApiError> {
    let read = |name: &str| match input.text(name) {
        None => Ok(None),
        Some(text) => instant::range(&text)
            .map(Some)
            .ok_or_else(|| ApiError::parameter(name, "a date or dateTime, for instance 2026-01-31")),
    };
    let (first, last) = (read(start)?.map(|range| range.0), read(end)?.map(|range| range.1));
    if let (Some(first), Some(last)) = (first, last)
        && first > last
    {
        return Err(ApiError::parameter(end, format!("is before {start}")));
    }
    Ok((first, last))
}

/// Rows of a date parameter that overlap a span.
#[expect(clippy::cast_precision_loss, reason = "milliseconds are exact in a double for 285,000 years")]
pub(super) fn overlapping(first: Option<i64>, last: Option<i64>) -> Test {
    let mut tests = Vec::new();
    tests.extend(first.map(|first| Test::High(Comparison::AtLeast, first as f64)));
    tests.extend(last.map(|last| Test::Low(Comparison::AtMost, last as f64)));
    Test::Every(tests)
}

/// `_count` as a page has it.
pub(super) fn count(service: &Service, input: &Input) -> Result<u32, ApiError> {
    let wanted = match input.text("_count") {
        None => service.settings.page.0,
        Some(text) => text
            .parse::<u32>()
            .ok()
            .filter(|count| *count > 0)
            .ok_or_else(|| ApiError::parameter("_count", "a whole number from 1"))?,
    };
    Ok(wanted.min(service.settings.page.1))
}
