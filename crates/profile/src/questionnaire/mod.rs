//! Answers against their Questionnaire (R4 "QuestionnaireResponse", "Questionnaire").
//!
//! What is asked of a whole form (that a question is answered) is asked once it is said to be complete.

mod answer;
mod enabled;
mod options;
mod spending;
#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use concord_fhir::issue::{Issue, IssueCode, Severity};
use concord_fhir::json::Value;
use concord_fhir::path::Pattern;
use concord_fhir::terminology::Terminology;

use crate::value::short;

/// How many items a Questionnaire may have to be checked by.
const MOST_ITEMS: usize = 10_000;
/// How many items are looked for answers that others depend on.
const MOST_ANSWERS: usize = 50_000;
/// How deep items may be nested.
const DEEPEST: usize = 40;
/// How many problems are listed.
const MOST_ISSUES: usize = 500;

/// The Questionnaire that answers name: a canonical, or `#` with the id of what is contained.
#[must_use]
pub fn named(response: &Value<'_>) -> Option<String> {
    response.text("questionnaire").map(str::to_owned)
}

/// The Questionnaire that is contained in the answers themselves.
#[must_use]
pub fn contained<'v>(response: &'v Value<'v>, named: &str) -> Option<&'v Value<'v>> {
    let id = named.strip_prefix('#')?;
    let questionnaire = |one: &&Value<'_>| one.text("resourceType") == Some("Questionnaire");
    response.list("contained").iter().filter(questionnaire).find(|one| one.text("id") == Some(id))
}

/// Checks answers by their Questionnaire. `together` is what all checks of one request may still take, where they have that once:
/// steps.
#[must_use]
pub fn check(
    response: &Value<'_>,
    questionnaire: &Value<'_>,
    terminology: &dyn Terminology,
    together: Option<&Cell<usize>>,
) -> Vec<Issue> {
    let mut known = BTreeMap::new();
    gather(questionnaire.list("item"), 0, &mut known);
    if known.len() > MOST_ITEMS {
        let said = format!("the questionnaire has more than {MOST_ITEMS} items, and was not checked");
        return vec![Issue::remark(Severity::Information, IssueCode::TooCostly, said)];
    }
    let (mut given, mut asked) = (enabled::Order::default(), enabled::Order::default());
    given.gather(response.list("item"), 0);
    asked.gather_questions(questionnaire.list("item"), 0);
    if given.is_too_much() {
        let said = format!("there are more than {MOST_ANSWERS} items, and they were not checked");
        return vec![Issue::remark(Severity::Information, IssueCode::TooCostly, said)];
    }
    let is_complete = matches!(response.text("status"), Some("completed" | "amended"));
    // With none at all nobody would be told that they were not checked.
    let steps = together.map_or(spending::MOST_STEPS, |left| left.get().clamp(1, spending::MOST_STEPS));
    let mut walk = Walk {
        response,
        questionnaire,
        known,
        given,
        asked,
        levels: Vec::new(),
        terminology,
        is_complete,
        issues: Vec::new(),
        left: steps,
        options: HashMap::new(),
        patterns: HashMap::new(),
        enabled: HashMap::new(),
    };
    walk.level(questionnaire.list("item"), response.list("item"), "QuestionnaireResponse", 0);
    if let Some(together) = together {
        together.set(together.get().saturating_sub(steps - walk.left));
    }
    walk.issues
}

/// Every item of a Questionnaire by its link id.
fn gather<'q>(items: &'q [Value<'q>], depth: usize, known: &mut BTreeMap<&'q str, &'q Value<'q>>) {
    if depth > DEEPEST || known.len() > MOST_ITEMS {
        return;
    }
    for item in items {
        if let Some(link) = item.text("linkId") {
            known.insert(link, item);
        }
        gather(item.list("item"), depth + 1, known);
    }
}

struct Walk<'w> {
    response: &'w Value<'w>,
    questionnaire: &'w Value<'w>,
    known: BTreeMap<&'w str, &'w Value<'w>>,
    given: enabled::Order<'w>,
    asked: enabled::Order<'w>,
    /// The items among which the walk is, the outermost first.
    levels: Vec<enabled::Level<'w>>,
    terminology: &'w dyn Terminology,
    is_complete: bool,
    issues: Vec<Issue>,
    /// How many steps the check may still take.
    left: usize,
    /// What was found out of a question already, by where it stands: what it offers, how its answers are written, and, by where
    /// its answers stand as well, whether it is asked.
    options: HashMap<usize, Rc<options::Options<'w>>>,
    patterns: HashMap<usize, Option<Pattern>>,
    enabled: HashMap<(usize, usize), bool>,
}

