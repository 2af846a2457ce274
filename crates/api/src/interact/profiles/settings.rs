//! What is done on a write with what does not keep to a profile.

use std::collections::BTreeMap;

/// What is done on a write with what does not keep to a definition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnWrite {
    /// It is not looked at.
    Off,
    /// It is stored, and the answer says so.
    #[default]
    Warn,
    /// It is refused.
    Refuse,
}

/// What is done by which profile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProfileChecks {
    /// What is done where nothing else is said.
    pub usual: OnWrite,
    /// What is done by single profiles, by url without version.
    pub own: BTreeMap<String, OnWrite>,
    /// What is done with answers that do not keep to their Questionnaire.
    pub answers: OnWrite,
    /// By which profiles resources of a type are checked besides those that they claim.
    pub required: BTreeMap<String, Vec<String>>,
    /// Whether a terminology server elsewhere is asked for what a write is checked by.
    pub asks_elsewhere: bool,
}

impl ProfileChecks {
    /// What is done by the profile of a canonical.
    #[must_use]
    pub fn of(&self, canonical: &str) -> OnWrite {
        let url = canonical.split('|').next().unwrap_or(canonical);
        self.own.get(url).copied().unwrap_or(self.usual)
    }

    /// The profiles that are asked of every resource of a type.
    #[must_use]
    pub fn required_of(&self, resource_type: &str) -> &[String] {
        self.required.get(resource_type).map_or(&[][..], Vec::as_slice)
    }
}
