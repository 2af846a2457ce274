//! References to what their element does not name (R4 "References"), and Codings that are odd, for those who want to be told.

use super::codings;
use super::element_path::ElementPath;
use super::load::r4;
use super::problems::Problems;
use super::table::{ElementType, Schema, Shape, Special, TypeKind};
use crate::issue::{Issue, IssueCode, Severity};
use crate::json::{Object, Value};
use crate::literal;
use crate::registry::ResourceType;

/// What is worth telling about a resource that [`check`](crate::check::check()) takes: references to a type that their element does not
/// name, and Codings of a system that is mistyped or with a wrong check digit, as warnings. A few official examples have such references, and so have real records: they are no reason to
/// refuse a resource.
#[must_use]
pub fn remarks(value: &Value<'_>) -> Vec<Issue> {
    let mut walk = Walk { schema: r4(), contained: &[], problems: Problems::default() };
    if let Some(object) = value.as_object() {
        walk.contained = object.get("contained").map_or(&[][..], Value::items);
        walk.resource(object, &ElementPath::root(value.text("resourceType").unwrap_or("Resource")));
    }
    let warning = |issue: Issue| Issue { severity: Severity::Warning, ..issue };
    walk.problems.into_issues().into_iter().map(warning).collect()
}

struct Walk<'v> {
    schema: &'static Schema,
    /// What a `#` reference may mean.
    contained: &'v [Value<'v>],
    problems: Problems,
}

impl Walk<'_> {
    fn resource(&mut self, object: &Object<'_>, place: &ElementPath<'_>) {
        let named = object.get("resourceType").and_then(Value::as_str).and_then(ResourceType::parse);
        if let Some(shape) = named.and_then(|named| self.schema.resource(named)) {
            self.object(shape, object, place);
        }
    }

    fn object(&mut self, shape: &Shape, object: &Object<'_>, place: &ElementPath<'_>) {
        for (name, value) in &object.0 {
            let Some(found) = shape.member(name).filter(|found| !found.beside) else { continue };
            let here = place.element(name);
            match (found.of_type.kind, value) {
                (TypeKind::Primitive(_), _) => {}
                (_, Value::Array(items)) => {
                    for (position, item) in items.iter().enumerate() {
                        self.single(found.of_type, item, &here.item(position));
                    }
                }
                (_, single) => self.single(found.of_type, single, &here),
            }
        }
    }

    fn single(&mut self, of_type: &ElementType, value: &Value<'_>, here: &ElementPath<'_>) {
        let Some(object) = value.as_object() else { return };
        match of_type.kind {
            TypeKind::Primitive(_) => {}
            TypeKind::Resource => self.resource(object, here),
            TypeKind::Shape(id) => {
                let Some(shape) = self.schema.shape(id) else { return };
                if shape.special == Special::Reference && !of_type.targets.is_empty() {
                    self.reference(of_type, object, here);
                }
                if shape.name == "Coding"
                    && let Some((member, text)) = codings::oddity(object)
                {
                    self.problems.add(IssueCode::CodeInvalid, &here.element(member), text);
                }
                self.object(shape, object, here);
            }
        }
    }

    fn reference(&mut self, of_type: &ElementType, object: &Object<'_>, place: &ElementPath<'_>) {
        for name in ["reference", "type"] {
            let Some(Value::String(text)) = object.get(name) else { continue };
            let named = match (name, text.strip_prefix('#')) {
                ("type", _) => ResourceType::parse(text),
                (_, Some(id)) => {
                    let meant = self.contained.iter().find(|resource| resource.text("id") == Some(id));
                    meant.and_then(|resource| resource.text("resourceType")).and_then(ResourceType::parse)
                }
                (_, None) => literal::named_type(text),
            };
            let Some(found) = named.filter(|found| !of_type.targets.contains(found)) else { continue };
            let wanted: Vec<&str> = of_type.targets.iter().map(|one| one.name()).collect();
            let text = format!("R4 has no reference to {found} here, only to {}", wanted.join(", "));
            self.problems.add(IssueCode::Value, &place.element(name), text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::check;
    use crate::json::{Limits, parse};

    /// A reference to a type that its element does not name is told, and no reason to refuse.
    #[test]
    fn references_lead_to_what_their_element_names() {
        let told = |members: &str| {
            let text = format!(r#"{{"resourceType":"Observation","status":"final","code":{{"text":"x"}},{members}}}"#);
            let value = parse(text.as_bytes(), &Limits::default()).unwrap();
            check(&value, &Limits::default()).unwrap();
            let issues = remarks(&value);
            assert!(issues.iter().all(|issue| issue.severity == Severity::Warning), "{issues:?}");
            issues.into_iter().filter_map(|issue| issue.expression).collect::<Vec<_>>()
        };
        for fits in [
            r#""subject":{"reference":"Patient/1"}"#,
            r#""subject":{"reference":"https://other.example/r4/Patient/1/_history/2","type":"Patient"}"#,
            r#""subject":{"reference":"urn:uuid:0c3201bd-1cbf-4d64-b04d-cd9187a4c6e0"}"#,
            r#""subject":{"reference":"https://other.example/people?name=Medication/1"}"#,
            r#""subject":{"display":"a patient"},"focus":[{"reference":"Medication/1"}]"#,
            r##""contained":[{"resourceType":"Patient","id":"p"}],"subject":{"reference":"#p"}"##,
            r#""subject":{"reference":"Patient/1","type":"http://example.org/Thing"}"#,
        ] {
            assert!(told(fits).is_empty(), "{fits}");
        }
        for (wrong, place) in [
            (r#""subject":{"reference":"Medication/1"}"#, "Observation.subject.reference"),
            (r#""subject":{"reference":"https://other.example/r4/Medication/1"}"#, "Observation.subject.reference"),
            (r#""subject":{"type":"Medication","display":"x"}"#, "Observation.subject.type"),
            (
                r#""performer":[{"reference":"Patient/1"},{"reference":"Encounter/1/_history/1"}]"#,
                "Observation.performer[1].reference",
            ),
            (
                r##""contained":[{"resourceType":"Basic","id":"e","code":{"text":"x"}}],"subject":{"reference":"#e"}"##,
                "Observation.subject.reference",
            ),
        ] {
            assert_eq!(told(wrong), [place], "{wrong}");
        }
    }
}
