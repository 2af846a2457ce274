//! Leaving elements out of what is shown, and keeping what is hidden safe from those who do not see it.

use concord_consent::decision::Decision;
use concord_fhir::issue::{Issue, IssueCode};
use concord_fhir::json::{self, Value};
use concord_store::lower::Rows;
use concord_store::rows::Version;
use concord_store::transaction::Transaction;

use crate::error::ApiError;
use crate::interact::access::marks::{MARKS, SYSTEM};
use crate::interact::access::{evaluation, marks, unnamed};

/// The version as the decision lets it be shown.
pub(crate) fn shown(
    transaction: &mut Transaction<'_>,
    decision: &Decision,
    rows: Rows,
    version: Version,
) -> Result<Version, ApiError> {
    if decision.redactions.is_empty() || version.deleted {
        return Ok(version);
    }
    let elements = evaluation::redacted(transaction, decision, rows, &version)?;
    without(version, elements)
}

/// The version without some elements, marked if there are any.
pub(crate) fn without(mut version: Version, elements: Vec<&'static str>) -> Result<Version, ApiError> {
    if elements.is_empty() || version.deleted {
        return Ok(version);
    }
    let mut value = version.resource()?;
    if let Some(object) = value.as_object_mut() {
        let hidden = |name: &str| elements.contains(&name.trim_start_matches('_'));
        object.0.retain(|(name, _)| !hidden(name));
        for (name, inner) in &mut object.0 {
            let below = |element: &&'static str| element.strip_prefix(name.as_ref())?.strip_prefix('.');
            let hidden: Vec<&str> = elements.iter().filter_map(below).collect();
            strip(inner, &hidden);
        }
        object.0.retain(|(_, inner)| !is_empty(inner));
    }
    marks::add(&mut value);
    version.body = json::to_string(&value);
    Ok(version)
}

/// Leaves out of an element what is hidden of it, every extension, which may repeat what is hidden elsewhere, and the references
/// to what the resource contained; and what is empty then.
fn strip(value: &mut Value<'_>, hidden: &[&str]) {
    match value {
        Value::Array(items) => {
            items.iter_mut().for_each(|item| strip(item, hidden));
            items.retain(|item| !is_empty(item));
        }
        Value::Object(object) => {
            object.0.retain(|(name, inner)| {
                let is_extension = name.starts_with('_') || EXTENSIONS.contains(&name.as_ref());
                let is_contained = name == "reference" && inner.as_str().is_some_and(|text| text.starts_with('#'));
                !is_extension && !is_contained && !hidden.contains(&name.as_ref())
            });
            object.0.iter_mut().for_each(|(_, inner)| strip(inner, &[]));
            object.0.retain(|(_, inner)| !is_empty(inner));
        }
        _ => {}
    }
}

/// The elements that extensions stand in.
const EXTENSIONS: [&str; 2] = ["extension", "modifierExtension"];

fn is_empty(value: &Value<'_>) -> bool {
    match value {
        Value::Array(items) => items.is_empty(),
        Value::Object(object) => object.0.is_empty(),
        _ => false,
    }
}

/// Why nobody replaces what they do not see all of.
const IN_PART: &str = "some of this resource is hidden from you, so you cannot replace it";

/// Refuses to label anew what the caller does not see all elements of. What names something that is denied to them keeps the name, and
/// bears what label they put there.
///
/// # Errors
/// [`ApiError::Denied`].
pub(crate) fn refuse_redacted(
    transaction: &mut Transaction<'_>,
    decision: &Decision,
    old: &Version,
) -> Result<(), ApiError> {
    match evaluation::redacted(transaction, decision, Rows::Current, old)?.is_empty() {
        true => Ok(()),
        false => Err(ApiError::denied(IN_PART)),
    }
}

/// Refuses an update by somebody who does not see all of the resource, or with a body that says of itself that it is not
/// whole. To put back what is hidden would let them write beside it unseen, and so is not done.
///
/// # Errors
/// [`ApiError::Denied`] or [`ApiError::Unprocessable`].
pub(crate) fn refuse_part(
    transaction: &mut Transaction<'_>,
    decision: &Decision,
    old: &Version,
    proposed: &Value<'_>,
) -> Result<(), ApiError> {
    refuse_redacted(transaction, decision, old)?;
    if unnamed::names_denied(transaction, &decision.unnamed, old)? {
        return Err(ApiError::denied(IN_PART));
    }
    let meta = proposed.get("meta");
    for list in ["security", "tag"] {
        let codings = meta.map_or(&[][..], |meta| meta.list(list));
        let marked = |coding: &Value<'_>| {
            coding.text("system") == Some(SYSTEM) && coding.text("code").is_some_and(|code| MARKS.contains(&code))
        };
        if let Some(place) = codings.iter().position(marked) {
            let name = proposed.text("resourceType").unwrap_or_default();
            let text = "something is left out of this resource, so it cannot replace the whole; read it again whole";
            let issue = Issue::error(IssueCode::BusinessRule, format!("{name}.meta.{list}[{place}]"), text);
            return Err(ApiError::Unprocessable(vec![issue]));
        }
    }
    Ok(())
}
