//! The two databases behind one face: one connection to either. Statements that the two want differently ask
//! [`Connection::is_postgres`] where they are made.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use diesel::ExecuteCopyFromDsl as _;
use diesel::connection::{Connection as _, SimpleConnection};
use diesel::deserialize::FromSqlRow;
use diesel::pg::{Pg, PgConnection};
use diesel::query_dsl::{LoadQuery, RunQueryDsl};
use diesel::result::{ConnectionResult, DatabaseErrorKind, Error};
use diesel::sql_types::BigInt;
use diesel::sqlite::{Sqlite, SqliteConnection};

use crate::address::{DatabaseUrl, Durability};
use crate::cost::Cost;
use crate::deadline::{self, Watch};
use crate::entry_row::{EntryRow, entry};
use crate::memory;
use crate::private_file;
use crate::statement::{Sql, Statement};

/// How many shapes of searches a connection keeps prepared.
const SHAPES: usize = 256;

/// How long a file may be in another's hands while it is opened.
const OPENED_WITHIN: Duration = Duration::from_secs(10);

/// How often it is tried.
const TRIED_EVERY: Duration = Duration::from_millis(10);

/// How long a statement may take where nothing else is said.
const USUAL_LIMIT: Duration = Duration::from_secs(30);

/// An open connection to either database.
pub(crate) struct Connection {
    pub(crate) database: Database,
    /// It is lost, or in a state that nobody knows, and must not be used again.
    spoilt: bool,
    /// The shapes of searches whose preparation is kept.
    shapes: HashSet<String>,
    /// How long a search may take.
    limit: Duration,
}

/// Which database a connection is to.
pub(crate) enum Database {
    /// The embedded database.
    Sqlite(SqliteConnection),
    /// PostgreSQL.
    Postgres(PgConnection),
}

impl Connection {
    /// Opens a connection.
    ///
    /// # Errors
    /// When the database cannot be reached or opened.
    pub(crate) fn open(address: &DatabaseUrl, durability: Durability) -> ConnectionResult<Connection> {
        match address {
            DatabaseUrl::Sqlite(path) => {
                memory::install();
                deadline::install();
                private_file::keep(path).map_err(diesel::ConnectionError::BadConnection)?;
                let mut connection = SqliteConnection::establish(&path.to_string_lossy())?;
                let synchronous = match durability {
                    Durability::Full => "FULL",
                    Durability::Process => "NORMAL",
                };
                set_up(
                    &mut connection,
                    &format!(
                        "PRAGMA busy_timeout = 10000; PRAGMA journal_mode = WAL; PRAGMA synchronous = {synchronous}; \
                         PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -8192; \
                         PRAGMA mmap_size = 268435456; PRAGMA journal_size_limit = 67108864; \
                         PRAGMA wal_autocheckpoint = 12000;"
                    ),
                )
                .map_err(diesel::ConnectionError::CouldntSetupConfiguration)?;
                Ok(Connection::of(Database::Sqlite(connection)))
            }
            DatabaseUrl::Postgres(url) => {
                let mut connection = PgConnection::establish(&bounded(url))?;
                connection
                    // Compiling pays for queries over many rows. These are over few, with long conditions. One is one process's:
                    // what a caller asks takes no more processors than it has places.
                    .batch_execute(&format!(
                        "SET client_min_messages = warning; SET timezone = 'UTC'; SET jit = off; \
                         SET max_parallel_workers_per_gather = 0; {IN_ENGLISH}; {}",
                        session_limits(USUAL_LIMIT)
                    ))
                    .map_err(diesel::ConnectionError::CouldntSetupConfiguration)?;
                Ok(Connection::of(Database::Postgres(connection)))
            }
        }
    }

    fn of(database: Database) -> Connection {
        Connection { database, spoilt: false, shapes: HashSet::new(), limit: USUAL_LIMIT }
    }

    /// Opens a connection whose searches, and on PostgreSQL all its statements, end after this time.
    ///
    /// # Errors
    /// When the database cannot be reached or opened.
    pub(crate) fn open_limited(
        address: &DatabaseUrl,
        durability: Durability,
        limit: Duration,
    ) -> ConnectionResult<Connection> {
        let mut connection = Connection { limit, ..Connection::open(address, durability)? };
        if connection.is_postgres() {
            connection.batch(&session_limits(limit)).map_err(diesel::ConnectionError::CouldntSetupConfiguration)?;
        }
        Ok(connection)
    }

    /// Bounds what is run while it lives. PostgreSQL sees to the time by itself, and counts no steps.
    pub(crate) fn watch(&self, cost: Cost) -> Option<Watch> {
        let time = self.limit.min(cost.time);
        matches!(self.database, Database::Sqlite(_)).then(|| Watch::new(time, cost.steps))
    }

