//! Labels that change while the resource stays as it is: kept beside it, shown with it, and kept when somebody who does
//! not own them leaves them out of an update.

use concord_consent::caller::Actor;
use concord_fhir::index::{ParameterId, SEPARATOR};
use concord_fhir::issue::{Issue, IssueCode, Severity};
use concord_fhir::json::{self, Object, Value};
use concord_fhir::registry::ResourceType;
use concord_fhir::rules::local_reference;

use super::{Call, Concord, PROVENANCE, review};
use crate::fault::Fault;
use crate::store::lower::Rows;
use crate::store::overlay::Beside;
use crate::store::rows::Version;
use crate::store::statement::Sql;
use crate::store::transaction::Transaction;

/// The system of the labels that say who vouches, which the server sets itself.
pub(crate) const INTEGRITY: &str = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue";

/// The key that the index has for a coding.
pub(crate) fn key(coding: &Value<'_>) -> String {
    let text = |name| coding.text(name).unwrap_or_default();
    format!("{}{SEPARATOR}{}", text("code"), text("system"))
}

/// A coding of that key; one from beside a resource says that a user chose it.
pub(crate) fn coding(key: &str, beside: bool) -> Value<'static> {
    let (code, system) = key.split_once(SEPARATOR).unwrap_or((key, ""));
    let mut coding = Object::default();
    if !system.is_empty() {
        coding.set("system", Value::string(system));
    }
    coding.set("code", Value::string(code));
    if beside {
        coding.set("userSelected", Value::Bool(true));
    }
    Value::Object(coding)
}

/// The codings of `meta.security`.
pub(crate) fn codings<'v, 'a>(value: &'v Value<'a>) -> &'v [Value<'a>] {
    value.get("meta").map_or(&[], |meta| meta.list("security"))
}

/// Puts codings into `meta.security` that are not there.
pub(crate) fn add<'a>(value: &mut Value<'a>, more: impl IntoIterator<Item = Value<'a>>) {
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
    if !all.is_empty() {
        meta.set("security", Value::Array(all));
    }
}

/// The body as it is told: with the labels beside it among its own.
///
/// # Errors
/// When the stored body cannot be read.
pub(crate) fn shown(version: Version) -> Result<String, Fault> {
    let beside: Vec<Value<'static>> = version.labels_beside().map(|key| coding(key, true)).collect();
    if version.deleted || beside.is_empty() {
        return Ok(version.body);
    }
    let mut value = stored(&version)?;
    add(&mut value, beside);
    Ok(json::to_string(&value))
}

/// The stored body.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn stored(version: &Version) -> Result<Value<'_>, Fault> {
    json::parse(version.body.as_bytes(), &json::Limits::default())
        .map_err(|_| Fault::Internal("a stored body cannot be read".to_owned()))
}

/// Makes the labels of an update what they have to be: those beside the resource, which its readers are shown and send
/// back, stay beside it; and a label that protects is not lost because somebody leaves it out who did not write the
/// resource. Says which were kept.
pub(crate) fn keep(call: &Call, old: &Version, value: &mut Value<'_>) -> Result<Vec<Issue>, Fault> {
    let own = |key: &str| old.own_labels().split('\n').any(|known| known == key);
    let beside: Vec<String> = old.labels_beside().filter(|key| !own(key)).map(str::to_owned).collect();
    if !beside.is_empty() {
        remove(value, &beside);
    }
    let is_system = matches!(call.caller.actor, Actor::System);
    if (is_system && old.author.is_empty()) || old.own_labels().is_empty() || old.deleted {
        return Ok(Vec::new());
    }
    let sent: Vec<String> = codings(value).iter().map(key).collect();
    // Whoever else may update a resource has written it, and takes labels away; but for what hides it from the patient,
    // which is released by an act of its own.
    let protects = |coding: &Value<'_>| match is_system {
        true => coding.text("system") != Some(INTEGRITY),
        false => review::hides(coding),
    };
    let lost = |coding: &Value<'_>| !sent.contains(&key(coding)) && protects(coding);
    let before = stored(old)?;
    let kept: Vec<Value<'static>> =
        codings(&before).iter().filter(|coding| lost(coding)).map(|coding| coding.clone().into_owned()).collect();
    let told = |coding: &Value<'_>| {
        let code = coding.text("code").unwrap_or_default();
        let text = match is_system {
            true => format!("the label {code} was kept: another wrote the resource; $meta-delete takes a label away"),
            false => format!("the label {code} was kept: $release shows the patient what was kept from her"),
        };
        Issue::remark(Severity::Warning, IssueCode::BusinessRule, text)
    };
    let issues = kept.iter().map(told).collect();
    add(value, kept);
    Ok(issues)
}

