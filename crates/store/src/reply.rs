//! How threads of the database answer those that serve requests. Each answer is for one request, and what is answered at the same
//! time wakes each serving thread once: to wake a thread costs more than most of what it is woken for.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

thread_local! {
    /// Where what is answered to this thread's requests is left.
    static POST: RefCell<Option<Arc<Post>>> = const { RefCell::new(None) };
    /// The threads that are to be woken when all is answered; none where each is woken at once.
    static TOGETHER: RefCell<Option<Vec<Arc<Post>>>> = const { RefCell::new(None) };
}

/// Whoever was to answer has ended without doing so.
#[derive(Debug)]
pub(crate) struct Gone;

/// A place for one answer, and who waits for it.
pub(crate) fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let slot = Arc::new(Mutex::new(Slot { answer: None, waits: None, is_over: false }));
    (Sender(Arc::clone(&slot)), Receiver(slot))
}

struct Slot<T> {
    answer: Option<T>,
    waits: Option<Waits>,
    /// Whether one of both has ended.
    is_over: bool,
}

/// Who is woken by an answer, and through which thread's post.
struct Waits {
    waker: Waker,
    post: Option<Arc<Post>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Answers, once. Whoever waits is told [`Gone`] when this is dropped instead.
pub(crate) struct Sender<T>(Arc<Mutex<Slot<T>>>);

/// Waits for the answer.
pub(crate) struct Receiver<T>(Arc<Mutex<Slot<T>>>);

impl<T> Sender<T> {
    /// Answers.
    ///
    /// # Errors
    /// The answer, when nobody waits for it any more.
    pub(crate) fn send(self, answer: T) -> Result<(), T> {
        let mut slot = locked(&self.0);
        if slot.is_over {
            return Err(answer);
        }
        slot.answer = Some(answer);
        // What is dropped now wakes whoever waits.
        Ok(())
    }

    /// Whether nobody waits any more.
    pub(crate) fn is_closed(&self) -> bool {
        locked(&self.0).is_over
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let waits = {
            let mut slot = locked(&self.0);
            slot.is_over = true;
            slot.waits.take()
        };
        match waits {
            Some(Waits { waker, post: Some(post) }) => post.leave(waker),
            Some(Waits { waker, post: None }) => waker.wake(),
            None => {}
        }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut slot = locked(&self.0);
        slot.is_over = true;
        let dropped = (slot.answer.take(), slot.waits.take());
        drop(slot);
        drop(dropped);
    }
}

impl<T> Future for Receiver<T> {
    type Output = Result<T, Gone>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<T, Gone>> {
        let mut slot = locked(&self.0);
        match slot.answer.take() {
            Some(answer) => Poll::Ready(Ok(answer)),
            None if slot.is_over => Poll::Ready(Err(Gone)),
            None => {
                let post = POST.with_borrow(Clone::clone);
                slot.waits = Some(Waits { waker: context.waker().clone(), post });
                Poll::Pending
            }
        }
    }
}

/// What has been answered to requests of one thread and it has not seen yet.
#[derive(Default)]
struct Post {
    state: Mutex<Left>,
}

#[derive(Default)]
struct Left {
    wakers: Vec<Waker>,
    /// Wakes the thread, if it has seen all that was left before.
    bell: Option<Waker>,
    /// Whether the thread looks no more.
    is_over: bool,
}

impl Post {
    /// Leaves something for the thread, and wakes it, at once or together with others.
    fn leave(self: Arc<Self>, waker: Waker) {
        let mut left = locked(&self.state);
        if left.is_over {
            drop(left);
            waker.wake();
            return;
        }
        left.wakers.push(waker);
        drop(left);
        TOGETHER.with_borrow_mut(|together| match together {
            Some(posts) if posts.iter().any(|post| Arc::ptr_eq(post, &self)) => {}
            Some(posts) => posts.push(self),
            None => self.ring(),
        });
    }

