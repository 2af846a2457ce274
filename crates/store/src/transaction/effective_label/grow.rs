//! How labels come: from what has got one to what inherits from it, as long as anything has not got it yet. Nothing loses
//! a label here, so this ends.

use concord_fhir::label;

use super::{CHUNK, Stored, handed, has_more};
use crate::error::StoreError;
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
            let Some(keys) = self.dependents(&changed, self.label_steps / each)? else {
                return self.leave_coming(&changed);
            };
            self.label_steps = self.label_steps.saturating_sub(keys.len().saturating_mul(each));
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
