//! The rows of the index, put in.

use diesel::Insertable;

use super::rows::push_row;
use super::statement::{Bind, Sql};
use super::transaction::Transaction;
use crate::fault::Fault;

diesel::table! {
    entry (resource, parameter, position) {
        resource -> BigInt,
        parameter -> Integer,
        position -> Integer,
        patient -> BigInt,
        key -> Text,
        low -> Nullable<Double>,
        high -> Nullable<Double>,
    }
}

/// A row of `entry`.
#[derive(Debug, Insertable)]
#[diesel(table_name = entry, treat_none_as_default_value = false)]
pub(super) struct EntryRow {
    pub(super) resource: i64,
    pub(super) parameter: i32,
    pub(super) position: i32,
    pub(super) patient: i64,
    pub(super) key: String,
    pub(super) low: Option<f64>,
    pub(super) high: Option<f64>,
}

impl Transaction<'_> {
    /// Whether the rows are stored: they are not if the search parameters are no longer those of this moment. The
    /// embedded database has one writer, who has looked.
    pub(super) fn insert_entries(&mut self, rows: &[EntryRow], under: Option<i64>) -> Result<bool, Fault> {
        const INTO: &str = "INSERT INTO entry (resource, parameter, position, patient, key, low, high) ";
        if self.is_postgres() {
            if let (Some(version), true) = (under, rows.is_empty()) {
                return Ok(self.registry_version()? == version);
            }
            for (number, chunk) in rows.chunks(5_000).enumerate() {
                let mut sql = Sql::new(INTO)
                    .sql("SELECT * FROM unnest(")
                    .bind(Bind::Bigs(chunk.iter().map(|row| row.resource).collect()))
                    .sql(", ")
                    .bind(Bind::Ints(chunk.iter().map(|row| row.parameter).collect()))
                    .sql(", ")
                    .bind(Bind::Ints(chunk.iter().map(|row| row.position).collect()))
                    .sql(", ")
                    .bind(Bind::Bigs(chunk.iter().map(|row| row.patient).collect()))
                    .sql(", ")
                    .bind(Bind::Texts(chunk.iter().map(|row| row.key.clone()).collect()))
                    .sql(", ")
                    .bind(Bind::Doubles(chunk.iter().map(|row| row.low).collect()))
                    .sql(", ")
                    .bind(Bind::Doubles(chunk.iter().map(|row| row.high).collect()))
                    .sql(")");
                // Who changes the parameters waits for this transaction from its first row on.
                if let Some(version) = under.filter(|_| number == 0) {
                    sql = sql.sql(" WHERE ").append(Self::under(version));
                }
                if self.run(sql)? < chunk.len() {
                    return Ok(false);
                }
            }
            return Ok(true);
        }
        for chunk in rows.chunks(64) {
            let mut sql = Sql::new(INTO);
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
                push_row(&mut sql, binds);
            }
            self.run(sql)?;
        }
        Ok(true)
    }

    /// The same for the many rows of a load, which has put the rows of the resources in before.
    pub(super) fn load_entries(&mut self, rows: &[EntryRow], under: i64) -> Result<bool, Fault> {
        if !self.is_postgres() {
            return self.insert_entries(rows, Some(under));
        }
        // Who changes the parameters waits for this transaction since its first resource.
        if self.registry_version()? != under {
            return Ok(false);
        }
        self.copied(rows)?;
        Ok(true)
    }
}
