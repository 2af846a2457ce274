//! What becomes of work when the database is in trouble, or the clock, or nobody waits for it any more.

use std::pin::{Pin, pin};
use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::task::Poll;
use std::time::Duration;

use concord_fhir::registry::ResourceType;
use diesel::sql_types::Text;

use crate::address::Durability;
use crate::audit::Record;
use crate::bounds::WITHOUT_LIMITS;
use crate::connection::Connection;
use crate::contract::{reasons, record};
use crate::error::StoreError;
use crate::fair_queue::Asker;
use crate::statement::Sql;
use crate::testing::{Scratch, execute};
use crate::transaction::Transaction;

/// The clock of a machine that asks its database.
struct Machine(i64);

impl crate::Clock for Machine {
    fn now_ms(&self) -> i64 {
        self.0
    }

    fn steady_ms(&self) -> i64 {
        0
    }

    fn instead_of_the_databases_ms(&self) -> Option<i64> {
        None
    }
}

#[tokio::test]
async fn a_clock_that_is_off_is_noticed() {
    const HOUR: i64 = 3_600_000;
    let [sqlite, postgres] = Scratch::both();
    let limit = Duration::from_secs(30);
    let ahead = sqlite.store_by(limit, Machine(crate::testing::NOW + HOUR));
    assert_eq!(ahead.clock_off_ms(), 0, "there is nothing to tell it by");
    ahead.append(vec![record("ahead")]).await.unwrap();
    drop(ahead);
    let store = sqlite.store_by(limit, Machine(crate::testing::NOW));
    assert_eq!(store.clock_off_ms(), -HOUR, "the newest event is of a time to come");
    store.append(vec![record("right")]).await.unwrap();
    store.ask_time().await.unwrap();
    assert_eq!((store.clock_off_ms(), store.now_ms()), (0, crate::testing::NOW));
    let told = store.read(|transaction| (Ok::<_, StoreError>(reasons(transaction)), Vec::new())).await.unwrap();
    assert_eq!(told, ["ahead", "right"], "in the order in which they came");
    // PostgreSQL has a clock, which is of today.
    let store = postgres.store_by(limit, Machine(1_000));
    assert!(store.clock_off_ms() < -1_000_000_000_000 && store.now_ms() > 1_700_000_000_000);
    store.ask_time().await.unwrap();
    assert!(store.now_ms() > 1_700_000_000_000);
}

#[tokio::test]
async fn a_connection_that_is_lost_while_it_commits_leaves_the_outcome_unknown() {
    let [_, scratch] = Scratch::both();
    let store = scratch.store();
    let address = scratch.address.clone();
    // What closes it is another connection, so that the transaction only learns of it from its commit.
    let close = move |transaction: &mut Transaction<'_>| {
        let number = transaction.numbers(Sql::new("SELECT CAST(pg_backend_pid() AS BIGINT)")).unwrap()[0];
        let mut other = Connection::open(&address, Durability::Process).unwrap();
        other.execute_for_test(&format!("SELECT pg_terminate_backend({number}, 60000)"));
        Ok::<_, StoreError>(())
    };
    let closed = close.clone();
    let unknown = store.write(move |transaction| (closed(transaction), Vec::new())).await;
    assert!(matches!(unknown, Err(StoreError::OutcomeUnknown(_))), "{unknown:?}");
    let closed = close.clone();
    let lost = store.write(move |transaction| {
        closed(transaction).unwrap();
        (transaction.access_versions(0), Vec::new())
    });
    let lost = lost.await;
    assert!(matches!(lost, Err(StoreError::Busy(_))), "it cannot have been committed: {lost:?}");
    let read = store.read(move |transaction| (close(transaction), Vec::new())).await;
    assert!(matches!(read, Err(StoreError::Busy(_))), "there is nothing to be unknown of a read: {read:?}");
    for _ in 0..4 {
        assert!(store.ready().await);
    }
}

#[tokio::test]
async fn a_disk_that_is_full_is_told_as_such_and_forgotten_when_there_is_room() {
    let [scratch, _] = Scratch::both();
    let store = scratch.store();
    assert!(store.ready().await);
    let limit = |pages: u32| {
        let text = format!("PRAGMA max_page_count = {pages}");
        move |transaction: &mut Transaction<'_>| (transaction.batch(&text), Vec::new())
    };
    store.write(limit(1)).await.unwrap();
    let large = || Record { reason: "r".repeat(100_000), ..record("large") };
    let full = |result: &Result<(), StoreError>| matches!(result, Err(StoreError::NoSpace(_)));
    let refused = store.append(vec![large()]).await;
    assert!(full(&refused), "{refused:?}");
    let refused = store.write(move |_| (Ok::<_, StoreError>(()), vec![large()])).await;
    assert!(full(&refused), "{refused:?}");
    let refused = store.read(move |_| (Ok::<_, StoreError>(()), vec![large()])).await;
    assert!(full(&refused), "what cannot be logged is not answered: {refused:?}");
    store.write(limit(1_000_000)).await.unwrap();
    store.append(vec![large()]).await.unwrap();
    assert!(store.ready().await);
    let told = store.read(|transaction| (Ok::<_, StoreError>(reasons(transaction)), Vec::new())).await.unwrap();
    assert_eq!(told.len(), 1, "of what was refused nothing is there");
}

