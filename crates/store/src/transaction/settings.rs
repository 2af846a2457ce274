//! Values that every node shares, by name.

use diesel::sql_types::Text;

use crate::error::StoreError;
use crate::statement::Sql;
use crate::transaction::Transaction;

impl Transaction<'_> {
    /// The value of a shared setting, set to `make` if there is none yet.
    pub fn setting(&mut self, name: &str, make: &str) -> Result<String, StoreError> {
        let sql = Sql::new("INSERT INTO setting (name, value) VALUES (")
            .bind(name)
            .sql(", ")
            .bind(make)
            .sql(") ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING value");
        self.changes += 1;
        let rows = self.rows::<(Text,), (String,)>(sql)?;
        rows.into_iter().next().map(|row| row.0).ok_or_else(|| StoreError::Internal("no setting".to_owned()))
    }

    /// The value of a shared setting, if there is one.
    ///
    /// # Errors
    /// When the database fails.
    pub fn known_setting(&mut self, name: &str) -> Result<Option<String>, StoreError> {
        let sql = Sql::new("SELECT value FROM setting WHERE name = ").bind(name);
        Ok(self.rows::<(Text,), (String,)>(sql)?.pop().map(|row| row.0))
    }

    /// Sets a shared setting that is there already.
    ///
    /// # Errors
    /// When the database fails.
    pub fn set_setting(&mut self, name: &str, value: String) -> Result<(), StoreError> {
        self.run(Sql::new("UPDATE setting SET value = ").bind(value).sql(" WHERE name = ").bind(name)).map(|_| ())
    }

    /// Forgets a shared setting.
    ///
    /// # Errors
    /// When the database fails.
    pub fn forget_setting(&mut self, name: &str) -> Result<(), StoreError> {
        self.run(Sql::new("DELETE FROM setting WHERE name = ").bind(name)).map(|_| ())
    }
}
