//! Parameters that find nothing but what others of their type find together: R4's `Observation.combo-code` is `code` and
//! `component-code`. They need no rows of their own, which are a third of the index of an Observation.

use super::{Kind, Parameter, ResourceType, parameters};
use crate::entry::ParameterId;
use std::collections::HashMap;
use std::sync::LazyLock;

/// The parameters in whose rows a combined one is looked for, its pseudo parameters likewise.
static COMBINED: LazyLock<HashMap<ParameterId, Vec<ParameterId>>> = LazyLock::new(|| {
    let mut all = HashMap::new();
    for resource_type in ResourceType::all() {
        let own: Vec<&Parameter> = parameters(resource_type).filter(|one| one.resource_type.is_some()).collect();
        for combined in &own {
            let parts = parts(combined, &own);
            if parts.is_empty() {
                continue;
            }
            let of = |id: fn(&Parameter) -> ParameterId| (id(combined), parts.iter().map(|part| id(part)).collect());
            all.extend([
                of(|one| one.id),
                of(Parameter::text_id),
                of(Parameter::of_type_id),
                of(Parameter::any_case_id),
                of(Parameter::base_unit_id),
            ]);
        }
    }
    all
});

/// The parameters whose rows are those of a combined one; none for a parameter with rows of its own.
#[must_use]
pub fn combined(id: ParameterId) -> Option<&'static [ParameterId]> {
    COMBINED.get(&id).map(Vec::as_slice)
}

/// The parameters that together find what this one does, if there are any. References and uris keep rows of their own:
/// chains and includes go by them.
fn parts<'p>(whole: &Parameter, own: &[&'p Parameter]) -> Vec<&'p Parameter> {
    if matches!(whole.kind, Kind::Reference | Kind::Uri) || whole.paths.is_empty() && whole.elements.is_empty() {
        return Vec::new();
    }
    let parts: Vec<&Parameter> = own.iter().copied().filter(|part| is_part(part, whole)).collect();
    let all_paths = whole.paths.iter().all(|path| parts.iter().any(|part| part.paths.contains(path)));
    let all_elements = whole.elements.iter().all(|steps| parts.iter().any(|part| part.elements.contains(steps)));
    if all_paths && all_elements { parts } else { Vec::new() }
}

/// Whether all that the one finds, the other does. Of two that find the same, the first in the alphabet has the rows.
fn is_part(part: &Parameter, whole: &Parameter) -> bool {
    let within = part.paths.iter().all(|path| whole.paths.contains(path))
        && part.elements.iter().all(|steps| whole.elements.contains(steps));
    let fewer = part.paths.len() + part.elements.len() < whole.paths.len() + whole.elements.len();
    part.code != whole.code
        && part.kind == whole.kind
        && within
        && (fewer || part.code < whole.code)
        && alike(part, whole)
}

/// Whether two composites read the same parts of their elements.
fn alike(one: &Parameter, other: &Parameter) -> bool {
    let kind = |of: &Parameter, code: &str| {
        of.resource_type.and_then(|resource_type| super::parameter(resource_type, code)).map(|found| found.kind)
    };
    one.components.len() == other.components.len()
        && one.components.iter().zip(&other.components).all(|(left, right)| {
            left.path == right.path
                && left.from_resource == right.from_resource
                && kind(one, &left.code) == kind(other, &right.code)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_find_together_has_no_rows() {
        let found = |name: &str| combined(ParameterId::of(name)).map(<[_]>::to_vec);
        let of = |names: &[&str]| Some(names.iter().map(|name| ParameterId::of(name)).collect::<Vec<_>>());
        assert_eq!(found("Observation.combo-code"), of(&["Observation.code", "Observation.component-code"]));
        assert_eq!(
            found("Observation.combo-code-value-quantity:base-unit"),
            of(&["Observation.code-value-quantity:base-unit", "Observation.component-code-value-quantity:base-unit"])
        );
        for own in
            ["Observation.code", "Observation.patient", "Observation.code-value-quantity", "Patient.name", "_tag"]
        {
            assert_eq!(found(own), None, "{own}");
        }
        let not_twice = |id: &ParameterId| combined(*id).is_none();
        assert!(COMBINED.values().all(|parts| !parts.is_empty() && parts.iter().all(not_twice)));
    }
}
