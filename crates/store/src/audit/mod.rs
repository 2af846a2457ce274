//! The audit log as it is stored: one narrow row an event, append-only. `interact::audit` says what goes in and turns
//! rows into AuditEvent resources.

pub mod chain_links;
mod condition;
pub(crate) mod index;
mod index_hint;
pub mod period;
mod place;
mod query;
mod reach;
mod recorded;

use concord_fhir::label::Source;
use diesel::Queryable;
use diesel::sql_types::{BigInt, SmallInt, Text};

pub use condition::{Interactions, SEARCHABLE};

/// The values of records column by column, as PostgreSQL takes many at once.
fn columns(sql: Sql, records: &[Record], pks: &[i64], at: &[i64]) -> Sql {
    let text = |text: fn(&Record) -> &String| Bind::Texts(records.iter().map(|one| text(one).clone()).collect());
    let small = |number: fn(&Record) -> i16| Bind::Smalls(records.iter().map(number).collect());
    let binds = [
        Bind::Bigs(at.to_vec()),
        small(|one| one.interaction),
        small(|one| one.outcome),
        Bind::Bigs(records.iter().map(|one| one.patient).collect()),
        text(|one| &one.agent),
        text(|one| &one.client),
        text(|one| &one.purpose),
        small(|one| one.resource_type),
        text(|one| &one.entity),
        Bind::Bigs(records.iter().map(|one| one.version).collect()),
        text(|one| &one.query),
        text(|one| &one.reason),
        text(|one| &one.request),
        text(|one| &one.body),
    ];
    let first = sql.sql("SELECT * FROM unnest(").bind(Bind::Bigs(pks.to_vec()));
    binds.into_iter().fold(first, |sql, bind| sql.sql(", ").bind(bind)).sql(")")
}

/// The same row by row.
fn rows(mut sql: Sql, records: &[Record], pks: &[i64], at: &[i64]) -> Sql {
    for (place, ((record, pk), at)) in records.iter().zip(pks).zip(at).enumerate() {
        sql.push_sql(if place == 0 { "VALUES (" } else { ", (" });
        let binds: [Bind; 15] = [
            (*pk).into(),
            (*at).into(),
            record.interaction.into(),
            record.outcome.into(),
            record.patient.into(),
            record.agent.as_str().into(),
            record.client.as_str().into(),
            record.purpose.as_str().into(),
            record.resource_type.into(),
            record.entity.as_str().into(),
            record.version.into(),
            record.query.as_str().into(),
            record.reason.as_str().into(),
            record.request.as_str().into(),
            record.body.as_str().into(),
        ];
        sql.push_row(binds);
    }
    sql
}

#[cfg(test)]
pub(crate) use index_hint::AuditIndexHint;
pub use place::Place;
pub use query::AuditQuery;
pub use reach::{RECORDED_AHEAD_MS, Reach, Span};

use crate::deadline::charge;
use crate::error::StoreError;
use crate::statement::{Bind, Sql};
use crate::transaction::Transaction;

/// How many events one statement stores at most on PostgreSQL.
pub(crate) const ONE_STATEMENT: usize = 512;

/// The same on the embedded database, which has a placeholder for each value.
const ONE_STATEMENT_EMBEDDED: usize = 64;

/// As how many bytes of a body an event counts that was read elsewhere: its line has been found and parsed.
const READ_ELSEWHERE: usize = 4_096;

/// One event, to be stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// The interaction's number (`interact::audit::Interaction`).
    pub interaction: i16,
    /// AuditEvent.outcome: 0, 4, 8 or 12.
    pub outcome: i16,
    /// The patient's key; 0 for an event in no patient compartment.
    pub patient: i64,
    /// Who: a reference, or the token's subject.
    pub agent: String,
    /// Through which app.
    pub client: String,
    /// For what purpose (v3-ActReason).
    pub purpose: String,
    /// The number of the resource type; -1 for none.
    pub resource_type: i16,
    /// The logical id of the resource; empty for none.
    pub entity: String,
    /// The version id of the resource; 0 for none.
    pub version: i64,
    /// The search as asked; empty for none.
    pub query: String,
    /// Which rule or Consent decided, or why it was refused.
    pub reason: String,
    /// The request id.
    pub request: String,
    /// An AuditEvent handed in by a system, as accepted; empty for Concord's own.
    pub body: String,
}

