//! What a Consent denies the caller is named to them by nothing that they are shown, and what names it is not found by that: it
//! is as if it were not there. Which decisions deny what they say themselves (`Decision::unnamed`); a session notes it of each.
//!
//! A denial is one of the record that it stands in: what another's record says, or what is in nobody's, is as it is. So a read, for which one
//! record is asked, and a search over several say the same.
//!
//! Whoever sees nothing denied pays nothing for it.

use std::sync::Arc;

use concord_fhir::index::ParameterId;
use concord_fhir::json::{self, Value};
use concord_fhir::label;
use concord_fhir::predicate::{Predicate, Test};
use concord_fhir::registry::{Kind, ResourceType, parameter_by_id};
use concord_fhir::search::{Query, Sort, SortBy};
use concord_fhir::value::local;
use concord_store::named_among::NamedIn;
use concord_store::rows::Version;
use concord_store::transaction::Transaction;

use crate::error::ApiError;
use crate::interact::access::{self, marks};
use crate::interact::is_event;
use crate::interact::session::Session;

/// Takes the names of what is denied out of what is shown.
///
/// # Errors
/// When the store fails.
pub(crate) fn leave_out(
    session: &mut Session<'_, '_>,
    versions: Vec<&mut Version>,
    composed: Option<&mut Value<'static>>,
) -> Result<(), ApiError> {
    let Some(unnamed) = session.cache.unnamed() else { return Ok(()) };
    let mut names = Vec::new();
    let mut shown = Vec::new();
    for version in versions.into_iter().filter(|version| !version.deleted && !is_event(version.resource_type)) {
        let of_it = names_in(version, &session.service.base, &unnamed)?;
        if !of_it.is_empty() {
            names.extend(of_it);
            shown.push(version);
        }
    }
    if let Some(value) = &composed {
        names.extend(label::named(value, &session.service.base));
    }
    let gone = session.without_explain(|session| denied(session.transaction, names, &unnamed))?;
    if gone.is_empty() {
        return Ok(());
    }
    let base = session.service.base.as_str();
    for version in shown {
        let mut value = version.resource()?;
        let (record, is_in_one) = (version.patient, version.patients <= 1);
        let is_of_it = |one: &NamedIn| !is_in_one || one.record.is_none_or(|of| of == record);
        let is_gone = |of: ResourceType, id: &str| gone.iter().any(|one| is(one, of, id) && is_of_it(one));
        if label::leave_out(&mut value, base, &is_gone) {
            marks::add(&mut value);
            version.body = json::to_string(&value);
        }
    }
    if let Some(value) = composed {
        let is_gone = |of: ResourceType, id: &str| gone.iter().any(|one| is(one, of, id));
        each_resource(value, &mut |resource| {
            if label::leave_out(resource, base, &is_gone) {
                marks::add(resource);
            }
        });
    }
    Ok(())
}

/// Does something with each entry of what holds others, or with any other resource as a whole.
fn each_resource(value: &mut Value<'static>, work: &mut dyn FnMut(&mut Value<'static>)) {
    if value.list("entry").iter().all(|entry| entry.get("resource").is_none()) {
        return work(value);
    }
    let entries = value.as_object_mut().and_then(|object| object.get_mut("entry"));
    let Some(Value::Array(entries)) = entries else { return };
    for entry in entries.iter_mut().filter_map(Value::as_object_mut) {
        if let Some(resource) = entry.get_mut("resource") {
            each_resource(resource, work);
        }
    }
}

/// Whether a version names something that is denied.
///
/// # Errors
/// When the store fails.
pub(crate) fn names_denied(
    transaction: &mut Transaction<'_>,
    unnamed: &Predicate,
    version: &Version,
) -> Result<bool, ApiError> {
    if *unnamed == Predicate::None || version.deleted {
        return Ok(false);
    }
    let names = names_in(version, transaction.base(), unnamed)?;
    Ok(!denied(transaction, names, unnamed)?.is_empty())
}

/// What a version names that may be denied: most name nothing that could be, and are not read for that.
fn names_in(version: &Version, base: &str, unnamed: &Predicate) -> Result<Vec<(ResourceType, String)>, ApiError> {
    let may_be_denied = |of| unnamed.may_be_of(of);
    if !label::may_name(&version.body, &may_be_denied) {
        debug_assert!(!label::named(&version.resource()?, base).iter().any(|(of, _)| may_be_denied(*of)));
        return Ok(Vec::new());
    }
    Ok(label::named(&version.resource()?, base))
}

