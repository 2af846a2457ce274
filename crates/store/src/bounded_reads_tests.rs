//! What a read takes is found out by beginning it: whatever takes more than a little is done elsewhere, in a place.

use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use crate::audit::Record;
use crate::bounded_reads::Place;
use crate::cost::Cost;
use crate::error::StoreError;
use crate::statement::Sql;
use crate::testing::Scratch;
use crate::transaction::Transaction;
use crate::{Asker, Extent, Reads, Reply, Store};

/// What became of a read.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    /// None when it is too costly.
    answer: Option<i64>,
    /// How often it was begun.
    begun: u32,
    /// How often a place was waited for.
    places: u32,
    /// Whether it ended where it was asked for.
    here: bool,
}

/// Counts so far, as a statement of a caller's shape or of our own.
fn count(transaction: &mut Transaction<'_>, to: u32, callers: bool) -> Result<i64, StoreError> {
    let text = "WITH RECURSIVE n(x) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT x + 1 FROM n WHERE x < ";
    let sql = Sql::new(text).bind(i64::from(to)).sql(") SELECT count(*) FROM n");
    if callers {
        return Ok(transaction.numbers(sql)?[0]);
    }
    let rows = transaction.rows::<(diesel::sql_types::BigInt,), (i64,)>(sql)?;
    Ok(rows[0].0)
}

async fn read(
    store: &Store,
    extent: Extent,
    work: impl Fn(&mut Transaction<'_>) -> Result<i64, StoreError> + Send + 'static,
) -> Seen {
    let (begun, places) = (Arc::new(AtomicU32::new(0)), AtomicU32::new(0));
    let told = Arc::clone(&begun);
    let place = || {
        places.fetch_add(1, Ordering::Relaxed);
        ready(Ok::<_, StoreError>(()))
    };
    let work = move |transaction: &mut Transaction<'_>| -> Reply<_, StoreError> {
        told.fetch_add(1, Ordering::Relaxed);
        (work(transaction).map(|count| (count, thread::current().id())), Vec::new())
    };
    let done = store.read_bounded(Asker::SERVER, Reads::Records, extent, place, work).await;
    let here = done.as_ref().is_ok_and(|(_, thread)| *thread == thread::current().id());
    let answer = match done {
        Ok((count, _)) => Some(count),
        Err(StoreError::TooCostly(_)) => None,
        Err(fault) => panic!("{fault:?}"),
    };
    Seen { answer, begun: begun.load(Ordering::Relaxed), places: places.load(Ordering::Relaxed), here }
}

const LITTLE: u32 = 100;
const SOME: u32 = 10_000;
const MUCH: u32 = 1_000_000;

fn seen(answer: u32, begun: u32, places: u32, here: bool) -> Seen {
    Seen { answer: Some(i64::from(answer)), begun, places, here }
}

#[tokio::test]
async fn what_takes_more_than_a_little_is_done_elsewhere_in_a_place() {
    let [scratch, _] = Scratch::both();
    let store = scratch.store();
    for callers in [false, true] {
        for extent in [Extent::Little, Extent::Unknown] {
            let count = move |to| move |transaction: &mut Transaction<'_>| count(transaction, to, callers);
            assert_eq!(read(&store, extent, count(LITTLE)).await, seen(LITTLE, 1, 0, true), "{extent:?}");
            assert_eq!(read(&store, extent, count(MUCH)).await, seen(MUCH, 2, 1, false), "{extent:?}");
            assert_eq!(read(&store, extent, count(LITTLE)).await, seen(LITTLE, 1, 0, true), "{extent:?}, afterwards");
        }
    }
    let little = |transaction: &mut Transaction<'_>| count(transaction, LITTLE, true);
    assert_eq!(read(&store, Extent::Much, little).await, seen(LITTLE, 1, 1, false));
}

#[tokio::test]
async fn whoever_is_alone_does_more_where_they_are() {
    let [scratch, _] = Scratch::both();
    let store = scratch.store();
    let count = |to| move |transaction: &mut Transaction<'_>| count(transaction, to, true);
    assert_eq!(read(&store, Extent::Unknown, count(SOME)).await, seen(SOME, 2, 1, false));
    assert_eq!(read(&store, Extent::Alone, count(SOME)).await, seen(SOME, 1, 0, true));
    assert_eq!(read(&store, Extent::Alone, count(MUCH)).await, seen(MUCH, 2, 1, false));
}

#[tokio::test]
async fn many_statements_together_take_more_than_a_little() {
    let [scratch, _] = Scratch::both();
    let store = scratch.store();
    let work = |transaction: &mut Transaction<'_>| {
        (0..1_000).map(|_| count(transaction, LITTLE, true)).sum::<Result<i64, StoreError>>()
    };
    assert_eq!(read(&store, Extent::Little, work).await, seen(1_000 * LITTLE, 2, 1, false));
}

#[tokio::test]
async fn work_that_hides_that_it_was_stopped_is_done_again() {
    let [scratch, _] = Scratch::both();
    let store = scratch.store();
    let work = |transaction: &mut Transaction<'_>| count(transaction, MUCH, true).or(Ok(-1));
    assert_eq!(read(&store, Extent::Unknown, work).await, seen(MUCH, 2, 1, false));
}

