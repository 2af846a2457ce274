//! How labels come: from what has got one to what inherits from it, as long as anything has not got it yet. Nothing loses
//! a label here, so this ends.
//!
//! What whoever writes does not see is not counted against what they may give labels to, or they could tell by a refusal how much of it
//! there is. It has as many steps of its own.

use std::collections::HashSet;

use concord_fhir::label;

use super::{CHUNK, Stored, handed, has_more};
use crate::error::StoreError;
use crate::rows::Version;
use crate::transaction::Transaction;

/// How many labels are handed on to one resource in one step.
const LABELS_A_STEP: usize = 8;

/// How many steps each resource takes that gets the labels of these: more the more labels there are, for each of them is
/// written and compared there.
fn steps_of_each(changed: &[Stored]) -> usize {
    let most = changed.iter().map(|stored| handed(&stored.version).len()).max().unwrap_or(0);
    most.div_ceil(LABELS_A_STEP).max(1)
}

impl Transaction<'_> {
    /// Hands on what these have got, as far as the transaction may; the rest is left to the backlog.
    pub(super) fn grow(&mut self, mut changed: Vec<Stored>) -> Result<(), StoreError> {
        while !changed.is_empty() {
            let each = steps_of_each(&changed);
            let keys = match self.dependents(&changed, self.label_steps / each)? {
                Some(keys) => {
                    self.label_steps = self.label_steps.saturating_sub(keys.len().saturating_mul(each));
                    if self.unseen.is_some() {
                        self.counted.extend(keys.iter().map(|key| (*key, each)));
                    }
                    keys
                }
                None => match self.dependents_but_for_unseen(&changed, each)? {
                    Some(keys) => keys,
                    None => return self.leave_coming(&changed),
                },
            };
            changed = self.raise(&keys)?;
        }
        Ok(())
    }

    /// Says what whoever writes does not see, whatever it is.
    pub fn does_not_see(&mut self, unseen: Option<fn(&Version) -> bool>) {
        self.unseen = unseen;
    }

    /// What inherits from these, where what is not seen is counted by itself; none where that is too many still.
    fn dependents_but_for_unseen(&mut self, changed: &[Stored], each: usize) -> Result<Option<Vec<i64>>, StoreError> {
        let Some(unseen) = self.unseen else { return Ok(None) };
        let most = self.label_steps.saturating_add(self.unseen_steps) / each;
        let Some(keys) = self.dependents(changed, most)? else { return Ok(None) };
        let counted = std::mem::take(&mut self.counted);
        let of_counted = self.steps_unseen(&counted, unseen)?;
        let of_these: Vec<(i64, usize)> = keys.iter().map(|key| (*key, each)).collect();
        let of_these_unseen = self.steps_unseen(&of_these, unseen)?;
        let seen = keys.len().saturating_mul(each).saturating_sub(of_these_unseen);
        let (steps, more) = (self.label_steps.saturating_add(of_counted), of_counted.saturating_add(of_these_unseen));
        if seen > steps || more > self.unseen_steps {
            return Ok(None);
        }
        (self.label_steps, self.unseen_steps) = (steps - seen, self.unseen_steps - more);
        Ok(Some(keys))
    }

    /// How many of these steps are of what is not seen.
    pub(super) fn steps_unseen(
        &mut self,
        of: &[(i64, usize)],
        unseen: fn(&Version) -> bool,
    ) -> Result<usize, StoreError> {
        let mut steps = 0_usize;
        for chunk in of.chunks(CHUNK) {
            let keys: Vec<i64> = chunk.iter().map(|(key, _)| *key).collect();
            let hidden: HashSet<i64> = self
                .stored(&keys)?
                .into_iter()
                .filter_map(|one| unseen(&one.version).then_some(one.version.key))
                .collect();
            steps += chunk.iter().filter(|(key, _)| hidden.contains(key)).map(|(_, each)| each).sum::<usize>();
        }
        Ok(steps)
    }

    /// Gives these the labels of what they inherit from, beside those that they have inherited; those that have got one.
    pub(super) fn raise(&mut self, keys: &[i64]) -> Result<Vec<Stored>, StoreError> {
        let mut changed = Vec::new();
        for chunk in keys.chunks(CHUNK) {
            let found = self.stored(chunk)?;
            let mut inherited = self.inherited_by(chunk)?;
            for stored in found {
                let Some(labels) = inherited.remove(&stored.version.key) else { continue };
                if !has_more(&labels, &handed(&stored.version)) {
                    continue;
                }
                let all = label::union(labels.iter().map(String::as_str).chain(stored.version.inherited_labels()));
                changed.push(self.set_inherited(stored, &all)?);
            }
        }
        Ok(changed)
    }
}
