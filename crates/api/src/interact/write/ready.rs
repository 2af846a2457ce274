//! What is stored of a version, made ready in a read before the write: the only writer, for which all others wait, compares what
//! was read for it then with what is there now, and stores it.

use concord_fhir::registry::ResourceType;
use concord_store::rows::Version;

use crate::error::ApiError;
use crate::interact::instant;
use crate::interact::prepared::{Made, Ready};
use crate::interact::session::Session;

/// For how long what has been made ready may be stored, in milliseconds: it was decided on by the time of then.
const FRESH: i64 = 10_000;

/// What `make` makes of a resource, in the place of `old`: as it has been made ready, where all that was read for it then would be
/// found the same now.
///
/// # Errors
/// Those of `make`, and before the write [`ApiError::NotForeseen`] once it is ready: nothing is stored then.
pub(crate) fn made<'t>(
    session: &mut Session<'_, 't>,
    (resource_type, id): (ResourceType, &str),
    old: Option<&Version>,
    make: impl FnOnce(&mut Session<'_, 't>) -> Result<Made, ApiError>,
) -> Result<Made, ApiError> {
    let Some(readiness) = session.foreseen.map(|foreseen| &foreseen.ready) else { return make(session) };
    if readiness.is_before() {
        let (now, before) = (session.transaction.now, session.audit.clone());
        session.transaction.begin_recall();
        let made = make(session);
        let recall = session.transaction.end_recall();
        let ready = Ready { made: made?, now, old: old.cloned(), audit: (before, session.audit.clone()), recall };
        readiness.keep((resource_type, id), ready);
        return Err(ApiError::NotForeseen { id: String::new() });
    }
    match readiness.take((resource_type, id)) {
        Some(ready) if holds(&ready, session, old)? => {
            let now = session.transaction.now;
            match updated_at(ready.made, ready.now, now) {
                Some(made) => {
                    *session.audit = ready.audit.1;
                    Ok(made)
                }
                None => make(session),
            }
        }
        _ => make(session),
    }
}

/// What has been made ready, stored now: what changes later is later, for those who ask what has changed since (`_since`). None where
/// it does not say when it was made ready.
fn updated_at(mut made: Made, then: i64, now: i64) -> Option<Made> {
    if made.is_unchanged {
        return Some(made);
    }
    let said = |time: i64| format!("\"lastUpdated\":\"{}\"", instant(time));
    for prepared in std::iter::once(&mut made.proposed).chain(&mut made.told) {
        // It is later than what stood before, also where that is of a time to come.
        if prepared.version.updated > then && prepared.version.updated >= now {
            continue;
        }
        // `meta` is near the beginning, and what is written there is the server's.
        let at = prepared.version.body.find(&said(prepared.version.updated))?;
        prepared.version.body.replace_range(at..at + said(then).len(), &said(now));
        (prepared.version.updated, prepared.entries.updated) = (now, now);
    }
    Some(made)
}

/// Whether it would be made the same now.
fn holds(ready: &Ready, session: &mut Session<'_, '_>, old: Option<&Version>) -> Result<bool, ApiError> {
    let is_fresh = session.transaction.now.abs_diff(ready.now) < FRESH.unsigned_abs();
    if !is_fresh || ready.old.as_ref() != old || ready.audit.0 != *session.audit {
        return Ok(false);
    }
    Ok(session.transaction.finds_the_same(&ready.recall)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interact::prepared::{Filing, PreparedVersion};
    use concord_fhir::index::Entries;
    use concord_store::rows::Method;

    fn prepared(updated: i64) -> PreparedVersion {
        let named = ResourceType::of("Basic");
        let body = format!(
            r#"{{"resourceType":"Basic","id":"a","meta":{{"versionId":"1","lastUpdated":"{}"}},"code":{{"text":"x"}}}}"#,
            instant(updated)
        );
        let version = Version {
            key: 0,
            resource_type: named,
            id: "a".to_owned(),
            version: 1,
            updated,
            method: Method::Post,
            deleted: false,
            patient: 0,
            patients: 0,
            author: String::new(),
            labels: String::new(),
            body,
        };
        let entries = Entries::none(named, "a".to_owned(), updated);
        PreparedVersion { version, entries, warnings: Vec::new(), filing: Filing::default() }
    }

    #[test]
    fn what_was_made_ready_is_of_the_time_at_which_it_is_stored() {
        let (then, now) = (1_700_000_000_000, 1_700_000_004_321);
        let made = Made { proposed: prepared(then), told: vec![prepared(then)], own: true, is_unchanged: false };
        let made = updated_at(made, then, now).unwrap();
        for one in std::iter::once(&made.proposed).chain(&made.told) {
            assert_eq!((one.version.updated, one.entries.updated), (now, now));
            let value = one.version.resource().unwrap();
            assert_eq!(value.get("meta").unwrap().text("lastUpdated"), Some(instant(now).as_str()));
        }
        // What stood before may be of a later time, and what follows it is not earlier.
        let made = Made { proposed: prepared(now + 9), told: Vec::new(), own: true, is_unchanged: false };
        assert_eq!(updated_at(made, then, now).unwrap().proposed.version.updated, now + 9);
        let mut other = prepared(then);
        other.version.body = "{}".to_owned();
        assert!(
            updated_at(Made { proposed: other, told: Vec::new(), own: true, is_unchanged: false }, then, now).is_none()
        );
    }
}
