//! Whatever statement of a request the database fails at, and however: all of it is there or nothing, the log agrees with that,
//! whoever asked is told to come again or that nobody knows, and the next request succeeds. Every statement is tried, from the one
//! that begins the transaction to the one that commits it.

use std::sync::Arc;

use concord_consent::caller::Actor;
use concord_fhir::codec;
use concord_fhir::registry::ResourceType;
use concord_fhir::search::Handling;
use concord_store::StoreError;
use concord_store::testing::Fault;
use serde_json::{Value, json};

use crate::error::ApiError;
use crate::interact::bundle;
use crate::interact::command::{Command, Target};
use crate::interact::execute::carry_out;
use crate::interact::tests::databases::on_each;
use crate::interact::tests::search::{call, query, read, reading, store, system, to};
use crate::interact::{Call, Service};

const OBSERVATION: ResourceType = ResourceType::of("Observation");

/// How SQLite fails: it undoes the transaction by itself, or only the statement.
const SQLITE: [Fault; 4] = [
    Fault::Undone("database or disk is full"),
    Fault::Undone("disk I/O error"),
    Fault::Refused("database or disk is full"),
    Fault::Refused("database is locked"),
];

/// How PostgreSQL fails.
const POSTGRES: [Fault; 4] = [
    Fault::Undone("could not extend file \"base/5/16385\": No space left on device"),
    Fault::Undone("canceling statement due to lock timeout"),
    Fault::ClosedBefore,
    Fault::ClosedAfter,
];

/// More statements than any of the requests takes.
const MANY: u64 = 200;

/// More than any of those that only read takes. On SQLite they may be done beside the writer, where nothing fails.
const MANY_OF_READS: u64 = 8;

/// What is asked for: one thing, or several of which all are done or none.
enum Asked {
    One(Command),
    Together(Value),
}

/// A request about the record that is named, in which there is a reading, and whether it changes anything.
struct Kind {
    name: &'static str,
    asked: fn(&str) -> (Call, Asked),
    writes: bool,
    /// Whether what it stores takes some pages.
    grows: bool,
}

fn by_patient(record: &str) -> Call {
    call(Actor::Patient(record.to_owned()), "patient/*.cruds")
}

fn known(record: &str) -> String {
    format!("known-{record}")
}

fn update(resource: &Value) -> Command {
    let value = read(resource);
    let resource_type = value.text("resourceType").and_then(ResourceType::parse).unwrap();
    let target = Target::Id(value.text("id").unwrap().to_owned());
    Command::Update { resource_type, target, resource: value, precondition: None, id: None }
}

fn create(resource: &Value) -> Command {
    let mut value = resource.clone();
    value.as_object_mut().unwrap().remove("id");
    let value = read(&value);
    let resource_type = value.text("resourceType").and_then(ResourceType::parse).unwrap();
    Command::Create { resource_type, resource: value, condition: None, id: None }
}

/// A reading that takes some pages.
fn large(id: &str, record: &str) -> Value {
    let mut resource = reading(id, record, "shown");
    resource["valueString"] = json!("x".repeat(20_000));
    resource
}

fn amended(record: &str) -> Value {
    let mut resource = large(&known(record), record);
    resource["status"] = json!("amended");
    resource
}

fn consent(record: &str) -> Value {
    let coded = |system: &str, code: &str| json!({"coding": [{"system": system, "code": code}]});
    json!({"resourceType": "Consent", "status": "active", "patient": to(&format!("Patient/{record}")),
        "scope": coded("http://terminology.hl7.org/CodeSystem/consentscope", "patient-privacy"),
        "category": [coded("http://terminology.hl7.org/CodeSystem/v3-ActCode", "INFA")], "dateTime": "2025-01-01",
        "policyRule": coded("http://terminology.hl7.org/CodeSystem/v3-ActCode", "OPTIN")})
}

fn event(record: &str) -> Value {
    json!({"resourceType": "AuditEvent",
        "type": {"system": "http://terminology.hl7.org/CodeSystem/audit-event-type", "code": "rest"},
        "subtype": [{"system": "http://hl7.org/fhir/restful-interaction", "code": "read"}],
        "action": "R", "recorded": "2025-01-01T00:00:00Z", "outcome": "0",
        "agent": [{"who": to("Practitioner/gp"), "requestor": true}],
        "source": {"observer": {"display": "another system"}},
        "entity": [{"what": to(&format!("Patient/{record}"))}]})
}

fn several(record: &str) -> Value {
    let entry = |method: &str, url: &str, resource: Option<Value>| {
        let mut entry = json!({"request": {"method": method, "url": url}});
        if let Some(resource) = resource {
            entry["resource"] = resource;
        }
        entry
    };
    let mut new = large("", record);
    new.as_object_mut().unwrap().remove("id");
    json!({"resourceType": "Bundle", "type": "transaction", "entry": [
        entry("POST", "Observation", Some(new)),
        entry("PUT", &format!("Patient/{record}"), Some(person(record, "changed"))),
        entry("DELETE", &format!("Observation/{}", known(record)), None),
    ]})
}

