//! `concord serve --ephemeral`: a server for tests, whose database is in memory and gone in the end, and which is put back to how
//! it began in a moment.

use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use actix_web::web::Data;
use concord_store::{DatabaseUrl, Durability};

use super::import::{self, ImportArgs};
use super::server::{Beside, answering, cannot_listen, prepare};
use crate::auth::development::DevelopmentIssuer;
use crate::clock::Clock;
use crate::config::Config;
use crate::http::{Begin, Harness, Hosts};
use crate::interact::logical_id;
use crate::telemetry;

/// Where Linux keeps files in memory.
const MEMORY: &str = "/dev/shm";

/// How the names of our folders begin; the number of the process follows.
const NAME: &str = "concord-ephemeral-";

/// How the server of a test names what it stores.
#[derive(clap::ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ids {
    /// By ids that nobody can guess.
    #[default]
    Random,
    /// By numbers.
    Sequential,
}

/// Serves until the process is told to stop, and leaves nothing.
///
/// # Errors
/// One line, when the server cannot be started or a resource of the seed is refused.
pub(super) async fn run(
    seed: Option<&Path>,
    (ids, hosts): (Ids, Hosts),
    config: Config,
    clock: Clock,
    out: &mut impl Write,
) -> Result<(), String> {
    if ids == Ids::Sequential {
        logical_id::count_from(1);
    }
    let _log = telemetry::start(config.log_format, config.log_level).map_err(|error| error.to_string())?;
    let folder = Folder::new()?;
    let bound = bind(seed, (config, hosts), clock, &folder).await?;
    let told = writeln!(out, "ready {}", bound.base).and_then(|()| out.flush());
    told.map_err(|error| format!("standard output: {error}"))?;
    bound.server.await.map_err(|error| format!("the server failed: {error}"))
}

/// A server that can be put back, and where it is.
struct Bound {
    base: String,
    server: actix_web::dev::Server,
}

async fn bind(
    seed: Option<&Path>,
    (config, hosts): (Config, Hosts),
    clock: Clock,
    folder: &Folder,
) -> Result<Bound, String> {
    let cannot = |error: std::io::Error| cannot_listen("listen", config.listen, &error);
    let listener = TcpListener::bind(config.listen).map_err(cannot)?;
    let listen = listener.local_addr().map_err(cannot)?;
    let config = Config {
        durability: Durability::Process,
        migrate_at_start: true,
        development_issuer: true,
        development_key: folder.path.join("key.pem"),
        ..config.listening_on(listen)
    };
    let full = folder.path.join("seed.db");
    fill(seed, &config, clock.clone(), &folder.path.join("filling.db"), &full).await?;
    let issuer = DevelopmentIssuer::open(&config).map_err(|error| error.to_string())?;
    let issuer = issuer.ok_or_else(|| "the development issuer is off".to_owned())?;
    let begin = begin(config.clone(), clock.clone(), folder.path.clone(), full);
    let harness = Data::from(Harness::new(&config, begin, clock, issuer).await?);
    let base = config.fhir_base();
    let (_, server) = answering(&config, harness.current(), (Some(harness), hosts), Some(listener))?;
    Ok(Bound { base, server })
}

/// Makes the database from which a server begins.
async fn fill(seed: Option<&Path>, config: &Config, clock: Clock, filling: &Path, full: &Path) -> Result<(), String> {
    let database = DatabaseUrl::Sqlite(filling.to_owned());
    let config = Config { database_url: database.clone(), ..config.clone() };
    match seed {
        Some(path) => {
            let what = ImportArgs { paths: vec![path.to_owned()], resume: None, strict: true };
            import::run(&what, &config, clock, &mut std::io::sink()).await?;
        }
        None => {
            concord_store::migrate(&database)?;
        }
    }
    // As it is at one moment, whatever is still to be closed.
    concord_store::backup(&database, full, Clock::System)?;
    concord_store::remove(filling);
    Ok(())
}

/// What begins with a copy of the full database each time, and leaves the one before.
fn begin(config: Config, clock: Clock, folder: PathBuf, full: PathBuf) -> Begin {
    let (number, running) = (AtomicU64::new(0), Arc::new(Mutex::new(None::<Beside>)));
    // Those that the seed has been given are in use.
    let first = logical_id::counted();
    Box::new(move || {
        if let Some(first) = first {
            logical_id::count_from(first);
        }
        let this = number.fetch_add(1, Ordering::SeqCst);
        let database = folder.join(format!("{this}.db"));
        let config = Config { database_url: DatabaseUrl::Sqlite(database.clone()), ..config.clone() };
        let (full, clock, running, folder) = (full.clone(), clock.clone(), Arc::clone(&running), folder.clone());
        Box::pin(async move {
            let failed = |error: std::io::Error| format!("{}: {error}", database.display());
            std::fs::copy(&full, &database).map_err(failed)?;
            let server = Data::new(prepare(&config, clock).await?);
            let beside = Beside::start(&server, &config)?;
            let before = running.lock().unwrap_or_else(PoisonError::into_inner).replace(beside);
            // It ends what it is at first, which nobody waits for.
            std::thread::spawn(move || drop(before));
            if let Some(before) = this.checked_sub(1) {
                concord_store::remove(&folder.join(format!("{before}.db")));
            }
            Ok(server)
        })
    })
}

/// A folder in memory; gone when this is dropped.
struct Folder {
    path: PathBuf,
}

impl Folder {
    fn new() -> Result<Folder, String> {
        let memory = Path::new(MEMORY);
        let parent = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        remove_left(&parent);
        let path = parent.join(format!("{NAME}{}", std::process::id()));
        std::fs::create_dir(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Folder { path })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _left = std::fs::remove_dir_all(&self.path);
    }
}

/// Removes what a process has left that was killed.
fn remove_left(parent: &Path) {
    let Ok(all) = parent.read_dir() else { return };
    for entry in all.flatten() {
        let name = entry.file_name();
        let process = name.to_str().and_then(|name| name.strip_prefix(NAME)).and_then(|text| text.parse::<u32>().ok());
        if process.is_some_and(|process| !Path::new("/proc").join(process.to_string()).exists()) {
            let _left = std::fs::remove_dir_all(entry.path());
        }
    }
}
