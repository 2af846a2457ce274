//! Whether a resource is what R4 says: the strict check against the element table, with all of R4's constraints.
//!
//! [`check()`] refuses, [`practices()`] tells what R4 advises. Rules that need what is outside of a resource (a profile, a
//! terminology, who may write it) stand elsewhere.

mod constraints;
mod leniency;
mod practices;
mod rules;
mod values;
mod walk;
mod worded;

pub use practices::practices;
pub(crate) use rules::MOST_STEPS;
pub use walk::{check, strictly};
pub(crate) use walk::{check_element, check_within};

#[cfg(test)]
mod tests;
