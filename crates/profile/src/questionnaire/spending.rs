//! What a check of answers may take: whoever sends them decides how much there is to compare, on both sides.

use concord_fhir::issue::{Issue, IssueCode, Severity};

use super::{MOST_ISSUES, Walk};

/// How many steps a check may take: items, answers and options looked at, and what is compared with what. It is some
/// hundredths of a second.
pub(super) const MOST_STEPS: usize = 400_000;
/// How many bytes of text are as much work as one step.
const BYTES_OF_A_STEP: usize = 16;
/// How many characters of a message are told.
const MOST_TEXT: usize = 500;

/// How many steps a text is worth.
pub(super) fn steps_of(text: &str) -> usize {
    text.len() / BYTES_OF_A_STEP
}

impl Walk<'_> {
    /// Takes some steps; whether there were as many.
    pub(super) fn spend(&mut self, steps: usize) -> bool {
        match self.left.checked_sub(steps.max(1)) {
            Some(left) if left > 0 => self.left = left,
            _ => self.end(),
        }
        !self.is_spent()
    }

    /// Whether no steps are left.
    pub(super) fn is_spent(&self) -> bool {
        self.left == 0
    }

    /// Ends the check, and says so once: what is not compared is not wrong.
    pub(super) fn end(&mut self) {
        if !self.is_spent() {
            self.left = 0;
            let said = "there is too much to check: the answers were not checked as a whole by the questionnaire";
            self.issues.push(Issue::remark(Severity::Information, IssueCode::TooCostly, said.to_owned()));
        }
    }

    pub(super) fn error(&mut self, code: IssueCode, place: &str, said: String) {
        if self.spend(1 + steps_of(&said)) && self.issues.len() < MOST_ISSUES {
            let text = match said.char_indices().nth(MOST_TEXT) {
                Some((end, _)) => format!("{}...", said.get(..end).unwrap_or_default()),
                None => said,
            };
            self.issues.push(Issue::error(code, place, text));
        }
    }

    pub(super) fn told_once(&mut self, said: String) {
        let issue = Issue::remark(Severity::Information, IssueCode::Informational, said);
        if self.spend(self.issues.len()) && self.issues.len() < MOST_ISSUES && !self.issues.contains(&issue) {
            self.issues.push(issue);
        }
    }
}
