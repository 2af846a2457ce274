//! What can be asked of a terminology server elsewhere: urls and codes, and nothing else. No question has a place for
//! anybody's words, so none can hold any: what a concept is called is told by the server and compared here.

use concord_fhir::terminology::Code;

use crate::filter::Filter;
use crate::item::{Item, Match};

/// A question.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Question {
    /// Is the code in the set?
    Member {
        /// The set.
        set: Asked,
        /// The code.
        code: Code,
    },
    /// Which codes are in the set?
    Expansion {
        /// The set.
        set: Asked,
    },
    /// What is the code called?
    Concept {
        /// The code.
        code: Code,
    },
    /// How do two codes of a system lie to one another?
    Subsumes {
        /// The url of the code system.
        system: String,
        /// One code.
        one: String,
        /// The other.
        other: String,
    },
    /// What does a code map to?
    Translate {
        /// The url of the map; none for any map.
        map: Option<String>,
        /// The code.
        code: Code,
        /// The code system that is wanted.
        target: Option<String>,
        /// Whether the map is read backwards.
        reverse: bool,
    },
}

/// A set of codes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Asked {
    /// The value set of that canonical url.
    Url(String),
    /// Those of a code system that meet filters.
    Part {
        /// The url of the code system.
        system: String,
        /// Its version.
        version: Option<String>,
        /// What they meet.
        filters: Vec<Filter>,
    },
}

impl Question {
    /// The url that says what it is about, by which an operator lets questions out.
    #[must_use]
    pub fn about(&self) -> &str {
        match self {
            Question::Member { set, .. } | Question::Expansion { set } => match set {
                Asked::Url(url) => url,
                Asked::Part { system, .. } => system,
            },
            Question::Concept { code } | Question::Translate { code, .. } => &code.system,
            Question::Subsumes { system, .. } => system,
        }
    }

    /// Every code and value of a filter in it.
    pub fn codes(&self) -> impl Iterator<Item = &str> {
        let (set, codes): (Option<&Asked>, [&str; 2]) = match self {
            Question::Member { set, code } => (Some(set), [&code.code, ""]),
            Question::Expansion { set } => (Some(set), ["", ""]),
            Question::Concept { code } | Question::Translate { code, .. } => (None, [&code.code, ""]),
            Question::Subsumes { one, other, .. } => (None, [one, other]),
        };
        let filters = match set {
            Some(Asked::Part { filters, .. }) => filters.as_slice(),
            _ => &[],
        };
        let of_filters = filters.iter().map(|filter| filter.value.as_str());
        codes.into_iter().filter(|code| !code.is_empty()).chain(of_filters)
    }
}

/// What a server says.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Whether it is in, and what it is called.
    Member {
        /// Whether it is in.
        is_in: bool,
        /// What it is called.
        display: Option<String>,
    },
    /// The codes.
    Expansion(Vec<Item>),
    /// What the code is called; there also if it is called nothing.
    Concept(Option<String>),
    /// The outcome (R4 value set `concept-subsumption-outcome`).
    Subsumes(String),
    /// What it maps to.
    Translate(Vec<Match>),
    /// It does not know what is asked about.
    Nothing,
    /// These are too many codes.
    TooMany,
}

/// What has become of a question.
#[derive(Clone, Debug)]
pub enum Reply {
    /// It was answered.
    Told(Answer),
    /// It is not one for a server elsewhere, or there is none.
    NotAsked,
    /// The server cannot be reached.
    Unreachable,
}
