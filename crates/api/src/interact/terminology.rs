//! Codes that a search names by a value set or by their place in a code system (`:in`, `:not-in`, `:above`, `:below`).
//! They are looked up in the ValueSets and CodeSystems that the caller may find here, in the transaction of the search.

use std::borrow::Cow;

use concord_fhir::index::ParameterId;
use concord_fhir::issue::Issue;
use concord_fhir::json::{self, Value};
use concord_fhir::predicate::{Predicate, Test};
use concord_fhir::registry::{Parameter, ResourceType, parameter_by_id};
use concord_fhir::search::{Handling, parse};
use concord_fhir::terminology::{Codes, Source, Trouble, look_up};
use concord_fhir::value::{Literal, of_codes};

use super::{Call, Concord, access};
use crate::fault::Fault;
use crate::store::search::{Among, SortBy, SortKey, Wanted};
use crate::store::transaction::Transaction;

const VALUE_SET: ResourceType = ResourceType::of("ValueSet");
const CODE_SYSTEM: ResourceType = ResourceType::of("CodeSystem");

/// How many resources of one url are looked at.
const VERSIONS: u32 = 20;

/// The predicate with all codes looked up.
///
/// # Errors
/// When they cannot be told, with the parameter's name.
pub(crate) fn settled(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    predicate: Predicate,
) -> Result<Predicate, Fault> {
    let mut shelf = Shelf { concord, call, transaction };
    predicate.settled(&mut |parameter, codes| test(&mut shelf, parameter, codes))
}

fn test(shelf: &mut Shelf<'_, '_>, parameter: ParameterId, codes: &Codes) -> Result<Test, Fault> {
    match look_up(shelf, codes) {
        Ok(found) => {
            let bare = known(shelf, parameter)?.is_some_and(|found| found.is_of_bare_codes());
            Ok(of_codes(bare, found.iter()))
        }
        Err(Trouble::Source(fault)) => Err(fault),
        Err(Trouble::Said(code, text)) => {
            let found = known(shelf, parameter)?;
            let name = found.as_ref().map_or("", |found| &found.code);
            let modifier = match codes {
                Codes::In(_) => "in` or `:not-in",
                Codes::Above(_) => "above",
                Codes::Below(_) => "below",
            };
            let text = format!("search parameter `{name}` with the modifier `:{modifier}`: {text}");
            Err(Fault::Malformed(vec![Issue::plain(code, text)]))
        }
    }
}

/// The parameter with that number: mostly one of the table.
fn known(shelf: &mut Shelf<'_, '_>, parameter: ParameterId) -> Result<Option<Cow<'static, Parameter>>, Fault> {
    if let Some(found) = parameter_by_id(parameter) {
        return Ok(Some(Cow::Borrowed(found)));
    }
    let registry = shelf.transaction.registry()?;
    Ok(registry.parameter_by_id(parameter).cloned().map(Cow::Owned))
}

/// The ValueSets and CodeSystems that the caller may find.
struct Shelf<'a, 't> {
    concord: &'a Concord,
    call: &'a Call,
    transaction: &'a mut Transaction<'t>,
}

impl Source for Shelf<'_, '_> {
    type Error = Fault;

    fn value_set(&mut self, name: &str) -> Result<Option<Value<'static>>, Fault> {
        self.find(VALUE_SET, name)
    }

    fn code_system(&mut self, name: &str) -> Result<Option<Value<'static>>, Fault> {
        self.find(CODE_SYSTEM, name)
    }
}

impl Shelf<'_, '_> {
    /// The one of that url or id. Of several, the active one that was updated last.
    fn find(&mut self, resource_type: ResourceType, name: &str) -> Result<Option<Value<'static>>, Fault> {
        let (concord, call) = (self.concord, self.call);
        let permit = access::findable(concord, call, self.transaction, resource_type, None)?;
        let predicate = named(concord, resource_type, name).and(permit);
        if predicate == Predicate::None {
            return Ok(None);
        }
        let among = [Among { resource_type, record: None, predicate }];
        let newest = [SortKey { by: SortBy::Updated, descending: true }];
        let wanted = Wanted { among: &among, sort: &newest, after: None, limit: VERSIONS };
        let mut first = None;
        for version in self.transaction.page(&wanted)?.0 {
            let value = json::parse(version.body.as_bytes(), &json::Limits::default())
                .map_err(|_| Fault::Internal("a stored body cannot be read".to_owned()))?
                .into_owned();
            if value.text("status") == Some("active") {
                return Ok(Some(value));
            }
            first = first.or(Some(value));
        }
        Ok(first)
    }
}

/// `Type/id`, here or under the server's address, or a url with or without `|version`.
fn named(concord: &Concord, resource_type: ResourceType, name: &str) -> Predicate {
    if let Literal::Local(named, id) = Literal::read(name, &concord.base) {
        return if named == resource_type { Predicate::Id(vec![id.to_owned()]) } else { Predicate::None };
    }
    let escaped = |text: &str| text.replace('\\', "\\\\").replace(',', "\\,").replace('|', "\\|").replace('$', "\\$");
    let (url, version) = name.split_once('|').map_or((name, None), |(url, version)| (url, Some(version)));
    let mut pairs = vec![("url".to_owned(), escaped(url))];
    pairs.extend(version.map(|version| ("version".to_owned(), escaped(version))));
    match parse(Some(resource_type), &pairs, Handling::Strict, 0, &concord.base) {
        Ok(query) => query.predicate,
        // Nothing has a name like that.
        Err(_) => Predicate::None,
    }
}
