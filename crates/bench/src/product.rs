//! The real server, in a process of its own, with its default settings but for where things are.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::database::{Kind, Place};
use crate::process::{self, Server};
use crate::workload::{self, CALLERS, CONSENTED, Case, PROFESSIONAL, TREND};

/// The server's program with what it needs.
pub(crate) struct Product {
    program: PathBuf,
    folder: PathBuf,
    kind: Kind,
    workers: usize,
    /// Settings besides.
    more: Vec<(&'static str, String)>,
}

/// How fast an import was.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Imported {
    /// Resources loaded.
    pub(crate) resources: usize,
    /// From start to end of the program.
    pub(crate) time: Duration,
}

impl Product {
    /// The program, with a folder for its files.
    pub(crate) fn new(program: &Path, folder: &Path, kind: Kind, workers: usize) -> Product {
        Product { program: program.to_path_buf(), folder: folder.to_path_buf(), kind, workers, more: Vec::new() }
    }

    /// The same with these settings, which go before its own.
    pub(crate) fn with(self, more: Vec<(&'static str, String)>) -> Product {
        Product { more, ..self }
    }

    fn command(&self, database: &str, listen: &str) -> Command {
        let mut command = Command::new(&self.program);
        // Nothing of the surroundings but what PostgreSQL's client library may need to find its server.
        let kept = ["PATH", "HOME", "PGPASSFILE", "PGPASSWORD"];
        let kept = kept.map(|name| (name, std::env::var_os(name)));
        command.env_clear();
        for (name, value) in kept {
            if let Some(value) = value {
                command.env(name, value);
            }
        }
        command
            .env("CONCORD_DATABASE_URL", database)
            .env("CONCORD_DURABILITY", self.kind.durability())
            .env("CONCORD_WORKERS", self.workers.to_string())
            .env("CONCORD_LISTEN", listen)
            .env("CONCORD_PUBLIC_URL", "http://127.0.0.1:8080")
            .env("CONCORD_DEVELOPMENT_ISSUER", "true")
            .env("CONCORD_CLIENTS", r#"[{"client": "bench-app", "kind": "own"}]"#)
            .env("CONCORD_DEVELOPMENT_KEY", self.folder.join("key.pem"))
            .envs(self.more.iter().map(|(name, value)| (*name, value.as_str())));
        command
    }

    /// Loads the workload with `concord import`.
    ///
    /// # Errors
    /// One line, when it fails.
    pub(crate) fn import(&self, database: &str, patients: usize) -> Result<Imported, String> {
        self.import_text(database, &workload::resources(patients))
    }

    /// Loads NDJSON with `concord import`.
    ///
    /// # Errors
    /// One line, when it fails.
    pub(crate) fn import_text(&self, database: &str, text: &str) -> Result<Imported, String> {
        let path = self.folder.join("workload.ndjson");
        let resources = text.lines().count();
        std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
        let mut command = self.command(database, "127.0.0.1:0");
        command.arg("import").arg(&path).stdin(Stdio::null()).stdout(Stdio::null());
        let started = Instant::now();
        let output = command.output().map_err(|error| format!("cannot start the import: {error}"))?;
        let time = started.elapsed();
        if !output.status.success() {
            return Err(format!("the import failed: {}", String::from_utf8_lossy(&output.stderr)));
        }
        Ok(Imported { resources, time })
    }

    /// A token for each patient who calls, and then one each for the professional, a system, the patient with the long trend
    /// and the professional whom a Consent of hers permits to read.
    ///
    /// # Errors
    /// One line, when one cannot be had.
    pub(crate) fn tokens(&self, database: &str, patients: usize) -> Result<Vec<String>, String> {
        let callers = (0..CALLERS).map(|caller| workload::patient_id(workload::of_caller(caller, patients)));
        let others = [
            vec!["--fhir-user".to_owned(), format!("Practitioner/{PROFESSIONAL}")],
            vec!["--system".to_owned()],
            vec!["--patient".to_owned(), TREND.to_owned()],
            vec!["--fhir-user".to_owned(), format!("Practitioner/{CONSENTED}")],
        ];
        let callers = callers.map(|id| vec!["--patient".to_owned(), id]);
        callers.chain(others).map(|who| self.token(database, &who)).collect()
    }

    /// A token for somebody, as `concord token` names them.
    ///
    /// # Errors
    /// One line, when it cannot be had.
    pub(crate) fn token(&self, database: &str, who: &[String]) -> Result<String, String> {
        let mut command = self.command(database, "127.0.0.1:0");
        command.arg("token").args(who).args(["--client-id", "bench-app", "--expires-in", "12h"]);
        let output = command.output().map_err(|error| format!("cannot start: {error}"))?;
        if !output.status.success() {
            return Err(format!("no token: {}", String::from_utf8_lossy(&output.stderr)));
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Starts the server.
    ///
    /// # Errors
    /// One line, when it is not ready.
    pub(crate) fn serve(&self, database: &str) -> Result<Server, String> {
        let address = process::free_address()?;
        let mut command = self.command(database, &address.to_string());
        command.arg("serve");
        Server::start(command, address, &self.folder.join("concord.log"))
    }

    /// Starts the floor on a copy of the database.
    ///
    /// # Errors
    /// One line, when it is not ready.
    pub(crate) fn serve_floor(&self, place: &Place, database: &str) -> Result<Server, String> {
        let address = process::free_address()?;
        let own = std::env::current_exe().map_err(|error| format!("where is this program: {error}"))?;
        let mut command = Command::new(own);
        command.arg("floor").args(["--listen", &address.to_string(), "--database", &place.url(database)]).args([
            "--durability",
            self.kind.durability(),
            "--workers",
            &self.workers.to_string(),
        ]);
        Server::start(command, address, &self.folder.join("floor.log"))
    }

    /// One create, whose rows the floor then writes again and again.
    ///
    /// # Errors
    /// One line, when the server refuses it.
    pub(crate) fn create_once(server: &Server, tokens: &[String], patients: usize) -> Result<(), String> {
        let requests = workload::requests(Case::Create, tokens, patients);
        let first = requests.first().ok_or("there are no requests")?;
        crate::load::once(server.address, first).map(|_| ())
    }
}

/// The server's program: the one that is named, or the one beside this.
///
/// # Errors
/// One line, when it is not there.
pub(crate) fn program(named: Option<&Path>) -> Result<PathBuf, String> {
    let path = match named {
        Some(path) => path.to_path_buf(),
        None => {
            let own = std::env::current_exe().map_err(|error| format!("where is this program: {error}"))?;
            own.with_file_name("concord")
        }
    };
    if path.exists() {
        Ok(path)
    } else {
        Err(format!("{}: build it first (cargo build --release), or name it with --concord", path.display()))
    }
}
