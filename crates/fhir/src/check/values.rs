//! The check of single values: primitives, codes, references and extensions.

use super::walk::{Walk, Within};
use crate::issue::IssueCode;
use crate::json::{Object, Value};
use crate::schema::element_path::ElementPath;
use crate::schema::problems::{kind_of, shown};
use crate::schema::{ElementType, Primitive, Shape, Written, mistaken_type, narrative};

impl Walk {
    pub(super) fn primitive(
        &mut self,
        primitive: Primitive,
        of_type: &ElementType,
        value: &Value<'_>,
        here: &ElementPath<'_>,
    ) {
        match (primitive.written(), value) {
            (Written::Boolean, Value::Bool(_)) => {}
            (Written::Number, Value::Number(text)) => self.form(primitive, text, here),
            (Written::String, Value::String(text)) if primitive == Primitive::Xhtml => {
                narrative::check(text, here, &mut self.problems);
            }
            (Written::String, Value::String(text)) => {
                self.form(primitive, text, here);
                self.code(of_type, text, here);
            }
            (written, other) => {
                let wanted = match written {
                    Written::Boolean => "true or false",
                    Written::Number => "a number",
                    Written::String => "a string",
                };
                let text = format!("'{}' must be {wanted}, not {}", here.name(), kind_of(other));
                self.problems.add(IssueCode::Structure, here, text);
            }
        }
    }

    pub(super) fn form(&mut self, primitive: Primitive, text: &str, here: &ElementPath<'_>) {
        if let Err(reason) = primitive.check(text) {
            let text = format!("'{}' is not a valid {}: {reason}", shown(text), primitive.name());
            self.problems.add(IssueCode::Value, here, text);
        }
    }

    fn code(&mut self, of_type: &ElementType, code: &str, here: &ElementPath<'_>) {
        let Some(binding) = of_type.binding.and_then(|id| self.schema.binding(id)) else { return };
        if !code.is_empty() && !binding.has_code(code) {
            let text = format!("'{}' is not a code of {} ({})", shown(code), binding.name, binding.examples());
            self.problems.add(IssueCode::CodeInvalid, here, text);
        }
    }

    /// Of a CodeableConcept with a required binding, one coding must be from the value set (R4 "Terminologies").
    pub(super) fn concept(&mut self, of_type: &ElementType, object: &Object<'_>, here: &ElementPath<'_>) {
        let Some(binding) = of_type.binding.and_then(|id| self.schema.binding(id)) else { return };
        let codings = object.get("coding").map_or(&[][..], Value::items);
        let known = codings.iter().any(|coding| match (coding.text("system"), coding.text("code")) {
            (Some(system), Some(code)) => binding.has_coding(system, code),
            _ => false,
        });
        // A concept that is only an extension says why there is no code.
        let says_why = codings.is_empty() && object.get("extension").is_some() && object.get("text").is_none();
        if !known && !says_why {
            let text = format!("none of the codings is of {} ({})", binding.name, binding.examples());
            self.problems.add(IssueCode::CodeInvalid, here, text);
        }
    }

    /// A reference says something, and one that starts with `#` means a contained resource (R4 "References", ref-1). The type that it says
    /// is that of what it leads to.
    pub(super) fn reference(&mut self, object: &Object<'_>, place: &ElementPath<'_>, within: Within<'_>) {
        let Some(Value::String(reference)) = object.get("reference") else { return };
        if let Some(text) = mistaken_type(object, within.root.unwrap_or(&Value::Null)) {
            self.problems.add(IssueCode::Value, &place.element("type"), text);
        }
        let Some(id) = reference.strip_prefix('#') else { return };
        let known = within.local.binary_search(&id).is_ok();
        if !id.is_empty() && !known {
            let text = format!("'{}' is not the id of a contained resource (ref-1)", shown(reference));
            self.problems.add(IssueCode::Invariant, &place.element("reference"), text);
        }
    }

    /// An extension has a value or extensions of its own, not both (R4 "Extensibility", ext-1).
    pub(super) fn extension(&mut self, shape: &Shape, object: &Object<'_>, seen: u128, place: &ElementPath<'_>) {
        let has_value =
            shape.elements.iter().position(|element| element.is_choice).is_some_and(|at| seen & (1 << at) != 0);
        if has_value == object.get("extension").is_some() {
            let text = "an extension has either a value or extensions of its own (ext-1)";
            self.problems.add(IssueCode::Invariant, place, text);
        }
    }
}
