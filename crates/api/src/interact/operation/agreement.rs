//! `Goal/$agreement`: whether the parties of a goal agree, what each of them says, and how the negotiation went.

use std::collections::HashMap;
use std::sync::Arc;

use concord_consent::request::Action;
use concord_fhir::index::ParameterId;
use concord_fhir::json::Value;
use concord_fhir::predicate::{Predicate, Test};
use concord_fhir::registry::ResourceType;
use concord_fhir::rules::goal;

use super::{Input, Level, Operation, Output, Running, Target};
use crate::fault::Fault;
use crate::interact::audit::Interaction;
use crate::interact::{Call, Concord, PROVENANCE, access, instant, judge, logged, read, statement};
use crate::store::audit::Record;
use crate::store::lower::Rows;
use crate::store::rows::Version;
use crate::store::search::{Among, Wanted};
use crate::store::statement::Sql;
use crate::store::transaction::Transaction;

const GOAL: ResourceType = ResourceType::of("Goal");

/// How many versions the negotiation is told of, the newest.
const MOST_VERSIONS: i64 = 200;

/// `Goal/$agreement`
pub(super) const OPERATION: Operation = Operation {
    name: "$agreement",
    levels: &[Level::Instance],
    types: &["Goal"],
    changes: false,
    takes_invalid: false,
    told: "Whether the parties of the goal agree, what each of them says and since when, and how the negotiation went.",
    definition: None,
    parameters: &[],
    run,
};

fn run(concord: Arc<Concord>, call: Call, target: Target, _: Input) -> Running {
    Box::pin(async move {
        let id = target.id.ok_or(Fault::NotFound)?;
        let store = concord.store.clone();
        store
            .read(move |transaction| {
                let mut record = call.record(Interaction::Operation, Some(GOAL));
                record.query = OPERATION.name.to_owned();
                record.entity.clone_from(&id);
                let told = told(&concord, &call, transaction, &id, &mut record);
                logged(told.map(Output::Value), record)
            })
            .await
    })
}

fn told(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    id: &str,
    record: &mut Record,
) -> Result<Value<'static>, Fault> {
    let head = read::visible(concord, call, transaction, GOAL, id, Action::History, record)?;
    if head.version.deleted {
        return Err(Fault::Gone);
    }
    let decision = access::decide_on(concord, call, transaction, Action::History, &head)?;
    let condition = Sql::new("r.rid = ").bind(head.version.key).sql(" ORDER BY r.version DESC LIMIT +");
    let mut versions = Vec::new();
    for version in transaction.versions(Rows::Superseded, condition.bind(MOST_VERSIONS))?.into_iter().rev() {
        if !version.deleted && judge::permits(transaction, &decision, Rows::Superseded, &version)? {
            versions.push(version);
        }
    }
    let now = access::stored(&head.version)?;
    versions.push(head.version);
    let authors = authors(concord, call, transaction, id)?;
    let mut parameters = vec![Value::object([
        ("name", Value::string("agreement")),
        ("valueCode", Value::string(goal::agreement(&now, &concord.base).code())),
    ])];
    let (events, since) = history(concord, &versions, &authors)?;
    for word in goal::acceptances(&now, &concord.base) {
        let mut parts = vec![
            part("individual", "valueReference", reference(&word.individual)),
            part("status", "valueCode", Value::string(word.status.as_str())),
        ];
        if !word.priority.is_empty() {
            parts.push(part("priority", "valueString", Value::string(word.priority)));
        }
        if let Some(since) = since.get(&word.individual) {
            parts.push(part("since", "valueInstant", Value::string(instant(*since))));
        }
        parameters.push(Value::object([("name", Value::string("party")), ("part", Value::Array(parts))]));
    }
    parameters.extend(events);
    Ok(Value::object([("resourceType", Value::string("Parameters")), ("parameter", Value::Array(parameters))]))
}

/// What each version changed, and since when each party has said what it says.
fn history(
    concord: &Concord,
    versions: &[Version],
    authors: &HashMap<i64, String>,
) -> Result<(Vec<Value<'static>>, HashMap<String, i64>), Fault> {
    let mut events = Vec::new();
    let mut words: HashMap<String, (String, i64)> = HashMap::new();
    let mut before: Option<Value<'static>> = None;
    for version in versions {
        let value = access::stored(version)?;
        for word in goal::acceptances(&value, &concord.base) {
            let known = words.get(&word.individual).is_some_and(|(status, _)| *status == word.status);
            if !known {
                words.insert(word.individual, (word.status, version.updated));
            }
        }
        let changes = goal::changes(before.as_ref(), &value, &concord.base);
        if !changes.is_empty() {
            let mut parts = vec![
                part("version", "valueId", Value::string(version.version.to_string())),
                part("when", "valueInstant", Value::string(instant(version.updated))),
            ];
            if let Some(who) = authors.get(&version.version) {
                parts.push(part("who", "valueReference", reference(who)));
            }
            parts.extend(changes.into_iter().map(|change| part("change", "valueString", Value::string(change))));
            events.push(Value::object([("name", Value::string("event")), ("part", Value::Array(parts))]));
        }
        before = Some(value);
    }
    Ok((events, words.into_iter().map(|(who, (_, since))| (who, since)).collect()))
}

/// Who wrote which version, as far as the caller may see the Provenance of the goal.
fn authors(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    id: &str,
) -> Result<HashMap<i64, String>, Fault> {
    let permit = access::findable(concord, call, transaction, PROVENANCE, None)?;
    let target = Predicate::Entry(ParameterId::of("Provenance.target"), Test::Is(format!("Goal/{id}")));
    let among = [Among { resource_type: PROVENANCE, record: None, predicate: target.and(permit) }];
    let limit = u32::try_from(MOST_VERSIONS).unwrap_or(u32::MAX);
    let (found, _) = transaction.page(&Wanted { among: &among, sort: &[], after: None, limit })?;
    let mut authors = HashMap::new();
    for version in found {
        let provenance = access::stored(&version)?;
        if statement::is_one(&provenance) {
            continue;
        }
        let number = provenance.list("target").first().and_then(|one| one.text("reference"));
        let number = number.and_then(|text| text.rsplit_once("/_history/")?.1.parse::<i64>().ok());
        let who = provenance.list("agent").first().and_then(|agent| agent.get("who")?.text("reference"));
        if let (Some(number), Some(who)) = (number, who) {
            authors.insert(number, who.to_owned());
        }
    }
    Ok(authors)
}

fn part(name: &'static str, kind: &'static str, value: Value<'static>) -> Value<'static> {
    Value::object([("name", Value::string(name)), (kind, value)])
}

fn reference(to: &str) -> Value<'static> {
    Value::object([("reference", Value::string(to))])
}
