//! Who comes when on the only writer.

use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use concord_fhir::registry::ResourceType;

use super::*;
use crate::testing::Scratch;

/// Who has had a turn.
type Taken = Arc<Mutex<Vec<&'static str>>>;

/// What says that it has its turn.
fn turn(taken: &Taken, name: &'static str) -> impl Fn(&mut Transaction<'_>) -> Reply<(), StoreError> + Send + use<> {
    let taken = Arc::clone(taken);
    move |_| {
        taken.lock().unwrap().push(name);
        (Ok(()), Vec::new())
    }
}

/// Asks for it, without waiting for the answer.
fn asked<T>(work: Pin<&mut impl Future<Output = T>>) {
    assert!(work.poll(&mut Context::from_waker(Waker::noop())).is_pending());
}

/// What says when it has begun, and has its turn when it is told to go on: longer than a commit takes in further writes.
fn long_turn(
    taken: &Taken,
    name: &'static str,
) -> (impl FnOnce(&mut Transaction<'_>) -> Reply<(), StoreError> + Send + use<>, oneshot::Receiver<()>, Sender<()>) {
    let ((begun, begins), (go, goes)) = (oneshot::channel(), channel::<()>());
    let taken = turn(taken, name);
    let work = move |transaction: &mut Transaction<'_>| {
        begun.send(()).unwrap();
        let _either = goes.recv();
        let since = Instant::now();
        while since.elapsed() < LONG {}
        taken(transaction)
    };
    (work, begins, go)
}

#[tokio::test]
async fn who_reads_waits_for_few_writes_however_many_wait() {
    let [scratch, _] = Scratch::both();
    let (store, taken) = (scratch.store(), Taken::default());
    let read = |name| store.read_head(ResourceType::of("Goal"), "a", turn(&taken, name));
    let [(first, begins, end), (long, long_begins, end_long)] =
        ["first", "long write"].map(|name| long_turn(&taken, name));
    let (mut first, mut long) = (pin!(store.write(first)), pin!(store.write(long)));
    asked(first.as_mut());
    begins.await.unwrap();
    // These come to the writer together, so that one commit could do them all.
    let mut short = pin!(store.write(turn(&taken, "short write")));
    let mut early = pin!(read("early read"));
    asked(long.as_mut());
    asked(short.as_mut());
    asked(early.as_mut());
    drop(end);
    long_begins.await.unwrap();
    let mut late = pin!(read("late read"));
    asked(late.as_mut());
    drop(end_long);
    for one in [first.await, long.await, short.await, early.await, late.await] {
        one.unwrap();
    }
    assert_eq!(*taken.lock().unwrap(), ["first", "early read", "long write", "late read", "short write"]);
}

#[tokio::test]
async fn what_nobody_waits_for_any_longer_is_not_begun() {
    let [scratch, _] = Scratch::both();
    let (store, taken) = (scratch.store(), Taken::default());
    let (first, begins, end) = long_turn(&taken, "first");
    let mut first = pin!(store.write(first));
    asked(first.as_mut());
    begins.await.unwrap();
    asked(pin!(store.write(turn(&taken, "given up"))));
    asked(pin!(store.read_head(ResourceType::of("Goal"), "a", turn(&taken, "given up"))));
    drop(end);
    first.await.unwrap();
    store.write(turn(&taken, "last")).await.unwrap();
    assert_eq!(*taken.lock().unwrap(), ["first", "last"]);
}

#[tokio::test]
async fn whether_the_database_answers_is_not_behind_all_writes_that_wait() {
    let [scratch, _] = Scratch::both();
    let (store, taken) = (scratch.store(), Taken::default());
    let [(first, begins, end), (second, second_begins, end_second), (third, third_begins, end_third)] =
        ["first", "second", "third"].map(|name| long_turn(&taken, name));
    let (mut first, mut second) = (pin!(store.write(first)), pin!(store.write(second)));
    let (mut third, mut ready) = (pin!(store.write(third)), pin!(store.ready()));
    asked(first.as_mut());
    begins.await.unwrap();
    asked(second.as_mut());
    asked(third.as_mut());
    asked(ready.as_mut());
    drop((end, end_second));
    second_begins.await.unwrap();
    third_begins.await.unwrap();
    assert_eq!(ready.poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(true));
    drop(end_third);
    for one in [first.await, second.await, third.await] {
        one.unwrap();
    }
}
