//! What somebody writes is protected as the definitions are that it names by their canonical urls, as far as whoever writes it
//! may find those. Nobody but a system knows whether there are others: what followed them all the same would vanish from who has
//! written it, and tell.

use concord_fhir::index::Entries;

use crate::error::ApiError;
use crate::interact::access::knowledge;
use crate::interact::session::Session;

/// How many definitions one resource may name.
const LIMIT: usize = 200;

/// Keeps of the definitions that are named those that the writer may find: hidden ones are left out, as missing ones are.
///
/// # Errors
/// [`ApiError::Unprocessable`] for too many, and when the store fails.
pub(crate) fn bind(session: &mut Session<'_, '_>, entries: &mut Entries) -> Result<(), ApiError> {
    if entries.canonicals.is_empty() || session.call.caller.knows_everything() {
        return Ok(());
    }
    if entries.canonicals.len() > LIMIT {
        let text = format!("a resource may name at most {LIMIT} definitions by their urls");
        return Err(ApiError::rule(entries.resource_type.name(), text));
    }
    let mut found = Vec::new();
    for url in std::mem::take(&mut entries.canonicals) {
        if knowledge::finds_all_called(session, &url)? {
            found.push(url);
        }
    }
    entries.canonicals = found;
    Ok(())
}

/// Of a version that is stored, keeps those that it follows already: which these are was known when it was written.
///
/// # Errors
/// When the store fails.
pub(crate) fn bind_stored(session: &mut Session<'_, '_>, key: i64, entries: &mut Entries) -> Result<(), ApiError> {
    if !entries.canonicals.is_empty() {
        let bound = session.transaction.inherited_by_url(key)?;
        entries.canonicals.retain(|url| bound.contains(url));
    }
    Ok(())
}
