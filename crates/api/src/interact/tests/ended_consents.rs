//! What a decision reads of a record in which Consents have ended: as much as if they were not there.

use std::sync::Arc;

use concord_consent::caller::Actor;
use concord_fhir::registry::ResourceType;
use serde_json::{Value, json};

use crate::interact::command::Command;
use crate::interact::execute::carry_out;
use crate::interact::tests::search::{call, on_each, open_with, read, reading, store, to};
use crate::interact::tests::statements::consent;
use crate::interact::{Call, Service};

async fn arrive(service: &Arc<Service>) {
    for one in [
        json!({"resourceType": "Patient", "id": "ann", "name": [{"family": "A"}]}),
        json!({"resourceType": "Practitioner", "id": "gp", "name": [{"family": "B"}]}),
        json!({"resourceType": "CareTeam", "id": "team", "status": "active", "subject": to("Patient/ann"),
            "participant": [{"member": to("Practitioner/gp")}]}),
        json!({"resourceType": "RelatedPerson", "id": "yusuf", "active": true, "patient": to("Patient/ann")}),
        reading("known", "ann", "shown"),
    ] {
        store(service, one).await;
    }
}

/// One of Ann's own.
async fn gives(service: &Arc<Service>, mut resource: Value) {
    resource.as_object_mut().unwrap().remove("id");
    let by = call(Actor::Patient("ann".to_owned()), "patient/*.cruds");
    let resource_type = ResourceType::of("Consent");
    let command = Command::Create { resource_type, resource: read(&resource), condition: None, id: None };
    carry_out(service, by, command).await.unwrap();
}

/// How many rows it takes to let the carer and the doctor read, where nothing of them is known yet.
async fn rows(service: &Arc<Service>) -> Vec<u64> {
    let by = |actor: Actor| -> Call { call(actor, "user/*.rs") };
    let mut all = Vec::new();
    for call in [by(Actor::RelatedPerson("yusuf".to_owned())), by(Actor::Practitioner("gp".to_owned()))] {
        let fresh = open_with(service, |_| {});
        let command =
            Command::Read { resource_type: ResourceType::of("Observation"), id: "known".to_owned(), unless: None };
        let before = fresh.store.counted();
        carry_out(&fresh, call, command).await.unwrap();
        all.push(fresh.store.counted().since(before).rows);
    }
    all
}

#[tokio::test]
async fn what_has_ended_is_not_read_for_a_decision() {
    on_each(async |service: Arc<Service>| {
        arrive(&service).await;
        gives(&service, consent()).await;
        let before = rows(&service).await;
        for number in 0..12 {
            let mut ended = consent();
            match ["inactive", "rejected", "entered-in-error"].get(number % 4) {
                Some(status) => ended["status"] = json!(status),
                None => ended["provision"]["period"] = json!({"start": "2025-01-01", "end": "2025-03-31"}),
            }
            gives(&service, ended).await;
        }
        assert_eq!(rows(&service).await, before);
        let mut later = consent();
        later["provision"]["period"] = json!({"start": "2998-01-01", "end": "2999-06-30"});
        gives(&service, later).await;
        assert!(rows(&service).await > before, "what begins later is known before");
    })
    .await;
}
