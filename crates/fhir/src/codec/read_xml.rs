//! XML into FHIR's JSON form, by the element table (R4 "XML Representation of Resources").

use std::borrow::Cow;

use super::FHIR;
use super::namespaces::{Namespaces, Space};
use crate::issue::{Issue, IssueCode};
use crate::json::{Limits, Object, Value};
use crate::markup::{Attributes, Fault, Markup, Token};
use crate::registry::ResourceType;
use crate::schema::element_path::ElementPath;
use crate::schema::narrative;
use crate::schema::problems::{Problems, shown};
use crate::schema::{Found, Primitive, Schema, Shape, TypeKind, Written, r4};

/// Reads a resource. Beside it come the problems that its JSON form does not show any more.
///
/// # Errors
/// One issue: why the body is not XML, is beyond a limit, or has a root that is no resource of FHIR.
pub(super) fn read<'a>(body: &'a [u8], limits: &Limits) -> Result<(Value<'a>, Vec<Issue>), Vec<Issue>> {
    read_ordered(body, limits, true)
}

/// The same of what has been put together, where elements may stand in any order.
///
/// # Errors
/// As [`read`].
pub(crate) fn read_in_any_order<'a>(body: &'a [u8], limits: &Limits) -> Result<(Value<'a>, Vec<Issue>), Vec<Issue>> {
    read_ordered(body, limits, false)
}

fn read_ordered<'a>(body: &'a [u8], limits: &Limits, is_ordered: bool) -> Result<(Value<'a>, Vec<Issue>), Vec<Issue>> {
    let refuse = |code, text: String| vec![Issue::plain(code, text)];
    if body.len() > limits.bytes {
        let text = format!("the body is longer than the limit of {} bytes", limits.bytes);
        return Err(refuse(IssueCode::TooLong, text));
    }
    let text = std::str::from_utf8(body)
        .map_err(|_| refuse(IssueCode::Structure, "not valid XML: the text is not UTF-8".to_owned()))?;
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    // What XML does not allow anywhere is refused once and for all.
    if let Err(reason) = Primitive::Xhtml.check(text) {
        return Err(refuse(IssueCode::Structure, format!("not valid XML: {reason}")));
    }
    // JSON does not count what is inside of a narrative.
    let limits = Limits { depth: limits.depth + narrative::DEEPEST, ..*limits };
    let (namespaces, problems) = (Namespaces::default(), Problems::default());
    let mut reader = Reader { markup: Markup::new(text, &limits), namespaces, schema: r4(), problems, is_ordered };
    match reader.document() {
        Ok(value) => Ok((value, reader.problems.into_issues())),
        Err(fault) => Err(vec![fault.issue(text)]),
    }
}

/// The name of the root element of a body, if that is one of FHIR's; whatever is wrong with the rest.
#[must_use]
pub fn root_of_xml(body: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?;
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    let (mut markup, mut namespaces) = (Markup::new(text, &Limits::default()), Namespaces::default());
    loop {
        match markup.next().ok()? {
            Token::Open { name, attributes, .. } => {
                namespaces.enter(1, &attributes).ok()?;
                let (space, local) = namespaces.of(name);
                return (space == Space::Fhir).then(|| local.to_owned());
            }
            Token::End => return None,
            _ => {}
        }
    }
}

struct Reader<'a> {
    markup: Markup<'a>,
    namespaces: Namespaces<'a>,
    schema: &'static Schema,
    problems: Problems,
    /// Whether elements must stand in the order of the definitions.
    is_ordered: bool,
}

/// A part of the text, its names understood.
enum Node<'a> {
    /// A start tag: the name without its prefix, and the attributes that are not for tools.
    Open { name: &'a str, space: Space, attributes: Attributes<'a>, empty: bool },
    /// Text between tags.
    Text(Cow<'a, str>),
    /// What says nothing: a comment or a processing instruction.
    Nothing,
    /// An end tag, or the end of the text.
    Close,
}

/// The values gathered under one member's name.
struct Slot<'a> {
    name: &'a str,
    is_list: bool,
    values: Vec<Part<'a>>,
}

