//! Labels that change while the resource stays as it is: kept beside it, shown with it, and kept when somebody who does
//! not own them leaves them out of an update.

pub(crate) mod content;
pub(crate) mod definitions;
pub(crate) mod review;

use concord_consent::caller::{Actor, App};
use concord_fhir::index::SEPARATOR;
use concord_fhir::issue::{Issue, IssueCode, Severity};
use concord_fhir::json::{self, Object, Value};
use concord_store::added_label::AddedLabel;
use concord_store::rows::Version;

use crate::error::ApiError;
use crate::interact::Call;

/// The system of the labels that say who vouches, which the server sets itself.
pub(crate) const INTEGRITY: &str = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue";

/// The key that the index has for a coding.
pub(crate) fn key(coding: &Value<'_>) -> String {
    let text = |name| coding.text(name).unwrap_or_default();
    format!("{}{SEPARATOR}{}", text("code"), text("system"))
}

/// Where a label stands that a resource is shown with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stands {
    /// In the resource.
    Inside,
    /// Beside it: a user chose it.
    Beside,
    /// On what the resource is part of or speaks about: no user chose it for this one.
    Elsewhere,
}

/// A coding of that key, which says where it stands.
pub(crate) fn coding(key: &str, stands: Stands) -> Value<'static> {
    let (code, system) = key.split_once(SEPARATOR).unwrap_or((key, ""));
    let mut coding = Object::default();
    if !system.is_empty() {
        coding.set("system", Value::string(system));
    }
    coding.set("code", Value::string(code));
    if stands != Stands::Inside {
        coding.set("userSelected", Value::Bool(stands == Stands::Beside));
    }
    Value::Object(coding)
}

/// The codings of `meta.security`.
pub(crate) fn codings<'v, 'a>(value: &'v Value<'a>) -> &'v [Value<'a>] {
    value.get("meta").map_or(&[], |meta| meta.list("security"))
}

/// Puts codings into `meta.security` that are not there.
pub(crate) fn add<'a>(value: &mut Value<'a>, more: impl IntoIterator<Item = Value<'a>>) {
    let mut more = more.into_iter().peekable();
    if more.peek().is_none() {
        // An empty meta is no resource's.
        return;
    }
    let Some(object) = value.as_object_mut() else { return };
    if object.get("meta").is_none() {
        object.set_at(1, "meta", Value::Object(Object::default()));
    }
    let Some(meta) = object.get_mut("meta").and_then(Value::as_object_mut) else { return };
    let mut all = match meta.remove("security") {
        Some(Value::Array(items)) => items,
        _ => Vec::new(),
    };
    for coding in more {
        let wanted = key(&coding);
        if !all.iter().any(|known| key(known) == wanted) {
            all.push(coding);
        }
    }
    if !all.is_empty() {
        meta.set("security", Value::Array(all));
    }
}

/// Takes the codings of these keys out of `meta.security`.
pub(crate) fn remove(value: &mut Value<'_>, keys: &[String]) {
    let meta = value.as_object_mut().and_then(|object| object.get_mut("meta")).and_then(Value::as_object_mut);
    let Some(meta) = meta else { return };
    let Some(Value::Array(mut all)) = meta.remove("security") else { return };
    all.retain(|coding| !keys.contains(&key(coding)));
    match all.is_empty() {
        false => meta.set("security", Value::Array(all)),
        true if meta.0.is_empty() => {
            value.as_object_mut().and_then(|object| object.remove("meta"));
        }
        true => {}
    }
}

/// The body as it is told: with the labels beside it among its own.
///
/// # Errors
/// When the stored body cannot be read.
pub(crate) fn shown(version: Version) -> Result<String, ApiError> {
    if version.deleted || (version.added_labels().next().is_none() && version.inherited_labels().next().is_none()) {
        return Ok(version.body);
    }
    Ok(json::to_string(&value_shown(&version)?))
}

/// The same as a value, of what is not deleted.
///
/// # Errors
/// When the stored body cannot be read.
pub(crate) fn value_shown(version: &Version) -> Result<Value<'_>, ApiError> {
    let added = version.added_labels().map(|key| coding(key, Stands::Beside));
    let beside: Vec<Value<'static>> =
        added.chain(version.inherited_labels().map(|key| coding(key, Stands::Elsewhere))).collect();
    let mut value = version.resource()?;
    add(&mut value, beside);
    Ok(value)
}

