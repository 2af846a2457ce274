//! What every write shares: making a version of what the client sent.

use std::borrow::Cow;

use concord_consent::caller::{Actor, Caller, LOGIN_SYSTEM, Proofing};
use concord_consent::request::Action;
use concord_fhir::index::{self, Entries};
use concord_fhir::issue::{Issue, IssueCode};
use concord_fhir::json::{self, Object, Value};
use concord_fhir::registry::ResourceType;
use concord_fhir::{rules, schema};

use super::{
    Call, Concord, PROVENANCE, SECURITY, access, comment, correction, instant, labels, logical, provenance, references,
    review,
};
use crate::fault::Fault;
use crate::store::overlay;
use crate::store::rows::{Method, Version};
use crate::store::transaction::Transaction;

/// A version about to be stored, with what it can be found and judged by.
pub(crate) struct Proposed {
    /// The version.
    pub(crate) version: Version,
    /// Its index entries.
    pub(crate) entries: Entries,
    /// What the client should know although the write stands.
    pub(crate) warnings: Vec<Issue>,
}

/// Where a version goes.
pub(crate) struct Place<'a> {
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
    /// What stands before, for types that several parties write.
    pub(crate) previous: Option<&'a rules::Previous<'a>>,
}

/// Applies the rules of the type for the writer, stamps the server's elements, decides on the result, and checks its
/// references.
pub(crate) fn propose(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    action: Action,
    resource_type: ResourceType,
    mut value: Value<'_>,
    place: &Place<'_>,
) -> Result<Proposed, Fault> {
    if matches!(call.caller.actor, Actor::System) {
        logical::name_patient(transaction, resource_type, &mut value)?;
    }
    references::refuse_conditional(resource_type, &value)?;
    let writer = access::writer(concord, call, transaction)?;
    let settings = rules::Settings { base: &concord.base, check_nhs_number: concord.check_nhs_numbers };
    if resource_type == comment::COMMUNICATION {
        comment::complete(concord, call, transaction, place.id, &mut value)?;
    }
    if resource_type == comment::COMMUNICATION_REQUEST && !matches!(call.caller.actor, Actor::System) {
        comment::pin(concord, call, transaction, resource_type, &mut value)?;
    }
    if let (Some(previous), correction::TASK) = (place.previous, resource_type) {
        correction::note_time(transaction, previous.value, &mut value);
    }
    // After a comment has got the labels of what it is about.
    let told = match call.caller.actor {
        Actor::System => Vec::new(),
        _ => review::complete(resource_type, None, transaction.now, &mut value)?,
    };
    let prepared = match place.previous {
        Some(previous) => {
            rules::prepare_revision(resource_type, previous, &mut value, &writer, transaction.now, &settings)
        }
        None => rules::prepare(resource_type, &mut value, &writer, transaction.now, &settings),
    };
    rules::stamp_label(&mut value, &writer);
    if let Some(previous) = place.previous.filter(|previous| !previous.own) {
        rules::keep_claims(&mut value, previous.value);
    }
    // Stamped before it is judged, so that what is judged is what is stored.
    let source = source(call, resource_type, &value);
    stamp(&mut value, place, source);
    tag_login(&mut value, &call.caller);
    let mut entries = index::extract_under(&concord.base, resource_type, place.id, place.updated, &value);
    if resource_type == PROVENANCE {
        entries = entries.part_of(provenance::patients(concord, transaction, &value)?);
    }
    let unreadable = if concord.check_references && !matches!(call.caller.actor, Actor::System) {
        references::unreadable(concord, call, transaction, &value, &entries.patients)?
    } else {
        references::Unreadable::default()
    };
    // Whose record it would be part of is judged before what it says; what would be part of nobody's for want of a
    // subject breaks a rule of its type first.
    let decided = decide(concord, call, transaction, action, resource_type, &unreadable.without(&entries));
    let mut warnings: Vec<Issue> = match (prepared, decided) {
        (Err(issues), Err(Fault::Denied(_)))
            if entries.patients.is_empty() && issues.iter().any(|issue| issue.code == IssueCode::Required) =>
        {
            return Err(Fault::RuleBroken(issues));
        }
        (_, Err(fault)) => return Err(fault),
        (Err(issues), Ok(())) => return Err(Fault::RuleBroken(issues)),
        (Ok(warnings), Ok(())) => warnings.into_iter().chain(told).collect(),
    };
    // Nobody reads what would be said of each resource of a load.
    if !transaction.is_held() {
        warnings.extend(schema::remarks(&value));
    }
    if concord.suggest_labels {
        warnings.extend(labels::suggestion(&value));
    }
    unreadable.refuse()?;
    let beside = if resource_type == PROVENANCE {
        let mut keys = labels::of_targets(concord, transaction, &value)?;
        keys.sort_unstable();
        keys.dedup();
        keys
    } else {
        Vec::new()
    };
    let author = match (place.author, call.caller.actor.reference()) {
        (Some(author), _) => author.to_owned(),
        (None, Some(author)) => author,
        (None, None) => match rules::authors(resource_type, &value).as_slice() {
            [single] => single.clone(),
            _ => String::new(),
        },
    };
    let patient = match entries.patients.first() {
        Some(id) => transaction.make_patient_key(id)?,
        None => 0,
    };
    let version = Version {
        key: place.key,
        resource_type,
        id: place.id.to_owned(),
        version: place.number,
        updated: place.updated,
        method: place.method,
        deleted: false,
        patient,
        patients: i16::try_from(entries.patients.len()).unwrap_or(i16::MAX),
        author,
        labels: overlay::joined(&own_labels(&entries), &beside),
        body: json::to_string(&value),
    };
    Ok(Proposed { version, entries, warnings })
}

