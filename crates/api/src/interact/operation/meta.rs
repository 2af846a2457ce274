//! `$meta`, `$meta-add` and `$meta-delete` (R4 "Resource-meta", "Resource-meta-add", "Resource-meta-delete"): what a
//! resource is labelled with.
//!
//! Whoever may change a resource changes its labels, tags and profiles by a new version of it. A patient may raise the
//! sensitivity of anything in her record: that label is kept beside the resource, which stays as it was written, and only
//! who put it there takes it away.

use concord_consent::caller::{Actor, App, Proofing};
use concord_consent::raises;
use concord_consent::request::Action;
use concord_fhir::issue::{Issue, IssueCode};
use concord_fhir::json::{Object, Value};
use concord_fhir::registry::ResourceType;
use concord_model::build::{Content, parameter, parameters};
use concord_store::rows::{StoredVersion, Version};

use crate::error::ApiError;
use crate::interact::access::redaction;
use crate::interact::labels::review;
use crate::interact::operation::{Computing, Conduct, Input, Level, Operation, OperationTarget, Output, Parameter};
use crate::interact::session::Session;
use crate::interact::{PROVENANCE, access, labels, read, update, write};

/// How many labels, tags and profiles one call may name, and how many labels there may be beside a resource.
const MOST: usize = 50;

const GIVEN: &[Parameter] = &[Parameter::required("meta", "Meta", "The profiles, tags and labels")];

/// `$meta`
pub(super) const READ: Operation = Operation {
    name: "$meta",
    levels: &[Level::Instance],
    types: &[],
    conduct: Conduct::READS,
    computing: Computing::InProportion,
    description: "Says what a resource is labelled with.",
    definition: Some("http://hl7.org/fhir/OperationDefinition/Resource-meta"),
    parameters: &[],
    run: read_meta,
};

/// `$meta-add`
pub(super) const ADD: Operation = Operation {
    name: "$meta-add",
    levels: &[Level::Instance],
    types: &[],
    conduct: Conduct { changes: true, ..Conduct::READS },
    computing: Computing::InProportion,
    description: "Puts profiles, tags and labels on a resource. A patient may raise the sensitivity of anything in her record.",
    definition: Some("http://hl7.org/fhir/OperationDefinition/Resource-meta-add"),
    parameters: GIVEN,
    run: added,
};

/// `$meta-delete`
pub(super) const DELETE: Operation = Operation {
    name: "$meta-delete",
    levels: &[Level::Instance],
    types: &[],
    conduct: Conduct { changes: true, ..Conduct::READS },
    computing: Computing::InProportion,
    description: "Takes profiles, tags and labels from a resource. A label is taken away by who put it there.",
    definition: Some("http://hl7.org/fhir/OperationDefinition/Resource-meta-delete"),
    parameters: GIVEN,
    run: deleted,
};

fn read_meta(session: &mut Session<'_, '_>, target: &OperationTarget, _input: &Input) -> Result<Output, ApiError> {
    let (named, id) = on(target)?;
    answer(read::current(session, named, id)?)
}

fn added(session: &mut Session<'_, '_>, target: &OperationTarget, input: &Input) -> Result<Output, ApiError> {
    changed(session, target, input, true)
}

fn deleted(session: &mut Session<'_, '_>, target: &OperationTarget, input: &Input) -> Result<Output, ApiError> {
    changed(session, target, input, false)
}

fn changed(
    session: &mut Session<'_, '_>,
    target: &OperationTarget,
    input: &Input,
    adds: bool,
) -> Result<Output, ApiError> {
    let (named, id) = on(target)?;
    let change = Change::read(input, adds)?;
    let relabelled = relabel(session, named, id, &change)?;
    let head = session.transaction.head(&relabelled.name(), false)?.ok_or(ApiError::NotFound)?;
    answer(head.version.into_version())
}

fn on(target: &OperationTarget) -> Result<(ResourceType, &str), ApiError> {
    match (target.resource_type, target.id.as_deref()) {
        (Some(named), Some(id)) => Ok((named, id)),
        _ => Err(ApiError::Internal("an operation on a resource without one".to_owned())),
    }
}

