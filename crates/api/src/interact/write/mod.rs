//! What every write shares: making a version of what the client sent.

mod by_server;
mod copies;
mod decided;
mod denial;
mod filing;
mod mismatch;
pub(crate) mod ready;
mod stamp;
pub(crate) mod stays_in_record;
mod store;
pub(crate) mod unfiled;

pub(crate) use crate::interact::prepared::{Filing, PreparedVersion};
pub(crate) use by_server::{by_server, next_by_server};
pub(crate) use copies::MOST_COPIES;
pub(crate) use decided::refuse;
pub(crate) use stamp::{VersionPlace, stamp_first, unchanged};
pub(crate) use store::{note, note_access_change, store};

use concord_consent::authorship::speaks_for_itself_only;
use concord_consent::caller::Actor;
use concord_consent::request::Action;
use concord_fhir::index::Entries;
use concord_fhir::issue::Issue;
use concord_fhir::json::{self, Value};
use concord_fhir::label;
use concord_fhir::registry::ResourceType;
use concord_fhir::rules::{self, WriteContext, signed};
use concord_fhir::schema::{TargetRemarks, walk};
use concord_store::rows::Version;
use concord_terminology::remarks::CodeRemarks;

use self::decided::{Decided, decided};
use self::stamp::{source, stamp, tag_login};
use crate::error::ApiError;
use crate::interact::access::named_before::NamedBefore;
use crate::interact::access::references;
use crate::interact::client_uri::client_uri;
use crate::interact::hooks::{Draft, TypeHooks};
use crate::interact::labels::review;
use crate::interact::session::Session;
use crate::interact::{SECURITY, access, labels, profiles};

/// Applies the rules of the type for the writer, stamps the server's elements, decides on the result, and checks its
/// references.
pub(crate) fn prepare(
    session: &mut Session<'_, '_>,
    action: Action,
    resource_type: ResourceType,
    mut value: Value<'_>,
    place: &VersionPlace<'_>,
) -> Result<PreparedVersion, ApiError> {
    let Decided { mut entries, author, unreadable, filing, mut warnings } =
        decided(session, action, resource_type, &mut value, place)?;
    warnings.extend(remarks(session, &value)?);
    if session.service.settings.suggest_labels {
        warnings.extend(labels::suggestion(&value));
    }
    unreadable.refuse()?;
    mismatch::refuse(session, resource_type, place.old, &value)?;
    warnings.extend(profiles::on_write(session, &value)?);
    warnings.extend(filing::settle(session, resource_type, &filing)?);
    warnings.extend(filing::unplaced(session, resource_type, &value, &entries, &filing));
    let version = Version { author, ..version(session, resource_type, place, &value, &entries)? };
    if session.call.caller.actor == Actor::System {
        // Whoever else calls something by a url says nothing of what others mean by it.
        entries.name = label::canonical_name(&value);
    }
    labels::definitions::bind(session, &mut entries)?;
    labels::content::bind(session, &value, &mut entries, &version, place.old)?;
    Ok(PreparedVersion { version, entries, warnings, filing })
}

/// What there is to say of what is stored, though it is no reason to refuse it.
///
/// # Errors
/// When the store fails.
pub(crate) fn remarks(session: &mut Session<'_, '_>, value: &Value<'_>) -> Result<Vec<Issue>, ApiError> {
    if session.transaction.is_buffering() {
        // Nobody reads what would be said of each resource of a load.
        return Ok(Vec::new());
    }
    let (mut targets, mut codes) = (TargetRemarks::on(value), CodeRemarks::default());
    walk(value, &mut |met| {
        targets.see(met);
        codes.see(met);
    });
    let mut remarks = targets.issues();
    remarks.append(&mut codes.issues);
    let named = value.text("resourceType").and_then(ResourceType::parse);
    if named.is_some_and(|named| !session.service.hooks.of(named).is_kept_as_sent) {
        remarks.extend(references::entries_not_there(value));
    }
    if session.call.caller.knows_everything() {
        remarks.extend(references::nothing_there(session, value)?);
    }
    Ok(remarks)
}

/// What is handed in and never changes, as it is found and evaluated: with the Patients whom its numbers mean.
///
/// # Errors
/// [`ApiError::Unprocessable`] with each number of which nobody can tell whom it means, and when the store fails.
pub(crate) fn filed(
    session: &mut Session<'_, '_>,
    resource_type: ResourceType,
    value: &Value<'static>,
) -> Result<Value<'static>, ApiError> {
    let filing = filing::resolve(session, resource_type, None, value)?;
    filing::settle(session, resource_type, &filing)?;
    Ok(filing.view(resource_type, value).into_owned())
}

