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
use concord_store::named::{Ground, Permitted};
use concord_store::rows::Version;

use crate::error::ApiError;
use crate::interact::access::{self, knowledge};
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
        let named = session.transaction.named(content.resource_type, &content.id, false)?;
        #[expect(
            clippy::disallowed_methods,
            reason = "whoever may not know of it has been refused before, or is told nothing of it"
        )]
        let found = named.evaluated(|head| {
            let protection = protection(session, &content, &head.version, new, old)?;
            Ok::<_, ApiError>(protection.map(|protection| Permitted::on(Ground::Content, head).with(protection)))
        })?;
        let protection = found.map_or_else(|| not_there(session, &content), |(_, protection)| protection);
        match protection {
            Protection::Follows => entries.contents.push(content),
            Protection::Stays => {}
            Protection::Refused => refused.push(content),
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
        let named = session.transaction.named(content.resource_type, &content.id, false)?;
        #[expect(clippy::disallowed_methods, reason = "it is stored already, and nobody is told of it")]
        let stays = named.evaluated(|head| {
            let is_anothers = is_a_persons(&head.version) && head.version.author != version.author;
            Ok::<_, ApiError>(is_anothers.then(|| Permitted::on(Ground::Content, head)))
        })?;
        if stays.is_none() {
            entries.contents.push(content);
        }
    }
    Ok(())
}

/// Whether the same transaction stores it.
fn is_to_come(session: &Session<'_, '_>, content: &Source) -> bool {
    session.call.stores_together(content.resource_type, &content.id)
}

/// How content is protected that a resource shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protection {
    /// It is protected as the resource is.
    Follows,
    /// It is protected as it is.
    Stays,
    /// The resource is refused, which would be protected by more than what it shows.
    Refused,
}

/// How content is protected that is there: whoever may not know of it has been refused before. None if it is deleted.
fn protection(
    session: &mut Session<'_, '_>,
    content: &Source,
    found: &Version,
    new: &Version,
    old: Option<&Version>,
) -> Result<Option<Protection>, ApiError> {
    if found.deleted {
        return Ok(None);
    }
    let was_shown = match old {
        Some(old) => session.transaction.has_shown(old.key, content)?,
        None => false,
    };
    Ok(Some(if was_shown || is_own(session, found, &new.author)? {
        Protection::Follows
    } else if shows_more(new, old, found) && !is_shown_as_before(session, content, new, old)? {
        Protection::Refused
    } else {
        Protection::Stays
    }))
}

/// Whether the version before shows that content too, and the new one is protected by no more than that, or whoever writes it may not
/// know of the content any more: nothing is said of it then.
fn is_shown_as_before(
    session: &mut Session<'_, '_>,
    content: &Source,
    new: &Version,
    old: Option<&Version>,
) -> Result<bool, ApiError> {
    let Some(old) = old.filter(|old| !old.deleted) else { return Ok(false) };
    let base = &session.service.base;
    let stored = index::extract_under(base, old.resource_type, &old.id, old.updated, &old.resource()?);
    if !stored.shown.contains(content) {
        return Ok(false);
    }
    let has: Vec<&str> = old.own_labels().split('\n').collect();
    if new.own_labels().split('\n').all(|label| has.contains(&label)) {
        return Ok(true);
    }
    Ok(!session.call.caller.knows_everything()
        && knowledge::referable(session, content.resource_type, &content.id)?.is_none())
}

/// How content is protected that is not there, and may come.
fn not_there(session: &Session<'_, '_>, content: &Source) -> Protection {
    match session.call.caller.actor == Actor::System || is_to_come(session, content) {
        true => Protection::Follows,
        false => Protection::Stays,
    }
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
