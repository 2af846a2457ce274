//! `_filter` (R4 "_filter Parameter"): tests joined with `and`, `or`, `not` and parentheses. As there, `and` and `or` are
//! of equal rank and read from left to right.
//!
//! A test is a parameter, with a chain or `_has` before it if need be, an operator and a value. Filters inside a path
//! (`related[type eq x].target`) are refused.

use crate::issue::IssueCode;
use crate::predicate::Predicate;
use crate::search::{Operator, Refusal, Setting, issue, unsupported, wrong};

/// The most tests of a filter.
pub const MOST_TESTS: usize = 50;

/// How deep parentheses may be nested.
pub const DEEPEST: usize = 10;

/// Reads the value of `_filter`.
pub(super) fn read(setting: Setting<'_>, value: &str) -> Result<Predicate, Refusal> {
    let mut parser = Parser { setting, rest: value, tests: 0 };
    let found = parser.expression(0)?;
    match parser.rest.trim_start() {
        "" => Ok(found),
        rest => Err(parser.wrong(&format!("{} is one too many", shown(rest)))),
    }
}

struct Parser<'a> {
    setting: Setting<'a>,
    rest: &'a str,
    tests: usize,
}

impl<'a> Parser<'a> {
    /// Terms with `and` and `or` between them.
    fn expression(&mut self, depth: usize) -> Result<Predicate, Refusal> {
        if depth > DEEPEST {
            let why = format!("parentheses are nested more than {DEEPEST} deep");
            return Err(Refusal::Wrong(issue(IssueCode::TooCostly, self.setting.whole, &why)));
        }
        let mut found = self.term(depth)?;
        loop {
            if self.keyword("and") {
                found = found.and(self.term(depth)?);
            } else if self.keyword("or") {
                found = found.or(self.term(depth)?);
            } else {
                return Ok(found);
            }
        }
    }

    fn term(&mut self, depth: usize) -> Result<Predicate, Refusal> {
        let before = self.rest;
        if self.keyword("not") {
            if self.mark('(') {
                return Ok(self.within(depth)?.negate());
            }
            self.rest = before;
        }
        if self.mark('(') { self.within(depth) } else { self.test() }
    }

    /// What stands between parentheses, of which the first has been read.
    fn within(&mut self, depth: usize) -> Result<Predicate, Refusal> {
        let found = self.expression(depth + 1)?;
        if self.mark(')') { Ok(found) } else { Err(self.wrong("a `)` is missing")) }
    }

    /// `path operator value`
    fn test(&mut self) -> Result<Predicate, Refusal> {
        self.tests += 1;
        if self.tests > MOST_TESTS {
            let why = format!("there are more than {MOST_TESTS} tests");
            return Err(Refusal::Wrong(issue(IssueCode::TooCostly, self.setting.whole, &why)));
        }
        let path = self.word();
        if path.is_empty() {
            return Err(self.wrong("a test has the form `parameter operator value`"));
        }
        if path.contains('[') {
            return Err(unsupported(self.setting.whole, "a filter inside a path is not supported"));
        }
        if path == "_filter" || path == "_list" || path == "_type" {
            return Err(unsupported(self.setting.whole, &format!("`{path}` cannot be used in a filter")));
        }
        let operator = self.word();
        let operator = self.operator(operator)?;
        let value = self.value()?;
        let setting = Setting { operator: Some(operator), ..self.setting };
        match super::read(setting, path, &value) {
            Err(Refusal::Unknown(why)) => Err(self.wrong(&why)),
            read => read,
        }
    }

    fn operator(&self, word: &str) -> Result<Operator, Refusal> {
        Ok(match word {
            "eq" => Operator::Equal,
            "re" => Operator::Equal,
            "ne" => Operator::Other,
            "co" => Operator::Contains,
            "sw" => Operator::Begins,
            "ew" => Operator::Ends,
            "gt" => Operator::Prefix("gt"),
            "lt" => Operator::Prefix("lt"),
            "ge" => Operator::Prefix("ge"),
            "le" => Operator::Prefix("le"),
            "ap" => Operator::Prefix("ap"),
            "sa" => Operator::Prefix("sa"),
            "eb" => Operator::Prefix("eb"),
            "pr" => Operator::Present,
            "po" => Operator::Overlaps,
            "ss" => Operator::Modifier("above"),
            "sb" => Operator::Modifier("below"),
            "in" => Operator::Modifier("in"),
            "ni" => Operator::Modifier("not-in"),
            other => return Err(self.wrong(&format!("{} is not an operator", shown(other)))),
        })
    }

    /// A JSON string or a token, with escapes as in the value of a parameter, so that it is one value only.
    fn value(&mut self) -> Result<String, Refusal> {
        self.rest = self.rest.trim_start();
        let plain = match self.rest.strip_prefix('"') {
            None => self.word().to_owned(),
            Some(quoted) => {
                let mut plain = String::new();
                let mut letters = quoted.char_indices();
                loop {
                    match letters.next() {
                        None => return Err(self.wrong("a text has no `\"` at its end")),
                        Some((at, '"')) => {
                            self.rest = quoted.get(at + 1..).unwrap_or_default();
                            break plain;
                        }
                        Some((_, '\\')) => match letters.next() {
                            Some((_, letter @ ('"' | '\\' | '/'))) => plain.push(letter),
                            _ => return Err(self.wrong("of the escapes in a text, `\\\"`, `\\\\` and `\\/` are known")),
                        },
                        Some((_, letter)) => plain.push(letter),
                    }
                }
            }
        };
        if plain.is_empty() {
            return Err(self.wrong("a test has the form `parameter operator value`"));
        }
        Ok(plain.replace('\\', "\\\\").replace(',', "\\,"))
    }

    /// Takes the keyword, if it is next.
    fn keyword(&mut self, word: &str) -> bool {
        let next = self.rest.trim_start().strip_prefix(word);
        let whole = next.filter(|rest| rest.starts_with(|letter: char| letter.is_whitespace() || letter == '('));
        self.rest = whole.unwrap_or(self.rest);
        whole.is_some()
    }

    fn mark(&mut self, mark: char) -> bool {
        let next = self.rest.trim_start().strip_prefix(mark);
        self.rest = next.unwrap_or(self.rest);
        next.is_some()
    }

    /// All up to the next space or closing bracket.
    fn word(&mut self) -> &'a str {
        let rest = self.rest.trim_start();
        let end = rest.find(|letter: char| letter.is_whitespace() || letter == ')').unwrap_or(rest.len());
        let (word, rest) = rest.split_at_checked(end).unwrap_or((rest, ""));
        self.rest = rest;
        word
    }

    fn wrong(&self, why: &str) -> Refusal {
        wrong(self.setting.whole, why)
    }
}

fn shown(text: &str) -> String {
    let short: String = text.chars().take(40).collect();
    format!("`{short}`")
}
