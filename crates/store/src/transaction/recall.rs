//! What a piece of work has read, by which it is known later, in another transaction, whether it would find the same again: then
//! what has been made of it need not be made once more.

use std::collections::HashSet;
use std::fmt::{self, Debug, Write as _};
use std::hash::{DefaultHasher, Hasher as _};

use diesel::deserialize::FromSqlRow;
use diesel::pg::{Pg, PgConnection};
use diesel::query_dsl::LoadQuery;
use diesel::sqlite::{Sqlite, SqliteConnection};

use crate::error::StoreError;
use crate::statement::{Sql, Statement};
use crate::transaction::Transaction;
use crate::transaction::spending::Payment;

/// Reads the same once more; what has been found, as a number.
type Again = Box<dyn Fn(&mut Transaction<'_>) -> Result<u64, StoreError> + Send + Sync>;

/// What has been read, each once, and what was found.
#[derive(Default)]
pub struct Recall {
    asked: HashSet<u64>,
    reads: Vec<(u64, Again)>,
}

impl Debug for Recall {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Recall({})", self.reads.len())
    }
}

/// A number that two values that say the same have in common, and others do not.
pub(super) fn digest(value: &impl Debug) -> u64 {
    struct Into(DefaultHasher);
    impl fmt::Write for Into {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.0.write(text.as_bytes());
            Ok(())
        }
    }
    let mut into = Into(DefaultHasher::new());
    // Nothing fails here.
    let _written = write!(into, "{value:?}");
    into.0.finish()
}

impl Recall {
    /// Notes what a statement has found, and what it takes of what callers' statements may.
    pub(super) fn note<T, U>(&mut self, sql: Sql, payment: Payment, found: &[U])
    where
        T: 'static,
        U: FromSqlRow<T, Sqlite> + FromSqlRow<T, Pg> + Debug + 'static,
        Statement<T>: for<'q> LoadQuery<'q, SqliteConnection, U> + for<'q> LoadQuery<'q, PgConnection, U>,
    {
        if self.asked.insert(digest(&sql)) {
            let again: Again = Box::new(move |transaction| {
                let found = transaction.paying(payment, |own| own.rows::<T, U>(sql.clone()));
                Ok(digest(&found?))
            });
            self.reads.push((digest(&found), again));
        }
    }
}

impl Transaction<'_> {
    /// Notes from here on what is read. Nothing may be written meanwhile: it would not be written again.
    pub fn begin_recall(&mut self) {
        // What this transaction remembers would not be read.
        self.versions = None;
        self.registry = None;
        self.recall = Some(Recall::default());
    }

    /// What has been read since.
    pub fn end_recall(&mut self) -> Recall {
        self.recall.take().unwrap_or_default()
    }

    /// Stores nothing from here on: what would be written is refused with [`StoreError::Conflict`].
    pub fn store_nothing(&mut self) {
        self.stores_nothing = true;
    }

    /// Refuses to write where nothing is stored, or while what is read is noted.
    pub(crate) fn require_storing(&self) -> Result<(), StoreError> {
        match self.stores_nothing || self.recall.is_some() {
            true => Err(StoreError::Conflict("nothing is stored here".to_owned())),
            false => Ok(()),
        }
    }

    /// Whether all that was read then would be found the same now.
    ///
    /// # Errors
    /// When the database fails.
    pub fn finds_the_same(&mut self, recall: &Recall) -> Result<bool, StoreError> {
        for (found, again) in &recall.reads {
            if again(self)? != *found {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use crate::Reply;
    use crate::error::StoreError;
    use crate::testing::Scratch;
    use crate::transaction::Transaction;

    type Change = fn(&mut Transaction<'_>) -> Result<(), StoreError>;

    fn reads(transaction: &mut Transaction<'_>) -> Result<Option<i64>, StoreError> {
        transaction.access_versions(0)?;
        transaction.definitions_version()?;
        transaction.access_versions(0)?;
        transaction.patient_key("ann")
    }

    #[tokio::test]
    async fn what_was_read_is_the_same_until_something_of_it_has_changed() {
        for scratch in Scratch::both() {
            let store = scratch.store();
            let look = |transaction: &mut Transaction<'_>| -> Reply<_> {
                transaction.definitions_version().unwrap();
                transaction.begin_recall();
                let found = reads(transaction);
                assert!(matches!(transaction.make_patient_key("ann"), Err(StoreError::Conflict(_))));
                assert!(matches!(transaction.bump_access_version(0), Err(StoreError::Conflict(_))));
                let recall = transaction.end_recall();
                transaction.store_nothing();
                assert!(matches!(transaction.bump_access_version(0), Err(StoreError::Conflict(_))));
                (found.map(|found| (found, recall)), Vec::new())
            };
            let (found, recall) = store.read(look).await.unwrap();
            assert_eq!((found, recall.reads.len()), (None, 3), "each is read once");
            let recall = std::sync::Arc::new(recall);
            let changes: [Change; 4] = [
                |_| Ok(()),
                |transaction| transaction.bump_access_version(0),
                |transaction| transaction.bump_shared_version(crate::transaction::shared_versions::DEFINITIONS),
                |transaction| transaction.make_patient_key("ann").map(|_| ()),
            ];
            for (number, change) in changes.into_iter().enumerate() {
                let own = std::sync::Arc::clone(&recall);
                let compared = store.write(move |transaction| -> Reply<(bool, bool)> {
                    let before = transaction.finds_the_same(&own).unwrap();
                    let after = change(transaction).and_then(|()| transaction.finds_the_same(&own)).unwrap();
                    // Undone, so that each is compared with what was read.
                    (Err(StoreError::Conflict(format!("{before} {after}"))), Vec::new())
                });
                let told = match compared.await {
                    Err(StoreError::Conflict(told)) => told,
                    other => panic!("{other:?}"),
                };
                assert_eq!(told, format!("true {}", number == 0), "change {number}");
            }
        }
    }
}
