//! What entries of a transaction that writes read, and what their conditions match: on the embedded database everybody's writes wait
//! for it, so it may take that next to nothing, and nobody may be told by what becomes of it what else there is.

use std::sync::Arc;

use concord_consent::caller::Actor;
use concord_fhir::codec::{Format, read_requests};
use concord_fhir::search::Handling;
use serde_json::{Value, json};

use crate::error::ApiError;
use crate::interact::execute::Outcome;
use crate::interact::operation::{Computing, OPERATIONS, Operation};
use crate::interact::tests::search::{call, on_each, open_with, reading, store, system};
use crate::interact::{Call, Service, bundle};

/// A transaction of such entries: method, address, `If-None-Exist` and resource.
async fn transaction(
    service: &Arc<Service>,
    call: Call,
    entries: Vec<Value>,
) -> Result<Vec<Result<Outcome, ApiError>>, ApiError> {
    let text = json!({"resourceType": "Bundle", "type": "transaction", "entry": entries}).to_string();
    let requests = read_requests(Format::Json, text.as_bytes(), &service.settings.limits).unwrap().into_owned();
    let entries = bundle::entries(service, requests, Handling::Strict).await?;
    bundle::transaction(service, call, entries).await
}

fn get(url: impl Into<String>) -> Value {
    json!({"request": {"method": "GET", "url": url.into()}})
}

fn put(resource: Value) -> Value {
    let url = format!("{}/{}", resource["resourceType"].as_str().unwrap(), resource["id"].as_str().unwrap());
    json!({"resource": resource, "request": {"method": "PUT", "url": url}})
}

fn written() -> Value {
    put(reading("written", "ann", "x"))
}

fn ann() -> Value {
    json!({"resourceType": "Patient", "id": "ann", "name": [{"family": "A"}]})
}

/// A condition that each of many readings is looked at for: none, but those that it names, meets it.
const LONG: &str = "subject=Patient/ann&code:not=85354-9";

/// As many readings as take longer than a condition may take here.
async fn with_many(service: &Arc<Service>) -> Arc<Service> {
    store(service, ann()).await;
    for number in 0..150 {
        store(service, reading(&format!("many-{number}"), "ann", "85354-9")).await;
    }
    open_with(service, |settings| settings.cost.condition = 1_000)
}

fn create(condition: &str, full_url: Option<&str>) -> Value {
    let mut made = reading("ignored", "ann", "8480-6");
    made.as_object_mut().unwrap().remove("id");
    let mut entry = json!({"resource": made,
        "request": {"method": "POST", "url": "Observation", "ifNoneExist": condition}});
    if let Some(url) = full_url {
        entry["fullUrl"] = json!(url);
    }
    entry
}

fn stored(outcome: &Result<Outcome, ApiError>) -> (String, bool) {
    let Ok(Outcome::Written(written)) = outcome else { panic!("{outcome:?}") };
    (written.version.id.clone(), written.created)
}

#[tokio::test]
async fn what_a_condition_takes_is_told_by_nothing() {
    on_each(async |service: Arc<Service>| {
        let service = with_many(&service).await;
        let done = transaction(&service, system(), vec![written(), create(LONG, None)]).await.unwrap();
        let (made, created) = stored(&done[1]);
        assert!(created, "updates come after creates");
        let delete = json!({"request": {"method": "DELETE", "url": format!("Observation/{made}")}});
        let done = transaction(&service, system(), vec![create(LONG, None), delete]).await.unwrap();
        assert_eq!(stored(&done[0]), ("written".to_owned(), false), "what another transaction has written counts");
        let others = format!("{LONG}&code:not=x");
        let all: Vec<Value> =
            (0..40).map(|number| create(&format!("{others}&date=ge{}", 1960 + number), None)).collect();
        let done = transaction(&service, system(), all).await;
        // More than what all of them may take there together; what the first creates meets the others' condition.
        let done = done.unwrap();
        let first = stored(&done[0]);
        assert!(first.1);
        assert!(done[1..].iter().all(|one| stored(one) == (first.0.clone(), false)));
        let again = transaction(&service, system(), vec![written(), create(&others, None)]).await.unwrap();
        assert_eq!(stored(&again[1]), (first.0, false), "and what was there before");
    })
    .await;
}

