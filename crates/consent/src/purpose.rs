//! Purposes of use (HL7 v3 code system ActReason, the part below `PurposeOfUse` that matters to a personal record).

use crate::actor::Actor;

/// The code system of purposes of use.
pub const SYSTEM: &str = "http://terminology.hl7.org/CodeSystem/v3-ActReason";

/// Each code with the one above it; the top ones have none.
const TREE: [(&str, Option<&str>); 28] = [
    ("BTG", Some("ETREAT")),
    ("CAREMGT", Some("HOPERAT")),
    ("CLINTRCH", Some("HRESCH")),
    ("CLINTRL", Some("TREAT")),
    ("COC", Some("TREAT")),
    ("COVERAGE", Some("HPAYMT")),
    ("DISASTER", Some("PUBHLTH")),
    ("ERTREAT", Some("ETREAT")),
    ("ETREAT", Some("TREAT")),
    ("FAMRQT", Some("PATRQT")),
    ("HMARKT", None),
    ("HOPERAT", None),
    ("HPAYMT", None),
    ("HQUALIMP", Some("HOPERAT")),
    ("HRESCH", None),
    ("HSYSADMIN", Some("HOPERAT")),
    ("HTEST", Some("HSYSADMIN")),
    ("PATADMIN", Some("HOPERAT")),
    ("PATRQT", None),
    ("PATSFTY", Some("HOPERAT")),
    ("POPHLTH", Some("TREAT")),
    ("PUBHLTH", None),
    ("PWATRNY", Some("PATRQT")),
    ("RECORDMGT", Some("HOPERAT")),
    ("SUPNWK", Some("PATRQT")),
    ("THREAT", Some("PUBHLTH")),
    ("TRAIN", Some("HOPERAT")),
    ("TREAT", None),
];

/// What information is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Purpose(&'static str);

impl Purpose {
    /// `TREAT`: to treat the patient.
    pub const TREATMENT: Purpose = Purpose("TREAT");
    /// `BTG`: to break the glass in an emergency.
    pub const BREAK_GLASS: Purpose = Purpose("BTG");
    /// `ETREAT`: to treat the patient in an emergency.
    pub const EMERGENCY: Purpose = Purpose("ETREAT");
    /// `PATRQT`: because the patient asks.
    pub const PATIENT_REQUEST: Purpose = Purpose("PATRQT");
    /// `FAMRQT`: because the patient's family asks.
    pub const FAMILY_REQUEST: Purpose = Purpose("FAMRQT");

    /// The purpose of that code.
    #[must_use]
    pub fn parse(code: &str) -> Option<Purpose> {
        TREE.iter().find(|(own, _)| *own == code).map(|(own, _)| Purpose(own))
    }

    /// Its code.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.0
    }

    /// Whether `other` is this purpose or a kind of it. To break the glass is never a kind of another purpose:
    /// a rule that means it has to name it.
    #[must_use]
    pub fn covers(self, other: Purpose) -> bool {
        if other == Purpose::BREAK_GLASS {
            return self == other;
        }
        self.is_at_or_above(other)
    }

    /// Whether `other` is this purpose or stands below it in the code system, `BTG` included.
    #[must_use]
    pub fn is_at_or_above(self, other: Purpose) -> bool {
        let mut code = Some(other.0);
        while let Some(current) = code {
            if current == self.0 {
                return true;
            }
            code = TREE.iter().find(|(own, _)| *own == current).and_then(|(_, parent)| *parent);
        }
        false
    }

    /// Whether it serves the patient: not research, public health or marketing, which are not what a personal record is
    /// kept for.
    #[must_use]
    pub fn serves_patient(self) -> bool {
        !["HRESCH", "PUBHLTH", "HMARKT", "CLINTRL", "POPHLTH"]
            .iter()
            .any(|code| Purpose::parse(code).is_some_and(|other| other.is_at_or_above(self)))
    }

    /// Whether it is the direct care of this patient: what membership of the care team is for.
    #[must_use]
    pub fn is_direct_care(self) -> bool {
        matches!(self.0, "TREAT" | "COC" | "ETREAT" | "ERTREAT")
    }
}

