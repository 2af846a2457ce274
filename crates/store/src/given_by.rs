//! Who made a version that gives power what it is: known from who was signed in, and kept beside the resource, where nobody
//! but the server writes.

use diesel::sql_types::{BigInt, SmallInt};

use crate::error::StoreError;
use crate::lower::one_of_numbers;
use crate::statement::{Bind, Sql};
use crate::transaction::Transaction;

/// Who made the current version of a resource what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsentGiver {
    /// What kind of caller that is. What a number means is for the caller of the store to say; 0 is for nobody known.
    pub kind: i16,
    /// Who: a reference, or the subject of a system's token.
    pub who: String,
    /// By which app.
    pub client: String,
}

impl Transaction<'_> {
    /// The kinds of those who made the current versions of these resources, by their keys. Of one without an entry it is
    /// not known.
    ///
    /// # Errors
    /// When the database fails.
    pub fn givers(&mut self, resources: &[i64]) -> Result<Vec<(i64, i16)>, StoreError> {
        if resources.is_empty() {
            return Ok(Vec::new());
        }
        let sql = Sql::new("SELECT g.resource, g.kind FROM given_by g WHERE ").append(one_of_numbers(
            "g.resource",
            resources,
            self.is_postgres(),
        ));
        self.rows::<(BigInt, SmallInt), (i64, i16)>(sql.sql(" ORDER BY g.resource"))
    }

    /// Keeps who makes the version of a resource that is about to be stored.
    ///
    /// # Errors
    /// When the database fails.
    pub fn set_giver(&mut self, resource: i64, giver: &ConsentGiver) -> Result<(), StoreError> {
        let values: [Bind; 4] =
            [resource.into(), giver.kind.into(), giver.who.as_str().into(), giver.client.as_str().into()];
        let mut sql = Sql::new("INSERT INTO given_by (resource, kind, who, client) VALUES (");
        for (place, value) in values.into_iter().enumerate() {
            if place > 0 {
                sql.push_sql(", ");
            }
            sql.push_bind(value);
        }
        let sql = sql.sql(
            ") ON CONFLICT (resource) DO UPDATE SET kind = excluded.kind, who = excluded.who, client = excluded.client",
        );
        self.run(sql)?;
        Ok(())
    }
}
