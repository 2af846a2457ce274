//! Whether a code is in a value set or code system, without listing what else is.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use concord_fhir::issue::IssueCode;
use concord_fhir::terminology::{Code, CodingRef, Membership, Terminology};

use crate::elsewhere::{Answer, Asked, Question, Reply};
use crate::expansion::{named, tests};
use crate::filter::{steps_of, steps_of_texts};
use crate::item::Item;
use crate::library::{Found, Kind, Library, LookUpError, Nothing, Source};
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
    fn member_of(&self, coding: CodingRef<'_>, value_set: &str) -> Membership {
        member_of(value_set, coding)
    }

    fn subsumes(&self, system: &str, above: &str, below: &str) -> Membership {
        Library::new(&mut Nothing).is_above(system, above, below).unwrap_or(Membership::Unknown)
    }
}

/// Whether a code is in a value set of R4's own tables; without a system, whether it is by itself. For bindings: what has
/// been asked is remembered, so that it costs next to nothing to ask again.
#[must_use]
pub fn member_of(value_set: &str, coding: CodingRef<'_>) -> Membership {
    static KNOWN: RwLock<Option<HashMap<String, Membership>>> = RwLock::new(None);
    let ask = || Library::new(&mut Nothing).is_coding_in(value_set, coding).unwrap_or(Membership::Unknown);
    if value_set.len() + coding.length() > LONGEST_REMEMBERED {
        return ask();
    }
    let (system, version) = (coding.system.unwrap_or_default(), coding.version.unwrap_or_default());
    let key = format!("{value_set}\n{system}\n{version}\n{}", coding.code);
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
    /// Whether a code, of its version where one is said, is in the value set of that name.
    ///
    /// # Errors
    /// As [`Library::is_in_named`].
    pub fn is_coding_in(&mut self, name: &str, coding: CodingRef<'_>) -> Result<Membership, LookUpError<S::Error>> {
        let wanted = Code { system: coding.system.unwrap_or_default().to_owned(), code: coding.code.to_owned() };
        self.versions.set_of_code(&wanted.system, coding.version.filter(|_| coding.system.is_some()));
        let found = self.is_in_named(name, &wanted);
        self.versions.set_of_code(&wanted.system, None);
        found
    }

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
        // Of a part with a code system of its own that has been looked at already.
        let is_open = active_only && part.system.is_none() && found != Membership::No;
        if is_open && self.is_inactive(code)? {
            return Ok(Membership::No);
        }
        Ok(found)
    }

    /// Whether the code system of a code, as far as it is here, says that it is not in use any more.
    fn is_inactive(&mut self, code: &Code) -> Found<bool, S> {
        if code.system.is_empty() {
            return Ok(false);
        }
        let version = self.versions.of(&code.system, None)?;
        let known = self.code_system(&named(&code.system, version.as_deref()))?;
        Ok(known.is_some_and(|known| known.concept(&code.code).is_some_and(|concept| concept.is_inactive)))
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
        let wanted = self.version_of(system, part)?;
        let name = named(system, wanted.as_deref());
        if !part.listed.is_empty() {
            return self.is_listed(&name, part, code, active_only);
        }
        let asked =
            || Asked::Part { system: system.to_owned(), version: wanted.clone(), filters: part.filters.clone() };
        let Some(known) = self.code_system(&name)? else {
            if let Some(is_well_formed) = grammar::of(system).filter(|_| part.filters.is_empty()) {
                return Ok(if is_well_formed(&code.code) { Membership::Yes } else { Membership::No });
            }
            return self.is_in_elsewhere(asked(), code, &name);
        };
        let Some((place, concept)) = known.place(&code.code).zip(known.concept(&code.code)) else {
            return match known.partial {
                Some(_) => self.is_in_elsewhere(asked(), code, &name),
                None => Ok(Membership::No),
            };
        };
        self.spend(steps_of(&known, &part.filters))?;
        self.spend(steps_of_texts(&known, &part.filters, std::slice::from_ref(concept)))?;
        let passes = tests(&known, &part.filters)?.iter().all(|test| test.passes(&known, place, concept));
        // Half of a code system may hold half of what is said of a code.
        if !passes && known.partial.is_some() {
            return self.is_in_elsewhere(asked(), code, &name);
        }
        Ok(Membership::of(passes && !(active_only && concept.is_inactive)))
    }

    /// Whether a part lists the code. What its code system, which is here as a whole, does not have is none, whoever lists it; where
    /// that cannot be told, the list holds.
    fn is_listed(&mut self, name: &str, part: &Part, code: &Code, active_only: bool) -> Found<Membership, S> {
        if !part.lists(&code.code) {
            return Ok(Membership::No);
        }
        let Some(known) = self.code_system(name)? else { return Ok(Membership::Yes) };
        match known.concept(&code.code) {
            Some(concept) => Ok(Membership::of(!(active_only && concept.is_inactive))),
            None if known.partial.is_some() => Ok(Membership::Yes),
            None => {
                self.reason = Some(format!("it is listed, and the code system {name} has no such code"));
                Ok(Membership::No)
            }
        }
    }

    /// Whether the code is one of its code system, and what it is called.
    ///
    /// # Errors
    /// When the code system cannot be used.
    pub fn is_code(&mut self, system: &str, code: &str) -> Result<(Membership, Option<String>), LookUpError<S::Error>> {
        if let Some(known) = self.code_system(system)? {
            match known.concept(code) {
                Some(concept) => return Ok((Membership::Yes, concept.display.clone())),
                None if known.partial.is_none() => return Ok((Membership::No, None)),
                None => {}
            }
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
            Reply::Told(_) | Reply::NotAsked => self.absence(name)?,
        };
        self.doubt(text);
        Ok(Membership::Unknown)
    }

    /// The error that says how something is not here.
    pub(crate) fn absent(&mut self, kind: Kind, name: &str) -> Found<LookUpError<S::Error>, S> {
        Ok(match (kind, self.doubts.iter().find(|doubt| doubt.contains(name))) {
            (_, Some(why)) => LookUpError::Said(IssueCode::NotFound, why.clone()),
            (Kind::CodeSystem, None) if name.contains('|') => {
                LookUpError::Said(IssueCode::NotFound, format!("the code system {}", self.absence(name)?))
            }
            (kind, None) => LookUpError::missing(kind, name),
        })
    }

    /// How something is not here: in part alone, in another version, or at all.
    fn absence(&mut self, name: &str) -> Found<String, S> {
        let mut known = |name: &str| match self.code_system(name) {
            Ok(known) => Ok(known),
            Err(LookUpError::Said(..)) => Ok(None),
            Err(failed) => Err(failed),
        };
        if let Some(content) = known(name)?.and_then(|here| here.partial.clone()) {
            return Ok(format!("{name} is not here as a whole, but as `{content}`"));
        }
        let other = match crate::name::split(name) {
            (plain, Some(_)) => known(plain)?.and_then(|here| here.version.clone()),
            _ => None,
        };
        Ok(match other {
            Some(version) => format!("{name} is not here, but in version {version}"),
            None => format!("{name} is not here"),
        })
    }
}

/// Whether R4's own tables have a value set of that name.
#[must_use]
pub fn is_known(value_set: &str) -> bool {
    tables::value_set(value_set).is_some()
}

#[cfg(test)]
mod tests;
