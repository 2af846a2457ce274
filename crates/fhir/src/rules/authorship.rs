//! Which elements of a type say whose record it belongs to and who wrote it, and which types patients and their related
//! persons may write.

use crate::json::Value;
use crate::registry::ResourceType;

/// What a type's elements say about its author.
pub(super) struct Authorship {
    /// The type.
    pub(super) name: &'static str,
    /// The element that names the patient.
    pub(super) subject: &'static str,
    /// The elements that name an author.
    pub(super) authors: &'static [AuthorElement],
    /// Whether patients may write it.
    pub(super) patient: bool,
    /// Whether a related person may write it on the patient's behalf.
    pub(super) related_person: bool,
    /// Whether the element may name something in the patient's record in her place.
    pub(super) through_others: bool,
    /// Whether it may be about nobody, when no patient and no relation writes it.
    pub(super) may_be_about_nobody: bool,
}

/// One element that names an author.
pub(super) struct AuthorElement {
    /// The element.
    pub(super) name: &'static str,
    /// Whether it is a list.
    pub(super) repeats: bool,
    /// For whom it is filled in when it is missing.
    pub(super) fill: Fill,
    /// Who else than the writer may stand in it.
    pub(super) others: Others,
}

/// For whom a missing element is filled in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fill {
    /// For every writer but a system.
    Writer,
    /// For patients and related persons.
    Person,
    /// For nobody.
    Nobody,
}

/// Who else than the writer may stand in an element.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Others {
    /// Nobody.
    Nobody,
    /// The patient, if somebody else writes: whose answers or whose consent it is.
    Subject,
    /// When a professional writes: other professionals, organizations and devices, which may have done the work.
    Colleagues,
    /// When a professional writes: anybody, because the element tells where the information came from.
    Sources,
}

const fn element(name: &'static str, repeats: bool, fill: Fill, others: Others) -> AuthorElement {
    AuthorElement { name, repeats, fill, others }
}

const fn written_by_patients(
    name: &'static str,
    subject: &'static str,
    related_person: bool,
    authors: &'static [AuthorElement],
) -> Authorship {
    Authorship {
        name,
        subject,
        authors,
        patient: true,
        related_person,
        through_others: false,
        may_be_about_nobody: false,
    }
}

const fn written_by_professionals(
    name: &'static str,
    subject: &'static str,
    authors: &'static [AuthorElement],
) -> Authorship {
    Authorship {
        name,
        subject,
        authors,
        patient: false,
        related_person: false,
        through_others: false,
        may_be_about_nobody: false,
    }
}

const fn may_be_about_nobody(row: Authorship) -> Authorship {
    Authorship { may_be_about_nobody: true, ..row }
}

