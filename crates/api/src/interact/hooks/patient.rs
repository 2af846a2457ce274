//! A Patient is the only one with an NHS number, unless one has been replaced by the other; what has waited for a Patient of that
//! number is filed when the Patient comes.

use concord_fhir::issue::{Issue, IssueCode};
use concord_fhir::nhs_number;
use concord_store::filing::Filed;
use concord_store::rows::Version;

use crate::error::ApiError;
use crate::interact::access;
use crate::interact::hooks::TypeHooks;
use crate::interact::patient_number::{self, holders, replacement};
use crate::interact::session::Session;
use crate::interact::succession::{self, OnTheWay, survivor_beside};
use crate::interact::write;

/// How many resources one write of a Patient files.
const MOST_FILED: i64 = 1_000;

pub(super) const HOOKS: TypeHooks = TypeHooks {
    before_store: Some(refuse_taken),
    confirm: Some(confirm_alone),
    after_store: Some(file_waiting),
    ..TypeHooks::of("Patient")
};

/// Refuses a Patient with an NHS number that another one bears, unless one of them says that it has been replaced by the other. One
/// that the same transaction stores as well may give its number up: that is seen at the end ([`confirm_alone`]).
///
/// # Errors
/// [`ApiError::Conflict`], which names the other one to whoever may know of that.
fn refuse_taken(session: &mut Session<'_, '_>, old: Option<&Version>, new: &Version) -> Result<Vec<Issue>, ApiError> {
    if new.deleted {
        return Ok(Vec::new());
    }
    let old = old.filter(|old| !old.deleted);
    let links_before = old.map(|old| replacement(session.transaction, &old.body)).transpose()?.flatten();
    let same_links = links_before == replacement(session.transaction, &new.body)?;
    if !same_links && !is_with_others(session) {
        refuse_circle(session, new)?;
    }
    let before = match old {
        Some(old) if same_links => nhs_number::borne(&old.resource()?),
        _ => Vec::new(),
    };
    let mut numbers = nhs_number::borne(&new.resource()?);
    // What two of them have borne all along is no reason to refuse another change.
    numbers.retain(|number| !before.contains(number));
    numbers.sort_unstable_by_key(|number| patient_number::share(number));
    for number in numbers {
        patient_number::lock(session.transaction, &number, true)?;
        let own = survivor_beside(session, OnTheWay::Sent(new), new)?;
        for holder in holders(session.transaction, &number)? {
            let other = holder.id != new.id && !session.call.stores_together(holder.resource_type, &holder.id);
            let id = holder.id.clone();
            if other && survivor_beside(session, OnTheWay::Stored(holder), new)? != own {
                return Err(taken(session, &id)?);
            }
        }
    }
    Ok(Vec::new())
}

/// Refuses a Patient that has been replaced by one that it has replaced: of them nobody would be left. Of a transaction, what is stored
/// together is looked at when all of it is.
///
/// # Errors
/// [`ApiError::Unprocessable`].
fn refuse_circle(session: &mut Session<'_, '_>, new: &Version) -> Result<(), ApiError> {
    if !succession::is_in_circle(session, new)? {
        return Ok(());
    }
    let text = "replaced-by leads back to this Patient: of those who replace one another, one has to be left";
    Err(ApiError::Unprocessable(vec![Issue::error(IssueCode::BusinessRule, "Patient.link", text)]))
}

/// Whether a transaction stores Patients together.
fn is_with_others(session: &Session<'_, '_>) -> bool {
    session.call.together.iter().any(|other| other.starts_with("Patient/"))
}

/// Refuses two Patients of one transaction that bear the same NHS number when all of it is stored.
///
/// # Errors
/// As [`refuse_taken`].
fn confirm_alone(session: &mut Session<'_, '_>, stored: &Version) -> Result<(), ApiError> {
    if stored.deleted {
        return Ok(());
    }
    if is_with_others(session) {
        refuse_circle(session, stored)?;
    }
    for number in nhs_number::borne(&stored.resource()?) {
        let own = survivor_beside(session, OnTheWay::Sent(stored), stored)?;
        for holder in holders(session.transaction, &number)? {
            let other = holder.id != stored.id && session.call.stores_together(holder.resource_type, &holder.id);
            let id = holder.id.clone();
            if other && survivor_beside(session, OnTheWay::Stored(holder), stored)? != own {
                return Err(taken(session, &id)?);
            }
        }
    }
    Ok(())
}

fn taken(session: &mut Session<'_, '_>, holder: &str) -> Result<ApiError, ApiError> {
    let text = match access::reads_patient(session, holder)? {
        true => format!(
            "Patient.identifier: Patient/{holder} bears this NHS number. Change that one; or, if they are two records of one \
             person, say in one of them by which it has been replaced (Patient.link, type replaced-by)"
        ),
        false => "Patient.identifier: this NHS number cannot be stored here".to_owned(),
    };
    Ok(ApiError::Conflict(text))
}

/// Files what has waited for a Patient that has been stored: each in a version of its own that says the same.
///
/// # Errors
/// When the store fails.
fn file_waiting(session: &mut Session<'_, '_>, patient: &Version) -> Result<(), ApiError> {
    if patient.deleted {
        return Ok(());
    }
    for number in nhs_number::borne(&patient.resource()?) {
        let waiting = session.transaction.waiting_for(&number, MOST_FILED)?;
        if waiting.is_empty() {
            continue;
        }
        let Some(survivor) = patient_number::only_survivor(session.transaction, &number)? else { continue };
        for version in waiting {
            if version.deleted {
                session.transaction.forget_waiting(version.key, &number)?;
                continue;
            }
            file(session, &version, &number, &survivor)?;
        }
    }
    Ok(())
}

fn file(session: &mut Session<'_, '_>, version: &Version, number: &str, patient: &str) -> Result<(), ApiError> {
    let kept = session.transaction.filings(&[version.key])?;
    let of = |kept: &&Filed| kept.patient.is_none();
    let kept: Vec<Filed> = kept.into_iter().map(|(_, kept)| kept).collect();
    let task = kept.iter().find(of).map(|kept| kept.task.clone()).unwrap_or_default();
    let others_wait = kept.iter().filter(of).any(|kept| kept.number != number);
    let filed = Filed { number: number.to_owned(), patient: Some(patient.to_owned()), task: task.clone() };
    session.transaction.keep_filing(version.key, &filed)?;
    let value = version.resource()?.into_owned();
    let next = write::next_by_server(session, version, value)?;
    write::store(session, &next, Some(version), &[])?;
    if others_wait || task.is_empty() {
        Ok(())
    } else {
        write::unfiled::closed(session, &task)?
            .map_or(Ok(()), |(done, old)| write::store(session, &done, Some(&old), &[]).map(drop))
    }
}
