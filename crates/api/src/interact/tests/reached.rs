//! Decisions about all records that somebody may know: made once while nothing changes that they are made from, however many rules
//! there are, and made anew from the next request on when something does.

use std::sync::Arc;

use concord_consent::caller::Actor;
use concord_fhir::registry::ResourceType;
use serde_json::{Value, json};

use crate::interact::Service;
use crate::interact::command::Command;
use crate::interact::execute::{Outcome, carry_out};
use crate::interact::history::{Of, Range};
use crate::interact::tests::search::{call, found, on_each, professional, reading, store, to};
use crate::interact::tests::statements::consent;

/// How many rules share with the doctor.
const RULES: usize = 20;

/// One that shares with somebody what has a code.
fn shares(of: &str, with: &str, code: &str) -> Value {
    let mut one = consent();
    one["id"] = json!(format!("{of}-{code}"));
    one["patient"] = to(&format!("Patient/{of}"));
    one["policyRule"]["coding"][0]["code"] = json!("OPTIN");
    one["provision"]["actor"][0]["reference"] = to(with);
    one["provision"].as_object_mut().unwrap().remove("class");
    one["provision"]["code"] = json!([{"coding": [{"system": "http://loinc.org", "code": code}]}]);
    one
}

async fn arrive(service: &Arc<Service>) {
    let named =
        |resource_type: &str, id: &str| json!({"resourceType": resource_type, "id": id, "name": [{"family": "A"}]});
    for one in [named("Patient", "ann"), named("Patient", "bob"), named("Practitioner", "gp")] {
        store(service, one).await;
    }
    for number in 0..RULES {
        store(service, shares("ann", "Practitioner/gp", &format!("c{number}"))).await;
    }
    for (id, of, code) in [("first", "ann", "c1"), ("second", "ann", "d1"), ("bobs", "bob", "c1")] {
        store(service, reading(id, of, code)).await;
    }
}

/// The readings in the history of all of them, or of everything.
async fn history(service: &Arc<Service>, of: Of) -> Vec<String> {
    let range = Range { limit: 500, ..Range::default() };
    let command = Command::History { of, range, asked: Vec::new() };
    let Outcome::Versions(page) = carry_out(service, professional("gp"), command).await.unwrap() else {
        panic!("no history")
    };
    let readings = page.page.versions.iter().filter(|version| version.resource_type.name() == "Observation");
    let mut ids: Vec<String> = readings.map(|version| version.id.clone()).collect();
    ids.sort();
    ids
}

#[tokio::test]
async fn what_is_decided_about_all_records_is_decided_once() {
    on_each(async |service: Arc<Service>| {
        arrive(&service).await;
        let of_type = || Of::Type(ResourceType::of("Observation"));
        let made = || service.decisions.made_of_all();
        for _ in 0..3 {
            assert_eq!(history(&service, Of::System).await, ["first"]);
            assert_eq!(history(&service, of_type()).await, ["first"]);
            assert_eq!(found(&service, professional("gp"), "Observation", "_count=50").await, ["first"]);
        }
        // One of each kind of question.
        assert_eq!(made(), 3);
        // Whatever is decided from, in a record that is known or in one more, holds from the next request on.
        store(&service, shares("ann", "Practitioner/gp", "d1")).await;
        assert_eq!(history(&service, of_type()).await, ["first", "second"]);
        store(&service, shares("bob", "Practitioner/gp", "c1")).await;
        assert_eq!(history(&service, of_type()).await, ["bobs", "first", "second"]);
        let mut ended = shares("bob", "Practitioner/gp", "c1");
        ended["status"] = json!("inactive");
        store(&service, ended).await;
        assert_eq!(history(&service, of_type()).await, ["first", "second"]);
        assert_eq!(made(), 6);
        // What is no Consent changes nothing.
        store(&service, reading("third", "ann", "c2")).await;
        assert_eq!(history(&service, of_type()).await, ["first", "second", "third"]);
        assert_eq!(made(), 6);
        // Somebody else is somebody else.
        let other = call(Actor::Practitioner("gp2".to_owned()), "user/*.rs");
        assert!(found(&service, other, "Observation", "_count=50").await.is_empty());
    })
    .await;
}