/// Whether a caller may say that this is what they want information for: one of the purposes that the token names, or a
/// kind of one; where it names none, what goes with who they are. Only a professional may break the glass.
#[must_use]
pub fn may_claim(actor: &Actor, named: &[Purpose], wanted: Purpose) -> bool {
    if wanted == Purpose::BREAK_GLASS && !actor.is_professional() {
        return false;
    }
    if !named.is_empty() {
        return named.iter().any(|one| one.covers(wanted));
    }
    match actor {
        Actor::System => true,
        Actor::Patient(_) | Actor::RelatedPerson(_) => Purpose::PATIENT_REQUEST.covers(wanted),
        Actor::Practitioner(_) | Actor::PractitionerRole(_) => {
            Purpose::TREATMENT.is_at_or_above(wanted) && wanted.serves_patient()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_purpose_is_claimed_by_those_whom_it_goes_with() {
        let purpose = |code| Purpose::parse(code).unwrap();
        let patient = Actor::Patient("p".into());
        let professional = Actor::Practitioner("p".into());
        for (actor, named, wanted, may) in [
            (&patient, &[][..], "PATRQT", true),
            (&patient, &[], "TREAT", false),
            (&patient, &["TREAT"], "TREAT", true),
            (&patient, &["BTG"], "BTG", false),
            (&professional, &[], "ETREAT", true),
            (&professional, &[], "BTG", true),
            (&professional, &[], "HRESCH", false),
            (&professional, &[], "CLINTRL", false),
            (&professional, &["TREAT"], "BTG", false),
            (&professional, &["TREAT"], "ETREAT", true),
            (&professional, &["TREAT", "BTG"], "BTG", true),
            (&Actor::System, &[], "HQUALIMP", true),
            (&Actor::System, &[], "BTG", false),
        ] {
            let named: Vec<Purpose> = named.iter().map(|code| purpose(code)).collect();
            assert_eq!(may_claim(actor, &named, purpose(wanted)), may, "{actor:?} {named:?} {wanted}");
        }
    }

    #[test]
    fn a_purpose_covers_its_kinds_but_never_breaking_the_glass() {
        let purpose = |code| Purpose::parse(code).unwrap();
        assert!(purpose("TREAT").covers(purpose("ERTREAT")));
        assert!(purpose("PATRQT").covers(purpose("FAMRQT")));
        assert!(!purpose("ERTREAT").covers(purpose("TREAT")));
        assert!(!purpose("TREAT").covers(purpose("BTG")));
        assert!(!purpose("ETREAT").covers(purpose("BTG")));
        assert!(purpose("BTG").covers(purpose("BTG")));
        assert!(purpose("TREAT").is_at_or_above(purpose("BTG")));
        assert!(!purpose("HRESCH").covers(purpose("TREAT")));
        assert_eq!(Purpose::parse("NONSENSE"), None);
    }

    #[test]
    fn every_parent_is_in_the_table_and_the_constants_are() {
        for (_, parent) in TREE {
            assert!(parent.is_none_or(|parent| Purpose::parse(parent).is_some()));
        }
        for purpose in [
            Purpose::TREATMENT,
            Purpose::BREAK_GLASS,
            Purpose::EMERGENCY,
            Purpose::PATIENT_REQUEST,
            Purpose::FAMILY_REQUEST,
        ] {
            assert_eq!(Purpose::parse(purpose.code()), Some(purpose));
        }
    }

    #[test]
    fn research_and_population_health_are_not_direct_care() {
        for code in ["HRESCH", "CLINTRL", "POPHLTH", "BTG", "PUBHLTH", "HMARKT"] {
            assert!(!Purpose::parse(code).unwrap().is_direct_care(), "{code}");
        }
        assert!(Purpose::TREATMENT.is_direct_care());
        for code in ["HRESCH", "CLINTRCH", "CLINTRL", "POPHLTH", "PUBHLTH", "THREAT", "HMARKT"] {
            assert!(!Purpose::parse(code).unwrap().serves_patient(), "{code}");
        }
        for code in ["TREAT", "BTG", "PATRQT", "HPAYMT", "HOPERAT", "RECORDMGT"] {
            assert!(Purpose::parse(code).unwrap().serves_patient(), "{code}");
        }
    }
}
