//! What can be picked before an app is let in, and what was.

use concord_signin::error::OauthError;
use concord_signin::form::Form;

/// What was picked before the authorisation page is shown, and goes with its form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Picking {
    /// Whose record.
    pub(crate) whose: Whose,
    /// Which visit: a logical id.
    pub(crate) visit: Option<String>,
}

/// Whose record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Whose {
    /// Nothing is said.
    #[default]
    Unsaid,
    /// Nobody's in particular.
    Nobody,
    /// As whom somebody acts, or for a professional whose: a reference.
    Named(String),
}

/// A record that can be picked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// How a form names it: a reference.
    pub(crate) reference: String,
    /// Whose it is.
    pub(crate) name: String,
}

/// A visit that can be picked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Visit {
    /// Its logical id.
    pub(crate) id: String,
    /// When and what it was.
    pub(crate) title: String,
}

/// What has to be picked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ToPick {
    /// The records.
    pub(crate) records: Vec<Record>,
    /// Whether there may be more of them than are shown.
    pub(crate) more: bool,
    /// Whether a patient may be looked for by name and number.
    pub(crate) looks: bool,
    /// Whether the app may go on without any.
    pub(crate) without: bool,
}

impl Picking {
    /// What a form says.
    pub(crate) fn read(form: &Form) -> Result<Picking, OauthError> {
        const NOBODY: &str = "nobody";
        let whose = match form.one("whose")? {
            None => Whose::Unsaid,
            Some(NOBODY) => Whose::Nobody,
            Some(reference) => Whose::Named(reference.to_owned()),
        };
        Ok(Picking { whose, visit: form.one("visit")?.map(str::to_owned) })
    }
}
