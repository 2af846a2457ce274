//! Documents (R4 "FHIR Documents"): what in one refers to what, by the addresses of its entries (R4 "Bundle", resolving
//! references in Bundles).

use std::collections::HashMap;

use crate::issue::{Issue, IssueCode};
use crate::json::{Object, Value};
use crate::literal::Literal;
use crate::registry::ResourceType;
use crate::schema::each_reference;

/// The system of identifiers that are addresses.
const URI: &str = "urn:ietf:rfc:3986";

/// The resources of a document that is being made on a server: each is known by its type and id.
#[derive(Clone, Debug, Default)]
pub struct Contents {
    /// With the number of the version that is in it.
    versions: HashMap<(ResourceType, String), String>,
}

impl Contents {
    /// Says that a version of a resource is in the document.
    pub fn add(&mut self, resource_type: ResourceType, id: &str, version: &str) {
        self.versions.insert((resource_type, id.to_owned()), version.to_owned());
    }

    /// Whether some version of a resource is in the document.
    #[must_use]
    pub fn has(&self, resource_type: ResourceType, id: &str) -> bool {
        self.versions.contains_key(&(resource_type, id.to_owned()))
    }

    /// Leaves in a resource those references alone that lead to something in the document, written as `Type/id`, which is
    /// below the same base. Of each other one only the address remains, as an identifier where it has none: it says what was
    /// referred to, and leads nowhere.
    pub fn cut(&self, resource: &mut Value<'static>, base: &str) {
        each_reference(resource, &mut |reference| {
            let Some(text) = reference.get("reference").and_then(Value::as_str).map(str::to_owned) else { return };
            match Literal::read(&text, base) {
                Literal::Contained => {}
                Literal::Local(named, id) if self.leads_to(named, id, &text) => {
                    reference.set("reference", Value::string(format!("{named}/{id}")));
                }
                Literal::Local(named, id) => {
                    if reference.get("type").is_none() {
                        reference.set("type", Value::string(named.name()));
                    }
                    replace(reference, format!("{base}/{named}/{id}"));
                }
                Literal::Elsewhere(_) | Literal::Malformed => replace(reference, text),
            }
        });
    }

    /// Whether a reference leads to what is in the document: to the resource, or to the very version that is.
    fn leads_to(&self, named: ResourceType, id: &str, text: &str) -> bool {
        let Some(version) = self.versions.get(&(named, id.to_owned())) else { return false };
        text.split_once("/_history/").is_none_or(|(_, wanted)| wanted == version)
    }
}

/// Puts the address of what was referred to in the place of the reference.
fn replace(reference: &mut Object<'_>, address: String) {
    reference.remove("reference");
    reference.remove("_reference");
    if reference.get("identifier").is_none() {
        let identifier = Value::object([("system", Value::string(URI)), ("value", Value::string(address))]);
        reference.set("identifier", identifier);
    }
}

/// The references of a resource that lead to one of this server, as type and id.
#[must_use]
pub fn referred(resource: &Value<'_>, base: &str) -> Vec<(ResourceType, String)> {
    let mut found = Vec::new();
    each_reference(&mut resource.clone(), &mut |reference| {
        if let Some(Value::String(text)) = reference.get("reference")
            && let Literal::Local(named, id) = Literal::read(text, base)
        {
            found.push((named, id.to_owned()));
        }
    });
    found
}

/// Every reference in a document that leads to none of its entries by the rules for addresses in Bundles: one that is
/// absolute is the address of an entry; one that is relative is below the base of the entry that it stands in, which has
/// one only if its own address is that of a resource.
#[must_use]
pub fn unresolved(bundle: &Value<'_>) -> Vec<Issue> {
    let entries = bundle.list("entry");
    let addresses: Vec<(&str, Option<&str>)> = entries
        .iter()
        .filter_map(|entry| {
            let version = entry.get("resource").and_then(|resource| resource.get("meta")?.text("versionId"));
            Some((entry.text("fullUrl")?, version))
        })
        .collect();
    let mut issues = Vec::new();
    for (place, entry) in entries.iter().enumerate() {
        let Some(resource) = entry.get("resource") else { continue };
        let address = entry.text("fullUrl").unwrap_or_default();
        each_reference(&mut resource.clone(), &mut |reference| {
            let Some(text) = reference.get("reference").and_then(Value::as_str) else { return };
            let (plain, wanted) = match text.split_once("/_history/") {
                Some((plain, version)) => (plain, Some(version)),
                None => (text, None),
            };
            let Some(target) = absolute(plain, address, resource) else { return };
            let leads = |(address, version): &(&str, Option<&str>)| {
                *address == target && wanted.is_none_or(|wanted| *version == Some(wanted))
            };
            if !addresses.iter().any(leads) {
                let place = format!("Bundle.entry[{place}].resource");
                issues.push(Issue::error(IssueCode::NotFound, place, format!("{text} is not in the document")));
            }
        });
    }
    issues
}

