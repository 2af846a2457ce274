//! Which items are asked (R4 `Questionnaire.item.enableWhen`).
//!
//! Of a question that is answered several times those answers count that are nearest (R4 `enableWhen.question`): where items are
//! in the same group that repeats, those of the same time.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};

use concord_fhir::json::Value;

use super::{DEEPEST, MOST_ANSWERS, Walk};
use crate::value::{compare, is_fixed, weight};

/// From which position on, and up to which.
type Span = (usize, usize);

/// The items in the order in which they stand, those inside of others after these.
#[derive(Debug, Default)]
pub(super) struct Order<'v> {
    /// The answers by the link id of their question, in their order.
    answers: BTreeMap<&'v str, Vec<(usize, &'v Value<'v>)>>,
    /// Where each question stands in the questionnaire.
    questions: BTreeMap<&'v str, usize>,
    /// What the items that stand together span, with all inside of them, by where they lie.
    spans: HashMap<usize, Span>,
    count: usize,
}

fn place(items: &[Value<'_>]) -> usize {
    items.as_ptr().addr()
}

impl<'v> Order<'v> {
    /// Goes through answers, as far as there may be so many.
    pub(super) fn gather(&mut self, items: &'v [Value<'v>], depth: usize) {
        let first = self.count;
        for item in items.iter().filter(|_| depth <= DEEPEST) {
            self.count += 1;
            if self.is_too_much() {
                return;
            }
            let link = item.text("linkId").unwrap_or_default();
            for answer in item.list("answer") {
                self.answers.entry(link).or_default().push((self.count, answer));
                self.gather(answer.list("item"), depth + 1);
            }
            self.gather(item.list("item"), depth + 1);
        }
        self.spans.insert(place(items), (first, self.count));
    }

    /// Goes through a questionnaire. Of a link id that is there twice the last counts.
    pub(super) fn gather_questions(&mut self, items: &'v [Value<'v>], depth: usize) {
        let first = self.count;
        for item in items.iter().filter(|_| depth <= DEEPEST) {
            self.count += 1;
            item.text("linkId").map(|link| self.questions.insert(link, self.count));
            self.gather_questions(item.list("item"), depth + 1);
        }
        self.spans.insert(place(items), (first, self.count));
    }

    /// Whether there are more than are gone through.
    pub(super) fn is_too_much(&self) -> bool {
        self.count > MOST_ANSWERS
    }

    fn span(&self, items: &[Value<'_>]) -> Option<Span> {
        self.spans.get(&place(items)).copied().filter(|_| !items.is_empty())
    }
}

/// Items of the questionnaire that stand together, and what was given for them there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Level<'w> {
    pub(super) asked: &'w [Value<'w>],
    pub(super) given: &'w [Value<'w>],
}

impl<'w> Walk<'w> {
    /// Whether an item is asked, by what is answered elsewhere. Without a behaviour all conditions are to hold.
    pub(super) fn is_enabled(&mut self, asked: &'w Value<'w>) -> bool {
        let conditions = asked.list("enableWhen");
        if conditions.is_empty() {
            return true;
        }
        // The same item is asked anew in each group that repeats.
        let here = self.levels.iter().rev().find(|level| !level.given.is_empty()).map_or(0, |level| place(level.given));
        let key = (std::ptr::from_ref(asked).addr(), here);
        if let Some(known) = self.enabled.get(&key) {
            return *known;
        }
        let is_enabled = if asked.text("enableBehavior") == Some("any") {
            conditions.iter().any(|condition| self.holds(condition))
        } else {
            conditions.iter().all(|condition| self.holds(condition))
        };
        self.enabled.insert(key, is_enabled);
        is_enabled
    }

    /// The answers to a question that are nearest: those in the innermost level that has the question inside.
    fn nearest(&self, question: &str) -> &[(usize, &'w Value<'w>)] {
        let all = self.given.answers.get(question).map_or(&[][..], Vec::as_slice);
        let Some(number) = self.asked.questions.get(question) else { return all };
        let has = |level: &&Level<'_>| {
            self.asked.span(level.asked).is_some_and(|(first, last)| first < *number && *number <= last)
        };
        let Some(level) = self.levels.iter().rev().find(has) else { return all };
        let Some((first, last)) = self.given.span(level.given) else { return &[] };
        let from = all.partition_point(|(number, _)| *number <= first);
        let to = all.partition_point(|(number, _)| *number <= last);
        all.get(from..to).unwrap_or_default()
    }

    fn holds(&mut self, condition: &Value<'_>) -> bool {
        let question = condition.text("question").unwrap_or_default();
        let count = self.nearest(question).len();
        let Some((_, wanted)) = condition.as_object().and_then(|object| {
            object.0.iter().find_map(|(name, value)| name.strip_prefix("answer").map(|of_type| (of_type, value)))
        }) else {
            return false;
        };
        let each = if condition.text("operator") == Some("exists") { 0 } else { 1 + weight(wanted) };
        if !self.spend(1 + self.levels.len() + count.saturating_mul(each)) {
            return false;
        }
        let given = self.nearest(question).iter().filter_map(|(_, answer)| super::value_of(answer));
        let mut given = given.map(|(_, value)| value);
        let is = |value: &Value<'_>| is_answer(value, wanted) || compare(value, wanted) == Some(Ordering::Equal);
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
