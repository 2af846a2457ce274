//! Which types have rules of their own: a row for each, whose rules stand in a file of its name.

use super::writer::WriteContext;
use super::{allergy_intolerance, care_plan, communication, consent, device, goal, observation, patient, task};
use crate::issue::Issue;
use crate::json::Value;
use crate::registry::ResourceType;

/// What completes a resource and adds what is wrong with it.
type Check = fn(&mut Value<'_>, &WriteContext<'_>, &mut Vec<Issue>);

/// The rules of a type.
pub(super) struct TypeRules {
    resource_type: ResourceType,
    pub(super) check: Check,
    /// Whether they are what Concord itself wants: what a system hands in is the work of others and may say no more than R4 asks for, so
    /// there it is said and not enforced.
    pub(super) only_remarks_to_systems: bool,
    /// Whether they say whose word something is, and so hold of one that another resource contains as well.
    pub(super) also_contained: bool,
}

const fn rules(name: &str, check: Check) -> TypeRules {
    TypeRules { resource_type: ResourceType::of(name), check, only_remarks_to_systems: false, also_contained: false }
}

/// Of whose word something is.
const fn words(name: &str, check: Check) -> TypeRules {
    TypeRules { also_contained: true, ..rules(name, check) }
}

const fn wishes(name: &str, check: Check) -> TypeRules {
    TypeRules { only_remarks_to_systems: true, ..rules(name, check) }
}

const RULES: &[TypeRules] = &[
    words("AllergyIntolerance", |own, by, issues| allergy_intolerance::check(own, by.writer, issues)),
    wishes("CarePlan", |own, by, issues| care_plan::check(own, by.writer, issues)),
    rules("Communication", |own, by, issues| communication::check(own, by.writer, issues)),
    rules("CommunicationRequest", |own, by, issues| communication::check_request(own, by.writer, issues)),
    rules("Consent", |own, by, issues| consent::check(own, by.settings.issuers, issues)),
    rules("Device", |own, by, issues| device::check(own, by.writer, issues)),
    words("Goal", goal::check),
    wishes("Observation", |own, by, issues| observation::check(own, by.now, issues)),
    rules("Patient", |own, by, issues| patient::check(own, by.settings, issues)),
    words("Task", task::check),
];

/// Those of a type, if it has some.
pub(super) fn of(resource_type: ResourceType) -> Option<&'static TypeRules> {
    RULES.iter().find(|row| row.resource_type == resource_type)
}
