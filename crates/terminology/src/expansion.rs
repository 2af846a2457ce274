//! All the codes of a value set (R4 "ValueSet", expansion).

use std::collections::HashSet;
use std::sync::Arc;

use concord_fhir::issue::IssueCode;

use crate::code_system::CodeSystem;
use crate::elsewhere::{Answer, Asked, Question, Reply};
use crate::filter::{Filter, Test, steps_of, steps_of_texts};
use crate::item::Item;
use crate::library::{Found, Kind, Library, LookUpError, Source};
use crate::value_set::{Listed, Part, ValueSet};
use crate::{DEEPEST_IMPORT, MOST_CONCEPTS};

/// Codes in their order, each once.
#[derive(Default)]
struct Gathered {
    items: Vec<Item>,
    known: HashSet<(Arc<str>, String)>,
}

impl Gathered {
    fn add(&mut self, item: Item) {
        if self.known.insert((Arc::clone(&item.system), item.code.clone())) {
            self.items.push(item);
        }
    }
}

impl<S: Source> Library<'_, S> {
    /// The codes of the value set of that name.
    ///
    /// # Errors
    /// When they cannot be told for certain, or are too many.
    pub fn expand_named(&mut self, name: &str) -> Result<Vec<Item>, LookUpError<S::Error>> {
        self.enter(name)?;
        match self.value_set(name)? {
            Some(set) => {
                self.open.push(name.to_owned());
                let items = self.expand(&set);
                self.open.pop();
                items
            }
            None => self.expand_elsewhere(Asked::Url(name.to_owned()), Kind::ValueSet, name),
        }
    }

    /// The codes of a value set that is at hand. It may not be built on itself by its url either.
    ///
    /// # Errors
    /// When they cannot be told for certain, or are too many.
    pub fn expand_given(&mut self, set: &ValueSet) -> Result<Vec<Item>, LookUpError<S::Error>> {
        self.begin();
        self.open.extend(set.url.clone());
        let items = self.expand(set);
        self.open.clear();
        items
    }

    /// Refuses a value set that is built on itself, and one that is built too deep or on too much: what is met on several
    /// ways counts each time.
    pub(crate) fn enter(&mut self, name: &str) -> Found<(), S> {
        if self.open.is_empty() {
            self.begin();
        }
        self.count()?;
        if self.open.iter().any(|open| open == name) {
            return Err(LookUpError::unsupported(format!("the value set {name} is built on itself")));
        }
        if self.open.len() >= DEEPEST_IMPORT {
            let text = format!("the value set {name} is built on others more than {DEEPEST_IMPORT} deep");
            return Err(LookUpError::costly(text));
        }
        Ok(())
    }

    /// The codes of a value set.
    ///
    /// # Errors
    /// When they cannot be told for certain, or are too many.
    pub(crate) fn expand(&mut self, set: &ValueSet) -> Result<Vec<Item>, LookUpError<S::Error>> {
        self.enter_parts(set)?;
        // What was listed once was listed by other versions.
        if let Some(whole) = set.whole.as_ref().filter(|_| !set.is_defined || self.versions.is_empty()) {
            self.spend(whole.len())?;
            return Ok(whole.clone());
        }
        if !set.is_defined {
            let text = format!("the value set {} has neither a definition nor an expansion", set.shown());
            return Err(LookUpError::unsupported(text));
        }
        if let Some(url) =
            set.url.as_ref().filter(|_| set.include.iter().chain(&set.exclude).any(|one| one.is_left_out))
        {
            return self.expand_elsewhere(Asked::Url(url.clone()), Kind::ValueSet, url);
        }
        let mut found = Gathered::default();
        for part in &set.include {
            let items = self.part(part)?;
            self.spend(items.len())?;
            items.into_iter().for_each(|item| found.add(item));
            if found.items.len() > MOST_CONCEPTS {
                let text = format!("the value set {} has more than {MOST_CONCEPTS} codes", set.shown());
                return Err(LookUpError::costly(text));
            }
        }
        if set.active_only {
            found.items.retain(|item| !item.is_inactive);
        }
        for part in &set.exclude {
            self.spend(1 + found.items.len())?;
            let out: HashSet<_> = self.part(part)?.into_iter().map(|item| (item.system, item.code)).collect();
            found.items.retain(|item| !out.contains(&(Arc::clone(&item.system), item.code.clone())));
        }
        Ok(found.items)
    }

    /// What one `include` or `exclude` names: the codes of its system that are in all of its value sets.
    fn part(&mut self, part: &Part) -> Found<Vec<Item>, S> {
        let mut found = match &part.system {
            Some(system) => Some(self.of_system(system, part)?),
            None => None,
        };
        for imported in &part.imports {
            let items = self.expand_named(imported)?;
            self.spend(items.len() + found.as_ref().map_or(0, Vec::len))?;
            found = Some(match found {
                Some(mut before) => {
                    let also: HashSet<_> = items.iter().map(|item| (&item.system, item.code.as_str())).collect();
                    before.retain(|item| also.contains(&(&item.system, item.code.as_str())));
                    before
                }
                None => items,
            });
        }
        Ok(found.unwrap_or_default())
    }

    /// The codes of a system: those listed, those that meet every filter, or all. What is listed and the code system, which is here as
    /// a whole, does not have is none.
    fn of_system(&mut self, system: &str, part: &Part) -> Found<Vec<Item>, S> {
        let wanted = self.version_of(system, part)?;
        let found = self.code_system(&named(system, wanted.as_deref()))?;
        let url: Arc<str> = system.into();
        let looked_at = match &found {
            Some(known) if part.listed.is_empty() => known.concepts().len().saturating_mul(1 + part.filters.len()),
            _ => part.listed.len(),
        };
        self.spend(1 + looked_at)?;
        if let Some(known) = &found {
            self.spend(steps_of(known, &part.filters))?;
            self.spend(steps_of_texts(known, &part.filters, known.concepts()))?;
        }
        let is_half = found.as_ref().is_none_or(|known| known.partial.is_some());
        if is_half && part.listed.is_empty() {
            let (system_url, filters) = (system.to_owned(), part.filters.clone());
            let asked = Asked::Part { system: system_url, version: wanted.clone(), filters };
            let name = named(system, wanted.as_deref());
            return match (self.expand_elsewhere(asked, Kind::CodeSystem, &name), found) {
                (Err(LookUpError::Said(IssueCode::NotFound, _)), Some(known)) => Err(in_part(&known)),
                (told, _) => told,
            };
        }
        let Some(known) = found else {
            let version: Option<Arc<str>> = wanted.as_deref().map(Into::into);
            let item = |one| Item { version: version.clone(), ..listed(&url, one, None, part) };
            return Ok(part.listed.iter().map(item).collect());
        };
        let version: Option<Arc<str>> = known.version.as_deref().map(Into::into);
        Ok(if part.listed.is_empty() {
            let tests = tests(&known, &part.filters)?;
            let passing = known
                .concepts()
                .iter()
                .enumerate()
                .filter(|(place, concept)| tests.iter().all(|test| test.passes(&known, *place, concept)));
            let item = |concept| Item { version: version.clone(), ..Item::of_concept(&url, &known, concept) };
            passing.map(|(_, concept)| item(concept)).collect()
        } else {
            let is_code = |one: &&Listed| known.partial.is_some() || known.place(&one.code).is_some();
            let item = |one| Item { version: version.clone(), ..listed(&url, one, Some(&known), part) };
            part.listed.iter().filter(is_code).map(item).collect()
        })
    }

    fn expand_elsewhere(&mut self, asked: Asked, kind: Kind, name: &str) -> Found<Vec<Item>, S> {
        if matches!(asked, Asked::Url(_)) {
            self.refuse_versions(name)?;
        }
        match self.ask(&Question::Expansion { set: asked })? {
            Reply::Told(Answer::Expansion(items)) => Ok(items),
            Reply::Told(Answer::TooMany) => {
                Err(LookUpError::costly(format!("the terminology server has more codes of {name} than can be taken")))
            }
            Reply::Told(_) | Reply::NotAsked => Err(self.absent(kind, name)?),
            Reply::Unreachable => Err(LookUpError::unreachable(name)),
        }
    }

    /// A code and those that its code system relates to it.
    pub(crate) fn related(&mut self, code: &concord_fhir::terminology::Code, relation: Filter) -> Found<Vec<Item>, S> {
        let Some(system) = self.code_system(&code.system)? else {
            let asked = Asked::Part { system: code.system.clone(), version: None, filters: vec![relation] };
            return self.expand_elsewhere(asked, Kind::CodeSystem, &code.system);
        };
        if system.partial.is_some() {
            return Err(in_part(&system));
        }
        self.spend(system.concepts().len())?;
        if system.concept(&code.code).is_none() {
            let text = format!("the code system {} has no code `{}`", code.system, code.code);
            return Err(LookUpError::Said(IssueCode::NotFound, text));
        }
        let test = Test::of(&system, &relation)?;
        let (url, concepts) = (code.system.as_str().into(), system.concepts().iter().enumerate());
        let related = concepts.filter(|(place, concept)| test.passes(&system, *place, concept));
        Ok(related.map(|(_, concept)| Item::of_concept(&url, &system, concept)).collect())
    }
}

