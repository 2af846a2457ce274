//! Work that takes long, on threads of its own that give way: whoever asks for little is served before it goes on.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

/// How much nicer these threads are than those that answer: of a busy processor they have about a tenth of what those have.
const GIVES_WAY: i32 = 10;

/// As nice as a thread can be.
const NICEST: i32 = 19;

/// How long other work goes on before whoever has been woken meanwhile has the processor. Where the system does not take it away
/// from who is at work before its clock ticks, every 1 to 10 ms, each step of a small request would wait for that.
const AT_A_TIME: Duration = Duration::from_micros(250);

/// How long a small write takes on the thread that does all of them: nobody comes between its steps.
const SMALL: Duration = Duration::from_micros(750);

thread_local! {
    static GIVING_WAY: Cell<bool> = const { Cell::new(false) };
    /// Since when this thread has been at work, if it is one that lets others come between.
    static AT_WORK: Cell<Option<Instant>> = const { Cell::new(None) };
    /// What is raised when nobody wants any more what this thread does: whoever waits for it has gone away, or its place is wanted
    /// back.
    static UNWANTED: RefCell<Vec<Arc<AtomicBool>>> = const { RefCell::new(Vec::new()) };
}

/// Says when it is dropped that nobody waits any more.
struct Waiting(Arc<AtomicBool>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Does work that may ask on its way whether somebody still waits for it, which `gone` says.
pub(crate) fn asking_who_waits<T>(gone: Arc<AtomicBool>, work: impl FnOnce() -> T) -> T {
    /// Ends it, whether the work ends or panics.
    struct Until;
    impl Drop for Until {
        fn drop(&mut self) {
            UNWANTED.with_borrow_mut(|unwanted| drop(unwanted.pop()));
        }
    }
    UNWANTED.with_borrow_mut(|unwanted| unwanted.push(gone));
    let _until_then = Until;
    work()
}

/// Whether somebody waits for what this thread does, as far as it knows.
pub(crate) fn is_waited_for() -> bool {
    // A thread that is ending does nothing that takes long.
    let is_unwanted = UNWANTED.try_with(|unwanted| unwanted.borrow().iter().any(|one| one.load(Ordering::Relaxed)));
    !is_unwanted.unwrap_or(false)
}

/// Work that was begun and did not come to an end.
#[derive(Debug, thiserror::Error)]
#[error("the work was not brought to its end")]
pub struct Unfinished;

/// Does `work` on a thread where no request waits for it, and which gives way to those that answer. It has its `place` until it has
/// ended: whoever goes away meanwhile leaves it no sooner.
///
/// # Errors
/// [`Unfinished`] when it panics, or no thread can be started.
pub async fn apart<P: Send + 'static, T: Send + 'static>(
    place: P,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Unfinished> {
    let (done, wait) = oneshot::channel();
    let waiting = Waiting(Arc::default());
    let gone = Arc::clone(&waiting.0);
    let job = move || {
        let made = asking_who_waits(gone, work);
        drop(place);
        // Whoever has gone away needs no answer.
        let _gone = done.send(made);
    };
    THREADS.hand_over(Box::new(job))?;
    let done = wait.await.map_err(|_| Unfinished);
    drop(waiting);
    done
}

type Job = Box<dyn FnOnce() + Send>;

/// After how long a thread ends that has nothing to do.
const IDLE: Duration = Duration::from_secs(10);

/// The threads for such work.
struct Threads {
    /// Those that have nothing to do, by number, the one that ended something last at the end.
    waiting: Mutex<Vec<(u64, Sender<Job>)>>,
    /// How many have been started.
    started: AtomicU64,
}

static THREADS: Threads = Threads::new();

impl Threads {
    const fn new() -> Threads {
        Threads { waiting: Mutex::new(Vec::new()), started: AtomicU64::new(0) }
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<(u64, Sender<Job>)>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands a job to the thread that ended something last: each keeps memory for what it does, and what one after the other
    /// can do takes that of one. How much is done at once, others bound.
    fn hand_over(&'static self, mut job: Job) -> Result<(), Unfinished> {
        loop {
            let next = self.waiting().pop();
            let Some((_, thread)) = next else { return self.start(job) };
            match thread.send(job) {
                Ok(()) => return Ok(()),
                Err(unsent) => job = unsent.0,
            }
        }
    }

    fn start(&'static self, first: Job) -> Result<(), Unfinished> {
        let number = self.started.fetch_add(1, Ordering::Relaxed);
        let (own, jobs) = channel();
        let thread = std::thread::Builder::new().name(format!("apart-{number}"));
        let started = thread.spawn(move || {
            give_way();
            let mut next = Some(first);
            while let Some(job) = next {
                // Whoever waits for it is told by what it drops.
                let _ended = catch_unwind(AssertUnwindSafe(job));
                self.waiting().push((number, own.clone()));
                next = jobs.recv_timeout(IDLE).ok().or_else(|| self.handed_over_meanwhile(number, &jobs));
            }
        });
        started.map(drop).map_err(|_| Unfinished)
    }

    /// What a thread that has waited long enough is still to do: it has been chosen and will be sent something, or it waits no
    /// more.
    fn handed_over_meanwhile(&self, number: u64, jobs: &Receiver<Job>) -> Option<Job> {
        let mut waiting = self.waiting();
        match waiting.iter().position(|(other, _)| *other == number) {
            Some(place) => {
                drop(waiting.remove(place));
                None
            }
            None => {
                drop(waiting);
                jobs.recv().ok()
            }
        }
    }
}

/// Has this thread give way to those that answer. The threads are kept for such work, so they go on.
pub(crate) fn give_way() {
    if !GIVING_WAY.replace(true) {
        // Where the system does not let a thread be nice, work goes on as it would.
        let _as_before = rustix::process::getpriority_process(None)
            .and_then(|own| rustix::process::setpriority_process(None, (own + GIVES_WAY).min(NICEST)));
        AT_WORK.set(Some(Instant::now()));
        concord_fhir::pieces::after_each(let_others_between);
    }
}

/// Has this thread let others come between while it is at something that may take long.
pub(crate) fn letting_others_between<T>(work: impl FnOnce() -> T) -> T {
    let before = AT_WORK.replace(Some(Instant::now() + SMALL));
    let done = work();
    AT_WORK.set(before);
    done
}

/// Lets whoever waits for a processor have this one for a moment, if this thread is none that answers and has been at work for
/// long enough. Belongs where long work goes from one piece to the next.
pub fn let_others_between() {
    // A thread that is ending does nothing that takes long.
    let since = AT_WORK.try_with(Cell::get).ok().flatten();
    if since.is_some_and(|since| since.elapsed() >= AT_A_TIME) {
        std::thread::yield_now();
        AT_WORK.set(Some(Instant::now()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn long_work_gives_way_and_answers_do_not() {
        let nice = || rustix::process::getpriority_process(None).unwrap();
        let own = nice();
        assert_eq!(apart((), nice).await.unwrap(), (own + GIVES_WAY).min(NICEST));
        assert_eq!(nice(), own);
        assert!(apart((), || panic!("it ends here")).await.is_err());
        assert_eq!(apart((), || 1).await.unwrap(), 1, "and others go on");
    }

    #[tokio::test]
    async fn only_long_work_lets_others_between() {
        // How often the thread has given the processor away by itself.
        let yields = || {
            let since = AT_WORK.get();
            std::thread::sleep(SMALL + AT_A_TIME);
            let_others_between();
            (since.is_some(), AT_WORK.get() != since)
        };
        assert_eq!(apart((), yields).await.unwrap(), (true, true));
        assert_eq!(letting_others_between(yields), (true, true));
        let at_once = || {
            // It has only just begun, however long the thread is kept waiting.
            let begun = Some(Instant::now() + Duration::from_secs(60));
            AT_WORK.set(begun);
            let_others_between();
            AT_WORK.get() == begun
        };
        assert!(letting_others_between(at_once), "not before it has been at work for that long");
        assert_eq!(yields(), (false, false), "who answers keeps it");
    }

    #[tokio::test]
    async fn what_waits_for_nothing_is_begun_at_once_however_much_there_is() {
        let (go, goes) = channel::<()>();
        let held = apart((), move || goes.recv().is_err());
        let held = tokio::spawn(held);
        for _ in 0..10 {
            apart((), || ()).await.unwrap();
        }
        drop(go);
        assert!(held.await.unwrap().unwrap());
    }

    #[test]
    fn a_thread_that_was_chosen_does_what_it_is_sent_and_another_ends() {
        let (threads, (own, jobs)) = (Threads::new(), channel());
        threads.waiting().push((3, own.clone()));
        assert!(threads.handed_over_meanwhile(3, &jobs).is_none());
        assert!(threads.waiting().is_empty(), "nobody chooses it any more");
        own.send(Box::new(|| ())).unwrap();
        assert!(threads.handed_over_meanwhile(3, &jobs).is_some());
    }
}
