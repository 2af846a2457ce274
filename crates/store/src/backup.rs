//! A copy of the embedded database as it was at one moment, made while it is used; and such a copy put back.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use diesel::connection::{Connection as _, SimpleConnection as _};
use diesel::result::Error::DatabaseError;
use diesel::sql_types::{BigInt, Text};
use diesel::sqlite::SqliteConnection;

use crate::address::{DatabaseUrl, Durability};
use crate::connection::{Connection, in_one_line};
use crate::memory;
use crate::migrate::is_ours;
use crate::private_file;
use crate::statement::Sql;
use crate::{Clock, Observer, Options, Store, missing_migrations, sqlite};

/// Writes a copy to a file that is not there yet; how many bytes it has. Whoever reads and writes meanwhile goes on: it
/// is a single read of one snapshot, and of what was answered beside the writer before that, which its log has too. What is at `to`
/// in the end has been read again and is on the disk. The clock is for a log that takes something in.
///
/// # Errors
/// One line, for a database that is not embedded, a file that is there, a disk that is full, a copy that cannot be read.
pub fn backup(address: &DatabaseUrl, to: &Path, clock: impl Clock + 'static) -> Result<u64, String> {
    let from = embedded(address)?;
    if !from.exists() {
        return Err(format!("database_url: {} is not there", from.display()));
    }
    refuse_existing(to)?;
    let part = beside(to, ".part");
    remove_all(&part);
    private_file::keep(&part)?;
    // What is there when this begins is copied first: the log may take it in meanwhile, and then the copy of that has it.
    let copied = copy_aside(from, &part).and_then(|has_some| write_copy(address, &part).map(|()| has_some));
    let whole = copied.and_then(|has_some| if has_some { take_in(&part, clock) } else { Ok(()) });
    let done = whole.and_then(|()| check(&part)).and_then(|()| put(&part, to));
    remove_all(&part);
    done?;
    fs::metadata(to).map(|found| found.len()).map_err(|error| named(to, &error))
}

/// Removes a copy that was not finished, or what was kept beside it.
fn remove_all(part: &Path) {
    for ending in ENDINGS {
        let _none = fs::remove_file(beside(part, ending));
    }
}

/// Copies what has been answered beside the writer and is not in the log yet; whether there is anything.
fn copy_aside(database: &Path, part: &Path) -> Result<bool, String> {
    let file = beside(database, sqlite::ASIDE);
    if !file.exists() {
        return Ok(false);
    }
    let (from, to) = (DatabaseUrl::Sqlite(file.clone()), beside(part, sqlite::ASIDE));
    private_file::keep(&to)?;
    write_copy(&from, &to)?;
    let mut copy = Connection::open(&DatabaseUrl::Sqlite(to.clone()), Durability::Process)
        .map_err(|error| format!("{}: {}", to.display(), in_one_line(&error)))?;
    // Whoever makes the file may not have got further than its name.
    let some = copy
        .batch(sqlite::ASIDE_TABLE)
        .and_then(|()| copy.rows::<(BigInt,), (i64,)>(Sql::new("SELECT pk FROM audit LIMIT 1")));
    some.map(|rows| !rows.is_empty()).map_err(|error| format!("{}: {}", file.display(), in_one_line(&error)))
}

/// Has the log of a copy take in what is kept beside it, as the server does when it starts.
fn take_in(part: &Path, clock: impl Clock + 'static) -> Result<(), String> {
    let address = DatabaseUrl::Sqlite(part.to_owned());
    if !missing_migrations(&address)?.is_empty() {
        return Err("reads that were answered beside a long write are not in the log yet, which is of an older release: stop the server \
                    of that release first"
            .to_owned());
    }
    let options = Options {
        address,
        durability: Durability::Process,
        connections: 1,
        query_timeout: Duration::from_secs(60),
        label_steps: 0,
    };
    // It takes in all that there is before it ends.
    drop(Store::open(&options, clock, Unobserved)?);
    Ok(())
}

/// Nobody counts what happens in a copy.
struct Unobserved;

impl Observer for Unobserved {
    fn audit_records(&self, _count: u64) {}
    fn database_error(&self) {}
    fn waited(&self, _how_long: Duration) {}
}

fn write_copy(address: &DatabaseUrl, part: &Path) -> Result<(), String> {
    let name = part.to_str().ok_or_else(|| format!("{}: the name is not UTF-8", part.display()))?;
    let mut connection = Connection::open(address, Durability::Process)
        .map_err(|error| format!("database_url: cannot open: {}", in_one_line(&error)))?;
    let copied = connection.run(Sql::new("VACUUM INTO ").bind(name));
    copied.map(|_| ()).map_err(|error| format!("{name}: {}", in_one_line(&error)))
}

