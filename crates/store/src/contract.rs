//! What both databases promise alike.

use std::time::Duration;

use concord_fhir::registry::ResourceType;
use diesel::sql_types::{BigInt, Text};
use diesel_migrations::MigrationHarness as _;

use crate::address::{DatabaseUrl, Durability};
use crate::audit::Record;
use crate::audit::index::MANY;
use crate::audit::{AuditIndexHint, AuditQuery, Reach};
use crate::connection::Connection;
use crate::database::Database;
use crate::error::StoreError;
use crate::fair_queue::Asker;
use crate::migrate::{POSTGRES, SQLITE, migrate, missing_migrations};
use crate::statement::Sql;
use crate::testing::Scratch;
use crate::transaction::Transaction;

/// The schema as the database itself tells it, one line for each thing in it.
fn schema(address: &DatabaseUrl) -> Vec<String> {
    let mut connection = Connection::open(address, Durability::Process).unwrap();
    let asked = match address {
        DatabaseUrl::Sqlite(_) => {
            "SELECT type || ' ' || name || ' ' || coalesce(sql, '') FROM sqlite_master \
             WHERE tbl_name <> '__diesel_schema_migrations' ORDER BY 1"
        }
        DatabaseUrl::Postgres(_) => {
            "SELECT * FROM ( \
             SELECT 'column ' || table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable || ' ' \
             || coalesce(column_default, identity_generation, '') || ' ' || coalesce(collation_name, '') AS told \
             FROM information_schema.columns WHERE table_schema = 'public' \
             UNION ALL SELECT 'index ' || indexdef FROM pg_indexes WHERE schemaname = 'public' \
             UNION ALL SELECT 'constraint ' || conrelid::regclass::text || ' ' || pg_get_constraintdef(oid) \
             FROM pg_constraint WHERE connamespace = 'public'::regnamespace \
             UNION ALL SELECT 'trigger ' || pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal \
             UNION ALL SELECT 'function ' || pg_get_functiondef(oid) FROM pg_proc \
             WHERE pronamespace = 'public'::regnamespace \
             ) AS all_of_it WHERE told NOT LIKE '%__diesel_schema_migrations%' ORDER BY told"
        }
    };
    connection.rows::<(Text,), (String,)>(Sql::new(asked)).unwrap().into_iter().map(|row| row.0).collect()
}

#[test]
fn a_database_of_a_newer_release_is_refused() {
    for scratch in Scratch::both() {
        migrate(&scratch.address).unwrap();
        let mut connection = Connection::open(&scratch.address, Durability::Process).unwrap();
        connection.execute_for_test("INSERT INTO __diesel_schema_migrations (version) VALUES ('20991231000001')");
        drop(connection);
        let before = schema(&scratch.address);
        for refused in [migrate(&scratch.address).unwrap_err(), missing_migrations(&scratch.address).unwrap_err()] {
            assert!(refused.contains("newer release") && refused.contains("20991231000001"), "{refused}");
        }
        assert_eq!(schema(&scratch.address), before);
    }
}

#[test]
fn migrations_up_down_and_up_again_leave_the_same_schema() {
    for scratch in Scratch::both() {
        let missing = missing_migrations(&scratch.address).unwrap();
        assert_eq!(schema(&scratch.address), Vec::<String>::new(), "to look changes nothing");
        let names = migrate(&scratch.address).unwrap();
        assert!(!names.is_empty());
        assert_eq!(missing.len(), names.len(), "{missing:?} {names:?}");
        assert_eq!(missing_migrations(&scratch.address).unwrap(), Vec::<String>::new());
        let up = schema(&scratch.address);
        assert!(up.len() > 10, "{up:?}");
        assert_eq!(migrate(&scratch.address).unwrap(), Vec::<String>::new(), "a second time there is nothing to do");
        let mut connection = Connection::open(&scratch.address, Durability::Process).unwrap();
        match &mut connection.database {
            Database::Sqlite(sqlite) => drop(sqlite.revert_all_migrations(SQLITE).unwrap()),
            Database::Postgres(postgres) => drop(postgres.revert_all_migrations(POSTGRES).unwrap()),
        }
        drop(connection);
        assert_eq!(schema(&scratch.address), Vec::<String>::new(), "down leaves nothing");
        assert_eq!(migrate(&scratch.address).unwrap(), names);
        assert_eq!(schema(&scratch.address), up);
    }
}

#[test]
fn two_processes_that_start_together_migrate_once() {
    for scratch in Scratch::both() {
        let done: Vec<Vec<String>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| migrate(&scratch.address).unwrap())).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(done.iter().filter(|names| !names.is_empty()).count(), 1, "{done:?}");
    }
}

