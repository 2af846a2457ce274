//! A request is answered alike, and leaves the same in the log, whether it comes alone, as the entry of a batch or as the
//! entry of a transaction: every interaction and every operation, with what can go wrong, for every kind of caller.
//!
//! Each row of [`rows::all`] is run on three servers that have gone through the same rows before, each with a patient of its
//! own, on PostgreSQL a third of them. What still differs stands in `command_and_entry/differences.txt`, with the reason. The list may only become
//! shorter: what differs and is not listed fails, and so does what is listed and no longer differs.

mod answer;
mod operations;
mod request;
mod rows;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use concord_api::describe::openapi;
use concord_tests::client::text;
use concord_tests::{Concord, Database, on_both, people, run};
use serde_json::{Value, json};

use self::answer::{Part, Seen};
use self::request::{Caller, Prepared, Row, Way};

on_both! { alone_and_as_an_entry, every_interaction_has_a_row }

/// `way | parts | row`, below headings that say why.
const DIFFERENCES: &str = include_str!("command_and_entry/differences.txt");

/// How many rows' patients are stored by one transaction.
const ROWS_AT_ONCE: usize = 60;

async fn alone_and_as_an_entry(concord: &Concord) {
    let database = if concord.is_postgres() { Database::Postgres } else { Database::Sqlite };
    let rows = Arc::new(walked(database));
    let others = [Way::Batch, Way::Transaction].map(|way| {
        let rows = Arc::clone(&rows);
        std::thread::spawn(move || {
            let mut seen = Vec::new();
            run(database, &[], async |concord| seen = walk(concord, way, &rows).await);
            seen
        })
    });
    let alone = walk(concord, Way::Alone, &rows).await;
    if database == Database::Sqlite {
        every_operation_succeeds(&rows, &alone);
    }
    let [batch, transaction] = others.map(|other| other.join().expect("a walk that ends"));
    let mut found = BTreeMap::new();
    for (number, row) in rows.iter().enumerate() {
        for (way, entry) in [(Way::Batch, &batch[number]), (Way::Transaction, &transaction[number])] {
            let parts = alone[number].differences(entry);
            if !parts.is_empty() {
                found.insert((row.name.clone(), way.name()), (parts, &alone[number], entry));
            }
        }
    }
    let mut listed = listed();
    listed.retain(|(name, _), _| rows.iter().any(|row| row.name == *name));
    compare(&found, &listed);
}

/// The rows that are walked on a database. What is compared is made above the store, so that on PostgreSQL every third is, and each that
/// differs; all of them where `CONCORD_TEST_CASES` asks for more than usual.
#[expect(clippy::disallowed_methods, reason = "how much is tried is said from outside")]
fn walked(database: Database) -> Vec<Row> {
    let differ: BTreeSet<String> = listed().into_keys().map(|(name, _)| name).collect();
    let all = database == Database::Sqlite || std::env::var("CONCORD_TEST_CASES").is_ok_and(|times| times != "1");
    let rows = rows::all().into_iter().enumerate();
    rows.filter(|(number, row)| all || number % 3 == 0 || differ.contains(&row.name)).map(|(_, row)| row).collect()
}

/// What fails alike says little of what an operation does: at each of its addresses one row succeeds.
fn every_operation_succeeds(rows: &[Row], alone: &[Seen]) {
    let addresses: BTreeSet<String> =
        routes().into_iter().map(|(_, route)| route).filter(|route| route.contains('$')).collect();
    let succeeds = |route: &String| rows.iter().zip(alone).any(|(row, seen)| row.is_at(route) && seen.is_a_success());
    let failing: Vec<&String> = addresses.iter().filter(|route| !succeeds(route)).collect();
    assert!(!addresses.is_empty() && failing.is_empty(), "operations of which no row succeeds: {failing:?}");
}

/// What differs: by the row and the way, in which parts.
type Differences<'a> = BTreeMap<(String, &'static str), (BTreeSet<Part>, &'a Seen, &'a Seen)>;

fn compare(found: &Differences<'_>, listed: &BTreeMap<(String, &'static str), BTreeSet<Part>>) {
    let mut told = String::new();
    for (key, (parts, alone, entry)) in found {
        if listed.get(key) != Some(parts) {
            let (row, way) = key;
            writeln!(told, "{way} | {} | {row}", Part::names(parts)).expect("a string");
            for part in parts {
                writeln!(told, "    alone: {}\n    entry: {}", alone.shown(*part), entry.shown(*part))
                    .expect("a string");
            }
        }
    }
    let gone = listed.keys().filter(|key| !found.contains_key(*key));
    for (row, way) in gone {
        writeln!(told, "equal by now, take it off the list: {way} | {row}").expect("a string");
    }
    assert!(told.is_empty(), "a request and an entry differ otherwise than listed:\n{told}");
}

/// The differences that are known.
fn listed() -> BTreeMap<(String, &'static str), BTreeSet<Part>> {
    let mut listed = BTreeMap::new();
    let mut why = None;
    for line in DIFFERENCES.lines().filter(|line| !line.is_empty()) {
        if let Some(heading) = line.strip_prefix('#') {
            why = Some(heading);
            continue;
        }
        assert!(why.is_some(), "a difference without a reason: {line}");
        let mut columns = line.splitn(3, " | ");
        let way = columns.next().and_then(Way::parse).unwrap_or_else(|| panic!("no way: {line}"));
        let parts = columns.next().unwrap_or_default().split(' ').map(Part::parse).collect();
        let row = columns.next().unwrap_or_else(|| panic!("no row: {line}")).to_owned();
        assert!(listed.insert((row, way.name()), parts).is_none(), "listed twice: {line}");
    }
    listed
}

