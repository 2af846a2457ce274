//! Who writes, and what else the rules of a type ask beside the resource.

use super::previous::Previous;
use crate::json::Value;
use crate::value::Literal;

/// Who writes a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Writer {
    /// In what role.
    pub kind: WriterKind,
    /// The reference that names the writer, `Type/id`; none for a system.
    pub reference: Option<String>,
    /// Other references that mean the same writer: a practitioner's active roles and their organizations.
    pub also: Vec<String>,
    /// The logical id of the only patient whose record the writer may add to: the patient's own id, or the one whom a
    /// related person acts for. None for professionals and systems.
    pub patient: Option<String>,
}

/// In what role a writer writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WriterKind {
    /// The patient.
    Patient,
    /// A related person.
    RelatedPerson {
        /// Whether the law lets them decide for the patient, as an attorney, a deputy or a parent may.
        decides: bool,
    },
    /// A professional.
    Professional,
    /// A registered system, which writes for others.
    System,
    /// A system that nobody has registered: it speaks for itself only.
    Unregistered,
}

impl WriterKind {
    /// Whether it is a system, which hands in what is from elsewhere.
    #[must_use]
    pub fn is_system(self) -> bool {
        matches!(self, WriterKind::System | WriterKind::Unregistered)
    }
}

impl Writer {
    /// Whether the writer is the patient or somebody close to the patient.
    #[must_use]
    pub fn is_person(&self) -> bool {
        matches!(self.kind, WriterKind::Patient | WriterKind::RelatedPerson { .. })
    }

    /// Whether the reference, `Type/id`, means the only patient whose record the writer may add to.
    #[must_use]
    pub fn is_patient(&self, reference: &str) -> bool {
        self.patient.is_some() && reference.strip_prefix("Patient/") == self.patient.as_deref()
    }

    /// Whether the reference, `Type/id`, means the writer.
    #[must_use]
    pub fn is(&self, reference: &str) -> bool {
        self.reference.as_deref() == Some(reference) || self.also.iter().any(|other| other == reference)
    }
}

/// What differs between installations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings<'a> {
    /// The address of the FHIR base; a reference below it is read as a relative one.
    pub base: &'a str,
    /// Whether an NHS number must pass its check digit. Off only for a sandbox with invented numbers.
    pub check_nhs_number: bool,
    /// Whose tokens are believed here, each by its exact name.
    pub issuers: &'a [String],
}

impl Settings<'_> {
    /// The `Type/id` of a reference to a resource of this server, see [`local_reference`].
    #[must_use]
    pub fn local(&self, reference: &str) -> Option<String> {
        local_reference(self.base, reference)
    }
}

/// What the rules ask beside the resource.
#[derive(Clone, Copy, Debug)]
pub struct WriteContext<'a> {
    /// What stands before, for a change of a type whose rules ask what that was.
    pub previous: Option<&'a Previous<'a>>,
    /// Who writes.
    pub writer: &'a Writer,
    /// The Patients whom the NHS numbers in it mean, number and logical id, as far as that is kept beside the version before.
    pub filed: &'a [(String, String)],
    /// When, in milliseconds since 1970 UTC.
    pub now: i64,
    /// Where.
    pub settings: &'a Settings<'a>,
}

/// The `Type/id` of a relative reference, or of an absolute one below the FHIR base; none for a reference to anything
/// else. A version at its end is left out (R4 "References").
#[must_use]
pub fn local_reference(base: &str, reference: &str) -> Option<String> {
    match Literal::read(reference, base) {
        Literal::Local(resource_type, id) => Some(format!("{resource_type}/{id}")),
        Literal::Elsewhere(_) | Literal::Contained | Literal::Malformed => None,
    }
}

/// The reference as an element's value.
pub(super) fn reference_value(reference: &str) -> Value<'static> {
    Value::object([("reference", Value::string(reference))])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_to_this_server_are_told_from_others() {
        let settings = Settings { base: "https://phr.example/fhir", check_nhs_number: true, issuers: &[] };
        for (text, wanted) in [
            ("Patient/p1", Some("Patient/p1")),
            ("Patient/p1/_history/3", Some("Patient/p1")),
            ("https://phr.example/fhir/Patient/p1", Some("Patient/p1")),
            ("https://phr.example/fhirs/Patient/p1", None),
            ("https://other.example/fhir/Patient/p1", None),
            ("urn:uuid:0c3201bd-1cbf-4d64-b04d-cd9187a4c6e0", None),
            ("#contained", None),
            ("Patient?identifier=x", None),
            ("Patient/", None),
            ("Nonsense/1", None),
        ] {
            assert_eq!(settings.local(text).as_deref(), wanted, "{text}");
        }
    }
}
