//! XML Patch (RFC 5261) on the XML form of a resource.

mod selector;
#[cfg(test)]
mod tests;
mod tree;

use selector::{Place, Selector};
use tree::{Element, Node};

use super::budget::{Budget, PatchBudget};
use super::{Mismatch, Patch, TOO_COSTLY, require_few};
use crate::codec::namespaces::Space;
use crate::codec::{self, FHIR};
use crate::issue::{Issue, IssueCode};
use crate::json::{Limits, Value};
use crate::schema::Primitive;

/// An operation of an XML Patch.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Operation {
    /// The selector as it was written.
    text: String,
    selector: Selector,
    act: Act,
}

#[derive(Clone, Debug, PartialEq)]
enum Act {
    Add(Vec<Node>, Position),
    /// The attribute's name and its value.
    AddAttribute(String, String),
    /// A declaration of a namespace, which says nothing about a resource.
    Declare,
    Replace(Vec<Node>),
    Remove,
}

/// Where something is added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Position {
    Before,
    After,
    /// As the first inside.
    Prepend,
    /// As the last inside.
    Append,
}

/// Reads the body of an XML Patch.
pub(super) fn read(body: &[u8], limits: &Limits) -> Result<Vec<Operation>, Vec<Issue>> {
    let text = std::str::from_utf8(body).map_err(|_| refused("not valid XML: the text is not UTF-8"))?;
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    Primitive::Xhtml.check(text).map_err(|reason| refused(format!("not valid XML: {reason}")))?;
    let root = tree::read(text, limits)?;
    if !["diff", "patch"].contains(&root.name.as_str()) {
        return Err(refused("the root of an XML Patch is 'diff' (RFC 5261)"));
    }
    let items: Vec<&Element> = root.elements().collect();
    if items.is_empty() {
        return Err(refused("there is no operation in it: an XML Patch has 'add', 'replace' and 'remove' (RFC 5261)"));
    }
    require_few(items.len())?;
    let (mut operations, mut issues) = (Vec::with_capacity(items.len()), Vec::new());
    for (place, item) in items.into_iter().enumerate() {
        match Operation::read(item) {
            Ok(operation) => operations.push(operation),
            Err(why) => issues.push(Issue::plain(IssueCode::Value, format!("operation {place}: {why}"))),
        }
    }
    if issues.is_empty() { Ok(operations) } else { Err(issues) }
}

fn refused(text: impl Into<String>) -> Vec<Issue> {
    vec![Issue::plain(IssueCode::Structure, text)]
}

/// The resource with all operations carried out, one after the other, or nothing. Where among its siblings an element is
/// put does not matter but for those of the same name: JSON has no order among them.
pub(super) fn apply(
    operations: &[Operation],
    resource: &Value<'_>,
    limits: &Limits,
    budget: &mut PatchBudget,
) -> Result<Value<'static>, Mismatch> {
    let text = codec::write_xml(resource).map_err(|issue| Mismatch::Place(vec![issue]))?;
    // What is stored may be a little longer in XML than the limit for what comes.
    let patched = patched(operations, &text, &Limits { bytes: usize::MAX, ..*limits }, budget)?;
    if patched.len() > limits.bytes.max(text.len()) {
        return Err(Mismatch::place("the patch makes the resource too large"));
    }
    let limits = Limits { bytes: usize::MAX, ..*limits };
    match codec::read_xml_in_any_order(patched.as_bytes(), &limits) {
        Ok((value, issues)) if issues.is_empty() => Ok(value.into_owned()),
        Ok((_, issues)) | Err(issues) => Err(Mismatch::Place(issues)),
    }
}

fn patched(
    operations: &[Operation],
    document: &str,
    limits: &Limits,
    budget: &mut PatchBudget,
) -> Result<String, Mismatch> {
    let mut root = tree::read(document, limits).map_err(Mismatch::Place)?;
    let mut room = Room { depth: limits.depth, budget: &mut budget.visits };
    for (number, operation) in operations.iter().enumerate() {
        operation.apply(&mut root, &mut room).map_err(|why| {
            let text = format!("operation {number} at {:?}: {why}", operation.text);
            Mismatch::place(text)
        })?;
    }
    let mut text = String::with_capacity(document.len());
    root.write(None, &mut text);
    Ok(text)
}

