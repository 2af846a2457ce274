//! What connections keep prepared does not grow with what is stored, nor with what is asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use concord_fhir::index::ParameterId;
use concord_fhir::predicate::{Predicate, Test};
use concord_fhir::registry::ResourceType;
use diesel::connection::{Connection as _, InstrumentationEvent};
use diesel::sql_types::BigInt;

use crate::Reply;
use crate::address::Durability;
use crate::connection::Connection;
use crate::database::Database;
use crate::search::{PageRequest, TypeQuery};
use crate::statement::Sql;
use crate::testing::Scratch;

/// How many statements a connection has prepared to be kept, and how long their texts are together.
#[derive(Clone, Default)]
struct Kept(Arc<(AtomicUsize, AtomicUsize)>);

impl Kept {
    fn of(connection: &mut Connection) -> Kept {
        let kept = Kept::default();
        let own = Arc::clone(&kept.0);
        let note = move |event: InstrumentationEvent<'_>| {
            if let InstrumentationEvent::CacheQuery { sql, .. } = event {
                own.0.fetch_add(1, Ordering::Relaxed);
                own.1.fetch_add(sql.len(), Ordering::Relaxed);
            }
        };
        match &mut connection.database {
            Database::Sqlite(database) => database.set_instrumentation(note),
            Database::Postgres(database) => database.set_instrumentation(note),
        }
        kept
    }

    fn taken(&self) -> (usize, usize) {
        (self.0.0.load(Ordering::Relaxed), self.0.1.load(Ordering::Relaxed))
    }
}

/// Whether a number is one of so many.
fn one_of(values: i64) -> Sql {
    let mut sql = Sql::new("SELECT CAST(7 AS BIGINT) WHERE 1 IN (0");
    for value in 0..values {
        sql = sql.sql(", ").bind(value);
    }
    sql.sql(")")
}

#[test]
fn statements_that_name_each_of_many_are_kept_while_they_are_few() {
    for scratch in Scratch::both() {
        let mut connection = Connection::open(&scratch.address, Durability::Process).unwrap();
        let kept = Kept::of(&mut connection);
        for values in 1..1_200 {
            for _ in 0..2 {
                let rows = connection.rows::<(BigInt,), (i64,)>(one_of(values)).unwrap();
                assert_eq!(rows.len(), usize::from(values > 1), "{values}");
            }
        }
        let (statements, bytes) = kept.taken();
        assert!(statements >= 200, "what is short or came first is kept: {statements}");
        assert!(statements <= 330 && bytes <= 2 * 1024 * 1024, "{statements} of {bytes} bytes");
    }
}

#[test]
fn no_statement_is_kept_that_is_as_long_as_a_book() {
    for scratch in Scratch::both() {
        let mut connection = Connection::open(&scratch.address, Durability::Process).unwrap();
        let kept = Kept::of(&mut connection);
        for number in 0..40_i64 {
            let mut sql = Sql::new(format!("SELECT CAST({number} AS BIGINT), '{}'", "x".repeat(100_000)));
            connection.bounded(&mut sql);
            connection.rows::<(BigInt, diesel::sql_types::Text), (i64, String)>(sql).unwrap();
        }
        assert_eq!(kept.taken(), (0, 0));
    }
}

/// Where such a search has been planned for its values, it takes several times as long to plan as to run.
#[tokio::test]
async fn what_is_short_for_any_values_is_planned_once_and_the_next_work_for_its_values() {
    let [_, scratch] = Scratch::both();
    let store = scratch.store();
    let chain = Predicate::ReverseChain {
        target: ResourceType::of("Patient"),
        resource_type: ResourceType::of("Observation"),
        parameter: ParameterId::of("Observation.patient"),
        by: Box::new(Predicate::All),
    };
    let is = |parameter| Predicate::Entry(ParameterId::of(parameter), Test::Is("a|b".to_owned()));
    for (record, predicate, once) in [
        (None, chain.clone(), true),
        (None, Predicate::All, false),
        (None, is("Patient.identifier").and(is("Patient.active")), true),
        (None, is("Patient.active"), false),
        (Some("her".to_owned()), chain, false),
        (None, Predicate::All, false),
    ] {
        let queries = [TypeQuery { resource_type: ResourceType::of("Patient"), record, predicate }];
        let found = store.read(move |transaction| -> Reply<_> {
            let wanted = PageRequest { queries: &queries, sort: &[], after: None, limit: 5 };
            transaction.page(&wanted).unwrap();
            (transaction.texts(Sql::new("SELECT current_setting('plan_cache_mode')")), Vec::new())
        });
        let told = if once { "force_generic_plan" } else { "auto" };
        assert_eq!(found.await.unwrap(), [told]);
    }
}

#[tokio::test]
async fn who_gave_power_is_known_of_as_many_resources_as_there_are() {
    for scratch in Scratch::both() {
        let store = scratch.store();
        let found = store.read(|transaction| -> Reply<_> {
            // More than either database takes values.
            let all: Vec<i64> = (1..70_000).collect();
            (transaction.givers(&all).and_then(|givers| Ok((givers, transaction.filings(&all)?.len()))), Vec::new())
        });
        assert_eq!(found.await.unwrap(), (Vec::new(), 0));
    }
}
