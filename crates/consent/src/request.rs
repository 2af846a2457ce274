//! What is asked: who wants to do what to resources of which type, and what for.

use concord_fhir::registry::ResourceType;

pub use crate::action::Action;
use crate::caller::Caller;
use crate::purpose::Purpose;

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
    /// Why, in the caller's own words: needed to break the glass and to act in a privileged role. Shorter than
    /// [`SHORTEST_REASON`] characters it counts as none.
    pub reason: Option<&'a str>,
}

/// The fewest characters that a reason has, without the spaces around it.
pub const SHORTEST_REASON: usize = 10;

/// The most characters that a reason has.
pub const LONGEST_REASON: usize = 500;

/// Whether it is a reason: one line of [`SHORTEST_REASON`] to [`LONGEST_REASON`] characters.
#[must_use]
pub fn is_reason(text: &str) -> bool {
    (SHORTEST_REASON..=LONGEST_REASON).contains(&text.trim().chars().count()) && !text.chars().any(char::is_control)
}

/// How long a broken glass stays broken, in milliseconds.
pub const BREAK_GLASS_MS: i64 = 60 * 60 * 1000;

impl Request<'_> {
    /// The reason given, if it is long enough to be one.
    #[must_use]
    pub fn good_reason(&self) -> Option<&str> {
        self.reason.map(str::trim).filter(|reason| reason.chars().count() >= SHORTEST_REASON)
    }
}
