//! The two databases behind one face: one connection to either. Statements that the two want differently ask
//! [`Connection::is_postgres`] where they are made.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use diesel::ExecuteCopyFromDsl as _;
use diesel::connection::{Connection as _, DefaultLoadingMode, SimpleConnection};
use diesel::deserialize::FromSqlRow;
use diesel::pg::{Pg, PgConnection};
use diesel::query_dsl::{LoadQuery, RunQueryDsl};
use diesel::result::{ConnectionResult, DatabaseErrorKind, Error};
use diesel::sql_types::BigInt;
use diesel::sqlite::{Sqlite, SqliteConnection};

use crate::address::{DatabaseUrl, Durability};
use crate::apart::let_others_between;
use crate::bounds::{IN_ENGLISH, bounded, session_limits};
use crate::cost::Cost;
use crate::database::Database;
use crate::deadline::{self, Watch};
use crate::entry_row::{EntryRow, entry};
use crate::memory;
use crate::private_file;
use crate::statement::{Sql, Statement};
use crate::wal_frames;
use crate::{stable_plans, undone};

/// How many shapes of searches a connection keeps prepared.
const SHAPES: usize = 256;

/// How long their texts may be together: what is prepared takes some ten times as much memory.
const ALL_SHAPES: usize = 2 * 1024 * 1024;

/// How long one of them may be.
const LONGEST_SHAPE: usize = 64 * 1024;

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
    /// The shapes of searches, and of what else may be of any length, whose preparation is kept.
    shapes: HashSet<String>,
    /// How long their texts are together.
    shapes_bytes: usize,
    /// How long a search may take.
    limit: Duration,
    transaction_state: TransactionState,
    /// Where it fails.
    #[cfg(any(test, feature = "testing"))]
    faults: std::sync::Arc<crate::faults::Faults>,
}

/// What has become of the transaction that was begun on a connection.
enum TransactionState {
    /// There is none.
    None,
    /// It goes on.
    Open,
    /// The database has undone it, for this reason: nothing that belongs to it may be done any more.
    Undone(DatabaseErrorKind, String),
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
                stable_plans::install();
                undone::install();
                wal_frames::install();
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
                         PRAGMA mmap_size = 268435456; PRAGMA journal_size_limit = 100663296; \
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
        Connection {
            database,
            spoilt: false,
            shapes: HashSet::new(),
            shapes_bytes: 0,
            limit: USUAL_LIMIT,
            transaction_state: TransactionState::None,
            #[cfg(any(test, feature = "testing"))]
            faults: std::sync::Arc::default(),
        }
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

