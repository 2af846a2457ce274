//! Decisions that walk along references: who wrote these decides neither how long the only writer is at a read, nor what others find.

use std::sync::Arc;

use concord_consent::caller::Actor;
use concord_fhir::predicate::MOST_LINKS;
use concord_fhir::registry::ResourceType;
use concord_store::Asker;
use concord_store::transaction::Transaction;
use serde_json::{Value, json};

use crate::error::ApiError;
use crate::interact::command::Command;
use crate::interact::execute::{at_first, carry_out, carry_out_within, execute};
use crate::interact::session::Session;
use crate::interact::tests::search::{call, found, on_each, patient, professional, read, reading, store, to};
use crate::interact::tests::statements::consent;
use crate::interact::{Call, Service};

const COMMUNICATION: ResourceType = ResourceType::of("Communication");

/// How many messages name one another.
const MESSAGES: usize = 40;

fn message(id: &str, of: &str, names: impl Iterator<Item = String>) -> Value {
    let extension: Vec<Value> =
        names.map(|name| json!({"url": "urn:names", "valueReference": to(&format!("Communication/{name}"))})).collect();
    let mut message = json!({"resourceType": "Communication", "id": id, "status": "completed",
        "subject": to(&format!("Patient/{of}")), "payload": [{"contentString": "x"}]});
    if !extension.is_empty() {
        message["extension"] = json!(extension);
    }
    message
}

/// Messages of Ann's that all name one another, one that names none, one that names that, and a goal that she denies her GP; and a
/// message of Bob's.
async fn arrive(service: &Arc<Service>) {
    arrive_without_threads(service).await;
    for names in [false, true] {
        for own in 0..MESSAGES {
            let others = (0..MESSAGES).filter(|other| names && *other != own).map(|other| format!("m{other}"));
            store(service, message(&format!("m{own}"), "ann", others)).await;
        }
    }
}

/// The same without those that name one another.
async fn arrive_without_threads(service: &Arc<Service>) {
    let team = |id: &str, of: &str| {
        json!({"resourceType": "CareTeam", "id": id, "status": "active", "subject": to(&format!("Patient/{of}")),
            "participant": [{"member": to("Practitioner/gp")}]})
    };
    let mut denial = consent();
    denial["policyRule"]["coding"][0]["code"] = json!("OPTOUT");
    denial["provision"] = json!({"type": "deny", "actor": [{"role": denial["provision"]["actor"][0]["role"].clone(),
        "reference": to("Practitioner/gp")}], "data": [{"meaning": "instance", "reference": to("Goal/denied")}]});
    let all = [
        json!({"resourceType": "Patient", "id": "ann", "name": [{"family": "A"}]}),
        json!({"resourceType": "Patient", "id": "bob", "name": [{"family": "B"}]}),
        json!({"resourceType": "Practitioner", "id": "gp", "name": [{"family": "C"}]}),
        team("anns", "ann"),
        team("bobs", "bob"),
        json!({"resourceType": "Goal", "id": "denied", "lifecycleStatus": "active", "description": {"text": "q"},
            "subject": to("Patient/ann")}),
        message("alone", "ann", std::iter::empty()),
        message("answer", "ann", ["alone".to_owned()].into_iter()),
        message("bobs", "bob", std::iter::empty()),
        denial,
    ];
    for one in all {
        store(service, one).await;
    }
}

fn reads(id: &str) -> Command {
    Command::Read { resource_type: COMMUNICATION, id: id.to_owned(), unless: None }
}

/// Whether a point read takes the connection on which it is tried all that it may there.
async fn takes_long(service: &Arc<Service>, call: Call, id: &'static str) -> bool {
    let own = Arc::clone(service);
    let work = move |transaction: &mut Transaction<'_>| {
        transaction.bound(at_first(own.settings.cost, true, true));
        let mut answer = own.settings.answer;
        let _done = Session::run(&own, &call, transaction, reads(id).audit(&call), |session| {
            execute(session, reads(id), &mut answer)
        });
        (Ok::<_, ApiError>(transaction.has_spent_all()), Vec::new())
    };
    service.store.read_head(Asker::SERVER, COMMUNICATION, id, work).await.unwrap()
}

