//! A page of a search, in one statement: what is asked for AND what is permitted, then the order, then the limit.

use std::collections::HashSet;

use concord_fhir::index::ParameterId;
use concord_fhir::predicate::{Predicate, Test};
use concord_fhir::registry::{ResourceType, clinical_dates, parameter_by_id};
use concord_fhir::search::{Sort, SortBy};
use diesel::sql_types::{BigInt, Double, Nullable, SmallInt, Text};

use crate::alike::{Alike, alike};
use crate::error::StoreError;
use crate::lower::{RECORD, Rows, of_parameters, parts_of};
use crate::rows::Version;
use crate::statement::{Bind, Sql};
use crate::transaction::Transaction;
use crate::transaction::bodies::{Holding, ReadVersions, Reading};
pub use crate::type_query::TypeQuery;

/// The place of a resource in a sorted answer: one value for each sort key, and the resource's key.
#[derive(Clone, Debug, PartialEq)]
pub struct Position {
    /// The values, in the order of the sort keys.
    pub values: Vec<PositionValue>,
    /// The resource's key, which breaks ties.
    pub key: i64,
}

/// One value of a position.
#[derive(Clone, Debug, PartialEq)]
pub enum PositionValue {
    /// The resource has no value.
    Missing,
    /// A number.
    Number(f64),
    /// A text.
    Text(String),
}

/// A search as the store runs it.
pub struct PageRequest<'a> {
    /// What is searched for, type by type.
    pub queries: &'a [TypeQuery],
    /// The order; the resource's key comes after these.
    pub sort: &'a [Sort],
    /// Only what comes after this.
    pub after: Option<&'a Position>,
    /// How many at most.
    pub limit: u32,
}

/// A page as it was found.
#[derive(Debug)]
pub struct FoundPage {
    /// The matches, in order.
    pub versions: Vec<Version>,
    /// The position of the last one, if there are more.
    pub next: Option<Position>,
    /// The first of those, without what it says.
    pub beyond: Option<Version>,
    /// The keys of those for which what was asked besides does not hold.
    pub others: HashSet<i64>,
}

/// The value of a resource `r` that it is sorted by, null if it has none.
pub(crate) fn sorted_value(sort: Sort) -> Sql {
    let (parameters, is_range) = match sort.by {
        SortBy::Updated => return Sql::new("r.updated"),
        SortBy::Id => return Sql::new("r.id"),
        SortBy::Range(parameter) => (vec![parameter], true),
        SortBy::Key(parameter) => (vec![parameter], false),
        // Of a resource there are those of its own type alone.
        SortBy::ClinicalDate => (clinical_dates().map(|(_, date)| date).collect(), true),
    };
    let direct = match (is_range, sort.descending) {
        (true, true) => "max(e.high)",
        (true, false) => "min(e.low)",
        (false, true) => "max(e.key)",
        (false, false) => "min(e.key)",
    };
    Sql::new("(SELECT ")
        .sql(direct)
        .sql(" FROM entry e WHERE e.resource = r.rid AND ")
        .append(of_parameters("e.parameter", &parameters))
        .sql(")")
}

