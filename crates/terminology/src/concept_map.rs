//! What maps to what (R4 "ConceptMap").

use concord_fhir::json::Value;
use concord_fhir::terminology::Code;

use crate::item::{Dependency, Match};

/// A concept map.
#[derive(Clone, Debug, Default)]
pub struct ConceptMap {
    /// Its canonical url.
    pub url: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// The value set that is mapped from.
    pub source: Option<String>,
    /// The value set that is mapped to.
    pub target: Option<String>,
    /// What maps to what, by code systems.
    pub groups: Vec<Group>,
}

/// What codes of one system map to in another.
#[derive(Clone, Debug, Default)]
pub struct Group {
    /// The url of the code system that is mapped from.
    pub source: String,
    /// The version of it that was mapped.
    pub source_version: Option<String>,
    /// The url of the code system that is mapped to.
    pub target: String,
    /// The version of that.
    pub target_version: Option<String>,
    /// Each code with what it maps to.
    pub elements: Vec<Mapping>,
    /// What becomes of a code that is mapped to nothing.
    pub unmapped: Option<Unmapped>,
}

/// A code and one that it maps to; none where it maps to nothing.
#[derive(Clone, Debug, Default)]
pub struct Mapping {
    /// The code.
    pub code: String,
    /// What it is called.
    pub display: Option<String>,
    /// What it maps to.
    pub target: Option<String>,
    /// What that is called.
    pub target_display: Option<String>,
    /// How well it does (R4 value set `concept-map-equivalence`).
    pub equivalence: String,
    /// What is said of it.
    pub comment: Option<String>,
    /// What has to be so besides for it to hold.
    pub depends_on: Vec<Dependency>,
    /// What is so besides, if it holds.
    pub product: Vec<Dependency>,
}

/// What becomes of a code that is mapped to nothing.
#[derive(Clone, Debug)]
pub enum Unmapped {
    /// It stands for itself.
    Provided,
    /// It becomes this one.
    Fixed(String, Option<String>),
    /// Another map is asked.
    Other(String),
}

/// What is to be translated.
#[derive(Clone, Debug)]
pub struct Translation {
    /// The code; without a system, by itself.
    pub code: Code,
    /// The version of its code system, where it is said.
    pub version: Option<String>,
    /// What is known besides.
    pub dependencies: Vec<Dependency>,
    /// The code system that is wanted.
    pub target_system: Option<String>,
    /// The value set that it is from.
    pub source: Option<String>,
    /// The value set that is wanted.
    pub target: Option<String>,
    /// Whether maps are read backwards.
    pub reverse: bool,
}

impl ConceptMap {
    /// Reads the resource.
    #[must_use]
    pub fn read(resource: &Value<'_>) -> ConceptMap {
        let text = |name: &str| resource.text(name).map(str::to_owned);
        ConceptMap {
            url: text("url"),
            version: text("version"),
            source: text("sourceUri").or_else(|| text("sourceCanonical")),
            target: text("targetUri").or_else(|| text("targetCanonical")),
            groups: resource.list("group").iter().map(group).collect(),
        }
    }

    /// How many steps it takes to look for a code.
    pub(crate) fn steps(&self) -> usize {
        self.groups.iter().map(|group| 1 + group.elements.len()).sum()
    }

    /// What the code maps to, and which maps are to be asked besides.
    pub(crate) fn translate(&self, asked: &Translation, others: &mut Vec<String>) -> Vec<Match> {
        let mut found = Vec::new();
        for group in &self.groups {
            let (from, to) =
                if asked.reverse { (&group.target, &group.source) } else { (&group.source, &group.target) };
            let fits = |wanted: &str, own: &str| wanted.is_empty() || own.is_empty() || wanted == own;
            let wanted = asked.target_system.as_deref().unwrap_or_default();
            let own_version = if asked.reverse { &group.target_version } else { &group.source_version };
            let is_version = asked.version.is_none() || own_version.is_none() || asked.version == *own_version;
            if !fits(&asked.code.system, from) || !fits(wanted, to) || !is_version {
                continue;
            }
            let before = found.len();
            found.extend(group.elements.iter().filter_map(|one| self.matched(one, asked, to)));
            if found.len() == before && !asked.reverse {
                let code = |code: &str| Some(Code { system: to.clone(), code: code.to_owned() });
                match &group.unmapped {
                    None => {}
                    Some(Unmapped::Provided) => found.push(self.found_as("equal", code(&asked.code.code), None)),
                    Some(Unmapped::Fixed(fixed, display)) => {
                        found.push(self.found_as("inexact", code(fixed), display.clone()));
                    }
                    Some(Unmapped::Other(url)) => others.push(url.clone()),
                }
            }
        }
        found
    }

    fn matched(&self, one: &Mapping, asked: &Translation, to: &str) -> Option<Match> {
        let code = |code: &String| Code { system: to.to_owned(), code: code.clone() };
        let (from, found, display) = if asked.reverse {
            (one.target.as_ref()?, Some(code(&one.code)), one.display.clone())
        } else {
            (&one.code, one.target.as_ref().map(code), one.target_display.clone())
        };
        let equivalence = if asked.reverse { turned(&one.equivalence) } else { &one.equivalence };
        // Backwards, what would have to be so is what the mapping would have brought along.
        let (asks, gives) =
            if asked.reverse { (&one.product, &one.depends_on) } else { (&one.depends_on, &one.product) };
        let holds = *from == asked.code.code && asks.iter().all(|one| one.is_met(&asked.dependencies));
        holds.then(|| Match {
            comment: one.comment.clone(),
            product: gives.clone(),
            ..self.found_as(equivalence, found, display)
        })
    }

    fn found_as(&self, equivalence: &str, code: Option<Code>, display: Option<String>) -> Match {
        let (equivalence, map) = (equivalence.to_owned(), self.url.clone());
        Match { equivalence, code, display, comment: None, product: Vec::new(), map }
    }
}

/// How well it maps the other way.
fn turned(equivalence: &str) -> &str {
    match equivalence {
        "wider" => "narrower",
        "narrower" => "wider",
        "subsumes" => "specializes",
        "specializes" => "subsumes",
        other => other,
    }
}

fn group(value: &Value<'_>) -> Group {
    let text = |name: &str| value.text(name).unwrap_or_default().to_owned();
    let mut elements = Vec::new();
    for element in value.list("element") {
        let code = element.text("code").unwrap_or_default();
        for target in element.list("target") {
            let of = |name: &str| target.text(name).map(str::to_owned);
            elements.push(Mapping {
                code: code.to_owned(),
                display: element.text("display").map(str::to_owned),
                target: of("code"),
                target_display: of("display"),
                equivalence: of("equivalence").unwrap_or_default(),
                comment: of("comment"),
                depends_on: target.list("dependsOn").iter().map(Dependency::read).collect(),
                product: target.list("product").iter().map(Dependency::read).collect(),
            });
        }
    }
    let unmapped = value.get("unmapped").and_then(|one| match one.text("mode") {
        Some("provided") => Some(Unmapped::Provided),
        Some("fixed") => Some(Unmapped::Fixed(one.text("code")?.to_owned(), one.text("display").map(str::to_owned))),
        Some("other-map") => Some(Unmapped::Other(one.text("url")?.to_owned())),
        _ => None,
    });
    let version = |name: &str| value.text(name).map(str::to_owned);
    let (source_version, target_version) = (version("sourceVersion"), version("targetVersion"));
    Group { source: text("source"), source_version, target: text("target"), target_version, elements, unmapped }
}