#[tokio::test]
async fn a_dense_thread_is_decided_beside_the_writer_and_hides_itself_alone() {
    on_each(async |service: Arc<Service>| {
        arrive(&service).await;
        // PostgreSQL has many writers, and counts no steps.
        let is_only = !service.store.has_many_writers();
        for (id, is_shown) in [("alone", true), ("answer", true), ("bobs", true), ("m0", false)] {
            let done = carry_out(&service, professional("gp"), reads(id)).await;
            match is_shown {
                true => drop(done.unwrap_or_else(|why| panic!("{id}: {why:?}"))),
                false => assert!(matches!(done, Err(ApiError::NotFound)), "{id}: {done:?}"),
            }
            assert_eq!(takes_long(&service, professional("gp"), id).await, is_only && !is_shown, "{id}");
        }
        // Nobody to whom nothing is denied walks anywhere.
        carry_out(&service, patient("ann"), reads("m0")).await.unwrap();
        assert!(!takes_long(&service, patient("ann"), "m0").await);
        // Who asks for what hides itself is told of all else.
        for criteria in ["_count=50", "_count=1000&_total=accurate"] {
            let all = found(&service, professional("gp"), "Communication", criteria).await;
            assert_eq!(all, ["alone", "answer", "bobs"], "{criteria}");
        }
        // What one entry of a batch has taken, the next does not take again.
        let (mut answer, mut beside) = (service.settings.answer, false);
        for (id, went_beside) in [("alone", false), ("m1", is_only), ("alone", is_only), ("m2", is_only)] {
            let done = carry_out_within(&service, professional("gp"), reads(id), &mut answer, &mut beside).await;
            assert_eq!((done.is_ok(), beside), (id == "alone", went_beside), "{id}");
        }
    })
    .await;
}

/// What a write names is looked at by the writer no longer than that takes next to nothing, however much it names.
#[tokio::test]
async fn what_a_write_names_of_a_dense_thread_is_not_there() {
    on_each(async |service: Arc<Service>| {
        arrive(&service).await;
        let gp = || call(Actor::Practitioner("gp".to_owned()), "user/*.cruds");
        let some = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let dense: Vec<String> = (0..MESSAGES).map(|number| format!("m{number}")).collect();
        for (names, is_stored) in [(some(&["alone", "answer"]), true), (some(&["m0", "alone"]), false), (dense, false)]
        {
            let mut resource = reading("", "ann", "shown");
            resource.as_object_mut().unwrap().remove("id");
            let named = names
                .iter()
                .map(|name| json!({"url": "urn:names", "valueReference": to(&format!("Communication/{name}"))}));
            resource["extension"] = named.collect();
            let resource_type = ResourceType::of("Observation");
            let create = Command::Create { resource_type, resource: read(&resource), condition: None, id: None };
            match carry_out(&service, gp(), create).await {
                Ok(_) => assert!(is_stored, "{names:?}"),
                Err(ApiError::Unprocessable(_)) => assert!(!is_stored, "{names:?}"),
                Err(other) => panic!("{names:?}: {other:?}"),
            }
        }
    })
    .await;
}

/// How many older versions, and how much of them, may be gone through for what they may have shown.
#[tokio::test]
async fn what_more_older_versions_may_have_shown_than_are_gone_through_is_not_shown() {
    on_each(async |service: Arc<Service>| {
        arrive_without_threads(&service).await;
        let large = "x".repeat(3 * 1024 * 1024);
        for (id, versions, text, is_shown) in
            [("few", 3, "", true), ("many", MOST_LINKS, "", false), ("large", 6, large.as_str(), false)]
        {
            let content = json!({"resourceType": "Binary", "id": id, "contentType": "text/plain", "data": "YQ==",
                "securityContext": to("Patient/ann")});
            store(&service, content).await;
            let letter = |shown: &str, number: usize| {
                json!({"resourceType": "DocumentReference", "id": format!("of-{id}"), "status": "current",
                    "subject": to("Patient/ann"), "description": format!("{number}{text}"),
                    "content": [{"attachment": {"contentType": "text/plain", "url": shown}}]})
            };
            store(&service, letter(&format!("Binary/{id}"), 0)).await;
            let read = || {
                let resource_type = ResourceType::of("Binary");
                Command::Read { resource_type, id: id.to_owned(), unless: None }
            };
            carry_out(&service, professional("gp"), read()).await.unwrap();
            for number in 0..=versions {
                store(&service, letter("urn:none", number)).await;
            }
            let done = carry_out(&service, professional("gp"), read()).await;
            match is_shown {
                true => drop(done.unwrap_or_else(|why| panic!("{id}: {why:?}"))),
                false => assert!(matches!(done, Err(ApiError::NotFound)), "{id}: {done:?}"),
            }
            carry_out(&service, patient("ann"), read()).await.unwrap();
        }
    })
    .await;
}