fn person(id: &str, family: &str) -> Value {
    json!({"resourceType": "Patient", "id": id, "name": [{"family": family}]})
}

const KINDS: [Kind; 11] = [
    Kind {
        name: "create",
        asked: |record| (by_patient(record), Asked::One(create(&large("", record)))),
        writes: true,
        grows: true,
    },
    Kind {
        name: "update",
        asked: |record| (system(), Asked::One(update(&amended(record)))),
        writes: true,
        grows: true,
    },
    Kind {
        name: "first of a record",
        asked: |record| {
            let named = format!("new-{record}");
            (system(), Asked::One(update(&large(&format!("of-{named}"), &named))))
        },
        writes: true,
        grows: true,
    },
    Kind {
        name: "delete",
        asked: |record| {
            let target = Target::Id(known(record));
            (system(), Asked::One(Command::Delete { resource_type: OBSERVATION, target, precondition: None }))
        },
        writes: true,
        grows: false,
    },
    Kind {
        name: "sharing",
        asked: |record| (by_patient(record), Asked::One(create(&consent(record)))),
        writes: true,
        grows: false,
    },
    Kind { name: "event", asked: |record| (system(), Asked::One(create(&event(record)))), writes: true, grows: false },
    Kind {
        name: "transaction",
        asked: |record| (system(), Asked::Together(several(record))),
        writes: true,
        grows: true,
    },
    Kind {
        name: "patient's transaction",
        asked: |record| {
            let mut bundle = several(record);
            bundle["entry"].as_array_mut().unwrap().truncate(1);
            (by_patient(record), Asked::Together(bundle))
        },
        writes: true,
        grows: true,
    },
    Kind {
        name: "read",
        asked: |record| (by_patient(record), Asked::One(reading_of(&known(record)))),
        writes: false,
        grows: false,
    },
    Kind {
        name: "missing",
        asked: |record| (by_patient(record), Asked::One(reading_of("missing"))),
        writes: false,
        grows: false,
    },
    Kind {
        name: "search",
        asked: |record| {
            let query = Box::new(query("Observation", &format!("patient={record}")));
            (by_patient(record), Asked::One(Command::Search { query, path: String::new() }))
        },
        writes: false,
        grows: false,
    },
];

fn reading_of(id: &str) -> Command {
    Command::Read { resource_type: OBSERVATION, id: id.to_owned(), unless: None }
}

/// Asks; what is not there is an answer as well.
async fn ask(service: &Arc<Service>, (call, asked): (Call, Asked)) -> Result<(), ApiError> {
    let done = match asked {
        Asked::One(command) => carry_out(service, call, command).await.map(|_| ()),
        Asked::Together(resource) => {
            let text = resource.to_string();
            let limits = &service.settings.limits;
            let requests = codec::read_requests(codec::Format::Json, text.as_bytes(), limits).unwrap().into_owned();
            let entries = bundle::entries(service, requests, Handling::Strict).await?;
            bundle::transaction(service, call, entries).await.map(|_| ())
        }
    };
    match done {
        Err(ApiError::NotFound) => Ok(()),
        done => done,
    }
}

/// What there is: how many rows of each kind, and all that names a record, with other words for what is made up.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    rows: Vec<(String, i64)>,
    named: Vec<String>,
}

impl Seen {
    async fn of(service: &Arc<Service>, record: &str) -> Seen {
        let own = record.to_owned();
        let (rows, named) = service
            .store
            .read(move |transaction| {
                let named = transaction.contents().into_iter().filter(|line| line.contains(&own));
                let named = named.map(|line| told(&line.replace(&own, "record"))).collect();
                (Ok::<_, StoreError>((transaction.row_counts(), named)), Vec::new())
            })
            .await
            .unwrap();
        let mut seen = Seen { rows, named };
        seen.named.sort();
        seen
    }

    /// Without the events that tell of a failure, unless it is one that is asked for: that somebody tried is told as well.
    fn but_failures(mut self, whole: &Seen) -> Seen {
        let is_failure = |name: &str| name.ends_with("a.outcome <> 0");
        if !whole.rows.iter().any(|(name, _)| is_failure(name)) {
            self.rows.retain(|(name, _)| !is_failure(name));
        }
        self
    }

    /// How many rows more there are than before.
    fn since(&self, before: &Seen) -> Seen {
        let rows = self.rows.iter().zip(&before.rows).map(|((name, now), (_, then))| (name.clone(), now - then));
        Seen { rows: rows.filter(|(_, more)| *more != 0).collect(), named: self.named.clone() }
    }
}

/// A line without the ids that are made up.
fn told(line: &str) -> String {
    let is_made_up = |word: &str| word.len() == 36 && word.matches('-').count() == 4;
    let words = line.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-');
    words.map(|word| if is_made_up(word) { "made-up" } else { word }).collect::<Vec<_>>().join(" ")
}

