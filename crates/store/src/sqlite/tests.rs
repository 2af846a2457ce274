//! Who comes when on the only writer.

use std::pin::{Pin, pin};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::{Context, Waker};

use concord_fhir::registry::ResourceType;
use diesel::sql_types::Text;
use tokio::sync::oneshot;

use super::*;
use crate::address::DatabaseUrl;
use crate::snapshot::Snapshots;
use crate::statement::Sql;
use crate::testing::{NOW, Scratch, Standing};

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

/// What says when it has begun, and has its turn when it is told to go on.
fn held_turn(
    taken: &Taken,
    name: &'static str,
) -> (impl FnOnce(&mut Transaction<'_>) -> Reply<(), StoreError> + Send + use<>, oneshot::Receiver<()>, Sender<()>) {
    let ((begun, begins), (go, goes)) = (oneshot::channel(), channel::<()>());
    let taken = turn(taken, name);
    let work = move |transaction: &mut Transaction<'_>| {
        begun.send(()).unwrap();
        let _either = goes.recv();
        taken(transaction)
    };
    (work, begins, go)
}

#[tokio::test]
async fn however_many_writes_one_has_waiting_anothers_comes_between() {
    let [scratch, _] = Scratch::both();
    let (store, taken) = (scratch.store(), Taken::default());
    let of = |number, name| store.change_of(Asker::of(number), turn(&taken, name));
    let (first, begins, end) = held_turn(&taken, "first");
    let mut first = pin!(store.write(first));
    asked(first.as_mut());
    begins.await.unwrap();
    let mut many = ["one", "one more", "and one more"].map(|name| Box::pin(of(1, name)));
    many.iter_mut().for_each(|write| asked(write.as_mut()));
    let mut other = pin!(of(2, "another's"));
    asked(other.as_mut());
    drop(end);
    first.await.unwrap();
    other.await.unwrap();
    for write in many {
        write.await.unwrap();
    }
    assert_eq!(*taken.lock().unwrap(), ["first", "one", "another's", "one more", "and one more"]);
}

#[tokio::test]
async fn what_nobody_waits_for_any_longer_is_not_begun() {
    let [scratch, _] = Scratch::both();
    let (store, taken) = (scratch.store(), Taken::default());
    let (first, begins, end) = held_turn(&taken, "first");
    let mut first = pin!(store.write(first));
    asked(first.as_mut());
    begins.await.unwrap();
    asked(pin!(store.write(turn(&taken, "given up"))));
    asked(pin!(store.read_head(Asker::SERVER, ResourceType::of("Goal"), "a", turn(&taken, "given up"))));
    drop(end);
    first.await.unwrap();
    store.write(turn(&taken, "last")).await.unwrap();
    assert_eq!(*taken.lock().unwrap(), ["first", "last"]);
}

#[tokio::test]
async fn whether_the_database_answers_is_not_behind_writes() {
    let [scratch, _] = Scratch::both();
    let (store, taken) = (scratch.store(), Taken::default());
    let (first, begins, end) = held_turn(&taken, "first");
    let (mut first, mut second) = (pin!(store.write(first)), pin!(store.write(turn(&taken, "second"))));
    asked(first.as_mut());
    begins.await.unwrap();
    asked(second.as_mut());
    assert!(store.ready().await);
    assert!(taken.lock().unwrap().is_empty());
    drop(end);
    first.await.unwrap();
    second.await.unwrap();
}

/// A write that holds the writer until it is told to go on, and asks nothing of the database meanwhile.
fn holds(go: Receiver<()>) -> impl FnOnce(&mut Transaction<'_>) -> Reply<(), StoreError> + Send {
    move |transaction| {
        transaction.set_setting("none", String::new()).unwrap();
        go.recv().unwrap();
        (Ok(()), vec![entry("write")])
    }
}

fn entry(agent: &str) -> Record {
    Record { agent: agent.to_owned(), ..Record::default() }
}

#[tokio::test]
async fn the_write_ahead_log_begins_anew_though_somebody_goes_on_writing() {
    let [scratch, _] = Scratch::both();
    let DatabaseUrl::Sqlite(path) = &scratch.address else { panic!("no file") };
    let store = scratch.store();
    let snapshots = Snapshots::of(path);
    let (mut most, mut before, mut begun_anew) = (0, 0, 0);
    for round in 0..800 {
        let long = Record { reason: "x".repeat(400_000), ..entry("long") };
        store.append(vec![if round % 2 == 0 { long } else { entry("short") }]).await.unwrap();
        let pages = snapshots.pages();
        begun_anew += u32::from(pages < before);
        (most, before) = (most.max(pages), pages);
    }
    // 39,000 pages were written, of which 12,000 are not begun anew after, and at most 18,000.
    assert!((1..4).contains(&begun_anew), "{begun_anew} times");
    assert!(most < 18_200, "{most} pages");
    drop(store);
    let again = scratch.store();
    let count = |transaction: &mut Transaction<'_>| (transaction.records_between(0, i64::MAX, 1_000), Vec::new());
    assert_eq!(again.read(count).await.unwrap().len(), 800);
}

/// Who is in the log, in its order.
async fn logged(store: &crate::Store) -> Vec<String> {
    let events = |transaction: &mut Transaction<'_>| (transaction.records_between(0, i64::MAX, 100), Vec::new());
    store.read(events).await.unwrap().into_iter().map(|event| event.record.agent).collect()
}

