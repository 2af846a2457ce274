//! What a canonical url means here, of what the caller may find (R4 "References", canonical URLs).

use concord_fhir::json::Value;
use concord_fhir::predicate::Predicate;
use concord_fhir::registry::ResourceType;
use concord_fhir::search::{Handling, parse};
use concord_fhir::value::Literal;
use concord_store::rows::Version;
use concord_store::search::{PageRequest, TypeQuery};

use crate::error::ApiError;
use crate::interact::session::Session;
use crate::interact::{Service, access};

/// How many resources of one url are looked at.
const VERSIONS: u32 = 20;

/// The definition of that url or id, among those that the caller may find: what is hidden is as if it were not there. Of
/// several, the active one that was updated last.
///
/// # Errors
/// When the store fails.
pub(crate) fn find(
    session: &mut Session<'_, '_>,
    resource_type: ResourceType,
    name: &str,
) -> Result<Option<Value<'static>>, ApiError> {
    match find_version(session, resource_type, name)? {
        Some(version) => Ok(Some(version.resource()?.into_owned())),
        None => Ok(None),
    }
}

/// The same as it is stored.
///
/// # Errors
/// When the store fails.
pub(crate) fn find_version(
    session: &mut Session<'_, '_>,
    resource_type: ResourceType,
    name: &str,
) -> Result<Option<Version>, ApiError> {
    let permit = access::findable(session, resource_type, None)?;
    let predicate = named(session.service, resource_type, name).and(permit);
    if predicate == Predicate::None {
        return Ok(None);
    }
    let among = [TypeQuery { resource_type, record: None, predicate }];
    meant(session.transaction.page(&wanted(&among))?.0)
}

/// The same of those with these ids; a load asks for what was there before it.
///
/// # Errors
/// When the store fails.
pub(crate) fn find_among(
    session: &mut Session<'_, '_>,
    resource_type: ResourceType,
    ids: Vec<String>,
) -> Result<Option<Version>, ApiError> {
    let permit = access::findable(session, resource_type, None)?;
    let predicate = Predicate::Id(ids).and(permit);
    if predicate == Predicate::None {
        return Ok(None);
    }
    let among = [TypeQuery { resource_type, record: None, predicate }];
    meant(session.transaction.bypass_buffer(|transaction| transaction.page(&wanted(&among)))?.0)
}

/// Not sorted by the database: one that is asked for the latest may look through all of the type for them.
fn wanted<'q>(among: &'q [TypeQuery]) -> PageRequest<'q> {
    PageRequest { queries: among, sort: &[], after: None, limit: VERSIONS }
}

/// The active one that was updated last, else the one that was.
fn meant(mut versions: Vec<Version>) -> Result<Option<Version>, ApiError> {
    if versions.len() < 2 {
        return Ok(versions.pop());
    }
    versions.sort_by_key(|version| std::cmp::Reverse(version.updated));
    let mut first = None;
    for version in versions {
        if version.resource()?.text("status") == Some("active") {
            return Ok(Some(version));
        }
        first = first.or(Some(version));
    }
    Ok(first)
}

/// `Type/id`, here or under the server's address, or a url with or without `|version`.
fn named(service: &Service, resource_type: ResourceType, name: &str) -> Predicate {
    if let Literal::Local(named, id) = Literal::read(name, &service.base) {
        return if named == resource_type { Predicate::Id(vec![id.to_owned()]) } else { Predicate::None };
    }
    let escaped = |text: &str| text.replace('\\', "\\\\").replace(',', "\\,").replace('|', "\\|").replace('$', "\\$");
    let (url, version) = name.split_once('|').map_or((name, None), |(url, version)| (url, Some(version)));
    let mut pairs = vec![("url".to_owned(), escaped(url))];
    pairs.extend(version.map(|version| ("version".to_owned(), escaped(version))));
    match parse(Some(resource_type), &pairs, Handling::Strict, 0, &service.base) {
        Ok(query) => query.predicate,
        // Nothing has a name like that.
        Err(_) => Predicate::None,
    }
}
