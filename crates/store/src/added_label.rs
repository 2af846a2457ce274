//! Labels beside a resource: put there by somebody who may not change the resource, or inherited, so without a new version
//! of it.
//!
//! The row of the resource carries them after its own, so that a decision sees both at no further cost, and so does the
//! index of current versions. A superseded version is evaluated by its own labels and by those of the current one.

use diesel::Queryable;
use diesel::sql_types::Text;

use crate::error::StoreError;
use crate::lower::Rows;
use crate::rows::{Version, joined};
use crate::statement::Sql;
use crate::transaction::Transaction;

/// A label beside a resource.
#[derive(Clone, Debug, PartialEq, Eq, Queryable)]
pub struct AddedLabel {
    /// The key of its `_security` row.
    pub key: String,
    /// Who put it there: a reference, or the subject of a system's token.
    pub author: String,
}

impl Transaction<'_> {
    /// The labels beside a resource, with who put them there.
    pub fn labels_added_to(&mut self, resource: i64) -> Result<Vec<AddedLabel>, StoreError> {
        let sql =
            Sql::new("SELECT o.key, o.author FROM overlay o WHERE o.resource = ").bind(resource).sql(" ORDER BY 1, 2");
        self.rows::<(Text, Text), AddedLabel>(sql)
    }

    /// Puts a label beside a resource, unless the author has done so before.
    pub fn add_label(&mut self, resource: i64, label: &AddedLabel) -> Result<(), StoreError> {
        let now = self.now;
        let sql = Sql::new("INSERT INTO overlay (resource, key, author, since) VALUES (")
            .bind(resource)
            .sql(", ")
            .bind(label.key.as_str())
            .sql(", ")
            .bind(label.author.as_str())
            .sql(", ")
            .bind(now)
            .sql(") ON CONFLICT (resource, key, author) DO NOTHING");
        self.run(sql)?;
        Ok(())
    }

    /// Takes an author's label away from beside a resource.
    pub fn remove_label(&mut self, resource: i64, label: &AddedLabel) -> Result<(), StoreError> {
        let sql = Sql::new("DELETE FROM overlay WHERE resource = ")
            .bind(resource)
            .sql(" AND key = ")
            .bind(label.key.as_str())
            .sql(" AND author = ")
            .bind(label.author.as_str());
        self.run(sql)?;
        Ok(())
    }

    /// Makes the row and the index of a resource say what labels are beside it now, and all that depends on it follow.
    pub fn refresh_labels(&mut self, version: &Version) -> Result<(), StoreError> {
        let mut beside: Vec<String> = self.labels_added_to(version.key)?.into_iter().map(|label| label.key).collect();
        beside.dedup();
        let inherited: Vec<String> = version.inherited_labels().map(str::to_owned).collect();
        let new = Version { labels: joined(version.own_labels(), &beside, &inherited), ..version.clone() };
        if new.labels == version.labels {
            return Ok(());
        }
        self.set_labels(Rows::Current, &new, &version.labels)?;
        let written = self.written(version, &new, None, None)?;
        self.inherit(&[written])
    }

    /// Stores a version's labels in its row and its index, unless they are those.
    pub(crate) fn set_labels(&mut self, rows: Rows, version: &Version, before: &str) -> Result<(), StoreError> {
        if version.labels == before {
            return Ok(());
        }
        if rows == Rows::Current {
            self.touched.push((version.resource_type, version.id.clone()));
        }
        let key = if rows == Rows::Current { " WHERE rid = " } else { " WHERE pk = " };
        let sql = Sql::new("UPDATE ").sql(rows.table()).sql(" SET labels = ").bind(version.labels.as_str());
        self.run(sql.sql(key).bind(version.key))?;
        self.index_added_labels(rows, version)
    }
}
