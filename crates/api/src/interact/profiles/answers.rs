//! Answers against their Questionnaire: the one that they contain, or one that the caller may find here.

use std::cell::Cell;

use concord_fhir::issue::{Issue, IssueCode, Severity};
use concord_fhir::json::Value;
use concord_fhir::registry::ResourceType;
use concord_fhir::terminology::Terminology;
use concord_profile::questionnaire;
use concord_store::rows::Version;

use super::OnWrite;
use super::claims::as_warnings;
use super::knowledge::{Bounds, Knowledge, Shelf};
use crate::error::ApiError;
use crate::interact::canonical::{Whose, find};
use crate::interact::session::Session;

const QUESTIONNAIRE: ResourceType = ResourceType::of("Questionnaire");
const ANSWERS: ResourceType = ResourceType::of("QuestionnaireResponse");

/// The Questionnaire that answers are checked by.
pub(super) enum Form {
    /// There are no answers, or they name none.
    None,
    /// It is contained in the answers, under this name.
    Contained(String),
    /// It is stored.
    Stored(Value<'static>),
    /// It is not here.
    Unknown,
}

/// The Questionnaire of answers. One that is hidden from the caller is like one that is not there.
///
/// # Errors
/// When the store fails.
pub(super) fn form(session: &mut Session<'_, '_>, resource: &Value<'_>) -> Result<Form, ApiError> {
    if resource.text("resourceType") != Some(ANSWERS.name()) {
        return Ok(Form::None);
    }
    let Some(named) = questionnaire::named(resource) else { return Ok(Form::None) };
    if questionnaire::contained(resource, &named).is_some() {
        return Ok(Form::Contained(named));
    }
    Ok(find(session, QUESTIONNAIRE, &named, Whose::Registered)?.map_or(Form::Unknown, Form::Stored))
}

/// What is wrong with answers by their Questionnaire.
pub(super) fn checked(
    resource: &Value<'_>,
    form: &Form,
    known: &dyn Terminology,
    together: Option<&Cell<usize>>,
) -> Vec<Issue> {
    let by = |form: &Value<'_>| questionnaire::check(resource, form, known, together);
    match form {
        Form::None => Vec::new(),
        Form::Contained(name) => questionnaire::contained(resource, name).map(by).unwrap_or_default(),
        Form::Stored(form) => by(form),
        Form::Unknown => {
            let text = "the questionnaire is not known here, and the answers were not checked by it";
            let place = format!("{}.questionnaire", ANSWERS.name());
            vec![Issue::remark_at(Severity::Information, IssueCode::NotFound, place, text)]
        }
    }
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
    let form = form(session, &value)?;
    let (bounds, together) = (Bounds::on_write(session), together(session));
    let mut shelf = Shelf::new(session, bounds);
    let mut found = checked(&value, &form, &Knowledge::over(&mut shelf), together);
    shelf.ended()?;
    found.retain(|issue| issue.severity >= Severity::Warning || issue.code == IssueCode::TooCostly);
    let refuses = |issue: &Issue| issue.severity >= Severity::Error || issue.code == IssueCode::TooCostly;
    if wanted == OnWrite::Refuse && found.iter().any(refuses) {
        found.iter_mut().filter(|issue| refuses(issue)).for_each(|issue| issue.severity = Severity::Error);
        return Err(ApiError::Unprocessable(found));
    }
    Ok(as_warnings(found))
}
