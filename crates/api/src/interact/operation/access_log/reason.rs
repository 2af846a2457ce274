//! Why something was allowed or refused, in words that a patient understands.

use crate::interact::audit::grounds::{LISTED, RESTS_ON};
use crate::interact::audit::said::Said;
use crate::interact::audit::visibility::NOT_SHOWN;

/// A rule of access, in words where it let somebody do something, and where it did not.
struct InWords {
    rule: &'static str,
    allowed: &'static str,
    refused: &'static str,
}

const fn words(rule: &'static str, allowed: &'static str, refused: &'static str) -> InWords {
    InWords { rule, allowed, refused }
}

/// The same in both.
const fn same(rule: &'static str, words: &'static str) -> InWords {
    InWords { rule, allowed: words, refused: words }
}

/// What goes without saying.
const UNSAID: &str = "scope.covers";

/// Every rule. Consents are named by their reference.
const RULES: &[InWords] = &[
    same(NOT_SHOWN, "by a rule that is not shown to you"),
    same("own-record", "it is the patient's own record"),
    same("care-team", "by being in the care team"),
    same("care-team.purpose", "being in the care team is no reason for this purpose"),
    same("no-relationship", "neither the care team nor a sharing choice lets them in"),
    same("default", "nothing lets them see it"),
    same("not-related", "they are not known as somebody close to the patient"),
    same("shared-reference", "it is about no patient"),
    same("system", "it is a registered system"),
    same("system.purpose", "a system does this only for purposes that it is registered for"),
    words("system.sensitive", "but not to what is sensitive", "it is sensitive, which no system sees by itself"),
    words("label.needs-naming", "but not to what is sensitive", "it is sensitive, and no sharing choice names it"),
    words("label.not-for-patients", "but not to what is kept from patients", "it is kept from patients"),
    words(
        "label.author-team",
        "but not to the notes that others keep among themselves",
        "it is among the notes that others keep among themselves",
    ),
    words(
        "label.on-its-way",
        "but not to what may have become sensitive just now",
        "it may have become sensitive just now",
    ),
    words("redact.label", "but not to every part of it", "not every part of it is shared"),
    same("author", "for what they or their team wrote"),
    same("own-entry", "it is what they wrote"),
    same("authorship.patient", "the patient or somebody close to the patient wrote it"),
    same("authorship.professional", "a professional wrote it"),
    same("authorship.other", "somebody else wrote it"),
    same("assurance.claimed", "they have not proven who they are"),
    same("assurance.unknown", "nothing is known of who they are"),
    same("assurance.own-entries", "it was entered in the same sign-in"),
    same("break-glass", "in an emergency, on their word"),
    same("break-glass.reason", "they gave no reason for emergency access"),
    same("break-glass.sign-in", "emergency access needs a stronger sign-in than theirs"),
    same("break-glass.refused", "the patient has refused emergency access to it"),
    same("comment.on-readable", "it is about something that they may read"),
    same("scope.missing", "their app may not do this"),
    same("scope.query", "their app may do this for some data only, and it cannot be told for which"),
    same("scope.no-patient", "their app named no patient"),
    words("app.not-permitted", "but not to what the app is not let in to", "no sharing choice lets the app in"),
    same("role-not-held", "they do not hold the role that they named"),
    same("proxy.suspended", "acting for the patient is suspended"),
    same("proxy.own-role", "it says by which right they act for the patient"),
    same("proxy.legal-basis", "they act for the patient by law"),
    same("office.reason", "their office needs a reason, and they gave none"),
    same("office.review", "it is their office to review it"),
    same("office.safeguarding", "it is their office to protect people from harm"),
    same("office.privacy", "it is their office to look after privacy"),
    same("log.own-accesses", "it is what they did themselves"),
    same("log.app", "what somebody did themselves is not for an app of somebody else"),
    same("consent.permit", "by a sharing choice"),
    words("consent.deny", "but not to what a sharing choice says no to", "a sharing choice says no"),
    words(
        "consent.deny-of-other",
        "but not to what shows something that is not shared",
        "it shows or speaks about something that is not shared",
    ),
    words(
        "consent.unevaluable",
        "but not by a sharing choice that cannot be understood",
        "a sharing choice cannot be understood, so it is taken as a no",
    ),
    words(
        "consent.too-much",
        "but not to records with more sharing choices than can be weighed",
        "there are more sharing choices than can be weighed",
    ),
    same("write.not-yours", "it is not for them to write this"),
    same("write.proposal", "they may propose this, and it is for the patient to decide"),
    same("write.unregistered", "nobody has registered this system, so it writes for itself only"),
    same("sign-in.picked", "they picked themselves from the list that is there for development"),
    same("sign-in.unproven", "they have not proven who they are"),
];