/// One element: its value, and beside it, for a primitive, its id and extensions.
#[derive(Default)]
struct Part<'a> {
    value: Option<Value<'a>>,
    beside: Option<Object<'a>>,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<Node<'a>, Fault> {
        Ok(match self.markup.next()? {
            Token::Open { name, mut attributes, empty } => {
                let depth = self.markup.depth() + usize::from(empty);
                self.namespaces.enter(depth, &attributes).map_err(|text| self.markup.fault(text))?;
                let (space, name) = self.namespaces.of(name);
                attributes.retain(|(attribute, _)| !self.namespaces.is_for_tools(attribute));
                Node::Open { name, space, attributes, empty }
            }
            Token::Text { text, .. } => Node::Text(text),
            Token::Comment | Token::Instruction => Node::Nothing,
            Token::Close | Token::End => Node::Close,
        })
    }

    fn document(&mut self) -> Result<Value<'a>, Fault> {
        loop {
            match self.next()? {
                Node::Open { name, space, attributes, empty } => {
                    let place = ElementPath::root(name);
                    if space != Space::Fhir {
                        let text = format!("the root element must have xmlns=\"{FHIR}\"");
                        return Err(self.markup.fault(text));
                    }
                    if ResourceType::parse(name).is_none() {
                        return Err(self.markup.fault(format!("'{}' is not a resource type of R4", shown(name))));
                    }
                    let value = self.resource(name, space, &attributes, empty, &place)?;
                    // What follows the root is read too, as it must be well-formed.
                    while self.markup.next()? != Token::End {}
                    return Ok(value);
                }
                Node::Text(_) | Node::Nothing => {}
                Node::Close => return Err(self.markup.fault("there is no element")),
            }
        }
    }

    fn resource(
        &mut self,
        name: &'a str,
        space: Space,
        attributes: &Attributes<'a>,
        empty: bool,
        place: &ElementPath<'_>,
    ) -> Result<Value<'a>, Fault> {
        if space != Space::Fhir {
            self.problems.add(IssueCode::Structure, place, format!("the namespace must be {FHIR}"));
        }
        for (attribute, _) in attributes {
            self.unknown_attribute(attribute, place);
        }
        let mut members = vec![(Cow::Borrowed("resourceType"), Value::String(Cow::Borrowed(name)))];
        match ResourceType::parse(name).and_then(|known| self.schema.resource(known)) {
            Some(shape) => self.children(shape, empty, place, &mut members)?,
            // The check says that the type is unknown; what is in it cannot be read.
            None => self.skip(empty)?,
        }
        Ok(Value::Object(Object(members)))
    }

    /// Reads the elements inside of one up to its end tag.
    fn children(
        &mut self,
        shape: &'static Shape,
        empty: bool,
        place: &ElementPath<'_>,
        members: &mut Vec<(Cow<'a, str>, Value<'a>)>,
    ) -> Result<(), Fault> {
        if empty {
            return Ok(());
        }
        let mut slots: Vec<Slot<'a>> = Vec::new();
        let mut last = 0;
        loop {
            match self.next()? {
                Node::Open { name, space, attributes, empty } => {
                    let is_here = |found: &Found<'_>| {
                        let is_narrative = found.of_type.kind == TypeKind::Primitive(Primitive::Xhtml);
                        !found.beside && !found.element.is_attribute && (is_narrative || space == Space::Fhir)
                    };
                    let Some(found) = shape.member(name).filter(is_here) else {
                        let text = format!("'{}' is not an element of {}", shown(name), shape.name);
                        self.problems.add(IssueCode::Invalid, &place.element(name), text);
                        self.skip(empty)?;
                        continue;
                    };
                    if self.is_ordered && found.position < last {
                        let text = format!("'{name}' is out of order: elements stand in the order of the definitions");
                        self.problems.add(IssueCode::Structure, &place.element(name), text);
                    }
                    last = last.max(found.position);
                    let at = match slots.iter().rposition(|slot| slot.name == name) {
                        Some(at) => at,
                        None => {
                            slots.push(Slot { name, is_list: found.element.is_list, values: Vec::new() });
                            slots.len() - 1
                        }
                    };
                    let count = slots.get(at).map_or(0, |slot| slot.values.len());
                    let here = place.element(name);
                    let item = here.item(count);
                    let here = if found.element.is_list { &item } else { &here };
                    let part = self.element(&found, &attributes, empty, here)?;
                    if let Some(slot) = slots.get_mut(at) {
                        slot.values.push(part);
                    }
                }
                Node::Text(text) => self.no_text(&text, place),
                Node::Nothing => {}
                Node::Close => break,
            }
        }
        for slot in slots {
            slot.into_members(members);
        }
        Ok(())
    }

    fn no_text(&mut self, text: &str, place: &ElementPath<'_>) {
        if !text.trim().is_empty() {
            self.problems.add(
                IssueCode::Structure,
                place,
                format!("there is text between elements: '{}'", shown(text.trim())),
            );
        }
    }

    fn unknown_attribute(&mut self, attribute: &str, place: &ElementPath<'_>) {
        let text = format!("the attribute '{}' is not known here", shown(attribute));
        self.problems.add(IssueCode::Invalid, place, text);
    }

    fn element(
        &mut self,
        found: &Found<'static>,
        attributes: &Attributes<'a>,
        empty: bool,
        place: &ElementPath<'_>,
    ) -> Result<Part<'a>, Fault> {
        match found.of_type.kind {
            TypeKind::Primitive(Primitive::Xhtml) => {
                let value = Some(Value::String(self.raw(empty)?));
                Ok(Part { value, beside: None })
            }
            TypeKind::Primitive(primitive) => self.primitive(primitive, attributes, empty, place),
            TypeKind::Resource => self.inner_resource(attributes, empty, place),
            TypeKind::Shape(id) => {
                let mut members = Vec::new();
                if let Some(shape) = self.schema.shape(id) {
                    for (name, value) in attributes {
                        if shape.member(name).is_some_and(|found| found.element.is_attribute) {
                            members.push((Cow::Borrowed(*name), Value::String(value.clone())));
                        } else {
                            self.unknown_attribute(name, place);
                        }
                    }
                    self.children(shape, empty, place, &mut members)?;
                }
                Ok(Part { value: Some(Value::Object(Object(members))), beside: None })
            }
        }
    }

    fn primitive(
        &mut self,
        primitive: Primitive,
        attributes: &Attributes<'a>,
        empty: bool,
        place: &ElementPath<'_>,
    ) -> Result<Part<'a>, Fault> {
        let mut part = Part::default();
        let mut beside = Vec::new();
        for (name, value) in attributes {
            match *name {
                "value" => part.value = Some(in_json(primitive, value.clone())),
                "id" => beside.push((Cow::Borrowed("id"), Value::String(value.clone()))),
                other => self.unknown_attribute(other, place),
            }
        }
        match self.schema.primitive_parts() {
            Some(shape) if primitive.can_carry() => self.children(shape, empty, place, &mut beside)?,
            _ => self.skip(empty)?,
        }
        if !beside.is_empty() {
            part.beside = Some(Object(beside));
        }
        if part.value.is_none() && part.beside.is_none() {
            self.problems.add(IssueCode::Invariant, place, "an element has a value or children (ele-1)");
        }
        Ok(part)
    }

    /// An element that holds one resource.
    fn inner_resource(
        &mut self,
        attributes: &Attributes<'a>,
        empty: bool,
        place: &ElementPath<'_>,
    ) -> Result<Part<'a>, Fault> {
        for (name, _) in attributes {
            self.unknown_attribute(name, place);
        }
        let mut part = Part::default();
        if !empty {
            loop {
                match self.next()? {
                    Node::Open { name, space, attributes, empty } if part.value.is_none() => {
                        part.value = Some(self.resource(name, space, &attributes, empty, place)?);
                    }
                    Node::Open { empty, .. } => {
                        self.problems.add(IssueCode::Structure, place, "only one resource may stand here");
                        self.skip(empty)?;
                    }
                    Node::Text(text) => self.no_text(&text, place),
                    Node::Nothing => {}
                    Node::Close => break,
                }
            }
        }
        if part.value.is_none() {
            self.problems.add(IssueCode::Structure, place, "a resource must stand here");
        }
        Ok(part)
    }

    /// Passes over what is inside of an element, up to its end tag.
    fn skip(&mut self, empty: bool) -> Result<(), Fault> {
        if empty {
            return Ok(());
        }
        let inside = self.markup.depth();
        while self.markup.depth() >= inside {
            self.markup.next()?;
        }
        Ok(())
    }

    /// The text of an element from its start tag to its end tag, as it was sent. Carriage returns are kept too, although
    /// XML 1.0 (section 2.11) would drop them: in XHTML they mean nothing, and so a narrative comes back as it went. Prefixes
    /// alone are taken off: what they mean may be declared outside of it.
    fn raw(&mut self, empty: bool) -> Result<Cow<'a, str>, Fault> {
        let start = self.markup.start();
        self.skip(empty)?;
        let narrative = self.markup.slice_from(start);
        Ok(self.namespaces.without_prefixes(narrative).map_or(Cow::Borrowed(narrative), Cow::Owned))
    }
}

