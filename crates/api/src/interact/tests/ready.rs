//! What is stored is made ready before it has the only writer, and holds while all that was read for it would be found the same.

use std::sync::Arc;

use concord_consent::caller::Actor;
use concord_fhir::codec;
use concord_fhir::registry::ResourceType;
use concord_fhir::search::Handling;
use concord_store::testing::Scratch;
use concord_store::transaction::Transaction;

use crate::error::ApiError;
use crate::interact::bundle;
use crate::interact::command::{Command, Target};
use crate::interact::execute::{Outcome, carry_out, execute, make_ready};
use crate::interact::foreseen::Foreseen;
use crate::interact::session::Session;
use crate::interact::tests::search::{call, found, open, page, read, reading, store, system, to, two_records};
use crate::interact::written::Written;
use crate::interact::{Call, Service};

const OBSERVATION: ResourceType = ResourceType::of("Observation");

fn ann() -> Call {
    call(Actor::Patient("ann".to_owned()), "patient/*.cruds")
}

/// A reading of Ann's, made of another one.
fn reading_of(code: &str) -> serde_json::Value {
    let mut own = reading("x", "ann", code);
    own.as_object_mut().unwrap().remove("id");
    own["derivedFrom"] = serde_json::json!([to("Observation/plain")]);
    own
}

fn create(code: &str) -> Command {
    Command::Create { resource_type: OBSERVATION, resource: read(&reading_of(code)), condition: None, id: None }
}

fn update(code: &str) -> Command {
    let mut resource = reading_of(code);
    resource["id"] = serde_json::json!("own");
    let target = Target::Id("own".to_owned());
    Command::Update { resource_type: OBSERVATION, target, resource: read(&resource), precondition: None, id: None }
}

async fn made_ready(service: &Arc<Service>, command: Command) -> Foreseen {
    let own = Arc::clone(service);
    let look = move |transaction: &mut Transaction<'_>| {
        Session::run(&own, &ann(), transaction, command.audit(&ann()), |session| {
            make_ready(session, command.clone(), Foreseen::nothing(&own))
        })
    };
    service.store.read(look).await.unwrap()
}

/// Stores by what has been made ready, whatever the command says.
async fn stored(service: &Arc<Service>, mut command: Command, foreseen: Foreseen) -> Result<Written, ApiError> {
    let own = Arc::clone(service);
    if let Some(id) = foreseen.ids.get(&0) {
        command.announce(id.clone());
    }
    let write = move |transaction: &mut Transaction<'_>| {
        Session::run(&own, &ann(), transaction, command.audit(&ann()), |session| {
            let mut left = own.settings.answer;
            execute(&mut session.foreseeing(Some(&foreseen)), command.clone(), &mut left)
        })
    };
    match service.store.write(write).await? {
        Outcome::Written(written) => Ok(*written),
        other => panic!("{other:?}"),
    }
}

/// The code that a version says.
fn code(written: &Written) -> String {
    let value = written.version.resource().unwrap();
    value.get("code").unwrap().list("coding")[0].text("code").unwrap().to_owned()
}

async fn with_own_reading() -> (Scratch, Arc<Service>) {
    let [scratch, _] = Scratch::both();
    let service = open(scratch.address.clone());
    two_records(&service).await;
    let mut own = reading("own", "ann", "first");
    own["performer"] = serde_json::json!([to("Patient/ann")]);
    store(&service, own).await;
    (scratch, service)
}

#[tokio::test]
async fn what_was_made_ready_is_stored_while_nothing_that_it_depends_on_has_changed() {
    let (_scratch, service) = with_own_reading().await;
    for (ready, other) in [(create("ready"), create("other")), (update("ready"), update("other"))] {
        let before = found(&service, ann(), "Observation", "").await.len();
        let foreseen = made_ready(&service, ready).await;
        assert_eq!(found(&service, ann(), "Observation", "").await.len(), before, "nothing is stored yet");
        // Of somebody else's record, and of what is not referred to.
        store(&service, reading("bobs", "bob", "changed")).await;
        store(&service, reading("plainer", "ann", "changed")).await;
        let written = stored(&service, other, foreseen).await.unwrap();
        assert_eq!(code(&written), "ready");
        let told = page(&service, system(), "Provenance", &format!("target=Observation/{}", written.version.id)).await;
        assert!(!told.versions.is_empty(), "what is told of it is stored with it");
    }
}

