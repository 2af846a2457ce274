//! The words of an expression, each with the place where it begins.

use super::Problem;

/// One word.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// A name, or a word of the language: which of them tells its place.
    Name(String),
    /// A name in backticks (or, as R4's older texts write it, in double quotes).
    Quoted(String),
    /// A string, unescaped.
    Text(String),
    /// A number as it is written.
    Number(String),
    /// A date, with a time or without, without its `@`.
    Moment(String),
    /// `$this`, `$index`, `$total`, without the `$`.
    Special(String),
    /// `%name`, without the `%`.
    Variable(String),
    /// An operator or a bracket.
    Sign(&'static str),
    /// Nothing follows.
    End,
}

/// The signs, the longer before the shorter.
const SIGNS: [&str; 23] = [
    "<=", ">=", "!=", "!~", ".", ",", "(", ")", "[", "]", "{", "}", "+", "-", "*", "/", "&", "|", "=", "~", "<", ">",
    "!",
];

/// A word and the position of its first byte.
pub(super) type Placed = (Token, usize);

/// Takes an expression apart.
pub(super) fn words(text: &str) -> Result<Vec<Placed>, Problem> {
    let mut lexer = Lexer { text, at: 0 };
    let mut words = Vec::new();
    loop {
        lexer.skip()?;
        let from = lexer.at;
        let word = lexer.word()?;
        let is_end = word == Token::End;
        words.push((word, from));
        if is_end {
            return Ok(words);
        }
    }
}

struct Lexer<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Lexer<'t> {
    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn problem(&self, text: impl Into<String>) -> Problem {
        Problem { position: self.at, text: text.into() }
    }

    /// Passes spaces and comments.
    fn skip(&mut self) -> Result<(), Problem> {
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start();
            self.at += rest.len() - trimmed.len();
            if trimmed.starts_with("//") {
                self.at += trimmed.find('\n').unwrap_or(trimmed.len());
            } else if let Some(comment) = trimmed.strip_prefix("/*") {
                let end = comment.find("*/").ok_or_else(|| self.problem("this comment has no end"))?;
                self.at += end + 4;
            } else {
                return Ok(());
            }
        }
    }

    fn word(&mut self) -> Result<Token, Problem> {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else { return Ok(Token::End) };
        match first {
            'a'..='z' | 'A'..='Z' | '_' => Ok(Token::Name(self.name())),
            '0'..='9' => Ok(Token::Number(self.number())),
            '\'' => Ok(Token::Text(self.quoted('\'')?)),
            '`' => Ok(Token::Quoted(self.quoted('`')?)),
            '"' => Ok(Token::Quoted(self.quoted('"')?)),
            '@' => {
                self.at += 1;
                self.moment()
            }
            '$' => {
                self.at += 1;
                Ok(Token::Special(self.name()))
            }
            '%' => {
                self.at += 1;
                match self.rest().chars().next() {
                    Some(quote @ ('`' | '"' | '\'')) => Ok(Token::Variable(self.quoted(quote)?)),
                    _ => Ok(Token::Variable(self.name())),
                }
            }
            _ => {
                let sign = SIGNS.iter().find(|sign| rest.starts_with(**sign) && **sign != "!");
                let sign = sign.ok_or_else(|| self.problem(format!("'{first}' cannot stand here")))?;
                self.at += sign.len();
                Ok(Token::Sign(sign))
            }
        }
    }

    /// What comes next while it is of that kind.
    fn take(&mut self, fits: impl Fn(char) -> bool) -> &'t str {
        let rest = self.rest();
        let end = rest.find(|letter: char| !fits(letter)).unwrap_or(rest.len());
        self.at += end;
        rest.get(..end).unwrap_or_default()
    }

    fn name(&mut self) -> String {
        self.take(|letter| letter.is_ascii_alphanumeric() || letter == '_').to_owned()
    }

    fn digits(&mut self) -> &'t str {
        self.take(|letter| letter.is_ascii_digit())
    }

    /// Digits after a sign, if both are there.
    fn part(&mut self, sign: char, text: &mut String) -> bool {
        let rest = self.rest();
        let mut letters = rest.chars();
        if letters.next() != Some(sign) || !letters.next().is_some_and(|next| next.is_ascii_digit()) {
            return false;
        }
        self.at += 1;
        text.push(sign);
        text.push_str(self.digits());
        true
    }

    fn number(&mut self) -> String {
        let mut text = self.digits().to_owned();
        self.part('.', &mut text);
        text
    }

    fn moment(&mut self) -> Result<Token, Problem> {
        let mut text = String::new();
        if !self.rest().starts_with('T') {
            text.push_str(self.digits());
            if self.part('-', &mut text) {
                self.part('-', &mut text);
            }
            if text.is_empty() {
                return Err(self.problem("a date is written as @2020-05-17"));
            }
        }
        if self.rest().starts_with('T') {
            let has_date = !text.is_empty();
            self.at += 1;
            text.push('T');
            text.push_str(self.digits());
            if self.part(':', &mut text) && self.part(':', &mut text) {
                self.part('.', &mut text);
            }
            // A time alone has no zone.
            if has_date {
                if self.rest().starts_with('Z') {
                    self.at += 1;
                    text.push('Z');
                } else if !text.ends_with('T') {
                    let is_zone = |rest: &str| {
                        let shape: Vec<u8> = rest.bytes().take(6).collect();
                        matches!(shape.as_slice(), [b'+' | b'-', a, b, b':', c, d]
                            if [a, b, c, d].iter().all(|digit| digit.is_ascii_digit()))
                    };
                    if is_zone(self.rest()) {
                        text.push_str(self.rest().get(..6).unwrap_or_default());
                        self.at += 6;
                    }
                }
            }
        }
        Ok(Token::Moment(text))
    }

    /// What stands between quotes, unescaped (FHIRPath "String").
    fn quoted(&mut self, quote: char) -> Result<String, Problem> {
        let begin = self.at;
        let mut text = String::new();
        let mut letters = self.rest().char_indices();
        letters.next();
        while let Some((at, letter)) = letters.next() {
            if letter == quote {
                self.at = begin + at + letter.len_utf8();
                return Ok(text);
            }
            if letter != '\\' {
                text.push(letter);
                continue;
            }
            match letters.next().map(|(_, escaped)| escaped) {
                Some('n') => text.push('\n'),
                Some('r') => text.push('\r'),
                Some('t') => text.push('\t'),
                Some('f') => text.push('\u{C}'),
                Some('u') => {
                    let code: String = letters.by_ref().take(4).map(|(_, digit)| digit).collect();
                    let number = u32::from_str_radix(&code, 16).ok().filter(|_| code.len() == 4);
                    text.push(number.and_then(char::from_u32).unwrap_or('\u{FFFD}'));
                }
                Some(escaped @ ('\'' | '"' | '`' | '\\' | '/')) => text.push(escaped),
                // A lone backslash stands for itself: published patterns are written so.
                Some(other) => text.extend(['\\', other]),
                None => break,
            }
        }
        Err(Problem { position: begin, text: format!("what begins here has no closing {quote}") })
    }
}
