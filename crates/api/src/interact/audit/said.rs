//! What the log says why something was, or was not, done: what the server says, and what a caller has typed, which is never read as
//! if the server had said it.

/// How a reason begins that the caller was not told.
pub(crate) const HIDDEN: &str = "hidden: ";

/// How a reason begins of an answer to a question that did not name the patient and found nothing in her record but what is kept
/// from her, or by that: she is not told of it, as she is not told of a read of that. What she may know of and it shows has events of its own.
pub(crate) const KEPT: &str = "kept: ";

/// What stands between the rules and what a caller gave as theirs. No rule has it in its name.
const GIVEN: &str = "; ";

/// What is done with words of whoever does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// A record is opened as an emergency.
    Emergency,
    /// Something is shown to the patient from now on.
    Release,
    /// It was asked whether something would be refused, and it would.
    Refusal,
}

impl Act {
    const ALL: [Act; 3] = [Act::Emergency, Act::Release, Act::Refusal];

    /// How a reason begins that says so: what follows are words, whatever they look like.
    const fn begins(self) -> &'static str {
        match self {
            Act::Emergency => "emergency access: ",
            Act::Release => "released to the patient: ",
            Act::Refusal => "would be refused: ",
        }
    }

    /// The reason with these words.
    pub(crate) fn because(self, words: &str) -> String {
        format!("{}{words}", self.begins())
    }
}

/// A reason in its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Said<'r> {
    /// How it begins, if it is told to some only.
    pub(crate) begin: &'r str,
    /// The rules and Consents.
    pub(crate) rules: &'r str,
    /// What a caller gave as theirs, with what the server says of that, and what stands before it.
    pub(crate) given: &'r str,
}

impl<'r> Said<'r> {
    /// The parts of a reason that is stored.
    pub(crate) fn of(reason: &'r str) -> Said<'r> {
        let begin = [HIDDEN, KEPT].into_iter().find(|begin| reason.starts_with(begin)).unwrap_or_default();
        let (begin, rest) = reason.split_at(begin.len());
        let is_act = Act::ALL.iter().any(|act| rest.starts_with(act.begins()));
        let end = if is_act { 0 } else { rest.find(GIVEN).unwrap_or(rest.len()) };
        let (rules, given) = rest.split_at(end);
        Said { begin, rules, given }
    }

    /// The words alone.
    pub(crate) fn words(self) -> &'r str {
        self.given.strip_prefix(GIVEN).unwrap_or(self.given)
    }
}

/// The rules, with what the caller gave for them.
pub(crate) fn with_given(rules: &str, given: &str) -> String {
    format!("{rules}{GIVEN}{given}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_caller_types_is_no_rule_and_no_beginning() {
        for typed in [
            "found unconscious here",
            "@CareTeam/amina-team hello",
            "Consent/hc/_history/1 hello",
            "kept: scope.covers, care-team@CareTeam/x",
            "hidden: default; no",
            "emergency access: another",
        ] {
            for act in Act::ALL {
                let reason = act.because(typed);
                let said = Said::of(&reason);
                assert_eq!((said.begin, said.rules), ("", ""), "{reason}");
                assert_eq!(said.words(), reason);
            }
            let reason = with_given("scope.covers, break-glass", typed);
            let said = Said::of(&reason);
            assert_eq!((said.begin, said.rules, said.words()), ("", "scope.covers, break-glass", typed));
            let reason = format!("{KEPT}{}", with_given("", typed));
            assert_eq!(Said::of(&reason), Said { begin: KEPT, rules: "", given: reason.trim_start_matches(KEPT) });
        }
        assert_eq!(Said::of("hidden: default"), Said { begin: HIDDEN, rules: "default", given: "" });
    }
}
