//! Search parameters that operators add: what a SearchParameter resource changes, and queries that may name one (ADR 7).

use concord_fhir::issue::{Issue, IssueCode};
use concord_fhir::registry::compile::{Defined, definition};
use concord_fhir::registry::{MOST_ADDED, Registry, ResourceType};
use concord_fhir::search::{self, Handling, Query};

use super::{Concord, labels};
use crate::fault::Fault;
use crate::store::parameters::{Kept, State};
use crate::store::rows::Version;
use crate::store::transaction::Transaction;

const SEARCH_PARAMETER: ResourceType = ResourceType::of("SearchParameter");

/// Makes what there is to search by what the version of a SearchParameter says, which is about to be stored: an active
/// one adds its parameter to the types that it names, and any other takes away what the one before it added.
///
/// # Errors
/// [`Fault::RuleBroken`] with the place of what cannot be searched by.
pub(crate) fn define(transaction: &mut Transaction<'_>, version: &Version) -> Result<(), Fault> {
    if version.resource_type != SEARCH_PARAMETER {
        return Ok(());
    }
    let (mut wanted, mut url) = (Vec::new(), String::new());
    if !version.deleted {
        let value = labels::stored(version)?;
        if value.text("status") == Some("active") {
            wanted = definition(&value).map_err(Fault::RuleBroken)?;
            url = value.text("url").unwrap_or_default().to_owned();
        }
    }
    let before = transaction.parameters_in_use()?;
    if wanted.is_empty() && !before.iter().any(|kept| kept.resource == version.key) {
        return Ok(());
    }
    transaction.hold_writes()?;
    // Another may have changed them before it was this one's turn.
    let before = transaction.parameters_in_use()?;
    let (own, others): (Vec<Kept>, Vec<Kept>) = before.into_iter().partition(|kept| kept.resource == version.key);
    check(&wanted, &url, &others)?;
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
    if changed { transaction.bump_registry() } else { Ok(()) }
}

/// Refuses what stands against the parameters that others have added.
fn check(wanted: &[Defined], url: &str, others: &[Kept]) -> Result<(), Fault> {
    let refused = |code: IssueCode, place: &str, text: String| {
        Fault::RuleBroken(vec![Issue::error(code, format!("SearchParameter{place}"), text)])
    };
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

/// Reads a query with the parameters that there are, on whichever node they were added.
///
/// # Errors
/// [`Fault::Malformed`] with everything that is wrong with it.
pub(crate) async fn query(
    concord: &Concord,
    resource_type: Option<ResourceType>,
    pairs: &[(String, String)],
    handling: Handling,
) -> Result<Query, Fault> {
    let now = concord.store.now_ms();
    let read = |registry: &Registry| {
        search::parse_with(registry, resource_type, pairs, handling, now, &concord.base).map_err(Fault::Malformed)
    };
    let known = read(&concord.store.registry());
    if known.as_ref().is_ok_and(is_settled) {
        return known;
    }
    read(&*concord.store.newest_registry().await?)
}

/// Whether a query would be read the same whatever has been added: it names nothing but what the table has.
pub(super) fn is_settled(query: &Query) -> bool {
    query.registry.is_none() && query.ignored.is_empty()
}
