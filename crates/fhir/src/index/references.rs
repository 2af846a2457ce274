//! Every literal reference in a resource, with its place, for the check that what it points at exists.

use crate::full_url::is_urn;
use crate::json::{Object, Value};
use crate::registry::is_no_reference;
use crate::schema::element_path::ElementPath;
use crate::value::Literal;

/// The members that a Reference may have (R4 "References").
const MEMBERS: [&str; 9] =
    ["reference", "type", "identifier", "display", "id", "extension", "_reference", "_type", "_display"];

/// The literal references of a resource and of the resources it contains, but for those to contained resources (`#x`)
/// and to URNs, in the order in which they are written: the Reference element as a simple FHIRPath
/// (`Observation.performer[0]`), and the reference.
#[must_use]
pub fn references(resource: &Value<'_>) -> Vec<(String, String)> {
    let mut all = every_reference(resource);
    all.retain(|(_, reference)| !is_urn(reference));
    all
}

/// The same with those to URNs, by which the entries of a Bundle may refer to one another.
#[must_use]
pub fn every_reference(resource: &Value<'_>) -> Vec<(String, String)> {
    let mut found = Vec::new();
    visit(resource, &ElementPath::root(resource.text("resourceType").unwrap_or_default()), &mut found);
    found
}

fn visit(value: &Value<'_>, place: &ElementPath<'_>, found: &mut Vec<(String, String)>) {
    let Value::Object(object) = value else { return };
    if let Some(reference) = literal(object) {
        let place = place.to_string();
        if !is_no_reference(&place) {
            found.push((place, reference.to_owned()));
        }
    }
    for (member, child) in &object.0 {
        let here = place.element(member);
        match child {
            Value::Array(items) => {
                for (position, item) in items.iter().enumerate() {
                    visit(item, &here.item(position), found);
                }
            }
            child => visit(child, &here, found),
        }
    }
}

/// The reference to check, if the object is a Reference. Elements of another type that happen to have a member of that
/// name have members besides that a Reference has not, except for one.
fn literal<'a>(object: &'a Object<'_>) -> Option<&'a str> {
    let reference = object.get("reference")?.as_str()?;
    let is_reference = object.0.iter().all(|(member, _)| MEMBERS.contains(&member.as_ref()));
    let checked = !matches!(Literal::read(reference, ""), Literal::Contained);
    (is_reference && checked).then_some(reference)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(resource: serde_json::Value) -> Vec<(String, String)> {
        references(&crate::index::from_json(&resource))
    }

    #[test]
    fn every_reference_is_found_with_its_place() {
        let observation = serde_json::json!({
            "resourceType": "Observation",
            "contained": [{ "resourceType": "Device", "id": "d", "patient": { "reference": "Patient/2" } }],
            "subject": { "reference": "Patient/1", "display": "Amy" },
            "device": { "reference": "#d" },
            "specimen": { "reference": "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0" },
            "performer": [{ "display": "nobody" }, { "reference": "Practitioner/1" }],
        });
        let wanted = [
            ("Observation.contained[0].patient", "Patient/2"),
            ("Observation.subject", "Patient/1"),
            ("Observation.performer[1]", "Practitioner/1"),
        ];
        let wanted = wanted.map(|(place, reference)| (place.to_owned(), reference.to_owned()));
        let mut places = found(observation);
        places.sort();
        let mut wanted = wanted.to_vec();
        wanted.sort();
        assert_eq!(places, wanted);
    }

    #[test]
    fn what_is_called_reference_but_is_none_is_left_alone() {
        let issue = serde_json::json!({ "resourceType": "DetectedIssue", "reference": "http://example.org" });
        assert!(found(issue).is_empty());
        let immunization =
            serde_json::json!({ "resourceType": "Immunization", "education": [{ "reference": "http://example.org" }] });
        assert!(found(immunization).is_empty());
        let claim = serde_json::json!({ "resourceType": "Claim", "related": [{ "reference": { "value": "1" } }] });
        assert!(found(claim).is_empty());
    }
}
