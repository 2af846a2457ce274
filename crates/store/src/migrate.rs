//! Brings a database to the schema of this release.

use std::path::Path;

use diesel::backend::Backend;
use diesel::connection::{Connection as _, SimpleConnection as _};
use diesel::migration::{Migration, MigrationSource};
use diesel::prelude::*;
use diesel::sql_types::Text;
use diesel::sqlite::SqliteConnection;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use crate::address::{DatabaseUrl, Durability};
use crate::bounds::WITHOUT_LIMITS;
use crate::connection::{Connection, in_one_line};
use crate::database::Database;
use crate::memory;
use crate::statement::Sql;

pub(crate) const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
pub(crate) const POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");

/// Runs the migrations that are missing; their names, oldest first. Two processes that start at once do not meet: the
/// embedded database is locked for writing, and PostgreSQL has an advisory lock for it.
///
/// # Errors
/// One line, when the database cannot be opened, when a newer release has migrated it already, or when a migration fails.
pub fn migrate(address: &DatabaseUrl) -> Result<Vec<String>, String> {
    refuse_unusable(address)?;
    let mut connection = Connection::open(address, Durability::Full)
        .map_err(|error| format!("database_url: cannot open: {}", in_one_line(&error)))?;
    if connection.is_postgres() {
        connection.refuse_shared_session(address)?;
    }
    let failed = |error: &dyn std::fmt::Display| format!("migration failed: {}", in_one_line(error));
    let names = match &mut connection.database {
        // What is missing is only known for sure by the one who may write.
        Database::Sqlite(sqlite) => sqlite
            .immediate_transaction(|sqlite| {
                refuse_newer(sqlite, &SQLITE)?;
                let versions = sqlite.run_pending_migrations(SQLITE)?;
                Ok(versions.iter().map(ToString::to_string).collect::<Vec<_>>())
            })
            .map_err(|error: Box<dyn std::error::Error + Send + Sync>| failed(&error))?,
        Database::Postgres(postgres) => {
            // A migration takes as long as it takes.
            postgres
                .batch_execute(&format!("{WITHOUT_LIMITS}; SELECT pg_advisory_lock(4051701)"))
                .map_err(|error| failed(&error))?;
            refuse_newer(postgres, &POSTGRES).map_err(|error| failed(&error))?;
            let names = postgres
                .run_pending_migrations(POSTGRES)
                .map(|versions| versions.iter().map(ToString::to_string).collect())
                .map_err(|error| failed(&error))?;
            postgres.batch_execute("SELECT pg_advisory_unlock(4051701)").map_err(|error| failed(&error))?;
            names
        }
    };
    Ok(names)
}

/// The migrations that a database lacks, oldest first. Looks only, so it needs no right to change the schema.
///
/// # Errors
/// One line, when the database cannot be opened, or a newer release has migrated it already.
pub fn missing_migrations(address: &DatabaseUrl) -> Result<Vec<String>, String> {
    refuse_unusable(address)?;
    let cannot = |error: &dyn std::fmt::Display| format!("database_url: cannot open: {}", in_one_line(error));
    if let DatabaseUrl::Sqlite(path) = address
        && !path.exists()
    {
        // To look would make it.
        return names::<diesel::sqlite::Sqlite>(&SQLITE).map_err(|error| cannot(&error));
    }
    let mut connection = Connection::open(address, Durability::Full).map_err(|error| cannot(&error))?;
    if connection.is_postgres() {
        connection.refuse_shared_session(address)?;
    }
    let known = match connection.is_postgres() {
        true => names::<diesel::pg::Pg>(&POSTGRES),
        false => names::<diesel::sqlite::Sqlite>(&SQLITE),
    };
    let known = known.map_err(|error| cannot(&error))?;
    let there = match connection.is_postgres() {
        true => {
            "SELECT CAST(table_name AS TEXT) FROM information_schema.tables WHERE table_name = '__diesel_schema_migrations'"
        }
        false => "SELECT name FROM sqlite_master WHERE name = '__diesel_schema_migrations'",
    };
    let mut texts = |text: &'static str| {
        let rows = connection.rows::<(Text,), (String,)>(Sql::new(text));
        rows.map(|rows| rows.into_iter().map(|row| row.0).collect::<Vec<_>>()).map_err(|error| cannot(&error))
    };
    let applied = match texts(there)?.is_empty() {
        true => Vec::new(),
        false => texts("SELECT CAST(version AS TEXT) FROM __diesel_schema_migrations ORDER BY version")?,
    };
    // A name begins with its version, in which it has dashes.
    let is_of = |name: &String, version: &String| name.replace('-', "").starts_with(version.as_str());
    match applied.iter().find(|version| !known.iter().any(|name| is_of(name, version))) {
        Some(version) => Err(newer(version)),
        None => Ok(known.into_iter().filter(|name| !applied.iter().any(|version| is_of(name, version))).collect()),
    }
}

