//! Which labels are handed on, and what is in effect then: strictest of all, also where resources name one another.

use std::collections::{BTreeSet, HashMap};

use super::understood::OWN_SYSTEM;
use crate::entry::SEPARATOR;
use crate::rules::is_claim_code;

/// Labels that say less than any other: they protect nothing, and to hand them on would be to lower what they meet. The
/// last is what Patients Know Best calls `N`.
const LOWEST: [&str; 5] = ["U", "L", "M", "N", "GENERAL_HEALTH"];

/// The system of the labels that say who vouches for a resource: that is said of no other.
const INTEGRITY: &str = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue";

/// The label that keeps data from patients (v3 ActCode).
const NOT_FOR_PATIENTS: &str = "NOPAT";

/// The labels of Concord's own that keep what somebody wrote, or was told, for those who look after it.
const KEPT_FOR_AUTHORS: [&str; 2] = ["AUTHOR-TEAM", "THIRD-PARTY"];

/// Whether a label, by its index key, protects what is part of or speaks about the resource that bears it.
#[must_use]
pub fn hands_on(key: &str) -> bool {
    let (code, system) = key.split_once(SEPARATOR).unwrap_or((key, ""));
    !code.is_empty() && system != INTEGRITY && !is_claim_code(code) && !LOWEST.contains(&code)
}

/// Whether a label does not come to somebody's own words. What keeps something from patients, or for those who wrote it, says nothing
/// of what she has said about it herself: she and who has to answer go on to see that. What is kept for safeguarding, or is not
/// understood, does come, and so does all that says what it is about.
#[must_use]
pub fn spares_words(key: &str) -> bool {
    let (code, system) = key.split_once(SEPARATOR).unwrap_or((key, ""));
    code == NOT_FOR_PATIENTS || (system == OWN_SYSTEM && KEPT_FOR_AUTHORS.contains(&code))
}

/// The labels of these that are handed on, each once, in their order.
#[must_use]
pub fn union<'a>(keys: impl Iterator<Item = &'a str>) -> Vec<String> {
    let all: BTreeSet<&str> = keys.filter(|key| hands_on(key)).collect();
    all.into_iter().map(str::to_owned).collect()
}

/// One of several resources whose labels are worked out together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Member {
    /// The labels of its own and those that people put beside it.
    pub labels: Vec<String>,
    /// What it inherits from outside.
    pub from_outside: Vec<String>,
    /// Those of the others that it inherits from, by their keys.
    pub inside: Vec<i64>,
    /// Whether it is what somebody has said themselves ([`spares_words`]).
    pub is_words: bool,
}

impl Member {
    /// Whether a label that is handed on comes to it.
    fn gets(&self, key: &str) -> bool {
        !(self.is_words && spares_words(key))
    }
}

