//! A record in the order of any other date, or of a number: of one that is not the clinical date of its type.
//!
//! The rows of such a parameter bear their own end in `dated`, and an index has them by parameter, patient and that:
//! `entry_when` on the embedded database, `entry_latest` on PostgreSQL. A page is looked for among the first [`LOOKED_AT`] of
//! them; if it is not full then, what is asked for is rare, or the page reaches those without a value: it is found by what is
//! asked for, and sorted. From the least up it is read by the ends and by `entry_wide`, as the earliest are.

use concord_fhir::index::ParameterId;
use concord_fhir::registry::{Kind, clinical_date, combined};
use diesel::sql_types::Double;

use super::earliest::DAY;
use super::updated::LOOKED_AT;
use super::{not_too_old, older, one_more, united};
use crate::error::StoreError;
use crate::search::{PageRequest, PositionValue, TypeQuery};
use crate::statement::Sql;
use crate::transaction::Transaction;

/// Of a parameter's rows, those that cover more than a day: what the index of them has, word by word.
const WIDE: &str = "d.high > d.low + 86400000";

/// That a row of the same resource comes before, from the greatest down.
const GREATER: &str = "f.high > d.high OR (f.high = d.high AND f.position < d.position)";

/// The same from the least up.
const LESS: &str = "f.low < d.low OR (f.low = d.low AND f.position < d.position)";

/// How resources of one type in one record are read in the order of the rows of one parameter.
struct Rows<'q> {
    query: &'q TypeQuery,
    by: ParameterId,
    record: i64,
    /// All that is asked of them.
    condition: Sql,
    postgres: bool,
}

/// Where a page begins and the looking ends.
struct Bounds {
    reached: Option<f64>,
    upto: Option<f64>,
}

impl Bounds {
    /// ` AND ` that a row's end is within, from the greatest down or from the least up.
    fn within(&self, descending: bool) -> Sql {
        let mut sql = Sql::new("");
        let (before, beyond) = if descending { (" <= ", " >= ") } else { (" >= ", " <= ") };
        for (operator, bound) in [(before, self.reached), (beyond, self.upto)] {
            if let Some(bound) = bound {
                sql = sql.sql(" AND d.dated").sql(operator).bind(bound);
            }
        }
        sql
    }
}

impl Rows<'_> {
    /// ` AND ` that a row is the parameter's, in the record.
    fn own(&self) -> Sql {
        Sql::new(" AND d.key = '' AND d.parameter = ").bind(self.by.0).sql(" AND d.patient = ").bind(self.record)
    }

    /// What follows `FROM` to read the resources, each by one of its rows, before which no other comes: `earlier` says which do, of
    /// `f` before `d`. Those are looked at alone, or PostgreSQL would go through all of the record for each.
    fn each(&self, earlier: &str) -> Sql {
        let (rows, end) = match self.postgres {
            true => ("(SELECT i.* FROM entry i WHERE i.resource = d.resource OFFSET 0) f WHERE ", " OFFSET 0)"),
            false => ("entry f WHERE f.resource = d.resource AND ", ")"),
        };
        Sql::new("entry d CROSS JOIN resource r WHERE r.rid = d.resource")
            .append(self.own())
            .sql(" AND NOT EXISTS (SELECT 1 FROM ")
            .sql(rows)
            .sql("f.parameter = ")
            .bind(self.by.0)
            .sql(" AND f.patient = ")
            .bind(self.record)
            .sql(format!(" AND ({earlier})"))
            .sql(end)
    }

    fn with_condition(&self, sql: Sql) -> Sql {
        sql.sql(" AND ").append(self.condition.clone())
    }

    /// From the greatest down.
    fn greatest(&self, wanted: &PageRequest<'_>, bounds: &Bounds) -> Sql {
        let sql = Sql::new("SELECT d.resource AS k, d.dated AS s0 FROM ")
            .append(self.each(GREATER))
            .sql(" AND d.dated IS NOT NULL")
            .append(bounds.within(true))
            .append(not_too_old(self.by, &self.query.predicate))
            .append(older(wanted.after));
        self.with_condition(sql).sql(" ORDER BY d.dated DESC, d.resource LIMIT +").bind(one_more(wanted))
    }

    /// ` AND ` that a row comes after a position, from the least up.
    fn later(wanted: &PageRequest<'_>, bounds: &Bounds) -> Sql {
        let (Some(after), Some(reached)) = (wanted.after, bounds.reached) else { return Sql::new("") };
        Sql::new(" AND (d.low > ")
            .bind(reached)
            .sql(" OR (d.low = ")
            .bind(reached)
            .sql(" AND d.resource > ")
            .bind(after.key)
            .sql("))")
    }

    /// Those that come after a position and have a row that ends within, by `value`.
    fn ending(&self, value: &'static str, wanted: &PageRequest<'_>, bounds: &Bounds) -> Sql {
        let sql = Sql::new("SELECT d.resource AS k, ")
            .sql(value)
            .sql(" AS s0 FROM ")
            .append(self.each(LESS))
            .sql(" AND d.dated IS NOT NULL")
            .append(bounds.within(false))
            .append(Self::later(wanted, bounds));
        self.with_condition(sql)
    }

    /// The first of those that cover more than a day, up to a time.
    fn wide(&self, wanted: &PageRequest<'_>, bounds: &Bounds) -> Sql {
        let mut sql =
            Sql::new("SELECT d.resource AS k, d.low AS s0 FROM ").append(self.each(LESS)).sql(" AND ").sql(WIDE);
        for (operator, bound) in [(" AND d.low >= ", bounds.reached), (" AND d.low <= ", bounds.upto)] {
            if let Some(bound) = bound {
                sql = sql.sql(operator).bind(bound);
            }
        }
        let sql = self.with_condition(sql.append(Self::later(wanted, bounds)));
        sql.sql(" ORDER BY d.low, d.resource LIMIT +").bind(one_more(wanted))
    }
}

