//! What resources show, which is content and inherits from what shows it; and the urls by which definitions are called.

use concord_fhir::index::Entries;
use concord_fhir::label::Source;
use concord_fhir::registry::ResourceType;
use diesel::sql_types::BigInt;

use super::links::of_keys;
use super::{CALLED, CHUNK, Stored, Written, handed};
use crate::error::StoreError;
use crate::statement::Sql;
use crate::transaction::Transaction;

impl Transaction<'_> {
    /// Notes what resources show, beside what they have shown.
    pub(crate) fn put_contents(&mut self, all: &[(i64, &Entries)]) -> Result<(), StoreError> {
        let rows: Vec<(i64, &Source)> =
            all.iter().flat_map(|(key, entries)| entries.contents.iter().map(|content| (*key, content))).collect();
        for chunk in rows.chunks(CHUNK) {
            let mut sql = Sql::new("INSERT INTO label_content (resource, type, id) ");
            for (place, (key, content)) in chunk.iter().enumerate() {
                sql.push_sql(if place == 0 { "VALUES (" } else { ", (" });
                sql.push_row([(*key).into(), content.resource_type.number().into(), content.id.as_str().into()]);
            }
            self.run(sql.sql(" ON CONFLICT DO NOTHING"))?;
        }
        Ok(())
    }

    /// Notes the urls by which definitions are meant, beside those by which they have been; whether one is new.
    pub(crate) fn put_names(&mut self, all: &[(i64, &Entries)]) -> Result<bool, StoreError> {
        let rows: Vec<(i64, &str)> =
            all.iter().filter_map(|(key, entries)| Some((*key, entries.name.as_deref()?))).collect();
        let mut new = 0;
        for chunk in rows.chunks(CHUNK) {
            let mut sql = Sql::new("INSERT INTO canonical_name (resource, url) ");
            for (place, (key, url)) in chunk.iter().enumerate() {
                sql.push_sql(if place == 0 { "VALUES (" } else { ", (" });
                sql.push_row([(*key).into(), (*url).into()]);
            }
            new += self.run(sql.sql(" ON CONFLICT DO NOTHING"))?;
        }
        Ok(new > 0)
    }

    /// What a version inherits from, as was said when it was written: definitions by their canonical urls, and resources.
    ///
    /// # Errors
    /// When the database fails.
    pub fn inherited_by_name(&mut self, key: i64) -> Result<(Vec<String>, Vec<Source>), StoreError> {
        let (called, sources): (Vec<_>, Vec<_>) =
            self.named_by(key)?.into_iter().partition(|(number, ..)| *number == CALLED);
        let source = |(number, id, version)| {
            let resource_type = ResourceType::from_number(number)?;
            Some(Source { resource_type, id, version })
        };
        Ok((called.into_iter().map(|(_, url, _)| url).collect(), sources.into_iter().filter_map(source).collect()))
    }

    /// Whether a resource shows that, or has shown it.
    ///
    /// # Errors
    /// When the database fails.
    pub fn has_shown(&mut self, key: i64, content: &Source) -> Result<bool, StoreError> {
        let sql = Sql::new("SELECT count(*) FROM label_content WHERE type = ")
            .bind(content.resource_type.number())
            .sql(" AND id = ")
            .bind(content.id.as_str())
            .sql(" AND resource = ")
            .bind(key);
        Ok(self.numbers(sql)?.first().is_some_and(|count| *count > 0))
    }

    /// Gives what these show the labels that these have now, as far as the transaction may; the rest is left to the backlog.
    pub(super) fn protect_contents(&mut self, written: &[&Written]) -> Result<(), StoreError> {
        let showing: Vec<i64> = written.iter().filter(|one| one.shows).map(|one| one.key).collect();
        if showing.is_empty() {
            return Ok(());
        }
        let most = self.label_steps;
        let mut contents: Vec<i64> = Vec::new();
        for chunk in showing.chunks(CHUNK) {
            let sql = Sql::new(
                "SELECT DISTINCT b.rid FROM label_content c JOIN resource b ON b.type = c.type AND b.id = c.id WHERE ",
            );
            let sql = sql.append(of_keys("c.resource", chunk)).sql(" LIMIT +");
            let sql = sql.bind(i64::try_from(most).unwrap_or(i64::MAX).saturating_add(1));
            contents.extend(self.rows::<(BigInt,), (i64,)>(sql)?.into_iter().map(|row| row.0));
        }
        if contents.len() > most {
            let mut of: Vec<Stored> = self.stored(&showing)?;
            of.retain(|one| !handed(&one.version).is_empty());
            return self.leave_coming(&of);
        }
        self.label_steps = most.saturating_sub(contents.len());
        let raised = self.raise(&contents)?;
        self.grow(raised)
    }
}