/// How deep anything may stand, and what all operations may still cost.
struct Room<'b> {
    depth: usize,
    budget: &'b mut Budget,
}

impl Room<'_> {
    /// Refuses nodes that would be nested deeper in an element at this place than what is read may be.
    fn require_depth(&self, above: usize, nodes: &[Node]) -> Result<(), String> {
        let deepest = nodes.iter().map(Node::depth).max().unwrap_or_default();
        if above + deepest > self.depth { Err("it would be nested too deeply there".to_owned()) } else { Ok(()) }
    }

    /// Counts what stands beside a place: adding there and taking away move it.
    fn pass(&mut self, siblings: &[Node]) -> Result<(), String> {
        self.budget.take(siblings.len()).ok_or_else(|| TOO_COSTLY.to_owned())
    }
}

impl Patch {
    /// Any XML text with the operations of an XML Patch carried out on it: what is done to the XML form of a resource. A patch
    /// of another kind changes nothing.
    ///
    /// # Errors
    /// The first operation that does not fit, and a text that is no XML.
    pub fn apply_to_xml(&self, document: &str) -> Result<String, Mismatch> {
        match &self.content {
            super::Content::Xml(operations) => {
                patched(operations, document, &self.limits, &mut PatchBudget::of_request(&self.limits))
            }
            _ => Ok(document.to_owned()),
        }
    }
}

impl Operation {
    fn read(item: &Element) -> Result<Operation, String> {
        let text = item.attribute("sel").ok_or("it has no sel")?.to_owned();
        let selector = Selector::read(&text, item)?;
        let act = match item.name.as_str() {
            "add" => Act::of_add(item)?,
            "replace" => Act::Replace(content(item)),
            "remove" => Act::Remove,
            _ => return Err("an operation is add, replace or remove".to_owned()),
        };
        if let Act::Add(nodes, _) | Act::Replace(nodes) = &act {
            require_namespace(nodes)?;
        }
        Ok(Operation { text, selector, act })
    }

    fn apply(&self, root: &mut Element, room: &mut Room<'_>) -> Result<(), String> {
        let place = self.selector.find(root, room.budget)?;
        match (&self.act, place) {
            (Act::Add(nodes, position), Place::Node(place)) => add(root, &place, nodes, *position, room),
            (Act::AddAttribute(name, value), Place::Node(place)) => {
                let element = element_at(root, &place)?;
                room.budget.take(element.attributes.len()).ok_or(TOO_COSTLY)?;
                if element.attribute(name).is_some() {
                    return Err(format!("there is an attribute {name} already: replace it"));
                }
                element.attributes.push((name.clone(), value.clone()));
                Ok(())
            }
            (Act::Declare, Place::Node(place)) => element_at(root, &place).map(|_| ()),
            (Act::Add(..) | Act::AddAttribute(..) | Act::Declare, Place::Attribute(..)) => {
                Err("nothing can be added to an attribute".to_owned())
            }
            (Act::Replace(nodes), Place::Attribute(place, name)) => {
                let value = only_text(nodes)?;
                let element = element_at(root, &place)?;
                let own = element.attributes.iter_mut().find(|(own, _)| *own == name);
                own.map(|(_, own)| *own = value).ok_or_else(|| "there is nothing at this place".to_owned())
            }
            (Act::Replace(nodes), Place::Node(place)) => {
                room.require_depth(place.len(), nodes)?;
                replace(root, &place, nodes)
            }
            (Act::Remove, Place::Attribute(place, name)) => {
                element_at(root, &place)?.attributes.retain(|(own, _)| *own != name);
                Ok(())
            }
            (Act::Remove, Place::Node(place)) => {
                let (siblings, at) = siblings(root, &place)?;
                room.pass(siblings)?;
                siblings.remove(at);
                Ok(())
            }
        }
    }
}

impl Act {
    fn of_add(item: &Element) -> Result<Act, String> {
        if let Some(what) = item.attribute("type") {
            if what.starts_with("namespace::") {
                return Ok(Act::Declare);
            }
            let name = what.strip_prefix('@').or_else(|| what.strip_prefix("attribute::"));
            let name = name.ok_or("a type is @ and the name of an attribute")?;
            return Ok(Act::AddAttribute(name.to_owned(), only_text(&content(item))?));
        }
        let position = match item.attribute("pos") {
            None => Position::Append,
            Some("prepend") => Position::Prepend,
            Some("before") => Position::Before,
            Some("after") => Position::After,
            Some(_) => return Err("pos is before, after or prepend".to_owned()),
        };
        Ok(Act::Add(content(item), position))
    }
}

