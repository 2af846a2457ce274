//! FHIR's JSON form into XML, by the element table (R4 "XML Representation of Resources").

use super::FHIR;
use crate::issue::{Issue, IssueCode};
use crate::json::{Object, Value};
use crate::pieces;
use crate::registry::ResourceType;
use crate::schema::{Schema, Shape, TypeKind, r4};

/// Writes a resource as XML: UTF-8 with a declaration, elements in the order of the definitions, no space between them.
///
/// # Errors
/// One issue, if the value has not passed the check and holds what XML has no place for.
pub fn write_xml(value: &Value<'_>) -> Result<String, Issue> {
    let mut writer = Writer { schema: r4(), out: String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>") };
    writer.resource(value, true)?;
    Ok(writer.out)
}

/// Appends an entry of a Bundle as XML, as it stands in the Bundle.
///
/// # Errors
/// As those of [`write_xml`].
pub fn write_entry_xml(entry: &Value<'_>, out: &mut String) -> Result<(), Issue> {
    let element = r4().resource(BUNDLE).and_then(|shape| shape.element(ENTRY)).and_then(|entry| entry.types.first());
    let Some(of_type) = element else { return Err(refuse("a type is not known")) };
    let member = Ordered { position: 0, name: ENTRY, kind: of_type.kind, value: Some(entry), beside: None };
    let mut writer = Writer { schema: r4(), out: std::mem::take(out) };
    let written = writer.member(&member);
    *out = writer.out;
    written
}

/// The type, and its element, that are written in parts.
const BUNDLE: ResourceType = ResourceType::of("Bundle");
const ENTRY: &str = "entry";

struct Writer {
    schema: &'static Schema,
    out: String,
}

/// A member with its place in the order of the definitions.
struct Ordered<'v, 'o> {
    position: usize,
    name: &'o str,
    kind: TypeKind,
    value: Option<&'o Value<'v>>,
    beside: Option<&'o Value<'v>>,
}

fn refuse(what: &str) -> Issue {
    Issue::plain(IssueCode::Exception, format!("the resource cannot be written as XML: {what}"))
}

impl Writer {
    fn resource(&mut self, value: &Value<'_>, is_root: bool) -> Result<(), Issue> {
        let name = value.text("resourceType").unwrap_or_default();
        let shape = ResourceType::parse(name).and_then(|known| self.schema.resource(known));
        let (Some(shape), Some(object)) = (shape, value.as_object()) else {
            return Err(refuse("it has no known resource type"));
        };
        self.out.push('<');
        self.out.push_str(name);
        if is_root {
            self.attribute("xmlns", FHIR);
        }
        self.content(shape, object, name)
    }

    /// Goes on after the name in a start tag: attributes, elements, end tag.
    fn content(&mut self, shape: &Shape, object: &Object<'_>, name: &str) -> Result<(), Issue> {
        let mut members = order(shape, object)?;
        pieces::did(members.len());
        for member in
            members.extract_if(.., |member| shape.elements.get(member.position).is_some_and(|e| e.is_attribute))
        {
            let value = member.value.and_then(Value::as_str).ok_or_else(|| refuse("an attribute is no string"))?;
            self.attribute(member.name, value);
        }
        if members.is_empty() {
            self.out.push_str("/>");
            return Ok(());
        }
        self.out.push('>');
        for member in &members {
            self.member(member)?;
        }
        self.close(name);
        Ok(())
    }

    fn member(&mut self, member: &Ordered<'_, '_>) -> Result<(), Issue> {
        let (values, beside) = (items(member.value), items(member.beside));
        for position in 0..values.len().max(beside.len()) {
            let value = values.get(position).filter(|value| **value != Value::Null);
            match (member.kind, value) {
                (TypeKind::Primitive(_), value) => self.primitive(member, value, beside.get(position))?,
                (TypeKind::Shape(id), Some(Value::Object(object))) => {
                    let shape = self.schema.shape(id).ok_or_else(|| refuse("a type is not known"))?;
                    self.open(member.name);
                    self.content(shape, object, member.name)?;
                }
                (TypeKind::Resource, Some(resource)) => {
                    self.open(member.name);
                    self.out.push('>');
                    self.resource(resource, false)?;
                    self.close(member.name);
                }
                _ => return Err(refuse("an object is missing")),
            }
        }
        Ok(())
    }

    fn primitive(
        &mut self,
        member: &Ordered<'_, '_>,
        value: Option<&Value<'_>>,
        beside: Option<&Value<'_>>,
    ) -> Result<(), Issue> {
        let text = match value {
            Some(Value::Bool(true)) => Some("true"),
            Some(Value::Bool(false)) => Some("false"),
            Some(Value::Number(text) | Value::String(text)) => Some(text.as_ref()),
            _ => None,
        };
        if !matches!(member.kind, TypeKind::Primitive(primitive) if primitive.can_carry()) {
            // A narrative is XML already, and the check has read it to its end.
            self.out.push_str(text.unwrap_or_default());
            return Ok(());
        }
        self.open(member.name);
        let nothing = Object::default();
        let beside = beside.and_then(Value::as_object).unwrap_or(&nothing);
        // The id comes before the value only by custom; the rest of what is beside stands inside.
        if let Some(id) = beside.get("id").and_then(Value::as_str) {
            self.attribute("id", id);
        }
        if let Some(text) = text {
            self.attribute("value", text);
        }
        let inside = Object(beside.0.iter().filter(|(name, _)| name != "id").cloned().collect());
        let shape = self.schema.primitive_parts().ok_or_else(|| refuse("a type is not known"))?;
        self.content(shape, &inside, member.name)
    }

    fn open(&mut self, name: &str) {
        self.out.push('<');
        self.out.push_str(name);
    }

    fn close(&mut self, name: &str) {
        self.out.push_str("</");
        self.out.push_str(name);
        self.out.push('>');
    }

    fn attribute(&mut self, name: &str, value: &str) {
        self.out.push(' ');
        self.out.push_str(name);
        self.out.push_str("=\"");
        escape(value, &mut self.out);
        self.out.push('"');
    }
}

/// The items of a list, of which some may be null; a single value is one item.
fn items<'o, 'v>(value: Option<&'o Value<'v>>) -> &'o [Value<'v>] {
    value.map_or(&[], Value::items)
}

