//! `_text` and `_content`: words in the narrative, or anywhere in a resource (R4 "Search", `_text` and `_content`).
//!
//! They are no rows of the index, since the words of every resource would make it several times larger (ADR 5). They are
//! read from the resources themselves, of which there must be few enough when everything else that the query says has
//! been considered.

use super::value_text::{split, unescape};
use super::{MOST_ALTERNATIVES, Query, Refusal, issue, unsupported, wrong};
use crate::issue::IssueCode;
use crate::json::Value;
use crate::registry::is_event;
use crate::value::ask::fold;

/// The parameters.
pub(super) const CODES: [&str; 2] = ["_content", "_text"];

/// The most words that are looked for at once.
const MOST_WORDS: usize = 20;

/// Where words are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Within {
    /// In the narrative (`_text`).
    Narrative,
    /// In every text (`_content`).
    Everything,
}

/// Words that a resource must have in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FullText {
    /// Where.
    pub within: Within,
    /// It has every word of one of these. A word is there if one of the resource begins with it.
    pub any: Vec<Vec<String>>,
}

/// Reads `_text` or `_content`; false if it is neither.
pub(super) fn read(query: &mut Query, name: &str, value: &str) -> Result<bool, Refusal> {
    let within = match name {
        "_text" => Within::Narrative,
        "_content" => Within::Everything,
        _ => return Ok(false),
    };
    if query.resource_type.is_some_and(is_event) {
        return Err(unsupported(name, "the audit log cannot be searched by it"));
    }
    let mut any = Vec::new();
    for alternative in split(value, ',').take(MOST_ALTERNATIVES) {
        let words: Vec<String> = fold(&unescape(alternative)).split(' ').map(str::to_owned).collect();
        if words.iter().any(String::is_empty) {
            return Err(wrong(name, "there is no word to look for"));
        }
        any.push(words);
    }
    let count: usize = query.full_text.iter().flat_map(|words| &words.any).chain(&any).map(Vec::len).sum();
    if count > MOST_WORDS {
        let why = format!("there are more than {MOST_WORDS} words to look for");
        return Err(Refusal::Wrong(issue(IssueCode::TooCostly, name, &why)));
    }
    query.full_text.push(FullText { within, any });
    Ok(true)
}

impl FullText {
    /// Whether the resource has them.
    #[must_use]
    pub fn are_in(&self, resource: &Value<'_>) -> bool {
        let mut text = String::new();
        match self.within {
            Within::Narrative => narrative(resource, &mut text),
            Within::Everything => everything("", resource, &mut text),
        }
        let folded = fold(&text);
        let has = |word: &String| folded.split(' ').any(|found| found.starts_with(word.as_str()));
        self.any.iter().any(|words| words.iter().all(has))
    }
}

/// The narrative without its markup, those of contained resources left out.
fn narrative(resource: &Value<'_>, text: &mut String) {
    let narrative = resource.get("text").and_then(|narrative| narrative.text("div"));
    plain(narrative.unwrap_or_default(), text);
}

/// Every text, a space after each; that of a narrative without its markup.
fn everything(name: &str, value: &Value<'_>, text: &mut String) {
    match value {
        Value::String(found) if name == "div" => plain(found, text),
        Value::String(found) => {
            text.push_str(found);
            text.push(' ');
        }
        Value::Number(found) => {
            text.push_str(found);
            text.push(' ');
        }
        Value::Array(items) => items.iter().for_each(|item| everything(name, item, text)),
        Value::Object(object) => object.0.iter().for_each(|(name, child)| everything(name, child, text)),
        Value::Null | Value::Bool(_) => {}
    }
}

/// The text of XHTML: a tag parts words, and the entities that XML knows are their letters.
fn plain(markup: &str, text: &mut String) {
    let mut rest = markup;
    while let Some((before, tag)) = rest.split_once('<') {
        push_unescaped(before, text);
        text.push(' ');
        rest = tag.split_once('>').map_or("", |(_, after)| after);
    }
    push_unescaped(rest, text);
    text.push(' ');
}

fn push_unescaped(markup: &str, text: &mut String) {
    let mut rest = markup;
    while let Some((before, entity)) = rest.split_once('&') {
        text.push_str(before);
        let Some((name, after)) = entity.split_once(';').filter(|(name, _)| name.len() <= 8) else {
            text.push('&');
            rest = entity;
            continue;
        };
        let number = name.strip_prefix('#').and_then(|digits| match digits.strip_prefix('x') {
            Some(digits) => u32::from_str_radix(digits, 16).ok(),
            None => digits.parse().ok(),
        });
        text.push(match name {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            _ => number.and_then(char::from_u32).unwrap_or(' '),
        });
        rest = after;
    }
    text.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::from_json;
    use crate::registry::ResourceType;
    use crate::search::{Handling, parse};

    fn words(name: &str, value: &str) -> FullText {
        let pairs = [(name.to_owned(), value.to_owned())];
        let query = parse(ResourceType::parse("Observation"), &pairs, Handling::Strict, 0, "").expect("a query");
        query.full_text[0].clone()
    }

    #[test]
    fn words_are_found_where_they_are_looked_for() {
        let resource = from_json(&serde_json::json!({
            "resourceType": "Observation",
            "text": { "status": "generated", "div": "<div><p>Blood<br/>pressure &#233;lev&eacute;e &amp; stable</p></div>" },
            "code": { "text": "Arterial pressure" }, "valueQuantity": { "value": 140.5 },
        }));
        let has = |name: &str, value: &str| words(name, value).are_in(&resource);
        assert!(has("_text", "blood") && has("_text", "PRESS") && has("_text", "stable, blood"));
        assert!(has("_text", "\u{e9}lev") && !has("_text", "div"), "a tag is no word, an entity is its letter");
        assert!(!has("_text", "arterial") && has("_content", "arterial blood"));
        assert!(has("_content", "140") && !has("_content", "ressure") && !has("_content", "blood sugar"));
    }

    #[test]
    fn what_is_no_word_is_refused() {
        let refused = |name: &str, value: &str| {
            let pairs = [(name.to_owned(), value.to_owned())];
            parse(ResourceType::parse("Observation"), &pairs, Handling::Strict, 0, "").expect_err("refused")[0].code
        };
        assert_eq!(refused("_text", ""), IssueCode::Value);
        assert_eq!(refused("_content", "a,,b"), IssueCode::Value);
        assert_eq!(refused("_content", "..."), IssueCode::Value);
        assert_eq!(refused("_content", &"word ".repeat(21)), IssueCode::TooCostly);
        assert_eq!(refused("_content:exact", "a"), IssueCode::NotSupported);
        assert_eq!(refused("subject:Patient._text", "a"), IssueCode::NotSupported);
        assert_eq!(refused("_filter", "_content co a"), IssueCode::NotSupported);
    }
}
