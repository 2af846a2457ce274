//! R4's constraints (R4 "Constraints"), each at the shape or element that it is about, as FHIRPath.
//!
//! Which elements are there decides most of them (`Presence`); only what that leaves open is evaluated. What every element
//! and every contained resource has to be the check sees on its way, without an expression (`SEEN`).
//!
//! A rule is broken where its expression says false. Where it says nothing it holds: two dates of which one is told less
//! precisely, quantities of different units. A few published expressions say nothing where they mean false, or are wrong
//! otherwise; what is evaluated in their place stands in `corrected`.

mod corrected;
mod own;
mod table;
mod texts;

pub(super) use table::{Rule, of};

#[cfg(test)]
mod tests;
