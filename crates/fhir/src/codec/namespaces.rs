//! Namespaces of XML ("Namespaces in XML 1.0"): which one a name is in, with a prefix or without, as Python's ElementTree and
//! gateways write it.

use std::borrow::Cow;

use super::FHIR;
use crate::json::Limits;
use crate::markup::{Attributes, Markup, Token};
use crate::schema::narrative::{DEEPEST, XHTML};

/// The namespace of attributes that tell tools where a schema is.
const INSTANCE: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// How many declarations may hold at one place: each name is looked up among them.
const MOST: usize = 64;

/// A namespace, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Space {
    Fhir,
    Xhtml,
    Other,
}

/// The declarations that hold at a place.
#[derive(Default)]
pub(crate) struct Namespaces<'a> {
    /// How deep the element with the declaration is, the prefix (none is the default), and the namespace.
    declared: Vec<(usize, &'a str, Cow<'a, str>)>,
}

impl<'a> Namespaces<'a> {
    /// Enters an element at a depth: what elements declared that have ended by now does not hold any more.
    ///
    /// # Errors
    /// When there are too many declarations.
    pub(crate) fn enter(&mut self, depth: usize, attributes: &Attributes<'a>) -> Result<(), &'static str> {
        while self.declared.last().is_some_and(|(of, ..)| *of >= depth) {
            self.declared.pop();
        }
        for (name, value) in attributes {
            if let Some(prefix) = declared_prefix(name) {
                self.declared.push((depth, prefix, value.clone()));
            }
        }
        if self.declared.len() > MOST { Err("there are too many declarations of namespaces") } else { Ok(()) }
    }

    /// The namespace of an element's name, and the name without its prefix.
    pub(crate) fn of<'n>(&self, name: &'n str) -> (Space, &'n str) {
        let (prefix, local) = name.split_once(':').unwrap_or(("", name));
        let space = match self.uri(prefix) {
            Some(FHIR) => Space::Fhir,
            Some(XHTML) => Space::Xhtml,
            _ => Space::Other,
        };
        (space, local)
    }

    /// The prefix of an element's name, if nothing says which namespace that is.
    pub(crate) fn unbound<'n>(&self, name: &'n str) -> Option<&'n str> {
        name.split_once(':').map(|(prefix, _)| prefix).filter(|prefix| self.uri(prefix).is_none())
    }

    /// Whether an attribute says nothing about the resource: a declaration, or where a schema is.
    pub(crate) fn is_for_tools(&self, attribute: &str) -> bool {
        let of_schema = |(prefix, local): (&str, &str)| {
            matches!(local, "schemaLocation" | "noNamespaceSchemaLocation") && self.uri(prefix) == Some(INSTANCE)
        };
        declared_prefix(attribute).is_some() || attribute.split_once(':').is_some_and(of_schema)
    }

    /// The namespace of names without prefix, if something says so, and of each prefix that is declared.
    pub(crate) fn spaces(&self) -> (Option<Space>, Vec<(String, Space)>) {
        let space = |uri: &str| match uri {
            FHIR => Space::Fhir,
            XHTML => Space::Xhtml,
            _ => Space::Other,
        };
        let prefixed = self.declared.iter().filter(|(_, prefix, _)| !prefix.is_empty());
        let prefixes = prefixed.map(|(_, prefix, uri)| ((*prefix).to_owned(), space(uri))).collect();
        (self.uri("").map(space), prefixes)
    }

    fn uri(&self, prefix: &str) -> Option<&str> {
        self.declared.iter().rfind(|(_, declared, _)| *declared == prefix).map(|(.., uri)| uri.as_ref())
    }

    /// A narrative as JSON has it, in which no element has a prefix and the first says its namespace; none where it is that already.
    pub(crate) fn without_prefixes(&self, narrative: &'a str) -> Option<String> {
        let limits = Limits { depth: DEEPEST, ..Limits::default() };
        let mut markup = Markup::new(narrative, &limits);
        let declared = self.declared.iter().map(|(_, prefix, uri)| (0, *prefix, uri.clone())).collect();
        let mut namespaces = Namespaces { declared };
        let (mut out, mut open, mut is_changed) = (String::with_capacity(narrative.len()), Vec::new(), false);
        loop {
            match markup.next().ok()? {
                Token::Open { name, attributes, empty } => {
                    let depth = markup.depth() + usize::from(empty);
                    namespaces.enter(depth, &attributes).ok()?;
                    let written = match namespaces.of(name) {
                        (Space::Xhtml, local) => local,
                        _ => name,
                    };
                    // The namespace may be the default of what is around it.
                    let is_inherited = depth == 1 && attributes.iter().all(|(attribute, _)| *attribute != "xmlns");
                    is_changed |= written != name || (is_inherited && namespaces.of(name).0 == Space::Xhtml);
                    start_tag(&mut out, &markup, name, written, &attributes, depth == 1);
                    if !empty {
                        open.push(written);
                    }
                }
                Token::Close => {
                    out.push_str("</");
                    out.push_str(open.pop()?);
                    out.push('>');
                }
                Token::End => break,
                Token::Text { .. } | Token::Comment | Token::Instruction => {
                    out.push_str(markup.slice_from(markup.start()));
                }
            }
        }
        is_changed.then_some(out)
    }
}

/// The prefix that an attribute declares, if it is a declaration.
fn declared_prefix(attribute: &str) -> Option<&str> {
    if attribute == "xmlns" { Some("") } else { attribute.strip_prefix("xmlns:") }
}

/// Writes a start tag under another name: without declarations, but for the one that a narrative begins with.
fn start_tag(
    out: &mut String,
    markup: &Markup<'_>,
    name: &str,
    written: &str,
    attributes: &Attributes<'_>,
    is_root: bool,
) {
    let tag = markup.slice_from(markup.start());
    if name == written && !is_root {
        out.push_str(tag);
        return;
    }
    out.push('<');
    out.push_str(written);
    if is_root {
        out.push_str(" xmlns=\"");
        out.push_str(XHTML);
        out.push('"');
    }
    let kept = attributes.iter().map(|(attribute, _)| *attribute).filter(|name| declared_prefix(name).is_none());
    for (attribute, at) in kept.filter_map(|name| Some((name, markup.attribute_at(name)?))) {
        // With the quotes that it has.
        let quoted = at.start.checked_sub(1).and_then(|start| markup.text().get(start..=at.end)).unwrap_or("\"\"");
        out.push(' ');
        out.push_str(attribute);
        out.push('=');
        out.push_str(quoted);
    }
    out.push_str(if tag.ends_with("/>") { "/>" } else { ">" });
}
