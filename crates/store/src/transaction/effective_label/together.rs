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
        let unseen_steps = self.unseen.map_or(0, |_| self.unseen_steps);
        let most = self.label_steps.saturating_add(unseen_steps);
        let mut level = self.stored(start)?;
        while !level.is_empty() {
            let left = most.saturating_sub(all.len());
            let Some(next) = self.dependents(&level, left)? else { return Ok(None) };
            all.extend(level.into_iter().map(|stored| (stored.version.key, stored)));
            let next: Vec<i64> = next.into_iter().filter(|key| !all.contains_key(key)).collect();
            level = self.stored(&next)?;
        }
        let is_unseen = |stored: &&Stored| self.unseen.is_some_and(|unseen| unseen(&stored.version));
        let come = all.values().filter(|stored| !start.contains(&stored.version.key));
        let hidden: Vec<i64> = come.filter(is_unseen).map(|stored| stored.version.key).collect();
        let seen = all.len().saturating_sub(start.len()).saturating_sub(hidden.len());
        Ok(self.take_steps(seen, &hidden)?.then_some(all))
    }

    /// Takes a step for each of so many, and for each of these, which whoever writes does not see; not if that is too much.
    fn take_steps(&mut self, seen: usize, hidden: &[i64]) -> Result<bool, StoreError> {
        if let Some(left) = self.label_steps.checked_sub(seen.saturating_add(hidden.len())) {
            self.label_steps = left;
            self.counted.extend(hidden.iter().map(|key| (*key, 1)));
            return Ok(true);
        }
        let Some(unseen) = self.unseen else { return Ok(false) };
        let counted = std::mem::take(&mut self.counted);
        let of_counted = self.steps_unseen(&counted, unseen)?;
        let steps = self.label_steps.saturating_add(of_counted);
        let more = of_counted.saturating_add(hidden.len());
        if seen > steps || more > self.unseen_steps {
            return Ok(false);
        }
        (self.label_steps, self.unseen_steps) = (steps - seen, self.unseen_steps - more);
        Ok(true)
    }
}
