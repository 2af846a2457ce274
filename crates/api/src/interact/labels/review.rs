//! What is kept from the patient is looked at again: whatever bears a label that hides it says when, in an extension of
//! `meta`, and keeps the label until it is released.

use concord_consent::{OWN_SYSTEM, hides_from_patients};
use concord_fhir::index::SEPARATOR;
use concord_fhir::issue::{Issue, IssueCode, Severity};
use concord_fhir::json::{Object, Value};
use concord_fhir::predicate::{Predicate, Test};
use concord_fhir::registry::ResourceType;
use concord_fhir::rules::{REVIEW_BY, instant};
use concord_store::rows::Version;

use crate::error::ApiError;
use crate::interact::{SECURITY, labels};

const DAY: i64 = 24 * 60 * 60 * 1000;

/// How many days it takes where nobody says.
const USUAL_DAYS: i64 = 90;

/// How many days it may take at most.
const MOST_DAYS: i64 = 2 * 365;

/// Resources with a label of their own that hides them from the patient.
pub(crate) fn hidden() -> Predicate {
    let not_for_patients = Test::Starts(format!("NOPAT{SEPARATOR}"));
    let own = Test::Ends(format!("{SEPARATOR}{OWN_SYSTEM}"));
    Predicate::Entry(SECURITY, Test::Either([not_for_patients, own].into()))
}

/// Whether a label hides what bears it from the patient.
pub(crate) fn hides(coding: &Value<'_>) -> bool {
    hides_from_patients(coding.text("system").unwrap_or_default(), coding.text("code").unwrap_or_default())
}

/// Whether a version has a label in its body that hides it from the patient.
pub(crate) fn is_hidden(version: &Version) -> bool {
    let keys = version.own_labels().split('\n').filter_map(|key| key.split_once(SEPARATOR));
    keys.into_iter().any(|(code, system)| hides_from_patients(system, code))
}

/// Whether a version has a label that hides it from the patient, of its own or another that is in effect.
pub(crate) fn is_kept(version: &Version) -> bool {
    let mut keys = version.labels.split('\n').filter_map(|key| key.split_once(SEPARATOR));
    keys.any(|(code, system)| hides_from_patients(system, code))
}

fn extensions<'v, 'a>(value: &'v Value<'a>) -> &'v [Value<'a>] {
    value.get("meta").map_or(&[], |meta| meta.list("extension"))
}

/// When a resource is to be looked at again: the first and the last millisecond of that day, where it says so.
pub(crate) fn due(value: &Value<'_>) -> Option<(i64, i64)> {
    let found = extensions(value).iter().find(|one| one.text("url") == Some(REVIEW_BY))?;
    found.text("valueDate").or_else(|| found.text("valueDateTime")).and_then(instant::range)
}

/// Sees to it that what a person keeps from the patient says when it is looked at again; says so where the server had to
/// choose. `before` is the version that stands, whose date stays unless there is a new one.
///
/// # Errors
/// A broken rule, with its place, when the date is none or too far away.
pub(crate) fn complete(
    resource_type: ResourceType,
    before: Option<&Version>,
    now: i64,
    value: &mut Value<'_>,
) -> Result<Vec<Issue>, ApiError> {
    if !labels::codings(value).iter().any(hides) {
        return Ok(Vec::new());
    }
    if let Some(position) = extensions(value).iter().position(|one| one.text("url") == Some(REVIEW_BY)) {
        let place = format!("{resource_type}.meta.extension[{position}].value");
        return match due(value) {
            None => Err(ApiError::rule(place, "the date of the review: valueDate, for instance 2026-01-31")),
            Some((first, _)) if first > now + MOST_DAYS * DAY => {
                Err(ApiError::rule(place, format!("is looked at again within {MOST_DAYS} days")))
            }
            Some(_) => Ok(Vec::new()),
        };
    }
    if let Some(before) = before.filter(|before| !before.deleted && is_hidden(before)) {
        let stored = before.resource()?;
        if let Some(kept) = extensions(&stored).iter().find(|one| one.text("url") == Some(REVIEW_BY)) {
            add(value, kept.clone().into_owned());
            return Ok(Vec::new());
        }
    }
    let date: String = crate::interact::instant(now + USUAL_DAYS * DAY).chars().take(10).collect();
    let text = format!("this is kept from the patient and says no {REVIEW_BY}: it is to be looked at again by {date}");
    let extension = Value::object([("url", Value::string(REVIEW_BY)), ("valueDate", Value::string(date))]);
    add(value, extension);
    let issue = Issue::remark(Severity::Warning, IssueCode::BusinessRule, text);
    Ok(vec![Issue { expression: Some(format!("{resource_type}.meta")), ..issue }])
}