/// One event as stored.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Its number, which is also its logical id.
    pub pk: i64,
    /// When, in milliseconds since 1970 UTC.
    pub at: i64,
    /// The logical id of the patient; empty for no patient compartment.
    pub patient_id: String,
    /// The rest.
    pub record: Record,
}

/// The columns of a stored event, in the order of [`StoredRow`], after its number.
const COLUMNS: &str = ", a.at, p.id, a.interaction, a.outcome, a.patient, a.agent, a.client, \
     a.purpose, a.type, a.entity, a.version, a.query, a.reason, a.request, a.body";

type Columns = (
    BigInt,
    BigInt,
    Text,
    SmallInt,
    SmallInt,
    BigInt,
    Text,
    Text,
    Text,
    SmallInt,
    Text,
    BigInt,
    Text,
    Text,
    Text,
    Text,
);

/// A row of [`COLUMNS`], after its number.
#[derive(Debug, Queryable)]
struct StoredRow {
    pk: i64,
    at: i64,
    patient_id: String,
    interaction: i16,
    outcome: i16,
    patient: i64,
    agent: String,
    client: String,
    purpose: String,
    resource_type: i16,
    entity: String,
    version: i64,
    query: String,
    reason: String,
    request: String,
    body: String,
}

impl StoredRow {
    fn stored(self) -> Stored {
        Stored {
            pk: self.pk,
            at: self.at,
            patient_id: self.patient_id,
            record: Record {
                interaction: self.interaction,
                outcome: self.outcome,
                patient: self.patient,
                agent: self.agent,
                client: self.client,
                purpose: self.purpose,
                resource_type: self.resource_type,
                entity: self.entity,
                version: self.version,
                query: self.query,
                reason: self.reason,
                request: self.request,
                body: self.body,
            },
        }
    }
}

