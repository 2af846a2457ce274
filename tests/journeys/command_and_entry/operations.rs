//! The rows of the table that are about operations, and about breaking the glass.

use concord_tests::people::with;
use serde_json::{Value, json};

use super::request::Caller::{Emergency, GoalApp, Gp, Patient, Stranger, System};
use super::request::{Row, row};
use super::rows::{by, changed, reading};

/// All of them.
pub(super) fn all() -> Vec<Row> {
    [emergencies(), operations_on_a_record(), operations_on_a_resource()].concat()
}

/// What breaks the glass, and what does not.
fn emergencies() -> Vec<Row> {
    let paths = [
        "Observation/{obs}/_history/1",
        "Patient/{p}/$everything?_type=Observation",
        "Observation/{absent}",
        "Observation?subject=Patient/{absent}",
    ];
    paths.map(|path| row(Emergency, "GET", path)).to_vec()
}

fn parameters(given: Value) -> Value {
    json!({"resourceType": "Parameters", "parameter": given})
}

fn operations_on_a_record() -> Vec<Row> {
    let nothing = json!({"resourceType": "Parameters"});
    let paths = [
        "Patient/{p}/$everything",
        "Patient/$everything",
        "Patient/{p}/$summary",
        "Patient/$summary",
        "Patient/{p}/$access-log",
        "Patient/{p}/$due-for-review",
        "Patient/{p}/$who-can-see",
        "Patient/{p}/$connected-apps",
        "Observation/$lastn?patient={p}",
        "Observation/$trend?patient={p}&code=85354-9",
        "Observation/$duplicates?patient={p}",
        "Consent/$evaluate?patient=Patient/{p}&actor=RelatedPerson/{p}-carer&resource=Observation/{obs}",
    ];
    let mut rows = Vec::new();
    for path in paths {
        rows.extend(by(&[System, Patient, Gp, Stranger, GoalApp], |caller| row(caller, "GET", path)));
        rows.push(row(Patient, "POST", path).resource(&nothing));
    }
    let asked = [
        "Patient/{p}/$everything?_count=1",
        "Patient/{p}/$everything?_elements=id",
        "Patient/{p}/$everything?colour=red",
        "Patient/{absent}/$everything",
        "Patient/not_an_id/$everything",
        "Observation/$trend?patient={p}",
        "Observation/$lastn?patient={p}&patient={p}",
        "Consent/$evaluate",
    ];
    rows.extend(asked.map(|path| row(Patient, "GET", path)));
    let app = parameters(json!([{"name": "client", "valueString": "heart-diary"}]));
    let end = "Patient/{p}/$end-app-access";
    rows.extend(by(&[System, Patient, Gp, Stranger, GoalApp], |caller| row(caller, "POST", end).resource(&app)));
    rows.push(row(Patient, "GET", end));
    rows.push(row(Patient, "POST", end).note("without a body"));
    let count = parameters(json!([{"name": "_count", "valueInteger": 1}]));
    rows.push(row(Patient, "POST", "Patient/{p}/$everything").resource(&count).note("with a parameter"));
    rows.push(row(Patient, "POST", "Patient/{p}/$everything").note("without a body"));
    rows
}

