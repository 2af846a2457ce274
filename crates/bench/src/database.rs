//! The two databases as the bench and the floor use them: opened with the product's settings, and written SQL that is
//! prepared once.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use diesel::Connection as _;
use diesel::connection::SimpleConnection as _;
use diesel::deserialize::FromSqlRow;
use diesel::pg::{Pg, PgConnection};
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::query_dsl::{LoadQuery, RunQueryDsl};
use diesel::result::QueryResult;
use diesel::sql_types::{BigInt, Double, Integer, Nullable, SmallInt, Text};
use diesel::sqlite::{Sqlite, SqliteConnection};

use crate::process::Cluster;

/// A database, with how safe its commits are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// SQLite, every commit on the disk (the product's default).
    Sqlite,
    /// SQLite, commits that survive a crash of the process but maybe not a power cut.
    SqliteProcess,
    /// PostgreSQL, every commit on the disk.
    Postgres,
}

impl Kind {
    /// Every kind, in the order of the report.
    pub(crate) const ALL: [Kind; 3] = [Kind::Sqlite, Kind::SqliteProcess, Kind::Postgres];

    /// The name in the report.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Sqlite => "SQLite",
            Kind::SqliteProcess => "SQLite, durability = process",
            Kind::Postgres => "PostgreSQL",
        }
    }

    /// The product's setting `durability`.
    pub(crate) fn durability(self) -> &'static str {
        if self == Kind::SqliteProcess { "process" } else { "full" }
    }
}

/// An open connection to either database.
pub(crate) enum Connection {
    /// The embedded one.
    Sqlite(SqliteConnection),
    /// PostgreSQL.
    Postgres(PgConnection),
}

/// A value for a placeholder.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// 64 bits.
    Big(i64),
    /// 32 bits.
    Int(i32),
    /// 16 bits.
    Small(i16),
    /// Text.
    Text(String),
    /// A double, or null.
    Double(Option<f64>),
}

/// SQL with `?` for each value, whose rows have the SQL types `T`.
#[derive(Debug)]
pub(crate) struct Statement<T> {
    text: &'static str,
    values: Vec<Value>,
    rows: std::marker::PhantomData<T>,
}

impl<T> QueryId for Statement<T> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<T> Query for Statement<T> {
    type SqlType = T;
}

impl<T, C> RunQueryDsl<C> for Statement<T> {}

macro_rules! fragment {
    ($backend:ty) => {
        impl<T> QueryFragment<$backend> for Statement<T> {
            fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, $backend>) -> QueryResult<()> {
                let mut values = self.values.iter();
                for (place, piece) in self.text.split('?').enumerate() {
                    if place > 0 {
                        match values.next() {
                            Some(Value::Big(value)) => out.push_bind_param::<BigInt, _>(value)?,
                            Some(Value::Int(value)) => out.push_bind_param::<Integer, _>(value)?,
                            Some(Value::Small(value)) => out.push_bind_param::<SmallInt, _>(value)?,
                            Some(Value::Text(value)) => out.push_bind_param::<Text, _>(value)?,
                            Some(Value::Double(value)) => out.push_bind_param::<Nullable<Double>, _>(value)?,
                            None => return Err(diesel::result::Error::QueryBuilderError("a value is missing".into())),
                        }
                    }
                    out.push_sql(piece);
                }
                Ok(())
            }
        }
    };
}

fragment!(Sqlite);
fragment!(Pg);

/// Columns of any of both backends.
pub(crate) trait Columns<T>: FromSqlRow<T, Sqlite> + FromSqlRow<T, Pg> + 'static {}
impl<T, U: FromSqlRow<T, Sqlite> + FromSqlRow<T, Pg> + 'static> Columns<T> for U {}

