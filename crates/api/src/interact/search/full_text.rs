//! `_text` and `_content`: which of the resources that meet the rest of a search, and that the caller may see, have the
//! words in them (ADR 5). It is read from the resources, in the transaction of the search.

use concord_fhir::issue::{Issue, IssueCode};
use concord_fhir::predicate::Predicate;
use concord_fhir::search::{FullText, Within};
use concord_store::search::{PageRequest, TypeQuery};
use concord_store::transaction::Transaction;

use crate::error::ApiError;

/// How many resources of a type are read for one search.
pub(crate) const MOST_READ: u32 = 5_000;

/// How many are read at once.
const AT_ONCE: u32 = 500;

/// What is searched for, with only the resources that have the words.
///
/// # Errors
/// When too many resources meet the rest of the search.
pub(crate) fn narrowed(
    transaction: &mut Transaction<'_>,
    words: &[FullText],
    query: TypeQuery,
) -> Result<TypeQuery, ApiError> {
    let Some(first) = words.first() else { return Ok(query) };
    if query.predicate == Predicate::None {
        return Ok(query);
    }
    let place = std::slice::from_ref(&query);
    let (mut found, mut read, mut after) = (Vec::new(), 0_usize, None);
    loop {
        let wanted = PageRequest { queries: place, sort: &[], after: after.as_ref(), limit: AT_ONCE };
        let (versions, next) = transaction.piece(&wanted)?;
        read += versions.len();
        for version in versions {
            let resource = version.resource()?;
            if words.iter().all(|words| words.are_in(&resource)) {
                found.push(version.id);
            }
        }
        match next {
            None => break,
            Some(_) if read >= MOST_READ as usize => return Err(too_many(first)),
            Some(_) => after = next,
        }
    }
    let has = if found.is_empty() { Predicate::None } else { Predicate::Id(found) };
    Ok(TypeQuery { predicate: query.predicate.and(has), ..query })
}

fn too_many(words: &FullText) -> ApiError {
    let name = match words.within {
        Within::Narrative => "_text",
        Within::Everything => "_content",
    };
    let text = format!(
        "search parameter `{name}`: more than {MOST_READ} resources would have to be read; name a patient, or say more \
         of what is looked for"
    );
    ApiError::Malformed(vec![Issue::plain(IssueCode::TooCostly, text)])
}