#[tokio::test]
async fn what_is_taken_away_meets_no_condition_that_was_matched_before() {
    on_each(async |service: Arc<Service>| {
        let service = with_many(&service).await;
        transaction(&service, system(), vec![written()]).await.unwrap();
        let delete = json!({"request": {"method": "DELETE", "url": "Observation/written"}});
        let url = "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0";
        let mut named = reading("names", "ann", "85354-9");
        named["derivedFrom"] = json!([{"reference": format!("Observation?{LONG}")}, {"reference": url}]);
        let done = transaction(&service, system(), vec![put(named), create(LONG, Some(url)), delete]).await.unwrap();
        let (id, created) = stored(&done[1]);
        assert!(created, "what met it is gone");
        let Ok(Outcome::Written(names)) = &done[0] else { panic!("{done:?}") };
        let reference = format!("\"Observation/{id}\"");
        assert_eq!(names.version.body.matches(&reference).count(), 2, "{}", names.version.body);
    })
    .await;
}

/// What is refused is refused in the same way whatever other conditions cost.
#[tokio::test]
async fn a_condition_that_may_not_be_asked_is_refused_whatever_another_costs() {
    on_each(async |service: Arc<Service>| {
        let service = with_many(&service).await;
        let call = call(Actor::System, "system/Observation.cruds");
        let mut named = reading("names", "ann", "85354-9");
        named["derivedFrom"] = json!([{"reference": "Goal?lifecycle-status=active"}]);
        for condition in ["identifier=nothing", LONG] {
            let entries = vec![put(named.clone()), create(condition, None)];
            let refused = transaction(&service, call.clone(), entries).await.unwrap_err();
            assert!(matches!(refused.cause(), ApiError::Denied(_)), "{condition}: {refused:?}");
        }
    })
    .await;
}

/// What a condition looks at beside its own type may be what the transaction changes: a wrong answer would be a duplicate.
#[tokio::test]
async fn a_condition_is_never_wrong_by_what_its_own_transaction_changes_elsewhere() {
    on_each(async |service: Arc<Service>| {
        let service = with_many(&service).await;
        let renamed = || {
            let mut ann = ann();
            ann["name"] = json!([{"family": "renamed"}]);
            put(ann)
        };
        transaction(&service, system(), vec![written()]).await.unwrap();
        let mut update = reading("ignored", "ann", "8480-6");
        update.as_object_mut().unwrap().remove("id");
        let url = format!("Observation?{LONG}&subject:Patient.family=A");
        let conditional = json!({"resource": update, "request": {"method": "PUT", "url": url}});
        let mut named = reading("names", "ann", "85354-9");
        named["derivedFrom"] = json!([{"reference": format!("Observation?{LONG}&subject:Patient.family=renamed")}]);
        for second in [put(named), conditional] {
            store(&service, ann()).await;
            match transaction(&service, system(), vec![renamed(), second]).await {
                // What it was found to match before the patient was renamed it matches no more, and nothing is stored.
                Err(fault) if matches!(fault.cause(), ApiError::Conflict(_)) => {}
                Err(fault) => assert!(format!("{fault:?}").contains("the same transaction"), "{fault:?}"),
                Ok(done) => {
                    let Ok(Outcome::Written(second)) = &done[1] else { panic!("{done:?}") };
                    let body = &second.version.body;
                    assert!(second.version.id == "written" || body.contains("\"Observation/written\""), "{body}");
                }
            }
        }
        // More than are remembered match, and all that are remembered are taken away before it counts.
        let meets = "subject=Patient/ann&code=85354-9&code:not=x&derived-from:missing=true";
        let delete =
            |number: usize| json!({"request": {"method": "DELETE", "url": format!("Observation/many-{number}")}});
        let mut entries: Vec<Value> = (0..149).map(delete).collect();
        entries.push(create(meets, None));
        match transaction(&service, system(), entries).await {
            Ok(done) => assert_eq!(stored(&done[149]), ("many-149".to_owned(), false)),
            Err(fault) => assert!(format!("{fault:?}").contains("the same transaction"), "{fault:?}"),
        }
    })
    .await;
}

#[tokio::test]
async fn what_a_transaction_labels_may_meet_a_condition_that_was_matched_before() {
    on_each(async |service: Arc<Service>| {
        let service = with_many(&service).await;
        let (system, code) = ("urn:labels", "mine");
        let added = json!({"resourceType": "Parameters", "parameter": [
            {"name": "meta", "valueMeta": {"security": [{"system": system, "code": code}]}}]});
        let label = json!({"resource": added, "request": {"method": "POST", "url": "Observation/many-0/$meta-add"}});
        // Looked for among all of them, for each is not of that code.
        let condition = format!("_security={system}|{code}&subject=Patient/ann&code:not=x");
        let done = transaction(&service, super::search::system(), vec![label, create(&condition, None)]).await.unwrap();
        assert_eq!(stored(&done[1]), ("many-0".to_owned(), false));
    })
    .await;
}

