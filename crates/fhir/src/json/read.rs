use std::borrow::Cow;
use std::ops::Range;

use super::{Limits, Object, Value};
use crate::issue::{Issue, IssueCode};
use crate::pieces;

/// After how many values it is said that they have been read.
const COUNTED: usize = 64;

/// Up to this many members an object is searched from its start for a duplicate; a larger one is sorted once.
const FEW: usize = 16;

/// How many duplicates are listed; a body of nothing else must not take many times its size.
const MOST_DUPLICATES: usize = 1_000;

/// Reads one JSON text (RFC 8259), strictly, but for a byte order mark, which says nothing and is passed over (section 8.1).
///
/// Strings without escapes and all numbers borrow from the text. A text that is no JSON, or is beyond a limit, is
/// refused with one issue that names the line and the column (in characters, from 1). Duplicate members are refused with
/// one issue for each (of the first 1,000), which has the place as its expression.
///
/// # Errors
/// [`IssueCode::Structure`] for what is not JSON and for duplicates, [`IssueCode::TooLong`] for what is beyond a limit.
pub fn parse<'a>(text: &'a [u8], limits: &Limits) -> Result<Value<'a>, Vec<Issue>> {
    if text.len() > limits.bytes {
        return Err(vec![Issue::plain(
            IssueCode::TooLong,
            format!("the body is longer than the limit of {} bytes", limits.bytes),
        )]);
    }
    let text = std::str::from_utf8(text).map_err(|error| {
        let (line, column) = line_and_column(text, error.valid_up_to());
        vec![Issue::plain(
            IssueCode::Structure,
            format!("not valid JSON at line {line}, column {column}: the text is not UTF-8"),
        )]
    })?;
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    let mut reader = Reader {
        text,
        bytes: text.as_bytes(),
        at: 0,
        depth: 0,
        nodes: 0,
        limits: *limits,
        key: String::new(),
        duplicates: Vec::new(),
    };
    match reader.document() {
        Ok(value) if reader.duplicates.is_empty() => Ok(value),
        Ok(value) => {
            let root = value.text("resourceType").unwrap_or_default().to_owned();
            Err(reader.duplicates.into_iter().map(|duplicate| duplicate.issue(&root)).collect())
        }
        Err(stop) => {
            let (line, column) = line_and_column(text.as_bytes(), stop.at);
            let kind = if stop.code == IssueCode::Structure { "not valid JSON" } else { "beyond a limit" };
            Err(vec![Issue::plain(stop.code, format!("{kind} at line {line}, column {column}: {}", stop.text))])
        }
    }
}

/// Line and column, both from 1, of a byte position; columns count characters.
pub(crate) fn line_and_column(text: &[u8], at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
    // A byte of the form 10xxxxxx goes on with a character and starts none.
    let column = before.iter().skip(start).filter(|byte| **byte & 0xC0 != 0x80).count() + 1;
    (line, column)
}

/// Why reading stopped.
struct Stop {
    at: usize,
    code: IssueCode,
    text: Cow<'static, str>,
}

/// A member that stands twice in one object; its place is gathered from the inside out.
struct Duplicate {
    name: String,
    place: Vec<String>,
}

