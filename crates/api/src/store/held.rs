//! What a load holds back: it looks up many resources by one statement and stores many by another, where the way to the
//! database and back costs more than the rows. Nothing of this is seen: whatever else is asked of the database, what has
//! been held back is stored first.

use std::collections::HashMap;

use concord_fhir::registry::ResourceType;

use super::entries::EntryRow;
use super::rows::{Head, Version};
use super::statement::{Bind, Sql};
use super::transaction::Transaction;
use crate::fault::Fault;

/// How many index rows are held back at most.
const MOST_ROWS: usize = 20_000;

/// A resource that was looked up.
struct Seen {
    head: Option<Head>,
    /// No other transaction can change it until this one ends.
    locked: bool,
}

/// What a load knows and has yet to store.
pub(super) struct Held {
    seen: HashMap<(ResourceType, String), Seen>,
    resources: Vec<Version>,
    entries: Vec<EntryRow>,
    /// The version of the search parameters that the index rows were made from.
    registry: i64,
    /// What is asked now has nothing to do with resources.
    beside: bool,
}

impl Held {
    fn is_empty(&self) -> bool {
        self.resources.is_empty() && self.entries.is_empty()
    }
}

impl Transaction<'_> {
    /// Looks these resources up, and from now on holds back what is inserted.
    pub(crate) fn hold(&mut self, wanted: Vec<(ResourceType, String)>) -> Result<(), Fault> {
        let found = self.heads_locked(&wanted)?;
        let mut seen: HashMap<_, _> =
            wanted.into_iter().map(|place| (place, Seen { head: None, locked: true })).collect();
        for head in found {
            let place = (head.version.resource_type, head.version.id.clone());
            seen.insert(place, Seen { head: Some(head), locked: true });
        }
        self.held =
            Some(Box::new(Held { seen, resources: Vec::new(), entries: Vec::new(), registry: 0, beside: false }));
        Ok(())
    }

    /// Stores what has been held back, and goes on without.
    pub(crate) fn let_go(&mut self) -> Result<(), Fault> {
        self.settle()?;
        self.held = None;
        Ok(())
    }

    /// Stores what has been held back, unless what comes next does not see it.
    pub(super) fn settle(&mut self) -> Result<(), Fault> {
        let Some(held) = self.held.as_mut().filter(|held| !held.beside && !held.is_empty()) else { return Ok(()) };
        let (resources, entries) = (std::mem::take(&mut held.resources), std::mem::take(&mut held.entries));
        let under = held.registry;
        held.beside = true;
        let stored = self.insert_resources(resources.iter()).and_then(|()| self.load_entries(&entries, under));
        if let Some(held) = self.held.as_mut() {
            held.beside = false;
        }
        if stored? {
            Ok(())
        } else {
            Err(Fault::Conflict("the search parameters have been changed meanwhile; repeat it".to_owned()))
        }
    }

    /// Runs what has nothing to do with resources, so that nothing has to be stored for it.
    pub(super) fn apart<T>(&mut self, part: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.held.as_mut().map(|held| std::mem::replace(&mut held.beside, true));
        let done = part(self);
        if let (Some(held), Some(before)) = (&mut self.held, before) {
            held.beside = before;
        }
        done
    }

    /// To be called before a statement that changes something: only what is known not to be there stays so.
    pub(super) fn unsee(&mut self) {
        if let Some(held) = self.held.as_mut().filter(|held| !held.beside) {
            held.seen.retain(|_, seen| seen.head.is_none());
        }
    }

    /// The current version of a resource as a load has seen it.
    pub(super) fn seen(&self, resource_type: ResourceType, id: &str, lock: bool) -> Option<Option<Head>> {
        let seen = self.held.as_ref()?.seen.get(&(resource_type, id.to_owned()))?;
        // What is not there cannot be locked.
        (!lock || seen.locked || seen.head.is_none()).then(|| seen.head.clone())
    }

    /// Remembers what has been looked up one by one.
    pub(super) fn saw(&mut self, resource_type: ResourceType, id: &str, head: Option<&Head>, locked: bool) {
        if let Some(held) = &mut self.held {
            held.seen.insert((resource_type, id.to_owned()), Seen { head: head.cloned(), locked });
        }
    }

    /// Whether this is a load.
    pub(crate) fn is_held(&self) -> bool {
        self.held.is_some()
    }

    /// Holds the first versions of resources back, with their index rows and the version of the search parameters that
    /// these were made from.
    pub(super) fn hold_back<'v>(
        &mut self,
        versions: impl Iterator<Item = &'v Version>,
        rows: Vec<EntryRow>,
        registry: i64,
    ) -> Result<(), Fault> {
        let full = |held: &Held| held.entries.len() >= MOST_ROWS || held.registry != registry;
        if self.held.as_deref().is_some_and(full) {
            self.settle()?;
        }
        self.changes += 1;
        if let Some(held) = &mut self.held {
            held.registry = registry;
            for version in versions {
                held.seen.remove(&(version.resource_type, version.id.clone()));
                held.resources.push(version.clone());
            }
            held.entries.extend(rows);
        }
        Ok(())
    }

    /// The current versions of resources that are there, which no other transaction can replace until this one ends.
    pub(crate) fn heads_locked(&mut self, wanted: &[(ResourceType, String)]) -> Result<Vec<Head>, Fault> {
        if !self.is_postgres() {
            let mut found = Vec::new();
            for (resource_type, id) in wanted {
                found.extend(self.head(*resource_type, id, true)?);
            }
            return Ok(found);
        }
        let asked = Sql::new("unnest(")
            .bind(Bind::Smalls(wanted.iter().map(|(resource_type, _)| resource_type.number()).collect()))
            .sql(", ")
            .bind(Bind::Texts(wanted.iter().map(|(_, id)| id.clone()).collect()))
            .sql(") AS w(type, id) JOIN resource r ON r.type = w.type AND r.id = w.id");
        self.heads_locked_from(asked)
    }
}
