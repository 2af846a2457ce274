//! What is asked: who wants to do what to resources of which type, and what for.

use concord_fhir::registry::ResourceType;

use crate::caller::Caller;
use crate::purpose::Purpose;

/// What the caller wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// See one version of one resource.
    Read,
    /// Find resources, whatever the way: search, chains, includes, compartments, `$everything`, export.
    Search,
    /// See the versions of one resource.
    History,
    /// See the versions of every resource of a type, or of all types.
    TypeHistory,
    /// Add a resource.
    Create,
    /// Put a new version in place of one.
    Update,
    /// Delete a resource.
    Delete,
}

impl Action {
    /// Every action.
    pub const ALL: [Action; 7] = [
        Action::Read,
        Action::Search,
        Action::History,
        Action::TypeHistory,
        Action::Create,
        Action::Update,
        Action::Delete,
    ];

    /// Whether it changes something.
    #[must_use]
    pub fn writes(self) -> bool {
        matches!(self, Action::Create | Action::Update | Action::Delete)
    }

    /// The verb for a sentence: "may not ... this".
    #[must_use]
    pub fn verb(self) -> &'static str {
        match self {
            Action::Read => "read",
            Action::Search => "search",
            Action::History | Action::TypeHistory => "see the history of",
            Action::Create => "create",
            Action::Update => "update",
            Action::Delete => "delete",
        }
    }
}

/// One question to [`crate::decide()`].
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// Who asks.
    pub caller: &'a Caller,
    /// What they want to do.
    pub action: Action,
    /// To resources of which type; none means of any type.
    pub resource_type: Option<ResourceType>,
    /// What for. Without it: `TREAT` for a professional, `FAMRQT` for a related person, `PATRQT` for a patient.
    /// With `BTG` a professional breaks the glass: see [`Request::reason`].
    pub purpose: Option<Purpose>,
    /// Why, in the caller's own words: needed to break the glass and to act in an office. Shorter than
    /// [`SHORTEST_REASON`] characters it counts as none.
    pub reason: Option<&'a str>,
}

/// The fewest characters that a reason has, without the spaces around it.
pub const SHORTEST_REASON: usize = 10;

/// How long a broken glass stays broken, in milliseconds.
pub const BREAK_GLASS_MS: i64 = 60 * 60 * 1000;

impl Request<'_> {
    /// The reason given, if it is long enough to be one.
    #[must_use]
    pub fn good_reason(&self) -> Option<&str> {
        self.reason.map(str::trim).filter(|reason| reason.chars().count() >= SHORTEST_REASON)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_is_told_by_a_verb() {
        let verbs = ["read", "search", "see the history of", "see the history of", "create", "update", "delete"];
        assert_eq!(Action::ALL.map(Action::verb), verbs);
    }
}
