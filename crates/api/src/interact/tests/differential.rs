//! The two readings of a predicate agree: in memory over a resource's entries, and as SQL on both databases.

use concord_consent::decision::Decision;
use concord_consent::request::Action;
use concord_fhir::index::{Entries, Entry, ParameterId, SEPARATOR};
use concord_fhir::predicate::{Comparison, Predicate, Test};
use concord_fhir::registry::{Kind, ResourceType, parameter_by_id};
use concord_fhir::search::{Sort, SortBy};
use concord_store::lower::Rows;
use concord_store::rows::{Method, Version};
use concord_store::search::{PageRequest, TypeQuery};
use concord_store::testing::{NOW, Scratch};
use concord_store::transaction::Transaction;
use concord_store::{Store, StoreError};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};

use crate::interact::access::evaluation;
use crate::interact::{SECURITY, access};

mod comments;
mod depends;

const TYPES: [ResourceType; 3] =
    [ResourceType::of("Observation"), ResourceType::of("Goal"), ResourceType::of("Patient")];
const PATIENTS: [&str; 3] = ["p1", "p2", "p3"];
const PARAMETERS: [ParameterId; 4] =
    [ParameterId::of("Observation.code"), ParameterId::of("Observation.date"), ParameterId::of("_tag"), SECURITY];
/// The parameters that are asked about: those with rows, and one whose rows are those of others.
const ASKED: [ParameterId; 5] = [
    ParameterId::of("Observation.code"),
    ParameterId::of("Observation.combo-code"),
    ParameterId::of("Observation.date"),
    ParameterId::of("_tag"),
    SECURITY,
];
/// Few, so that many are equal; with whatever a LIKE, a collation or a cut at the wrong byte would trip over.
const WORDS: [&str; 14] =
    ["", "a", "A", "ab", "b", "%", "_", "é", "e\u{301}", "\u{d7ff}", "\u{e000}", "😀", "'\\\"", "a b"];
const NUMBERS: [f64; 8] = [f64::NEG_INFINITY, -1.5, -0.0, 0.0, 0.1, 1.0, 1e300, f64::INFINITY];
const TIMES: [i64; 3] = [NOW, NOW + 1, NOW + 1_000];

const AUTHORS: [&str; 4] = ["", "Patient/p1", "Practitioner/gp", "é'\""];

fn word() -> impl Strategy<Value = String> {
    select(&WORDS[..]).prop_map(str::to_owned)
}

/// A key as the index has them: none (of a date or number), one part, or two with the separator between them.
fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        1 => Just(String::new()),
        2 => word(),
        2 => (word(), word()).prop_map(|(first, second)| format!("{first}{SEPARATOR}{second}")),
    ]
}

fn row() -> impl Strategy<Value = Entry> {
    let number = || proptest::option::of(select(&NUMBERS[..]));
    (select(&PARAMETERS[..]), key(), number(), number()).prop_map(|(parameter, mut key, low, high)| {
        // A date has no key: its rows have an index of their own.
        if parameter_by_id(parameter).is_some_and(|one| one.kind == Kind::Date) {
            key = String::new();
        }
        if parameter != SECURITY {
            return Entry { parameter, key, low, high };
        }
        // A label is a token, which always has both parts and no range.
        if !key.contains(SEPARATOR) {
            key.push(SEPARATOR);
        }
        Entry { parameter, key, low: None, high: None }
    })
}

prop_compose! {
    fn entries()(
        resource_type in select(&TYPES[..]),
        patients in proptest::sample::subsequence(&PATIENTS[..], 0..=2),
        updated in select(&TIMES[..]),
        author in select(&AUTHORS[..]),
        rows in prop::collection::vec(row(), 0..5),
    ) -> Entries {
        let patients = patients.into_iter().map(str::to_owned).collect();
        Entries { patients, rows, ..Entries::none(resource_type, String::new(), updated) }.by(author.to_owned())
    }
}

fn comparison() -> impl Strategy<Value = Comparison> {
    select(&[Comparison::Less, Comparison::AtMost, Comparison::Greater, Comparison::AtLeast][..])
}

