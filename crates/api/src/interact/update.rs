//! update, update as create, and conditional update (R4 "RESTful API", update).

use std::collections::HashSet;

use concord_consent::caller::Actor;
use concord_consent::request::Action;
use concord_fhir::issue::{Issue, IssueCode};
use concord_fhir::json::Value;
use concord_fhir::label;
use concord_fhir::registry::ResourceType;
use concord_fhir::rules;
use concord_fhir::search::Query;
use concord_store::named::{Ground, Permitted};
use concord_store::rows;
use concord_store::rows::{Method, Version};

use crate::error::ApiError;
use crate::interact::access::redaction;
use crate::interact::command::Precondition;
use crate::interact::create;
use crate::interact::labels::review;
use crate::interact::logical_id;
use crate::interact::prepared::Made;
use crate::interact::provenance::verification;
use crate::interact::search::conditional;
use crate::interact::session::Session;
use crate::interact::write;
use crate::interact::write::VersionPlace;
use crate::interact::write::ready;
use crate::interact::written::Written;
use crate::interact::{access, allowed, labels, provenance, read};

/// With no match the resource is created, under `new_id` unless it has an id, with one it is updated, with more nothing
/// is done (R4 "conditional update").
pub(crate) fn conditional(
    session: &mut Session<'_, '_>,
    resource_type: ResourceType,
    query: &Query,
    value: Value<'static>,
    precondition: Option<&Precondition>,
    new_id: Option<String>,
) -> Result<Written, ApiError> {
    access::require_scope(session.call, Action::Update, resource_type)?;
    conditional::lock(session.transaction, resource_type, query)?;
    let named = value.text("id").map(str::to_owned);
    match (conditional::one(session, query)?, named) {
        (Some(found), Some(named)) if found.id != named => Err(ApiError::Malformed(vec![Issue::error(
            IssueCode::Value,
            format!("{resource_type}.id"),
            "the id in the body is not that of the resource that matches",
        )])),
        (Some(found), _) => update(session, resource_type, &found.id, value, precondition),
        (None, _) if precondition.is_some_and(Precondition::needs_one) => Err(Precondition::stale()),
        (None, Some(named)) if session.call.caller.knows_everything() => {
            update(session, resource_type, &named, value, None)
        }
        (None, Some(_)) => Err(ApiError::NotFound),
        (None, None) => {
            session.audit.creates();
            let new_id = new_id.unwrap_or_else(|| logical_id::new_id(session.transaction.now));
            create::insert(session, resource_type, value, &new_id, Method::Put)
        }
    }
}

/// Puts a new version in place, or, for a system, stores the first one under the id that it chose.
pub(crate) fn update(
    session: &mut Session<'_, '_>,
    resource_type: ResourceType,
    id: &str,
    mut value: Value<'_>,
    precondition: Option<&Precondition>,
) -> Result<Written, ApiError> {
    session.audit.about(id);
    access::require_scope(session.call, Action::Update, resource_type)?;
    let is_system = matches!(session.call.caller.actor, Actor::System);
    let named = session.transaction.named(resource_type, id, true)?;
    let Some((head, seen)) = read::if_visible(session, named)? else {
        // Only who may know of everything learns that an id is unused; for anybody else that looks like a hidden one.
        if !session.call.caller.knows_everything() {
            return Err(ApiError::NotFound);
        }
        if precondition.is_some_and(Precondition::needs_one) {
            return Err(Precondition::stale());
        }
        return create::insert(session, resource_type, value, id, Method::Put);
    };
    let old = head.version.into_version();
    if old.deleted && !is_system {
        return Err(ApiError::Gone);
    }
    Precondition::check(precondition, &old)?;
    allowed::update(session, &old)?;
    redaction::refuse_part(session.transaction, &seen, &old, &value)?;
    let before = match old.deleted {
        // A deletion says nothing itself.
        true => session.transaction.superseded(old.key, old.version - 1)?.filter(|before| !before.deleted),
        false => None,
    };
    let last = if old.deleted { before.as_ref() } else { Some(&old) };
    let kept = labels::keep(session.call, &old, last, &mut value)?;
    let stood = (!old.deleted).then_some(old.version);
    let written = put(session, old, value, kept)?;
    if stood == Some(written.version.version) { again(session, written) } else { Ok(written) }
}

/// After the same has been sent once more, of which no version was made.
fn again(session: &mut Session<'_, '_>, mut written: Written) -> Result<Written, ApiError> {
    if let Some(again) = session.service.hooks.of(written.version.resource_type).again {
        written.warnings.extend(again(session, &written.version)?);
    }
    Ok(written)
}

/// Refuses what would hide what somebody else wrote, from them or from others who may read it: what is referred to hands its
/// labels on. Who may read it is for its writer to say, and what protects it for whoever may label it. What a party names in
/// its own part hands on none ([`label::named_by_parties`]); what is kept from some who may read this it names all the same not.
fn refuse_narrowing(session: &mut Session<'_, '_>, old: &Version, new: &Version) -> Result<(), ApiError> {
    let known: HashSet<&str> = old.inherited_labels().collect();
    let more = new.inherited_labels().any(|label| !known.contains(label));
    if !more && !names_what_is_kept(session, old, new)? {
        return Ok(());
    }
    let text = "what you refer to is kept from some who may read this, which somebody else wrote: it would be kept from them too";
    Err(ApiError::rule(old.resource_type.name(), text))
}