/// Parameters with the meta of a version as its readers are shown it.
fn answer(version: Version) -> Result<Output, ApiError> {
    let text = labels::shown(version)?;
    let value = concord_store::rows::parse_body(&text)?;
    let meta = value.get("meta").cloned().unwrap_or_else(|| Value::Object(Object::default())).into_owned();
    Ok(Output::Value(parameters(vec![parameter("return", Content::Meta(meta))])?))
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
    fn read(input: &Input, adds: bool) -> Result<Change, ApiError> {
        let given = input.values("meta").next();
        let list = |name: &str| given.map(|meta| meta.list(name).to_vec()).unwrap_or_default();
        let change = Change { adds, security: list("security"), tags: list("tag"), profiles: list("profile") };
        let total = change.security.len() + change.tags.len() + change.profiles.len();
        if total == 0 {
            return Err(ApiError::parameter("meta", "names no profile, tag or label"));
        }
        if total > MOST {
            return Err(ApiError::parameter("meta", format!("may name {MOST} profiles, tags and labels at most")));
        }
        for (name, codings) in [("security", &change.security), ("tag", &change.tags)] {
            if let Some(position) = codings.iter().position(|coding| coding.text("code").is_none()) {
                return Err(ApiError::rule(place(name, position), "a label or tag is named by its system and code"));
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
    session: &mut Session<'_, '_>,
    resource_type: ResourceType,
    id: &str,
    change: &Change,
) -> Result<StoredVersion, ApiError> {
    let (head, seen) = read::seen(session, resource_type, id, Action::Update)?;
    let old = head.version;
    if old.deleted {
        return Err(ApiError::Gone);
    }
    let before = old.clone();
    // What hides a resource from the one who wrote it is a system's to release, or nobody could.
    let owns = if session.call.caller.actor == Actor::System && change.releases() {
        Ok(())
    } else {
        access::owns(session, &old)?
    };
    if owns.is_ok() && !change.adds && session.call.caller.actor != Actor::System {
        let hides = |coding: &Value<'static>| review::hides(coding);
        if let Some(position) = change.security.iter().position(hides) {
            let text = "what hides a resource from the patient is taken away by $release, with a reason";
            return Err(ApiError::rule(place("security", position), text));
        }
    }
    if owns.is_ok() && !change.adds && !change.security.is_empty() {
        labels::refuse_lowering(session.call)?;
    }
    if owns.is_ok() && resource_type != PROVENANCE {
        if !change.adds {
            take_away(session, &old, change)?;
        }
        redaction::refuse_redacted(session.transaction, &seen, &old)?;
        let proposed = change.made(old.resource()?.into_owned());
        update::put(session, old.into_version(), proposed, Vec::new())?;
    } else {
        relabel_added(session, &old, change, owns)?;
    }
    let now = session.transaction.head(&before.name(), true)?.ok_or(ApiError::NotFound)?.version;
    session.transaction.refresh_labels(&now)?;
    let patients = session.transaction.patient_ids_of(&now)?;
    write::note_access_change(session, resource_type, &patients)?;
    Ok(now)
}

/// Takes the caller's labels from beside a resource; those of others stay, and that is said.
fn take_away(session: &mut Session<'_, '_>, old: &Version, change: &Change) -> Result<(), ApiError> {
    let known = session.transaction.labels_added_to(old.key)?;
    for coding in &change.security {
        let own = labels::by(session.call, labels::key(coding));
        let mine = known.contains(&own);
        if known.iter().any(|label| label.key == own.key && label.author != own.author) && !mine {
            return Err(ApiError::denied("somebody else put this label there, and only they take it away"));
        }
        session.transaction.remove_label(old.key, &own)?;
    }
    Ok(())
}

/// What somebody may do about the labels of what another wrote.
fn relabel_added(
    session: &mut Session<'_, '_>,
    old: &Version,
    change: &Change,
    owns: Result<(), Vec<Issue>>,
) -> Result<(), ApiError> {
    // Whoever may see a record with somebody else's app need not want that the app says who else may: a label is her choice,
    // which she makes in her own.
    let is_own_app = session.call.caller.credentials.app == App::Own;
    let own_record = match &session.call.caller.actor {
        Actor::Patient(_) if is_own_app && session.call.caller.credentials.proofing == Proofing::P9 => {
            let key = access::own_record(session)?;
            let patients = session.transaction.patients_of(concord_store::lower::Rows::Current, old)?;
            key.is_some_and(|key| patients.contains(&key))
        }
        _ => false,
    };
    if !own_record || !change.tags.is_empty() || !change.profiles.is_empty() {
        return Err(owns.err().map_or_else(|| ApiError::denied("this is not yours to label"), ApiError::Denied));
    }
    if change.adds {
        for (position, coding) in change.security.iter().enumerate() {
            let text = |name| coding.text(name).unwrap_or_default();
            if !raises(text("system"), text("code")) {
                let text = "of what somebody else wrote a patient may raise the sensitivity: R or V of \
                            v3-Confidentiality, or a sensitivity of v3-ActCode such as MH or SEX";
                let issue = Issue::error(IssueCode::BusinessRule, place("security", position), text);
                return Err(ApiError::Unprocessable(vec![issue]));
            }
        }
        let known = session.transaction.labels_added_to(old.key)?;
        if known.len() + change.security.len() > MOST {
            return Err(ApiError::rule(place("security", 0), format!("a resource may have {MOST} labels beside it")));
        }
        for coding in &change.security {
            session.transaction.add_label(old.key, &labels::by(session.call, labels::key(coding)))?;
        }
        return Ok(());
    }
    let written: Vec<&str> = old.own_labels().split('\n').collect();
    if change.security.iter().any(|coding| written.contains(&labels::key(coding).as_str())) {
        let text = "this label stands in what somebody else wrote, and a patient may lower only her own";
        return Err(ApiError::Denied(vec![Issue::plain(IssueCode::BusinessRule, text)]));
    }
    take_away(session, old, change)
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
