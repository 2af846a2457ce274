//! Answers against their Questionnaire: the one that they contain, or one that the caller may find here.

use std::cell::Cell;

use concord_fhir::issue::{Issue, IssueCode, Severity};
use concord_fhir::json::Value;
use concord_fhir::registry::ResourceType;
use concord_profile::questionnaire;
use concord_store::rows::Version;

use super::claims::as_warnings;
use super::{CODE_LISTS, OnWrite};
use crate::error::ApiError;
use crate::interact::canonical::find;
use crate::interact::session::Session;

const QUESTIONNAIRE: ResourceType = ResourceType::of("Questionnaire");
const ANSWERS: ResourceType = ResourceType::of("QuestionnaireResponse");

/// What is wrong with answers by their Questionnaire; nothing of other types. One that is hidden from the caller is like
/// one that is not there.
///
/// # Errors
/// When the store fails.
pub(crate) fn problems(session: &mut Session<'_, '_>, resource: &Value<'_>) -> Result<Vec<Issue>, ApiError> {
    if resource.text("resourceType") != Some(ANSWERS.name()) {
        return Ok(Vec::new());
    }
    let Some(named) = questionnaire::named(resource) else { return Ok(Vec::new()) };
    if let Some(contained) = questionnaire::contained(resource, &named) {
        return Ok(questionnaire::check(resource, contained, CODE_LISTS, together(session)));
    }
    if let Some(found) = find(session, QUESTIONNAIRE, &named)? {
        return Ok(questionnaire::check(resource, &found, CODE_LISTS, together(session)));
    }
    let said = "the questionnaire is not known here, and the answers were not checked by it";
    Ok(vec![Issue {
        severity: Severity::Information,
        code: IssueCode::NotFound,
        text: said.to_owned(),
        expression: Some(format!("{}.questionnaire", ANSWERS.name())),
    }])
}

/// What the checks of the entries of a transaction may still take together.
fn together<'s>(session: &Session<'s, '_>) -> Option<&'s Cell<usize>> {
    session.foreseen.map(|foreseen| &foreseen.checks.answers)
}

/// Checks answers that are about to be stored.
///
/// # Errors
/// [`ApiError::Unprocessable`] where the operator has answers refused that do not keep to their Questionnaire, and when the
/// store fails.
pub(crate) fn before_store(
    session: &mut Session<'_, '_>,
    _old: Option<&Version>,
    new: &Version,
) -> Result<Vec<Issue>, ApiError> {
    let wanted = session.service.settings.profiles.answers;
    let unheard = wanted == OnWrite::Warn && session.transaction.is_buffering();
    if new.deleted || wanted == OnWrite::Off || unheard {
        return Ok(Vec::new());
    }
    let value = new.resource()?.into_owned();
    // Whoever may not store what is wrong may not store what is too much to be checked.
    let mut found = problems(session, &value)?;
    found.retain(|issue| issue.severity >= Severity::Warning || issue.code == IssueCode::TooCostly);
    let refuses = |issue: &Issue| issue.severity >= Severity::Error || issue.code == IssueCode::TooCostly;
    if wanted == OnWrite::Refuse && found.iter().any(refuses) {
        found.iter_mut().filter(|issue| refuses(issue)).for_each(|issue| issue.severity = Severity::Error);
        return Err(ApiError::Unprocessable(found));
    }
    Ok(as_warnings(found))
}
