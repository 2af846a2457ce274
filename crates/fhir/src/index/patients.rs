//! Whose record a resource is part of, by the table in [`crate::registry::patient_compartment`].

use crate::json::Value;
use crate::registry::{OWNER, PatientCompartment, ResourceType, patient_compartment};
use crate::value::Literal;

/// The logical ids of the patients whose record the resource is part of, sorted, each once.
pub(super) fn of(resource_type: ResourceType, id: &str, value: &Value<'_>, base: &str) -> Vec<String> {
    let PatientCompartment::Record { owner, otherwise } = patient_compartment(resource_type) else { return Vec::new() };
    if owner == ["."] {
        return vec![id.to_owned()];
    }
    let mut named = Named { base, any: false, patients: Vec::new() };
    owner.iter().for_each(|path| named.follow(value, path));
    if !named.any {
        otherwise.iter().for_each(|path| named.follow(value, path));
    }
    named.patients.sort_unstable();
    named.patients.dedup();
    named.patients
}

struct Named<'a> {
    base: &'a str,
    /// Whether the element was there at all, whatever it said.
    any: bool,
    patients: Vec<String>,
}

impl Named<'_> {
    /// Notes the patients at a dotted path.
    fn follow(&mut self, value: &Value<'_>, path: &str) {
        let (member, rest) = path.split_once('.').map_or((path, None), |(member, rest)| (member, Some(rest)));
        for item in value.list(member) {
            match rest {
                Some(rest) => self.follow(item, rest),
                None => self.note(item),
            }
        }
    }

    /// Notes the patient that a reference points at. Only a patient of this server counts: one elsewhere, contained or
    /// known by an identifier alone cannot be told.
    fn note(&mut self, reference: &Value<'_>) {
        self.any = true;
        let Some(text) = reference.text("reference") else { return };
        if let Literal::Local(resource_type, id) = Literal::read(text, self.base)
            && resource_type == OWNER
        {
            self.patients.push(id.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patients(resource_type: &str, members: serde_json::Value) -> Vec<String> {
        let value = crate::index::from_json(&members);
        of(ResourceType::parse(resource_type).expect("a type"), "own", &value, "https://phr.example/fhir")
    }

    fn to(reference: &str) -> serde_json::Value {
        serde_json::json!({ "reference": reference })
    }

    #[test]
    fn a_resource_is_part_of_the_record_it_is_about() {
        let observation = serde_json::json!({ "subject": to("Patient/1"), "performer": [to("Patient/2")] });
        assert_eq!(patients("Observation", observation), ["1"]);
        let absolute = serde_json::json!({ "subject": to("https://phr.example/fhir/Patient/1/_history/2") });
        assert_eq!(patients("Goal", absolute), ["1"]);
        assert_eq!(patients("Task", serde_json::json!({ "for": to("Patient/1"), "owner": to("Patient/2") })), ["1"]);
        let consent = serde_json::json!({ "patient": to("Patient/1"), "performer": [to("Patient/2")] });
        assert_eq!(patients("Consent", consent), ["1"]);
    }

    #[test]
    fn a_patient_is_her_own_record_and_no_linked_one() {
        let patient = serde_json::json!({ "link": [{ "other": to("Patient/2"), "type": "seealso" }] });
        assert_eq!(patients("Patient", patient), ["own"]);
    }

    #[test]
    fn other_links_count_only_when_nobody_is_named_as_the_subject() {
        let sent =
            serde_json::json!({ "sender": to("Patient/2"), "recipient": [to("Patient/3"), to("Organization/1")] });
        assert_eq!(patients("Communication", sent), ["2", "3"]);
        for subject in [
            to("Patient/1"),
            to("Group/1"),
            to("#contained"),
            to("https://other.example/Patient/1"),
            serde_json::json!({ "display": "somebody" }),
            serde_json::json!({ "identifier": { "value": "9990011176" } }),
        ] {
            let about = serde_json::json!({ "subject": subject, "sender": to("Patient/2") });
            assert!(!patients("Communication", about.clone()).contains(&"2".to_owned()), "{about}");
        }
    }

    #[test]
    fn a_patient_of_another_server_is_nobody_here() {
        for reference in
            ["https://other.example/Patient/1", "https://phr.example/fhir2/Patient/1", "Patient/1/x", "patient/1"]
        {
            assert!(patients("Observation", serde_json::json!({ "subject": to(reference) })).is_empty(), "{reference}");
        }
    }

    #[test]
    fn groups_bundles_and_stamped_types_are_in_no_record() {
        let group = serde_json::json!({ "member": [{ "entity": to("Patient/1") }] });
        assert!(patients("Group", group).is_empty());
        let audit =
            serde_json::json!({ "agent": [{ "who": to("Patient/1") }], "entity": [{ "what": to("Patient/1") }] });
        assert!(patients("AuditEvent", audit).is_empty());
        assert!(patients("Provenance", serde_json::json!({ "target": [to("Patient/1")] })).is_empty());
        assert!(patients("Organization", serde_json::json!({ "subject": to("Patient/1") })).is_empty());
    }

    #[test]
    fn everybody_in_a_list_is_named_once() {
        let appointment = serde_json::json!({ "participant": [
            { "actor": to("Patient/2") }, { "actor": to("Patient/1") }, { "actor": to("Patient/2") }, { "status": "accepted" },
        ] });
        assert_eq!(patients("Appointment", appointment), ["1", "2"]);
    }
}
