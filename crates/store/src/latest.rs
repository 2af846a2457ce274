//! The latest of a record: "her ten newest readings of this code" without looking at the others.
//!
//! The rows of some parameters ([`is_asked_by_date`]), and those that say whose record a resource is part of, bear its
//! clinical date in `dated`: the end of the latest, or minus infinity where there is none. An index has them in
//! the order of a search that sorts by that date from the newest down: `entry_latest` on PostgreSQL, and `entry_key`, the index of
//! all keys, on the embedded database. So such a search reads them in that order and stops when its page is full, however
//! long the record is. From the oldest up it is read by the same index and a few more
//! rows (`earliest`); by its last update, by an index of the resources themselves (`updated`); by any other date, and by a
//! number, by the rows of that (`other`).

mod earliest;
mod other;
mod updated;

use concord_fhir::index::{Entries, Entry, ParameterId};
use concord_fhir::predicate::{Comparison, Predicate, Test};
use concord_fhir::registry::{ResourceType, clinical_date, combined, is_asked_by_date, patient_named};
use concord_fhir::search::{Sort, SortBy};

use crate::error::StoreError;
use crate::lower::{RECORD, Rows, parts_of, same_test, successor};
use crate::search::{PageRequest, Position, PositionValue, TypeQuery};
use crate::statement::Sql;
use crate::transaction::Transaction;

/// How many keys a search may ask for to be read in this way: each is read for itself.
const MOST_KEYS: usize = 8;

/// What stands in `dated` of the rows of a resource that are read by its date; none for a type without a clinical date.
pub(crate) fn dated(resource_type: ResourceType, entries: &Entries) -> Option<f64> {
    let date = clinical_date(resource_type)?;
    let ends = entries.rows.iter().filter(|row| row.parameter == date).filter_map(|row| row.high);
    Some(ends.fold(f64::NEG_INFINITY, f64::max))
}

/// What stands in `dated` of one row of a resource, whose own date [`dated`] has: that, where the resource is asked for by this row
/// in the order of its dates; its own end, where it is a date or a number itself, and not the one that others bear.
pub(crate) fn dated_row(resource_type: ResourceType, entry: &Entry, dated: Option<f64>) -> Option<f64> {
    if is_asked_by_date(entry.parameter) {
        return dated;
    }
    let own = entry.key.is_empty() && clinical_date(resource_type) != Some(entry.parameter);
    entry.high.filter(|_| own)
}

/// The rows that lead to the candidates: those of one parameter with one key.
type Row = (ParameterId, String);

/// Which rows lead to the candidates, and in the place of which part of the predicate.
struct Leading {
    part: Option<usize>,
    rows: Vec<Row>,
}

/// How resources of one type in one record are read in the order of their clinical dates.
struct Way<'q> {
    query: &'q TypeQuery,
    date: ParameterId,
    record: i64,
    leading: Leading,
    /// What else is asked of them than what leads to them.
    condition: Sql,
}

impl Way<'_> {
    /// What follows `FROM` to read those that a row leads to, but for the condition.
    fn led_by(&self, row: &Row) -> Sql {
        Sql::new("entry d CROSS JOIN resource r WHERE r.rid = d.resource AND ").append(self.leads(row))
    }

    /// What is asked of a row itself.
    fn leads(&self, (parameter, key): &Row) -> Sql {
        Sql::new("d.dated IS NOT NULL AND d.key <> ''")
            .sql(" AND d.parameter = ")
            .bind(parameter.0)
            .sql(" AND d.key = ")
            .bind(key.as_str())
            .sql(" AND d.patient = ")
            .bind(self.record)
            .append(not_too_old(self.date, &self.query.predicate))
    }

    /// The newest of them, after a position.
    fn newest(&self, row: &Row, wanted: &PageRequest<'_>) -> Sql {
        Sql::new("SELECT d.resource AS k, d.dated AS s0 FROM ")
            .append(self.led_by(row))
            .append(older(wanted.after))
            .sql(" AND ")
            .append(self.condition.clone())
            .sql(" ORDER BY d.dated DESC, d.resource LIMIT +")
            .bind(one_more(wanted))
    }
}

/// One more than a page has: whether there is a next one.
fn one_more(wanted: &PageRequest<'_>) -> i64 {
    i64::from(wanted.limit) + 1
}

