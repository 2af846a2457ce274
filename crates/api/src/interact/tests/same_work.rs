//! For what is hidden the database does what it does for what is not there, at every door at which a caller may name something: so
//! many statements, which answer with so many rows. How long an answer takes tells no more than that.

use std::ops::RangeInclusive;
use std::sync::Arc;

use concord_consent::caller::{Actor, App, Caller, PrivilegedRole};
use concord_consent::purpose::Purpose;
use concord_fhir::codec::{Format, read_requests};
use concord_fhir::search::Handling;
use concord_store::testing::Counted;
use serde_json::{Value, json};

use crate::describe::openapi;
use crate::interact::bundle;
use crate::interact::execute::carry_out;
use crate::interact::tests::search::{call, on_each, store, to};
use crate::interact::{Call, Service};

use doors::Door;

#[path = "../../../../../tests/src/doors.rs"]
#[expect(unreachable_pub, reason = "the journeys have it as a part of their library")]
mod doors;
#[path = "../../../../../tests/src/minimal.rs"]
#[expect(dead_code, unreachable_pub, reason = "the journeys have it as a part of their library, and make more of it")]
mod minimal;

/// What is hidden, and what was never used, by ids that are as long.
const ITEMS: [&str; 2] = ["secret-000", "absent-000"];

/// Somebody who asks, with a patient of whom they may not know and one who is not there.
struct Asker {
    name: &'static str,
    call: Call,
    patients: [&'static str; 2],
}

fn askers() -> Vec<Asker> {
    let by = |name, actor, scopes: &str, patients| Asker { name, call: call(actor, scopes), patients };
    let all = |context: &str| format!("{context}/*.cruds");
    vec![
        by("the patient", Actor::Patient("ann".to_owned()), &all("patient"), ["bob", "nob"]),
        by("another patient", Actor::Patient("bob".to_owned()), &all("patient"), ["ann", "nob"]),
        by("a carer", Actor::RelatedPerson("yusuf".to_owned()), &all("user"), ["bob", "nob"]),
        by("a professional", Actor::Practitioner("gp".to_owned()), &all("user"), ["bob", "nob"]),
        by("a stranger", Actor::Practitioner("gp2".to_owned()), &all("user"), ["ann", "nob"]),
    ]
}

/// Those whom something else bounds than whom they are to: an office that gives no reason, the app, a registration, scopes.
fn bounded() -> Vec<Asker> {
    let by = |name: &'static str, actor, scopes: &str, patients, bound: &dyn Fn(&mut Caller)| {
        let call = call(actor, scopes);
        let mut caller = Caller::clone(&call.caller);
        // Somebody else each, so that nothing that is decided for one is remembered for another.
        caller.subject = name.to_owned();
        bound(&mut caller);
        Asker { name, call: Call { caller: Arc::new(caller.into()), ..call }, patients }
    };
    let ann = || Actor::Patient("ann".to_owned());
    let office = |role: PrivilegedRole| move |caller: &mut Caller| caller.credentials.privileged_roles = vec![role];
    let third_party = |caller: &mut Caller| {
        caller.client = "diary".to_owned();
        caller.credentials.app = App::ThirdParty;
    };
    let for_care = |caller: &mut Caller| caller.credentials.purposes = Some(vec![Purpose::TREATMENT]);
    let gp = |id: &str| Actor::Practitioner(id.to_owned());
    let some = "Observation.cruds?category=laboratory";
    vec![
        by("a privacy officer", gp("gp2"), "user/*.cruds", ["ann", "nob"], &office(PrivilegedRole::PrivacyOfficer)),
        by("a safeguarding lead", gp("gp"), "user/*.cruds", ["bob", "nob"], &office(PrivilegedRole::SafeguardingLead)),
        by("an app of others", ann(), "patient/*.cruds", ["bob", "nob"], &third_party),
        by("an app of others of the doctor", gp("gp"), "user/*.cruds", ["bob", "nob"], &third_party),
        by("an app for some of it", ann(), &format!("patient/{some} patient/AuditEvent.rs"), ["bob", "nob"], &|_| {}),
        by("a system for a purpose", Actor::System, "system/*.cruds", ["shy", "nob"], &for_care),
        by("a system for some of it", Actor::System, &format!("system/{some}"), ["shy", "nob"], &|_| {}),
        by(
            "a system for some of everything",
            Actor::System,
            "system/*.cruds?_security=http://terminology.hl7.org/CodeSystem/v3-ActReason|HTEST",
            ["shy", "nob"],
            &|_| {},
        ),
    ]
}

/// Ann, with something of every type in her record that is hidden from herself, her carer and her doctor; and Bob.
async fn arrive(service: &Arc<Service>) {
    let hidden = json!({"security": [
        {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "NOPAT"},
        {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "SEX"},
        {"system": "urn:concord:label", "code": "AUTHOR-TEAM"}]});
    let named =
        |resource_type: &str, id: &str| json!({"resourceType": resource_type, "id": id, "name": [{"family": "A"}]});
    for one in [
        named("Patient", "ann"),
        named("Patient", "bob"),
        named("Practitioner", "gp"),
        named("Practitioner", "gp2"),
        json!({"resourceType": "CareTeam", "id": "team", "status": "active", "subject": to("Patient/ann"),
            "participant": [{"member": to("Practitioner/gp")}]}),
        json!({"resourceType": "RelatedPerson", "id": "yusuf", "active": true, "patient": to("Patient/ann")}),
        super::statements::consent(),
        sharing_with_an_app(),
        json!({"resourceType": "Patient", "id": "shy", "name": [{"family": "A"}], "meta": hidden}),
    ] {
        store(service, one).await;
    }
    for one in doors::types() {
        let owner = doors::owner(one);
        let of_ann: Vec<(&[String], Value)> = owner.iter().map(|owner| (owner.as_slice(), to("Patient/ann"))).collect();
        let mut made = minimal::resource(one, &of_ann);
        made["id"] = json!(ITEMS[0]);
        made["meta"] = hidden.clone();
        store(service, made).await;
    }
}

