//! What was more than the transaction that changed a label might do: for each resource whose labels have changed, how far
//! what inherits from it has followed. It is stored with the change, and done in short transactions, by one node at a time;
//! a node that dies leaves it to the next.
//!
//! Labels that are on their way are kept beside it, and decisions count them as borne by all that inherits, however far, from what is
//! in the backlog (`concord_consent`, `labels_on_their_way`; `lower::awaited`), from the commit of the change on until the last of
//! them has arrived. They are read under the access version of key 0, which is raised when they change.
//!
//! Until then data below is kept back, so not everybody may leave labels that come ([`MayLeave`]), and from where the last ones are still
//! being handed on no more are left. What goes hides nothing, and is left by anybody.
//!
//! What comes is done before what goes: a label is taken from a resource only while whatever it inherits from has all that
//! it will have, so that none is taken that is still to come.

use std::collections::BTreeSet;

use diesel::sql_types::{BigInt, SmallInt, Text};

use super::{CHUNK, Place, Stored, handed, has_more, lines_of};
use crate::error::StoreError;
use crate::statement::Sql;
use crate::transaction::Transaction;

/// The setting that names the labels that are on their way.
const ON_THEIR_WAY: &str = "labels-on-their-way";

/// The lock of the node that works on it.
const LOCK: (i32, i32) = (4_051_703, 0);

/// After how many seconds labels that are on their way may have been handed on.
const AGAIN: u32 = 10;

/// Which labels that come a transaction may leave to the backlog.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MayLeave {
    /// All: the server's own work.
    #[default]
    Anything,
    /// From where none are on their way.
    Further,
    /// None.
    Nothing,
}

/// What became of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BacklogStep {
    /// There was nothing to do.
    Nothing,
    /// Another node is at it.
    Elsewhere,
    /// So many resources have been looked at, and there may be more.
    Done(usize),
}

/// A resource on which others wait.
struct Left {
    going: i16,
    number: i16,
    id: String,
    /// What inherits from it and has a key up to this is done.
    done: i64,
}

