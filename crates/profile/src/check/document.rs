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
        let Some(composition) = first.get("resource").filter(|one| one.text("resourceType") == Some("Composition")) else {
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
    /// Checks the addresses of entries: there in all but what is asked for and answered, absolute, and with the type and
    /// id of the resource if they are those of a server.
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
            if !url.contains(':') {
                let said = format!("a fullUrl is absolute, and '{}' is not", shown(url));
                self.add(Severity::Error, IssueCode::Value, &here, said);
            } else if let Some((named, id)) = server_address(url) {
                let (own_type, own_id) = (own.text("resourceType").unwrap_or_default(), own.text("id"));
                if own_type != named || own_id != Some(id) {
                    let said = format!("the fullUrl ends with the type and id of another resource than {own_type}/{}", shown(own_id.unwrap_or_default()));
                    self.add(Severity::Error, IssueCode::Value, &here, said);
                }
            }
        }
    }
}

/// The type and id at the end of the address of a resource on a server.
fn server_address(url: &str) -> Option<(&str, &str)> {
    url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"))?;
    let (rest, id) = url.rsplit_once('/')?;
    let (_, named) = rest.rsplit_once('/')?;
    ResourceType::parse(named)?;
    Some((named, id))
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
