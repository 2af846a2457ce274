//! XML as tokens, with everything refused that a resource or a narrative has no use for: document types and entities of
//! one's own. quick-xml finds where a tag ends; what is in it is read here, strictly.

use std::borrow::Cow;
use std::ops::Range;

use quick_xml::Reader;
use quick_xml::events::Event;

use crate::issue::{Issue, IssueCode};
use crate::json::{Limits, line_and_column};
use crate::pieces;

/// A part of an XML text.
#[derive(Debug, PartialEq)]
pub(crate) enum Token<'a> {
    /// A start tag, or an empty element, after which no [`Token::Close`] follows.
    Open { name: &'a str, attributes: Attributes<'a>, empty: bool },
    /// An end tag.
    Close,
    /// Text between tags, with references replaced; `cdata` if it was written as CDATA.
    Text { text: Cow<'a, str>, cdata: bool },
    /// A comment.
    Comment,
    /// A processing instruction, which is for some other program.
    Instruction,
    /// The end of the text; the root element has been closed.
    End,
}

/// Names and values of a start tag's attributes in their order, with references replaced and white space normalised (XML
/// 1.0, section 3.3.3), and none around a value but what is written as references (R4 "Data Types", string).
pub(crate) type Attributes<'a> = Vec<(&'a str, Cow<'a, str>)>;

/// An attribute as it is written.
struct Attribute<'a> {
    name: &'a str,
    /// Its value as it stands between the quotes.
    raw: &'a str,
    /// What follows.
    rest: &'a str,
}

/// Why the text is not XML that is read here.
#[derive(Debug)]
pub(crate) struct Fault {
    at: usize,
    code: IssueCode,
    text: String,
}

impl Fault {
    /// What is wrong, without the place.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The fault as an issue that names line and column of the text.
    pub(crate) fn issue(self, text: &str) -> Issue {
        let (line, column) = line_and_column(text.as_bytes(), self.at);
        let kind = if self.code == IssueCode::TooLong { "beyond a limit" } else { "not valid XML" };
        Issue::plain(self.code, format!("{kind} at line {line}, column {column}: {}", self.text))
    }
}

/// Reads the tokens of an XML text, and sees to it that it is well-formed.
pub(crate) struct Markup<'a> {
    text: &'a str,
    reader: Reader<&'a [u8]>,
    /// The names of the open elements.
    open: Vec<&'a str>,
    /// Whether the root element has been met.
    rooted: bool,
    start: usize,
    nodes: usize,
    limits: Limits,
}

impl<'a> Markup<'a> {
    /// A reader of the text, which has no byte order mark and no characters that XML does not allow.
    pub(crate) fn new(text: &'a str, limits: &Limits) -> Markup<'a> {
        let mut reader = Reader::from_str(text);
        reader.config_mut().check_comments = true;
        Markup { text, reader, open: Vec::new(), rooted: false, start: 0, nodes: 0, limits: *limits }
    }

    /// The text.
    pub(crate) fn text(&self) -> &'a str {
        self.text
    }

    /// Where the last token starts in the text.
    pub(crate) fn start(&self) -> usize {
        self.start
    }

    /// Where the last token ends in the text.
    pub(crate) fn end(&self) -> usize {
        usize::try_from(self.reader.buffer_position()).unwrap_or(usize::MAX)
    }

    /// How many elements are open.
    pub(crate) fn depth(&self) -> usize {
        self.open.len()
    }

