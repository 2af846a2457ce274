//! What every write shares: making a version of what the client sent.

mod decided;
mod elsewhere;
mod filing;
mod mismatch;
pub(crate) mod ready;
pub(crate) mod record;
mod store;
pub(crate) mod unfiled;

pub(crate) use crate::interact::prepared::{Filing, PreparedVersion};
pub(crate) use decided::refuse;
pub(crate) use store::{note_access_change, store};

use std::borrow::Cow;

use concord_consent::authorship::speaks_for_itself_only;
use concord_consent::caller::{Actor, Caller, LOGIN_SYSTEM, Proofing};
use concord_consent::request::Action;
use concord_fhir::index::{self, Entries};
use concord_fhir::issue::Issue;
use concord_fhir::json::{self, Object, Value};
use concord_fhir::label;
use concord_fhir::registry::ResourceType;
use concord_fhir::rules;
use concord_fhir::schema::{TargetRemarks, walk};
use concord_store::rows;
use concord_store::rows::{Method, Version};
use concord_terminology::remarks::CodeRemarks;

use self::decided::{Decided, decided};
use crate::error::ApiError;
use crate::interact::access::references;
use crate::interact::client_uri::client_uri;
use crate::interact::hooks::{Draft, TypeHooks};
use crate::interact::labels::review;
use crate::interact::session::Session;
use crate::interact::stored_entries::stored_entries;
use crate::interact::{SECURITY, access, instant, labels, profiles};

/// Where a version goes.
pub(crate) struct VersionPlace<'a> {
    /// The key of the resource.
    pub(crate) key: i64,
    /// Its logical id.
    pub(crate) id: &'a str,
    /// The version id.
    pub(crate) number: i64,
    /// `meta.lastUpdated`.
    pub(crate) updated: i64,
    /// By which verb.
    pub(crate) method: Method,
    /// Who wrote the resource first, if it is there already.
    pub(crate) author: Option<&'a str>,
    /// The version in whose place it comes.
    pub(crate) old: Option<&'a Version>,
    /// What stands before, for types that several parties write.
    pub(crate) previous: Option<&'a rules::Previous<'a>>,
}

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
) -> Result<Result<Vec<Issue>, Vec<Issue>>, ApiError> {
    if !hooks.is_kept_as_sent {
        references::refuse_unusable(session, value)?;
    }
    let writer = access::writer(session)?;
    let settings = session.service.rules();
    if let Some(complete) = hooks.complete {
        complete(session, &Draft { resource_type, id: place.id, previous: place.previous }, value)?;
    }
    let now = session.transaction.now;
    let reviewed = match session.call.caller.actor {
        Actor::System => Vec::new(),
        _ => review::complete(resource_type, None, now, value)?,
    };
    let prepared = match place.previous {
        Some(previous) => rules::prepare_revision(resource_type, previous, value, &writer, now, &settings),
        None => rules::prepare(resource_type, value, &writer, now, &settings),
    };
    rules::stamp_label(value, &writer);
    if speaks_for_itself_only(&session.call.caller) {
        rules::drop_claims(value);
    }
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

/// Who wrote a resource: who did first, as far as that is known, else for a new one who writes now, else for a system the
/// only one whom the content names; an unregistered one writes for itself. Whoever changes what is there does not come to have written it.
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
            _ => String::new(),
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

/// The first version of a resource that the server itself writes: without an author, and not decided on.
///
/// # Errors
/// When the store fails.
pub(crate) fn by_server(
    session: &mut Session<'_, '_>,
    resource_type: ResourceType,
    id: &str,
    mut value: Value<'static>,
) -> Result<PreparedVersion, ApiError> {
    let now = session.transaction.now;
    if let Some(object) = value.as_object_mut() {
        object.set_at(0, "resourceType", Value::string(resource_type.name()));
    }
    let key = session.transaction.next_key();
    let place = VersionPlace {
        key,
        id,
        number: 1,
        updated: now,
        method: Method::Post,
        author: None,
        old: None,
        previous: None,
    };
    stamp(&mut value, &place, None);
    let entries = index::extract_under(&session.service.base, resource_type, id, now, &value);
    let version = version(session, resource_type, &place, &value, &entries)?;
    Ok(PreparedVersion { version, entries, warnings: Vec::new(), filing: Filing::default() })
}

/// The next version of a resource that the server itself moves on: in the record in which it is filed, with the same author and
/// the same labels beside it.
///
/// # Errors
/// When the store fails.
pub(crate) fn next_by_server(
    session: &mut Session<'_, '_>,
    old: &Version,
    mut value: Value<'static>,
) -> Result<PreparedVersion, ApiError> {
    let place = VersionPlace {
        key: old.key,
        id: &old.id,
        number: old.version + 1,
        updated: session.transaction.now.max(old.updated),
        method: Method::Put,
        author: None,
        old: None,
        previous: None,
    };
    stamp(&mut value, &place, None);
    let mut entries = Entries { updated: place.updated, ..stored_entries(session, old, &value)? };
    labels::definitions::bind_stored(session, old.key, &mut entries)?;
    let beside: Vec<String> = old.added_labels().map(str::to_owned).collect();
    let patient = match entries.patients.first() {
        Some(id) => session.transaction.make_patient_key(id)?,
        None => 0,
    };
    let version = Version {
        patient,
        patients: i16::try_from(entries.patients.len()).unwrap_or(i16::MAX),
        version: place.number,
        updated: place.updated,
        method: Method::Put,
        labels: rows::joined(&own_labels(&entries), &beside, &[]),
        body: json::to_string(&value),
        ..old.clone()
    };
    Ok(PreparedVersion { version, entries, warnings: Vec::new(), filing: Filing::default() })
}

/// The keys of the labels, as a version's row keeps them.
pub(crate) fn own_labels(entries: &Entries) -> String {
    let keys = entries.rows.iter().filter(|row| row.parameter == SECURITY).map(|row| row.key.as_str());
    keys.collect::<Vec<_>>().join("\n")
}

/// Puts the server's elements into the first version of what the server itself writes.
pub(crate) fn stamp_first(value: &mut Value<'_>, id: &str, now: i64, source: Option<String>) {
    let place = VersionPlace {
        key: 0,
        id,
        number: 1,
        updated: now,
        method: Method::Post,
        author: None,
        old: None,
        previous: None,
    };
    stamp(value, &place, source);
}

/// Puts the server's elements in: `id`, `meta.versionId`, `meta.lastUpdated` and, for what a person writes,
/// `meta.source`. They stand first, in the order of the specification.
fn stamp<'v>(value: &mut Value<'v>, place: &VersionPlace<'_>, source: Option<String>) {
    let Some(object) = value.as_object_mut() else { return };
    let mut meta = match object.remove("meta") {
        Some(Value::Object(meta)) => meta,
        _ => Object::default(),
    };
    for taken in ["_versionId", "_lastUpdated"] {
        meta.remove(taken);
    }
    let at = usize::from(meta.get("id").is_some());
    meta.set_at(at, "versionId", Value::string(place.number.to_string()));
    meta.set_at(at + 1, "lastUpdated", Value::string(instant(place.updated)));
    if let Some(source) = source {
        meta.remove("_source");
        meta.set_at(at + 2, "source", Value::string(source));
    }
    object.set_at(1, Cow::Borrowed("id"), Value::string(place.id));
    object.set_at(2, Cow::Borrowed("meta"), Value::Object(meta));
}

