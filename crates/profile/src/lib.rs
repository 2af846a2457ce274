//! Profiles of FHIR R4: what a StructureDefinition says, compiled over the element table of `concord-fhir`, and resources
//! checked against it; answers checked against their Questionnaire.
//!
//! This crate is pure. It knows nothing of HTTP, databases, clocks, environments or access rights: definitions, code lists
//! and the resources that a reference may lead to are handed in.
//!
//! | question | module |
//! |---|---|
//! | what does a StructureDefinition say? | [`definition`] |
//! | which definitions are there, by url and version? | [`library`] |
//! | what does that make of the elements? | `compile` |
//! | does a resource keep to it? | [`check`] |
//! | is a code in a value set? | `terminology` |
//! | what does a reference lead to? | [`surroundings`] |
//! | which profile does R4 ask of a vital sign? | `vital_signs` |
//! | do answers keep to their Questionnaire? | [`questionnaire`] |

pub mod check;
mod compile;
pub mod definition;
mod item;
pub mod library;
mod node;
pub mod questionnaire;
pub mod surroundings;
mod terminology;
mod value;
mod vital_signs;

#[cfg(test)]
mod tests;
