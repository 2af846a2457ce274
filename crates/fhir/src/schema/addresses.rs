//! Where a resource names another by its address without being a Reference: the content of attachments (R4 "Data Types",
//! Attachment: a relative url is that of a resource, like in a Reference), canonicals that are written so, elements of the types
//! uri and url that are no names, and the links and images of narratives.

use super::element_path::ElementPath;
use super::load::r4;
use super::primitive::Primitive;
use super::table::{Schema, Shape, TypeKind};
use super::{links, narrative};
use crate::json::{Object, Value};
use crate::literal;
use crate::registry::ResourceType;

/// The type of attachments.
const ATTACHMENT: &str = "Attachment";

/// The urls of the attachments, the canonicals without version, the addresses in elements of the types uri and url and in
/// narratives, all without fragment, of a resource, of those that it contains and of what is said beside its primitives, in the order in
/// which they are written: the attachment or the element as a simple FHIRPath (`DocumentReference.content[0].attachment`), and
/// the url.
#[must_use]
pub fn addresses(resource: &Value<'_>) -> Vec<(String, String)> {
    Walk::over(resource, false)
}

/// Those of them that a reader opens: the urls of attachments, and the addresses in narratives. Others may be names.
#[must_use]
pub fn opened(resource: &Value<'_>) -> Vec<(String, String)> {
    Walk::over(resource, true)
}

struct Walk {
    schema: &'static Schema,
    /// Whether others than those that a reader opens are left out.
    only_opened: bool,
    found: Vec<(String, String)>,
}

/// What is done with one item, at its place.
type Work<'w> = dyn FnMut(&mut Walk, &Value<'_>, &ElementPath<'_>) + 'w;

impl Walk {
    fn over(resource: &Value<'_>, only_opened: bool) -> Vec<(String, String)> {
        let mut walk = Walk { schema: r4(), only_opened, found: Vec::new() };
        walk.resource(resource, &ElementPath::root(resource.text("resourceType").unwrap_or_default()));
        walk.found
    }

    fn resource(&mut self, value: &Value<'_>, place: &ElementPath<'_>) {
        let named = value.text("resourceType").and_then(ResourceType::parse);
        if let (Some(shape), Some(object)) = (named.and_then(|named| self.schema.resource(named)), value.as_object()) {
            self.object(shape, object, place);
        }
    }

    fn object(&mut self, shape: &Shape, object: &Object<'_>, place: &ElementPath<'_>) {
        if let (ATTACHMENT, Some(url)) = (shape.name.as_ref(), object.get("url")) {
            self.whole(url.as_str().unwrap_or_default(), place);
        }
        for (name, value) in &object.0 {
            let Some(found) = shape.member(name) else { continue };
            let here = place.element(name);
            let kind = match (found.beside, self.schema.primitive_parts()) {
                (false, _) => found.of_type.kind,
                (true, Some(parts)) => {
                    self.each(value, &here, &mut |walk, item, place| {
                        if let Value::Object(carried) = item {
                            walk.object(parts, carried, place);
                        }
                    });
                    continue;
                }
                (true, None) => continue,
            };
            match kind {
                TypeKind::Primitive(Primitive::Canonical) if !self.only_opened => {
                    self.each(value, &here, &mut Walk::canonical)
                }
                TypeKind::Primitive(Primitive::Xhtml) => self.each(value, &here, &mut Walk::narrative),
                // That of an attachment has been found with it.
                TypeKind::Primitive(_)
                    if !self.only_opened
                        && shape.name != ATTACHMENT
                        && links::is_address(shape, found.element, found.of_type) =>
                {
                    self.each(value, &here, &mut Walk::uri);
                }
                TypeKind::Primitive(_) => {}
                TypeKind::Resource => self.each(value, &here, &mut Walk::resource),
                TypeKind::Shape(id) => {
                    let Some(shape) = self.schema.shape(id) else { continue };
                    self.each(value, &here, &mut |walk, item, place| {
                        if let Value::Object(object) = item {
                            walk.object(shape, object, place);
                        }
                    });
                }
            }
        }
    }

    /// Does something with each item of a list at its place, or with a single value.
    fn each(&mut self, value: &Value<'_>, here: &ElementPath<'_>, work: &mut Work<'_>) {
        match value {
            Value::Array(items) => {
                for (position, item) in items.iter().enumerate() {
                    work(self, item, &here.item(position));
                }
            }
            single => work(self, single, here),
        }
    }

    fn uri(&mut self, value: &Value<'_>, place: &ElementPath<'_>) {
        self.whole(value.as_str().unwrap_or_default(), place);
    }

    fn narrative(&mut self, value: &Value<'_>, place: &ElementPath<'_>) {
        for address in value.as_str().map(narrative::links).unwrap_or_default() {
            self.whole(&address, place);
        }
    }

    fn canonical(&mut self, value: &Value<'_>, place: &ElementPath<'_>) {
        self.whole(value.as_str().unwrap_or_default().split('|').next().unwrap_or_default(), place);
    }

    /// An address of the whole: a fragment is a part of what is there, and by itself one of the resource that it stands in.
    fn whole(&mut self, address: &str, place: &ElementPath<'_>) {
        let whole = literal::whole(address);
        if !whole.is_empty() {
            self.found.push((place.to_string(), whole.to_owned()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Limits, parse};

    #[test]
    fn addresses_are_found_by_their_type_wherever_they_stand() {
        let text =
            br##"{"resourceType":"DocumentReference","status":"current","contained":[{"resourceType":"Patient","id":"p",
            "photo":[{"title":"x"},{"url":"Binary/photo#t=3"}]}],"content":[{"attachment":{"url":"Binary/letter"},
            "format":{"system":"Binary/no"}}],"extension":[{"url":"Binary/no","valueAttachment":{"url":"Binary/more"}},
            {"url":"x","valueUri":"Binary/uri"},{"url":"x","valueCanonical":"Questionnaire/q|2"},{"url":"x","valueCanonical":"#no"}],
            "meta":{"profile":["http://x"],"source":"urn:x"},"implicitRules":"Binary/no","text":{"status":"generated",
            "div":"<div xmlns='http://www.w3.org/1999/xhtml'>Binary/no<a name='Binary/no'/><a href='#x'/><img src='Binary/image#y'/></div>"},
            "_status":{"extension":[{"url":"x","valueAttachment":{"url":"Binary/beside"}}]}}"##;
        let resource = parse(text, &Limits::default()).unwrap();
        let wanted = [
            ("DocumentReference.contained[0].photo[1]", "Binary/photo"),
            ("DocumentReference.content[0].attachment", "Binary/letter"),
            ("DocumentReference.extension[0].valueAttachment", "Binary/more"),
            ("DocumentReference.extension[1].valueUri", "Binary/uri"),
            ("DocumentReference.extension[2].valueCanonical", "Questionnaire/q"),
            ("DocumentReference.meta.profile[0]", "http://x"),
            ("DocumentReference.meta.source", "urn:x"),
            ("DocumentReference.text.div", "Binary/image"),
            ("DocumentReference._status.extension[0].valueAttachment", "Binary/beside"),
        ];
        let wanted = wanted.map(|(place, url)| (place.to_owned(), url.to_owned()));
        assert_eq!(addresses(&resource), wanted);
        let is_opened = |place: &str| ["photo[1]", "ttachment", "div"].iter().any(|end| place.ends_with(end));
        let read: Vec<_> = wanted.into_iter().filter(|(place, _)| is_opened(place)).collect();
        assert_eq!((read.len(), opened(&resource)), (5, read));
    }
}