/// A search in which nothing is found by the name of what is denied in the same record, nor by what may be left out with a name where it
/// names that.
///
/// # Errors
/// When the store fails.
pub(crate) fn guarded(session: &mut Session<'_, '_>, asked: Predicate, query: &Query) -> Result<Predicate, ApiError> {
    let Some(unnamed) = session.cache.unnamed() else { return Ok(asked) };
    let (mut names, mut parameters) = (Vec::new(), sorted_by(query));
    let asked = asked.at_entries(&mut |parameter, test| {
        names.extend(test.keys().into_iter().flatten().filter_map(name));
        parameters.push(parameter);
        Predicate::Entry(parameter, test)
    });
    let names_none = naming(&unnamed).negate();
    let gone = session.without_explain(|session| elsewhere(session, query, names, &unnamed))?;
    let of_names = of_names(session, &parameters)?;
    let denied = |key: &str| name(key).and_then(|(of, id)| gone.iter().find(|(one, _)| is(one, of, &id)));
    let guarded = asked.at_entries(&mut |parameter, test| {
        let keys: Option<Vec<String>> = test.keys().map(|keys| keys.into_iter().map(str::to_owned).collect());
        let wanted = keys.as_ref().map_or(0, Vec::len);
        // By the urls of definitions, which nobody is denied, nothing is named that could be; by identifiers it could.
        let is_reference = parameter_by_id(parameter).is_some_and(|one| one.kind == Kind::Reference);
        let by_key = keys.filter(|keys| is_reference || keys.iter().all(|key| name(key).is_some()));
        let Some(keys) = by_key.filter(|keys| !keys.is_empty()) else {
            let asked = Predicate::Entry(parameter, test);
            return if of_names.contains(&parameter) { asked.and(names_none.clone()) } else { asked };
        };
        let mut told = Predicate::None;
        // Whom something is about stays named, and so it is found by.
        let may_go = |key: &str| name(key).is_none_or(|(of, _)| label::may_be_left_out(parameter, of));
        let (gone, keys): (Vec<String>, Vec<String>) =
            keys.into_iter().partition(|key| denied(key).is_some() && may_go(key));
        for key in gone {
            if let Some((_, Some(record))) = denied(&key) {
                let in_others = Predicate::PatientCompartment(record.clone()).negate();
                told = told.or(Predicate::Entry(parameter, Test::Is(key)).and(in_others));
            }
        }
        match keys.len() {
            0 => told,
            count if count == wanted => Predicate::Entry(parameter, test),
            _ => told.or(Predicate::Entry(parameter, Test::OneOf(keys))),
        }
    });
    // Words may be those that stand beside a name, and an order tells what it is by.
    let tells_names = !query.full_text.is_empty() || sorted_by(query).iter().any(|one| of_names.contains(one));
    Ok(if tells_names { guarded.and(names_none) } else { guarded })
}

/// What a search is sorted by, of what is indexed.
fn sorted_by(query: &Query) -> Vec<ParameterId> {
    let parameter = |sort: &Sort| match sort.by {
        SortBy::Range(parameter) | SortBy::Key(parameter) => Some(parameter),
        SortBy::Updated | SortBy::Id | SortBy::ClinicalDate => None,
    };
    query.sort.iter().filter_map(parameter).collect()
}

/// Those of these parameters that find what may be left out with a name.
fn of_names(session: &mut Session<'_, '_>, parameters: &[ParameterId]) -> Result<Vec<ParameterId>, ApiError> {
    let mut of_names = Vec::new();
    let mut added = Vec::new();
    for parameter in parameters {
        match label::is_of_names(*parameter) {
            Some(true) => of_names.push(*parameter),
            Some(false) => {}
            None => added.push(*parameter),
        }
    }
    if !added.is_empty() {
        let registry = session.transaction.registry()?;
        let is_harmless = |id: &ParameterId| {
            let known = registry.added().iter().find(|one| one.row_ids().contains(id));
            let decided = known.and_then(|one| Some(!label::may_go_with_a_name(one.resource_type?, one)));
            decided.unwrap_or(false)
        };
        of_names.extend(added.into_iter().filter(|id| !is_harmless(id)));
    }
    Ok(of_names)
}

/// What names something that is denied in the record that it is in itself.
fn naming(unnamed: &Predicate) -> Predicate {
    let parts = match unnamed {
        Predicate::Or(parts) => parts.as_slice(),
        single => std::slice::from_ref(single),
    };
    let mut by_record: Vec<(Option<&str>, Predicate)> = Vec::new();
    for part in parts {
        let record = access::only_record(part);
        match by_record.iter_mut().find(|(known, _)| *known == record) {
            Some((_, all)) => *all = std::mem::replace(all, Predicate::None).or(part.clone()),
            None => by_record.push((record, part.clone())),
        }
    }
    let names = |(record, then): (Option<&str>, Predicate)| {
        let within = record.map_or(Predicate::All, |record| Predicate::PatientCompartment(record.to_owned()));
        within.and(Predicate::DependsOn { through: Arc::default(), then: Box::new(then) })
    };
    Predicate::any(by_record.into_iter().map(names).collect())
}

/// What of these is denied, each with the patient in whose record alone it is not to be found by: nobody, where it is by nothing at
/// all. A search in one record, and one that says how it was run, finds nothing by it.
fn elsewhere(
    session: &mut Session<'_, '_>,
    query: &Query,
    names: Vec<(ResourceType, String)>,
    unnamed: &Predicate,
) -> Result<Vec<(NamedIn, Option<String>)>, ApiError> {
    let in_one = query.explain || query.compartment.is_some() || query.only_record().is_some();
    let mut found = Vec::new();
    for one in denied(session.transaction, names, unnamed)? {
        let record = match one.record.filter(|_| !in_one) {
            Some(key) => Some(session.transaction.patient_id(key)?),
            None => None,
        };
        found.push((one, record));
    }
    Ok(found)
}

/// What a key of a reference names.
fn name(key: &str) -> Option<(ResourceType, String)> {
    local(key).map(|(of, id)| (of, id.to_owned()))
}

/// Whether it is the one of that name.
fn is(one: &NamedIn, resource_type: ResourceType, id: &str) -> bool {
    one.resource_type == resource_type && one.id == id
}

fn denied(
    transaction: &mut Transaction<'_>,
    mut names: Vec<(ResourceType, String)>,
    unnamed: &Predicate,
) -> Result<Vec<NamedIn>, ApiError> {
    names.retain(|(of, _)| unnamed.may_be_of(*of));
    names.sort_unstable();
    names.dedup();
    if names.is_empty() {
        return Ok(Vec::new());
    }
    Ok(transaction.named_among(&names, unnamed)?)
}
