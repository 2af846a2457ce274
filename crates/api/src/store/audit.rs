//! The audit log as it is stored: one narrow row an event, append-only. `interact::audit` says what goes in and turns
//! rows into AuditEvent resources.

use diesel::sql_types::{BigInt, SmallInt, Text};

use super::late::Sought;
use super::statement::{Bind, Sql};
use super::transaction::Transaction;
use crate::fault::Fault;

/// How many events one statement stores at most on PostgreSQL.
pub(super) const ONE_STATEMENT: usize = 512;

/// The same on the embedded database, which has a placeholder for each value.
const ONE_STATEMENT_EMBEDDED: usize = 64;

/// One event, to be stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Record {
    /// The interaction's number (`interact::audit::Interaction`).
    pub(crate) interaction: i16,
    /// AuditEvent.outcome: 0, 4, 8 or 12.
    pub(crate) outcome: i16,
    /// The patient's key; 0 for an event about nobody's record.
    pub(crate) patient: i64,
    /// Who: a reference, or the token's subject.
    pub(crate) agent: String,
    /// Through which app.
    pub(crate) client: String,
    /// For what purpose (v3-ActReason).
    pub(crate) purpose: String,
    /// The number of the resource type; -1 for none.
    pub(crate) resource_type: i16,
    /// The logical id of the resource; empty for none.
    pub(crate) entity: String,
    /// The version id of the resource; 0 for none.
    pub(crate) version: i64,
    /// The search as asked; empty for none.
    pub(crate) query: String,
    /// Which rule or Consent decided, or why it was refused.
    pub(crate) reason: String,
    /// The request id.
    pub(crate) request: String,
    /// An AuditEvent handed in by a system, as accepted; empty for Concord's own.
    pub(crate) body: String,
}

/// One event as stored.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    /// Its number, which is also its logical id.
    pub(crate) pk: i64,
    /// When, in milliseconds since 1970 UTC.
    pub(crate) at: i64,
    /// The logical id of the patient; empty for nobody's record.
    pub(crate) patient_id: String,
    /// The rest.
    pub(crate) record: Record,
}

/// The columns of a stored event, in the order of [`stored`], after its number.
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

type Row = (i64, i64, String, i16, i16, i64, String, String, String, i16, String, i64, String, String, String, String);

fn stored(row: Row) -> Stored {
    let (
        pk,
        at,
        patient_id,
        interaction,
        outcome,
        patient,
        agent,
        client,
        purpose,
        resource_type,
        entity,
        version,
        query,
        reason,
        request,
        body,
    ) = row;
    Stored {
        pk,
        at,
        patient_id,
        record: Record {
            interaction,
            outcome,
            patient,
            agent,
            client,
            purpose,
            resource_type,
            entity,
            version,
            query,
            reason,
            request,
            body,
        },
    }
}

impl Transaction<'_> {
    /// Puts events into the log, in as few statements as their number allows.
    pub(crate) fn append(&mut self, records: &[Record]) -> Result<(), Fault> {
        let numbers: Vec<i64> = records.iter().map(|_| self.next_key()).collect();
        self.append_numbered(records, &numbers)
    }

    /// Puts one event into the log under a number that was made before.
    pub(crate) fn append_as(&mut self, pk: i64, record: &Record) -> Result<(), Fault> {
        self.append_numbered(std::slice::from_ref(record), &[pk])
    }

    fn append_numbered(&mut self, records: &[Record], numbers: &[i64]) -> Result<(), Fault> {
        let now = self.now;
        let most = if self.is_postgres() { ONE_STATEMENT } else { ONE_STATEMENT_EMBEDDED };
        for (chunk, pks) in records.chunks(most).zip(numbers.chunks(most)) {
            // A failure undoes the whole transaction, so SQLite need not be able to undo the statement alone.
            let mut sql = Sql::new(if self.is_postgres() { "INSERT" } else { "INSERT OR FAIL" }).sql(
                " INTO audit (pk, at, interaction, outcome, patient, agent, client, purpose, type, entity, version, \
                 query, reason, request, body) ",
            );
            if self.is_postgres() {
                let each = |text: fn(&Record) -> &String| Bind::Texts(chunk.iter().map(|r| text(r).clone()).collect());
                let small = |number: fn(&Record) -> i16| Bind::Smalls(chunk.iter().map(number).collect());
                sql = sql.sql("SELECT * FROM unnest(").bind(Bind::Bigs(pks.to_vec()));
                for bind in [
                    Bind::Bigs(vec![now; chunk.len()]),
                    small(|r| r.interaction),
                    small(|r| r.outcome),
                    Bind::Bigs(chunk.iter().map(|r| r.patient).collect()),
                    each(|r| &r.agent),
                    each(|r| &r.client),
                    each(|r| &r.purpose),
                    small(|r| r.resource_type),
                    each(|r| &r.entity),
                    Bind::Bigs(chunk.iter().map(|r| r.version).collect()),
                    each(|r| &r.query),
                    each(|r| &r.reason),
                    each(|r| &r.request),
                    each(|r| &r.body),
                ] {
                    sql = sql.sql(", ").bind(bind);
                }
                sql.push_sql(")");
            } else {
                for (place, (record, pk)) in chunk.iter().zip(pks).enumerate() {
                    sql.push_sql(if place == 0 { "VALUES (" } else { ", (" });
                    let binds: [Bind; 15] = [
                        (*pk).into(),
                        now.into(),
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
                    for (column, bind) in binds.into_iter().enumerate() {
                        if column > 0 {
                            sql.push_sql(", ");
                        }
                        sql.push_bind(bind);
                    }
                    sql.push_sql(")");
                }
            }
            self.run(sql)?;
        }
        if !self.is_postgres() && !records.is_empty() {
            self.enter_early(records, numbers)?;
        }
        self.count_appended(records.len());
        Ok(())
    }

    /// The events that are looked for, oldest or newest first, at most `limit`; after one of them, only what follows it.
    pub(crate) fn events(
        &mut self,
        sought: &Sought,
        after: Option<i64>,
        ascending: bool,
        limit: i64,
    ) -> Result<Vec<Stored>, Fault> {
        self.require_log()?;
        let sql = self.events_statement(sought, after, ascending, limit);
        Ok(self.rows_of_any_shape::<Columns, Row>(sql)?.into_iter().map(stored).collect())
    }

    pub(super) fn events_statement(&self, sought: &Sought, after: Option<i64>, ascending: bool, limit: i64) -> Sql {
        let beyond = after.map(|pk| (if ascending { " > " } else { " < " }, pk));
        let mut sql = Sql::new("SELECT ");
        for (place, part) in self.parts(sought, " JOIN patient p ON p.key = a.patient", beyond).into_iter().enumerate()
        {
            if place > 0 {
                sql.push_sql(" UNION ALL SELECT ");
            }
            sql = sql.sql(part.number).sql(COLUMNS).sql(" FROM ").append(part.from);
        }
        sql.sql(if ascending { " ORDER BY 1 ASC LIMIT +" } else { " ORDER BY 1 DESC LIMIT +" }).bind(limit)
    }

    /// How many events are looked for.
    pub(crate) fn count_events(&mut self, sought: &Sought) -> Result<i64, Fault> {
        self.require_log()?;
        let mut count = 0;
        for part in self.parts(sought, "", None) {
            let sql = Sql::new("SELECT count(*) FROM ").append(part.from);
            count += self.rows_of_any_shape::<(BigInt,), (i64,)>(sql)?.first().map_or(0, |row| row.0);
        }
        Ok(count)
    }
}