#[tokio::test]
async fn what_a_caller_may_not_have_is_refused_where_it_was_begun() {
    let [scratch, _] = Scratch::both();
    let store = scratch.store();
    let least = Cost { time: Duration::MAX, steps: 2_000, condition: 0 };
    let work = move |transaction: &mut Transaction<'_>| {
        transaction.bound(least);
        count(transaction, MUCH, true)
    };
    let refused = Seen { answer: None, begun: 1, places: 0, here: false };
    assert_eq!(read(&store, Extent::Unknown, work).await, refused);
}

#[tokio::test]
async fn on_postgresql_only_little_takes_no_place() {
    let [_, scratch] = Scratch::both();
    let store = scratch.store();
    for (extent, places) in [(Extent::Little, 0), (Extent::Unknown, 1), (Extent::Alone, 1), (Extent::Much, 1)] {
        let work = |transaction: &mut Transaction<'_>| count(transaction, MUCH, true);
        assert_eq!(read(&store, extent, work).await, seen(MUCH, 1, places, false), "{extent:?}");
    }
}

#[tokio::test]
async fn bodies_that_are_read_count_too() {
    let [scratch, _] = Scratch::both();
    let store = scratch.store();
    let work = |bytes: usize| {
        move |transaction: &mut Transaction<'_>| {
            crate::deadline::charge(bytes);
            count(transaction, 10 * LITTLE, true)
        }
    };
    assert_eq!(read(&store, Extent::Little, work(1_000_000)).await, seen(10 * LITTLE, 1, 0, true));
    assert_eq!(read(&store, Extent::Little, work(100_000_000)).await, seen(10 * LITTLE, 2, 1, false));
}

/// A place that says when it is given back, and whether the work had ended by then.
struct Held {
    wanted_back: Option<Arc<AtomicBool>>,
    has_ended: Arc<AtomicBool>,
    given_back: Sender<bool>,
}

impl Place for Held {
    fn wanted_back(&self) -> Option<Arc<AtomicBool>> {
        self.wanted_back.clone()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let _gone = self.given_back.send(self.has_ended.load(Ordering::Relaxed));
    }
}

/// More than can be counted within any limit.
const ENDLESS: u32 = u32::MAX;

#[tokio::test]
async fn whoever_goes_away_leaves_the_place_when_the_work_has_ended_which_is_soon() {
    for scratch in Scratch::both() {
        let store = scratch.store();
        let (given_back, is_given_back) = channel();
        let (begun, has_begun) = tokio::sync::mpsc::unbounded_channel();
        let has_ended = Arc::new(AtomicBool::new(false));
        let place = || {
            let held = Held { wanted_back: None, has_ended: Arc::clone(&has_ended), given_back: given_back.clone() };
            ready(Ok::<_, StoreError>(held))
        };
        let ended = Arc::clone(&has_ended);
        // PostgreSQL notices at its own limit.
        let most = if store.has_many_writers() { MUCH } else { ENDLESS };
        let work = move |transaction: &mut Transaction<'_>| {
            begun.send(()).unwrap();
            let counted = count(transaction, most, true);
            ended.store(true, Ordering::Relaxed);
            (counted, Vec::new())
        };
        let mut has_begun = has_begun;
        {
            let asked = std::pin::pin!(store.read_bounded(Asker::of(1), Reads::Records, Extent::Much, place, work));
            tokio::select! {
                biased;
                _ = has_begun.recv() => {}
                done = asked => panic!("{done:?}"),
            }
        }
        assert!(is_given_back.recv().unwrap(), "the work had ended");
    }
}

#[tokio::test]
async fn what_has_a_place_that_is_wanted_back_is_done_anew_in_another() {
    let [scratch, _] = Scratch::both();
    let store = scratch.store();
    let (wanted_back, has_ended) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (given_back, is_given_back) = channel();
    let mut places = 0;
    let place = || {
        places += 1;
        let wanted_back = (places == 1).then(|| Arc::clone(&wanted_back));
        ready(Ok::<_, StoreError>(Held {
            wanted_back,
            has_ended: Arc::clone(&has_ended),
            given_back: given_back.clone(),
        }))
    };
    let (begun, raised) = (AtomicU32::new(0), Arc::clone(&wanted_back));
    let work = move |transaction: &mut Transaction<'_>| -> Reply<_, StoreError> {
        let is_first = begun.fetch_add(1, Ordering::Relaxed) == 0;
        raised.store(is_first, Ordering::Relaxed);
        let counted = count(transaction, if is_first { ENDLESS } else { MUCH }, true);
        // Nothing of what was stopped is told, nor logged.
        let records = if is_first { vec![Record::default(); 3] } else { Vec::new() };
        (counted.or(Ok(-1)), records)
    };
    let done = store.read_bounded(Asker::of(1), Reads::Records, Extent::Much, place, work).await;
    assert_eq!((done.unwrap(), places), (i64::from(MUCH), 2));
    assert_eq!(is_given_back.try_iter().count(), 2);
    assert_eq!(store.read(|transaction| (count_log(transaction), Vec::new())).await.unwrap(), 0);
}

fn count_log(transaction: &mut Transaction<'_>) -> Result<i64, StoreError> {
    Ok(transaction.numbers(Sql::new("SELECT count(*) FROM audit"))?[0])
}