/// The members in the order of the definitions, each together with what stands beside it.
fn order<'v, 'o>(shape: &Shape, object: &'o Object<'v>) -> Result<Vec<Ordered<'v, 'o>>, Issue> {
    let mut members: Vec<Ordered<'v, 'o>> = Vec::with_capacity(object.0.len());
    for (name, value) in &object.0 {
        let Some(found) = shape.member(name) else {
            if shape.is_resource && name == "resourceType" {
                continue;
            }
            return Err(refuse("it has an unknown element"));
        };
        let plain = if found.beside { name.strip_prefix('_').unwrap_or(name) } else { name };
        let at = match members.iter().position(|member| member.name == plain) {
            Some(at) => at,
            None => {
                let kind = found.of_type.kind;
                members.push(Ordered { position: found.position, name: plain, kind, value: None, beside: None });
                members.len() - 1
            }
        };
        if let Some(member) = members.get_mut(at) {
            if found.beside {
                member.beside = Some(value);
            } else {
                member.value = Some(value);
            }
        }
    }
    members.sort_by_key(|member| member.position);
    Ok(members)
}

/// Appends text as it stands in an attribute. Tabs and line ends are written as references, else they would be read as
/// spaces (XML 1.0, section 3.3.3), and so are spaces at either end, which would not be read at all.
pub(crate) fn escape(text: &str, out: &mut String) {
    let inside = text.trim_matches(' ');
    let before = text.len() - text.trim_start_matches(' ').len();
    let after = text.len() - before - inside.len();
    out.extend(std::iter::repeat_n("&#32;", before));
    escape_inside(inside, out);
    out.extend(std::iter::repeat_n("&#32;", after));
}

fn escape_inside(text: &str, out: &mut String) {
    let mut rest = text;
    while let Some(at) = rest.find(['&', '<', '>', '"', '\t', '\n', '\r']) {
        let (plain, special) = rest.split_at_checked(at).unwrap_or((rest, ""));
        out.push_str(plain);
        let mut characters = special.chars();
        out.push_str(match characters.next() {
            Some('&') => "&amp;",
            Some('<') => "&lt;",
            Some('>') => "&gt;",
            Some('"') => "&quot;",
            Some('\t') => "&#9;",
            Some('\n') => "&#10;",
            Some('\r') => "&#13;",
            _ => "",
        });
        rest = characters.as_str();
    }
    out.push_str(rest);
}
