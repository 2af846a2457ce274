//! Tokens that follow from several elements of a resource together, so that they can be searched by: a row a parameter.

use super::goal;
use crate::entry::ParameterId;
use crate::json::Value;
use crate::registry::ResourceType;

/// A search parameter whose value is derived.
pub(crate) struct Derived {
    /// The type that has it.
    pub(crate) resource_type: ResourceType,
    /// The parameter.
    pub(crate) parameter: ParameterId,
    /// The code and the system of a resource, given the url of the server's FHIR endpoint.
    pub(crate) token: fn(&Value<'_>, &str) -> (&'static str, &'static str),
}

/// Every derived parameter.
pub(crate) const DERIVED: &[Derived] = &[Derived {
    resource_type: ResourceType::of("Goal"),
    parameter: ParameterId::of("Goal.agreement"),
    token: |goal, base| (goal::agreement(goal, base).code(), goal::AGREEMENT_SYSTEM),
}];