/// Whether a party names something anew that is labelled as the resource is not.
fn names_what_is_kept(session: &mut Session<'_, '_>, old: &Version, new: &Version) -> Result<bool, ApiError> {
    let base = &session.service.base;
    let before = label::named_by_parties(&old.resource()?, &old.id, base);
    let mut named = label::named_by_parties(&new.resource()?, &new.id, base);
    named.retain(|source| !before.contains(source));
    let own = old.own_labels().split('\n').chain(old.added_labels()).chain(old.inherited_labels());
    let known: HashSet<&str> = own.collect();
    for source in named {
        let named = session.transaction.named(source.resource_type, &source.id, false)?;
        #[expect(clippy::disallowed_methods, reason = "what its writer may not know of has been refused before")]
        let kept = named.evaluated(|head| {
            let version = &head.version;
            let labels = version.own_labels().split('\n').chain(version.added_labels());
            let mut labels = labels.chain(version.inherited_labels());
            let is_kept = labels.any(|key| label::hands_on(key) && !known.contains(key));
            Ok::<_, ApiError>(is_kept.then(|| Permitted::on(Ground::Content, head)))
        })?;
        if kept.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Refuses what an update of a stored resource would refuse. Nothing is stored.
///
/// # Errors
/// Why it would be refused, and when the store fails.
pub(crate) fn refuse(session: &mut Session<'_, '_>, old: &Version, mut value: Value<'static>) -> Result<(), ApiError> {
    access::require_scope(session.call, Action::Update, old.resource_type)?;
    let named = session.transaction.named(old.resource_type, &old.id, false)?;
    let seen = session.unlogged(|session| read::if_visible(session, named))?;
    let Some((head, seen)) = seen else { return Err(ApiError::NotFound) };
    allowed::update(session, &head.version)?;
    redaction::refuse_part(session.transaction, &seen, &head.version, &value)?;
    labels::keep(session.call, &head.version, Some(&head.version), &mut value)?;
    let Before { stands, own, .. } = before(session, &head.version, &mut value)?;
    let previous = stands.as_ref().map(|value| rules::Previous { value, own });
    let place = VersionPlace::after(&head.version, session.transaction.now, previous.as_ref());
    write::refuse(session, Action::Update, head.version.resource_type, value, &place)
}

/// What is known of a version before another one comes in its place.
struct Before {
    /// What it says, for what several parties write.
    stands: Option<Value<'static>>,
    /// Whether the caller wrote it.
    own: bool,
    /// What the client should know of the labels.
    told: Vec<Issue>,
}

/// Refuses what its type does not let take its place, and completes what may.
fn before(session: &mut Session<'_, '_>, old: &Version, value: &mut Value<'_>) -> Result<Before, ApiError> {
    let resource_type = old.resource_type;
    if let Some(refuse_change) = session.service.hooks.of(resource_type).refuse_change {
        refuse_change(session, old, value)?;
    }
    let is_system = matches!(session.call.caller.actor, Actor::System);
    let told = match is_system {
        true => Vec::new(),
        false => review::complete(resource_type, Some(old), session.transaction.now, value)?,
    };
    let by_another = allowed::by_another(session, old)?;
    let stands = match (rules::may_be_multi_author(resource_type) || by_another) && !old.deleted {
        true => Some(access::stored(old)?).filter(|value| by_another || rules::is_multi_author(resource_type, value)),
        false => None,
    };
    let own = is_system || stands.is_none() || access::wrote(session, old)?;
    Ok(Before { stands, own, told })
}

/// Puts a new version in place of one that the caller may change.
pub(super) fn put(
    session: &mut Session<'_, '_>,
    old: Version,
    value: Value<'_>,
    kept: Vec<Issue>,
) -> Result<Written, ApiError> {
    let place = (old.resource_type, old.id.as_str());
    let make = |session: &mut Session<'_, '_>| make(session, &old, value, kept);
    let Made { mut proposed, told, own, is_unchanged } = ready::made(session, place, Some(&old), make)?;
    if is_unchanged {
        return Ok(Written { version: old, created: false, warnings: proposed.warnings });
    }
    let remarks = write::store(session, &proposed, Some(&old), &told)?;
    proposed.warnings.extend(remarks);
    write::note(session, &proposed.version)?;
    let version = session.transaction.with_inherited(proposed.version, &proposed.entries)?;
    if !own {
        refuse_narrowing(session, &old, &version)?;
    }
    Ok(Written { version, created: old.deleted, warnings: proposed.warnings })
}

/// What is stored in the place of a version.
fn make(
    session: &mut Session<'_, '_>,
    old: &Version,
    mut value: Value<'_>,
    mut kept: Vec<Issue>,
) -> Result<Made, ApiError> {
    let is_system = matches!(session.call.caller.actor, Actor::System);
    let Before { stands, own, told } = before(session, old, &mut value)?;
    kept.extend(told);
    let previous = stands.as_ref().map(|value| rules::Previous { value, own });
    let place = VersionPlace::after(old, session.transaction.now, previous.as_ref());
    let mut proposed = write::prepare(session, Action::Update, old.resource_type, value, &place)?;
    proposed.warnings.extend(kept);
    if !old.deleted && !proposed.filing.is_news() && write::unchanged(&old.body, &proposed.version.body, is_system) {
        return Ok(Made { proposed, told: Vec::new(), own, is_unchanged: true });
    }
    let beside = verification::kept(session.transaction, old, &proposed.version)?;
    proposed.version.labels = rows::joined(&proposed.version.labels, &beside, &[]);
    let told = provenance::all(session, &proposed, "UPDATE", Some(old.version))?;
    Ok(Made { proposed, told, own, is_unchanged: false })
}