/// Runs every row one way; what was seen of each.
async fn walk(concord: &Concord, way: Way, rows: &[Row]) -> Vec<Seen> {
    arrive(concord, rows.len()).await;
    let mut all = Vec::with_capacity(rows.len());
    for (number, row) in rows.iter().enumerate() {
        let prepared = Prepared::new(concord, number).await;
        concord.later(1_000);
        let answer = row.send(concord, &prepared, way).await;
        concord.later(1_000);
        let mut seen = Seen::read(row, way, &answer, &prepared);
        let log = format!("AuditEvent?date=gt{}&_count=1000", prepared.written);
        seen.log = events(&concord.system().get(&log).await.expect(200).matches(), &prepared);
        seen.own_log = events(&concord.patient(&prepared.patient).get(&log).await.expect(200).matches(), &prepared);
        concord.later(1_000);
        all.push(seen);
    }
    all
}

/// The events of the row's own request, without their ids, in an order that does not depend on them.
fn events(found: &[Value], prepared: &Prepared) -> Vec<String> {
    let bare = |event: &Value| prepared.plain(&people::without(event.clone(), "id").to_string());
    let own = found.iter().filter(|event| event.to_string().contains(&prepared.request_id));
    let mut events: Vec<String> = own.map(bare).collect();
    events.sort();
    events
}

/// Stores the professionals, a stranger, and for each row a patient with a care team, a carer whom a Consent lets see and
/// write Observations, and a note that is kept from the patient.
async fn arrive(concord: &Concord, rows: usize) {
    let system = concord.system();
    for resource in [
        json!({"resourceType": "Practitioner", "id": "gp", "name": [{"family": "Okafor"}]}),
        json!({"resourceType": "Practitioner", "id": "gp-elsewhere", "name": [{"family": "Lindqvist"}]}),
        json!({"resourceType": "Patient", "id": "callum", "name": [{"family": "Fraser"}]}),
    ]
    .into_iter()
    .chain(request::shared())
    {
        system.store(&resource).await;
    }
    let all: Vec<Value> = (0..rows).flat_map(request::household).collect();
    for some in all.chunks(ROWS_AT_ONCE * 5) {
        let put = |resource: &Value| {
            let url = format!("{}/{}", text(resource, "/resourceType"), text(resource, "/id"));
            json!({"request": {"method": "PUT", "url": url}, "resource": resource})
        };
        let entries: Vec<Value> = some.iter().map(put).collect();
        system
            .post("/fhir", &json!({"resourceType": "Bundle", "type": "transaction", "entry": entries}))
            .await
            .expect(200);
    }
}

/// A Bundle holds no Bundle, so these are nobody's entries.
const NEVER_ENTRIES: [&str; 2] = ["batch", "transaction"];

async fn every_interaction_has_a_row(concord: &Concord) {
    let rows = rows::all();
    let names: BTreeSet<&str> = rows.iter().map(|row| row.name.as_str()).collect();
    assert_eq!(names.len(), rows.len(), "two rows of one name");
    for (row, _) in listed().keys() {
        assert!(names.contains(row.as_str()), "a difference of no row: {row}");
    }
    let covered: BTreeSet<&str> = rows.iter().map(Row::interaction).collect();
    let operations: BTreeSet<&str> = rows.iter().filter_map(Row::operation).collect();
    let statement = concord.nobody().get("metadata").await.expect(200).json();
    let rest = &statement["rest"][0];
    let parts: Vec<&Value> = rest["resource"].as_array().into_iter().flatten().chain([rest]).collect();
    let told = |list: &str, name: &str| -> BTreeSet<String> {
        let all = parts.iter().filter_map(|part| part.get(list)?.as_array()).flatten();
        all.map(|one| text(one, name).to_owned()).collect()
    };
    let (codes, names) = (told("interaction", "/code"), told("operation", "/name"));
    assert!(!codes.is_empty() && !names.is_empty(), "a statement that lists nothing: {statement}");
    for code in codes {
        assert!(covered.contains(&*code) || NEVER_ENTRIES.contains(&&*code), "no row for the interaction {code}");
    }
    for name in names {
        assert!(operations.contains(&*name), "no row for the operation ${name}");
    }
    for (method, route) in routes() {
        for caller in Caller::ALL {
            let is_asked = |row: &Row| row.caller == caller && row.method == method && row.is_at(&route);
            assert!(rows.iter().any(is_asked), "no row for {method} {route} by {caller:?}");
        }
    }
}

/// The routes below the base of the OpenAPI document that an entry could ask for: method and path.
fn routes() -> Vec<(String, String)> {
    let document: Value = serde_json::from_str(&openapi::document().expect("a document")).expect("JSON");
    let paths = document["paths"].as_object().expect("paths");
    let mut routes = Vec::new();
    for (path, methods) in paths {
        // The path of a type says the same as that of all types, where there is one.
        let of_all = path.split('/').enumerate().map(|(place, part)| if place == 2 { "{type}" } else { part });
        let of_all = of_all.collect::<Vec<_>>().join("/");
        if of_all != *path && paths.contains_key(&of_all) {
            continue;
        }
        for method in methods.as_object().expect("methods").keys() {
            let route = (method.to_uppercase(), path.clone());
            let bundle = route.0 == "POST" && path == "/fhir";
            if path.starts_with("/fhir") && !path.contains("/.well-known/") && !bundle {
                routes.push(route);
            }
        }
    }
    routes
}