impl Transaction<'_> {
    /// A page of current versions, and the position of the last one if there are more. It takes of the room for bodies.
    ///
    /// # Errors
    /// [`StoreError::BeyondAnswer`] when it holds more bytes of bodies than there is room for.
    pub fn page(&mut self, wanted: &PageRequest<'_>) -> Result<(Vec<Version>, Option<Position>), StoreError> {
        let page = self.page_for(wanted, Holding::Answer, &[])?;
        self.take_bodies(page.versions.iter())?;
        Ok((page.versions, page.next))
    }

    /// The same, and of which of them a predicate does not hold that leaves none out: that of their type, if it has one.
    ///
    /// # Errors
    /// Those of [`Transaction::page`].
    pub fn page_and(
        &mut self,
        wanted: &PageRequest<'_>,
        besides: &[(ResourceType, Predicate)],
    ) -> Result<FoundPage, StoreError> {
        let page = self.page_for(wanted, Holding::Answer, besides)?;
        self.take_bodies(page.versions.iter())?;
        Ok(page)
    }

    /// The same to be looked through and let go: it ends after some megabytes of bodies, and takes nothing of the room for those
    /// that an answer holds.
    pub fn piece(&mut self, wanted: &PageRequest<'_>) -> Result<(Vec<Version>, Option<Position>), StoreError> {
        let page = self.page_for(wanted, Holding::Nothing, &[])?;
        Ok((page.versions, page.next))
    }

    fn page_for(
        &mut self,
        wanted: &PageRequest<'_>,
        holding: Holding,
        besides: &[(ResourceType, Predicate)],
    ) -> Result<FoundPage, StoreError> {
        if wanted.queries.iter().any(is_short_for_any_values) {
            self.plan_once()?;
        }
        let from = self.paged(wanted)?;
        let limit = usize::try_from(wanted.limit).unwrap_or(usize::MAX);
        let besides = match besides {
            [] => None,
            besides => Some(self.besides(wanted, besides)?),
        };
        let reading = Reading { rows: Rows::Current, from, shown: limit, holding, is_known: &|_| false, besides };
        let ReadVersions { mut versions, beyond, others } = self.read_bodies(reading)?;
        if beyond.is_some() && holding == Holding::Answer {
            return Err(self.exceed_bodies());
        }
        if versions.len() <= limit && beyond.is_none() {
            return Ok(FoundPage { versions, next: None, beyond: None, others });
        }
        let first_beyond = versions.get(limit).map(Version::without_body);
        versions.truncate(beyond.unwrap_or(limit));
        let next = match versions.last() {
            Some(last) => Some(self.position(last.key, wanted.sort)?),
            None => None,
        };
        Ok(FoundPage { versions, next, beyond: first_beyond, others })
    }

    /// What holds of a row `r` of a page for which that holds which is asked besides of its type.
    fn besides(&mut self, wanted: &PageRequest<'_>, besides: &[(ResourceType, Predicate)]) -> Result<Sql, StoreError> {
        let mut all = Sql::new("1 = 1");
        for (one, predicate) in besides {
            let of_type = |query: &&TypeQuery| query.resource_type == *one;
            let holds = match wanted.queries.iter().find(of_type) {
                // What led to the page leads to these as well: looked for from each row, it would go through all that refer to it.
                Some(query) if self.is_led_by_a_chain(query)? => {
                    self.lowered(Rows::Current, predicate, |lowering| lowering.led_condition(&[*one], predicate))?
                }
                _ => self.lowered(Rows::Current, predicate, |lowering| lowering.condition(predicate))?,
            };
            all = all.sql(" AND (r.type <> ").bind(one.number()).sql(" OR ").append(holds).sql(")");
        }
        Ok(all)
    }

    /// Whether it is a chain that leads to what is searched for.
    fn is_led_by_a_chain(&mut self, query: &TypeQuery) -> Result<bool, StoreError> {
        if query.record.is_some() {
            return Ok(false);
        }
        self.lowered(Rows::Current, &query.predicate, |lowering| {
            lowering.leading(&query.predicate).is_some_and(Predicate::has_chains)
        })
    }

    /// What follows `FROM` in the statement of a page: one row more than its limit.
    pub(crate) fn paged(&mut self, wanted: &PageRequest<'_>) -> Result<Sql, StoreError> {
        let order = order(wanted.sort);
        if let Some(candidates) = self.in_order(wanted)? {
            return Ok(Sql::new("(").append(candidates).sql(") t JOIN resource r ON r.rid = t.k ORDER BY ").sql(order));
        }
        let mut condition = self.condition(wanted)?;
        if let Some(after) = wanted.after {
            condition = condition.sql(" AND ").append(beyond(wanted.sort, after));
        }
        // The page is chosen by keys alone, so that only the bodies that are sent are read; the sort values are computed
        // once for each candidate.
        let mut inner = Sql::new("(SELECT r.rid AS k");
        for (place, key) in wanted.sort.iter().enumerate() {
            inner = inner.sql(", ").append(sorted_value(*key)).sql(format!(" AS s{place}"));
        }
        let more = i64::from(wanted.limit) + 1;
        Ok(inner
            .sql(" FROM resource r WHERE ")
            .append(condition)
            .sql(format!(" ORDER BY {order} LIMIT +"))
            .bind(more)
            .sql(") t JOIN resource r ON r.rid = t.k ORDER BY ")
            .sql(order))
    }

    /// How many current versions match, at whatever place.
    pub fn total(&mut self, wanted: &PageRequest<'_>) -> Result<i64, StoreError> {
        let sql = Sql::new("SELECT count(*) FROM resource r WHERE ").append(self.condition(wanted)?);
        Ok(self.rows_of_any_shape::<(BigInt,), (i64,)>(sql)?.first().map_or(0, |row| row.0))
    }

    /// The patients in whose records current versions that match are, each with the types of those, at most one more than the limit.
    ///
    /// # Errors
    /// When the database fails.
    pub fn patients_among(&mut self, wanted: &PageRequest<'_>) -> Result<Vec<(i64, ResourceType)>, StoreError> {
        let sql = Sql::new(
            // SQLite keeps to that order: whose each is is looked up when it has been found.
            "SELECT DISTINCT p.patient, r.type FROM resource r CROSS JOIN entry p \
             WHERE p.resource = r.rid AND p.patient <> 0 AND p.parameter = ",
        )
        .bind(RECORD.0)
        .sql(" AND ")
        .append(self.condition(wanted)?)
        .sql(" LIMIT +")
        .bind(i64::from(wanted.limit) + 1);
        let found = self.rows_of_any_shape::<(BigInt, SmallInt), (i64, i16)>(sql)?;
        Ok(found.into_iter().filter_map(|(key, of)| Some((key, ResourceType::from_number(of)?))).collect())
    }

    /// The logical ids of those that are searched for, of one type, in no order; at most `limit`.
    ///
    /// # Errors
    /// When the database fails.
    pub fn ids(&mut self, query: &TypeQuery, limit: usize) -> Result<Vec<String>, StoreError> {
        let sql = Sql::new("SELECT r.id FROM resource r WHERE ")
            .append(self.condition_among(&Alike::of(query))?)
            .sql(" LIMIT +")
            .bind(i64::try_from(limit).unwrap_or(i64::MAX));
        self.texts(sql)
    }

    /// The keys, each once, that the resources which are searched for have for a parameter; at most `limit`.
    pub fn keys(&mut self, query: &TypeQuery, parameter: ParameterId, limit: usize) -> Result<Vec<String>, StoreError> {
        let sql =
            Sql::new("SELECT DISTINCT k.key FROM resource r JOIN entry k ON k.resource = r.rid AND k.parameter = ")
                .bind(parameter.0)
                .sql(" WHERE k.key <> '' AND ")
                .append(self.condition_among(&Alike::of(query))?)
                .sql(" ORDER BY k.key LIMIT +")
                .bind(i64::try_from(limit).unwrap_or(i64::MAX));
        self.texts(sql)
    }

    /// The condition on `r`. Types of which alike is asked are searched together; the others each by its own way.
    fn condition(&mut self, wanted: &PageRequest<'_>) -> Result<Sql, StoreError> {
        let all = alike(wanted.queries);
        if let [single] = all.as_slice() {
            return self.condition_among(single);
        }
        let mut any = Sql::new("r.rid IN (");
        for (place, query) in all.iter().enumerate() {
            any.push_sql(if place == 0 {
                "SELECT r.rid FROM resource r WHERE "
            } else {
                " UNION ALL SELECT r.rid FROM resource r WHERE "
            });
            any = any.append(self.condition_among(query)?);
        }
        if all.is_empty() {
            return Ok(Sql::new("1 = 0"));
        }
        Ok(any.sql(")"))
    }

    fn condition_among(&mut self, query: &Alike<'_>) -> Result<Sql, StoreError> {
        let record = match query.record {
            None => None,
            Some(id) => match self.compartment_key(id)? {
                Some(key) => Some(key),
                // No resource is part of a record that nothing has ever named.
                None => return Ok(Sql::new("1 = 0")),
            },
        };
        self.lowered(Rows::Current, &query.predicate, |lowering| {
            lowering.search(&query.types, record, &query.predicate)
        })
    }

    fn position(&mut self, key: i64, sort: &[Sort]) -> Result<Position, StoreError> {
        let mut values = Vec::with_capacity(sort.len());
        for sort_key in sort {
            let sql =
                Sql::new("SELECT ").append(sorted_value(*sort_key)).sql(" FROM resource r WHERE r.rid = ").bind(key);
            let value = match sort_key.by {
                SortBy::Updated => {
                    let rows = self.rows::<(BigInt,), (i64,)>(sql)?;
                    #[expect(
                        clippy::cast_precision_loss,
                        reason = "milliseconds are exact in a double for 285,000 years"
                    )]
                    rows.first().map_or(PositionValue::Missing, |row| PositionValue::Number(row.0 as f64))
                }
                SortBy::Range(_) | SortBy::ClinicalDate => {
                    let rows = self.rows::<(Nullable<Double>,), (Option<f64>,)>(sql)?;
                    rows.first().and_then(|row| row.0).map_or(PositionValue::Missing, PositionValue::Number)
                }
                SortBy::Id | SortBy::Key(_) => {
                    let rows = self.rows::<(Nullable<Text>,), (Option<String>,)>(sql)?;
                    rows.into_iter().next().and_then(|row| row.0).map_or(PositionValue::Missing, PositionValue::Text)
                }
            };
            values.push(value);
        }
        Ok(Position { values, key })
    }
}

