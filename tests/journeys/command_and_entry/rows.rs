//! The table: every interaction and every operation, what can go wrong with it, and every kind of caller.

use std::collections::BTreeSet;

use concord_tests::people::{blood_pressure, with, without};
use serde_json::{Value, json};

use super::operations;
use super::request::Caller::{self, GoalApp, Gp, Patient, Stranger, System};
use super::request::{LATER, LONG_AGO, Row, row};

const EVERYBODY: [Caller; 11] = Caller::ALL;

/// Whom what is done with the patient's own Observation tells apart.
const SOME: [Caller; 5] = [System, Patient, Gp, Stranger, GoalApp];

/// All rows.
pub(super) fn all() -> Vec<Row> {
    let mut rows = particular();
    let mut names: BTreeSet<String> = rows.iter().map(|row| row.name.clone()).collect();
    for (method, route) in super::routes() {
        // What is asked first at an address is what there is nothing wrong with.
        let Some(first) = rows.iter().find(|row| row.method == method && row.is_at(&route)).cloned() else { continue };
        let others = Caller::ALL.map(|caller| first.by(caller));
        rows.extend(others.into_iter().filter(|row| names.insert(row.name.clone())));
    }
    rows
}

/// Those that say who asks for what; besides them, each kind of caller asks at each address.
fn particular() -> Vec<Row> {
    [
        reads(),
        versions(),
        searches(),
        compartments(),
        creates(),
        updates(),
        conditional_updates(),
        patches(),
        deletes(),
        operations::all(),
        addresses(),
    ]
    .concat()
}

/// The same request by each of them.
pub(super) fn by(callers: &[Caller], asked: impl Fn(Caller) -> Row) -> Vec<Row> {
    callers.iter().map(|caller| asked(*caller)).collect()
}

/// A reading of the patient's.
pub(super) fn reading() -> Value {
    blood_pressure("{p}", 130)
}

/// Her first reading, changed.
pub(super) fn changed() -> Value {
    with(reading(), "id", json!("{obs}"))
}

fn reads() -> Vec<Row> {
    let mut rows = by(&EVERYBODY, |caller| row(caller, "GET", "Observation/{obs}"));
    rows.extend(by(&[Gp, Stranger], |caller| row(caller, "GET", "Patient/{p}")));
    rows.extend(by(&[Patient, Gp], |caller| row(caller, "GET", "ClinicalImpression/{p}-note")));
    let asked = [
        "Observation/{absent}",
        "Observation/{gone}",
        "Observation/not_an_id",
        "Nonsense/1",
        "Parameters/1",
        "AuditEvent/999999",
        "AuditEvent/999999/$meta",
        "Observation/{obs}?_elements=status",
        "Observation/{obs}?_summary=text",
        "Observation/{obs}?_summary=nonsense",
        "Observation/{obs}?_format=json",
        "Observation/{obs}?_pretty=true",
        "Observation/{obs}?colour=red",
        "metadata",
    ];
    rows.extend(asked.map(|path| row(Patient, "GET", path)));
    rows.push(row(Stranger, "GET", "Observation/{gone}"));
    rows.push(row(System, "GET", "metadata"));
    rows.extend(["Observation/{obs}", "Observation/{absent}"].map(|path| row(Patient, "HEAD", path)));
    for tags in ["W/\"1\"", "W/\"2\"", "*", "nonsense"] {
        rows.push(row(Patient, "GET", "Observation/{obs}").header("If-None-Match", tags));
    }
    rows.push(row(Stranger, "GET", "Observation/{obs}").header("If-None-Match", "W/\"2\""));
    for since in [LONG_AGO, LATER] {
        rows.push(row(Patient, "GET", "Observation/{obs}").header("If-Modified-Since", since));
    }
    rows.push(row(Patient, "GET", "Observation/{obs}/_history/2").header("If-None-Match", "W/\"2\""));
    rows.push(row(Patient, "GET", "Observation/{obs}").header("If-Match", "W/\"1\""));
    rows
}

