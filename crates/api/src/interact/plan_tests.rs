//! No search in one patient's record goes through a table, on either database: the plans of every statement that a search
//! or history runs are looked at, those of facts and decisions included.

use std::sync::Arc;

use concord_fhir::registry::ResourceType;
use concord_fhir::search::Query;

use super::history::{self, Of, Range};
use super::search_tests::{on_each, patient, professional, query, store, system, to};
use super::{Call, Concord};
use crate::store::transaction::Explained;

const VALUE_SET: ResourceType = ResourceType::of("ValueSet");

/// How many records there are.
const RECORDS: i64 = 1_500;

/// A record with a little of everything that is looked for, and hundreds more like it.
async fn many_records(concord: &Arc<Concord>) {
    store(concord, serde_json::json!({ "resourceType": "Practitioner", "id": "gp", "name": [{ "family": "Okafor" }] }))
        .await;
    store(
        concord,
        serde_json::json!({ "resourceType": "Patient", "id": "ann", "name": [{ "family": "Lee", "given": ["Ann"] }],
            "gender": "female", "birthDate": "1950-01-01", "generalPractitioner": [to("Practitioner/gp")] }),
    )
    .await;
    store(
        concord,
        serde_json::json!({ "resourceType": "CareTeam", "id": "ann-team", "status": "active",
            "subject": to("Patient/ann"), "participant": [{ "member": to("Practitioner/gp") }] }),
    )
    .await;
    store(
        concord,
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
        store(concord, value.clone()).await;
        if number < 2 {
            let mut changed = value;
            changed["status"] = serde_json::json!("amended");
            store(concord, changed).await;
        }
    }
    let copied = concord.store.write(|transaction| {
        let all = (|| {
            let numbers = format!(
                "WITH RECURSIVE n(i) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < {RECORDS}) "
            );
            let renamed = |column: &str| format!("replace({column}, 'ann', 'ann' || n.i)");
            let patient = "CASE WHEN patient = 0 THEN 0 ELSE patient + n.i * 1000 END";
            for text in [
                format!("INSERT INTO patient (key, id) {numbers} SELECT p.key + n.i * 1000, {} FROM patient p, n WHERE p.key <> 0", renamed("p.id")),
                format!(
                    "INSERT INTO resource {numbers} SELECT rid + n.i * 1000000, type, {}, version, updated + n.i, method, deleted, \
                     {patient}, patients, author, labels, body FROM resource, n WHERE patient <> 0", renamed("id")),
                format!(
                    "INSERT INTO entry {numbers} SELECT resource + n.i * 1000000, parameter, position, {patient}, {}, low, high \
                     FROM entry, n WHERE patient <> 0", renamed("key")),
                format!(
                    "INSERT INTO history {numbers} SELECT pk + n.i * 1000000, rid + n.i * 1000000, type, {}, version, updated + n.i, method, \
                     deleted, {patient}, patients, author, labels, body FROM history, n WHERE patient <> 0", renamed("id")),
                format!(
                    "INSERT INTO history_entry {numbers} SELECT resource + n.i * 1000000, parameter, position, {patient}, {}, low, \
                     high FROM history_entry, n WHERE patient <> 0", renamed("key")),
                // As many practitioners, who are in nobody's record.
                format!(
                    "INSERT INTO resource {numbers} SELECT rid + n.i * 1000000, type, id || n.i, version, updated + n.i, \
                     method, deleted, patient, patients, author, labels, body FROM resource, n WHERE id = 'gp'"
                ),
                // The embedded database plans without statistics.
                if transaction.is_postgres() { "ANALYZE" } else { "SELECT 1" }.to_owned(),
            ] {
                transaction.run(crate::store::statement::Sql::new(text))?;
            }
            Ok(())
        })();
        (all, Vec::new())
    });
    copied.await.unwrap();
}

/// The statements of a search, with their plans.
async fn plans(concord: &Arc<Concord>, call: Call, resource_type: &str, text: &str) -> Vec<Explained> {
    plans_of(concord, call, query(resource_type, text)).await
}

