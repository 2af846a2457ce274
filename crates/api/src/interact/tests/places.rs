//! Who waits for a place before anything is done.

use std::sync::Arc;

use concord_fhir::codec;
use concord_fhir::json::Limits;
use concord_fhir::patch::{Patch, PatchBudget};
use concord_fhir::registry::ResourceType;
use concord_fhir::search::Handling;
use concord_store::testing::Scratch;
use concord_store::transaction::Transaction;
use concord_store::{Asker, Extent};
use futures_util::FutureExt as _;

use crate::error::ApiError;
use crate::interact::bundle::{self, Told};
use crate::interact::command::{Command, Target};
use crate::interact::execute::{Outcome, carry_out, execute};
use crate::interact::foreseen::Foreseen;
use crate::interact::operation::{self, Input, Level, OPERATIONS, OperationTarget};
use crate::interact::patch;
use crate::interact::session::Session;
use crate::interact::slots::WAITING_EACH;
use crate::interact::tests::search::{open, open_with, page, patient, query, read, system};

const LOCATION: ResourceType = ResourceType::of("Location");

fn create(condition: Option<&str>) -> Command {
    let resource = read(&serde_json::json!({"resourceType": "Location", "name": "ward"}));
    let condition = condition.map(|text| Box::new(query("Location", text)));
    Command::Create { resource_type: LOCATION, resource, condition, id: None }
}

/// There each holds one of the connections, of which nobody may have all. The only writer of the embedded database may take
/// next to nothing for a condition.
#[tokio::test]
async fn a_write_with_a_condition_needs_a_place_where_there_are_many_writers() {
    for scratch in Scratch::both() {
        let service = open_with(&open(scratch.address.clone()), |settings| settings.slots = 1);
        let caller = system().caller;
        let _held = service.slots.enter(&caller).await.unwrap();
        for _ in 0..WAITING_EACH {
            assert!(service.slots.enter(&caller).now_or_never().is_none(), "it waits");
        }
        carry_out(&service, system(), create(None)).await.unwrap();
        let conditional = carry_out(&service, system(), create(Some("name=nothing"))).await;
        match service.store.has_many_writers() {
            true => assert!(matches!(conditional, Err(ApiError::Throttled(_))), "{conditional:?}"),
            false => drop(conditional.unwrap()),
        }
    }
}

fn change(id: &str, operations: &serde_json::Value) -> Command {
    let limits = Limits::default();
    let patch = Patch::read(operations.to_string().as_bytes(), &limits).unwrap();
    Command::Patch { resource_type: LOCATION, target: Target::Id(id.to_owned()), patch, precondition: None }
}

fn ward(aliases: usize) -> Command {
    let aliases: Vec<String> = (0..aliases).map(|number| format!("alias {number}")).collect();
    let resource =
        read(&serde_json::json!({"resourceType": "Location", "id": "ward", "name": "ward", "alias": aliases}));
    let target = Target::Id("ward".to_owned());
    Command::Update { resource_type: LOCATION, target, resource, precondition: None, id: None }
}

/// A patch that takes more than other requests can wait for is applied where those do not, before the write.
#[tokio::test]
async fn a_costly_patch_needs_a_place() {
    for scratch in Scratch::both() {
        let service = open_with(&open(scratch.address.clone()), |settings| settings.slots = 1);
        let caller = system().caller;
        carry_out(&service, system(), ward(60_000)).await.unwrap();
        let few = change("ward", &serde_json::json!([{"op": "replace", "path": "/name", "value": "first"}]));
        let test = serde_json::json!({"op": "test", "path": "/name", "value": "first"});
        let many = change("ward", &serde_json::json!(vec![test; 900]));
        carry_out(&service, system(), many.clone()).await.unwrap_err();
        carry_out(&service, system(), few.clone()).await.unwrap();
        carry_out(&service, system(), many.clone()).await.unwrap();
        let _held = service.slots.enter(&caller).await.unwrap();
        for _ in 0..WAITING_EACH {
            assert!(service.slots.enter(&caller).now_or_never().is_none(), "it waits");
        }
        let refused = carry_out(&service, system(), many).await;
        assert!(matches!(refused, Err(ApiError::Throttled(_))));
        carry_out(&service, system(), ward(3)).await.unwrap();
        carry_out(&service, system(), few).await.unwrap();
    }
}

