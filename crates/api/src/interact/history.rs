//! history on instance, type and system (R4 "RESTful API", history).

use std::sync::Arc;

use concord_consent::decision::{Decision, Redaction};
use concord_consent::request::Action;
use concord_fhir::predicate::Predicate;
use concord_fhir::registry::ResourceType;

use super::audit::Interaction;
use super::break_glass::{self, Place};
use super::{Call, Concord, FORM, access, judge, log, logged, read, redact, why};
use crate::fault::Fault;
use crate::store::audit::Record;
use crate::store::lower::{RECORD, Rows};
use crate::store::rows::Version;
use crate::store::search::{Position, PositionValue};
use crate::store::statement::Sql;
use crate::store::transaction::Transaction;

/// Of what the history is asked.
#[derive(Clone, Debug)]
pub(crate) enum Of {
    /// One resource.
    Instance(ResourceType, String),
    /// All resources of a type.
    Type(ResourceType),
    /// All resources.
    System,
}

impl Of {
    /// As what it is logged.
    pub(super) fn interaction(&self) -> Interaction {
        match self {
            Of::Instance(..) => Interaction::History,
            Of::Type(_) => Interaction::TypeHistory,
            Of::System => Interaction::SystemHistory,
        }
    }
}

/// Which versions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Range {
    /// `_since`: made at or after this time, in milliseconds since 1970 UTC.
    pub(crate) since: Option<i64>,
    /// `_at`: current at some time between these two.
    pub(crate) at: Option<(i64, i64)>,
    /// `_count`.
    pub(crate) limit: u32,
    /// `_cursor`.
    pub(crate) cursor: Option<String>,
}

impl Range {
    /// `_since`, `_at`, `_count` and `_cursor`. `page` is how many versions a page has and how many it may have.
    ///
    /// # Errors
    /// The first parameter that is malformed or that a history does not have.
    pub(crate) fn read(pairs: &[(String, String)], page: (u32, u32)) -> Result<Range, Fault> {
        let (usual, most) = page;
        let mut range = Range { limit: usual, ..Range::default() };
        for (name, value) in pairs {
            let time = || {
                concord_fhir::rules::instant::range(value)
                    .ok_or_else(|| Fault::parameter(name, "a date or an instant, for instance 2026-01-31T08:00:00Z"))
            };
            match name.as_str() {
                "_since" => range.since = Some(time()?.0),
                "_at" => range.at = Some(time()?),
                "_count" => {
                    let count = value.parse::<u32>().map_err(|_| Fault::parameter(name, "a number"))?;
                    range.limit = count.min(most);
                }
                "_cursor" => range.cursor = Some(value.clone()),
                name if FORM.contains(&name) => {}
                other => {
                    let shown: String = other.chars().take(128).collect();
                    return Err(Fault::parameter(&shown, "a history has no such parameter"));
                }
            }
        }
        Ok(range)
    }
}

/// A page of versions, newest first.
#[derive(Debug)]
pub(crate) struct Page {
    /// The versions.
    pub(crate) versions: Vec<Version>,
    /// The cursor of the next page, if there is one.
    pub(crate) next: Option<String>,
}

/// What was found: the cursor of the next page, and the versions with the table that each is in.
type Found = (Option<String>, Vec<(Rows, Version)>);

/// The versions that the caller may see, as they were and as the resource is now.
pub(crate) async fn history(concord: &Arc<Concord>, call: Call, of: Of, range: Range) -> Result<Page, Fault> {
    if let Of::Instance(resource_type, id) = &of {
        break_glass::declare(concord, &call, Place::Resource(*resource_type, id.clone())).await?;
    }
    let concord = Arc::clone(concord);
    let store = concord.store.clone();
    store
        .read(move |transaction| {
            let resource_type = match &of {
                Of::Instance(resource_type, _) | Of::Type(resource_type) => Some(*resource_type),
                Of::System => None,
            };
            let mut record = call.record(of.interaction(), resource_type);
            let result = run(&concord, &call, transaction, &of, &range, &mut record);
            let records = match &result {
                Ok((_, found)) => {
                    let found: Vec<_> = found.iter().map(|(rows, version)| (*rows, version)).collect();
                    per_patient(transaction, record.clone(), &found, &[])
                }
                Err(_) => Ok(Vec::new()),
            };
            match (result, records) {
                (Ok((next, found)), Ok(records)) => {
                    (Ok(Page { versions: found.into_iter().map(|(_, version)| version).collect(), next }), records)
                }
                (Err(fault), _) | (_, Err(fault)) => logged(Err(fault), record),
            }
        })
        .await
}

/// One record for each patient whose data is in the answer, so that each can see it; one for an answer about nobody.
/// A query that names others than that patient is told by the names of its parameters only.
pub(crate) fn per_patient(
    transaction: &mut Transaction<'_>,
    record: Record,
    versions: &[(Rows, &Version)],
    asked: &[String],
) -> Result<Vec<Record>, Fault> {
    let mut patients: Vec<i64> = Vec::new();
    for (rows, version) in versions {
        patients.extend(transaction.patients_of(*rows, version)?);
    }
    patients.sort_unstable();
    patients.dedup();
    let own = match asked {
        [single] => transaction.patient_key(single)?,
        _ => None,
    };
    if patients.is_empty() {
        // Nothing was disclosed but that there is nothing: told to the patient who was asked about.
        patients.push(own.unwrap_or(0));
    }
    let names = log::without_values(&record.query);
    let told = |patient: i64| {
        let query = if patient == 0 || own == Some(patient) { record.query.clone() } else { names.clone() };
        Record { patient, query, ..record.clone() }
    };
    Ok(patients.into_iter().map(told).collect())
}