fn test() -> impl Strategy<Value = Test> {
    let leaf = prop_oneof![
        Just(Test::Present),
        key().prop_map(Test::Is),
        key().prop_map(Test::Starts),
        key().prop_map(Test::Ends),
        prop::collection::vec(key(), 0..4).prop_map(Test::OneOf),
        word().prop_map(Test::Has),
        word().prop_map(Test::Contains),
        (comparison(), select(&NUMBERS[..])).prop_map(|(comparison, number)| Test::Low(comparison, number)),
        (comparison(), select(&NUMBERS[..])).prop_map(|(comparison, number)| Test::High(comparison, number)),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        let several = prop::collection::vec(inner, 0..3);
        prop_oneof![several.clone().prop_map(Test::Every), several.prop_map(|tests| Test::Either(tests.into()))]
    })
}

fn predicate() -> impl Strategy<Value = Predicate> {
    let id = (0..RESOURCES).prop_map(|number| format!("r{number}"));
    let patient = select(&["p1", "p2", "p3", "unknown"][..]).prop_map(str::to_owned);
    let leaf = prop_oneof![
        1 => Just(Predicate::All),
        1 => Just(Predicate::None),
        1 => Just(Predicate::NoPatientCompartment),
        2 => prop::collection::vec(select(&TYPES[..]), 0..3).prop_map(Predicate::Type),
        1 => prop::collection::vec(id, 0..3).prop_map(Predicate::Id),
        2 => prop::collection::vec(select(&AUTHORS[..]).prop_map(str::to_owned), 0..3)
            .prop_map(|names| Predicate::Author(names.into())),
        3 => patient.prop_map(Predicate::PatientCompartment),
        2 => (comparison(), select(&TIMES[..])).prop_map(|(comparison, time)| Predicate::Updated(comparison, time)),
        8 => (select(&ASKED[..]), test()).prop_map(|(parameter, test)| Predicate::Entry(parameter, test)),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        let several = prop::collection::vec(inner.clone(), 0..3);
        prop_oneof![
            3 => several.clone().prop_map(Predicate::And),
            3 => several.prop_map(Predicate::Or),
            1 => inner.prop_map(|inner| Predicate::Not(Box::new(inner))),
        ]
    })
}

/// Hundreds together, as rules of Consents come together, gathered and as they came.
fn many() -> impl Strategy<Value = [Predicate; 2]> {
    let some = prop::collection::vec(predicate(), 9..24);
    let absent = (any::<bool>(), 100_usize..400, select(&ASKED[..]));
    (some, absent).prop_map(|(mut parts, (starts, number, left_out))| {
        let left_out = Predicate::Entry(left_out, Test::Present).negate();
        for place in 0..number {
            let key = format!("absent{place}{SEPARATOR}");
            let test = if starts { Test::Starts(key) } else { Test::Is(key) };
            let one = Predicate::Entry(ASKED[place % ASKED.len()], test);
            parts.push(if place % 3 == 0 { one.and(left_out.clone()) } else { one });
        }
        [Predicate::any(parts.clone()), Predicate::Or(parts)]
    })
}

/// How many resources a case has, each in an older and a current version.
const RESOURCES: usize = 12;

/// The entries of the superseded and of the current version of each resource.
type Data = Vec<(Entries, Entries)>;

fn version(transaction: &mut Transaction<'_>, entries: &Entries, key: i64, number: i64) -> Version {
    let patients = entries.patients.len();
    let patient = entries.patients.first().map_or(0, |id| transaction.make_patient_key(id).unwrap());
    Version {
        key,
        resource_type: entries.resource_type,
        id: entries.id.clone(),
        version: number,
        updated: entries.updated,
        method: Method::Put,
        deleted: false,
        patient,
        patients: i16::try_from(patients).unwrap(),
        author: entries.author.clone(),
        labels: labels(entries),
        body: "{}".to_owned(),
    }
}

fn labels(entries: &Entries) -> String {
    let keys = entries.rows.iter().filter(|row| row.parameter == SECURITY).map(|row| row.key.as_str());
    keys.collect::<Vec<_>>().join("\n")
}

async fn fill(store: &Store, data: Data) {
    let stored = store.write(move |transaction| {
        for (old, new) in &data {
            let first = version(transaction, old, transaction.next_key(), 1);
            #[expect(clippy::disallowed_methods, reason = "the store by itself")]
            transaction.insert(&[(first.clone(), old)]).unwrap();
            let second = version(transaction, new, first.key, 2);
            #[expect(clippy::disallowed_methods, reason = "the store by itself")]
            transaction.replace(&first, &second, Some(new)).unwrap();
        }
        (Ok::<_, StoreError>(()), Vec::new())
    });
    stored.await.unwrap();
}

