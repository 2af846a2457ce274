//! Searches against a store of their own: what leads through other resources, what comes along, and what must not leak
//! by either. On SQLite, and on PostgreSQL where `CONCORD_TEST_POSTGRES` names a cluster.

use std::sync::Arc;

use concord_consent::caller::{Actor, Caller, Credentials};
use concord_consent::scope::Scopes;
use concord_fhir::json::{self, Limits, Value};
use concord_fhir::registry::ResourceType;
use concord_fhir::search::{Handling, Query, parse};

use crate::error::ApiError;
use crate::interact::command::{Command, Target};
use crate::interact::execute::{Outcome, carry_out};
use crate::interact::search::Page;
pub(super) use crate::interact::tests::databases::on_each;
pub(crate) use crate::interact::tests::databases::{BASE, NOW, open};
use crate::interact::{Call, Questions, Service, ServiceSettings, access};

/// The same with something about it changed.
pub(crate) fn open_with(service: &Arc<Service>, change: impl FnOnce(&mut ServiceSettings)) -> Arc<Service> {
    let mut settings = service.settings.clone();
    change(&mut settings);
    Arc::new(Service::new(service.store.clone(), service.base.clone(), settings, "secret"))
}

pub(crate) fn call(actor: Actor, scopes: &str) -> Call {
    let patient = match &actor {
        Actor::Patient(id) => Some(id.clone()),
        _ => None,
    };
    let caller = Caller {
        actor,
        subject: "someone".to_owned(),
        issuer: "https://issuer.example".to_owned(),
        client: "app".to_owned(),
        scopes: Scopes::parse(scopes),
        patient,
        credentials: Credentials::default(),
    };
    Call {
        caller: Arc::new(caller.into()),
        request_id: String::new(),
        questions: Questions::default(),
        on_behalf_of: None,
        ..Call::import()
    }
}

pub(crate) fn system() -> Call {
    call(Actor::System, "system/*.cruds")
}

pub(crate) fn patient(id: &str) -> Call {
    call(Actor::Patient(id.to_owned()), "patient/*.rs")
}

pub(crate) fn professional(id: &str) -> Call {
    call(Actor::Practitioner(id.to_owned()), "user/*.rs")
}

pub(crate) fn read(resource: &serde_json::Value) -> Value<'static> {
    json::parse(resource.to_string().as_bytes(), &Limits::default()).unwrap().into_owned()
}

pub(super) async fn store(service: &Arc<Service>, resource: serde_json::Value) {
    let value = read(&resource);
    let resource_type = ResourceType::parse(value.text("resourceType").unwrap()).unwrap();
    let target = Target::Id(value.text("id").unwrap().to_owned());
    let command = Command::Update { resource_type, target, resource: value, precondition: None, id: None };
    carry_out(service, system(), command).await.unwrap();
}

/// The answer to a search, as a request gets it.
pub(super) async fn search(service: &Arc<Service>, call: Call, query: Query) -> Result<Page, ApiError> {
    let command = Command::Search { query: Box::new(query), path: String::new() };
    match carry_out(service, call, command).await? {
        Outcome::Page(found) => Ok(found.page),
        other => panic!("{other:?}"),
    }
}

pub(crate) fn query(resource_type: &str, text: &str) -> Query {
    let pairs: Vec<(String, String)> = url::form_urlencoded::parse(text.as_bytes()).into_owned().collect();
    parse(ResourceType::parse(resource_type), &pairs, Handling::Strict, NOW, BASE)
        .unwrap_or_else(|why| panic!("{text}: {why:?}"))
}

pub(super) async fn page(service: &Arc<Service>, call: Call, resource_type: &str, text: &str) -> Page {
    search(service, call, query(resource_type, text))
        .await
        .unwrap_or_else(|why| panic!("{resource_type}?{text}: {why:?}"))
}

pub(super) async fn found(service: &Arc<Service>, call: Call, resource_type: &str, text: &str) -> Vec<String> {
    let page = page(service, call, resource_type, text).await;
    let mut ids: Vec<String> = page.versions.into_iter().map(|version| version.id).collect();
    ids.sort();
    ids
}

async fn included(service: &Arc<Service>, call: Call, resource_type: &str, text: &str) -> Vec<String> {
    let page = page(service, call, resource_type, text).await;
    let name = |version: &concord_store::rows::Version| format!("{}/{}", version.resource_type, version.id);
    let mut names: Vec<String> = page.included.iter().map(name).collect();
    names.sort();
    names
}

pub(crate) fn to(reference: &str) -> serde_json::Value {
    serde_json::json!({ "reference": reference })
}

pub(crate) fn reading(id: &str, of: &str, code: &str) -> serde_json::Value {
    serde_json::json!({
        "resourceType": "Observation", "id": id, "status": "final", "valueString": "x",
        "code": { "coding": [{ "system": "http://loinc.org", "code": code }] },
        "subject": to(&format!("Patient/{of}")),
        "effectiveDateTime": format!("2025-01-0{}", 1 + id.len() % 9),
    })
}

