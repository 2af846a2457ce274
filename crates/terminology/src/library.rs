//! Where a code system, value set or concept map of some name is: among what the caller may find here, else among R4's own
//! tables, else elsewhere.

use std::collections::BTreeMap;
use std::sync::Arc;

use concord_fhir::issue::IssueCode;
use concord_fhir::json::Value;

use crate::code_system::{CodeSystem, Unusable};
use crate::concept_map::ConceptMap;
use crate::elsewhere::{Question, Reply};
use crate::value_set::{Part, ValueSet};
use crate::versions::Versions;
use crate::{MOST_PARTS, MOST_SOURCES, MOST_STEPS, tables};

/// What a name is one of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A code system.
    CodeSystem,
    /// A value set.
    ValueSet,
    /// A concept map.
    ConceptMap,
}

impl Kind {
    /// The type of such resources.
    #[must_use]
    pub fn resource_type(self) -> &'static str {
        match self {
            Kind::CodeSystem => "CodeSystem",
            Kind::ValueSet => "ValueSet",
            Kind::ConceptMap => "ConceptMap",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Kind::CodeSystem => "code system",
            Kind::ValueSet => "value set",
            Kind::ConceptMap => "concept map",
        }
    }
}

/// What is here beside R4's own tables, for one caller.
pub trait Source {
    /// Why something cannot be had now.
    type Error;

    /// The resource of that name: a canonical url, with `|version` or not, or `Type/id`.
    ///
    /// # Errors
    /// When it cannot be told whether there is one.
    fn find(&mut self, kind: Kind, name: &str) -> Result<Option<Value<'static>>, Self::Error>;

    /// The value set of that name, read.
    ///
    /// # Errors
    /// As [`Source::find`].
    fn value_set(&mut self, name: &str) -> Result<Option<Arc<ValueSet>>, Self::Error> {
        Ok(self.find(Kind::ValueSet, name)?.map(|resource| Arc::new(ValueSet::read(&resource))))
    }

    /// The code system of that name, read, or why it cannot be used.
    ///
    /// # Errors
    /// As [`Source::find`].
    fn code_system(&mut self, name: &str) -> Result<Option<Result<Arc<CodeSystem>, Unusable>>, Self::Error> {
        Ok(self.find(Kind::CodeSystem, name)?.map(|resource| CodeSystem::read(&resource).map(Arc::new)))
    }

    /// The concept maps from that code system, or to it when they are read backwards.
    ///
    /// # Errors
    /// As [`Source::find`].
    fn concept_maps(&mut self, _system: &str, _reverse: bool) -> Result<Vec<Value<'static>>, Self::Error> {
        Ok(Vec::new())
    }

    /// What a server elsewhere says.
    ///
    /// # Errors
    /// When it has to be asked first.
    fn ask(&mut self, question: &Question) -> Result<Reply, Self::Error>;

    /// Counts steps that are about to be taken: codes looked at, each for every part and filter.
    ///
    /// # Errors
    /// When that is more than may be taken where this is asked.
    fn spend(&mut self, steps: usize) -> Result<(), Self::Error>;
}

/// Nothing beside R4's own tables.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nothing;

impl Source for Nothing {
    type Error = std::convert::Infallible;

    fn find(&mut self, _kind: Kind, _name: &str) -> Result<Option<Value<'static>>, Self::Error> {
        Ok(None)
    }

    fn ask(&mut self, _question: &Question) -> Result<Reply, Self::Error> {
        Ok(Reply::NotAsked)
    }

    fn spend(&mut self, _steps: usize) -> Result<(), Self::Error> {
        Ok(())
    }
}

/// Why something cannot be told.
#[derive(Debug)]
pub enum LookUpError<E> {
    /// What it depends on is not there, not understood or too much: to be told to the client.
    Said(IssueCode, String),
    /// The source failed.
    Source(E),
}

impl<E> LookUpError<E> {
    pub(crate) fn unsupported(text: String) -> LookUpError<E> {
        LookUpError::Said(IssueCode::NotSupported, text)
    }

    pub(crate) fn costly(text: String) -> LookUpError<E> {
        LookUpError::Said(IssueCode::TooCostly, text)
    }

    pub(crate) fn missing(kind: Kind, name: &str) -> LookUpError<E> {
        LookUpError::Said(IssueCode::NotFound, format!("there is no {} {name} here", kind.words()))
    }

