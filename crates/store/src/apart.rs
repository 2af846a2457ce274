//! Work that takes long, on threads of its own that give way: whoever asks for little is served before it goes on.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// How much nicer these threads are than those that answer: of a busy processor they have about a tenth of what those have.
const GIVES_WAY: i32 = 10;

/// As nice as a thread can be.
const NICEST: i32 = 19;

/// How long a thread that answers does one thing after the other before others that wait on it have their turn.
const INLINE: Duration = Duration::from_micros(500);

thread_local! {
    static GIVING_WAY: Cell<bool> = const { Cell::new(false) };
    static AT_ONCE: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// Work that was begun and did not come to an end.
#[derive(Debug, thiserror::Error)]
#[error("the work was not brought to its end")]
pub struct Unfinished;

/// Does `work` on a thread where no request waits for it, and which gives way to those that answer.
///
/// # Errors
/// [`Unfinished`] when it panics, or the program ends.
pub async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Unfinished> {
    tokio::task::spawn_blocking(move || {
        give_way();
        work()
    })
    .await
    .map_err(|_| Unfinished)
}

/// Has this thread give way to those that answer. The threads are kept for such work, so they go on.
pub(crate) fn give_way() {
    if !GIVING_WAY.replace(true) {
        // Where the system does not let a thread be nice, work goes on as it would.
        let _as_before = rustix::process::getpriority_process(None)
            .and_then(|own| rustix::process::setpriority_process(None, (own + GIVES_WAY).min(NICEST)));
    }
}

/// Lets others that wait on this thread come first, once it has been at work at once for longer than they should wait. One
/// client may send its next request before it has the answer to this one, and that would come first.
pub async fn in_turn(since: Instant) {
    let sum = AT_ONCE.get() + since.elapsed();
    if sum < INLINE {
        AT_ONCE.set(sum);
        return;
    }
    AT_ONCE.set(Duration::ZERO);
    tokio::task::yield_now().await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn long_work_gives_way_and_answers_do_not() {
        let nice = || rustix::process::getpriority_process(None).unwrap();
        let own = nice();
        assert_eq!(apart(nice).await.unwrap(), (own + GIVES_WAY).min(NICEST));
        assert_eq!(nice(), own);
        assert!(apart(|| panic!("it ends here")).await.is_err());
    }

    #[tokio::test]
    async fn others_come_first_after_a_while() {
        use std::rc::Rc;
        let tasks = tokio::task::LocalSet::new();
        let (turns, others) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        let (own, seen) = (Rc::clone(&others), Rc::clone(&turns));
        tasks.spawn_local(async move {
            for _ in 0..40 {
                let since = Instant::now().checked_sub(INLINE / 4).unwrap();
                in_turn(since).await;
                seen.set(own.get());
            }
        });
        tasks.spawn_local(async move {
            loop {
                others.set(others.get() + 1);
                if others.get() > 100 {
                    return;
                }
                tokio::task::yield_now().await;
            }
        });
        tasks.await;
        assert!(turns.get() >= 9, "{}", turns.get());
    }
}
