//! A page of the history of one resource, of a type or of everything, newest first.

use concord_fhir::predicate::Predicate;
use concord_fhir::registry::{ResourceType, may_change_record};

use crate::error::StoreError;
use crate::left_record;
use crate::lower::{RECORD, Rows};
use crate::rows::Version;
use crate::search::{Position, PositionValue};
use crate::statement::Sql;
use crate::transaction::Transaction;
use crate::transaction::bodies::{Holding, ReadVersions, Reading};

/// Of what the history is.
#[derive(Clone, Copy, Debug)]
pub enum HistoryOf {
    /// The resource with this key.
    Resource(i64),
    /// The same (first), as it was while it was in the record of the patient with the other key, which it has left.
    Left(i64, i64),
    /// All resources of a type.
    Type(ResourceType),
    /// All resources.
    System,
}

/// Which versions.
#[derive(Clone, Copy, Debug)]
pub struct HistoryRequest<'a> {
    /// Of what.
    pub of: HistoryOf,
    /// What is permitted: a version must be so as it was, and its resource as it is.
    pub permit: &'a Predicate,
    /// The only patient in whose record a resource can be, by logical id, if what is permitted says so.
    pub record: Option<&'a str>,
    /// The patient, by logical id, of whose record it tells too what has left it.
    pub left: Option<&'a str>,
    /// Made at or after this time, in milliseconds since 1970 UTC.
    pub since: Option<i64>,
    /// Current at some time between these two.
    pub at: Option<(i64, i64)>,
    /// Only what comes after this.
    pub after: Option<&'a Position>,
    /// How many at most.
    pub limit: u32,
}

/// A page of a history: the versions with the table that each is in, and the position of the last one if there are more.
pub type HistoryPage = (Vec<(Rows, Version)>, Option<Position>);

impl Transaction<'_> {
    /// A page of a history, newest first.
    ///
    /// # Errors
    /// When the database fails, or the position is none in a history; [`StoreError::BeyondAnswer`] when it holds more bytes of
    /// bodies than there is room for.
    pub fn history(&mut self, wanted: &HistoryRequest<'_>) -> Result<HistoryPage, StoreError> {
        let asked = self.history_of(wanted).append(since_and_at(wanted));
        let mut versions = Vec::new();
        let mut conditions = Vec::new();
        let limit = usize::try_from(wanted.limit).unwrap_or(usize::MAX);
        if !matches!(wanted.of, HistoryOf::Left(..)) {
            for rows in [Rows::Current, Rows::Superseded] {
                conditions.push((rows, self.permitted_in(wanted, rows)?));
            }
        }
        if let Some(left) = self.left_behind(wanted)? {
            conditions.push((Rows::Superseded, left));
        }
        for (rows, permitted) in conditions {
            let mut condition = asked.clone().sql(" AND ").append(permitted);
            if let Some(position) = wanted.after {
                condition = condition.sql(" AND ").append(beyond(position)?);
            }
            let order = [("r.updated", "DESC"), ("r.type", "DESC"), ("r.id", "DESC"), ("r.version", "DESC")];
            let from = self.sorted(rows, condition, &order, i64::from(wanted.limit) + 1);
            let reading =
                Reading { rows, from, shown: limit, holding: Holding::Answer, is_known: &|_| false, besides: None };
            let ReadVersions { versions: found, beyond, .. } = self.read_bodies(reading)?;
            let found = found.into_iter().enumerate();
            versions.extend(found.map(|(number, version)| (rows, version, beyond == Some(number))));
        }
        versions.sort_by(|(_, a, _), (_, b, _)| place(b).cmp(&place(a)));
        let more = versions.len() > limit;
        versions.truncate(limit);
        if versions.iter().any(|(.., is_beyond)| *is_beyond) {
            return Err(self.exceed_bodies());
        }
        let versions: Vec<(Rows, Version)> = versions.into_iter().map(|(rows, version, _)| (rows, version)).collect();
        self.take_bodies(versions.iter().map(|(_, version)| version))?;
        let next = versions.last().filter(|_| more).map(|(_, last)| position(last));
        Ok((versions, next))
    }

    fn history_of(&self, wanted: &HistoryRequest<'_>) -> Sql {
        match wanted.of {
            HistoryOf::Resource(key) | HistoryOf::Left(key, _) => Sql::new("r.rid = ").bind(key),
            HistoryOf::Type(resource_type) => {
                // Where one record is all that is permitted, its rows lead the way, and SQLite is not offered those of
                // the type.
                let led = wanted.record.is_some() && !self.is_postgres();
                Sql::new(if led { "+r.type = " } else { "r.type = " }).bind(resource_type.number())
            }
            HistoryOf::System => Sql::new("1 = 1"),
        }
    }

    /// What a resource was while it was in a record that it has left: a version must be permitted as it was, and its
    /// resource as it was last in that record.
    fn left_behind(&mut self, wanted: &HistoryRequest<'_>) -> Result<Option<Sql>, StoreError> {
        let patient = match (wanted.of, wanted.left) {
            (HistoryOf::Left(_, patient), _) => Some(patient),
            (HistoryOf::Type(resource_type), _) if !may_change_record(resource_type) => None,
            (HistoryOf::Type(_) | HistoryOf::System, Some(patient)) => self.patient_key(patient)?,
            _ => None,
        };
        let Some(patient) = patient else { return Ok(None) };
        let permit = wanted.permit;
        let permitted = self.lowered(Rows::Superseded, permit, |lowering| lowering.condition(permit))?;
        let sql = Sql::new("r.version <= (SELECT l.version FROM left_record f JOIN history l ON l.pk = f.last WHERE f.resource = r.rid AND f.patient = ")
            .bind(patient)
            .sql(") AND r.rid IN (SELECT f.resource FROM left_record f JOIN history r ON r.pk = f.last WHERE f.patient = ")
            .bind(patient)
            .sql(" AND ")
            .append(permitted.clone())
            .sql(") AND ")
            .append(left_record::was_in(patient))
            .sql(" AND ");
        Ok(Some(sql.append(permitted)))
    }

    /// A version must be permitted as it was, and its resource as it is. When only one record is permitted, its index
    /// leads the way, so that nobody else's rows are touched.
    fn permitted_in(&mut self, wanted: &HistoryRequest<'_>, rows: Rows) -> Result<Sql, StoreError> {
        let permit = wanted.permit;
        let mut sql = self.lowered(rows, permit, |lowering| lowering.condition(permit))?;
        if rows == Rows::Superseded {
            let current = self.lowered(Rows::Current, permit, |lowering| lowering.deeper().condition(permit))?;
            sql = sql.sql(" AND EXISTS (SELECT 1 FROM resource r1 WHERE r1.rid = r.rid AND ").append(current).sql(")");
        }
        if let Some(patient) = wanted.record.filter(|_| !matches!(wanted.of, HistoryOf::Resource(_))) {
            let Some(key) = self.patient_key(patient)? else { return Ok(Sql::new("1 = 0")) };
            sql = sql
                .sql(" AND r.rid IN (SELECT e.resource FROM entry e WHERE e.parameter = ")
                .bind(RECORD.0)
                .sql(" AND e.key <> '' AND ");
            if let HistoryOf::Type(resource_type) = wanted.of {
                sql = sql.sql("e.key = ").bind(resource_type.name()).sql(" AND ");
            }
            sql = sql.sql("e.patient = ").bind(key).sql(")");
        }
        Ok(sql)
    }
}