    /// The text from a position to the end of the last token.
    pub(crate) fn slice_from(&self, start: usize) -> &'a str {
        self.text.get(start..self.end()).unwrap_or_default()
    }

    /// A fault at the last token.
    pub(crate) fn fault(&self, text: impl Into<String>) -> Fault {
        Fault { at: self.start, code: IssueCode::Structure, text: text.into() }
    }

    /// The next token.
    pub(crate) fn next(&mut self) -> Result<Token<'a>, Fault> {
        self.start = self.end();
        let event = match self.reader.read_event() {
            Ok(event) => event,
            Err(error) => return Err(self.fault(error.to_string())),
        };
        match event {
            Event::Start(_) => self.tag(false),
            Event::Empty(_) => self.tag(true),
            Event::End(_) => self.close(),
            Event::Text(_) => self.between(),
            Event::GeneralRef(_) => self.reference(),
            Event::CData(cdata) => {
                self.inside("CDATA")?;
                Ok(Token::Text { text: cdata.into_inner(), cdata: true })
            }
            Event::Comment(_) => Ok(Token::Comment),
            Event::Decl(_) => self.declaration(),
            Event::DocType(_) => Err(self.fault("a document type is not allowed")),
            Event::PI(_) => Ok(Token::Instruction),
            Event::Eof if !self.open.is_empty() => {
                Err(self.fault(format!("the element '{}' is not closed", self.open.last().unwrap_or(&""))))
            }
            Event::Eof if !self.rooted => Err(self.fault("there is no element")),
            Event::Eof => Ok(Token::End),
        }
    }

    fn inside(&self, what: &str) -> Result<(), Fault> {
        if self.open.is_empty() { Err(self.fault(format!("{what} stands outside the root element"))) } else { Ok(()) }
    }

    /// The XML declaration, which may only say what is so: version 1.0 and UTF-8.
    fn declaration(&self) -> Result<Token<'a>, Fault> {
        let text = self.slice_from(self.start);
        let inside = text.strip_prefix("<?xml").and_then(|rest| rest.strip_suffix("?>"));
        if self.start != 0 {
            return Err(self.fault("the XML declaration must stand at the start"));
        }
        for (name, value) in self.attributes(inside.unwrap_or_default())? {
            let right = match name {
                "version" => value == "1.0",
                "encoding" => value.eq_ignore_ascii_case("UTF-8"),
                "standalone" => value == "yes" || value == "no",
                _ => false,
            };
            if !right {
                return Err(
                    self.fault(format!("the XML declaration says {name}=\"{value}\"; it must be XML 1.0 in UTF-8"))
                );
            }
        }
        Ok(Token::Comment)
    }

    fn tag(&mut self, empty: bool) -> Result<Token<'a>, Fault> {
        let text = self.slice_from(self.start);
        let inside = text.strip_prefix('<').and_then(|rest| rest.strip_suffix(if empty { "/>" } else { ">" }));
        let inside = inside.unwrap_or_default();
        let end = inside.find(is_space).unwrap_or(inside.len());
        let (name, rest) = inside.split_at_checked(end).unwrap_or((inside, ""));
        if !is_name(name) {
            return Err(self.fault(format!("'{name}' is not a name")));
        }
        if self.open.is_empty() && self.rooted {
            return Err(self.fault("there is more than one root element"));
        }
        let attributes = self.attributes(rest)?;
        self.nodes += 1 + attributes.len();
        pieces::did(1 + attributes.len());
        if self.nodes > self.limits.nodes {
            return Err(self.beyond(format!("more than {} elements and attributes", self.limits.nodes)));
        }
        if self.open.len() >= self.limits.depth {
            return Err(self.beyond(format!("nested deeper than {} levels", self.limits.depth)));
        }
        self.rooted = true;
        if !empty {
            self.open.push(name);
        }
        Ok(Token::Open { name, attributes, empty })
    }

    fn beyond(&self, text: String) -> Fault {
        Fault { at: self.start, code: IssueCode::TooLong, text }
    }

    fn close(&mut self) -> Result<Token<'a>, Fault> {
        let text = self.slice_from(self.start);
        let name = text.strip_prefix("</").and_then(|rest| rest.strip_suffix('>')).unwrap_or_default();
        let name = name.trim_end_matches(is_space);
        match self.open.pop() {
            Some(open) if open == name => Ok(Token::Close),
            Some(open) => Err(self.fault(format!("the element '{open}' is closed as '{name}'"))),
            None => Err(self.fault(format!("'{name}' is closed but not open"))),
        }
    }

    fn between(&mut self) -> Result<Token<'a>, Fault> {
        let text = self.slice_from(self.start);
        if self.open.is_empty() && !text.chars().all(is_space) {
            return Err(self.fault("text stands outside the root element"));
        }
        if text.contains("]]>") {
            return Err(self.fault("']]>' may only end CDATA"));
        }
        Ok(Token::Text { text: Cow::Borrowed(text), cdata: false })
    }

    fn reference(&mut self) -> Result<Token<'a>, Fault> {
        self.inside("a reference")?;
        let text = self.slice_from(self.start);
        let name = text.strip_prefix('&').and_then(|rest| rest.strip_suffix(';')).unwrap_or_default();
        let character = resolve(name).ok_or_else(|| self.unknown_reference(name))?;
        Ok(Token::Text { text: Cow::Owned(character.to_string()), cdata: false })
    }

    fn unknown_reference(&self, name: &str) -> Fault {
        let name: String = name.chars().take(32).collect();
        self.fault(format!(
            "'&{name};' is not one of the references that are allowed (&amp; &lt; &gt; &quot; &apos; and numbers)"
        ))
    }

    /// Where in the text the value of an attribute of the last start tag is written, without its quotes.
    pub(crate) fn attribute_at(&self, wanted: &str) -> Option<Range<usize>> {
        let tag = self.slice_from(self.start);
        let mut rest = tag.get(tag.find(is_space)?..)?.trim_end_matches(['/', '>']);
        let end = self.start + tag.find(is_space)? + rest.len();
        while let Ok(Some(written)) = self.attribute(rest) {
            if written.name == wanted {
                let start = end - written.rest.len() - 1 - written.raw.len();
                return Some(start..start + written.raw.len());
            }
            rest = written.rest;
        }
        None
    }

    /// The attributes in what follows the name in a start tag.
    fn attributes(&self, mut rest: &'a str) -> Result<Attributes<'a>, Fault> {
        let mut attributes: Attributes<'a> = Vec::new();
        while let Some(written) = self.attribute(rest)? {
            let name = written.name;
            if attributes.iter().any(|(other, _)| *other == name) {
                return Err(self.fault(format!("the attribute '{name}' stands twice")));
            }
            attributes.push((name, self.attribute_value(written.raw)?));
            if attributes.len() > self.limits.nodes.min(64) {
                return Err(self.beyond("an element has too many attributes".to_owned()));
            }
            rest = written.rest;
        }
        Ok(attributes)
    }

    /// The first attribute of what follows a name or another attribute in a start tag; none if nothing but spaces does.
    fn attribute(&self, rest: &'a str) -> Result<Option<Attribute<'a>>, Fault> {
        let trimmed = rest.trim_start_matches(is_space);
        if trimmed.is_empty() {
            return Ok(None);
        }
        if trimmed.len() == rest.len() {
            return Err(self.fault("there must be a space before an attribute"));
        }
        let (name, after) = trimmed.split_once('=').ok_or_else(|| self.fault("an attribute has no value"))?;
        let name = name.trim_end_matches(is_space);
        if !is_name(name) {
            return Err(self.fault("an attribute has no proper name"));
        }
        let after = after.trim_start_matches(is_space);
        let quoted = ['"', '\''].iter().find_map(|quote| after.strip_prefix(*quote)?.split_once(*quote));
        let (raw, rest) = quoted.ok_or_else(|| self.fault(format!("the value of '{name}' is not in quotes")))?;
        if raw.contains('<') {
            return Err(self.fault(format!("the value of '{name}' has a '<'")));
        }
        Ok(Some(Attribute { name, raw, rest }))
    }

    fn attribute_value(&self, raw: &'a str) -> Result<Cow<'a, str>, Fault> {
        let raw = raw.trim_matches(is_space);
        if !raw.contains(['&', '\t', '\n', '\r']) {
            return Ok(Cow::Borrowed(raw));
        }
        let mut value = String::with_capacity(raw.len());
        let mut rest = raw;
        while let Some(at) = rest.find(['&', '\t', '\n', '\r']) {
            let (plain, special) = rest.split_at_checked(at).unwrap_or((rest, ""));
            value.push_str(plain);
            if let Some(reference) = special.strip_prefix('&') {
                let (name, after) =
                    reference.split_once(';').ok_or_else(|| self.fault("an '&' is not written as &amp;"))?;
                value.push(resolve(name).ok_or_else(|| self.unknown_reference(name))?);
                rest = after;
            } else {
                value.push(' ');
                let mut characters = special.chars();
                characters.next();
                let after = characters.as_str();
                rest = if special.starts_with("\r\n") { after.strip_prefix('\n').unwrap_or(after) } else { after };
            }
        }
        value.push_str(rest);
        Ok(Cow::Owned(value))
    }
}

fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\n' | '\r')
}

/// A name of XML 1.0, section 2.3; beyond ASCII every letter and digit of Unicode counts, which is near enough, as no known
/// name has any.
fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_alphabetic() || first == '_' || first == ':')
        && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | ':' | '-' | '.'))
}