impl Connection {
    /// Opens `sqlite:PATH` or a PostgreSQL URL, with the product's settings.
    ///
    /// # Errors
    /// One line, when it cannot be opened.
    pub(crate) fn open(url: &str, durability: &str) -> Result<Connection, String> {
        let failed = |error: diesel::ConnectionError| format!("cannot open the database: {error}");
        match url.strip_prefix("sqlite:") {
            Some(path) => {
                let mut connection = SqliteConnection::establish(path).map_err(failed)?;
                let synchronous = if durability == "full" { "FULL" } else { "NORMAL" };
                connection
                    .batch_execute(&format!(
                        "PRAGMA busy_timeout = 10000; PRAGMA journal_mode = WAL; PRAGMA synchronous = {synchronous}; \
                         PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -32768; \
                         PRAGMA mmap_size = 268435456; PRAGMA journal_size_limit = 67108864; \
                         PRAGMA wal_autocheckpoint = 4000;"
                    ))
                    .map_err(in_words)?;
                Ok(Connection::Sqlite(connection))
            }
            None => Ok(Connection::Postgres(PgConnection::establish(url).map_err(failed)?)),
        }
    }

    /// Runs a statement that answers with rows.
    ///
    /// # Errors
    /// The database's, in one line.
    pub(crate) fn rows<T, U: Columns<T>>(&mut self, text: &'static str, values: Vec<Value>) -> Result<Vec<U>, String>
    where
        Statement<T>: for<'q> LoadQuery<'q, SqliteConnection, U> + for<'q> LoadQuery<'q, PgConnection, U>,
    {
        let statement = Statement::<T> { text, values, rows: std::marker::PhantomData };
        match self {
            Connection::Sqlite(connection) => statement.load::<U>(connection),
            Connection::Postgres(connection) => statement.load::<U>(connection),
        }
        .map_err(in_words)
    }

    /// Runs a statement that answers with none.
    ///
    /// # Errors
    /// The database's, in one line.
    pub(crate) fn run(&mut self, text: &'static str, values: Vec<Value>) -> Result<(), String> {
        let statement = Statement::<diesel::sql_types::Untyped> { text, values, rows: std::marker::PhantomData };
        match self {
            Connection::Sqlite(connection) => statement.execute(connection),
            Connection::Postgres(connection) => statement.execute(connection),
        }
        .map(|_| ())
        .map_err(in_words)
    }

    /// Runs fixed text.
    ///
    /// # Errors
    /// The database's, in one line.
    pub(crate) fn batch(&mut self, text: &str) -> Result<(), String> {
        match self {
            Connection::Sqlite(connection) => connection.batch_execute(text),
            Connection::Postgres(connection) => connection.batch_execute(text),
        }
        .map_err(in_words)
    }
}

fn in_words(error: diesel::result::Error) -> String {
    format!("the database refused: {error}")
}

/// Where a run keeps its databases.
pub(crate) struct Place {
    kind: Kind,
    folder: PathBuf,
    postgres: Option<String>,
}

impl Place {
    /// In a folder, or in the PostgreSQL of that URL.
    ///
    /// # Errors
    /// One line, when PostgreSQL is asked for and there is none.
    pub(crate) fn new(kind: Kind, folder: &Path, postgres: Option<&str>) -> Result<Place, String> {
        if kind == Kind::Postgres && postgres.is_none() {
            return Err("there is no PostgreSQL: set CONCORD_TEST_POSTGRES or run scripts/with-postgres.sh".to_owned());
        }
        Ok(Place { kind, folder: folder.to_path_buf(), postgres: postgres.map(str::to_owned) })
    }

    /// The URL of the database of that name.
    pub(crate) fn url(&self, name: &str) -> String {
        match (self.kind, &self.postgres) {
            (Kind::Postgres, Some(url)) => in_server(url, &format!("concord_bench_{name}")),
            _ => format!("sqlite:{}", self.folder.join(format!("{name}.db")).display()),
        }
    }

    /// Makes an empty database; there may be one from an earlier run.
    ///
    /// # Errors
    /// One line.
    pub(crate) fn make(&self, name: &str) -> Result<(), String> {
        self.remove(name)?;
        match &self.postgres {
            Some(url) if self.kind == Kind::Postgres => {
                Connection::open(url, "full")?.batch(&format!("CREATE DATABASE concord_bench_{name}"))
            }
            _ => Ok(()),
        }
    }

