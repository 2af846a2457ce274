//! The latest of a record are found whatever the data, in the same order as by sorting all of it, and however long the
//! record is.

use concord_fhir::index::{ParameterId, extract};
use concord_fhir::json::{self, Limits};
use concord_fhir::predicate::Predicate;
use concord_fhir::registry::{ResourceType, asked_by_date, clinical_date, clinical_dates};
use concord_fhir::search::{Handling, Sort, SortBy, parse};
use diesel::sql_types::BigInt;

use crate::address::DatabaseUrl;
use crate::error::StoreError;
use crate::lower::RECORD;
use crate::rows::{Method, Version};
use crate::search::{PageRequest, TypeQuery};
use crate::statement::Sql;
use crate::testing::{NOW, Scratch};
use crate::{Store, migrate};

const OBSERVATION: ResourceType = ResourceType::of("Observation");
const PROVENANCE: ResourceType = ResourceType::of("Provenance");

/// The newest first.
const NEWEST: [Sort; 1] = [Sort { by: SortBy::Range(ParameterId::of("Observation.date")), descending: true }];

/// What began first.
const OLDEST: [Sort; 1] = [Sort { by: NEWEST[0].by, descending: false }];

/// What was updated last.
const NEWLY: [Sort; 1] = [Sort { by: SortBy::Updated, descending: true }];

/// What was updated first.
const LONG_AGO: [Sort; 1] = [Sort { by: SortBy::Updated, descending: false }];

/// All that is read in its order, beside the same in a form that is not: what it is sorted by twice changes nothing.
const ORDERS: [(&[Sort], &[Sort]); 4] = [
    (&NEWEST, &[NEWEST[0], NEWEST[0]]),
    (&OLDEST, &[OLDEST[0], OLDEST[0]]),
    (&NEWLY, &[NEWLY[0], NEWLY[0]]),
    (&LONG_AGO, &[LONG_AGO[0], LONG_AGO[0]]),
];

/// A reading: of whom, with which codes, and when: a date, or what is from one to another.
struct Reading {
    patients: Vec<String>,
    codes: Vec<(String, String)>,
    date: Option<String>,
}

impl Reading {
    fn of(patient: &str, code: &str, date: Option<String>) -> Reading {
        Reading {
            patients: vec![patient.to_owned()],
            codes: vec![("http://loinc.org".to_owned(), code.to_owned())],
            date,
        }
    }

