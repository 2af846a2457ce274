//! A client that costs little: raw HTTP/1.1 over keep-alive connections, all on one thread.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How a server did under a load.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    /// Requests answered.
    pub(crate) requests: u64,
    /// In this time.
    pub(crate) time: Duration,
    /// How long half of them took at most.
    pub(crate) p50: Duration,
    /// How long 99 of 100 took at most.
    pub(crate) p99: Duration,
}

impl Measured {
    /// Requests a second.
    pub(crate) fn throughput(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "far fewer requests than a double can count")]
        let requests = self.requests as f64;
        requests / self.time.as_secs_f64()
    }
}

/// How much is sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    /// On how many connections.
    pub(crate) connections: usize,
    /// For how long.
    pub(crate) time: Duration,
    /// How many a second in all, as far as they are answered; none for as many as are answered.
    pub(crate) rate: Option<u32>,
}

impl Load {
    /// As much as is answered.
    pub(crate) fn full(connections: usize, time: Duration) -> Load {
        Load { connections, time, rate: None }
    }

    /// When a connection sends its request of that number, since the beginning; at once where there is no rate. The connections
    /// take turns.
    fn due(&self, connection: usize, number: usize) -> Option<Duration> {
        let place = u32::try_from(number * self.connections + connection).ok()?;
        self.rate.map(|rate| Duration::from_secs(1) * place / rate)
    }
}

/// Sends requests, each connection the next one when the last is answered.
///
/// # Errors
/// One line, when the server cannot be reached or answers with anything but 200 or 201.
pub(crate) fn run(address: SocketAddr, requests: &Arc<Vec<Vec<u8>>>, load: Load) -> Result<Measured, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start the client: {error}"))?;
    runtime.block_on(async {
        let local = tokio::task::LocalSet::new();
        local
            .run_until(async {
                let started = Instant::now();
                let tasks: Vec<_> = (0..load.connections)
                    .map(|number| {
                        let requests = Arc::clone(requests);
                        tokio::task::spawn_local(
                            async move { connection(address, &requests, number, started, load).await },
                        )
                    })
                    .collect();
                let mut took = Vec::new();
                for task in tasks {
                    took.extend(task.await.map_err(|error| format!("the client failed: {error}"))??);
                }
                let time = started.elapsed();
                took.sort_unstable();
                let at = |percent: usize| took.get(took.len() * percent / 100).copied().unwrap_or_default();
                Ok(Measured { requests: u64::try_from(took.len()).unwrap_or(u64::MAX), time, p50: at(50), p99: at(99) })
            })
            .await
    })
}

async fn connection(
    address: SocketAddr,
    requests: &[Vec<u8>],
    number: usize,
    begun: Instant,
    load: Load,
) -> Result<Vec<Duration>, String> {
    let failed = |error: std::io::Error| format!("the server does not answer: {error}");
    let mut stream = TcpStream::connect(address).await.map_err(failed)?;
    stream.set_nodelay(true).map_err(failed)?;
    let mut took = Vec::with_capacity(65_536);
    let mut buffer = Vec::with_capacity(256 * 1024);
    let first = number * requests.len() / load.connections;
    for (sent, request) in requests.iter().cycle().skip(first).enumerate() {
        if let Some(due) = load.due(number, sent) {
            tokio::time::sleep_until((begun + due.min(load.time)).into()).await;
        }
        let started = Instant::now();
        if started >= begun + load.time {
            break;
        }
        stream.write_all(request).await.map_err(failed)?;
        buffer.clear();
        loop {
            if stream.read_buf(&mut buffer).await.map_err(failed)? == 0 {
                return Err("the server closed the connection".to_owned());
            }
            if is_whole(&buffer)? {
                break;
            }
        }
        took.push(started.elapsed());
    }
    Ok(took)
}

/// Whether a response has arrived whole; an error if it is not a success.
fn is_whole(bytes: &[u8]) -> Result<bool, String> {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(false) };
    let (head, body) = bytes.split_at(end + 4);
    if !head.starts_with(b"HTTP/1.1 200 ") && !head.starts_with(b"HTTP/1.1 201 ") {
        return Err(format!("the server answered: {}", String::from_utf8_lossy(bytes)));
    }
    let head = String::from_utf8_lossy(head);
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let length = length.ok_or("the server sent no content-length")?;
    Ok(body.len() >= length)
}

/// The bytes of one response, for looking at.
///
/// # Errors
/// As [`run`].
pub(crate) fn once(address: SocketAddr, request: &[u8]) -> Result<Vec<u8>, String> {
    use std::io::{Read as _, Write as _};
    let failed = |error: std::io::Error| format!("the server does not answer: {error}");
    let mut stream = std::net::TcpStream::connect(address).map_err(failed)?;
    stream.write_all(request).map_err(failed)?;
    let (mut bytes, mut part) = (Vec::new(), [0_u8; 65_536]);
    while !is_whole(&bytes)? {
        let read = stream.read(&mut part).map_err(failed)?;
        if read == 0 {
            return Err("the server closed the connection".to_owned());
        }
        bytes.extend_from_slice(part.get(..read).unwrap_or_default());
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_is_whole_when_its_length_has_come() {
        assert_eq!(is_whole(b"HTTP/1.1 200 OK\r\nContent-Le"), Ok(false));
        assert_eq!(is_whole(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{"), Ok(false));
        assert_eq!(is_whole(b"HTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\n{}"), Ok(true));
        assert!(is_whole(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\n{}").is_err());
        assert!(is_whole(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }

    #[test]
    fn a_server_that_is_not_there_is_an_error() {
        let nobody = process_free_address();
        let requests = Arc::new(vec![b"GET / HTTP/1.1\r\n\r\n".to_vec()]);
        assert!(run(nobody, &requests, Load::full(2, Duration::from_millis(50))).is_err());
    }

    #[test]
    fn the_connections_take_turns_at_a_rate() {
        let load = Load { rate: Some(100), ..Load::full(4, Duration::from_secs(1)) };
        let due: Vec<u128> =
            (0..8).map(|place| load.due(place % 4, place / 4).unwrap_or_default().as_millis()).collect();
        assert_eq!(due, [0, 10, 20, 30, 40, 50, 60, 70]);
        assert_eq!(Load::full(4, Duration::from_secs(1)).due(1, 1), None);
    }

    fn process_free_address() -> SocketAddr {
        crate::process::free_address().unwrap()
    }
}