fn versions() -> Vec<Row> {
    let mut rows = by(&SOME, |caller| row(caller, "GET", "Observation/{obs}/_history/1"));
    rows.extend(by(&EVERYBODY, |caller| row(caller, "GET", "Observation/{obs}/_history")));
    rows.extend(by(&[Patient, Gp, GoalApp], |caller| row(caller, "GET", "Observation/_history?_since={written}")));
    rows.extend(by(&[Patient, Gp, Stranger], |caller| row(caller, "GET", "_history?_since={written}")));
    let asked = [
        "Observation/{obs}/_history/2",
        "Observation/{obs}/_history/9",
        "Observation/{obs}/_history/0",
        "Observation/{obs}/_history/-1",
        "Observation/{obs}/_history/x",
        "Observation/not_an_id/_history/1",
        "Observation/{gone}/_history/1",
        "Observation/{gone}/_history/2",
        "Observation/{obs}/_history/1?_elements=status",
        "ClinicalImpression/{p}-note/_history/1",
        "Nonsense/1/_history/1",
        "Observation/{gone}/_history",
        "Observation/{absent}/_history",
        "Observation/not_an_id/_history",
        "ClinicalImpression/{p}-note/_history",
        "Observation/{obs}/_history?_count=1",
        "Observation/{obs}/_history?_count=x",
        "Observation/{obs}/_history?_cursor=forged",
        "Observation/{obs}/_history?_since={written}",
        "Observation/{obs}/_history?_since=yesterday",
        "Observation/{obs}/_history?_at=2026-12-01",
        "Observation/{obs}/_history?_elements=status",
        "Observation/{obs}/_history?colour=red",
        "AuditEvent/1/_history",
        "AuditEvent/1/_history/1",
        "AuditEvent/_history",
        "Nonsense/_history",
        "Observation/_history",
        "Observation/_history?colour=red",
        "_history",
        "_history?colour=red",
    ];
    rows.extend(asked.map(|path| row(Patient, "GET", path)));
    rows
}

fn searches() -> Vec<Row> {
    let mut rows = by(&EVERYBODY, |caller| row(caller, "GET", "Observation?subject=Patient/{p}"));
    rows.extend(by(&SOME, |caller| row(caller, "GET", "Observation?identifier=urn:test|{p}-nothing")));
    rows.extend(by(&[Patient, Gp], |caller| row(caller, "GET", "ClinicalImpression?subject=Patient/{p}")));
    rows.extend(by(&SOME, |caller| row(caller, "GET", "?_type=Observation&_lastUpdated=ge{written}")));
    rows.extend(by(&SOME, |caller| row(caller, "POST", "Observation/_search?subject=Patient/{p}")));
    rows.extend(by(&SOME, |caller| row(caller, "POST", "Observation/_search").form("subject=Patient/{p}")));
    rows.extend(by(&[System, Patient], |caller| {
        row(caller, "POST", "_search").form("_type=Observation&_lastUpdated=ge{written}")
    }));
    let asked = [
        "Observation",
        "Goal",
        "Device",
        "Observation?status=final&_sort=-date&_count=1",
        "Observation?_total=accurate",
        "Observation?_summary=count",
        "Observation?_count=0",
        "Observation?_elements=status",
        "Observation?_format=json&_pretty=true",
        "Observation?_include=Observation:subject",
        "Observation?_revinclude=Provenance:target",
        "Observation?subject:Patient.name=Family-{p}",
        "Observation?_explain=true",
        "Observation?date=yesterday",
        "Observation?status:nonsense=final",
        "Observation?_sort=nonsense",
        "Observation?_cursor=forged",
        "Observation?colour=red",
        "AuditEvent?subtype=create&_summary=count",
        "Nonsense?name=x",
        "Parameters?name=x",
        "?_type=Observation,Goal",
        "?_type=Nonsense",
        "?status=final",
    ];
    rows.extend(asked.map(|path| row(Patient, "GET", path)));
    rows.push(row(System, "GET", "Observation?subject=Patient/{p}&_explain=true"));
    rows.push(row(Patient, "GET", "Observation?colour=red").header("Prefer", "handling=strict"));
    rows.push(row(Patient, "POST", "Observation/_search?status=final").form(""));
    rows.push(row(Patient, "POST", "Observation/_search").form("date=yesterday"));
    rows
}

