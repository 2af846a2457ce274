//! `$meta`, `$meta-add` and `$meta-delete` (R4 "Resource-meta", "Resource-meta-add", "Resource-meta-delete"): what a
//! resource is labelled with.
//!
//! Whoever may change a resource changes its labels, tags and profiles by a new version of it. A patient may raise the
//! sensitivity of anything in her record: that label is kept beside the resource, which stays as it was written, and only
//! who put it there takes it away.

use std::sync::Arc;

use concord_consent::caller::{Actor, Proofing};
use concord_consent::raises;
use concord_consent::request::Action;
use concord_fhir::issue::{Issue, IssueCode};
use concord_fhir::json::{Object, Value};
use concord_fhir::registry::ResourceType;

use super::{Input, Level, Operation, Output, Parameter, Running, Target};
use crate::fault::Fault;
use crate::interact::audit::Interaction;
use crate::interact::{Call, Concord, PROVENANCE, access, labels, logged, read, redact, review, update, write};
use crate::store::audit::Record;
use crate::store::rows::Version;
use crate::store::transaction::Transaction;

/// How many labels, tags and profiles one call may name, and how many labels there may be beside a resource.
const MOST: usize = 50;

const GIVEN: &[Parameter] =
    &[Parameter { name: "meta", of: "Meta", min: 1, max: 1, told: "The profiles, tags and labels" }];

/// `$meta`
pub(super) const READ: Operation = Operation {
    name: "$meta",
    levels: &[Level::Instance],
    types: &[],
    changes: false,
    takes_invalid: false,
    told: "Says what a resource is labelled with.",
    definition: Some("http://hl7.org/fhir/OperationDefinition/Resource-meta"),
    parameters: &[],
    run: told,
};

/// `$meta-add`
pub(super) const ADD: Operation = Operation {
    name: "$meta-add",
    levels: &[Level::Instance],
    types: &[],
    changes: true,
    takes_invalid: false,
    told: "Puts profiles, tags and labels on a resource. A patient may raise the sensitivity of anything in her record.",
    definition: Some("http://hl7.org/fhir/OperationDefinition/Resource-meta-add"),
    parameters: GIVEN,
    run: added,
};

/// `$meta-delete`
pub(super) const DELETE: Operation = Operation {
    name: "$meta-delete",
    levels: &[Level::Instance],
    types: &[],
    changes: true,
    takes_invalid: false,
    told: "Takes profiles, tags and labels from a resource. A label is taken away by who put it there.",
    definition: Some("http://hl7.org/fhir/OperationDefinition/Resource-meta-delete"),
    parameters: GIVEN,
    run: deleted,
};

fn told(concord: Arc<Concord>, call: Call, target: Target, _input: Input) -> Running {
    Box::pin(async move {
        let store = concord.store.clone();
        store
            .read(move |transaction| {
                let mut record = call.record(Interaction::Operation, target.resource_type);
                record.query = READ.name.to_owned();
                let done = on(&target).and_then(|(named, id)| {
                    record.entity = id.to_owned();
                    let version = read::current(&concord, &call, transaction, named, id, &mut record)?;
                    answer(version)
                });
                logged(done, record)
            })
            .await
    })
}

fn added(concord: Arc<Concord>, call: Call, target: Target, input: Input) -> Running {
    changed(concord, call, target, input, true)
}

fn deleted(concord: Arc<Concord>, call: Call, target: Target, input: Input) -> Running {
    changed(concord, call, target, input, false)
}

fn changed(concord: Arc<Concord>, call: Call, target: Target, input: Input, adds: bool) -> Running {
    Box::pin(async move {
        let store = concord.store.clone();
        store
            .change(move |transaction| {
                let mut record = call.record(Interaction::Operation, target.resource_type);
                record.query = if adds { ADD.name } else { DELETE.name }.to_owned();
                let done = on(&target).and_then(|(named, id)| {
                    record.entity = id.to_owned();
                    let change = Change::read(&input, adds)?;
                    relabel(&concord, &call, transaction, named, id, &change, &mut record)?;
                    let head = transaction.head(named, id, false)?.ok_or(Fault::NotFound)?;
                    answer(head.version)
                });
                logged(done, record)
            })
            .await
    })
}

fn on(target: &Target) -> Result<(ResourceType, &str), Fault> {
    match (target.resource_type, target.id.as_deref()) {
        (Some(named), Some(id)) => Ok((named, id)),
        _ => Err(Fault::Internal("an operation on a resource without one".to_owned())),
    }
}

