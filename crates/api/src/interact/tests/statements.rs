//! How many statements a request takes, for each kind of caller: every one is a way to the database and back, and on SQLite a part
//! of what its only writer does. A statement more fails here, and so does one less, which is to be written down.

use std::fmt::Write as _;
use std::sync::Arc;

use concord_consent::caller::Actor;
use concord_fhir::registry::ResourceType;
use serde_json::{Value, json};

use crate::interact::command::{Command, Target};
use crate::interact::execute::{Outcome, carry_out};
use crate::interact::tests::search::{call, on_each, query, read, reading, store, system, to};
use crate::interact::{Call, Service};

/// Of each kind of caller and each interaction, on SQLite and below the line on PostgreSQL: the statements where what is known of
/// caller and patient is remembered, and those of the first time. A read on PostgreSQL whose resource is looked up together with
/// others' takes none of its own.
const STATEMENTS: &str = "\
system read 1 1
system vread 1 1
system search 1 1
system update 8 8
system delete 6 6
system create 3 3
patient read 1 2
patient vread 1 1
patient search 2 3
patient update 15 15
patient delete 13 13
patient create 5 10
professional read 1 1
professional vread 1 1
professional search 2 2
professional update 14 14
professional delete 12 12
professional create 7 10
role read 1 1
role vread 1 1
role search 2 2
role update 16 16
role delete 12 12
role create 8 11
carer read 1 2
carer vread 1 1
carer search 2 3
carer update 17 17
carer delete 13 13
carer create 9 9
---
system read 0 0
system vread 0 0
system search 1 1
system update 8 8
system delete 8 8
system create 3 3
patient read 0 2
patient vread 0 0
patient search 2 3
patient update 15 15
patient delete 14 14
patient create 4 9
professional read 0 0
professional vread 0 0
professional search 2 2
professional update 14 14
professional delete 13 13
professional create 6 9
role read 0 0
role vread 0 0
role search 2 2
role update 18 18
role delete 14 14
role create 8 11
carer read 0 2
carer vread 0 0
carer search 2 3
carer update 17 17
carer delete 14 14
carer create 8 8
";

const OBSERVATION: ResourceType = ResourceType::of("Observation");

/// Everybody who may read and write Ann's readings.
fn callers() -> Vec<(&'static str, Call)> {
    let by = |actor: fn(String) -> Actor, id: &str, scopes: &str| call(actor(id.to_owned()), scopes);
    vec![
        ("system", system()),
        ("patient", by(Actor::Patient, "ann", "patient/*.cruds")),
        ("professional", by(Actor::Practitioner, "gp", "user/*.cruds")),
        ("role", by(Actor::PractitionerRole, "gp-role", "user/*.cruds")),
        ("carer", by(Actor::RelatedPerson, "yusuf", "user/*.cruds")),
    ]
}

async fn arrive(service: &Arc<Service>) {
    let all = [
        json!({"resourceType": "Patient", "id": "ann", "name": [{"family": "A"}]}),
        json!({"resourceType": "Organization", "id": "surgery", "name": "The surgery"}),
        json!({"resourceType": "Practitioner", "id": "gp", "name": [{"family": "B"}]}),
        json!({"resourceType": "PractitionerRole", "id": "gp-role", "practitioner": to("Practitioner/gp"),
            "organization": to("Organization/surgery")}),
        json!({"resourceType": "CareTeam", "id": "team", "status": "active", "subject": to("Patient/ann"),
            "participant": [{"member": to("Practitioner/gp")}, {"member": to("PractitionerRole/gp-role")}]}),
        json!({"resourceType": "RelatedPerson", "id": "yusuf", "active": true, "patient": to("Patient/ann")}),
        consent(),
        reading("known", "ann", "shown"),
    ];
    for one in all {
        store(service, one).await;
    }
}

/// It lets Yusuf read and write Ann's readings.
pub(super) fn consent() -> Value {
    let coded = |system: &str, code: &str| json!({"coding": [{"system": system, "code": code}]});
    let action = |code: &str| coded("http://terminology.hl7.org/CodeSystem/consentaction", code);
    json!({"resourceType": "Consent", "id": "sharing", "status": "active", "patient": to("Patient/ann"),
        "scope": coded("http://terminology.hl7.org/CodeSystem/consentscope", "patient-privacy"),
        "category": [coded("http://terminology.hl7.org/CodeSystem/v3-ActCode", "INFA")], "dateTime": "2025-01-01",
        "policyRule": coded("http://terminology.hl7.org/CodeSystem/v3-ActCode", "OPTIN"),
        "provision": {"type": "permit", "action": [action("access"), action("collect"), action("correct")],
            "actor": [{"role": coded("http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "IRCP"),
                "reference": to("RelatedPerson/yusuf")}],
            "class": [{"system": "http://hl7.org/fhir/resource-types", "code": "Observation"}]}})
}

fn create() -> Command {
    let mut value = reading("", "ann", "shown");
    value.as_object_mut().unwrap().remove("id");
    Command::Create { resource_type: OBSERVATION, resource: read(&value), condition: None, id: None }
}

/// How many statements a command takes, and what it led to.
async fn counted(service: &Arc<Service>, call: &Call, command: Command) -> (u64, Outcome) {
    let before = service.store.statements();
    let done = carry_out(service, call.clone(), command).await;
    let done = done.unwrap_or_else(|why| panic!("{:?}: {why:?}", call.caller.actor));
    (service.store.statements() - before, done)
}

/// What each interaction takes of a caller, with a reading of the caller's own for those that write.
async fn counts(service: &Arc<Service>, call: &Call) -> Vec<(&'static str, u64)> {
    let known = || Command::Read { resource_type: OBSERVATION, id: "known".to_owned(), unless: None };
    let version = || Command::Vread { resource_type: OBSERVATION, id: "known".to_owned(), version: 1, unless: None };
    let search = || Command::Search {
        query: Box::new(query("Observation", "patient=ann&code=shown&_count=5")),
        path: String::new(),
    };
    let (create, made) = counted(service, call, create()).await;
    let Outcome::Written(made) = made else { panic!("{made:?}") };
    let id = made.version.id;
    let mut changed = reading(&id, "ann", "shown");
    changed["status"] = json!("amended");
    let target = || Target::Id(id.clone());
    let resource = read(&changed);
    let update =
        Command::Update { resource_type: OBSERVATION, target: target(), resource, precondition: None, id: None };
    let delete = Command::Delete { resource_type: OBSERVATION, target: target(), precondition: None };
    let mut all = Vec::new();
    for (name, command) in
        [("read", known()), ("vread", version()), ("search", search()), ("update", update), ("delete", delete)]
    {
        all.push((name, counted(service, call, command).await.0));
    }
    all.push(("create", create));
    all
}

#[tokio::test]
async fn a_request_takes_no_statement_more_than_before() {
    let told = std::sync::Mutex::new(Vec::new());
    on_each(async |service: Arc<Service>| {
        arrive(&service).await;
        let mut lines = String::new();
        for (caller, call) in callers() {
            let cold = counts(&service, &call).await;
            let warm = counts(&service, &call).await;
            for ((name, first), (_, again)) in cold.into_iter().zip(warm) {
                writeln!(lines, "{caller} {name} {again} {first}").unwrap();
            }
        }
        told.lock().unwrap().push(lines);
    })
    .await;
    let told = told.into_inner().unwrap();
    // Where there is no PostgreSQL, it is not compared.
    let written: Vec<&str> = STATEMENTS.split("---\n").take(told.len()).collect();
    assert!(told == written, "statements differ from those that are written down:\n{}", told.join("---\n"));
}
