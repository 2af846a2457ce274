//! What the server puts into a version of its own: `id`, `meta.versionId`, `meta.lastUpdated`, and from where it is.

use std::borrow::Cow;

use concord_consent::caller::{Actor, Caller, LOGIN_SYSTEM, Proofing};
use concord_fhir::json::{self, Object, Value};
use concord_fhir::registry::ResourceType;
use concord_fhir::rules;
use concord_store::rows::{Method, Version};

use crate::interact::client_uri::client_uri;
use crate::interact::instant;
use crate::interact::session::Session;

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

impl<'a> VersionPlace<'a> {
    /// Where the first version of a resource goes.
    pub(crate) fn first(key: i64, id: &'a str, now: i64, method: Method) -> VersionPlace<'a> {
        VersionPlace { key, id, number: 1, updated: now, method, author: None, old: None, previous: None }
    }

    /// Where the version goes that comes in the place of `old`.
    pub(crate) fn after(old: &'a Version, now: i64, previous: Option<&'a rules::Previous<'a>>) -> VersionPlace<'a> {
        VersionPlace {
            key: old.key,
            id: &old.id,
            number: old.version + 1,
            updated: now.max(old.updated),
            method: if old.deleted { Method::Restore } else { Method::Put },
            author: Some(&old.author).filter(|author| !author.is_empty() && !old.deleted).map(String::as_str),
            old: Some(old),
            previous,
        }
    }
}

/// Puts the server's elements into the first version of what the server itself writes.
pub(crate) fn stamp_first(value: &mut Value<'_>, id: &str, now: i64, source: Option<String>) {
    stamp(value, &VersionPlace::first(0, id, now, Method::Post), source);
}

/// Puts the server's elements in: `id`, `meta.versionId`, `meta.lastUpdated` and, for what a person writes,
/// `meta.source`. They stand first, in the order of the specification.
pub(super) fn stamp<'v>(value: &mut Value<'v>, place: &VersionPlace<'_>, source: Option<String>) {
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
pub(super) fn tag_login<'v>(value: &mut Value<'v>, caller: &Caller) {
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
pub(super) fn source(session: &Session<'_, '_>, resource_type: ResourceType, value: &Value<'_>) -> Option<String> {
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
