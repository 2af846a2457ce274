//! Whose record a resource is part of: the one table that access is decided on.
//!
//! A resource is part of the record of the patient it is **about**. Who performed, wrote, received or paid does not
//! matter while the resource has an element that says who it is about; and if that element is there but names nobody
//! that can be told (a display text, a contained or logical reference, a Group), the resource is in no patient compartment.
//! Only when a type's subject may be left out, and is, do the other links of the patient compartment count (R4
//! "CompartmentDefinition", patient), so that for instance a message that a patient sent, about nothing in particular,
//! is hers.

use super::ResourceType;

/// What may be said of all resources of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatientCompartment {
    /// Reference data about no patient: any caller who has signed in may read it.
    Shared,
    /// About patients, but not so that it can be told of which, or about how systems work together: for systems only.
    Restricted,
    /// Part of the record of the patients whom it names. One that names none is readable like a restricted one.
    Record {
        /// The elements that say who it is about, as dotted JSON members; `.` is the resource itself. Empty where only
        /// the store knows (AuditEvent, Provenance) and says so with [`crate::entry::Entries::part_of`].
        owner: &'static [&'static str],
        /// The elements that count when no owner element is there at all.
        otherwise: &'static [&'static str],
    },
}

/// The type of those whose records there are.
pub(crate) const OWNER: ResourceType = ResourceType::of("Patient");

use PatientCompartment::{Restricted, Shared};

/// A record type with no links but its owner.
const fn of(owner: &'static [&'static str]) -> PatientCompartment {
    PatientCompartment::Record { owner, otherwise: &[] }
}

/// A record type whose owner may be left out.
const fn of_or(owner: &'static [&'static str], otherwise: &'static [&'static str]) -> PatientCompartment {
    PatientCompartment::Record { owner, otherwise }
}

