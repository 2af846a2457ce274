//! Selectors of an XML Patch: the part of XPath that RFC 5261 (section 4.1) asks for. Steps are names or `*`, with
//! predicates by position and by a value; the last may be an attribute, a text or a comment.

use super::super::TOO_COSTLY;
use super::super::budget::Budget;
use super::tree::{Element, Node, by_custom, unbound};
use crate::codec::namespaces::Space;

/// The longest selector.
const LONGEST: usize = 2_000;

/// A selector, read.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Selector {
    steps: Vec<Step>,
    last: Last,
}

/// What a selector leads to in the element that its steps lead to.
#[derive(Clone, Debug, PartialEq)]
enum Last {
    Element,
    Attribute(String),
    /// The text at this position, from 1.
    Text(usize),
    Comment(usize),
}

#[derive(Clone, Debug, PartialEq)]
struct Step {
    /// None for any name.
    name: Option<(Space, String)>,
    predicates: Vec<Predicate>,
}

#[derive(Clone, Debug, PartialEq)]
enum Predicate {
    Position(usize),
    /// The steps into it, the attribute there, and its value; without an attribute, the text.
    Equals(Vec<(Space, String)>, Option<String>, String),
}

/// Where a selector leads: the positions among nodes from the root on, and what there.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Place {
    /// A node: an element, a text or a comment.
    Node(Vec<usize>),
    /// An attribute of the element.
    Attribute(Vec<usize>, String),
}

const FORM: &str = "a selector is a path of names with [1], [@url='...'] or [f:system/@value='...'], such as \
                    f:Patient/f:name[1]/f:family/@value";

impl Selector {
    /// Reads a selector that stands in an attribute of an element, whose namespaces count.
    pub(super) fn read(text: &str, within: &Element) -> Result<Selector, String> {
        let text = text.trim();
        if text.is_empty() || text.len() > LONGEST {
            return Err(format!("a selector has 1 to {LONGEST} characters"));
        }
        let mut parts = split(text.strip_prefix('/').unwrap_or(text), '/').ok_or(FORM)?;
        let named = parts.last().copied().unwrap_or_default();
        let last = if let Some(name) = named.strip_prefix('@') {
            Last::Attribute(plain_name(name).ok_or(FORM)?)
        } else if let Some(rest) = named.strip_prefix("text()") {
            Last::Text(only_position(rest)?)
        } else if let Some(rest) = named.strip_prefix("comment()") {
            Last::Comment(only_position(rest)?)
        } else {
            Last::Element
        };
        if last != Last::Element {
            parts.pop();
        }
        let steps = parts.into_iter().map(|part| Step::read(part, within)).collect::<Result<Vec<Step>, String>>()?;
        if steps.is_empty() { Err(FORM.to_owned()) } else { Ok(Selector { steps, last }) }
    }

    /// The one place that it leads to. What is looked at on the way is counted.
    pub(super) fn find(&self, root: &Element, budget: &mut Budget) -> Result<Place, String> {
        self.within(root, budget).ok_or_else(|| TOO_COSTLY.to_owned())?
    }

    /// The one place that it leads to; nothing once the budget is spent.
    fn within(&self, root: &Element, budget: &mut Budget) -> Option<Result<Place, String>> {
        let Some((first, rest)) = self.steps.split_first() else { return Some(Err(FORM.to_owned())) };
        let mut found: Vec<(Vec<usize>, &Element)> = Vec::new();
        if first.names(root) && first.filtered(vec![(Vec::new(), root)], budget)?.len() == 1 {
            found.push((Vec::new(), root));
        }
        for step in rest {
            let mut next = Vec::new();
            for (place, element) in found {
                budget.take(1 + element.nodes().len())?;
                let children = element.nodes().iter().enumerate().filter_map(|(at, node)| match node {
                    Node::Element(child) if step.names(child) => Some(([place.as_slice(), &[at]].concat(), child)),
                    _ => None,
                });
                next.extend(step.filtered(children.collect(), budget)?);
            }
            found = next;
        }
        if self.last != Last::Element {
            budget.take(found.iter().map(|(_, element)| element.nodes().len() + element.attributes.len()).sum())?;
        }
        let mut places = found.iter().filter_map(|(place, element)| self.last.within(place, element));
        Some(match (places.next(), places.next()) {
            (Some(only), None) => Ok(only),
            (None, _) => Err("there is nothing at this place".to_owned()),
            _ => Err("there are several at this place: say which by its position, such as [1]".to_owned()),
        })
    }
}

impl Last {
    fn within(&self, place: &[usize], element: &Element) -> Option<Place> {
        let nth = |number: usize, meant: fn(&Node) -> bool| {
            let at = element.nodes().iter().enumerate().filter(|(_, node)| meant(node)).nth(number - 1)?.0;
            Some(Place::Node([place, &[at]].concat()))
        };
        match self {
            Last::Element => Some(Place::Node(place.to_vec())),
            Last::Attribute(name) => element.attribute(name).map(|_| Place::Attribute(place.to_vec(), name.clone())),
            Last::Text(number) => nth(*number, |node| matches!(node, Node::Text(_))),
            Last::Comment(number) => nth(*number, |node| matches!(node, Node::Comment(_))),
        }
    }
}