/// The character that a reference means: one of the five of XML, or a number of a character that XML allows.
fn resolve(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let digits = name.strip_prefix('#')?;
            let code = match digits.strip_prefix('x') {
                Some(digits) if digits.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
                    u32::from_str_radix(digits, 16).ok()?
                }
                None if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok()?,
                _ => return None,
            };
            let allowed = matches!(code, 0x9 | 0xA | 0xD | 0x20..) && !matches!(code, 0xFFFE | 0xFFFF);
            char::from_u32(code).filter(|_| allowed)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Result<Vec<String>, String> {
        let mut markup = Markup::new(text, &Limits { depth: 4, nodes: 20, ..Limits::default() });
        let mut tokens = Vec::new();
        loop {
            match markup.next().map_err(|fault| fault.issue(text).text)? {
                Token::End => return Ok(tokens),
                Token::Open { name, attributes, .. } => tokens.push(format!("{name}{attributes:?}")),
                Token::Text { text, .. } => tokens.push(text.into_owned()),
                Token::Close => tokens.push("/".to_owned()),
                Token::Instruction => tokens.push("?".to_owned()),
                Token::Comment => {}
            }
        }
    }

    #[test]
    fn references_are_replaced_and_spaces_normalised() {
        let read = tokens("<?xml version='1.0' encoding='utf-8'?>\n<a b=\"&lt;&#x41;&#10;x\r\ny\tz\"  c = 'q\"'>t&amp;<!-- c --><d/></a>").unwrap();
        assert_eq!(read, ["\n", "a[(\"b\", \"<A\\nx y z\"), (\"c\", \"q\\\"\")]", "t", "&", "d[]", "/"]);
        // White space around a value says nothing, unless it is written as references.
        let read = tokens("<a b=' x y\n' c='&#32;x&#32;' d='  '/>").unwrap();
        assert_eq!(read, ["a[(\"b\", \"x y\"), (\"c\", \" x \"), (\"d\", \"\")]"]);
        assert_eq!(tokens("<?php x?><a><?x y?></a><?z?>").unwrap(), ["?", "a[]", "?", "/", "?"]);
    }

    #[test]
    fn what_is_hostile_or_broken_is_refused() {
        for (text, reason) in [
            ("<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>", "document type"),
            ("<a>&x;</a>", "'&x;' is not one"),
            ("<a b='&x;'/>", "'&x;' is not one"),
            ("<a b='&#0;'/>", "is not one"),
            ("<a>&#xFFFF;</a>", "is not one"),
            ("<a b='&'/>", "not written as &amp;"),
            ("<a>&</a>", ""),
            ("<?xml version='1.1'?><a/>", "XML 1.0"),
            ("<?xml version='1.0' encoding='latin1'?><a/>", "UTF-8"),
            (" <?xml version='1.0'?><a/>", "at the start"),
            ("<a><b></a></b>", ""),
            ("<a>", "not closed"),
            ("</a>", ""),
            ("", "no element"),
            ("<a/><b/>", "more than one root"),
            ("<a/>x", "outside the root"),
            ("x<a/>", "outside the root"),
            ("<a b='1' b='2'/>", "stands twice"),
            ("<a b='1'c='2'/>", "space before"),
            ("<a b=1/>", "not in quotes"),
            ("<a b/>", "no value"),
            ("<a b='<'/>", "has a '<'"),
            ("<1/>", "not a name"),
            ("<a>]]></a>", "CDATA"),
            ("<a><b><c><d><e/></d></c></b></a>", "deeper than 4"),
            (&format!("<a>{}</a>", "<b/>".repeat(20)), "more than 20"),
            ("<a", ""),
            ("<a><!-- -- --></a>", ""),
        ] {
            let refusal = tokens(text).expect_err(text);
            assert!(refusal.contains(reason), "{text}: {refusal}");
        }
    }
}