    /// The same, but that it fails where a test wants it.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn failing(self, faults: &std::sync::Arc<crate::faults::Faults>) -> Connection {
        Connection { faults: std::sync::Arc::clone(faults), ..self }
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
    /// fill the memory with them. So do what they have stored and what is found of it, where a statement names each of many.
    pub(crate) fn bounded(&mut self, sql: &mut Sql) {
        let text = sql.text();
        if self.shapes.contains(&text) {
            return sql.counted();
        }
        let room = ALL_SHAPES.saturating_sub(self.shapes_bytes).min(LONGEST_SHAPE);
        if self.shapes.len() < SHAPES && text.len() <= room {
            self.shapes_bytes += text.len();
            self.shapes.insert(text);
            sql.counted();
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
        self.rows_while(sql, |_| true)
    }

    /// The same as far as the rows are wanted, the first included that ends it. SQLite reads no row further; PostgreSQL has sent all
    /// of them by then.
    pub(crate) fn rows_while<T, U>(
        &mut self,
        mut sql: Sql,
        mut go_on: impl FnMut(&mut U) -> bool,
    ) -> Result<Vec<U>, Error>
    where
        U: FromSqlRow<T, Sqlite> + FromSqlRow<T, Pg> + 'static,
        Statement<T>: for<'q> LoadQuery<'q, SqliteConnection, U> + for<'q> LoadQuery<'q, PgConnection, U>,
    {
        if sql.may_be_of_any_shape() {
            self.bounded(&mut sql);
        }
        self.tried(|database| match database {
            Database::Sqlite(connection) => {
                taken(sql.returning::<T>().load_iter::<U, DefaultLoadingMode>(connection)?, &mut go_on)
            }
            Database::Postgres(connection) => {
                taken(sql.returning::<T>().load_iter::<U, DefaultLoadingMode>(connection)?, &mut go_on)
            }
        })
    }

    /// Runs a statement that answers with no rows; how many rows it touched.
    pub(crate) fn run(&mut self, mut sql: Sql) -> Result<usize, Error> {
        if sql.may_change_any_number() {
            sql.once();
        }
        let statement: Statement<diesel::sql_types::Untyped> = sql.returning();
        self.tried(|database| match database {
            Database::Sqlite(connection) => statement.execute(connection),
            Database::Postgres(connection) => statement.execute(connection),
        })
    }

    /// Puts many rows into the index in the way that PostgreSQL has for it.
    pub(crate) fn copy(&mut self, rows: &[EntryRow]) -> Result<(), Error> {
        self.tried(|database| match database {
            Database::Sqlite(_) => Err(Error::QueryBuilderError("this database takes no copy".into())),
            Database::Postgres(connection) => {
                diesel::copy_from(entry::table).from_insertable(rows).execute(connection).map(|_| ())
            }
        })
    }

    /// Runs fixed text, one or more statements.
    pub(crate) fn batch(&mut self, text: &str) -> Result<(), Error> {
        self.tried(|database| match database {
            Database::Sqlite(connection) => connection.batch_execute(text),
            Database::Postgres(connection) => connection.batch_execute(text),
        })
    }

    /// Begins a transaction.
    pub(crate) fn begin(&mut self, text: &'static str) -> Result<(), Error> {
        self.control(text)?;
        self.transaction_state = TransactionState::Open;
        Ok(())
    }

    /// Commits the transaction. One that the database has undone fails, as what undid it did.
    pub(crate) fn commit(&mut self) -> Result<(), Error> {
        self.control("COMMIT")?;
        self.transaction_state = TransactionState::None;
        Ok(())
    }

    /// Ends the transaction and undoes it.
    pub(crate) fn roll_back(&mut self) -> Result<(), Error> {
        let before = std::mem::replace(&mut self.transaction_state, TransactionState::None);
        match (&mut self.database, before) {
            (Database::Sqlite(_), TransactionState::Undone(..)) => Ok(()),
            (Database::Sqlite(connection), _) => connection.batch_execute("ROLLBACK"),
            (Database::Postgres(_), _) => self.control("ROLLBACK"),
        }
    }

    /// Undoes what has come after a savepoint. What SQLite has undone by itself is undone as a whole.
    pub(crate) fn roll_back_to(&mut self, text: &'static str) -> Result<(), Error> {
        if self.is_postgres() && matches!(self.transaction_state, TransactionState::Undone(..)) {
            self.transaction_state = TransactionState::Open;
        }
        self.control(text)
    }

    /// Why the transaction that was begun has been undone by the database, if it has.
    pub(crate) fn undone(&self) -> Option<Error> {
        let TransactionState::Undone(kind, message) = &self.transaction_state else { return None };
        Some(Error::DatabaseError(*kind, Box::new(message.clone())))
    }

    /// Runs what begins or ends something. It is kept prepared where that saves something.
    fn control(&mut self, text: &'static str) -> Result<(), Error> {
        match self.is_postgres() {
            true => self.batch(text),
            false => self.run(Sql::new(text)).map(|_| ()),
        }
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

    /// Runs something on the database, unless it belongs to a transaction that has been undone: it would stand alone, without what
    /// came before it.
    fn tried<T>(&mut self, statement: impl FnOnce(&mut Database) -> Result<T, Error>) -> Result<T, Error> {
        if let Some(why) = self.undone() {
            return Err(why);
        }
        let_others_between();
        let before = undone::times();
        #[cfg(any(test, feature = "testing"))]
        let done = std::sync::Arc::clone(&self.faults).around(&mut self.database, statement);
        #[cfg(not(any(test, feature = "testing")))]
        let done = statement(&mut self.database);
        let error = match done {
            Ok(done) => return Ok(done),
            Err(error) => self.noted(error),
        };
        if let (TransactionState::Open, Error::DatabaseError(kind, told)) = (&self.transaction_state, &error)
            && (self.is_postgres() || undone::times() != before)
        {
            self.transaction_state = TransactionState::Undone(*kind, told.message().to_owned());
        }
        Err(error)
    }

    /// Lets no error of a lost connection pass as anything else, and remembers that it is lost.
    fn noted(&mut self, error: Error) -> Error {
        if !self.is_lost_by(&error) {
            return error;
        }
        self.spoilt = true;
        Error::DatabaseError(DatabaseErrorKind::ClosedConnection, Box::new(error.to_string()))
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

/// The rows as far as they are wanted.
fn taken<U>(
    rows: impl Iterator<Item = Result<U, Error>>,
    go_on: &mut impl FnMut(&mut U) -> bool,
) -> Result<Vec<U>, Error> {
    let mut all = Vec::with_capacity(rows.size_hint().0);
    for row in rows {
        let mut row = row?;
        let ends = !go_on(&mut row);
        all.push(row);
        if ends {
            break;
        }
    }
    Ok(all)
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

/// What is said where a session is not a connection's own: what it has set, prepared or locked is another's.
pub(crate) const SHARED_SESSIONS: &str = "several connections share a session of PostgreSQL, as through PgBouncer in transaction \
                                          mode: set pool_mode = session there, or name PostgreSQL itself";

/// An error in one line: libpq tells some in several. That a statement is there which nobody has prepared on this connection,
/// or is not there which somebody has, means that the session is not its own.
pub(crate) fn in_one_line(error: &dyn std::fmt::Display) -> String {
    let text = error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    if text.contains("prepared statement \"__diesel_stmt") { SHARED_SESSIONS.to_owned() } else { text }
}
