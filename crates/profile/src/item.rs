//! The elements of a resource while it is walked: what stands there, of which type.

use std::fmt;
use std::sync::OnceLock;

use concord_fhir::json::{Object, Value};
use concord_fhir::registry::ResourceType;
use concord_fhir::schema::{ElementType, Shape, TypeKind, r4};

/// What stands beside a primitive that has only its value.
static NOTHING: Object<'static> = Object(Vec::new());

/// An element: its value, what stands beside a primitive, and its type.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Item<'v> {
    /// The value; nothing if a primitive has only extensions.
    pub(crate) value: Option<&'v Value<'v>>,
    /// The id and the extensions of a primitive.
    pub(crate) beside: Option<&'v Value<'v>>,
    pub(crate) of_type: &'static ElementType,
    /// The element's name, without `[x]`.
    pub(crate) element: &'static str,
    /// The name as it stands in the resource.
    pub(crate) member: &'v str,
    /// The position in a list.
    pub(crate) position: Option<usize>,
}

/// The elements of an object, found once: each with its position in the shape.
pub(crate) struct Members<'v> {
    found: Vec<(usize, Item<'v>)>,
    shape: &'static Shape,
}

impl<'v> Members<'v> {
    /// Reads an object of that shape. What is no element of it is left to the check of the type.
    pub(crate) fn of(shape: &'static Shape, object: &'v Object<'v>) -> Members<'v> {
        let mut found = Vec::with_capacity(object.0.len());
        let has_companions = object.0.iter().any(|(name, _)| name.starts_with('_'));
        for (name, value) in &object.0 {
            let Some(member) = shape.member(name) else { continue };
            let item = |value: Option<&'v Value<'v>>, beside: Option<&'v Value<'v>>, position| {
                let name = name.strip_prefix('_').unwrap_or(name);
                let element = member.element.name.as_ref();
                (member.position, Item { value, beside, of_type: member.of_type, element, member: name, position })
            };
            let companion = |position: usize| {
                let other = format!("_{name}");
                let beside = object.get(&other)?;
                match beside {
                    Value::Array(items) => items.get(position).filter(|item| **item != Value::Null),
                    single => Some(single),
                }
            };
            let is_primitive = has_companions && matches!(member.of_type.kind, TypeKind::Primitive(_));
            match (member.beside, value) {
                // What stands beside a value comes with it.
                (true, beside) => {
                    let plain = object.get(name.get(1..).unwrap_or_default());
                    if plain.is_none() {
                        let items = beside.items();
                        let is_list = matches!(beside, Value::Array(_));
                        found.extend(
                            items
                                .iter()
                                .enumerate()
                                .filter(|(_, one)| **one != Value::Null)
                                .map(|(at, one)| item(None, Some(one), is_list.then_some(at))),
                        );
                    }
                }
                (false, Value::Array(items)) => {
                    for (position, one) in items.iter().enumerate() {
                        let beside = if is_primitive { companion(position) } else { None };
                        let value = Some(one).filter(|one| **one != Value::Null);
                        if value.is_some() || beside.is_some() {
                            found.push(item(value, beside, Some(position)));
                        }
                    }
                }
                (false, Value::Null) => {}
                (false, one) => found.push(item(Some(one), if is_primitive { companion(0) } else { None }, None)),
            }
        }
        Members { found, shape }
    }

    /// The items of the element of that name (without `[x]`).
    pub(crate) fn named(&self, name: &str) -> impl Iterator<Item = Item<'v>> {
        let position = self.shape.elements.iter().position(|element| element.name == name);
        self.found.iter().filter(move |(at, _)| Some(*at) == position).map(|(_, item)| *item)
    }

    /// All of them.
    pub(crate) fn all(&self) -> impl Iterator<Item = Item<'v>> {
        self.found.iter().map(|(_, item)| *item)
    }
}

impl<'v> Item<'v> {
    /// The object in which its elements are, with its shape.
    pub(crate) fn inside(&self) -> Option<(&'static Shape, &'v Object<'v>)> {
        match self.of_type.kind {
            TypeKind::Shape(id) => Some((r4().shape(id)?, self.value?.as_object()?)),
            TypeKind::Primitive(_) => {
                // What must stand beside a value is missing where nothing does.
                let beside = self.beside.map_or(Some(&NOTHING), Value::as_object);
                Some((r4().primitive_parts()?, beside?))
            }
            TypeKind::Resource => resource_shape(self.value?),
        }
    }

    /// The name of its type: of a resource its own.
    pub(crate) fn type_name(&self) -> &'v str {
        match self.of_type.kind {
            TypeKind::Resource => self.value.and_then(|value| value.text("resourceType")).unwrap_or_default(),
            _ => &self.of_type.name,
        }
    }

    /// The text, if it is one.
    pub(crate) fn text(&self) -> Option<&'v str> {
        self.value?.as_str()
    }
}

/// The shape of a resource, with its members.
pub(crate) fn resource_shape<'v>(resource: &'v Value<'v>) -> Option<(&'static Shape, &'v Object<'v>)> {
    let shape = r4().resource(ResourceType::parse(resource.text("resourceType")?)?)?;
    Some((shape, resource.as_object()?))
}

/// A resource as an item: one that is contained in another, or any other.
pub(crate) fn whole_resource<'v>(resource: &'v Value<'v>, is_contained: bool) -> Item<'v> {
    static RESOURCE: OnceLock<ElementType> = OnceLock::new();
    let of_type = RESOURCE.get_or_init(|| ElementType {
        name: "Resource".into(),
        kind: TypeKind::Resource,
        targets: Vec::new(),
        binding: None,
    });
    let element = if is_contained { "contained" } else { "resource" };
    Item { value: Some(resource), beside: None, of_type, element, member: element, position: None }
}

/// A place in a resource while it is walked; it costs nothing until somebody asks for its text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'p> {
    parent: Option<&'p Place<'p>>,
    name: &'p str,
    position: Option<usize>,
}

impl<'p> Place<'p> {
    pub(crate) fn root(name: &'p str) -> Place<'p> {
        Place { parent: None, name, position: None }
    }

    pub(crate) fn item(&'p self, item: &Item<'p>) -> Place<'p> {
        Place { parent: Some(self), name: item.member, position: item.position }
    }

    pub(crate) fn element(&'p self, name: &'p str) -> Place<'p> {
        Place { parent: Some(self), name, position: None }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            write!(f, "{parent}.")?;
        }
        f.write_str(self.name)?;
        self.position.map_or(Ok(()), |position| write!(f, "[{position}]"))
    }
}