/// Ann's Consent that lets an app of others see some types.
fn sharing_with_an_app() -> Value {
    let mut consent = super::statements::consent();
    consent["id"] = json!("app");
    consent["provision"]["actor"][0]["reference"] =
        json!({"identifier": {"system": "urn:concord:client", "value": "diary"}});
    consent["provision"]["class"] = ["Observation", "Communication", "AuditEvent"]
        .map(|name| json!({"system": "http://hl7.org/fhir/resource-types", "code": name}))
        .into();
    consent
}

/// What the database does for a request, where what it needs to know of everybody is remembered; and whether it was refused.
async fn taken(service: &Arc<Service>, asker: &Asker, door: &Door, which: usize) -> (Counted, bool) {
    let fill = |text: &str| text.replace("{item}", ITEMS[which]).replace("{patient}", asker.patients[which]);
    let batch = json!({"resourceType": "Bundle", "type": "batch", "entry": [door.filled(fill)]}).to_string();
    let mut last = (Counted::default(), true);
    for _ in 0..2 {
        let requests = read_requests(Format::Json, batch.as_bytes(), &service.settings.limits).unwrap().into_owned();
        let mut entries = bundle::entries(service, requests, Handling::Strict).await.unwrap();
        let Ok(entry) = entries.remove(0) else { return last };
        let before = service.store.counted();
        let done = carry_out(service, asker.call.clone(), entry.command).await;
        last = (service.store.counted().since(before), done.is_err());
    }
    last
}

/// By how many statements what is hidden may differ from what is missing at the doors and to the callers whose names have that, each
/// with its reason.
const DIFFERENCES: [(&str, RangeInclusive<i64>, &str); 8] = [
    (
        "{patient}",
        -1..=3,
        "a patient who is not there is looked for each time, and one who is once; what is decided by is then asked of that record",
    ),
    (
        "to a system for some of it",
        0..=2,
        "whether it is some of what its scope is for its row does not say, and its index is asked, for a patch in the read before too",
    ),
    ("Appointment", 0..=2, SEVERAL),
    ("Device", 0..=2, SEVERAL),
    ("Person", 0..=2, SEVERAL),
    ("Schedule", 0..=2, SEVERAL),
    ("SupplyRequest", 0..=2, SEVERAL),
    ("VerificationResult", 0..=2, SEVERAL),
];
const SEVERAL: &str =
    "whether it is in the record of somebody whom the caller may see its row does not say, and its index is asked";

/// How many rows more at most: what is hidden is read, and what is decided by.
const ROWS: RangeInclusive<i64> = 0..=4;

/// Whether the difference is one that has a reason.
fn has_reason(tried: &str, statements: i64, rows: i64) -> bool {
    let reason = DIFFERENCES.iter().find(|(part, ..)| tried.contains(part));
    let most = reason.map_or(0..=0, |(_, most, _)| most.clone());
    most.contains(&statements) && ROWS.contains(&rows)
}

/// Into how many tests it is divided, which run beside one another.
const PARTS: usize = 4;

#[tokio::test]
async fn what_is_hidden_takes_what_is_missing_takes_1() {
    takes_what_is_missing_takes(0).await;
}

#[tokio::test]
async fn what_is_hidden_takes_what_is_missing_takes_2() {
    takes_what_is_missing_takes(1).await;
}

#[tokio::test]
async fn what_is_hidden_takes_what_is_missing_takes_3() {
    takes_what_is_missing_takes(2).await;
}

#[tokio::test]
async fn what_is_hidden_takes_what_is_missing_takes_4() {
    takes_what_is_missing_takes(3).await;
}

async fn takes_what_is_missing_takes(part: usize) {
    let document: Value = serde_json::from_str(&openapi::document().unwrap()).unwrap();
    let all = doors::all(&document);
    on_each(async |service: Arc<Service>| {
        arrive(&service).await;
        let (mut same, mut problems) = (0, Vec::new());
        let (askers, bounded) = (askers(), bounded());
        let tried = all
            .iter()
            .enumerate()
            .filter(|(number, _)| number % PARTS == part)
            .flat_map(|(number, door)| [&askers, &bounded].map(|some| (door, &some[number % some.len()])));
        for (door, asker) in tried {
            let (hidden, refused) = taken(&service, asker, door, 0).await;
            let (missing, other) = taken(&service, asker, door, 1).await;
            assert_eq!(refused, other, "{} to {}", door.name, asker.name);
            let more = |one: u64, other: u64| i64::try_from(one).unwrap() - i64::try_from(other).unwrap();
            let statements = more(hidden.statements, missing.statements);
            same += usize::from(statements == 0);
            let tried = format!("{} to {}", door.name, asker.name);
            if !has_reason(&tried, statements, more(hidden.rows, missing.rows)) {
                problems.push(format!("{tried}: {hidden:?}, and missing {missing:?}"));
            }
        }
        assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
        let number = 2 * (all.len() / PARTS);
        assert!(number > 0 && same > number * 9 / 10, "{same} of {number}");
    })
    .await;
}
