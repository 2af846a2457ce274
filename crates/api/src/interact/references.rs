//! References in what people write point at something that is there and that the writer may read. What is missing and
//! what is hidden are answered alike.

use std::borrow::Cow;

use concord_fhir::index::{self, Entries};
use concord_fhir::issue::{Issue, IssueCode};
use concord_fhir::json::Value;
use concord_fhir::registry::ResourceType;

use super::{Call, Concord, access, judge};
use crate::fault::Fault;
use crate::store::lower::Rows;
use crate::store::transaction::Transaction;

const BUNDLE: ResourceType = ResourceType::of("Bundle");

/// How many different resources one resource may refer to.
const LIMIT: usize = 200;

/// Refuses references by a search, `Type?...`: a transaction has put ids in their place (R4 "Conditional references"), and
/// anywhere else they would lead nowhere. What a Bundle holds is stored as it is.
///
/// # Errors
/// [`Fault::Malformed`] with every one of them, at its place.
pub(crate) fn refuse_conditional(resource_type: ResourceType, value: &Value<'_>) -> Result<(), Fault> {
    if resource_type == BUNDLE {
        return Ok(());
    }
    let by_search = |text: &str| text.split_once('?').is_some_and(|(name, _)| ResourceType::parse(name).is_some());
    let text = "a reference by a search is understood in a transaction only";
    let issues: Vec<Issue> = index::references(value)
        .into_iter()
        .filter(|(_, reference)| by_search(reference))
        .map(|(place, _)| Issue::error(IssueCode::NotSupported, place, text))
        .collect();
    if issues.is_empty() { Ok(()) } else { Err(Fault::Malformed(issues)) }
}

/// References that lead nowhere, or to what the caller may not read.
#[derive(Debug, Default)]
pub(crate) struct Unreadable {
    /// What is referred to, as `Type/id`.
    names: Vec<String>,
    /// Each reference, at its place.
    issues: Vec<Issue>,
}

impl Unreadable {
    /// The entries as they would be if none of these were there. A decision from what a hidden resource says (data
    /// inherits the labels of its encounter) would tell that the resource is there.
    pub(crate) fn without<'e>(&self, entries: &'e Entries) -> Cow<'e, Entries> {
        if self.names.is_empty() {
            return Cow::Borrowed(entries);
        }
        let mut rest = entries.clone();
        rest.rows.retain(|row| !self.names.contains(&row.key));
        Cow::Owned(rest)
    }

    /// Refuses what has such a reference.
    ///
    /// # Errors
    /// [`Fault::RuleBroken`] with every one of them, at its place.
    pub(crate) fn refuse(self) -> Result<(), Fault> {
        if self.issues.is_empty() { Ok(()) } else { Err(Fault::RuleBroken(self.issues)) }
    }
}

/// Looks up every literal reference to a resource of this server. `patients` are those in whose records the caller wants
/// to write this: they may be named by whoever may do that, also by somebody who may not read the Patient.
///
/// # Errors
/// [`Fault::RuleBroken`] when there are too many, and when the store fails.
pub(crate) fn unreadable(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    value: &Value<'_>,
    patients: &[String],
) -> Result<Unreadable, Fault> {
    let mut known: Vec<(ResourceType, String, bool)> = Vec::new();
    let mut all = Unreadable::default();
    for (place, reference) in index::references(value) {
        let relative = reference
            .strip_prefix(concord.base.as_str())
            .and_then(|rest| rest.strip_prefix('/'))
            .unwrap_or(reference.as_str());
        let mut parts = relative.split('/');
        let (Some(name), Some(id)) = (parts.next(), parts.next()) else { continue };
        // What lies on another server is not ours to look up.
        let Some(resource_type) = ResourceType::parse(name) else { continue };
        if call.together.iter().any(|other| other.split_once('/') == Some((name, id))) {
            continue;
        }
        let found = match known.iter().find(|(listed, other, _)| *listed == resource_type && other == id) {
            Some((_, _, found)) => *found,
            None => {
                if known.len() >= LIMIT {
                    return Err(Fault::rule(place, format!("a resource may refer to at most {LIMIT} others")));
                }
                let own = resource_type.name() == "Patient" && patients.iter().any(|patient| patient == id);
                let found = readable(concord, call, transaction, resource_type, id, own)?;
                known.push((resource_type, id.to_owned(), found));
                found
            }
        };
        if !found {
            let text = format!("{name}/{id} is not there, or may not be read by the caller");
            all.issues.push(Issue::error(IssueCode::NotFound, place, text));
            all.names.push(format!("{name}/{id}"));
        }
    }
    Ok(all)
}

fn readable(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    resource_type: ResourceType,
    id: &str,
    own: bool,
) -> Result<bool, Fault> {
    // One may always name oneself, also where nobody has stored who one is.
    if call.caller.actor.reference().is_some_and(|own| own == format!("{resource_type}/{id}")) {
        return Ok(true);
    }
    let Some(head) = transaction.head(resource_type, id, false)? else { return Ok(false) };
    if head.version.deleted || own {
        return Ok(!head.version.deleted);
    }
    let decision = access::decide_reference(concord, call, transaction, &head)?;
    judge::permits(transaction, &decision, Rows::Current, &head.version)
}
