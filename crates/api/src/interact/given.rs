//! Who gave what a resource says, where that decides about others: Consents, and the definitions that what others store is
//! checked and found by. Whoever labels or tags one gives nothing of it.

use concord_consent::facts::GivenBy;
use concord_fhir::issue::Issue;
use concord_fhir::predicate::Predicate;
use concord_store::given_by::ConsentGiver;
use concord_store::rows::Version;

use crate::error::ApiError;
use crate::interact::access;
use crate::interact::session::Session;

/// Those that a registered system gave.
pub(crate) fn registered() -> Predicate {
    Predicate::Given(GivenBy::System.number())
}

/// Keeps who gives what a version that is about to be stored says, and answers who that is: the one before, if it says the
/// same, however it is kept.
///
/// # Errors
/// When the store fails.
pub(crate) fn keep(session: &mut Session<'_, '_>, old: Option<&Version>, new: &Version) -> Result<GivenBy, ApiError> {
    if let Some(old) = old
        && (new.deleted || old.says_the_same(new)?)
    {
        return by(session, old.key);
    }
    give(session, new.key)
}

/// Refuses that anybody but a registered system changes or deletes a definition that one gave; else as [`keep`].
///
/// # Errors
/// [`ApiError::Denied`], and when the store fails.
pub(crate) fn keep_definition(
    session: &mut Session<'_, '_>,
    old: Option<&Version>,
    new: &Version,
) -> Result<GivenBy, ApiError> {
    if let Some(old) = old.filter(|old| !old.deleted)
        && access::given_by(session.call) != GivenBy::System
        && by(session, old.key)? == GivenBy::System
    {
        let text = "a registered system gave this definition, and no other changes or deletes it";
        return Err(ApiError::denied(text));
    }
    keep(session, old, new)
}

/// The same when what is stored already is stored again: a registered system gives it by that.
///
/// # Errors
/// When the store fails.
pub(crate) fn keep_again(session: &mut Session<'_, '_>, version: &Version) -> Result<GivenBy, ApiError> {
    match access::given_by(session.call) {
        GivenBy::System => give(session, version.key),
        _ => by(session, version.key),
    }
}

/// As [`keep_definition`], for types about which nothing else is to be said.
///
/// # Errors
/// As [`keep_definition`].
pub(crate) fn define(
    session: &mut Session<'_, '_>,
    old: Option<&Version>,
    new: &Version,
) -> Result<Vec<Issue>, ApiError> {
    keep_definition(session, old, new)?;
    Ok(Vec::new())
}

/// As [`keep_again`], for types about which nothing else is to be said.
///
/// # Errors
/// As [`keep_again`].
pub(crate) fn define_again(session: &mut Session<'_, '_>, version: &Version) -> Result<Vec<Issue>, ApiError> {
    keep_again(session, version)?;
    Ok(Vec::new())
}

fn by(session: &mut Session<'_, '_>, key: i64) -> Result<GivenBy, ApiError> {
    let givers = session.transaction.givers(&[key])?;
    Ok(givers.first().map_or(GivenBy::Unknown, |(_, kind)| GivenBy::from_number(*kind)))
}

fn give(session: &mut Session<'_, '_>, key: i64) -> Result<GivenBy, ApiError> {
    let (caller, kind) = (&session.call.caller, access::given_by(session.call));
    let giver = ConsentGiver {
        kind: kind.number(),
        who: caller.actor.reference().unwrap_or_else(|| caller.subject.clone()),
        client: caller.client.clone(),
    };
    session.transaction.set_giver(key, &giver)?;
    Ok(kind)
}
