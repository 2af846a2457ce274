//! What operations compute as entries of a transaction that writes: on the embedded database everybody's changes wait for it, and so
//! it counts, of every operation that there is.

use std::sync::Arc;

use concord_fhir::codec::{Format, read_requests};
use concord_fhir::json;
use concord_fhir::registry::ResourceType;
use concord_fhir::search::Handling;
use concord_store::Extent;
use concord_store::transaction::Transaction;
use serde_json::{Value, json};

use crate::error::ApiError;
use crate::interact::Service;
use crate::interact::bundle;
use crate::interact::command::{Command, TransactionKind};
use crate::interact::execute::in_transaction;
use crate::interact::operation::{Computing, Input, Level, OPERATIONS, Operation, OperationTarget};
use crate::interact::search::conditional::within_operation_budget;
use crate::interact::session::Session;
use crate::interact::tests::search::{on_each, open_with, reading, store, system};

/// How many codes take longer than an operation may take here.
const MANY: usize = 4_000;

/// How many steps one may take here.
const STEPS: u64 = 20_000;

/// On what an operation is called that is not about anything that is there.
fn target(operation: &Operation) -> OperationTarget {
    let on = operation.types.first().map_or_else(|| ResourceType::of("Goal"), |name| ResourceType::of(name));
    let has = |level| operation.levels.contains(&level);
    OperationTarget {
        resource_type: (!has(Level::System)).then_some(on),
        id: (!has(Level::System) && !has(Level::Type)).then(|| "nothing".to_owned()),
    }
}

/// Whether it takes more than it may there, with so much going in.
async fn takes_long(service: &Arc<Service>, operation: &'static Operation, bytes: usize) -> bool {
    let (own, call) = (Arc::clone(service), system());
    let caller = Arc::clone(&call.caller);
    let work = move |transaction: &mut Transaction<'_>| {
        transaction.bound(own.settings.cost);
        let parameters = json::Value::object([
            ("resourceType", json::Value::string("Parameters")),
            ("id", json::Value::string("x".repeat(bytes))),
        ]);
        let input = Input { parameters: Some(parameters), ..Input::default() };
        let target = target(operation);
        let audit = Command::Capabilities.audit(&call);
        let (done, _) = Session::run(&own, &call, transaction, audit, |session| {
            within_operation_budget(session, |session| operation.carry_out(session, &target, &input))
        });
        (Ok::<_, ApiError>(matches!(done, Err(ApiError::CostlyCondition))), Vec::new())
    };
    in_transaction(service, &caller, TransactionKind::Change, Extent::Little, work).await.unwrap()
}

#[tokio::test]
async fn every_operation_counts_what_it_goes_through() {
    on_each(async |service: Arc<Service>| {
        let is_only = !service.store.has_many_writers();
        for operation in OPERATIONS.iter().filter(|operation| !operation.conduct.changes) {
            assert!(!takes_long(&service, operation, 10).await, "{}", operation.name);
            assert_eq!(takes_long(&service, operation, 1_000_000).await, is_only, "{}", operation.name);
        }
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

/// For each operation that computes more than goes through it, a request about the lists of a name that take long, or take
/// little.
fn requests(operation: &Operation, name: &str, codes: usize) -> Vec<(&'static str, String, Option<Value>)> {
    let get = |path: String| vec![("GET", path, None)];
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
            let mut checked = reading("r", "ann", "85354-9");
            checked["meta"] = json!({"profile": ["http://hl7.org/fhir/StructureDefinition/bp"]});
            checked["component"] =
                (0..codes / 10).map(|_| json!({"code": {"text": "x"}, "valueString": "x"})).collect();
            vec![("POST", "Observation/$validate".to_owned(), Some(checked))]
        }
        (other, _) => panic!("what does {other} compute, and of what does it take long?"),
    }
}

/// A write with requests beside it.
async fn together(
    service: &Arc<Service>,
    requests: Vec<(&'static str, String, Option<Value>)>,
) -> Result<(), ApiError> {
    let write = reading("written", "ann", "x");
    let mut entries = vec![json!({"resource": write, "request": {"method": "PUT", "url": "Observation/written"}})];
    for (method, url, resource) in requests {
        let mut entry = json!({"request": {"method": method, "url": url}});
        if let Some(resource) = resource {
            entry["resource"] = resource;
        }
        entries.push(entry);
    }
    let text = json!({"resourceType": "Bundle", "type": "transaction", "entry": entries}).to_string();
    let requests = read_requests(Format::Json, text.as_bytes(), &service.settings.limits).unwrap().into_owned();
    let entries = bundle::entries(service, requests, Handling::Strict).await?;
    bundle::transaction(service, system(), entries).await.map(|_| ())
}

#[tokio::test]
async fn what_operations_compute_counts() {
    on_each(async |service: Arc<Service>| {
        let service = open_with(&service, |settings| settings.cost.condition = STEPS);
        let is_only = !service.store.has_many_writers();
        let patient = json!({"resourceType": "Patient", "id": "ann", "name": [{"family": "A"}]});
        let all = [vec![patient], lists("few", 20), lists("many", MANY)].concat();
        for one in all {
            store(&service, one).await;
        }
        for operation in OPERATIONS.iter().filter(|operation| operation.computing == Computing::ByPieces) {
            for (name, codes) in [("few", 20), ("many", MANY)] {
                let is_refused = is_only && codes == MANY;
                let done = together(&service, requests(operation, name, codes)).await;
                match &done {
                    Ok(()) => assert!(!is_refused, "{} of {name}", operation.name),
                    Err(fault) => assert!(
                        is_refused && matches!(fault.cause(), ApiError::CostlyCondition),
                        "{} of {name}: {fault:?}",
                        operation.name
                    ),
                }
            }
        }
        // What each may, not all of them may together.
        let operation = OPERATIONS.iter().find(|operation| operation.name == "$subsumes").unwrap();
        let many = || (0..120).flat_map(|_| requests(operation, "few", 20)).collect();
        assert_eq!(together(&service, many()).await.is_err(), is_only);
    })
    .await;
}
