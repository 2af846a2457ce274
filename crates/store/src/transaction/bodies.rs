//! How many bytes of bodies pages hand out: what an answer has no room for is not read.

use std::collections::{HashMap, HashSet};

use diesel::sql_types::{BigInt, Integer, Text};

use super::versions::{BEFORE_BODY, Columns, VersionRow};
use crate::apart::is_waited_for;
use crate::deadline;
use crate::error::StoreError;
use crate::lower::{Rows, one_of_numbers};
use crate::rows::Version;
use crate::statement::{Bind, Sql};
use crate::transaction::Transaction;

/// How many bytes are handed out at a time of what is looked through and let go.
const AT_A_TIME: usize = 16 * 1024 * 1024;

/// How many bytes a body may have in any case that PostgreSQL sends with the others.
const SMALL: usize = 4 * 1024;

/// After how many bytes it is counted what has been read.
const COUNTED: usize = 64 * 1024;

/// How many bytes of bodies pages may still hand out in a transaction.
#[derive(Clone, Copy, Debug)]
pub struct BodiesLeft {
    bytes: usize,
    exceeded: bool,
}

impl BodiesLeft {
    pub(super) fn unbounded() -> BodiesLeft {
        BodiesLeft { bytes: usize::MAX, exceeded: false }
    }
}

/// For whom versions are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holding {
    /// They go into an answer.
    Answer,
    /// They are looked through and let go, some at a time.
    Nothing,
}

/// Which versions are read.
pub(crate) struct Reading<'a> {
    /// The table.
    pub(crate) rows: Rows,
    /// All that follows `FROM`, where the table is `r`.
    pub(crate) from: Sql,
    /// How many are shown: of what comes after them no body is wanted.
    pub(crate) shown: usize,
    /// For whom.
    pub(crate) holding: Holding,
    /// Whether a version, by its key, is left out, for whoever asks has it already.
    pub(crate) is_known: &'a dyn Fn(i64) -> bool,
    /// What is asked of each besides, a condition on `r`: it is answered, and leaves none out.
    pub(crate) besides: Option<Sql>,
}

/// Versions as far as their bodies may be handed out.
#[derive(Debug, Default)]
pub(crate) struct ReadVersions {
    /// In the order of the statement.
    pub(crate) versions: Vec<Version>,
    /// The first whose body may not be, if there is one: it is without its body, and no further one follows it.
    pub(crate) beyond: Option<usize>,
    /// The keys of those of which it is not so what is asked besides.
    pub(crate) others: HashSet<i64>,
}

