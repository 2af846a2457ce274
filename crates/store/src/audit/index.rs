//! The log by patient and by agent.
//!
//! PostgreSQL keeps an index of each, as it is made for. On the embedded database every entry in such an index is another
//! page to write and to wait for, since the log is in order of time and patients and agents come in any order. So an event
//! is entered there afterwards, with many others at once. Up to a watermark all events are in both tables, and above it in
//! none: a query reads the tables, and then what is above. What comes under a number below the watermark, since a clock
//! was set back or another process has its own, is entered at once. Everything that moves the watermark or adds an event
//! holds the one lock for writing, so a query never misses an event and never has one twice.

use diesel::sql_types::BigInt;
#[cfg(test)]
use diesel::sql_types::Text;

use super::Record;
use super::index_hint::AuditIndexHint;
use super::query::AuditQuery;
use crate::error::StoreError;
use crate::statement::{Bind, Sql};
use crate::transaction::Transaction;

/// How many events may be above the watermark before they are entered.
pub(crate) const MANY: usize = 2_048;

/// What follows `FROM` for one part of the events that are looked for, and its column of their numbers.
pub(crate) struct Part {
    pub(crate) number: &'static str,
    pub(crate) from: Sql,
}

pub(super) fn list(binds: impl Iterator<Item = Bind>) -> Sql {
    let mut sql = Sql::new("(");
    for (place, bind) in binds.enumerate() {
        if place > 0 {
            sql.push_sql(", ");
        }
        sql.push_bind(bind);
    }
    sql.sql(")")
}

impl Transaction<'_> {
    /// The parts of which the events that are looked for are made: each is in one of them. `joined` follows `audit a`.
    pub(crate) fn parts(
        &self,
        query: &AuditQuery,
        joined: &'static str,
        beyond: Option<(&'static str, i64)>,
    ) -> Vec<Part> {
        let part = |number: &'static str, from: Sql| {
            let from = match beyond {
                Some((operator, pk)) => from.sql(number).sql(operator).bind(pk).sql(" AND "),
                None => from,
            };
            Part { number, from: from.append(query.condition.clone()) }
        };
        let led = match &query.hint {
            Some(AuditIndexHint::Patients(keys)) if !self.is_postgres() => {
                let keys = list(keys.iter().map(|key| Bind::Big(*key)));
                Sql::new("audit_patient i CROSS JOIN audit a ON a.pk = i.pk")
                    .sql(joined)
                    .sql(" WHERE i.patient IN ")
                    .append(keys)
            }
            Some(AuditIndexHint::Agents(agents)) if !self.is_postgres() => {
                let agents = list(agents.iter().map(|agent| Bind::Text(agent.clone())));
                Sql::new("audit_agent i CROSS JOIN audit a ON a.pk = i.pk")
                    .sql(joined)
                    .sql(" WHERE i.agent IN ")
                    .append(agents)
            }
            _ => return vec![part("a.pk", Sql::new("audit a").sql(joined).sql(" WHERE "))],
        };
        let above = Sql::new("audit a").sql(joined).sql(" WHERE a.pk > (SELECT pk FROM audit_watermark) AND ");
        vec![part("i.pk", led.sql(" AND ")), part("a.pk", above)]
    }

    /// Enters events that come under numbers below the watermark. To be called with the insert.
    pub(crate) fn enter_early(&mut self, records: &[Record], numbers: &[i64]) -> Result<(), StoreError> {
        let watermark = match self.watermark {
            Some(known) => known,
            None => {
                let found = self.rows::<(BigInt,), (i64,)>(Sql::new("SELECT pk FROM audit_watermark"))?;
                found.first().ok_or_else(|| StoreError::Internal("no watermark".to_owned()))?.0
            }
        };
        self.watermark = Some(watermark);
        for (record, pk) in records.iter().zip(numbers).filter(|(_, pk)| **pk <= watermark) {
            let patient = Sql::new("INSERT INTO audit_patient (patient, pk) VALUES (").bind(record.patient);
            self.run(patient.sql(", ").bind(*pk).sql(")"))?;
            let agent = Sql::new("INSERT INTO audit_agent (agent, pk) VALUES (").bind(record.agent.as_str());
            self.run(agent.sql(", ").bind(*pk).sql(")"))?;
        }
        Ok(())
    }

    /// How many events are above the watermark.
    pub(crate) fn above(&mut self) -> Result<usize, StoreError> {
        let sql = Sql::new("SELECT count(*) FROM audit WHERE pk > (SELECT pk FROM audit_watermark)");
        let count = self.rows::<(BigInt,), (i64,)>(sql)?.first().map_or(0, |row| row.0);
        Ok(usize::try_from(count).unwrap_or_default())
    }

    /// Enters all events that are above the watermark, in the order of each table, and raises it.
    pub(crate) fn enter(&mut self) -> Result<(), StoreError> {
        for (table, column) in [("audit_patient", "patient"), ("audit_agent", "agent")] {
            self.run(Sql::new(format!(
                "INSERT INTO {table} ({column}, pk) SELECT {column}, pk FROM audit WHERE pk > (SELECT pk FROM \
                 audit_watermark) ORDER BY {column}, pk"
            )))?;
        }
        self.watermark = None;
        self.run(Sql::new("UPDATE audit_watermark SET pk = max(pk, (SELECT coalesce(max(pk), 0) FROM audit))"))?;
        Ok(())
    }

    /// How the embedded database goes about a query of the log.
    #[cfg(test)]
    pub(crate) fn plan_of_events(&mut self, query: &AuditQuery, after: Option<i64>) -> Vec<String> {
        let sql = Sql::new("EXPLAIN QUERY PLAN ").append(self.events_statement(query, after, false, 20));
        let steps = self.rows::<(BigInt, BigInt, BigInt, Text), (i64, i64, i64, String)>(sql).unwrap();
        steps.into_iter().map(|step| step.3).collect()
    }
}
