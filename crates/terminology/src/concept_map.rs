//! What maps to what (R4 "ConceptMap").

use concord_fhir::json::Value;
use concord_fhir::terminology::Code;

use crate::elsewhere::{Answer, Question, Reply};
use crate::library::{Library, LookUpError, Source};
use crate::tables;

/// How many maps one translation may go through, by what they name for codes that they do not map.
const MOST_MAPS: usize = 5;

/// The most matches that are told.
const MOST_MATCHES: usize = 1_000;

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
    /// The url of the code system that is mapped to.
    pub target: String,
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

/// What is to be translated.
#[derive(Clone, Debug)]
pub struct Translation {
    /// The code; without a system, by itself.
    pub code: Code,
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

    /// What the code maps to, and which maps are to be asked besides.
    fn translate(&self, asked: &Translation, others: &mut Vec<String>) -> Vec<Match> {
        let mut found = Vec::new();
        for group in &self.groups {
            let (from, to) =
                if asked.reverse { (&group.target, &group.source) } else { (&group.source, &group.target) };
            let fits = |wanted: &str, own: &str| wanted.is_empty() || own.is_empty() || wanted == own;
            let wanted = asked.target_system.as_deref().unwrap_or_default();
            if !fits(&asked.code.system, from) || !fits(wanted, to) {
                continue;
            }
            let before = found.len();
            found.extend(group.elements.iter().filter_map(|one| self.matched(one, asked, to)));
            if found.len() == before && !asked.reverse {
                let code = |code: &str| Some(Code { system: to.clone(), code: code.to_owned() });
                match &group.unmapped {
                    None => {}
                    Some(Unmapped::Provided) => found.push(self.told("equal", code(&asked.code.code), None, None)),
                    Some(Unmapped::Fixed(fixed, display)) => {
                        found.push(self.told("inexact", code(fixed), display.clone(), None));
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
        (*from == asked.code.code).then(|| self.told(equivalence, found, display, one.comment.clone()))
    }

    fn told(&self, equivalence: &str, code: Option<Code>, display: Option<String>, comment: Option<String>) -> Match {
        Match { equivalence: equivalence.to_owned(), code, display, comment, map: self.url.clone() }
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
            });
        }
    }
    let unmapped = value.get("unmapped").and_then(|one| match one.text("mode") {
        Some("provided") => Some(Unmapped::Provided),
        Some("fixed") => Some(Unmapped::Fixed(one.text("code")?.to_owned(), one.text("display").map(str::to_owned))),
        Some("other-map") => Some(Unmapped::Other(one.text("url")?.to_owned())),
        _ => None,
    });
    Group { source: text("source"), target: text("target"), elements, unmapped }
}

impl<S: Source> Library<'_, S> {
    /// What a code maps to by one map.
    ///
    /// # Errors
    /// When a map that this one names cannot be had.
    pub fn translate(&mut self, map: &ConceptMap, asked: &Translation) -> Result<Vec<Match>, LookUpError<S::Error>> {
        let mut others = Vec::new();
        let mut found = map.translate(asked, &mut others);
        let mut gone_through = 0;
        while let Some(name) = others.pop() {
            gone_through += 1;
            if gone_through > MOST_MAPS {
                return Err(LookUpError::costly(format!("the translation goes through more than {MOST_MAPS} maps")));
            }
            match self.concept_map(&name)? {
                Some(other) => found.extend(other.translate(asked, &mut others)),
                None => self.doubt(format!("the concept map {name} is not here")),
            }
        }
        found.truncate(MOST_MATCHES);
        Ok(found)
    }

    /// What a code maps to by the map of that name; by all of R4's own that fit, and what a server elsewhere says, where
    /// none is named.
    ///
    /// # Errors
    /// When there is no such map.
    pub fn translate_named(
        &mut self,
        name: Option<&str>,
        asked: &Translation,
    ) -> Result<Vec<Match>, LookUpError<S::Error>> {
        if let Some(name) = name
            && let Some(map) = self.concept_map(name)?
        {
            return self.translate(&map, asked);
        }
        let mut found = Vec::new();
        if name.is_none() {
            let fits = |wanted: &Option<String>, own: &Option<String>| wanted.is_none() || wanted == own;
            for map in tables::concept_maps() {
                let (source, target) =
                    if asked.reverse { (&map.target, &map.source) } else { (&map.source, &map.target) };
                if fits(&asked.source, source) && fits(&asked.target, target) {
                    found.extend(map.translate(asked, &mut Vec::new()));
                }
            }
        }
        if found.is_empty() && !asked.code.system.is_empty() {
            let question = Question::Translate {
                map: name.map(str::to_owned),
                code: asked.code.clone(),
                target: asked.target_system.clone().or_else(|| asked.target.clone()),
                reverse: asked.reverse,
            };
            match self.ask(&question)? {
                Reply::Told(Answer::Translate(matches)) => return Ok(matches),
                Reply::Unreachable => return Err(LookUpError::unreachable(name.unwrap_or(&asked.code.system))),
                Reply::Told(_) | Reply::NotAsked => {}
            }
            if let Some(name) = name {
                return Err(LookUpError::missing(crate::Kind::ConceptMap, name));
            }
        }
        found.truncate(MOST_MATCHES);
        Ok(found)
    }

    /// How two codes lie to one another (R4 value set `concept-subsumption-outcome`).
    ///
    /// # Errors
    /// When the code system or a code is not here.
    pub fn subsumes(&mut self, system: &str, one: &str, other: &str) -> Result<String, LookUpError<S::Error>> {
        let Some(known) = self.code_system(system)? else {
            let plain = crate::library::split(system).0.to_owned();
            let question = Question::Subsumes { system: plain, one: one.to_owned(), other: other.to_owned() };
            return match self.ask(&question)? {
                Reply::Told(Answer::Subsumes(outcome)) => Ok(outcome),
                Reply::Unreachable => Err(LookUpError::unreachable(system)),
                Reply::Told(_) | Reply::NotAsked => Err(LookUpError::missing(crate::Kind::CodeSystem, system)),
            };
        };
        let place = |code: &str| {
            known.place(code).ok_or_else(|| {
                let text = format!("the code system {system} has no code `{code}`");
                LookUpError::Said(concord_fhir::issue::IssueCode::NotFound, text)
            })
        };
        let (first, second) = (place(one)?, place(other)?);
        let (above_first, above_second) = (known.with_ancestors(one)?, known.with_ancestors(other)?);
        let outcome = match (first == second, above_second.contains(&first), above_first.contains(&second)) {
            (true, ..) => "equivalent",
            (_, true, _) => "subsumes",
            (_, _, true) => "subsumed-by",
            _ => "not-subsumed",
        };
        Ok(outcome.to_owned())
    }
}

#[cfg(test)]
mod tests;
