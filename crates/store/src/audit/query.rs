//! Which events of the audit log are looked for, and how they are found.

use concord_fhir::predicate::Predicate;

use super::index_hint::{self, AuditIndexHint};
use super::reach::{Reach, Span};
use super::{Interactions, condition};
use crate::error::StoreError;
use crate::lower::Rows;
use crate::statement::Sql;
use crate::transaction::Transaction;

/// The events that are looked for.
#[derive(Clone, Debug)]
pub struct AuditQuery {
    /// What holds for them, on `audit a`.
    pub(crate) condition: Sql,
    /// How they are found without reading the log from end to end.
    pub(crate) hint: Option<AuditIndexHint>,
    /// Where they can be.
    pub(crate) reach: Reach,
}

impl AuditQuery {
    pub(super) fn and(self, condition: Sql) -> AuditQuery {
        AuditQuery { condition: self.condition.sql(" AND ").append(condition), ..self }
    }

    fn recorded(self, times: Span) -> AuditQuery {
        let reach = Reach { times: self.reach.times.within(times), ..self.reach };
        AuditQuery { reach, ..self }
    }

    /// Where they can be: what somebody has to know who looks for them elsewhere than in the database.
    #[must_use]
    pub fn reach(&self) -> &Reach {
        &self.reach
    }

    /// Those of them that were recorded at or after this time, in milliseconds since 1970 UTC.
    #[must_use]
    pub fn since(self, first: i64) -> AuditQuery {
        self.and(Sql::new("a.at >= ").bind(first)).recorded(Span { from: first, to: i64::MAX })
    }

    /// Those of them that were recorded at or before this time.
    #[must_use]
    pub fn until(self, last: i64) -> AuditQuery {
        self.and(Sql::new("a.at <= ").bind(last)).recorded(Span { from: i64::MIN, to: last })
    }

    /// Those of them that an app made.
    #[must_use]
    pub fn by_app(self, client: &str) -> AuditQuery {
        self.and(Sql::new("a.client = ").bind(client))
    }

    /// Those of them whose reason begins with something else.
    #[must_use]
    pub fn beginning_otherwise(self, with: &str) -> AuditQuery {
        let length = i64::try_from(with.chars().count()).unwrap_or(i64::MAX);
        let sql = Sql::new("substr(a.reason, 1, CAST(").bind(length).sql(" AS INTEGER)) <> ").bind(with);
        self.and(sql)
    }

    /// Those of them that were for a purpose, or those that were not.
    #[must_use]
    pub fn for_purpose(self, code: &str, is: bool) -> AuditQuery {
        self.and(Sql::new(if is { "a.purpose = " } else { "a.purpose <> " }).bind(code))
    }
}

impl Transaction<'_> {
    /// The events that a predicate over AuditEvent means. Those that are told by neither patient nor agent are found by
    /// reading the log from its end, as long as a search may take.
    ///
    /// # Errors
    /// When the log cannot be searched by what is asked, or the database fails.
    pub fn audit_query(&mut self, predicate: &Predicate, interactions: Interactions) -> Result<AuditQuery, StoreError> {
        let hint = index_hint::of_predicate(self, predicate)?;
        let condition = condition::of_predicate(self, predicate, interactions)?;
        Ok(AuditQuery { condition, hint, reach: Reach::of(predicate) })
    }

    /// Leaves out the events about single resources that there are and that a predicate does not permit: of what has left the
    /// record of this patient (its key), as it was there.
    ///
    /// # Errors
    /// When the database fails.
    pub fn only_about(
        &mut self,
        query: AuditQuery,
        permit: &Predicate,
        record: Option<i64>,
    ) -> Result<AuditQuery, StoreError> {
        let seen = self.lowered(Rows::Current, permit, |lowering| lowering.condition(permit))?;
        let seen_then = self.lowered(Rows::Superseded, permit, |lowering| lowering.condition(permit))?;
        let sql = Sql::new(
            "(a.entity = '' OR NOT EXISTS (SELECT 1 FROM resource r WHERE r.type = a.type AND r.id = a.entity AND NOT (",
        );
        let left = Sql::new(
            ") AND NOT EXISTS (SELECT 1 FROM left_record f JOIN history r ON r.pk = f.last WHERE r.type = a.type \
             AND r.id = a.entity AND (a.version = 0 OR a.version <= r.version) AND f.patient = ",
        );
        let left = left.bind(record.unwrap_or_default()).sql(" AND ").append(seen_then.clone());
        let query = query.and(sql.append(seen.clone()).append(left).sql(")))"));
        // An event names the version that it was about, which may be hidden where the newest is not.
        let sql = Sql::new(
            "(a.entity = '' OR a.version = 0 OR NOT EXISTS (SELECT 1 FROM resource c JOIN history r ON r.rid = c.rid \
             WHERE c.type = a.type AND c.id = a.entity AND r.version = a.version AND NOT (",
        );
        let query = query.and(sql.append(seen_then).sql(")))"));
        // What a system has handed in may be about several.
        let sql = Sql::new(
            "NOT EXISTS (SELECT 1 FROM label_source s JOIN resource r ON r.type = s.type AND r.id = s.id WHERE \
             s.resource = a.pk AND NOT (",
        );
        Ok(query.and(sql.append(seen).sql("))")))
    }

    /// Leaves out what an app was refused of single resources that there are and that a predicate does not permit.
    ///
    /// # Errors
    /// When the database fails.
    pub fn without_refusals(
        &mut self,
        query: AuditQuery,
        client: &str,
        permit: &Predicate,
    ) -> Result<AuditQuery, StoreError> {
        let seen = self.lowered(Rows::Current, permit, |lowering| lowering.condition(permit))?;
        let sql = Sql::new("(a.outcome = 0 OR a.entity = '' OR a.client <> ")
            .bind(client)
            .sql(" OR NOT EXISTS (SELECT 1 FROM resource r WHERE r.type = a.type AND r.id = a.entity AND NOT (");
        Ok(query.and(sql.append(seen).sql(")))")))
    }
}
