//! What a document refers to is in it (R4 "Documents").

use concord_fhir::issue::{IssueCode, Severity};
use concord_fhir::json::Value;

use super::{Walk, shown};
use crate::item::Place;
use crate::surroundings::Surroundings;

/// How deep sections may be nested.
const DEEPEST: usize = 30;

impl Walk<'_> {
    /// Checks that what the Composition of a document refers to is among its entries, where it says so itself: by a
    /// reference that is relative or the name of an entry.
    pub(super) fn document(&mut self, resource: &Value<'_>, place: &Place<'_>) {
        let is_document = resource.text("resourceType") == Some("Bundle") && resource.text("type") == Some("document");
        let Some(first) = resource.list("entry").first().filter(|_| is_document) else { return };
        let Some(composition) = first.get("resource").filter(|one| one.text("resourceType") == Some("Composition")) else {
            return;
        };
        let around = Surroundings { bundle: Some(resource), entry: Some(first), resource: Some(composition) };
        let mut references = Vec::new();
        for name in ["subject", "encounter", "author", "custodian"] {
            references.extend(composition.list(name));
        }
        references.extend(composition.list("attester").iter().filter_map(|one| one.get("party")));
        references.extend(composition.list("event").iter().flat_map(|one| one.list("detail")));
        sections(composition, 0, &mut references);
        let here = place.element("entry[0].resource");
        for reference in references.into_iter().filter_map(|one| one.text("reference")) {
            let is_own = !reference.contains(':') || reference.starts_with("urn:");
            if is_own && !reference.starts_with('#') && around.resolve(reference).is_none() {
                let said = format!("the document refers to {}, which is not among its entries", shown(reference));
                self.add(Severity::Error, IssueCode::NotFound, &here, said);
            }
        }
    }
}

fn sections<'v>(holder: &'v Value<'v>, depth: usize, references: &mut Vec<&'v Value<'v>>) {
    if depth > DEEPEST {
        return;
    }
    for section in holder.list("section") {
        for name in ["author", "focus", "entry"] {
            references.extend(section.list(name));
        }
        sections(section, depth + 1, references);
    }
}
