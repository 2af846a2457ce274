//! A snapshot that is kept never hides data from whoever asks after it was written, by this process or by another.

use crate::address::DatabaseUrl;
use crate::audit::Record;
use crate::error::StoreError;
use crate::statement::Sql;
use crate::testing::Scratch;
use crate::transaction::Transaction;
use crate::{Asker, Reads, Store};

async fn write(store: &Store, id: &str) {
    let id = id.to_owned();
    store.write(move |transaction| (transaction.make_patient_key(&id), Vec::new())).await.unwrap();
}

fn count(transaction: &mut Transaction<'_>) -> i64 {
    transaction.numbers(Sql::new("SELECT count(*) FROM patient")).unwrap()[0]
}

async fn seen(store: &Store) -> i64 {
    store
        .read_in(Asker::SERVER, Reads::Records, |transaction| {
            (Ok::<_, StoreError>(count(transaction)), vec![Record { resource_type: -1, ..Record::default() }])
        })
        .await
        .unwrap()
}

#[tokio::test]
async fn what_anybody_has_written_is_seen_by_the_next_read() {
    for scratch in Scratch::both() {
        let (one, other) = (scratch.store(), scratch.store());
        let mut there = seen(&one).await;
        // Every order of two writers, with reads of both between, which commit records of their own.
        for round in 0..16_u32 {
            for turn in 0..4 {
                let store = if round >> turn & 1 == 0 { &one } else { &other };
                write(store, &format!("{round}-{turn}")).await;
                there += 1;
                assert_eq!((seen(&one).await, seen(&other).await), (there, there), "round {round}, turn {turn}");
                assert_eq!(seen(&one).await, there);
            }
        }
    }
}

#[tokio::test]
async fn records_of_reads_alone_leave_the_snapshot_as_it_is() {
    let [scratch, _] = Scratch::both();
    let store = scratch.store();
    seen(&store).await;
    let sees_itself = |transaction: &mut Transaction<'_>| {
        (Ok::<_, StoreError>(transaction.numbers(Sql::new("SELECT count(*) FROM audit")).unwrap()[0]), Vec::new())
    };
    let before = store.read_in(Asker::SERVER, Reads::Records, sees_itself).await.unwrap();
    seen(&store).await;
    assert_eq!(store.read_in(Asker::SERVER, Reads::Records, sees_itself).await.unwrap(), before, "it is kept");
    assert_eq!(store.read(sees_itself).await.unwrap(), before + 2, "whoever asks for the log sees all of it");
    write(&store, "a").await;
    assert_eq!(
        store.read_in(Asker::SERVER, Reads::Records, sees_itself).await.unwrap(),
        before + 2,
        "it is not kept when data has changed"
    );
}

#[tokio::test]
async fn the_state_is_another_one_after_each_change_of_anybody() {
    let [scratch, postgres] = Scratch::both();
    assert_eq!(postgres.store().state(), None);
    let (one, other) = (scratch.store(), scratch.store());
    for turn in 0..8 {
        // After a commit of its own nothing is in doubt.
        seen(&one).await;
        let before = one.state();
        assert!(before.is_some(), "turn {turn}");
        seen(&one).await;
        assert_eq!(one.state(), before, "records of reads change no data");
        write(if turn % 2 == 0 { &one } else { &other }, &format!("{turn}")).await;
        assert_ne!(one.state(), before, "turn {turn}");
        seen(&one).await;
        assert_ne!(one.state(), before, "nor does it come again");
    }
}

#[tokio::test]
async fn the_log_is_not_told_from_a_snapshot_that_may_be_kept() {
    let [scratch, _] = Scratch::both();
    let store = scratch.store();
    let refused =
        store.read_in(Asker::SERVER, Reads::Records, |transaction| (transaction.last_link(), Vec::new())).await;
    assert!(matches!(refused, Err(StoreError::Internal(_))), "{refused:?}");
    assert!(store.read(|transaction| (transaction.last_link(), Vec::new())).await.is_ok());
}

#[tokio::test]
async fn a_kept_snapshot_does_not_let_the_write_ahead_log_grow() {
    let [scratch, _] = Scratch::both();
    let DatabaseUrl::Sqlite(path) = &scratch.address else { panic!("{:?}", scratch.address) };
    let store = scratch.store();
    let wal = path.with_file_name("concord.db-wal");
    let mut most = 0;
    for round in 0..3_000 {
        // Idle readers are in a snapshot from the first of these on.
        if round % 700 == 0 {
            seen(&store).await;
        }
        let text = "x".repeat(40_000);
        store.append(vec![Record { resource_type: -1, reason: text, ..Record::default() }]).await.unwrap();
        most = most.max(wal.metadata().unwrap().len());
    }
    // 132 MB were written, 44 while a snapshot may be kept; what has been checkpointed, after 12,000 pages of 4 KB, is
    // written over.
    assert!(most < 104_000_000, "{most}");
}

#[tokio::test]
async fn a_read_of_the_embedded_database_cannot_write() {
    let [scratch, _] = Scratch::both();
    let store = scratch.store();
    for _ in 0..2 {
        let written = store
            .read_in(Asker::SERVER, Reads::Records, |transaction| (transaction.make_patient_key("x"), Vec::new()))
            .await;
        assert!(written.is_err());
    }
    assert_eq!(seen(&store).await, 1);
}