/// The place of a version in a history. Nothing in it changes when the version is superseded, so that a page goes on
/// where the one before ended, whatever is written between them.
fn place(version: &Version) -> (i64, i16, &str, i64) {
    (version.updated, version.resource_type.number(), &version.id, version.version)
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds are exact in a double for 285,000 years")]
fn position(version: &Version) -> Position {
    let (updated, number, id, version) = place(version);
    Position {
        values: vec![
            PositionValue::Number(updated as f64),
            PositionValue::Number(f64::from(number)),
            PositionValue::Text(id.to_owned()),
        ],
        key: version,
    }
}

/// The condition that a version comes after a position, which is before it in time.
fn beyond(after: &Position) -> Result<Sql, StoreError> {
    let [PositionValue::Number(updated), PositionValue::Number(number), PositionValue::Text(id)] =
        after.values.as_slice()
    else {
        return Err(StoreError::Internal("a sealed cursor holds something else than a place in a history".to_owned()));
    };
    #[expect(clippy::cast_possible_truncation, reason = "they were made from whole numbers")]
    let (updated, number) = (*updated as i64, *number as i16);
    Ok(Sql::new("r.updated <= ")
        .bind(updated)
        .sql(" AND (r.updated < ")
        .bind(updated)
        .sql(" OR r.type < ")
        .bind(number)
        .sql(" OR (r.type = ")
        .bind(number)
        .sql(" AND (r.id < ")
        .bind(id.as_str())
        .sql(" OR (r.id = ")
        .bind(id.as_str())
        .sql(" AND r.version < ")
        .bind(after.key)
        .sql("))))"))
}

fn since_and_at(wanted: &HistoryRequest<'_>) -> Sql {
    let mut sql = Sql::new("");
    if let Some(since) = wanted.since {
        sql = sql.sql(" AND r.updated >= ").bind(since);
    }
    if let Some((low, high)) = wanted.at {
        sql = sql.sql(" AND r.updated <= ").bind(high);
        for table in ["resource", "history"] {
            sql = sql
                .sql(" AND NOT EXISTS (SELECT 1 FROM ")
                .sql(table)
                .sql(" n WHERE n.rid = r.rid AND n.version > r.version AND n.updated <= ")
                .bind(low)
                .sql(")");
        }
    }
    sql
}
