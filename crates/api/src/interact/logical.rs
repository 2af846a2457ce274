//! Consents that name their patient by an identifier only, as the national proxy service writes them.

use concord_fhir::index::{ParameterId, SEPARATOR};
use concord_fhir::json::Value;
use concord_fhir::registry::ResourceType;

use crate::fault::Fault;
use crate::store::lower::Rows;
use crate::store::statement::Sql;
use crate::store::transaction::Transaction;

const PATIENT: ResourceType = ResourceType::of("Patient");

/// Puts a reference beside the identifier by which a Consent names its patient, if one Patient here bears it: without
/// one the Consent would be part of nobody's record. For what systems hand in only: to anybody else the answer would
/// tell whether somebody with that number is known here.
pub(crate) fn name_patient(
    transaction: &mut Transaction<'_>,
    resource_type: ResourceType,
    value: &mut Value<'_>,
) -> Result<(), Fault> {
    if resource_type.name() != "Consent" {
        return Ok(());
    }
    let Some(patient) = value.as_object_mut().and_then(|object| object.get_mut("patient")) else { return Ok(()) };
    if patient.get("reference").is_some() {
        return Ok(());
    }
    let part = |name| patient.get("identifier").and_then(|identifier| identifier.text(name));
    let (Some(system), Some(number)) = (part("system"), part("value")) else { return Ok(()) };
    let condition = Sql::new("r.deleted = 0 AND r.type = ")
        .bind(PATIENT.number())
        .sql(" AND r.rid IN (SELECT e.resource FROM entry e WHERE e.key <> '' AND e.parameter = ")
        .bind(ParameterId::of("Patient.identifier").0)
        .sql(" AND e.key = ")
        .bind(format!("{number}{SEPARATOR}{system}"))
        .sql(") LIMIT 2");
    let found = transaction.versions(Rows::Current, condition)?;
    if let ([only], Some(object)) = (found.as_slice(), patient.as_object_mut()) {
        object.set_at(0, "reference", Value::string(format!("Patient/{}", only.id)));
    }
    Ok(())
}