fn add(value: &mut Value<'_>, extension: Value<'static>) {
    let meta = value.as_object_mut().and_then(|object| object.get_mut("meta")).and_then(Value::as_object_mut);
    let Some(meta) = meta else { return };
    let mut all = match meta.remove("extension") {
        Some(Value::Array(items)) => items,
        _ => Vec::new(),
    };
    all.push(extension);
    meta.set("extension", Value::Array(all));
}

/// The same resource without what kept it from the patient.
pub(crate) fn released(mut value: Value<'static>) -> Value<'static> {
    let keys: Vec<String> = labels::codings(&value).iter().filter(|one| hides(one)).map(labels::key).collect();
    labels::remove(&mut value, &keys);
    let Some(meta) = value.as_object_mut().and_then(|object| object.get_mut("meta")).and_then(Value::as_object_mut)
    else {
        return value;
    };
    if let Some(Value::Array(mut all)) = meta.remove("extension") {
        all.retain(|one| one.text("url") != Some(REVIEW_BY));
        if !all.is_empty() {
            meta.set("extension", Value::Array(all));
        }
    }
    value
}

/// The key of the label that only the author's team sees behind.
pub(crate) fn author_team() -> String {
    let mut label = Object::default();
    label.set("system", Value::string(OWN_SYSTEM));
    label.set("code", Value::string("AUTHOR-TEAM"));
    labels::key(&Value::Object(label))
}

#[cfg(test)]
mod tests {
    use super::*;
    use concord_fhir::json::{self, Limits};

    const NOW: i64 = 1_772_366_400_000; // 2026-03-01T12:00:00Z

    fn note(meta: &str) -> Value<'static> {
        let text = format!(r#"{{"resourceType":"ClinicalImpression","id":"i","meta":{meta}}}"#);
        json::parse(text.as_bytes(), &Limits::default()).unwrap().into_owned()
    }

    fn completed(value: &mut Value<'static>) -> Result<usize, ()> {
        let resource_type = ResourceType::of("ClinicalImpression");
        complete(resource_type, None, NOW, value).map(|told| told.len()).map_err(|_| ())
    }

    #[test]
    fn what_is_kept_from_the_patient_is_looked_at_again() {
        let hidden =
            r#""security":[{"system":"urn:concord:label","code":"AUTHOR-TEAM"},{"system":"s","code":"PATAST"}]"#;
        let by = |date: &str| format!(r#"{{{hidden},"extension":[{{"url":"{REVIEW_BY}","valueDate":"{date}"}}]}}"#);
        let mut open = note(r#"{"security":[{"code":"MH"}]}"#);
        assert_eq!(completed(&mut open), Ok(0));
        assert!(due(&open).is_none());
        let mut undated = note(&format!("{{{hidden}}}"));
        assert_eq!(completed(&mut undated), Ok(1));
        assert_eq!(due(&undated), instant::range("2026-05-30"));
        assert_eq!(completed(&mut undated), Ok(0), "it says so now");
        assert_eq!(completed(&mut note(&by("2026-04-01"))), Ok(0));
        assert_eq!(completed(&mut note(&by("2029-04-01"))), Err(()));
        assert_eq!(completed(&mut note(&by("soon"))), Err(()));
        let open = released(undated);
        assert_eq!(json::to_string(&open), json::to_string(&note(r#"{"security":[{"system":"s","code":"PATAST"}]}"#)));
    }
}
