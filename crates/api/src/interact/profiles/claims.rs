//! What a write is told of the profiles that its resource claims.

use concord_fhir::issue::{Issue, IssueCode, Severity};
use concord_fhir::json::Value;
use concord_profile::check::{Asked, Checker};

use super::{CODE_LISTS, OnWrite, library};
use crate::error::ApiError;
use crate::interact::session::Session;

/// Checks what is about to be stored by the profiles that it claims: what the client should know although it is stored.
/// What could not be checked is for `$validate` to tell.
///
/// # Errors
/// [`ApiError::Unprocessable`] where a profile is broken that the operator has refused to let be broken, and when the store
/// fails.
pub(crate) fn on_write(session: &mut Session<'_, '_>, value: &Value<'_>) -> Result<Vec<Issue>, ApiError> {
    let claims = value.get("meta").map_or(&[][..], |meta| meta.list("profile"));
    if claims.is_empty() {
        return Ok(Vec::new());
    }
    let checks = &session.service.settings.profiles;
    let of = |wanted: OnWrite| -> Vec<String> {
        let names = claims.iter().filter_map(Value::as_str).filter(|canonical| checks.of(canonical) == wanted);
        names.map(str::to_owned).collect()
    };
    let (refused, warned) = (of(OnWrite::Refuse), of(OnWrite::Warn));
    // Nobody reads what would be said of each resource of a load.
    let warned = if session.transaction.is_buffering() { Vec::new() } else { warned };
    if refused.is_empty() && warned.is_empty() {
        return Ok(Vec::new());
    }
    let library = library(session)?;
    let together = session.foreseen.map(|foreseen| &foreseen.checks.profiles);
    let checker = Checker { library: &library, terminology: CODE_LISTS, is_whole: false, together };
    let broken = |claimed: &[String]| -> Vec<Issue> {
        if claimed.is_empty() {
            return Vec::new();
        }
        let issues = checker.check(value, Asked { profiles: &[], claimed: Some(claimed) });
        issues.into_iter().filter(|issue| issue.severity >= Severity::Warning).collect()
    };
    let (errors, mut warnings): (Vec<Issue>, Vec<Issue>) =
        broken(&refused).into_iter().partition(|issue| issue.severity >= Severity::Error);
    if !errors.is_empty() {
        return Err(ApiError::Unprocessable(errors));
    }
    warnings.extend(broken(&warned));
    Ok(as_warnings(warnings))
}

/// What is stored although it is wrong is told as a warning.
pub(super) fn as_warnings(issues: Vec<Issue>) -> Vec<Issue> {
    let warning = |issue: Issue| Issue {
        severity: Severity::Warning,
        code: if issue.code == IssueCode::TooCostly { IssueCode::Informational } else { issue.code },
        ..issue
    };
    issues.into_iter().map(warning).collect()
}
