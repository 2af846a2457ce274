//! Resources by their names, `Type/id`. Who says the name decides what it may lead to: what a caller says leads to a row
//! only past an evaluation of that row, and past the evaluation what is hidden looks like what is not there; what stored data
//! says, or the verified token, leads there directly.

use concord_fhir::registry::ResourceType;

use crate::error::StoreError;
use crate::rows::{Head, Version};
use crate::statement::Sql;
use crate::transaction::Transaction;

/// The name of a resource that no caller has made up.
#[derive(Clone, Copy, Debug)]
pub struct KnownName<'n> {
    resource_type: ResourceType,
    id: &'n str,
}

impl<'n> KnownName<'n> {
    /// That of a row which the caller has been let to.
    #[must_use]
    pub fn of(version: &'n Version) -> KnownName<'n> {
        KnownName { resource_type: version.resource_type, id: &version.id }
    }

    /// One that stored data says, for what follows from that data and is told to nobody by itself: facts that access is
    /// decided by, labels, threads.
    #[must_use]
    pub fn stored(resource_type: ResourceType, id: &'n str) -> KnownName<'n> {
        KnownName { resource_type, id }
    }

    /// The one by which a verified token says who calls.
    #[must_use]
    pub fn of_caller(resource_type: ResourceType, id: &'n str) -> KnownName<'n> {
        KnownName { resource_type, id }
    }
}

/// What a caller's name leads to: nobody has evaluated yet whether they may know of it. The row cannot be had otherwise:
///
/// ```compile_fail
/// fn row(unevaluated: concord_store::named::Unevaluated) -> Option<concord_store::rows::Head> {
///     unevaluated.0
/// }
/// ```
#[derive(Debug)]
#[must_use]
pub struct Unevaluated(Option<Head>);

impl Unevaluated {
    /// The row and what the evaluation found, if there is a row and the evaluation lets the caller know of it.
    ///
    /// # Errors
    /// Those of the evaluation.
    pub fn evaluated<T, E>(self, evaluate: impl FnOnce(&Head) -> Result<Option<T>, E>) -> Result<Option<(Head, T)>, E> {
        let Some(head) = self.0 else { return Ok(None) };
        Ok(evaluate(&head)?.map(|found| (head, found)))
    }
}

impl Transaction<'_> {
    /// What a caller names, deleted or not. With `lock`, no other transaction can replace it until this one ends.
    ///
    /// # Errors
    /// When the database fails.
    pub fn named(&mut self, resource_type: ResourceType, id: &str, lock: bool) -> Result<Unevaluated, StoreError> {
        self.head_of(resource_type, id, lock).map(Unevaluated)
    }

    /// What is called by a canonical url that a caller names, or has been, deleted or not: so many at most, in the order of
    /// their keys, from the one after `after` on; with the key of the last, if there may be more.
    ///
    /// # Errors
    /// When the database fails.
    pub fn named_by_url(
        &mut self,
        url: &str,
        after: i64,
        most: i64,
    ) -> Result<(Vec<Unevaluated>, Option<i64>), StoreError> {
        let named = Sql::new("(SELECT n.resource FROM canonical_name n WHERE n.url = ")
            .bind(url)
            .sql(" AND n.resource > ")
            .bind(after)
            .sql(" ORDER BY n.resource LIMIT ")
            .bind(most)
            .sql(") AS c JOIN resource r ON r.rid = c.resource");
        let found = self.heads_from(named, "0")?;
        let is_full = i64::try_from(found.len()).is_ok_and(|count| count >= most);
        let last = found.iter().map(|(_, head)| head.version.key).max().filter(|_| is_full);
        Ok((found.into_iter().map(|(_, head)| Unevaluated(Some(head))).collect(), last))
    }

    /// The current version of a resource whose name no caller has made up, deleted or not. With `lock`, no other transaction
    /// can replace it until this one ends.
    ///
    /// # Errors
    /// When the database fails.
    pub fn head(&mut self, name: KnownName<'_>, lock: bool) -> Result<Option<Head>, StoreError> {
        self.head_of(name.resource_type, name.id, lock)
    }
}
