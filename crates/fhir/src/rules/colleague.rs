//! Whom a professional may name as having ordered, written or attested something: another one, or a service. It goes by what a Reference
//! leads to and never by what it says of itself (`Reference.type`): under a false type a patient would have said what somebody else wrote.
//! A type that it says may only speak against it.

use super::writer::{Settings, Writer, WriterKind};
use crate::json::Value;
use crate::literal::Literal;
use crate::nhs_number;
use crate::registry::ResourceType;
use crate::schema::{stated_type, type_of_target};

/// The types of those who are no patients and no relations, and nobody whose word it would be.
const COLLEAGUES: [ResourceType; 7] = [
    ResourceType::of("CareTeam"),
    ResourceType::of("Device"),
    ResourceType::of("HealthcareService"),
    ResourceType::of("Location"),
    ResourceType::of("Organization"),
    ResourceType::of("Practitioner"),
    ResourceType::of("PractitionerRole"),
];

/// The systems of the identifiers that professionals and organisations have and nobody else: registers of professions, and the NHS
/// directory of those who work for it.
const SYSTEMS: [&str; 11] = [
    "https://fhir.hl7.org.uk/Id/gdc-number",
    "https://fhir.hl7.org.uk/Id/gmc-number",
    "https://fhir.hl7.org.uk/Id/gmp-number",
    "https://fhir.hl7.org.uk/Id/gphc-number",
    "https://fhir.hl7.org.uk/Id/hcpc-number",
    "https://fhir.hl7.org.uk/Id/nmc-number",
    "https://fhir.nhs.uk/Id/nhsSpineASID",
    "https://fhir.nhs.uk/Id/ods-organization-code",
    "https://fhir.nhs.uk/Id/ods-site-code",
    "https://fhir.nhs.uk/Id/sds-role-profile-id",
    "https://fhir.nhs.uk/Id/sds-user-id",
];

/// Whether a Reference can mean nobody but a professional or a service. `within` is the resource that it stands in, whose contained ones
/// it may mean. What cannot be told may mean a patient: a number of an unknown register, a name, a url that says no type.
pub(super) fn is_colleague(reference: &Value<'_>, within: &Value<'_>, settings: &Settings<'_>) -> bool {
    let part = |name| reference.get("identifier").and_then(|identifier| identifier.text(name));
    let system = part("system");
    let is_said_to_be_another = reference.get("type").is_some_and(|said| {
        let said = said.as_str().and_then(stated_type);
        !said.is_some_and(is_colleague_type)
    });
    match reference.text("reference") {
        _ if is_said_to_be_another => false,
        // Whatever it leads to, it names a patient.
        _ if system == Some(nhs_number::SYSTEM) => false,
        Some(text) => named(text, within, settings).is_some_and(is_colleague_type),
        None => part("value").is_some() && system.is_some_and(|system| SYSTEMS.contains(&system)),
    }
}

/// Whether a Reference means the writer: it leads there, and bears no number that can be only another's. Whoever searches by numbers
/// would find it as that one's.
pub(super) fn is_writer(reference: &Value<'_>, writer: &Writer, settings: &Settings<'_>) -> bool {
    let named = reference.text("reference").and_then(|reference| settings.local(reference));
    let system = reference.get("identifier").and_then(|identifier| identifier.text("system"));
    let may_be_own = system.is_none_or(|system| match writer.kind {
        WriterKind::Patient => !SYSTEMS.contains(&system),
        // Whose number it is is not known here, and the one at hand is that of the patient whom they care for.
        WriterKind::RelatedPerson { .. } => system != nhs_number::SYSTEM && !SYSTEMS.contains(&system),
        WriterKind::Professional => system != nhs_number::SYSTEM,
        WriterKind::System | WriterKind::Unregistered => true,
    });
    may_be_own && named.is_some_and(|named| writer.is(&named))
}

/// Whether a resource of the type is no patient and no relation, nor about one of them as a person.
pub(super) fn is_colleague_type(resource_type: ResourceType) -> bool {
    COLLEAGUES.contains(&resource_type)
}