/// All that is read in one of several ways; what is read in more than one is there once.
fn united(reads: Vec<Sql>) -> Sql {
    let mut all = Sql::new("SELECT k, s0 FROM (");
    for (place, one) in reads.into_iter().enumerate() {
        all = all.sql(if place == 0 { "SELECT * FROM (" } else { " UNION SELECT * FROM (" });
        all = all.append(one).sql(format!(") d{place}"));
    }
    all.sql(") united")
}

impl Transaction<'_> {
    /// What stands for the candidates of a page where they can be read in its order: their keys `k` and what they are sorted
    /// by, `s0`, no more than the page needs. None where they cannot.
    pub(crate) fn in_order(&mut self, wanted: &PageRequest<'_>) -> Result<Option<Sql>, StoreError> {
        let [Sort { by, descending }] = *wanted.sort else { return Ok(None) };
        if by == SortBy::Updated {
            return self.by_update(wanted, descending);
        }
        if let SortBy::Range(parameter) = by
            && wanted.queries.iter().all(|query| clinical_date(query.resource_type) != Some(parameter))
        {
            return self.by_own_rows(wanted, parameter, descending);
        }
        let mut ways = Vec::new();
        for query in wanted.queries {
            let date = clinical_date(query.resource_type);
            let (Some(date), true) = (date, by == SortBy::ClinicalDate || date.map(SortBy::Range) == Some(by)) else {
                return Ok(None);
            };
            let Some(way) = self.way(query, date)? else { return Ok(None) };
            ways.push(way);
        }
        // Where nobody has any of the keys that are asked for, there are no rows to read.
        match (ways.iter().any(|way| !way.leading.rows.is_empty()), descending) {
            (false, _) => Ok(None),
            (true, true) => Ok(Some(latest(&ways, wanted))),
            (true, false) => self.earliest(&ways, wanted).map(Some),
        }
    }

    /// How those of one type are read in their order.
    fn way<'q>(&mut self, query: &'q TypeQuery, date: ParameterId) -> Result<Option<Way<'q>>, StoreError> {
        let Some(id) = query.record.as_deref() else { return Ok(None) };
        let Some(record) = self.compartment_key(id)? else { return Ok(None) };
        let Some(leading) = self.leading(query, id, record)? else { return Ok(None) };
        let condition = self.candidate(query, record, leading.part)?;
        Ok(Some(Way { query, date, record, leading, condition }))
    }

    /// What is asked of a candidate in one record, but for the part of the predicate that leads to it.
    fn candidate(&mut self, query: &TypeQuery, record: i64, part: Option<usize>) -> Result<Sql, StoreError> {
        self.lowered(Rows::Current, &query.predicate, |lowering| {
            lowering.search_among(query.resource_type, record, &query.predicate, part)
        })
    }

    /// What leads to the candidates; none where other rows do.
    fn leading(&mut self, query: &TypeQuery, id: &str, record: i64) -> Result<Option<Leading>, StoreError> {
        let all_of_type = || Some(Leading { part: None, rows: vec![(RECORD, query.resource_type.name().to_owned())] });
        let driver =
            self.lowered(Rows::Current, &query.predicate, |lowering| lowering.driver(&query.predicate, &[record]))?;
        let Some(place) = driver else { return Ok(all_of_type()) };
        let Some(part) = parts_of(&query.predicate).get(place) else { return Ok(None) };
        let (parameters, test) = match part {
            Predicate::Entry(_, Test::Is(key)) if patient_named(key) == Some(id) => return Ok(all_of_type()),
            Predicate::Entry(parameter, test) => (vec![*parameter], test),
            Predicate::Or(parts) => match same_test(parts) {
                Some((_, Test::Is(key))) if patient_named(key) == Some(id) => return Ok(all_of_type()),
                Some(same) => same,
                None => return Ok(None),
            },
            _ => return Ok(None),
        };
        let own = |one: &ParameterId| combined(*one).map_or_else(|| vec![*one], <[ParameterId]>::to_vec);
        let parameters: Vec<ParameterId> = parameters.iter().flat_map(own).collect();
        if !parameters.iter().all(|one| is_asked_by_date(*one)) {
            return Ok(None);
        }
        let mut rows = Vec::new();
        for parameter in parameters {
            let Some(keys) = self.keys_that_meet(parameter, test)? else { return Ok(None) };
            rows.extend(keys.into_iter().map(|key| (parameter, key)));
        }
        rows.sort_unstable();
        rows.dedup();
        Ok((rows.len() <= MOST_KEYS).then_some(Leading { part: Some(place), rows }))
    }

    /// The keys that meet a test, if it is one of few.
    fn keys_that_meet(&mut self, parameter: ParameterId, test: &Test) -> Result<Option<Vec<String>>, StoreError> {
        Ok(match test {
            Test::Is(key) => Some(vec![key.clone()]),
            Test::OneOf(keys) => Some(keys.clone()),
            Test::Starts(start) => self.keys_that_start(parameter, start)?,
            Test::Either(tests) => {
                let mut all = Vec::new();
                for test in tests.iter() {
                    let Some(keys) = self.keys_that_meet(parameter, test)? else { return Ok(None) };
                    all.extend(keys);
                }
                Some(all)
            }
            _ => None,
        })
    }

    /// The keys with that start, in whichever record: a code of any system has few.
    fn keys_that_start(&mut self, parameter: ParameterId, start: &str) -> Result<Option<Vec<String>>, StoreError> {
        let Some(end) = successor(start) else { return Ok(None) };
        let next = |from: Sql| {
            Sql::new("SELECT min(e.key) FROM entry e WHERE e.key <> '' AND e.parameter = ")
                .bind(parameter.0)
                .sql(" AND e.key < ")
                .bind(end.as_str())
                .sql(" AND e.key ")
                .append(from)
        };
        let sql = Sql::new("WITH RECURSIVE k(key) AS (")
            .append(next(Sql::new(">= ").bind(start)))
            .sql(" UNION ALL SELECT (")
            .append(next(Sql::new("> k.key")))
            .sql(") FROM k WHERE k.key IS NOT NULL) SELECT k.key FROM k WHERE k.key IS NOT NULL LIMIT +")
            .bind(i64::try_from(MOST_KEYS).unwrap_or(i64::MAX) + 1);
        let keys = self.texts(sql)?;
        Ok((keys.len() <= MOST_KEYS).then_some(keys))
    }
}

