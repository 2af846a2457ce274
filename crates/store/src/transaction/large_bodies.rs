//! Which bodies are read with their rows: where others wait for what is read, none that is large
//! (docs/adr/0085-large-bodies-are-read-beside.md).

use crate::rows::Version;
use crate::transaction::Transaction;

/// Which bodies are read with their rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bodies {
    /// All.
    All,
    /// Those of 256 KB at most, which is what a point read takes with its row where others wait for what that takes: SQLite's
    /// writer, or one statement for many on PostgreSQL. The others are left out.
    NotLarge,
    /// None.
    None,
}

impl Bodies {
    /// The last column of a version, on the alias `r`.
    pub(crate) fn column(self) -> &'static str {
        match self {
            Bodies::All => ", r.body",
            // Neither database reads a text for its length.
            Bodies::NotLarge => ", CASE WHEN octet_length(r.body) <= 262144 THEN r.body ELSE '' END",
            Bodies::None => ", ''",
        }
    }
}

/// Whether a version has been read without its body: none is empty but that of a deletion.
pub(crate) fn is_left_out(version: &Version) -> bool {
    version.body.is_empty() && !version.deleted
}

/// What becomes of the large bodies of what a caller names.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LargeBodies {
    /// Whether they are left out.
    leaves: bool,
    /// Whether one has been.
    left: bool,
}

impl Transaction<'_> {
    /// Leaves the bodies of what the caller names out from here on, where they are large: who needs one reads it elsewhere.
    /// Whether it may be shown is decided without it, and to whoever has that version it is not sent.
    pub fn leave_large_bodies(&mut self) {
        self.large_bodies = LargeBodies { leaves: true, left: false };
    }

    /// Whether one has been left out.
    #[must_use]
    pub fn has_left_bodies(&self) -> bool {
        self.large_bodies.left
    }

    pub(crate) fn note_left_out(&mut self) {
        self.large_bodies.left = true;
    }

    /// Which bodies are read of what a caller names.
    pub(crate) fn bodies_named(&self) -> Bodies {
        if self.large_bodies.leaves { Bodies::NotLarge } else { Bodies::All }
    }
}
