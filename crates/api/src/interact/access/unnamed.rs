//! What a Consent denies the caller is named to them by nothing that they are shown, and what names it is not found by that: it
//! is as if it were not there. Which decisions deny what they say themselves (`Decision::unnamed`); a session notes it of each.
//!
//! Whoever sees nothing denied pays nothing for it.

use std::sync::Arc;

use concord_fhir::json::{self, Value};
use concord_fhir::label;
use concord_fhir::predicate::{Predicate, Test};
use concord_fhir::registry::{ResourceType, is_of_references, parameter_by_id};
use concord_fhir::value::local;
use concord_store::rows::Version;
use concord_store::transaction::Transaction;

use crate::error::ApiError;
use crate::interact::access::marks;
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
    let shown: Vec<&mut Version> =
        versions.into_iter().filter(|version| !version.deleted && !is_event(version.resource_type)).collect();
    let mut names = Vec::new();
    for version in &shown {
        names.extend(label::named(&version.resource()?, &session.service.base));
    }
    if let Some(value) = &composed {
        names.extend(label::named(value, &session.service.base));
    }
    let gone = session.without_explain(|session| denied(session.transaction, names, &unnamed))?;
    if gone.is_empty() {
        return Ok(());
    }
    let (base, is_gone) = (session.service.base.as_str(), is_among(&gone));
    for version in shown {
        let mut value = version.resource()?;
        if label::leave_out(&mut value, base, &is_gone) {
            marks::add(&mut value);
            version.body = json::to_string(&value);
        }
    }
    if let Some(value) = composed {
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
    let names = label::named(&version.resource()?, transaction.base());
    Ok(!denied(transaction, names, unnamed)?.is_empty())
}

/// A search in which nothing is found by the name of what is denied, nor by that it names anything where it names that.
///
/// # Errors
/// When the store fails.
pub(crate) fn guarded(
    session: &mut Session<'_, '_>,
    asked: Predicate,
    reads_words: bool,
) -> Result<Predicate, ApiError> {
    let Some(unnamed) = session.cache.unnamed() else { return Ok(asked) };
    let mut names = Vec::new();
    let asked = asked.at_entries(&mut |parameter, test| {
        names.extend(test.keys().into_iter().flatten().filter_map(name));
        Predicate::Entry(parameter, test)
    });
    let gone = session.without_explain(|session| denied(session.transaction, names, &unnamed))?;
    let is_gone = is_among(&gone);
    let names_none = Predicate::DependsOn { through: Arc::default(), then: Box::new(unnamed) }.negate();
    let is_denied = |key: &str| name(key).is_some_and(|(of, id)| is_gone(of, &id));
    let guarded = asked.at_entries(&mut |parameter, test| {
        let keys: Option<Vec<String>> = test.keys().map(|keys| keys.into_iter().map(str::to_owned).collect());
        // By the urls of definitions, which nobody is denied, nothing is named that could be; by identifiers it could.
        let is_by_key = parameter_by_id(parameter).is_some();
        let Some(mut keys) = keys.filter(|keys| is_by_key || keys.iter().all(|key| name(key).is_some())) else {
            let leads_elsewhere = !is_of_references(parameter);
            let asked = Predicate::Entry(parameter, test);
            return if leads_elsewhere { asked } else { asked.and(names_none.clone()) };
        };
        let wanted = keys.len();
        keys.retain(|key| !is_denied(key));
        match keys.is_empty() {
            true => Predicate::None,
            false if keys.len() == wanted => Predicate::Entry(parameter, test),
            false => Predicate::Entry(parameter, Test::OneOf(keys)),
        }
    });
    // Words may be those that stand beside a name.
    Ok(if reads_words { guarded.and(names_none) } else { guarded })
}

/// What a key of a reference names.
fn name(key: &str) -> Option<(ResourceType, String)> {
    local(key).map(|(of, id)| (of, id.to_owned()))
}

fn denied(
    transaction: &mut Transaction<'_>,
    mut names: Vec<(ResourceType, String)>,
    unnamed: &Predicate,
) -> Result<Vec<(ResourceType, String)>, ApiError> {
    names.sort_unstable();
    names.dedup();
    if names.is_empty() {
        return Ok(names);
    }
    Ok(transaction.named_among(&names, unnamed)?)
}

fn is_among(gone: &[(ResourceType, String)]) -> impl Fn(ResourceType, &str) -> bool {
    move |resource_type, id| gone.iter().any(|(of, gone)| *of == resource_type && gone == id)
}
