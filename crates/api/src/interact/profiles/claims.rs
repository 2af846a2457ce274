//! What a write is told of the profiles that its resource claims.

use concord_fhir::issue::{Issue, IssueCode, Severity};
use concord_fhir::json::Value;
use concord_profile::check::{Asked, Checker};

use super::knowledge::{Bounds, Knowledge, Shelf};
use super::{OnWrite, ProfileChecks, library};
use crate::error::ApiError;
use crate::interact::instant;
use crate::interact::session::Session;

/// Checks what is about to be stored by the profiles that it claims, and those that the operator asks of its type: what the
/// client should know although it is stored. What could not be checked is for `$validate` to tell.
///
/// # Errors
/// [`ApiError::Unprocessable`] where a profile is broken that the operator has refused to let be broken, and when the store
/// fails, or a terminology server elsewhere has to be asked first.
pub(crate) fn on_write(session: &mut Session<'_, '_>, value: &Value<'_>) -> Result<Vec<Issue>, ApiError> {
    let checks = &session.service.settings.profiles;
    let refused = Wanted::of(checks, value, OnWrite::Refuse);
    // Nobody reads what would be said of each resource of a load.
    let warned = match session.transaction.is_buffering() {
        true => Wanted::default(),
        false => Wanted::of(checks, value, OnWrite::Warn),
    };
    if refused.is_empty() && warned.is_empty() {
        return Ok(Vec::new());
    }
    let library = library(session)?;
    let together = session.foreseen.map(|foreseen| &foreseen.checks.profiles);
    let bounds = Bounds::on_write(session);
    let now = instant(session.transaction.now);
    let mut shelf = Shelf::new(session, bounds);
    let knowledge = Knowledge::over(&mut shelf);
    let checker = Checker {
        library: &library,
        terminology: &knowledge,
        stored: None,
        is_whole: false,
        now: Some(&now),
        together,
    };
    let broken = |wanted: &Wanted| -> Vec<Issue> {
        if wanted.is_empty() {
            return Vec::new();
        }
        let issues = checker.check(value, Asked { profiles: &wanted.required, claimed: Some(&wanted.claimed) });
        issues.into_iter().filter(|issue| issue.severity >= Severity::Warning).collect()
    };
    let (errors, mut warnings): (Vec<Issue>, Vec<Issue>) =
        broken(&refused).into_iter().partition(|issue| issue.severity >= Severity::Error);
    if errors.is_empty() {
        warnings.extend(broken(&warned));
    }
    drop(knowledge);
    shelf.ended()?;
    if errors.is_empty() { Ok(as_warnings(warnings)) } else { Err(ApiError::Unprocessable(errors)) }
}

/// The profiles with which one thing is done.
#[derive(Default)]
struct Wanted {
    /// Those that the resource claims.
    claimed: Vec<String>,
    /// Those that are asked of its type, whether it claims them or not.
    required: Vec<String>,
}

impl Wanted {
    fn of(checks: &ProfileChecks, value: &Value<'_>, wanted: OnWrite) -> Wanted {
        let claims = value.get("meta").map_or(&[][..], |meta| meta.list("profile"));
        let is_wanted = |canonical: &&str| checks.of(canonical) == wanted;
        let claimed: Vec<String> =
            claims.iter().filter_map(Value::as_str).filter(is_wanted).map(str::to_owned).collect();
        let asked = checks.required_of(value.text("resourceType").unwrap_or_default());
        let is_new = |canonical: &&String| is_wanted(&canonical.as_str()) && !claimed.contains(canonical);
        let required = asked.iter().filter(is_new).cloned().collect();
        Wanted { claimed, required }
    }

    fn is_empty(&self) -> bool {
        self.claimed.is_empty() && self.required.is_empty()
    }
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