impl Transaction<'_> {
    /// Bounds how many bytes of bodies pages hand out from here on, all together.
    pub fn bound_bodies(&mut self, bytes: usize) {
        self.bodies = BodiesLeft { bytes, exceeded: false };
    }

    /// Bounds them no more; whether more was wanted.
    pub fn unbound_bodies(&mut self) -> bool {
        std::mem::replace(&mut self.bodies, BodiesLeft::unbounded()).exceeded
    }

    /// Has what follows take no room: it looks again at some of what the answer has. What is handed out here goes back with
    /// [`Transaction::go_on_bounding`].
    #[must_use]
    pub fn look_again(&mut self) -> BodiesLeft {
        std::mem::replace(&mut self.bodies, BodiesLeft::unbounded())
    }

    /// Ends that.
    pub fn go_on_bounding(&mut self, left: BodiesLeft) {
        self.bodies = left;
    }

    /// Says that a version which was handed out is not part of the answer, and is let go.
    pub fn let_go(&mut self, version: &Version) {
        self.bodies.bytes = self.bodies.bytes.saturating_add(version.body.len());
    }

    /// Says that a version which was looked through is part of the answer after all.
    ///
    /// # Errors
    /// [`StoreError::BeyondAnswer`] when there is no room for it.
    pub fn hold(&mut self, version: &Version) -> Result<(), StoreError> {
        self.take_bodies(std::iter::once(version))
    }

    /// Counts versions among what an answer has room for.
    pub(crate) fn take_bodies<'v>(&mut self, versions: impl Iterator<Item = &'v Version>) -> Result<(), StoreError> {
        let bytes = versions.map(|version| version.body.len()).sum();
        match self.bodies.bytes.checked_sub(bytes) {
            Some(left) => {
                self.bodies.bytes = left;
                Ok(())
            }
            None => Err(self.exceed_bodies()),
        }
    }

    /// That an answer has no room for what it would show.
    pub(crate) fn exceed_bodies(&mut self) -> StoreError {
        self.bodies = BodiesLeft { bytes: 0, exceeded: true };
        StoreError::BeyondAnswer
    }

    /// Reads versions as far as there is room for their bodies, which is not taken yet.
    pub(crate) fn read_bodies(&mut self, reading: Reading<'_>) -> Result<ReadVersions, StoreError> {
        let room = match reading.holding {
            Holding::Answer => self.bodies.bytes,
            Holding::Nothing => AT_A_TIME,
        };
        let Reading { rows, from, shown, holding, is_known, besides } = reading;
        let besides = match besides {
            Some(condition) => Sql::new(", CASE WHEN ").append(condition).sql(" THEN 1 ELSE 0 END"),
            None => Sql::new(", 1"),
        };
        let may_be_stopped = self.may_be_stopped;
        let (taken, place, uncounted) = (0, 0, 0);
        let mut room = Room { room, shown, holding, is_known, may_be_stopped, taken, place, beyond: None, uncounted };
        let found = match self.is_postgres() {
            true => self.small_bodies(rows, besides, from, &mut room)?,
            false => {
                let sql = Sql::new("SELECT ").sql(rows.key()).sql(BEFORE_BODY).sql(", r.body").append(besides);
                let sql = sql.sql(" FROM ").append(from);
                self.rows_of_any_shape_while::<(Columns, Integer), (VersionRow, i32)>(sql, |(row, _)| {
                    let length = row.body.len();
                    if !room.takes(row.key, length) {
                        row.body = String::new();
                    }
                    room.goes_on()
                })?
            }
        };
        deadline::charge(room.uncounted);
        if room.is_stopped() {
            return Err(StoreError::too_costly());
        }
        let others = found.iter().filter(|(_, is_so)| *is_so == 0).map(|(row, _)| row.key).collect();
        let versions = found.into_iter().filter(|(row, _)| !is_known(row.key)).map(|(row, _)| row.version());
        Ok(ReadVersions { versions: versions.collect::<Result<_, StoreError>>()?, beyond: room.beyond, others })
    }

    /// What follows `FROM` for the first rows that meet a condition on `r`, in this order. SQLite keeps all columns of what it
    /// sorts in memory: it sorts keys, and reads the rows in their order.
    pub(crate) fn sorted(&self, rows: Rows, condition: Sql, order: &[(&str, &str)], limit: i64) -> Sql {
        let sorted = |sql: Sql, name: &dyn Fn(usize, &str) -> String| {
            order.iter().enumerate().fold(sql.sql(" ORDER BY "), |sql, (place, (column, direction))| {
                let comma = if place == 0 { "" } else { ", " };
                sql.sql(format!("{comma}{} {direction}", name(place, column)))
            })
        };
        let met = |sql: Sql| {
            let met = sql.sql(rows.table()).sql(" r WHERE ").append(condition);
            sorted(met, &|_, column| column.to_owned()).sql(" LIMIT +").bind(limit)
        };
        if self.is_postgres() {
            return met(Sql::new(""));
        }
        let mut keys = Sql::new("(SELECT ").sql(rows.key()).sql(" AS k");
        for (place, (column, _)) in order.iter().enumerate() {
            keys = keys.sql(format!(", {column} AS s{place}"));
        }
        let joined = met(keys.sql(" FROM ")).sql(") t JOIN ").sql(rows.table()).sql(" r ON ").sql(rows.key());
        sorted(joined.sql(" = t.k"), &|place, _| format!("s{place}"))
    }

    /// On PostgreSQL, which sends all rows of a statement before the first is looked at: the bodies that are so small that all of
    /// them may be sent, and by a second statement those that are not and for which there is room.
    fn small_bodies(
        &mut self,
        rows: Rows,
        besides: Sql,
        from: Sql,
        room: &mut Room<'_>,
    ) -> Result<Vec<(VersionRow, i32)>, StoreError> {
        let each = (room.room / room.shown.saturating_add(1)).max(SMALL);
        let each = i32::try_from(each).unwrap_or(i32::MAX);
        let sql = Sql::new("SELECT ").sql(rows.key()).sql(BEFORE_BODY);
        let sql = sql.sql(", CASE WHEN octet_length(r.body) <= ").bind(Bind::Int(each));
        let sql = sql.sql(" THEN r.body ELSE '' END").append(besides).sql(", octet_length(r.body) FROM ").append(from);
        let mut large = Vec::new();
        let found = self.rows_of_any_shape_while::<(Columns, Integer, Integer), (VersionRow, i32, i32)>(
            sql,
            |(row, _, length)| {
                let length = usize::try_from(*length).unwrap_or(0);
                match room.takes(row.key, length) {
                    true if row.body.len() < length => large.push(row.key),
                    true => {}
                    false => row.body = String::new(),
                }
                room.goes_on()
            },
        )?;
        let mut found: Vec<(VersionRow, i32)> = found.into_iter().map(|(row, is_so, _)| (row, is_so)).collect();
        // Where the answer has no room for all of them, nobody is told of any.
        if large.is_empty() || (room.beyond.is_some() && room.holding == Holding::Answer) {
            return Ok(found);
        }
        let sql = Sql::new("SELECT ").sql(rows.key()).sql(", r.body FROM ").sql(rows.table()).sql(" r WHERE ");
        let sql = sql.append(one_of_numbers(rows.key(), &large, true));
        let bodies = self.rows_of_any_shape::<(BigInt, Text), (i64, String)>(sql)?;
        let mut bodies: HashMap<i64, String> = bodies.into_iter().collect();
        for (row, _) in &mut found {
            if let Some(body) = bodies.remove(&row.key) {
                row.body = body;
            }
        }
        Ok(found)
    }
}