/// What a patch was found to make holds for that version. Of another one it is done at once if it takes next to nothing, and
/// else not at all.
#[tokio::test]
async fn what_a_patch_makes_holds_for_one_version() {
    let replace = change("ward", &serde_json::json!([{"op": "replace", "path": "/name", "value": "changed"}]));
    for (aliases, is_done_at_once) in [(3, true), (9_000, false)] {
        let [scratch, _] = Scratch::both();
        let service = open(scratch.address.clone());
        carry_out(&service, system(), ward(aliases)).await.unwrap();
        let write = async |foreseen: Foreseen| {
            let (own, command) = (Arc::clone(&service), replace.clone());
            let work = move |transaction: &mut Transaction<'_>| {
                let call = system();
                Session::run(&own, &call, transaction, command.audit(&call), |session| {
                    execute(&mut session.foreseeing(Some(&foreseen)), command.clone(), &mut own.settings.answer.clone())
                })
            };
            service.store.write(work).await
        };
        let found = async || {
            let (own, command) = (Arc::clone(&service), replace.clone());
            let look = move |transaction: &mut Transaction<'_>| {
                let call = system();
                Session::run(&own, &call, transaction, command.audit(&call), |session| {
                    let mut foreseen = Foreseen::nothing(session.service);
                    let mut budget = PatchBudget::of_request(&session.service.settings.limits);
                    patch::foresee(session, &command, &mut foreseen, &mut budget)?;
                    Ok(foreseen)
                })
            };
            service.store.read(look).await.unwrap()
        };
        let early = found().await;
        carry_out(&service, system(), ward(aliases + 1)).await.unwrap();
        match write(early).await {
            Ok(_) => assert!(is_done_at_once),
            Err(ApiError::NotForeseen { id }) => assert!(!is_done_at_once && id == "ward"),
            Err(other) => panic!("{other:?}"),
        }
        let written = write(found().await).await.unwrap();
        let Outcome::Written(written) = written else { panic!("{written:?}") };
        assert!(
            written.version.body.contains("\"changed\"") && written.version.body.contains(&format!("alias {aliases}"))
        );
    }
}

/// The answer of a batch grows until its last entry is done: one caller has at most half of the places for that.
#[tokio::test]
async fn a_batch_needs_a_place() {
    let [scratch, _] = Scratch::both();
    let service = open_with(&open(scratch.address.clone()), |settings| settings.slots = 1);
    let call = system();
    let _held = service.bundles.enter(&call.caller).await.unwrap();
    for _ in 0..WAITING_EACH {
        assert!(service.bundles.enter(&call.caller).now_or_never().is_none(), "it waits");
    }
    bundle::place(&service, &call, true, 1).await.unwrap();
    bundle::place(&service, &call, false, 32).await.unwrap();
    assert!(
        bundle::place(&service, &call, false, 33).now_or_never().is_none_or(|done| done.is_err()),
        "so does a long one"
    );
    let refused = bundle::place(&service, &call, true, 2).await;
    assert!(matches!(refused, Err(ApiError::Throttled(_))), "{refused:?}");
}

/// Tells of one entry, and has no room for more.
#[derive(Default)]
struct RoomForOne(Vec<Result<Outcome, ApiError>>);

impl Told for RoomForOne {
    fn require_room(&self) -> Result<(), ApiError> {
        if self.0.is_empty() { Ok(()) } else { Err(ApiError::OverShare(1)) }
    }

    async fn add(&mut self, _: usize, done: Result<Outcome, ApiError>) -> Result<(), ApiError> {
        self.0.push(done);
        Ok(())
    }
}

#[tokio::test]
async fn a_batch_ends_where_there_is_no_room_for_what_it_leads_to() {
    let [scratch, _] = Scratch::both();
    let service = open(scratch.address.clone());
    let entry = serde_json::json!({"request": {"method": "POST", "url": "Location"},
        "resource": {"resourceType": "Location", "name": "ward"}});
    let bundle = serde_json::json!({"resourceType": "Bundle", "type": "batch", "entry": [entry, entry]}).to_string();
    let read =
        codec::read_requests(codec::Format::Json, bundle.as_bytes(), &service.settings.limits).unwrap().into_owned();
    let entries = bundle::entries(&service, read, Handling::Strict).await.unwrap();
    let mut told = RoomForOne::default();
    bundle::batch(&service, &system(), entries, &mut told).await.unwrap();
    assert!(matches!(told.0[..], [Ok(Outcome::Written(_)), Err(ApiError::OverShare(_))]), "{:?}", told.0);
    assert_eq!(page(&service, system(), "Location", "name=ward").await.versions.len(), 1);
}

