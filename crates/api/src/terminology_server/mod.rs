//! A terminology server elsewhere that tells of what is not here: SNOMED CT, LOINC, dm+d. It is asked about urls and codes and
//! nothing else, of code systems and value sets that the operator lets out.
//!
//! What it says is remembered for a time, so that it is asked little. When it cannot be reached nobody waits for it: for a
//! while it is not asked at all, what it has said before is used, and what it has not is told as unreachable.
//!
//! | question | file |
//! |---|---|
//! | how is a question sent, and an answer read? | `wire` |
//! | who are we to it? | `credentials` |

mod credentials;
mod wire;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use concord_fhir::nhs_number;
use concord_terminology::elsewhere::{Answer, Question, Reply};
use credentials::Token;

/// How long nobody is asked after a failure.
const REST: Duration = Duration::from_secs(30);

/// How many codes the remembered answers hold together; every answer counts as one more.
const REMEMBERED_CODES: usize = 200_000;

/// How long that it does not know something is remembered.
const NOTHING_FOR: Duration = Duration::from_secs(600);

/// How many questions are on their way at once.
const AT_ONCE: usize = 8;

/// How it is reached, and what may be asked.
#[derive(Clone, Debug)]
pub struct TerminologyServerSettings {
    /// The base of its FHIR API, without a slash at its end.
    pub base_url: String,
    /// Where a token is got by client credentials, with the `client_id` and the file with the secret.
    pub credentials: Option<(String, String, PathBuf)>,
    /// What the urls begin with that may be asked about.
    pub asks: Vec<String>,
    /// How long one question may take.
    pub timeout: Duration,
    /// How long an answer is remembered.
    pub remember: Duration,
}

/// The server, as this process knows it.
pub(crate) struct TerminologyServer {
    settings: TerminologyServerSettings,
    client: OnceLock<Option<reqwest::Client>>,
    token: tokio::sync::Mutex<Option<Token>>,
    answers: Mutex<Answers>,
    /// Until when nobody is asked.
    rests_until: Mutex<Option<Instant>>,
    places: tokio::sync::Semaphore,
    counted: [AtomicU64; 3],
}

/// What the server has said, each answer with how long it is good.
#[derive(Default)]
struct Answers {
    known: HashMap<Question, (Instant, Answer)>,
    /// What they take together.
    weight: usize,
}

impl Answers {
    /// Remembers an answer. Where there is no room any more, what is too old goes first, and then all else.
    fn insert(&mut self, question: Question, until: Instant, answer: Answer) {
        let own = weight(&answer);
        if self.weight.saturating_add(own) > REMEMBERED_CODES {
            let now = Instant::now();
            self.known.retain(|_, (until, _)| now < *until);
            self.weight = self.known.values().map(|(_, answer)| weight(answer)).sum();
            if self.weight.saturating_add(own) > REMEMBERED_CODES {
                self.known.clear();
                self.weight = 0;
            }
        }
        if let Some((_, before)) = self.known.insert(question, (until, answer)) {
            self.weight = self.weight.saturating_sub(weight(&before));
        }
        self.weight += own;
    }
}

/// What an answer takes.
fn weight(answer: &Answer) -> usize {
    match answer {
        Answer::Expansion(items) => 1 + items.len(),
        Answer::Translate(matches) => 1 + matches.len(),
        _ => 1,
    }
}

/// What has become of questions since the start, and whether the server can be reached as far as is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Answered by the server.
    pub answered: u64,
    /// Answered from memory.
    pub remembered: u64,
    /// Not answered, since it could not be reached.
    pub failed: u64,
    /// Whether it is asked: it is not for a while after it could not be reached.
    pub is_reachable: bool,
}

impl TerminologyServer {
    pub(crate) fn new(settings: TerminologyServerSettings) -> TerminologyServer {
        TerminologyServer {
            settings,
            client: OnceLock::new(),
            token: tokio::sync::Mutex::new(None),
            answers: Mutex::default(),
            rests_until: Mutex::new(None),
            places: tokio::sync::Semaphore::new(AT_ONCE),
            counted: [const { AtomicU64::new(0) }; 3],
        }
    }

    /// What is known without asking; none where the server has to be asked.
    pub(crate) fn known(&self, question: &Question) -> Option<Reply> {
        if !self.may_ask(question) {
            return Some(Reply::NotAsked);
        }
        let rests = self.rests();
        let remembered = self.answers().known.get(question).cloned();
        match remembered {
            // While it cannot be reached, what it has said before is better than nothing.
            Some((until, answer)) if rests || Instant::now() < until => {
                self.count(1);
                Some(Reply::Told(answer))
            }
            _ if rests => {
                self.count(2);
                Some(Reply::Unreachable)
            }
            _ => None,
        }
    }

    /// Asks, and remembers what is said. Where nothing is, the server is not asked for a while.
    pub(crate) async fn ask(&self, question: &Question) {
        let Ok(_place) = self.places.acquire().await else { return };
        // Somebody else may have asked meanwhile.
        if self.known(question).is_some() {
            return;
        }
        match tokio::time::timeout(self.settings.timeout, self.answer(question)).await {
            Ok(Ok(answer)) => {
                self.count(0);
                let known = !matches!(answer, Answer::Nothing);
                let remember = if known { self.settings.remember } else { NOTHING_FOR.min(self.settings.remember) };
                self.answers().insert(question.clone(), Instant::now() + remember, answer);
                *self.rests_until.lock().unwrap_or_else(PoisonError::into_inner) = None;
            }
            Ok(Err(cause)) => self.rest(&cause),
            Err(_) => self.rest("it has not answered in time"),
        }
    }

    fn answers(&self) -> MutexGuard<'_, Answers> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rest(&self, cause: &str) {
        tracing::warn!(
            cause,
            seconds = REST.as_secs(),
            "the terminology server cannot be asked, and is not for a while"
        );
        *self.rests_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + REST);
    }

    fn rests(&self) -> bool {
        let until = *self.rests_until.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| Instant::now() < until)
    }

    fn count(&self, which: usize) {
        if let Some(counter) = self.counted.get(which) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What has become of questions.
    pub(crate) fn asked(&self) -> Asked {
        let counted = |which: usize| self.counted.get(which).map_or(0, |counter| counter.load(Ordering::Relaxed));
        Asked { answered: counted(0), remembered: counted(1), failed: counted(2), is_reachable: !self.rests() }
    }

    /// Whether the question is about what the operator lets out, and holds nothing but what codes look like: no words.
    fn may_ask(&self, question: &Question) -> bool {
        let about = question.about();
        let is_let_out = self.settings.asks.iter().any(|stem| about.starts_with(stem.as_str()));
        // By its form such a number may be a SNOMED CT id; of anything else it is somebody's.
        let may_be_number = about.starts_with("http://snomed.info/sct");
        let is_code = |code: &str| is_plain(code) && (may_be_number || !nhs_number::is_valid(code));
        is_let_out && about.len() <= 500 && !about.contains(char::is_whitespace) && question.codes().all(is_code)
    }
}

/// Whether a code, or what a filter compares with, is short and has no blank in it: names and sentences have.
fn is_plain(code: &str) -> bool {
    code.len() <= 200 && code.bytes().all(|byte| (33..127).contains(&byte))
}

#[cfg(test)]
mod tests;
