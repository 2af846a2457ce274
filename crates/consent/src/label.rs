//! Security labels (`meta.security`) as predicates: which data is sensitive, which is hidden from patients, and what a
//! label in a Consent covers.
//!
//! A code counts whatever its system says: the R4, STU3 and misspelt systems of the same code all protect. The labels of a
//! version are those in effect: what it inherits from is asked when it is written (`concord_fhir::label`), and not here.

use std::sync::{Arc, LazyLock};

use concord_fhir::index::{Entry, ParameterId, SEPARATOR};
pub use concord_fhir::label::OWN_SYSTEM;
use concord_fhir::label::{hands_on, is_understood};
use concord_fhir::predicate::{Predicate, Test};
use concord_fhir::registry::ResourceType;

use crate::facts::Coding;

/// The index parameter of `meta.security`.
const SECURITY: ParameterId = ParameterId::of("_security");

/// The four privacy labels of Patients Know Best.
const PKB_SYSTEM: &str = "http://fhir.patientsknowbest.com/codesystem/privacy-label";

/// Each of them with the label that it means here. Social care is a sensitivity of its own.
const PKB: [(&str, &str); 4] =
    [("GENERAL_HEALTH", "N"), ("MENTAL_HEALTH", "MH"), ("SEXUAL_HEALTH", "SEX"), ("SOCIAL_CARE", "SOCIAL_CARE")];

/// Not for the patient, family or carers without the attending provider's word (v3 ActCode).
const NOT_FOR_PATIENTS: &str = "NOPAT";

/// The levels of v3 Confidentiality, from the lowest.
const LEVELS: [&str; 6] = ["U", "L", "M", "N", "R", "V"];

/// The position of `N`, which data without a label counts as.
const NORMAL: usize = 3;

/// The codes of v3 ActCode below InformationSensitivityPolicy, each with the one above it, and the one of Patients Know
/// Best that has no such code.
const SENSITIVITIES: [(&str, Option<&str>); 42] = [
    ("ADOL", None),
    ("B", None),
    ("BH", Some("SPI")),
    ("CEL", None),
    ("COGN", Some("BH")),
    ("DEMO", None),
    ("DIA", None),
    ("DOB", None),
    ("DRGIS", None),
    ("DVD", Some("BH")),
    ("EMOTDIS", Some("BH")),
    ("EMP", None),
    ("EMPL", None),
    ("ETH", None),
    ("ETHUD", Some("SUD")),
    ("GDIS", None),
    ("GENDER", None),
    ("HIV", None),
    ("LIVARG", None),
    ("LOCIS", None),
    ("MARST", None),
    ("MH", Some("SPI")),
    ("MST", None),
    ("OPIOIDUD", Some("SUD")),
    ("PDS", None),
    ("PHY", None),
    ("PRS", None),
    ("PSY", Some("SPI")),
    ("PSYTHPN", Some("SPI")),
    ("RACE", None),
    ("REL", None),
    ("SCA", None),
    ("SDV", None),
    ("SEX", None),
    ("SICKLE", None),
    ("SOCIAL_CARE", None),
    ("SPI", None),
    ("SSP", None),
    ("STD", None),
    ("SUD", Some("SPI")),
    ("TBOO", None),
    ("VIO", None),
];

