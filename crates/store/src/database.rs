//! Which of the two databases it is.

use diesel::pg::PgConnection;
use diesel::sqlite::SqliteConnection;

/// Which database a connection is to.
pub(crate) enum Database {
    /// The embedded database.
    Sqlite(SqliteConnection),
    /// PostgreSQL.
    Postgres(PgConnection),
}
