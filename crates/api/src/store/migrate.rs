//! Brings a database to the schema of this release.

use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::connection::{Connection, Database, in_one_line};
use crate::config::{DatabaseUrl, Durability};

pub(super) const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
pub(super) const POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");

/// Runs the migrations that are missing; their names, oldest first. Two processes that start at once do not meet: the
/// embedded database is locked for writing, and PostgreSQL has an advisory lock for it.
///
/// # Errors
/// One line, when the database cannot be opened or a migration fails.
pub fn migrate(address: &DatabaseUrl) -> Result<Vec<String>, String> {
    let mut connection = Connection::open(address, Durability::Full)
        .map_err(|error| format!("database_url: cannot open: {}", in_one_line(&error)))?;
    let failed = |error: &dyn std::fmt::Display| format!("migration failed: {}", in_one_line(error));
    let names = match &mut connection.database {
        // What is missing is only known for sure by the one who may write.
        Database::Sqlite(sqlite) => sqlite
            .immediate_transaction(|sqlite| {
                let versions = sqlite.run_pending_migrations(SQLITE)?;
                Ok(versions.iter().map(ToString::to_string).collect::<Vec<_>>())
            })
            .map_err(|error: Box<dyn std::error::Error + Send + Sync>| failed(&error))?,
        Database::Postgres(postgres) => {
            use diesel::connection::SimpleConnection;
            // A migration takes as long as it takes.
            postgres
                .batch_execute("SET statement_timeout = 0; SELECT pg_advisory_lock(4051701)")
                .map_err(|error| failed(&error))?;
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
