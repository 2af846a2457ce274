//! update, update as create, and conditional update (R4 "RESTful API", update).

use std::sync::Arc;

use concord_consent::caller::Actor;
use concord_consent::request::Action;
use concord_fhir::index::Entries;
use concord_fhir::issue::{Issue, IssueCode};
use concord_fhir::json::Value;
use concord_fhir::registry::ResourceType;
use concord_fhir::rules;
use concord_fhir::search::Query;

use super::audit::Interaction;
use super::create::{self, Written};
use super::write::{self, Place};
use super::{
    Call, Concord, access, correction, labels, logged, matching, parameters, provenance, read, redact, review,
    verification,
};
use crate::fault::Fault;
use crate::store::audit::Record;
use crate::store::overlay;
use crate::store::rows::{Method, Version};
use crate::store::transaction::Transaction;

/// Which resource an update or delete is for.
pub(crate) enum Target {
    /// The one of this logical id.
    Id(String),
    /// The only one that matches.
    Match(Box<Query>),
}

/// Which current versions a request lets be replaced (RFC 9110, section 13.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Precondition {
    /// `If-Match: *`: whichever it is, but there has to be one.
    Any,
    /// `If-Match` with tags: these.
    OneOf(Vec<i64>),
    /// `If-None-Match: *`: there must be none.
    Absent,
}

impl Precondition {
    /// Reads the values of `If-Match` and `If-None-Match`.
    ///
    /// # Errors
    /// Which of the two is wrong, and what it should be.
    pub(crate) fn read(
        if_match: Option<&str>,
        if_none_match: Option<&str>,
    ) -> Result<Option<Precondition>, (&'static str, &'static str)> {
        match (if_match, if_none_match.map(str::trim)) {
            (None, None) => Ok(None),
            (Some(text), None) => {
                Precondition::parse(text).map(Some).ok_or(("If-Match", "a version as in ETag, for instance W/\"3\""))
            }
            (None, Some("*")) => Ok(Some(Precondition::Absent)),
            (None, Some(_)) => Err(("If-None-Match", "with a write it can only be *")),
            (Some(_), Some(_)) => Err(("If-None-Match", "not together with If-Match")),
        }
    }

    /// Reads the value of `If-Match`: `*`, or entity tags, weak or strong, with commas between them. A tag that is none
    /// of ours is one that never matches; none for what is no list of tags.
    pub(crate) fn parse(text: &str) -> Option<Precondition> {
        if text.trim() == "*" {
            return Some(Precondition::Any);
        }
        let number = |tag: &str| {
            let tag = tag.trim();
            let inside = tag.strip_prefix("W/").unwrap_or(tag).strip_prefix('"')?.strip_suffix('"')?;
            Some(inside.parse().unwrap_or(0))
        };
        text.split(',').map(number).collect::<Option<Vec<i64>>>().map(Precondition::OneOf)
    }

    /// Whether there has to be a current version.
    fn needs_one(&self) -> bool {
        !matches!(self, Precondition::Absent)
    }
}

/// Puts a new version in place, or, for a system, stores the first one under the id that it chose.
pub(crate) async fn update(
    concord: &Arc<Concord>,
    call: Call,
    resource_type: ResourceType,
    target: Target,
    value: Value<'static>,
    precondition: Option<Precondition>,
) -> Result<Written, Fault> {
    let concord = Arc::clone(concord);
    let store = concord.store.clone();
    store
        .change(move |transaction| {
            let mut record = call.record(Interaction::Update, Some(resource_type));
            let precondition = precondition.as_ref();
            let value = value.clone();
            let result = match &target {
                Target::Id(id) => {
                    run(&concord, &call, transaction, resource_type, id, value, precondition, &mut record)
                }
                Target::Match(query) => {
                    let new_id = matching::new_id(transaction.now);
                    conditional(
                        &concord,
                        &call,
                        transaction,
                        resource_type,
                        query,
                        value,
                        precondition,
                        &mut record,
                        new_id,
                    )
                }
            };
            logged(result, record)
        })
        .await
}