/// What a label of a Consent means.
enum Meaning {
    /// A level of confidentiality, by its position.
    Level(usize),
    /// A sensitivity of the table.
    Sensitivity(&'static str),
    /// Another code, of v3 ActCode, v3 ObservationValue or of Concord's own.
    Other(String),
    /// A code that its system has not got, or of a system that is not known here, or none.
    Unknown,
}

fn meaning(coding: &Coding) -> Meaning {
    let Some(code) = coding.code.as_deref() else { return Meaning::Unknown };
    match coding.system.as_str() {
        "http://terminology.hl7.org/CodeSystem/v3-Confidentiality" | "http://hl7.org/fhir/v3/Confidentiality" => {
            LEVELS.iter().position(|level| *level == code).map_or(Meaning::Unknown, Meaning::Level)
        }
        "http://terminology.hl7.org/CodeSystem/v3-ActCode" | "http://hl7.org/fhir/v3/ActCode" => {
            match sensitivity(code) {
                Some((own, _)) => Meaning::Sensitivity(own),
                None if is_understood(&coding.system, code) => Meaning::Other(code.to_owned()),
                None => Meaning::Unknown,
            }
        }
        "http://terminology.hl7.org/CodeSystem/v3-ObservationValue" | OWN_SYSTEM => Meaning::Other(code.to_owned()),
        PKB_SYSTEM => match PKB.iter().find(|(own, _)| *own == code) {
            Some((_, "N")) => Meaning::Level(NORMAL),
            Some((_, meant)) => Meaning::Sensitivity(meant),
            None => Meaning::Unknown,
        },
        _ => Meaning::Unknown,
    }
}

/// The sensitivity of that code, with the one above it.
fn sensitivity(code: &str) -> Option<(&'static str, Option<&'static str>)> {
    let place = SENSITIVITIES.binary_search_by_key(&code, |(own, _)| own).ok()?;
    SENSITIVITIES.get(place).copied()
}

/// The sensitivities above one.
fn above(code: &'static str) -> impl Iterator<Item = &'static str> + Clone {
    let parent = |code: &'static str| sensitivity(code).and_then(|(_, above)| above);
    std::iter::successors(parent(code), move |code| parent(code))
}

/// For each sensitivity, in the order of the table, it and those below it.
static BELOW: LazyLock<Vec<Vec<&'static str>>> = LazyLock::new(|| {
    let below = |code: &str| {
        let all = SENSITIVITIES.iter().map(|(own, _)| *own);
        all.filter(|own| *own == code || above(own).any(|other| other == code)).collect()
    };
    SENSITIVITIES.iter().map(|(code, _)| below(code)).collect()
});

/// A sensitivity and those below it.
fn below(code: &str) -> impl Iterator<Item = &'static str> + Clone {
    let place = SENSITIVITIES.binary_search_by_key(&code, |(own, _)| own).ok();
    place.and_then(|place| BELOW.get(place)).map_or(&[][..], Vec::as_slice).iter().copied()
}

/// Whether a label only ever hides more: a level above normal, or a sensitivity. That is what a patient may put beside what
/// somebody else wrote; `N` and below would let more be seen, and the labels that hide from patients are not hers to give.
#[must_use]
pub fn raises(system: &str, code: &str) -> bool {
    match meaning(&Coding { system: system.to_owned(), code: Some(code.to_owned()) }) {
        Meaning::Level(level) => level > NORMAL,
        Meaning::Sensitivity(_) => true,
        Meaning::Other(_) | Meaning::Unknown => false,
    }
}

/// Whether a label hides a resource from the patient whom it is about, so that she could never take it away herself.
#[must_use]
pub fn hides_from_patients(system: &str, code: &str) -> bool {
    code == NOT_FOR_PATIENTS || system == OWN_SYSTEM || !is_understood(system, code)
}

/// The labels that the permits on the way to a decision name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    level: usize,
    sensitivities: Vec<&'static str>,
}

impl Default for Named {
    /// Nothing is named: data that is normal or lower, without a sensitivity.
    fn default() -> Named {
        Named { level: NORMAL, sensitivities: Vec::new() }
    }
}

impl Named {
    /// These and the labels of one more provision.
    pub(crate) fn with(&self, labels: &[Coding]) -> Named {
        let mut named = self.clone();
        for label in labels {
            match meaning(label) {
                Meaning::Level(level) => named.level = named.level.max(level),
                Meaning::Sensitivity(code) => named.sensitivities.push(code),
                Meaning::Other(_) | Meaning::Unknown => {}
            }
        }
        named
    }

