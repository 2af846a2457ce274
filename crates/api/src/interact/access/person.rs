//! Finding the person whom a token names by an identifier: an NHS number, a smartcard user.

use std::sync::Arc;

use concord_fhir::index::{ParameterId, SEPARATOR};
use concord_fhir::nhs_number;
use concord_fhir::predicate::{Predicate, Test};
use concord_fhir::registry::{ResourceType, is_own_record};
use concord_store::search::{PageRequest, TypeQuery};
use concord_store::transaction::Transaction;

use crate::error::ApiError;
use crate::interact::{Service, patient_number};

/// The logical id of the only resource of the type with that identifier; none if there is none, or more than one, for
/// then nobody knows who is calling.
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
            let wanted = PageRequest { queries: &among, sort: &[], after: None, limit: 2 };
            (transaction.page(&wanted).map(|(versions, _)| versions), Vec::new())
        })
        .await?;
    match found.as_slice() {
        [only] => Ok(Some(only.id.clone())),
        _ => Ok(None),
    }
}
