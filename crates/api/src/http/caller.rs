//! Who it is that a believed token names, by what is on record of them here.

use std::sync::Arc;

use crate::auth::{Identity, PersonIdentifier};
use crate::caller::KnownCaller;
use crate::error::ApiError;
use crate::interact::Service;
use crate::interact::access::person;

/// The caller: whom the token names itself, of whom the decision finds whether they still act; or whoever bears the identifier that it
/// names and acts for an organisation that is on record, if it has to be. If nobody, what they are told.
///
/// # Errors
/// When the store fails.
pub(super) async fn named(
    service: &Arc<Service>,
    identity: &Identity,
) -> Result<Result<Arc<KnownCaller>, &'static str>, ApiError> {
    match identity {
        Identity::Known(caller) => Ok(Ok(Arc::clone(caller))),
        Identity::Identifier(named) => Box::pin(bearing(service, named)).await,
    }
}

/// The same of whoever bears an identifier.
async fn bearing(
    service: &Arc<Service>,
    named: &PersonIdentifier,
) -> Result<Result<Arc<KnownCaller>, &'static str>, ApiError> {
    let identifier = (named.person.resource_type(), named.system, named.value.as_str());
    let organisation = named.organisation_on_record.as_deref();
    let (found, is_for_one_on_record) = person::person_for(service, identifier, organisation).await?;
    Ok(match found {
        Some(id) if is_for_one_on_record => Ok(Arc::new(named.resolve(id))),
        Some(_) => Err("the token is valid, but no Organization here has the code of the one that its role is held in"),
        None => Err("the token is valid, but nobody here has the identifier that it names"),
    })
}
