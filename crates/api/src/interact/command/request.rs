//! Reading a command from a request: the same for HTTP and for an entry of a Bundle, which differ only in where the parts
//! of a request stand.

use concord_fhir::issue::{Issue, IssueCode};
use concord_fhir::json::Value;
use concord_fhir::patch::Patch;
use concord_fhir::predicate::Predicate;
use concord_fhir::registry::{Registry, ResourceType};
use concord_fhir::search::{self, Handling, Query};

use crate::error::ApiError;
use crate::interact::command::{Address, Command, Method, Precondition, Target, Unless, query_parameters};
use crate::interact::history::{Of, Range};
use crate::interact::operation;
use crate::interact::operation::{Input, Operation};
use crate::interact::search::{conditional, parameters};
use crate::interact::{FORM, Pairs, Service};

/// A request without its content.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// How.
    pub(crate) method: Method,
    /// Where.
    pub(crate) address: Address,
    /// The parameters of the address, and those of a form.
    pub(crate) parameters: Pairs,
    /// What becomes of parameters that are not known.
    pub(crate) handling: Handling,
    /// `If-Match`
    pub(crate) if_match: Option<String>,
    /// `If-None-Match`
    pub(crate) if_none_match: Option<String>,
    /// `If-Modified-Since`
    pub(crate) if_modified_since: Option<String>,
    /// `If-None-Exist`
    pub(crate) if_none_exist: Option<String>,
}

/// What the content of a request has to be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Expected {
    /// There is none; what comes all the same is not looked at.
    Nothing,
    /// A resource of this type.
    Resource(ResourceType),
    /// A patch.
    Patch,
    /// What goes into an operation: nothing, Parameters or a resource.
    Input(&'static Operation),
    /// Parameters of a search.
    Form,
    /// A Bundle of requests.
    Bundle,
}

/// The content of a request, read and checked.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    /// None.
    Nothing,
    /// A resource.
    Resource(Value<'static>),
    /// A patch.
    Patch(Patch),
    /// What is wrong with the resource, for an operation that takes such.
    Invalid(Vec<Issue>),
}

/// What is searched for: the query of a search, or the condition of a conditional interaction.
#[derive(Clone, Debug)]
pub(crate) struct Criteria(Option<Box<Query>>);

impl Criteria {
    /// Whether it would be read the same whatever search parameters have been added.
    pub(crate) fn is_settled(&self) -> bool {
        self.0.as_deref().is_none_or(parameters::is_settled)
    }
}

impl Request {
    /// What its content has to be.
    ///
    /// # Errors
    /// When nothing of the kind can be asked for.
    pub(crate) fn expected(&self) -> Result<Expected, ApiError> {
        self.address.permits(self.method)?;
        Ok(match (self.method, &self.address) {
            (Method::Post, Address::System) => Expected::Bundle,
            (Method::Post, Address::SystemSearch | Address::TypeSearch(_) | Address::CompartmentSearch(..)) => {
                Expected::Form
            }
            (Method::Post, Address::Type(named))
            | (Method::Put, Address::Type(named) | Address::Instance(named, _)) => Expected::Resource(*named),
            (Method::Patch, _) => Expected::Patch,
            (method, Address::Operation(target, name)) => {
                Expected::Input(operation::called(name, target, method == Method::Get)?)
            }
            _ => Expected::Nothing,
        })
    }

    /// Whether it searches by what its address says.
    fn searches(&self) -> bool {
        match &self.address {
            Address::System | Address::Type(_) | Address::Compartment(..) => self.method == Method::Get,
            Address::SystemSearch | Address::TypeSearch(_) | Address::CompartmentSearch(..) => {
                self.method == Method::Post
            }
            _ => false,
        }
    }

