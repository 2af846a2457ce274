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
        /// The version of its code system, where it is said.
        version: Option<String>,
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
        /// The version of its code system, where it is said.
        version: Option<String>,
    },
    /// How do two codes of a system lie to one another?
    Subsumes {
        /// The url of the code system.
        system: String,
        /// Its version, where it is said.
        version: Option<String>,
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
        /// The version of its code system, where it is said.
        version: Option<String>,
        /// The value sets that it is from, and that are wanted.
        sets: [Option<String>; 2],
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
            Question::Concept { code, .. } | Question::Translate { code, .. } => &code.system,
            Question::Subsumes { system, .. } => system,
        }
    }

    /// Every code, version, value of a filter and url besides in it.
    pub fn codes(&self) -> impl Iterator<Item = &str> {
        let (set, codes, version): (Option<&Asked>, [&str; 2], Option<&String>) = match self {
            Question::Member { set, code, version } => (Some(set), [&code.code, ""], version.as_ref()),
            Question::Expansion { set } => (Some(set), ["", ""], None),
            Question::Concept { code, version } => (None, [&code.code, ""], version.as_ref()),
            Question::Translate { code, version, .. } => (None, [&code.code, ""], version.as_ref()),
            Question::Subsumes { one, other, version, .. } => (None, [one, other], version.as_ref()),
        };
        let (filters, of_set) = match set {
            Some(Asked::Part { filters, version, .. }) => (filters.as_slice(), version.as_ref()),
            _ => (&[][..], None),
        };
        let of_filters = filters.iter().map(|filter| filter.value.as_str());
        let urls = match self {
            Question::Translate { map, sets: [source, wanted], target, .. } => {
                [map, source, wanted, target].map(Option::as_ref)
            }
            _ => [None; 4],
        };
        let versions = version.into_iter().chain(of_set).chain(urls.into_iter().flatten()).map(String::as_str);
        codes.into_iter().filter(|code| !code.is_empty()).chain(versions).chain(of_filters)
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