impl<'w> Walk<'w> {
    /// Checks the items that stand together, by the items that may stand there.
    fn level(&mut self, asked: &'w [Value<'w>], given: &'w [Value<'w>], place: &str, depth: usize) {
        if depth > DEEPEST {
            return self.end();
        }
        if !self.spend(1 + asked.len() + given.len()) {
            return;
        }
        let mut places = HashMap::with_capacity(asked.len());
        for (number, one) in asked.iter().enumerate() {
            one.text("linkId").map(|link| places.entry(link).or_insert(number));
        }
        let mut by_link: HashMap<&str, Vec<(usize, &'w Value<'w>)>> = HashMap::new();
        let mut last = 0;
        for (position, item) in given.iter().enumerate() {
            let here = format!("{place}.item[{position}]");
            let link = item.text("linkId").unwrap_or_default();
            by_link.entry(link).or_default().push((position, item));
            match places.get(link).copied() {
                Some(number) => {
                    if number < last {
                        self.error(
                            IssueCode::Invalid,
                            &here,
                            format!(
                                "'{}' must stand before what stands before it, as in the questionnaire",
                                short(link)
                            ),
                        );
                    }
                    last = last.max(number);
                }
                None if self.known.contains_key(link) => {
                    let said = format!("'{}' does not stand here in the questionnaire", short(link));
                    self.error(IssueCode::Invalid, &here, said);
                }
                None => {
                    self.error(IssueCode::NotFound, &here, format!("'{}' is no item of the questionnaire", short(link)))
                }
            }
        }
        self.levels.push(enabled::Level { asked, given });
        for one in asked {
            let link = one.text("linkId").unwrap_or_default();
            let own = by_link.get(link).map_or(&[][..], Vec::as_slice);
            if !self.spend(1 + own.len()) {
                break;
            }
            self.item(one, own, place, depth);
        }
        self.levels.pop();
    }

    /// Checks what was given for one item of the Questionnaire.
    fn item(&mut self, asked: &'w Value<'w>, given: &[(usize, &'w Value<'w>)], place: &str, depth: usize) {
        let link = short(asked.text("linkId").unwrap_or_default());
        let kind = asked.text("type").unwrap_or_default();
        let is_enabled = self.is_enabled(asked);
        let flag = |name: &str| asked.get(name).and_then(Value::as_bool) == Some(true);
        if !is_enabled {
            for (position, item) in given {
                if has_content(item) {
                    let here = format!("{place}.item[{position}]");
                    self.error(
                        IssueCode::BusinessRule,
                        &here,
                        format!("'{link}' is answered though it is not to be asked here (enableWhen)"),
                    );
                }
            }
            return;
        }
        let is_answered = given.iter().any(|(_, item)| has_content(item));
        if flag("required") && self.is_complete && !is_answered {
            let said = if kind == "group" { "is required and has no items" } else { "is required and has no answer" };
            let here =
                given.first().map_or_else(|| place.to_owned(), |(position, _)| format!("{place}.item[{position}]"));
            self.error(IssueCode::Required, &here, format!("'{link}' {said}"));
        }
        if given.len() > 1 && !(flag("repeats") && kind == "group") {
            let here = given.get(1).map_or_else(String::new, |(position, _)| format!("{place}.item[{position}]"));
            self.error(IssueCode::Invalid, &here, format!("'{link}' may stand here once"));
        }
        for (position, item) in given {
            let here = format!("{place}.item[{position}]");
            match kind {
                "group" => self.group(asked, item, &here, depth),
                "display" => {
                    if !item.list("answer").is_empty() || !item.list("item").is_empty() {
                        self.error(IssueCode::Invalid, &here, format!("'{link}' is text to be read and has no answer"));
                    }
                }
                _ => self.question(asked, item, &here, depth),
            }
        }
    }

    fn group(&mut self, asked: &'w Value<'w>, item: &'w Value<'w>, here: &str, depth: usize) {
        if !item.list("answer").is_empty() {
            let link = short(asked.text("linkId").unwrap_or_default());
            self.error(IssueCode::Invalid, here, format!("'{link}' is a group: it has items, and no answer"));
        }
        self.level(asked.list("item"), item.list("item"), here, depth + 1);
    }

    fn question(&mut self, asked: &'w Value<'w>, item: &'w Value<'w>, here: &str, depth: usize) {
        let link = short(asked.text("linkId").unwrap_or_default());
        let answers = item.list("answer");
        if !item.list("item").is_empty() {
            let said = format!("'{link}' is a question: items of it stand in its answers");
            self.error(IssueCode::Invalid, here, said);
        }
        let repeats = asked.get("repeats").and_then(Value::as_bool) == Some(true);
        if answers.len() > 1 && !repeats {
            self.error(IssueCode::Invalid, here, format!("'{link}' may have one answer, not {}", answers.len()));
        }
        self.occurrences(asked, answers.len(), here);
        for (position, answer) in answers.iter().enumerate() {
            if self.is_spent() {
                return;
            }
            let place = format!("{here}.answer[{position}]");
            self.answer(asked, answer, &place);
            self.level(asked.list("item"), answer.list("item"), &place, depth + 1);
        }
        // Without an answer, what belongs to it is not asked.
    }
}

/// Whether an item has an answer or items that have.
fn has_content(item: &Value<'_>) -> bool {
    item.list("answer").iter().any(|answer| answer.as_object().is_some_and(|object| !object.0.is_empty()))
        || !item.list("item").is_empty()
}

/// The value of an answer, an option or an extension, with the name of its type as it is written: `valueCoding`.
fn value_of<'v>(holder: &'v Value<'v>) -> Option<(&'v str, &'v Value<'v>)> {
    let object = holder.as_object()?;
    object.0.iter().find_map(|(name, value)| name.strip_prefix("value").map(|of_type| (of_type, value)))
}
