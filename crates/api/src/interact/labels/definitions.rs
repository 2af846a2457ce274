//! What somebody writes is protected as the definitions are that it names by their canonical urls, as far as whoever writes it
//! may find those. Nobody but a system knows whether there are others: what followed them all the same would vanish from who has
//! written it, and tell.

use concord_fhir::index::Entries;
use concord_fhir::label::Source;
use concord_store::rows::Version;

use crate::error::ApiError;
use crate::interact::access::knowledge;
use crate::interact::session::Session;

/// How many definitions one resource may name.
const LIMIT: usize = 200;

/// Follows of the definitions that are named those that the writer may find: hidden ones are left out, as missing ones are.
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
    // By what they are and not by their urls: by these, hidden ones would be followed with them.
    for url in std::mem::take(&mut entries.canonicals) {
        for head in knowledge::found_called(session, &url)? {
            let Version { resource_type, id, .. } = head.version.into_version();
            if resource_type != entries.resource_type || id != entries.id {
                entries.sources.push(Source { resource_type, id, version: 0 });
            }
        }
    }
    entries.sources.sort_unstable();
    entries.sources.dedup();
    Ok(())
}

/// Of a version that is stored, keeps those that it follows already: which these are was known when it was written.
///
/// # Errors
/// When the store fails.
pub(crate) fn bind_stored(session: &mut Session<'_, '_>, key: i64, entries: &mut Entries) -> Result<(), ApiError> {
    if !entries.canonicals.is_empty() {
        let (called, sources) = session.transaction.inherited_by_name(key)?;
        entries.canonicals.retain(|url| called.contains(url));
        entries.sources.extend(sources);
        entries.sources.sort_unstable();
        entries.sources.dedup();
    }
    Ok(())
}
