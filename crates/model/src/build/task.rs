use concord_fhir::json::Value;
use concord_fhir::registry::ResourceType;
use fhirbolt::model::r4::Resource;
use fhirbolt::model::r4::resources::{Task, TaskInput, TaskInputValue};

use super::elements::{codeable_concept, link, reference, security};
use super::{Code, Link};
use crate::refused::Refused;
use crate::verbatim::Verbatim;
use crate::write::to_value;

/// What somebody is to do. What a Communication says of it is passed on as it was written.
#[derive(Clone, Debug)]
pub struct TaskParts<'a> {
    /// The labels that it has from what it is about.
    pub security: Vec<Value<'static>>,
    /// How far it is (R4 value set `task-status`).
    pub status: &'static str,
    /// How far it is, in the words of those who do it.
    pub business_status: Option<Code<'a>>,
    /// What is to be done.
    pub code: Code<'a>,
    /// The same in words.
    pub description: Option<String>,
    /// What is to be changed.
    pub focus: Option<Link>,
    /// For whom.
    pub beneficiary: Option<Link>,
    /// Since when, as a time.
    pub authored_on: String,
    /// When it was last moved on, as a time.
    pub last_modified: Option<String>,
    /// Who asks.
    pub requester: Option<Link>,
    /// Who is to do it.
    pub owner: Option<Link>,
    /// Why, as a code.
    pub reason_code: Option<Code<'a>>,
    /// Why, as what came before.
    pub reason_reference: Option<String>,
    /// What was said to begin it: of what kind, and its address.
    pub input: Option<(Code<'a>, String)>,
}

impl<'a> TaskParts<'a> {
    /// The type that it is of.
    pub const TYPE: ResourceType = ResourceType::of("Task");

    /// A Task that says nothing but how far it is, what is to be done, and since when.
    #[must_use]
    pub fn of(status: &'static str, code: Code<'a>, authored_on: String) -> TaskParts<'a> {
        TaskParts {
            security: Vec::new(),
            status,
            business_status: None,
            code,
            description: None,
            focus: None,
            beneficiary: None,
            authored_on,
            last_modified: None,
            requester: None,
            owner: None,
            reason_code: None,
            reason_reference: None,
            input: None,
        }
    }
}

/// A Task (R4 "Task") that the server orders.
///
/// # Errors
/// When the typed model does not write it.
pub fn task(parts: TaskParts<'_>) -> Result<Value<'static>, Refused> {
    let mut verbatim = Verbatim::default();
    let labels = parts.security.into_iter().map(|label| verbatim.coding(label)).collect();
    let mut linked = |to: Option<Link>| to.map(|to| Box::new(link(to, &mut verbatim)));
    let task = Task {
        meta: security(labels),
        focus: linked(parts.focus),
        r#for: linked(parts.beneficiary),
        requester: linked(parts.requester),
        owner: linked(parts.owner),
        status: parts.status.into(),
        business_status: parts.business_status.map(|code| Box::new(codeable_concept(code))),
        intent: "order".into(),
        code: Some(Box::new(codeable_concept(parts.code))),
        description: parts.description.map(Into::into),
        authored_on: Some(parts.authored_on.into()),
        last_modified: parts.last_modified.map(Into::into),
        reason_code: parts.reason_code.map(|code| Box::new(codeable_concept(code))),
        reason_reference: parts.reason_reference.map(|to| Box::new(reference(to))),
        input: parts.input.into_iter().map(|(kind, said)| input(kind, said)).collect(),
        ..Default::default()
    };
    to_value(&Resource::Task(Box::new(task)), verbatim)
}

fn input(kind: Code<'_>, said: String) -> TaskInput {
    TaskInput {
        r#type: Box::new(codeable_concept(kind)),
        value: TaskInputValue::Reference(Box::new(reference(said))),
        ..Default::default()
    }
}