/// Every type, in the order of [`ResourceType::all`].
///
/// Decisions that are not plain from the type's definition:
/// - AuditEvent, Provenance: their patients follow from what they point at, which only the store can look up.
/// - Bundle, MessageHeader, Parameters: may hold anything about anybody.
/// - Device, Schedule, BiologicallyDerivedProduct, VerificationResult: may be a patient's or not; one that is not a
///   patient's may still be anybody's, so it is not shared.
/// - DeviceMetric, EnrollmentResponse, PaymentNotice, PaymentReconciliation, Slot: about a patient through another
///   resource only.
/// - Group, Linkage: name many patients; being one of them is no right to the others.
/// - Person: whoever it links to is the same human, so it is part of the record of each patient linked.
/// - Subscription: holds its owner's address and credentials.
/// - TestReport: about systems under test.
/// - SupplyRequest: the compartment's `subject` is whom it is delivered to.
/// - ResearchStudy: describes the study and names no participant; ResearchSubject does.
const CLASSES: [(&str, PatientCompartment); 146] = [
    ("Account", of(&["subject"])),
    ("ActivityDefinition", Shared),
    ("AdverseEvent", of(&["subject"])),
    ("AllergyIntolerance", of(&["patient"])),
    ("Appointment", of(&["participant.actor"])),
    ("AppointmentResponse", of(&["actor"])),
    ("AuditEvent", of(&[])),
    ("Basic", of_or(&["subject"], &["author"])),
    ("Binary", of(&["securityContext"])),
    ("BiologicallyDerivedProduct", of(&["collection.source"])),
    ("BodyStructure", of(&["patient"])),
    ("Bundle", Restricted),
    ("CapabilityStatement", Shared),
    ("CarePlan", of(&["subject"])),
    ("CareTeam", of_or(&["subject"], &["participant.member"])),
    ("CatalogEntry", Shared),
    ("ChargeItem", of(&["subject"])),
    ("ChargeItemDefinition", Shared),
    ("Claim", of(&["patient"])),
    ("ClaimResponse", of(&["patient"])),
    ("ClinicalImpression", of(&["subject"])),
    ("CodeSystem", Shared),
    ("Communication", of_or(&["subject"], &["sender", "recipient"])),
    ("CommunicationRequest", of_or(&["subject"], &["sender", "recipient", "requester"])),
    ("CompartmentDefinition", Shared),
    ("Composition", of_or(&["subject"], &["author", "attester.party"])),
    ("ConceptMap", Shared),
    ("Condition", of(&["subject"])),
    ("Consent", of(&["patient"])),
    ("Contract", of(&["subject"])),
    ("Coverage", of(&["beneficiary"])),
    ("CoverageEligibilityRequest", of(&["patient"])),
    ("CoverageEligibilityResponse", of(&["patient"])),
    ("DetectedIssue", of(&["patient"])),
    ("Device", of(&["patient"])),
    ("DeviceDefinition", Shared),
    ("DeviceMetric", Restricted),
    ("DeviceRequest", of(&["subject"])),
    ("DeviceUseStatement", of(&["subject"])),
    ("DiagnosticReport", of(&["subject"])),
    ("DocumentManifest", of_or(&["subject"], &["author", "recipient"])),
    ("DocumentReference", of_or(&["subject"], &["author"])),
    ("EffectEvidenceSynthesis", Shared),
    ("Encounter", of(&["subject"])),
    ("Endpoint", Shared),
    ("EnrollmentRequest", of(&["candidate"])),
    ("EnrollmentResponse", Restricted),
    ("EpisodeOfCare", of(&["patient"])),
    ("EventDefinition", Shared),
    ("Evidence", Shared),
    ("EvidenceVariable", Shared),
    ("ExampleScenario", Shared),
    ("ExplanationOfBenefit", of(&["patient"])),
    ("FamilyMemberHistory", of(&["patient"])),
    ("Flag", of(&["subject"])),
    ("Goal", of(&["subject"])),
    ("GraphDefinition", Shared),
    ("Group", Restricted),
    ("GuidanceResponse", of(&["subject"])),
    ("HealthcareService", Shared),
    ("ImagingStudy", of(&["subject"])),
    ("Immunization", of(&["patient"])),
    ("ImmunizationEvaluation", of(&["patient"])),
    ("ImmunizationRecommendation", of(&["patient"])),
    ("ImplementationGuide", Shared),
    ("InsurancePlan", Shared),
    ("Invoice", of_or(&["subject"], &["recipient"])),
    ("Library", Shared),
    ("Linkage", Restricted),
    ("List", of_or(&["subject"], &["source"])),
    ("Location", Shared),
    ("Measure", Shared),
    ("MeasureReport", of(&["subject"])),
    ("Media", of(&["subject"])),
    ("Medication", Shared),
    ("MedicationAdministration", of(&["subject"])),
    ("MedicationDispense", of_or(&["subject"], &["receiver"])),
    ("MedicationKnowledge", Shared),
    ("MedicationRequest", of(&["subject"])),
    ("MedicationStatement", of(&["subject"])),
    ("MedicinalProduct", Shared),
    ("MedicinalProductAuthorization", Shared),
    ("MedicinalProductContraindication", Shared),
    ("MedicinalProductIndication", Shared),
    ("MedicinalProductIngredient", Shared),
    ("MedicinalProductInteraction", Shared),
    ("MedicinalProductManufactured", Shared),
    ("MedicinalProductPackaged", Shared),
    ("MedicinalProductPharmaceutical", Shared),
    ("MedicinalProductUndesirableEffect", Shared),
    ("MessageDefinition", Shared),
    ("MessageHeader", Restricted),
    ("MolecularSequence", of(&["patient"])),
    ("NamingSystem", Shared),
    ("NutritionOrder", of(&["patient"])),
    ("Observation", of_or(&["subject"], &["performer"])),
    ("ObservationDefinition", Shared),
    ("OperationDefinition", Shared),
    ("OperationOutcome", Restricted),
    ("Organization", Shared),
    ("OrganizationAffiliation", Shared),
    ("Parameters", Restricted),
    ("Patient", of(&["."])),
    ("PaymentNotice", Restricted),
    ("PaymentReconciliation", Restricted),
    ("Person", of(&["link.target"])),
    ("PlanDefinition", Shared),
    ("Practitioner", Shared),
    ("PractitionerRole", Shared),
    ("Procedure", of(&["subject"])),
    ("Provenance", of(&[])),
    ("Questionnaire", Shared),
    ("QuestionnaireResponse", of_or(&["subject"], &["author"])),
    ("RelatedPerson", of(&["patient"])),
    ("RequestGroup", of_or(&["subject"], &["action.participant"])),
    ("ResearchDefinition", Shared),
    ("ResearchElementDefinition", Shared),
    ("ResearchStudy", Shared),
    ("ResearchSubject", of(&["individual"])),
    ("RiskAssessment", of(&["subject"])),
    ("RiskEvidenceSynthesis", Shared),
    ("Schedule", of(&["actor"])),
    ("SearchParameter", Shared),
    ("ServiceRequest", of(&["subject"])),
    ("Slot", Restricted),
    ("Specimen", of(&["subject"])),
    ("SpecimenDefinition", Shared),
    ("StructureDefinition", Shared),
    ("StructureMap", Shared),
    ("Subscription", Restricted),
    ("Substance", Shared),
    ("SubstanceNucleicAcid", Shared),
    ("SubstancePolymer", Shared),
    ("SubstanceProtein", Shared),
    ("SubstanceReferenceInformation", Shared),
    ("SubstanceSourceMaterial", Shared),
    ("SubstanceSpecification", Shared),
    ("SupplyDelivery", of(&["patient"])),
    ("SupplyRequest", of_or(&["deliverTo"], &["requester"])),
    ("Task", of(&["for"])),
    ("TerminologyCapabilities", Shared),
    ("TestReport", Restricted),
    ("TestScript", Shared),
    ("ValueSet", Shared),
    ("VerificationResult", of(&["target"])),
    ("VisionPrescription", of(&["patient"])),
];

