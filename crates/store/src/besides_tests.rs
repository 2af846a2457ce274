//! What is asked besides of what a page has: it is answered alike on both databases, and costs what the page costs.

use concord_fhir::index::extract;
use concord_fhir::json::{self, Limits};
use concord_fhir::predicate::Predicate;
use concord_fhir::registry::ResourceType;
use concord_fhir::search::{Handling, parse};

use crate::error::StoreError;
use crate::rows::{Method, Version};
use crate::search::{PageRequest, TypeQuery};
use crate::testing::{NOW, Scratch};
use crate::transaction::Transaction;
use crate::{Cost, Store};

const OBSERVATION: ResourceType = ResourceType::of("Observation");
const PATIENT: ResourceType = ResourceType::of("Patient");

/// Whom an Observation with an identifier is about.
const LED_BY_A_CHAIN: (&str, &str) = ("_has:Observation:patient:identifier", "urn:example|n");

/// The same, where something else leads.
const LED_BY_A_KEY: (&str, &str) = ("gender", "female");

fn put(transaction: &mut Transaction<'_>, of: ResourceType, id: &str, body: String) {
    let value = json::parse(body.as_bytes(), &Limits::default()).unwrap();
    let mut entries = extract(of, id, NOW, &value);
    entries.patients.clear();
    let version = Version {
        key: transaction.next_key(),
        resource_type: of,
        id: id.to_owned(),
        version: 1,
        updated: NOW,
        method: Method::Post,
        deleted: false,
        patient: 0,
        patients: 0,
        author: String::new(),
        labels: String::new(),
        body,
    };
    #[expect(clippy::disallowed_methods, reason = "the store by itself")]
    transaction.insert(&[(version, &entries)]).unwrap();
}

/// Two patients with so many readings each, of which one has the identifier: a final one of hers, a preliminary one of his.
async fn fill(store: &Store, readings: usize) {
    let stored = store.write(move |transaction| {
        for (patient, status) in [("hers", "final"), ("his", "preliminary")] {
            let body = format!(r#"{{"resourceType":"Patient","id":"{patient}","gender":"female"}}"#);
            put(transaction, PATIENT, patient, body);
            for number in 0..readings {
                let id = format!("{patient}-{number}");
                let identifier = match number {
                    7 => r#","identifier":[{"system":"urn:example","value":"n"}]"#,
                    _ => "",
                };
                let subject = format!(r#""subject":{{"reference":"Patient/{patient}"}}"#);
                let body = format!(
                    r#"{{"resourceType":"Observation","id":"{id}","status":"{status}",{subject}{identifier},"code":{{"text":"a"}}}}"#
                );
                put(transaction, OBSERVATION, &id, body);
            }
        }
        (Ok::<_, StoreError>(()), Vec::new())
    });
    stored.await.unwrap();
}

fn asked(of: ResourceType, pairs: &[(&str, &str)]) -> Predicate {
    let pairs: Vec<(String, String)> = pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    parse(Some(of), &pairs, Handling::Strict, NOW, "").unwrap().predicate
}

/// Whom a final Observation with the identifier is about.
fn of_a_final_one() -> Predicate {
    let Predicate::ReverseChain { target, resource_type, parameter, by } = asked(PATIENT, &[LED_BY_A_CHAIN]) else {
        panic!("it is one chain")
    };
    let by = Box::new(by.and(asked(OBSERVATION, &[("status", "final")])));
    Predicate::ReverseChain { target, resource_type, parameter, by }
}

/// What a page that is led so has, with whether a final Observation was it; and how many steps of SQLite it took, a hundred times.
async fn found(store: &Store, led_by: (&'static str, &'static str)) -> (Vec<(String, bool)>, u64) {
    let taken = store.read(move |transaction| {
        let predicate = asked(PATIENT, &[led_by, LED_BY_A_CHAIN]);
        let queries = [TypeQuery { resource_type: PATIENT, record: None, predicate }];
        let wanted = PageRequest { queries: &queries, sort: &[], after: None, limit: 10 };
        let besides = [(OBSERVATION, Predicate::None), (PATIENT, of_a_final_one())];
        let watch = transaction.watch(Cost::UNBOUNDED);
        let mut all = Vec::new();
        // The steps are counted in thousands.
        for _ in 0..100 {
            let page = transaction.page_and(&wanted, &besides).unwrap();
            all = page.versions.iter().map(|one| (one.id.clone(), !page.others.contains(&one.key))).collect();
        }
        (Ok::<_, StoreError>((all, watch.map_or(0, |watch| watch.taken()))), Vec::new())
    });
    taken.await.unwrap()
}

#[tokio::test]
async fn what_is_asked_besides_is_told_whatever_leads() {
    for scratch in Scratch::both() {
        let store = scratch.store();
        fill(&store, 10).await;
        for led_by in [LED_BY_A_CHAIN, LED_BY_A_KEY] {
            let (all, _) = found(&store, led_by).await;
            assert_eq!(all, [("hers".to_owned(), true), ("his".to_owned(), false)], "{led_by:?}");
        }
    }
}

#[tokio::test]
async fn what_is_found_by_a_chain_costs_no_more_the_more_refer_to_it() {
    let mut taken = Vec::new();
    for readings in [20, 1_000] {
        let [scratch, _] = Scratch::both();
        let store = scratch.store();
        fill(&store, readings).await;
        taken.push(found(&store, LED_BY_A_CHAIN).await.1);
    }
    assert!(taken[1] <= taken[0] + taken[0] / 2, "{taken:?}");
}