    /// Copies a database that nobody has open.
    ///
    /// # Errors
    /// One line.
    pub(crate) fn copy(&self, from: &str, to: &str) -> Result<(), String> {
        self.remove(to)?;
        match &self.postgres {
            Some(url) if self.kind == Kind::Postgres => Connection::open(url, "full")?
                .batch(&format!("CREATE DATABASE concord_bench_{to} TEMPLATE concord_bench_{from}")),
            _ => {
                for end in ["db", "db-wal"] {
                    let (from, to) =
                        (self.folder.join(format!("{from}.{end}")), self.folder.join(format!("{to}.{end}")));
                    if from.exists() {
                        std::fs::copy(&from, &to).map_err(|error| format!("{}: {error}", from.display()))?;
                    }
                }
                Ok(())
            }
        }
    }

    /// Lets the database see what it holds, so that queries are planned as they will be after a day of use.
    ///
    /// # Errors
    /// One line.
    pub(crate) fn vacuum(&self, name: &str) -> Result<(), String> {
        let mut connection = Connection::open(&self.url(name), "full")?;
        connection.batch(if self.kind == Kind::Postgres { "VACUUM ANALYZE" } else { "PRAGMA wal_checkpoint(TRUNCATE)" })
    }

    /// Removes a database.
    ///
    /// # Errors
    /// One line.
    pub(crate) fn remove(&self, name: &str) -> Result<(), String> {
        match &self.postgres {
            Some(url) if self.kind == Kind::Postgres => Connection::open(url, "full")?
                .batch(&format!("DROP DATABASE IF EXISTS concord_bench_{name} WITH (FORCE)")),
            _ => {
                for end in ["db", "db-wal", "db-shm"] {
                    // Most of the time there is none.
                    let _none = std::fs::remove_file(self.folder.join(format!("{name}.{end}")));
                }
                Ok(())
            }
        }
    }

    /// The processes of PostgreSQL, if they are on this machine.
    pub(crate) fn cluster(&self) -> Option<Cluster> {
        let url = self.postgres.as_deref().filter(|_| self.kind == Kind::Postgres)?;
        let mut connection = Connection::open(url, "full").ok()?;
        let folder = connection
            .rows::<(Text,), (String,)>("SELECT current_setting('data_directory')", Vec::new())
            .ok()?
            .pop()?;
        Some(Cluster(std::fs::canonicalize(&folder.0).unwrap_or_else(|_| PathBuf::from(&folder.0))))
    }
}

/// The URL of another database of the same server.
fn in_server(url: &str, name: &str) -> String {
    let (address, options) = url.split_once('?').map_or((url, None), |(address, options)| (address, Some(options)));
    let start = address.find("://").map_or(0, |scheme| scheme + 3);
    let (scheme, rest) = address.split_at(start);
    let host = rest.split('/').next().unwrap_or_default();
    let options = options.map(|options| format!("?{options}")).unwrap_or_default();
    format!("{scheme}{host}/{name}{options}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_database_of_the_same_server() {
        assert_eq!(in_server("postgres:///postgres?host=/run/pg&user=a", "b"), "postgres:///b?host=/run/pg&user=a");
        assert_eq!(in_server("postgres://u:p@h:5432/x", "b"), "postgres://u:p@h:5432/b");
        assert_eq!(in_server("postgres://h", "b"), "postgres://h/b");
    }

    #[test]
    fn statements_take_values_of_every_kind() {
        let mut connection = Connection::open("sqlite::memory:", "full").unwrap();
        connection.batch("CREATE TABLE t (a BIGINT, b INTEGER, c SMALLINT, d TEXT, e DOUBLE)").unwrap();
        let values =
            vec![Value::Big(1), Value::Int(2), Value::Small(3), Value::Text("four".to_owned()), Value::Double(None)];
        connection.run("INSERT INTO t VALUES (?, ?, ?, ?, ?)", values).unwrap();
        let found =
            connection.rows::<(BigInt, Text), (i64, String)>("SELECT a, d FROM t WHERE b = ?", vec![Value::Int(2)]);
        assert_eq!(found.unwrap(), [(1, "four".to_owned())]);
        assert!(connection.run("INSERT INTO t (a) VALUES (?)", Vec::new()).is_err());
    }
}
