//! The earliest of a record, in the order of when they began.
//!
//! The index has them in the order of when they ended. What covers no more than a day ended within a day after it began, so
//! that a page of what began first is among what ended up to a day after as many as a page has had ended. What covers more is
//! rare, and has an index of its own (`entry_wide`).

use concord_fhir::predicate::Predicate;
use concord_fhir::search::{Sort, SortBy};
use diesel::sql_types::Double;

use super::{Row, Way, one_more, united};
use crate::error::StoreError;
use crate::lower::parts_of;
use crate::search::{PageRequest, Position, PositionValue, beyond, sorted_value};
use crate::statement::Sql;
use crate::transaction::Transaction;

/// A day, in milliseconds.
pub(super) const DAY: f64 = 86_400_000.0;

/// Of a date's rows, those that cover more than a day: what the index of them has, word by word.
const WIDE: &str = "w.high > w.low + 86400000";

/// Where the page before has ended.
#[derive(Clone, Copy)]
enum Reached {
    /// Nowhere yet, or at one that began then.
    Dated(Option<f64>),
    /// At one without a date.
    Undated,
}

impl Reached {
    fn of(after: Option<&Position>) -> Reached {
        match after.map(|after| after.values.first()) {
            None => Reached::Dated(None),
            Some(Some(PositionValue::Number(began))) => Reached::Dated(Some(*began)),
            Some(_) => Reached::Undated,
        }
    }
}

impl Way<'_> {
    fn began(&self) -> Sort {
        Sort { by: SortBy::Range(self.date), descending: false }
    }

    /// ` AND ` that a candidate comes after a position.
    fn after(&self, after: Option<&Position>) -> Sql {
        match after {
            Some(after) => Sql::new(" AND ").append(beyond(&[self.began()], after)),
            None => Sql::new(""),
        }
    }

    /// Whether what is asked for has a date.
    fn asks_for_a_date(&self) -> bool {
        let is_dated = |part: &Predicate| matches!(part, Predicate::Entry(parameter, _) if *parameter == self.date);
        parts_of(&self.query.predicate).iter().any(is_dated)
    }

    /// ` AND ` that a row is of something with a date that may have begun then or later.
    fn has_date(began: Option<f64>) -> Sql {
        let sql = Sql::new(" AND d.dated > ").bind(f64::NEG_INFINITY);
        // What began later ended later still.
        match began {
            Some(began) => sql.sql(" AND d.dated >= ").bind(began),
            None => sql,
        }
    }

    /// When as many as a page has and one more ended, whatever else is asked for: the index says it.
    fn ends(&self, row: &Row, wanted: &PageRequest<'_>, began: Option<f64>) -> Sql {
        Sql::new("SELECT d.resource AS k, d.dated AS s0 FROM entry d WHERE ")
            .append(self.leads(row))
            .append(Self::has_date(began))
            .sql(" ORDER BY d.dated, d.resource DESC LIMIT +")
            .bind(one_more(wanted))
    }

    /// What follows `FROM` to read those with a date that a row leads to and that come after a position.
    fn dated(&self, row: &Row, wanted: &PageRequest<'_>, began: Option<f64>) -> Sql {
        let sql = self.led_by(row).append(Self::has_date(began));
        sql.append(self.after(wanted.after)).sql(" AND ").append(self.condition.clone())
    }

    /// As many as a page has and one more, by when they ended.
    fn first_to_end(&self, row: &Row, wanted: &PageRequest<'_>, began: Option<f64>) -> Sql {
        Sql::new("SELECT d.resource AS k, d.dated AS s0 FROM ")
            .append(self.dated(row, wanted, began))
            .sql(" ORDER BY d.dated, d.resource DESC LIMIT +")
            .bind(one_more(wanted))
    }

    fn select(&self) -> Sql {
        Sql::new("SELECT r.rid AS k, ").append(sorted_value(self.began())).sql(" AS s0 FROM ")
    }

    /// Those that ended up to a time.
    fn ended(&self, row: &Row, wanted: &PageRequest<'_>, began: Option<f64>, upto: Option<f64>) -> Sql {
        let sql = self.select().append(self.dated(row, wanted, began));
        match upto {
            Some(upto) => sql.sql(" AND d.dated <= ").bind(upto),
            None => sql,
        }
    }

    /// The first of those without a date.
    fn undated(&self, row: &Row, wanted: &PageRequest<'_>) -> Sql {
        self.select()
            .append(self.led_by(row))
            .sql(" AND d.dated = ")
            .bind(f64::NEG_INFINITY)
            .append(self.after(wanted.after))
            .sql(" AND ")
            .append(self.condition.clone())
            .sql(" ORDER BY d.resource LIMIT +")
            .bind(one_more(wanted))
    }

    /// The first of those that cover more than a day; `condition` is all that is asked of them.
    fn wide(&self, condition: Sql, wanted: &PageRequest<'_>, began: Option<f64>) -> Sql {
        let sql = self
            .select()
            .sql("entry w CROSS JOIN resource r WHERE r.rid = w.resource AND w.parameter = ")
            .bind(self.date.0)
            .sql(" AND w.patient = ")
            .bind(self.record)
            .sql(" AND ")
            .sql(WIDE);
        let sql = match began {
            Some(began) => sql.sql(" AND w.low >= ").bind(began),
            None => sql,
        };
        sql.append(self.after(wanted.after))
            .sql(" AND ")
            .append(condition)
            .sql(" ORDER BY w.low, w.resource LIMIT +")
            .bind(one_more(wanted))
    }
}

impl Transaction<'_> {
    /// The candidates of a page, from the earliest up.
    pub(super) fn earliest(&mut self, ways: &[Way<'_>], wanted: &PageRequest<'_>) -> Result<Sql, StoreError> {
        let each = |read: &dyn Fn(&Way<'_>, &Row) -> Sql| -> Vec<Sql> {
            ways.iter().flat_map(|way| way.leading.rows.iter().map(move |row| read(way, row))).collect()
        };
        let undated = || each(&|way, row| way.undated(row, wanted));
        let reads = match Reached::of(wanted.after) {
            Reached::Undated => undated(),
            Reached::Dated(began) => {
                // Where all that the rows lead to has room on a page nothing has to be looked for twice.
                let mut ended = self.last_of(united(each(&|way, row| way.ends(row, wanted, began))), wanted)?;
                if ended.is_some() {
                    ended = self.last_of(united(each(&|way, row| way.first_to_end(row, wanted, began))), wanted)?;
                }
                let mut reads = each(&|way, row| way.ended(row, wanted, began, ended.map(|ended| ended + DAY)));
                match ended {
                    None if ways.iter().all(Way::asks_for_a_date) => {}
                    None => reads.extend(undated()),
                    Some(_) => {
                        for way in ways {
                            let all = self.candidate(way.query, way.record, None)?;
                            reads.push(way.wide(all, wanted, began));
                        }
                    }
                }
                reads
            }
        };
        Ok(united(reads).sql(" ORDER BY s0 ASC NULLS LAST, k LIMIT +").bind(one_more(wanted)))
    }

    /// By when as many had ended as a page has, and one more; none where there are fewer.
    pub(super) fn last_of(&mut self, first: Sql, wanted: &PageRequest<'_>) -> Result<Option<f64>, StoreError> {
        let sql = Sql::new("SELECT s0 FROM (").append(first).sql(") b ORDER BY s0 LIMIT 1 OFFSET +");
        let rows = self.rows_of_any_shape::<(Double,), (f64,)>(sql.bind(i64::from(wanted.limit)))?;
        Ok(rows.first().map(|row| row.0))
    }
}