/// Completes what the client sent, applies the rules of its type and stamps the server's elements: what is decided on then is
/// what is stored. The rules' answer is told after the decision.
fn apply_rules(
    session: &mut Session<'_, '_>,
    hooks: &TypeHooks,
    resource_type: ResourceType,
    value: &mut Value<'_>,
    place: &VersionPlace<'_>,
    before: &NamedBefore<'_>,
) -> Result<Result<Vec<Issue>, Vec<Issue>>, ApiError> {
    if !hooks.is_kept_as_sent {
        references::refuse_unusable(session, value, before)?;
    }
    let writer = access::writer(session)?;
    let settings = session.service.rules();
    if let Some(complete) = hooks.complete {
        let (old, previous) = (place.old, place.previous);
        complete(session, &Draft { resource_type, id: place.id, old, previous, before }, value)?;
    }
    let now = session.transaction.now;
    let reviewed = match session.call.caller.actor {
        Actor::System => Vec::new(),
        _ => review::complete(resource_type, None, now, value)?,
    };
    let filed = match (&writer.patient, place.old) {
        (Some(_), Some(old)) => filing::kept(session, resource_type, old, value)?,
        _ => Vec::new(),
    };
    let context = WriteContext { previous: place.previous, writer: &writer, filed: &filed, now, settings: &settings };
    let prepared = rules::prepare(resource_type, value, &context);
    let signed = signed_for_others(value, place, &context)?;
    let prepared = match signed.is_empty() {
        true => prepared,
        false => Err(prepared.err().into_iter().flatten().chain(signed).collect()),
    };
    rules::stamp_label(value, &writer);
    let others = place.previous.filter(|previous| !previous.own);
    if let Some(previous) = others {
        rules::keep_claims(value, previous.value);
    }
    let source = source(session, resource_type, value);
    stamp(value, place, source);
    // In what another entered, the sign-in of whoever entered it stays.
    if others.is_none() {
        tag_login(value, &session.call.caller);
    }
    Ok(prepared.map(|warnings| warnings.into_iter().chain(reviewed).collect()))
}

/// What somebody signs for others in what they write, but for what stands there already.
fn signed_for_others(
    value: &Value<'_>,
    place: &VersionPlace<'_>,
    context: &WriteContext<'_>,
) -> Result<Vec<Issue>, ApiError> {
    let mut found = signed::for_others(value, context);
    if let Some(old) = place.old.filter(|old| !old.deleted && !found.is_empty()) {
        let stored = access::stored(old)?;
        let stood = signed::for_others(&stored, context);
        found.retain(|one| !one.is_among(&stood));
    }
    Ok(found.iter().map(|one| one.refusal(context.writer)).collect())
}

/// Who wrote a resource: who did first, as far as that is known, else for a new one who writes now, else for a system the
/// only one whom the content names; an unregistered one writes for itself. Whoever changes what is there does not come to have written it,
/// and what a system writes anew after a deletion, naming nobody, is from whom it was.
fn author(
    session: &Session<'_, '_>,
    resource_type: ResourceType,
    place: &VersionPlace<'_>,
    value: &Value<'_>,
) -> String {
    let is_itself = speaks_for_itself_only(&session.call.caller).then(|| client_uri(&session.call.caller.client));
    match (place.author, session.call.caller.actor.reference().or(is_itself)) {
        (Some(author), _) => author.to_owned(),
        (None, Some(_)) if place.old.is_some_and(|old| !old.deleted) => String::new(),
        (None, Some(author)) => author,
        (None, None) => match rules::authors(resource_type, value).as_slice() {
            [single] => single.clone(),
            _ => place.old.filter(|old| old.deleted).map(|old| old.author.clone()).unwrap_or_default(),
        },
    }
}

/// A version with these contents, without an author.
fn version(
    session: &mut Session<'_, '_>,
    resource_type: ResourceType,
    place: &VersionPlace<'_>,
    value: &Value<'_>,
    entries: &Entries,
) -> Result<Version, ApiError> {
    let patient = match entries.patients.first() {
        Some(id) => session.transaction.make_patient_key(id)?,
        None => 0,
    };
    Ok(Version {
        key: place.key,
        resource_type,
        id: place.id.to_owned(),
        version: place.number,
        updated: place.updated,
        method: place.method,
        deleted: false,
        patient,
        patients: i16::try_from(entries.patients.len()).unwrap_or(i16::MAX),
        author: String::new(),
        labels: own_labels(entries),
        body: json::to_string(value),
    })
}

/// The keys of the labels, as a version's row keeps them.
pub(crate) fn own_labels(entries: &Entries) -> String {
    let keys = entries.rows.iter().filter(|row| row.parameter == SECURITY).map(|row| row.key.as_str());
    keys.collect::<Vec<_>>().join("\n")
}