fn compartments() -> Vec<Row> {
    let mut rows = by(&EVERYBODY, |caller| row(caller, "GET", "Patient/{p}/Observation"));
    rows.extend(by(&SOME, |caller| row(caller, "GET", "Patient/{p}/*?_type=Observation,Goal")));
    rows.extend(by(&[Patient, Gp], |caller| {
        row(caller, "POST", "Patient/{p}/Observation/_search").form("status=final")
    }));
    let asked = [
        "Patient/{p}/Goal?lifecycle-status=cancelled",
        "Patient/{p}/Device",
        "Patient/{p}/Nonsense",
        "Patient/{p}/Observation?date=yesterday",
        "Patient/{absent}/Observation",
        "Patient/not_an_id/Observation",
        "Practitioner/gp/Observation",
    ];
    rows.extend(asked.map(|path| row(Patient, "GET", path)));
    rows
}

fn creates() -> Vec<Row> {
    let post = |caller: Caller, resource: &Value| row(caller, "POST", "Observation").resource(resource);
    let mut rows = by(&EVERYBODY, |caller| post(caller, &reading()));
    let beside = with(reading(), "performer", json!([{"type": "Encounter", "display": "x"}]));
    let missing = with(reading(), "performer", json!([{"reference": "Practitioner/nobody"}]));
    let goal = json!({"resourceType": "Goal", "lifecycleStatus": "active", "description": {"text": "walk"},
        "subject": {"reference": "Patient/{p}"}});
    let event = json!({"resourceType": "AuditEvent", "type": {"code": "rest"}, "recorded": "2026-12-01T11:00:00Z",
        "agent": [{"requestor": true}], "source": {"observer": {"display": "An app"}},
        "entity": [{"what": {"reference": "Patient/{p}"}}]});
    let said = json!({"resourceType": "Provenance", "target": [{"reference": "Observation/{obs}"}],
        "recorded": "2026-12-01T11:00:00Z", "agent": [{"who": {"reference": "Patient/{p}"}}]});
    rows.extend([
        post(Patient, &beside).note("odd"),
        post(Patient, &beside).header("Prefer", "return=OperationOutcome"),
        post(Patient, &reading()).header("Prefer", "return=minimal"),
        post(Patient, &reading()).header("Prefer", ""),
        post(Patient, &with(reading(), "id", json!("chosen"))).note("with an id"),
        post(Patient, &with(reading(), "status", json!("excellent"))).note("no such code"),
        post(Patient, &with(reading(), "colour", json!("red"))).note("no such element"),
        post(Patient, &without(reading(), "status")).note("an element is missing"),
        post(Patient, &without(reading(), "subject")).note("of nobody"),
        post(Patient, &without(reading(), "resourceType")).note("not a resource"),
        post(Patient, &missing).note("refers to what is not there"),
        post(Patient, &goal).note("of another type than the address"),
        row(Patient, "POST", "Observation").note("without a body"),
        row(Patient, "POST", "Goal").resource(&goal),
        row(Patient, "POST", "Nonsense").resource(&reading()),
        row(Patient, "POST", "Practitioner").resource(&json!({"resourceType": "Practitioner", "active": true})),
        row(Patient, "POST", "Observation?identifier=urn:test|{p}-obs").resource(&reading()),
        row(Patient, "POST", "Observation?_format=json").resource(&reading()),
        row(Patient, "POST", "AuditEvent").resource(&event),
        row(System, "POST", "AuditEvent").resource(&event),
        row(Patient, "POST", "Provenance").resource(&said),
        row(System, "POST", "Provenance").resource(&said),
    ]);
    let conditions = [
        "identifier=urn:test|{p}-obs",
        "identifier=urn:test|{p}-nothing",
        "subject=Patient/{p}",
        "identifier=urn:test|{p}-gone",
        "colour=red",
        "date=yesterday",
        "_count=1",
    ];
    rows.extend(conditions.map(|text| post(Patient, &reading()).header("If-None-Exist", text)));
    rows.extend(by(&[System, Stranger, GoalApp], |caller| {
        post(caller, &reading()).header("If-None-Exist", "identifier=urn:test|{p}-obs")
    }));
    let says = json!({"resourceType": "Provenance", "recorded": "2026-12-01T11:59:00Z", "agent": [{
        "type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/provenance-participant-type",
            "code": "author"}]},
        "who": {"reference": "Patient/{p}"}}]});
    rows.push(post(Patient, &reading()).note("X-Provenance").quiet_header("X-Provenance", &says.to_string()));
    rows
}

