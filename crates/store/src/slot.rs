//! Where threads have their connections to PostgreSQL. Nobody else holds one: a connection is lent for a piece of work, and
//! one that has failed is thrown away with it and made anew for the next.

use std::collections::HashSet;
use std::fmt::Display;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::address::{DatabaseUrl, Durability};
use crate::connection::{Connection, SHARED_SESSIONS, in_one_line};
use crate::error::StoreError;
use crate::line::Pool;
use crate::stable_plans::ONCE;
use crate::time::Time;

/// How long to wait before a database that could not be reached is tried again.
const RETRY_EVERY: Duration = Duration::from_millis(250);

/// How long one thread tries on behalf of all before another does too. To connect takes seconds where nobody says no, as where
/// a proxy lets whoever comes wait for a server that it takes for well; by then the database may long be back for who asks anew.
const TRY: Duration = Duration::from_millis(500);

/// What is known of a database that may be away.
#[derive(Default)]
struct Away {
    /// When it may be tried again, while it cannot be reached.
    until: Option<Instant>,
    /// When it was reached last.
    reached: Option<Instant>,
}

/// Where connections lead, and how long their statements may take. Copies share what they know of the database.
#[derive(Clone)]
pub(crate) struct Endpoint {
    address: DatabaseUrl,
    limit: Duration,
    /// What is asked of each new connection: the machine may have stood still, or the database be another machine's now.
    time: Arc<Time>,
    away: Arc<Mutex<Away>>,
    /// How many connections there are.
    pool: Arc<Pool>,
    /// Whether what is run there is planned once.
    plans_once: bool,
    /// Where they fail.
    #[cfg(any(test, feature = "testing"))]
    faults: Arc<crate::faults::Faults>,
}

impl Endpoint {
    /// A place of which nothing is known yet.
    pub(crate) fn new(address: DatabaseUrl, limit: Duration, time: Arc<Time>) -> Endpoint {
        Endpoint {
            address,
            limit,
            time,
            away: Arc::default(),
            pool: Arc::default(),
            plans_once: false,
            #[cfg(any(test, feature = "testing"))]
            faults: Arc::default(),
        }
    }

    /// The same, but that what leads there fails where a test wants it.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn failing(self, faults: &Arc<crate::faults::Faults>) -> Endpoint {
        Endpoint { faults: Arc::clone(faults), ..self }
    }

    /// The connections that lead there from slots.
    pub(crate) fn pool(&self) -> Arc<Pool> {
        Arc::clone(&self.pool)
    }

    fn open(&self) -> Result<Connection, String> {
        let connection = Connection::open_limited(&self.address, Durability::Full, self.limit);
        #[cfg(any(test, feature = "testing"))]
        let connection = connection.map(|connection| connection.failing(&self.faults));
        let cannot =
            |error: &dyn Display| format!("database_url: cannot connect to PostgreSQL: {}", in_one_line(&error));
        let mut connection = connection.map_err(|error| cannot(&error))?;
        if self.plans_once {
            connection.batch(&format!("SET {ONCE}")).map_err(|error| cannot(&error))?;
        }
        Ok(connection)
    }

    /// A new connection, or [`StoreError::Busy`]. While the database is away one thread tries for all, and not without pause, so
    /// that nobody else has to wait to be told to come again.
    fn reopen(&self) -> Result<Connection, StoreError> {
        if !self.may_try() {
            return Err(StoreError::Busy(1));
        }
        let begun = Instant::now();
        let opened = self.open().and_then(|mut connection| match self.time.ask(&mut connection) {
            Ok(()) => Ok(connection),
            Err(error) => Err(in_one_line(&error)),
        });
        let mut away = self.away();
        match opened {
            Ok(connection) => {
                away.reached = Some(Instant::now());
                if away.until.take().is_some() {
                    tracing::info!("the database is back");
                }
                Ok(connection)
            }
            // Another one that came later has found it.
            Err(_) if away.reached.is_some_and(|reached| reached > begun) => Err(StoreError::Busy(1)),
            Err(error) => {
                if away.until.replace(Instant::now() + RETRY_EVERY).is_none() {
                    tracing::error!(%error, "the database is lost");
                }
                Err(StoreError::Busy(1))
            }
        }
    }

    fn may_try(&self) -> bool {
        let mut away = self.away();
        let now = Instant::now();
        match away.until {
            Some(until) if now < until => false,
            Some(_) => {
                away.until = Some(now + TRY);
                true
            }
            None => true,
        }
    }

    fn away(&self) -> MutexGuard<'_, Away> {
        self.away.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A thread's place for one connection.
