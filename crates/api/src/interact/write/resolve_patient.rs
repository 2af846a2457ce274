//! Consents that name their patient by an identifier only, as the national proxy service writes them.

use concord_fhir::index::{ParameterId, SEPARATOR};
use concord_fhir::json::Value;
use concord_fhir::registry::ResourceType;
use concord_store::find::ByKey;

use crate::error::ApiError;
use crate::interact::access;
use crate::interact::session::Session;

const PATIENT: ResourceType = ResourceType::of("Patient");

/// Puts a reference beside the identifier by which a Consent names its patient, if one Patient here bears it: without
/// one the Consent would be in no patient compartment. For what systems hand in only, and for patients of whom they
/// may know: else the answer would tell whether somebody with that number is known here.
pub(crate) fn name_patient(session: &mut Session<'_, '_>, value: &mut Value<'_>) -> Result<(), ApiError> {
    let Some(patient) = value.as_object_mut().and_then(|object| object.get_mut("patient")) else { return Ok(()) };
    if patient.get("reference").is_some() {
        return Ok(());
    }
    let part = |name| patient.get("identifier").and_then(|identifier| identifier.text(name));
    let (Some(system), Some(number)) = (part("system"), part("value")) else { return Ok(()) };
    let key = format!("{number}{SEPARATOR}{system}");
    let identified = ByKey::new(ParameterId::of("Patient.identifier"), &key).of_type(PATIENT).limit(2);
    let found = session.transaction.find_by_key(&identified)?;
    if let ([only], Some(object)) = (found.as_slice(), patient.as_object_mut())
        && access::knows_of(session, &only.id)?
    {
        object.set_at(0, "reference", Value::string(format!("Patient/{}", only.id)));
    }
    Ok(())
}