impl Duplicate {
    fn issue(self, root: &str) -> Issue {
        let mut place = root.to_owned();
        for step in self.place.iter().rev() {
            if !place.is_empty() && !step.starts_with('[') {
                place.push('.');
            }
            place.push_str(step);
        }
        let text = format!("the member '{}' stands more than once in the same object", self.name);
        if place.is_empty() {
            Issue::plain(IssueCode::Structure, text)
        } else {
            Issue::error(IssueCode::Structure, place, text)
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    depth: usize,
    nodes: usize,
    limits: Limits,
    /// Room for strings with escapes, used again and again.
    key: String,
    duplicates: Vec<Duplicate>,
}

impl<'a> Reader<'a> {
    fn document(&mut self) -> Result<Value<'a>, Stop> {
        self.skip_space();
        let value = self.value()?;
        self.skip_space();
        match self.peek() {
            None => Ok(value),
            Some(_) => Err(self.stop("there is more text after the end of the JSON value")),
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    fn stop(&self, text: impl Into<Cow<'static, str>>) -> Stop {
        Stop { at: self.at, code: IssueCode::Structure, text: text.into() }
    }

    /// Refuses what stands here, where `wanted` should.
    fn unexpected(&self, wanted: &str) -> Stop {
        match self.text.get(self.at..).and_then(|rest| rest.chars().next()) {
            None => self.stop(format!("the text ends where {wanted} should be")),
            Some(found) => self.stop(format!("found {found:?} where {wanted} should be")),
        }
    }

    fn value(&mut self) -> Result<Value<'a>, Stop> {
        self.nodes += 1;
        if self.nodes.is_multiple_of(COUNTED) {
            pieces::did(COUNTED);
        }
        if self.nodes > self.limits.nodes {
            let text = format!("more than {} values", self.limits.nodes);
            return Err(Stop { at: self.at, code: IssueCode::TooLong, text: text.into() });
        }
        match self.peek() {
            Some(b'"') => self.string().map(Value::String),
            Some(b'{') => self.nested(Reader::object),
            Some(b'[') => self.nested(Reader::array),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            Some(b'n') => self.word("null", Value::Null),
            _ => Err(self.unexpected("a value")),
        }
    }

    fn word(&mut self, word: &str, value: Value<'a>) -> Result<Value<'a>, Stop> {
        if self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(word.as_bytes())) {
            self.at += word.len();
            Ok(value)
        } else {
            Err(self.unexpected("a value"))
        }
    }

    fn nested(&mut self, read: fn(&mut Self) -> Result<Value<'a>, Stop>) -> Result<Value<'a>, Stop> {
        self.depth += 1;
        if self.depth > self.limits.depth {
            let text = format!("nested deeper than {} levels", self.limits.depth);
            return Err(Stop { at: self.at, code: IssueCode::TooLong, text: text.into() });
        }
        self.at += 1;
        let value = read(self);
        self.depth -= 1;
        value
    }

    fn array(&mut self) -> Result<Value<'a>, Stop> {
        let mut items = Vec::new();
        self.skip_space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Value::Array(items));
        }
        loop {
            self.skip_space();
            let known = self.duplicates.len();
            items.push(self.value()?);
            for duplicate in self.duplicates.iter_mut().skip(known) {
                duplicate.place.push(format!("[{}]", items.len() - 1));
            }
            self.skip_space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(Value::Array(items));
                }
                _ => return Err(self.unexpected("',' or ']'")),
            }
        }
    }

    fn object(&mut self) -> Result<Value<'a>, Stop> {
        let mut members: Vec<(Cow<'a, str>, Value<'a>)> = Vec::new();
        self.skip_space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Value::Object(Object(members)));
        }
        members.reserve(4);
        loop {
            self.skip_space();
            if self.peek() != Some(b'"') {
                return Err(self.unexpected("a member name in double quotes"));
            }
            let name = self.string()?;
            self.skip_space();
            if self.peek() != Some(b':') {
                return Err(self.unexpected("':'"));
            }
            self.at += 1;
            self.skip_space();
            let known = self.duplicates.len();
            let value = self.value()?;
            for duplicate in self.duplicates.iter_mut().skip(known) {
                duplicate.place.push(name.clone().into_owned());
            }
            if members.len() < FEW && members.iter().any(|(other, _)| *other == name) {
                self.duplicate(&name);
            }
            members.push((name, value));
            self.skip_space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    if members.len() > FEW {
                        self.find_duplicates_of_many(&members);
                    }
                    return Ok(Value::Object(Object(members)));
                }
                _ => return Err(self.unexpected("',' or '}'")),
            }
        }
    }

    fn duplicate(&mut self, name: &str) {
        if self.duplicates.len() >= MOST_DUPLICATES {
            return;
        }
        let place = vec![name.strip_prefix('_').unwrap_or(name).to_owned()];
        self.duplicates.push(Duplicate { name: name.to_owned(), place });
    }

    /// Finds the members from position [`FEW`] on that repeat an earlier one, without comparing each with each.
    fn find_duplicates_of_many(&mut self, members: &[(Cow<'a, str>, Value<'a>)]) {
        let mut names: Vec<(&str, usize)> =
            members.iter().enumerate().map(|(position, (name, _))| (name.as_ref(), position)).collect();
        names.sort_unstable();
        for pair in names.windows(2) {
            if let [(first, _), (second, position)] = pair
                && first == second
                && *position >= FEW
            {
                self.duplicate(second);
            }
        }
    }

    fn number(&mut self) -> Result<Value<'a>, Stop> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => {
                self.at += 1;
                if let Some(b'0'..=b'9') = self.peek() {
                    return Err(self.stop("a number has no leading zero"));
                }
            }
            _ => self.digits()?,
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(Value::Number(Cow::Borrowed(self.slice(start..self.at))))
    }

    fn digits(&mut self) -> Result<(), Stop> {
        if !matches!(self.peek(), Some(b'0'..=b'9')) {
            return Err(self.unexpected("a digit"));
        }
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        Ok(())
    }

    /// Part of the text; every caller's range lies on ASCII bytes, so that there is always one.
    fn slice(&self, range: Range<usize>) -> &'a str {
        self.text.get(range).unwrap_or_default()
    }

    /// Goes on to the next quote, backslash or control character.
    fn skip_plain(&mut self) {
        self.at += plain_length(self.bytes.get(self.at..).unwrap_or_default());
    }

    fn string(&mut self) -> Result<Cow<'a, str>, Stop> {
        self.at += 1;
        let start = self.at;
        self.skip_plain();
        if self.peek() == Some(b'"') {
            let text = self.slice(start..self.at);
            self.at += 1;
            return Ok(Cow::Borrowed(text));
        }
        self.key.clear();
        let plain = self.slice(start..self.at);
        self.key.push_str(plain);
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Cow::Owned(self.key.clone()));
                }
                Some(b'\\') => {
                    self.at += 1;
                    let character = self.escape()?;
                    self.key.push(character);
                }
                Some(_) => return Err(self.stop("a control character in a string must be escaped")),
                None => return Err(self.stop("the text ends inside a string")),
            }
            let start = self.at;
            self.skip_plain();
            let plain = self.slice(start..self.at);
            self.key.push_str(plain);
        }
    }

    /// Reads what follows a backslash.
    fn escape(&mut self) -> Result<char, Stop> {
        let character = match self.peek() {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{C}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.at += 1;
                return self.unicode_escape();
            }
            _ => return Err(self.unexpected("one of the escapes of JSON")),
        };
        self.at += 1;
        Ok(character)
    }

    /// Reads the four digits after `\u`, and the second half of a surrogate pair with them.
    fn unicode_escape(&mut self) -> Result<char, Stop> {
        let start = self.at;
        let first = self.four_hex_digits()?;
        let lone = |reader: &Self| Stop {
            at: start,
            code: IssueCode::Structure,
            text: Cow::Owned(format!(
                "\\u{} is half of a surrogate pair and stands alone",
                reader.slice(start..start + 4)
            )),
        };
        let code = match first {
            0xD800..=0xDBFF => {
                if self.bytes.get(self.at..self.at + 2) != Some(b"\\u") {
                    return Err(lone(self));
                }
                self.at += 2;
                let second = self.four_hex_digits()?;
                if !(0xDC00..=0xDFFF).contains(&second) {
                    return Err(lone(self));
                }
                0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00)
            }
            single => single,
        };
        char::from_u32(code).ok_or_else(|| lone(self))
    }

    fn four_hex_digits(&mut self) -> Result<u32, Stop> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|byte| char::from(byte).to_digit(16));
            let digit = digit.ok_or_else(|| self.unexpected("a hexadecimal digit"))?;
            code = code * 16 + digit;
            self.at += 1;
        }
        Ok(code)
    }
}

/// How many bytes stand before the next quote, backslash or control character. Most of a body is plain text in strings, so
/// it is looked at eight bytes at a time.
fn plain_length(bytes: &[u8]) -> usize {
    const EACH: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let (words, rest) = bytes.as_chunks::<8>();
    for (position, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        // A byte less than `limit` borrows into its own highest bit; later bytes may be touched by the borrow, but the
        // first one found is always right.
        let less = |word: u64, limit: u64| word.wrapping_sub(EACH * limit) & !word & HIGH;
        let quote = less(word ^ (EACH * u64::from(b'"')), 1);
        let backslash = less(word ^ (EACH * u64::from(b'\\')), 1);
        let special = quote | backslash | less(word, 0x20);
        if special != 0 {
            return position * 8 + usize::try_from(special.trailing_zeros() / 8).unwrap_or_default();
        }
    }
    let position = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1F));
    bytes.len() - rest.len() + position.unwrap_or(rest.len())
}

#[cfg(test)]
mod tests;