#[tokio::test]
async fn who_reads_does_not_wait_for_a_write_that_holds_the_writer() {
    let [scratch, _] = Scratch::both();
    let store = scratch.store();
    let goal = ResourceType::of("Goal");
    let read = |agent: &'static str| {
        store.read_head(Asker::SERVER, goal, "a", move |_| (Ok::<_, StoreError>(()), vec![entry(agent)]))
    };
    let taken = Taken::default();
    let (first, begins, end) = held_turn(&taken, "first");
    let (go, goes) = channel();
    let mut first = pin!(store.write(first));
    asked(first.as_mut());
    begins.await.unwrap();
    // These two come to the writer together: the read is done in the commit that the write holds up.
    let (mut held, mut early) = (pin!(store.write(holds(goes))), pin!(read("early")));
    asked(held.as_mut());
    asked(early.as_mut());
    drop(end);
    first.await.unwrap();
    early.await.unwrap();
    read("late").await.unwrap();
    store.append(vec![entry("search")]).await.unwrap();
    assert!(store.ready().await);
    let mut behind = pin!(store.write(turn(&taken, "behind")));
    let mut log = pin!(logged(&store));
    asked(held.as_mut());
    asked(behind.as_mut());
    asked(log.as_mut());
    go.send(()).unwrap();
    held.await.unwrap();
    behind.await.unwrap();
    let mut told = log.await;
    assert_eq!(told.len(), 4, "{told:?}");
    told.sort_unstable();
    assert_eq!(told, ["early", "late", "search", "write"]);
}

#[tokio::test]
async fn a_copy_has_in_its_log_what_was_answered_before_it_was_begun() {
    let [scratch, _] = Scratch::both();
    let DatabaseUrl::Sqlite(path) = &scratch.address else { panic!("no file") };
    let (store, copy) = (scratch.store(), path.with_extension("copy"));
    let goal = ResourceType::of("Goal");
    let (go, goes) = channel();
    let mut held = pin!(store.write(holds(goes)));
    asked(held.as_mut());
    store.read_head(Asker::SERVER, goal, "a", |_| (Ok::<_, StoreError>(()), vec![entry("reads")])).await.unwrap();
    crate::backup(&scratch.address, &copy, Standing(NOW)).unwrap();
    go.send(()).unwrap();
    held.await.unwrap();
    let kept: Vec<_> = std::fs::read_dir(path.parent().unwrap())
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("copy"))
        .collect();
    assert_eq!(kept, ["concord.copy"], "and nothing is left beside it");
    let address = DatabaseUrl::Sqlite(copy);
    let mut opened = Connection::open(&address, crate::Durability::Full).unwrap();
    let found = opened.rows::<(Text,), (String,)>(Sql::new("SELECT agent FROM audit")).unwrap();
    assert_eq!(found, [("reads".to_owned(),)]);
    assert_eq!(logged(&store).await.len(), 2);
}

#[test]
fn a_copy_is_made_while_the_file_beside_the_database_is_being_made() {
    let [scratch, _] = Scratch::both();
    let DatabaseUrl::Sqlite(path) = &scratch.address else { panic!("no file") };
    drop(scratch.store());
    // Its maker has opened it, and committed nothing yet.
    for begun in ["", "PRAGMA journal_mode = WAL"] {
        let (beside, copy) = (path.with_file_name("concord.db-aside"), path.with_extension("copy"));
        std::fs::write(&beside, b"").unwrap();
        crate::testing::execute(&DatabaseUrl::Sqlite(beside.clone()), begun);
        crate::backup(&scratch.address, &copy, Standing(NOW)).unwrap();
        [beside, copy].into_iter().for_each(|file| std::fs::remove_file(file).unwrap());
    }
}

#[tokio::test]
async fn what_is_kept_beside_the_database_is_in_the_log_once() {
    let [scratch, _] = Scratch::both();
    let DatabaseUrl::Sqlite(path) = &scratch.address else { panic!("no file") };
    drop(scratch.store());
    let beside = DatabaseUrl::Sqlite(path.with_file_name("concord.db-aside"));
    let kept = |agent: &str, pk: i64| {
        let values = format!("({pk}, 7, 1, 0, 0, '{agent}', '', '', -1, '', 0, '', '', '', '')");
        crate::testing::execute(&beside, &format!("{}; INSERT INTO audit VALUES {values}", aside::TABLE));
    };
    kept("before", 11);
    kept("the crash", 12);
    let store = scratch.store();
    assert_eq!(logged(&store).await, ["before", "the crash"]);
    drop(store);
    // As if they had not been forgotten before the next crash.
    kept("before", 11);
    kept("the crash", 12);
    kept("after", 13);
    let store = scratch.store();
    assert_eq!(logged(&store).await, ["before", "the crash", "after"]);
    let events = |transaction: &mut Transaction<'_>| (transaction.records_between(0, i64::MAX, 100), Vec::new());
    assert!(store.read(events).await.unwrap().iter().all(|event| event.at == 7));
}

#[tokio::test]
async fn a_file_beside_the_database_that_cannot_be_read_is_said() {
    let [scratch, _] = Scratch::both();
    let DatabaseUrl::Sqlite(path) = &scratch.address else { panic!("no file") };
    std::fs::write(path.with_file_name("concord.db-aside"), [b'x'; 5000]).unwrap();
    let refused = Aside::of(&scratch.address, crate::Durability::Full).err().unwrap();
    assert!(refused.contains("-aside"), "{refused}");
}
