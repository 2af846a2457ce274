//! What national services write though R4 forbids it: a row for each shape. The check lets it pass, and whoever stores it says from
//! whom it is taken.

use crate::issue::{Issue, IssueCode};
use crate::json::Value;

/// A shape that is let pass.
struct Leniency {
    resource_type: &'static str,
    /// Whether a resource is of the shape.
    is_of: fn(&Value<'_>) -> bool,
    /// The members, from the resource down, in which an element may be missing that R4 requires; the first may be in itself.
    inside: &'static str,
    /// That element.
    missing: &'static str,
}

/// The last part of the code system of legal bases of the national proxy service.
const PROXY_BASIS: &str = "/England-NHSProxyLegalBasis";

/// The extension by which it says how far a role is.
const PROXY_STATUS: &str = "/Extension-England-Consent-Status-Reason";

const TABLE: [Leniency; 1] = [
    // The roles of proxies, as the national service writes them: an actor by reference or identifier, and no role.
    Leniency { resource_type: "Consent", is_of: is_proxy_role, inside: ".actor[", missing: ".role" },
];

fn is_proxy_role(consent: &Value<'_>) -> bool {
    let rule = consent.get("policyRule").map_or(&[][..], |rule| rule.list("coding"));
    let basis = rule.iter().any(|coding| coding.text("system").is_some_and(|system| system.ends_with(PROXY_BASIS)));
    let extensions = consent.list("extension").iter().chain(consent.list("modifierExtension"));
    let mut urls = extensions.filter_map(|extension| extension.text("url"));
    basis || urls.any(|url| url.ends_with(PROXY_STATUS))
}

/// Whether a problem of a resource is one that is let pass.
pub(super) fn is_let_pass(resource: &Value<'_>, problem: &Issue) -> bool {
    let Some(place) = problem.expression.as_deref().filter(|_| problem.code == IssueCode::Required) else {
        return false;
    };
    TABLE.iter().any(|row| {
        let stem = place.strip_suffix(row.missing).and_then(|stem| stem.rsplit_once(row.inside));
        let of_type = resource.text("resourceType") == Some(row.resource_type) && place.starts_with(row.resource_type);
        // The number of the element, and nothing else, stands in between.
        let is_here = stem.is_some_and(|(_, number)| number.ends_with(']') && !number.contains('.'));
        of_type && is_here && (row.is_of)(resource)
    })
}

#[cfg(test)]
mod tests {
    use crate::check::{check, strictly};
    use crate::issue::IssueCode;
    use crate::json::Limits;
    use serde_json::json;

    fn consent(system: &str, actor: serde_json::Value) -> serde_json::Value {
        json!({ "resourceType": "Consent", "status": "active", "patient": { "reference": "Patient/p" },
            "scope": { "coding": [{ "system": "https://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy" }] },
            "category": [{ "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "INFA" }] }],
            "policyRule": { "coding": [{ "system": system, "code": "best-interest" }] },
            "provision": { "type": "permit", "actor": [actor], "provision": [{ "type": "permit", "actor": [actor] }] } })
    }

    const NATIONAL: &str = "https://fhir.nhs.uk/England/CodeSystem/England-NHSProxyLegalBasis";

    #[test]
    fn the_national_shape_passes_and_nothing_else() {
        let bare = json!({ "reference": { "identifier": { "system": "s", "value": "v" } } });
        let places = |value: &serde_json::Value, strict: bool| -> Vec<String> {
            let value = crate::index::from_json(value);
            let found =
                if strict { strictly(&value) } else { check(&value, &Limits::default()).err().unwrap_or_default() };
            assert!(found.iter().all(|issue| issue.code == IssueCode::Required), "{found:?}");
            found.into_iter().filter_map(|issue| issue.expression).collect()
        };
        let roles = ["Consent.provision.actor[0].role", "Consent.provision.provision[0].actor[0].role"];
        assert_eq!(places(&consent(NATIONAL, bare.clone()), false), Vec::<String>::new());
        assert_eq!(places(&consent(NATIONAL, bare.clone()), true), roles);
        assert_eq!(places(&consent("urn:other", bare), false), roles);
        let nobody = json!({ "role": { "text": "x" } });
        assert_eq!(
            places(&consent(NATIONAL, nobody), false),
            ["Consent.provision.actor[0].reference", "Consent.provision.provision[0].actor[0].reference"]
        );
    }
}
