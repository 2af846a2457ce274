//! A record is read in the order of each of its dates and numbers: as by sorting all, and however long it is.

use concord_fhir::index::{Entries, Entry, ParameterId};
use concord_fhir::predicate::{Predicate, Test};
use concord_fhir::registry::{Kind, ResourceType, combined, is_event, parameter, parameters};
use concord_fhir::search::{Sort, SortBy};
use diesel::sql_types::Text;

use super::clinical_date;
use crate::address::DatabaseUrl;
use crate::error::StoreError;
use crate::rows::{Method, Version};
use crate::search::{PageRequest, TypeQuery};
use crate::statement::Sql;
use crate::testing::{NOW, Scratch};
use crate::transaction::Transaction;
use crate::{Cost, Store};

const CONDITION: ResourceType = ResourceType::of("Condition");

/// A generator with a seed.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// The parameters of a type whose rows are dates or numbers.
fn ranges(resource_type: ResourceType) -> Vec<ParameterId> {
    let is_range = |kind: Kind| matches!(kind, Kind::Date | Kind::Number);
    let own = parameters(resource_type).filter(|one| one.resource_type.is_some() && combined(one.id).is_none());
    own.filter(|one| is_range(one.kind)).map(|one| one.id).collect()
}

/// The rows of one value: a moment, a day, or what is from one day to another or open.
fn row(parameter: ParameterId, numbers: &mut Numbers) -> Entry {
    const DAY: f64 = 86_400_000.0;
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let day = numbers.below(40) as f64 * DAY;
    let (low, high) = match numbers.below(6) {
        0 => (day, day),
        1 => (day, day + 3.5 * DAY),
        2 => (day, f64::INFINITY),
        3 => (f64::NEG_INFINITY, day),
        _ => (day, day + DAY - 1.0),
    };
    Entry { parameter, key: String::new(), low: Some(low), high: Some(high) }
}

