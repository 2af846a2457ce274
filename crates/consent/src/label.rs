//! Security labels (`meta.security`) as predicates: which data is sensitive, which is hidden from patients, and what a
//! label in a Consent covers.
//!
//! A code counts whatever its system says: the R4, STU3 and misspelt systems of the same code all protect.

use concord_fhir::index::{ParameterId, SEPARATOR};
use concord_fhir::predicate::{Predicate, Test};

use crate::facts::Coding;

/// The index parameter of `meta.security`.
const SECURITY: ParameterId = ParameterId::of("_security");

/// The system of Concord's own labels. Each of them hides data from patients, their relations and their apps, and
/// leaves it to its author's team: `AUTHOR-TEAM` interim thoughts, `THIRD-PARTY` what somebody else told in confidence,
/// `SAFEGUARDING`.
pub const OWN_SYSTEM: &str = "urn:concord:label";

/// Not for the patient, family or carers without the attending provider's word (v3 ActCode).
const NOT_FOR_PATIENTS: &str = "NOPAT";

/// The levels of v3 Confidentiality, from the lowest.
const LEVELS: [&str; 6] = ["U", "L", "M", "N", "R", "V"];

/// The position of `N`, which data without a label counts as.
const NORMAL: usize = 3;

/// The codes of v3 ActCode below InformationSensitivityPolicy, each with the one above it.
const SENSITIVITIES: [(&str, Option<&str>); 41] = [
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
    /// A code of a system that is not known here, or none.
    Unknown,
}

fn meaning(coding: &Coding) -> Meaning {
    let Some(code) = coding.code.as_deref() else { return Meaning::Unknown };
    match coding.system.as_str() {
        "http://terminology.hl7.org/CodeSystem/v3-Confidentiality" | "http://hl7.org/fhir/v3/Confidentiality" => {
            LEVELS.iter().position(|level| *level == code).map_or(Meaning::Unknown, Meaning::Level)
        }
        "http://terminology.hl7.org/CodeSystem/v3-ActCode" | "http://hl7.org/fhir/v3/ActCode" => {
            match SENSITIVITIES.iter().find(|(own, _)| *own == code) {
                Some((own, _)) => Meaning::Sensitivity(own),
                None => Meaning::Other(code.to_owned()),
            }
        }
        "http://terminology.hl7.org/CodeSystem/v3-ObservationValue" | OWN_SYSTEM => Meaning::Other(code.to_owned()),
        _ => Meaning::Unknown,
    }
}

/// Whether `lower` is `upper` or stands below it.
fn is_at_or_below(lower: &str, upper: &str) -> bool {
    let mut code = Some(lower);
    while let Some(current) = code {
        if current == upper {
            return true;
        }
        code = SENSITIVITIES.iter().find(|(own, _)| *own == current).and_then(|(_, parent)| *parent);
    }
    false
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

    /// Data that has no label which needs naming and is not named. Consent to one disclosure is not consent to all: a
    /// level above normal and every sensitivity need a permit that names it or the one above it.
    pub(crate) fn covers(&self) -> Predicate {
        let levels = LEVELS.iter().skip(self.level + 1).copied();
        let sensitivities = SENSITIVITIES
            .iter()
            .map(|(code, _)| *code)
            .filter(|code| !self.sensitivities.iter().any(|named| is_at_or_below(code, named)));
        labelled_any(levels.chain(sensitivities)).negate()
    }
}

/// Data that patients, their relations and their apps never see, and that not every professional may.
pub(crate) fn hidden_from_patients() -> Predicate {
    Predicate::Entry(SECURITY, Test::Either(vec![starts(NOT_FOR_PATIENTS), own()]))
}

/// Data that only its author's team may see.
pub(crate) fn for_authors_only() -> Predicate {
    Predicate::Entry(SECURITY, own())
}

/// What the labels of a permit cover at least: those of them that are understood, any of which is enough. A level
/// covers what is labelled with it or with a lower one (R4 "Consent", securityLabel); unlabelled data counts as normal.
pub(crate) fn covered_at_least(labels: &[Coding]) -> Predicate {
    labels.iter().fold(Predicate::None, |all, label| {
        all.or(match meaning(label) {
            Meaning::Level(level) => {
                let higher = labelled_any(LEVELS.iter().skip(level + 1).copied()).negate();
                match level < NORMAL {
                    true => labelled_any(LEVELS.iter().take(level + 1).copied()).and(higher),
                    false => higher,
                }
            }
            Meaning::Sensitivity(code) => labelled_any(below(code)),
            Meaning::Other(code) => labelled_any([code.as_str()].into_iter()),
            Meaning::Unknown => Predicate::None,
        })
    })
}

/// What the labels of a denial may cover. Who denies `R` means what is more than normal; who denies `N` or less, all.
/// A sensitivity covers the ones below it, and the ones above it, which may mean it.
pub(crate) fn covered_at_most(labels: &[Coding]) -> Predicate {
    labels.iter().fold(Predicate::None, |all, label| {
        all.or(match meaning(label) {
            Meaning::Level(level) if level > NORMAL => labelled_any(LEVELS.iter().skip(level).copied()),
            Meaning::Sensitivity(code) => labelled_any(below(code).chain(above(code))),
            Meaning::Other(code) => labelled_any([code.as_str()].into_iter()),
            Meaning::Level(_) | Meaning::Unknown => Predicate::All,
        })
    })
}

/// Whether every label is of a known system, so that what a denial covers can be told exactly.
pub(crate) fn are_known(labels: &[Coding]) -> bool {
    labels.iter().all(|label| !matches!(meaning(label), Meaning::Unknown))
}

