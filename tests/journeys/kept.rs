//! What is kept is checked: a flipped byte of any version is found and named.

use concord_api::command::verify::{self, VerifyArgs};
use concord_tests::people::{self, blood_pressure, with};
use concord_tests::{Concord, on_both};
use serde_json::json;

on_both! { what_was_changed_is_named, what_an_older_release_has_stored_gets_a_digest }

/// What the command prints, and whether it was content.
async fn verified(concord: &Concord, fill: bool) -> (bool, String) {
    let mut out = Vec::new();
    let done = verify::run(&VerifyArgs { fill }, &concord.config, concord.clock.clone(), &mut out).await;
    let printed = String::from_utf8(out).expect("text");
    match done {
        Ok(()) => (true, printed),
        Err(error) => (false, printed + &error),
    }
}

/// Lets the test change what nobody may.
fn open_history(concord: &Concord) {
    concord.scratch().tamper(if concord.is_postgres() {
        "ALTER TABLE history DISABLE TRIGGER USER"
    } else {
        "DROP TRIGGER history_no_update; DROP TRIGGER history_no_delete; DROP TRIGGER history_digest_stays"
    });
}

async fn what_was_changed_is_named(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let id = amina.create(&blood_pressure("amina", 120)).await;
    let place = format!("Observation/{id}");
    for value in [121, 122] {
        amina.put(&place, &with(blood_pressure("amina", value), "id", json!(id))).await.expect(200);
    }
    let gone = amina.create(&blood_pressure("amina", 130)).await;
    amina.delete(&format!("Observation/{gone}")).await.expect(204);
    let (whole, told) = verified(concord, false).await;
    assert!(whole && told.contains(" versions, 0 without a digest, 0 problems"), "{told}");

    open_history(concord);
    let scratch = concord.scratch();
    let row = format!("id = '{id}'");
    let first = format!("{row} AND version = 1");
    let named = |version: u32| format!("{place}, version {version}: it is not what was stored");
    for (change, undo, wanted) in [
        (
            format!("UPDATE resource SET body = replace(body, '122', '123') WHERE {row}"),
            format!("UPDATE resource SET body = replace(body, '123', '122') WHERE {row}"),
            named(3),
        ),
        (
            format!("UPDATE history SET body = replace(body, '120', '220') WHERE {first}"),
            format!("UPDATE history SET body = replace(body, '220', '120') WHERE {first}"),
            named(1),
        ),
        (
            format!("UPDATE resource SET author = 'Patient/callum' WHERE {row}"),
            format!("UPDATE resource SET author = 'Patient/amina' WHERE {row}"),
            named(3),
        ),
        (
            format!("UPDATE resource SET updated = updated + 1 WHERE {row}"),
            format!("UPDATE resource SET updated = updated - 1 WHERE {row}"),
            named(3),
        ),
        (
            format!("UPDATE resource SET deleted = 1 - deleted WHERE id = '{gone}'"),
            format!("UPDATE resource SET deleted = 1 - deleted WHERE id = '{gone}'"),
            format!("Observation/{gone}, version 2: its body is no JSON"),
        ),
        (
            format!("CREATE TABLE taken AS SELECT * FROM history WHERE {first}; DELETE FROM history WHERE {first}"),
            "INSERT INTO history SELECT * FROM taken; DROP TABLE taken".to_owned(),
            format!("{place}, version 3: 2 versions came before it, and there are 1"),
        ),
        (
            "CREATE TABLE taken AS SELECT * FROM entry; DELETE FROM entry".to_owned(),
            "INSERT INTO entry SELECT * FROM taken; DROP TABLE taken".to_owned(),
            format!("{place}, version 3: the index puts it in 0 records and it is in 1"),
        ),
        (
            format!("UPDATE resource SET body = '{{' WHERE {row}"),
            format!(
                "UPDATE resource SET body = (SELECT replace(replace(body, '\"120', '\"122'), ':120', ':122') FROM history \
                 WHERE {first}) WHERE {row}"
            ),
            format!("{place}, version 3: its body is no JSON"),
        ),
    ] {
        scratch.tamper(&change);
        let (whole, told) = verified(concord, false).await;
        assert!(!whole && told.contains(&wanted), "{change}: {wanted}: {told}");
        scratch.tamper(&undo);
        if !change.contains("'{'") {
            let (whole, told) = verified(concord, false).await;
            assert!(whole, "{undo}: {told}");
        }
    }
}

async fn what_an_older_release_has_stored_gets_a_digest(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let id = amina.create(&blood_pressure("amina", 120)).await;
    let place = format!("Observation/{id}");
    amina.put(&place, &with(blood_pressure("amina", 121), "id", json!(id))).await.expect(200);
    open_history(concord);
    concord.scratch().tamper("UPDATE resource SET digest = 0; UPDATE history SET digest = 0");
    let (whole, told) = verified(concord, false).await;
    assert!(whole && !told.contains(" 0 without") && told.contains("verify --fill"), "{told}");
    let (whole, told) = verified(concord, true).await;
    assert!(whole && !told.contains(" 0 without") && told.contains("have one now"), "{told}");
    let (whole, told) = verified(concord, false).await;
    assert!(whole && told.contains(" 0 without a digest, 0 problems"), "{told}");
    // What comes after it goes on from there.
    amina.put(&place, &with(blood_pressure("amina", 122), "id", json!(id))).await.expect(200);
    let (whole, told) = verified(concord, false).await;
    assert!(whole && told.contains(" 0 without a digest, 0 problems"), "{told}");
}
