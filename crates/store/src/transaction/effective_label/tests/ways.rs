//! The ways that labels go, each of them both ways.

use super::*;
use crate::statement::Sql;

#[tokio::test]
async fn what_is_named_hands_its_labels_on_and_takes_them_back() {
    on_both(|transaction| {
        put(transaction, &of(CLINIC).labelled(&["SEX", "N"]));
        put(transaction, &of(VISIT).naming(&[CLINIC]));
        put(transaction, &of(READING).naming(&[VISIT]));
        put(transaction, &of(TOLD).naming(&[READING]));
        settled(transaction, &["reading SEX", "told SEX", "visit SEX"]);
        put(transaction, &of(VISIT).naming(&[CLINIC]).labelled(&["R"]));
        settled(transaction, &["reading R SEX", "told R SEX", "visit SEX", "visit/1 SEX"]);
        put(transaction, &of(CLINIC));
        settled(transaction, &["reading R", "told R"]);
        put(transaction, &of(CLINIC).labelled(&["SEX"]));
        settled(transaction, &["reading R SEX", "told R SEX", "visit SEX", "visit/1 SEX"]);
        // The same again changes nothing; without the name, the label goes.
        put(transaction, &of(VISIT).naming(&[CLINIC]).labelled(&["R"]));
        settled(transaction, &["reading R SEX", "told R SEX", "visit SEX", "visit/1 SEX", "visit/2 SEX"]);
        put(transaction, &of(VISIT).labelled(&["R"]));
        settled(transaction, &["reading R", "told R", "visit/1 SEX", "visit/2 SEX", "visit/3 SEX"]);
        put(transaction, &of(VISIT));
        settled(transaction, &["visit/1 SEX", "visit/2 SEX", "visit/3 SEX"]);
        // What had none comes to name what has one.
        put(transaction, &of(OTHER));
        put(transaction, &of(OTHER).naming(&[CLINIC]));
        settled(transaction, &["other SEX", "visit/1 SEX", "visit/2 SEX", "visit/3 SEX"]);
    })
    .await;
}

#[tokio::test]
async fn what_is_deleted_goes_on_to_inherit() {
    on_both(|transaction| {
        put(transaction, &of(VISIT));
        put(transaction, &of(READING).naming(&[VISIT]));
        let old = stored(transaction, READING);
        let deletion = Version { version: 2, deleted: true, body: String::new(), ..old.clone() };
        #[expect(clippy::disallowed_methods, reason = "the store by itself")]
        transaction.replace(&old, &deletion, None).unwrap();
        settled(transaction, &[]);
        put(transaction, &of(VISIT).labelled(&["SEX"]));
        settled(transaction, &["reading SEX", "reading/1 SEX"]);
        put(transaction, &of(VISIT));
        settled(transaction, &[]);
    })
    .await;
}

/// Whatever names a version inherits from it and from the resource as it is; what names another one does not inherit from it.
#[tokio::test]
async fn a_version_that_is_named_hands_on_what_it_has() {
    on_both(|transaction| {
        put(transaction, &of(VISIT));
        put(transaction, &of(READING).naming(&[VISIT]));
        put(transaction, &of(READING));
        put(transaction, &of((PROVENANCE, "of-first")).naming_version(READING, 1));
        for id in ["p1", "p2", "p3"] {
            put(transaction, &of((PROVENANCE, id)).naming(&[READING]));
        }
        // A step for the superseded version, and one for what names it: the others are not looked at.
        for (labels, wanted) in [(&["SEX"][..], &["of-first SEX", "reading/1 SEX"][..]), (&[], &[])] {
            transaction.label_steps = 2;
            put(transaction, &of(VISIT).labelled(labels));
            settled(transaction, wanted);
        }
        transaction.renew_budgets();
        put(transaction, &of(READING).labelled(&["R"]));
        settled(transaction, &["of-first R", "p1 R", "p2 R", "p3 R"]);
        put(transaction, &of(READING));
        settled(transaction, &[]);
        put(transaction, &of((PROVENANCE, "of-third")).naming_version(READING, 3));
        settled(transaction, &["of-third R"]);
    })
    .await;
}

#[tokio::test]
async fn content_is_labelled_as_what_shows_it_or_has_shown_it() {
    on_both(|transaction| {
        put(transaction, &of(LETTER).labelled(&["SEX"]).showing(&["b1", "b2"]));
        for id in ["b1", "b2"] {
            put(transaction, &of((BINARY, id)));
        }
        settled(transaction, &["b1 SEX", "b2 SEX"]);
        put(transaction, &of(LETTER));
        settled(transaction, &[]);
        put(transaction, &of(LETTER).labelled(&["R"]));
        settled(transaction, &["b1 R", "b2 R"]);
        // What it comes to show gets a label that is not new.
        put(transaction, &of((BINARY, "b3")));
        put(transaction, &of(LETTER).labelled(&["R"]).showing(&["b3", "not-there"]));
        settled(transaction, &["b1 R", "b2 R", "b3 R"]);
        let (letter, content) = (stored(transaction, LETTER), stored(transaction, (BINARY, "b1")));
        for (key, id, wanted) in [
            (letter.key, "b1", true),
            (letter.key, "not-there", true),
            (letter.key, "b4", false),
            (content.key, "b1", false),
        ] {
            assert_eq!(transaction.has_shown(key, &source((BINARY, id), 0)).unwrap(), wanted, "{id}");
        }
    })
    .await;
}