/// The first version of a resource that the server itself writes: in nobody's name, and not decided on.
///
/// # Errors
/// When the store fails.
pub(crate) fn by_server(
    concord: &Concord,
    transaction: &mut Transaction<'_>,
    resource_type: ResourceType,
    id: &str,
    mut value: Value<'static>,
) -> Result<Proposed, Fault> {
    let now = transaction.now;
    if let Some(object) = value.as_object_mut() {
        object.set_at(0, "resourceType", Value::string(resource_type.name()));
    }
    stamp_first(&mut value, id, now, None);
    let entries = index::extract_under(&concord.base, resource_type, id, now, &value);
    let patient = match entries.patients.first() {
        Some(id) => transaction.make_patient_key(id)?,
        None => 0,
    };
    let version = Version {
        key: transaction.next_key(),
        resource_type,
        id: id.to_owned(),
        version: 1,
        updated: now,
        method: Method::Post,
        deleted: false,
        patient,
        patients: i16::try_from(entries.patients.len()).unwrap_or(i16::MAX),
        author: String::new(),
        labels: own_labels(&entries),
        body: json::to_string(&value),
    };
    Ok(Proposed { version, entries, warnings: Vec::new() })
}

/// The next version of a resource that the server itself moves on: in the same record, with the same author and the same
/// labels beside it.
pub(crate) fn next_by_server(
    concord: &Concord,
    transaction: &Transaction<'_>,
    old: &Version,
    mut value: Value<'static>,
) -> Proposed {
    let place = Place {
        key: old.key,
        id: &old.id,
        number: old.version + 1,
        updated: transaction.now.max(old.updated),
        method: Method::Put,
        author: None,
        previous: None,
    };
    stamp(&mut value, &place, None);
    let entries = index::extract_under(&concord.base, old.resource_type, &old.id, place.updated, &value);
    let beside: Vec<String> = old.labels_beside().map(str::to_owned).collect();
    let version = Version {
        version: place.number,
        updated: place.updated,
        method: Method::Put,
        labels: overlay::joined(&own_labels(&entries), &beside),
        body: json::to_string(&value),
        ..old.clone()
    };
    Proposed { version, entries, warnings: Vec::new() }
}

