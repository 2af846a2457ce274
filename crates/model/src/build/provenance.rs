use concord_fhir::json::Value;
use fhirbolt::model::r4::Resource;
use fhirbolt::model::r4::resources::{Provenance, ProvenanceAgent, ProvenanceEntity};

use super::elements::{codeable_concept, codeable_text, link, reference};
use super::{Code, Link};
use crate::refused::Refused;
use crate::verbatim::Verbatim;
use crate::write::to_value;

const PARTICIPANT: &str = "http://terminology.hl7.org/CodeSystem/provenance-participant-type";

/// What a Provenance says, without its id and its labels.
#[derive(Clone, Debug)]
pub struct ProvenanceParts<'a> {
    /// The version that it is about.
    pub target: String,
    /// When, as an instant.
    pub recorded: String,
    /// What was done.
    pub activity: Code<'a>,
    /// Why, in words.
    pub reason: Option<String>,
    /// Who did it.
    pub agents: Vec<AgentParts>,
    /// What it was made from or took away: the code of its role, and its address.
    pub entity: Option<(&'static str, String)>,
}

/// Who did something.
#[derive(Clone, Debug)]
pub struct AgentParts {
    /// The code of the part that they had (R4 value set `provenance-agent-type`).
    pub role: &'static str,
    /// Who.
    pub who: Link,
    /// In whose stead.
    pub on_behalf_of: Option<String>,
}

/// A Provenance (R4 "Provenance").
///
/// # Errors
/// When the typed model does not write it.
pub fn provenance(parts: ProvenanceParts<'_>) -> Result<Value<'static>, Refused> {
    let mut verbatim = Verbatim::default();
    let provenance = Provenance {
        target: vec![reference(parts.target)],
        recorded: parts.recorded.into(),
        reason: parts.reason.iter().map(|text| codeable_text(text)).collect(),
        activity: Some(Box::new(codeable_concept(parts.activity))),
        agent: parts.agents.into_iter().map(|one| agent(one, &mut verbatim)).collect(),
        entity: parts.entity.into_iter().map(entity).collect(),
        ..Default::default()
    };
    to_value(&Resource::Provenance(Box::new(provenance)), verbatim)
}

fn agent(parts: AgentParts, verbatim: &mut Verbatim) -> ProvenanceAgent {
    ProvenanceAgent {
        r#type: Some(Box::new(codeable_concept(super::code(PARTICIPANT, parts.role)))),
        who: Box::new(link(parts.who, verbatim)),
        on_behalf_of: parts.on_behalf_of.map(|who| Box::new(reference(who))),
        ..Default::default()
    }
}

fn entity((role, what): (&'static str, String)) -> ProvenanceEntity {
    ProvenanceEntity { role: role.into(), what: Box::new(reference(what)), ..Default::default() }
}