/// What is in an operation, without the space that only sets elements apart.
fn content(item: &Element) -> Vec<Node> {
    let is_mixed = item.nodes().iter().any(|node| !matches!(node, Node::Text(_)));
    let says_something = |node: &&Node| !matches!(node, Node::Text(text) if is_mixed && text.trim().is_empty());
    item.nodes().iter().filter(says_something).cloned().collect()
}

/// Refuses elements that are neither FHIR's nor of a narrative: no resource has such.
fn require_namespace(nodes: &[Node]) -> Result<(), String> {
    let mut left: Vec<&Node> = nodes.iter().collect();
    while let Some(node) = left.pop() {
        let Node::Element(element) = node else { continue };
        if element.space == Space::Other {
            let name: String = element.name.chars().take(32).collect();
            return Err(format!(
                "the element '{name}' is not in the namespace of FHIR: write <diff xmlns=\"{FHIR}\">, or \
                 <diff xmlns:f=\"{FHIR}\"> and <f:{name}>"
            ));
        }
        left.extend(element.nodes());
    }
    Ok(())
}

fn only_text(nodes: &[Node]) -> Result<String, String> {
    match nodes {
        [] => Ok(String::new()),
        [Node::Text(text)] => Ok(text.clone()),
        _ => Err("the value of an attribute is text".to_owned()),
    }
}

const ROOT: &str = "the root can be neither taken away nor have siblings";

/// What the node at a place stands among, and where.
fn siblings<'t>(root: &'t mut Element, place: &[usize]) -> Result<(&'t mut Vec<Node>, usize), String> {
    let (last, above) = place.split_last().ok_or(ROOT)?;
    let nodes =
        element_at(root, above)?.nodes_mut().ok_or("what is in a narrative is not reached: replace it whole")?;
    if *last < nodes.len() { Ok((nodes, *last)) } else { Err("there is nothing at this place".to_owned()) }
}

fn element_at<'t>(root: &'t mut Element, place: &[usize]) -> Result<&'t mut Element, String> {
    place.iter().try_fold(root, |element, at| match element.nodes_mut().and_then(|nodes| nodes.get_mut(*at)) {
        Some(Node::Element(child)) => Ok(child),
        _ => Err("this is no element".to_owned()),
    })
}

fn add(
    root: &mut Element,
    place: &[usize],
    nodes: &[Node],
    position: Position,
    room: &mut Room<'_>,
) -> Result<(), String> {
    let is_beside = matches!(position, Position::Before | Position::After);
    room.require_depth(place.len() + usize::from(!is_beside), nodes)?;
    let (among, at) = match position {
        Position::Before => siblings(root, place)?,
        Position::After => siblings(root, place).map(|(siblings, at)| (siblings, at + 1))?,
        Position::Prepend | Position::Append => {
            let inside = element_at(root, place)?.nodes_mut();
            let inside = inside.ok_or("what is in a narrative is not reached: replace it whole")?;
            let at = if position == Position::Prepend { 0 } else { inside.len() };
            (inside, at)
        }
    };
    room.pass(among)?;
    among.splice(at..at, nodes.iter().cloned());
    Ok(())
}

/// Puts one node in the place of another one of the same kind (RFC 5261, section 4.4).
fn replace(root: &mut Element, place: &[usize], nodes: &[Node]) -> Result<(), String> {
    if place.is_empty() {
        return match nodes {
            [Node::Element(element)] => {
                *root = element.clone();
                Ok(())
            }
            _ => Err("an element is replaced by one element".to_owned()),
        };
    }
    let (siblings, at) = siblings(root, place)?;
    let Some(old) = siblings.get_mut(at) else { return Err("there is nothing at this place".to_owned()) };
    let new = match (&*old, nodes) {
        (Node::Element(_), [new @ Node::Element(_)])
        | (Node::Text(_), [new @ Node::Text(_)])
        | (Node::Comment(_), [new @ Node::Comment(_)]) => new.clone(),
        (Node::Text(_), []) => Node::Text(String::new()),
        _ => return Err("a node is replaced by one of its kind".to_owned()),
    };
    *old = new;
    Ok(())
}