fn below(code: &'static str) -> impl Iterator<Item = &'static str> {
    SENSITIVITIES.iter().map(|(own, _)| *own).filter(move |own| is_at_or_below(own, code))
}

fn above(code: &'static str) -> impl Iterator<Item = &'static str> {
    SENSITIVITIES.iter().map(|(own, _)| *own).filter(move |own| *own != code && is_at_or_below(code, own))
}

/// Data with a label of one of these codes.
fn labelled_any<'a>(codes: impl Iterator<Item = &'a str>) -> Predicate {
    let tests: Vec<Test> = codes.map(starts).collect();
    if tests.is_empty() { Predicate::None } else { Predicate::Entry(SECURITY, Test::Either(tests)) }
}

fn starts(code: &str) -> Test {
    Test::Starts(format!("{code}{SEPARATOR}"))
}

fn own() -> Test {
    Test::Ends(format!("{SEPARATOR}{OWN_SYSTEM}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use concord_fhir::index::{Entries, Entry};
    use concord_fhir::registry::ResourceType;

    const ACT: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
    const LEVEL: &str = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality";

    fn data(labels: &[&str]) -> Entries {
        let row = |label: &&str| {
            let system = match *label {
                "AUTHOR-TEAM" | "NEW-KIND" => OWN_SYSTEM,
                level if LEVELS.contains(&level) => LEVEL,
                _ => ACT,
            };
            Entry { parameter: SECURITY, key: format!("{label}{SEPARATOR}{system}"), low: None, high: None }
        };
        Entries {
            resource_type: ResourceType::parse("Condition").unwrap(),
            id: "c".into(),
            updated: 0,
            patients: vec!["p1".into()],
            rows: labels.iter().map(row).collect(),
        }
    }

    fn label(code: &str) -> Coding {
        let system = if LEVELS.contains(&code) { LEVEL } else { ACT };
        Coding { system: system.into(), code: Some(code.into()) }
    }

    #[test]
    fn the_table_is_sorted_and_closed() {
        assert!(SENSITIVITIES.is_sorted());
        for (_, parent) in SENSITIVITIES {
            assert!(parent.is_none_or(|parent| SENSITIVITIES.iter().any(|(code, _)| *code == parent)));
        }
        assert_eq!(LEVELS[NORMAL], "N");
    }

    #[test]
    fn each_sensitive_label_must_be_named() {
        let covers = |named: &[&str], labels: &[&str]| {
            let named: Vec<Coding> = named.iter().map(|code| label(code)).collect();
            Named::default().with(&named).covers().holds(&data(labels))
        };
        assert!(covers(&[], &[]) && covers(&[], &["N"]) && covers(&[], &["L", "PATAST"]));
        assert!(!covers(&[], &["R"]) && !covers(&[], &["MH"]) && !covers(&[], &["N", "SEX"]));
        assert!(covers(&["MH"], &["MH"]) && !covers(&["MH"], &["MH", "SEX"]) && !covers(&["MH"], &["R", "MH"]));
        assert!(covers(&["SPI"], &["ETHUD"]) && !covers(&["ETHUD"], &["SPI"]));
        assert!(covers(&["R"], &["R"]) && !covers(&["R"], &["V"]) && covers(&["V"], &["R"]));
        assert!(!covers(&["R"], &["R", "HIV"]) && covers(&["R", "HIV"], &["R", "HIV"]));
    }

    #[test]
    fn a_permit_covers_a_level_and_lower_and_a_denial_a_level_and_higher() {
        let least = |code: &str, labels: &[&str]| covered_at_least(&[label(code)]).holds(&data(labels));
        assert!(least("N", &[]) && least("N", &["L"]) && !least("N", &["R"]));
        assert!(least("R", &["R"]) && !least("R", &["V"]));
        assert!(least("L", &["U"]) && !least("L", &[]) && !least("L", &["L", "N"]));
        assert!(least("BH", &["COGN"]) && !least("BH", &["MH"]) && !least("BH", &[]));
        let most = |code: &str, labels: &[&str]| covered_at_most(&[label(code)]).holds(&data(labels));
        assert!(most("R", &["R"]) && most("R", &["V"]) && !most("R", &["N"]) && !most("R", &[]));
        assert!(most("N", &[]) && most("N", &["R"]) && most("L", &["N"]));
        assert!(most("SUD", &["ETHUD"]) && most("SUD", &["SPI"]) && !most("SUD", &["MH"]));
    }

    #[test]
    fn an_unknown_label_permits_nothing_and_denies_everything() {
        for unknown in [
            Coding { system: "urn:other".into(), code: Some("MENTAL".into()) },
            Coding { system: LEVEL.into(), code: Some("X".into()) },
            Coding { system: String::new(), code: Some("R".into()) },
            Coding { system: ACT.into(), code: None },
        ] {
            let unknown = std::slice::from_ref(&unknown);
            assert_eq!(covered_at_least(unknown), Predicate::None);
            assert_eq!(covered_at_most(unknown), Predicate::All);
            assert!(!are_known(unknown));
            assert_eq!(Named::default().with(unknown), Named::default());
        }
    }

    #[test]
    fn hidden_data_is_known_by_any_label_of_its_kind() {
        for labels in [&["NOPAT"][..], &["N", "AUTHOR-TEAM"], &["NEW-KIND"]] {
            assert!(hidden_from_patients().holds(&data(labels)), "{labels:?}");
        }
        assert!(!hidden_from_patients().holds(&data(&["MH", "R"])));
        assert!(for_authors_only().holds(&data(&["AUTHOR-TEAM"])) && !for_authors_only().holds(&data(&["NOPAT"])));
    }
}
