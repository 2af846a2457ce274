//! Finding the person whom a token names by an identifier: an NHS number, a smartcard user.

use std::sync::Arc;

use concord_consent::caller::Actor;
use concord_fhir::index::{ParameterId, SEPARATOR};
use concord_fhir::json::Value;
use concord_fhir::nhs_number;
use concord_fhir::predicate::{Predicate, Test};
use concord_fhir::registry::{ResourceType, is_own_record};
use concord_fhir::rules::local_reference;
use concord_store::named::KnownName;
use concord_store::rows::Version;
use concord_store::search::{PageRequest, TypeQuery};
use concord_store::transaction::Transaction;

use crate::error::ApiError;
use crate::interact::{Service, access, patient_number};

/// How many of one identifier are looked at.
const MOST: u32 = 20;

/// The logical id of the only resource of the type with that identifier that is active; none if there is none, or more than one, for
/// then nobody knows who is calling. A patient's own record stays theirs when it is inactive: after a death, or when it has been merged.
pub(crate) async fn person(
    service: &Arc<Service>,
    type_name: &'static str,
    system: &str,
    value: &str,
) -> Result<Option<String>, ApiError> {
    let Some(resource_type) = ResourceType::parse(type_name) else { return Ok(None) };
    if is_own_record(resource_type) && system == nhs_number::SYSTEM {
        let number = value.to_owned();
        let find =
            move |transaction: &mut Transaction<'_>| (patient_number::only_survivor(transaction, &number), Vec::new());
        return service.store.read(find).await;
    }
    let parameter = ParameterId::of(&format!("{type_name}.identifier"));
    let predicate = Predicate::Entry(parameter, Test::Is(format!("{value}{SEPARATOR}{system}")));
    let found = service
        .store
        .read(move |transaction| {
            let among = [TypeQuery { resource_type, record: None, predicate }];
            let wanted = PageRequest { queries: &among, sort: &[], after: None, limit: MOST };
            (transaction.page(&wanted).map(|(versions, _)| versions), Vec::new())
        })
        .await?;
    let mut active = found.iter().filter(|version| is_own_record(resource_type) || is_active(version));
    match (active.next(), active.next()) {
        (Some(only), None) => Ok(Some(only.id.clone())),
        _ => Ok(None),
    }
}

/// Whether a stored resource says nothing of being inactive.
pub(crate) fn is_active(version: &Version) -> bool {
    access::stored(version).is_ok_and(|one| one.get("active").and_then(Value::as_bool) != Some(false))
}

/// Whether it is on record that a professional acts no more: they have been deleted or are inactive; of a role, itself or whose it is.
/// Of whom nothing has ever been stored, the issuer's word counts.
pub(crate) async fn has_ended(service: &Arc<Service>, actor: &Actor) -> Result<bool, ApiError> {
    let (resource_type, id) = match actor.resource() {
        Some((resource_type, id)) if actor.is_professional() => (resource_type, id.to_owned()),
        _ => return Ok(false),
    };
    let find = move |transaction: &mut Transaction<'_>| (has_ended_there(transaction, resource_type, &id), Vec::new());
    service.store.read(find).await
}

fn has_ended_there(transaction: &mut Transaction<'_>, resource_type: ResourceType, id: &str) -> Result<bool, ApiError> {
    let Some(head) = transaction.head(KnownName::of_caller(resource_type, id), false)? else { return Ok(false) };
    if head.version.deleted || !is_active(&head.version) {
        return Ok(true);
    }
    let stored = access::stored(&head.version)?;
    let whose = stored.get("practitioner").and_then(|whose| whose.text("reference"));
    let whose = whose.and_then(|text| local_reference(transaction.base(), text));
    let Some((name, id)) = whose.as_deref().and_then(|local| local.split_once('/')) else { return Ok(false) };
    let Some(resource_type) = ResourceType::parse(name) else { return Ok(false) };
    let head = transaction.head(KnownName::stored(resource_type, id), false)?;
    Ok(head.is_some_and(|head| head.version.deleted || !is_active(&head.version)))
}

/// `Identifier.system` of an organisation's ODS code.
const ODS_CODE: &str = "https://fhir.nhs.uk/Id/ods-organization-code";

/// Whether an organisation is on record here, if a code names one that has to be.
pub(crate) async fn is_organisation(service: &Arc<Service>, code: Option<&str>) -> Result<bool, ApiError> {
    match code {
        Some(code) => Ok(person(service, "Organization", ODS_CODE, code).await?.is_some()),
        None => Ok(true),
    }
}

/// The only Patient whom an NHS number means: the logical id, and the date of birth that is on record.
pub(crate) async fn of_number(
    service: &Arc<Service>,
    number: &str,
) -> Result<Option<(String, Option<String>)>, ApiError> {
    const PATIENT: &str = "Patient";
    let Some(id) = person(service, PATIENT, nhs_number::SYSTEM, number).await? else { return Ok(None) };
    let born = birth_date(service, PATIENT, &id).await?;
    Ok(Some((id, born)))
}

/// The date of birth that is on record of somebody.
pub(crate) async fn birth_date(service: &Arc<Service>, type_name: &str, id: &str) -> Result<Option<String>, ApiError> {
    let Some(resource_type) = ResourceType::parse(type_name) else { return Ok(None) };
    let id = id.to_owned();
    let find = move |transaction: &mut Transaction<'_>| {
        (transaction.head(KnownName::of_caller(resource_type, &id), false), Vec::new())
    };
    let Some(head) = service.store.read(find).await? else { return Ok(None) };
    Ok(access::stored(&head.version)?.text("birthDate").map(str::to_owned))
}
