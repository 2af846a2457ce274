//! What a write may do at once, and what most writes need not look at.

use super::*;

/// Whether a piece of work looks at what anything inherits from.
fn looks(transaction: &mut Transaction<'_>, work: impl FnOnce(&mut Transaction<'_>)) -> bool {
    transaction.note_everything();
    work(transaction);
    let noted = transaction.noted.take().unwrap();
    noted.statements.iter().any(|sql| sql.shown().contains("label_link"))
}

#[tokio::test]
async fn nothing_is_looked_at_for_what_hands_nothing_on() {
    on_both(|transaction| {
        assert!(!looks(transaction, |transaction| {
            put_new(transaction, &[of(READING), of(TOLD).naming(&[READING])]);
        }));
        assert!(!looks(transaction, |transaction| put(transaction, &of(READING))), "a version after another");
        assert!(!looks(transaction, |transaction| {
            let current = stored(transaction, READING);
            transaction.reindex_sources(&current, &of(READING).entries).unwrap();
            let old = transaction.superseded(current.key, 1).unwrap().unwrap();
            transaction.reindex_superseded(&old, &of(READING).entries).unwrap();
        }));
        assert!(looks(transaction, |transaction| put(transaction, &of(OTHER).naming(&[READING]))));
        settled(transaction, &[]);
    })
    .await;
}

/// Only what is new itself, and exactly that which is named, is known to have no labels.
#[tokio::test]
async fn what_names_what_was_there_is_looked_at_whatever_comes_with_it() {
    on_both(|transaction| {
        let (named, same_id, same_type) = ((VISIT.0, "x"), (OBSERVATION, "x"), (VISIT.0, "y"));
        put(transaction, &of(named).labelled(&["SEX"]));
        put_new(transaction, &[of(same_id), of(same_type), of(TOLD).naming(&[named])]);
        settled(transaction, &["told SEX"]);
        put_new(transaction, &[of(READING), of((PROVENANCE, "both")).naming(&[READING, named])]);
        settled(transaction, &["both SEX", "told SEX"]);
        put_new(transaction, &[of(OTHER).labelled(&["R"]), of((PROVENANCE, "new")).naming(&[OTHER])]);
        settled(transaction, &["both SEX", "new R", "told SEX"]);
    })
    .await;
}

/// Nine labels, which take two steps for each that gets them.
const NINE: [&str; 9] = ["A", "B", "C", "D", "E", "F", "G", "H", "I"];

#[tokio::test]
async fn a_write_does_as_much_as_it_may() {
    on_both(|transaction| {
        arrive(transaction);
        let all = |codes: &str| ["r1", "r2", "r3"].map(|id| format!("{id} {codes}"));
        // Of which labels it is, how many steps it may take, and whether that is enough.
        for (codes, steps, is_enough) in [
            (&["SEX"][..], 3, true),
            (&["SEX"], 2, false),
            (&["SEX"], 0, false),
            (&NINE[..8], 3, true),
            (&NINE, 6, true),
            (&NINE, 5, false),
        ] {
            transaction.label_steps = steps;
            put(transaction, &of(VISIT).naming(&[CLINIC]).labelled(codes));
            assert_eq!(transaction.has_label_backlog().unwrap(), !is_enough, "{steps} for {}", codes.len());
            assert_eq!(inherited(transaction), if is_enough { all(&codes.join(" ")).to_vec() } else { Vec::new() });
            for _ in 0..9 {
                transaction.do_label_backlog(100).unwrap();
            }
            assert_eq!(inherited(transaction), all(&codes.join(" ")));
            // Going is of so many resources, however many labels there are.
            transaction.label_steps = 3;
            put(transaction, &of(VISIT).naming(&[CLINIC]));
            settled(transaction, &[]);
        }
    })
    .await;
}

/// Else whoever writes could tell by a refusal how much there is that they do not see.
#[tokio::test]
async fn what_is_not_seen_is_counted_by_itself() {
    // How many of three readings are hidden, how many steps there are, and whether that is enough.
    for (count, steps, is_enough) in [
        (0, 2, false),
        (0, 3, true),
        (1, 1, false),
        (1, 2, true),
        (2, 0, false),
        (2, 1, true),
        (3, 2, true),
        (3, 1, false),
    ] {
        on_both(move |transaction| {
            put(transaction, &of(VISIT));
            for (number, reading) in ["r1", "r2", "r3"].into_iter().enumerate() {
                let labels: &[&str] = if number < count { &["NOT-SHOWN"] } else { &[] };
                put(transaction, &of((OBSERVATION, reading)).naming(&[VISIT]).labelled(labels));
            }
            (transaction.label_steps, transaction.unseen_steps) = (steps, if count == 3 && steps == 1 { 2 } else { 3 });
            transaction.does_not_see(Some(|version| version.labels.contains("NOT-SHOWN")));
            put(transaction, &of(VISIT).labelled(&["SEX"]));
            assert_eq!(transaction.has_label_backlog().unwrap(), !is_enough, "{count} of three, {steps} steps");
            if is_enough {
                let left = (transaction.label_steps, transaction.unseen_steps);
                assert_eq!(left, (steps + count - 3, 3 - count), "{count} of three, {steps} steps");
            }
        })
        .await;
    }
}

