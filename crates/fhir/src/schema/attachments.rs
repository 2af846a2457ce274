//! Where the content of attachments is (R4 "Data Types", Attachment: a relative url is that of a resource, like in a
//! Reference).

use super::load::r4;
use super::table::{Schema, Shape, TypeKind};
use crate::json::{Object, Value};
use crate::registry::ResourceType;

/// The type of attachments.
const ATTACHMENT: &str = "Attachment";

/// The urls of the attachments of a resource and of those that it contains, in the order in which they are written: the
/// attachment as a simple FHIRPath (`DocumentReference.content[0].attachment`), and the url.
#[must_use]
pub fn attachments(resource: &Value<'_>) -> Vec<(String, String)> {
    let mut walk = Walk { schema: r4(), found: Vec::new() };
    walk.resource(resource, resource.text("resourceType").unwrap_or_default());
    walk.found
}

struct Walk {
    schema: &'static Schema,
    found: Vec<(String, String)>,
}

impl Walk {
    fn resource(&mut self, value: &Value<'_>, place: &str) {
        let named = value.text("resourceType").and_then(ResourceType::parse);
        if let (Some(shape), Some(object)) = (named.and_then(|named| self.schema.resource(named)), value.as_object()) {
            self.object(shape, object, place);
        }
    }

    fn object(&mut self, shape: &Shape, object: &Object<'_>, place: &str) {
        if let (ATTACHMENT, Some(Value::String(url))) = (shape.name.as_ref(), object.get("url")) {
            self.found.push((place.to_owned(), url.to_string()));
        }
        for (name, value) in &object.0 {
            let Some(found) = shape.member(name).filter(|found| !found.beside) else { continue };
            if matches!(found.of_type.kind, TypeKind::Primitive(_)) {
                continue;
            }
            for (position, item) in value.items().iter().enumerate() {
                let place = match value {
                    Value::Array(_) => format!("{place}.{name}[{position}]"),
                    _ => format!("{place}.{name}"),
                };
                match (found.of_type.kind, item) {
                    (TypeKind::Resource, resource) => self.resource(resource, &place),
                    (TypeKind::Shape(id), Value::Object(object)) => {
                        if let Some(shape) = self.schema.shape(id) {
                            self.object(shape, object, &place);
                        }
                    }
                    _ => {}
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Limits, parse};

    #[test]
    fn attachments_are_found_by_their_type_wherever_they_stand() {
        let text =
            br#"{"resourceType":"DocumentReference","status":"current","contained":[{"resourceType":"Patient","id":"p",
            "photo":[{"title":"x"},{"url":"Binary/photo"}]}],"content":[{"attachment":{"url":"Binary/letter"},
            "format":{"system":"Binary/no"}}],"extension":[{"url":"Binary/no","valueAttachment":{"url":"Binary/more"}},
            {"url":"x","valueUri":"Binary/no"}]}"#;
        let found = attachments(&parse(text, &Limits::default()).unwrap());
        let wanted = [
            ("DocumentReference.contained[0].photo[1]", "Binary/photo"),
            ("DocumentReference.content[0].attachment", "Binary/letter"),
            ("DocumentReference.extension[0].valueAttachment", "Binary/more"),
        ];
        assert_eq!(found, wanted.map(|(place, url)| (place.to_owned(), url.to_owned())));
    }
}