    /// Makes this the connection that writes. It alone keeps its pages from commit to commit, so it gets more room; and it is
    /// the writer itself that writes the log back, when nobody waits for that.
    pub(crate) fn for_writing(mut self) -> Result<Connection, Error> {
        self.batch("PRAGMA mmap_size = 0; PRAGMA cache_size = -32768; PRAGMA wal_autocheckpoint = 60000")?;
        Ok(self)
    }

    /// Makes this a connection that reads and never writes. It keeps its pages as long as its snapshot, and to find one
    /// among them costs less than to look at it in the file. There are as many of these as requests are searching at once.
    pub(crate) fn for_reading(mut self) -> Result<Connection, Error> {
        self.batch("PRAGMA query_only = ON; PRAGMA mmap_size = 0; PRAGMA cache_size = -8192")?;
        Ok(self)
    }

    /// Whether this is PostgreSQL, for the few statements that differ.
    pub(crate) fn is_postgres(&self) -> bool {
        matches!(self.database, Database::Postgres(_))
    }

    /// Whether it must not be used again.
    pub(crate) fn is_spoilt(&self) -> bool {
        self.spoilt
    }

    /// Says that nobody knows what state it is in.
    pub(crate) fn spoil(&mut self) {
        self.spoilt = true;
    }

    /// Whether the database has not closed it, as far as can be told without a way there and back.
    pub(crate) fn is_open(&mut self) -> bool {
        match &mut self.database {
            Database::Sqlite(_) => true,
            Database::Postgres(connection) => is_open(connection),
        }
    }

    /// Lets the preparation of a search be kept only while there are not too many: callers shape searches, and must not
    /// fill the memory with them.
    pub(crate) fn bounded(&mut self, sql: &mut Sql) {
        let text = sql.text();
        if self.shapes.contains(&text) {
            return;
        }
        if self.shapes.len() < SHAPES {
            self.shapes.insert(text);
        } else {
            sql.once();
        }
    }

    /// Runs a statement that answers with rows.
    pub(crate) fn rows<T, U>(&mut self, sql: Sql) -> Result<Vec<U>, Error>
    where
        U: FromSqlRow<T, Sqlite> + FromSqlRow<T, Pg> + 'static,
        Statement<T>: for<'q> LoadQuery<'q, SqliteConnection, U> + for<'q> LoadQuery<'q, PgConnection, U>,
    {
        let result = match &mut self.database {
            Database::Sqlite(connection) => sql.returning::<T>().load::<U>(connection),
            Database::Postgres(connection) => sql.returning::<T>().load::<U>(connection),
        };
        self.noted(result)
    }

    /// Runs a statement that answers with no rows; how many rows it touched.
    pub(crate) fn run(&mut self, sql: Sql) -> Result<usize, Error> {
        let statement: Statement<diesel::sql_types::Untyped> = sql.returning();
        let result = match &mut self.database {
            Database::Sqlite(connection) => statement.execute(connection),
            Database::Postgres(connection) => statement.execute(connection),
        };
        self.noted(result)
    }

    /// Puts many rows into the index in the way that PostgreSQL has for it.
    pub(crate) fn copy(&mut self, rows: &[EntryRow]) -> Result<(), Error> {
        let result = match &mut self.database {
            Database::Sqlite(_) => Err(Error::QueryBuilderError("this database takes no copy".into())),
            Database::Postgres(connection) => {
                diesel::copy_from(entry::table).from_insertable(rows).execute(connection).map(|_| ())
            }
        };
        self.noted(result)
    }

    /// Runs fixed text, one or more statements.
    pub(crate) fn batch(&mut self, text: &str) -> Result<(), Error> {
        let result = match &mut self.database {
            Database::Sqlite(connection) => connection.batch_execute(text),
            Database::Postgres(connection) => connection.batch_execute(text),
        };
        self.noted(result)
    }

    /// Runs fixed text outside of any transaction.
    #[cfg(any(test, feature = "testing"))]
    #[expect(clippy::unwrap_used, reason = "for tests")]
    pub(crate) fn execute_for_test(&mut self, text: &str) {
        self.batch(text).unwrap();
    }

    /// Which of the server's sessions answers. Only on PostgreSQL.
    pub(crate) fn session(&mut self) -> Result<Option<i64>, Error> {
        // Not prepared: where sessions are shared a name may be taken.
        let mut sql = Sql::new("SELECT CAST(pg_backend_pid() AS BIGINT)");
        sql.once();
        Ok(self.rows::<(BigInt,), (i64,)>(sql)?.first().map(|row| row.0))
    }

