//! The rows of the index, put in.

use crate::entry_row::EntryRow;
use crate::error::StoreError;
use crate::lower::Rows;
use crate::statement::{Bind, Sql};
use crate::transaction::Transaction;

/// How rows are inserted on the embedded database, several by one statement: what fails undoes everything that was done for the
/// same request, so the statement by itself need not be able to be undone. To be so it would copy every page that it changes.
pub(crate) const OR_FAIL: &str = "INSERT OR FAIL";

/// How many values a row has, with the parenthesis at its end.
const COLUMNS: usize = 9;

impl Transaction<'_> {
    /// Whether the rows are stored: they are not if the search parameters are no longer of this version. The
    /// embedded database has one writer, who has looked.
    pub(crate) fn insert_entries(
        &mut self,
        of: Rows,
        rows: &[EntryRow],
        under: Option<i64>,
    ) -> Result<bool, StoreError> {
        if self.is_postgres() {
            return self.insert_together(of, rows, under);
        }
        for chunk in rows.chunks(64) {
            let mut sql = into(OR_FAIL, of);
            sql.reserve(chunk.len() * COLUMNS);
            for (place, row) in chunk.iter().enumerate() {
                sql.push_sql(if place == 0 { "VALUES (" } else { ", (" });
                let binds: [Bind; 7] = [
                    row.resource.into(),
                    row.parameter.into(),
                    row.position.into(),
                    row.patient.into(),
                    row.key.as_str().into(),
                    Bind::Double(row.low),
                    Bind::Double(row.high),
                ];
                sql.push_row(binds.into_iter().chain(is_dated(of).then_some(Bind::Double(row.dated))));
            }
            self.run(sql)?;
        }
        Ok(true)
    }

    /// The same on PostgreSQL, which takes many rows as a few lists.
    fn insert_together(&mut self, of: Rows, rows: &[EntryRow], under: Option<i64>) -> Result<bool, StoreError> {
        if let (Some(version), true) = (under, rows.is_empty()) {
            return Ok(self.registry_version()? == version);
        }
        for (number, chunk) in rows.chunks(5_000).enumerate() {
            let ends = |end: fn(&EntryRow) -> Option<f64>| Bind::Doubles(chunk.iter().map(end).collect());
            let mut lists = vec![
                Bind::Bigs(chunk.iter().map(|row| row.resource).collect()),
                Bind::Ints(chunk.iter().map(|row| row.parameter).collect()),
                Bind::Ints(chunk.iter().map(|row| row.position).collect()),
                Bind::Bigs(chunk.iter().map(|row| row.patient).collect()),
                Bind::Texts(chunk.iter().map(|row| row.key.clone()).collect()),
                ends(|row| row.low),
                ends(|row| row.high),
            ];
            if is_dated(of) {
                lists.push(ends(|row| row.dated));
            }
            let mut sql = into("INSERT", of).sql("SELECT * FROM unnest(");
            sql.push_row(lists);
            // Who changes the parameters waits for this transaction from its first row on.
            if let Some(version) = under.filter(|_| number == 0) {
                sql = sql.sql(" WHERE ").append(Self::under(version));
            }
            if self.run(sql)? < chunk.len() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The same for the many rows of a load, which has put the rows of the resources in before.
    pub(crate) fn load_entries(&mut self, rows: &[EntryRow], under: i64) -> Result<bool, StoreError> {
        if !self.is_postgres() {
            return self.insert_entries(Rows::Current, rows, Some(under));
        }
        // Who changes the parameters waits for this transaction since its first resource.
        if self.registry_version()? != under {
            return Ok(false);
        }
        self.copied(rows)?;
        Ok(true)
    }
}

/// Whether the rows bear dates: superseded versions are not read in the order of theirs.
fn is_dated(of: Rows) -> bool {
    of == Rows::Current
}

fn into(insert: &'static str, of: Rows) -> Sql {
    let sql = Sql::new(insert)
        .sql(" INTO ")
        .sql(of.entries())
        .sql(" (resource, parameter, position, patient, key, low, high");
    sql.sql(if is_dated(of) { ", dated) " } else { ") " })
}