impl Step {
    fn read(text: &str, within: &Element) -> Result<Step, String> {
        let end = text.find('[').unwrap_or(text.len());
        let (name, mut rest) = text.split_at_checked(end).ok_or(FORM)?;
        let name = if name == "*" { None } else { Some(qualified(name, within)?) };
        let mut predicates = Vec::new();
        while let Some(inside) = rest.strip_prefix('[') {
            let close = split(inside, ']').and_then(|parts| parts.first().map(|first| first.len())).ok_or(FORM)?;
            let (predicate, after) = inside.split_at_checked(close).ok_or(FORM)?;
            predicates.push(Predicate::read(predicate.trim(), within)?);
            rest = after.strip_prefix(']').ok_or(FORM)?;
        }
        if rest.is_empty() { Ok(Step { name, predicates }) } else { Err(FORM.to_owned()) }
    }

    fn names(&self, element: &Element) -> bool {
        self.name.as_ref().is_none_or(|(space, name)| *space == element.space && *name == element.name)
    }

    fn filtered<'t>(
        &self,
        mut found: Vec<(Vec<usize>, &'t Element)>,
        budget: &mut Budget,
    ) -> Option<Vec<(Vec<usize>, &'t Element)>> {
        for predicate in &self.predicates {
            budget.take(found.len())?;
            found = match predicate {
                Predicate::Position(number) => found.into_iter().skip(number - 1).take(1).collect(),
                Predicate::Equals(path, attribute, value) => {
                    let mut kept = Vec::new();
                    for (place, element) in found {
                        if equals(element, path, attribute.as_deref(), value, budget)? {
                            kept.push((place, element));
                        }
                    }
                    kept
                }
            };
        }
        Some(found)
    }
}

fn equals(
    element: &Element,
    path: &[(Space, String)],
    attribute: Option<&str>,
    value: &str,
    budget: &mut Budget,
) -> Option<bool> {
    match (path.split_first(), attribute) {
        (Some(((space, name), rest)), _) => {
            budget.take(element.nodes().len())?;
            for child in element.elements().filter(|child| child.space == *space && child.name == *name) {
                if equals(child, rest, attribute, value, budget)? {
                    return Some(true);
                }
            }
            Some(false)
        }
        (None, Some(attribute)) => {
            budget.take(1 + element.attributes.len())?;
            Some(element.attribute(attribute) == Some(value))
        }
        (None, None) => {
            let text = element.text();
            budget.take(1 + element.nodes().len() + text.len() / 64)?;
            Some(text == value)
        }
    }
}

impl Predicate {
    fn read(text: &str, within: &Element) -> Result<Predicate, String> {
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            return position(text).map(Predicate::Position);
        }
        let (path, value) = text.split_once('=').ok_or(FORM)?;
        let value = value.trim();
        let quoted = |quote: char| value.strip_prefix(quote)?.strip_suffix(quote).filter(|text| !text.contains(quote));
        let value = quoted('\'').or_else(|| quoted('"')).ok_or(FORM)?.to_owned();
        let (mut steps, mut attribute) = (Vec::new(), None);
        for part in path.trim().split('/') {
            if attribute.is_some() {
                return Err(FORM.to_owned());
            }
            match part.strip_prefix('@') {
                Some(name) => attribute = Some(plain_name(name).ok_or(FORM)?),
                None if part == "." => {}
                None => steps.push(qualified(part, within)?),
            }
        }
        Ok(Predicate::Equals(steps, attribute, value))
    }
}

/// A name with the namespace that it is in.
fn qualified(text: &str, within: &Element) -> Result<(Space, String), String> {
    match text.split_once(':') {
        Some((prefix, name)) => {
            let declared = within.prefixes.iter().rfind(|(declared, _)| declared == prefix).map(|(_, space)| *space);
            let space = declared.or_else(|| by_custom(prefix));
            let space = space.ok_or_else(|| unbound(prefix))?;
            Ok((space, plain_name(name).ok_or(FORM)?))
        }
        None => Ok((within.default_space.unwrap_or(Space::Fhir), plain_name(text).ok_or(FORM)?)),
    }
}

fn plain_name(text: &str) -> Option<String> {
    let is_name = text.starts_with(|first: char| first.is_alphabetic() || first == '_')
        && text.chars().all(|letter| letter.is_alphanumeric() || matches!(letter, '_' | '-' | '.'));
    is_name.then(|| text.to_owned())
}

/// A position from 1.
fn position(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| "a position is a number from 1".to_owned())
}

/// What follows `text()` or `comment()`: nothing, or a position.
fn only_position(rest: &str) -> Result<usize, String> {
    match rest {
        "" => Ok(1),
        rest => position(rest.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).ok_or(FORM)?),
    }
}

/// The parts of a text between separators that stand neither in quotes nor in brackets.
fn split(text: &str, separator: char) -> Option<Vec<&str>> {
    let (mut parts, mut start, mut depth) = (Vec::new(), 0, 0_usize);
    let mut quote = None;
    for (at, letter) in text.char_indices() {
        match (quote, letter) {
            (Some(open), letter) if letter == open => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(letter),
            (None, letter) if letter == separator && depth == 0 => {
                parts.push(text.get(start..at)?);
                start = at + letter.len_utf8();
            }
            (None, '[') => depth += 1,
            (None, ']') => depth = depth.checked_sub(1)?,
            _ => {}
        }
    }
    if quote.is_some() || depth > 0 {
        return None;
    }
    parts.push(text.get(start..)?);
    Some(parts)
}
