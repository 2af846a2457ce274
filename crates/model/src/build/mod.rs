//! What the server itself composes, a file for each resource. What goes in are plain structs; what comes out is a resource
//! as the typed model writes it.

mod audit_event;
mod bundle;
mod capability_statement;
mod communication;
mod composition;
mod elements;
pub mod fragment;
mod operation_outcome;
mod parameters;
mod provenance;
mod task;

pub use audit_event::{AuditEventParts, audit_event};
pub use bundle::{DocumentParts, MatchParts, document, matches, stored_document};
pub use capability_statement::{
    CapabilityStatementParts, OperationParts, ResourceParts, SearchParameterParts, capability_statement,
};
pub use communication::{CommunicationParts, communication};
pub use composition::{AuthorParts, CompositionParts, SectionParts};
pub use elements::TableParts;
pub use operation_outcome::operation_outcome;
pub use parameters::{Content, Parameter, parameter, parameters};
pub use provenance::{AgentParts, ProvenanceParts, provenance};
pub use task::{TaskParts, task};

use concord_fhir::json::Value;

/// A code and the system that it is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code<'a> {
    /// The address of the code system.
    pub system: &'a str,
    /// The code.
    pub code: &'a str,
}

/// What an element of type Reference points at.
#[derive(Clone, Debug)]
pub enum Link {
    /// By its address, `Patient/1`.
    To(String),
    /// By an identifier: its system, if it has one, and its value.
    Identified(Option<String>, String),
    /// As somebody else wrote the Reference.
    Verbatim(Value<'static>),
}

/// A code.
#[must_use]
pub const fn code<'a>(system: &'a str, code: &'a str) -> Code<'a> {
    Code { system, code }
}
