//! Whether a code is in a value set or code system, without listing what else is.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use concord_fhir::terminology::{Code, Membership, Terminology};

use crate::elsewhere::{Answer, Asked, Question, Reply};
use crate::expansion::{named, tests};
use crate::filter::{steps_of, steps_of_texts};
use crate::item::Item;
use crate::library::{Found, Library, LookUpError, Nothing, Source};
use crate::value_set::{Part, ValueSet};
use crate::{grammar, tables};

/// How many answers are remembered.
const REMEMBERED: usize = 20_000;
/// How long a question may be whose answer is remembered: whoever sends resources decides what is asked.
const LONGEST_REMEMBERED: usize = 500;

/// R4's own tables, and nothing else.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tables;

impl Terminology for Tables {
    fn member_of(&self, system: Option<&str>, code: &str, value_set: &str) -> Membership {
        member_of(value_set, system, code)
    }

    fn subsumes(&self, system: &str, above: &str, below: &str) -> Membership {
        Library::new(&mut Nothing).is_above(system, above, below).unwrap_or(Membership::Unknown)
    }
}

/// Whether a code is in a value set of R4's own tables; without a system, whether it is by itself. For bindings: what has
/// been asked is remembered, so that it costs next to nothing to ask again.
#[must_use]
pub fn member_of(value_set: &str, system: Option<&str>, code: &str) -> Membership {
    static KNOWN: RwLock<Option<HashMap<String, Membership>>> = RwLock::new(None);
    let wanted = Code { system: system.unwrap_or_default().to_owned(), code: code.to_owned() };
    let ask = || Library::new(&mut Nothing).is_in_named(value_set, &wanted).unwrap_or(Membership::Unknown);
    if value_set.len() + wanted.system.len() + code.len() > LONGEST_REMEMBERED {
        return ask();
    }
    let key = format!("{value_set}\n{}\n{code}", wanted.system);
    let known = KNOWN.read().unwrap_or_else(PoisonError::into_inner);
    if let Some(found) = known.as_ref().and_then(|known| known.get(&key)) {
        return *found;
    }
    drop(known);
    let found = ask();
    let mut known = KNOWN.write().unwrap_or_else(PoisonError::into_inner);
    let known = known.get_or_insert_default();
    if known.len() >= REMEMBERED {
        known.clear();
    }
    known.insert(key, found);
    found
}

