//! What time it is for everything that is put in order: numbers of rows, versions, events of the log.
//!
//! Several nodes write into one database, and their clocks differ. So each takes the time from the database, and counts on
//! from there by what never steps, whatever is done to the machine's clock. How far that is off is told.

use std::sync::atomic::{AtomicI64, Ordering};

use diesel::result::Error;
use diesel::sql_types::BigInt;

use crate::Clock;
use crate::connection::Connection;
use crate::statement::Sql;

/// The time that all nodes of a database share.
pub(crate) struct Time {
    clock: Box<dyn Clock>,
    /// How far the shared time is ahead of what the node counts, in milliseconds.
    shift: AtomicI64,
    /// How far the machine's clock is ahead of the database's, in milliseconds.
    off: AtomicI64,
}

impl Time {
    /// The machine's time, until the database has been asked.
    pub(crate) fn new(clock: impl Clock + 'static) -> Time {
        let shift = clock.now_ms() - clock.steady_ms();
        Time { clock: Box::new(clock), shift: AtomicI64::new(shift), off: AtomicI64::new(0) }
    }

    /// Now, in milliseconds since 1970 UTC.
    pub(crate) fn now_ms(&self) -> i64 {
        self.clock.steady_ms() + self.shift.load(Ordering::Relaxed)
    }

    /// How far the machine's clock is ahead of the database's, in milliseconds.
    pub(crate) fn off_ms(&self) -> i64 {
        self.off.load(Ordering::Relaxed)
    }

    /// Asks the database. The embedded one has no clock but the machine's: that was set back where the newest event of the log
    /// is of a time to come.
    ///
    /// # Errors
    /// When the database fails.
    pub(crate) fn ask(&self, connection: &mut Connection) -> Result<(), Error> {
        let before = self.clock.steady_ms();
        let (told, newest) = match self.clock.instead_of_the_databases_ms() {
            Some(told) => (told, None),
            None if connection.is_postgres() => {
                let sql = Sql::new("SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)");
                let rows = connection.rows::<(BigInt,), (i64,)>(sql)?;
                (rows.first().map_or_else(|| self.now_ms(), |row| row.0), None)
            }
            None => {
                let newest = Sql::new("SELECT at FROM audit ORDER BY pk DESC LIMIT 1");
                let rows = connection.rows::<(BigInt,), (i64,)>(newest)?;
                (self.clock.now_ms(), rows.first().map(|row| row.0))
            }
        };
        self.learn(told, before, newest);
        Ok(())
    }

    /// The database has told its time to who asked at `before`. It was some time between then and now, so what differs by
    /// less is no difference.
    fn learn(&self, told: i64, before: i64, newest: Option<i64>) {
        let (after, machine) = (self.clock.steady_ms(), self.clock.now_ms());
        let (between, doubt) = (before.midpoint(after), (after - before) / 2 + 1);
        let shift = told - between;
        if (shift - self.shift.load(Ordering::Relaxed)).abs() > doubt {
            self.shift.store(shift, Ordering::Relaxed);
        }
        let ahead = machine - (after + shift);
        let behind_the_log = newest.map_or(0, |newest| (newest - told).max(0));
        self.off.store(if ahead.abs() > doubt { ahead } else { 0 } - behind_the_log, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;

    /// What a machine's clock says, what it counts, and what the database's clock says.
    #[derive(Clone, Default)]
    struct Three(Arc<[AtomicI64; 3]>);

    impl Three {
        fn set(&self, values: [i64; 3]) {
            self.0.iter().zip(values).for_each(|(own, value)| own.store(value, Ordering::SeqCst));
        }

        fn get(&self, place: usize) -> i64 {
            self.0[place].load(Ordering::SeqCst)
        }
    }

    impl Clock for Three {
        fn now_ms(&self) -> i64 {
            self.get(0)
        }

        fn steady_ms(&self) -> i64 {
            self.get(1)
        }

        fn instead_of_the_databases_ms(&self) -> Option<i64> {
            Some(self.get(2))
        }
    }

    #[test]
    fn the_databases_clock_counts_and_a_machines_that_steps_does_not() {
        const HOUR: i64 = 3_600_000;
        let clock = Three::default();
        clock.set([10 * HOUR, 5, 9 * HOUR]);
        let time = Time::new(clock.clone());
        assert_eq!(time.now_ms(), 10 * HOUR, "nobody has been asked");
        time.learn(clock.get(2), 5, None);
        assert_eq!((time.now_ms(), time.off_ms()), (9 * HOUR, HOUR));
        // Somebody sets the machine's clock back by three hours: nothing is put in another order.
        clock.set([7 * HOUR, 105, 9 * HOUR + 100]);
        assert_eq!(time.now_ms(), 9 * HOUR + 100);
        time.learn(clock.get(2), 105, None);
        assert_eq!((time.now_ms(), time.off_ms()), (9 * HOUR + 100, -2 * HOUR - 100));
    }

    #[test]
    fn what_the_answer_took_is_no_difference() {
        let clock = Three::default();
        clock.set([1_000, 0, 0]);
        let time = Time::new(clock.clone());
        clock.set([1_400, 400, 0]);
        time.learn(1_050, 0, None);
        assert_eq!((time.now_ms(), time.off_ms()), (1_400, 0), "asked at 1,000 and told at 1,400");
        time.learn(5_050, 0, None);
        assert_eq!(time.now_ms(), 5_250, "it was half way between");
    }

    #[test]
    fn a_log_that_goes_further_shows_that_the_clock_was_set_back() {
        let clock = Three::default();
        clock.set([1_000, 0, 0]);
        let time = Time::new(clock.clone());
        time.learn(1_000, 0, Some(61_000));
        assert_eq!((time.now_ms(), time.off_ms()), (1_000, -60_000));
        time.learn(1_000, 0, Some(400));
        assert_eq!(time.off_ms(), 0);
    }
}