/// What each of them inherits: no label that does not come from somewhere, though they name one another in a ring.
#[must_use]
pub fn effective_labels(members: &HashMap<i64, Member>) -> HashMap<i64, Vec<String>> {
    let mut followers: HashMap<i64, Vec<i64>> = HashMap::new();
    let mut inherited: HashMap<i64, BTreeSet<&str>> = HashMap::new();
    for (key, member) in members {
        let from_outside = member.from_outside.iter().map(String::as_str).filter(|label| hands_on(label));
        inherited.insert(*key, from_outside.filter(|label| member.gets(label)).collect());
        for source in &member.inside {
            followers.entry(*source).or_default().push(*key);
        }
    }
    // A label goes on until it meets resources that have it: there are only so many of either.
    let mut waiting: Vec<i64> = members.keys().copied().collect();
    while let Some(source) = waiting.pop() {
        let own = members.get(&source).map_or(&[][..], |member| &member.labels).iter().map(String::as_str);
        let known = inherited.get(&source).into_iter().flatten().copied();
        let handed: Vec<&str> = own.filter(|label| hands_on(label)).chain(known).collect();
        for follower in followers.get(&source).into_iter().flatten() {
            let (Some(has), Some(member)) = (inherited.get_mut(follower), members.get(follower)) else { continue };
            let before = has.len();
            has.extend(handed.iter().filter(|label| member.gets(label)));
            if has.len() != before {
                waiting.push(*follower);
            }
        }
    }
    inherited.into_iter().map(|(key, labels)| (key, labels.into_iter().map(str::to_owned).collect())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(labels: &[&str]) -> Vec<String> {
        labels.iter().map(|label| format!("{label}{SEPARATOR}s")).collect()
    }

    fn member(labels: &[&str], from_outside: &[&str], inside: &[i64]) -> Member {
        Member { labels: texts(labels), from_outside: texts(from_outside), inside: inside.to_vec(), is_words: false }
    }

    #[test]
    fn what_protects_is_handed_on_and_nothing_else() {
        for label in ["R", "V", "SEX", "NOPAT", "AUTHOR-TEAM", "of-another-system"] {
            assert!(hands_on(&format!("{label}{SEPARATOR}s")), "{label}");
        }
        for label in ["U", "L", "M", "N", "GENERAL_HEALTH", "PATAST", ""] {
            assert!(!hands_on(&format!("{label}{SEPARATOR}s")), "{label}");
        }
        assert!(!hands_on(&format!("any{SEPARATOR}{INTEGRITY}")));
        assert!(hands_on("SEX"), "without a system");
        let keys = texts(&["SEX", "N", "R", "SEX"]);
        assert_eq!(union(keys.iter().map(String::as_str)), texts(&["R", "SEX"]));
    }

    #[test]
    fn labels_go_along_every_path() {
        let members = HashMap::from([
            (1, member(&["SEX", "N"], &[], &[])),
            (2, member(&["MH"], &["R", "PATAST"], &[1])),
            (3, member(&[], &[], &[2])),
            (4, member(&[], &[], &[1, 3])),
        ]);
        let settled = effective_labels(&members);
        assert_eq!(settled.get(&1), Some(&texts(&[])));
        assert_eq!(settled.get(&2), Some(&texts(&["R", "SEX"])));
        assert_eq!(settled.get(&3), Some(&texts(&["MH", "R", "SEX"])));
        assert_eq!(settled.get(&4), Some(&texts(&["MH", "R", "SEX"])));
    }

    /// What somebody has said is not taken from them by what others put on what they spoke about.
    #[test]
    fn own_words_are_spared() {
        let key = |code: &str, system: &str| format!("{code}{SEPARATOR}{system}");
        for (label, spared) in [
            (key("NOPAT", "http://terminology.hl7.org/CodeSystem/v3-ActCode"), true),
            (key("NOPAT", "urn:x"), true),
            (key("AUTHOR-TEAM", OWN_SYSTEM), true),
            (key("THIRD-PARTY", OWN_SYSTEM), true),
            (key("SAFEGUARDING", OWN_SYSTEM), false),
            (key("not-understood", OWN_SYSTEM), false),
            (key("AUTHOR-TEAM", "urn:x"), false),
            (key("SEX", "s"), false),
        ] {
            assert_eq!(spares_words(&label), spared, "{label}");
            let all = vec![label.clone()];
            let wanted = if spared { Vec::new() } else { all.clone() };
            let bears = |is_words: bool| Member { labels: all.clone(), is_words, ..Member::default() };
            let words = |from_outside: &[String], inside: &[i64]| Member {
                from_outside: from_outside.to_vec(),
                is_words: true,
                ..member(&[], &[], inside)
            };
            // Whatever speaks about the words gets what they have, and what speaks about the thing itself its label.
            let members = HashMap::from([
                (1, bears(false)),
                (2, words(&[], &[1])),
                (3, member(&[], &[], &[2])),
                (4, member(&[], &[], &[1, 2])),
                (5, words(&all, &[])),
                (6, bears(true)),
                (7, member(&[], &[], &[6])),
            ]);
            let settled = effective_labels(&members);
            for key in [2, 3, 5] {
                assert_eq!(settled.get(&key), Some(&wanted), "{label} {key}");
            }
            for key in [4, 7] {
                assert_eq!(settled.get(&key), Some(&all), "{label} {key}: its own stay");
            }
        }
    }

    #[test]
    fn a_ring_keeps_no_label_that_nobody_bears() {
        let ring = |labels: &[&str]| {
            HashMap::from([(1, member(labels, &[], &[3])), (2, member(&[], &[], &[1])), (3, member(&[], &[], &[2, 9]))])
        };
        for key in [1, 2, 3] {
            assert_eq!(effective_labels(&ring(&["SEX"])).get(&key), Some(&texts(&["SEX"])), "{key}");
            assert_eq!(effective_labels(&ring(&[])).get(&key), Some(&texts(&[])), "{key}");
        }
    }
}
