//! Other callers: plain reads, each sent when it is due whether or not the server is slow, so that nobody's waiting is left
//! out of the figures.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::{JoinHandle, spawn_local};

use super::attack::{Client, in_runtime};

/// How many others read at the same time.
const READERS: usize = 8;

/// How often each reads.
const READ_EVERY: Duration = Duration::from_millis(20);

/// How often one of them writes.
const WRITE_EVERY: Duration = Duration::from_millis(200);

/// How much earlier than the hostile caller, who is on the same machine, others get a processor that both want.
const COMES_FIRST: i32 = -10;

/// After how long an answer counts as an error.
const PATIENCE: Duration = Duration::from_secs(20);

/// How others fared.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fared {
    /// How long each request took from when it was due, in order.
    pub(crate) took: Vec<Duration>,
    /// Requests that were not answered as they should be.
    pub(crate) errors: usize,
    /// The first of these answers.
    pub(crate) first_error: Option<String>,
}

impl Fared {
    /// How long 99 of 100 took at most.
    pub(crate) fn p99(&self) -> Duration {
        self.took.get(self.took.len() * 99 / 100).copied().unwrap_or_default()
    }

    fn add(&mut self, more: Fared) {
        self.took.extend(more.took);
        self.took.sort_unstable();
        self.errors += more.errors;
        self.first_error = self.first_error.take().or(more.first_error);
    }
}

/// Reads and writes as others do, for as long as `time`; how the reads fared, and how the writes.
///
/// # Errors
/// One line, when the client cannot be started.
pub(crate) fn fare(
    address: SocketAddr,
    reads: &Arc<Vec<Vec<u8>>>,
    writes: &Arc<Vec<Vec<u8>>>,
    time: Duration,
) -> Result<(Fared, Fared), String> {
    // What the client itself waits for a processor is nothing that the server does. Without the right to that it is counted.
    let before = rustix::process::getpriority_process(None).unwrap_or_default();
    let _counted = rustix::process::setpriority_process(None, COMES_FIRST);
    let fared = in_runtime(async {
        let until = Instant::now() + time;
        let others: Vec<JoinHandle<Fared>> = (0..READERS)
            .map(|number| {
                let first = number * reads.len() / READERS;
                let phase = READ_EVERY * u32::try_from(number).unwrap_or(0) / 8;
                spawn_local(one(address, Arc::clone(reads), first, phase, READ_EVERY, until))
            })
            .collect();
        let writer = spawn_local(one(address, Arc::clone(writes), 0, Duration::ZERO, WRITE_EVERY, until));
        let mut read = Fared::default();
        for other in others {
            read.add(other.await.map_err(|error| format!("the client failed: {error}"))?);
        }
        let written = writer.await.map_err(|error| format!("the client failed: {error}"))?;
        let mut write = Fared::default();
        write.add(written);
        Ok((read, write))
    })?;
    let _as_before = rustix::process::setpriority_process(None, before);
    fared
}

async fn one(
    address: SocketAddr,
    requests: Arc<Vec<Vec<u8>>>,
    first: usize,
    phase: Duration,
    every: Duration,
    until: Instant,
) -> Fared {
    let (mut fared, mut client) = (Fared::default(), Client::new(address));
    let mut due = Instant::now() + phase;
    for request in requests.iter().cycle().skip(first) {
        if due >= until {
            break;
        }
        let mut started = due;
        if Instant::now() < due {
            tokio::time::sleep_until(due.into()).await;
            // The client's own clock is no part of it.
            started = Instant::now();
        }
        let answer = tokio::time::timeout(PATIENCE, client.ask(request)).await;
        fared.took.push(started.elapsed());
        let fault = match answer {
            Ok(Some(200 | 201)) => None,
            Ok(Some(status)) => Some(status.to_string()),
            Ok(None) => Some("no answer".to_owned()),
            Err(_) => Some("no answer in time".to_owned()),
        };
        if let Some(fault) = fault {
            client = Client::new(address);
            fared.errors += 1;
            fared.first_error.get_or_insert(fault);
        }
        due += every;
    }
    fared
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_hundred_the_ninety_ninth_counts() {
        let mut all = Fared::default();
        all.add(Fared { took: (0..100).rev().map(Duration::from_millis).collect(), ..Fared::default() });
        all.add(Fared { errors: 2, first_error: Some("503".to_owned()), ..Fared::default() });
        assert_eq!((all.p99(), all.errors, all.first_error.as_deref()), (Duration::from_millis(99), 2, Some("503")));
        assert_eq!(Fared::default().p99(), Duration::ZERO);
    }
}
