//! Search parameters that operators add: what a SearchParameter resource changes, and queries that may name one (ADR 7).

use concord_fhir::issue::{Issue, IssueCode, Severity};
use concord_fhir::registry::MOST_ADDED;
use concord_fhir::registry::compile::{Defined, definition};
use concord_fhir::search::Query;

use concord_store::parameters::{Kept, State};
use concord_store::rows::Version;
use concord_store::transaction::Transaction;

use crate::error::ApiError;

/// Makes what there is to search by what the version of a SearchParameter says, which is about to be stored: an active
/// one adds its parameter to the types that it names, and any other takes away what the one before it added. One that
/// cannot be searched by, or whose name is taken, is as good a resource as any and is not used: implementation guides bring
/// many. The answer says so, with the place of the reason.
///
/// # Errors
/// When the store fails.
pub(crate) fn define(transaction: &mut Transaction<'_>, version: &Version) -> Result<Vec<Issue>, ApiError> {
    let (mut wanted, mut url) = (Vec::new(), String::new());
    let mut unused = Vec::new();
    if !version.deleted {
        let value = version.resource()?;
        if value.text("status") == Some("active") {
            match definition(&value) {
                Ok(defined) => wanted = defined,
                Err(issues) => unused = issues,
            }
            url = value.text("url").unwrap_or_default().to_owned();
        }
    }
    let before = transaction.parameters_in_use()?;
    if wanted.is_empty() && !before.iter().any(|kept| kept.resource == version.key) {
        return Ok(not_used(unused));
    }
    transaction.block_writes()?;
    // Another may have changed them before it was this one's turn.
    let before = transaction.parameters_in_use()?;
    let (own, others): (Vec<Kept>, Vec<Kept>) = before.into_iter().partition(|kept| kept.resource == version.key);
    if let Err(issue) = check(&wanted, &url, &others) {
        unused.push(issue);
        wanted.clear();
    }
    let says = |kept: &Kept, defined: &Defined| {
        kept.resource_type == defined.resource_type && kept.row == defined.row && kept.url == url
    };
    let mut changed = false;
    for kept in own.iter().filter(|kept| !wanted.iter().any(|defined| says(kept, defined))) {
        transaction.begin_parameter(kept.number, State::Leaving)?;
        changed = true;
    }
    for defined in wanted.iter().filter(|defined| !own.iter().any(|kept| says(kept, defined))) {
        transaction.add_parameter(version.key, &url, defined)?;
        changed = true;
    }
    if changed {
        transaction.bump_registry()?;
    }
    Ok(not_used(unused))
}

/// The reasons for which a parameter is stored and not used, as warnings.
fn not_used(reasons: Vec<Issue>) -> Vec<Issue> {
    let warning = |issue: Issue| {
        let text = format!("stored, and not used to search by: {}", issue.text);
        Issue { severity: Severity::Warning, text, ..issue }
    };
    reasons.into_iter().map(warning).collect()
}

/// Refuses what stands against the parameters that others have added.
fn check(wanted: &[Defined], url: &str, others: &[Kept]) -> Result<(), Issue> {
    let refused =
        |code: IssueCode, place: &str, text: String| Issue::error(code, format!("SearchParameter{place}"), text);
    if others.iter().any(|kept| kept.url == url) && !wanted.is_empty() {
        let text = "another active SearchParameter has this url".to_owned();
        return Err(refused(IssueCode::BusinessRule, ".url", text));
    }
    for defined in wanted {
        let code = defined.row.split(' ').next().unwrap_or_default();
        let same = |kept: &&Kept| kept.resource_type == defined.resource_type && kept.code() == code;
        if let Some(kept) = others.iter().find(same) {
            let text = format!("`{code}` of {} is defined by {} already", defined.resource_type, kept.url);
            return Err(refused(IssueCode::BusinessRule, ".code", text));
        }
    }
    if others.len() + wanted.len() > MOST_ADDED {
        let text = format!("more than {MOST_ADDED} parameters cannot be added, one of several types counted for each");
        return Err(refused(IssueCode::TooCostly, "", text));
    }
    Ok(())
}

/// Whether a query would be read the same whatever has been added: it names nothing but what the table has.
pub(crate) fn is_settled(query: &Query) -> bool {
    query.registry.is_none() && query.ignored.is_empty()
}
