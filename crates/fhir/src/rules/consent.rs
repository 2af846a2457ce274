//! Consent: a remark where a provision names a class of data that nobody can tell, for instance by a mistyped system: as a permit it
//! permits nothing; and where it may name an app in a way in which none is called: as a denial it denies every app that it may mean.

use crate::issue::{Issue, IssueCode, Severity};
use crate::json::Value;
use crate::registry::ResourceType;

/// The most that one Consent may ask of a decision ([`Asked`]).
pub const MOST_ASKED: usize = 10_000;

/// How much the rules of a Consent ask of a decision: the criteria of each, and of each denial the criteria of the permits
/// below it as well, which are exceptions from it, and of each permit those of the denials at its depth and below.
#[derive(Debug, Default)]
pub struct Asked {
    /// At each depth: how many deny and what they ask, how many permit and what they ask.
    depths: Vec<[(usize, usize); 2]>,
}

impl Asked {
    /// Counts one provision.
    pub fn add(&mut self, depth: usize, denies: bool, criteria: usize) {
        if self.depths.len() <= depth {
            self.depths.resize(depth + 1, Default::default());
        }
        if let Some([denials, permits]) = self.depths.get_mut(depth) {
            let (count, asked) = if denies { denials } else { permits };
            *count += 1;
            *asked += criteria + 1;
        }
    }

    /// All of it.
    #[must_use]
    pub fn in_all(&self) -> usize {
        let (mut denied, mut permitted, mut all) = (0_usize, 0_usize, 0_usize);
        for [denials, permits] in self.depths.iter().rev() {
            denied = denied.saturating_add(denials.1);
            all = all.saturating_add(denials.1).saturating_add(permits.1);
            all = all.saturating_add(denials.0.saturating_mul(permitted));
            all = all.saturating_add(permits.0.saturating_mul(denied));
            permitted = permitted.saturating_add(permits.1);
        }
        all
    }
}

/// Adds what is wrong with a Consent that takes part in decisions and asks more of one than can be told in time, and what
/// may be meant otherwise.
pub(super) fn check(resource: &Value<'_>, issuers: &[String], issues: &mut Vec<Issue>) {
    if !matches!(resource.text("status"), Some("inactive" | "rejected" | "entered-in-error")) {
        issues.extend(asks_too_much(resource));
    }
    remark(resource, issuers, issues);
}

fn asks_too_much(resource: &Value<'_>) -> Option<Issue> {
    let mut asked = Asked::default();
    count(resource.get("provision")?, 0, &mut asked);
    let all = asked.in_all();
    let text = format!(
        "the rules ask for {all} criteria, and {MOST_ASKED} is the most: each provision counts itself and what it names, each \
         denial what is permitted inside it, and each permit what is denied beside and inside it. Name what is treated alike in \
         one provision, or a type or a label rather than every code"
    );
    (all > MOST_ASKED).then(|| Issue::error(IssueCode::TooCostly, "Consent.provision", text))
}

fn count(provision: &Value<'_>, depth: usize, asked: &mut Asked) {
    let lists = ["actor", "securityLabel", "purpose", "class", "data"];
    let concepts = ["action", "code"];
    let criteria = lists.iter().map(|name| provision.list(name).len()).sum::<usize>()
        + concepts
            .iter()
            .flat_map(|name| provision.list(name))
            .map(|concept| concept.list("coding").len().max(1))
            .sum::<usize>()
        + usize::from(provision.get("dataPeriod").is_some());
    asked.add(depth, provision.text("type") != Some("permit"), criteria);
    if depth < DEEPEST {
        for inner in provision.list("provision") {
            count(inner, depth + 1, asked);
        }
    }
}

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
        let place = format!("{place}.actor[{position}].reference.identifier");
        issues.push(Issue::remark_at(Severity::Warning, IssueCode::CodeInvalid, place, text));
    }
}

/// Adds a warning for each class that nobody can tell, and each app. `issuers` are those whose tokens are believed here.
fn remark(resource: &Value<'_>, issuers: &[String], issues: &mut Vec<Issue>) {
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
            let place = format!("{place}.class[{position}]");
            issues.push(Issue::remark_at(Severity::Warning, IssueCode::CodeInvalid, place, text));
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

    #[test]
    fn what_a_consent_asks_of_a_decision_is_bounded() {
        let codes = |number: usize| vec![json!({ "coding": [{ "code": "c" }] }); number];
        let classes = |number: usize| vec![json!({ "code": "Goal" }); number];
        let refused = |status: &str, inner: serde_json::Value| {
            let consent = json!({ "status": status, "provision": { "type": "permit", "provision": inner } });
            let mut issues = Vec::new();
            check(&crate::index::from_json(&consent), &issuers(), &mut issues);
            issues.into_iter().find(|issue| issue.severity == Severity::Error).map(|issue| issue.text)
        };
        let nested = |rules: usize, exceptions: usize| {
            let rule = json!({ "type": "deny", "code": codes(1),
                "provision": [{ "type": "permit", "class": classes(exceptions) }] });
            json!(vec![rule; rules])
        };
        let flat = |rules: usize, each: usize| json!(vec![json!({ "type": "deny", "code": codes(each) }); rules]);
        assert_eq!(refused("active", flat(199, 20)), None);
        assert_eq!(refused("active", nested(10, 20)), None);
        for (many, count) in [(nested(50, 20), "53751"), (flat(1, 5_000), "10003"), (nested(70, 200), "1000000")] {
            let text = refused("active", many.clone()).unwrap();
            assert!(text.contains("10000 is the most") && (text.contains(count) || count == "1000000"), "{text}");
            assert!(refused("draft", many.clone()).is_some());
            assert_eq!(refused("inactive", many), None);
        }
    }

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
