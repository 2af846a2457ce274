//! Operations (R4 "Extended Operations on the RESTful API"): a table, and one file for each.
//!
//! Routes, the CapabilityStatement and the OpenAPI document are made from [`OPERATIONS`]. An operation goes the way of
//! every interaction: facts -> decide -> store -> audit, in one transaction.

mod access_log;
mod agreement;
mod coded;
mod collect;
mod connected_apps;
mod correction_request;
mod document;
mod due_for_review;
mod duplicates;
mod evaluate;
mod evaluated_actor;
mod everything;
pub(crate) mod expand;
mod lastn;
mod lookup;
mod match_patient;
mod meta;
mod readings;
mod record;
mod release;
mod subsumes;
mod summary;
mod translate;
mod trend;
mod validate;
mod validate_code;
mod verify;
mod who_can_see;

use concord_fhir::issue::{Issue, IssueCode};
use concord_fhir::json::Value;
use concord_fhir::registry::ResourceType;

use crate::error::ApiError;
use crate::interact::search::Page;
use crate::interact::session::Session;

/// Where an operation is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    /// `/$name`
    System,
    /// `/{type}/$name`
    Type,
    /// `/{type}/{id}/$name`
    Instance,
}

/// A parameter that goes in, by query or in a Parameters resource.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parameter {
    /// Its name.
    pub(crate) name: &'static str,
    /// Its FHIR type.
    pub(crate) of: &'static str,
    /// How many there must be at least.
    pub(crate) min: usize,
    /// How many there may be at most.
    pub(crate) max: usize,
    /// What it says, in a sentence.
    pub(crate) description: &'static str,
}

impl Parameter {
    /// One that may be there once.
    pub(crate) const fn optional(name: &'static str, of: &'static str, description: &'static str) -> Parameter {
        Parameter { name, of, min: 0, max: 1, description }
    }

    /// Whether it may stand in a query: what is made of several elements cannot.
    fn is_queried(&self) -> bool {
        self.of == "Reference" || self.of.starts_with(|first: char| first.is_ascii_lowercase())
    }

    /// One that has to be there once.
    pub(crate) const fn required(name: &'static str, of: &'static str, description: &'static str) -> Parameter {
        Parameter { min: 1, ..Parameter::optional(name, of, description) }
    }
}

/// What is particular about how an operation is run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Conduct {
    /// Whether it may change something, and so is called by POST only.
    pub(crate) changes: bool,
    /// Whether it reads the audit log.
    pub(crate) reads_log: bool,
    /// Whether the log says with which parameters it was called; not where they are somebody's words or identity.
    pub(crate) logs_parameters: bool,
    /// Whether its body may be a resource that is not valid.
    pub(crate) takes_invalid: bool,
    /// Whether its answer names nothing but what it was asked about, in the words in which that was asked, and what the asker may
    /// know: nothing is taken out of it then, which would tell that it is there.
    pub(crate) echoes: bool,
}

/// What an operation computes over what it is given and finds: what is more than in proportion begins where no request waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Computing {
    /// As much as goes in, is read, decided about and answered.
    InProportion,
    /// As much as all Consents of a record say, which it gathers before it counts what it computes.
    OverConsents,
    /// More than that, over what the database takes little to find: it counts each piece of it as it goes, or what it looks in does
    /// (code lists, checks by profiles).
    ByPieces,
}

impl Conduct {
    /// It reads what is stored, and nothing is particular about it.
    pub(crate) const READS: Conduct =
        Conduct { changes: false, reads_log: false, logs_parameters: false, takes_invalid: false, echoes: false };
}

/// An operation.
#[derive(Debug)]
pub(crate) struct Operation {
    /// Its name with the `$`.
    pub(crate) name: &'static str,
    /// Where it is called.
    pub(crate) levels: &'static [Level],
    /// On which types; none for every type.
    pub(crate) types: &'static [&'static str],
    /// What is particular about how it is run.
    pub(crate) conduct: Conduct,
    /// What it computes.
    pub(crate) computing: Computing,
    /// What it does, in a sentence.
    pub(crate) description: &'static str,
    /// The address of its definition: that of the specification, or none for one of Concord's own.
    pub(crate) definition: Option<&'static str>,
    /// What goes in.
    pub(crate) parameters: &'static [Parameter],
    /// What it runs; nothing else runs it but [`Operation::carry_out`], which counts what that takes.
    run: fn(&mut Session<'_, '_>, &OperationTarget, &Input) -> Result<Output, ApiError>,
}