    pub(crate) fn unreachable(name: &str) -> LookUpError<E> {
        let text = format!("the terminology server that would tell of {name} cannot be reached now");
        LookUpError::Said(IssueCode::Transient, text)
    }
}

impl<E> From<Unusable> for LookUpError<E> {
    fn from((code, text): Unusable) -> LookUpError<E> {
        LookUpError::Said(code, text)
    }
}

/// What can fail over a source.
pub(crate) type Found<T, S> = Result<T, LookUpError<<S as Source>::Error>>;

/// One question's view of all that there is: what it has read is read once.
pub struct Library<'s, S: Source> {
    source: &'s mut S,
    /// The value sets that are being read, the outermost first.
    pub(crate) open: Vec<String>,
    systems: BTreeMap<String, Option<Arc<CodeSystem>>>,
    sets: BTreeMap<String, Option<Arc<ValueSet>>>,
    maps: BTreeMap<String, Option<Arc<ConceptMap>>>,
    /// Which versions of code systems are meant.
    pub(crate) versions: Versions,
    /// Why something could not be told that the question depends on.
    pub(crate) doubts: Vec<String>,
    /// Why the last code that was asked about is not in what lists it.
    pub(crate) reason: Option<String>,
    /// Whether one of these is that a server elsewhere cannot be reached.
    pub(crate) is_unreachable: bool,
    /// How many value sets were gone into, and how much else was asked for, about this question.
    pub(crate) asked: usize,
    /// How many parts and filters of value sets it has met.
    parts: usize,
    /// How many steps there are for all that is asked of this view, and how many of them are left.
    most: usize,
    left: usize,
}

