//! No search in one patient's record goes through a table, on either database: the plans of every statement that a search
//! or history runs are looked at, those of facts and decisions included.

use std::sync::Arc;

use concord_fhir::registry::ResourceType;
use concord_fhir::search::Query;
use concord_store::StoreError;
use concord_store::transaction::explain::Explained;

use crate::interact::command::Command;
use crate::interact::execute::execute;
use crate::interact::history::{Of, Range};
use crate::interact::session::Session;
use crate::interact::tests::search::{on_each, patient, professional, query, store, system, to};
use crate::interact::{Budget, Call, Service};

const VALUE_SET: ResourceType = ResourceType::of("ValueSet");
const CODE_SYSTEM: ResourceType = ResourceType::of("CodeSystem");

/// How many records there are.
const RECORDS: i64 = 1_500;

/// A record with a little of everything that is looked for, and hundreds more like it.
async fn many_records(service: &Arc<Service>) {
    store(service, serde_json::json!({ "resourceType": "Practitioner", "id": "gp", "name": [{ "family": "Okafor" }] }))
        .await;
    store(
        service,
        serde_json::json!({ "resourceType": "Patient", "id": "ann", "name": [{ "family": "Lee", "given": ["Ann"] }],
            "gender": "female", "birthDate": "1950-01-01", "generalPractitioner": [to("Practitioner/gp")] }),
    )
    .await;
    store(
        service,
        serde_json::json!({ "resourceType": "CareTeam", "id": "ann-team", "status": "active",
            "subject": to("Patient/ann"), "participant": [{ "member": to("Practitioner/gp") }] }),
    )
    .await;
    store(
        service,
        serde_json::json!({ "resourceType": "List", "id": "ann-list", "status": "current", "mode": "working",
            "subject": to("Patient/ann"), "entry": [{ "item": to("Observation/ann-0") }] }),
    )
    .await;
    for number in 0..6 {
        let value = serde_json::json!({
            "resourceType": "Observation", "id": format!("ann-{number}"), "status": "final",
            "identifier": [{ "system": "https://example.org/ids", "value": format!("ann-{number}"),
                "type": { "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "FILL" }] } }],
            "category": [{ "coding": [{ "system": "http://example.org/category", "code": "vital-signs" }] }],
            "code": { "text": "Blood pressure", "coding": [{ "system": "http://loinc.org", "code": format!("code-{}", number % 3) }] },
            "subject": to("Patient/ann"), "performer": [to("Practitioner/gp")],
            "effectiveDateTime": format!("2025-01-0{}", 1 + number),
            "derivedFrom": [to("Observation/ann-0")],
            "valueQuantity": { "value": 100 + number, "system": "http://unitsofmeasure.org", "code": "mm[Hg]" } });
        store(service, value.clone()).await;
        if number < 2 {
            let mut changed = value;
            changed["status"] = serde_json::json!("amended");
            store(service, changed).await;
        }
    }
    let copied = service.store.write(|transaction| {
        transaction.multiply(RECORDS);
        (Ok::<_, StoreError>(()), Vec::new())
    });
    copied.await.unwrap();
}

/// The statements of a search, with their plans.
async fn plans(service: &Arc<Service>, call: Call, resource_type: &str, text: &str) -> Vec<Explained> {
    plans_of(service, call, query(resource_type, text)).await
}

async fn plans_of(service: &Arc<Service>, call: Call, query: Query) -> Vec<Explained> {
    let told = format!("{query:?}");
    let service = Arc::clone(service);
    let store = service.store.clone();
    let found = store.read(move |transaction| {
        transaction.note_everything();
        let command = Command::Search { query: Box::new(query), path: String::new() };
        let audit = command.audit(&call);
        let (done, _) = Session::run(&service, &call, transaction, audit, |session| {
            execute(session, command, &mut Budget::unbounded())
        });
        (done.and_then(|_| Ok(transaction.explained()?)), Vec::new())
    });
    found.await.unwrap_or_else(|why| panic!("{told}: {why:?}")).1
}

async fn history_plans(service: &Arc<Service>, call: Call, of: Of) -> Vec<Explained> {
    let service = Arc::clone(service);
    let store = service.store.clone();
    let found = store.read(move |transaction| {
        transaction.note_everything();
        let range = Range { limit: 20, ..Range::default() };
        let command = Command::History { of, range, asked: Vec::new() };
        let audit = command.audit(&call);
        let (done, _) = Session::run(&service, &call, transaction, audit, |session| {
            execute(session, command, &mut Budget::unbounded())
        });
        (done.and_then(|_| Ok(transaction.explained()?)), Vec::new())
    });
    found.await.unwrap().1
}

/// The steps that go through a table, or through everything of a type.
fn scans(plan: &[String]) -> Vec<&String> {
    let tables = ["resource", "entry", "history", "history_entry", "audit"];
    // SQLite names the alias and not the table.
    let aliases = ["r", "e", "d", "u", "a", "r1", "r2", "h1", "h2", "n"];
    plan.iter()
        .filter(|step| {
            let step = step.trim_start_matches([' ', '-', '>']);
            let scanned = step.strip_prefix("SCAN ").or_else(|| step.strip_prefix("Seq Scan on "));
            let scanned = scanned.and_then(|rest| rest.split(' ').next());
            let whole = scanned.is_some_and(|name| tables.contains(&name) || aliases.contains(&name));
            whole || step.contains("resource_updated") || step.contains("history_updated")
        })
        .collect()
}

/// How many statements there are, and those that go through a table.
#[derive(Default)]
struct Seen {
    count: usize,
    scans: Vec<String>,
}

impl Seen {
    fn add(&mut self, text: &str, statements: &[Explained]) {
        self.count += statements.len();
        for Explained { sql, plan } in statements {
            assert!(!plan.is_empty(), "{sql}");
            // Nothing is read for what cannot be; the organizations that have labels are read once for all, not for one
            // record; and a value set or code system is looked for among all of them, of which there are none here.
            let of = |one: &ResourceType| sql.contains(&format!("r.type = {} AND r.rid IN", one.number()));
            let is_definition = [VALUE_SET, CODE_SYSTEM].iter().any(of);
            if sql.ends_with("WHERE 1 = 0") || sql.contains("r.labels <> '' AND r.type = ") || is_definition {
                continue;
            }
            let found = scans(plan);
            if !found.is_empty() {
                self.scans.push(format!("{text}: {found:?}\n{sql}\n{}", plan.join("\n")));
            }
        }
    }
}

#[tokio::test]
async fn one_record_is_searched_without_going_through_a_table() {
    on_each(async |service| {
        many_records(&service).await;
        let mut seen = Seen::default();
        for text in [
            "",
            "code=code-1",
            "code=http://loinc.org|code-1",
            "code=http://loinc.org|",
            "code=code-1,code-2&status=final&category=vital-signs",
            "code:not=code-1",
            "code:text=blood",
            "status:in=http://hl7.org/fhir/ValueSet/observation-status",
            "status:not-in=http://hl7.org/fhir/ValueSet/observation-status",
            "combo-code=code-1",
            "identifier=https://example.org/ids|ann-1",
            "identifier:of-type=http://terminology.hl7.org/CodeSystem/v2-0203|FILL|ann-1",
            "date=2025-01",
            "date=ge2025-01-02&date=lt2025-01-05",
            "_lastUpdated=gt2020-01-01",
            "_id=ann-1",
            "_tag=x",
            "value-quantity=gt100",
            "value-quantity=101||mm[Hg]",
            "code-value-quantity=code-1$gt100",
            "performer=Practitioner/gp",
            "performer:missing=true",
            "derived-from=Observation/ann-0",
            "_source:below=http://example.org",
            "_content=pressure",
            "_filter=code eq code-1 or date gt 2025-01-03",
            "subject:Patient.family=lee",
            "performer:Practitioner.family=okafor",
            "derived-from:Observation.code=code-0",
            "_has:Observation:derived-from:code=code-1",
            "_list=ann-list",
            "_include=Observation:derived-from&_include=Observation:performer",
            "_revinclude=Observation:derived-from&_revinclude=List:item",
            "_sort=date",
            "_sort=-date",
            "_sort=-_lastUpdated",
            "_sort=code,-date",
            "_sort=performer",
            "_sort=-value-quantity&_count=1",
            "code=code-1&_sort=-date&_count=1&_total=accurate",
        ] {
            let of = format!("{text}&patient=ann");
            seen.add(&of, &plans(&service, system(), "Observation", &of).await);
            seen.add(&of, &plans(&service, professional("gp"), "Observation", &of).await);
            seen.add(text, &plans(&service, patient("ann"), "Observation", text).await);
        }
        for (resource_type, text) in [
            ("Patient", "_id=ann"),
            ("Patient", "family=lee"),
            ("Patient", "_has:Observation:patient:code=code-1"),
            ("Patient", "_revinclude=Observation:patient&_include=Patient:general-practitioner"),
            ("", "_type=Observation,List,CareTeam"),
            ("CareTeam", "participant=Practitioner/gp"),
        ] {
            seen.add(text, &plans(&service, patient("ann"), resource_type, text).await);
        }
        for (resource_type, text) in [
            ("Observation", ""),
            ("Observation", "code=code-1&_sort=-date"),
            ("Observation", "_include=Observation:performer&_revinclude=List:item"),
            ("", "_type=Observation,List,CareTeam&_sort=-_lastUpdated"),
            ("", "_type=Observation,List,CareTeam,Patient"),
        ] {
            for call in [system(), patient("ann"), professional("gp")] {
                let within = query(resource_type, text).in_compartment("ann").unwrap();
                seen.add(&format!("compartment {text}"), &plans_of(&service, call, within).await);
            }
        }
        let observation = concord_fhir::registry::ResourceType::parse("Observation").unwrap();
        for of in [Of::Instance(observation, "ann-1".to_owned()), Of::Type(observation)] {
            seen.add(&format!("{of:?}"), &history_plans(&service, patient("ann"), of).await);
        }
        assert!(seen.scans.is_empty(), "{} of {}\n{}", seen.scans.len(), seen.count, seen.scans.join("\n\n"));
        assert!(seen.count > 150, "{} statements say little", seen.count);
    })
    .await;
}

#[tokio::test]
async fn a_plan_that_goes_through_a_table_is_told_from_others() {
    on_each(async |service| {
        many_records(&service).await;
        // The history of everything has nothing that could lead it.
        let statements = history_plans(&service, system(), Of::System).await;
        assert!(statements.iter().any(|statement| !scans(&statement.plan).is_empty()), "{statements:#?}");
    })
    .await;
}

/// Whether a step reads the rows of a record in the order of their dates.
fn reads_in_order(step: &str) -> bool {
    step.contains("entry_latest") || step.contains("SEARCH d USING COVERING INDEX entry_key")
}

#[tokio::test]
async fn the_latest_of_a_record_are_read_in_their_order() {
    on_each(async |service| {
        many_records(&service).await;
        for call in [patient("ann"), professional("gp"), system()] {
            for text in [
                "patient=ann&code=http://loinc.org|code-1&_sort=-date&_count=10",
                "patient=ann&code=code-1&_sort=-date&_count=10",
                "subject=Patient/ann&category=vital-signs&date=ge2024&_sort=-date&_count=10",
                "patient=ann&_sort=-date&_count=10",
            ] {
                let all = plans(&service, call.clone(), "Observation", text).await;
                let led = all.iter().filter(|one| one.plan.iter().any(|step| reads_in_order(step))).count();
                assert_eq!(led, 1, "{:?} {text}: {all:#?}", call.caller.actor);
            }
            let text = "_type=Observation,CareTeam,Condition&patient=ann&date=ge2024&_sort=-date&_count=10";
            let all = plans(&service, call.clone(), "", text).await;
            let led = |one: &&Explained| one.plan.iter().filter(|step| reads_in_order(step)).count() == 3;
            assert_eq!(all.iter().filter(led).count(), 1, "{:?} {text}: {all:#?}", call.caller.actor);
        }
    })
    .await;
}

/// Whether a step reads an index; that of the latest is one with that of keys on the embedded database.
fn reads(step: &str, index: &str) -> bool {
    step.contains(index) || index == "entry_latest" && reads_in_order(step)
}

#[tokio::test]
async fn the_earliest_and_the_newly_updated_of_a_record_are_read_in_their_order() {
    on_each(async |service| {
        many_records(&service).await;
        for call in [patient("ann"), professional("gp"), system()] {
            for (text, indices) in [
                // By when it ended, then what ended up to a day later, and what covers more than a day.
                ("code=http://loinc.org|code-1&_sort=date&_count=1", ["entry_latest", "entry_latest", "entry_wide"]),
                (
                    "category=vital-signs&date=ge2024&_sort=date&_count=1",
                    ["entry_latest", "entry_latest", "entry_wide"],
                ),
                ("_sort=date&_count=1", ["entry_latest", "entry_latest", "entry_wide"]),
                // Where the looking ends, and what is found until then; and what is part of other records, too.
                ("code=code-1&_sort=-_lastUpdated&_count=1", ["resource_record", "resource_record", "entry_joint"]),
                ("_sort=_lastUpdated&_count=1", ["resource_record", "resource_record", "entry_joint"]),
            ] {
                let text = format!("patient=ann&{text}");
                let all = plans(&service, call.clone(), "Observation", &text).await;
                for index in indices {
                    let wanted = indices.iter().filter(|one| **one == index).count();
                    let led = all.iter().filter(|one| one.plan.iter().any(|step| reads(step, index))).count();
                    assert!(led >= wanted, "{:?} {text}: {index} {led} times {all:#?}", call.caller.actor);
                }
            }
        }
    })
    .await;
}

/// What a database reads of a statement before it finds anything costs seconds where every type is told by itself.
#[tokio::test]
async fn a_whole_record_is_asked_for_in_few_words() {
    on_each(async |service| {
        many_records(&service).await;
        for call in [patient("ann"), professional("gp"), system()] {
            for text in ["", "_lastUpdated=ge2020", "_sort=-_lastUpdated&_count=5"] {
                let within = query("", text).in_compartment("ann").unwrap();
                let all = plans_of(&service, call.clone(), within).await;
                let longest = all.iter().map(|one| one.sql.len()).max().unwrap_or_default();
                assert!(longest < 20_000, "{:?} {text}: {longest} characters", call.caller.actor);
            }
        }
    })
    .await;
}