/// What an operation is called on: nothing, a type or a resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct OperationTarget {
    /// The type in the address.
    pub(crate) resource_type: Option<ResourceType>,
    /// The logical id in the address.
    pub(crate) id: Option<String>,
}

/// What an operation answers.
#[derive(Debug)]
pub(crate) enum Output {
    /// A resource made for the answer.
    Value(Value<'static>),
    /// A searchset Bundle; its cursor goes into the next link.
    Page(Page),
}

/// Every operation, by name.
pub(crate) const OPERATIONS: &[Operation] = &[
    access_log::OPERATION,
    agreement::OPERATION,
    connected_apps::LIST,
    correction_request::OPERATION,
    document::OPERATION,
    due_for_review::OPERATION,
    duplicates::OPERATION,
    connected_apps::END,
    evaluate::OPERATION,
    everything::OPERATION,
    expand::OPERATION,
    lastn::OPERATION,
    lookup::OPERATION,
    match_patient::OPERATION,
    meta::ADD,
    meta::DELETE,
    meta::READ,
    release::OPERATION,
    subsumes::OPERATION,
    summary::OPERATION,
    translate::OPERATION,
    trend::OPERATION,
    validate::OPERATION,
    validate_code::OF_CODE_SYSTEM,
    validate_code::OF_VALUE_SET,
    verify::OPERATION,
    who_can_see::OPERATION,
];

/// Whether what an operation of that name answers is a document, which is a page too.
pub(crate) fn has_page(name: &str) -> bool {
    [summary::OPERATION.name, document::OPERATION.name].contains(&name)
}

/// The operation of that name at a place.
pub(crate) fn find(name: &str, target: &OperationTarget) -> Option<&'static Operation> {
    let level = target.level();
    OPERATIONS.iter().find(|operation| {
        operation.name == name
            && operation.levels.contains(&level)
            && target.resource_type.is_none_or(|named| operation.is_on(named))
    })
}

/// The same, if it may be called like that: by a GET or another request that only `reads`, or by a POST.
///
/// # Errors
/// When there is none, and when it may change something.
pub(crate) fn called(name: &str, target: &OperationTarget, reads: bool) -> Result<&'static Operation, ApiError> {
    let Some(operation) = find(name, target) else {
        let shown: String = name.chars().take(64).collect();
        let issue = Issue::plain(IssueCode::NotSupported, format!("there is no operation {shown} here"));
        return Err(ApiError::NoSuchOperation(issue));
    };
    if operation.conduct.changes && reads {
        let text = format!("{name} may change something: call it by POST");
        return Err(ApiError::NotAllowed { text, allow: "POST" });
    }
    Ok(operation)
}

impl Operation {
    /// Carries it out.
    ///
    /// # Errors
    /// Those of the operation.
    pub(crate) fn carry_out(
        &self,
        session: &mut Session<'_, '_>,
        target: &OperationTarget,
        input: &Input,
    ) -> Result<Output, ApiError> {
        (self.run)(session, target, input)
    }

    /// Whether it may compute for long, however little the database takes.
    pub(crate) fn computes(&self) -> bool {
        self.computing != Computing::InProportion
    }

    /// Whether it is called on a type or its resources.
    pub(crate) fn is_on(&self, resource_type: ResourceType) -> bool {
        self.types.is_empty() || self.types.contains(&resource_type.name())
    }

    /// What was asked, as the log tells it: the name, and the parameters where they are told, without the place in the
    /// answer.
    pub(crate) fn asked(&self, input: &Input) -> String {
        let told =
            self.parameters.iter().filter(|parameter| self.conduct.logs_parameters && parameter.name != "_cursor");
        let pairs: Vec<String> = told
            .flat_map(|parameter| {
                input.texts(parameter.name).into_iter().map(|text| format!("{}={text}", parameter.name))
            })
            .collect();
        if pairs.is_empty() { self.name.to_owned() } else { format!("{}?{}", self.name, pairs.join("&")) }
    }