/// Stores resources of a type in the record of `amina`, with these rows each.
async fn fill(store: &Store, resource_type: ResourceType, all: Vec<Vec<Entry>>) {
    let stored = store.write(move |transaction| {
        let patient = transaction.make_patient_key("amina").unwrap();
        for (number, rows) in all.into_iter().enumerate() {
            let id = format!("r{number}");
            let entries =
                Entries { rows, ..Entries::none(resource_type, id.clone(), NOW) }.part_of(vec!["amina".to_owned()]);
            let version = Version {
                key: transaction.next_key(),
                resource_type,
                id,
                version: 1,
                updated: NOW + i64::try_from(number).unwrap() * 1_000,
                method: Method::Post,
                deleted: false,
                patient,
                patients: 1,
                author: String::new(),
                labels: String::new(),
                body: format!(r#"{{"resourceType":"{resource_type}"}}"#),
            };
            #[expect(clippy::disallowed_methods, reason = "the store by itself")]
            transaction.insert(&[(version, &entries)]).unwrap();
        }
        (Ok::<_, StoreError>(()), Vec::new())
    });
    stored.await.unwrap();
}

fn in_record(resource_type: ResourceType, more: Predicate) -> [TypeQuery; 1] {
    let predicate = more.and(Predicate::PatientCompartment("amina".to_owned()));
    [TypeQuery { resource_type, record: Some("amina".to_owned()), predicate }]
}

/// The ids on all pages, and whether the first of them was read in its order.
fn pages(transaction: &mut Transaction<'_>, queries: &[TypeQuery], sort: &[Sort], limit: u32) -> (Vec<String>, bool) {
    let (mut all, mut after, mut led) = (Vec::new(), None, None);
    loop {
        let wanted = PageRequest { queries, sort, after: after.as_ref(), limit };
        let in_order = transaction.in_order(&wanted).unwrap().is_some();
        led.get_or_insert(in_order);
        let (page, next) = transaction.page(&wanted).unwrap();
        all.extend(page.into_iter().map(|version| version.id));
        match next {
            Some(position) => after = Some(position),
            None => return (all, led == Some(true)),
        }
    }
}

#[tokio::test]
async fn every_date_and_number_is_read_in_its_own_order() {
    let types: Vec<ResourceType> =
        ResourceType::all().filter(|one| !is_event(*one) && !ranges(*one).is_empty()).collect();
    assert!(types.len() > 80);
    for scratch in Scratch::both() {
        let store = scratch.store();
        let mut numbers = Numbers(11);
        for resource_type in types.iter().copied() {
            let own = ranges(resource_type);
            let all = (0..30).map(|_| {
                let mut rows = Vec::new();
                for one in own.iter().copied() {
                    // A type has one clinical date.
                    let most = if clinical_date(resource_type) == Some(one) { 2 } else { 4 };
                    rows.extend((0..numbers.below(most)).map(|_| row(one, &mut numbers)).collect::<Vec<_>>());
                }
                rows
            });
            let all = all.collect();
            fill(&store, resource_type, all).await;
            let compared = store.read(move |transaction| {
                let queries = in_record(resource_type, Predicate::All);
                for by in own {
                    for descending in [true, false] {
                        let key = Sort { by: SortBy::Range(by), descending };
                        let (found, led) = pages(transaction, &queries, &[key], 4);
                        assert!(led, "{resource_type} {by:?} {descending}");
                        // What it is sorted by twice changes nothing, and is read in no order.
                        let (sorted, _) = pages(transaction, &queries, &[key, key], 1_000);
                        assert_eq!(found, sorted, "{resource_type} {by:?} {descending}");
                    }
                }
                (Ok::<_, StoreError>(()), Vec::new())
            });
            compared.await.unwrap();
        }
    }
}

/// How many rows PostgreSQL looks at for a page, or how many steps the embedded database takes.
fn price(transaction: &mut Transaction<'_>, wanted: &PageRequest<'_>) -> u64 {
    if let Some(watch) = transaction.watch(Cost::UNBOUNDED) {
        // The steps are counted in thousands.
        for _ in 0..100 {
            assert_eq!(transaction.page(wanted).unwrap().0.len(), 10);
        }
        return watch.taken();
    }
    transaction.note_everything();
    assert_eq!(transaction.page(wanted).unwrap().0.len(), 10);
    let statements = transaction.noted.take().unwrap().statements;
    statements.into_iter().map(|sql| rows_seen(transaction, sql)).sum()
}

/// All rows that any step of a statement has had in its hands.
fn rows_seen(transaction: &mut Transaction<'_>, sql: Sql) -> u64 {
    let mut sql = Sql::new("EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) ").append(sql);
    sql.once();
    let number = |line: &str, before: &str| -> Option<f64> {
        let (_, rest) = line.split_once(before)?;
        rest.split(|letter: char| !letter.is_ascii_digit() && letter != '.').next()?.parse().ok()
    };
    let (mut seen, mut loops) = (0.0, 1.0);
    for (line,) in transaction.rows::<(Text,), (String,)>(sql).unwrap() {
        if let Some(rows) = number(&line, "actual rows=") {
            loops = number(&line, "loops=").unwrap();
            seen += rows * loops;
        } else if let Some(rows) = number(&line, "Rows Removed by Filter: ") {
            seen += rows * loops;
        }
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
    let seen = seen as u64;
    seen
}

/// Conditions one a day: begun then, recorded some other day, most of them with an end.
fn conditions(count: u32) -> Vec<Vec<Entry>> {
    let id = |code: &str| parameter(CONDITION, code).unwrap().id;
    let (onset, recorded, abated, code) = (id("onset-date"), id("recorded-date"), id("abatement-date"), id("code"));
    let at = |parameter: ParameterId, day: u32| {
        let from = f64::from(day) * 86_400_000.0;
        Entry { parameter, key: String::new(), low: Some(from), high: Some(from + 86_399_999.0) }
    };
    let of = |day: u32| {
        let mut rows = vec![at(onset, day * 7 % count), at(recorded, day)];
        rows.extend((!day.is_multiple_of(8)).then(|| at(abated, day + 30)));
        rows.push(Entry { parameter: code, key: "a\u{1f}urn:own".to_owned(), low: None, high: None });
        rows
    };
    (0..count).map(of).collect()
}

#[tokio::test]
async fn ten_cost_the_same_however_long_the_record_is() {
    for place in 0..2 {
        let mut prices = Vec::new();
        for count in [700, 5_000] {
            let scratches = Scratch::both();
            let store = scratches[place].store();
            fill(&store, CONDITION, conditions(count)).await;
            if let DatabaseUrl::Postgres(_) = scratches[place].address {
                // As the database does by itself, sooner or later.
                crate::testing::execute(&scratches[place].address, "VACUUM (ANALYZE)");
            }
            let taken = store.read(|transaction| {
                let mut all = Vec::new();
                let code = parameter(CONDITION, "code").unwrap().id;
                let coded = Predicate::Entry(code, Test::Is("a\u{1f}urn:own".to_owned()));
                let by = |code: &str| SortBy::Range(parameter(CONDITION, code).unwrap().id);
                assert_eq!(by("recorded-date"), SortBy::Range(clinical_date(CONDITION).unwrap()));
                for asked in [Predicate::All, coded] {
                    let queries = in_record(CONDITION, asked);
                    for by in [by("onset-date"), by("abatement-date"), by("recorded-date"), SortBy::Updated] {
                        for descending in [true, false] {
                            let sort = [Sort { by, descending }];
                            let wanted = PageRequest { queries: &queries, sort: &sort, after: None, limit: 10 };
                            all.push(price(transaction, &wanted));
                        }
                    }
                }
                (Ok::<_, StoreError>(all), Vec::new())
            });
            prices.push(taken.await.unwrap());
        }
        for (few, many) in prices[0].iter().zip(&prices[1]) {
            assert!(*many <= few + few / 2, "{prices:?}");
        }
    }
}

#[tokio::test]
async fn what_is_rare_and_what_has_no_value_are_found_too() {
    for scratch in Scratch::both() {
        let store = scratch.store();
        let onset = parameter(CONDITION, "onset-date").unwrap().id;
        let code = parameter(CONDITION, "code").unwrap().id;
        let mut all = conditions(1_200);
        for (number, rows) in all.iter_mut().enumerate() {
            if number % 300 == 7 {
                rows.retain(|row| row.parameter != code);
                rows.push(Entry { parameter: code, key: "rare\u{1f}urn:own".to_owned(), low: None, high: None });
            }
            if number % 400 == 7 {
                rows.retain(|row| row.parameter != onset);
            }
        }
        fill(&store, CONDITION, all).await;
        let compared = store.read(move |transaction| {
            for key in ["a", "rare"] {
                let coded = Predicate::Entry(code, Test::Is(format!("{key}\u{1f}urn:own")));
                let queries = in_record(CONDITION, coded);
                for descending in [true, false] {
                    let sort = Sort { by: SortBy::Range(onset), descending };
                    let (found, _) = pages(transaction, &queries, &[sort], 500);
                    let (sorted, _) = pages(transaction, &queries, &[sort, sort], 1_000);
                    assert_eq!(found, sorted, "{key} {descending}");
                }
            }
            (Ok::<_, StoreError>(()), Vec::new())
        });
        compared.await.unwrap();
    }
}