/// What was wrong with what was asked, as [`AuditEntry::ended`](crate::interact::audit::AuditEntry::ended) writes it.
const ASKED: &[(&str, &str)] = &[
    ("malformed", "what was sent could not be read"),
    ("not valid", "what was sent was not in order"),
    ("not found", "nothing was found by that name"),
    ("deleted", "it had been deleted"),
    ("too large", "it was too large"),
    ("conflict", "something else was changed at the same time"),
    ("precondition failed", "it had been changed before"),
    ("precondition required", "it was not said which version was meant"),
];

/// Whether the reason is that something was wrong with what was asked: no rule stands against it.
pub(super) fn is_of_what_was_asked(reason: &str) -> bool {
    ASKED.iter().any(|(written, _)| *written == reason)
}

/// The rules and choices that decided, in words.
pub(super) fn in_words(reason: &str, is_allowed: bool) -> String {
    let said = Said::of(reason);
    // What a rule rests on is for those who read the events.
    let parts = said.rules.split(LISTED).map(|part| part.split(RESTS_ON).next().unwrap_or_default());
    let parts = parts.filter(|part| !part.is_empty() && *part != UNSAID);
    let given = Some(said.words()).filter(|words| !words.is_empty()).map(str::to_owned);
    parts.map(|part| one_in_words(part, is_allowed)).chain(given).collect::<Vec<_>>().join("; ")
}

fn one_in_words(part: &str, is_allowed: bool) -> String {
    if let Some(known) = RULES.iter().find(|known| known.rule == part) {
        return (if is_allowed { known.allowed } else { known.refused }).to_owned();
    }
    if let Some((_, words)) = ASKED.iter().find(|(written, _)| *written == part) {
        return (*words).to_owned();
    }
    match part.strip_prefix("sign-in.with:") {
        Some(service) => format!("they signed in with {service}"),
        None if part.starts_with("Consent/") => format!("by the sharing choice {part}"),
        None => part.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    /// The rules that stand in the source of the decision, as far as they have a layer in their name.
    fn rules_in(folder: &Path, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                rules_in(&path, found);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let is_rule = |text: &&str| {
                let layer = text.split_once('.').map(|(layer, _)| layer);
                let layers = RULES.iter().filter_map(|known| known.rule.split_once('.')).map(|(layer, _)| layer);
                layer.is_some_and(|layer| layers.into_iter().any(|known| known == layer))
                    && text.chars().all(|letter| letter.is_ascii_lowercase() || letter == '-' || letter == '.')
            };
            found.extend(text.split('"').filter(is_rule).map(str::to_owned));
        }
    }

    #[test]
    fn every_rule_of_the_decision_has_words() {
        let mut found = BTreeSet::new();
        rules_in(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../consent/src"), &mut found);
        assert!(found.len() > 30, "{found:?}");
        found.retain(|rule| rule != UNSAID && !RULES.iter().any(|known| known.rule == *rule));
        assert!(found.is_empty(), "they have no words: {found:?}");
    }

    #[test]
    fn what_is_refused_is_told_otherwise_than_what_is_allowed() {
        let both = "scope.covers, care-team@CareTeam/x, label.not-for-patients";
        assert_eq!(in_words(both, true), "by being in the care team; but not to what is kept from patients");
        assert_eq!(in_words("hidden: label.not-for-patients", false), "it is kept from patients");
        assert_eq!(in_words("Consent/a/_history/1", true), "by the sharing choice Consent/a/_history/1");
        assert_eq!(in_words("deleted", false), "it had been deleted");
        assert!(is_of_what_was_asked("deleted") && !is_of_what_was_asked("write.not-yours"));
    }
}
