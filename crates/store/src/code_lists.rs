//! The code systems and value sets that checks of profiles may look for among what is stored, and which version of the list a
//! transaction sees. Who may see one is for whoever looks.

use diesel::sql_types::{BigInt, Text};

use crate::error::StoreError;
use crate::statement::Sql;
use crate::transaction::Transaction;
use crate::transaction::shared_versions::CODE_LISTS;

/// A code system or value set, as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptCodeList {
    /// The name of its type.
    pub resource_type: String,
    /// Its logical id.
    pub id: String,
    /// Its canonical url.
    pub url: String,
    /// Its version; empty where it has none.
    pub version: String,
    /// Which version of the resource it is.
    pub number: i64,
    /// How long its text is.
    pub bytes: i64,
}

type Columns = (Text, Text, Text, Text, BigInt, BigInt);
type Row = (String, String, String, String, i64, i64);

impl From<Row> for KeptCodeList {
    fn from((resource_type, id, url, version, number, bytes): Row) -> KeptCodeList {
        KeptCodeList { resource_type, id, url, version, number, bytes }
    }
}

impl Transaction<'_> {
    /// Which version of the list there is; 0 until one is added.
    ///
    /// # Errors
    /// When the database fails.
    pub fn code_lists_version(&mut self) -> Result<i64, StoreError> {
        Ok(self.shared_versions()?.code_lists)
    }

    /// All of them.
    ///
    /// # Errors
    /// When the database fails.
    pub fn code_lists(&mut self) -> Result<Vec<KeptCodeList>, StoreError> {
        let sql = Sql::new("SELECT type, id, url, version, number, bytes FROM code_list ORDER BY resource");
        let rows = self.without_explain(|own| own.bypass_buffer(|own| own.rows::<Columns, Row>(sql)))?;
        Ok(rows.into_iter().map(KeptCodeList::from).collect())
    }

    /// How many there are.
    ///
    /// # Errors
    /// When the database fails.
    pub fn count_code_lists(&mut self) -> Result<i64, StoreError> {
        let sql = Sql::new("SELECT COUNT(*) FROM code_list");
        let rows = self.without_explain(|own| own.bypass_buffer(|own| own.rows::<(BigInt,), (i64,)>(sql)))?;
        Ok(rows.first().map_or(0, |(count,)| *count))
    }

    /// Puts this in the place of what is listed of a resource, from the commit on and on every node.
    ///
    /// # Errors
    /// When the database fails.
    pub fn replace_code_list(&mut self, resource: i64, new: Option<&KeptCodeList>) -> Result<(), StoreError> {
        self.bypass_buffer(|own| {
            let sql = Sql::new("SELECT type, id, url, version, number, bytes FROM code_list WHERE resource = ")
                .bind(resource);
            let old = own.without_explain(|own| own.rows::<Columns, Row>(sql))?;
            let old: Option<KeptCodeList> = old.into_iter().next().map(KeptCodeList::from);
            if old.as_ref() == new {
                return Ok(());
            }
            own.run(Sql::new("DELETE FROM code_list WHERE resource = ").bind(resource))?;
            if let Some(new) = new {
                let sql = Sql::new("INSERT INTO code_list (resource, type, id, url, version, number, bytes) VALUES (")
                    .bind(resource)
                    .sql(", ")
                    .bind(new.resource_type.as_str())
                    .sql(", ")
                    .bind(new.id.as_str())
                    .sql(", ")
                    .bind(new.url.as_str())
                    .sql(", ")
                    .bind(new.version.as_str())
                    .sql(", ")
                    .bind(new.number)
                    .sql(", ")
                    .bind(new.bytes)
                    .sql(")");
                own.run(sql)?;
            }
            own.bump_shared_version(CODE_LISTS)
        })
    }
}