/// The same where labels go, and where some have gone and some come in one transaction.
#[tokio::test]
async fn what_is_not_seen_is_counted_by_itself_where_labels_go() {
    // How many of three readings are hidden, how many steps there are, and for those, and whether that is enough.
    for (count, steps, hidden, is_enough) in [
        (0, 3, 3, false),
        (0, 4, 3, true),
        (1, 1, 3, false),
        (1, 2, 3, false),
        (1, 3, 3, true),
        (2, 1, 3, false),
        (2, 2, 3, true),
        (3, 1, 3, true),
        (3, 1, 2, false),
        (2, 2, 1, false),
    ] {
        on_both(move |transaction| {
            put(transaction, &of(VISIT).labelled(&["SEX"]));
            for (number, reading) in ["r1", "r2", "r3"].into_iter().enumerate() {
                let labels: &[&str] = if number < count { &["NOT-SHOWN"] } else { &[] };
                put(transaction, &of((OBSERVATION, reading)).naming(&[VISIT]).labelled(labels));
            }
            (transaction.label_steps, transaction.unseen_steps) = (steps, hidden);
            transaction.does_not_see(Some(|version| version.labels.contains("NOT-SHOWN")));
            put(transaction, &of(VISIT));
            let left = match steps {
                3.. => Some((steps - 3, hidden)),
                _ if steps + count >= 3 && count <= hidden => Some((steps + count - 3, hidden - count)),
                _ => None,
            };
            assert_eq!(transaction.has_label_backlog().unwrap(), left.is_none(), "{count} of three, {steps} steps");
            if let Some(left) = left {
                assert_eq!(
                    (transaction.label_steps, transaction.unseen_steps),
                    left,
                    "{count} of three, {steps} steps"
                );
            }
            put(transaction, &of((OBSERVATION, "seen")).labelled(&["SEX"]));
            put(transaction, &of((OBSERVATION, "of-it")).naming(&[(OBSERVATION, "seen")]));
            put(transaction, &of((OBSERVATION, "seen")).labelled(&["SEX", "PSY"]));
            assert_eq!(transaction.has_label_backlog().unwrap(), !is_enough, "{count} of three, {steps} steps");
        })
        .await;
    }
}

#[tokio::test]
async fn what_has_been_used_is_gone() {
    on_both(|transaction| {
        arrive(transaction);
        // A step for the visit, and two that are left for three readings.
        transaction.label_steps = 3;
        put(transaction, &of(CLINIC).labelled(&["SEX"]));
        assert!(transaction.has_label_backlog().unwrap());
        assert_eq!(inherited(transaction), ["visit SEX"]);
        for _ in 0..9 {
            transaction.do_label_backlog(100).unwrap();
        }
        settled(transaction, &["r1 SEX", "r2 SEX", "r3 SEX", "visit SEX"]);
        transaction.label_steps = 3;
        put(transaction, &of(CLINIC));
        assert!(transaction.has_label_backlog().unwrap());
        assert_eq!(inherited(transaction).len(), 4, "until it is worked off");
    })
    .await;
}

/// One that names two versions counts as two: what else there would be is not known.
#[tokio::test]
async fn what_may_be_more_is_left() {
    on_both(|transaction| {
        put(transaction, &of(READING));
        put(transaction, &of(TOLD).naming_version(READING, 1).naming_version(READING, 2));
        transaction.label_steps = 1;
        put(transaction, &of(READING).labelled(&["SEX"]));
        assert!(transaction.has_label_backlog().unwrap());
        assert_eq!(inherited(transaction), [""; 0]);
    })
    .await;
}

#[tokio::test]
async fn content_takes_steps_too() {
    on_both(|transaction| {
        for id in ["b1", "b2", "b3", "b4", "b5", "b6"] {
            put(transaction, &of((BINARY, id)));
        }
        let letter = |id| (LETTER.0, id);
        put(transaction, &of(letter("bare")));
        transaction.label_steps = 1;
        put(transaction, &of(letter("bare")).showing(&["b5", "b6"]));
        settled(transaction, &[]);
        put(transaction, &of(letter("enough")).labelled(&["SEX"]));
        transaction.label_steps = 2;
        put(transaction, &of(letter("enough")).labelled(&["SEX"]).showing(&["b1", "b2"]));
        settled(transaction, &["b1 SEX", "b2 SEX"]);
        put(transaction, &of(letter("more")).labelled(&["R"]));
        transaction.label_steps = 1;
        put(transaction, &of(letter("more")).labelled(&["R"]).showing(&["b3", "b4"]));
        assert_eq!(inherited(transaction), ["b1 SEX", "b2 SEX"]);
        assert_eq!(transaction.labels_on_their_way().unwrap().1, [key_of("R")]);
    })
    .await;
}
