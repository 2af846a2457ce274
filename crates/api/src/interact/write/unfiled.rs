//! What waits for its Patient: a Task tells an office of it, until it is filed.

use concord_fhir::json::Value;
use concord_model::build::{self, Link, TaskParts, code};
use concord_store::filing::Filed;
use concord_store::named::{Ground, Permitted};
use concord_store::rows::Version;

use super::filing::may_wait;
use super::{Filing, PreparedVersion, by_server, next_by_server};
use crate::error::ApiError;
use crate::interact::session::Session;
use crate::interact::{instant, logical_id};

/// The code of the Tasks that tell of what waits.
const FILE_TASK: (&str, &str) = ("urn:concord:task", "file-in-record");

/// A Task to be stored, in the place of a version if there is one.
pub(crate) type TaskToStore = (PreparedVersion, Option<Version>);

/// Keeps what is known of the numbers in a version that has been stored. What waits for a Patient has a Task, and what waits no
/// longer has none that is open: the Task that is to be stored for that.
///
/// # Errors
/// When the store fails.
pub(super) fn keep(
    session: &mut Session<'_, '_>,
    old: Option<&Version>,
    new: &PreparedVersion,
) -> Result<Option<TaskToStore>, ApiError> {
    let (version, filing) = (&new.version, &new.filing);
    let waited = match version.deleted && old.is_some_and(may_wait) {
        true => {
            let kept = session.transaction.filings(&[version.key])?;
            kept.into_iter().map(|(_, kept)| kept).filter(|kept| kept.patient.is_none()).collect()
        }
        false => filing.waited.clone(),
    };
    for found in &filing.found {
        session.transaction.keep_filing(version.key, found)?;
    }
    let waits = waiting_numbers(filing);
    for done in waited.iter().filter(|done| !waits.contains(&done.number.as_str())) {
        session.transaction.forget_waiting(version.key, &done.number)?;
    }
    let task = waited.iter().map(|kept| kept.task.clone()).find(|task| !task.is_empty());
    if waits.is_empty() {
        return match task {
            Some(task) => Ok(closed(session, &task)?.map(|(done, old)| (done, Some(old)))),
            None => Ok(None),
        };
    }
    let (task, opened) = match task {
        Some(task) => (task, None),
        None => {
            let opened = opened(session, version)?;
            (opened.version.id.clone(), Some((opened, None)))
        }
    };
    for number in waits {
        let filed = Filed { number: number.to_owned(), patient: None, task: task.clone() };
        session.transaction.keep_filing(version.key, &filed)?;
    }
    Ok(opened)
}

/// The numbers whose patients cannot be told, each once.
pub(super) fn waiting_numbers(filing: &Filing) -> Vec<&str> {
    let mut numbers: Vec<&str> = filing.problems.iter().map(|(named, _)| named.number.as_str()).collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

/// The Task that tells of a resource.
fn opened(session: &mut Session<'_, '_>, about: &Version) -> Result<PreparedVersion, ApiError> {
    let (system, file) = FILE_TASK;
    let value = build::task(TaskParts {
        description: Some(
            "The NHS number by which this names its patient is borne by no Patient here, or by several: find out whose it is, \
             store the Patient, or refer to it"
                .to_owned(),
        ),
        focus: Some(Link::To(format!("{}/{}", about.resource_type, about.id))),
        ..TaskParts::of("requested", code(system, file), instant(session.transaction.now))
    })?;
    let id = logical_id::new_id(session.transaction.now);
    by_server(session, TaskParts::TYPE, &id, value)
}

/// A Task whose work is done, and the version in whose place it comes; none if somebody has ended it already.
///
/// # Errors
/// When the store fails.
pub(crate) fn closed(
    session: &mut Session<'_, '_>,
    task: &str,
) -> Result<Option<(PreparedVersion, Version)>, ApiError> {
    let named = session.transaction.named(TaskParts::TYPE, task, true)?;
    #[expect(clippy::disallowed_methods, reason = "the server has opened it, and ends it")]
    let found = named.evaluated(|head| {
        Ok::<_, ApiError>(waits(&head.version)?.map(|task| Permitted::on(Ground::OwnTask, head).with(task)))
    })?;
    let Some((head, mut value)) = found else { return Ok(None) };
    if let Some(object) = value.as_object_mut() {
        object.set("status", Value::string("completed"));
        object.set("lastModified", Value::string(instant(session.transaction.now)));
    }
    let done = next_by_server(session, &head.version, value)?;
    Ok(Some((done, head.version.into_version())))
}

/// What a Task says, if it is one of those that tell of what waits, and nobody has ended it.
fn waits(task: &Version) -> Result<Option<Value<'static>>, ApiError> {
    if task.deleted {
        return Ok(None);
    }
    let value = task.resource()?.into_owned();
    let is_one =
        |coding: &Value<'_>| coding.text("system").zip(coding.text("code")).is_some_and(|said| said == FILE_TASK);
    let is_meant = value.get("code").is_some_and(|code| code.list("coding").iter().any(is_one));
    Ok((is_meant && value.text("status") == Some("requested")).then_some(value))
}