/// Marks what a patient enters whose identity is not proven with the sign-in in which it was entered, by which it can be
/// read back. Nobody but a system says so of what is written otherwise.
fn tag_login<'v>(value: &mut Value<'v>, caller: &Caller) {
    if matches!(caller.actor, Actor::System) {
        return;
    }
    let Some(meta) = value.as_object_mut().and_then(|object| object.get_mut("meta")).and_then(Value::as_object_mut)
    else {
        return;
    };
    let mut tags: Vec<Value<'v>> = match meta.remove("tag") {
        Some(Value::Array(tags)) => tags,
        Some(Value::Null) | None => Vec::new(),
        Some(single) => vec![single],
    };
    tags.retain(|tag| tag.text("system") != Some(LOGIN_SYSTEM));
    let credentials = &caller.credentials;
    if let (true, Some(login)) = (credentials.proofing < Proofing::P9, &credentials.login) {
        tags.push(Value::object([
            ("system", Value::string(LOGIN_SYSTEM)),
            ("code", Value::string(login.as_str().to_owned())),
        ]));
    }
    if !tags.is_empty() {
        meta.set("tag", Value::Array(tags));
    }
}

/// Where a resource is from, as the server says it: the app of a person; for a Provenance that a system hands in, that
/// system, unless it says so itself; for what else a system writes, whatever it says itself.
fn source(session: &Session<'_, '_>, resource_type: ResourceType, value: &Value<'_>) -> Option<String> {
    let is_system = matches!(session.call.caller.actor, Actor::System);
    let says_itself = value.get("meta").is_some_and(|meta| meta.get("source").is_some());
    if is_system && (says_itself || !session.service.hooks.of(resource_type).comes_from_systems) {
        return None;
    }
    Some(client_uri(&session.call.caller.client))
}

/// Whether two bodies say the same, apart from the version, its time and, unless the client says that itself, the app that
/// it is from. The new one has been stamped already, so that only a change by the client counts.
pub(crate) fn unchanged(stored: &str, proposed: &str, says_source: bool) -> bool {
    let bare = |text: &str| -> Option<Value<'static>> {
        let mut value = json::parse(text.as_bytes(), &json::Limits::default()).ok()?;
        if let Some(meta) = value.as_object_mut()?.get_mut("meta").and_then(Value::as_object_mut) {
            meta.remove("versionId");
            meta.remove("lastUpdated");
            if !says_source {
                meta.remove("source");
            }
        }
        Some(value.into_owned())
    };
    match (bare(stored), bare(proposed)) {
        (Some(stored), Some(proposed)) => stored.same(&proposed),
        _ => false,
    }
}
