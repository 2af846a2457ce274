//! What can be done with resources.

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_is_told_by_a_verb() {
        let verbs = ["read", "search", "see the history of", "see the history of", "create", "update", "delete"];
        assert_eq!(Action::ALL.map(Action::verb), verbs);
    }
}