/// Makes the labels of an update what they have to be: those beside the resource, which its readers are shown and send
/// back, stay beside it; and a label that protects is not lost because somebody leaves it out who did not write the
/// resource, nor because it was deleted in between: `stood` is the last version that is no deletion. Says which were kept.
pub(crate) fn keep(
    call: &Call,
    old: &Version,
    stood: Option<&Version>,
    value: &mut Value<'_>,
) -> Result<Vec<Issue>, ApiError> {
    let is_system = matches!(call.caller.actor, Actor::System);
    let own = |key: &str| old.own_labels().split('\n').any(|known| known == key);
    let mut beside: Vec<String> = old.added_labels().filter(|key| !own(key)).map(str::to_owned).collect();
    // A system that sets the label itself, and does not say that it stands elsewhere, means it.
    let echoed = |key: &&str| {
        let set = |one: &&Value<'_>| one.get("userSelected").and_then(Value::as_bool) != Some(false);
        codings(value).iter().filter(|one| self::key(one) == *key).find(set).is_none() || !is_system
    };
    beside.extend(old.inherited_labels().filter(|key| !own(key)).filter(echoed).map(str::to_owned));
    if !beside.is_empty() {
        remove(value, &beside);
    }
    if is_system && !old.deleted {
        refuse_more(old, value)?;
    }
    let Some(stood) = stood.filter(|stood| !stood.own_labels().is_empty()) else { return Ok(Vec::new()) };
    if is_system && old.author.is_empty() {
        return Ok(Vec::new());
    }
    let sent: Vec<String> = codings(value).iter().map(key).collect();
    // Whoever else may update a resource has written it, and takes labels away, in an app of those who keep the record; but for
    // what hides it from the patient, which is released by an act of its own.
    let protects = |coding: &Value<'_>| match is_system || !lowers(call) {
        true => coding.text("system") != Some(INTEGRITY),
        false => review::hides(coding),
    };
    let lost = |coding: &Value<'_>| !sent.contains(&key(coding)) && protects(coding);
    let before = stood.resource()?;
    let kept: Vec<Value<'static>> =
        codings(&before).iter().filter(|coding| lost(coding)).map(|coding| coding.clone().into_owned()).collect();
    let told = |coding: &Value<'_>| {
        let code = coding.text("code").unwrap_or_default();
        let text = match is_system {
            true => format!("the label {code} was kept: another wrote the resource; $meta-delete takes a label away"),
            false if !lowers(call) => format!("the label {code} was kept: {LOWERED}"),
            false => format!("the label {code} was kept: $release shows the patient what was kept from her"),
        };
        Issue::remark(Severity::Warning, IssueCode::BusinessRule, text)
    };
    let issues = kept.iter().map(told).collect();
    add(value, kept);
    Ok(issues)
}

/// In which app labels are taken away.
const LOWERED: &str =
    "what protects something is taken away in an app of those who keep the record, not in one of somebody else";

/// Whether the caller's app may take away what protects something: an app of somebody else may gain access by that.
fn lowers(call: &Call) -> bool {
    call.caller.credentials.app == App::Own
}

/// Refuses that an app of somebody else takes labels away, also from what its user wrote.
///
/// # Errors
/// [`ApiError::Denied`] for such an app.
pub(crate) fn refuse_lowering(call: &Call) -> Result<(), ApiError> {
    if lowers(call) { Ok(()) } else { Err(ApiError::denied(LOWERED)) }
}

/// Refuses a system's new labels of what a patient or somebody close to the patient wrote, who decides how it is labelled.
/// Who vouches for it is the system's to say.
fn refuse_more(old: &Version, value: &Value<'_>) -> Result<(), ApiError> {
    if !is_a_persons(old) {
        return Ok(());
    }
    let known = |key: &str| old.own_labels().split('\n').any(|own| own == key);
    let more = |coding: &Value<'_>| coding.text("system") != Some(INTEGRITY) && !known(&key(coding));
    match codings(value).iter().position(more) {
        None => Ok(()),
        Some(position) => {
            let place = format!("{}.meta.security[{position}]", old.resource_type);
            let text = "the patient or somebody close to the patient wrote this, and decides how it is labelled";
            Err(ApiError::rule(place, text))
        }
    }
}

/// Whether a patient or somebody close to a patient wrote it.
pub(crate) fn is_a_persons(version: &Version) -> bool {
    concord_consent::authorship::is_of_the_patient_side(&version.author)
}

/// A label that the caller puts beside a resource.
pub(crate) fn by(call: &Call, key: String) -> AddedLabel {
    let author = call.caller.actor.reference().unwrap_or_else(|| call.caller.subject.clone());
    AddedLabel { key, author }
}

/// A remark that names the labels which the codes of a resource suggest and which it does not bear.
pub(crate) fn suggestion(value: &Value<'_>) -> Option<Issue> {
    let borne = |label: &&str| codings(value).iter().any(|coding| coding.text("code") == Some(label));
    let missing: Vec<&str> =
        concord_consent::suggest::suggested(value).into_iter().filter(|label| !borne(label)).collect();
    if missing.is_empty() {
        return None;
    }
    let text = format!(
        "its codes suggest the sensitivity {}, which it is not labelled with; this is from a small table that clinicians \
         have not reviewed",
        missing.join(", ")
    );
    Some(Issue::remark(Severity::Information, IssueCode::Informational, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(text: &str) -> Value<'static> {
        json::parse(text.as_bytes(), &json::Limits::default()).unwrap().into_owned()
    }

    #[test]
    fn labels_are_sets_of_system_and_code() {
        let mut value = resource(r#"{"resourceType":"Goal","meta":{"security":[{"system":"s","code":"MH"}]}}"#);
        add(&mut value, [coding("MH\u{1f}s", Stands::Beside), coding("R\u{1f}", Stands::Inside)]);
        let keys: Vec<String> = codings(&value).iter().map(key).collect();
        assert_eq!(keys, ["MH\u{1f}s", "R\u{1f}"]);
        remove(&mut value, &keys);
        assert!(codings(&value).is_empty());
        assert_eq!(json::to_string(&value), r#"{"resourceType":"Goal"}"#);
        add(&mut value, []);
        assert_eq!(json::to_string(&value), r#"{"resourceType":"Goal"}"#);
        let mut bare = resource(r#"{"resourceType":"Goal","id":"g"}"#);
        add(&mut bare, [coding("R\u{1f}s", Stands::Beside)]);
        let wanted =
            r#"{"resourceType":"Goal","meta":{"security":[{"system":"s","code":"R","userSelected":true}]},"id":"g"}"#;
        assert_eq!(json::to_string(&bare), wanted);
    }
}
