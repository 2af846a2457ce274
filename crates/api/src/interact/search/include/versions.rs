//! Which version of what is referred to by its url: `url|version` means that one, `url` any.

use concord_fhir::index::{ParameterId, SEPARATOR};
use concord_fhir::predicate::{Predicate, Test};
use concord_fhir::registry::{ResourceType, canonical_url, canonical_version};
use concord_store::rows::Version;
use concord_store::transaction::Transaction;

use crate::error::ApiError;

/// The urls with a version among the keys of one resource, and the other keys. A url with a version has a row without it too.
pub(super) fn named(keys: Vec<String>) -> (Vec<(String, String)>, Vec<String>) {
    let split = |key: &String| key.split_once('|').map(|(url, version)| (url.to_owned(), version.to_owned()));
    let named: Vec<(String, String)> = keys.iter().filter_map(split).collect();
    let is_other = |key: &String| !key.contains('|') && !named.iter().any(|(url, _)| url == key);
    let others = keys.iter().filter(|key| is_other(key)).cloned().collect();
    (named, others)
}

/// Those of a type with that version.
pub(super) fn is(resource_type: ResourceType, version: &str) -> Predicate {
    match canonical_version(resource_type) {
        Some(found) => Predicate::Entry(found, Test::Starts(format!("{version}{SEPARATOR}"))),
        None => Predicate::None,
    }
}

/// A url by which others refer to a resource, and its version.
#[derive(Debug)]
pub(super) struct Canonical {
    pub(super) url: String,
    version: Option<String>,
}

impl Canonical {
    /// Those of a resource.
    pub(super) fn of(transaction: &mut Transaction<'_>, version: &Version) -> Result<Vec<Canonical>, ApiError> {
        let Some(url) = canonical_url(version.resource_type) else { return Ok(Vec::new()) };
        let urls = transaction.keys_of_one(version.key, url)?;
        let own = match canonical_version(version.resource_type) {
            Some(found) if !urls.is_empty() => transaction.keys_of_one(version.key, found)?,
            _ => Vec::new(),
        };
        let own = own.first().and_then(|key| key.split(SEPARATOR).next()).map(str::to_owned);
        Ok(urls.into_iter().map(|url| Canonical { url, version: own.clone() }).collect())
    }

    /// Those that refer to it in one of the parameters: by its version, or by none.
    pub(super) fn referred_to(&self, parameters: &[ParameterId]) -> Predicate {
        let url = &self.url;
        parameters.iter().fold(Predicate::None, |any, one| {
            let entry = |test: Test| Predicate::Entry(*one, test);
            let by_none = entry(Test::Is(url.clone())).and(entry(Test::Starts(format!("{url}|"))).negate());
            let by_own = self.version.iter().map(|version| entry(Test::Is(format!("{url}|{version}"))));
            by_own.fold(any.or(by_none), Predicate::or)
        })
    }
}