pub(crate) struct Slot {
    place: Endpoint,
    connection: Option<Connection>,
    /// Whether it is counted as one that is open.
    is_counted: bool,
}

impl Slot {
    /// A slot with an open connection.
    ///
    /// # Errors
    /// One line, when the database cannot be reached.
    pub(crate) fn open(place: &Endpoint) -> Result<Slot, String> {
        let mut slot = Slot { place: place.clone(), connection: Some(place.open()?), is_counted: false };
        slot.counted(true);
        Ok(slot)
    }

    /// So many slots, each with an open connection to a session of its own.
    ///
    /// # Errors
    /// One line, when the database cannot be reached, or something between gives a session to whoever has a statement for it:
    /// what a connection has set, prepared or locked would be another's.
    pub(crate) fn open_apart(place: &Endpoint, many: usize) -> Result<Vec<Slot>, String> {
        let mut slots = Vec::with_capacity(many);
        for _ in 0..many {
            slots.push(Slot::open(place)?);
        }
        let mut sessions = HashSet::new();
        for slot in &mut slots {
            let told = slot.with(Connection::session);
            let number = match told {
                Ok(Ok(number)) => number,
                Ok(Err(error)) => return Err(format!("database_url: cannot connect: {}", in_one_line(&error))),
                Err(_) => return Err("database_url: cannot connect: the connection was closed at once".to_owned()),
            };
            if !sessions.insert(number) {
                return Err(format!("database_url: {SHARED_SESSIONS}"));
            }
        }
        Ok(slots)
    }

    /// Has what is run there planned once, whatever values it is given. It is for fixed statements.
    ///
    /// # Errors
    /// One line, when the database cannot be reached.
    pub(crate) fn planning_once(mut self) -> Result<Slot, String> {
        self.place.plans_once = true;
        if let Some(connection) = &mut self.connection {
            connection
                .batch(&format!("SET {ONCE}"))
                .map_err(|error| format!("database_url: cannot connect: {}", in_one_line(&error)))?;
        }
        Ok(self)
    }

    /// Lends the connection for a piece of work. One that the database has closed meanwhile is replaced before, and one
    /// that is spoilt by the work, or in which the work panics, is not used again.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when there is no connection to be had; the work has not been begun then.
    pub(crate) fn with<T>(&mut self, work: impl FnOnce(&mut Connection) -> T) -> Result<T, StoreError> {
        let open = self.connection.take_if(Connection::is_open);
        // One that is left there is closed.
        self.connection = None;
        let opened = match open {
            Some(connection) => Ok(connection),
            None => self.place.reopen(),
        };
        self.counted(opened.is_ok());
        let mut connection = opened?;
        let done = self.place.pool().at(|| work(&mut connection));
        if connection.is_spoilt() {
            self.counted(false);
        } else {
            self.connection = Some(connection);
        }
        Ok(done)
    }