    /// The name of the parameter that is a resource.
    fn resource_parameter(&self) -> &'static str {
        let of_resource = |one: &&Parameter| one.of == "Resource" || ResourceType::parse(one.of).is_some();
        self.parameters.iter().find(of_resource).map_or("resource", |one| one.name)
    }

    /// Its code: the name without the `$`.
    pub(crate) fn code(&self) -> &'static str {
        self.name.trim_start_matches('$')
    }
}

impl OperationTarget {
    /// The path below the base at which an operation is called on it.
    pub(crate) fn path(&self, name: &str) -> String {
        match (self.resource_type, &self.id) {
            (None, _) => format!("/{name}"),
            (Some(named), None) => format!("/{named}/{name}"),
            (Some(named), Some(id)) => format!("/{named}/{id}/{name}"),
        }
    }

    fn level(&self) -> Level {
        match (self.resource_type, &self.id) {
            (None, _) => Level::System,
            (Some(_), None) => Level::Type,
            (Some(_), Some(_)) => Level::Instance,
        }
    }
}

/// How many parameters a question has that is answered where others wait.
const MANY: usize = 16;

/// How many bytes a body has, about, that is gone through where others wait.
const LARGE: usize = 10 * 1024;

/// Whether it has so many bytes, about; it is not gone through beyond.
pub(crate) fn has_bytes(value: &Value<'_>, bytes: usize) -> bool {
    left_after(value, bytes) == 0
}

/// How much of some bytes a value leaves, about; it is not gone through beyond.
fn left_after(value: &Value<'_>, left: usize) -> usize {
    let mut left = left.saturating_sub(4);
    match value {
        Value::String(text) | Value::Number(text) => left.saturating_sub(text.len()),
        Value::Array(items) => {
            let mut items = items.iter();
            while let Some(one) = items.next().filter(|_| left > 0) {
                left = left_after(one, left);
            }
            left
        }
        Value::Object(object) => {
            let mut members = object.0.iter();
            while let Some((name, one)) = members.next().filter(|_| left > 0) {
                left = left_after(one, left.saturating_sub(name.len()));
            }
            left
        }
        Value::Null | Value::Bool(_) => left,
    }
}

/// What goes into an operation.
#[derive(Clone, Debug, Default)]
pub(crate) struct Input {
    /// The parameters of the query, without those of the form of the answer.
    pub(crate) pairs: Vec<(String, String)>,
    /// The Parameters resource of the body, if there is one.
    pub(crate) parameters: Option<Value<'static>>,
    /// What is wrong with the body, for an operation that takes invalid ones.
    pub(crate) problems: Vec<Issue>,
}

impl Input {
    /// Whether it asks about so much that it takes long whatever the database takes.
    pub(crate) fn names_many(&self) -> bool {
        let asked = self.parameters.as_ref().map_or(&[][..], |parameters| parameters.list("parameter"));
        self.pairs.len() + asked.len() > MANY
    }

    /// Whether its body is so large that it takes long whatever the database takes.
    pub(crate) fn is_large(&self) -> bool {
        self.parameters.as_ref().is_some_and(|parameters| has_bytes(parameters, LARGE))
    }

    /// The input with a body: Parameters, or the resource that is the operation's only parameter of such a kind (R4 "Extended
    /// Operations", POST with a resource as body). Parameters are that one where they are what is asked about, unless they
    /// have it in them.
    pub(crate) fn with_body(
        mut self,
        body: Value<'static>,
        operation: &Operation,
        asked_about: Option<ResourceType>,
    ) -> Input {
        let is_parameters = body.text("resourceType") == Some("Parameters");
        let has_resource = body.list("parameter").iter().any(|one| one.text("name") == Some("resource"));
        let is_meant = asked_about.is_some_and(|named| named.name() == "Parameters") && operation.conduct.takes_invalid;
        self.parameters = Some(if is_parameters && (has_resource || !is_meant) {
            body
        } else {
            let only = Value::object([("name", Value::string(operation.resource_parameter())), ("resource", body)]);
            Value::object([("resourceType", Value::string("Parameters")), ("parameter", Value::Array(vec![only]))])
        });
        self
    }