impl Transaction<'_> {
    /// Puts events into the log, in as few statements as their number allows.
    pub fn append(&mut self, records: &[Record]) -> Result<(), StoreError> {
        let numbers: Vec<i64> = records.iter().map(|_| self.next_key()).collect();
        self.append_numbered(records, &numbers, &vec![self.now; records.len()])
    }

    /// Puts one event into the log under a number that was made before.
    pub fn append_as(&mut self, pk: i64, record: &Record, about: &[Source]) -> Result<(), StoreError> {
        self.put_sources_of_event(pk, about)?;
        self.append_numbered(std::slice::from_ref(record), &[pk], &[self.now])
    }

    fn append_numbered(&mut self, records: &[Record], numbers: &[i64], at: &[i64]) -> Result<(), StoreError> {
        self.insert_events(records, numbers, at)?;
        self.enter_recorded(records, numbers, at)?;
        if !self.is_postgres() && !records.is_empty() {
            self.enter_early(records, numbers)?;
        }
        self.count_appended(records.len());
        Ok(())
    }

    fn insert_events(&mut self, records: &[Record], numbers: &[i64], at: &[i64]) -> Result<(), StoreError> {
        let most = if self.is_postgres() { ONE_STATEMENT } else { ONE_STATEMENT_EMBEDDED };
        for ((chunk, pks), at) in records.chunks(most).zip(numbers.chunks(most)).zip(at.chunks(most)) {
            // A failure undoes the whole transaction, so SQLite need not be able to undo the statement alone.
            let sql = Sql::new(if self.is_postgres() { "INSERT" } else { "INSERT OR FAIL" }).sql(
                " INTO audit (pk, at, interaction, outcome, patient, agent, client, purpose, type, entity, version, \
                 query, reason, request, body) ",
            );
            let sql = if self.is_postgres() { columns(sql, chunk, pks, at) } else { rows(sql, chunk, pks, at) };
            self.run(sql)?;
        }
        Ok(())
    }

    /// Keeps events in another file than the log, under the numbers that they have there in the end.
    pub(crate) fn put_aside(&mut self, records: &[Record]) -> Result<(), StoreError> {
        let numbers: Vec<i64> = records.iter().map(|_| self.next_key()).collect();
        self.insert_events(records, &numbers, &vec![self.now; records.len()])
    }

    /// The first of the events that are kept there, without the ids of patients.
    pub(crate) fn put_aside_before(&mut self, limit: i64) -> Result<Vec<Stored>, StoreError> {
        let sql = Sql::new("SELECT a.pk").sql(COLUMNS);
        let sql = sql.sql(" FROM audit a JOIN (SELECT '' AS id) p ORDER BY a.pk LIMIT ").bind(limit);
        Ok(self.rows::<Columns, StoredRow>(sql)?.into_iter().map(StoredRow::stored).collect())
    }

    /// Puts such events into the log that it does not have yet.
    pub(crate) fn take_in(&mut self, events: Vec<Stored>) -> Result<(), StoreError> {
        let (Some(first), Some(last)) = (events.first(), events.last()) else { return Ok(()) };
        let known = self.record_numbers(first.pk - 1, last.pk)?;
        let new = events.into_iter().filter(|event| !known.contains(&event.pk));
        let (mut records, mut numbers, mut at) = (Vec::new(), Vec::new(), Vec::new());
        for event in new {
            numbers.push(event.pk);
            at.push(event.at);
            records.push(event.record);
        }
        self.append_numbered(&records, &numbers, &at)
    }

    /// The events that are looked for, oldest or newest first, at most `limit`; after one of them, only what follows it.
    pub fn events(
        &mut self,
        query: &AuditQuery,
        after: Option<i64>,
        ascending: bool,
        limit: i64,
    ) -> Result<Vec<Stored>, StoreError> {
        self.require_log()?;
        let sql = self.events_statement(query, after, ascending, limit);
        Ok(self.rows_of_any_shape::<Columns, StoredRow>(sql)?.into_iter().map(StoredRow::stored).collect())
    }

    pub(crate) fn events_statement(&self, query: &AuditQuery, after: Option<i64>, ascending: bool, limit: i64) -> Sql {
        let beyond = after.map(|pk| (if ascending { " > " } else { " < " }, pk));
        let mut sql = Sql::new("SELECT ");
        for (place, part) in self.parts(query, " JOIN patient p ON p.key = a.patient", beyond).into_iter().enumerate() {
            if place > 0 {
                sql.push_sql(" UNION ALL SELECT ");
            }
            sql = sql.sql(part.number).sql(COLUMNS).sql(" FROM ").append(part.from);
        }
        sql.sql(if ascending { " ORDER BY 1 ASC LIMIT +" } else { " ORDER BY 1 DESC LIMIT +" }).bind(limit)
    }

    /// The numbers of those among events of elsewhere (the file of a closed period) that are looked for, by the same condition
    /// as events of the log, and that are in the log no longer.
    ///
    /// # Errors
    /// When the log may not be read here, or the database fails.
    pub fn events_among(&mut self, query: &AuditQuery, events: &[Stored]) -> Result<Vec<i64>, StoreError> {
        self.require_log()?;
        let most = if self.is_postgres() { ONE_STATEMENT } else { ONE_STATEMENT_EMBEDDED };
        let mut found = Vec::new();
        for chunk in events.chunks(most) {
            charge(chunk.len().saturating_mul(READ_ELSEWHERE));
            let numbers: Vec<i64> = chunk.iter().map(|event| event.pk).collect();
            let at: Vec<i64> = chunk.iter().map(|event| event.at).collect();
            let records: Vec<Record> = chunk.iter().map(|event| event.record.clone()).collect();
            let sql = Sql::new(
                "WITH a (pk, at, interaction, outcome, patient, agent, client, purpose, type, entity, version, query, \
                 reason, request, body) AS (",
            );
            let sql = match self.is_postgres() {
                true => columns(sql, &records, &numbers, &at),
                false => rows(sql, &records, &numbers, &at),
            };
            let sql = sql.sql(") SELECT a.pk FROM a WHERE NOT EXISTS (SELECT 1 FROM audit x WHERE x.pk = a.pk) AND ");
            found.extend(self.numbers(sql.append(query.condition.clone()))?);
        }
        Ok(found)
    }

    /// How many events are looked for.
    pub fn count_events(&mut self, query: &AuditQuery) -> Result<i64, StoreError> {
        self.require_log()?;
        let mut count = 0;
        for part in self.parts(query, "", None) {
            let sql = Sql::new("SELECT count(*) FROM ").append(part.from);
            count += self.rows_of_any_shape::<(BigInt,), (i64,)>(sql)?.first().map_or(0, |row| row.0);
        }
        Ok(count)
    }
}
