//! What a hostile client does with its connections.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::spawn_local;

/// How long a connection that was refused or closed waits before it comes again.
const AGAIN: Duration = Duration::from_millis(5);

/// What one hostile caller does, on each of its connections.
#[derive(Clone, Debug)]
pub(crate) enum Attack {
    /// Asks again and again, each when the last is answered.
    Ask(Vec<Vec<u8>>),
    /// Begins, goes on with the same part every so often (at once, where there is no time), and never ends, whatever is
    /// answered.
    Unending {
        /// The start.
        start: Vec<u8>,
        /// What it goes on with; nothing: it just stays.
        part: Vec<u8>,
        /// How often.
        every: Option<Duration>,
    },
    /// Asks many at once, again and again, and takes the answers as they come.
    Pipeline {
        /// What it asks at once.
        requests: Vec<u8>,
    },
    /// Asks, and takes so many bytes of the answer every tenth of a second.
    ReadSlowly {
        /// What it asks, all at once.
        requests: Vec<u8>,
        /// How many bytes.
        bytes: usize,
    },
}

/// How often each status was answered; 0 is no answer.
pub(crate) type Answers = BTreeMap<u16, usize>;

/// A hostile caller at work, until it is stopped.
pub(crate) struct AtWork {
    stop: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<Result<(), String>>,
    answers: Receiver<u16>,
}

impl AtWork {
    /// Begins on so many connections.
    ///
    /// # Errors
    /// One line, when the thread cannot be started.
    pub(crate) fn begin(address: SocketAddr, attack: Attack, connections: usize) -> Result<AtWork, String> {
        let stop = Arc::new(AtomicBool::new(false));
        let (told, answers) = channel();
        let own = Arc::clone(&stop);
        let work = move || {
            in_runtime(async move {
                let attack = Arc::new(attack);
                for number in 0..connections {
                    spawn_local(connection(address, Arc::clone(&attack), number, told.clone()));
                }
                while !own.load(Ordering::Relaxed) {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            })
        };
        let thread = std::thread::Builder::new().name("hostile".to_owned()).spawn(work);
        let thread = thread.map_err(|error| format!("cannot start the hostile caller: {error}"))?;
        Ok(AtWork { stop, thread, answers })
    }

    /// Stops, and says what was answered.
    ///
    /// # Errors
    /// One line, when it could not do its work.
    pub(crate) fn end(self) -> Result<Answers, String> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| "the hostile caller failed".to_owned())??;
        let mut answers = Answers::new();
        for status in self.answers.try_iter() {
            *answers.entry(status).or_default() += 1;
        }
        Ok(answers)
    }
}

/// Runs on one thread, this one.
///
/// # Errors
/// One line, when that cannot be begun.
pub(crate) fn in_runtime<T>(work: impl Future<Output = T>) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot start the client: {error}"))?;
    Ok(runtime.block_on(tokio::task::LocalSet::new().run_until(work)))
}

/// One connection after the other, until the runtime ends.
async fn connection(address: SocketAddr, attack: Arc<Attack>, number: usize, told: Sender<u16>) {
    let mut client = Client::new(address);
    let mut place = number;
    loop {
        let status = match &*attack {
            Attack::Ask(requests) => {
                let Some(request) = requests.get(place % requests.len().max(1)) else { return };
                place = place.wrapping_add(1);
                client.ask(request).await
            }
            Attack::Unending { start, part, every } => unending(address, start, part, *every).await,
            Attack::ReadSlowly { requests, bytes } => read_slowly(address, requests, *bytes).await,
            Attack::Pipeline { requests } => unending(address, requests, requests, None).await,
        };
        let _ended = told.send(status.unwrap_or(0));
        if status.is_none_or(|status| status == 429 || status >= 500) {
            tokio::time::sleep(AGAIN).await;
        }
    }
}

async fn unending(address: SocketAddr, start: &[u8], part: &[u8], every: Option<Duration>) -> Option<u16> {
    let stream = TcpStream::connect(address).await.ok()?;
    let (mut from, mut to) = stream.into_split();
    to.write_all(start).await.ok()?;
    let send = async {
        loop {
            match every {
                Some(every) => tokio::time::sleep(every).await,
                None => tokio::task::yield_now().await,
            }
            if to.write_all(part).await.is_err() {
                return;
            }
        }
    };
    let mut first = None;
    let listen = async {
        let mut answer = vec![0; 65_536];
        while let Ok(length @ 1..) = from.read(&mut answer).await {
            first = first.or_else(|| status(answer.get(..length)?));
        }
    };
    tokio::select! {
        () = send => {}
        () = listen => {}
    }
    first
}

