//! Going through what is stored, batch by batch, to make its index rows again.

use concord_fhir::registry::ResourceType;

use crate::error::StoreError;
use crate::lower::Rows;
use crate::rows::Version;
use crate::statement::Sql;
use crate::transaction::Transaction;

impl Transaction<'_> {
    /// How many resources there are, of one type or of all; `deleted`: with the deleted ones, whose last rows are kept.
    ///
    /// # Errors
    /// When the database fails.
    pub fn count_resources(&mut self, resource_type: Option<ResourceType>, deleted: bool) -> Result<i64, StoreError> {
        let sql = Sql::new("SELECT count(*) FROM resource r WHERE ");
        let sql = match (resource_type, deleted) {
            (Some(one), true) => sql.sql("r.type = ").bind(one.number()),
            (Some(one), false) => sql.sql("r.type = ").bind(one.number()).sql(" AND r.deleted = 0"),
            (None, true) => sql.sql("1 = 1"),
            (None, false) => sql.sql("r.deleted = 0"),
        };
        Ok(self.numbers(sql)?.first().copied().unwrap_or_default())
    }

    /// The next resources of a type after a logical id, by their ids, which nobody else replaces until the transaction
    /// ends; `deleted`: with the deleted ones.
    ///
    /// # Errors
    /// When the database fails.
    pub fn lock_next_of_type(
        &mut self,
        resource_type: ResourceType,
        after: &str,
        deleted: bool,
        limit: i64,
    ) -> Result<Vec<Version>, StoreError> {
        let condition = Sql::new("r.type = ")
            .bind(resource_type.number())
            .sql(" AND r.id > ")
            .bind(after)
            .sql(if deleted { "" } else { " AND r.deleted = 0" })
            .sql(" ORDER BY r.id ASC LIMIT ")
            .bind(limit);
        self.locked(condition)
    }

    /// The next current versions after a key, deletions among them, by their keys, which nobody else replaces until the
    /// transaction ends.
    ///
    /// # Errors
    /// When the database fails.
    pub fn lock_next(&mut self, after: i64, limit: i64) -> Result<Vec<Version>, StoreError> {
        let condition = Sql::new("r.rid > ").bind(after).sql(" ORDER BY r.rid ASC LIMIT +").bind(limit);
        self.locked(condition)
    }

    fn locked(&mut self, condition: Sql) -> Result<Vec<Version>, StoreError> {
        let condition = if self.is_postgres() { condition.sql(" FOR UPDATE OF r") } else { condition };
        self.versions(Rows::Current, condition)
    }
}
