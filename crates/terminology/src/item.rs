//! What is found: a code of a value set, and a code that another one maps to.

use std::sync::Arc;

use concord_fhir::json::Value;
use concord_fhir::terminology::Code;

use crate::code_system::{CodeSystem, Concept};
use crate::designation::Designation;

/// A code of an expansion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The url of the code system.
    pub system: Arc<str>,
    /// Its version, where that is known.
    pub version: Option<Arc<str>>,
    /// The code.
    pub code: String,
    /// What it is called.
    pub display: Option<String>,
    /// The language of that, if it is said.
    pub language: Option<Arc<str>>,
    /// What it is called besides.
    pub designations: Vec<Designation>,
    /// Whether it is not in use any more.
    pub is_inactive: bool,
    /// Whether it only groups others.
    pub is_abstract: bool,
}

impl Item {
    pub(crate) fn of(system: &Arc<str>, code: String) -> Item {
        Item {
            system: Arc::clone(system),
            version: None,
            code,
            display: None,
            language: None,
            designations: Vec::new(),
            is_inactive: false,
            is_abstract: false,
        }
    }

    /// Of a concept of a code system, in no version that is told.
    pub(crate) fn of_concept(url: &Arc<str>, system: &CodeSystem, concept: &Concept) -> Item {
        Item {
            system: Arc::clone(url),
            version: None,
            language: system.language.clone(),
            code: concept.code.clone(),
            display: concept.display.clone(),
            designations: concept.designations.clone(),
            is_inactive: concept.is_inactive,
            is_abstract: concept.is_abstract,
        }
    }
}

/// An element or code that a mapping depends on, or that comes with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dependency {
    /// The element, by its property's address.
    pub property: String,
    /// The url of the code system of the value.
    pub system: Option<String>,
    /// The value.
    pub value: String,
}

impl Dependency {
    pub(crate) fn read(value: &Value<'_>) -> Dependency {
        let text = |name: &str| value.text(name).map(str::to_owned);
        let (property, value) = (text("property").unwrap_or_default(), text("value").unwrap_or_default());
        Dependency { property, system: text("system"), value }
    }

    /// Whether what somebody says besides is what it asks.
    pub(crate) fn is_met(&self, said: &[Dependency]) -> bool {
        let is_system = |other: &Dependency| self.system.is_none() || self.system == other.system;
        said.iter().any(|other| other.property == self.property && other.value == self.value && is_system(other))
    }
}

/// What a code maps to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// How well (R4 value set `concept-map-equivalence`).
    pub equivalence: String,
    /// The code; none where it maps to nothing.
    pub code: Option<Code>,
    /// What it is called.
    pub display: Option<String>,
    /// What is said of it.
    pub comment: Option<String>,
    /// What is so besides.
    pub product: Vec<Dependency>,
    /// The map that says so.
    pub map: Option<String>,
}

impl Match {
    /// Whether it is one: that two codes do not match is no match.
    #[must_use]
    pub fn is_match(&self) -> bool {
        self.code.is_some() && !matches!(self.equivalence.as_str(), "unmatched" | "disjoint")
    }
}
