//! From a resource to its index entries, in one walk.

use super::leaf::{followed, read_leaf};
use super::{Entries, Entry, ParameterId, composite, deciding, derived, patients};
use crate::json::Value;
use crate::label;
use crate::registry::{Registry, ResourceType, Tree, composites, tree};

/// The parameter of the labels.
const SECURITY: ParameterId = ParameterId::of("_security");

/// All that a resource can be found by. `updated_ms` is `meta.lastUpdated` in milliseconds since 1970 UTC. An absolute
/// reference counts as pointing elsewhere: see [`extract_under`].
#[must_use]
pub fn extract(resource_type: ResourceType, id: &str, updated_ms: i64, value: &Value<'_>) -> Entries {
    extract_under("", resource_type, id, updated_ms, value)
}

/// The same for a server whose FHIR endpoint is at `base`: an absolute reference below it counts as a relative one.
#[must_use]
pub fn extract_under(base: &str, resource_type: ResourceType, id: &str, updated_ms: i64, value: &Value<'_>) -> Entries {
    let mut walk = Walk { base, rows: Vec::with_capacity(32) };
    if let Some(tree) = tree(resource_type) {
        walk.visit(tree, value);
    }
    let mut rows = walk.rows;
    composites(resource_type).for_each(|one| composite::rows(resource_type, one, value, base, &mut rows));
    derived::rows(resource_type, value, base, &mut rows);
    let (label::Links { sources, contents: shown, canonicals, labels }, said) = label::links_and_said(value, id, base);
    deciding::rows(resource_type, &said, &mut rows);
    rows.extend(labels.into_iter().map(|key| Entry { parameter: SECURITY, key, low: None, high: None }));
    each_once(&mut rows);
    let patients = patients::of(resource_type, id, value, base);
    let none = Entries::none(resource_type, id.to_owned(), updated_ms);
    Entries { patients, rows, sources, shown, canonicals, ..none }
}

/// The rows of the parameters that operators have added; they go with those of [`extract_under`]. No decision about
/// access is ever made from them.
#[must_use]
pub fn extract_added(registry: &Registry, base: &str, resource_type: ResourceType, value: &Value<'_>) -> Vec<Entry> {
    let Some(tree) = registry.tree(resource_type) else { return Vec::new() };
    let mut walk = Walk { base, rows: Vec::new() };
    walk.visit(tree, value);
    let mut rows = walk.rows;
    registry.composites(resource_type).for_each(|one| composite::rows(resource_type, one, value, base, &mut rows));
    each_once(&mut rows);
    rows
}

/// Puts rows into the order of their parameters, each once.
fn each_once(rows: &mut Vec<Entry>) {
    let order = |row: &Entry| (row.low.unwrap_or(f64::NAN), row.high.unwrap_or(f64::NAN));
    rows.sort_unstable_by(|left, right| {
        let ((low, high), (other_low, other_high)) = (order(left), order(right));
        let keys = left.parameter.cmp(&right.parameter).then_with(|| left.key.cmp(&right.key));
        keys.then_with(|| low.total_cmp(&other_low)).then_with(|| high.total_cmp(&other_high))
    });
    rows.dedup();
}

struct Walk<'a> {
    base: &'a str,
    rows: Vec<Entry>,
}

impl Walk<'_> {
    /// Reads what is to be read here and goes on along the paths that lead further. No deeper than the longest path.
    fn visit(&mut self, tree: &Tree, value: &Value<'_>) {
        for leaf in &tree.leaves {
            read_leaf(leaf, value, self.base, &mut self.rows);
        }
        if tree.is_end() {
            return;
        }
        let Value::Object(object) = value else { return };
        for (member, child) in &object.0 {
            for edge in tree.into(member) {
                for (position, item) in child.items().iter().enumerate() {
                    if followed(&edge.only, position, item) {
                        self.visit(&edge.tree, item);
                    }
                }
            }
        }
    }
}
