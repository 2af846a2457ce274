//! Whether a code is in a value set: asked of whoever knows.

use concord_fhir::schema::r4;

/// Whether a code is in a value set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Membership {
    /// It is.
    Yes,
    /// It is not.
    No,
    /// Nobody here knows the value set, or the code system that it takes codes from.
    Unknown,
}

/// Who knows value sets.
pub trait Terminology {
    /// Whether the code of that system is in the value set of that canonical. Without a system, as of an element that holds
    /// nothing but a code, whether a code of any system is.
    fn member_of(&self, system: Option<&str>, code: &str, value_set: &str) -> Membership;
}

/// The value sets that required bindings of R4 name, and that can be listed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Required;

impl Terminology for Required {
    fn member_of(&self, system: Option<&str>, code: &str, value_set: &str) -> Membership {
        let Some(list) = r4().value_set(value_set) else { return Membership::Unknown };
        let known = match system {
            Some(system) => list.has_coding(system, code),
            None => list.has_code(code),
        };
        if known { Membership::Yes } else { Membership::No }
    }
}