    /// The labels that need naming and are not named.
    fn unnamed(&self) -> impl Iterator<Item = &'static str> + Clone {
        let levels = LEVELS.iter().skip(self.level + 1).copied();
        let sensitivities = SENSITIVITIES
            .iter()
            .map(|(code, _)| *code)
            .filter(|code| !self.sensitivities.iter().any(|named| below(named).any(|covered| covered == *code)));
        levels.chain(sensitivities)
    }

    /// Data that has no label which needs naming and is not named. Consent to one disclosure is not consent to all: a
    /// level above normal and every sensitivity need a permit that names it or the one above it.
    pub(crate) fn covers(&self) -> Predicate {
        any(self.unnamed()).negate()
    }

    /// The same, and Patients that could be seen but for what some of their elements tell: those are left out instead
    /// (see [`redactions`]).
    pub(crate) fn covers_in_part(&self) -> Predicate {
        let others = self.unnamed().filter(|code| !REDACTED.iter().any(|(label, _)| label == code));
        let patient = Predicate::Type(vec![PATIENT]).and(any(others).negate());
        self.covers().or(patient)
    }
}

const PATIENT: ResourceType = ResourceType::of("Patient");

/// What of a Patient would tell where she is to be found.
const WHEREABOUTS: &[&str] = &[
    "address",
    "contact",
    "contained",
    "extension",
    "generalPractitioner",
    "identifier.assigner",
    "managingOrganization",
    "modifierExtension",
    "telecom",
    "text",
];

/// Labels of a Patient that are about some elements, and those elements. Who may see the Patient but for such a label
/// sees it without them. The narrative may repeat any of them, and an extension or a contained resource may. An element of an
/// element is written behind a dot.
const REDACTED: [(&str, &[&str]); 9] = [
    ("R", WHEREABOUTS),
    (
        "DEMO",
        &[
            "address",
            "birthDate",
            "communication",
            "contact",
            "contained",
            "extension",
            "gender",
            "maritalStatus",
            "modifierExtension",
            "multipleBirthBoolean",
            "multipleBirthInteger",
            "photo",
            "telecom",
            "text",
        ],
    ),
    ("DOB", &["birthDate", "contained", "extension", "modifierExtension", "text"]),
    ("GENDER", &["contained", "extension", "gender", "modifierExtension", "text"]),
    ("LIVARG", &["address", "contact", "contained", "extension", "modifierExtension", "text"]),
    ("LOCIS", WHEREABOUTS),
    ("MARST", &["contact", "contained", "extension", "maritalStatus", "modifierExtension", "text"]),
    ("RACE", &["contained", "extension", "modifierExtension", "text"]),
    ("REL", &["contained", "extension", "modifierExtension", "text"]),
];

/// Patients with a label that is about some of their elements, each with those elements.
pub(crate) fn redactions() -> impl Iterator<Item = (Predicate, &'static [&'static str])> {
    REDACTED.iter().map(|(label, elements)| {
        (Predicate::Type(vec![PATIENT]).and(Predicate::Entry(SECURITY, starts(label))), *elements)
    })
}

/// Whether a decision about resources of this type may leave elements out.
pub(crate) fn may_redact(only: Option<ResourceType>) -> bool {
    only.is_none_or(|only| only == PATIENT)
}

/// Data that patients, their relations and their apps never see, and that not every professional may.
#[must_use]
pub fn hidden_from_patients() -> Predicate {
    Predicate::Entry(SECURITY, Test::Either([starts(NOT_FOR_PATIENTS), own()].into()))
}

/// Data that only its author's team may see.
pub(crate) fn for_authors_only() -> Predicate {
    Predicate::Entry(SECURITY, own())
}

/// Data that somebody has classified: it has a level or a sensitivity.
pub(crate) fn classified() -> Predicate {
    let sensitivities = SENSITIVITIES.iter().map(|(code, _)| *code);
    any(LEVELS.iter().copied().chain(sensitivities))
}

/// What the labels of a permit cover at least: those of them that are understood, any of which is enough. A level
/// covers what is labelled with it or with a lower one (R4 "Consent", securityLabel); unlabelled data counts as
/// normal.
pub(crate) fn covered_at_least(labels: &[Coding]) -> Predicate {
    labels.iter().fold(Predicate::None, |all, label| {
        all.or(match meaning(label) {
            Meaning::Level(level) => {
                let higher = any(LEVELS.iter().skip(level + 1).copied()).negate();
                match level < NORMAL {
                    true => any(LEVELS.iter().take(level + 1).copied()).and(higher),
                    false => higher,
                }
            }
            Meaning::Sensitivity(code) => any(below(code)),
            Meaning::Other(code) => any([code.as_str()].into_iter()),
            Meaning::Unknown => Predicate::None,
        })
    })
}

