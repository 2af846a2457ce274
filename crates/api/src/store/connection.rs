//! The two databases behind one face. Only this file and the migrations know which is which.

use std::collections::HashSet;
use std::time::Duration;

use concord_fhir::issue::{Issue, IssueCode};
use diesel::ExecuteCopyFromDsl as _;
use diesel::connection::{Connection as _, SimpleConnection};
use diesel::deserialize::FromSqlRow;
use diesel::pg::{Pg, PgConnection};
use diesel::query_dsl::{LoadQuery, RunQueryDsl};
use diesel::result::{ConnectionResult, DatabaseErrorKind, Error};
use diesel::sqlite::{Sqlite, SqliteConnection};

use super::deadline::{self, Watch};
use super::entries::{EntryRow, entry};
use super::statement::{Sql, Statement};
use crate::config::{DatabaseUrl, Durability};
use crate::fault::Fault;

/// How many shapes of searches a connection keeps prepared.
const SHAPES: usize = 256;

/// How long a statement may take where nothing else is said.
const USUAL_LIMIT: Duration = Duration::from_secs(30);

/// An open connection to either database.
pub(crate) struct Connection {
    pub(super) database: Database,
    /// An error was seen after which the connection may be lost.
    suspect: bool,
    /// The shapes of searches whose preparation is kept.
    shapes: HashSet<String>,
    /// How long a search may take.
    limit: Duration,
}

/// Which database a connection is to.
pub(super) enum Database {
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
                deadline::install();
                let mut connection = SqliteConnection::establish(&path.to_string_lossy())?;
                let synchronous = match durability {
                    Durability::Full => "FULL",
                    Durability::Process => "NORMAL",
                };
                connection
                    .batch_execute(&format!(
                        "PRAGMA busy_timeout = 10000; PRAGMA journal_mode = WAL; PRAGMA synchronous = {synchronous}; \
                         PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -8192; \
                         PRAGMA mmap_size = 268435456; PRAGMA journal_size_limit = 67108864; \
                         PRAGMA wal_autocheckpoint = 4000;"
                    ))
                    .map_err(diesel::ConnectionError::CouldntSetupConfiguration)?;
                Ok(Connection::of(Database::Sqlite(connection)))
            }
            DatabaseUrl::Postgres(url) => {
                let mut connection = PgConnection::establish(url)?;
                connection
                    // Compiling pays for queries over many rows. These are over few, with long conditions.
                    .batch_execute(
                        "SET client_min_messages = warning; SET timezone = 'UTC'; SET statement_timeout = '30s'; \
                         SET jit = off",
                    )
                    .map_err(diesel::ConnectionError::CouldntSetupConfiguration)?;
                Ok(Connection::of(Database::Postgres(connection)))
            }
        }
    }

    fn of(database: Database) -> Connection {
        Connection { database, suspect: false, shapes: HashSet::new(), limit: USUAL_LIMIT }
    }

    /// Opens a connection whose searches, and on PostgreSQL all its statements, end after this time.
    ///
    /// # Errors
    /// When the database cannot be reached or opened.
    pub(super) fn open_limited(
        address: &DatabaseUrl,
        durability: Durability,
        limit: Duration,
    ) -> ConnectionResult<Connection> {
        let mut connection = Connection { limit, ..Connection::open(address, durability)? };
        if connection.is_postgres() {
            connection
                .batch(&format!("SET statement_timeout = {}", limit.as_millis().max(1)))
                .map_err(diesel::ConnectionError::CouldntSetupConfiguration)?;
        }
        Ok(connection)
    }

    /// Bounds the time of what is run while it lives. PostgreSQL sees to it by itself.
    pub(super) fn watch(&self) -> Option<Watch> {
        matches!(self.database, Database::Sqlite(_)).then(|| Watch::new(self.limit))
    }

    /// Makes this the connection that writes. It alone keeps its pages from commit to commit, so it gets more room.
    pub(super) fn for_writing(mut self) -> Result<Connection, Error> {
        self.batch("PRAGMA cache_size = -32768")?;
        Ok(self)
    }

    /// Makes this a connection that reads and never writes. It keeps its pages as long as its snapshot, and to find one
    /// among them costs less than to look at it in the file.
    pub(super) fn for_reading(mut self) -> Result<Connection, Error> {
        self.batch("PRAGMA query_only = ON; PRAGMA mmap_size = 0; PRAGMA cache_size = -65536")?;
        Ok(self)
    }

    /// Whether this is PostgreSQL, for the few statements that differ.
    pub(crate) fn is_postgres(&self) -> bool {
        matches!(self.database, Database::Postgres(_))
    }

    /// Whether the connection can no longer be used. Asks the database only after an error that says so.
    pub(super) fn is_broken(&mut self) -> bool {
        if !self.suspect {
            return false;
        }
        self.suspect = false;
        match &mut self.database {
            Database::Sqlite(_) => false,
            Database::Postgres(connection) => connection.batch_execute("SELECT 1").is_err(),
        }
    }

    /// Lets the preparation of a search be kept only while there are not too many: callers shape searches, and must not
    /// fill the memory with them.
    pub(super) fn bounded(&mut self, sql: &mut Sql) {
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
    pub(super) fn rows<T, U>(&mut self, sql: Sql) -> Result<Vec<U>, Error>
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
    pub(super) fn run(&mut self, sql: Sql) -> Result<usize, Error> {
        let statement: Statement<diesel::sql_types::Untyped> = sql.returning();
        let result = match &mut self.database {
            Database::Sqlite(connection) => statement.execute(connection),
            Database::Postgres(connection) => statement.execute(connection),
        };
        self.noted(result)
    }

    /// Puts many rows into the index in the way that PostgreSQL has for it.
    pub(super) fn copy(&mut self, rows: &[EntryRow]) -> Result<(), Error> {
        let result = match &mut self.database {
            Database::Sqlite(_) => Err(Error::QueryBuilderError("this database takes no copy".into())),
            Database::Postgres(connection) => {
                diesel::copy_from(entry::table).from_insertable(rows).execute(connection).map(|_| ())
            }
        };
        self.noted(result)
    }

    /// Runs fixed text, one or more statements.
    pub(super) fn batch(&mut self, text: &str) -> Result<(), Error> {
        let result = match &mut self.database {
            Database::Sqlite(connection) => connection.batch_execute(text),
            Database::Postgres(connection) => connection.batch_execute(text),
        };
        self.noted(result)
    }

    /// Runs fixed text outside of any transaction.
    #[cfg(test)]
    pub(crate) fn execute_for_test(&mut self, text: &str) {
        self.batch(text).unwrap();
    }

    fn noted<T>(&mut self, result: Result<T, Error>) -> Result<T, Error> {
        if matches!(
            result,
            Err(Error::DatabaseError(DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::Unknown, _)
                | Error::BrokenTransactionManager)
        ) {
            self.suspect = true;
        }
        result
    }
}

