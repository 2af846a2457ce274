//! Servers as processes, and what Linux says about them (proc(5)).

use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::load;

/// Clock ticks a second in /proc, the same on every Linux.
const TICKS: u64 = 100;

/// A server that is stopped when dropped.
pub(crate) struct Server {
    child: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// How long it took to be ready.
    pub(crate) start: Duration,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

impl Server {
    /// Starts a program that will listen at `address`, and waits until `/readyz` says so. Its log goes to `log`.
    ///
    /// # Errors
    /// One line, when it does not start or is not ready within 20 seconds.
    pub(crate) fn start(mut command: Command, address: SocketAddr, log: &Path) -> Result<Server, String> {
        let file = File::create(log).map_err(|error| format!("{}: {error}", log.display()))?;
        let out = file.try_clone().map_err(|error| format!("{}: {error}", log.display()))?;
        command.stdin(Stdio::null()).stdout(out).stderr(file);
        let started = Instant::now();
        let child = command.spawn().map_err(|error| format!("cannot start a server: {error}"))?;
        let mut server = Server { child, address, start: Duration::ZERO };
        loop {
            if load::once(address, b"GET /readyz HTTP/1.1\r\nhost: bench\r\n\r\n").is_ok() {
                server.start = started.elapsed();
                return Ok(server);
            }
            let ended = server.child.try_wait().ok().flatten().is_some();
            if ended || started.elapsed() > Duration::from_secs(20) {
                let text = std::fs::read_to_string(log).unwrap_or_default();
                return Err(format!("a server is not ready: {}", text.lines().last().unwrap_or_default()));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Its time on the processor since it started.
    pub(crate) fn processor_time(&self) -> Duration {
        processor_time(self.child.id())
    }

    /// The same to the microsecond, without threads that have ended.
    pub(crate) fn on_processor(&self) -> Duration {
        on_processor(self.child.id())
    }

    /// Its resident memory in bytes.
    pub(crate) fn resident(&self) -> u64 {
        bytes(&self.status(), "VmRSS:")
    }

    /// Its largest resident memory in bytes, since it started or its peak was forgotten, and what of that was its own: the
    /// pages of files that it looks at can be taken from it at any time.
    pub(crate) fn peak(&self) -> (u64, u64) {
        let status = self.status();
        let peak = bytes(&status, "VmHWM:");
        (peak, peak.saturating_sub(bytes(&status, "RssFile:")))
    }

    /// Counts the peak of its memory from now on.
    pub(crate) fn forget_peak(&self) {
        // Where that may not be asked for, the peak is the one since it started.
        let _not_allowed = std::fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5");
    }

    fn status(&self) -> String {
        std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default()
    }
}

/// A line of /proc/PID/status that is a number of kilobytes, in bytes.
fn bytes(status: &str, name: &str) -> u64 {
    let line = status.lines().find(|line| line.starts_with(name)).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kilobytes| kilobytes.parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// A port of this machine that nobody listens at.
///
/// # Errors
/// One line, when there is none.
pub(crate) fn free_address() -> Result<SocketAddr, String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| format!("no free port: {error}"))?;
    listener.local_addr().map_err(|error| format!("no free port: {error}"))
}

/// A program's time in user and kernel mode, with that of the children it has waited for.
fn processor_time(id: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    Duration::from_millis(ticks(&stat) * 1000 / TICKS)
}

/// A program's time on the processor by what the scheduler counts for each of its threads, in nanoseconds; zero where it does not.
fn on_processor(id: u32) -> Duration {
    let threads = std::fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().flatten();
    let counted = threads.filter_map(|thread| {
        let told = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
        told.split_whitespace().next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(counted.sum())
}

/// utime + stime + cutime + cstime of a line of /proc/PID/stat. The name of the program, in parentheses, may hold
/// anything, so fields are counted from behind it.
fn ticks(stat: &str) -> u64 {
    let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    rest.split_whitespace().skip(11).take(4).filter_map(|field| field.parse::<u64>().ok()).sum()
}

/// The processes of a PostgreSQL server on this machine, by its data folder.
#[derive(Clone, Debug)]
pub(crate) struct Cluster(pub(crate) PathBuf);

impl Cluster {
    /// The time on the processor of all its processes; zero if they cannot be seen from here.
    pub(crate) fn processor_time(&self) -> Duration {
        self.each(processor_time)
    }

    /// The same to the microsecond, without processes that have ended.
    pub(crate) fn on_processor(&self) -> Duration {
        self.each(on_processor)
    }

    fn each(&self, of: fn(u32) -> Duration) -> Duration {
        let Ok(entries) = std::fs::read_dir("/proc") else { return Duration::ZERO };
        entries
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
            .filter(|id| std::fs::read_link(format!("/proc/{id}/cwd")).is_ok_and(|folder| folder == self.0))
            .map(of)
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_counted_from_behind_the_name() {
        let stat = "77 (a ) b) S 1 77 77 0 -1 4194304 500 0 0 0 150 50 3 4 20 0 5 0 12345 0 0";
        assert_eq!(ticks(stat), 207);
        assert_eq!(ticks("gone"), 0);
    }

    #[test]
    fn this_process_has_used_some_memory_and_time() {
        let work: u64 = (0..30_000_000_u64).fold(0, |sum, number| std::hint::black_box(sum ^ number));
        std::hint::black_box(work);
        assert!(processor_time(std::process::id()) <= Duration::from_secs(3600));
        assert_ne!(free_address().unwrap().port(), 0);
    }
}
