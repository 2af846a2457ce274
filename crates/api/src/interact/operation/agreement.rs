//! `Goal/$agreement`: whether the parties of a goal agree, what each of them says, and how the negotiation went.

use std::collections::HashMap;

use concord_consent::request::Action;
use concord_fhir::index::ParameterId;
use concord_fhir::json::Value;
use concord_fhir::predicate::{Predicate, Test};
use concord_fhir::registry::ResourceType;
use concord_fhir::rules::goal;
use concord_model::build::{Content, Link, Parameter, parameter, parameters};
use concord_store::history::{HistoryOf, HistoryRequest};
use concord_store::rows::Version;
use concord_store::search::{PageRequest, TypeQuery};

use crate::error::ApiError;
use crate::interact::operation::{Computing, Conduct, Input, Level, Operation, OperationTarget, Output};
use crate::interact::provenance::client_provenance;
use crate::interact::session::Session;
use crate::interact::{PROVENANCE, Service, access, instant, read};

const GOAL: ResourceType = ResourceType::of("Goal");

/// How many versions the negotiation is told of, the newest.
const MOST_VERSIONS: u32 = 200;

/// `Goal/$agreement`
pub(super) const OPERATION: Operation = Operation {
    name: "$agreement",
    levels: &[Level::Instance],
    types: &["Goal"],
    conduct: Conduct::READS,
    computing: Computing::InProportion,
    description: "Whether the parties of the goal agree, what each of them says and since when, and how the negotiation went.",
    definition: None,
    parameters: &[],
    run,
};

fn run(session: &mut Session<'_, '_>, target: &OperationTarget, _input: &Input) -> Result<Output, ApiError> {
    agreement_of(session, target.id.as_deref().ok_or(ApiError::NotFound)?).map(Output::Value)
}

fn agreement_of(session: &mut Session<'_, '_>, id: &str) -> Result<Value<'static>, ApiError> {
    let head = read::visible(session, GOAL, id, Action::History)?;
    if head.version.deleted {
        return Err(ApiError::Gone);
    }
    let decision = access::decide_on(session, Action::History, &head)?;
    let wanted = HistoryRequest {
        of: HistoryOf::Resource(head.version.key),
        permit: &decision.permit,
        record: None,
        left: None,
        since: None,
        at: None,
        after: None,
        limit: MOST_VERSIONS,
    };
    let (found, _) = session.transaction.history(&wanted)?;
    let versions: Vec<Version> =
        found.into_iter().rev().map(|(_, version)| version).filter(|version| !version.deleted).collect();
    let now = access::stored(&head.version)?;
    let authors = authors(session, id)?;
    let agreement = goal::agreement(&now, &session.service.base).code();
    let mut answer = vec![parameter("agreement", Content::Code(agreement.to_owned()))];
    let (events, since) = history(session.service, &versions, &authors)?;
    for word in goal::acceptances(&now, &session.service.base) {
        let mut parts = vec![
            parameter("individual", Content::Reference(Link::To(word.individual.clone()))),
            parameter("status", Content::Code(word.status)),
        ];
        if !word.priority.is_empty() {
            parts.push(parameter("priority", Content::String(word.priority)));
        }
        if let Some(since) = since.get(&word.individual) {
            parts.push(parameter("since", Content::Instant(instant(*since))));
        }
        answer.push(parameter("party", Content::Parts(parts)));
    }
    answer.extend(events);
    Ok(parameters(answer)?)
}

/// What each version changed, and since when each party has said what it says.
fn history(
    service: &Service,
    versions: &[Version],
    authors: &HashMap<i64, String>,
) -> Result<(Vec<Parameter>, HashMap<String, i64>), ApiError> {
    let mut events = Vec::new();
    let mut words: HashMap<String, (String, i64)> = HashMap::new();
    let mut before: Option<Value<'static>> = None;
    for version in versions {
        let value = access::stored(version)?;
        for word in goal::acceptances(&value, &service.base) {
            let known = words.get(&word.individual).is_some_and(|(status, _)| *status == word.status);
            if !known {
                words.insert(word.individual, (word.status, version.updated));
            }
        }
        let changes = goal::changes(before.as_ref(), &value, &service.base);
        if !changes.is_empty() {
            let mut parts = vec![
                parameter("version", Content::Id(version.version.to_string())),
                parameter("when", Content::Instant(instant(version.updated))),
            ];
            if let Some(who) = authors.get(&version.version) {
                parts.push(parameter("who", Content::Reference(Link::To(who.clone()))));
            }
            parts.extend(changes.into_iter().map(|change| parameter("change", Content::String(change))));
            events.push(parameter("event", Content::Parts(parts)));
        }
        before = Some(value);
    }
    Ok((events, words.into_iter().map(|(who, (_, since))| (who, since)).collect()))
}

/// Who wrote which version, as far as the caller may see the Provenance of the goal.
fn authors(session: &mut Session<'_, '_>, id: &str) -> Result<HashMap<i64, String>, ApiError> {
    let permit = access::findable(session, PROVENANCE, None)?;
    let target = Predicate::Entry(ParameterId::of("Provenance.target"), Test::Is(format!("Goal/{id}")));
    let queries = [TypeQuery { resource_type: PROVENANCE, record: None, predicate: target.and(permit) }];
    let (found, _) =
        session.transaction.page(&PageRequest { queries: &queries, sort: &[], after: None, limit: MOST_VERSIONS })?;
    let mut authors = HashMap::new();
    for version in found {
        let provenance = access::stored(&version)?;
        if client_provenance::is_one(&provenance) {
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
