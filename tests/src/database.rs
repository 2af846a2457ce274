//! A database for one test: a file in a folder of its own, or a database of its own in the cluster that
//! `CONCORD_TEST_POSTGRES` names. Both are gone when the test is over.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use concord_store::DatabaseUrl;
use diesel::RunQueryDsl as _;
use diesel::connection::{Connection as _, SimpleConnection as _};
use diesel::dsl::sql;
use diesel::pg::PgConnection;
use diesel::sql_types::{BigInt, Text};
use diesel::sqlite::SqliteConnection;

/// Which database a journey runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Database {
    /// The embedded one.
    Sqlite,
    /// PostgreSQL.
    Postgres,
}

/// A folder that is removed with everything in it.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// A new, empty one.
    #[must_use]
    pub fn new() -> Folder {
        let path = std::env::temp_dir().join(format!("concord-test-{}", uuid::Uuid::new_v4().simple()));
        std::fs::create_dir_all(&path).expect("a folder for the test");
        Folder(path)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Default for Folder {
    fn default() -> Folder {
        Folder::new()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A folder that cannot be removed is no reason to fail a test that has passed.
        let _left = std::fs::remove_dir_all(&self.0);
    }
}

/// A database that nobody else uses.
#[derive(Debug)]
pub struct Scratch {
    folder: Folder,
    url: String,
    /// The PostgreSQL database to drop, and where.
    drop: Option<(String, String)>,
}

impl Scratch {
    /// A new, empty one.
    ///
    /// # Panics
    /// When there is no PostgreSQL to make one in.
    #[must_use]
    pub fn new(database: Database) -> Scratch {
        let folder = Folder::new();
        match database {
            Database::Sqlite => {
                let url = format!("sqlite:{}", folder.path().join("concord.db").display());
                Scratch { folder, url, drop: None }
            }
            Database::Postgres => {
                let cluster = cluster();
                let name = fresh();
                admin(&cluster, &format!("CREATE DATABASE {name}"));
                Scratch { folder, url: with_database(&cluster, &name), drop: Some((cluster, name)) }
            }
        }
    }

    /// A new one with the schema of this release, as a server makes it first of all. It is a copy of one that is made once: hundreds of
    /// tests begin with it.
    ///
    /// # Panics
    /// When there is no PostgreSQL to make one in.
    #[must_use]
    pub fn ready(database: Database) -> Scratch {
        let folder = Folder::new();
        match database {
            Database::Sqlite => {
                static READY: OnceLock<Vec<u8>> = OnceLock::new();
                let path = folder.path().join("concord.db");
                let bytes = READY.get_or_init(migrated);
                let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
                file.and_then(|mut file| file.write_all(bytes)).expect("a database");
                Scratch { folder, url: format!("sqlite:{}", path.display()), drop: None }
            }
            Database::Postgres => {
                static READY: OnceLock<String> = OnceLock::new();
                let cluster = cluster();
                let template = READY.get_or_init(|| template(&cluster));
                let name = fresh();
                admin(&cluster, &format!("CREATE DATABASE {name} TEMPLATE {template}"));
                Scratch { folder, url: with_database(&cluster, &name), drop: Some((cluster, name)) }
            }
        }
    }

    /// The setting `database_url`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Runs statements as somebody does who has the database and goes round the server.
    ///
    /// # Panics
    /// When one fails.
    pub fn tamper(&self, statements: &str) {
        let done = match self.url.strip_prefix("sqlite:") {
            Some(path) => {
                let mut connection = SqliteConnection::establish(path).expect("the database");
                connection.batch_execute(&format!("PRAGMA busy_timeout = 10000; {statements}"))
            }
            None => PgConnection::establish(&self.url).expect("the database").batch_execute(statements),
        };
        done.unwrap_or_else(|error| panic!("{statements}: {error}"));
    }

    /// All that is stored in some tables, as text.
    ///
    /// # Panics
    /// When there is no such table.
    #[must_use]
    pub fn everything_in(&self, tables: &[&str]) -> String {
        let sqlite = self.url.strip_prefix("sqlite:");
        let texts = |statement: &str| -> Vec<String> {
            let query = sql::<Text>(statement);
            let rows = match sqlite {
                Some(path) => query.load(&mut SqliteConnection::establish(path).expect("the database")),
                None => query.load(&mut PgConnection::establish(&self.url).expect("the database")),
            };
            rows.unwrap_or_else(|error| panic!("{statement}: {error}"))
        };
        let rows = tables.iter().flat_map(|table| {
            let columns = match sqlite {
                Some(_) => format!("SELECT name FROM pragma_table_info('{table}')"),
                None => format!(
                    "SELECT CAST(column_name AS TEXT) FROM information_schema.columns WHERE table_name = '{table}'"
                ),
            };
            let columns: Vec<String> = texts(&columns).iter().map(|name| format!("CAST({name} AS TEXT)")).collect();
            texts(&format!("SELECT {} FROM {table}", columns.join(" || ' ' || ")))
        });
        rows.collect::<Vec<_>>().join("\n")
    }

    /// What PostgreSQL answers to a statement of another role, which it refuses.
    ///
    /// # Panics
    /// When it does not.
    #[must_use]
    pub fn refuses_as(&self, role: &str, statement: &str) -> String {
        let mut connection = PgConnection::establish(&self.url).expect("the database");
        let done = connection.batch_execute(&format!("SET ROLE {role}; {statement}"));
        done.expect_err(statement).to_string()
    }

    /// A folder beside it for whatever else the test keeps.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Some((cluster, name)) = &self.drop
            && let Ok(mut connection) = PgConnection::establish(cluster)
        {
            let _left = connection.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the cluster comes from scripts/with-postgres.sh through the environment"
)]
fn cluster() -> String {
    std::env::var("CONCORD_TEST_POSTGRES")
        .unwrap_or_else(|_| panic!("CONCORD_TEST_POSTGRES is not set: run `make test`"))
}

/// A name that no database has.
fn fresh() -> String {
    format!("concord_{}", uuid::Uuid::new_v4().simple())
}

/// A SQLite database with the schema of this release, whole.
fn migrated() -> Vec<u8> {
    let folder = Folder::new();
    let path = folder.path().join("concord.db");
    concord_store::migrate(&DatabaseUrl::Sqlite(path.clone())).expect("a schema");
    let beside = std::fs::read_dir(folder.path()).expect("its folder").count();
    assert_eq!(beside, 1, "all of it is in the file when nobody has it open");
    std::fs::read(&path).expect("the database")
}

/// The name of a database with the schema of this release, which the next process finds as well: a cluster that outlives the tests gets one
/// for each schema.
fn template(cluster: &str) -> String {
    let migrations = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/store/migrations/postgres");
    let mut texts: Vec<(PathBuf, String)> = (std::fs::read_dir(migrations).expect("the migrations"))
        .map(|folder| folder.expect("a migration").path().join("up.sql"))
        .map(|path| (path.clone(), std::fs::read_to_string(path).expect("a migration")))
        .collect();
    texts.sort();
    let mut hasher = DefaultHasher::new();
    texts.iter().for_each(|(_, text)| text.hash(&mut hasher));
    let name = format!("concord_ready_{:016x}", hasher.finish());
    let there = format!("SELECT count(*) FROM pg_database WHERE datname = '{name}'");
    let is_there = || -> bool {
        let mut connection = PgConnection::establish(cluster).expect("the cluster");
        sql::<BigInt>(&there).get_result::<i64>(&mut connection).expect("a count") == 1
    };
    if is_there() {
        return name;
    }
    let made = fresh();
    admin(cluster, &format!("CREATE DATABASE {made}"));
    concord_store::migrate(&DatabaseUrl::Postgres(with_database(cluster, &made))).expect("a schema");
    let mut connection = PgConnection::establish(cluster).expect("the cluster");
    if let Err(error) = connection.batch_execute(&format!("ALTER DATABASE {made} RENAME TO {name}")) {
        // Another process was first.
        assert!(is_there(), "{error}");
        admin(cluster, &format!("DROP DATABASE {made}"));
    }
    name
}

fn admin(cluster: &str, statement: &str) {
    let mut connection =
        PgConnection::establish(cluster).unwrap_or_else(|error| panic!("CONCORD_TEST_POSTGRES: {error}"));
    connection.batch_execute(statement).unwrap_or_else(|error| panic!("CONCORD_TEST_POSTGRES: {statement}: {error}"));
}

/// The URL of the cluster with another database in its path.
fn with_database(cluster: &str, name: &str) -> String {
    let (address, query) = cluster.split_once('?').unwrap_or((cluster, ""));
    let (scheme, rest) = address.split_once("://").expect("CONCORD_TEST_POSTGRES: a URL");
    let server = rest.split('/').next().unwrap_or_default();
    format!("{scheme}://{server}/{name}?{query}")
}
