//! What is wrong with a resource, as it is listed for whoever sent it.

use super::element_path::ElementPath;
use crate::issue::{Issue, IssueCode, Severity};
use crate::json::Value;

/// How many problems are listed; a body of nothing but problems must not make an answer many times its size.
const MOST: usize = 1_000;
/// How much of a value is shown in a message, in characters.
const SHOWN: usize = 60;

/// The problems found so far.
#[derive(Default)]
pub(crate) struct Problems {
    issues: Vec<Issue>,
    beyond: usize,
}

impl Problems {
    /// Notes a problem. The place is only written out here.
    pub(crate) fn add(&mut self, code: IssueCode, place: &ElementPath<'_>, text: impl Into<String>) {
        if self.issues.len() < MOST {
            self.add_at(code, place.to_string(), text);
        } else {
            self.beyond += 1;
        }
    }

    /// How many there are, listed or not.
    pub(crate) fn count(&self) -> usize {
        self.issues.len() + self.beyond
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.issues.is_empty()
    }

    /// Notes a problem at a place that is written out already.
    pub(crate) fn add_at(&mut self, code: IssueCode, place: String, text: impl Into<String>) {
        if self.issues.len() < MOST {
            self.issues.push(Issue::error(code, place, text));
        } else {
            self.beyond += 1;
        }
    }

    /// All of them, with a remark if there were too many to list.
    pub(crate) fn into_issues(mut self) -> Vec<Issue> {
        if self.beyond > 0 {
            let text = format!("{} more problems are not listed", self.beyond);
            self.issues.push(Issue::remark(Severity::Information, IssueCode::TooLong, text));
        }
        self.issues
    }
}

/// A value as it may be repeated in a message: without control characters, and not too long.
pub(crate) fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN).map(|c| if c.is_control() { '\u{FFFD}' } else { c }).collect();
    if text.chars().nth(SHOWN).is_some() {
        shown.push_str("...");
    }
    shown
}

/// What a JSON value is, in words.
pub(crate) fn kind_of(value: &Value<'_>) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