/// Others' batches take as long as their entries.
#[tokio::test]
async fn a_batch_does_not_wait_for_ever() {
    let [scratch, _] = Scratch::both();
    let service = open_with(&open(scratch.address.clone()), |settings| {
        settings.slots = 1;
        settings.time.write = std::time::Duration::ZERO;
    });
    let _held = service.bundles.enter(&system().caller).await.unwrap();
    let refused = bundle::place(&service, &patient("amina"), true, 2).await;
    assert!(matches!(refused, Err(ApiError::Busy(_))), "{refused:?}");
}

/// A search that costs little runs where the request is: without turns, as many as one caller sends would come before
/// anybody else's.
#[tokio::test]
async fn searches_that_cost_little_take_turns() {
    let [scratch, _] = Scratch::both();
    let service = open_with(&open(scratch.address.clone()), |settings| settings.slots = 1);
    let call = patient("amina");
    let search = || Command::Search { query: Box::new(query("Goal", "_count=2")), path: "/Goal".to_owned() };
    assert_eq!(search().extent(&call), Extent::Little);
    let _held = service.turns.enter(&call.caller).await.unwrap();
    for _ in 0..WAITING_EACH {
        assert!(service.turns.enter(&call.caller).now_or_never().is_none(), "it waits");
    }
    let refused = carry_out(&service, call, search()).await;
    assert!(matches!(refused, Err(ApiError::Throttled(_))), "{refused:?}");
    carry_out(&service, patient("callum"), search()).await.unwrap();
}

/// Else one caller's searches would come to the log two by two, and each commit would be for two.
#[tokio::test]
async fn a_search_has_left_its_turn_while_its_record_waits_for_a_commit() {
    let [scratch, _] = Scratch::both();
    let service = open(scratch.address.clone());
    let (go, goes) = std::sync::mpsc::channel::<()>();
    let holds = move |_: &mut Transaction<'_>| {
        let _ended = goes.recv();
        (Ok::<_, ApiError>(()), Vec::new())
    };
    let mut held = std::pin::pin!(service.store.change_of(Asker::SERVER, holds));
    assert!(held.as_mut().now_or_never().is_none());
    let search = Command::Search { query: Box::new(query("Goal", "_count=2")), path: "/Goal".to_owned() };
    let mut searches = std::pin::pin!(carry_out(&service, patient("amina"), search));
    assert!(searches.as_mut().now_or_never().is_none(), "its record waits");
    assert_eq!(service.turns.busy_and_waiting(), (0, 0));
    drop(go);
    held.await.unwrap();
    searches.await.unwrap();
}

/// What an operation computes is no work of the database, which would be stopped: it begins where no request waits.
#[test]
fn what_a_body_decides_begins_where_nobody_waits() {
    let call = patient("amina");
    let extent = |name: &str, on: &'static str, text: String| {
        let target = OperationTarget { resource_type: Some(ResourceType::of(on)), id: None };
        let operation = operation::called(name, &target, false).unwrap();
        let body = concord_fhir::json::Value::object([
            ("resourceType", concord_fhir::json::Value::string(on)),
            ("description", concord_fhir::json::Value::string(text)),
        ]);
        let input = Box::new(Input::default().with_body(body, operation, target.resource_type));
        Command::Operation { operation, target, input, path: String::new() }.extent(&call)
    };
    let (small, large) = ("x".to_owned(), "x".repeat(20_000));
    let computed =
        [("$expand", "ValueSet"), ("$validate-code", "ValueSet"), ("$translate", "ConceptMap"), ("$validate", "Goal")];
    for (name, on) in computed {
        assert_eq!(extent(name, on, small.clone()), Extent::Much, "{name}");
    }
    assert_eq!(extent("$match", "Patient", small), Extent::Unknown);
    for operation in
        OPERATIONS.iter().filter(|operation| !operation.conduct.changes && operation.levels.contains(&Level::Type))
    {
        let on = operation.types.first().copied().unwrap_or("Goal");
        assert_eq!(extent(operation.name, on, large.clone()), Extent::Much, "{}", operation.name);
    }
}

#[test]
fn large_pages_counts_and_many_tests_are_costly_in_ones_own_record_too() {
    let call = patient("amina");
    let many = (0..21).map(|number| number.to_string()).collect::<Vec<_>>().join(",");
    for (text, costly) in [
        ("_count=100", false),
        ("_count=101", true),
        ("_total=accurate", true),
        ("_sort=start-date", false),
        ("_sort=start-date,lifecycle-status", true),
        (format!("_id={many}").as_str(), true),
    ] {
        let search = Command::Search { query: Box::new(query("Goal", text)), path: "/Goal".to_owned() };
        assert_eq!(search.extent(&call), if costly { Extent::Unknown } else { Extent::Little }, "{text}");
    }
}
