//! The files of the embedded database are its owner's alone: whoever can read them has every record, whatever was shared.

use std::ffi::OsString;
use std::fs::{self, OpenOptions, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// What the owner may do, and nobody else.
const OWNER_ONLY: u32 = 0o600;

/// What anybody but the owner may do.
const OTHERS: u32 = 0o077;

/// What SQLite puts beside a database: the write-ahead log, its index, and the journal of a database without one.
const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];

/// Makes the database a file of its owner's, whether or not it is there; what SQLite puts beside it then is one too. One
/// that others can read is mended, and the log says so.
///
/// # Errors
/// One line, when a file that others can read cannot be taken from them.
pub(crate) fn keep(database: &Path) -> Result<(), String> {
    match OpenOptions::new().write(true).create_new(true).mode(OWNER_ONLY).open(database) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(format!("{}: {error}", database.display())),
    }
    for file in files(database) {
        mend(&file)?;
    }
    Ok(())
}

/// The database and what may be beside it.
fn files(database: &Path) -> impl Iterator<Item = PathBuf> {
    let beside = |ending: &&str| {
        let mut name = OsString::from(database);
        name.push(ending);
        PathBuf::from(name)
    };
    std::iter::once(database.to_owned()).chain(BESIDE.iter().map(beside).collect::<Vec<_>>())
}

fn mend(file: &Path) -> Result<(), String> {
    // One that is not there, or that another process has just taken away, needs no mending.
    let Ok(found) = fs::metadata(file) else { return Ok(()) };
    let mode = found.permissions().mode();
    if mode & OTHERS == 0 {
        return Ok(());
    }
    let shown = file.display();
    match fs::set_permissions(file, Permissions::from_mode(mode & !OTHERS & 0o7777)) {
        Ok(()) => {
            tracing::warn!(file = %shown, mode = format!("{:o}", mode & 0o7777), "others could use the database's file; they cannot any more");
            Ok(())
        }
        Err(_) if !file.exists() => Ok(()),
        Err(error) => Err(format!(
            "{shown}: others can use the file (mode {:o}), and that cannot be changed: {error}",
            mode & 0o7777
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::Connection;
    use crate::{DatabaseUrl, Durability};

    fn mode(file: &Path) -> u32 {
        fs::metadata(file).unwrap().permissions().mode() & 0o7777
    }

    fn folder() -> PathBuf {
        let path = std::env::temp_dir().join(format!("concord-private-{}", uuid::Uuid::new_v4().simple()));
        fs::create_dir_all(&path).unwrap();
        path
    }

    /// A connection that has written, so that the files beside the database are there.
    fn opened(database: &Path) -> Connection {
        let mut connection = Connection::open(&DatabaseUrl::Sqlite(database.to_owned()), Durability::Process).unwrap();
        connection.execute_for_test("CREATE TABLE IF NOT EXISTS one (number INTEGER); INSERT INTO one VALUES (1)");
        connection
    }

    #[test]
    fn every_file_of_the_database_is_its_owners_alone() {
        let folder = folder();
        let database = folder.join("concord.db");
        let open = opened(&database);
        let there: Vec<PathBuf> = files(&database).filter(|file| file.exists()).collect();
        assert_eq!(there.len(), 3, "the database, -wal and -shm");
        assert!(there.iter().all(|file| mode(file) == OWNER_ONLY));
        for file in &there {
            fs::set_permissions(file, Permissions::from_mode(0o644)).unwrap();
        }
        // What an earlier release, or a copy, left readable is mended by whoever opens it next.
        let again = opened(&database);
        assert!(there.iter().all(|file| mode(file) == OWNER_ONLY));
        drop((open, again));
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_cannot_be_made_private_is_not_opened() {
        let missing = folder().join("no").join("concord.db");
        let opened = Connection::open(&DatabaseUrl::Sqlite(missing.clone()), Durability::Process);
        let refused = opened.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(refused.contains(&missing.display().to_string()), "{refused}");
    }
}