/// The address that a reference means in an entry; none for what is contained.
fn absolute(reference: &str, entry: &str, resource: &Value<'_>) -> Option<String> {
    if reference.starts_with('#') {
        return None;
    }
    if reference.contains(':') {
        return Some(reference.to_owned());
    }
    let own = format!("/{}/{}", resource.text("resourceType")?, resource.text("id").unwrap_or_default());
    Some(match entry.strip_suffix(own.as_str()) {
        Some(base) => format!("{base}/{reference}"),
        None => reference.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{self, Limits};

    const BASE: &str = "http://here/fhir";

    fn parsed(text: &str) -> Value<'static> {
        json::parse(text.as_bytes(), &Limits::default()).expect("JSON").into_owned()
    }

    #[test]
    fn references_lead_into_the_document_or_nowhere() {
        let mut contents = Contents::default();
        contents.add(ResourceType::of("Patient"), "1", "3");
        for (reference, wanted) in [
            (r#"{"reference":"Patient/1"}"#, r#"{"reference":"Patient/1"}"#),
            (r#"{"reference":"http://here/fhir/Patient/1"}"#, r#"{"reference":"Patient/1"}"#),
            (r#"{"reference":"Patient/1/_history/3"}"#, r#"{"reference":"Patient/1"}"#),
            (r##"{"reference":"#p"}"##, r##"{"reference":"#p"}"##),
            (r#"{"display":"x"}"#, r#"{"display":"x"}"#),
            (
                r#"{"reference":"Patient/1/_history/2","display":"x"}"#,
                r#"{"display":"x","type":"Patient","identifier":{"system":"urn:ietf:rfc:3986","value":"http://here/fhir/Patient/1"}}"#,
            ),
            (
                r#"{"reference":"Patient/2","identifier":{"value":"i"}}"#,
                r#"{"identifier":{"value":"i"},"type":"Patient"}"#,
            ),
            (
                r#"{"reference":"http://there/Patient/1"}"#,
                r#"{"identifier":{"system":"urn:ietf:rfc:3986","value":"http://there/Patient/1"}}"#,
            ),
        ] {
            let mut resource = parsed(&format!(r#"{{"resourceType":"Goal","subject":{reference}}}"#));
            contents.cut(&mut resource, BASE);
            assert_eq!(json::to_string(resource.get("subject").expect("it")), wanted, "{reference}");
        }
    }

    #[test]
    fn what_a_document_lacks_is_told() {
        let entry = |address: &str, id: &str, reference: &str| {
            format!(
                r#"{{"fullUrl":"{address}","resource":{{"resourceType":"Goal","id":"{id}","meta":{{"versionId":"2"}},
                "contained":[{{"resourceType":"Goal","subject":{{"reference":"{reference}"}}}}]}}}}"#
            )
        };
        for (address, reference, is_there) in [
            ("http://here/fhir/Goal/1", "Goal/2", true),
            ("http://here/fhir/Goal/1", "http://here/fhir/Goal/2", true),
            ("http://here/fhir/Goal/1", "Goal/2/_history/2", true),
            ("http://here/fhir/Goal/1", "Goal/2/_history/1", false),
            ("http://here/fhir/Goal/1", "Goal/3", false),
            ("http://here/fhir/Goal/1", "#x", true),
            ("http://there/Goal/1", "Goal/2", false),
            ("urn:uuid:0c3201bd-1cbf-4d64-b04d-cd9187a4c6e0", "Goal/2", false),
            ("urn:uuid:0c3201bd-1cbf-4d64-b04d-cd9187a4c6e0", "http://here/fhir/Goal/2", true),
        ] {
            let other = entry("http://here/fhir/Goal/2", "2", "#x");
            let bundle = parsed(&format!(r#"{{"entry":[{},{other}]}}"#, entry(address, "1", reference)));
            assert_eq!(unresolved(&bundle).is_empty(), is_there, "{address} {reference}");
        }
    }
}