    /// Counts the connection as open or not.
    fn counted(&mut self, is_open: bool) {
        self.place.pool.is_open(std::mem::replace(&mut self.is_counted, is_open), is_open);
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.counted(false);
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use diesel::result::{DatabaseErrorKind, Error};
    use diesel::sql_types::Integer;

    use super::*;
    use crate::statement::Sql;
    use crate::testing::{NOW, Scratch, Standing};

    const LIMIT: Duration = Duration::from_secs(30);

    /// Which connection of the server's this is.
    fn number(connection: &mut Connection) -> Result<i32, Error> {
        let rows = connection.rows::<(Integer,), (i32,)>(Sql::new("SELECT pg_backend_pid()"))?;
        Ok(rows.first().unwrap().0)
    }

    /// Has the server close a connection, and waits until it has.
    fn close(place: &Endpoint, number: i32) {
        place.open().unwrap().batch(&format!("SELECT pg_terminate_backend({number}, 60000)")).unwrap();
    }

    #[test]
    fn a_connection_that_has_failed_is_not_used_again() {
        let [_, scratch] = Scratch::both();
        let place = Endpoint::new(scratch.address.clone(), LIMIT, Arc::new(Time::new(Standing(NOW))));
        let mut slot = Slot::open(&place).unwrap();
        let first = slot.with(number).unwrap().unwrap();
        assert_eq!(slot.with(number).unwrap().unwrap(), first, "one that is well is kept");
        assert!(slot.with(|connection| connection.batch("SELECT nothing")).unwrap().is_err());
        assert_eq!(slot.with(number).unwrap().unwrap(), first, "a statement that is wrong does not spoil it");

        close(&place, first);
        let second = slot.with(number).unwrap().unwrap();
        assert_ne!(second, first, "what was closed meanwhile is replaced before anybody notices");

        let lost = slot.with(|connection| {
            close(&place, second);
            number(connection)
        });
        let lost = lost.unwrap();
        assert!(matches!(lost, Err(Error::DatabaseError(DatabaseErrorKind::ClosedConnection, _))), "{lost:?}");
        let third = slot.with(number).unwrap().unwrap();

        let panicked = catch_unwind(AssertUnwindSafe(|| slot.with(|_| -> () { panic!("in the middle of it") })));
        assert!(panicked.is_err());
        let fourth = slot.with(number).unwrap().unwrap();
        assert_ne!(fourth, third, "nobody knows where the work stopped");

        slot.with(Connection::spoil).unwrap();
        assert_eq!(place.pool().open_and_busy(), (0, 0), "what is thrown away is no longer counted");
        assert_ne!(slot.with(number).unwrap().unwrap(), fourth);
        let (mut at_work, other) = ((0, 0), Slot::open(&place).unwrap());
        slot.with(|_| at_work = place.pool().open_and_busy()).unwrap();
        assert_eq!((at_work, place.pool().open_and_busy()), ((2, 1), (2, 0)));
        drop((slot, other));
        assert_eq!(place.pool().open_and_busy(), (0, 0));
    }

    #[test]
    fn what_is_always_the_same_is_planned_once_on_a_new_connection_too() {
        let [_, scratch] = Scratch::both();
        let place = Endpoint::new(scratch.address.clone(), LIMIT, Arc::new(Time::new(Standing(NOW))));
        let is_planned_once = |connection: &mut Connection| {
            let told = Sql::new("SELECT CASE current_setting('plan_cache_mode') WHEN 'auto' THEN 0 ELSE 1 END");
            connection.rows::<(Integer,), (i32,)>(told).unwrap().first().unwrap().0 == 1
        };
        let mut other = Slot::open(&place).unwrap();
        let mut slot = Slot::open(&place).unwrap().planning_once().unwrap();
        assert!(slot.with(is_planned_once).unwrap());
        slot.with(Connection::spoil).unwrap();
        assert!(slot.with(is_planned_once).unwrap(), "a connection that is made anew");
        assert!(!other.with(is_planned_once).unwrap(), "what callers shape is planned for its values");
    }

    #[test]
    fn while_the_database_is_away_one_tries_for_all() {
        let [_, scratch] = Scratch::both();
        let place = Endpoint::new(
            DatabaseUrl::Postgres("postgres:///d?host=/nowhere".to_owned()),
            LIMIT,
            Arc::new(Time::new(Standing(NOW))),
        );
        assert!(matches!(place.reopen(), Err(StoreError::Busy(_))));
        assert!(place.away().until.is_some(), "the next one waits");
        place.away().until = Some(Instant::now());
        assert!(place.may_try(), "until it is time to try again");
        assert!(!place.clone().may_try(), "which nobody else does meanwhile");
        place.away().until = Some(Instant::now());
        let back = Endpoint { address: scratch.address.clone(), ..place.clone() };
        assert!(back.reopen().is_ok());
        assert!(place.away().until.is_none(), "everybody knows that it is back");
    }

    #[test]
    fn who_waits_for_nobody_does_not_say_that_a_database_is_away_which_another_has_found() {
        let [_, scratch] = Scratch::both();
        // It lets whoever comes wait.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("postgres://{}/d?sslmode=disable", listener.local_addr().unwrap());
        let place = Endpoint::new(DatabaseUrl::Postgres(address), LIMIT, Arc::new(Time::new(Standing(NOW))));
        let waiting = place.clone();
        let waits = std::thread::spawn(move || waiting.reopen().err());
        let (held, _) = listener.accept().unwrap();
        let back = Endpoint { address: scratch.address.clone(), ..place.clone() };
        drop(back.reopen().unwrap());
        drop((held, listener));
        assert!(matches!(waits.join().unwrap(), Some(StoreError::Busy(_))));
        assert!(place.away().until.is_none());
    }
}