fn operations_on_a_resource() -> Vec<Row> {
    let label =
        json!({"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}]});
    let labels = parameters(json!([{"name": "meta", "valueMeta": label}]));
    let reason = parameters(json!([{"name": "reason", "valueString": "it has been talked about"}]));
    let version = parameters(json!([{"name": "version", "valueId": "2"}]));
    let first = parameters(json!([{"name": "version", "valueId": "1"}]));
    let correction = json!({"resourceType": "Communication", "status": "completed",
        "about": [{"reference": "Observation/{obs}"}], "subject": {"reference": "Patient/{p}"},
        "payload": [{"contentString": "Not so"}]});
    let described = json!({"resourceType": "Patient", "name": [{"family": "Hussain"}], "birthDate": "1950-04-12"});
    let mut rows = Vec::new();
    for caller in [System, Patient, Gp, Stranger, GoalApp] {
        rows.extend([
            row(caller, "GET", "Goal/{goal}/$agreement"),
            row(caller, "GET", "Observation/{obs}/$meta"),
            row(caller, "GET", "Composition/{p}-letter/$document"),
            row(caller, "GET", "Composition/$document?id={p}-letter"),
            row(caller, "GET", "Bundle/{absent}/$document"),
            row(caller, "POST", "Observation/{obs}/$meta-add").resource(&labels),
            row(caller, "POST", "Observation/{obs}/$meta-delete").resource(&labels),
            row(caller, "POST", "ClinicalImpression/{p}-note/$release").resource(&reason),
            row(caller, "POST", "Observation/{obs}/$verify").resource(&version),
            row(caller, "POST", "Communication/$correctionrequest").resource(&correction),
            row(caller, "POST", "Observation/$validate").resource(&reading()),
            row(caller, "POST", "Patient/$match").resource(&described),
            row(caller, "POST", "Observation/{obs}/$validate").resource(&changed()),
        ]);
    }
    let nothing = json!({"resourceType": "Parameters"});
    for path in
        ["Composition/{p}-letter/$document", "Composition/$document", "Bundle/{absent}/$document", "Bundle/$document"]
    {
        rows.push(row(Patient, "POST", path).resource(&nothing));
    }
    rows.push(row(Patient, "GET", "Bundle/$document"));
    let terms = [
        "ValueSet/$expand?url=http://hl7.org/fhir/ValueSet/administrative-gender&count=1",
        "ValueSet/$validate-code?url=http://hl7.org/fhir/ValueSet/administrative-gender&code=female",
        "CodeSystem/$validate-code?url=http://hl7.org/fhir/administrative-gender&code=female",
        "CodeSystem/$lookup?system=http://hl7.org/fhir/administrative-gender&code=female",
        "CodeSystem/$subsumes?system=http://hl7.org/fhir/administrative-gender&codeA=female&codeB=male",
        "ConceptMap/$translate?system=http://hl7.org/fhir/administrative-gender&code=female",
        "ValueSet/colours/$expand",
        "ValueSet/colours/$validate-code?code=red&system=urn:test:colours",
        "CodeSystem/colours/$validate-code?code=red",
        "CodeSystem/colours/$subsumes?codeA=red&codeB=green",
        "ConceptMap/colours/$translate?code=red&system=urn:test:colours",
        "ValueSet/{absent}/$expand",
        "ValueSet/{absent}/$validate-code?code=x",
        "CodeSystem/{absent}/$validate-code?code=x",
        "CodeSystem/{absent}/$subsumes?codeA=x&codeB=y",
        "ConceptMap/{absent}/$translate?code=x",
        "ValueSet/$expand?url=urn:none",
    ];
    for place in terms {
        rows.extend([row(Patient, "GET", place), row(Gp, "POST", place).resource(&nothing)]);
    }
    let wrong = with(reading(), "status", json!("excellent"));
    rows.extend([
        row(Patient, "POST", "Goal/{goal}/$agreement"),
        row(Patient, "POST", "Observation/{obs}/$meta"),
        row(Patient, "GET", "Observation/{obs}/$meta-add"),
        row(Patient, "POST", "Observation/{obs}/$meta-add").note("without a body"),
        row(System, "GET", "Bundle/leaflet/$document"),
        row(System, "GET", "Bundle/$document?id=leaflet"),
        row(Gp, "POST", "AllergyIntolerance/verna-allergy/$verify").resource(&first),
        row(Gp, "POST", "MedicationStatement/verna-tablets/$verify").resource(&first),
        row(Gp, "POST", "AllergyIntolerance/{absent}/$verify").resource(&version),
        row(Gp, "POST", "MedicationStatement/{absent}/$verify").resource(&version),
        row(Gp, "POST", "Observation/{obs}/$verify").note("of no version"),
        row(Patient, "GET", "Observation/$validate"),
        row(System, "GET", "Patient/$match"),
        row(Patient, "GET", "Observation/{obs}/$validate"),
        row(Patient, "POST", "Observation/$validate").resource(&wrong).note("no such code"),
        row(Patient, "POST", "Observation/$validate")
            .resource(&parameters(json!([{"name": "resource", "resource": reading()}])))
            .note("as a parameter"),
        row(Patient, "GET", "Observation/$nothing"),
        row(Patient, "GET", "$nothing"),
        row(Patient, "GET", "Nonsense/$validate"),
    ]);
    rows
}
