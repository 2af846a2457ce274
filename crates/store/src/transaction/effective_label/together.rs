//! How labels go: all that depends on what has lost one is worked out together, from what is outside.

use std::collections::HashMap;

use concord_fhir::label::{self, Member};

use super::{Place, Stored, given, lines_of};
use crate::error::StoreError;
use crate::transaction::Transaction;

impl Transaction<'_> {
    /// Works out these and all that depends on them together; not if that is more than the transaction may do, when
    /// nothing is changed.
    pub(super) fn work_out_together(&mut self, start: &[i64]) -> Result<bool, StoreError> {
        let Some(mut all) = self.with_dependents(start)? else { return Ok(false) };
        let mut members: HashMap<i64, Member> = HashMap::new();
        let mut places: HashMap<Place, i64> = HashMap::new();
        let mut keys: Vec<i64> = all.keys().copied().collect();
        keys.sort_unstable();
        let words = self.words_among(&keys)?;
        for stored in all.values() {
            let key = stored.version.key;
            let member = Member { labels: given(&stored.version), is_words: words.contains(&key), ..Member::default() };
            members.insert(key, member);
            places.insert(stored.place(), stored.version.key);
        }
        for (key, place, labels) in self.label_links(&keys, false)? {
            let Some(member) = members.get_mut(&key) else { continue };
            match places.get(&place) {
                Some(inside) => member.inside.push(*inside),
                None => member.from_outside.extend(label::union(lines_of(&labels))),
            }
        }
        let settled = label::effective_labels(&members);
        for key in keys {
            if let (Some(stored), Some(labels)) = (all.remove(&key), settled.get(&key)) {
                self.set_inherited(stored, labels)?;
            }
        }
        Ok(true)
    }

    /// These and all that depends on them, by their keys; none if that is too much.
    fn with_dependents(&mut self, start: &[i64]) -> Result<Option<HashMap<i64, Stored>>, StoreError> {
        let mut all: HashMap<i64, Stored> = HashMap::new();
        let mut level = self.stored(start)?;
        while !level.is_empty() {
            let left = self.label_steps.saturating_sub(all.len());
            let Some(next) = self.dependents(&level, left)? else { return Ok(None) };
            all.extend(level.into_iter().map(|stored| (stored.version.key, stored)));
            let next: Vec<i64> = next.into_iter().filter(|key| !all.contains_key(key)).collect();
            level = self.stored(&next)?;
        }
        self.label_steps = self.label_steps.saturating_sub(all.len().saturating_sub(start.len()));
        Ok(Some(all))
    }
}
