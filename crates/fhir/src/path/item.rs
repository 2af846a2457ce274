//! What an expression works on: elements of a resource where they stand, and values.

use std::borrow::Cow;

use super::decimal::Decimal;
use super::moment::{Kind, Moment};
use super::quantity::Quantity;
use crate::json::Value;
use crate::resource_type::ResourceType;
use crate::schema::{ElementType, Primitive, Shape, TypeKind, r4};

/// The data types of FHIR that are quantities.
const QUANTITIES: [&str; 6] = ["Quantity", "SimpleQuantity", "Age", "Count", "Distance", "Duration"];

/// One item of a collection.
#[derive(Clone, Debug)]
pub enum Item<'v> {
    /// A resource or an element.
    Node(Node<'v>),
    /// A value that the expression made.
    System(System<'v>),
    /// What `type()` says: the namespace and the name of a type.
    Type(&'static str, Cow<'static, str>),
}

/// A value of one of FHIRPath's own types.
#[derive(Clone, Debug)]
pub enum System<'v> {
    /// `System.Boolean`
    Boolean(bool),
    /// `System.Integer`
    Integer(i64),
    /// `System.Decimal`
    Decimal(Decimal),
    /// `System.String`
    String(Cow<'v, str>),
    /// `System.Date`, `System.DateTime` or `System.Time`
    Moment(Moment),
    /// `System.Quantity`
    Quantity(Box<Quantity<'v>>),
}

/// A resource, or an element of one where it stands.
#[derive(Clone, Copy, Debug)]
pub struct Node<'v> {
    /// What stands there; of a primitive that has only extensions, nothing.
    pub value: Option<&'v Value<'v>>,
    /// What a primitive carries besides its value.
    pub beside: Option<&'v Value<'v>>,
    pub(super) of_type: NodeType,
    pub(super) place: PlaceId,
}

/// What an element is, as the element table says.
#[derive(Clone, Copy, Debug)]
pub(crate) enum NodeType {
    Primitive(Primitive),
    Shape(&'static Shape),
    /// Nothing is known of it: a resource of an unknown type.
    Unknown,
}

/// Where an element stands: its position among the steps that the evaluation has gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PlaceId(pub(super) u32);

impl PlaceId {
    /// The place of what the evaluation started from.
    pub(super) const START: PlaceId = PlaceId(u32::MAX);
    /// The place of a resource that was looked up elsewhere.
    pub(super) const ELSEWHERE: PlaceId = PlaceId(u32::MAX - 1);
}

impl<'v> Node<'v> {
    /// A resource, of the type that it says itself.
    #[must_use]
    pub fn resource(value: &'v Value<'v>) -> Node<'v> {
        Node { value: Some(value), beside: None, of_type: resource_type(value), place: PlaceId::START }
    }

    /// An element of a complex type, or the inside of an element (`Observation.component`).
    #[must_use]
    pub fn element(value: &'v Value<'v>, shape: &'static Shape) -> Node<'v> {
        Node { value: Some(value), beside: None, of_type: NodeType::Shape(shape), place: PlaceId::START }
    }

    /// An element of a primitive type, with what it carries besides its value.
    #[must_use]
    pub fn primitive(value: Option<&'v Value<'v>>, beside: Option<&'v Value<'v>>, primitive: Primitive) -> Node<'v> {
        Node { value, beside, of_type: NodeType::Primitive(primitive), place: PlaceId::START }
    }

    /// The name of its type: `Patient`, `HumanName`, `code`; of an element with elements of its own `BackboneElement` or
    /// `Element`.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self.of_type {
            NodeType::Primitive(Primitive::ElementId) => "string",
            NodeType::Primitive(primitive) => primitive.name(),
            NodeType::Shape(shape) if shape.name == "SimpleQuantity" => "Quantity",
            NodeType::Shape(shape) if shape.name.contains('.') => &shape.base,
            NodeType::Shape(shape) => &shape.name,
            NodeType::Unknown => "Resource",
        }
    }

    /// The value of a primitive in FHIRPath's own types; nothing for what is no primitive or has no value.
    #[must_use]
    pub fn system(&self) -> Option<System<'v>> {
        let NodeType::Primitive(primitive) = self.of_type else { return None };
        Some(match (primitive, self.value?) {
            (_, Value::Bool(value)) => System::Boolean(*value),
            (Primitive::Decimal, Value::Number(text)) => System::Decimal(Decimal::read(text)?),
            (_, Value::Number(text)) => match text.parse() {
                Ok(number) => System::Integer(number),
                Err(_) => System::Decimal(Decimal::read(text)?),
            },
            (Primitive::Date, Value::String(text)) => System::Moment(Moment::date(text)?),
            (Primitive::DateTime | Primitive::Instant, Value::String(text)) => System::Moment(Moment::date_time(text)?),
            (Primitive::Time, Value::String(text)) => System::Moment(Moment::time(text)?),
            (_, Value::String(text)) => System::String(Cow::Borrowed(text)),
            _ => return None,
        })
    }

    /// Whether it is of a type for quantities.
    pub(super) fn is_quantity(&self) -> bool {
        matches!(self.of_type, NodeType::Shape(shape) if QUANTITIES.contains(&shape.name.as_ref()))
    }

    /// The quantity that an element of a type for quantities says. One with a comparator (`<`) is none.
    pub(super) fn quantity(&self) -> Option<Quantity<'v>> {
        self.value.filter(|_| self.is_quantity()).and_then(Quantity::of_value)
    }

    /// What tells it from every other element: where its value and what stands beside that lie in memory.
    pub(super) fn identity(&self) -> (Option<usize>, Option<usize>) {
        let address = |value: Option<&'v Value<'v>>| value.map(|value| std::ptr::from_ref(value).addr());
        (address(self.value), address(self.beside))
    }

    /// Whether it is of a primitive type.
    pub(super) fn is_primitive(&self) -> bool {
        matches!(self.of_type, NodeType::Primitive(_))
    }
}

