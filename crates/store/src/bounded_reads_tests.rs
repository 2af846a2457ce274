//! What a read takes is found out by beginning it: whatever takes more than a little is done elsewhere, in a place.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

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
    let place = async {
        places.fetch_add(1, Ordering::Relaxed);
        Ok::<_, StoreError>(())
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
    for (extent, places) in [(Extent::Little, 0), (Extent::Unknown, 1), (Extent::Much, 1)] {
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
