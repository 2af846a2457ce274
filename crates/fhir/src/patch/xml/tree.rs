//! An XML text as a tree that can be changed. What is in a narrative is kept as it is written.

use crate::codec::FHIR;
use crate::codec::namespaces::{Namespaces, Space};
use crate::issue::{Issue, IssueCode};
use crate::json::Limits;
use crate::markup::{Attributes, Fault, Markup, Token};
use crate::schema::narrative::{DEEPEST, XHTML};

/// What an element may hold.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    Element(Element),
    Text(String),
    /// A comment, with what it begins and ends with.
    Comment(String),
}

/// An element: its name without prefix, and the namespace that the name is in.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Element {
    pub(super) space: Space,
    pub(super) name: String,
    pub(super) attributes: Vec<(String, String)>,
    pub(super) inside: Inside,
    /// The namespace that names without prefix are in, for selectors that stand here; none if nothing says so.
    pub(super) default_space: Option<Space>,
    /// The namespaces of prefixes that are declared here or further out.
    pub(super) prefixes: Vec<(String, Space)>,
}

/// What is in an element.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Inside {
    Nodes(Vec<Node>),
    /// A narrative, from its start tag to its end tag.
    Narrative(String),
}

impl Node {
    /// How deep elements are nested in it; an element counts as 1. What is in a narrative has its own limit.
    pub(super) fn depth(&self) -> usize {
        match self {
            Node::Element(element) => 1 + element.nodes().iter().map(Node::depth).max().unwrap_or_default(),
            Node::Text(_) | Node::Comment(_) => 0,
        }
    }
}

impl Element {
    /// What is in it; nothing that could be reached is in a narrative.
    pub(super) fn nodes(&self) -> &[Node] {
        match &self.inside {
            Inside::Nodes(nodes) => nodes,
            Inside::Narrative(_) => &[],
        }
    }

    /// The same for change.
    pub(super) fn nodes_mut(&mut self) -> Option<&mut Vec<Node>> {
        match &mut self.inside {
            Inside::Nodes(nodes) => Some(nodes),
            Inside::Narrative(_) => None,
        }
    }

    /// The elements in it.
    pub(super) fn elements(&self) -> impl Iterator<Item = &Element> {
        self.nodes().iter().filter_map(|node| match node {
            Node::Element(element) => Some(element),
            _ => None,
        })
    }

    /// The attribute of that name.
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// All text directly in it.
    pub(super) fn text(&self) -> String {
        let texts = self.nodes().iter().filter_map(|node| match node {
            Node::Text(text) => Some(text.as_str()),
            _ => None,
        });
        texts.collect()
    }

    /// Writes it as XML, with a declaration of its namespace where that is another than the one outside.
    pub(super) fn write(&self, outside: Option<Space>, out: &mut String) {
        if let Inside::Narrative(text) = &self.inside {
            out.push_str(text);
            return;
        }
        out.push('<');
        out.push_str(&self.name);
        if outside != Some(self.space) {
            let uri = match self.space {
                Space::Fhir => FHIR,
                Space::Xhtml => XHTML,
                Space::Other => "",
            };
            attribute("xmlns", uri, out);
        }
        for (name, value) in &self.attributes {
            attribute(name, value, out);
        }
        if self.nodes().is_empty() {
            out.push_str("/>");
            return;
        }
        out.push('>');
        for node in self.nodes() {
            match node {
                Node::Element(element) => element.write(Some(self.space), out),
                Node::Text(text) => out.push_str(&text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")),
                Node::Comment(text) => out.push_str(text),
            }
        }
        out.push_str("</");
        out.push_str(&self.name);
        out.push('>');
    }
}

fn attribute(name: &str, value: &str, out: &mut String) {
    out.push(' ');
    out.push_str(name);
    out.push_str("=\"");
    crate::codec::escape(value, out);
    out.push('"');
}

/// Reads the root element of an XML text.
pub(super) fn read(text: &str, limits: &Limits) -> Result<Element, Vec<Issue>> {
    if text.len() > limits.bytes {
        let text = format!("the body is longer than the limit of {} bytes", limits.bytes);
        return Err(vec![Issue::plain(IssueCode::TooLong, text)]);
    }
    let limits = Limits { depth: limits.depth + DEEPEST, ..*limits };
    let mut reader = Reader { markup: Markup::new(text, &limits), namespaces: Namespaces::default() };
    reader.root().map_err(|fault| vec![fault.issue(text)])
}

/// What is wrong with a prefix of which nothing says which namespace it is, and how to say it.
pub(super) fn unbound(prefix: &str) -> String {
    let (prefix, uri): (String, _) = (prefix.chars().take(32).collect(), namespace_by_custom(prefix));
    format!("the prefix '{prefix}' is not declared: write <diff xmlns:{prefix}=\"{uri}\">")
}

/// The namespace that whoever writes a prefix is likely to mean.
fn namespace_by_custom(prefix: &str) -> &'static str {
    if by_custom(prefix) == Some(Space::Xhtml) { XHTML } else { FHIR }
}