impl Transaction<'_> {
    /// Whether a parameter's values are rows that can be read in their own order: what has a key stands among others of that.
    fn has_order_of_its_own(&mut self, query: &TypeQuery, by: ParameterId) -> Result<bool, StoreError> {
        let kind = self.registry()?.parameter_by_id(by).map(|one| one.kind);
        let is_clinical = clinical_date(query.resource_type) == Some(by);
        Ok(matches!(kind, Some(Kind::Date | Kind::Number)) && combined(by).is_none() && !is_clinical)
    }

    /// The candidates of a page in the order of a parameter's rows; none where they are better found otherwise.
    pub(super) fn by_own_rows(
        &mut self,
        wanted: &PageRequest<'_>,
        by: ParameterId,
        descending: bool,
    ) -> Result<Option<Sql>, StoreError> {
        let reached = match wanted.after.map(|after| after.values.first()) {
            None => None,
            Some(Some(PositionValue::Number(reached))) => Some(*reached),
            // Those without a value.
            Some(_) => return Ok(None),
        };
        let [query] = wanted.queries else { return Ok(None) };
        let Some(id) = query.record.as_deref() else { return Ok(None) };
        if !self.has_order_of_its_own(query, by)? {
            return Ok(None);
        }
        let Some(record) = self.compartment_key(id)? else { return Ok(None) };
        // What one or few have, such as an identifier, is found by that.
        if clinical_date(query.resource_type).is_some() && self.leading(query, id, record)?.is_none() {
            return Ok(None);
        }
        let condition = self.candidate(query, record, None)?;
        let rows = Rows { query, by, record, condition, postgres: self.is_postgres() };
        let bounds = Bounds { reached, upto: self.end_of_rows(&rows, reached, descending)? };
        match descending {
            true => {
                let found = rows.greatest(wanted, &bounds);
                Ok(self.fills(united(vec![found.clone()]), wanted)?.then_some(found))
            }
            false => self.up_from_the_least(&rows, wanted, &bounds),
        }
    }

    /// From the least up: what begins first is among what has ended up to a day after as many as a page has, and what covers more.
    fn up_from_the_least(
        &mut self,
        rows: &Rows<'_>,
        wanted: &PageRequest<'_>,
        bounds: &Bounds,
    ) -> Result<Option<Sql>, StoreError> {
        let first = rows.ending("d.dated", wanted, bounds).sql(" ORDER BY d.dated, d.resource DESC LIMIT +");
        let Some(ended) = self.last_of(first.bind(one_more(wanted)), wanted)? else { return Ok(None) };
        // What has no end covers more.
        let narrow = Bounds { upto: Some((ended + DAY).min(f64::MAX)), ..*bounds };
        let wide = Bounds { upto: Some(ended), ..*bounds };
        let found = united(vec![rows.ending("d.low", wanted, &narrow), rows.wide(wanted, &wide)]);
        Ok(Some(found.sql(" ORDER BY s0 ASC NULLS LAST, k LIMIT +").bind(one_more(wanted))))
    }

    /// The end of the last row that is looked at; none where there are no more than are.
    fn end_of_rows(
        &mut self,
        rows: &Rows<'_>,
        reached: Option<f64>,
        descending: bool,
    ) -> Result<Option<f64>, StoreError> {
        let sql = Sql::new("SELECT d.dated FROM entry d WHERE d.dated IS NOT NULL")
            .append(rows.own())
            .append(Bounds { reached, upto: None }.within(descending))
            .sql(if descending { " ORDER BY d.dated DESC" } else { " ORDER BY d.dated" })
            .sql(" LIMIT 1 OFFSET +")
            .bind(LOOKED_AT);
        Ok(self.rows_of_any_shape::<(Double,), (f64,)>(sql)?.first().map(|row| row.0))
    }
}

#[cfg(test)]
mod tests;