fn updates() -> Vec<Row> {
    let put = |caller: Caller, resource: &Value| row(caller, "PUT", "Observation/{obs}").resource(resource);
    let new = with(reading(), "id", json!("{p}-new"));
    let mut rows = by(&EVERYBODY, |caller| put(caller, &changed()));
    rows.extend(by(&[System, Patient, Stranger], |caller| row(caller, "PUT", "Observation/{p}-new").resource(&new)));
    rows.extend([
        put(Patient, &changed()).header("Prefer", "return=minimal"),
        put(Patient, &changed()).header("Prefer", ""),
        put(Patient, &with(changed(), "status", json!("excellent"))).note("no such code"),
        put(Patient, &reading()).note("without an id"),
        put(Patient, &with(reading(), "id", json!("{second}"))).note("with another id"),
        put(Patient, &without(changed(), "resourceType")).note("not a resource"),
        put(Patient, &with(changed(), "subject", json!({"reference": "Patient/callum"}))).note("of another patient"),
        row(Patient, "PUT", "Goal/{obs}").resource(&changed()).note("of another type than the address"),
        row(Patient, "PUT", "Observation/{obs}").note("without a body"),
        row(Patient, "PUT", "Observation/{gone}").resource(&with(reading(), "id", json!("{gone}"))),
        row(Patient, "PUT", "Observation/not_an_id").resource(&with(reading(), "id", json!("not_an_id"))),
        row(Patient, "PUT", "Nonsense/{obs}").resource(&changed()),
        row(Patient, "PUT", "AuditEvent/1").resource(&json!({"resourceType": "AuditEvent", "id": "1",
            "type": {"code": "rest"}, "recorded": "2026-12-01T11:00:00Z", "agent": [{"requestor": true}],
            "source": {"observer": {"display": "An app"}}})),
        row(Patient, "PUT", "ClinicalImpression/{p}-note").resource(&json!({"resourceType": "ClinicalImpression",
            "id": "{p}-note", "status": "completed", "subject": {"reference": "Patient/{p}"}})),
    ]);
    for demand in ["W/\"2\"", "W/\"1\"", "2", "*", "nonsense"] {
        rows.push(put(Patient, &changed()).header("If-Match", demand));
    }
    rows.push(put(Patient, &changed()).header("If-None-Match", "*"));
    rows.push(put(Patient, &changed()).header("If-None-Match", "W/\"1\""));
    rows.push(put(Patient, &changed()).header("If-Match", "W/\"2\"").header("If-None-Match", "*"));
    rows.push(put(Stranger, &changed()).header("If-Match", "W/\"1\""));
    rows.push(row(System, "PUT", "Observation/{p}-new").resource(&new).header("If-None-Match", "*"));
    rows.push(row(System, "PUT", "Observation/{p}-new").resource(&new).header("If-Match", "W/\"1\""));
    rows
}

fn conditional_updates() -> Vec<Row> {
    let put = |caller: Caller, condition: &str, resource: &Value| {
        row(caller, "PUT", &format!("Observation{condition}")).resource(resource)
    };
    let one = "?identifier=urn:test|{p}-obs";
    let mut rows = by(&SOME, |caller| put(caller, one, &reading()));
    let conditions = [
        "?identifier=urn:test|{p}-nothing",
        "?identifier=urn:test|{p}-gone",
        "?subject=Patient/{p}",
        "?colour=red",
        "?date=yesterday",
        "?_count=1",
        "?_format=json",
        "?",
        "",
    ];
    rows.extend(conditions.map(|condition| put(Patient, condition, &reading())));
    rows.extend([
        put(Patient, one, &changed()).note("with its id"),
        put(Patient, one, &with(reading(), "id", json!("{second}"))).note("with another id"),
        put(System, "?identifier=urn:test|{p}-nothing", &with(reading(), "id", json!("{p}-new"))).note("with an id"),
        put(Patient, one, &with(reading(), "status", json!("excellent"))).note("no such code"),
        put(Patient, one, &reading()).header("If-Match", "W/\"2\""),
        put(Patient, one, &reading()).header("If-Match", "W/\"1\""),
        put(Patient, "?identifier=urn:test|{p}-nothing", &reading()).header("If-Match", "W/\"1\""),
        put(Patient, one, &reading()).header("If-None-Match", "*"),
        row(Patient, "PUT", "AuditEvent?_id=1").resource(&reading()),
    ]);
    rows
}