    fn ring(&self) {
        let bell = locked(&self.state).bell.take();
        if let Some(bell) = bell {
            bell.wake();
        }
    }
}

/// Answers many: each serving thread that has an answer is woken once, when all are given.
pub(crate) fn together<T>(answer: impl FnOnce() -> T) -> T {
    /// Wakes them, whether or not it panics.
    struct Ends(Option<Vec<Arc<Post>>>);
    impl Drop for Ends {
        fn drop(&mut self) {
            let posts = TOGETHER.replace(self.0.take());
            posts.into_iter().flatten().for_each(|post| post.ring());
        }
    }
    let _ends = Ends(TOGETHER.replace(Some(Vec::new())));
    answer()
}

/// Hands out what is answered to the requests of this thread, for as long as it is polled. Belongs on each thread that serves
/// requests, in a task of its own; on others each answer wakes whoever waits for it.
pub async fn hand_out_answers() {
    /// Ends it with the task.
    struct Ends(Arc<Post>);
    impl Drop for Ends {
        fn drop(&mut self) {
            // The thread's own memory may have gone before.
            let _gone = POST.try_with(|post| post.take());
            let mut left = locked(&self.0.state);
            left.is_over = true;
            let wakers = std::mem::take(&mut left.wakers);
            drop(left);
            wakers.into_iter().for_each(Waker::wake);
        }
    }
    let post = Arc::new(Post::default());
    POST.set(Some(Arc::clone(&post)));
    let ends = Ends(post);
    let mut wakers = Vec::new();
    poll_fn(|context| {
        {
            let mut left = locked(&ends.0.state);
            std::mem::swap(&mut left.wakers, &mut wakers);
            if !left.bell.as_ref().is_some_and(|bell| bell.will_wake(context.waker())) {
                left.bell = Some(context.waker().clone());
            }
        }
        wakers.drain(..).for_each(Waker::wake);
        Poll::<()>::Pending
    })
    .await;
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    /// Counts how often it is woken.
    #[derive(Default)]
    struct Counter(AtomicUsize);

    impl Wake for Counter {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    impl Counter {
        fn times(&self) -> usize {
            self.0.load(Ordering::Relaxed)
        }
    }

    fn poll<F: Future + ?Sized>(future: Pin<&mut F>, counter: &Arc<Counter>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(&Waker::from(Arc::clone(counter))))
    }

    #[test]
    fn who_waits_is_answered_or_told_that_nobody_will() {
        let counter = Arc::new(Counter::default());
        let (sender, mut receiver) = channel();
        assert!(poll(Pin::new(&mut receiver), &counter).is_pending() && !sender.is_closed());
        sender.send(1).unwrap();
        assert_eq!(counter.times(), 1);
        assert!(matches!(poll(Pin::new(&mut receiver), &counter), Poll::Ready(Ok(1))));

        let (sender, mut receiver) = channel::<u8>();
        assert!(poll(Pin::new(&mut receiver), &counter).is_pending());
        drop(sender);
        assert_eq!(counter.times(), 2);
        assert!(matches!(poll(Pin::new(&mut receiver), &counter), Poll::Ready(Err(Gone))));

        let (sender, receiver) = channel();
        drop(receiver);
        assert!(sender.is_closed());
        assert_eq!(sender.send(3), Err(3));
    }

    #[test]
    fn what_is_answered_together_wakes_a_serving_thread_once() {
        let (bell, request) = (Arc::new(Counter::default()), Arc::new(Counter::default()));
        let mut post = Box::pin(hand_out_answers());
        assert!(poll(post.as_mut(), &bell).is_pending());
        let (senders, mut receivers): (Vec<_>, Vec<_>) = (0..3).map(|_| channel()).unzip();
        for receiver in &mut receivers {
            assert!(poll(Pin::new(receiver), &request).is_pending());
        }
        let answering = move || {
            together(|| senders.into_iter().for_each(|sender| sender.send(()).unwrap()));
        };
        std::thread::spawn(answering).join().unwrap();
        assert_eq!((bell.times(), request.times()), (1, 0));
        assert!(poll(post.as_mut(), &bell).is_pending());
        assert_eq!((bell.times(), request.times()), (1, 3), "each request goes on when its thread has looked");

        // One alone wakes the thread as well, and another that comes before it has looked does not wake it again.
        for _ in 0..2 {
            let (sender, mut receiver) = channel();
            assert!(poll(Pin::new(&mut receiver), &request).is_pending());
            sender.send(()).unwrap();
        }
        assert_eq!((bell.times(), request.times()), (2, 3));

        // What is left when the thread ends is not lost, and who comes after it needs no post.
        drop(post);
        assert_eq!(request.times(), 5);
        let (sender, mut receiver) = channel();
        assert!(poll(Pin::new(&mut receiver), &request).is_pending());
        sender.send(()).unwrap();
        assert_eq!((bell.times(), request.times()), (2, 6));
    }

    #[test]
    fn a_panic_among_answers_leaves_nobody_asleep() {
        let (bell, request) = (Arc::new(Counter::default()), Arc::new(Counter::default()));
        let mut post = Box::pin(hand_out_answers());
        assert!(poll(post.as_mut(), &bell).is_pending());
        let (sender, mut receiver) = channel();
        assert!(poll(Pin::new(&mut receiver), &request).is_pending());
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            together(|| {
                sender.send(()).unwrap();
                panic!("among answers")
            })
        }));
        assert!(panicked.is_err());
        assert_eq!(bell.times(), 1);
    }
}
