//! The binary `concord` as a process of its own, to see what a sudden death leaves behind.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A running `concord serve`, killed when it is dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
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
        // Its log goes on being read, so that it never waits for a full pipe.
        std::thread::spawn(move || log.lines().count());
        Process { child, origin }
    }

    /// Ends it as a power cut to the process would: no handler runs.
    ///
    /// # Panics
    /// When it is gone already.
    pub fn kill(mut self) {
        self.child.kill().expect("a process to kill");
        self.child.wait().expect("a process that ends");
    }

    /// Asks it to stop, as an operator does; whether it ended well.
    ///
    /// # Panics
    /// When it cannot be asked.
    #[must_use]
    pub fn stop(mut self) -> bool {
        let asked = Command::new("kill").arg("-TERM").arg(self.child.id().to_string()).status();
        assert!(asked.is_ok_and(|status| status.success()), "the process cannot be told to stop");
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
    command.args(arguments).current_dir(folder);
    for (name, value) in settings {
        command.env(name, value);
    }
    command
}
