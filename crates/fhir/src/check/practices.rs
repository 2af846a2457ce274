//! Constraints that are told and refuse nothing.

use super::constraints::of;
use super::rules::{Bounds, broken};
use crate::issue::{Issue, IssueCode, Severity};
use crate::json::{Object, Value};
use crate::resource_type::ResourceType;
use crate::schema::element_path::ElementPath;
use crate::schema::problems::Problems;
use crate::schema::{Schema, Shape, TypeKind, r4};

/// What R4 advises and a resource does not keep: its constraints of severity warning, dom-6 (a narrative) among them. They are
/// for who asks; a write says nothing of them.
#[must_use]
pub fn practices(value: &Value<'_>) -> Vec<Issue> {
    let mut walk = Walk { schema: r4(), problems: Problems::default(), bounds: Bounds::of(value) };
    walk.resource(value, &ElementPath::root(value.text("resourceType").unwrap_or("Resource")));
    let warning = |issue: Issue| Issue { severity: Severity::Warning, ..issue };
    walk.problems.into_issues().into_iter().map(warning).collect()
}

struct Walk<'v> {
    schema: &'static Schema,
    problems: Problems,
    bounds: Bounds<'v>,
}

impl<'v> Walk<'v> {
    fn resource(&mut self, value: &'v Value<'v>, place: &ElementPath<'_>) {
        let named = value.text("resourceType").and_then(ResourceType::parse);
        if let (Some(shape), Value::Object(object)) = (named.and_then(|named| self.schema.resource(named)), value) {
            self.object(shape, value, object, place);
        }
    }

    fn object(&mut self, shape: &'static Shape, value: &'v Value<'v>, object: &'v Object<'v>, place: &ElementPath<'_>) {
        let mut seen: u128 = 0;
        for (name, value) in &object.0 {
            let Some(found) = shape.member(name) else { continue };
            seen |= 1 << found.position;
            if found.beside {
                continue;
            }
            let here = place.element(name);
            let items = value.items();
            for (position, item) in items.iter().enumerate() {
                let at = here.item(position);
                let at = if matches!(value, Value::Array(_)) { &at } else { &here };
                match (found.of_type.kind, item) {
                    // What is contained has no narrative of its own, and an entry is a resource like any other.
                    (TypeKind::Resource, item) if name != "contained" => self.resource(item, at),
                    (TypeKind::Shape(id), Value::Object(inner)) => {
                        if let Some(shape) = self.schema.shape(id) {
                            self.object(shape, item, inner, at);
                        }
                    }
                    _ => {}
                }
            }
        }
        let Some(rules) = of(shape) else { return };
        for rule in &rules.warnings {
            for found in broken(rule, shape, value, seen, &mut self.bounds, place).unwrap_or_default() {
                let text = format!("{} ({})", rule.text, rule.key);
                self.problems.add_at(IssueCode::Invariant, found, text);
            }
        }
    }
}