    /// Refuses a place where another connection has this one's session: a lock that is taken in it would stay there.
    ///
    /// # Errors
    /// One line that says what to set, or that the database cannot be reached.
    pub(crate) fn refuse_shared_session(&mut self, address: &DatabaseUrl) -> Result<(), String> {
        let cannot = |error: &dyn std::fmt::Display| format!("database_url: cannot open: {}", in_one_line(error));
        let own = self.session().map_err(|error| cannot(&error))?;
        let mut other = Connection::open(address, Durability::Full).map_err(|error| cannot(&error))?;
        match other.session().map_err(|error| cannot(&error))? == own {
            true => Err(format!("database_url: {SHARED_SESSIONS}")),
            false => Ok(()),
        }
    }

    /// Lets no error of a lost connection pass as anything else, and remembers that it is lost.
    fn noted<T>(&mut self, result: Result<T, Error>) -> Result<T, Error> {
        let error = match result {
            Err(error) if self.is_lost_by(&error) => error,
            other => return other,
        };
        self.spoilt = true;
        Err(Error::DatabaseError(DatabaseErrorKind::ClosedConnection, Box::new(error.to_string())))
    }

    fn is_lost_by(&mut self, error: &Error) -> bool {
        let Database::Postgres(connection) = &mut self.database else { return false };
        match error {
            Error::DatabaseError(kind, _) => match kind {
                DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::UnableToSendCommand => true,
                // Nothing is written in what begins as read-only, so the server is one that only follows another now.
                DatabaseErrorKind::ReadOnlyTransaction => true,
                // Some ways to fail, of a COPY for instance, do not say why.
                DatabaseErrorKind::Unknown => !is_open(connection),
                _ => false,
            },
            Error::BrokenTransactionManager | Error::AlreadyInTransaction | Error::NotInTransaction => true,
            _ => false,
        }
    }
}

/// Whether the server has not closed the connection: looks at what has arrived, and waits for nothing. What the server
/// said before it closed is found by the first look, that it has closed by the next.
fn is_open(connection: &mut PgConnection) -> bool {
    (0..2).all(|_| connection.notifications_iter().all(|arrived| arrived.is_ok()))
}

/// Sets a connection to SQLite up. For another that turns a new file to write-ahead logging at the same time SQLite does not wait
/// by itself.
fn set_up(connection: &mut SqliteConnection, text: &str) -> Result<(), Error> {
    let begun = Instant::now();
    loop {
        match connection.batch_execute(text) {
            Err(Error::DatabaseError(_, told))
                if told.message().contains("locked") && begun.elapsed() < OPENED_WITHIN =>
            {
                std::thread::sleep(TRIED_EVERY);
            }
            done => return done,
        }
    }
}

/// What is wrong is told by PostgreSQL's words, which come in the language of its machine unless somebody says otherwise. That
/// takes a right which not every role has.
const IN_ENGLISH: &str = "DO $$ BEGIN PERFORM set_config('lc_messages', 'C', false); EXCEPTION WHEN insufficient_privilege THEN \
                          NULL; END $$";

/// Takes from a connection the limits of requests, for what takes as long as it takes.
pub(crate) const WITHOUT_LIMITS: &str = "SET statement_timeout = 0; SET lock_timeout = 0; \
                                         SET idle_in_transaction_session_timeout = 0";

/// What a session on PostgreSQL may take. A statement that waits for another's lock is given up before one that is slow by
/// itself, so that the two are told apart. What a node leaves behind that is gone without a word, its open transaction and
/// the locks of that, is gone in half a minute.
fn session_limits(limit: Duration) -> String {
    let statement = limit.as_millis().max(1);
    let lock = (statement / 2).clamp(1, 5_000);
    format!(
        "SET statement_timeout = {statement}; SET lock_timeout = {lock}; \
         SET idle_in_transaction_session_timeout = 30000; \
         SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3; \
         SET tcp_user_timeout = 15000"
    )
}