#[tokio::test]
async fn what_was_made_ready_is_made_anew_when_something_that_it_depends_on_has_changed() {
    let mut hidden = reading("plain", "ann", "open");
    hidden["meta"] = serde_json::json!({ "security": [{
        "system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "NOPAT" }] });
    let access = serde_json::json!({ "resourceType": "CareTeam", "id": "team", "status": "inactive",
        "subject": to("Patient/ann"), "participant": [{ "member": to("Practitioner/gp") }] });
    for (change, is_refused) in [(reading("plain", "ann", "changed"), false), (access, false), (hidden, true)] {
        for (ready, other) in [(create("ready"), create("other")), (update("ready"), update("other"))] {
            let (_scratch, service) = with_own_reading().await;
            let foreseen = made_ready(&service, ready).await;
            store(&service, change.clone()).await;
            match stored(&service, other, foreseen).await {
                Ok(written) => assert_eq!((code(&written).as_str(), is_refused), ("other", false), "{change}"),
                Err(fault) => assert!(is_refused && matches!(fault, ApiError::Unprocessable(_)), "{change}: {fault:?}"),
            }
        }
    }
    let (_scratch, service) = with_own_reading().await;
    let foreseen = made_ready(&service, update("ready")).await;
    let mut newer = reading("own", "ann", "newer");
    newer["performer"] = serde_json::json!([to("Patient/ann")]);
    store(&service, newer).await;
    assert_eq!(
        code(&stored(&service, update("other"), foreseen).await.unwrap()),
        "other",
        "another version stands before"
    );
}

/// Entries that depend on one another, more of them than are carried out without being made ready.
#[tokio::test]
async fn entries_of_a_long_transaction_name_each_other_and_are_all_stored_or_none() {
    for scratch in Scratch::both() {
        let service = open(scratch.address.clone());
        two_records(&service).await;
        let entry = |number: usize, more: serde_json::Value| {
            let mut resource = reading_of(&format!("code-{number}"));
            if number > 0 {
                resource["derivedFrom"] = serde_json::json!([to(&format!("urn:uuid:{}", number - 1))]);
            }
            let mut request = serde_json::json!({ "method": "POST", "url": "Observation" });
            request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            serde_json::json!({ "fullUrl": format!("urn:uuid:{number}"), "request": request, "resource": resource })
        };
        let plain = serde_json::json!({});
        let mut entries: Vec<serde_json::Value> = (0..40).map(|number| entry(number, plain.clone())).collect();
        entries.push(entry(40, serde_json::json!({ "ifNoneExist": "code=nothing-has-this" })));
        let carried = async |entries: &[serde_json::Value]| {
            let bundle = serde_json::json!({ "resourceType": "Bundle", "type": "transaction", "entry": entries });
            let text = bundle.to_string();
            let limits = &service.settings.limits;
            let read = codec::read_requests(codec::Format::Json, text.as_bytes(), limits).unwrap().into_owned();
            let entries = bundle::entries(&service, read, Handling::Strict).await.unwrap();
            bundle::transaction(&service, ann(), entries).await
        };
        let before = found(&service, ann(), "Observation", "").await.len();
        let done = carried(&entries).await.unwrap();
        let ids: Vec<String> = done
            .iter()
            .map(|one| match one {
                Ok(Outcome::Written(written)) => written.version.id.clone(),
                other => panic!("{other:?}"),
            })
            .collect();
        for (number, one) in done.iter().enumerate().skip(1) {
            let Ok(Outcome::Written(written)) = one else { panic!("{one:?}") };
            assert_eq!(code(written), format!("code-{number}"));
            assert!(written.version.body.contains(&format!("Observation/{}", ids[number - 1])), "{number}");
        }
        assert_eq!(found(&service, ann(), "Observation", "_count=100").await.len(), before + 41);
        entries[39]["resource"]["subject"] = to("Patient/bob");
        let refused = carried(&entries).await.unwrap_err();
        assert!(matches!(refused, ApiError::InEntry { place: 39, .. }), "{refused:?}");
        assert_eq!(found(&service, ann(), "Observation", "_count=100").await.len(), before + 41, "none is stored");
    }
}

#[tokio::test]
async fn what_is_large_is_stored_alike_on_each_database() {
    for scratch in Scratch::both() {
        let service = open(scratch.address.clone());
        let text = "x".repeat(100);
        let codes: Vec<_> =
            (0..3_000).map(|number| serde_json::json!({ "code": number.to_string(), "display": text })).collect();
        let list = serde_json::json!({ "resourceType": "CodeSystem", "url": "https://codes.example/large",
            "status": "active", "content": "complete", "concept": codes });
        let large = Command::Create {
            resource_type: ResourceType::of("CodeSystem"),
            resource: read(&list),
            condition: None,
            id: None,
        };
        assert!(large.is_large() && !create("small").is_large());
        carry_out(&service, system(), large).await.unwrap();
        assert_eq!(found(&service, system(), "CodeSystem", "code=2999").await.len(), 1);
    }
}