impl<S: Source> Library<'_, S> {
    /// Whether the code is in the value set of that name. A code without a system is looked for by itself.
    ///
    /// # Errors
    /// When the set is built on itself, too much, or not understood.
    pub fn is_in_named(&mut self, name: &str, code: &Code) -> Result<Membership, LookUpError<S::Error>> {
        self.enter(name)?;
        let Some(set) = self.value_set(name)? else {
            return self.is_in_elsewhere(Asked::Url(name.to_owned()), code, name);
        };
        self.open.push(name.to_owned());
        let found = self.is_in(&set, code);
        self.open.pop();
        found
    }

    /// Whether the code is in a value set that is at hand.
    ///
    /// # Errors
    /// As [`Library::is_in_named`].
    pub fn is_in_given(&mut self, set: &ValueSet, code: &Code) -> Result<Membership, LookUpError<S::Error>> {
        self.begin();
        self.open.extend(set.url.clone());
        let found = self.is_in(set, code);
        self.open.clear();
        found
    }

    /// Whether the code is in the value set.
    ///
    /// # Errors
    /// As [`Library::is_in_named`].
    pub(crate) fn is_in(&mut self, set: &ValueSet, code: &Code) -> Result<Membership, LookUpError<S::Error>> {
        self.enter_parts(set)?;
        if let Some(whole) = set.whole.as_ref().filter(|_| !set.is_defined || self.versions.is_empty()) {
            self.spend(whole.len())?;
            let is_it = |item: &Item| {
                let of_version = self.versions.of_code(&item.system);
                let is_version = |wanted: &str| item.version.as_deref().is_none_or(|own| own == wanted);
                let is_code = item.code == code.code && (code.system.is_empty() || *code.system == *item.system);
                is_code && of_version.is_none_or(is_version)
            };
            return Ok(Membership::of(whole.iter().any(is_it)));
        }
        if !set.is_defined {
            self.doubt(format!("the value set {} has neither a definition nor an expansion", set.shown()));
            return Ok(Membership::Unknown);
        }
        let mut inside = Membership::No;
        for part in &set.include {
            if inside != Membership::Yes {
                inside = inside.or(self.is_in_part(set, part, code, set.active_only)?);
            }
        }
        let mut outside = Membership::No;
        for part in set.exclude.iter().filter(|_| inside != Membership::No) {
            outside = outside.or(self.is_in_part(set, part, code, false)?);
        }
        let not_outside = match outside {
            Membership::Yes => Membership::No,
            Membership::No => Membership::Yes,
            Membership::Unknown => Membership::Unknown,
        };
        Ok(inside.and(not_outside))
    }

    fn is_in_part(&mut self, set: &ValueSet, part: &Part, code: &Code, active_only: bool) -> Found<Membership, S> {
        self.spend(1)?;
        if part.system.is_none() && part.imports.is_empty() {
            return Ok(Membership::No);
        }
        let mut found = match &part.system {
            None => Membership::Yes,
            Some(system) if !code.system.is_empty() && code.system != *system => return Ok(Membership::No),
            // Of another version of the code system than the set takes.
            Some(system) if self.is_of_another_version(system, part)? => return Ok(Membership::No),
            Some(system) if part.is_left_out => {
                let asked = Asked::Url(set.url.clone().unwrap_or_default());
                self.is_in_elsewhere(asked, code, system)?
            }
            Some(system) => self.is_of_system(system, part, code, active_only)?,
        };
        for imported in &part.imports {
            if found != Membership::No {
                found = found.and(self.is_in_named(imported, code)?);
            }
        }
        Ok(found)
    }

    /// Whether the code is said to be of another version than a part takes it from.
    fn is_of_another_version(&mut self, system: &str, part: &Part) -> Found<bool, S> {
        let wanted = self.version_of(system, part)?;
        let own = self.versions.of_code(system);
        Ok(own.zip(wanted.as_deref()).is_some_and(|(own, wanted)| own != wanted))
    }

    /// Whether a code is one of a system that a part means.
    fn is_of_system(&mut self, system: &str, part: &Part, code: &Code, active_only: bool) -> Found<Membership, S> {
        if !part.is_listed() {
            self.spend(part.listed.len())?;
        }
        if !part.listed.is_empty() && !part.lists(&code.code) {
            return Ok(Membership::No);
        }
        if !part.listed.is_empty() && !active_only {
            return Ok(Membership::Yes);
        }
        let wanted = self.version_of(system, part)?;
        let name = named(system, wanted.as_deref());
        let Some(known) = self.code_system(&name)? else {
            if !part.listed.is_empty() {
                return Ok(Membership::Yes);
            }
            if let Some(is_well_formed) = grammar::of(system).filter(|_| part.filters.is_empty()) {
                return Ok(if is_well_formed(&code.code) { Membership::Yes } else { Membership::No });
            }
            let asked = Asked::Part { system: system.to_owned(), version: wanted, filters: part.filters.clone() };
            return self.is_in_elsewhere(asked, code, &name);
        };
        let Some((place, concept)) = known.place(&code.code).zip(known.concept(&code.code)) else {
            if known.partial.is_some() {
                self.doubt(format!("the code system {system} is not here as a whole"));
                return Ok(Membership::Unknown);
            }
            return Ok(Membership::No);
        };
        self.spend(steps_of(&known, &part.filters))?;
        self.spend(steps_of_texts(&known, &part.filters, std::slice::from_ref(concept)))?;
        let passes = tests(&known, &part.filters)?.iter().all(|test| test.passes(&known, place, concept));
        Ok(Membership::of(passes && !(active_only && concept.is_inactive)))
    }

    /// Whether the code is one of its code system, and what it is called.
    ///
    /// # Errors
    /// When the code system cannot be used.
    pub fn is_code(&mut self, system: &str, code: &str) -> Result<(Membership, Option<String>), LookUpError<S::Error>> {
        if let Some(known) = self.code_system(system)? {
            return Ok(match known.concept(code) {
                Some(concept) => (Membership::Yes, concept.display.clone()),
                None if known.partial.is_some() => {
                    self.doubt(format!("the code system {system} is not here as a whole"));
                    (Membership::Unknown, None)
                }
                None => (Membership::No, None),
            });
        }
        let (plain, version) = crate::name::split(system);
        // How codes are formed has not changed from version to version.
        if let Some(is_well_formed) = grammar::of(plain) {
            return Ok((Membership::of(is_well_formed(code)), None));
        }
        let asked = Code { system: plain.to_owned(), code: code.to_owned() };
        let version = version.map(str::to_owned);
        Ok(match self.ask(&Question::Concept { code: asked, version })? {
            Reply::Told(Answer::Concept(display)) => (Membership::Yes, display),
            Reply::Told(Answer::Nothing) => (Membership::No, None),
            reply => (self.unknown(&reply, system)?, None),
        })
    }

    fn is_in_elsewhere(&mut self, set: Asked, code: &Code, name: &str) -> Found<Membership, S> {
        // Without its system a code means nothing to a server that knows many.
        if code.system.is_empty() {
            self.doubt(format!("{name} is not here"));
            return Ok(Membership::Unknown);
        }
        if matches!(set, Asked::Url(_)) {
            self.refuse_versions(name)?;
        }
        let version = self.versions.of_code(&code.system).map(str::to_owned);
        let reply = self.ask(&Question::Member { set, code: code.clone(), version })?;
        Ok(match reply {
            Reply::Told(Answer::Member { is_in, .. }) => Membership::of(is_in),
            reply => self.unknown(&reply, name)?,
        })
    }

    fn unknown(&mut self, reply: &Reply, name: &str) -> Found<Membership, S> {
        self.is_unreachable |= matches!(reply, Reply::Unreachable);
        let text = match reply {
            Reply::Unreachable => format!("the terminology server that would tell of {name} cannot be reached now"),
            Reply::Told(_) | Reply::NotAsked => match self.version_here(name)? {
                Some(version) => format!("{name} is not here, but in version {version}"),
                None => format!("{name} is not here"),
            },
        };
        self.doubt(text);
        Ok(Membership::Unknown)
    }

    /// The version in which a code system is here that is not in the one of that name.
    fn version_here(&mut self, name: &str) -> Found<Option<String>, S> {
        let (plain, Some(_)) = crate::name::split(name) else { return Ok(None) };
        match self.code_system(plain) {
            Ok(known) => Ok(known.and_then(|known| known.version.clone())),
            Err(LookUpError::Said(..)) => Ok(None),
            Err(failed) => Err(failed),
        }
    }
}

/// Whether R4's own tables have a value set of that name.
#[must_use]
pub fn is_known(value_set: &str) -> bool {
    tables::value_set(value_set).is_some()
}

#[cfg(test)]
mod tests;