/// With no match the resource is created, under `new_id` unless it has an id, with one it is updated, with more nothing
/// is done (R4 "conditional update").
#[expect(clippy::too_many_arguments, reason = "the parts of one write, each of its own kind")]
pub(super) fn conditional(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    resource_type: ResourceType,
    query: &Query,
    value: Value<'static>,
    precondition: Option<&Precondition>,
    record: &mut Record,
    new_id: String,
) -> Result<Written, Fault> {
    access::require_scope(call, Action::Update, resource_type)?;
    matching::lock(transaction, resource_type, query)?;
    let named = value.text("id").map(str::to_owned);
    match (matching::one(concord, call, transaction, query)?, named) {
        (Some(found), Some(named)) if found.id != named => Err(Fault::Malformed(vec![Issue::error(
            IssueCode::Value,
            format!("{resource_type}.id"),
            "the id in the body is not that of the resource that matches",
        )])),
        (Some(found), _) => run(concord, call, transaction, resource_type, &found.id, value, precondition, record),
        (None, _) if precondition.is_some_and(Precondition::needs_one) => Err(stale()),
        (None, Some(named)) if matches!(call.caller.actor, Actor::System) => {
            run(concord, call, transaction, resource_type, &named, value, None, record)
        }
        (None, Some(_)) => Err(Fault::NotFound),
        (None, None) => {
            record.interaction = Interaction::Create as i16;
            create::insert(concord, call, transaction, resource_type, value, &new_id, Method::Put, record)
        }
    }
}

#[expect(clippy::too_many_arguments, reason = "the parts of one write, each of its own kind")]
pub(super) fn run(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    resource_type: ResourceType,
    id: &str,
    mut value: Value<'_>,
    precondition: Option<&Precondition>,
    record: &mut Record,
) -> Result<Written, Fault> {
    record.entity = id.to_owned();
    access::require_scope(call, Action::Update, resource_type)?;
    let is_system = matches!(call.caller.actor, Actor::System);
    let Some(head) = transaction.head(resource_type, id, true)? else {
        // Only a system learns that an id is unused; for anybody else that looks like a hidden one.
        if !is_system {
            return Err(Fault::NotFound);
        }
        if precondition.is_some_and(Precondition::needs_one) {
            return Err(stale());
        }
        return create::insert(concord, call, transaction, resource_type, value, id, Method::Put, record);
    };
    let seen = read::judged(concord, call, transaction, &head, record)?;
    let old = head.version;
    if old.deleted && !is_system {
        return Err(Fault::Gone);
    }
    check_version(precondition, &old)?;
    access::may_change(concord, call, transaction, Action::Update, &old)?;
    redact::refuse_part(transaction, &seen, &old, &value)?;
    let kept = labels::keep(call, &old, &mut value)?;
    put(concord, call, transaction, old, value, kept, record)
}