pub(crate) fn record(reason: &str) -> Record {
    Record { agent: "test".to_owned(), reason: reason.to_owned(), resource_type: -1, ..Record::default() }
}

fn all() -> AuditQuery {
    AuditQuery { condition: Sql::new("1 = 1"), hint: None, reach: Reach::ALL }
}

pub(crate) fn reasons(transaction: &mut Transaction<'_>) -> Vec<String> {
    let events = transaction.events(&all(), None, true, 100).unwrap();
    events.into_iter().map(|event| event.record.reason).collect()
}

#[tokio::test]
async fn what_fails_is_undone_and_its_record_stands() {
    for scratch in Scratch::both() {
        let store = scratch.store();
        let done = store.write(|transaction| (transaction.make_patient_key("kept"), vec![record("done")]));
        assert!(done.await.is_ok());
        let refused = store.write(|transaction| {
            transaction.make_patient_key("undone").unwrap();
            (Err::<(), _>(StoreError::Conflict("refused".to_owned())), vec![record("refused")])
        });
        assert!(matches!(refused.await, Err(StoreError::Conflict(_))));
        let broken = store.write(|transaction| {
            transaction.make_patient_key("broken").unwrap();
            (transaction.run(Sql::new("INSERT INTO patient (key) VALUES (0)")).map(drop), vec![record("broken")])
        });
        assert!(broken.await.is_err());
        let panicked = store.write(|transaction| -> crate::Reply<()> {
            transaction.make_patient_key("panicked").unwrap();
            panic!("in the middle of it")
        });
        assert!(matches!(panicked.await, Err(StoreError::Internal(_))));
        let told = store.read(|transaction| {
            let known =
                ["kept", "undone", "broken", "panicked"].map(|id| transaction.patient_key(id).unwrap().is_some());
            (Ok::<_, StoreError>((known, reasons(transaction))), vec![record("read")])
        });
        let (known, told) = told.await.unwrap();
        assert_eq!(known, [true, false, false, false]);
        assert_eq!(told, ["done", "refused", "broken"]);
        let told = store.read(|transaction| (Ok::<_, StoreError>(reasons(transaction)), Vec::new())).await.unwrap();
        assert_eq!(told.last().map(String::as_str), Some("read"), "a read is in the log before it is answered");
    }
}

#[tokio::test]
async fn the_log_and_the_history_cannot_be_changed() {
    for scratch in Scratch::both() {
        let store = scratch.store();
        store.append(vec![record("kept")]).await.unwrap();
        for statement in ["UPDATE audit SET reason = ''", "DELETE FROM audit"] {
            let changed = store.write(move |transaction| (transaction.run(Sql::new(statement)), Vec::new())).await;
            assert!(changed.is_err(), "{statement}");
        }
        let told = store.read(|transaction| (Ok::<_, StoreError>(reasons(transaction)), Vec::new())).await.unwrap();
        assert_eq!(told, ["kept"]);
    }
}

#[tokio::test]
async fn a_read_changes_nothing() {
    for scratch in Scratch::both() {
        let store = scratch.store();
        let written = store.read(|transaction| (transaction.make_patient_key("x"), Vec::new())).await;
        assert!(written.is_err());
        let known = store.read(|transaction| (transaction.patient_key("x"), Vec::new())).await.unwrap();
        assert_eq!(known, None);
    }
}

#[tokio::test]
async fn nodes_that_work_at_one_time_number_their_rows_apart() {
    for scratch in Scratch::both() {
        let (one, other) = (scratch.store(), scratch.store());
        let mut numbers = Vec::new();
        for store in [&one, &other, &one, &other] {
            numbers.push(
                store.read(|transaction| (Ok::<_, StoreError>(transaction.next_key()), Vec::new())).await.unwrap(),
            );
            store.append(vec![record("at the same millisecond")]).await.unwrap();
        }
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), 4);
    }
}

#[tokio::test]
async fn settings_are_made_once() {
    for scratch in Scratch::both() {
        let (one, other) = (scratch.store(), scratch.store());
        let (first, second) = tokio::join!(one.setting("s", "one".to_owned()), other.setting("s", "other".to_owned()));
        assert_eq!(first.unwrap(), second.unwrap());
    }
}

#[tokio::test]
async fn many_records_are_appended_and_counted() {
    for scratch in Scratch::both() {
        let store = scratch.store();
        let records: Vec<Record> = (0..300).map(|number| record(&number.to_string())).collect();
        store.append(records).await.unwrap();
        let counted = store.read(|transaction| (transaction.count_events(&all()), Vec::new())).await;
        assert_eq!(counted.unwrap(), 300);
        let told = store.read(|transaction| (Ok::<_, StoreError>(reasons(transaction)), Vec::new())).await.unwrap();
        let wanted: Vec<String> = (0..100).map(|number| number.to_string()).collect();
        assert_eq!(told, wanted, "in the order in which they came");
    }
}

