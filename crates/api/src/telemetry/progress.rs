//! What a line of the log says of a request besides how it ended: which app asked, about which type of resource, and where the
//! time went. Never who.

use std::time::{Duration, Instant};

/// How many characters of an app's name are logged.
const LONGEST_CLIENT: usize = 100;

/// How far a request has come.
#[derive(Clone, Debug)]
pub struct Progress {
    started: Instant,
    /// The app by its client id, once it is known.
    pub(super) client: Option<String>,
    /// The type in the address, if there is one.
    pub(super) resource_type: Option<&'static str>,
    /// After how long it was known who asks.
    pub(super) known: Option<Duration>,
    /// After how long the whole body was there.
    pub(super) whole: Option<Duration>,
}

impl Progress {
    /// A request has come.
    #[must_use]
    pub fn begin() -> Progress {
        Progress { started: Instant::now(), client: None, resource_type: None, known: None, whole: None }
    }

    /// How long ago it came.
    #[must_use]
    pub fn took(&self) -> Duration {
        self.started.elapsed()
    }

    /// It is about resources of a type.
    pub fn is_about(&mut self, resource_type: &'static str) {
        self.resource_type = Some(resource_type);
    }

    /// It is known which app asks.
    pub fn is_asked_by(&mut self, client: &str) {
        let end = client.char_indices().nth(LONGEST_CLIENT).map_or(client.len(), |(end, _)| end);
        self.client = client.get(..end).map(str::to_owned);
        self.known = Some(self.took());
    }

    /// Its body is there.
    pub fn is_whole(&mut self) {
        self.whole = Some(self.took());
    }
}
