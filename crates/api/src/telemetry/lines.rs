//! Lines that wait to be written by a thread of their own. Many are written at once: a thread that is woken for each, and writes
//! each by itself, costs as much as a request that is answered.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// How many lines may wait to be written.
const MOST_LINES: usize = 10_000;

/// How many bytes they may have together.
const MOST_BYTES: usize = 8 * 1024 * 1024;

/// After how long what has come since lines were written is written.
const PAUSE: Duration = Duration::from_millis(10);

/// How long the end may take.
const END_WITHIN: Duration = Duration::from_secs(1);

/// Where lines are put. Clones put them in the same place.
#[derive(Clone)]
pub(super) struct Lines(Arc<Shared>);

struct Shared {
    waiting: Mutex<Waiting>,
    come: Condvar,
    lost: AtomicU64,
}

#[derive(Default)]
struct Waiting {
    text: Vec<u8>,
    lines: usize,
    /// Whether the thread has to be woken by the next line.
    asleep: bool,
    /// Whether nothing comes after what is there.
    ended: bool,
}

/// The thread that writes. When it is dropped, what waits is written, as far as that takes no longer than a second.
#[must_use]
pub(super) struct Writing {
    lines: Lines,
    done: Receiver<()>,
}

impl Lines {
    /// Starts a thread that writes what is put here.
    ///
    /// # Errors
    /// When there can be no thread.
    pub(super) fn start(out: impl Write + Send + 'static) -> io::Result<(Lines, Writing)> {
        let shared = Shared { waiting: Mutex::default(), come: Condvar::new(), lost: AtomicU64::new(0) };
        let lines = Lines(Arc::new(shared));
        let (own, (end, done)) = (lines.clone(), channel());
        std::thread::Builder::new().name("log".to_owned()).spawn(move || {
            own.write_all_to(out);
            // Nobody may be waiting for it.
            let _nobody = end.send(());
        })?;
        Ok((lines.clone(), Writing { lines, done }))
    }

    /// How many lines have been lost.
    pub(super) fn lost(&self) -> u64 {
        self.0.lost.load(Ordering::Relaxed)
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, line: &[u8]) {
        let mut waiting = self.waiting();
        if waiting.lines >= MOST_LINES || waiting.text.len() + line.len() > MOST_BYTES {
            self.0.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        waiting.text.extend_from_slice(line);
        waiting.lines += 1;
        if std::mem::take(&mut waiting.asleep) {
            self.0.come.notify_one();
        }
    }

    fn write_all_to(&self, mut out: impl Write) {
        let mut text = Vec::new();
        loop {
            let mut waiting = self.waiting();
            while waiting.text.is_empty() && !waiting.ended {
                waiting.asleep = true;
                waiting = self.0.come.wait(waiting).unwrap_or_else(PoisonError::into_inner);
            }
            std::mem::swap(&mut text, &mut waiting.text);
            let lines = std::mem::take(&mut waiting.lines);
            let ended = waiting.ended;
            drop(waiting);
            if out.write_all(&text).and_then(|()| out.flush()).is_err() {
                self.0.lost.fetch_add(u64::try_from(lines).unwrap_or(u64::MAX), Ordering::Relaxed);
            }
            if ended {
                return;
            }
            text.clear();
            let pause = self.0.come.wait_timeout_while(self.waiting(), PAUSE, |waiting| !waiting.ended);
            drop(pause);
        }
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        self.lines.waiting().ended = true;
        self.lines.0.come.notify_one();
        let _late = self.done.recv_timeout(END_WITHIN);
    }
}

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.put(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for Lines {
    type Writer = Lines;

    fn make_writer(&'w self) -> Lines {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::Sender;

    use super::*;

    /// Hands on what is written, and is stuck until it may go on.
    struct Slow {
        written: Sender<Vec<u8>>,
        go_on: Receiver<()>,
    }

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.written.send(bytes.to_vec()).unwrap();
            self.go_on.recv().map_err(|_| io::Error::other("closed"))?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn slow() -> (Lines, Writing, Receiver<Vec<u8>>, Sender<()>) {
        let ((written, all), (go_on, gate)) = (channel(), channel());
        let (lines, writing) = Lines::start(Slow { written, go_on: gate }).unwrap();
        (lines, writing, all, go_on)
    }

    #[test]
    fn what_comes_while_lines_are_written_is_written_together() {
        let (lines, writing, written, go_on) = slow();
        lines.put(b"one\n");
        assert_eq!(written.recv().unwrap(), b"one\n");
        lines.put(b"two\n");
        lines.put(b"three\n");
        go_on.send(()).unwrap();
        assert_eq!(written.recv().unwrap(), b"two\nthree\n");
        lines.put(b"four\n");
        go_on.send(()).unwrap();
        go_on.send(()).unwrap();
        drop(writing);
        assert_eq!(written.recv().unwrap(), b"four\n", "also at the end");
        assert_eq!(lines.lost(), 0);
    }

    #[test]
    fn nobody_waits_for_who_does_not_read_and_what_is_lost_is_counted() {
        let (lines, writing, written, go_on) = slow();
        lines.put(b"one\n");
        written.recv().unwrap();
        for _ in 0..MOST_LINES + 5 {
            lines.put(b"more\n");
        }
        assert_eq!(lines.lost(), 5);
        lines.put(&vec![b'x'; MOST_BYTES]);
        assert_eq!(lines.lost(), 6);
        // Standard error is closed: the line that is being written is lost, and all that wait.
        drop(go_on);
        drop(writing);
        assert_eq!(lines.lost(), 6 + 1 + u64::try_from(MOST_LINES).unwrap());
    }
}
