//! What an answer has no room for is not handed out, on either database, whichever way it was asked for.

use concord_fhir::index::extract;
use concord_fhir::json::{self, Limits};
use concord_fhir::predicate::Predicate;
use concord_fhir::registry::ResourceType;

use crate::error::StoreError;
use crate::history::{HistoryOf, HistoryRequest};
use crate::include::{Along, Linked};
use crate::lower::Rows;
use crate::named::{Ground, KnownName, Permitted};
use crate::rows::{Method, Version};
use crate::search::{PageRequest, Position, TypeQuery};
use crate::statement::Sql;
use crate::testing::{NOW, Scratch};
use crate::transaction::Transaction;
use crate::transaction::bodies::{Holding, Reading};
use crate::{Asker, Reply};

const BASIC: ResourceType = ResourceType::of("Basic");

/// How many there are, and how large: the smallest first, then two of which any alone would have room.
const SIZES: [usize; 12] = [100, 100, 5_000, 100, 300_000, 100, 300_000, 100, 100, 70_000, 100, 100];

fn put(transaction: &mut Transaction<'_>) -> Vec<String> {
    let mut bodies = Vec::new();
    for (number, size) in SIZES.into_iter().enumerate() {
        let id = format!("b{number}");
        let body = format!(r#"{{"resourceType":"Basic","id":"{id}","code":{{"text":"{}é"}}}}"#, "x".repeat(size));
        let value = json::parse(body.as_bytes(), &Limits::default()).unwrap();
        let entries = extract(BASIC, &id, NOW, &value);
        let key = transaction.next_key();
        let version = Version {
            key,
            resource_type: BASIC,
            id,
            version: 1,
            updated: NOW,
            method: Method::Post,
            deleted: false,
            patient: 0,
            patients: 0,
            author: String::new(),
            labels: String::new(),
            body: body.clone(),
        };
        #[expect(clippy::disallowed_methods, reason = "the store by itself")]
        transaction.insert(&[(version, &entries)]).unwrap();
        bodies.push(body);
    }
    bodies
}

fn queries() -> [TypeQuery; 1] {
    [TypeQuery { resource_type: BASIC, record: None, predicate: Predicate::All }]
}

fn page(
    transaction: &mut Transaction<'_>,
    after: Option<&Position>,
    limit: u32,
) -> Result<(Vec<Version>, Option<Position>), StoreError> {
    transaction.page(&PageRequest { queries: &queries(), sort: &[], after, limit })
}

fn bodies(versions: &[Version]) -> Vec<&str> {
    versions.iter().map(|version| version.body.as_str()).collect()
}

async fn with(work: impl Fn(&mut Transaction<'_>, &[String]) + Send + Clone + 'static) {
    for scratch in Scratch::both() {
        let store = scratch.store();
        let work = work.clone();
        let run = move |transaction: &mut Transaction<'_>| -> Reply<()> {
            let stored = put(transaction);
            work(transaction, &stored);
            (Ok(()), Vec::new())
        };
        store.write(run).await.unwrap();
    }
}

#[tokio::test]
async fn a_page_is_whole_or_refused_whatever_is_small_in_it() {
    with(|transaction, stored| {
        let all: usize = stored.iter().map(String::len).sum();
        for room in [usize::MAX, all, all + 1] {
            transaction.bound_bodies(room);
            let (found, next) = page(transaction, None, 1_000).unwrap();
            assert_eq!(bodies(&found), stored, "in order, with {room}");
            assert!(next.is_none() && !transaction.unbound_bodies());
        }
        for room in [all - 1, 400_000, 5_000, 0] {
            transaction.bound_bodies(room);
            assert!(matches!(page(transaction, None, 1_000), Err(StoreError::BeyondAnswer)), "with {room}");
            assert!(matches!(page(transaction, None, 1), Err(StoreError::BeyondAnswer)), "nothing fits after that");
            assert!(transaction.unbound_bodies());
        }
        assert_eq!(page(transaction, None, 1_000).unwrap().0.len(), SIZES.len());
    })
    .await;
}

#[tokio::test]
async fn what_comes_after_a_page_takes_no_room() {
    with(|transaction, stored| {
        let first: usize = stored[..4].iter().map(String::len).sum();
        transaction.bound_bodies(first);
        let (found, next) = page(transaction, None, 4).unwrap();
        assert_eq!(bodies(&found), stored[..4]);
        // What is let go is room for others.
        found.iter().for_each(|version| transaction.let_go(version));
        assert!(next.is_some());
        assert_eq!(page(transaction, None, 4).unwrap().0.len(), 4);
        assert!(matches!(page(transaction, next.as_ref(), 4), Err(StoreError::BeyondAnswer)));
    })
    .await;
}

#[tokio::test]
async fn no_more_is_handed_out_than_there_is_room_for() {
    with(|transaction, stored| {
        for room in [0, 50, 6_000, 300_500, 620_000, 700_000] {
            transaction.bound_bodies(room);
            let from = Sql::new("resource r WHERE 1 = 1 ORDER BY r.rid");
            let reading = Reading {
                rows: Rows::Current,
                from,
                shown: 12,
                holding: Holding::Answer,
                is_known: &|_| false,
                besides: None,
            };
            let found = transaction.read_bodies(reading).unwrap();
            let handed_out: usize = found.versions.iter().map(|version| version.body.len()).sum();
            assert!(handed_out <= room, "{handed_out} of {room}");
            let mut sum = 0;
            let beyond = stored.iter().position(|body| {
                sum += body.len();
                sum > room
            });
            assert_eq!(found.beyond, beyond, "{room}");
            assert_eq!(found.versions.len(), beyond.map_or(stored.len(), |place| place + 1));
            transaction.unbound_bodies();
        }
    })
    .await;
}

#[tokio::test]
async fn a_page_says_of_which_of_its_matches_something_besides_does_not_hold() {
    with(|transaction, stored| {
        let own = |places: &[usize]| Predicate::Id(places.iter().map(|place| format!("b{place}")).collect());
        let wanted = PageRequest { queries: &queries(), sort: &[], after: None, limit: 8 };
        for (besides, holds) in [
            (Predicate::All, &[0, 1, 2, 3, 4, 5, 6, 7][..]),
            (Predicate::None, &[]),
            (own(&[1, 4, 9]), &[1, 4]),
            (own(&[1, 4]).negate(), &[0, 2, 3, 5, 6, 7]),
        ] {
            let found = transaction.page_and(&wanted, &[(BASIC, besides.clone())]).unwrap();
            assert_eq!(bodies(&found.versions), stored[..8], "none is left out");
            assert!(found.next.is_some());
            let told: Vec<bool> = found.versions.iter().map(|one| !found.others.contains(&one.key)).collect();
            let meant: Vec<bool> = (0..8).map(|place| holds.contains(&place)).collect();
            assert_eq!(told, meant, "{besides:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_looked_through_ends_where_it_is_enough_and_goes_on_there() {
    with(|transaction, stored| {
        transaction.bound_bodies(10);
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let wanted = PageRequest { queries: &queries(), sort: &[], after: after.as_ref(), limit: 5 };
            let (piece, next) = transaction.piece(&wanted).unwrap();
            assert!(!piece.is_empty() && piece.len() <= 5);
            seen.extend(piece.into_iter().map(|version| version.body));
            match next {
                None => break,
                next => after = next,
            }
        }
        assert_eq!(seen, stored);
        assert!(!transaction.unbound_bodies(), "an answer holds none of them");
    })
    .await;
}

#[tokio::test]
async fn what_comes_along_and_histories_take_room_too() {
    with(|transaction, stored| {
        let ids: Vec<String> = (0..SIZES.len()).map(|number| format!("b{number}")).collect();
        let keys: Vec<i64> = page(transaction, None, 1_000).unwrap().0.iter().map(|version| version.key).collect();
        let large = [keys[4], keys[6], keys[9]];
        let few: usize = stored.iter().map(String::len).filter(|length| *length < 50_000).sum();
        transaction.bound_bodies(few);
        let along = Along { limit: 100, shown: 100, is_known: &|key| large.contains(&key) };
        let found = transaction.linked(BASIC, Linked::Ids(&ids), &Predicate::All, &along).unwrap();
        assert_eq!(found.len(), SIZES.len() - 3, "known ones take none");
        transaction.bound_bodies(few);
        let along = Along { limit: 100, shown: 100, is_known: &|_| false };
        let found = transaction.linked(BASIC, Linked::Ids(&ids), &Predicate::All, &along);
        assert!(matches!(found, Err(StoreError::BeyondAnswer)));
        let history = |transaction: &mut Transaction<'_>, limit: u32| {
            let wanted = HistoryRequest {
                of: HistoryOf::Type(BASIC),
                permit: &Predicate::All,
                record: None,
                left: None,
                since: None,
                at: None,
                after: None,
                limit,
            };
            transaction.history(&wanted).map(|(versions, next)| (versions.len(), next.is_some()))
        };
        transaction.bound_bodies(71_000);
        assert_eq!(history(transaction, 2).unwrap(), (2, true));
        assert!(matches!(history(transaction, 12), Err(StoreError::BeyondAnswer)));
        transaction.unbound_bodies();
        assert_eq!(history(transaction, 100).unwrap(), (12, false));
    })
    .await;
}

/// SQLite keeps what it sorts in memory: it is to sort keys, and read the bodies in their order.
#[tokio::test]
async fn bodies_are_read_in_order_and_sorted_with_nothing() {
    with(|transaction, _| {
        if transaction.is_postgres() {
            return;
        }
        let ids: Vec<String> = (0..SIZES.len()).map(|number| format!("b{number}")).collect();
        transaction.note_statements();
        page(transaction, None, 5).unwrap();
        let along = Along { limit: 5, shown: 5, is_known: &|_| false };
        transaction.linked(BASIC, Linked::Ids(&ids), &Predicate::All, &along).unwrap();
        for of in [HistoryOf::Type(BASIC), HistoryOf::System] {
            let wanted = HistoryRequest {
                of,
                permit: &Predicate::All,
                record: None,
                left: None,
                since: None,
                at: None,
                after: None,
                limit: 5,
            };
            transaction.history(&wanted).unwrap();
        }
        let (_, statements) = transaction.explained().unwrap();
        let with_bodies: Vec<_> = statements.iter().filter(|one| one.sql.contains("r.body")).collect();
        assert_eq!(with_bodies.len(), 6);
        for statement in with_bodies {
            let sorts = statement.plan.iter().any(|step| step.starts_with("USE TEMP B-TREE"));
            assert!(!sorts, "{} {:#?}", statement.sql, statement.plan);
        }
    })
    .await;
}

#[expect(clippy::disallowed_methods, reason = "the store by itself")]
fn known(id: &str) -> KnownName<'_> {
    KnownName::of_caller(BASIC, id)
}

/// Which of them are left out where others wait for what is read.
const LARGE_ONES: [usize; 2] = [4, 6];

#[tokio::test]
async fn large_bodies_are_left_out_of_what_a_caller_names_and_of_nothing_else() {
    with(|transaction, stored| {
        let named = |transaction: &mut Transaction<'_>, number: usize, lock: bool| {
            let named = transaction.named(BASIC, &format!("b{number}"), lock).unwrap();
            #[expect(clippy::disallowed_methods, reason = "the store by itself")]
            let found = named.evaluated(|head| Ok::<_, StoreError>(Some(Permitted::on(Ground::KnowsEverything, head))));
            found.unwrap().unwrap().0.version.into_version()
        };
        for (number, body) in stored.iter().enumerate() {
            assert_eq!(named(transaction, number, false).body, *body);
            transaction.leave_large_bodies();
            let found = named(transaction, number, false);
            let is_large = LARGE_ONES.contains(&number);
            assert_eq!((found.version, transaction.has_left_bodies()), (1, is_large), "{number}");
            assert_eq!(found.body, if is_large { "" } else { body });
            // It is no resource, rather than an empty one.
            assert_eq!(found.resource().is_err(), is_large);
            // What is to be changed, and what the server itself goes by, is whole.
            assert_eq!(named(transaction, number, true).body, *body);
            let known = known(&found.id);
            assert_eq!(transaction.head(&known, false).unwrap().unwrap().version.body, *body);
            assert_eq!(transaction.all(Rows::Current).iter().filter(|one| one.body.is_empty()).count(), 0);
            transaction.renew_budgets();
            assert!(!transaction.has_left_bodies());
        }
    })
    .await;
}

#[tokio::test]
async fn a_point_read_of_a_large_resource_is_told_that_its_body_was_left_out() {
    for scratch in Scratch::both() {
        let store = scratch.store();
        store.write(|transaction| (Ok::<_, StoreError>(put(transaction)), Vec::new())).await.unwrap();
        for (number, size) in SIZES.into_iter().enumerate() {
            let id = format!("b{number}");
            let own = id.clone();
            let work = move |transaction: &mut Transaction<'_>| -> Reply<(bool, bool)> {
                transaction.leave_large_bodies();
                let is_there = transaction.named(BASIC, &own, false).map(|named| named.is_there());
                (is_there.map(|is_there| (is_there, transaction.has_left_bodies())), Vec::new())
            };
            let told = store.read_head(Asker::SERVER, BASIC, &id, work).await.unwrap();
            assert_eq!(told, (true, LARGE_ONES.contains(&number)), "{id}");
            // What the server itself goes by is whole there too.
            let name = id.clone();
            let work = move |transaction: &mut Transaction<'_>| -> Reply<usize> {
                let known = transaction.head(&known(&name), false);
                (known.map(|head| head.map_or(0, |head| head.version.body.len())), Vec::new())
            };
            assert!(store.read_head(Asker::SERVER, BASIC, &id, work).await.unwrap() > size, "{id}");
        }
    }
}
