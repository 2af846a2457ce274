//! How much one request may ask of a terminology server elsewhere.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use concord_terminology::elsewhere::Question;
use futures_util::future::join_all;

use crate::terminology_server::TerminologyServer;

/// How many questions a request may ask.
const MOST_QUESTIONS: usize = 50;

/// How long a request may wait for answers, all together.
const LONGEST: Duration = Duration::from_secs(8);

/// What a request has asked, all entries of a Bundle together.
#[derive(Clone, Debug, Default)]
pub struct Questions(Arc<Counted>);

#[derive(Debug, Default)]
struct Counted {
    asked: AtomicUsize,
    began: OnceLock<Instant>,
    /// Whether the definitions have been read anew for it.
    read: AtomicBool,
}

impl Questions {
    /// For what is done without a request that could wait.
    pub(crate) fn none() -> Questions {
        let (asked, read) = (AtomicUsize::new(MOST_QUESTIONS), AtomicBool::new(true));
        Questions(Arc::new(Counted { asked, read, began: OnceLock::new() }))
    }

    /// Whether definitions that have changed are to be read outside of the transaction first: once, since what the
    /// transaction itself has changed nobody else can read.
    pub(crate) fn reads_anew(&self) -> bool {
        !self.0.read.swap(true, Ordering::Relaxed)
    }

    /// How many more may be asked.
    pub(crate) fn left(&self) -> usize {
        let is_over = self.0.began.get().is_some_and(|began| began.elapsed() >= LONGEST);
        if is_over { 0 } else { MOST_QUESTIONS.saturating_sub(self.0.asked.load(Ordering::Relaxed)) }
    }

    /// Asks as many of these as may be asked, beside one another; whether any was.
    pub(crate) async fn ask(&self, server: &TerminologyServer, questions: &[Question]) -> bool {
        let left = self.left();
        let asked = questions.get(..left.min(questions.len())).unwrap_or_default();
        if asked.is_empty() {
            return false;
        }
        self.0.asked.fetch_add(asked.len(), Ordering::Relaxed);
        let rest = LONGEST.saturating_sub(self.0.began.get_or_init(Instant::now).elapsed());
        // What is not answered in time is not known, and nobody waits for it again.
        let _in_time = tokio::time::timeout(rest, join_all(asked.iter().map(|question| server.ask(question)))).await;
        true
    }
}
