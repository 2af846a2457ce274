use std::borrow::Cow;

use concord_fhir::json::Value;
use fhirbolt::model::r4::Resource;
use fhirbolt::model::r4::resources::Parameters;
use fhirbolt::model::r4::types::{Coding, Decimal, Meta, Reference};

/// What others wrote and the server passes on: a typed element stands for each while a resource is composed, and makes way
/// for it when the resource has been written. So the place is checked by the compiler, and not a byte of theirs is read
/// and written anew.
#[derive(Default)]
pub(crate) struct Verbatim(Vec<Value<'static>>);

/// The element ids of those that stand in. The server gives no element an id otherwise.
const MARK: &str = "verbatim-";

impl Verbatim {
    fn keep(&mut self, value: Value<'static>) -> String {
        self.0.push(value);
        format!("{MARK}{}", self.0.len() - 1)
    }

    /// Stands for a Reference.
    pub(crate) fn reference(&mut self, value: Value<'static>) -> Reference {
        Reference { id: Some(self.keep(value)), ..Default::default() }
    }

    /// Stands for a Coding.
    pub(crate) fn coding(&mut self, value: Value<'static>) -> Coding {
        Coding { id: Some(self.keep(value)), ..Default::default() }
    }

    /// Stands for a Meta.
    pub(crate) fn meta(&mut self, value: Value<'static>) -> Meta {
        Meta { id: Some(self.keep(value)), ..Default::default() }
    }

    /// Stands for a decimal, whose digits are kept as they are.
    pub(crate) fn decimal(&mut self, digits: String) -> Decimal {
        Decimal { id: Some(self.keep(Value::Number(Cow::Owned(digits)))), ..Default::default() }
    }

    /// Stands for a resource of whatever type.
    pub(crate) fn resource(&mut self, value: Value<'static>) -> Resource {
        // Of all types it is Parameters in which nothing is required.
        Resource::Parameters(Box::new(Parameters { id: Some(self.keep(value).into()), ..Default::default() }))
    }

    /// The written value with each in its place.
    pub(crate) fn put_back(mut self, mut written: Value<'static>) -> Value<'static> {
        if !self.0.is_empty() {
            self.walk(&mut written);
        }
        written
    }

    fn walk(&mut self, value: &mut Value<'static>) {
        if let Some(place) = place(value) {
            if let Some(kept) = self.0.get_mut(place) {
                *value = std::mem::replace(kept, Value::Null);
            }
            return;
        }
        match value {
            Value::Array(items) => items.iter_mut().for_each(|item| self.walk(item)),
            Value::Object(object) => {
                for (name, member) in &mut object.0 {
                    // What is told beside a primitive stands for the primitive.
                    if let (Some(plain), Some(_)) = (name.strip_prefix('_'), place(member)) {
                        *name = Cow::Owned(plain.to_owned());
                    }
                    self.walk(member);
                }
            }
            _ => {}
        }
    }
}

/// Which one an object stands for: it has that id, and nothing else but perhaps a type.
fn place(value: &Value<'_>) -> Option<usize> {
    let members = &value.as_object()?.0;
    let (name, id) = members.last()?;
    let alone = match members.as_slice() {
        [_] => true,
        [(first, _), _] => first == "resourceType",
        _ => false,
    };
    if !alone || *name != Cow::Borrowed("id") {
        return None;
    }
    id.as_str()?.strip_prefix(MARK)?.parse().ok()
}