#[tokio::test]
async fn what_nobody_waits_for_any_more_is_not_committed() {
    let [_, scratch] = Scratch::both();
    let store = scratch.store();
    let (tell, begun) = std::sync::mpsc::channel();
    let (go_on, wait) = std::sync::mpsc::channel();
    let mut write = Box::pin(store.write(move |transaction| {
        let made = transaction.make_patient_key("late");
        tell.send(()).unwrap();
        wait.recv().unwrap();
        (made, vec![record("late")])
    }));
    std::future::poll_fn(|context| Poll::Ready(write.as_mut().poll(context).is_pending())).await;
    begun.recv().unwrap();
    // As when its time is over: its client is told that nobody knows, and goes on.
    drop(write);
    go_on.send(()).unwrap();
    // Two at once need both of the store's connections.
    let together = std::sync::Arc::new(std::sync::Barrier::new(2));
    let next = || {
        let together = std::sync::Arc::clone(&together);
        store.write(move |_| {
            together.wait();
            (Ok::<_, StoreError>(()), Vec::new())
        })
    };
    let (one, other) = tokio::join!(next(), next());
    assert!(one.is_ok() && other.is_ok());
    let told = store.read(|transaction| {
        let known = transaction.patient_key("late").unwrap();
        (Ok::<_, StoreError>((known, reasons(transaction))), Vec::new())
    });
    assert_eq!(told.await.unwrap(), (None, Vec::new()));
}

#[tokio::test]
async fn what_nobody_waits_for_any_more_is_not_looked_up() {
    let [_, scratch] = Scratch::both();
    let store = scratch.store();
    let basic = ResourceType::of("Basic");
    let ((tell, begun), (go_on, wait)) = (channel(), channel::<()>());
    let wait = Mutex::new(wait);
    // It holds the thread that looks up.
    let mut first = pin!(store.read_head(Asker::SERVER, basic, "a", move |_| {
        tell.send(()).unwrap();
        wait.lock().unwrap().recv().unwrap_err();
        (Ok::<_, StoreError>(()), vec![record("first")])
    }));
    std::future::poll_fn(|context| Poll::Ready(first.as_mut().poll(context).is_pending())).await;
    begun.recv().unwrap();
    {
        let mut given_up =
            pin!(store.read_head(Asker::SERVER, basic, "b", |_| (Ok::<_, StoreError>(()), vec![record("given up")])));
        std::future::poll_fn(|context| Poll::Ready(given_up.as_mut().poll(context).is_pending())).await;
        assert!(store.waiting() > 0);
    }
    let last = store.read_head(Asker::SERVER, basic, "c", |_| (Ok::<_, StoreError>(()), vec![record("last")]));
    drop(go_on);
    let (first, last) = tokio::join!(first, last);
    assert!(first.is_ok() && last.is_ok());
    assert_eq!(store.waiting(), 0);
    let told = store.read(|transaction| (Ok::<_, StoreError>(reasons(transaction)), Vec::new())).await.unwrap();
    assert_eq!(told, ["first", "last"]);
}

/// How far it is, without waiting for it.
async fn polled<F: Future>(mut work: Pin<&mut F>) -> Poll<F::Output> {
    std::future::poll_fn(|context| Poll::Ready(work.as_mut().poll(context))).await
}