#[tokio::test]
async fn definitions_hand_labels_on_by_their_urls_whichever_comes_first() {
    on_both(|transaction| {
        put(transaction, &of(ANSWERS).following(URL));
        put(transaction, &of(FORM).called(URL).labelled(&["SEX"]));
        settled(transaction, &["answers SEX"]);
        put(transaction, &of((ANSWERS.0, "more")).following(URL).naming(&[VISIT]));
        settled(transaction, &["answers SEX", "more SEX"]);
        // Nothing is handed on again by what stays as it is: there is no step for it.
        transaction.label_steps = 0;
        put(transaction, &of(FORM).called(URL).labelled(&["SEX"]));
        settled(transaction, &["answers SEX", "more SEX"]);
        transaction.renew_budgets();
        put(transaction, &of(FORM).called(URL));
        settled(transaction, &[]);
        // Two that are stored together, and one that has its label before it has its url.
        let (late, url) = ((FORM.0, "late"), "http://example.org/late");
        put_new(transaction, &[of((FORM.0, "f1")).called("u1").labelled(&["R"]), of((FORM.0, "f2")).called("u2")]);
        put(transaction, &of((ANSWERS.0, "a1")).following("u1"));
        put(transaction, &of((ANSWERS.0, "a2")).following(url));
        put(transaction, &of(late).labelled(&["V"]));
        settled(transaction, &["a1 R"]);
        put(transaction, &of(late).labelled(&["V"]).called(url));
        settled(transaction, &["a1 R", "a2 V"]);
        let key = stored(transaction, (ANSWERS.0, "more")).key;
        let named = transaction.inherited_by_name(key).unwrap();
        assert_eq!(named, (vec![URL.to_owned()], vec![source(VISIT, 0)]));
    })
    .await;
}

#[tokio::test]
async fn a_ring_keeps_no_label_that_nobody_bears() {
    on_both(|transaction| {
        put(transaction, &of(READING).naming(&[OTHER]).labelled(&["SEX"]));
        put(transaction, &of(OTHER).naming(&[READING]).labelled(&["R"]));
        settled(transaction, &["other SEX", "reading R"]);
        put(transaction, &of(READING).naming(&[OTHER]));
        settled(transaction, &["reading R", "reading/1 R"]);
        put(transaction, &of(OTHER).naming(&[READING]));
        settled(transaction, &[]);
    })
    .await;
}

#[tokio::test]
async fn own_words_are_spared_when_labels_come_and_when_others_go() {
    on_both(|transaction| {
        put(transaction, &of(VISIT));
        put(transaction, &of(READING).naming(&[VISIT]));
        let words = stored(transaction, READING);
        transaction.set_own_words(&words).unwrap();
        put(transaction, &of(OTHER).naming(&[VISIT]));
        put(transaction, &of(TOLD).naming(&[READING]));
        put(transaction, &of(VISIT).labelled(&["NOPAT", "SEX"]));
        settled(transaction, &["other NOPAT SEX", "reading SEX", "told SEX"]);
        put(transaction, &of(VISIT).labelled(&["NOPAT"]));
        settled(transaction, &["other NOPAT"]);
    })
    .await;
}

