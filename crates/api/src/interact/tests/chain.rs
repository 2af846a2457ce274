//! Whatever clock the events of the log were numbered by, all of them come into the chain, each once.

use std::sync::Arc;

use concord_store::audit::Record;

use crate::clock::Clock;
use crate::interact::Service;
use crate::interact::audit::chain::ChainWriter;
use crate::interact::audit::verification::{Evidence, Report, verify};
use crate::interact::tests::databases::{NOW, on_each_address, open_at};

const HOUR: i64 = 3_600_000;

async fn append(service: &Service, many: usize) {
    service.store.append(vec![Record { agent: "Patient/ann".to_owned(), ..Record::default() }; many]).await.unwrap();
}

async fn report(service: &Arc<Service>) -> Report {
    let report = verify(service, &Evidence::default(), |_| {}).await.unwrap();
    assert_eq!(report.problems, Vec::<String>::new());
    report
}

#[tokio::test]
async fn what_was_numbered_by_a_clock_that_was_ahead_does_not_wait_for_it() {
    on_each_address(|address| async move {
        let ahead = open_at(address.clone(), Clock::fixed(NOW + HOUR));
        append(&ahead, 3).await;
        drop(ahead);
        // As after somebody has set the clock right.
        let clock = Clock::fixed(NOW);
        let service = open_at(address, clock.clone());
        append(&service, 4).await;
        let mut writer = ChainWriter::default();
        assert_eq!(writer.run(&service, false).await.unwrap(), 0, "they might still be committed");
        append(&service, 5).await;
        clock.advance_ms(3_000);
        assert_eq!(writer.run(&service, false).await.unwrap(), 7, "what was there three seconds ago");
        clock.advance_ms(3_000);
        assert_eq!(writer.run(&service, false).await.unwrap(), 5);
        let report = report(&service).await;
        assert_eq!((report.records, report.unlinked), (12, 0));
    })
    .await;
}

#[tokio::test]
async fn a_node_that_starts_after_a_pause_adds_nothing_twice() {
    on_each_address(|address| async move {
        let clock = Clock::fixed(NOW);
        let service = open_at(address, clock.clone());
        let mut writer = ChainWriter::default();
        for _ in 0..3 {
            append(&service, 2).await;
            clock.advance_ms(3_000);
            assert_eq!(writer.run(&service, false).await.unwrap(), 2);
        }
        clock.advance_ms(HOUR);
        assert_eq!(ChainWriter::default().run(&service, true).await.unwrap(), 0, "all is in the chain");
        append(&service, 1).await;
        assert_eq!(ChainWriter::default().run(&service, true).await.unwrap(), 1);
        assert_eq!(report(&service).await.records, 7);
    })
    .await;
}