pub(super) fn run(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    of: &Of,
    range: &Range,
    record: &mut Record,
) -> Result<Found, Fault> {
    let (decision, wanted) = match of {
        Of::Instance(resource_type, id) => {
            record.entity.clone_from(id);
            let head = read::visible(concord, call, transaction, *resource_type, id, Action::History, record)?;
            record.version = 0;
            let decision = access::decide_on(concord, call, transaction, Action::History, &head)?;
            (decision, Sql::new("r.rid = ").bind(head.version.key))
        }
        Of::Type(resource_type) => {
            access::require_scope(call, Action::TypeHistory, *resource_type)?;
            let decision =
                access::decide_search(concord, call, transaction, Action::TypeHistory, *resource_type, None)?;
            why::permit(record, &decision);
            // Where one record is all that is permitted, its rows lead the way, and SQLite is not offered those of the type.
            let led = access::only_record(&decision.permit).is_some() && !transaction.is_postgres();
            let of_type = Sql::new(if led { "+r.type = " } else { "r.type = " }).bind(resource_type.number());
            (decision, of_type)
        }
        Of::System => {
            let decision = access::decide_everywhere(concord, call, transaction, Action::TypeHistory)?;
            why::permit(record, &decision);
            (decision, Sql::new("1 = 1"))
        }
    };
    let wanted = wanted.append(since_and_at(range));
    let context = format!("history {of:?} {:?} {:?}", range.since, range.at);
    let after = match &range.cursor {
        Some(cursor) => Some(concord.cursors.open(call, &context, cursor)?),
        None => None,
    };
    let mut versions = Vec::new();
    for rows in [Rows::Current, Rows::Superseded] {
        let mut condition = wanted.clone().sql(" AND ").append(permitted(transaction, of, rows, &decision.permit)?);
        if let Some(position) = &after {
            condition = condition.sql(" AND ").append(beyond(position)?);
        }
        condition = condition
            .sql(" ORDER BY r.updated DESC, r.type DESC, r.id DESC, r.version DESC LIMIT +")
            .bind(i64::from(range.limit) + 1);
        versions.extend(transaction.versions(rows, condition)?.into_iter().map(|version| (rows, version)));
    }
    versions.sort_by(|(_, a), (_, b)| place(b).cmp(&place(a)));
    let limit = usize::try_from(range.limit).unwrap_or(usize::MAX);
    let more = versions.len() > limit;
    versions.truncate(limit);
    let next = versions.last().filter(|_| more).map(|(_, last)| concord.cursors.seal(call, &context, &position(last)));
    let shown = versions.into_iter().map(|(rows, version)| Ok((rows, partly(transaction, &decision, rows, version)?)));
    Ok((next, shown.collect::<Result<_, Fault>>()?))
}

/// A version as the decision lets it be shown. What of the resource is hidden as it is now is hidden in its older
/// versions too.
fn partly(
    transaction: &mut Transaction<'_>,
    decision: &Decision,
    rows: Rows,
    version: Version,
) -> Result<Version, Fault> {
    let of_type = |redaction: &Redaction| access::for_type(&redaction.of, version.resource_type) != Predicate::None;
    if rows == Rows::Current || !decision.redactions.iter().any(of_type) {
        return redact::shown(transaction, decision, rows, version);
    }
    let mut hidden = judge::redacted(transaction, decision, rows, &version)?;
    if let Some(head) = transaction.head(version.resource_type, &version.id, false)? {
        hidden.extend(judge::redacted(transaction, decision, Rows::Current, &head.version)?);
    }
    redact::without(version, hidden)
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
fn beyond(after: &Position) -> Result<Sql, Fault> {
    let [PositionValue::Number(updated), PositionValue::Number(number), PositionValue::Text(id)] =
        after.values.as_slice()
    else {
        return Err(Fault::Internal("a sealed cursor holds something else than a place in a history".to_owned()));
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

fn since_and_at(range: &Range) -> Sql {
    let mut sql = Sql::new("");
    if let Some(since) = range.since {
        sql = sql.sql(" AND r.updated >= ").bind(since);
    }
    if let Some((low, high)) = range.at {
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

/// A version must be permitted as it was, and its resource as it is. When only one record is permitted, its index
/// leads the way, so that nobody else's rows are touched.
fn permitted(transaction: &mut Transaction<'_>, of: &Of, rows: Rows, permit: &Predicate) -> Result<Sql, Fault> {
    let mut sql = transaction.lowered(rows, permit, |lowering| lowering.condition(permit))?;
    if rows == Rows::Superseded {
        let current = transaction.lowered(Rows::Current, permit, |lowering| lowering.deeper().condition(permit))?;
        sql = sql.sql(" AND EXISTS (SELECT 1 FROM resource r1 WHERE r1.rid = r.rid AND ").append(current).sql(")");
    }
    let record = match of {
        Of::Instance(..) => None,
        Of::Type(_) | Of::System => access::only_record(permit),
    };
    if let Some(patient) = record {
        let Some(key) = transaction.patient_key(patient)? else { return Ok(Sql::new("1 = 0")) };
        sql = sql
            .sql(" AND r.rid IN (SELECT e.resource FROM entry e WHERE e.parameter = ")
            .bind(RECORD.0)
            .sql(" AND e.key <> '' AND ");
        if let Of::Type(resource_type) = of {
            sql = sql.sql("e.key = ").bind(resource_type.name()).sql(" AND ");
        }
        sql = sql.sql("e.patient = ").bind(key).sql(")");
    }
    Ok(sql)
}