/// The name of a code system in a version.
pub(crate) fn named(system: &str, version: Option<&str>) -> String {
    version.map_or_else(|| system.to_owned(), |version| format!("{system}|{version}"))
}

/// The filters of a part, made ready.
pub(crate) fn tests(system: &CodeSystem, filters: &[Filter]) -> Result<Vec<Test>, crate::code_system::Unusable> {
    filters.iter().map(|filter| Test::of(system, filter)).collect()
}

/// What is in a code system of which only a part is here is not told.
fn in_part<E>(system: &CodeSystem) -> LookUpError<E> {
    let content = system.partial.as_deref().unwrap_or_default();
    LookUpError::unsupported(format!("the code system {} is here as `{content}` and not `complete`", system.url))
}

/// A code that a value set lists, with what its code system says of it.
fn listed(url: &Arc<str>, one: &Listed, system: Option<&CodeSystem>, part: &Part) -> Item {
    let mut item = match system.and_then(|system| Some((system, system.concept(&one.code)?))) {
        Some((system, concept)) => Item::of_concept(url, system, concept),
        None => Item::of(url, one.code.clone()),
    };
    item.code.clone_from(&one.code);
    if one.display.is_some() {
        item.display.clone_from(&one.display);
        item.language.clone_from(&part.language);
    }
    if !one.designations.is_empty() {
        item.designations.clone_from(&one.designations);
    }
    item
}

#[cfg(test)]
mod tests;
