//! Everything that waits for a database has a line, of which one who asks has a part.

use concord_fhir::registry::ResourceType;

use crate::audit::Record;
use crate::error::StoreError;
use crate::line::Line;
use crate::testing::Scratch;
use crate::{Asker, Backend, Extent, Reads, Store};

const ONE: Asker = Asker::of(1);

/// The lines of point reads, of other reads where they wait, and of audit records.
fn lines(store: &Store) -> Vec<&Line> {
    match &*store.backend {
        Backend::Sqlite(sqlite) => vec![&sqlite.reads, &sqlite.appends],
        Backend::Postgres(postgres) => vec![&postgres.reads, &postgres.searches, &postgres.appended],
    }
}

fn record() -> Vec<Record> {
    vec![Record::default()]
}

/// What becomes of a point read of somebody's, a search and audit records.
async fn done(store: &Store, asker: Asker) -> [Result<(), StoreError>; 3] {
    let goal = ResourceType::of("Goal");
    let place = || std::future::ready(Ok::<_, StoreError>(()));
    let found = |_: &mut crate::transaction::Transaction<'_>| (Ok::<_, StoreError>(()), record());
    [
        store.read_head(asker, goal, "a", found).await,
        store.read_bounded(asker, Reads::Records, Extent::Little, place, found).await,
        store.append_of(asker, record()).await,
    ]
}

#[tokio::test]
async fn who_has_a_share_waiting_is_told_to_come_again_and_nobody_else_is() {
    for scratch in Scratch::both() {
        let store = scratch.store();
        let full: Vec<_> =
            lines(&store).into_iter().flat_map(|line| std::iter::from_fn(|| line.enter_of(ONE).ok())).collect();
        assert!(store.waiting() >= full.len());
        for done in done(&store, ONE).await {
            assert!(matches!(done, Err(StoreError::Busy(_))), "{done:?}");
        }
        for asker in [Asker::of(2), Asker::SERVER] {
            assert!(done(&store, asker).await.iter().all(Result::is_ok));
        }
        drop(full);
        assert!(done(&store, ONE).await.iter().all(Result::is_ok));
    }
}