impl<'v> Item<'v> {
    /// The value in FHIRPath's own types: of a value itself, of a primitive, or of a FHIR Quantity.
    #[must_use]
    pub fn system(&self) -> Option<System<'v>> {
        match self {
            Item::System(value) => Some(value.clone()),
            Item::Node(node) if node.is_primitive() => node.system(),
            Item::Node(node) => node.quantity().map(|quantity| System::Quantity(Box::new(quantity))),
            Item::Type(..) => None,
        }
    }

    /// The boolean, if it is one.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Item::System(System::Boolean(value)) => Some(*value),
            Item::Node(Node { value: Some(Value::Bool(value)), .. }) => Some(*value),
            _ => None,
        }
    }

    /// The text, if it is a string, or a primitive that is written as one.
    #[must_use]
    pub fn as_text(&self) -> Option<Cow<'v, str>> {
        match self {
            Item::System(System::String(text)) => Some(text.clone()),
            Item::Node(Node { value: Some(Value::String(text)), .. }) => Some(Cow::Borrowed(text)),
            _ => None,
        }
    }

    /// The element, if it is one.
    #[must_use]
    pub fn as_node(&self) -> Option<&Node<'v>> {
        match self {
            Item::Node(node) => Some(node),
            _ => None,
        }
    }

    /// The namespace and the name of its type.
    #[must_use]
    pub fn type_name(&self) -> (&'static str, &'static str) {
        match self {
            Item::System(value) => ("System", value.type_name()),
            Item::Node(node) => ("FHIR", node.type_name()),
            Item::Type(..) => ("System", "ClassInfo"),
        }
    }
}

impl<'v> System<'v> {
    /// The name of its type, without the namespace.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            System::Boolean(_) => "Boolean",
            System::Integer(_) => "Integer",
            System::Decimal(_) => "Decimal",
            System::String(_) => "String",
            System::Moment(moment) => match moment.kind {
                Kind::Date => "Date",
                Kind::DateTime => "DateTime",
                Kind::Time => "Time",
            },
            System::Quantity(_) => "Quantity",
        }
    }

    /// The value as a text, as `toString()` gives it.
    #[must_use]
    pub fn to_text(&self) -> Cow<'v, str> {
        match self {
            System::Boolean(true) => Cow::Borrowed("true"),
            System::Boolean(false) => Cow::Borrowed("false"),
            System::Integer(number) => Cow::Owned(number.to_string()),
            System::Decimal(number) => Cow::Owned(number.to_string()),
            System::String(text) => text.clone(),
            System::Moment(moment) => Cow::Owned(moment.to_string()),
            System::Quantity(quantity) => Cow::Owned(quantity.to_string()),
        }
    }
}

impl From<bool> for Item<'_> {
    fn from(value: bool) -> Self {
        Item::System(System::Boolean(value))
    }
}

impl From<i64> for Item<'_> {
    fn from(value: i64) -> Self {
        Item::System(System::Integer(value))
    }
}

impl From<Decimal> for Item<'_> {
    fn from(value: Decimal) -> Self {
        Item::System(System::Decimal(value))
    }
}

impl<'v> From<Cow<'v, str>> for Item<'v> {
    fn from(value: Cow<'v, str>) -> Self {
        Item::System(System::String(value))
    }
}

impl From<Moment> for Item<'_> {
    fn from(value: Moment) -> Self {
        Item::System(System::Moment(value))
    }
}

impl<'v> From<Quantity<'v>> for Item<'v> {
    fn from(value: Quantity<'v>) -> Self {
        Item::System(System::Quantity(Box::new(value)))
    }
}

/// What an element of a type in the element table is.
pub(super) fn node_type(of_type: &ElementType, value: Option<&Value<'_>>) -> NodeType {
    match of_type.kind {
        TypeKind::Primitive(primitive) => NodeType::Primitive(primitive),
        TypeKind::Shape(id) => r4().shape(id).map_or(NodeType::Unknown, NodeType::Shape),
        TypeKind::Resource => value.map_or(NodeType::Unknown, resource_type),
    }
}

/// What a resource is, as it says itself.
pub(super) fn resource_type(value: &Value<'_>) -> NodeType {
    let shape: Option<&'static Shape> =
        value.text("resourceType").and_then(ResourceType::parse).and_then(|named| r4().resource(named));
    shape.map_or(NodeType::Unknown, NodeType::Shape)
}
