//! Codes that a search names by a value set or by their place in a code system (`:in`, `:not-in`, `:above`, `:below`).
//! They are looked up in the ValueSets and CodeSystems that the caller may find here, in the transaction of the search.

use std::borrow::Cow;

use concord_fhir::index::ParameterId;
use concord_fhir::issue::Issue;
use concord_fhir::json::Value;
use concord_fhir::predicate::{Predicate, Test};
use concord_fhir::registry::{Parameter, ResourceType, parameter_by_id};
use concord_fhir::search::{Handling, parse};
use concord_fhir::terminology::{Codes, LookUpError, Source, look_up};
use concord_fhir::value::{Literal, of_codes};
use concord_store::search::{PageRequest, SortBy, SortKey, TypeQuery};

use crate::error::ApiError;
use crate::interact::session::Session;
use crate::interact::{Service, access};

const VALUE_SET: ResourceType = ResourceType::of("ValueSet");
const CODE_SYSTEM: ResourceType = ResourceType::of("CodeSystem");

/// How many resources of one url are looked at.
const VERSIONS: u32 = 20;

/// The predicate with all codes looked up.
///
/// # Errors
/// When they cannot be told, with the parameter's name.
pub(crate) fn look_up_codes(session: &mut Session<'_, '_>, predicate: Predicate) -> Result<Predicate, ApiError> {
    let mut shelf = VisibleTerminology { session };
    predicate.settled(&mut |parameter, codes| test(&mut shelf, parameter, codes))
}

fn test(shelf: &mut VisibleTerminology<'_, '_, '_>, parameter: ParameterId, codes: &Codes) -> Result<Test, ApiError> {
    match look_up(shelf, codes) {
        Ok(found) => {
            let bare = find_parameter(shelf, parameter)?.is_some_and(|found| found.is_of_bare_codes());
            Ok(of_codes(bare, found.iter()))
        }
        Err(LookUpError::Source(error)) => Err(error),
        Err(LookUpError::Said(code, text)) => {
            let found = find_parameter(shelf, parameter)?;
            let name = found.as_ref().map_or("", |found| &found.code);
            let modifier = match codes {
                Codes::In(_) => "in` or `:not-in",
                Codes::Above(_) => "above",
                Codes::Below(_) => "below",
            };
            let text = format!("search parameter `{name}` with the modifier `:{modifier}`: {text}");
            Err(ApiError::Malformed(vec![Issue::plain(code, text)]))
        }
    }
}

/// The parameter with that number: mostly one of the table.
fn find_parameter(
    shelf: &mut VisibleTerminology<'_, '_, '_>,
    parameter: ParameterId,
) -> Result<Option<Cow<'static, Parameter>>, ApiError> {
    if let Some(found) = parameter_by_id(parameter) {
        return Ok(Some(Cow::Borrowed(found)));
    }
    let registry = shelf.session.transaction.registry()?;
    Ok(registry.parameter_by_id(parameter).cloned().map(Cow::Owned))
}

/// The ValueSets and CodeSystems that the caller may find.
struct VisibleTerminology<'a, 's, 't> {
    session: &'a mut Session<'s, 't>,
}

impl Source for VisibleTerminology<'_, '_, '_> {
    type Error = ApiError;

    fn value_set(&mut self, name: &str) -> Result<Option<Value<'static>>, ApiError> {
        self.find(VALUE_SET, name)
    }

    fn code_system(&mut self, name: &str) -> Result<Option<Value<'static>>, ApiError> {
        self.find(CODE_SYSTEM, name)
    }
}

impl VisibleTerminology<'_, '_, '_> {
    fn find(&mut self, resource_type: ResourceType, name: &str) -> Result<Option<Value<'static>>, ApiError> {
        find(self.session, resource_type, name)
    }
}

/// The definition of that url or id, among those that the caller may find. Of several, the active one that was updated
/// last.
///
/// # Errors
/// When the store fails.
pub(crate) fn find(
    session: &mut Session<'_, '_>,
    resource_type: ResourceType,
    name: &str,
) -> Result<Option<Value<'static>>, ApiError> {
    let permit = access::findable(session, resource_type, None)?;
    let predicate = named(session.service, resource_type, name).and(permit);
    if predicate == Predicate::None {
        return Ok(None);
    }
    let among = [TypeQuery { resource_type, record: None, predicate }];
    let newest = [SortKey { by: SortBy::Updated, descending: true }];
    let wanted = PageRequest { queries: &among, sort: &newest, after: None, limit: VERSIONS };
    let mut first = None;
    for version in session.transaction.page(&wanted)?.0 {
        let value = version.resource()?.into_owned();
        if value.text("status") == Some("active") {
            return Ok(Some(value));
        }
        first = first.or(Some(value));
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