/// Parameters with the meta of a version as its readers are shown it.
fn answer(version: Version) -> Result<Output, Fault> {
    let text = labels::shown(version)?;
    let value = concord_fhir::json::parse(text.as_bytes(), &concord_fhir::json::Limits::default())
        .map_err(|_| Fault::Internal("a stored body cannot be read".to_owned()))?;
    let meta = value.get("meta").cloned().unwrap_or_else(|| Value::Object(Object::default())).into_owned();
    let given = Value::object([("name", Value::string("return")), ("valueMeta", meta)]);
    Ok(Output::Value(Value::object([
        ("resourceType", Value::string("Parameters")),
        ("parameter", Value::Array(vec![given])),
    ])))
}

impl Change {
    /// Whether it does nothing but take away what hides a resource from the patient.
    fn releases(&self) -> bool {
        !self.adds && self.tags.is_empty() && self.profiles.is_empty() && self.security.iter().all(review::hides)
    }
}

/// What is to be put on or taken away.
struct Change {
    adds: bool,
    security: Vec<Value<'static>>,
    tags: Vec<Value<'static>>,
    profiles: Vec<Value<'static>>,
}

/// A place in the input.
fn place(list: &str, position: usize) -> String {
    format!("Parameters.parameter[0].value.{list}[{position}]")
}

impl Change {
    fn read(input: &Input, adds: bool) -> Result<Change, Fault> {
        let given = input.values("meta").next();
        let list = |name: &str| given.map(|meta| meta.list(name).to_vec()).unwrap_or_default();
        let change = Change { adds, security: list("security"), tags: list("tag"), profiles: list("profile") };
        let total = change.security.len() + change.tags.len() + change.profiles.len();
        if total == 0 {
            return Err(Fault::parameter("meta", "names no profile, tag or label"));
        }
        if total > MOST {
            return Err(Fault::parameter("meta", format!("may name {MOST} profiles, tags and labels at most")));
        }
        for (name, codings) in [("security", &change.security), ("tag", &change.tags)] {
            if let Some(position) = codings.iter().position(|coding| coding.text("code").is_none()) {
                return Err(Fault::rule(place(name, position), "a label or tag is named by its system and code"));
            }
        }
        Ok(change)
    }