/// The type of what a literal reference leads to, if that is known.
fn named(text: &str, within: &Value<'_>, settings: &Settings<'_>) -> Option<ResourceType> {
    match Literal::read(text, settings.base) {
        Literal::Local(resource_type, _) => Some(resource_type),
        Literal::Elsewhere(_) | Literal::Contained => type_of_target(text, within),
        Literal::Malformed => None,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::prepare::tests::{SETTINGS, json};
    use super::*;

    /// References that may mean a patient or a relation, whatever they say of themselves; `#p` and `#r` are contained.
    pub(in crate::rules) const FALSE: [&str; 21] = [
        r##"{"reference":"#p","type":"Practitioner"}"##,
        r##"{"reference":"#r","type":"Organization"}"##,
        r##"{"reference":"#person","type":"PractitionerRole"}"##,
        r##"{"reference":"#nobody","type":"Practitioner"}"##,
        r#"{"reference":"urn:uuid:0c3201bd-1cbf-4d64-b04d-cd9187a4c6e0","type":"Practitioner"}"#,
        r#"{"reference":"https://other.example/fhir/Patient/1","type":"Practitioner"}"#,
        r#"{"reference":"https://other.example/who","type":"Practitioner"}"#,
        r#"{"reference":"Practitioner/other","identifier":{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9449305552"}}"#,
        r#"{"type":"Practitioner","identifier":{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9449305552"}}"#,
        r#"{"type":"Practitioner","identifier":{"system":"https://hospital.example/number","value":"1"}}"#,
        r#"{"type":"Practitioner","display":"Amina Hussain"}"#,
        r#"{"reference":"Patient/p1","type":"Practitioner"}"#,
        r#"{"reference":"https://other.example/fhir/Patient/1?x=/Practitioner/1"}"#,
        r#"{"reference":"https://other.example/fhir/Patient/1#/Practitioner/1"}"#,
        r#"{"reference":"https://other.example/fhir/Patient/1;x=/Practitioner/1"}"#,
        r#"{"reference":"https://other.example/fhir/Practitioner/1#Patient"}"#,
        r#"{"type":"Patient","identifier":{"system":"https://fhir.hl7.org.uk/Id/gmc-number","value":"1"}}"#,
        r#"{"type":"http://hl7.org/fhir/StructureDefinition/RelatedPerson","identifier":{"system":"https://fhir.hl7.org.uk/Id/gmc-number","value":"1"}}"#,
        r#"{"type":"http://example.org/Thing","identifier":{"system":"https://fhir.hl7.org.uk/Id/gmc-number","value":"1"}}"#,
        r#"{"reference":"Practitioner/other","type":"Patient"}"#,
        r#"{"identifier":{"system":"https://fhir.hl7.org.uk/Id/gmc-number"},"display":"Amina Hussain"}"#,
    ];

    /// What is contained beside them.
    pub(in crate::rules) const CONTAINED: &str = r#"[{"resourceType":"Patient","id":"p"},{"resourceType":"RelatedPerson","id":"r"},
        {"resourceType":"Person","id":"person"},{"resourceType":"Practitioner","id":"gp"},{"resourceType":"Organization","id":"o"}]"#;

    /// References that mean a professional or a service.
    pub(in crate::rules) const TRUE: [&str; 6] = [
        r##"{"reference":"#gp"}"##,
        r##"{"reference":"#o","type":"Organization"}"##,
        r#"{"reference":"Practitioner/other"}"#,
        r#"{"reference":"https://other.example/fhir/PractitionerRole/1/_history/2"}"#,
        r#"{"identifier":{"system":"https://fhir.hl7.org.uk/Id/gmc-number","value":"1"},"display":"Dr Okafor"}"#,
        r#"{"type":"Organization","identifier":{"system":"https://fhir.nhs.uk/Id/ods-organization-code","value":"A1"}}"#,
    ];

    #[test]
    fn who_writes_is_meant_by_no_number_of_another() {
        let writer =
            |kind, own: &str| Writer { kind, reference: Some(own.to_owned()), also: Vec::new(), patient: None };
        let patient = writer(WriterKind::Patient, "Patient/p1");
        let doctor = writer(WriterKind::Professional, "Practitioner/d1");
        let (nhs, gmc) = ("https://fhir.nhs.uk/Id/nhs-number", "https://fhir.hl7.org.uk/Id/gmc-number");
        for (writer, own, may, may_not) in [(patient, "Patient/p1", nhs, gmc), (doctor, "Practitioner/d1", gmc, nhs)] {
            let reference = |named: &str, system: &str| {
                json(&format!(r#"{{"reference":"{named}","identifier":{{"system":"{system}","value":"1"}}}}"#))
            };
            assert!(is_writer(&json(&format!(r#"{{"reference":"{own}"}}"#)), &writer, &SETTINGS));
            assert!(is_writer(&reference(own, may), &writer, &SETTINGS));
            assert!(is_writer(&reference(own, "https://hospital.example/number"), &writer, &SETTINGS));
            assert!(!is_writer(&reference(own, may_not), &writer, &SETTINGS), "{own}");
            assert!(!is_writer(&reference("Practitioner/other", may), &writer, &SETTINGS));
        }
        for decides in [true, false] {
            let relation = writer(WriterKind::RelatedPerson { decides }, "RelatedPerson/r1");
            for (system, expected) in [(nhs, false), (gmc, false), ("https://hospital.example/number", true)] {
                let text =
                    format!(r#"{{"reference":"RelatedPerson/r1","identifier":{{"system":"{system}","value":"1"}}}}"#);
                assert_eq!(is_writer(&json(&text), &relation, &SETTINGS), expected, "{system}");
            }
        }
    }

    #[test]
    fn it_goes_by_what_a_reference_leads_to() {
        let within = json(&format!(r#"{{"resourceType":"Composition","contained":{CONTAINED}}}"#));
        for (references, expected) in [(&FALSE[..], false), (&TRUE[..], true)] {
            for text in references {
                assert_eq!(is_colleague(&json(text), &within, &SETTINGS), expected, "{text}");
            }
        }
        let inside = json(r##"{"reference":"#"}"##);
        assert!(!is_colleague(&inside, &within, &SETTINGS));
        assert!(is_colleague(&inside, &json(r#"{"resourceType":"Practitioner"}"#), &SETTINGS));
    }
}