    /// What is searched for, as far as these search parameters go.
    ///
    /// # Errors
    /// [`ApiError::Malformed`] with everything that is wrong with it. A condition must say which resource is meant: one that
    /// is empty or not understood is refused.
    pub(crate) fn criteria(&self, service: &Service, registry: &Registry) -> Result<Criteria, ApiError> {
        let now = service.store.now_ms();
        let parse = |within: Option<ResourceType>, pairs: &[(String, String)], handling: Handling| {
            search::parse_with(registry, within, pairs, handling, now, &service.base).map_err(ApiError::Malformed)
        };
        let condition = |named: ResourceType, pairs: &[(String, String)]| {
            let query = parse(Some(named), pairs, Handling::Strict)?;
            if query.predicate == Predicate::All {
                let text = "the condition names no search parameter";
                return Err(ApiError::Malformed(vec![Issue::plain(IssueCode::Value, text)]));
            }
            Ok(Criteria(Some(Box::new(query))))
        };
        match (self.method, &self.address, &self.if_none_exist) {
            (Method::Post, Address::Type(named), Some(text)) => {
                if let Some((name, _)) = self.condition_in_address().first() {
                    return Err(ApiError::parameter(name, "the condition is in If-None-Exist already"));
                }
                let text = conditional::criteria(&service.base, *named, text);
                condition(*named, &query_parameters(text.as_bytes(), &[])?)
            }
            // Some libraries put the condition of a create into the address. Left out, there would be another copy each time.
            (Method::Post, Address::Type(named), None) if !self.condition_in_address().is_empty() => {
                condition(*named, &self.condition_in_address())
            }
            (Method::Put | Method::Patch | Method::Delete, Address::Type(named), _) => {
                condition(*named, &self.without(&FORM))
            }
            _ if self.searches() => {
                let asked = self.without(&["_format", "_pretty"]);
                let mut query = parse(self.address.resource_type(), &asked, self.handling)?;
                if let Address::Compartment(id, _) | Address::CompartmentSearch(id, _) = &self.address {
                    query = query.in_compartment(id).map_err(|issue| ApiError::Malformed(vec![issue]))?;
                }
                Ok(Criteria(Some(Box::new(query.counted()))))
            }
            _ => Ok(Criteria(None)),
        }
    }

    /// The command, with the search parameters that there are, on whichever node they were added.
    ///
    /// # Errors
    /// Everything that is wrong with the request.
    pub(crate) async fn command(self, service: &Service, content: Content) -> Result<Command, ApiError> {
        let criteria = match self.criteria(service, &service.store.registry()) {
            Ok(criteria) if criteria.is_settled() => criteria,
            _ => self.criteria(service, &*Box::pin(service.store.newest_registry()).await?)?,
        };
        self.command_for(service, criteria, content)
    }

    /// The command, with its criteria.
    ///
    /// # Errors
    /// Everything else that is wrong with the request.
    pub(crate) fn command_for(
        self,
        service: &Service,
        criteria: Criteria,
        content: Content,
    ) -> Result<Command, ApiError> {
        let Criteria(query) = criteria;
        let asked_for = |query: Option<Box<Query>>| query.ok_or_else(|| ApiError::Internal("no criteria".to_owned()));
        Ok(match (self.method, &self.address) {
            (Method::Get, Address::Metadata) => Command::Capabilities,
            (Method::Get, Address::Instance(named, id)) => {
                Command::Read { resource_type: *named, id: id.clone(), unless: self.unless() }
            }
            (Method::Get, Address::Version(named, id, version)) => {
                let unless = self.unless();
                Command::Vread { resource_type: *named, id: id.clone(), version: *version, unless }
            }
            (Method::Get, Address::InstanceHistory(named, id)) => {
                self.history(service, Of::Instance(*named, id.clone()))?
            }
            (Method::Get, Address::TypeHistory(named)) => self.history(service, Of::Type(*named))?,
            (Method::Get, Address::SystemHistory) => self.history(service, Of::System)?,
            (Method::Post, Address::Type(named)) => {
                let resource = content.resource(*named)?;
                Command::Create { resource_type: *named, resource, condition: query, id: None }
            }
            (Method::Put, Address::Instance(named, _) | Address::Type(named)) => {
                let resource = content.resource(*named)?;
                self.refuse_other_id(&resource)?;
                let precondition = self.precondition()?;
                let target = self.target(query)?;
                Command::Update { resource_type: *named, target, resource, precondition, id: None }
            }
            (Method::Patch, Address::Instance(named, _) | Address::Type(named)) => {
                let (patch, precondition) = (content.patch()?, self.precondition()?);
                Command::Patch { resource_type: *named, target: self.target(query)?, patch, precondition }
            }
            (Method::Delete, Address::Instance(named, _) | Address::Type(named)) => {
                let precondition = self.precondition()?;
                Command::Delete { resource_type: *named, target: self.target(query)?, precondition }
            }
            (method, Address::Operation(target, name)) => {
                let operation = operation::called(name, target, method == Method::Get)?;
                let input = self.input(operation, content)?;
                let path = target.path(operation.name);
                Command::Operation { operation, target: target.clone(), input: Box::new(input), path }
            }
            _ if self.searches() => Command::Search { query: asked_for(query)?, path: self.address.searched() },
            _ => {
                let text = "this is not an interaction of its own".to_owned();
                return Err(ApiError::NotAllowed { text, allow: "" });
            }
        })
    }