/// The ids that the database finds: among the superseded versions and among the current ones, by a condition; and by a
/// search of each type, whole and within each patient's record, in pages of one and in one page, with its total.
async fn found(store: &Store, predicate: Predicate) -> [Vec<String>; 2] {
    let work = move |transaction: &mut Transaction<'_>| {
        let mut both = [Rows::Superseded, Rows::Current].map(|rows| {
            let versions = transaction.all_meeting(rows, &predicate).unwrap();
            // The shortcut that evaluates a version by its row alone where it can.
            let decision = permitting(predicate.clone());
            for version in transaction.all(rows) {
                let found = versions.iter().any(|other| other.key == version.key);
                assert_eq!(transaction.meets(rows, version.key, &predicate).unwrap(), found);
                let permitted = evaluation::permits(transaction, &decision, rows, &version).unwrap();
                assert_eq!(permitted, found, "{predicate:?} {version:?}");
            }
            versions.into_iter().map(|version| version.id).collect::<Vec<_>>()
        });
        let mut searched = Vec::new();
        for resource_type in TYPES {
            let of_type = predicate.clone().and(Predicate::Type(vec![resource_type]));
            let all = search(transaction, resource_type, None, &of_type);
            let alone = search(transaction, resource_type, None, &predicate);
            assert_eq!(alone, all, "the type in the predicate changes nothing");
            for patient in PATIENTS {
                let own = predicate.clone().and(Predicate::PatientCompartment(patient.to_owned()));
                let own_found = search(transaction, resource_type, Some(patient), &own);
                assert_eq!(
                    own_found,
                    search(transaction, resource_type, None, &own),
                    "{patient}: the record leads to the same"
                );
            }
            searched.extend(all);
        }
        for ids in both.iter_mut().chain(std::iter::once(&mut searched)) {
            ids.sort();
        }
        assert_eq!(searched, both[1], "a search finds what the condition does: {predicate:?}");
        (Ok::<_, StoreError>(both), Vec::new())
    };
    store.read(work).await.unwrap()
}

fn permitting(permit: Predicate) -> Decision {
    Decision {
        action: Action::Read,
        permit,
        reasons: Vec::new(),
        obligations: Vec::new(),
        redactions: Vec::new(),
        unnamed: Predicate::None.into(),
        until: None,
    }
}

fn search(
    transaction: &mut Transaction<'_>,
    resource_type: ResourceType,
    record: Option<&str>,
    predicate: &Predicate,
) -> Vec<String> {
    let queries = [TypeQuery { resource_type, record: record.map(str::to_owned), predicate: predicate.clone() }];
    let wanted = PageRequest { queries: &queries, sort: &[], after: None, limit: 100 };
    let mut ids: Vec<String> = transaction.page(&wanted).unwrap().0.into_iter().map(|version| version.id).collect();
    let total = transaction.total(&wanted).unwrap();
    assert_eq!(usize::try_from(total).unwrap(), ids.len());
    ids.sort();
    ids
}

fn wanted(data: &Data, predicate: &Predicate) -> [Vec<String>; 2] {
    let held = |pick: fn(&(Entries, Entries)) -> &Entries| {
        let mut ids: Vec<String> =
            data.iter().map(pick).filter(|one| predicate.holds(one)).map(|one| one.id.clone()).collect();
        ids.sort();
        ids
    };
    [held(|pair| &pair.0), held(|pair| &pair.1)]
}

fn data() -> impl Strategy<Value = Data> {
    prop::collection::vec((entries(), entries()), RESOURCES).prop_map(|pairs| {
        let named = |(number, (mut old, mut new)): (usize, (Entries, Entries))| {
            old.id = format!("r{number}");
            new.id.clone_from(&old.id);
            // A resource keeps its type and does not go back in time.
            new.resource_type = old.resource_type;
            new.updated = new.updated.max(old.updated);
            (old, new)
        };
        pairs.into_iter().enumerate().map(named).collect()
    })
}