async fn read_slowly(address: SocketAddr, requests: &[u8], bytes: usize) -> Option<u16> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    stream.write_all(requests).await.ok()?;
    let (mut first, mut part) = (None, vec![0; bytes.max(1)]);
    loop {
        tokio::time::sleep(Duration::from_millis(100)).await;
        if bytes == 0 {
            continue;
        }
        match stream.read(&mut part).await {
            Ok(length @ 1..) => first = first.or_else(|| status(part.get(..length)?)),
            _ => return first,
        }
    }
}

/// A connection that is opened when it is needed.
pub(crate) struct Client {
    address: SocketAddr,
    stream: Option<TcpStream>,
    buffer: Vec<u8>,
}

impl Client {
    /// To that address.
    pub(crate) fn new(address: SocketAddr) -> Client {
        Client { address, stream: None, buffer: Vec::with_capacity(65_536) }
    }

    /// Sends a request and takes the whole answer; its status, or none.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> Option<u16> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => TcpStream::connect(self.address).await.ok()?,
        };
        stream.set_nodelay(true).ok()?;
        // A server that refuses may do so before it has been told everything.
        let _refused = stream.write_all(request).await;
        let mut answer = Answer { has_no_body: request.starts_with(b"HEAD "), ..Answer::default() };
        loop {
            self.buffer.clear();
            let length = stream.read_buf(&mut self.buffer).await.unwrap_or(0);
            answer.take(&self.buffer);
            if answer.is_whole() {
                break;
            }
            if length == 0 {
                return answer.status;
            }
        }
        if !answer.closes {
            self.stream = Some(stream);
        }
        answer.status
    }
}

/// What has come of an answer.
#[derive(Debug, Default)]
struct Answer {
    head: Vec<u8>,
    status: Option<u16>,
    closes: bool,
    /// How many bytes are missing, where that is known.
    missing: Option<usize>,
    /// The last bytes of a body whose length nobody has said.
    end: Vec<u8>,
    /// Whether none comes, whatever is said of it.
    has_no_body: bool,
}

impl Answer {
    fn take(&mut self, bytes: &[u8]) {
        let mut body = bytes;
        if self.status.is_none() {
            self.head.extend_from_slice(bytes);
            let Some(end) = self.head.windows(4).position(|window| window == b"\r\n\r\n") else { return };
            let rest = self.head.split_off(end + 4);
            self.read_head();
            self.head = rest;
            body = &self.head;
        }
        match &mut self.missing {
            Some(missing) => *missing = missing.saturating_sub(body.len()),
            None => {
                let last = body.len().saturating_sub(8);
                self.end.extend_from_slice(body.get(last..).unwrap_or_default());
                self.end.drain(..self.end.len().saturating_sub(8));
            }
        }
    }

    fn read_head(&mut self) {
        let head = String::from_utf8_lossy(&self.head).to_ascii_lowercase();
        let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name).map(str::trim));
        self.status = Some(status(&self.head).unwrap_or(0));
        self.closes = field("connection:") == Some("close");
        self.missing = field("content-length:").and_then(|length| length.parse().ok());
        if self.has_no_body || matches!(self.status, Some(204 | 304)) {
            self.missing = Some(0);
        }
    }

    fn is_whole(&self) -> bool {
        self.status.is_some() && (self.missing == Some(0) || self.end.ends_with(b"0\r\n\r\n"))
    }
}

/// The status in the first line of an answer.
fn status(answer: &[u8]) -> Option<u16> {
    std::str::from_utf8(answer.get(9..12)?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(parts: &[&str]) -> Answer {
        let mut answer = Answer::default();
        for part in parts {
            assert!(!answer.is_whole(), "{answer:?}");
            answer.take(part.as_bytes());
        }
        answer
    }

    #[test]
    fn an_answer_is_whole_when_its_length_or_its_last_chunk_has_come() {
        let counted =
            taken(&["HTTP/1.1 401 Un", "authorized\r\nContent-Length: 3\r\nConnection: close\r\n\r\na", "bc"]);
        assert!(counted.is_whole() && counted.closes);
        assert_eq!(counted.status, Some(401));
        let chunked = taken(&["HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "1\r\na\r", "\n0\r\n\r", "\n"]);
        assert!(chunked.is_whole() && !chunked.closes);
        assert!(taken(&["HTTP/1.1 304 Not Modified\r\n\r\n"]).is_whole());
    }
}
