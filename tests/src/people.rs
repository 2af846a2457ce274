//! A small cast, and resources that they write.

use serde_json::{Value, json};

use crate::server::Concord;

/// Stores the cast: patients `amina` and `callum`; Amina's GP `gp` on her care team; `gp-elsewhere`, a stranger; `former`,
/// who has left the care team; her son `yusuf`, whom her Consent lets see and write Observations; and `neighbour`, a related
/// person without a Consent.
pub async fn arrive(concord: &Concord) {
    let system = concord.system();
    for resource in all() {
        system.store(&resource).await;
    }
}

/// Them, in the order in which they are stored.
#[must_use]
pub fn all() -> Vec<Value> {
    vec![
        json!({"resourceType": "Organization", "id": "surgery", "name": "Example Surgery"}),
        json!({"resourceType": "Practitioner", "id": "gp", "name": [{"family": "Okafor"}]}),
        json!({"resourceType": "Practitioner", "id": "gp-elsewhere", "name": [{"family": "Lindqvist"}]}),
        json!({"resourceType": "Practitioner", "id": "former", "name": [{"family": "Walsh"}]}),
        json!({"resourceType": "Patient", "id": "amina", "name": [{"family": "Hussain"}]}),
        json!({"resourceType": "Patient", "id": "callum", "name": [{"family": "Fraser"}]}),
        related_person("yusuf"),
        related_person("neighbour"),
        care_team(&["Practitioner/gp", "Practitioner/former"]),
        care_team(&["Practitioner/gp"]),
        consent("active", "RelatedPerson/yusuf", &["access", "collect", "correct"], &["Observation"]),
    ]
}

fn related_person(id: &str) -> Value {
    json!({"resourceType": "RelatedPerson", "id": id, "active": true, "patient": {"reference": "Patient/amina"}})
}

/// Amina's care team with these members.
#[must_use]
pub fn care_team(members: &[&str]) -> Value {
    let participants: Vec<Value> = members.iter().map(|member| json!({"member": {"reference": member}})).collect();
    json!({"resourceType": "CareTeam", "id": "amina-team", "status": "active",
        "subject": {"reference": "Patient/amina"}, "participant": participants})
}

/// Amina's Consent that lets somebody do these things with resources of these types.
#[must_use]
pub fn consent(status: &str, actor: &str, actions: &[&str], types: &[&str]) -> Value {
    let coding = |system: &str, code: &str| json!({"system": system, "code": code});
    let actions: Vec<Value> = actions
        .iter()
        .map(|code| json!({"coding": [coding("http://terminology.hl7.org/CodeSystem/consentaction", code)]}))
        .collect();
    let classes: Vec<Value> = types.iter().map(|code| coding("http://hl7.org/fhir/resource-types", code)).collect();
    json!({
        "resourceType": "Consent", "id": "amina-sharing", "status": status,
        "scope": {"coding": [coding("http://terminology.hl7.org/CodeSystem/consentscope", "patient-privacy")]},
        "category": [{"coding": [coding("http://terminology.hl7.org/CodeSystem/v3-ActCode", "INFA")]}],
        "patient": {"reference": "Patient/amina"},
        "dateTime": "2026-01-01",
        "policyRule": {"coding": [coding("http://terminology.hl7.org/CodeSystem/v3-ActCode", "OPTIN")]},
        "provision": {
            "type": "permit",
            "actor": [{
                "role": {"coding": [coding("http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "IRCP")]},
                "reference": {"reference": actor}
            }],
            "action": actions,
            "class": classes
        }
    })
}

/// A blood pressure of a patient, as the patient's app sends it: nobody named as its performer.
#[must_use]
pub fn blood_pressure(patient: &str, systolic: u32) -> Value {
    let component = |code: &str, value: u32| {
        json!({"code": {"coding": [{"system": "http://loinc.org", "code": code}]},
            "valueQuantity": {"value": value, "unit": "mmHg", "system": "http://unitsofmeasure.org", "code": "mm[Hg]"}})
    };
    json!({
        "resourceType": "Observation", "status": "final",
        "category": [{"coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs"}]}],
        "code": {"coding": [{"system": "http://loinc.org", "code": "85354-9"}]},
        "subject": {"reference": format!("Patient/{patient}")},
        "effectiveDateTime": "2024-11-30T08:00:00Z",
        "component": [component("8480-6", systolic), component("8462-4", 80)]
    })
}

/// The resource with another value of a top-level element.
#[must_use]
pub fn with(mut resource: Value, element: &str, value: Value) -> Value {
    if let Some(object) = resource.as_object_mut() {
        object.insert(element.to_owned(), value);
    }
    resource
}

/// The resource without a top-level element.
#[must_use]
pub fn without(mut resource: Value, element: &str) -> Value {
    if let Some(object) = resource.as_object_mut() {
        object.shift_remove(element);
    }
    resource
}
