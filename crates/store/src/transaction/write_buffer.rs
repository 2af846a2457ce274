//! What a load buffers: it looks up many resources by one statement and stores many by another, where the way to the
//! database and back costs more than the rows. Nothing of this is seen: whatever else is asked of the database, what has
//! been buffered is stored first.

use std::collections::HashMap;

use concord_fhir::index::{Entries, ParameterId};
use concord_fhir::registry::ResourceType;

use crate::entry_row::EntryRow;
use crate::error::StoreError;
use crate::rows::{Head, Version};
use crate::statement::{Bind, Sql};
use crate::transaction::Transaction;
use crate::transaction::effective_label::Written;
use crate::transaction::versions::linked;

/// How many index rows are buffered at most.
const MOST_ROWS: usize = 20_000;

/// A resource that was looked up.
struct CachedHead {
    head: Option<Head>,
    /// No other transaction can change it until this one ends.
    locked: bool,
}

/// What a load knows and has yet to store.
pub(crate) struct WriteBuffer {
    heads: HashMap<(ResourceType, String), CachedHead>,
    resources: Vec<Version>,
    entries: Vec<EntryRow>,
    /// What each of the resources hands labels on along.
    links: Vec<Entries>,
    /// The version of the search parameters that the index rows were made from.
    registry: i64,
    /// What is asked now has nothing to do with resources.
    bypassed: bool,
}

impl WriteBuffer {
    fn is_empty(&self) -> bool {
        self.resources.is_empty() && self.entries.is_empty()
    }
}

impl Transaction<'_> {
    /// Looks these resources up, and from now on buffers what is inserted.
    pub fn begin_buffering(&mut self, wanted: Vec<(ResourceType, String)>) -> Result<(), StoreError> {
        let found = self.heads_locked(&wanted)?;
        let mut heads: HashMap<_, _> =
            wanted.into_iter().map(|place| (place, CachedHead { head: None, locked: true })).collect();
        for head in found {
            let place = (head.version.resource_type, head.version.id.clone());
            heads.insert(place, CachedHead { head: Some(head), locked: true });
        }
        self.buffer = Some(Box::new(WriteBuffer {
            heads,
            resources: Vec::new(),
            entries: Vec::new(),
            links: Vec::new(),
            registry: 0,
            bypassed: false,
        }));
        Ok(())
    }

    /// Stores what has been buffered, and goes on without.
    pub fn finish_buffering(&mut self) -> Result<(), StoreError> {
        self.flush()?;
        self.buffer = None;
        Ok(())
    }

    /// Stores what has been buffered, unless what comes next does not see it.
    pub(crate) fn flush(&mut self) -> Result<(), StoreError> {
        let Some(buffer) = self.buffer.as_mut().filter(|buffer| !buffer.bypassed && !buffer.is_empty()) else {
            return Ok(());
        };
        let (resources, entries) = (std::mem::take(&mut buffer.resources), std::mem::take(&mut buffer.entries));
        let links = std::mem::take(&mut buffer.links);
        let under = buffer.registry;
        buffer.bypassed = true;
        let versions: Vec<(&Version, &Entries)> = resources.iter().zip(&links).collect();
        let stored = self.insert_resources(&versions).and_then(|()| {
            self.put_links(&linked(&versions))?;
            self.load_entries(&entries, under)
        });
        if let Some(buffer) = self.buffer.as_mut() {
            buffer.bypassed = false;
        }
        if stored? {
            let written: Vec<Written> =
                resources.iter().zip(&links).map(|(version, links)| Written::new(version, links)).collect();
            self.inherit(&written)
        } else {
            Err(StoreError::Conflict("the search parameters have been changed meanwhile; repeat it".to_owned()))
        }
    }

    /// Runs what has nothing to do with the resources that are held back, so that nothing has to be stored for it.
    pub fn bypass_buffer<T>(&mut self, part: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.buffer.as_mut().map(|buffer| std::mem::replace(&mut buffer.bypassed, true));
        let done = part(self);
        if let (Some(buffer), Some(before)) = (&mut self.buffer, before) {
            buffer.bypassed = before;
        }
        done
    }

    /// Whether anything that is buffered has a key for a parameter.
    pub(crate) fn buffers_key(&self, parameter: ParameterId, key: &str) -> bool {
        let is_it = |row: &EntryRow| row.parameter == parameter.0 && row.key == key;
        self.buffer.as_ref().is_some_and(|buffer| buffer.entries.iter().any(is_it))
    }

    /// To be called before a statement that changes something: only what is known not to be there stays so.
    pub(crate) fn invalidate_heads(&mut self) {
        if let Some(buffer) = self.buffer.as_mut().filter(|buffer| !buffer.bypassed) {
            buffer.heads.retain(|_, cached| cached.head.is_none());
        }
    }

    /// The current version of a resource as a load has seen it.
    pub(crate) fn cached_head(&self, resource_type: ResourceType, id: &str, lock: bool) -> Option<Option<Head>> {
        let cached = self.buffer.as_ref()?.heads.get(&(resource_type, id.to_owned()))?;
        // What is not there cannot be locked.
        (!lock || cached.locked || cached.head.is_none()).then(|| cached.head.clone())
    }

    /// Remembers what has been looked up one by one.
    pub(crate) fn cache_head(&mut self, resource_type: ResourceType, id: &str, head: Option<&Head>, locked: bool) {
        if let Some(buffer) = &mut self.buffer {
            buffer.heads.insert((resource_type, id.to_owned()), CachedHead { head: head.cloned(), locked });
        }
    }

    /// Whether this is a load.
    pub fn is_buffering(&self) -> bool {
        self.buffer.is_some()
    }

    /// Holds the first versions of resources back, with their index rows and the version of the search parameters that
    /// these were made from.
    pub(crate) fn buffer(
        &mut self,
        versions: &[(&Version, &Entries)],
        rows: Vec<EntryRow>,
        registry: i64,
    ) -> Result<(), StoreError> {
        let full = |buffer: &WriteBuffer| buffer.entries.len() >= MOST_ROWS || buffer.registry != registry;
        if self.buffer.as_deref().is_some_and(full) {
            self.flush()?;
        }
        self.changes += 1;
        if let Some(buffer) = &mut self.buffer {
            buffer.registry = registry;
            for (version, entries) in versions {
                buffer.heads.remove(&(version.resource_type, version.id.clone()));
                buffer.resources.push((*version).clone());
                buffer.links.push(entries.links_alone());
            }
            buffer.entries.extend(rows);
        }
        Ok(())
    }

    /// Locks resources before anything is changed, in an order in which no two transactions wait for each other. Where
    /// only one writes there is nothing to lock.
    ///
    /// # Errors
    /// When the database fails.
    pub fn lock_resources(&mut self, wanted: &[(ResourceType, String)]) -> Result<(), StoreError> {
        if self.is_postgres() && !wanted.is_empty() {
            self.heads_locked(wanted)?;
        }
        Ok(())
    }

    /// The current versions of resources that are there, which no other transaction can replace until this one ends.
    pub(crate) fn heads_locked(&mut self, wanted: &[(ResourceType, String)]) -> Result<Vec<Head>, StoreError> {
        if !self.is_postgres() {
            let mut found = Vec::new();
            for (resource_type, id) in wanted {
                found.extend(self.head_of(*resource_type, id, true)?);
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