/// What the labels of a denial may cover. Who denies `R` means what is more than normal; who denies `N` or less,
/// all. A sensitivity covers the ones below it, and the ones above it, which may mean it.
pub(crate) fn covered_at_most(labels: &[Coding]) -> Predicate {
    labels.iter().fold(Predicate::None, |all, label| {
        all.or(match meaning(label) {
            Meaning::Level(level) if level > NORMAL => any(LEVELS.iter().skip(level).copied()),
            Meaning::Sensitivity(code) => any(below(code).chain(above(code))),
            Meaning::Other(code) => any([code.as_str()].into_iter()),
            Meaning::Level(_) | Meaning::Unknown => Predicate::All,
        })
    })
}

/// Data with a label of one of these codes.
fn any<'c>(codes: impl Iterator<Item = &'c str> + Clone) -> Predicate {
    let of_pkb = |code: &'c str| PKB.iter().filter(move |(_, meant)| *meant == code).map(|(own, _)| *own);
    let spellings = |code: &'c str| std::iter::once(code).chain(of_pkb(code).filter(move |own| *own != code));
    let tests: Arc<[Test]> = codes.clone().flat_map(spellings).map(starts).collect();
    if tests.is_empty() {
        return Predicate::None;
    }
    Predicate::Entry(SECURITY, Test::Either(tests))
}

/// Whether every label is of a known system, so that what a denial covers can be told exactly.
pub(crate) fn are_known(labels: &[Coding]) -> bool {
    labels.iter().all(|label| !matches!(meaning(label), Meaning::Unknown))
}

/// The labels by which one may ask what somebody sees: normal data, each level above, and the sensitivities that these
/// labels mean.
pub(crate) fn distinguished<'a>(labels: impl Iterator<Item = &'a Coding>) -> Vec<&'static str> {
    let mut codes: Vec<&'static str> = LEVELS.iter().skip(NORMAL).copied().collect();
    for label in labels {
        if let Meaning::Sensitivity(code) = meaning(label) {
            codes.extend(below(code).filter(|code| !codes.contains(code)).collect::<Vec<_>>());
        }
    }
    codes
}

/// What a predicate means at least, or at most, while these labels are on their way to what inherits any.
pub(crate) fn as_if_borne(predicate: Predicate, coming: &[String], at_most: bool) -> Predicate {
    let borne = |leaf: Predicate| match &leaf {
        Predicate::Entry(SECURITY, test) if coming.iter().any(|key| test.meets(key, None, None)) => {
            leaf.or(Predicate::AwaitsLabels)
        }
        _ => leaf,
    };
    predicate.bounded(at_most, &borne)
}

/// Whether it says nothing but which labels data has, any of which whatever shows or speaks about the data has too.
pub(crate) fn is_handed_on(predicate: &Predicate) -> bool {
    fn each(test: &Test) -> bool {
        match test {
            Test::Starts(key) => hands_on(key),
            Test::Either(tests) => tests.iter().all(each),
            _ => false,
        }
    }
    match predicate {
        Predicate::Entry(SECURITY, test) => each(test),
        Predicate::And(parts) | Predicate::Or(parts) => parts.iter().all(is_handed_on),
        _ => false,
    }
}

/// Whether it is the parameter of `meta.security`.
pub(crate) fn is_label(parameter: ParameterId) -> bool {
    parameter == SECURITY
}

/// An index row of `meta.security` with that code.
pub(crate) fn row(code: &str) -> Entry {
    Entry { parameter: SECURITY, key: format!("{code}{SEPARATOR}"), low: None, high: None }
}

fn starts(code: &str) -> Test {
    Test::Starts(format!("{code}{SEPARATOR}"))
}

fn own() -> Test {
    Test::Ends(format!("{SEPARATOR}{OWN_SYSTEM}"))
}

#[cfg(test)]
mod tests;
