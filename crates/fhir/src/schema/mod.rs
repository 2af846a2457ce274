//! What elements a resource may have. The strict check against it is [`check`](crate::check).
//!
//! One compact table of the elements of R4, generated from the official definitions, is compiled on first use
//! ([`r4`]) into shapes that the check, the summary and the XML form walk alike. A profile has the same form: a copy of
//! shapes with narrower elements.

mod addresses;
pub(crate) mod element_path;
pub(crate) mod links;
mod load;
pub(crate) mod narrative;
mod primitive;
pub(crate) mod problems;
mod references;
mod summary;
mod table;
mod targets;
mod temporal;
mod walk;

pub use addresses::{addresses, opened};
pub use links::{LinkKind, NewLink, relink};
pub use load::r4;
pub(crate) use narrative::is_narrative;
pub use narrative::without_comments;
pub use primitive::{Primitive, Written};
pub use references::each_reference;
pub use summary::{Summary, summarize};
pub use table::{Binding, BindingId, Element, ElementType, Found, Schema, Shape, ShapeId, TypeKind};
pub(crate) use table::{Special, choice};
pub use targets::{TargetRemarks, mistaken_types, remarks};
pub(crate) use targets::{mistaken_type, stated_type, type_of_target};
pub use walk::{Met, walk};