#[tokio::test]
async fn who_has_many_writes_waiting_keeps_nobody_else_from_writing_and_writes_keep_nobody_from_reading() {
    for (scratch, writers) in Scratch::both().into_iter().zip([1, 2]) {
        let store = scratch.store();
        let ((tell, begun), (go_on, wait)) = (channel(), channel::<()>());
        let wait = std::sync::Arc::new(Mutex::new(wait));
        // They hold whatever there is to write on.
        let mut held: Vec<_> = (0..writers)
            .map(|_| {
                let (tell, wait) = (tell.clone(), std::sync::Arc::clone(&wait));
                Box::pin(store.write(move |_| {
                    tell.send(()).unwrap();
                    wait.lock().unwrap().recv().unwrap_err();
                    (Ok::<_, StoreError>(()), Vec::new())
                }))
            })
            .collect();
        for write in &mut held {
            assert!(polled(write.as_mut()).await.is_pending());
        }
        (0..writers).for_each(|_| begun.recv().unwrap());
        let of = |number| store.change_of(Asker::of(number), |_| (Ok::<_, StoreError>(()), Vec::new()));
        let mut waiting = Vec::new();
        for caller in 1..=4 {
            // Each is the first of theirs that is refused, and what came before it waits.
            let refused = loop {
                let mut write = Box::pin(of(caller));
                match polled(write.as_mut()).await {
                    Poll::Pending => waiting.push(write),
                    Poll::Ready(refused) => break refused,
                }
            };
            assert!(matches!(refused, Err(StoreError::Busy(_))), "{refused:?}");
            // On SQLite what holds the writer is in the line as well.
            assert!(waiting.len() == 500 * usize::try_from(caller).unwrap() || waiting.len() == 1_999);
        }
        assert!(matches!(of(5).await, Err(StoreError::Busy(_))), "there are too many of everybody's");
        let work = |_: &mut Transaction<'_>| (Ok::<_, StoreError>(()), Vec::new());
        let mut search = pin!(store.read(work));
        let searched = polled(search.as_mut()).await;
        assert!(!matches!(searched, Poll::Ready(Err(_))), "{searched:?}");
        drop(go_on);
        if searched.is_pending() {
            search.await.unwrap();
        }
        for write in held {
            write.await.unwrap();
        }
        for write in waiting {
            write.await.unwrap();
        }
        of(1).await.unwrap();
    }
}

#[tokio::test]
async fn a_commit_of_the_embedded_database_that_fails_is_not_the_servers_fault() {
    let [scratch, _] = Scratch::both();
    let store = scratch.store();
    execute(
        &scratch.address,
        "CREATE TABLE whole (one INTEGER PRIMARY KEY); CREATE TABLE part (one INTEGER REFERENCES whole DEFERRABLE INITIALLY \
         DEFERRED)",
    );
    // It is looked at when it is committed.
    let failed = store.write(|transaction| {
        let put = transaction.run(Sql::new("INSERT INTO part VALUES (7)")).map(|_| ());
        (put, vec![record("failed")])
    });
    let failed = failed.await;
    assert!(matches!(failed, Err(StoreError::OutcomeUnknown(_))), "{failed:?}");
    store.write(|_| (Ok::<_, StoreError>(()), vec![record("after")])).await.unwrap();
    let told = store.read(|transaction| (Ok::<_, StoreError>(reasons(transaction)), Vec::new())).await.unwrap();
    assert_eq!(told, ["after"]);
}

#[tokio::test]
async fn a_database_that_a_newer_release_has_migrated_is_not_ready() {
    for scratch in Scratch::both() {
        let store = scratch.store();
        assert!(store.ready().await);
        let newer = "INSERT INTO __diesel_schema_migrations (version) VALUES ('20991231000001')";
        execute(&scratch.address, newer);
        assert!(!store.ready().await);
        let back = "DELETE FROM __diesel_schema_migrations WHERE version = '20991231000001'";
        execute(&scratch.address, back);
        assert!(store.ready().await);
    }
}

#[tokio::test]
async fn there_are_as_many_connections_as_the_setting_says_and_three() {
    let [sqlite, postgres] = Scratch::both();
    assert_eq!(sqlite.store().connections(), (0, 0));
    let store = postgres.store();
    assert_eq!(store.connections(), (2 + 3, 0));
    let at_work = store.clone();
    let told = store.write(move |_| (Ok::<_, StoreError>(at_work.connections()), Vec::new())).await.unwrap();
    assert_eq!(told, (2 + 3, 1));
}

/// What a session has set.
fn set(connection: &mut Connection) -> Vec<String> {
    let names = ["statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "lc_messages"];
    let shown = |name: &&str| {
        let rows = connection.rows::<(Text,), (String,)>(Sql::new(format!("SELECT current_setting('{name}')")));
        format!("{name} {}", rows.unwrap()[0].0)
    };
    names.iter().map(shown).collect()
}

#[test]
fn every_session_has_limits_and_tells_what_is_wrong_in_english() {
    let [_, scratch] = Scratch::both();
    // As on a machine where it is told otherwise.
    let otherwise =
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET lc_messages = %L', current_database(), 'POSIX'); END $$";
    execute(&scratch.address, otherwise);
    let usual =
        ["statement_timeout 30s", "lock_timeout 5s", "idle_in_transaction_session_timeout 30s", "lc_messages C"];
    let mut connection = Connection::open(&scratch.address, Durability::Full).unwrap();
    assert_eq!(set(&mut connection), usual);
    connection.batch(WITHOUT_LIMITS).unwrap();
    let none = ["statement_timeout 0", "lock_timeout 0", "idle_in_transaction_session_timeout 0"];
    assert_eq!(set(&mut connection)[..3], none);
    let limit = Duration::from_secs(4);
    let mut connection = Connection::open_limited(&scratch.address, Durability::Full, limit).unwrap();
    assert_eq!(set(&mut connection)[..2], ["statement_timeout 4s", "lock_timeout 2s"]);
    assert_eq!(set(&mut connection)[2..], usual[2..]);
}
