//! The keys of patients that this process has met. A key never changes, so what is remembered never goes stale.

use quick_cache::sync::Cache;

/// How many patients are remembered.
const REMEMBERED: usize = 100_000;

/// Keys by logical id, and the other way round.
pub(crate) struct Patients {
    keys: Cache<String, i64>,
    ids: Cache<i64, String>,
}

impl Patients {
    pub(crate) fn new() -> Patients {
        Patients { keys: Cache::new(REMEMBERED), ids: Cache::new(REMEMBERED) }
    }

    pub(crate) fn get(&self, id: &str) -> Option<i64> {
        self.keys.get(id)
    }

    pub(crate) fn id(&self, key: i64) -> Option<String> {
        self.ids.get(&key)
    }

    pub(crate) fn insert(&self, id: String, key: i64) {
        self.ids.insert(key, id.clone());
        self.keys.insert(id, key);
    }

    /// Forgets everything: after a commit that failed, a key may never have been stored.
    pub(crate) fn clear(&self) {
        self.keys.clear();
        self.ids.clear();
    }
}