impl<'s, S: Source> Library<'s, S> {
    /// With what the caller may find.
    pub fn new(source: &'s mut S) -> Library<'s, S> {
        Library::within(source, MOST_STEPS)
    }

    /// With what the caller may find, and so many steps for all that is asked.
    pub fn within(source: &'s mut S, steps: usize) -> Library<'s, S> {
        Library {
            source,
            open: Vec::new(),
            systems: BTreeMap::new(),
            sets: BTreeMap::new(),
            maps: BTreeMap::new(),
            versions: Versions::default(),
            doubts: Vec::new(),
            reason: None,
            is_unreachable: false,
            asked: 0,
            parts: 0,
            most: steps,
            left: steps,
        }
    }

    /// Which versions of code systems are meant, to be said before anything is asked.
    pub fn versions(&mut self) -> &mut Versions {
        &mut self.versions
    }

    /// The version of its code system that a part of a value set means.
    pub(crate) fn version_of(&self, system: &str, part: &Part) -> Found<Option<String>, S> {
        Ok(self.versions.of(system, part.version.as_deref())?)
    }

    /// Refuses where what is asked of a value set elsewhere would depend on versions that it is not asked about.
    pub(crate) fn refuse_versions(&self, name: &str) -> Found<(), S> {
        if self.versions.means_any() {
            let text =
                format!("{name} is not here, and elsewhere it cannot be asked for in other versions of code systems");
            return Err(LookUpError::unsupported(text));
        }
        Ok(())
    }

    /// Where things are found.
    pub fn source(&mut self) -> &mut S {
        self.source
    }

    /// Why something could not be told, each reason once.
    #[must_use]
    pub fn doubts(&self) -> &[String] {
        &self.doubts
    }

    /// The error that says why something could not be told.
    #[must_use]
    pub fn untold(&self) -> LookUpError<S::Error> {
        let code = if self.is_unreachable { IssueCode::Transient } else { IssueCode::NotFound };
        LookUpError::Said(code, format!("it cannot be told: {}", self.doubts.join("; ")))
    }

    /// Why the code that was asked about last is not in what lists it, if that is why.
    pub fn take_reason(&mut self) -> Option<String> {
        self.reason.take()
    }

    pub(crate) fn doubt(&mut self, text: String) {
        if !self.doubts.contains(&text) {
            self.doubts.push(text);
        }
    }

    pub(crate) fn count(&mut self) -> Found<(), S> {
        self.asked += 1;
        if self.asked > MOST_SOURCES {
            let text = format!("it is built on more than {MOST_SOURCES} value sets and code systems");
            return Err(LookUpError::costly(text));
        }
        Ok(())
    }

    /// Begins a question: what was met on the way to another does not count for it. Steps do.
    pub(crate) fn begin(&mut self) {
        (self.asked, self.parts) = (0, 0);
        self.reason = None;
    }

    /// Counts what a value set is made of, however often it is met.
    pub(crate) fn enter_parts(&mut self, set: &ValueSet) -> Found<(), S> {
        let of_part = |part: &Part| 1 + part.filters.len() + part.imports.len();
        self.parts += set.include.iter().chain(&set.exclude).map(of_part).sum::<usize>();
        if self.parts > MOST_PARTS {
            let text = format!("the value set is made of more than {MOST_PARTS} parts and filters");
            return Err(LookUpError::costly(text));
        }
        Ok(())
    }

    /// Takes some steps.
    pub(crate) fn spend(&mut self, steps: usize) -> Found<(), S> {
        match self.left.checked_sub(steps) {
            Some(left) => self.left = left,
            None => {
                self.left = 0;
                let most = self.most;
                let text = format!("it takes more than {most} steps, by the codes that it is about: ask about less");
                return Err(LookUpError::costly(text));
            }
        }
        self.source.spend(steps).map_err(LookUpError::Source)
    }

    /// Takes a code system for the one of that name.
    pub fn put_code_system(&mut self, name: &str, system: CodeSystem) {
        self.systems.insert(name.to_owned(), Some(Arc::new(system)));
    }

    /// The code system of that name, if there is one.
    ///
    /// # Errors
    /// When it cannot be told, or it cannot be used.
    pub fn code_system(&mut self, name: &str) -> Result<Option<Arc<CodeSystem>>, LookUpError<S::Error>> {
        if let Some(known) = self.systems.get(name) {
            return Ok(known.clone());
        }
        self.count()?;
        let found = match self.source.code_system(name).map_err(LookUpError::Source)? {
            Some(Ok(read)) => Some(read),
            // One that says only that there is such a code system: its codes are elsewhere, if anywhere.
            Some(Err((IssueCode::NotSupported, text))) => {
                self.doubt(text);
                tables::code_system(name)
            }
            Some(Err(unusable)) => return Err(unusable.into()),
            None => tables::code_system(name),
        };
        self.systems.insert(name.to_owned(), found.clone());
        Ok(found)
    }

    /// The value set of that name, if there is one.
    ///
    /// # Errors
    /// When it cannot be told.
    pub fn value_set(&mut self, name: &str) -> Result<Option<Arc<ValueSet>>, LookUpError<S::Error>> {
        if let Some(known) = self.sets.get(name) {
            return Ok(known.clone());
        }
        let found = match self.source.value_set(name).map_err(LookUpError::Source)? {
            Some(read) => Some(read),
            None => tables::value_set(name),
        };
        self.sets.insert(name.to_owned(), found.clone());
        Ok(found)
    }

    /// The concept map of that name, if there is one.
    ///
    /// # Errors
    /// When it cannot be told.
    pub fn concept_map(&mut self, name: &str) -> Result<Option<Arc<ConceptMap>>, LookUpError<S::Error>> {
        if let Some(known) = self.maps.get(name) {
            return Ok(known.clone());
        }
        self.count()?;
        let found = match self.source.find(Kind::ConceptMap, name).map_err(LookUpError::Source)? {
            Some(resource) => Some(Arc::new(ConceptMap::read(&resource))),
            None => tables::concept_map(name),
        };
        self.maps.insert(name.to_owned(), found.clone());
        Ok(found)
    }

    /// Those of the source from that code system, or to it when they are read backwards.
    pub(crate) fn concept_maps(&mut self, system: &str, reverse: bool) -> Found<Vec<Arc<ConceptMap>>, S> {
        if system.is_empty() {
            return Ok(Vec::new());
        }
        self.count()?;
        let found = self.source.concept_maps(system, reverse).map_err(LookUpError::Source)?;
        Ok(found.iter().map(|map| Arc::new(ConceptMap::read(map))).collect())
    }

    /// What a server elsewhere says.
    pub(crate) fn ask(&mut self, question: &Question) -> Found<Reply, S> {
        self.count()?;
        self.source.ask(question).map_err(LookUpError::Source)
    }
}
