//! What a code is in another code system, and how two codes lie to one another (R4 "ConceptMap", translate; "CodeSystem",
//! subsumes).

use concord_fhir::issue::IssueCode;
use concord_fhir::terminology::Membership;

use crate::concept_map::{ConceptMap, Translation};
use crate::elsewhere::{Answer, Question, Reply};
use crate::item::Match;
use crate::library::{Kind, Library, LookUpError, Source};
use crate::name::split;
use crate::tables;

/// How many maps one translation may go through, by what they name for codes that they do not map.
const MOST_MAPS: usize = 5;

/// The most matches that are told.
const MOST_MATCHES: usize = 1_000;

impl<S: Source> Library<'_, S> {
    /// What a code maps to by one map.
    ///
    /// # Errors
    /// When a map that this one names cannot be had.
    pub fn translate(&mut self, map: &ConceptMap, asked: &Translation) -> Result<Vec<Match>, LookUpError<S::Error>> {
        self.begin();
        let mut others = Vec::new();
        self.spend(map.steps())?;
        let mut found = map.translate(asked, &mut others);
        let mut gone_through = 0;
        while let Some(name) = others.pop() {
            gone_through += 1;
            if gone_through > MOST_MAPS {
                return Err(LookUpError::costly(format!("the translation goes through more than {MOST_MAPS} maps")));
            }
            match self.concept_map(&name)? {
                Some(other) => {
                    self.spend(other.steps())?;
                    found.extend(other.translate(asked, &mut others));
                }
                None => self.doubt(format!("the concept map {name} is not here")),
            }
        }
        found.truncate(MOST_MATCHES);
        Ok(found)
    }

    /// What a code maps to by the map of that name; by all that fit of those that are here and of R4's own, else what a server
    /// elsewhere says, where none is named.
    ///
    /// # Errors
    /// When there is no such map.
    pub fn translate_named(
        &mut self,
        name: Option<&str>,
        asked: &Translation,
    ) -> Result<Vec<Match>, LookUpError<S::Error>> {
        self.begin();
        if let Some(name) = name
            && let Some(map) = self.concept_map(name)?
        {
            return self.translate(&map, asked);
        }
        let mut found = Vec::new();
        if name.is_none() {
            let stored = self.concept_maps(&asked.code.system, asked.reverse)?;
            let fits = |wanted: &Option<String>, own: &Option<String>| wanted.is_none() || wanted == own;
            for map in stored.into_iter().chain(tables::concept_maps()) {
                let (source, target) =
                    if asked.reverse { (&map.target, &map.source) } else { (&map.source, &map.target) };
                if fits(&asked.source, source) && fits(&asked.target, target) {
                    self.spend(map.steps())?;
                    found.extend(map.translate(asked, &mut Vec::new()));
                }
            }
        }
        // What it depends on may be somebody's words, and does not leave.
        if found.is_empty() && !asked.code.system.is_empty() && asked.dependencies.is_empty() {
            let question = Question::Translate {
                map: name.map(str::to_owned),
                code: asked.code.clone(),
                version: asked.version.clone(),
                sets: [asked.source.clone(), asked.target.clone()],
                target: asked.target_system.clone(),
                reverse: asked.reverse,
            };
            match self.ask(&question)? {
                Reply::Told(Answer::Translate(matches)) => return Ok(matches),
                Reply::Unreachable => return Err(LookUpError::unreachable(name.unwrap_or(&asked.code.system))),
                Reply::Told(_) | Reply::NotAsked => {}
            }
        }
        if let Some(name) = name {
            return Err(LookUpError::missing(Kind::ConceptMap, name));
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
            let (plain, version) = split(system);
            let (system_url, version) = (plain.to_owned(), version.map(str::to_owned));
            let question =
                Question::Subsumes { system: system_url, version, one: one.to_owned(), other: other.to_owned() };
            return match self.ask(&question)? {
                Reply::Told(Answer::Subsumes(outcome)) => Ok(outcome),
                Reply::Unreachable => Err(LookUpError::unreachable(system)),
                Reply::Told(_) | Reply::NotAsked => Err(self.absent(Kind::CodeSystem, system)?),
            };
        };
        let place = |code: &str| {
            known.place(code).ok_or_else(|| {
                let text = match &known.partial {
                    Some(content) => {
                        format!("the code system {system} is here as `{content}`, which has no code `{code}`")
                    }
                    None => format!("the code system {system} has no code `{code}`"),
                };
                LookUpError::Said(IssueCode::NotFound, text)
            })
        };
        let (first, second) = (place(one)?, place(other)?);
        self.spend(known.concepts().len())?;
        let (above_first, above_second) = (known.with_ancestors(one)?, known.with_ancestors(other)?);
        let outcome = match (first == second, above_second.contains(&first), above_first.contains(&second)) {
            (true, ..) => "equivalent",
            (_, true, _) => "subsumes",
            (_, _, true) => "subsumed-by",
            _ => "not-subsumed",
        };
        // What lies between the two may be in what is not here.
        if let Some(content) = known.partial.as_ref().filter(|_| outcome == "not-subsumed") {
            let text = format!(
                "the code system {system} is here as `{content}`, which does not say how these lie to one another"
            );
            return Err(LookUpError::Said(IssueCode::NotFound, text));
        }
        Ok(outcome.to_owned())
    }

    /// Whether one code of a code system is another one, or above it; not known where either is not.
    ///
    /// # Errors
    /// When it takes too much, or the hierarchy is of another kind.
    pub fn is_above(&mut self, system: &str, above: &str, below: &str) -> Result<Membership, LookUpError<S::Error>> {
        self.begin();
        match self.subsumes(system, above, below) {
            Ok(outcome) => Ok(Membership::of(matches!(outcome.as_str(), "equivalent" | "subsumes"))),
            Err(LookUpError::Said(IssueCode::NotFound | IssueCode::Transient, text)) => {
                self.doubt(text);
                Ok(Membership::Unknown)
            }
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests;