/// The address, with a bound for how long anything may hang that the server has no part in: to connect takes seconds,
/// and a server that is gone without a word is noticed. What the address says itself goes first.
fn bounded(url: &str) -> String {
    const BOUNDS: [(&str, &str); 5] = [
        ("connect_timeout", "3"),
        ("keepalives_idle", "10"),
        ("keepalives_interval", "5"),
        ("keepalives_count", "3"),
        ("tcp_user_timeout", "15000"),
    ];
    let after_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
    // A user's name or password may have a question mark in it.
    let after_user = match after_scheme.find(['@', '/']) {
        Some(at) => after_scheme.get(at..).unwrap_or_default(),
        None => after_scheme,
    };
    let query = after_user.split_once('?').map(|(_, query)| query);
    let named = |name: &str| {
        let mut pairs = query.unwrap_or_default().split('&');
        pairs.any(|pair| pair.split_once('=').is_some_and(|(own, _)| own == name))
    };
    let mut bounded = url.to_owned();
    let mut separator = match query {
        None => "?",
        Some(query) if query.is_empty() || query.ends_with('&') => "",
        Some(_) => "&",
    };
    for (name, value) in BOUNDS.into_iter().filter(|(name, _)| !named(name)) {
        bounded.extend([separator, name, "=", value]);
        separator = "&";
    }
    bounded
}

/// What is said where a session is not a connection's own: what it has set, prepared or locked is another's.
pub(crate) const SHARED_SESSIONS: &str = "several connections share a session of PostgreSQL, as through PgBouncer in transaction \
                                          mode: set pool_mode = session there, or name PostgreSQL itself";

/// An error in one line: libpq tells some in several. That a statement is there which nobody has prepared on this connection,
/// or is not there which somebody has, means that the session is not its own.
pub(crate) fn in_one_line(error: &dyn std::fmt::Display) -> String {
    let text = error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    if text.contains("prepared statement \"__diesel_stmt") { SHARED_SESSIONS.to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use diesel::sql_types::Text;

    use super::{Connection, WITHOUT_LIMITS, bounded};
    use crate::address::Durability;
    use crate::statement::Sql;
    use crate::testing::{Scratch, execute};

    /// What a session has set.
    fn set(connection: &mut Connection) -> Vec<String> {
        let names = ["statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "lc_messages"];
        let shown = |name: &&str| {
            let rows = connection.rows::<(Text,), (String,)>(Sql::new(format!("SELECT current_setting('{name}')")));
            format!("{name} {}", rows.unwrap()[0].0)
        };
        names.iter().map(shown).collect()
    }

    #[test]
    fn every_session_has_limits_and_tells_what_is_wrong_in_english() {
        let [_, scratch] = Scratch::both();
        // As on a machine where it is told otherwise.
        let otherwise =
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET lc_messages = %L', current_database(), 'POSIX'); END $$";
        execute(&scratch.address, otherwise);
        let usual =
            ["statement_timeout 30s", "lock_timeout 5s", "idle_in_transaction_session_timeout 30s", "lc_messages C"];
        let mut connection = Connection::open(&scratch.address, Durability::Full).unwrap();
        assert_eq!(set(&mut connection), usual);
        connection.batch(WITHOUT_LIMITS).unwrap();
        let none = ["statement_timeout 0", "lock_timeout 0", "idle_in_transaction_session_timeout 0"];
        assert_eq!(set(&mut connection)[..3], none);
        let limit = Duration::from_secs(4);
        let mut connection = Connection::open_limited(&scratch.address, Durability::Full, limit).unwrap();
        assert_eq!(set(&mut connection)[..2], ["statement_timeout 4s", "lock_timeout 2s"]);
        assert_eq!(set(&mut connection)[2..], usual[2..]);
    }

    #[test]
    fn nothing_that_the_server_has_no_part_in_may_hang() {
        let all =
            "connect_timeout=3&keepalives_idle=10&keepalives_interval=5&keepalives_count=3&tcp_user_timeout=15000";
        assert_eq!(bounded("postgres://u:p@h/d"), format!("postgres://u:p@h/d?{all}"));
        assert_eq!(bounded("postgres://h"), format!("postgres://h?{all}"));
        assert_eq!(bounded("postgres:///d?"), format!("postgres:///d?{all}"));
        assert_eq!(bounded("postgres:///d?host=/run/pg&user=u"), format!("postgres:///d?host=/run/pg&user=u&{all}"));
        assert_eq!(
            bounded("postgres://u:p?connect_timeout=9@h/d"),
            format!("postgres://u:p?connect_timeout=9@h/d?{all}")
        );
    }

    #[test]
    fn what_the_address_says_itself_goes_first() {
        let own = "postgres://h/d?connect_timeout=60&keepalives_idle=1&keepalives_interval=1&keepalives_count=1&tcp_user_timeout=0";
        assert_eq!(bounded(own), own);
        let bounded = bounded("postgres://h/d?connect_timeout=60");
        assert_eq!(bounded.matches("connect_timeout").count(), 1, "{bounded}");
        assert!(bounded.contains("tcp_user_timeout=15000"), "{bounded}");
    }
}
