//! Consent: a remark where a provision names a class of data that nobody can tell, for instance by a mistyped system: as a permit it
//! permits nothing; and where it may name an app in a way in which none is called: as a denial it denies every app that it may mean.

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

/// The identifiers of apps: their `client_id`, and `issuer|client_id`.
const CLIENT: &str = "urn:concord:client";
const ISSUED_CLIENT: &str = "urn:concord:issued-client";

/// Whether an identifier may be meant for an app, and is no name of one.
fn misnames_an_app(identifier: &Value<'_>) -> bool {
    let Some(value) = identifier.text("value") else { return false };
    match identifier.text("system") {
        None => true,
        Some(CLIENT) => value.contains('|') || value.trim() != value || value.is_empty(),
        Some(ISSUED_CLIENT) => !value.split_once('|').is_some_and(|(issuer, client)| {
            let is_uri = issuer.contains("://") || issuer.starts_with("urn:");
            is_uri && !issuer.contains(char::is_whitespace) && !client.is_empty() && client.trim() == client
        }),
        Some(_) => false,
    }
}

/// The issuer that an app is named with, if it is none whose tokens are believed here.
fn strange_issuer<'v>(identifier: &'v Value<'_>, issuers: &[String]) -> Option<&'v str> {
    let value = identifier.text("value").filter(|_| identifier.text("system") == Some(ISSUED_CLIENT))?;
    value.split_once('|').map(|(issuer, _)| issuer).filter(|issuer| !issuers.iter().any(|known| known == issuer))
}

fn remark_on_actors(provision: &Value<'_>, place: &str, issuers: &[String], issues: &mut Vec<Issue>) {
    for (position, actor) in provision.list("actor").iter().enumerate() {
        let reference = actor.get("reference").filter(|reference| reference.get("reference").is_none());
        let Some(identifier) = reference.and_then(|reference| reference.get("identifier")) else { continue };
        let text = if misnames_an_app(identifier) {
            format!(
                "is no name of an app, so a permit permits none by it, and a denial denies all that it may mean: an app is \
                 {ISSUED_CLIENT} with issuer|client_id, as its tokens say both"
            )
        } else if strange_issuer(identifier, issuers).is_some() {
            format!(
                "names an app of an issuer whose tokens are not believed here, so a permit permits none by it, and a denial \
                 denies no app of another: the issuer is the iss of the app's tokens, character by character, here one of {}",
                issuers.join(" ")
            )
        } else {
            continue;
        };
        issues.push(Issue {
            severity: Severity::Warning,
            code: IssueCode::CodeInvalid,
            text,
            expression: Some(format!("{place}.actor[{position}].reference.identifier")),
        });
    }
}

/// Adds a warning for each class that nobody can tell, and each app. `issuers` are those whose tokens are believed here.
pub(super) fn remark(resource: &Value<'_>, issuers: &[String], issues: &mut Vec<Issue>) {
    if let Some(provision) = resource.get("provision") {
        remark_on(provision, ("Consent.provision", 0), issuers, issues);
    }
}

fn remark_on(provision: &Value<'_>, (place, depth): (&str, usize), issuers: &[String], issues: &mut Vec<Issue>) {
    remark_on_actors(provision, place, issuers, issues);
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
            remark_on(inner, (&format!("{place}.provision[{position}]"), depth + 1), issuers, issues);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn issuers() -> Vec<String> {
        ["https://phr.example", "urn:concord:development"].map(str::to_owned).to_vec()
    }

    #[test]
    fn a_name_that_no_app_has_is_remarked_on() {
        let places = |identifier: serde_json::Value| {
            let provision = json!({ "actor": [{ "reference": { "identifier": identifier } }] });
            let mut issues = Vec::new();
            remark(&crate::index::from_json(&json!({ "provision": provision })), &issuers(), &mut issues);
            issues.into_iter().filter_map(|issue| issue.expression).collect::<Vec<_>>()
        };
        let of = |system: &str, value: &str| json!({ "system": system, "value": value });
        for right in [
            of(CLIENT, "diary"),
            of(ISSUED_CLIENT, "https://phr.example|diary"),
            of(ISSUED_CLIENT, "urn:concord:development|diary"),
            of("https://fhir.nhs.uk/Id/sds-user-id", "1"),
        ] {
            assert!(places(right.clone()).is_empty(), "{right}");
        }
        for wrong in [
            of(CLIENT, "https://phr.example|diary"),
            of(CLIENT, " diary"),
            of(ISSUED_CLIENT, "diary"),
            of(ISSUED_CLIENT, "|diary"),
            of(ISSUED_CLIENT, "phr.example|diary"),
            of(ISSUED_CLIENT, "https://phr.example|"),
            // Nobody gives out tokens here by these names.
            of(ISSUED_CLIENT, "https://else.example|diary"),
            of(ISSUED_CLIENT, "https://phr.example/|diary"),
            of(ISSUED_CLIENT, "https://PHR.example|diary"),
            json!({ "value": "diary" }),
        ] {
            assert_eq!(places(wrong.clone()), ["Consent.provision.actor[0].reference.identifier"], "{wrong}");
        }
    }

    #[test]
    fn a_class_that_nobody_can_tell_is_remarked_on() {
        let places = |class: serde_json::Value| {
            let provision = json!({ "class": [class.clone()], "provision": [{ "class": [class] }] });
            let mut issues = Vec::new();
            remark(&crate::index::from_json(&json!({ "provision": provision })), &issuers(), &mut issues);
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