/// What bodies there is room for.
struct Room<'a> {
    room: usize,
    shown: usize,
    holding: Holding,
    is_known: &'a dyn Fn(i64) -> bool,
    /// Whether it is done again elsewhere once it has taken more than a little.
    may_be_stopped: bool,
    taken: usize,
    /// How many have come that are not left out.
    place: usize,
    beyond: Option<usize>,
    /// Bytes that have been read and not been counted.
    uncounted: usize,
}

impl Room<'_> {
    /// Whether the body of the next is wanted and may be handed out.
    fn takes(&mut self, key: i64, length: usize) -> bool {
        self.uncounted += length;
        if self.uncounted >= COUNTED {
            deadline::charge(std::mem::take(&mut self.uncounted));
        }
        if (self.is_known)(key) {
            return false;
        }
        let place = self.place;
        self.place += 1;
        if place >= self.shown {
            return false;
        }
        self.taken = self.taken.saturating_add(length);
        // Whoever looks through them goes on by at least one each time.
        let fits = self.taken <= self.room || (self.holding == Holding::Nothing && place == 0);
        if !fits {
            self.beyond = Some(place);
        }
        fits
    }

    fn goes_on(&self) -> bool {
        self.beyond.is_none() && !self.is_stopped()
    }

    fn is_stopped(&self) -> bool {
        self.may_be_stopped && deadline::is_spent() || !is_waited_for()
    }
}