/// The candidates of a page, from the newest down.
fn latest(ways: &[Way<'_>], wanted: &PageRequest<'_>) -> Sql {
    let of_way = |way: &Way<'_>| way.leading.rows.iter().map(|row| way.newest(row, wanted)).collect::<Vec<Sql>>();
    let mut reads: Vec<Sql> = ways.iter().flat_map(of_way).collect();
    match (reads.pop(), reads.is_empty()) {
        (Some(only), true) => only,
        (last, _) => {
            reads.extend(last);
            united(reads).sql(" ORDER BY s0 DESC, k LIMIT +").bind(one_more(wanted))
        }
    }
}

/// Of the rows that lead, those whose resources are not too old for what is asked.
fn not_too_old(by: ParameterId, predicate: &Predicate) -> Sql {
    let mut sql = Sql::new("");
    for least in parts_of(predicate).iter().filter_map(|part| match part {
        Predicate::Entry(parameter, test) if *parameter == by => least(test),
        _ => None,
    }) {
        sql = sql.sql(" AND d.dated >= ").bind(least);
    }
    sql
}

/// Of the rows that lead, those that come after a position, from the newest down.
fn older(after: Option<&Position>) -> Sql {
    let Some(after) = after else { return Sql::new("") };
    let reached = match after.values.first() {
        Some(PositionValue::Number(reached)) => *reached,
        _ => f64::NEG_INFINITY,
    };
    Sql::new(" AND d.dated <= ")
        .bind(reached)
        .sql(" AND (d.dated < ")
        .bind(reached)
        .sql(" OR d.resource > ")
        .bind(after.key)
        .sql(")")
}

/// Where no range that ends earlier meets a test; none if it does not say.
fn least(test: &Test) -> Option<f64> {
    match test {
        Test::High(Comparison::AtLeast | Comparison::Greater, bound) => Some(*bound),
        // A range that begins there ends no earlier.
        Test::Low(Comparison::AtLeast | Comparison::Greater, bound) => Some(*bound),
        Test::Every(tests) => tests.iter().filter_map(least).reduce(f64::max),
        Test::Either(tests) => {
            let each: Option<Vec<f64>> = tests.iter().map(least).collect();
            each?.into_iter().reduce(f64::min)
        }
        _ => None,
    }
}
