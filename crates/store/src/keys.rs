//! Numbers for rows that any node can make without asking: time-ordered, 63 bits.

use std::sync::atomic::{AtomicI64, Ordering};

use diesel::result::Error;
use diesel::sql_types::BigInt;

use crate::connection::Connection;
use crate::statement::Sql;

/// 2024-01-01T00:00:00Z in milliseconds: numbers last until the year 2093.
const EPOCH: i64 = 1_704_067_200_000;

/// The bits that tell the numbers of one node and one millisecond apart.
const SEQUENCE: i64 = 0xfff;

/// How many milliseconds before and after that have numbers.
const FURTHEST: i64 = 1 << 41;

/// Makes row numbers: 41 bits of milliseconds, 10 bits of node, 12 bits of sequence. No two of the last 1,024 nodes that
/// opened a database have the same number.
#[derive(Debug)]
pub struct Keys {
    node: i64,
    last: AtomicI64,
}

impl Keys {
    /// A maker for a node that opens the database now.
    pub(crate) fn of_new_node(connection: &mut Connection) -> Result<Keys, Error> {
        let sql = Sql::new(
            "INSERT INTO setting (name, value) VALUES ('nodes', '1') ON CONFLICT (name) DO UPDATE SET value = \
             CAST(CAST(setting.value AS BIGINT) + 1 AS TEXT) RETURNING CAST(value AS BIGINT)",
        );
        let opened = connection.rows::<(BigInt,), (i64,)>(sql)?.first().map_or(0, |row| row.0);
        let keys = Keys::numbered(opened);
        keys.rise(connection)?;
        Ok(keys)
    }

    /// Makes numbers above those of all nodes that are there: what is new comes after what is there, wherever clocks stood
    /// meanwhile.
    pub(crate) fn rise(&self, connection: &mut Connection) -> Result<(), Error> {
        if let Some(newest) = newest_number(connection)? {
            self.rise_beyond(newest);
        }
        Ok(())
    }

    fn rise_beyond(&self, newest: i64) {
        // Most of the time the clock is further than that, and the numbers with it.
        let last = ((newest >> 22) + 1) << 22 | (self.node << 12);
        self.last.fetch_max(last, Ordering::Relaxed);
    }

    /// A maker for the node of that number, of which ten bits are used.
    fn numbered(node: i64) -> Keys {
        Keys { node: node & 0x3ff, last: AtomicI64::new(0) }
    }

    /// The least number that is made at that time or later, by a node whose clock is right.
    pub fn from(now_ms: i64) -> i64 {
        (now_ms - EPOCH).max(0) << 22
    }

    /// The least number of that time, also of one in which there were none; of what is far from now, one that is as far as there are.
    pub(crate) fn at(time_ms: i64) -> i64 {
        time_ms.saturating_sub(EPOCH).clamp(-FURTHEST, FURTHEST - 1) << 22
    }

    /// The next number at that time; always greater than the one before, also when the clock steps back.
    pub fn next(&self, now_ms: i64) -> i64 {
        let wanted = ((now_ms - EPOCH).max(1) << 22) | (self.node << 12);
        match self.last.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(wanted.max(self.after(last)))) {
            Ok(last) | Err(last) => wanted.max(self.after(last)),
        }
    }

    /// The least number of this node after that one. Where its millisecond is used up it is of the next one: one more
    /// would be a number of the next node.
    fn after(&self, last: i64) -> i64 {
        if last & SEQUENCE == SEQUENCE { ((last >> 22) + 1) << 22 | (self.node << 12) } else { last + 1 }
    }
}

/// The greatest number of an event in the log.
///
/// # Errors
/// When the database fails.
pub(crate) fn newest_number(connection: &mut Connection) -> Result<Option<i64>, Error> {
    let sql = Sql::new("SELECT pk FROM audit ORDER BY pk DESC LIMIT 1");
    Ok(connection.rows::<(BigInt,), (i64,)>(sql)?.first().map(|row| row.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_grow_even_when_the_clock_steps_back() {
        let keys = Keys::numbered(5);
        let mut last = 0;
        for now in [EPOCH + 10, EPOCH + 10, EPOCH + 9, EPOCH + 11, 0] {
            let next = keys.next(now);
            assert!(next > last);
            last = next;
        }
    }

    #[test]
    fn numbers_come_after_those_that_are_there_and_are_of_their_own_node() {
        for node in [0, 5, 0x3ff] {
            let there = Keys::numbered(77).next(EPOCH + 3_600_000);
            let keys = Keys::numbered(node);
            keys.rise_beyond(there);
            let mut last = there;
            for now in [0, EPOCH + 10, EPOCH + 3_600_000] {
                let next = keys.next(now);
                assert!(next > last && (next >> 12) & 0x3ff == node);
                last = next;
            }
            assert_eq!(keys.next(EPOCH + 7_200_000) >> 22, 7_200_000, "until the clock is further");
        }
    }

    #[test]
    fn nodes_whose_clocks_stand_still_never_make_the_same_number() {
        let mut made = std::collections::HashSet::new();
        for keys in [Keys::numbered(5), Keys::numbered(6), Keys::numbered(0x3ff), Keys::numbered(0)] {
            for _ in 0..10_000 {
                assert!(made.insert(keys.next(EPOCH + 10)));
            }
        }
    }
}
