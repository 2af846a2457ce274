//! A search among the resources of one type.

use concord_fhir::predicate::Predicate;
use concord_fhir::registry::ResourceType;

/// What is searched for among the resources of one type.
pub struct TypeQuery {
    /// The type.
    pub resource_type: ResourceType,
    /// The only patient in whose record a match can be, by logical id, if the search or the permission says so.
    pub record: Option<String>,
    /// What is asked for and what is permitted.
    pub predicate: Predicate,
}