/// The labels beside a resource: what was put there, and beside a Provenance the labels of what it points at, or it would
/// tell of what they hide.
fn due(concord: &Concord, transaction: &mut Transaction<'_>, version: &Version) -> Result<Vec<String>, Fault> {
    let mut keys: Vec<String> = transaction.beside(version.key)?.into_iter().map(|label| label.key).collect();
    if version.resource_type == PROVENANCE {
        keys.extend(of_targets(concord, transaction, &stored(version)?)?);
    }
    keys.sort_unstable();
    keys.dedup();
    Ok(keys)
}

/// The labels of what a Provenance points at, its own and those beside it, but for those that say who vouches.
pub(crate) fn of_targets(
    concord: &Concord,
    transaction: &mut Transaction<'_>,
    provenance: &Value<'_>,
) -> Result<Vec<String>, Fault> {
    let mut keys = Vec::new();
    for target in provenance.list("target") {
        let Some(local) = target.text("reference").and_then(|text| local_reference(&concord.base, text)) else {
            continue;
        };
        let Some((resource_type, id)) =
            local.split_once('/').and_then(|(name, id)| Some((ResourceType::parse(name)?, id)))
        else {
            continue;
        };
        if let Some(head) = transaction.head(resource_type, id, false)? {
            let own = head.version.own_labels().split('\n').filter(|key| !key.is_empty());
            let all = own.chain(head.version.labels_beside());
            keys.extend(all.filter(|key| !key.ends_with(INTEGRITY)).map(str::to_owned));
        }
    }
    Ok(keys)
}

/// Makes the row and the index of a resource, and of the Provenances that point at it, say what labels are beside them
/// now.
pub(crate) fn settle(concord: &Concord, transaction: &mut Transaction<'_>, version: &Version) -> Result<String, Fault> {
    let keys = due(concord, transaction, version)?;
    let labels = transaction.set_beside(version, &keys)?;
    follow(concord, transaction, version)?;
    Ok(labels)
}

/// Gives the Provenances that point at a resource the labels that it has now.
pub(crate) fn follow(concord: &Concord, transaction: &mut Transaction<'_>, version: &Version) -> Result<(), Fault> {
    let condition = Sql::new("r.type = ")
        .bind(PROVENANCE.number())
        .sql(" AND r.deleted = 0 AND r.rid IN (SELECT e.resource FROM entry e WHERE e.key <> '' AND e.parameter = ")
        .bind(ParameterId::of("Provenance.target").0)
        .sql(" AND e.key = ")
        .bind(format!("{}/{}", version.resource_type, version.id))
        .sql(")");
    for provenance in transaction.versions(Rows::Current, condition)? {
        let keys = due(concord, transaction, &provenance)?;
        transaction.set_beside(&provenance, &keys)?;
    }
    Ok(())
}

/// A label that the caller puts beside a resource.
pub(crate) fn by(call: &Call, key: String) -> Beside {
    let author = call.caller.actor.reference().unwrap_or_else(|| call.caller.subject.clone());
    Beside { key, author }
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
        add(&mut value, [coding("MH\u{1f}s", true), coding("R\u{1f}", false)]);
        let keys: Vec<String> = codings(&value).iter().map(key).collect();
        assert_eq!(keys, ["MH\u{1f}s", "R\u{1f}"]);
        remove(&mut value, &keys);
        assert!(codings(&value).is_empty());
        assert_eq!(json::to_string(&value), r#"{"resourceType":"Goal","meta":{}}"#);
        let mut bare = resource(r#"{"resourceType":"Goal","id":"g"}"#);
        add(&mut bare, [coding("R\u{1f}s", true)]);
        let wanted =
            r#"{"resourceType":"Goal","meta":{"security":[{"system":"s","code":"R","userSelected":true}]},"id":"g"}"#;
        assert_eq!(json::to_string(&bare), wanted);
    }
}
