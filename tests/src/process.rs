//! The binary `concord` as a process of its own, to see what a sudden death leaves behind.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::thread::JoinHandle;

use crate::server::OWN_APP;

/// What becomes of what a server logs once it serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Log {
    /// It is read.
    Read,
    /// Nobody reads it, so that its pipe is full soon.
    Unread,
    /// Its pipe is closed.
    Closed,
}

/// A running `concord serve`, killed when it is dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    /// The end of the pipe of its log, where nobody reads it.
    _unread: Option<BufReader<ChildStderr>>,
    /// Who reads it, where somebody does: all of it, in the end.
    reading: Option<JoinHandle<String>>,
    /// Where it listens: `http://127.0.0.1:PORT`.
    pub origin: String,
}

/// The binary beside the tests'.
///
/// # Panics
/// When it has not been built.
#[must_use]
pub fn binary() -> PathBuf {
    let own = std::env::current_exe().expect("the path of the tests");
    let folder = own.parent().and_then(Path::parent).expect("the folder of the build");
    let binary = folder.join("concord");
    assert!(binary.exists(), "{} is missing: run `cargo build -p concord-api`, or `make test`", binary.display());
    binary
}

/// The output of a command of the binary.
///
/// # Panics
/// When it fails.
#[must_use]
pub fn output(folder: &Path, arguments: &[&str], settings: &[(&str, &str)]) -> String {
    let done = command(folder, arguments, settings).output().expect("a binary that starts");
    let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "concord {arguments:?}: {err}");
    out.into_owned()
}

impl Process {
    /// Starts the server and waits until it says where it listens.
    ///
    /// # Panics
    /// When it ends before.
    #[must_use]
    pub fn serve(folder: &Path, settings: &[(&str, &str)]) -> Process {
        Process::serve_logging(folder, settings, Log::Read)
    }

    /// The same, with a log that may be read by nobody.
    ///
    /// # Panics
    /// When it ends before.
    #[must_use]
    pub fn serve_logging(folder: &Path, settings: &[(&str, &str)], logging: Log) -> Process {
        let mut command = command(folder, &["serve"], settings);
        command.env("CONCORD_LOG_FORMAT", "json").stderr(Stdio::piped()).stdout(Stdio::null());
        let mut child = command.spawn().expect("a binary that starts");
        let mut log = BufReader::new(child.stderr.take().expect("its log"));
        let mut seen = String::new();
        let origin = loop {
            let start = seen.len();
            if log.read_line(&mut seen).expect("a line of its log") == 0 {
                panic!("concord serve ended: {seen}");
            }
            let line: serde_json::Value =
                seen.get(start..).and_then(|line| serde_json::from_str(line).ok()).unwrap_or_default();
            let place = ["/listen", "/fields/listen"].into_iter().find_map(|at| line.pointer(at)?.as_str());
            let serving = ["/message", "/fields/message"]
                .into_iter()
                .any(|at| line.pointer(at).and_then(serde_json::Value::as_str) == Some("serving"));
            if let (Some(place), true) = (place, serving) {
                break format!("http://{place}");
            }
        };
        let (unread, reading) = match logging {
            Log::Read => {
                let rest = move || {
                    // A log that is no text ends here, as its writer does.
                    let _bytes = log.read_to_string(&mut seen);
                    seen
                };
                (None, Some(std::thread::spawn(rest)))
            }
            Log::Unread => (Some(log), None),
            Log::Closed => (None, None),
        };
        Process { child, _unread: unread, reading, origin }
    }

    /// Starts one that can be put back (`--ephemeral`), and waits until it says where it is.
    ///
    /// # Panics
    /// When it ends before.
    #[must_use]
    pub fn ephemeral(folder: &Path, settings: &[(&str, &str)]) -> Process {
        Process::ephemeral_with(folder, &[], settings)
    }

    /// The same with more arguments.
    ///
    /// # Panics
    /// When it ends before.
    #[must_use]
    pub fn ephemeral_with(folder: &Path, more: &[&str], settings: &[(&str, &str)]) -> Process {
        let mut command = command(folder, &[&["serve", "--ephemeral"], more].concat(), settings);
        command.stderr(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("a binary that starts");
        let mut said = String::new();
        BufReader::new(child.stdout.take().expect("what it says")).read_line(&mut said).expect("a line");
        let place = said.trim().strip_prefix("ready ").and_then(|base| base.strip_suffix("/fhir"));
        let origin = place.unwrap_or_else(|| panic!("concord serve --ephemeral said {said:?}")).to_owned();
        Process { child, _unread: None, reading: None, origin }
    }

    /// Ends it as a power cut to the process would: no handler runs.
    ///
    /// # Panics
    /// When it is gone already.
    pub fn kill(mut self) {
        self.child.kill().expect("a process to kill");
        self.child.wait().expect("a process that ends");
    }

    /// Sends it a signal, such as `-HUP`.
    ///
    /// # Panics
    /// When it is gone already.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(name).arg(self.child.id().to_string()).status();
        assert!(sent.is_ok_and(|status| status.success()), "the process cannot be sent {name}");
    }

    /// Asks it to stop: all that it has logged.
    ///
    /// # Panics
    /// When nobody reads its log, or it cannot be asked.
    #[must_use]
    pub fn log(mut self) -> String {
        let reading = self.reading.take().expect("somebody reads its log");
        assert!(self.stop(), "it ended badly");
        reading.join().expect("its log")
    }

    /// Asks it to stop, as an operator does; whether it ended well.
    ///
    /// # Panics
    /// When it cannot be asked.
    #[must_use]
    pub fn stop(mut self) -> bool {
        self.signal("-TERM");
        self.child.wait().expect("a process that ends").success()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It is gone already when the test has killed it.
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn command(folder: &Path, arguments: &[&str], settings: &[(&str, &str)]) -> Command {
    let mut command = Command::new(binary());
    // What the tests themselves are told by the environment is no setting of the server.
    command.args(arguments).current_dir(folder).env_clear();
    // The app of the journeys' people is their own: unknown ones are somebody else's.
    command.env("CONCORD_CLIENTS", serde_json::json!([{"client": OWN_APP, "kind": "own"}]).to_string());
    for (name, value) in settings {
        command.env(name, value);
    }
    command
}
