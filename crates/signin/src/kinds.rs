//! The kinds of data by which a person says what an app gets, in words of everyday, each with the resource types that it is;
//! and the sensitive groups that are given only by their name.

use concord_consent::scope::Scope;
use concord_fhir::registry::ResourceType;

use crate::scope::Granted;

/// A kind of data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// How a form names it.
    pub code: &'static str,
    /// What it is called to whom it is about.
    pub title: &'static str,
    /// What it is called to others.
    pub of_another: &'static str,
    /// The types; none for all that no other kind has.
    types: &'static [&'static str],
}

/// Every kind. Each type is of one.
pub const KINDS: [Kind; 11] = [
    Kind {
        code: "details",
        title: "Your name, date of birth and contact details",
        of_another: "Name, date of birth and contact details",
        types: &["Patient", "RelatedPerson"],
    },
    Kind {
        code: "measurements",
        title: "Measurements and test results",
        of_another: "Measurements and test results",
        types: &["Observation", "DiagnosticReport", "Specimen", "ImagingStudy", "Media", "ServiceRequest"],
    },
    Kind {
        code: "conditions",
        title: "Conditions, allergies, operations and vaccinations",
        of_another: "Conditions, allergies, operations and vaccinations",
        types: &[
            "Condition",
            "AllergyIntolerance",
            "Procedure",
            "Immunization",
            "FamilyMemberHistory",
            "ClinicalImpression",
            "RiskAssessment",
            "DetectedIssue",
            "Flag",
        ],
    },
    Kind {
        code: "medicines",
        title: "Medicines",
        of_another: "Medicines",
        types: &[
            "MedicationRequest",
            "MedicationStatement",
            "MedicationAdministration",
            "MedicationDispense",
            "Medication",
        ],
    },
    Kind {
        code: "plans",
        title: "Goals, care plans and who looks after you",
        of_another: "Goals, care plans and who looks after them",
        types: &[
            "Goal",
            "CarePlan",
            "CareTeam",
            "Task",
            "NutritionOrder",
            "DeviceRequest",
            "DeviceUseStatement",
            "Device",
        ],
    },
    Kind {
        code: "visits",
        title: "Appointments and visits",
        of_another: "Appointments and visits",
        types: &["Appointment", "AppointmentResponse", "Encounter", "EpisodeOfCare"],
    },
    Kind {
        code: "documents",
        title: "Letters and documents",
        of_another: "Letters and documents",
        types: &["DocumentReference", "DocumentManifest", "Composition", "Binary", "List"],
    },
    Kind {
        code: "messages",
        title: "Messages and comments",
        of_another: "Messages and comments",
        types: &["Communication", "CommunicationRequest"],
    },
    Kind {
        code: "about-me",
        title: "About you and your forms",
        of_another: "About Me and forms",
        types: &["QuestionnaireResponse"],
    },
    Kind {
        code: "sharing",
        title: "Your sharing choices and who has looked",
        of_another: "Sharing choices and who has looked",
        types: &["Consent", "AuditEvent"],
    },
    Kind {
        code: "other",
        title: "Everything else in your record",
        of_another: "Everything else in the record",
        types: &[],
    },
];

/// A group of data that an app gets only if it is named: a label of v3 ActCode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sensitive {
    /// The label, by which a form names it too.
    pub code: &'static str,
    /// What it is called.
    pub title: &'static str,
}

/// The groups that a person is asked about.
pub const SENSITIVE: [Sensitive; 5] = [
    Sensitive { code: "MH", title: "Mental health" },
    Sensitive { code: "SEX", title: "Sexual health" },
    Sensitive { code: "HIV", title: "HIV" },
    Sensitive { code: "SUD", title: "Alcohol and drugs" },
    Sensitive { code: "SDV", title: "Violence and abuse" },
];

impl Kind {
    /// The kind of that code.
    #[must_use]
    pub fn parse(code: &str) -> Option<Kind> {
        KINDS.into_iter().find(|kind| kind.code == code)
    }

    /// The kind that a type is of.
    #[must_use]
    pub fn of(resource_type: ResourceType) -> Kind {
        let [others @ .., rest] = &KINDS;
        others.iter().find(|kind| kind.types.contains(&resource_type.name())).copied().unwrap_or(*rest)
    }

    /// Its types.
    pub fn types(self) -> impl Iterator<Item = ResourceType> {
        ResourceType::all().filter(move |one| Kind::of(*one) == self)
    }

    /// What the scopes let an app do with data of this kind; none if nothing.
    #[must_use]
    pub fn asked(self, scopes: &Granted) -> Option<Use> {
        let about: Vec<&Scope> =
            scopes.resources().filter(|scope| scope.resource_type.is_none_or(|one| Kind::of(one) == self)).collect();
        let any = |one: fn(&Scope) -> bool| about.iter().any(|scope| one(scope));
        let asked = Use {
            reads: any(|scope| scope.read || scope.search),
            adds: any(|scope| scope.create),
            changes: any(|scope| scope.update),
            deletes: any(|scope| scope.delete),
        };
        (asked != Use::default()).then_some(asked)
    }
}

/// What is done with data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Use {
    /// It is read or searched.
    pub reads: bool,
    /// It is added to.
    pub adds: bool,
    /// It is changed.
    pub changes: bool,
    /// It is deleted.
    pub deletes: bool,
}

impl Use {
    /// In words.
    #[must_use]
    pub fn words(self) -> String {
        let all = [(self.reads, "see"), (self.adds, "add"), (self.changes, "change"), (self.deletes, "delete")];
        let said: Vec<&str> = all.into_iter().filter_map(|(is_so, word)| is_so.then_some(word)).collect();
        match said.as_slice() {
            [] => "nothing".to_owned(),
            [only] => (*only).to_owned(),
            [first @ .., last] => format!("{} and {last}", first.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_of_one_kind() {
        for kind in KINDS {
            for name in kind.types {
                let named = ResourceType::parse(name).unwrap_or_else(|| panic!("{name}"));
                assert_eq!(Kind::of(named), kind, "{name}");
            }
            assert!(kind.types().next().is_some() && Kind::parse(kind.code) == Some(kind));
        }
        assert_eq!(KINDS.iter().map(|kind| kind.types().count()).sum::<usize>(), ResourceType::all().count());
    }

    #[test]
    fn what_is_asked_is_told_by_kind() {
        let asked =
            |scopes: &str, code: &str| Kind::parse(code).unwrap().asked(&Granted::parse(scopes)).map(Use::words);
        let asked = |scopes: &str, code: &str| asked(scopes, code).map(|words: String| words.leak() as &str);
        assert_eq!(asked("patient/*.rs", "medicines"), Some("see"));
        assert_eq!(asked("patient/Observation.cruds", "measurements"), Some("see, add, change and delete"));
        assert_eq!(asked("patient/Observation.cu", "measurements"), Some("add and change"));
        assert_eq!(asked("patient/Observation.rd", "measurements"), Some("see and delete"));
        assert_eq!(asked("patient/Observation.d", "measurements"), Some("delete"));
        assert_eq!(asked("patient/*.write", "measurements"), Some("add, change and delete"));
        assert_eq!(asked("patient/Observation.c patient/Media.r", "measurements"), Some("see and add"));
        assert_eq!(asked("patient/Observation.cruds openid", "medicines"), None);
    }
}
