//! The addresses of a Bundle's entries (R4 "Bundle", fullUrl), and what a document refers to (R4 "Documents").

use concord_fhir::issue::{IssueCode, Severity};
use concord_fhir::json::Value;
use concord_fhir::registry::ResourceType;

use super::{Walk, shown};
use crate::item::Place;
use crate::surroundings::{Surroundings, Whence};

/// How deep sections may be nested.
const DEEPEST: usize = 30;

impl Walk<'_> {
    /// Checks that what the Composition of a document refers to is among its entries, where it says so itself: by a
    /// reference that is relative or the name of an entry.
    pub(super) fn document(&mut self, resource: &Value<'_>, place: &Place<'_>, around: Surroundings<'_>) {
        let is_document = resource.text("resourceType") == Some("Bundle") && resource.text("type") == Some("document");
        let Some(first) = resource.list("entry").first().filter(|_| is_document) else { return };
        let Some(composition) = first.get("resource").filter(|one| one.text("resourceType") == Some("Composition"))
        else {
            return;
        };
        let around = around.at(composition, Whence::Bundled);
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

impl Walk<'_> {
    /// Checks that entries have addresses, in all but what is asked for and answered.
    pub(super) fn addresses(&mut self, resource: &Value<'_>, place: &Place<'_>) {
        if resource.text("resourceType") != Some("Bundle") {
            return;
        }
        let kind = resource.text("type").unwrap_or_default();
        let is_exchange = matches!(kind, "transaction" | "batch" | "transaction-response" | "batch-response");
        for (position, entry) in resource.list("entry").iter().enumerate() {
            let Some(own) = entry.get("resource") else { continue };
            let name = format!("entry[{position}]");
            let entry_place = place.element(&name);
            let here = entry_place.element("fullUrl");
            let Some(url) = entry.text("fullUrl") else {
                if !is_exchange && entry.get("request").is_none() {
                    let said = "an entry says by its fullUrl which resource it is".to_owned();
                    self.add(Severity::Error, IssueCode::Required, &here, said);
                }
                continue;
            };
            // Whether it names the type and id that the resource has is a rule of R4's check.
            let is_server = url.starts_with("http") && server_address(url);
            if is_server && own.text("id").is_none() {
                let said = "the fullUrl is that of a server, and the resource has no id".to_owned();
                self.add(Severity::Error, IssueCode::Value, &here, said);
            }
        }
    }
}

/// Whether a url ends with the type and id of a resource.
fn server_address(url: &str) -> bool {
    let named = url.rsplit('/').nth(1);
    named.is_some_and(|named| ResourceType::parse(named).is_some())
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
