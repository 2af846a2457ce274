//! Which items are asked (R4 `Questionnaire.item.enableWhen`).

use std::cmp::Ordering;
use std::collections::BTreeMap;

use concord_fhir::json::Value;

use super::{DEEPEST, MOST_ANSWERS, Walk};
use crate::value::{compare, is_fixed, weight};

/// The answers by the link id of their question.
#[derive(Debug, Default)]
pub(super) struct Given<'v> {
    answers: BTreeMap<&'v str, Vec<&'v Value<'v>>>,
    count: usize,
}

impl<'v> Given<'v> {
    pub(super) fn gather(&mut self, items: &'v [Value<'v>], depth: usize) {
        if depth > DEEPEST {
            return;
        }
        for item in items {
            self.count += 1;
            if self.count > MOST_ANSWERS {
                return;
            }
            let link = item.text("linkId").unwrap_or_default();
            for answer in item.list("answer") {
                self.answers.entry(link).or_default().push(answer);
                self.gather(answer.list("item"), depth + 1);
            }
            self.gather(item.list("item"), depth + 1);
        }
    }
}

impl Walk<'_> {
    /// Whether an item is asked, by what is answered elsewhere. Without a behaviour all conditions are to hold.
    pub(super) fn is_enabled(&mut self, asked: &Value<'_>) -> bool {
        let conditions = asked.list("enableWhen");
        if conditions.is_empty() {
            return true;
        }
        let place = std::ptr::from_ref(asked).addr();
        if let Some(known) = self.enabled.get(&place) {
            return *known;
        }
        let is_enabled = if asked.text("enableBehavior") == Some("any") {
            conditions.iter().any(|condition| self.holds(condition))
        } else {
            conditions.iter().all(|condition| self.holds(condition))
        };
        self.enabled.insert(place, is_enabled);
        is_enabled
    }

    fn holds(&mut self, condition: &Value<'_>) -> bool {
        let question = condition.text("question").unwrap_or_default();
        let answers = self.given.answers.get(question).map_or(0, Vec::len);
        let Some((_, wanted)) = condition.as_object().and_then(|object| {
            object.0.iter().find_map(|(name, value)| name.strip_prefix("answer").map(|of_type| (of_type, value)))
        }) else {
            return false;
        };
        let each = if condition.text("operator") == Some("exists") { 0 } else { 1 + weight(wanted) };
        if !self.spend(1 + answers.saturating_mul(each)) {
            return false;
        }
        let answers = self.given.answers.get(question).map_or(&[][..], Vec::as_slice);
        let given = answers.iter().filter_map(|answer| super::value_of(answer));
        let mut given = given.map(|(_, value)| value);
        let is = |value: &Value<'_>| is_answer(value, wanted);
        let ordered = |value: &Value<'_>, fits: fn(Ordering) -> bool| compare(value, wanted).is_some_and(fits);
        match condition.text("operator").unwrap_or_default() {
            "exists" => Some(given.next().is_some()) == wanted.as_bool(),
            "=" => given.any(is),
            "!=" => {
                let mut given = given.peekable();
                given.peek().is_some() && !given.any(is)
            }
            ">" => given.any(|value| ordered(value, Ordering::is_gt)),
            "<" => given.any(|value| ordered(value, Ordering::is_lt)),
            ">=" => given.any(|value| ordered(value, Ordering::is_ge) || is(value)),
            "<=" => given.any(|value| ordered(value, Ordering::is_le) || is(value)),
            _ => false,
        }
    }
}

/// Whether an answer is the one that is meant: codes by system and code, quantities by value and unit.
pub(super) fn is_answer(value: &Value<'_>, wanted: &Value<'_>) -> bool {
    let (Some(own), Some(asked)) = (value.as_object(), wanted.as_object()) else { return is_fixed(value, wanted) };
    let same = |name: &str| match (own.get(name), asked.get(name)) {
        (Some(own), Some(asked)) => is_fixed(own, asked),
        (own, asked) => own.is_none() && asked.is_none(),
    };
    if asked.get("reference").is_some() {
        same("reference")
    } else if asked.get("value").is_some() {
        same("value") && same("code") && (same("unit") || asked.get("code").is_some())
    } else {
        // An option without a system means the code of any.
        same("code")
            && (same("system") || asked.get("system").is_none())
            && (asked.get("code").is_some() || same("display"))
    }
}