#[tokio::test]
async fn a_search_beside_writes_sees_them_and_takes_what_it_takes() {
    on_each(async |service: Arc<Service>| {
        let service = with_many(&service).await;
        let searches = (0..60).map(|_| get(format!("Observation?{LONG}")));
        let done = transaction(&service, system(), searches.chain([written()]).collect()).await.unwrap();
        for one in &done[..60] {
            let Ok(Outcome::Page(page)) = one else { panic!("{one:?}") };
            assert_eq!(page.page.versions.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), ["written"]);
        }
        assert!(stored(&done[60]).1);
    })
    .await;
}

#[tokio::test]
async fn so_many_reads_there_may_be_beside_writes() {
    on_each(async |service: Arc<Service>| {
        store(&service, ann()).await;
        let with = |reads: usize| {
            let reads = (0..reads).map(|_| get("Patient/ann"));
            reads.chain([written()]).collect::<Vec<_>>()
        };
        transaction(&service, system(), with(100)).await.unwrap();
        let refused = transaction(&service, system(), with(101)).await;
        assert_eq!(refused.is_err(), !service.store.has_many_writers(), "{refused:?}");
        // One that is not there ends all of it.
        let gone = vec![get("Patient/nobody"), put(reading("not-written", "ann", "x"))];
        assert!(transaction(&service, system(), gone).await.is_err());
        let looked = transaction(&service, system(), vec![get("Observation/not-written"), written()]).await;
        assert!(looked.is_err(), "nothing was written");
    })
    .await;
}

/// Code lists of so many codes, whose first is above all others, under a name.
fn lists(name: &str, codes: usize) -> Vec<Value> {
    let url = |kind: &str| format!("urn:{kind}:{name}");
    let all = || (0..codes).map(|code| format!("c{code}"));
    let below: Vec<Value> = all().skip(1).map(|code| json!({"code": code})).collect();
    let listed: Vec<Value> = all().map(|code| json!({"system": url("system"), "code": code})).collect();
    let mapped: Vec<Value> =
        all().map(|code| json!({"code": code, "target": [{"code": code, "equivalence": "equal"}]})).collect();
    vec![
        json!({"resourceType": "CodeSystem", "id": name, "url": url("system"), "status": "active", "content": "complete",
            "concept": [{"code": "c0", "concept": below}]}),
        json!({"resourceType": "ValueSet", "id": name, "url": url("set"), "status": "active",
            "expansion": {"timestamp": "2026-01-01T00:00:00Z", "contains": listed}}),
        json!({"resourceType": "ConceptMap", "id": name, "url": url("map"), "status": "active",
            "group": [{"source": url("system"), "target": url("system"), "element": mapped}]}),
    ]
}

/// For each operation that computes more than goes through it, a request about the lists of a name.
fn request(operation: &Operation, name: &str) -> Value {
    let on = *operation.types.first().unwrap_or(&"Observation");
    match (operation.name, on) {
        ("$expand", _) => get(format!("ValueSet/$expand?url=urn:set:{name}&filter=nothing")),
        ("$validate-code", "ValueSet") => {
            get(format!("ValueSet/$validate-code?url=urn:set:{name}&system=urn:system:{name}&code=c1"))
        }
        ("$validate-code", _) => get(format!("CodeSystem/{name}/$validate-code?code=c1")),
        ("$lookup", _) => get(format!("CodeSystem/$lookup?system=urn:system:{name}&code=c0")),
        ("$subsumes", _) => get(format!("CodeSystem/$subsumes?system=urn:system:{name}&codeA=c0&codeB=c1")),
        ("$translate", _) => get(format!("ConceptMap/$translate?url=urn:map:{name}&system=urn:system:{name}&code=c1")),
        ("$validate", _) => {
            let checked = reading("r", "ann", "85354-9");
            json!({"resource": checked, "request": {"method": "POST", "url": "Observation/$validate"}})
        }
        (other, _) => panic!("what does {other} compute?"),
    }
}

#[tokio::test]
async fn operations_beside_writes_take_what_they_take() {
    on_each(async |service: Arc<Service>| {
        let service = open_with(&service, |settings| settings.cost.condition = 1_000);
        for one in [vec![ann()], lists("many", 4_000)].concat() {
            store(&service, one).await;
        }
        let computing = OPERATIONS.iter().filter(|operation| operation.computing == Computing::ByPieces);
        let all: Vec<Value> = computing.map(|operation| request(operation, "many")).chain([written()]).collect();
        let done = transaction(&service, system(), all).await.unwrap();
        for one in &done {
            assert!(one.is_ok(), "{one:?}");
        }
    })
    .await;
}
