//! Who waits for whom on PostgreSQL: whoever names something shares a lock with whoever else does, and whoever changes its
//! labels has it alone. The embedded database has one writer, who waits for nobody.

use super::*;
use crate::statement::Sql;
use crate::transaction::effective_label::CALLED;

/// Which lock a name has, which nodes of two releases have to agree on: FNV-1a of 32 bits, in 1,024 parts.
fn bucket(number: i16, id: &str) -> i64 {
    let bytes = number.to_le_bytes().into_iter().chain(id.bytes());
    let hash = bytes.fold(0x811c_9dc5_u64, |hash, byte| (hash ^ u64::from(byte)) * 0x0100_0193 % (1 << 32));
    i64::try_from(hash % 1_024).unwrap()
}

fn of_name((resource_type, id): Name) -> i64 {
    bucket(resource_type.number(), id)
}

/// The locks that the transaction has alone, and those that it shares.
fn held(transaction: &mut Transaction<'_>) -> [Vec<i64>; 2] {
    ["ExclusiveLock", "ShareLock"].map(|mode| {
        let sql = Sql::new(
            "SELECT CAST(objid AS BIGINT) FROM pg_locks WHERE locktype = 'advisory' AND CAST(classid AS BIGINT) = 4051702 \
             AND pid = pg_backend_pid() AND mode = ",
        );
        transaction.numbers(sql.bind(mode).sql(" ORDER BY 1")).unwrap()
    })
}

/// What is stored in a transaction, and the locks that this takes: alone, and shared.
type Step = (Vec<Made>, Vec<i64>, Vec<i64>);

async fn check(steps: Vec<Step>) {
    for scratch in Scratch::both() {
        let store = scratch.store();
        for (place, (all, alone, shared)) in steps.clone().into_iter().enumerate() {
            let work = move |transaction: &mut Transaction<'_>| {
                all.iter().for_each(|made| put(transaction, made));
                if transaction.is_postgres() {
                    let sorted = |mut all: Vec<i64>| {
                        all.sort_unstable();
                        all
                    };
                    assert_eq!(held(transaction), [sorted(alone), sorted(shared)], "{place}");
                }
                (Ok::<_, StoreError>(()), Vec::new())
            };
            store.write(work).await.unwrap();
        }
    }
}

#[tokio::test]
async fn whoever_names_something_waits_for_whoever_changes_its_labels() {
    let visit = of_name(VISIT);
    check(vec![
        (vec![of(VISIT)], vec![], vec![]),
        (vec![of(READING).naming(&[VISIT])], vec![], vec![visit]),
        // Again without: what it was goes on to name it.
        (vec![of(READING)], vec![], vec![visit]),
        (vec![of(READING)], vec![], vec![]),
        (vec![of(READING).naming(&[VISIT])], vec![], vec![visit]),
        // What gets the label is looked at as well.
        (vec![of(VISIT).labelled(&["SEX"])], vec![visit, of_name(READING)], vec![]),
    ])
    .await;
}

#[tokio::test]
async fn whoever_shows_or_follows_something_waits_for_whoever_stores_it() {
    let (url, content) = (bucket(CALLED, URL), bucket(BINARY.number(), "b1"));
    let letter = of_name(LETTER);
    check(vec![
        (vec![of(ANSWERS).following(URL)], vec![], vec![url]),
        (vec![of(FORM).called(URL)], vec![url], vec![]),
        (vec![of(FORM).called(URL)], vec![], vec![]),
        (vec![of((FORM.0, "late"))], vec![], vec![]),
        (vec![of((FORM.0, "late")).called(URL)], vec![url], vec![]),
        (vec![of(LETTER).showing(&["b1"])], vec![letter], vec![content]),
        (vec![of(LETTER).showing(&["b1"])], vec![], vec![content]),
        (vec![of((BINARY, "b1"))], vec![content], vec![letter]),
    ])
    .await;
}