/// The types with an author (R4, the elements that the "author" row of the five Ws mapping names, and their like).
/// A patient asserts medication and allergies and says nothing of diagnoses, which stay with professionals. A picture, a letter
/// and a watch are hers to add.
const TABLE: [Authorship; 25] = [
    written_by_patients(
        "AllergyIntolerance",
        "patient",
        false,
        &[
            element("recorder", false, Fill::Writer, Others::Nobody),
            element("asserter", false, Fill::Person, Others::Sources),
        ],
    ),
    Authorship { through_others: true, ..written_by_patients("Binary", "securityContext", false, &[]) },
    written_by_patients(
        "CarePlan",
        "subject",
        false,
        &[
            element("author", false, Fill::Writer, Others::Nobody),
            element("contributor", true, Fill::Nobody, Others::Sources),
        ],
    ),
    written_by_professionals(
        "ClinicalImpression",
        "subject",
        &[element("assessor", false, Fill::Writer, Others::Nobody)],
    ),
    written_by_patients("Communication", "subject", true, &[element("sender", false, Fill::Writer, Others::Nobody)]),
    written_by_professionals(
        "CommunicationRequest",
        "subject",
        &[
            element("requester", false, Fill::Writer, Others::Nobody),
            element("sender", false, Fill::Nobody, Others::Colleagues),
        ],
    ),
    may_be_about_nobody(written_by_professionals(
        "Composition",
        "subject",
        &[element("author", true, Fill::Writer, Others::Colleagues)],
    )),
    written_by_professionals(
        "Condition",
        "subject",
        &[
            element("recorder", false, Fill::Writer, Others::Nobody),
            element("asserter", false, Fill::Nobody, Others::Sources),
        ],
    ),
    written_by_patients("Consent", "patient", false, &[element("performer", true, Fill::Person, Others::Subject)]),
    written_by_patients("Device", "patient", false, &[]),
    written_by_professionals(
        "DiagnosticReport",
        "subject",
        &[
            element("performer", true, Fill::Nobody, Others::Colleagues),
            element("resultsInterpreter", true, Fill::Nobody, Others::Colleagues),
        ],
    ),
    may_be_about_nobody(written_by_patients(
        "DocumentReference",
        "subject",
        false,
        &[
            element("author", true, Fill::Writer, Others::Colleagues),
            element("authenticator", false, Fill::Nobody, Others::Colleagues),
        ],
    )),
    written_by_professionals("Flag", "subject", &[element("author", false, Fill::Writer, Others::Nobody)]),
    written_by_patients("Goal", "subject", false, &[element("expressedBy", false, Fill::Writer, Others::Nobody)]),
    may_be_about_nobody(written_by_professionals(
        "List",
        "subject",
        &[element("source", false, Fill::Writer, Others::Colleagues)],
    )),
    written_by_patients("Media", "subject", false, &[element("operator", false, Fill::Writer, Others::Colleagues)]),
    written_by_professionals(
        "MedicationRequest",
        "subject",
        &[
            element("requester", false, Fill::Writer, Others::Colleagues),
            element("recorder", false, Fill::Nobody, Others::Nobody),
        ],
    ),
    written_by_patients(
        "MedicationStatement",
        "subject",
        false,
        &[element("informationSource", false, Fill::Person, Others::Sources)],
    ),
    written_by_patients(
        "Observation",
        "subject",
        true,
        &[element("performer", true, Fill::Writer, Others::Colleagues)],
    ),
    written_by_professionals(
        "Procedure",
        "subject",
        &[
            element("recorder", false, Fill::Writer, Others::Nobody),
            element("asserter", false, Fill::Nobody, Others::Sources),
        ],
    ),
    written_by_patients(
        "QuestionnaireResponse",
        "subject",
        true,
        &[
            element("author", false, Fill::Writer, Others::Nobody),
            element("source", false, Fill::Person, Others::Subject),
        ],
    ),
    written_by_patients("RelatedPerson", "patient", false, &[]),
    written_by_professionals("RequestGroup", "subject", &[element("author", false, Fill::Writer, Others::Nobody)]),
    written_by_professionals("RiskAssessment", "subject", &[element("performer", false, Fill::Writer, Others::Nobody)]),
    written_by_professionals(
        "ServiceRequest",
        "subject",
        &[element("requester", false, Fill::Writer, Others::Colleagues)],
    ),
];

/// The row of a type.
pub(super) fn of(resource_type: ResourceType) -> Option<&'static Authorship> {
    TABLE.iter().find(|row| row.name == resource_type.name())
}

/// The types that patients may write, in alphabetical order.
pub fn types_for_patients() -> impl Iterator<Item = ResourceType> {
    TABLE.iter().filter(|row| row.patient).filter_map(|row| ResourceType::parse(row.name))
}

/// The types that a related person may write on the patient's behalf, in alphabetical order.
pub fn types_for_related_persons() -> impl Iterator<Item = ResourceType> {
    TABLE.iter().filter(|row| row.related_person).filter_map(|row| ResourceType::parse(row.name))
}

/// The references that the author elements of a resource hold, as they were written and in their order, each once.
/// Empty for a type without such elements.
#[must_use]
pub fn authors(resource_type: ResourceType, resource: &Value<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for element in of(resource_type).map_or(&[][..], |row| row.authors) {
        for reference in resource.list(element.name).iter().filter_map(|item| item.text("reference")) {
            if !found.iter().any(|known| known == reference) {
                found.push(reference.to_owned());
            }
        }
    }
    found
}

#[cfg(test)]
/// Every element of the table, `Type.name`.
pub(super) fn elements() -> impl Iterator<Item = String> {
    TABLE.iter().flat_map(|row| row.authors.iter().map(|element| format!("{}.{}", row.name, element.name)))
}

#[cfg(test)]
mod tests {
    use super::super::colleague::tests::{CONTAINED, FALSE, TRUE};
    use super::super::prepare::prepare;
    use super::super::prepare::tests::{by, carer, json, patient, professional};
    use super::super::signed;
    use super::*;
    use crate::issue::Issue;