/// Each version is somebody's own words by itself: what they have written in the place of what somebody else had written tells nothing
/// of that, whatever is worked out anew.
#[tokio::test]
async fn own_words_are_those_of_a_version() {
    on_both(|transaction| {
        put(transaction, &of(VISIT).labelled(&["NOPAT"]));
        put(transaction, &of(CLINIC));
        // What a system stored; then what she wrote; then what somebody made of that.
        put(transaction, &of(READING).naming(&[VISIT, CLINIC]));
        let first = stored(transaction, READING);
        let second = of(READING).naming(&[VISIT, CLINIC]);
        transaction.set_own_words(&second.version(first.key, 2)).unwrap();
        put(transaction, &second);
        settled(transaction, &["reading/1 NOPAT"]);
        put(transaction, &second);
        settled(transaction, &["reading NOPAT", "reading/1 NOPAT"]);
        let third = stored(transaction, READING);
        for (version, number) in [(first.clone(), 1), (third.clone(), 3)] {
            let next = second.version(first.key, 4);
            transaction.keep_own_words(&version, &next).unwrap();
            assert!(!transaction.is_own_words(&next).unwrap(), "{number} was nobody's");
        }
        let superseded = transaction.superseded(first.key, 2).unwrap().unwrap();
        let second = Version { key: first.key, ..superseded };
        assert!(transaction.is_own_words(&second).unwrap() && !transaction.is_own_words(&third).unwrap());
        transaction.keep_own_words(&second, &of(READING).version(first.key, 4)).unwrap();
        put(transaction, &of(READING).naming(&[VISIT, CLINIC]));
        settled(transaction, &["reading/1 NOPAT", "reading/3 NOPAT"]);
        // Worked out anew, as a label comes and goes that all of them inherit.
        put(transaction, &of(CLINIC).labelled(&["SEX"]));
        settled(transaction, &["reading SEX", "reading/1 NOPAT SEX", "reading/2 SEX", "reading/3 NOPAT SEX"]);
        put(transaction, &of(CLINIC));
        settled(transaction, &["reading/1 NOPAT", "reading/3 NOPAT"]);
    })
    .await;
}

/// What is stored already is said anew: of what is current and of what is not.
#[tokio::test]
async fn labels_follow_what_is_said_anew_of_what_is_named() {
    on_both(|transaction| {
        put(transaction, &of(VISIT).labelled(&["SEX"]));
        put(transaction, &of(READING));
        put(transaction, &of(READING));
        let none = of(READING).entries;
        let names = of(READING).naming(&[VISIT]).entries;
        for (entries, wanted) in
            [(&names, &["reading SEX"][..]), (&none, &[]), (&names, &["reading SEX"]), (&none, &[])]
        {
            let current = stored(transaction, READING);
            transaction.reindex_sources(&current, entries).unwrap();
            settled(transaction, wanted);
        }
        let key = stored(transaction, READING).key;
        let first = |transaction: &mut Transaction<'_>| transaction.superseded(key, 1).unwrap().unwrap();
        for (entries, wanted) in [(&names, &["reading/1 SEX"][..]), (&none, &[])] {
            let old = first(transaction);
            transaction.reindex_superseded(&old, entries).unwrap();
            settled(transaction, wanted);
        }
        put(transaction, &of(TOLD).naming_version(READING, 1));
        let old = first(transaction);
        transaction.reindex_superseded(&old, &names).unwrap();
        settled(transaction, &["reading/1 SEX", "told SEX"]);
        // What a version inherited may have changed since whoever supersedes it has read it.
        put(transaction, &of(OTHER).naming(&[CLINIC]));
        put(transaction, &of(CLINIC));
        let read = stored(transaction, OTHER);
        put(transaction, &of(CLINIC).labelled(&["R"]));
        put_after(transaction, &read, &of(OTHER)).unwrap();
        settled(transaction, &["other/1 R", "reading/1 SEX", "told SEX"]);
    })
    .await;
}

/// What is told of a resource that has just been stored has the labels that it has got by that.
#[tokio::test]
async fn what_has_been_stored_is_told_with_what_it_inherits() {
    on_both(|transaction| {
        let content = (BINARY, "b1");
        // How many labels it is told with, and how many statements that takes.
        let told = |transaction: &mut Transaction<'_>, name: Name, made: &Made| {
            let key = stored(transaction, name).key;
            let before = transaction.statements;
            let version = transaction.with_inherited(made.version(key, 1), &made.entries).unwrap();
            (version.inherited_labels().count(), transaction.statements - before)
        };
        let made = of(READING).naming(&[VISIT]);
        put(transaction, &of(VISIT));
        put(transaction, &made);
        assert_eq!(told(transaction, READING, &made), (0, 0), "nothing has got any");
        put(transaction, &of(VISIT).labelled(&["SEX"]));
        assert_eq!(told(transaction, READING, &made), (1, 1));
        assert_eq!(told(transaction, READING, &of(READING)), (0, 0), "it names nothing");
        put(transaction, &of(LETTER).labelled(&["R"]).showing(&["b1"]));
        put(transaction, &of(content));
        assert_eq!(told(transaction, content, &of(content)), (1, 1));
    })
    .await;
}

#[tokio::test]
async fn what_is_named_is_kept_with_who_names_it() {
    on_both(|transaction| {
        let about = [source(READING, 0), source(VISIT, 2)];
        transaction.put_sources_of_event(7, &about).unwrap();
        let mut named = transaction.sources_of(&[7, 8]).unwrap();
        named.sort_unstable();
        let mut wanted: Vec<(i64, Source)> = about.into_iter().map(|one| (7, one)).collect();
        wanted.sort_unstable();
        assert_eq!(named, wanted);
        let rows = transaction.numbers(Sql::new("SELECT resource FROM label_source")).unwrap();
        assert_eq!(rows, [7, 7]);
    })
    .await;
}
