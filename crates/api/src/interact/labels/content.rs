//! Content that a resource shows is protected as the resource is, where whoever writes that may say so: of
//! what they wrote themselves, and a system of what no patient and nobody close to a patient wrote. Nobody else's content
//! is hidden by being shown.

use concord_consent::caller::Actor;
use concord_fhir::index::{self, Entries};
use concord_fhir::issue::{Issue, IssueCode};
use concord_fhir::json::Value;
use concord_fhir::label::{self, Source};
use concord_fhir::literal::Literal;
use concord_fhir::schema;
use concord_store::named::KnownName;
use concord_store::rows::Version;

use crate::error::ApiError;
use crate::interact::access;
use crate::interact::labels::is_a_persons;
use crate::interact::session::Session;

/// Says which of what the resource shows is protected as the resource is.
///
/// # Errors
/// [`ApiError::Unprocessable`] for what is not, with its place, where the resource is protected by more than that, and when
/// the store fails.
pub(crate) fn bind(
    session: &mut Session<'_, '_>,
    value: &Value<'_>,
    entries: &mut Entries,
    new: &Version,
    old: Option<&Version>,
) -> Result<(), ApiError> {
    let mut refused: Vec<Source> = Vec::new();
    for content in entries.shown.clone() {
        let found = head(session, &content)?.filter(|version| !version.deleted);
        let follows = match (&found, old) {
            (None, _) => session.call.caller.actor == Actor::System || is_to_come(session, &content),
            (Some(_), Some(old)) if session.transaction.has_shown(old.key, &content)? => true,
            (Some(version), _) => is_own(session, version, &new.author)?,
        };
        match found {
            Some(version) if !follows && shows_more(new, old, &version) => refused.push(content),
            _ if follows => entries.contents.push(content),
            _ => {}
        }
    }
    if refused.is_empty() { Ok(()) } else { Err(ApiError::Unprocessable(issues(session, value, &refused))) }
}

/// What an older release has stored is protected as what shows it, unless the patient or somebody close to the patient wrote
/// it and another the resource.
///
/// # Errors
/// When the store fails.
pub(crate) fn bind_stored(
    session: &mut Session<'_, '_>,
    version: &Version,
    entries: &mut Entries,
) -> Result<(), ApiError> {
    for content in std::mem::take(&mut entries.shown) {
        let found = head(session, &content)?;
        if !found.is_some_and(|found| is_a_persons(&found) && found.author != version.author) {
            entries.contents.push(content);
        }
    }
    Ok(())
}

/// Whether the same transaction stores it.
fn is_to_come(session: &Session<'_, '_>, content: &Source) -> bool {
    session.call.together.contains(&format!("{}/{}", content.resource_type, content.id))
}

/// What whoever may not know of it has been refused before.
fn head(session: &mut Session<'_, '_>, content: &Source) -> Result<Option<Version>, ApiError> {
    let name = KnownName::stored(content.resource_type, &content.id);
    Ok(session.transaction.head(name, false)?.map(|head| head.version))
}

/// Whether what protects the resource may protect that content: `author` wrote the resource.
fn is_own(session: &mut Session<'_, '_>, content: &Version, author: &str) -> Result<bool, ApiError> {
    if session.call.caller.actor == Actor::System {
        return Ok(!is_a_persons(content) || content.author == author);
    }
    access::wrote(session, content)
}

/// Whether the resource has a label to hand on that the content has not.
fn shows_more(new: &Version, old: Option<&Version>, content: &Version) -> bool {
    let beside = old.into_iter().flat_map(|old| old.added_labels().chain(old.inherited_labels()));
    let wanted = label::union(new.own_labels().split('\n').chain(beside));
    let has: Vec<&str> =
        content.own_labels().split('\n').chain(content.added_labels()).chain(content.inherited_labels()).collect();
    wanted.iter().any(|label| !has.contains(&label.as_str()))
}

/// Each place at which one of these is shown.
fn issues(session: &Session<'_, '_>, value: &Value<'_>, refused: &[Source]) -> Vec<Issue> {
    let text = "somebody else wrote what this shows, and it is not protected as this is: label it first, or store your own copy";
    let is_refused = |url: &str| match Literal::read(url, &session.service.base) {
        Literal::Local(resource_type, id) => {
            refused.iter().any(|one| one.resource_type == resource_type && one.id == id)
        }
        _ => false,
    };
    let named = schema::addresses(value).into_iter().chain(index::references(value));
    let places = named.filter(|(_, url)| is_refused(url));
    places.map(|(place, _)| Issue::error(IssueCode::BusinessRule, place, text)).collect()
}