/// An error in one line: libpq tells some in several.
pub(super) fn in_one_line(error: &dyn std::fmt::Display) -> String {
    error.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether another writer is why a statement failed: it came first, or the two stood in each other's way.
pub(super) fn is_overtaken(error: &Error) -> bool {
    match error {
        Error::DatabaseError(DatabaseErrorKind::UniqueViolation | DatabaseErrorKind::SerializationFailure, _) => true,
        Error::DatabaseError(_, information) => waits_for_another(information.message()),
        _ => false,
    }
}

fn waits_for_another(message: &str) -> bool {
    ["locked", "deadlock", "lock timeout"].iter().any(|wait| message.contains(wait))
}

/// What a database error means to a request: most are the server's fault, a lost race is a conflict and a busy or lost
/// database is for the client to come back to.
impl From<Error> for Fault {
    fn from(error: Error) -> Fault {
        match &error {
            Error::DatabaseError(DatabaseErrorKind::UniqueViolation, _) => {
                Fault::Conflict("another writer came first; read the resource again and repeat".to_owned())
            }
            Error::DatabaseError(DatabaseErrorKind::SerializationFailure | DatabaseErrorKind::ClosedConnection, _)
            | Error::BrokenTransactionManager => Fault::Busy(1),
            Error::DatabaseError(_, information)
                if information.message().contains("statement timeout") || information.message() == "interrupted" =>
            {
                Fault::Malformed(vec![Issue::plain(
                    IssueCode::TooCostly,
                    "this takes the database too long; ask for less at once, for instance for one patient",
                )])
            }
            Error::DatabaseError(_, information) if waits_for_another(information.message()) => Fault::Busy(1),
            _ => Fault::Internal(format!("database: {error}")),
        }
    }
}
