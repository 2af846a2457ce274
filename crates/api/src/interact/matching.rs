//! Conditions of conditional interactions: they see what the caller may see and nothing else, so that what is hidden
//! neither matches nor stands in the way.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hash};

use concord_fhir::issue::{Issue, IssueCode};
use concord_fhir::registry::ResourceType;
use concord_fhir::search::Query;

use super::{Call, Concord, search};
use crate::fault::Fault;
use crate::store::rows::Version;
use crate::store::transaction::Transaction;

/// The only visible resource that matches, if one does.
pub(crate) fn one(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    query: &Query,
) -> Result<Option<Version>, Fault> {
    let mut found = search::matches(concord, call, transaction, query, 2)?;
    let first = found.pop();
    if found.is_empty() {
        return Ok(first);
    }
    Err(Fault::PreconditionFailed(Issue::plain(
        IssueCode::MultipleMatches,
        "the condition matches more than one resource; make it more selective",
    )))
}

/// Makes two writers with the same condition follow one another.
pub(crate) fn lock(transaction: &mut Transaction<'_>, resource_type: ResourceType, query: &Query) -> Result<(), Fault> {
    transaction.lock(hash((resource_type, told(query))).cast_signed())
}

/// The number of a lock, the same on every node: the hasher has fixed keys.
pub(crate) fn hash(of: impl Hash) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(of)
}

/// The parameters of a condition. Some clients write the whole address of the search, or the type before them.
pub(crate) fn criteria<'t>(base: &str, resource_type: ResourceType, text: &'t str) -> &'t str {
    let text = text.trim();
    let own = text.strip_prefix(base).and_then(|rest| rest.strip_prefix('/')).unwrap_or(text);
    let rest = own.strip_prefix(resource_type.name()).and_then(|rest| rest.strip_prefix('?'));
    rest.unwrap_or(text).trim_start_matches('?')
}

/// The condition as the client asked it, for the log and the lock.
pub(crate) fn told(query: &Query) -> String {
    query.used.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

/// A logical id that nobody can guess: a UUID of version 7, whose first part is the time, so that indexes grow at
/// their end.
pub(crate) fn new_id(now_ms: i64) -> String {
    let random = uuid::Uuid::new_v4().into_bytes();
    let mut tail = [0_u8; 10];
    tail.copy_from_slice(random.first_chunk::<10>().unwrap_or(&[0; 10]));
    let ms = u64::try_from(now_ms).unwrap_or_default();
    uuid::Builder::from_unix_timestamp_millis(ms, &tail).into_uuid().to_string()
}