    fn body(&self, id: &str) -> String {
        let coding = |(system, code): &(String, String)| format!(r#"{{"system":"{system}","code":"{code}"}}"#);
        let codings: Vec<String> = self.codes.iter().map(coding).collect();
        let date = match self.date.as_deref().map(|date| date.split_once('/').ok_or(date)) {
            None => String::new(),
            Some(Err(date)) => format!(r#","effectiveDateTime":"{date}""#),
            Some(Ok(ends)) => {
                let ends = [("start", ends.0), ("end", ends.1)].into_iter().filter(|(_, date)| !date.is_empty());
                let ends: Vec<String> = ends.map(|(name, date)| format!(r#""{name}":"{date}""#)).collect();
                format!(r#","effectivePeriod":{{{}}}"#, ends.join(","))
            }
        };
        let subject = self.patients.first().map(String::as_str).unwrap_or_default();
        format!(
            r#"{{"resourceType":"Observation","id":"{id}","status":"final","code":{{"coding":[{}]}},"subject":{{"reference":"Patient/{subject}"}}{date}}}"#,
            codings.join(",")
        )
    }
}

async fn fill(store: &Store, readings: Vec<Reading>) {
    let stored = store.write(move |transaction| {
        for (number, reading) in readings.iter().enumerate() {
            let id = format!("r{number}");
            let body = reading.body(&id);
            let value = json::parse(body.as_bytes(), &Limits::default()).unwrap();
            let mut entries = extract(OBSERVATION, &id, NOW, &value);
            entries.patients.clone_from(&reading.patients);
            let patient = match entries.patients.first() {
                Some(patient) => transaction.make_patient_key(patient).unwrap(),
                None => 0,
            };
            let version = Version {
                key: transaction.next_key(),
                resource_type: OBSERVATION,
                id,
                version: 1,
                // Not in order, and some at one time.
                updated: NOW + i64::try_from(number * 7 % 23 / 2 + number / 23 * 11).unwrap() * 1_000,
                method: Method::Post,
                deleted: false,
                patient,
                patients: i16::try_from(entries.patients.len()).unwrap(),
                author: String::new(),
                labels: String::new(),
                body,
            };
            #[expect(clippy::disallowed_methods, reason = "the store by itself")]
            transaction.insert(&[(version, &entries)]).unwrap();
        }
        (Ok::<_, StoreError>(()), Vec::new())
    });
    stored.await.unwrap();
}

fn asked(text: &str) -> Predicate {
    let pairs: Vec<(String, String)> = text
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let query = parse(Some(OBSERVATION), &pairs, Handling::Strict, NOW, "").unwrap();
    query.predicate.and(Predicate::PatientCompartment("amina".to_owned()))
}

/// The ids on all pages, one after the other.
async fn pages(store: &Store, text: &str, sort: &'static [Sort], limit: u32) -> Vec<String> {
    let predicate = asked(text);
    let found = store.read(move |transaction| {
        let queries = [TypeQuery { resource_type: OBSERVATION, record: Some("amina".to_owned()), predicate }];
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let wanted = PageRequest { queries: &queries, sort, after: after.as_ref(), limit };
            let led = transaction.in_order(&wanted).unwrap().is_some();
            assert_eq!(led, sort.len() == 1, "{sort:?}");
            let (page, next) = transaction.page(&wanted).unwrap();
            all.extend(page.into_iter().map(|version| version.id));
            match next {
                // By twice the same there are two values, of which one is all that there is to say.
                Some(position) => after = Some(position),
                None => return (Ok::<_, StoreError>(all), Vec::new()),
            }
        }
    });
    found.await.unwrap()
}

/// Readings of all kinds, by a generator with a seed.
fn mixed(count: u64) -> Vec<Reading> {
    let mut state = 7_u64;
    let mut next = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    (0..count)
        .map(|_| {
            let patients = match next(5) {
                0 => vec!["other".to_owned()],
                1 => vec!["amina".to_owned(), "other".to_owned()],
                2 => vec!["other".to_owned(), "amina".to_owned()],
                _ => vec!["amina".to_owned()],
            };
            let codings = 1 + next(2);
            let codes = (0..codings).map(|_| {
                let system = ["http://loinc.org", "http://snomed.info/sct", "urn:own"][next(3) as usize];
                (system.to_owned(), ["a", "b", "c"][next(3) as usize].to_owned())
            });
            let codes: Vec<(String, String)> = codes.collect();
            let date = match next(8) {
                0 => None,
                1 => Some(format!("20{:02}", 10 + next(3))),
                2 => Some(format!("2011-0{}", 1 + next(9))),
                3 => Some(format!("2011-0{}/2011-0{}", 1 + next(3), 4 + next(5))),
                4 => Some(["2011-04/", "/2011-04", "2010/"][next(3) as usize].to_owned()),
                5 => Some(format!("2011-0{0}-1{1}T0{1}:00:00Z", 1 + next(9), next(9))),
                _ => Some(format!("2011-0{}-1{}", 1 + next(9), next(9))),
            };
            Reading { patients, codes, date }
        })
        .collect()
}

#[tokio::test]
async fn they_come_in_the_order_of_all() {
    for scratch in Scratch::both() {
        let store = scratch.store();
        fill(&store, mixed(150)).await;
        for text in [
            "",
            "code=a",
            "code=http://loinc.org|a",
            "code=a,b",
            "code=urn:own|c,http://loinc.org|b",
            "code=a&status=final",
            "code=a&date=ge2011-04",
            "date=gt2011",
            "date=le2011-05",
            "date=ge2011-05&code=b",
            "subject=Patient/amina",
            "subject=Patient/amina&code=b",
            "code:not=a",
            "status=final&code:missing=true",
        ] {
            for (in_order, sorted) in ORDERS {
                let all = pages(&store, text, sorted, 1_000).await;
                let by_date = !matches!(in_order, [Sort { by: SortBy::Updated, .. }]);
                for limit in if by_date { &[1, 3, 1_000][..] } else { &[4][..] } {
                    assert_eq!(pages(&store, text, in_order, *limit).await, all, "{text} by {limit} {in_order:?}");
                }
            }
        }
    }
}

/// How many steps a page of ten took.
async fn steps(store: &Store, text: &str, sort: &'static [Sort]) -> u64 {
    steps_of(store, text, sort, 10, 10).await
}

/// How many steps a page took, which was as long as that.
async fn steps_of(store: &Store, text: &str, sort: &'static [Sort], limit: u32, long: usize) -> u64 {
    let predicate = asked(text);
    let taken = store.read(move |transaction| {
        let queries = [TypeQuery { resource_type: OBSERVATION, record: Some("amina".to_owned()), predicate }];
        let wanted = PageRequest { queries: &queries, sort, after: None, limit };
        let watch = transaction.watch(crate::Cost::UNBOUNDED).unwrap();
        // The steps are counted in thousands.
        for _ in 0..100 {
            assert_eq!(transaction.page(&wanted).unwrap().0.len(), long);
        }
        (Ok::<_, StoreError>(watch.taken()), Vec::new())
    });
    taken.await.unwrap()
}

#[tokio::test]
async fn ten_cost_the_same_in_a_long_record() {
    // Of those by their updates so many are looked at before it is said that there are more.
    let counts = [700, 5_000];
    let mut taken = Vec::new();
    for count in counts {
        let [scratch, _] = Scratch::both();
        let store = scratch.store();
        let at = |day: u32| Some(format!("20{:02}-{:02}-{:02}", 10 + day / 336, 1 + day / 28 % 12, 1 + day % 28));
        fill(&store, (0..count).map(|day| Reading::of("amina", "a", at(day))).collect()).await;
        let mut of_each = Vec::new();
        for text in ["", "code=a", "code=http://loinc.org|a", "status=final&code=a", "subject=Patient/amina"] {
            for (in_order, _) in ORDERS {
                of_each.push(steps(&store, text, in_order).await);
            }
        }
        taken.push(of_each);
    }
    for (few, many) in taken[0].iter().zip(&taken[1]) {
        assert!(*many <= few + few / 2, "{taken:?}");
    }
}

#[tokio::test]
async fn a_page_that_has_all_is_read_once() {
    let [scratch, _] = Scratch::both();
    let store = scratch.store();
    let at = |day: u32| Some(format!("2024-{:02}-{:02}", 1 + day / 28 % 12, 1 + day % 28));
    fill(&store, (0..300).map(|day| Reading::of("amina", "a", at(day))).collect()).await;
    for text in ["code=a", "code=a&date=ge2023", "date=lt2026"] {
        let [in_order, sorted] = [&OLDEST[..], ORDERS[1].1];
        let of_sorted = steps_of(&store, text, sorted, 300, 300).await;
        let taken = steps_of(&store, text, in_order, 300, 300).await;
        assert!(taken < of_sorted + of_sorted / 8, "{text}: {taken}, and {of_sorted} sorted");
    }
}

fn numbers(all: Vec<i32>) -> String {
    let lines: Vec<String> =
        all.chunks(8).map(|some| some.iter().map(i32::to_string).collect::<Vec<_>>().join(", ")).collect();
    lines.join(",\n    ")
}

/// What a later one says of other dates.
fn later_migration(infinity: &str) -> String {
    let mut dates: Vec<i32> = clinical_dates().map(|(_, date)| date.0).collect();
    dates.sort_unstable();
    let recorded = clinical_date(PROVENANCE).unwrap().0;
    format!(
        "UPDATE entry SET dated = high WHERE key = '' AND high IS NOT NULL AND parameter NOT IN (\n    {}\n);\nUPDATE entry SET \
         dated = coalesce((SELECT max(d.high) FROM entry d WHERE d.resource = entry.resource AND d.parameter = {recorded}), \
         {infinity})\nWHERE parameter = {} AND key = 'Provenance';",
        numbers(dates),
        RECORD.0
    )
}

/// What a migration says of it, by the tables of the search parameters.
fn migration(infinity: &str) -> String {
    // A Provenance has one only since a later migration.
    let then = || clinical_dates().filter(|(resource_type, _)| *resource_type != PROVENANCE);
    let names: Vec<String> = then().map(|(resource_type, _)| format!("'{resource_type}'")).collect();
    let names: Vec<String> = names.chunks(6).map(|some| some.join(", ")).collect();
    let mut dates: Vec<i32> = then().map(|(_, date)| date.0).collect();
    dates.sort_unstable();
    format!(
        "UPDATE entry SET dated = coalesce((SELECT max(d.high) FROM entry d WHERE d.resource = entry.resource AND d.parameter IN (\n    \
         {}\n)), {infinity})\nWHERE parameter IN (\n    {}\n) OR (parameter = {} AND key IN (\n    {}\n));",
        numbers(dates),
        numbers(asked_by_date().into_iter().map(|one| one.0).collect()),
        RECORD.0,
        names.join(",\n    ")
    )
}

#[tokio::test]
async fn what_nobody_has_is_found_nowhere() {
    for scratch in Scratch::both() {
        let store = scratch.store();
        fill(&store, mixed(30)).await;
        for (sort, _) in ORDERS {
            for text in ["code=nobody", "code=urn:own|nobody", "code=nobody,no-one", "code=nobody&date=ge2011"] {
                let predicate = asked(text);
                let found = store.read(move |transaction| {
                    let record = Some("amina".to_owned());
                    let queries = [TypeQuery { resource_type: OBSERVATION, record, predicate }];
                    let wanted = PageRequest { queries: &queries, sort, after: None, limit: 3 };
                    (transaction.page(&wanted).map(|(page, next)| page.is_empty() && next.is_none()), Vec::new())
                });
                assert!(found.await.unwrap(), "{text} {sort:?}");
            }
        }
    }
}

#[tokio::test]
async fn what_is_rare_is_found_however_long_ago_it_was_updated() {
    for scratch in Scratch::both() {
        let store = scratch.store();
        let code = |number: usize| if number.is_multiple_of(300) { "rare" } else { "a" };
        let readings = (0..1_200).map(|number| Reading::of("amina", code(number), None));
        fill(&store, readings.collect()).await;
        let found = store.read(|transaction| {
            let predicate = asked("code=rare");
            let queries = [TypeQuery { resource_type: OBSERVATION, record: Some("amina".to_owned()), predicate }];
            let page = |sort| PageRequest { queries: &queries, sort, after: None, limit: 3 };
            let led = transaction.in_order(&page(&NEWLY)).unwrap().is_some();
            let (newly, _) = transaction.page(&page(&NEWLY)).unwrap();
            let (sorted, _) = transaction.page(&page(ORDERS[2].1)).unwrap();
            let ids = |page: Vec<Version>| page.into_iter().map(|version| version.id).collect::<Vec<_>>();
            (Ok::<_, StoreError>((led, ids(newly), ids(sorted))), Vec::new())
        });
        let (led, newly, sorted) = found.await.unwrap();
        assert!(!led, "it is not among the first that are looked at");
        assert_eq!(newly, sorted);
    }
}

#[test]
fn the_migrations_know_the_parameters() {
    let earliest = format!("parameter = {};", RECORD.0);
    assert!(include_str!("../migrations/sqlite/2026-11-29-000028_earliest/up.sql").contains(&earliest), "{earliest}");
    assert!(include_str!("../migrations/postgres/2026-11-29-000028_earliest/up.sql").contains(&earliest));

    let sqlite = include_str!("../migrations/sqlite/2026-11-28-000008_latest/up.sql");
    assert!(sqlite.contains(&migration("-9e999")), "{}", migration("-9e999"));
    let postgres = include_str!("../migrations/postgres/2026-11-28-000008_latest/up.sql");
    assert!(postgres.contains(&migration("'-Infinity'")), "{}", migration("'-Infinity'"));

    let sqlite = include_str!("../migrations/sqlite/2026-11-29-000044_other_dates/up.sql");
    assert!(sqlite.contains(&later_migration("-9e999")), "{}", later_migration("-9e999"));
    let postgres = include_str!("../migrations/postgres/2026-11-29-000044_other_dates/up.sql");
    assert!(postgres.contains(&later_migration("'-Infinity'")), "{}", later_migration("'-Infinity'"));
}

#[tokio::test]
async fn what_was_stored_before_is_found_too() {
    for scratch in Scratch::both() {
        let store = scratch.store();
        fill(&store, mixed(60)).await;
        let before = pages(&store, "code=a", &NEWEST, 5).await;
        let earliest = pages(&store, "code=a", &OLDEST, 5).await;
        // As it was before the dates came.
        let indexes = match scratch.address {
            DatabaseUrl::Postgres(_) => "DROP INDEX entry_latest",
            DatabaseUrl::Sqlite(_) => {
                "DROP INDEX entry_when; DROP INDEX entry_key; CREATE INDEX entry_key ON entry (parameter, key, patient, resource) \
                 WHERE key <> ''"
            }
        };
        let undone = format!(
            "{indexes}; ALTER TABLE entry DROP COLUMN dated; DELETE FROM __diesel_schema_migrations WHERE version IN \
             ('20261128000008', '20261129000034', '20261129000044')"
        );
        crate::testing::execute(&scratch.address, &undone);
        assert_eq!(migrate(&scratch.address).unwrap().len(), 3);
        assert_eq!(pages(&scratch.store(), "code=a", &NEWEST, 5).await, before);
        assert_eq!(pages(&scratch.store(), "code=a", &OLDEST, 5).await, earliest);
        let dated = store.read(|transaction| {
            let sql = Sql::new("SELECT count(*) FROM entry e WHERE e.dated IS NOT NULL");
            (transaction.rows::<(BigInt,), (i64,)>(sql), Vec::new())
        });
        assert!(dated.await.unwrap()[0].0 > 60);
    }
}