    /// Where professionals name each other, they name nobody who may be a patient, whatever type the reference says.
    #[test]
    fn no_author_is_a_patient_by_a_false_type() {
        let named = TABLE.iter().flat_map(|row| row.authors.iter().map(move |element| (row.name, element)));
        for (name, element) in named.filter(|(_, element)| element.others == Others::Colleagues) {
            let place = format!("{name}.{}{}", element.name, if element.repeats { "[0]" } else { "" });
            for (who, may) in FALSE.map(|who| (who, false)).into_iter().chain(TRUE.map(|who| (who, true))) {
                let list = if element.repeats { format!("[{who}]") } else { who.to_owned() };
                let text = format!(r#"{{"resourceType":"{name}","contained":{CONTAINED},"{}":{list}}}"#, element.name);
                let of_type = ResourceType::parse(name).unwrap();
                let refused = prepare(of_type, &mut json(&text), &by(&professional())).err().unwrap_or_default();
                let is_refused = refused.iter().any(|issue| issue.expression.as_ref() == Some(&place));
                assert_eq!(is_refused, !may, "{place} {who}");
            }
        }
    }

    /// By every author element of every type somebody is named in a contained resource who is named where it stands by itself, and nobody
    /// else, whoever writes.
    #[test]
    fn a_contained_resource_has_the_authors_that_it_has_by_itself() {
        let people =
            ["Patient/p1", "Patient/p2", "RelatedPerson/c1", "Practitioner/gp", "Practitioner/other", "Device/d"]
                .map(|who| format!(r#"{{"reference":"{who}"}}"#));
        let people: Vec<&str> = people.iter().map(String::as_str).chain(FALSE).chain(TRUE).collect();
        let named = TABLE.iter().flat_map(|row| row.authors.iter().map(move |element| (row, element)));
        for (row, element) in named {
            let (name, of_type) = (row.name, ResourceType::parse(row.name).unwrap());
            let place = format!("{}{}", element.name, if element.repeats { "[0]" } else { "" });
            for (who, writer) in people.iter().flat_map(|who| [patient(), carer(), professional()].map(|by| (who, by)))
            {
                let list = if element.repeats { format!("[{who}]") } else { (*who).to_owned() };
                let subject = format!(r#""{}":{{"reference":"Patient/p1"}}"#, row.subject);
                let members = format!(r#""{}":{list},{subject}"#, element.name);
                let mut itself = json(&format!(r#"{{"resourceType":"{name}","contained":{CONTAINED},{members}}}"#));
                let others = CONTAINED.trim_start_matches('[');
                let inside = json(&format!(
                    r#"{{"resourceType":"Encounter","contained":[{{"resourceType":"{name}",{members}}},{others}}}"#
                ));
                let refused = prepare(of_type, &mut itself, &by(&writer)).err().unwrap_or_default();
                let is_at = |issue: &Issue, place: String| issue.expression.as_ref() == Some(&place);
                let by_itself = refused.iter().any(|issue| is_at(issue, format!("{name}.{place}")));
                let found = signed::for_others(&inside, &by(&writer));
                let refused: Vec<Issue> = found.iter().map(|one| one.refusal(&writer)).collect();
                let contained = refused.iter().any(|issue| is_at(issue, format!("Encounter.contained[0].{place}")));
                assert_eq!(contained, by_itself, "{name}.{place} {who} {:?}", writer.kind);
            }
        }
    }

    #[test]
    fn the_table_is_sorted_and_names_types() {
        assert!(TABLE.is_sorted_by_key(|row| row.name));
        assert!(TABLE.iter().all(|row| ResourceType::parse(row.name).is_some()));
        assert!(TABLE.iter().filter(|row| row.related_person).all(|row| row.patient));
        let names: Vec<_> = types_for_patients().map(ResourceType::name).collect();
        // As docs/API.md lists them.
        let wanted = [
            "AllergyIntolerance",
            "Binary",
            "CarePlan",
            "Communication",
            "Consent",
            "Device",
            "DocumentReference",
            "Goal",
            "Media",
            "MedicationStatement",
            "Observation",
            "QuestionnaireResponse",
            "RelatedPerson",
        ];
        assert_eq!(names, wanted);
        assert_eq!(
            types_for_related_persons().map(ResourceType::name).collect::<Vec<_>>(),
            ["Communication", "Observation", "QuestionnaireResponse"]
        );
    }

    #[test]
    fn authors_are_found_once_each() {
        let reference = |text: &str| Value::object([("reference", Value::string(text))]);
        let document = Value::object([
            ("author", Value::Array(vec![reference("Patient/a"), reference("Patient/a"), reference("Device/d")])),
            ("authenticator", reference("Practitioner/b")),
            ("custodian", reference("Organization/o")),
        ]);
        let of = |name: &str, value: &Value<'_>| authors(ResourceType::parse(name).unwrap(), value);
        assert_eq!(of("DocumentReference", &document), ["Patient/a", "Device/d", "Practitioner/b"]);
        assert_eq!(of("Encounter", &document), Vec::<String>::new());
        assert_eq!(of("Goal", &Value::object([])), Vec::<String>::new());
    }
}
