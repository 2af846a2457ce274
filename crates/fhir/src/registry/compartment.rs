//! Which search parameters link a resource to a patient (R4 "CompartmentDefinition", patient).
//!
//! These links answer `GET /Patient/[id]/[type]`. They do not decide who may see a resource: see
//! [`crate::registry::patient_compartment`].

use super::ResourceType;
use std::sync::LazyLock;

const TABLE: &str = include_str!("compartment.txt");

static COMPARTMENT: LazyLock<Vec<Vec<&'static str>>> = LazyLock::new(|| {
    let mut by_type: Vec<Vec<&'static str>> = ResourceType::all().map(|_| Vec::new()).collect();
    for line in TABLE.lines().filter(|line| !line.starts_with('#')) {
        let mut words = line.split(' ');
        let resource_type = words.next().and_then(ResourceType::parse);
        let position = resource_type.and_then(|resource_type| usize::try_from(resource_type.number()).ok());
        if let Some(codes) = position.and_then(|position| by_type.get_mut(position)) {
            codes.extend(words);
        }
    }
    by_type
});

/// The codes of the parameters that link a resource of the type to the patient compartment; empty for a type that is
/// not in it. The Patient itself is in its own compartment, besides the links given here.
#[must_use]
pub fn compartment_parameters(resource_type: ResourceType) -> &'static [&'static str] {
    usize::try_from(resource_type.number()).ok().and_then(|at| COMPARTMENT.get(at)).map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::{Kind, parameter};

    #[test]
    fn every_link_is_a_reference_parameter_of_its_type() {
        let mut types = 0;
        for resource_type in ResourceType::all() {
            let codes = compartment_parameters(resource_type);
            types += usize::from(!codes.is_empty());
            for code in codes {
                let kind = parameter(resource_type, code).map(|parameter| parameter.kind);
                assert_eq!(kind, Some(Kind::Reference), "{resource_type}.{code}");
            }
        }
        assert_eq!(types, TABLE.lines().filter(|line| !line.starts_with('#')).count());
    }

    #[test]
    fn observations_are_linked_by_subject_and_performer() {
        let of = |name| compartment_parameters(ResourceType::parse(name).expect("a type"));
        assert_eq!(of("Observation"), ["subject", "performer"]);
        assert!(of("Questionnaire").is_empty());
    }
}