/// Two records that refer to one another. Ann's GP is in her care team only.
pub(super) async fn two_records(service: &Arc<Service>) {
    let gp = serde_json::json!({ "resourceType": "Practitioner", "id": "gp", "name": [{ "family": "Okafor" }] });
    store(service, gp).await;
    for (id, name) in [("ann", "Ann"), ("bob", "Bob")] {
        store(
            service,
            serde_json::json!({ "resourceType": "Patient", "id": id, "name": [{ "given": [name] }],
            "generalPractitioner": [to("Practitioner/gp")] }),
        )
        .await;
    }
    store(
        service,
        serde_json::json!({ "resourceType": "CareTeam", "id": "team", "status": "active",
        "subject": to("Patient/ann"), "participant": [{ "member": to("Practitioner/gp") }] }),
    )
    .await;
    store(service, reading("bobs", "bob", "secret")).await;
    let mut hidden = reading("hidden", "ann", "hidden");
    hidden["meta"] = serde_json::json!({ "security": [{
        "system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "NOPAT" }] });
    store(service, hidden).await;
    let mut anns = reading("anns", "ann", "open");
    anns["derivedFrom"] = serde_json::json!([to("Observation/bobs")]);
    anns["performer"] = serde_json::json!([to("Practitioner/gp")]);
    store(service, anns).await;
    store(service, reading("plain", "ann", "open")).await;
    // What is made of something hidden is hidden with it.
    let mut from_hidden = reading("from-hidden", "ann", "derived");
    from_hidden["derivedFrom"] = serde_json::json!([to("Observation/hidden")]);
    store(service, from_hidden).await;
    let mut from_bob = reading("from-bob", "bob", "reply");
    from_bob["derivedFrom"] = serde_json::json!([to("Observation/anns")]);
    store(service, from_bob).await;
    let mut from_ann = reading("from-ann", "ann", "note");
    from_ann["derivedFrom"] = serde_json::json!([to("Observation/anns")]);
    store(service, from_ann).await;
    for (id, of) in [("bobs-list", "bob"), ("anns-list", "ann")] {
        store(
            service,
            serde_json::json!({ "resourceType": "List", "id": id, "status": "current", "mode": "working",
            "subject": to(&format!("Patient/{of}")), "entry": [{ "item": to("Observation/anns") }] }),
        )
        .await;
    }
}

#[tokio::test]
async fn nothing_is_learnt_through_a_resource_that_the_caller_may_not_see() {
    on_each(async |service| {
        two_records(&service).await;
        // What is asked, who may learn it, and what they find; whoever may not finds nothing.
        for (text, yes, wanted, no) in [
            (
                "derived-from:Observation.code=secret",
                vec![system()],
                vec!["anns"],
                vec![patient("ann"), professional("gp")],
            ),
            (
                "derived-from:Observation.code=hidden",
                vec![system(), professional("gp")],
                vec!["from-hidden"],
                vec![patient("ann")],
            ),
            ("derived-from:Observation.subject:Patient.given=bob", vec![system()], vec!["anns"], vec![patient("ann")]),
            (
                "_has:Observation:derived-from:code=reply",
                vec![system()],
                vec!["anns"],
                vec![patient("ann"), professional("gp")],
            ),
            (
                "_has:Observation:derived-from:code=note",
                vec![system(), patient("ann"), professional("gp")],
                vec!["anns"],
                vec![],
            ),
            ("_has:Observation:derived-from:_has:List:item:_id=bobs-list", vec![], vec![], vec![patient("ann")]),
            ("_list=bobs-list", vec![system()], vec!["anns"], vec![patient("ann"), professional("gp")]),
            ("_list=anns-list", vec![system(), patient("ann"), professional("gp")], vec!["anns"], vec![]),
            ("_filter=derived-from:Observation.code eq secret", vec![system()], vec!["anns"], vec![patient("ann")]),
            (
                "code=open&subject:Patient.given=ann",
                vec![system(), patient("ann"), professional("gp")],
                vec!["anns", "plain"],
                vec![patient("bob")],
            ),
            (
                "performer:Practitioner.family=okafor",
                vec![system(), patient("ann")],
                vec!["anns"],
                vec![patient("bob")],
            ),
        ] {
            for call in yes {
                assert_eq!(
                    found(&service, call.clone(), "Observation", text).await,
                    wanted,
                    "{:?} {text}",
                    call.caller.actor
                );
                let counted = page(&service, call, "Observation", &format!("{text}&_total=accurate&_count=0")).await;
                assert_eq!(counted.total, i64::try_from(wanted.len()).ok(), "{text}");
            }
            for call in no {
                let hidden = page(
                    &service,
                    call.clone(),
                    "Observation",
                    &format!("{text}&_total=accurate&_count=1&_sort=-date"),
                )
                .await;
                assert!(hidden.versions.is_empty() && hidden.next.is_none(), "{:?} {text}", call.caller.actor);
                assert_eq!(hidden.total, Some(0), "{text}");
            }
        }
        // What is not there to the caller does not make a difference under a negation either.
        let all = found(&service, patient("ann"), "Observation", "").await;
        let negated = "_filter=not(derived-from:Observation.code eq secret)";
        assert_eq!(found(&service, patient("ann"), "Observation", negated).await, all);
        assert!(!found(&service, system(), "Observation", negated).await.contains(&"anns".to_owned()));
    })
    .await;
}

/// What is decided for an app as if it could read everything is remembered apart from what is decided for the app.
#[test]
fn an_app_without_bounds_is_remembered_as_another_caller() {
    let own = call(Actor::Patient("p1".to_owned()), "patient/Observation.rs");
    let unbounded = access::unbounded(&own);
    assert_ne!(unbounded.caller.rights(), own.caller.rights());
    assert_eq!(unbounded.caller.rights(), access::unbounded(&own).caller.rights());
    assert!(unbounded.caller.scopes != own.caller.scopes && unbounded.caller.actor == own.caller.actor);
}

#[tokio::test]
async fn an_app_looks_only_through_types_that_its_scopes_cover() {
    on_each(async |service| {
        two_records(&service).await;
        let ann = |scopes: &str| call(Actor::Patient("ann".to_owned()), scopes);
        let text = "subject:Patient.given=ann&code=open";
        assert_eq!(found(&service, ann("patient/Observation.rs"), "Observation", text).await, [""; 0]);
        let both = "patient/Observation.rs patient/Patient.rs";
        assert_eq!(found(&service, ann(both), "Observation", text).await, ["anns", "plain"]);
        let text = "_id=anns&_include=Observation:subject";
        assert_eq!(included(&service, ann("patient/Observation.rs"), "Observation", text).await, [""; 0]);
        assert_eq!(included(&service, ann(both), "Observation", text).await, ["Patient/ann"]);
    })
    .await;
}

#[tokio::test]
async fn only_what_the_caller_may_see_comes_along() {
    on_each(async |service| {
        two_records(&service).await;
        let forward = "_id=anns&_include=Observation:derived-from&_include=Observation:performer:Practitioner";
        let all = ["Observation/bobs", "Practitioner/gp"];
        assert_eq!(included(&service, system(), "Observation", forward).await, all);
        assert_eq!(included(&service, professional("gp"), "Observation", forward).await, all[1..]);
        assert_eq!(included(&service, patient("ann"), "Observation", forward).await, all[1..]);
        let back = "_id=anns&_revinclude=Observation:derived-from&_revinclude=List:item";
        assert_eq!(
            included(&service, system(), "Observation", back).await,
            ["List/anns-list", "List/bobs-list", "Observation/from-ann", "Observation/from-bob"]
        );
        let own = ["List/anns-list", "Observation/from-ann"];
        assert_eq!(included(&service, patient("ann"), "Observation", back).await, own);
        assert_eq!(included(&service, professional("gp"), "Observation", back).await, own);
        let on = "_id=from-ann&_include=Observation:derived-from&_include:iterate=Observation:subject\
                  &_include:iterate=Patient:general-practitioner&_include:iterate=Observation:derived-from";
        assert_eq!(
            included(&service, system(), "Observation", on).await,
            ["Observation/anns", "Observation/bobs", "Patient/ann", "Patient/bob", "Practitioner/gp"]
        );
        assert_eq!(
            included(&service, patient("ann"), "Observation", on).await,
            ["Observation/anns", "Patient/ann", "Practitioner/gp"]
        );
        let every = "_id=anns&_include=*&_revinclude=*";
        assert_eq!(
            included(&service, patient("ann"), "Observation", every).await,
            ["List/anns-list", "Observation/from-ann", "Patient/ann", "Practitioner/gp"]
        );
    })
    .await;
}

#[tokio::test]
async fn compartments_and_several_types_are_searched_inside_the_permission() {
    on_each(async |service| {
        two_records(&service).await;
        let within = async |call: Call, of: &str, resource_type: &str, text: &str| {
            let query = query(resource_type, text).in_compartment(of).unwrap();
            let page = search(&service, call, query).await.unwrap();
            let mut names: Vec<String> =
                page.versions.iter().map(|version| format!("{}/{}", version.resource_type, version.id)).collect();
            names.sort();
            names
        };
        let anns = ["Observation/anns", "Observation/from-ann", "Observation/plain"];
        assert_eq!(within(patient("ann"), "ann", "Observation", "").await, anns);
        assert_eq!(within(patient("bob"), "ann", "Observation", "").await, [""; 0]);
        assert_eq!(within(professional("gp"), "ann", "Observation", "code=hidden").await, ["Observation/hidden"]);
        assert_eq!(within(professional("gp"), "bob", "Observation", "").await, [""; 0]);
        assert_eq!(
            within(patient("ann"), "ann", "", "").await,
            [&["CareTeam/team", "List/anns-list"], &anns[..], &["Patient/ann"]].concat()
        );
        assert_eq!(within(patient("ann"), "ann", "", "_type=Patient,List").await, ["List/anns-list", "Patient/ann"]);
        assert_eq!(within(patient("bob"), "ann", "", "").await, [""; 0]);
        assert!(within(system(), "bob", "", "").await.contains(&"Observation/bobs".to_owned()));
        assert_eq!(
            found(&service, patient("ann"), "", "_type=List,Practitioner,Patient").await,
            ["ann", "anns-list", "gp"]
        );
        assert_eq!(
            found(&service, system(), "", "_type=List,CareTeam&_sort=_id").await,
            ["anns-list", "bobs-list", "team"]
        );
        // Page by page, nothing twice and nothing lost.
        let mut seen = Vec::new();
        let mut cursor = String::new();
        loop {
            let text = format!("_type=Observation,List,Patient&_count=2&_sort=-_lastUpdated{cursor}");
            let page = page(&service, patient("ann"), "", &text).await;
            seen.extend(page.versions.iter().map(|version| version.id.clone()));
            match page.next {
                Some(next) => cursor = format!("&_cursor={next}"),
                None => break,
            }
        }
        seen.sort();
        assert_eq!(seen, ["ann", "anns", "anns-list", "from-ann", "plain"]);
        let refused = async |call: Call, text: &str| search(&service, call, query("", text)).await.err();
        assert!(matches!(refused(patient("ann"), "").await, Some(ApiError::Malformed(_))));
        assert!(matches!(refused(patient("ann"), "_type=AuditEvent,List").await, Some(ApiError::Malformed(_))));
        let no_scope = call(Actor::Patient("ann".to_owned()), "patient/Goal.rs");
        assert!(matches!(refused(no_scope, "_type=Observation,List").await, Some(ApiError::Denied(_))));
    })
    .await;
}

#[tokio::test]
async fn the_audit_log_is_not_reached_through_others() {
    on_each(async |service| {
        two_records(&service).await;
        for (resource_type, text) in [
            ("Patient", "_has:AuditEvent:patient:action=R"),
            ("Patient", "_id=ann&_revinclude=AuditEvent:patient"),
            ("AuditEvent", "patient:Patient.given=ann"),
            ("AuditEvent", "_list=anns-list"),
        ] {
            let refused = search(&service, system(), query(resource_type, text)).await.err();
            assert!(matches!(refused, Some(ApiError::Malformed(_))), "{text}: {refused:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn what_does_not_fit_is_not_cut_silently() {
    on_each(async |service| {
        store(&service, serde_json::json!({ "resourceType": "Patient", "id": "many" })).await;
        for number in 0..=crate::interact::search::include::MOST_INCLUDED {
            store(&service, reading(&format!("r{number}"), "many", "x")).await;
        }
        let page = page(&service, system(), "Patient", "_id=many&_revinclude=Observation:subject").await;
        assert_eq!(page.included.len(), crate::interact::search::include::MOST_INCLUDED);
        assert_eq!(page.remarks.len(), 1);
        let fewer = search(
            &service,
            system(),
            query("Observation", "subject=Patient/many&_count=50&_include=Observation:subject"),
        );
        let fewer = fewer.await.unwrap();
        assert_eq!((fewer.versions.len(), fewer.included.len(), fewer.remarks.len()), (50, 1, 0));
    })
    .await;
}

#[tokio::test]
async fn what_a_log_is_told_of_an_answer_takes_no_room_of_it() {
    on_each(async |service| {
        two_records(&service).await;
        let asked = "subject:Patient.given=ann,bob&_include=Observation:subject";
        let whole = page(&service, system(), "Observation", asked).await;
        let bytes: usize = whole.versions.iter().chain(&whole.included).map(|version| version.body.len()).sum();
        assert!(whole.versions.len() > 3 && whole.included.len() == 2);
        let exact = open_with(&service, |settings| settings.answer.bytes = bytes);
        let again = page(&exact, system(), "Observation", asked).await;
        assert_eq!((again.versions.len(), again.included.len()), (whole.versions.len(), whole.included.len()));
        let less = open_with(&service, |settings| settings.answer.bytes = bytes - 1);
        let refused = search(&less, system(), query("Observation", asked)).await;
        assert!(matches!(refused, Err(ApiError::TooLarge(_))), "{refused:?}");
    })
    .await;
}
