//! Who it is that a believed token names, by what is on record of them here.

use std::sync::Arc;

use concord_consent::caller::Caller;

use crate::auth::Identity;
use crate::error::ApiError;
use crate::interact::Service;
use crate::interact::access::person;

/// The caller: whoever bears the identifier that a token names and acts for an organisation that is on record, if it has to be; or whom
/// the token names itself, unless it is a professional of whom it is on record here that they act no more. If nobody, what they are told.
///
/// # Errors
/// When the store fails.
pub(super) async fn named(
    service: &Arc<Service>,
    identity: &Identity,
) -> Result<Result<Arc<Caller>, &'static str>, ApiError> {
    let named = match identity {
        Identity::Known(caller) if person::has_ended(service, &caller.actor).await? => {
            return Ok(Err("the token is valid, but whom it names is not active here any more"));
        }
        Identity::Known(caller) => return Ok(Ok(Arc::clone(caller))),
        Identity::Identifier(named) => named,
    };
    let found = person::person(service, named.person.resource_type(), named.system, &named.value).await?;
    Ok(match found {
        Some(id) if person::is_organisation(service, named.organisation_on_record.as_deref()).await? => {
            Ok(Arc::new(named.resolve(id)))
        }
        Some(_) => Err("the token is valid, but no Organization here has the code of the one that its role is held in"),
        None => Err("the token is valid, but nobody here has the identifier that it names"),
    })
}
