//! A PostgreSQL cluster of a test's own, which it may end and start again. The others share the one that
//! `CONCORD_TEST_POSTGRES` names, so nobody may end that.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use diesel::connection::Connection as _;
use diesel::pg::PgConnection;

use crate::database::Folder;

/// How long anything is waited for that has to come in the end.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often it is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How a server ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It ends what is under way, tells everybody, and shuts down: `pg_ctl -m fast`.
    Fast,
    /// It ends at once and recovers when it starts: `pg_ctl -m immediate`.
    Immediate,
    /// Its first process is killed, and the others find out.
    Kill,
}

/// A cluster, ended and removed when it is dropped.
#[derive(Debug)]
pub struct Cluster {
    folder: Folder,
    programs: PathBuf,
    /// PostgreSQL refuses to run as root: the user that it runs as instead.
    owner: Option<&'static str>,
}

impl Cluster {
    /// A new one, started; none where PostgreSQL is not installed and nobody has said that it is to be tested.
    ///
    /// # Panics
    /// When it is to be tested and cannot be made.
    #[must_use]
    pub fn new() -> Option<Cluster> {
        let Some(programs) = programs() else {
            assert!(
                std::env::var_os("CONCORD_TEST_POSTGRES").is_none(),
                "initdb is missing: install PostgreSQL's server"
            );
            return None;
        };
        let root = Command::new("id").arg("-u").output().expect("who runs the tests").stdout == b"0\n";
        let cluster = Cluster { folder: Folder::new(), programs, owner: root.then_some("postgres") };
        if let Some(owner) = cluster.owner {
            let given = Command::new("chown").arg(owner).arg(cluster.folder.path()).status();
            assert!(given.is_ok_and(|status| status.success()), "no user '{owner}' to run PostgreSQL as");
        }
        let made =
            cluster.run("initdb", &["-U", "concord", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]);
        assert!(made, "initdb failed");
        // A commit has to outlive the processes, but not the machine.
        let settings = format!(
            "listen_addresses = ''\nunix_socket_directories = '{}'\nfsync = off\n",
            cluster.folder.path().display()
        );
        let file = cluster.data().join("postgresql.conf");
        let before = std::fs::read_to_string(&file).expect("the settings of the cluster");
        std::fs::write(&file, before + &settings).expect("settings of the cluster");
        cluster.start();
        Some(cluster)
    }

    /// The setting `database_url` for a database in it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres:///postgres?host={}&user=concord", self.folder.path().display())
    }

    /// Starts it and waits until it answers.
    ///
    /// # Panics
    /// When it does not.
    pub fn start(&self) {
        // What is left of a server that was killed has to be gone first, which takes as long as it takes.
        until("PostgreSQL starts", || {
            self.run("pg_ctl", &["-l", &self.folder.path().join("log").display().to_string(), "-w", "start"])
        });
        until("PostgreSQL answers", || PgConnection::establish(&self.url()).is_ok());
    }

    /// Ends it in that way.
    ///
    /// # Panics
    /// When it goes on.
    pub fn end(&self, how: End) {
        let ended = match how {
            End::Fast => self.run("pg_ctl", &["-m", "fast", "-w", "stop"]),
            End::Immediate => self.run("pg_ctl", &["-m", "immediate", "-w", "stop"]),
            End::Kill => Command::new("kill")
                .args(["-KILL", &self.first_process()])
                .status()
                .is_ok_and(|status| status.success()),
        };
        assert!(ended, "PostgreSQL could not be ended: {how:?}");
        until("PostgreSQL ends", || PgConnection::establish(&self.url()).is_err());
    }

    /// Stops every process of it where it stands, as a machine that hangs does.
    ///
    /// # Panics
    /// When that cannot be done.
    pub fn pause(&self) {
        self.signal("-STOP");
    }

    /// Lets all of them go on.
    ///
    /// # Panics
    /// When that cannot be done.
    pub fn resume(&self) {
        self.signal("-CONT");
    }

    /// Sends a signal to the first process and to its children.
    fn signal(&self, name: &str) {
        let first = self.first_process();
        let children = std::fs::read_dir("/proc").expect("the processes").flatten().filter_map(|entry| {
            let status = std::fs::read_to_string(entry.path().join("status")).ok()?;
            let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().to_owned();
            (parent == first).then(|| entry.file_name().to_string_lossy().into_owned())
        });
        let all: Vec<String> = std::iter::once(first.clone()).chain(children).collect();
        let sent = Command::new("kill").arg(name).args(&all).status();
        assert!(sent.is_ok_and(|status| status.success()), "PostgreSQL cannot be sent {name}");
    }

    fn first_process(&self) -> String {
        let file = std::fs::read_to_string(self.data().join("postmaster.pid")).expect("the server's number");
        file.lines().next().expect("the server's number").to_owned()
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Runs a program of PostgreSQL on the cluster; whether it succeeded.
    fn run(&self, program: &str, arguments: &[&str]) -> bool {
        let program = self.programs.join(program);
        let mut command = match self.owner {
            Some(owner) => {
                let mut command = Command::new("runuser");
                command.args(["-u", owner, "--"]).arg(program);
                command
            }
            None => Command::new(program),
        };
        command.arg("-D").arg(self.data()).args(arguments).current_dir(self.folder.path());
        // The server keeps what it inherits: a pipe would never end.
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().expect("a program of PostgreSQL").success()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // One that has been ended already is as well.
        let _ended = self.run("pg_ctl", &["-m", "immediate", "-w", "stop"]);
    }
}

/// The folder of the newest server's programs: Debian keeps them off the PATH.
fn programs() -> Option<PathBuf> {
    let version = |folder: &Path| folder.file_name()?.to_str()?.parse::<u32>().ok();
    let mut debian: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .map(|folders| folders.flatten().map(|folder| folder.path()).collect())
        .unwrap_or_default();
    debian.sort_by_key(|folder| std::cmp::Reverse(version(folder)));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let all = debian.into_iter().map(|folder| folder.join("bin")).chain(std::env::split_paths(&path));
    all.into_iter().find(|folder| folder.join("initdb").exists())
}

/// Looks again and again until something is so.
///
/// # Panics
/// When it has not become so after a minute.
pub fn until(what: &str, mut so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !so() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        std::thread::sleep(LOOK_EVERY);
    }
}
