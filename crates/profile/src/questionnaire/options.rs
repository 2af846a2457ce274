//! Which answers a question offers.

use concord_fhir::issue::IssueCode;
use concord_fhir::json::Value;

use super::enabled::is_answer;
use super::{Walk, value_of};
use crate::terminology::Membership;

impl<'w> Walk<'w> {
    /// Checks that an answer is among those that are offered. A question with open choice takes words besides.
    pub(super) fn offered(&mut self, asked: &'w Value<'w>, of_type: &str, value: &Value<'_>, place: &str) {
        let is_open = asked.text("type") == Some("open-choice");
        if is_open && of_type == "String" {
            return;
        }
        let options = asked.list("answerOption");
        let offered = options.iter().filter_map(value_of).any(|(_, option)| is_answer(value, option));
        if !options.is_empty() && !offered {
            self.error(
                IssueCode::CodeInvalid,
                place,
                "the answer is not among those that the question offers".to_owned(),
            );
        }
        if let Some(value_set) = asked.text("answerValueSet")
            && of_type == "Coding"
        {
            self.in_value_set(value_set, value, place, "the answer");
        }
    }

    /// Checks that a code is in a value set.
    pub(super) fn in_value_set(&mut self, value_set: &str, coding: &Value<'_>, place: &str, what: &str) {
        let code = coding.text("code").unwrap_or_default();
        let answer = match value_set.strip_prefix('#') {
            Some(id) => self.in_contained(id, coding.text("system"), code),
            None => self.terminology.member_of(Some(coding.text("system").unwrap_or_default()), code, value_set),
        };
        match answer {
            Membership::Yes => {}
            Membership::No => {
                let said = format!("{what} is not from the value set {value_set} that the questionnaire names");
                self.error(IssueCode::CodeInvalid, place, said);
            }
            Membership::Unknown => self.told_once(format!("the value set {value_set} could not be checked")),
        }
    }

    /// Whether a code is in a value set that the Questionnaire contains, as far as that lists its codes.
    fn in_contained(&self, id: &str, system: Option<&str>, code: &str) -> Membership {
        let Some(value_set) = self.questionnaire.list("contained").iter().find(|one| one.text("id") == Some(id)) else {
            return Membership::Unknown;
        };
        let expanded = value_set.get("expansion").map_or(&[][..], |part| part.list("contains"));
        if !expanded.is_empty() {
            let is = |one: &Value<'_>| one.text("code") == Some(code) && one.text("system") == system;
            return if expanded.iter().any(is) { Membership::Yes } else { Membership::No };
        }
        let compose = value_set.get("compose");
        let includes = compose.map_or(&[][..], |part| part.list("include"));
        if includes.is_empty() || compose.is_some_and(|part| part.get("exclude").is_some()) {
            return Membership::Unknown;
        }
        let mut answer = Membership::No;
        for include in includes {
            let concepts = include.list("concept");
            let is_listed = !concepts.is_empty() && include.get("valueSet").is_none();
            if !is_listed {
                answer = Membership::Unknown;
            } else if include.text("system") == system && concepts.iter().any(|one| one.text("code") == Some(code)) {
                return Membership::Yes;
            }
        }
        answer
    }
}