    /// Refuses parameters that the operation does not have, and too few or too many of one.
    pub(crate) fn check(&self, operation: &Operation) -> Result<(), ApiError> {
        let known = |name: &str| operation.parameters.iter().any(|parameter| parameter.name == name);
        let mut issues = Vec::new();
        let named = self.pairs.iter().map(|(name, _)| name.as_str());
        for name in named.chain(self.members().filter_map(|member| member.text("name"))) {
            if !known(name) {
                let shown: String = name.chars().take(64).collect();
                let text = format!("parameter {shown}: {} has no such parameter", operation.name);
                issues.push(Issue::plain(IssueCode::NotSupported, text));
            }
        }
        for parameter in operation.parameters.iter().filter(|parameter| !parameter.is_queried()) {
            if self.pairs.iter().any(|(name, _)| name == parameter.name) {
                let text = format!("parameter {}: it is no text, and goes in a Parameters resource", parameter.name);
                issues.push(Issue::plain(IssueCode::NotSupported, text));
            }
        }
        // In a body the check of the resource has seen to it.
        for (name, value) in &self.pairs {
            if value.chars().any(char::is_control) {
                let shown: String = name.chars().take(64).collect();
                let text = format!("parameter {shown}: the value has a control character in it");
                issues.push(Issue::plain(IssueCode::Value, text));
            }
        }
        for parameter in operation.parameters {
            let count = self.pairs.iter().filter(|(name, _)| name == parameter.name).count()
                + self.members().filter(|member| member.text("name") == Some(parameter.name)).count();
            let name = parameter.name;
            if count < parameter.min && !operation.conduct.takes_invalid {
                let text = format!("parameter {name} is missing");
                issues.push(Issue::plain(IssueCode::Required, text));
            }
            if count > parameter.max {
                let text = format!("parameter {name} may be there {} times at most", parameter.max);
                issues.push(Issue::plain(IssueCode::Value, text));
            }
        }
        if issues.is_empty() { Ok(()) } else { Err(ApiError::Malformed(issues)) }
    }

    fn members(&self) -> impl Iterator<Item = &Value<'static>> {
        self.parameters.iter().flat_map(|parameters| parameters.list("parameter"))
    }

    /// All values of a parameter as text: a primitive, or the `reference` of a Reference.
    pub(crate) fn texts(&self, name: &str) -> Vec<String> {
        let queried = self.pairs.iter().filter(|(key, _)| key == name).map(|(_, value)| value.clone());
        let given = self.values(name).filter_map(|value| match value {
            Value::Object(_) => value.text("reference").map(str::to_owned),
            Value::Bool(flag) => Some(flag.to_string()),
            other => other.as_str().or_else(|| other.as_number()).map(str::to_owned),
        });
        queried.chain(given).collect()
    }

    /// The value of a parameter as text; see [`Input::texts`].
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.texts(name).into_iter().next()
    }

    /// All `value[x]` of a parameter.
    pub(crate) fn values(&self, name: &str) -> impl Iterator<Item = &Value<'static>> {
        self.members().filter(move |member| member.text("name") == Some(name)).filter_map(|member| {
            let object = member.as_object()?;
            object.0.iter().find(|(key, _)| key.starts_with("value")).map(|(_, value)| value)
        })
    }

    /// The parts of each parameter of that name.
    pub(crate) fn parts(&self, name: &str) -> impl Iterator<Item = &[Value<'static>]> {
        self.members().filter(move |member| member.text("name") == Some(name)).map(|member| member.list("part"))
    }

    /// All resources that a parameter is.
    pub(crate) fn resources(&self, name: &str) -> impl Iterator<Item = &Value<'static>> {
        self.members()
            .filter(move |member| member.text("name") == Some(name))
            .filter_map(|member| member.get("resource"))
    }

    /// The resource that a parameter is.
    pub(crate) fn resource(&self, name: &str) -> Option<&Value<'static>> {
        self.members().find(|member| member.text("name") == Some(name))?.get("resource")
    }
}
