//! Labels beside a resource: put there by somebody who may not change the resource, so without a new version of it.
//!
//! The row of the resource carries them after its own, so that a decision sees both at no further cost, and so does the
//! index of current versions. A superseded version is judged by its own labels and by those of the current one.

use diesel::sql_types::Text;

use super::rows::Version;
use super::statement::Sql;
use super::transaction::Transaction;
use crate::fault::Fault;

/// The line between a resource's own labels and those beside it.
pub(crate) const MARK: &str = "\u{1e}";

/// A label beside a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Beside {
    /// The key of its `_security` row.
    pub(crate) key: String,
    /// Who put it there: a reference, or the subject of a system's token.
    pub(crate) author: String,
}

/// A row's labels: the resource's own and those beside it.
pub(crate) fn joined(own: &str, beside: &[String]) -> String {
    if beside.is_empty() {
        return own.to_owned();
    }
    let mut lines: Vec<&str> = own.split('\n').filter(|line| !line.is_empty()).collect();
    lines.push(MARK);
    lines.extend(beside.iter().map(String::as_str));
    lines.join("\n")
}

impl Version {
    /// The keys of the labels in its body.
    pub(crate) fn own_labels(&self) -> &str {
        let own = self.labels.split_once(MARK).map_or(self.labels.as_str(), |(own, _)| own);
        own.trim_end_matches('\n')
    }

    /// The keys of the labels beside it.
    pub(crate) fn labels_beside(&self) -> impl Iterator<Item = &str> {
        let beside = self.labels.split_once(MARK).map_or("", |(_, beside)| beside);
        beside.split('\n').filter(|line| !line.is_empty())
    }
}

impl Transaction<'_> {
    /// The labels beside a resource, with who put them there.
    pub(crate) fn beside(&mut self, resource: i64) -> Result<Vec<Beside>, Fault> {
        let sql =
            Sql::new("SELECT o.key, o.author FROM overlay o WHERE o.resource = ").bind(resource).sql(" ORDER BY 1, 2");
        let rows = self.rows::<(Text, Text), (String, String)>(sql)?;
        Ok(rows.into_iter().map(|(key, author)| Beside { key, author }).collect())
    }

    /// Puts a label beside a resource, unless the author has done so before.
    pub(crate) fn put_beside(&mut self, resource: i64, label: &Beside) -> Result<(), Fault> {
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
    pub(crate) fn take_from_beside(&mut self, resource: i64, label: &Beside) -> Result<(), Fault> {
        let sql = Sql::new("DELETE FROM overlay WHERE resource = ")
            .bind(resource)
            .sql(" AND key = ")
            .bind(label.key.as_str())
            .sql(" AND author = ")
            .bind(label.author.as_str());
        self.run(sql)?;
        Ok(())
    }

    /// Makes these the labels beside a current version, in its row and its index.
    pub(crate) fn set_beside(&mut self, version: &Version, beside: &[String]) -> Result<String, Fault> {
        let labels = joined(version.own_labels(), beside);
        if labels == version.labels {
            return Ok(labels);
        }
        let sql = Sql::new("UPDATE resource SET labels = ").bind(labels.as_str()).sql(" WHERE rid = ");
        self.run(sql.bind(version.key))?;
        let version = Version { labels: labels.clone(), ..version.clone() };
        self.index_beside(&version)?;
        Ok(labels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_beside_a_resource_stay_apart_from_its_own() {
        let beside = ["MH\u{1f}s".to_owned()];
        for (own, wanted) in
            [("", "\u{1e}\nMH\u{1f}s"), ("N\u{1f}s\nR\u{1f}s", "N\u{1f}s\nR\u{1f}s\n\u{1e}\nMH\u{1f}s")]
        {
            assert_eq!(joined(own, &beside), wanted);
            assert_eq!(joined(own, &[]), own);
        }
    }
}
