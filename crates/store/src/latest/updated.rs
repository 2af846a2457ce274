//! What a record has newly, in the order of its last updates.
//!
//! An index of the resources has those of a patient and type in that order. A page is looked for among the first [`LOOKED_AT`] of
//! them, and if it is not full then, what is asked for is rare: it is found by that, and sorted.

use concord_fhir::search::{Sort, SortBy};
use diesel::sql_types::BigInt;

use super::{one_more, united};
use crate::error::StoreError;
use crate::lower::RECORD;
use crate::search::{PageRequest, PositionValue, TypeQuery, beyond};
use crate::statement::Sql;
use crate::transaction::Transaction;

/// How many resources of a type are looked at in the order of their updates, or of another date.
pub(super) const LOOKED_AT: i64 = 500;

/// How many types may be read so, each for itself.
const MOST_TYPES: usize = 8;

/// Resources of one type in one record.
struct Part<'q> {
    query: &'q TypeQuery,
    record: i64,
    condition: Sql,
}

/// In which order, and where a page begins and the looking ends.
struct Order<'a> {
    wanted: &'a PageRequest<'a>,
    descending: bool,
    upto: Option<i64>,
}

impl Order<'_> {
    fn direction(&self) -> &'static str {
        if self.descending { " DESC" } else { " ASC" }
    }

    /// The time of update of the last that has been told.
    fn reached(&self) -> Option<i64> {
        match self.wanted.after?.values.first() {
            #[expect(clippy::cast_possible_truncation, reason = "it was made from whole milliseconds")]
            Some(PositionValue::Number(reached)) => Some(*reached as i64),
            _ => None,
        }
    }

    /// ` AND ` that a resource comes after a position, and not after where the looking ends.
    fn between(&self) -> Sql {
        let mut sql = Sql::new("");
        let (before, beyond_it) = if self.descending { (" <= ", " >= ") } else { (" >= ", " <= ") };
        for (operator, bound) in [(before, self.reached()), (beyond_it, self.upto)] {
            if let Some(bound) = bound {
                sql = sql.sql(" AND r.updated").sql(operator).bind(bound);
            }
        }
        match self.wanted.after {
            Some(after) => {
                let key = Sort { by: SortBy::Updated, descending: self.descending };
                sql.sql(" AND ").append(beyond(&[key], after))
            }
            None => sql,
        }
    }
}

impl Part<'_> {
    /// What follows `FROM` to read those whose first patient it is.
    fn own(&self) -> Sql {
        Sql::new("resource r WHERE r.patient = ")
            .bind(self.record)
            .sql(" AND r.type = ")
            .bind(self.query.resource_type.number())
    }

    /// The same for those that are in several records, of which this is not the first: an index of their own has them, and
    /// they are few. PostgreSQL takes them for many, and would go through all resources to look whether each is one.
    fn joint(&self, postgres: bool) -> Sql {
        let rows = Sql::new("(SELECT e.resource FROM entry e WHERE e.position > 0 AND e.parameter = ")
            .sql(RECORD.0.to_string())
            .sql(" AND e.key = ")
            .bind(self.query.resource_type.name())
            .sql(" AND e.patient = ")
            .bind(self.record);
        match postgres {
            true => rows.sql(
                " OFFSET 0) j CROSS JOIN LATERAL (SELECT x.* FROM resource x WHERE x.rid = j.resource OFFSET 0) r WHERE 1 = 1",
            ),
            false => rows.sql(") j CROSS JOIN resource r WHERE r.rid = j.resource"),
        }
    }

    /// Those that may be on the page.
    fn reads(&self, order: &Order<'_>, postgres: bool) -> [Sql; 2] {
        let meet = |from: Sql| {
            let sql = Sql::new("SELECT r.rid AS k, r.updated AS s0 FROM ").append(from).append(order.between());
            sql.sql(" AND ").append(self.condition.clone())
        };
        let own = meet(self.own()).sql(" ORDER BY r.updated").sql(order.direction()).sql(", r.rid LIMIT +");
        [own.bind(one_more(order.wanted)), meet(self.joint(postgres))]
    }
}

impl Transaction<'_> {
    /// The candidates of a page in the order of their updates; none where what is asked for is better found otherwise.
    pub(super) fn by_update(&mut self, wanted: &PageRequest<'_>, descending: bool) -> Result<Option<Sql>, StoreError> {
        if wanted.queries.is_empty() || wanted.queries.len() > MOST_TYPES {
            return Ok(None);
        }
        let mut parts = Vec::new();
        for query in wanted.queries {
            let Some(id) = query.record.as_deref() else { return Ok(None) };
            let Some(record) = self.compartment_key(id)? else { return Ok(None) };
            // What one or few have, such as an identifier, is found by that.
            if self.leading(query, id, record)?.is_none() {
                return Ok(None);
            }
            let condition = self.candidate(query, record, None)?;
            parts.push(Part { query, record, condition });
        }
        let mut order = Order { wanted, descending, upto: None };
        for part in &parts {
            if let Some(upto) = self.end_of_looking(part, &order)? {
                order.upto =
                    Some(order.upto.map_or(upto, |one| if descending { one.max(upto) } else { one.min(upto) }));
            }
        }
        let postgres = self.is_postgres();
        let found = united(parts.iter().flat_map(|part| part.reads(&order, postgres)).collect());
        if order.upto.is_some() && !self.fills(found.clone(), wanted)? {
            return Ok(None);
        }
        Ok(Some(found.sql(format!(" ORDER BY s0{}, k LIMIT +", order.direction())).bind(one_more(wanted))))
    }

    /// The update of the last that is looked at; none where there are no more than are.
    fn end_of_looking(&mut self, part: &Part<'_>, order: &Order<'_>) -> Result<Option<i64>, StoreError> {
        let sql = Sql::new("SELECT r.updated FROM ").append(part.own());
        let sql = match order.reached() {
            Some(reached) => {
                sql.sql(if order.descending { " AND r.updated <= " } else { " AND r.updated >= " }).bind(reached)
            }
            None => sql,
        };
        let sql = sql.sql(" ORDER BY r.updated").sql(order.direction()).sql(" LIMIT 1 OFFSET +").bind(LOOKED_AT);
        Ok(self.numbers(sql)?.first().copied())
    }

    /// Whether there are as many as a page has, and one more.
    pub(super) fn fills(&mut self, found: Sql, wanted: &PageRequest<'_>) -> Result<bool, StoreError> {
        let sql = Sql::new("SELECT count(*) FROM (").append(found).sql(" LIMIT +").bind(one_more(wanted)).sql(") f");
        let count = self.rows_of_any_shape::<(BigInt,), (i64,)>(sql)?.first().map_or(0, |row| row.0);
        Ok(count >= one_more(wanted))
    }
}