/// Puts a new version in place of one that the caller may change.
pub(super) fn put(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    old: Version,
    mut value: Value<'_>,
    mut kept: Vec<Issue>,
    record: &mut Record,
) -> Result<Written, Fault> {
    let (resource_type, id) = (old.resource_type, old.id.as_str());
    correction::refuse_change(call, &old, &value)?;
    let is_system = matches!(call.caller.actor, Actor::System);
    if !is_system {
        kept.extend(review::complete(resource_type, Some(&old), transaction.now, &mut value)?);
    }
    let before = match rules::may_be_joint(resource_type) && !old.deleted {
        true => Some(access::stored(&old)?).filter(|value| rules::is_joint(resource_type, value)),
        false => None,
    };
    let own = is_system || before.is_none() || access::wrote(concord, call, transaction, &old)?;
    let previous = before.as_ref().map(|value| rules::Previous { value, own });
    let place = Place {
        key: old.key,
        id,
        number: old.version + 1,
        updated: transaction.now.max(old.updated),
        method: if old.deleted { Method::Restore } else { Method::Put },
        author: Some(&old.author).filter(|author| !author.is_empty() && !old.deleted).map(String::as_str),
        previous: previous.as_ref(),
    };
    let mut proposed = write::propose(concord, call, transaction, Action::Update, resource_type, value, &place)?;
    proposed.warnings.extend(kept);
    record.version = old.version;
    if !old.deleted && write::unchanged(&old.body, &proposed.version.body) {
        return Ok(Written { version: old, created: false, warnings: proposed.warnings });
    }
    let beside = verification::kept(transaction, &old, &proposed.version)?;
    proposed.version.labels = overlay::joined(&proposed.version.labels, &beside);
    parameters::define(transaction, &proposed.version)?;
    transaction.replace(&old, &proposed.version, Some(&proposed.entries))?;
    let told = provenance::all(concord, call, transaction, &proposed, "UPDATE", Some(old.version))?;
    let told: Vec<(Version, &Entries)> = told.iter().map(|(version, entries)| (version.clone(), entries)).collect();
    if !told.is_empty() {
        transaction.insert(&told)?;
    }
    let mut patients = proposed.entries.patients.clone();
    patients.push(transaction.patient_id(old.patient)?);
    patients.retain(|patient| !patient.is_empty());
    write::note_access_change(transaction, resource_type, &patients)?;
    if proposed.version.labels != old.labels {
        labels::follow(concord, transaction, &proposed.version)?;
    }
    record.version = proposed.version.version;
    record.patient = proposed.version.patient;
    Ok(Written { version: proposed.version, created: old.deleted, warnings: proposed.warnings })
}

/// Refuses a write that was made for another version (R4 "Managing Resource Contention").
pub(super) fn check_version(precondition: Option<&Precondition>, current: &Version) -> Result<(), Fault> {
    match precondition {
        Some(Precondition::OneOf(wanted)) if !wanted.contains(&current.version) => Err(stale()),
        // What is deleted has no current representation.
        Some(Precondition::Any) if current.deleted => Err(stale()),
        Some(Precondition::Absent) if !current.deleted => Err(Fault::PreconditionFailed(Issue::plain(
            IssueCode::Conflict,
            "there is a current version, and If-None-Match asks for none",
        ))),
        _ => Ok(()),
    }
}

fn stale() -> Fault {
    Fault::PreconditionFailed(Issue::plain(
        IssueCode::Conflict,
        "If-Match names another version than the current one; read the resource again and repeat",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entity_tags_are_read() {
        let one_of = |versions: &[i64]| Some(Precondition::OneOf(versions.to_vec()));
        for (text, wanted) in [
            ("*", Some(Precondition::Any)),
            ("W/\"3\"", one_of(&[3])),
            ("\"3\"", one_of(&[3])),
            (" W/\"1\" ,\"2\"", one_of(&[1, 2])),
            ("\"another server's\"", one_of(&[0])),
            ("3", None),
            ("W/3", None),
            ("\"3", None),
            ("", None),
            ("W/\"1\",", None),
        ] {
            assert_eq!(Precondition::parse(text), wanted, "{text}");
        }
    }
    #[test]
    fn preconditions_are_read_or_refused() {
        assert_eq!(Precondition::read(None, None), Ok(None));
        assert_eq!(Precondition::read(Some("\"1\""), None), Ok(Some(Precondition::OneOf(vec![1]))));
        assert_eq!(Precondition::read(None, Some(" * ")), Ok(Some(Precondition::Absent)));
        for (if_match, if_none_match) in [(Some("1"), None), (None, Some("W/\"1\"")), (Some("*"), Some("*"))] {
            assert!(Precondition::read(if_match, if_none_match).is_err(), "{if_match:?} {if_none_match:?}");
        }
    }
}
