//! The ways through a resource: its elements by name, whatever type a choice has, and all of them.

use std::borrow::Cow;

use super::evaluation::Evaluation;
use super::fault::Fault;
use super::item::{Item, Node, NodeType, PlaceId, System, node_type};
use crate::json::Value;
use crate::schema::{ElementType, Found, TypeKind, r4};

/// How many members of an object are looked at in one step.
const MEMBERS_PER_STEP: usize = 8;

impl<'a> Evaluation<'a> {
    /// Adds the elements of that name which an item has.
    pub(super) fn member(&mut self, item: &Item<'a>, name: &str, into: &mut Vec<Item<'a>>) -> Result<(), Fault> {
        self.spend(1)?;
        match item {
            Item::Node(node) => self.element(node, name, into),
            Item::Type(namespace, type_name) => {
                match name {
                    "namespace" => into.push(Cow::Borrowed(*namespace).into()),
                    "name" => into.push(Cow::<str>::clone(type_name).into()),
                    _ => {}
                }
                Ok(())
            }
            Item::System(System::Quantity(quantity)) => {
                match name {
                    "value" => into.push(quantity.value.into()),
                    "unit" | "code" => {
                        into.push(Cow::<str>::Owned(quantity.unit.code().unwrap_or_default().to_owned()).into())
                    }
                    _ => {}
                }
                Ok(())
            }
            Item::System(_) => Ok(()),
        }
    }

    fn element(&mut self, node: &Node<'a>, name: &str, into: &mut Vec<Item<'a>>) -> Result<(), Fault> {
        let (shape, object) = match (node.of_type, node.value) {
            (NodeType::Primitive(_), _) => {
                let (Some(parts), Some(beside)) = (r4().primitive_parts(), node.beside) else {
                    return Ok(());
                };
                (parts, beside)
            }
            (NodeType::Shape(shape), Some(value)) => (shape, value),
            (_, None) => return Err(unread(node)),
            (NodeType::Unknown, Some(_)) => return Ok(()),
        };
        let Value::Object(object) = object else { return Ok(()) };
        self.spend(object.0.len() / MEMBERS_PER_STEP)?;
        match shape.member(name) {
            Some(found) if found.beside => Ok(()),
            Some(found) if found.element.is_choice => {
                let text = format!("'{name}' is written as '{}' in an expression", found.element.name);
                Err(Fault::wrong(text))
            }
            Some(found) => {
                let held = object.0.iter().find(|(other, _)| other == name);
                let beside = if can_carry(&found) {
                    object.0.iter().find(|(other, _)| other.strip_prefix('_') == Some(name))
                } else {
                    None
                };
                self.gather(node.place, held, beside, found.of_type, into)
            }
            None => {
                for (member, _) in &object.0 {
                    let plain = member.strip_prefix('_').unwrap_or(member);
                    if !plain.starts_with(name) || plain.len() == name.len() {
                        continue;
                    }
                    let Some(found) = shape.member(member).filter(|found| found.element.name == name) else { continue };
                    // A value and what stands beside it are one.
                    if found.beside && object.get(plain).is_some() {
                        continue;
                    }
                    let held = object.0.iter().find(|(other, _)| other == plain);
                    let beside = object.0.iter().find(|(other, _)| other.strip_prefix('_') == Some(plain));
                    return self.gather(node.place, held, beside, found.of_type, into);
                }
                Ok(())
            }
        }
    }

    /// Adds the items of a member and of what stands beside it.
    fn gather(
        &mut self,
        parent: PlaceId,
        held: Option<&'a (Cow<'a, str>, Value<'a>)>,
        beside: Option<&'a (Cow<'a, str>, Value<'a>)>,
        of_type: &'static ElementType,
        into: &mut Vec<Item<'a>>,
    ) -> Result<(), Fault> {
        let name = match (held, beside) {
            (Some((name, _)), _) => name.as_ref(),
            (None, Some((name, _))) => name.strip_prefix('_').unwrap_or(name),
            (None, None) => return Ok(()),
        };
        let (held, beside) = (held.map(|(_, value)| value), beside.map(|(_, value)| value));
        let is_list = matches!((held, beside), (Some(Value::Array(_)), _) | (None, Some(Value::Array(_))));
        let count = held.map_or(0, |value| value.items().len()).max(beside.map_or(0, |value| value.items().len()));
        self.spend(count)?;
        for position in 0..count {
            let at = |value: Option<&'a Value<'a>>| {
                value.and_then(|value| value.items().get(position)).filter(|value| **value != Value::Null)
            };
            let (value, beside) = (at(held), at(beside));
            if value.is_none() && beside.is_none() {
                continue;
            }
            let place = self.step(parent, name, is_list.then_some(position));
            into.push(Item::Node(Node { value, beside, of_type: node_type(of_type, value), place }));
        }
        Ok(())
    }

    /// Adds all elements that an item has.
    pub(super) fn children(&mut self, item: &Item<'a>, into: &mut Vec<Item<'a>>) -> Result<(), Fault> {
        let Item::Node(node) = item else { return Ok(()) };
        self.spend(1)?;
        let (shape, object) = match (node.of_type, node.value) {
            (NodeType::Primitive(_), _) => match (r4().primitive_parts(), node.beside) {
                (Some(parts), Some(beside)) => (parts, beside),
                _ => return Ok(()),
            },
            (NodeType::Shape(shape), Some(value)) => (shape, value),
            (_, None) => return Err(unread(node)),
            (NodeType::Unknown, Some(_)) => return Ok(()),
        };
        let Value::Object(object) = object else { return Ok(()) };
        self.spend(object.0.len() / MEMBERS_PER_STEP)?;
        for entry in &object.0 {
            let Some(found) = shape.member(&entry.0) else { continue };
            let plain = entry.0.strip_prefix('_').filter(|_| found.beside);
            match plain {
                // It comes with its value.
                Some(plain) if object.get(plain).is_some() => {}
                Some(_) => self.gather(node.place, None, Some(entry), found.of_type, into)?,
                None => {
                    let beside = if can_carry(&found) {
                        object.0.iter().find(|(other, _)| other.strip_prefix('_') == Some(entry.0.as_ref()))
                    } else {
                        None
                    };
                    self.gather(node.place, Some(entry), beside, found.of_type, into)?;
                }
            }
        }
        Ok(())
    }

    /// All elements below, in the order in which they are written.
    pub(super) fn descendants(&mut self, input: Vec<Item<'a>>) -> Result<Vec<Item<'a>>, Fault> {
        let mut found = Vec::new();
        let mut waiting = Vec::new();
        for item in &input {
            self.children(item, &mut waiting)?;
        }
        waiting.reverse();
        let mut children = Vec::new();
        while let Some(item) = waiting.pop() {
            self.children(&item, &mut children)?;
            waiting.extend(children.drain(..).rev());
            found.push(item);
        }
        Ok(found)
    }
}

fn can_carry(found: &Found<'_>) -> bool {
    matches!(found.of_type.kind, TypeKind::Primitive(kind) if kind.can_carry())
}

/// Nothing can be said of what is inside a resource that nobody has looked up.
fn unread(node: &Node<'_>) -> Fault {
    Fault::Unknown(format!("a {} that is referred to was not looked up", node.type_name()).into())
}
