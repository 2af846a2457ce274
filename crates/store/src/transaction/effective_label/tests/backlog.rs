//! What is left, and how it is done: what comes first, then what goes.

use super::*;
use crate::address::{DatabaseUrl, Durability};
use crate::connection::Connection;
use crate::transaction::effective_label::{BacklogStep, MayLeave};

/// All steps until there is nothing to do.
fn steps(transaction: &mut Transaction<'_>, most: usize) -> Vec<usize> {
    let mut done = Vec::new();
    while let BacklogStep::Done(many) = transaction.do_label_backlog(most).unwrap() {
        done.push(many);
        assert!(done.len() < 30, "{done:?}");
    }
    done
}

const ALL: [&str; 4] = ["r1 SEX", "r2 SEX", "r3 SEX", "visit SEX"];

#[tokio::test]
async fn labels_come_and_go_step_by_step() {
    on_both(|transaction| {
        arrive(transaction);
        let (version, labels) = transaction.labels_on_their_way().unwrap();
        assert_eq!(labels, [""; 0]);
        transaction.label_steps = 0;
        put(transaction, &of(CLINIC).labelled(&["SEX"]));
        assert_eq!(inherited(transaction), [""; 0]);
        let left = transaction.labels_on_their_way().unwrap();
        assert_eq!(left.1, [key_of("SEX")]);
        assert_ne!(left.0, version, "raised with what it is about");
        assert!(transaction.has_label_backlog().unwrap());
        // The visit; two of three readings, and the third; and that all have come.
        assert_eq!(transaction.do_label_backlog(2).unwrap(), BacklogStep::Done(1));
        assert_eq!(inherited(transaction), ["visit SEX"]);
        assert_eq!(transaction.do_label_backlog(2).unwrap(), BacklogStep::Done(2));
        assert_eq!(inherited(transaction), ["r1 SEX", "r2 SEX", "visit SEX"]);
        assert_eq!(transaction.do_label_backlog(2).unwrap(), BacklogStep::Done(1));
        assert_eq!(transaction.labels_on_their_way().unwrap(), left, "until that has been seen");
        assert!(transaction.has_label_backlog().unwrap());
        assert_eq!(steps(transaction, 2), [0]);
        settled(transaction, &ALL);
        let come = transaction.labels_on_their_way().unwrap();
        assert_ne!(come.0, left.0, "and again");

        put(transaction, &of(CLINIC));
        assert_eq!(inherited(transaction), ALL);
        assert!(transaction.has_label_backlog().unwrap());
        assert_eq!(transaction.labels_on_their_way().unwrap(), come, "nothing comes");
        assert_eq!(steps(transaction, 2), [1, 2, 1]);
        settled(transaction, &[]);
    })
    .await;
}

#[tokio::test]
async fn what_comes_is_done_before_what_goes() {
    on_both(|transaction| {
        arrive(transaction);
        put(transaction, &of(CLINIC).labelled(&["SEX"]));
        settled(transaction, &ALL);
        transaction.label_steps = 0;
        put(transaction, &of(CLINIC));
        put(transaction, &of(VISIT).naming(&[CLINIC]).labelled(&["R"]));
        // The visit has lost nothing yet: its own label comes first.
        transaction.do_label_backlog(10).unwrap();
        assert!(inherited(transaction).contains(&"r1 R SEX".to_owned()));
        steps(transaction, 10);
        settled(transaction, &["r1 R", "r2 R", "r3 R"]);
    })
    .await;
}

#[tokio::test]
async fn content_and_answers_follow_step_by_step() {
    on_both(|transaction| {
        for id in ["b1", "b2"] {
            put(transaction, &of((BINARY, id)));
        }
        put(transaction, &of(LETTER).showing(&["b1", "b2"]));
        put(transaction, &of(FORM).called(URL));
        for id in ["a1", "a2"] {
            put(transaction, &of((ANSWERS.0, id)).following(URL));
        }
        transaction.label_steps = 0;
        put(transaction, &of(LETTER).labelled(&["SEX"]).showing(&["b1", "b2"]));
        put(transaction, &of(FORM).called(URL).labelled(&["R"]));
        assert_eq!(transaction.labels_on_their_way().unwrap().1, [key_of("R"), key_of("SEX")]);
        assert_eq!(steps(transaction, 1), [1, 1, 0, 1, 1, 0, 0]);
        settled(transaction, &["a1 R", "a2 R", "b1 SEX", "b2 SEX"]);
        put(transaction, &of(LETTER));
        put(transaction, &of(FORM));
        assert_eq!(steps(transaction, 2), [2, 0, 2, 0]);
        settled(transaction, &[]);
    })
    .await;
}

#[tokio::test]
async fn nothing_is_left_where_it_may_not_be() {
    on_both(|transaction| {
        arrive(transaction);
        transaction.label_steps = 0;
        let hide = |transaction: &mut Transaction<'_>, name: Name, codes: &[&str]| {
            let old = stored(transaction, name);
            let made = if name == VISIT { of(VISIT).naming(&[CLINIC]) } else { of(name) };
            put_after(transaction, &old, &made.labelled(codes))
        };
        transaction.let_leave(MayLeave::Nothing);
        let refused = hide(transaction, CLINIC, &["SEX"]);
        assert!(matches!(refused, Err(StoreError::LabelsTooMany(1_000))), "{refused:?}");
        // From where none are on their way, and again by whoever has left them.
        transaction.let_leave(MayLeave::Further);
        hide(transaction, CLINIC, &["R"]).unwrap();
        hide(transaction, CLINIC, &["R", "V"]).unwrap();
        transaction.labels_left.clear();
        hide(transaction, VISIT, &["R"]).unwrap();
        let refused = hide(transaction, CLINIC, &["R", "V", "SEX"]);
        assert!(matches!(refused, Err(StoreError::LabelsOnTheirWay(10))), "{refused:?}");
        transaction.let_leave(MayLeave::Anything);
        hide(transaction, CLINIC, &["R", "V", "SEX", "MH"]).unwrap();
    })
    .await;
}

/// Of several nodes one is at it; the others come again.
#[tokio::test]
async fn one_node_at_a_time_does_it() {
    for scratch in Scratch::both() {
        let store = scratch.store();
        let mut other = Connection::open(&scratch.address, Durability::Full).unwrap();
        let is_postgres = matches!(scratch.address, DatabaseUrl::Postgres(_));
        if is_postgres {
            other.execute_for_test("SELECT pg_advisory_lock(4051703, 0)");
        }
        let step = || store.write(|transaction| (transaction.do_label_backlog(1), Vec::new()));
        assert_eq!(step().await.unwrap(), if is_postgres { BacklogStep::Elsewhere } else { BacklogStep::Nothing });
        if is_postgres {
            other.execute_for_test("SELECT pg_advisory_unlock(4051703, 0)");
        }
        assert_eq!(step().await.unwrap(), BacklogStep::Nothing);
    }
}
