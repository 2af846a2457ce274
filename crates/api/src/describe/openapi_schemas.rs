//! The resources of R4 as JSON schemas for the OpenAPI document, made from the table by which they are checked.

use concord_fhir::registry::ResourceType;
use concord_fhir::schema::{self, Element, ElementType, Schema, Shape, TypeKind};
use serde_json::{Map, Value, json};

/// The most codes of a binding that are listed.
const MOST_CODES: usize = 100;

/// A reference to a schema.
pub(super) fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// Puts a value where the names lead to, through objects that are made where there are none.
pub(super) fn set(value: &mut Value, names: &[&str], new: Value) {
    let [first, rest @ ..] = names else {
        *value = new;
        return;
    };
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    if let Some(members) = value.as_object_mut() {
        set(members.entry(*first).or_insert(Value::Null), rest, new);
    }
}

/// The schemas of these types, with those of everything that is in them, by their names.
pub(super) fn of_types(types: impl Iterator<Item = ResourceType>) -> Map<String, Value> {
    let schema = schema::r4();
    let mut waiting: Vec<&Shape> = types.filter_map(|one| schema.resource(one)).collect();
    let mut made = Map::new();
    while let Some(shape) = waiting.pop() {
        if made.contains_key(&*shape.name) {
            continue;
        }
        made.insert(shape.name.to_string(), of_shape(schema, shape));
        let inner = shape.elements.iter().flat_map(|element| &element.types);
        waiting.extend(inner.filter_map(|one| match one.kind {
            TypeKind::Shape(id) => schema.shape(id),
            TypeKind::Primitive(_) | TypeKind::Resource => None,
        }));
    }
    made
}

fn of_shape(schema: &Schema, shape: &Shape) -> Value {
    let (mut properties, mut required) = (Map::new(), Vec::new());
    if shape.is_resource {
        properties.insert("resourceType".to_owned(), json!({ "const": shape.name }));
        required.push("resourceType".to_owned());
    }
    for element in &shape.elements {
        for of_type in &element.types {
            properties.insert(member(element, of_type), of_element(schema, element, of_type));
        }
        if element.min > 0 && !element.is_choice {
            required.push(element.name.to_string());
        }
    }
    match required.is_empty() {
        true => json!({ "type": "object", "properties": properties }),
        false => json!({ "type": "object", "properties": properties, "required": required }),
    }
}

/// The name under which an element of that type stands in JSON.
fn member(element: &Element, of_type: &ElementType) -> String {
    if !element.is_choice {
        return element.name.to_string();
    }
    let mut letters = of_type.name.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    element.name.chars().chain(first).chain(letters).collect()
}

fn of_element(schema: &Schema, element: &Element, of_type: &ElementType) -> Value {
    let one = match of_type.kind {
        TypeKind::Resource => reference("Resource"),
        TypeKind::Shape(id) => schema.shape(id).map_or_else(|| json!({}), |shape| reference(&shape.name)),
        TypeKind::Primitive(_) => match of_type.binding.and_then(|id| schema.binding(id)) {
            Some(binding) => {
                let codes: Vec<&str> = binding.systems.iter().flat_map(|(_, codes)| codes).map(AsRef::as_ref).collect();
                if codes.len() > MOST_CODES { primitive("code") } else { json!({ "type": "string", "enum": codes }) }
            }
            None => primitive(&of_type.name),
        },
    };
    if element.is_list { json!({ "type": "array", "minItems": 1, "items": one }) } else { one }
}

/// The schema of a primitive type of FHIR, by its name (R4 "Data Types").
pub(super) fn primitive(name: &str) -> Value {
    let text = |pattern: &str| json!({ "type": "string", "pattern": pattern });
    match name {
        "boolean" => json!({ "type": "boolean" }),
        "integer" => json!({ "type": "integer", "minimum": i32::MIN, "maximum": i32::MAX }),
        "unsignedInt" => json!({ "type": "integer", "minimum": 0, "maximum": i32::MAX }),
        "positiveInt" => json!({ "type": "integer", "minimum": 1, "maximum": i32::MAX }),
        "decimal" => json!({ "type": "number" }),
        "id" => reference("Id"),
        "code" => text(r"^[^\s]+(\s[^\s]+)*$"),
        "date" => text(r"^[0-9]{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01]))?)?$"),
        "dateTime" => text(r"^[0-9]{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01])(T.+(Z|[+-][0-9]{2}:[0-9]{2}))?)?)?$"),
        "instant" => text(r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T.+(Z|[+-][0-9]{2}:[0-9]{2})$"),
        "time" => text(r"^([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]+)?$"),
        _ => json!({ "type": "string", "minLength": 1 }),
    }
}