/// What a prefix that is not declared means in a selector: FHIR's own, and that of narratives, by custom.
pub(super) fn by_custom(prefix: &str) -> Option<Space> {
    match prefix {
        "f" => Some(Space::Fhir),
        "h" | "xhtml" => Some(Space::Xhtml),
        _ => None,
    }
}

struct Reader<'a> {
    markup: Markup<'a>,
    namespaces: Namespaces<'a>,
}

impl<'a> Reader<'a> {
    fn root(&mut self) -> Result<Element, Fault> {
        let mut root = None;
        loop {
            match self.markup.next()? {
                Token::Open { name, attributes, empty } => root = Some(self.element(name, attributes, empty)?),
                Token::End => return root.ok_or_else(|| self.markup.fault("there is no element")),
                _ => {}
            }
        }
    }

    fn element(&mut self, name: &'a str, attributes: Attributes<'a>, empty: bool) -> Result<Element, Fault> {
        let depth = self.markup.depth() + usize::from(empty);
        self.namespaces.enter(depth, &attributes).map_err(|text| self.markup.fault(text))?;
        if let Some(prefix) = self.namespaces.unbound(name) {
            return Err(self.markup.fault(unbound(prefix)));
        }
        let (space, local) = self.namespaces.of(name);
        let (default_space, prefixes) = self.namespaces.spaces();
        let start = self.markup.start();
        let inside = match (space, empty) {
            (_, true) if space != Space::Xhtml => Inside::Nodes(Vec::new()),
            (Space::Xhtml, _) => Inside::Narrative(self.narrative(start, empty)?),
            _ => Inside::Nodes(self.nodes()?),
        };
        let attributes = attributes
            .into_iter()
            .filter(|(name, _)| !self.namespaces.is_for_tools(name))
            .map(|(name, value)| (name.to_owned(), value.into_owned()))
            .collect();
        Ok(Element { space, name: local.to_owned(), attributes, inside, default_space, prefixes })
    }

    fn nodes(&mut self) -> Result<Vec<Node>, Fault> {
        let mut nodes = Vec::new();
        loop {
            match self.markup.next()? {
                Token::Open { name, attributes, empty } => {
                    nodes.push(Node::Element(self.element(name, attributes, empty)?));
                }
                Token::Text { text, .. } => match nodes.last_mut() {
                    Some(Node::Text(before)) => before.push_str(&text),
                    _ => nodes.push(Node::Text(text.into_owned())),
                },
                Token::Comment => nodes.push(Node::Comment(self.markup.slice_from(self.markup.start()).to_owned())),
                Token::Instruction => {}
                Token::Close | Token::End => return Ok(nodes),
            }
        }
    }

    /// A narrative whose start tag has just been read, as text in which no name has a prefix.
    fn narrative(&mut self, start: usize, empty: bool) -> Result<String, Fault> {
        let outside = self.markup.depth() - usize::from(!empty);
        while self.markup.depth() > outside {
            if self.markup.next()? == Token::End {
                break;
            }
        }
        let text = self.markup.slice_from(start);
        Ok(self.namespaces.without_prefixes(text).unwrap_or_else(|| text.to_owned()))
    }
}