/// Runs a few cases, others each time. `CONCORD_TEST_CASES` says how many times as many.
fn runner(cases: u32) -> TestRunner {
    #[expect(clippy::disallowed_methods, reason = "it is for tests alone")]
    let times = std::env::var("CONCORD_TEST_CASES").ok().and_then(|times| times.parse().ok()).unwrap_or(1);
    let cases = cases.saturating_mul(times);
    TestRunner::new(Config { cases, failure_persistence: None, max_shrink_iters: 200, ..Config::default() })
}

#[test]
fn memory_sqlite_and_postgres_agree() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let case = (data(), prop::collection::vec(predicate(), 40), many());
    runner(5)
        .run(&case, |(data, mut predicates, many)| {
            prop_assert_eq!(wanted(&data, &many[0]), wanted(&data, &many[1]), "{:?}", many);
            predicates.extend(many);
            for scratch in Scratch::both() {
                let store = scratch.store();
                runtime.block_on(fill(&store, data.clone()));
                for predicate in &predicates {
                    let found = runtime.block_on(found(&store, predicate.clone()));
                    prop_assert_eq!(found, wanted(&data, predicate), "{:?} on {:?}", predicate, scratch.address);
                }
            }
            Ok(())
        })
        .unwrap();
}

fn sort_key() -> impl Strategy<Value = Sort> {
    let by = prop_oneof![
        Just(SortBy::Updated),
        Just(SortBy::Id),
        select(&PARAMETERS[..]).prop_map(SortBy::Range),
        select(&PARAMETERS[..]).prop_map(SortBy::Key),
    ];
    (by, any::<bool>()).prop_map(|(by, descending)| Sort { by, descending })
}

/// What narrows a predicate to a type or to a record before a query is made loses nothing and adds nothing.
#[test]
fn narrowing_a_predicate_changes_nothing() {
    runner(2_000)
        .run(&(entries(), predicate()), |(mut entries, predicate)| {
            entries.id = "r0".to_owned();
            let narrowed = access::for_type(&predicate, entries.resource_type);
            prop_assert_eq!(narrowed.holds(&entries), predicate.holds(&entries), "{:?}", narrowed);
            if let (Some(record), true) = (access::only_record(&predicate), predicate.holds(&entries)) {
                prop_assert!(entries.patients.iter().any(|patient| patient == record), "{}", record);
            }
            Ok(())
        })
        .unwrap();
}

/// Pages of any size, one after the other, have every match once and in the order of one large page.
async fn paged(store: &Store, sort: Vec<Sort>, limit: u32) -> [Vec<String>; 2] {
    let work = move |transaction: &mut Transaction<'_>| {
        let (mut ids, mut after) = (Vec::new(), None);
        let page = |transaction: &mut Transaction<'_>, after: Option<&_>, limit: u32| {
            let queries = [TypeQuery { resource_type: TYPES[0], record: None, predicate: Predicate::All }];
            let wanted = PageRequest { queries: &queries, sort: &sort, after, limit };
            let (versions, next) = transaction.page(&wanted).unwrap();
            (versions.into_iter().map(|version| version.id).collect::<Vec<_>>(), next)
        };
        loop {
            let (more, next) = page(transaction, after.as_ref(), limit);
            ids.extend(more);
            match next {
                Some(next) => after = Some(next),
                None => break,
            }
            assert!(ids.len() <= RESOURCES, "the pages never end: {ids:?}");
        }
        let whole = page(transaction, None, 100).0;
        (Ok::<_, StoreError>([ids, whole]), Vec::new())
    };
    store.read(work).await.unwrap()
}

#[test]
fn pages_are_the_parts_of_the_whole() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let sorts = prop::collection::vec((prop::collection::vec(sort_key(), 0..3), 1..4_u32), 12);
    runner(8)
        .run(&(data(), sorts), |(data, sorts)| {
            let mut orders = Vec::new();
            for scratch in Scratch::both() {
                let store = scratch.store();
                runtime.block_on(fill(&store, data.clone()));
                let mut told = Vec::new();
                for (sort, limit) in &sorts {
                    let [pages, whole] = runtime.block_on(paged(&store, sort.clone(), *limit));
                    prop_assert_eq!(&pages, &whole, "{:?} by {} on {:?}", sort, limit, scratch.address);
                    told.push(whole);
                }
                orders.push(told);
            }
            prop_assert_eq!(&orders[0], &orders[1], "both databases sort alike");
            Ok(())
        })
        .unwrap();
}
