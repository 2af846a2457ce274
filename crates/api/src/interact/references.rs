//! References in what people write point at something that is there and that the writer may read. What is missing and
//! what is hidden are answered alike.

use concord_fhir::index;
use concord_fhir::issue::{Issue, IssueCode};
use concord_fhir::json::Value;
use concord_fhir::registry::ResourceType;

use super::{Call, Concord, access};
use crate::fault::Fault;
use crate::store::lower::Rows;
use crate::store::transaction::Transaction;

/// How many different resources one resource may refer to.
const LIMIT: usize = 200;

/// Looks up every literal reference to a resource of this server.
///
/// # Errors
/// [`Fault::RuleBroken`] with every reference that leads nowhere, at its place.
pub(crate) fn check(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    value: &Value<'_>,
) -> Result<(), Fault> {
    let mut known: Vec<(ResourceType, String, bool)> = Vec::new();
    let mut issues = Vec::new();
    for (place, reference) in index::references(value) {
        let relative = reference
            .strip_prefix(concord.base.as_str())
            .and_then(|rest| rest.strip_prefix('/'))
            .unwrap_or(reference.as_str());
        let mut parts = relative.split('/');
        let (Some(name), Some(id)) = (parts.next(), parts.next()) else { continue };
        // What lies on another server is not ours to look up.
        let Some(resource_type) = ResourceType::parse(name) else { continue };
        let found = match known.iter().find(|(listed, other, _)| *listed == resource_type && other == id) {
            Some((_, _, found)) => *found,
            None => {
                if known.len() >= LIMIT {
                    return Err(Fault::rule(place, format!("a resource may refer to at most {LIMIT} others")));
                }
                let found = readable(concord, call, transaction, resource_type, id)?;
                known.push((resource_type, id.to_owned(), found));
                found
            }
        };
        if !found {
            issues.push(Issue::error(
                IssueCode::NotFound,
                place,
                format!("{name}/{id} is not there, or may not be read by the caller"),
            ));
        }
    }
    if issues.is_empty() { Ok(()) } else { Err(Fault::RuleBroken(issues)) }
}

fn readable(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    resource_type: ResourceType,
    id: &str,
) -> Result<bool, Fault> {
    // One may always name oneself, also where nobody has stored who one is.
    if call.caller.actor.reference().is_some_and(|own| own == format!("{resource_type}/{id}")) {
        return Ok(true);
    }
    let Some(head) = transaction.head(resource_type, id, false)? else { return Ok(false) };
    if head.version.deleted {
        return Ok(false);
    }
    let decision = access::decide_reference(concord, call, transaction, &head)?;
    access::permits(transaction, &decision, Rows::Current, &head.version)
}
