//! What elements a resource may have, and the strict check against it.
//!
//! One compact table of the elements of R4, generated from the official definitions, is compiled on first use
//! ([`r4`]) into shapes that the check, the summary and the XML form walk alike. A profile has the same form: a copy of
//! shapes with narrower elements.

mod addresses;
mod check;
mod codings;
mod constraints;
pub(crate) mod element_path;
mod leniency;
mod links;
mod load;
pub(crate) mod narrative;
mod primitive;
pub(crate) mod problems;
mod rules;
mod summary;
mod table;
mod targets;
mod temporal;
mod worded;

pub use addresses::addresses;
pub(crate) use check::check_element;
pub use check::{check, strictly};
pub use constraints::practices;
pub use links::{LinkKind, NewLink, relink};
pub use load::r4;
pub(crate) use narrative::is_narrative;
pub use primitive::{Primitive, Written};
pub use summary::{Summary, summarize};
pub(crate) use table::choice;
pub use table::{Binding, BindingId, Element, ElementType, Found, Schema, Shape, ShapeId, TypeKind};
pub use targets::remarks;