/// A primitive's value as JSON has it. One that is not of its type's form stays a string, which the check refuses.
fn in_json(primitive: Primitive, text: Cow<'_, str>) -> Value<'_> {
    match primitive.written() {
        Written::Boolean if text == "true" => Value::Bool(true),
        Written::Boolean if text == "false" => Value::Bool(false),
        Written::Number if Primitive::Decimal.check(&text).is_ok() => Value::Number(text),
        _ => Value::String(text),
    }
}

impl<'a> Slot<'a> {
    /// The member of this name, and the one with the underscore if something stands beside a value.
    fn into_members(self, members: &mut Vec<(Cow<'a, str>, Value<'a>)>) {
        let has_value = self.values.iter().any(|part| part.value.is_some());
        let has_beside = self.values.iter().any(|part| part.beside.is_some());
        let (values, beside): (Vec<_>, Vec<_>) = self
            .values
            .into_iter()
            .map(|part| (part.value.unwrap_or(Value::Null), part.beside.map_or(Value::Null, Value::Object)))
            .unzip();
        let is_list = self.is_list || values.len() > 1;
        let whole =
            |mut items: Vec<Value<'a>>| if is_list { Value::Array(items) } else { items.pop().unwrap_or(Value::Null) };
        if has_value {
            members.push((Cow::Borrowed(self.name), whole(values)));
        }
        if has_beside {
            members.push((Cow::Owned(format!("_{}", self.name)), whole(beside)));
        }
    }
}
