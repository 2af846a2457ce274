//! Patient: an NHS number passes its check digit (NHS Data Dictionary, "NHS NUMBER", modulus 11).

use super::writer::Settings;
use crate::issue::{Issue, IssueCode};
use crate::json::Value;
use crate::nhs_number;

pub(super) fn check(resource: &Value<'_>, settings: &Settings<'_>, issues: &mut Vec<Issue>) {
    if !settings.check_nhs_number {
        return;
    }
    for (position, identifier) in resource.list("identifier").iter().enumerate() {
        if identifier.text("system") != Some(nhs_number::SYSTEM) {
            continue;
        }
        if !identifier.text("value").is_some_and(nhs_number::is_valid) {
            let place = format!("Patient.identifier[{position}].value");
            let text = "is no NHS number: ten digits without spaces, the last of them the check digit";
            issues.push(Issue::error(IssueCode::BusinessRule, place, text));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::prepare::tests::{SETTINGS, by, json, places, system};
    use super::super::{Settings, WriteContext, prepare};
    use crate::registry::ResourceType;

    #[test]
    fn a_wrong_number_is_refused_unless_the_check_is_off() {
        let text = r#"{"resourceType":"Patient","identifier":[{"system":"urn:other","value":"1"},
            {"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9000000012"}]}"#;
        assert_eq!(places(text, &system()), Err(vec!["Patient.identifier[1].value".to_owned()]));
        let off = Settings { check_nhs_number: false, ..SETTINGS };
        let resource_type = ResourceType::parse("Patient").unwrap();
        let writer = system();
        let unchecked = WriteContext { settings: &off, ..by(&writer) };
        assert_eq!(prepare(resource_type, &mut json(text), &unchecked), Ok(vec![]));
    }
}
