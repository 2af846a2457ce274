//! The FHIR R4 (4.0.1) resource model of Concord: what a resource is, what it means, and how it is found.
//!
//! This crate is pure. It knows nothing of HTTP, databases, clocks, environments or access rights.
//!
//! | question | module |
//! |---|---|
//! | what did the client send? | [`json`] |
//! | which elements are there? | [`schema`] |
//! | is it FHIR? | [`check`] |
//! | what does it look like in JSON and in XML? | [`codec`] |
//! | what is wrong with it, and where? | [`issue`] |
//! | which types are there? | [`resource_type`] |
//! | what does this type or search parameter mean? | [`registry`] |
//! | what does a patch make of it? | [`patch`] |
//! | what in a document refers to what? | [`document`] |
//! | how does an element read to a person? | [`display`] |
//! | what does an expression say of it? | [`path`] |
//! | what does a literal reference name? | [`literal`] |
//! | do two addresses of entries of a Bundle mean the same? | [`full_url`] |
//! | what does a program write for want of an id? | [`missing_id`] |
//! | what is an NHS number, a day, a unit? | [`nhs_number`], `calendar`, `ucum` |
//! | what is XML made of? | `markup` |
//! | which labels protect it? | [`label`] |
//! | what can it be found by? | [`entry`], [`index`], [`value`] |
//! | what does a query ask for? | [`search`] |
//! | does a resource match? | [`predicate`] |
//! | which codes does a query name without listing them? | [`terminology`] |
//! | which of two versions of a definition is newer? | [`version`] |
//! | is it sensible for its type? | [`rules`] |
//! | what is done between the pieces of what takes long? | [`pieces`] |

mod calendar;
pub mod check;
pub mod codec;
pub mod display;
pub mod document;
pub mod entry;
pub mod full_url;
pub mod index;
pub mod issue;
pub mod json;
pub mod label;
pub mod literal;
mod markup;
pub mod missing_id;
pub mod nhs_number;
pub mod patch;
pub mod path;
pub mod pieces;
pub mod predicate;
pub mod registry;
pub mod resource_type;
pub mod rules;
pub mod schema;
pub mod search;
pub mod terminology;
mod ucum;
pub mod value;
pub mod version;