/// Which events are found by a hint, newest first, in pages.
async fn found_by(store: &crate::Store, hint: AuditIndexHint, condition: Sql) -> Vec<String> {
    let sought = AuditQuery { condition, hint: Some(hint), reach: Reach::ALL };
    let found = store.read(move |transaction| {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let page = transaction.events(&sought, after, false, 100).unwrap();
            let Some(last) = page.last() else { break };
            after = Some(last.pk);
            all.extend(page.into_iter().map(|event| event.record.reason));
        }
        assert_eq!(transaction.count_events(&sought).unwrap(), i64::try_from(all.len()).unwrap());
        (Ok::<_, StoreError>(all), Vec::new())
    });
    found.await.unwrap()
}

#[tokio::test]
async fn no_event_is_missed_by_patient_or_agent() {
    for scratch in Scratch::both() {
        // A process whose clock is behind numbers its events below those that will have been entered.
        let behind = scratch.store_at(crate::testing::NOW - 3_600_000);
        let store = scratch.store();
        let key = store.write(|transaction| (transaction.make_patient_key("amina"), Vec::new())).await.unwrap();
        let about = move |number: usize| Record {
            patient: if number.is_multiple_of(3) { key } else { 0 },
            agent: format!("Practitioner/{}", number % 5),
            ..record(&number.to_string())
        };
        let mut last = 0;
        let mut check = async |store: &crate::Store, many: usize| {
            store.append((last..last + many).map(about).collect()).await.unwrap();
            last += many;
            let wanted = |fits: fn(usize) -> bool| (0..last).filter(|number| fits(*number)).count();
            let found = found_by(store, AuditIndexHint::Patients(vec![key]), Sql::new("a.patient = ").bind(key)).await;
            assert_eq!(found.len(), wanted(|number| number.is_multiple_of(3)), "by patient, {last}");
            let [two, four] = ["Practitioner/2", "Practitioner/4"].map(str::to_owned);
            let condition = Sql::new("a.agent IN (").bind(two.as_str()).sql(", ").bind(four.as_str()).sql(")");
            let mut found = found_by(store, AuditIndexHint::Agents(vec![two, four]), condition).await;
            assert_eq!(found.len(), wanted(|number| [2, 4].contains(&(number % 5))), "by agent, {last}");
            found.sort_unstable();
            found.dedup();
            assert_eq!(found.len(), wanted(|number| [2, 4].contains(&(number % 5))), "each once, {last}");
        };
        check(&store, 10).await;
        check(&store, MANY).await;
        check(&store, 7).await;
        check(&behind, 9).await;
        check(&store, MANY - 1).await;
        check(&behind, MANY).await;
        check(&store, 3).await;
    }
}

#[tokio::test]
async fn the_embedded_database_pages_through_the_log_by_patient_and_by_agent() {
    let scratch = Scratch::both().into_iter().next().unwrap();
    let store = scratch.store();
    store.append((0..MANY + 10).map(|number| record(&number.to_string())).collect()).await.unwrap();
    let hints = [
        (AuditIndexHint::Patients(vec![7]), Sql::new("a.patient = ").bind(7_i64), "i USING PRIMARY KEY (patient=?"),
        (
            AuditIndexHint::Agents(vec!["x".to_owned()]),
            Sql::new("a.agent = ").bind("x"),
            "i USING PRIMARY KEY (agent=?",
        ),
    ];
    for (hint, condition, index) in hints {
        for after in [None, Some(5)] {
            let sought = AuditQuery { condition: condition.clone(), hint: Some(hint.clone()), reach: Reach::ALL };
            let plan = store
                .read(move |transaction| (Ok::<_, StoreError>(transaction.plan_of_events(&sought, after)), Vec::new()));
            let plan = plan.await.unwrap();
            assert!(plan.iter().any(|step| step.contains(index)), "{plan:#?}");
            assert!(!plan.iter().any(|step| step == "SCAN a" || step.contains("TEMP B-TREE")), "{plan:#?}");
        }
    }
}