impl Transaction<'_> {
    /// The labels that some resources bear already and others will, and the access version of key 0 that they stand under:
    /// read by one statement, or another's commit could come between.
    ///
    /// # Errors
    /// When the database fails.
    pub fn labels_on_their_way(&mut self) -> Result<(i64, Vec<String>), StoreError> {
        let sql =
            Sql::new("SELECT z.access_version, coalesce(s.value, '') FROM patient z LEFT JOIN setting s ON s.name = ");
        let sql = sql.bind(ON_THEIR_WAY).sql(" WHERE z.key = 0");
        let found = self.rows::<(BigInt, Text), (i64, String)>(sql)?.pop();
        let (version, known) = found.ok_or_else(|| StoreError::Internal("no access version".to_owned()))?;
        Ok((version, lines_of(&known).map(str::to_owned).collect()))
    }

    /// Says which labels that come may be left.
    pub fn let_leave(&mut self, what: MayLeave) {
        self.may_leave = what;
    }

    /// Whether anything is left to do.
    ///
    /// # Errors
    /// When the database fails.
    pub fn has_label_backlog(&mut self) -> Result<bool, StoreError> {
        let sql = Sql::new("SELECT count(*) FROM (SELECT 1 FROM label_backlog LIMIT 1) AS b");
        Ok(self.numbers(sql)?.first().is_some_and(|count| *count > 0) || self.known_setting(ON_THEIR_WAY)?.is_some())
    }

    /// Does the next of it, for at most so many resources that inherit.
    ///
    /// # Errors
    /// When the database fails.
    pub fn do_label_backlog(&mut self, most: usize) -> Result<BacklogStep, StoreError> {
        if !self.is_alone_at_it()? {
            return Ok(BacklogStep::Elsewhere);
        }
        let next = self.next_left()?;
        if next.as_ref().is_none_or(|left| left.going != 0) && self.all_have_come()? {
            return Ok(BacklogStep::Done(0));
        }
        let Some(left) = next else { return Ok(BacklogStep::Nothing) };
        let keys = self.waiting_on(&left, most)?;
        // Before anything is left again: what is done here may be left anew, from the start.
        self.advance(&left, keys.last().copied().filter(|_| keys.len() == most))?;
        if left.going == 0 {
            let changed = self.raise(&keys)?;
            self.leave_coming(&changed)?;
        } else {
            self.lower(&keys)?;
        }
        Ok(BacklogStep::Done(keys.len()))
    }

    /// Leaves it to the backlog to hand on what these have got.
    pub(super) fn leave_coming(&mut self, changed: &[Stored]) -> Result<(), StoreError> {
        let changed = self.inherited_from(changed)?;
        if changed.is_empty() {
            return Ok(());
        }
        self.require_may_leave(&changed)?;
        // Whoever ends the backlog has this row locked, or waits for it: first of all.
        let known = self.setting(ON_THEIR_WAY, "")?;
        let all: BTreeSet<String> =
            changed.iter().flat_map(|one| handed(&one.version)).chain(lines_of(&known).map(str::to_owned)).collect();
        let all = all.into_iter().collect::<Vec<String>>().join("\n");
        if all != known {
            self.set_setting(ON_THEIR_WAY, all)?;
            self.bump_access_version(0)?;
        }
        self.leave(&changed, 0)
    }

    /// Refuses to leave what whoever writes may not leave. What is being handed on from these is in the backlog, in either direction, and
    /// was left there by another transaction.
    fn require_may_leave(&mut self, changed: &[Stored]) -> Result<(), StoreError> {
        match self.may_leave {
            MayLeave::Anything => return Ok(()),
            MayLeave::Nothing => return Err(StoreError::LabelsTooMany(self.shared.label_steps)),
            MayLeave::Further => {}
        }
        let is_own = |place: &Place| self.labels_left.contains(&(place.0, place.1.clone()));
        let places: Vec<Place> = changed.iter().map(Stored::place).filter(|place| !is_own(place)).collect();
        for chunk in places.chunks(CHUNK) {
            let sql = Sql::new("SELECT count(*) FROM label_backlog b WHERE ").append(one_of("b", chunk));
            if self.numbers(sql)?.first().is_some_and(|count| *count > 0) {
                return Err(StoreError::LabelsOnTheirWay(AGAIN));
            }
        }
        Ok(())
    }

    /// Leaves it to the backlog to take away what these have lost.
    pub(super) fn leave_going(&mut self, changed: &[Stored]) -> Result<(), StoreError> {
        let changed = self.inherited_from(changed)?;
        self.leave(&changed, 1)
    }

    fn leave(&mut self, changed: &[Stored], going: i16) -> Result<(), StoreError> {
        let mut places: Vec<(i16, String)> =
            changed.iter().map(Stored::place).map(|(number, id, _)| (number, id)).collect();
        places.sort_unstable();
        places.dedup();
        for (number, id) in places {
            let sql = Sql::new("INSERT INTO label_backlog (going, type, id, done) VALUES (")
                .bind(going)
                .sql(", ")
                .bind(number)
                .sql(", ")
                .bind(id.as_str())
                .sql(", 0) ON CONFLICT (going, type, id) DO UPDATE SET done = 0");
            self.run(sql)?;
            self.labels_left.insert((number, id));
        }
        Ok(())
    }

    /// Those of them from which anything inherits. Whoever comes to name one of them meanwhile waits.
    fn inherited_from(&mut self, changed: &[Stored]) -> Result<Vec<Stored>, StoreError> {
        self.keep_unnamed(changed)?;
        let mut named: BTreeSet<(i16, String)> = BTreeSet::new();
        let places: Vec<Place> = changed.iter().map(Stored::place).collect();
        for chunk in places.chunks(CHUNK) {
            let sql = Sql::new("SELECT r.type, r.id FROM resource r WHERE ").append(one_of("r", chunk));
            let sql = sql.sql(" AND EXISTS (SELECT 1 FROM label_link s WHERE s.type = r.type AND s.id = r.id)");
            named.extend(self.rows::<(SmallInt, Text), (i16, String)>(sql)?);
        }
        let is_named = |one: &&Stored| {
            let (number, id, _) = one.place();
            named.contains(&(number, id))
        };
        Ok(changed.iter().filter(is_named).cloned().collect())
    }

    /// Whether this node does it: on PostgreSQL there may be several, of which one has the lock until its step is over.
    fn is_alone_at_it(&mut self) -> Result<bool, StoreError> {
        if !self.is_postgres() {
            return Ok(true);
        }
        let sql = Sql::new("SELECT CASE WHEN pg_try_advisory_xact_lock(")
            .bind(LOCK.0)
            .sql(", ")
            .bind(LOCK.1)
            .sql(") THEN CAST(1 AS BIGINT) ELSE CAST(0 AS BIGINT) END");
        Ok(self.numbers(sql)?.first() == Some(&1))
    }

    /// What is to be done next, which nobody else leaves anew until the transaction ends.
    fn next_left(&mut self) -> Result<Option<Left>, StoreError> {
        let lock = if self.is_postgres() { " FOR UPDATE" } else { "" };
        let sql =
            Sql::new("SELECT going, type, id, done FROM label_backlog ORDER BY going, type, id LIMIT 1").sql(lock);
        let found = self.rows::<(SmallInt, SmallInt, Text, BigInt), (i16, i16, String, i64)>(sql)?.pop();
        Ok(found.map(|(going, number, id, done)| Left { going, number, id, done }))
    }

    /// The next that inherit from it, by their keys: each way by itself, in the order of its index, as a step must not cost
    /// more for what other steps will do.
    fn waiting_on(&mut self, left: &Left, most: usize) -> Result<Vec<i64>, StoreError> {
        let limit = i64::try_from(most).unwrap_or(i64::MAX);
        let end =
            |sql: Sql, key: &'static str| sql.bind(left.done).sql(" ORDER BY ").sql(key).sql(" LIMIT +").bind(limit);
        let contents = Sql::new(
            "SELECT DISTINCT b.rid FROM resource n JOIN label_content c ON c.resource = n.rid \
             JOIN resource b ON b.type = c.type AND b.id = c.id WHERE n.type = ",
        );
        let contents = contents.bind(left.number).sql(" AND n.id = ").bind(left.id.as_str()).sql(" AND b.rid > ");
        let mut found: BTreeSet<i64> = self.numbers(end(contents, "b.rid"))?.into_iter().collect();
        let mut names = vec![(left.number, left.id.clone())];
        names.extend(self.called(left)?);
        for (number, name) in names {
            let sql = Sql::new("SELECT DISTINCT s.resource FROM label_source s WHERE s.type = ")
                .bind(number)
                .sql(" AND s.id = ")
                .bind(name)
                .sql(" AND s.resource > ");
            found.extend(self.numbers(end(sql, "s.resource"))?);
        }
        Ok(found.into_iter().take(most).collect())
    }

    /// The urls by which it is called.
    fn called(&mut self, left: &Left) -> Result<Vec<(i16, String)>, StoreError> {
        let sql = Sql::new(
            "SELECT c.type, c.url FROM resource d JOIN canonical_name c ON c.resource = d.rid WHERE d.type = ",
        )
        .bind(left.number)
        .sql(" AND d.id = ")
        .bind(left.id.as_str());
        self.rows::<(SmallInt, Text), (i16, String)>(sql)
    }

    /// Says how far it is; with none, it is done.
    fn advance(&mut self, left: &Left, reached: Option<i64>) -> Result<(), StoreError> {
        let sql = match reached {
            Some(key) => Sql::new("UPDATE label_backlog SET done = ").bind(key),
            None => Sql::new("DELETE FROM label_backlog"),
        };
        let sql = sql.sql(" WHERE going = ").bind(left.going).sql(" AND type = ").bind(left.number);
        self.run(sql.sql(" AND id = ").bind(left.id.as_str()))?;
        Ok(())
    }

    /// Says that no label is on its way any more, if that has not been said. Nothing that comes is left then: whoever
    /// leaves something takes the same row first.
    fn all_have_come(&mut self) -> Result<bool, StoreError> {
        if self.known_setting(ON_THEIR_WAY)?.is_none() {
            return Ok(false);
        }
        self.setting(ON_THEIR_WAY, "")?;
        let left = self.numbers(Sql::new("SELECT count(*) FROM label_backlog WHERE going = 0"))?;
        if left.first().is_none_or(|count| *count == 0) {
            self.forget_setting(ON_THEIR_WAY)?;
            self.bump_access_version(0)?;
        }
        Ok(true)
    }

    /// Leaves these no label that they inherit from nothing any more.
    fn lower(&mut self, keys: &[i64]) -> Result<(), StoreError> {
        let (mut grown, mut lost) = (Vec::new(), Vec::new());
        for chunk in keys.chunks(CHUNK) {
            let found = self.stored(chunk)?;
            let mut inherited = self.inherited_by(chunk)?;
            for stored in found {
                let labels = inherited.remove(&stored.version.key).unwrap_or_default();
                let before = handed(&stored.version);
                let stored = self.set_inherited(stored, &labels)?;
                let now = handed(&stored.version);
                if has_more(&now, &before) {
                    grown.push(stored.clone());
                }
                if has_more(&before, &now) {
                    lost.push(stored);
                }
            }
        }
        self.leave_coming(&grown)?;
        self.leave_going(&lost)
    }
}

/// A condition that a row is one of these places, whatever the version.
fn one_of(table: &'static str, places: &[Place]) -> Sql {
    let mut sql = Sql::new("(");
    for (place, (number, id, _)) in places.iter().enumerate() {
        sql.push_sql(if place == 0 { "(" } else { " OR (" });
        let named = sql.sql(table).sql(".type = ").bind(*number).sql(" AND ");
        sql = named.sql(table).sql(".id = ").bind(id.as_str()).sql(")");
    }
    sql.sql(")")
}