async fn plans_of(concord: &Arc<Concord>, call: Call, query: Query) -> Vec<Explained> {
    let told = format!("{query:?}");
    let concord = Arc::clone(concord);
    let store = concord.store.clone();
    let found = store.read(move |transaction| {
        transaction.note_everything();
        let mut record = call.record(super::audit::Interaction::Search, query.resource_type);
        let done = super::search::run(&concord, &call, transaction, &query, &mut record);
        (done.and_then(|_| transaction.explained()), Vec::new())
    });
    found.await.unwrap_or_else(|why| panic!("{told}: {why:?}")).1
}

async fn history_plans(concord: &Arc<Concord>, call: Call, of: Of) -> Vec<Explained> {
    let concord = Arc::clone(concord);
    let store = concord.store.clone();
    let found = store.read(move |transaction| {
        transaction.note_everything();
        let mut record = call.record(super::audit::Interaction::TypeHistory, None);
        let range = Range { limit: 20, ..Range::default() };
        let done = history::run(&concord, &call, transaction, &of, &range, &mut record);
        (done.and_then(|_| transaction.explained()), Vec::new())
    });
    found.await.unwrap().1
}

/// The steps that go through a table, or through everything of a type.
fn scans(plan: &[String]) -> Vec<&String> {
    let tables = ["resource", "entry", "history", "history_entry", "audit"];
    // SQLite names the alias and not the table.
    let aliases = ["r", "e", "u", "a", "r1", "r2", "h1", "h2", "n"];
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
            // record; and a value set is looked for among all of them, of which there are none here.
            let value_sets = format!("r.type = {} AND r.rid IN", VALUE_SET.number());
            if sql.ends_with("WHERE 1 = 0") || sql.contains("r.labels <> '' AND r.type = ") || sql.contains(&value_sets)
            {
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
    on_each(async |concord| {
        many_records(&concord).await;
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
            seen.add(&of, &plans(&concord, system(), "Observation", &of).await);
            seen.add(&of, &plans(&concord, professional("gp"), "Observation", &of).await);
            seen.add(text, &plans(&concord, patient("ann"), "Observation", text).await);
        }
        for (resource_type, text) in [
            ("Patient", "_id=ann"),
            ("Patient", "family=lee"),
            ("Patient", "_has:Observation:patient:code=code-1"),
            ("Patient", "_revinclude=Observation:patient&_include=Patient:general-practitioner"),
            ("", "_type=Observation,List,CareTeam"),
            ("CareTeam", "participant=Practitioner/gp"),
        ] {
            seen.add(text, &plans(&concord, patient("ann"), resource_type, text).await);
        }
        for (resource_type, text) in [
            ("Observation", ""),
            ("Observation", "code=code-1&_sort=-date"),
            ("Observation", "_include=Observation:performer&_revinclude=List:item"),
            ("", "_type=Observation,List,CareTeam&_sort=-_lastUpdated"),
        ] {
            for call in [system(), patient("ann"), professional("gp")] {
                let within = query(resource_type, text).in_compartment("ann").unwrap();
                seen.add(&format!("compartment {text}"), &plans_of(&concord, call, within).await);
            }
        }
        let observation = concord_fhir::registry::ResourceType::parse("Observation").unwrap();
        for of in [Of::Instance(observation, "ann-1".to_owned()), Of::Type(observation)] {
            seen.add(&format!("{of:?}"), &history_plans(&concord, patient("ann"), of).await);
        }
        assert!(seen.scans.is_empty(), "{} of {}\n{}", seen.scans.len(), seen.count, seen.scans.join("\n\n"));
        assert!(seen.count > 150, "{} statements say little", seen.count);
    })
    .await;
}

#[tokio::test]
async fn a_plan_that_goes_through_a_table_is_told_from_others() {
    on_each(async |concord| {
        many_records(&concord).await;
        // The history of everything has nothing that could lead it.
        let statements = history_plans(&concord, system(), Of::System).await;
        assert!(statements.iter().any(|statement| !scans(&statement.plan).is_empty()), "{statements:#?}");
    })
    .await;
}