#[tokio::test]
async fn keys_of_patients_are_the_same_for_everybody() {
    for scratch in Scratch::both() {
        let (one, other) = (scratch.store(), scratch.store());
        let make = |transaction: &mut Transaction<'_>| (transaction.make_patient_key("amina"), Vec::new());
        let (first, second) = tokio::join!(one.write(make), other.write(make));
        let key = first.unwrap();
        assert_eq!(second.unwrap(), key);
        let id = other.read(move |transaction| (transaction.patient_id(key), Vec::new())).await.unwrap();
        assert_eq!(id, "amina");
        let bumped = one.write(move |transaction| (transaction.bump_access_version(key), Vec::new())).await;
        assert!(bumped.is_ok());
        let versions = other.read(move |transaction| (transaction.access_versions(key), Vec::new())).await.unwrap();
        assert!(versions.0 != 0 && versions.1 == 0, "seen by the other at once: {versions:?}");
        let count = Sql::new("SELECT count(*) FROM patient");
        let counted = one.read(|transaction| (transaction.rows::<(BigInt,), (i64,)>(count), Vec::new())).await.unwrap();
        assert_eq!(counted, [(2,)]);
    }
}

#[tokio::test]
async fn an_access_version_is_never_used_twice() {
    for scratch in Scratch::both() {
        let store = scratch.store();
        let key = store.write(|transaction| (transaction.make_patient_key("amina"), Vec::new())).await.unwrap();
        let (tell, told) = std::sync::mpsc::channel();
        let undone = store.write(move |transaction| {
            transaction.bump_access_version(key).unwrap();
            tell.send(transaction.access_versions(key).unwrap()).unwrap();
            (Err::<(), _>(StoreError::Conflict("refused".to_owned())), Vec::new())
        });
        assert!(undone.await.is_err());
        let stands = store.write(move |transaction| {
            transaction.bump_access_version(key).unwrap();
            (transaction.access_versions(key), Vec::new())
        });
        assert_ne!(stands.await.unwrap(), told.recv().unwrap(), "what was seen under the first is not used again");
    }
}

#[tokio::test]
async fn a_point_read_may_need_one_statement_or_more() {
    const PATIENT: ResourceType = ResourceType::of("Patient");
    for scratch in Scratch::both() {
        let store = scratch.store();
        let once = store.read_head(Asker::SERVER, PATIENT, "nobody", |transaction| {
            (transaction.access_versions(0), vec![record("once")])
        });
        assert_eq!(once.await.unwrap(), (0, 0));
        let twice = store.read_head(Asker::SERVER, PATIENT, "nobody", |transaction| {
            let first = transaction.access_versions(0);
            (first.and_then(|_| transaction.access_versions(0)), vec![record("twice")])
        });
        assert_eq!(twice.await.unwrap(), (0, 0));
        let refused = store
            .read_head(Asker::SERVER, PATIENT, "nobody", |_| {
                (Err::<(), _>(StoreError::Conflict("refused".to_owned())), vec![record("refused")])
            })
            .await;
        assert!(matches!(refused, Err(StoreError::Conflict(_))));
        let panicked = store
            .read_head(Asker::SERVER, PATIENT, "nobody", |_| -> crate::Reply<()> { panic!("in the middle of it") })
            .await;
        assert!(matches!(panicked, Err(StoreError::Internal(_))));
        let told = store.read(|transaction| (Ok::<_, StoreError>(reasons(transaction)), Vec::new())).await.unwrap();
        assert_eq!(told, ["once", "twice", "refused"], "each is in the log once");
    }
}

/// Counts to a very great number.
fn endless() -> Sql {
    Sql::new(
        "WITH RECURSIVE n(i) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < 1000000000000) \
         SELECT count(*) FROM n",
    )
}

#[tokio::test]
async fn a_search_that_takes_too_long_is_stopped() {
    for scratch in Scratch::both() {
        let store = scratch.store_with(Duration::from_millis(100));
        let costly = |result: &Result<Vec<i64>, StoreError>| matches!(result, Err(StoreError::TooCostly(_)));
        let stopped = store.read(|transaction| (transaction.numbers(endless()), Vec::new())).await;
        assert!(costly(&stopped), "{stopped:?}");
        // Where a write looks for something, the write is undone and the next one is done.
        let stopped = store.write(|transaction| {
            transaction.make_patient_key("undone").unwrap();
            (transaction.numbers(endless()), vec![record("stopped")])
        });
        let stopped = stopped.await;
        assert!(costly(&stopped), "{stopped:?}");
        let done = store.write(|transaction| (transaction.make_patient_key("done"), vec![record("done")])).await;
        assert!(done.is_ok(), "{done:?}");
        let told = store.read(|transaction| {
            let known = ["undone", "done"].map(|id| transaction.patient_key(id).unwrap().is_some());
            (Ok::<_, StoreError>((known, reasons(transaction))), Vec::new())
        });
        let (known, told) = told.await.unwrap();
        assert_eq!((known, told), ([false, true], vec!["stopped".to_owned(), "done".to_owned()]));
    }
}