/// The keys of the labels, as a version's row keeps them.
pub(crate) fn own_labels(entries: &Entries) -> String {
    let keys = entries.rows.iter().filter(|row| row.parameter == SECURITY).map(|row| row.key.as_str());
    keys.collect::<Vec<_>>().join("\n")
}

/// Whether the caller may write a resource with these entries: into every record that it would be part of.
fn decide(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    action: Action,
    resource_type: ResourceType,
    entries: &Entries,
) -> Result<(), Fault> {
    access::require_scope(call, action, resource_type)?;
    let mut single = entries.clone();
    let patients: Vec<Option<&String>> =
        if entries.patients.is_empty() { vec![None] } else { entries.patients.iter().map(Some).collect() };
    for patient in patients {
        single.patients = patient.into_iter().cloned().collect();
        let key = match patient {
            // A record that nothing has ever named has no facts that permit anything to anybody but its patient.
            Some(id) => transaction.patient_key(id)?.unwrap_or(0),
            None => 0,
        };
        let decision = access::decide_about(concord, call, transaction, action, resource_type, key)?;
        if !decision.permit.holds(&single) {
            return Err(Fault::Denied(access::issues(&decision)));
        }
    }
    Ok(())
}

/// Puts the server's elements into the first version of what the server itself writes.
pub(crate) fn stamp_first(value: &mut Value<'_>, id: &str, now: i64, source: Option<String>) {
    let place = Place { key: 0, id, number: 1, updated: now, method: Method::Post, author: None, previous: None };
    stamp(value, &place, source);
}

/// Puts the server's elements in: `id`, `meta.versionId`, `meta.lastUpdated` and, for what a person writes,
/// `meta.source`. They stand first, in the order of the specification.
fn stamp<'v>(value: &mut Value<'v>, place: &Place<'_>, source: Option<String>) {
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
fn source(call: &Call, resource_type: ResourceType, value: &Value<'_>) -> Option<String> {
    let is_system = matches!(call.caller.actor, Actor::System);
    let says_itself = value.get("meta").is_some_and(|meta| meta.get("source").is_some());
    if is_system && (says_itself || resource_type != PROVENANCE) {
        return None;
    }
    Some(client_uri(&call.caller.client))
}

/// An app as a URI.
pub(crate) fn client_uri(client: &str) -> String {
    if client.contains(':') && !client.contains(char::is_whitespace) {
        return client.to_owned();
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let escaped: String = client
        .bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect();
    format!("urn:concord:client:{escaped}")
}

/// Whether two bodies say the same, apart from the version and its time. The new one has been stamped already, so that
/// only a change by the client counts.
pub(crate) fn unchanged(stored: &str, proposed: &str) -> bool {
    fn bare(text: &str) -> Option<Value<'_>> {
        let mut value = json::parse(text.as_bytes(), &json::Limits::default()).ok()?;
        if let Some(meta) = value.as_object_mut()?.get_mut("meta").and_then(Value::as_object_mut) {
            meta.remove("versionId");
            meta.remove("lastUpdated");
        }
        Some(value)
    }
    match (bare(stored), bare(proposed)) {
        (Some(stored), Some(proposed)) => stored.same(&proposed),
        _ => false,
    }
}

/// Tells the access cache of every node that facts about these patients have changed, if the type is one that access
/// is decided by.
pub(crate) fn note_access_change(
    transaction: &mut Transaction<'_>,
    resource_type: ResourceType,
    patients: &[String],
) -> Result<(), Fault> {
    match resource_type.name() {
        // Of an encounter or episode the data inherits the labels, its own and those of who provided it.
        "Consent" | "CareTeam" | "RelatedPerson" | "Encounter" | "EpisodeOfCare" => {
            for patient in patients {
                let key = transaction.make_patient_key(patient)?;
                transaction.bump_access_version(key)?;
            }
            Ok(())
        }
        "PractitionerRole" | "Practitioner" | "Organization" => transaction.bump_access_version(0),
        _ => Ok(()),
    }
}