    /// The same resource with the change made.
    fn made(&self, mut value: Value<'static>) -> Value<'static> {
        let same = |one: &Value<'_>, other: &Value<'_>| match (one.as_str(), other.as_str()) {
            (Some(one), Some(other)) => one == other,
            _ => labels::key(one) == labels::key(other),
        };
        let Some(object) = value.as_object_mut() else { return value };
        let mut meta = match object.remove("meta") {
            Some(Value::Object(meta)) => meta,
            _ => Object::default(),
        };
        for (name, change) in [("profile", &self.profiles), ("security", &self.security), ("tag", &self.tags)] {
            let mut all = match meta.remove(name) {
                Some(Value::Array(items)) => items,
                _ => Vec::new(),
            };
            for item in change {
                if !self.adds {
                    all.retain(|known| !same(known, item));
                } else if !all.iter().any(|known| same(known, item)) {
                    all.push(item.clone());
                }
            }
            if !all.is_empty() {
                meta.set(name, Value::Array(all));
            }
        }
        object.set_at(2, "meta", Value::Object(meta));
        value
    }
}

fn relabel(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    resource_type: ResourceType,
    id: &str,
    change: &Change,
    record: &mut Record,
) -> Result<(), Fault> {
    let (head, seen) = read::seen(concord, call, transaction, resource_type, id, Action::Update, record)?;
    let old = head.version;
    if old.deleted {
        return Err(Fault::Gone);
    }
    // What hides a resource from the one who wrote it is a system's to release, or nobody could.
    let owns = if call.caller.actor == Actor::System && change.releases() {
        Ok(())
    } else {
        access::owns(concord, call, transaction, &old)?
    };
    if owns.is_ok() && !change.adds && call.caller.actor != Actor::System {
        let hides = |coding: &Value<'static>| review::hides(coding);
        if let Some(position) = change.security.iter().position(hides) {
            let text = "what hides a resource from the patient is taken away by $release, with a reason";
            return Err(Fault::rule(place("security", position), text));
        }
    }
    if owns.is_ok() && resource_type != PROVENANCE {
        if !change.adds {
            take_away(call, transaction, &old, change)?;
        }
        redact::refuse_part(transaction, &seen, &old, &Value::Null)?;
        let proposed = change.made(labels::stored(&old)?.into_owned());
        update::put(concord, call, transaction, old, proposed, Vec::new(), record)?;
    } else {
        beside(call, transaction, &old, change, owns)?;
    }
    let now = transaction.head(resource_type, id, true)?.ok_or(Fault::NotFound)?.version;
    labels::settle(concord, transaction, &now)?;
    let mut patients = Vec::new();
    for key in transaction.patients_of(crate::store::lower::Rows::Current, &now)? {
        patients.push(transaction.patient_id(key)?);
    }
    write::note_access_change(transaction, resource_type, &patients)
}

/// Takes the caller's labels from beside a resource; those of others stay, and that is said.
fn take_away(call: &Call, transaction: &mut Transaction<'_>, old: &Version, change: &Change) -> Result<(), Fault> {
    let known = transaction.beside(old.key)?;
    for coding in &change.security {
        let own = labels::by(call, labels::key(coding));
        let mine = known.contains(&own);
        if known.iter().any(|label| label.key == own.key && label.author != own.author) && !mine {
            return Err(Fault::denied("somebody else put this label there, and only they take it away"));
        }
        transaction.take_from_beside(old.key, &own)?;
    }
    Ok(())
}

/// What somebody may do about the labels of what another wrote.
fn beside(
    call: &Call,
    transaction: &mut Transaction<'_>,
    old: &Version,
    change: &Change,
    owns: Result<(), Vec<Issue>>,
) -> Result<(), Fault> {
    let own_record = match &call.caller.actor {
        Actor::Patient(own) if call.caller.credentials.proofing == Proofing::P9 => {
            let key = transaction.patient_key(own)?;
            let patients = transaction.patients_of(crate::store::lower::Rows::Current, old)?;
            key.is_some_and(|key| patients.contains(&key))
        }
        _ => false,
    };
    if !own_record || !change.tags.is_empty() || !change.profiles.is_empty() {
        return Err(owns.err().map_or_else(|| Fault::denied("this is not yours to label"), Fault::Denied));
    }
    if change.adds {
        for (position, coding) in change.security.iter().enumerate() {
            let text = |name| coding.text(name).unwrap_or_default();
            if !raises(text("system"), text("code")) {
                let text = "of what somebody else wrote a patient may raise the sensitivity: R or V of \
                            v3-Confidentiality, or a sensitivity of v3-ActCode such as MH or SEX";
                let issue = Issue::error(IssueCode::BusinessRule, place("security", position), text);
                return Err(Fault::RuleBroken(vec![issue]));
            }
        }
        let known = transaction.beside(old.key)?;
        if known.len() + change.security.len() > MOST {
            return Err(Fault::rule(place("security", 0), format!("a resource may have {MOST} labels beside it")));
        }
        for coding in &change.security {
            transaction.put_beside(old.key, &labels::by(call, labels::key(coding)))?;
        }
        return Ok(());
    }
    let written: Vec<&str> = old.own_labels().split('\n').collect();
    if change.security.iter().any(|coding| written.contains(&labels::key(coding).as_str())) {
        let text = "this label stands in what somebody else wrote, and a patient may lower only her own";
        return Err(Fault::Denied(vec![Issue::plain(IssueCode::BusinessRule, text)]));
    }
    take_away(call, transaction, old, change)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_tags_and_profiles_are_sets() {
        let parsed = |text: &str| {
            concord_fhir::json::parse(text.as_bytes(), &concord_fhir::json::Limits::default()).unwrap().into_owned()
        };
        let coding = |display: &str| parsed(&format!(r#"{{"system":"s","code":"c","display":"{display}"}}"#));
        let mut change = Change {
            adds: true,
            security: vec![coding("one"), coding("two")],
            tags: vec![coding("tag")],
            profiles: vec![Value::string("http://p")],
        };
        let with = change.made(parsed(r#"{"resourceType":"Goal","id":"g","meta":{"profile":["http://p"]}}"#));
        let wanted = parsed(
            r#"{"resourceType":"Goal","id":"g","meta":{"profile":["http://p"],
            "security":[{"system":"s","code":"c","display":"one"}],"tag":[{"system":"s","code":"c","display":"tag"}]}}"#,
        );
        assert!(with.same(&wanted));
        change.adds = false;
        let without = change.made(with);
        assert!(without.same(&parsed(r#"{"resourceType":"Goal","id":"g","meta":{}}"#)));
    }
}
