//! What walks along references have come to before a write: the only writer, for which all others wait, walks little, and who
//! wrote the references decides how far they lead.

use std::collections::HashMap;
use std::sync::Arc;

use concord_fhir::predicate::Predicate;

use super::recall::digest;
use crate::error::StoreError;
use crate::lower::Rows;
use crate::transaction::Transaction;

/// Whether versions are among those that predicates mean which walk along references, in one state of the data.
#[derive(Debug, Default)]
pub struct Walks {
    /// None where nobody can tell whether the data is still the same.
    state: Option<u64>,
    /// By what was asked of which version.
    found: HashMap<u64, bool>,
}

impl Transaction<'_> {
    /// Notes from here on what walks come to.
    pub fn begin_walks(&mut self) {
        self.walks = Some(Walks { state: self.state, found: HashMap::new() });
    }

    /// What they have come to since.
    pub fn end_walks(&mut self) -> Walks {
        self.walks.take().unwrap_or_default()
    }

    /// Tells what walks have come to before: it holds as long as no data has changed.
    pub fn know_walks(&mut self, known: Arc<Walks>) {
        self.known_walks = Some(known).filter(|known| known.state.is_some() && known.state == self.state);
    }

    /// What `walk` comes to, which looks whether a version is one of those that a predicate means.
    pub(super) fn walked(
        &mut self,
        (rows, key): (Rows, i64),
        predicate: &Predicate,
        walk: impl FnOnce(&mut Self) -> Result<bool, StoreError>,
    ) -> Result<bool, StoreError> {
        if !predicate.walks() || self.walks.is_none() && self.known_walks.is_none() {
            return walk(self);
        }
        let asked = digest(&(rows, key, predicate));
        if let Some(found) = self.known_walks.as_ref().and_then(|known| known.found.get(&asked)) {
            return Ok(*found);
        }
        let found = walk(self)?;
        if let Some(walks) = &mut self.walks {
            walks.found.insert(asked, found);
        }
        Ok(found)
    }
}