/// Refuses what can be no database of Concord's before anything touches it: a file without its folder, and the file of
/// another program.
fn refuse_unusable(address: &DatabaseUrl) -> Result<(), String> {
    let DatabaseUrl::Sqlite(path) = address else { return Ok(()) };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !folder.is_dir() {
        return Err(format!(
            "database_url: the folder {} is not there: make it, for the user that the server runs as and nobody else",
            folder.display()
        ));
    }
    if !path.exists() {
        return Ok(());
    }
    let foreign = |what: String| {
        format!(
            "database_url: {} is {what}, not Concord's: name another file, one that is not there yet for a new database",
            path.display()
        )
    };
    let unreadable = |error: &dyn std::fmt::Display| match in_one_line(error) {
        text if text.contains("not a database") => foreign("no SQLite database".to_owned()),
        text => format!("database_url: cannot open {}: {text}", path.display()),
    };
    // Nothing else is set on this connection: that would change the file.
    memory::install();
    let mut connection = SqliteConnection::establish(&path.to_string_lossy()).map_err(|error| unreadable(&error))?;
    connection.batch_execute("PRAGMA busy_timeout = 10000").map_err(|error| unreadable(&error))?;
    let tables: Vec<String> = sqlite_master::table
        .filter(sqlite_master::kind.eq("table").and(sqlite_master::name.ne("__diesel_schema_migrations")))
        .order(sqlite_master::name)
        .select(sqlite_master::name)
        .load(&mut connection)
        .map_err(|error| unreadable(&error))?;
    let own = ["resource", "history", "audit"];
    match tables.first() {
        None => Ok(()),
        // What migrations it has had is looked at next.
        Some(_) if own.iter().all(|own| tables.iter().any(|table| table == own)) => Ok(()),
        Some(table) => Err(foreign(format!("a database of another program (with the table {table:?})"))),
    }
}

diesel::table! {
    /// What there is in an embedded database.
    sqlite_master (name) {
        name -> Text,
        #[sql_name = "type"]
        kind -> Text,
    }
}

/// Whether any release has migrated an embedded database.
///
/// # Errors
/// As [`missing_migrations`].
pub(crate) fn is_ours(address: &DatabaseUrl) -> Result<bool, String> {
    let all = names::<diesel::sqlite::Sqlite>(&SQLITE).map_err(|error| in_one_line(&error))?;
    Ok(missing_migrations(address)?.len() < all.len())
}

fn names<DB: Backend>(known: &EmbeddedMigrations) -> Result<Vec<String>, Box<dyn std::error::Error + Send + Sync>>
where
    EmbeddedMigrations: MigrationSource<DB>,
{
    let mut names: Vec<String> =
        MigrationSource::<DB>::migrations(known)?.iter().map(|migration| migration.name().to_string()).collect();
    names.sort_unstable();
    Ok(names)
}

/// The newest migration that this release knows, as a database notes it.
///
/// # Errors
/// When the release has none that can be read.
pub(crate) fn newest(address: &DatabaseUrl) -> Result<String, String> {
    let all = match address {
        DatabaseUrl::Sqlite(_) => names::<diesel::sqlite::Sqlite>(&SQLITE),
        DatabaseUrl::Postgres(_) => names::<diesel::pg::Pg>(&POSTGRES),
    };
    let last = all.map_err(|error| in_one_line(&error))?.pop().unwrap_or_default();
    Ok(last.split('_').next().unwrap_or_default().replace('-', ""))
}

fn newer(version: &dyn std::fmt::Display) -> String {
    format!(
        "the database has been migrated by a newer release ({version}): run that one, or restore a backup of before"
    )
}

/// Refuses a database with migrations that this release does not know: it would read and write what it does not
/// understand.
fn refuse_newer<DB: Backend>(
    connection: &mut impl MigrationHarness<DB>,
    known: &EmbeddedMigrations,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>>
where
    EmbeddedMigrations: MigrationSource<DB>,
{
    let known = MigrationSource::<DB>::migrations(known)?;
    let known: Vec<_> = known.iter().map(|migration| migration.name().version()).collect();
    let unknown = connection.applied_migrations()?.into_iter().find(|applied| !known.contains(applied));
    match unknown {
        Some(version) => Err(newer(&version).into()),
        None => Ok(()),
    }
}