    /// The parameters, but for those of these names.
    fn without(&self, names: &[&str]) -> Pairs {
        self.parameters.iter().filter(|(name, _)| !names.contains(&name.as_str())).cloned().collect()
    }

    /// What the address of a create says besides the form of the answer. The name of the file that content was in is no
    /// condition; nothing keeps it.
    fn condition_in_address(&self) -> Pairs {
        self.without(&FORM).into_iter().filter(|(name, _)| name != FILE_NAME).collect()
    }

    fn history(&self, service: &Service, of: Of) -> Result<Command, ApiError> {
        let range = Range::read(&self.parameters, service.settings.page)?;
        Ok(Command::History { of, range, asked: self.parameters.clone() })
    }

    /// Refuses a resource whose id is another than the one in the address, or that has none.
    fn refuse_other_id(&self, resource: &Value<'_>) -> Result<(), ApiError> {
        let Address::Instance(named, id) = &self.address else { return Ok(()) };
        let text = match resource.text("id") {
            Some(own) if own == id => return Ok(()),
            Some(_) => "the id in the body must be the one in the address",
            None => "the body has no id; it must be the one in the address",
        };
        Err(ApiError::Malformed(vec![Issue::error(IssueCode::Value, format!("{named}.id"), text)]))
    }

    fn target(&self, query: Option<Box<Query>>) -> Result<Target, ApiError> {
        match (&self.address, query) {
            (Address::Instance(_, id), _) => Ok(Target::Id(id.clone())),
            (_, Some(query)) => Ok(Target::Match(query)),
            _ => Err(ApiError::Internal("no criteria".to_owned())),
        }
    }

    fn unless(&self) -> Option<Unless> {
        Unless::read(self.if_none_match.as_deref(), self.if_modified_since.as_deref())
    }

    /// What `If-Match` or `If-None-Match` demands of the version that a write replaces.
    fn precondition(&self) -> Result<Option<Precondition>, ApiError> {
        Precondition::read(self.if_match.as_deref(), self.if_none_match.as_deref())
            .map_err(|(name, text)| ApiError::parameter(name, text))
    }

    fn input(&self, operation: &Operation, content: Content) -> Result<Input, ApiError> {
        let mut input = Input { pairs: self.without(&FORM), ..Input::default() };
        match content {
            Content::Resource(resource) => input = input.with_body(resource, operation, self.address.resource_type()),
            Content::Invalid(problems) => input.problems = problems,
            Content::Nothing | Content::Patch(_) => {}
        }
        input.check(operation)?;
        Ok(input)
    }
}

/// Where libraries say the name of the file that content was in.
const FILE_NAME: &str = "_filename";

impl Content {
    /// The resource, which must be of the type that the address names.
    fn resource(self, named: ResourceType) -> Result<Value<'static>, ApiError> {
        match self {
            Content::Resource(value) => match value.text("resourceType") {
                Some(found) if found == named.name() => Ok(value),
                found => Err(ApiError::Malformed(vec![Issue::error(
                    IssueCode::Invalid,
                    "resourceType",
                    format!("the body is of the type {}, but the address is of {named}", found.unwrap_or_default()),
                )])),
            },
            _ => Err(ApiError::Internal("a write without its resource".to_owned())),
        }
    }

    fn patch(self) -> Result<Patch, ApiError> {
        match self {
            Content::Patch(patch) => Ok(patch),
            _ => Err(ApiError::Internal("a patch without its content".to_owned())),
        }
    }
}
