//! What a canonical url means here, of what the caller may find (R4 "References", canonical URLs). Definitions that registered
//! systems gave come before those of anybody else ([ADR 54](../../../../docs/adr/0054-checks-ask-what-is-stored-and-elsewhere.md)).

use concord_fhir::json::Value;
use concord_fhir::predicate::Predicate;
use concord_fhir::registry::ResourceType;
use concord_fhir::search::{Handling, parse};
use concord_fhir::value::Literal;
use concord_fhir::version::{VersionOrder, version_order};
use concord_store::rows::Version;
use concord_store::search::{PageRequest, Position, TypeQuery};
use concord_store::transaction::Transaction;
use concord_terminology::Kind;

use crate::error::ApiError;
use crate::interact::session::Session;
use crate::interact::{Service, access, given};

/// How many resources of one url are looked at at a time.
const VERSIONS: u32 = 20;

/// How many are in all.
const MOST: usize = 200;

/// Whose definitions a url may mean. An id means the one that bears it, whoever gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    /// Those that registered systems gave.
    Registered,
    /// Those, and where there is none those of others.
    Anybody,
}

/// The definition of that url or id, among those that the caller may find: what is hidden is as if it were not there. Of
/// several, an active one, of the highest version, that was stored last.
///
/// # Errors
/// When the store fails.
pub(crate) fn find(
    session: &mut Session<'_, '_>,
    resource_type: ResourceType,
    name: &str,
    whose: Whose,
) -> Result<Option<Value<'static>>, ApiError> {
    match find_version(session, resource_type, name, whose)? {
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
    whose: Whose,
) -> Result<Option<Version>, ApiError> {
    let named = named(session.service, resource_type, name);
    if matches!(named, Predicate::Id(_)) {
        return first(session, resource_type, named);
    }
    match first(session, resource_type, named.clone().and(given::registered()))? {
        None if whose == Whose::Anybody => first(session, resource_type, named),
        found => Ok(found),
    }
}

/// The one of that url that checks go by: a registered system gave it, and it is not retired. A load asks for what was there
/// before it.
///
/// # Errors
/// When the store fails.
pub(crate) fn find_in_use(
    session: &mut Session<'_, '_>,
    resource_type: ResourceType,
    name: &str,
) -> Result<Option<Version>, ApiError> {
    let retired = [("status:not".to_owned(), "retired".to_owned())];
    let Ok(in_use) = parse(Some(resource_type), &retired, Handling::Strict, 0, &session.service.base) else {
        return Ok(None);
    };
    let named = by_url(session.service, resource_type, name).and(given::registered()).and(in_use.predicate);
    let permit = access::findable(session, resource_type, None)?;
    let queries = [TypeQuery { resource_type, record: None, predicate: named.and(permit) }];
    if queries[0].predicate == Predicate::None {
        return Ok(None);
    }
    session.transaction.bypass_buffer(|transaction| meant(transaction, &queries))
}

/// The concept maps that registered systems gave and that are active, from a code system, or to it.
///
/// # Errors
/// When the store fails.
pub(crate) fn of_code_system(
    session: &mut Session<'_, '_>,
    system: &str,
    reverse: bool,
) -> Result<Vec<Version>, ApiError> {
    let Some(resource_type) = ResourceType::parse(Kind::ConceptMap.resource_type()) else { return Ok(Vec::new()) };
    let by = if reverse { "target-system" } else { "source-system" };
    let pairs = [(by.to_owned(), escaped(system)), ("status".to_owned(), "active".to_owned())];
    let Ok(query) = parse(Some(resource_type), &pairs, Handling::Strict, 0, &session.service.base) else {
        return Ok(Vec::new());
    };
    let permit = access::findable(session, resource_type, None)?;
    let queries =
        [TypeQuery { resource_type, record: None, predicate: query.predicate.and(given::registered()).and(permit) }];
    if queries[0].predicate == Predicate::None {
        return Ok(Vec::new());
    }
    Ok(session.transaction.page(&wanted(&queries, None))?.0)
}

/// The one that is meant of those that meet the predicate and that the caller may find.
fn first(
    session: &mut Session<'_, '_>,
    resource_type: ResourceType,
    predicate: Predicate,
) -> Result<Option<Version>, ApiError> {
    let predicate = predicate.and(access::findable(session, resource_type, None)?);
    if predicate == Predicate::None {
        return Ok(None);
    }
    let queries = [TypeQuery { resource_type, record: None, predicate }];
    meant(session.transaction, &queries)
}

/// Not sorted by the database: one that is asked for the latest may look through all of the type for them.
fn wanted<'q>(queries: &'q [TypeQuery], after: Option<&'q Position>) -> PageRequest<'q> {
    PageRequest { queries, sort: &[], after, limit: VERSIONS }
}

/// An active one before others, the highest version before lower ones, and of the same what was stored last: a tag or label
/// makes nothing newer. What was stored first is looked at first.
fn meant(transaction: &mut Transaction<'_>, queries: &[TypeQuery]) -> Result<Option<Version>, ApiError> {
    let mut best: Option<(bool, VersionOrder, Version)> = None;
    let mut after = None;
    let mut looked_at = 0;
    while looked_at < MOST {
        let (versions, next) = transaction.piece(&wanted(queries, after.as_ref()))?;
        looked_at += versions.len();
        for version in versions {
            let value = version.resource()?;
            let is_active = value.text("status") == Some("active");
            let number = version_order(value.text("version").unwrap_or_default());
            let is_better = best
                .as_ref()
                .is_none_or(|(active, known, other)| (is_active, &number, version.key) > (*active, known, other.key));
            drop(value);
            if is_better {
                best = Some((is_active, number, version));
            }
        }
        if next.is_none() {
            break;
        }
        after = next;
    }
    Ok(best.map(|(.., version)| version))
}

/// `Type/id`, here or under the server's address, or a url with or without `|version`.
fn named(service: &Service, resource_type: ResourceType, name: &str) -> Predicate {
    if let Literal::Local(named, id) = Literal::read(name, &service.base) {
        return if named == resource_type { Predicate::Id(vec![id.to_owned()]) } else { Predicate::None };
    }
    by_url(service, resource_type, name)
}

/// A text as the value of a search parameter.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace(',', "\\,").replace('|', "\\|").replace('$', "\\$")
}

fn by_url(service: &Service, resource_type: ResourceType, name: &str) -> Predicate {
    let (url, version) = name.split_once('|').map_or((name, None), |(url, version)| (url, Some(version)));
    let mut pairs = vec![("url".to_owned(), escaped(url))];
    pairs.extend(version.map(|version| ("version".to_owned(), escaped(version))));
    match parse(Some(resource_type), &pairs, Handling::Strict, 0, &service.base) {
        Ok(query) => query.predicate,
        // Nothing has a name like that.
        Err(_) => Predicate::None,
    }
}
