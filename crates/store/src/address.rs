//! Where the data is, and what a commit of it survives.

use std::fmt;
use std::path::{Path, PathBuf};

/// Where the database is.
#[derive(Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// The embedded database: a file.
    Sqlite(PathBuf),
    /// A PostgreSQL server: the whole URL, which may hold a password. Never log it; the type's own forms leave it out.
    Postgres(String),
}

/// What a finished write survives on SQLite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// A power cut (`synchronous=FULL`).
    Full,
    /// A crash of the process, but maybe not a power cut (`synchronous=NORMAL`).
    Process,
}

impl DatabaseUrl {
    /// Reads `sqlite:PATH` or `postgres://...`.
    #[must_use]
    pub fn parse(text: &str) -> Option<DatabaseUrl> {
        if let Some(path) = text.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            // A database in memory would be another one for each connection of the pool.
            let names_a_file = !path.is_empty() && !path.starts_with(':') && !path.contains(['?', '\0']);
            return names_a_file.then(|| DatabaseUrl::Sqlite(PathBuf::from(path)));
        }
        let rest = text.strip_prefix("postgres://").or_else(|| text.strip_prefix("postgresql://"))?;
        let whole = !rest.is_empty() && !text.contains(char::is_whitespace);
        whole.then(|| DatabaseUrl::Postgres(text.to_owned()))
    }

    /// The folder that files beside the database go to: that of the SQLite file, else the working folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        match self {
            DatabaseUrl::Sqlite(path) => path.parent().unwrap_or(Path::new("")),
            DatabaseUrl::Postgres(_) => Path::new(""),
        }
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DatabaseUrl::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            DatabaseUrl::Postgres(_) => f.write_str("postgres://(not shown)"),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_databases_are_read() {
        assert_eq!(DatabaseUrl::parse("sqlite:a/b.db"), Some(DatabaseUrl::Sqlite("a/b.db".into())));
        assert_eq!(DatabaseUrl::parse("sqlite:///var/b.db"), Some(DatabaseUrl::Sqlite("/var/b.db".into())));
        assert!(matches!(DatabaseUrl::parse("postgres://u:p@h/d"), Some(DatabaseUrl::Postgres(_))));
        assert!(matches!(DatabaseUrl::parse("postgresql:///d?host=/run/pg"), Some(DatabaseUrl::Postgres(_))));
        for bad in ["", "sqlite:", "sqlite::memory:", "sqlite:a?mode=ro", "mysql://h", "postgres://", "concord.db"] {
            assert_eq!(DatabaseUrl::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_password_is_never_shown() {
        let url = DatabaseUrl::parse("postgres://u:secret@h/d").unwrap();
        assert!(!format!("{url} {url:?}").contains("secret"));
    }
}
