//! The rows of a composite parameter: for each element that one is read from, the values of its parts together.

use super::leaf::{followed, read_leaf};
use super::{Entry, ParameterId};
use crate::json::Value;
use crate::registry::path::Step;
use crate::registry::{Kind, Leaf, Parameter, ResourceType, parameter};
use crate::value::read;

/// Marks rows that a composite has no use for.
const UNUSED: ParameterId = ParameterId(0);
const PLAIN: ParameterId = ParameterId(1);
const IN_BASE_UNITS: ParameterId = ParameterId(2);

/// Adds the rows of a composite of the type.
pub(super) fn rows(
    resource_type: ResourceType,
    composite: &Parameter,
    resource: &Value<'_>,
    base: &str,
    rows: &mut Vec<Entry>,
) {
    let mut elements = Vec::new();
    composite.elements.iter().for_each(|steps| collect(steps, resource, &mut elements));
    if let Some([token, start, end]) = composite.span() {
        for element in elements {
            let of = |code: &str| values(resource_type, composite, code, resource, element, base);
            rows.extend(read::spans(composite.id, &of(token), &of(start), &of(end)));
        }
        return;
    }
    let Some([first, second]) = composite.parts() else { return };
    for element in elements {
        let of = |code: &str| values(resource_type, composite, code, resource, element, base);
        let firsts = of(first);
        if firsts.is_empty() {
            continue;
        }
        let number = |row: &Entry| match row.parameter {
            IN_BASE_UNITS => composite.base_unit_id(),
            _ => composite.id,
        };
        rows.extend(read::composite(&firsts, &of(second), number));
    }
}

/// The rows of one part.
fn values(
    resource_type: ResourceType,
    composite: &Parameter,
    code: &str,
    resource: &Value<'_>,
    element: &Value<'_>,
    base: &str,
) -> Vec<Entry> {
    let Some(part) = parameter(resource_type, code) else { return Vec::new() };
    let mut found = Vec::new();
    for component in composite.components.iter().filter(|component| *component.code == *code) {
        let leaf = Leaf {
            parameter: PLAIN,
            identifier: UNUSED,
            text: UNUSED,
            of_type: UNUSED,
            any_case: UNUSED,
            base_unit: IN_BASE_UNITS,
            kind: part.kind,
            data_type: component.path.data_type,
            refers_to: component.path.refers_to,
        };
        let mut values = Vec::new();
        collect(&component.path.steps, if component.from_resource { resource } else { element }, &mut values);
        for value in values {
            read_leaf(&leaf, value, base, &mut found);
        }
    }
    let ranged = matches!(part.kind, Kind::Quantity);
    found.retain(|row| row.parameter == PLAIN || ranged && row.parameter == IN_BASE_UNITS);
    found
}

/// What the steps lead to.
fn collect<'v, 's>(steps: &[Step], from: &'v Value<'s>, found: &mut Vec<&'v Value<'s>>) {
    let Some((step, rest)) = steps.split_first() else {
        found.push(from);
        return;
    };
    for (position, item) in from.list(&step.member).iter().enumerate() {
        if followed(&step.only, position, item) {
            collect(rest, item, found);
        }
    }
}
