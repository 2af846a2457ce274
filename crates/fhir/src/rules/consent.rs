//! Consent: a remark where a provision names a class of data that nobody can tell, for instance by a mistyped system: as a permit it
//! permits nothing.

use crate::issue::{Issue, IssueCode, Severity};
use crate::json::Value;
use crate::registry::ResourceType;

/// The code systems whose codes are types of resources.
const TYPES: [&str; 2] = ["http://hl7.org/fhir/resource-types", "http://hl7.org/fhir/fhir-types"];

/// How the address of the access levels of the national proxy service ends.
pub const ACCESS_LEVELS: &str = "/Proxy-Placeholder-RequestedAccess";

/// What stands before the name of a type or profile in its address.
const DEFINITION: &str = "/StructureDefinition/";

/// How deep provisions are looked into.
const DEEPEST: usize = 32;

/// The type that a class is; an empty system is any.
#[must_use]
pub fn class_type(system: &str, code: &str) -> Option<ResourceType> {
    let by_name = (system.is_empty() || TYPES.contains(&system)).then(|| ResourceType::parse(code)).flatten();
    by_name.or_else(|| ResourceType::parse(code.strip_prefix("http://hl7.org/fhir/StructureDefinition/")?))
}

/// Adds a warning for each class that nobody can tell.
pub(super) fn remark(resource: &Value<'_>, issues: &mut Vec<Issue>) {
    if let Some(provision) = resource.get("provision") {
        remark_on(provision, "Consent.provision", 0, issues);
    }
}

fn remark_on(provision: &Value<'_>, place: &str, depth: usize, issues: &mut Vec<Issue>) {
    for (position, class) in provision.list("class").iter().enumerate() {
        let (system, code) = (class.text("system").unwrap_or_default(), class.text("code").unwrap_or_default());
        let is_told =
            class_type(system, code).is_some() || system.ends_with(ACCESS_LEVELS) || code.contains(DEFINITION);
        if !is_told {
            let text = format!(
                "is no class of data that is known, so a permit permits nothing by it: a type is of {}",
                TYPES.first().copied().unwrap_or_default()
            );
            issues.push(Issue {
                severity: Severity::Warning,
                code: IssueCode::CodeInvalid,
                text,
                expression: Some(format!("{place}.class[{position}]")),
            });
        }
    }
    if depth < DEEPEST {
        for (position, inner) in provision.list("provision").iter().enumerate() {
            remark_on(inner, &format!("{place}.provision[{position}]"), depth + 1, issues);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_class_that_nobody_can_tell_is_remarked_on() {
        let places = |class: serde_json::Value| {
            let provision = json!({ "class": [class.clone()], "provision": [{ "class": [class] }] });
            let mut issues = Vec::new();
            remark(&crate::index::from_json(&json!({ "provision": provision })), &mut issues);
            issues.into_iter().filter_map(|issue| issue.expression).collect::<Vec<_>>()
        };
        for known in [
            json!({ "system": "http://hl7.org/fhir/resource-types", "code": "Goal" }),
            json!({ "system": "http://hl7.org/fhir/fhir-types", "code": "Goal" }),
            json!({ "code": "Goal" }),
            json!({ "code": "http://hl7.org/fhir/StructureDefinition/Goal" }),
            json!({ "system": "urn:ietf:rfc:3986", "code": "https://fhir.hl7.org.uk/StructureDefinition/UKCore-Goal" }),
            json!({ "system": "https://fhir.nhs.uk/CodeSystem/Proxy-Placeholder-RequestedAccess", "code": "RECRD" }),
        ] {
            assert!(places(known.clone()).is_empty(), "{known}");
        }
        for odd in [
            json!({ "system": "http://hl7.org/fhir/resource-type", "code": "Goal" }),
            json!({ "system": "http://hl7.org/fhir/resource-types", "code": "Goals" }),
            json!({ "system": "http://hl7.org/fhir/resource-types" }),
        ] {
            assert_eq!(places(odd), ["Consent.provision.class[0]", "Consent.provision.provision[0].class[0]"]);
        }
    }
}
