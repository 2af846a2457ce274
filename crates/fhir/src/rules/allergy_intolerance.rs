//! AllergyIntolerance: what a patient asserts is unconfirmed until a professional confirms it.

use super::writer::Writer;
use crate::issue::{Issue, IssueCode};
use crate::json::Value;

const SYSTEM: &str = "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification";

pub(super) fn check(resource: &mut Value<'_>, writer: &Writer, issues: &mut Vec<Issue>) {
    if !writer.is_person() {
        return;
    }
    let Some(object) = resource.as_object_mut() else { return };
    let Some(status) = object.get("verificationStatus") else {
        let coding = Value::object([("system", Value::string(SYSTEM)), ("code", Value::string("unconfirmed"))]);
        object.set("verificationStatus", Value::object([("coding", Value::Array(vec![coding]))]));
        return;
    };
    let codings = status.list("coding");
    let own = |code: Option<&str>| matches!(code, Some("unconfirmed" | "entered-in-error"));
    if codings.is_empty() || !codings.iter().all(|coding| own(coding.text("code"))) {
        issues.push(Issue::error(
            IssueCode::BusinessRule,
            "AllergyIntolerance.verificationStatus",
            "what a patient asserts is `unconfirmed` until a professional confirms it",
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::super::prepare::tests::{by, json, patient, places, professional};
    use crate::registry::ResourceType;

    fn allergy(status: &str) -> String {
        format!(
            r#"{{"resourceType":"AllergyIntolerance","patient":{{"reference":"Patient/p1"}},
            "verificationStatus":{{"coding":[{{"code":"{status}"}}]}}}}"#
        )
    }

    #[test]
    fn only_professionals_confirm() {
        assert_eq!(places(&allergy("unconfirmed"), &patient()), Ok(vec![]));
        assert_eq!(places(&allergy("entered-in-error"), &patient()), Ok(vec![]));
        assert_eq!(
            places(&allergy("confirmed"), &patient()),
            Err(vec!["AllergyIntolerance.verificationStatus".into()])
        );
        assert_eq!(places(&allergy("confirmed"), &professional()), Ok(vec![]));
    }

    #[test]
    fn a_missing_status_is_filled_in() {
        let mut resource = json(r#"{"resourceType":"AllergyIntolerance","patient":{"reference":"Patient/p1"}}"#);
        let resource_type = ResourceType::parse("AllergyIntolerance").unwrap();
        super::super::prepare(resource_type, &mut resource, &by(&patient())).unwrap();
        let coding = resource.get("verificationStatus").unwrap().list("coding")[0].clone();
        assert_eq!(coding.text("code"), Some("unconfirmed"));
    }
}