/// The requests of one kind, each about a record of its own.
struct Rounds<'k> {
    service: Arc<Service>,
    kind: &'k Kind,
    number: u32,
    /// What one that succeeds leads to.
    whole: Seen,
}

impl<'k> Rounds<'k> {
    async fn begin(service: Arc<Service>, kind: &'k Kind) -> Rounds<'k> {
        store(&service, json!({"resourceType": "Practitioner", "id": "gp", "name": [{"family": "Okafor"}]})).await;
        let whole = Seen { rows: Vec::new(), named: Vec::new() };
        let mut rounds = Rounds { service, kind, number: 0, whole };
        // What is remembered after the first is remembered by the others too.
        for _ in 0..2 {
            let (record, before) = rounds.record().await;
            ask(&rounds.service, (kind.asked)(&record)).await.unwrap_or_else(|why| panic!("{}: {why:?}", kind.name));
            rounds.whole = Seen::of(&rounds.service, &record).await.since(&before);
        }
        assert!(!rounds.whole.rows.is_empty(), "{}: nothing is in the log", kind.name);
        rounds
    }

    /// A record with a reading, and what there is then.
    async fn record(&mut self) -> (String, Seen) {
        self.number += 1;
        let record = format!("r{:05}", self.number);
        store(&self.service, person(&record, "first")).await;
        store(&self.service, reading(&known(&record), &record, "shown")).await;
        let seen = Seen::of(&self.service, &record).await;
        (record, seen)
    }

    /// Asks while the database fails, which is told whether to; whether that was noticed.
    async fn round(&mut self, how: &str, fail: impl AsyncFn(&Service, bool) -> bool) -> bool {
        let (record, before) = self.record().await;
        let asked = || (self.kind.asked)(&record);
        fail(&self.service, true).await;
        let done = ask(&self.service, asked()).await;
        let failed = fail(&self.service, false).await || done.is_err();
        let seen = Seen::of(&self.service, &record).await.since(&before).but_failures(&self.whole);
        let (what, nothing) = (format!("{} {how}", self.kind.name), before.since(&before));
        let (is_whole, is_nothing) = (seen == self.whole, seen == nothing);
        match done {
            Ok(()) => assert_eq!(seen, self.whole, "{what}: it was answered"),
            Err(fault) => {
                let may_be_there = match fault.cause() {
                    ApiError::OutcomeUnknown(_) => true,
                    // What was read, and could not be answered, may be in the log.
                    ApiError::Busy(_) | ApiError::NoSpace(_) => !self.kind.writes,
                    other => panic!("{what}: {other:?}"),
                };
                let may = is_nothing || (may_be_there && is_whole);
                assert!(may, "{what}: {fault:?}: {seen:#?}\nand not\n{nothing:#?}\nor\n{:#?}", self.whole);
            }
        }
        if is_nothing {
            ask(&self.service, asked()).await.unwrap_or_else(|why| panic!("{what}, once more: {why:?}"));
            let seen = Seen::of(&self.service, &record).await.since(&before).but_failures(&self.whole);
            assert_eq!(seen, self.whole, "{what}, once more");
        }
        failed
    }
}

#[tokio::test]
async fn at_whatever_statement_the_database_fails_all_of_a_request_is_there_or_nothing() {
    for kind in &KINDS {
        on_each(async |service| {
            let faults = if service.store.has_many_writers() { POSTGRES } else { SQLITE };
            let mut rounds = Rounds::begin(service, kind).await;
            for fault in faults {
                let mut after = 0;
                loop {
                    let next = (after, fault);
                    let fail = async move |service: &Service, fails: bool| {
                        let failed = service.store.has_failed();
                        service.store.fail_after(fails.then_some(next));
                        failed
                    };
                    let failed = rounds.round(&format!("with {fault:?} after {after} statements"), fail).await;
                    if !failed && (kind.writes || after >= MANY_OF_READS) {
                        break;
                    }
                    after += 1;
                    assert!(after < MANY, "{}: it never succeeds", kind.name);
                }
                assert!(after > 0, "{}: it takes no statement", kind.name);
            }
        })
        .await;
    }
}

#[tokio::test]
async fn at_whatever_page_the_disk_is_full_all_of_a_request_is_there_or_nothing() {
    for kind in KINDS.iter().filter(|kind| kind.writes) {
        on_each(async |service| {
            if service.store.has_many_writers() {
                return;
            }
            let mut rounds = Rounds::begin(service, kind).await;
            let mut room = 0;
            loop {
                let fail = async move |service: &Service, fails: bool| {
                    service.store.limit_pages(fails.then_some(room)).await;
                    false
                };
                if !rounds.round(&format!("with room for {room} pages"), fail).await {
                    break;
                }
                room += 1;
            }
            assert!(room > 0 || !kind.grows, "{}: it takes no room", kind.name);
        })
        .await;
    }
}
