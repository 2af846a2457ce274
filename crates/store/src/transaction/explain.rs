//! How a search is run: its predicates and statements, with what the database makes of each, for people to read.

use diesel::sql_types::{BigInt, Text};

use crate::error::StoreError;
use crate::statement::Sql;
use crate::transaction::Transaction;

/// What has been noted of searches.
#[derive(Default)]
pub(crate) struct Noted {
    pub(crate) predicates: Vec<String>,
    pub(crate) statements: Vec<Sql>,
    /// What is run now is not a part of a search.
    pub(crate) paused: bool,
    /// That is noted all the same.
    pub(crate) everything: bool,
    /// Searches are made as if there were nothing in any record.
    pub(crate) of_nobody: bool,
}

/// A statement and how the database goes about it.
#[derive(Clone, Debug)]
pub struct Explained {
    /// Its text, with its values in place.
    pub sql: String,
    /// The database's plan, a line a step.
    pub plan: Vec<String>,
}

impl Transaction<'_> {
    /// From now on, notes which statements are run, but for those `Transaction::without_explain`.
    pub fn note_statements(&mut self) {
        self.noted = Some(Noted::default());
    }

    /// The same as if nothing were in any record: every patient who is named is somebody of whom there is none. What is found is of no
    /// use; how it would be looked for says nothing of whoever is named.
    pub fn note_statements_of_nobody(&mut self) {
        self.noted = Some(Noted { of_nobody: true, ..Noted::default() });
    }

    /// Whether statements are noted as if nothing were in any record.
    pub fn is_explained_of_nobody(&self) -> bool {
        self.noted.as_ref().is_some_and(|noted| noted.of_nobody)
    }

    /// Whether statements are noted, to be explained.
    pub fn is_explained(&self) -> bool {
        self.noted.is_some()
    }

    /// From now on, notes every statement that is run.
    #[cfg(any(test, feature = "testing"))]
    pub fn note_everything(&mut self) {
        self.noted = Some(Noted { everything: true, ..Noted::default() });
    }

    /// Runs what depends on what this process happens to remember, and so is no part of how a search is run.
    pub(crate) fn without_explain<T>(&mut self, part: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.begin_without_explain();
        let done = part(self);
        self.end_without_explain(before);
        done
    }

    /// The start of such a part; what it answers is for its end.
    pub fn begin_without_explain(&mut self) -> Option<bool> {
        self.noted.as_mut().map(|noted| std::mem::replace(&mut noted.paused, true))
    }

    /// The end of such a part.
    pub fn end_without_explain(&mut self, before: Option<bool>) {
        if let (Some(noted), Some(before)) = (&mut self.noted, before) {
            noted.paused = before;
        }
    }

    /// Notes what is searched for, if anything is noted.
    pub fn note_predicate(&mut self, predicate: &concord_fhir::predicate::Predicate) {
        if let Some(noted) = &mut self.noted {
            noted.predicates.push(predicate.to_string());
        }
    }

    /// The predicates that have been searched for since [`Transaction::note_statements`], and the statements that have
    /// been run with how the database goes about each.
    pub fn explained(&mut self) -> Result<(Vec<String>, Vec<Explained>), StoreError> {
        let Noted { predicates, statements, .. } = self.noted.take().unwrap_or_default();
        let mut all = Vec::with_capacity(statements.len());
        for sql in statements {
            let text = sql.shown();
            all.push(Explained { plan: self.plan(sql)?, sql: text });
        }
        Ok((predicates, all))
    }

    /// How the database goes about a statement, step by step; no estimate of how many rows there are.
    pub(crate) fn plan(&mut self, sql: Sql) -> Result<Vec<String>, StoreError> {
        if self.is_postgres() {
            let mut sql = Sql::new("EXPLAIN (COSTS OFF) ").append(sql);
            sql.once();
            return Ok(self.rows::<(Text,), (String,)>(sql)?.into_iter().map(|row| row.0).collect());
        }
        let mut sql = Sql::new("EXPLAIN QUERY PLAN ").append(sql);
        sql.once();
        let steps = self.rows::<(BigInt, BigInt, BigInt, Text), (i64, i64, i64, String)>(sql)?;
        let mut depths = std::collections::HashMap::from([(0, 0)]);
        let mut told = Vec::with_capacity(steps.len());
        for (id, parent, _, text) in steps {
            let depth = depths.get(&parent).copied().unwrap_or_default();
            depths.insert(id, depth + 1);
            told.push(format!("{}{text}", "  ".repeat(depth)));
        }
        Ok(told)
    }
}
