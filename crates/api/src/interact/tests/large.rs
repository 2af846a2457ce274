//! Reads of what is large: whoever waits for the same as they do waits for no body of theirs, and nothing else is told of them.

use std::sync::Arc;

use concord_fhir::json::Value as JsonValue;
use concord_fhir::registry::ResourceType;
use concord_store::StoreError;
use serde_json::{Value, json};

use crate::error::ApiError;
use crate::interact::command::{Command, Unless};
use crate::interact::execute::{Outcome, carry_out};
use crate::interact::tests::search::{on_each, patient, store};
use crate::interact::{Call, Service};

const OBSERVATION: ResourceType = ResourceType::of("Observation");

/// How many letters the large one has.
const LARGE: usize = 300_000;

fn noted(id: &str, letters: usize) -> Value {
    json!({"resourceType": "Observation", "id": id, "status": "final", "code": {"text": "x"},
        "subject": {"reference": "Patient/ann"}, "note": [{"text": "y".repeat(letters)}]})
}

async fn arrive(service: &Arc<Service>) {
    for one in [
        json!({"resourceType": "Patient", "id": "ann", "name": [{"family": "A"}]}),
        json!({"resourceType": "Patient", "id": "bob", "name": [{"family": "B"}]}),
        noted("small", 11),
        noted("small", 10),
        noted("large", LARGE + 1),
        noted("large", LARGE),
    ] {
        store(service, one).await;
    }
}

/// Every way to read one of them, with the version that it leads to.
fn reads(id: &str, has_it: bool) -> Vec<(i64, Command)> {
    let unless = |version: i64| has_it.then(|| Unless::OneOf(vec![version]));
    let read = Command::Read { resource_type: OBSERVATION, id: id.to_owned(), unless: unless(2) };
    let vread = |version| {
        let unless = unless(version);
        (version, Command::Vread { resource_type: OBSERVATION, id: id.to_owned(), version, unless })
    };
    vec![(2, read), vread(2), vread(1)]
}

/// What a command led to, how many statements it took, and how many records of the log it left: of what was done, and of what was
/// refused.
async fn carried(service: &Arc<Service>, call: Call, command: Command) -> (Result<Outcome, ApiError>, u64, (i64, i64)) {
    let logged = async || {
        let counts =
            service.store.read(|transaction| (Ok::<_, StoreError>(transaction.row_counts()), Vec::new())).await;
        let counts = counts.unwrap();
        let of = |end: &str| counts.iter().find(|(table, _)| table.ends_with(end)).unwrap().1;
        (of("outcome = 0"), of("outcome <> 0"))
    };
    let (before, statements) = (logged().await, service.store.statements());
    let done = carry_out(service, call, command).await;
    let statements = service.store.statements() - statements;
    let after = logged().await;
    (done, statements, (after.0 - before.0, after.1 - before.1))
}

#[tokio::test]
async fn whoever_has_it_or_may_not_see_it_has_nobody_wait_for_a_large_body() {
    on_each(async |service: Arc<Service>| {
        arrive(&service).await;
        // What they may do is known from here on.
        for (who, (_, command)) in
            ["ann", "bob"].into_iter().flat_map(|who| reads("small", false).into_iter().map(move |one| (who, one)))
        {
            let _known = carried(&service, patient(who), command).await;
        }
        for ((version, small), (_, large)) in reads("small", true).into_iter().zip(reads("large", true)) {
            let told = format!("{large:?}");
            let (_, statements, _) = carried(&service, patient("ann"), small).await;
            let (done, taken, logged) = carried(&service, patient("ann"), large).await;
            assert!(matches!(&done, Ok(Outcome::Unchanged(found)) if found.version == version), "{told}: {done:?}");
            assert_eq!((taken, logged), (statements, (1, 0)), "{told} is not done again");
        }
        for ((_, small), (_, large)) in reads("small", false).into_iter().zip(reads("large", false)) {
            let told = format!("{large:?}");
            let (_, statements, _) = carried(&service, patient("bob"), small).await;
            let (done, taken, logged) = carried(&service, patient("bob"), large).await;
            assert!(matches!(done, Err(ApiError::NotFound)), "{told}: {done:?}");
            assert_eq!((taken, logged), (statements, (0, 1)), "{told} is not done again");
        }
    })
    .await;
}

#[tokio::test]
async fn a_large_body_is_read_whole_beside_those_who_wait_and_told_once() {
    on_each(async |service: Arc<Service>| {
        arrive(&service).await;
        for (id, letters) in [("small", 10), ("large", LARGE)] {
            for (version, command) in reads(id, false) {
                let told = format!("{command:?}");
                let (done, _, logged) = carried(&service, patient("ann"), command).await;
                let Ok(Outcome::Found(found)) = done else { panic!("{told}: {done:?}") };
                assert_eq!((found.version, logged), (version, (1, 0)), "{told}");
                let value = found.resource().unwrap();
                let Some(JsonValue::Array(notes)) = value.get("note") else { panic!("{told}") };
                let note = notes.first().and_then(|note| note.text("text")).map(str::len);
                assert_eq!(note, Some(letters + usize::from(version == 1)), "{told}");
            }
        }
    })
    .await;
}
