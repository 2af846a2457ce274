//! How labels come: from what has got one to what inherits from it, as long as anything has not got it yet. Nothing loses
//! a label here, so this ends.

use concord_fhir::label;

use super::{CHUNK, Stored, handed, has_more};
use crate::error::StoreError;
use crate::transaction::Transaction;

impl Transaction<'_> {
    /// Hands on what these have got, as far as the transaction may; the rest is left to the backlog.
    pub(super) fn grow(&mut self, mut changed: Vec<Stored>) -> Result<(), StoreError> {
        while !changed.is_empty() {
            let Some(keys) = self.dependents(&changed, self.label_steps)? else {
                return self.leave_coming(&changed);
            };
            self.label_steps = self.label_steps.saturating_sub(keys.len());
            changed = self.raise(&keys)?;
        }
        Ok(())
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