/// Whether every page of a database can be read, and its indexes and rows agree.
///
/// # Errors
/// One line with the first that is wrong.
pub(crate) fn check(database: &Path) -> Result<(), String> {
    let wrong = |text: String| format!("{}: not a whole database: {text}", database.display());
    let address = DatabaseUrl::Sqlite(database.to_owned());
    let mut connection = Connection::open(&address, Durability::Process).map_err(|error| wrong(in_one_line(&error)))?;
    let told = connection.rows::<(Text,), (String,)>(Sql::new("PRAGMA integrity_check(1)"));
    match told.map_err(|error| wrong(in_one_line(&error)))?.as_slice() {
        [(text,)] if text == "ok" => Ok(()),
        told => Err(wrong(told.first().map(|row| row.0.clone()).unwrap_or_default())),
    }
}

/// A database and what is kept beside it, by SQLite and by us.
const ENDINGS: [&str; 6] = ["", "-wal", "-shm", "-aside", "-aside-wal", "-aside-shm"];

/// Refuses a database that somebody has open: they would go on with what is no longer there.
fn refuse_in_use(database: &Path) -> Result<(), String> {
    let used = |error: &dyn std::fmt::Display| {
        format!("{}: somebody has it open; stop the server first ({})", database.display(), in_one_line(error))
    };
    let name = database.to_str().ok_or_else(|| format!("{}: the name is not UTF-8", database.display()))?;
    memory::install();
    let mut connection = SqliteConnection::establish(name).map_err(|error| used(&error))?;
    // Whoever has it open holds a lock that this mode wants for itself.
    let alone = "PRAGMA busy_timeout = 0; PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; ROLLBACK";
    match connection.batch_execute(alone) {
        Err(DatabaseError(_, told)) if told.message().contains("locked") => Err(used(&told.message())),
        // One that is broken may be replaced.
        _ => Ok(()),
    }
}

/// A copy on its way back: beside the database, where `restore` puts it in its place.
#[derive(Debug)]
pub struct Restoring {
    part: PathBuf,
    to: PathBuf,
}

impl Restoring {
    /// Brings a copy beside the database that is to be, and checks it. Without `replace` there must be no database yet.
    ///
    /// # Errors
    /// One line, for a database that is not embedded or is there, and for a copy that is not whole.
    pub fn begin(from: &Path, address: &DatabaseUrl, replace: bool) -> Result<Restoring, String> {
        let to = embedded(address)?.to_owned();
        for ending in ENDINGS {
            // What a database has left beside it would be taken for the copy's own.
            if !replace {
                refuse_existing(&beside(&to, ending))?;
            }
        }
        if to.exists() {
            refuse_in_use(&to)?;
        }
        let restoring = Restoring { part: beside(&to, ".restoring"), to };
        restoring.remove();
        private_file::keep(&restoring.part)?;
        fs::copy(from, &restoring.part).map_err(|error| named(from, &error))?;
        private_file::keep(&restoring.part)?;
        check(&restoring.part)?;
        if !is_ours(&restoring.address())? {
            return Err(format!("{}: no database of Concord's", from.display()));
        }
        Ok(restoring)
    }

    /// Where the copy is, to be looked at further.
    #[must_use]
    pub fn address(&self) -> DatabaseUrl {
        DatabaseUrl::Sqlite(self.part.clone())
    }

    /// Puts the copy in the place of the database. One that was there is kept beside it, under the name that is returned.
    ///
    /// # Errors
    /// One line, when files cannot be moved.
    pub fn finish(self) -> Result<Option<PathBuf>, String> {
        let kept = beside(&self.to, ".replaced");
        let mut replaced = None;
        for ending in ENDINGS {
            let (file, aside) = (beside(&self.to, ending), beside(&kept, ending));
            if file.exists() {
                refuse_existing(&aside)?;
                fs::rename(&file, &aside).map_err(|error| named(&file, &error))?;
                replaced = Some(kept.clone());
            }
        }
        put(&self.part, &self.to)?;
        Ok(replaced)
    }

    fn remove(&self) {
        remove(&self.part);
    }
}

impl Drop for Restoring {
    fn drop(&mut self) {
        // Nothing is left of one that was not finished.
        self.remove();
    }
}

/// Removes a database with all that is kept beside it, as far as it is there. What is open stays until it is closed.
pub fn remove(database: &Path) {
    for ending in ENDINGS {
        let _left = fs::remove_file(beside(database, ending));
    }
}

fn embedded(address: &DatabaseUrl) -> Result<&Path, String> {
    match address {
        DatabaseUrl::Sqlite(path) => Ok(path),
        DatabaseUrl::Postgres(_) => {
            Err("database_url: PostgreSQL is backed up and restored with its own tools (docs/OPERATIONS.md)".to_owned())
        }
    }
}

fn refuse_existing(file: &Path) -> Result<(), String> {
    if file.exists() { Err(format!("{}: there is a file already", file.display())) } else { Ok(()) }
}

fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(file);
    name.push(ending);
    PathBuf::from(name)
}

/// Moves a file that is whole to its name, and lets both survive a power cut.
fn put(part: &Path, to: &Path) -> Result<(), String> {
    let synced = |path: &Path| File::open(path).and_then(|file| file.sync_all()).map_err(|error| named(path, &error));
    synced(part)?;
    fs::rename(part, to).map_err(|error| named(to, &error))?;
    synced(to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")))
}

fn named(file: &Path, error: &std::io::Error) -> String {
    format!("{}: {error}", file.display())
}
