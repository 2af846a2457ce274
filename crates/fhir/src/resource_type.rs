//! The resource types of R4.

use std::fmt;

/// The concrete resource types of R4 in alphabetical order (R4 value set `resource-types`, without the two abstract
/// types). R4 is frozen, so a position is a stable number and is what the store keeps.
const NAMES: [&str; 146] = [
    "Account",
    "ActivityDefinition",
    "AdverseEvent",
    "AllergyIntolerance",
    "Appointment",
    "AppointmentResponse",
    "AuditEvent",
    "Basic",
    "Binary",
    "BiologicallyDerivedProduct",
    "BodyStructure",
    "Bundle",
    "CapabilityStatement",
    "CarePlan",
    "CareTeam",
    "CatalogEntry",
    "ChargeItem",
    "ChargeItemDefinition",
    "Claim",
    "ClaimResponse",
    "ClinicalImpression",
    "CodeSystem",
    "Communication",
    "CommunicationRequest",
    "CompartmentDefinition",
    "Composition",
    "ConceptMap",
    "Condition",
    "Consent",
    "Contract",
    "Coverage",
    "CoverageEligibilityRequest",
    "CoverageEligibilityResponse",
    "DetectedIssue",
    "Device",
    "DeviceDefinition",
    "DeviceMetric",
    "DeviceRequest",
    "DeviceUseStatement",
    "DiagnosticReport",
    "DocumentManifest",
    "DocumentReference",
    "EffectEvidenceSynthesis",
    "Encounter",
    "Endpoint",
    "EnrollmentRequest",
    "EnrollmentResponse",
    "EpisodeOfCare",
    "EventDefinition",
    "Evidence",
    "EvidenceVariable",
    "ExampleScenario",
    "ExplanationOfBenefit",
    "FamilyMemberHistory",
    "Flag",
    "Goal",
    "GraphDefinition",
    "Group",
    "GuidanceResponse",
    "HealthcareService",
    "ImagingStudy",
    "Immunization",
    "ImmunizationEvaluation",
    "ImmunizationRecommendation",
    "ImplementationGuide",
    "InsurancePlan",
    "Invoice",
    "Library",
    "Linkage",
    "List",
    "Location",
    "Measure",
    "MeasureReport",
    "Media",
    "Medication",
    "MedicationAdministration",
    "MedicationDispense",
    "MedicationKnowledge",
    "MedicationRequest",
    "MedicationStatement",
    "MedicinalProduct",
    "MedicinalProductAuthorization",
    "MedicinalProductContraindication",
    "MedicinalProductIndication",
    "MedicinalProductIngredient",
    "MedicinalProductInteraction",
    "MedicinalProductManufactured",
    "MedicinalProductPackaged",
    "MedicinalProductPharmaceutical",
    "MedicinalProductUndesirableEffect",
    "MessageDefinition",
    "MessageHeader",
    "MolecularSequence",
    "NamingSystem",
    "NutritionOrder",
    "Observation",
    "ObservationDefinition",
    "OperationDefinition",
    "OperationOutcome",
    "Organization",
    "OrganizationAffiliation",
    "Parameters",
    "Patient",
    "PaymentNotice",
    "PaymentReconciliation",
    "Person",
    "PlanDefinition",
    "Practitioner",
    "PractitionerRole",
    "Procedure",
    "Provenance",
    "Questionnaire",
    "QuestionnaireResponse",
    "RelatedPerson",
    "RequestGroup",
    "ResearchDefinition",
    "ResearchElementDefinition",
    "ResearchStudy",
    "ResearchSubject",
    "RiskAssessment",
    "RiskEvidenceSynthesis",
    "Schedule",
    "SearchParameter",
    "ServiceRequest",
    "Slot",
    "Specimen",
    "SpecimenDefinition",
    "StructureDefinition",
    "StructureMap",
    "Subscription",
    "Substance",
    "SubstanceNucleicAcid",
    "SubstancePolymer",
    "SubstanceProtein",
    "SubstanceReferenceInformation",
    "SubstanceSourceMaterial",
    "SubstanceSpecification",
    "SupplyDelivery",
    "SupplyRequest",
    "Task",
    "TerminologyCapabilities",
    "TestReport",
    "TestScript",
    "ValueSet",
    "VerificationResult",
    "VisionPrescription",
];

/// One of the concrete resource types of R4.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceType(u8);

impl ResourceType {
    /// The type of that exact name, for constants: an unknown name does not compile there.
    #[must_use]
    #[expect(
        clippy::panic,
        clippy::indexing_slicing,
        reason = "runs while compiling, where a panic is the error message"
    )]
    pub const fn of(name: &str) -> ResourceType {
        let mut position = 0;
        while position < NAMES.len() {
            let (left, right) = (NAMES[position].as_bytes(), name.as_bytes());
            let mut at = 0;
            while at < left.len() && at < right.len() && left[at] == right[at] {
                at += 1;
            }
            if at == left.len() && at == right.len() {
                #[expect(clippy::cast_possible_truncation, reason = "there are fewer than 256 types")]
                return ResourceType(position as u8);
            }
            position += 1;
        }
        panic!("no such resource type")
    }

    /// The type of that exact name.
    #[must_use]
    pub fn parse(name: &str) -> Option<ResourceType> {
        let position = NAMES.binary_search(&name).ok()?;
        u8::try_from(position).ok().map(ResourceType)
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        NAMES.get(usize::from(self.0)).copied().unwrap_or_default()
    }

    /// Its stable number, as stored.
    #[must_use]
    pub fn number(self) -> i16 {
        i16::from(self.0)
    }

    /// The type of that number.
    #[must_use]
    pub fn from_number(number: i16) -> Option<ResourceType> {
        let position = u8::try_from(number).ok()?;
        (usize::from(position) < NAMES.len()).then_some(ResourceType(position))
    }

    /// Every type, in alphabetical order.
    pub fn all() -> impl Iterator<Item = ResourceType> {
        (0..NAMES.len()).filter_map(|position| u8::try_from(position).ok().map(ResourceType))
    }
}

impl fmt::Debug for ResourceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for ResourceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_and_every_type_is_found_by_its_name_and_number() {
        assert!(NAMES.is_sorted());
        for resource_type in ResourceType::all() {
            assert_eq!(ResourceType::parse(resource_type.name()), Some(resource_type));
            assert_eq!(ResourceType::from_number(resource_type.number()), Some(resource_type));
        }
        assert_eq!(ResourceType::parse("Resource"), None);
        assert_eq!(ResourceType::from_number(-1), None);
    }
}