fn patches() -> Vec<Row> {
    let amend = json!([{"op": "replace", "path": "/status", "value": "corrected"}]);
    let patch = |caller: Caller, path: &str| row(caller, "PATCH", path).patch(amend.clone());
    let with_patch = |patch: Value| row(Patient, "PATCH", "Observation/{obs}").patch(patch);
    let mut rows = by(&EVERYBODY, |caller| patch(caller, "Observation/{obs}"));
    rows.extend(by(&SOME, |caller| patch(caller, "Observation?identifier=urn:test|{p}-obs")));
    let paths = [
        "Observation/{gone}",
        "Observation/{absent}",
        "Observation/not_an_id",
        "ClinicalImpression/{p}-note",
        "AuditEvent/1",
        "Nonsense/1",
        "Observation?identifier=urn:test|{p}-nothing",
        "Observation?subject=Patient/{p}",
        "Observation?colour=red",
        "Observation",
    ];
    rows.extend(paths.map(|path| patch(Patient, path)));
    rows.extend([
        with_patch(json!([{"op": "test", "path": "/status", "value": "final"}])).note("a test does not hold"),
        with_patch(json!([{"op": "remove", "path": "/colour"}])).note("no such place"),
        with_patch(json!([{"op": "replace", "path": "/status", "value": "excellent"}])).note("no such code"),
        with_patch(json!([{"op": "replace", "path": "/status", "value": "amended"}])).note("changes nothing"),
        with_patch(json!([{"op": "nonsense"}])).note("not an operation"),
        with_patch(json!({"op": "test"})).note("not a list"),
        row(Patient, "PATCH", "Observation/{obs}").resource(&changed()).note("a resource"),
        patch(Patient, "Observation/{obs}").header("If-Match", "W/\"2\""),
        patch(Patient, "Observation/{obs}").header("If-Match", "W/\"1\""),
        patch(Patient, "Observation/{obs}").header("Prefer", "return=minimal"),
        patch(Patient, "Observation?identifier=urn:test|{p}-obs").header("If-Match", "W/\"1\""),
    ]);
    rows
}

fn deletes() -> Vec<Row> {
    let mut rows = by(&EVERYBODY, |caller| row(caller, "DELETE", "Observation/{obs}"));
    rows.extend(by(&SOME, |caller| row(caller, "DELETE", "Observation?identifier=urn:test|{p}-obs")));
    rows.extend(by(&[System, Patient], |caller| row(caller, "DELETE", "Observation/{absent}")));
    let paths = [
        "Observation/{gone}",
        "Observation/not_an_id",
        "ClinicalImpression/{p}-note",
        "AuditEvent/1",
        "Provenance?_id=1",
        "Nonsense/1",
        "Observation/{obs}?_format=json",
        "Observation/{obs}?colour=red",
        "Observation?identifier=urn:test|{p}-nothing",
        "Observation?subject=Patient/{p}",
        "Observation?colour=red",
        "Observation?_count=1",
        "Observation",
    ];
    rows.extend(paths.map(|path| row(Patient, "DELETE", path)));
    for demand in ["W/\"2\"", "W/\"1\""] {
        rows.push(row(Patient, "DELETE", "Observation/{obs}").header("If-Match", demand));
        rows.push(row(Patient, "DELETE", "Observation?identifier=urn:test|{p}-obs").header("If-Match", demand));
    }
    rows
}

/// Methods that an address does not have, and addresses that lead nowhere.
fn addresses() -> Vec<Row> {
    let mut rows = vec![
        row(Patient, "POST", "Observation/{obs}").resource(&changed()),
        row(Patient, "PUT", "Observation/{obs}/_history/1").resource(&changed()),
        row(Patient, "DELETE", "Observation/{obs}/_history/1"),
        row(Patient, "PUT", "Observation/$validate").resource(&reading()),
        row(Patient, "GET", "Observation/{obs}/nonsense/1"),
        row(Patient, "GET", "Observation/{obs}/"),
        row(Patient, "GET", "http://concord.test/fhir/Observation/{obs}"),
    ];
    rows.push(row(Patient, "GET", "Observation%2F{obs}"));
    rows
}
