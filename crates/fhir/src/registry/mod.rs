//! What a resource type is, as data: its name and number, whose record it is part of and its search parameters.

mod added;
mod apart;
mod clinical_date;
mod combined;
mod compartment;
pub mod compile;
mod parameter;
pub mod path;
mod patient_compartment;
mod rows;
mod table;
mod tree;

pub use crate::resource_type::ResourceType;
pub use added::{MOST_ADDED, Registry};
pub use apart::{
    EVENT_AGENT, EVENT_DATE, EVENT_PATIENT, event_parameter, is_addressed, is_event, naming_patient, patient_named,
};
pub(crate) use apart::{is_no_reference, may_name_patient};
pub use clinical_date::{asked_by_date, clinical_date, clinical_dates, is_asked_by_date};
pub use combined::combined;
pub use compartment::compartment_parameters;
pub use parameter::{Added, Component, Index, Kind, Parameter, Targets};
pub(crate) use patient_compartment::OWNER;
pub use patient_compartment::{PatientCompartment, is_own_record, may_change_record, patient_compartment};
pub(crate) use rows::{composites, tree};
pub(crate) use table::is_taken;
pub use table::{
    added_parameter, canonical_url, canonical_version, parameter, parameter_by_id, parameter_of_every_resource,
    parameters, refers_by_url,
};
pub(crate) use tree::{Leaf, Tree};