/// Whether a search over all records is short by the same way whatever its values are, so that to plan it takes longer than to run it:
/// by an identifier, which few have, or by what others say.
fn is_short_for_any_values(query: &TypeQuery) -> bool {
    let is_identifier = |part: &Predicate| match part {
        Predicate::Entry(parameter, Test::Is(_)) => {
            parameter_by_id(*parameter).is_some_and(|one| &*one.code == "identifier")
        }
        _ => false,
    };
    query.record.is_none() && (query.predicate.has_chains() || parts_of(&query.predicate).iter().any(is_identifier))
}

/// The order of candidates `k` by their values, `s0` and so on.
fn order(sort: &[Sort]) -> String {
    let mut order = String::new();
    for (place, key) in sort.iter().enumerate() {
        let direction = if key.descending { "DESC" } else { "ASC" };
        let missing = if key.may_be_missing() { " NULLS LAST" } else { "" };
        order.push_str(&format!("s{place} {direction}{missing}, "));
    }
    order.push_str("k ASC");
    order
}

/// The condition that a resource comes after a position: later in one key and equal in all before it, or equal in all
/// and with a greater resource key.
pub(crate) fn beyond(sort: &[Sort], after: &Position) -> Sql {
    let mut all = Sql::new("(");
    for place in 0..=sort.len() {
        if place > 0 {
            all.push_sql(" OR ");
        }
        all.push_sql("(");
        for (key, value) in sort.iter().zip(&after.values).take(place) {
            all = match bound(*key, value) {
                Some(bind) => all.append(sorted_value(*key)).sql(" = ").bind(bind),
                None => all.append(sorted_value(*key)).sql(" IS NULL"),
            }
            .sql(" AND ");
        }
        all = match (sort.get(place), after.values.get(place)) {
            (Some(key), Some(value)) => match bound(*key, value) {
                Some(bind) => {
                    let later = if key.descending { " < " } else { " > " };
                    let beyond = Sql::new("(").append(sorted_value(*key)).sql(later).bind(bind);
                    let beyond = if key.may_be_missing() {
                        beyond.sql(" OR ").append(sorted_value(*key)).sql(" IS NULL")
                    } else {
                        beyond
                    };
                    all.append(beyond.sql(")"))
                }
                // Nothing comes after the missing ones.
                None => all.sql("1 = 0"),
            },
            _ => all.sql("r.rid > ").bind(after.key),
        };
        all.push_sql(")");
    }
    all.sql(")")
}

/// The value as the column's type; none for a missing one.
fn bound(key: Sort, value: &PositionValue) -> Option<Bind> {
    match (key.by, value) {
        (_, PositionValue::Missing) => None,
        #[expect(clippy::cast_possible_truncation, reason = "it was made from whole milliseconds")]
        (SortBy::Updated, PositionValue::Number(number)) => Some(Bind::Big(*number as i64)),
        (_, PositionValue::Number(number)) => Some(Bind::Double(Some(*number))),
        (_, PositionValue::Text(text)) => Some(Bind::Text(text.clone())),
    }
}