/// What may be said of all resources of the type.
#[must_use]
pub fn patient_compartment(resource_type: ResourceType) -> PatientCompartment {
    let row = usize::try_from(resource_type.number()).ok().and_then(|at| CLASSES.get(at));
    row.map_or(Restricted, |(_, class)| *class)
}

/// Whether each resource of the type is itself whose record there is.
#[must_use]
pub fn is_own_record(resource_type: ResourceType) -> bool {
    matches!(patient_compartment(resource_type), PatientCompartment::Record { owner: ["."], .. })
}

/// The types whose resources may come to be about another patient, each with its reason. Of every other type, a resource
/// stays in the record in which it was written: what was written about the wrong patient is entered in error and written
/// anew, so that what happened in a record stays in its history and log.
const MOVABLE: [(&str, &str); 6] = [
    ("Appointment", "who takes part comes and goes, and the appointment is the same one"),
    ("Device", "a device is lent, returned and lent again"),
    ("Person", "its links say which records are of one human, and are put right"),
    ("Schedule", "it is of those who can be booked, who change"),
    ("SupplyRequest", "whom something is delivered to is no subject: a delivery is redirected"),
    ("VerificationResult", "it is about whatever was verified together, which may grow"),
];

/// Whether resources of the type may come to be about another patient.
#[must_use]
pub fn may_change_record(resource_type: ResourceType) -> bool {
    MOVABLE.iter().any(|(name, _)| *name == resource_type.name())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::{Kind, compartment_parameters, parameter};

    #[test]
    fn every_type_has_its_row() {
        for (resource_type, (name, _)) in ResourceType::all().zip(CLASSES) {
            assert_eq!(resource_type.name(), name);
        }
    }

    #[test]
    fn nothing_of_the_patient_compartment_is_shared() {
        for resource_type in ResourceType::all() {
            if !compartment_parameters(resource_type).is_empty() {
                assert_ne!(patient_compartment(resource_type), Shared, "{resource_type}");
            }
        }
    }

    #[test]
    fn nothing_that_can_be_searched_by_patient_is_shared() {
        for resource_type in ResourceType::all() {
            if parameter(resource_type, "patient").is_some_and(|parameter| parameter.kind == Kind::Reference) {
                assert_ne!(patient_compartment(resource_type), Shared, "{resource_type}");
            }
        }
    }

    #[test]
    fn what_may_move_has_a_record_and_a_reason() {
        assert!(MOVABLE.is_sorted_by_key(|(name, _)| name));
        for (name, reason) in MOVABLE {
            let class = patient_compartment(ResourceType::parse(name).unwrap());
            assert!(matches!(class, PatientCompartment::Record { .. }) && !reason.is_empty(), "{name}");
        }
    }

    #[test]
    fn the_shared_types_are_exactly_these() {
        let shared: Vec<_> = ResourceType::all().filter(|known| patient_compartment(*known) == Shared).collect();
        assert_eq!(shared.len(), 61, "a type that becomes readable by everybody needs a reason here");
    }
}
