//! Whom `$evaluate` is asked about: by reference, by an identifier, or an app by its `client_id`.

use std::sync::Arc;

use concord_consent::caller::{Actor, App, Caller, Credentials};
use concord_consent::facts::{Period, RoleFacts, Target};
use concord_consent::identity::{CLIENT_SYSTEM, ISSUED_CLIENT_SYSTEM};
use concord_consent::request::Action;
use concord_consent::scope::Scopes;
use concord_fhir::registry::ResourceType;
use concord_fhir::rules::local_reference;
use concord_fhir::search::{Handling, parse};
use concord_store::rows::StoredVersion;

use crate::error::ApiError;
use crate::interact::access::{facts, knowledge};
use crate::interact::call::AskedAbout;
use crate::interact::operation::Input;
use crate::interact::session::Session;
use crate::interact::{Call, Service, search};

/// Whom it may be.
const KINDS: [&str; 6] = ["Patient", "RelatedPerson", "Practitioner", "PractitionerRole", "Organization", "Device"];

/// Who is asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NamedActor {
    /// A resource of this server: its type and its logical id.
    Resource(String, String),
    /// An app, by its `client_id`.
    App {
        /// Who gives out its `client_id`; this server's own sign-in where nothing is said.
        issuer: Option<String>,
        /// Its `client_id`.
        client: String,
    },
    /// Whoever bears an identifier, which is yet to be found: `system|value`.
    Identified(String),
}

impl NamedActor {
    /// Whom the parameter `actor` names.
    ///
    /// # Errors
    /// When it names nobody.
    pub(super) fn read(service: &Service, input: &Input) -> Result<NamedActor, ApiError> {
        let by_reference = |text: &str| {
            let local = local_reference(&service.base, text)?;
            let (kind, id) = local.split_once('/')?;
            Some(NamedActor::Resource(kind.to_owned(), id.to_owned()))
        };
        let by_identifier = |text: &str| {
            let (system, value) = text.split_once('|').filter(|(_, value)| !value.is_empty())?;
            Some(match (system, value.split_once('|')) {
                (CLIENT_SYSTEM, _) => NamedActor::App { issuer: None, client: value.to_owned() },
                (ISSUED_CLIENT_SYSTEM, Some((issuer, client))) => {
                    NamedActor::App { issuer: Some(issuer.to_owned()), client: client.to_owned() }
                }
                _ => NamedActor::Identified(text.to_owned()),
            })
        };
        let logical = input.values("actor").find_map(|value| {
            // In a reference that names nobody else, or by itself.
            let identifier = value.get("identifier").unwrap_or(value);
            if value.get("reference").is_some() {
                return None;
            }
            Some(format!("{}|{}", identifier.text("system").unwrap_or_default(), identifier.text("value")?))
        });
        let text = input.text("actor").or(logical);
        let found = text.as_deref().and_then(|text| by_reference(text).or_else(|| by_identifier(text)));
        found.ok_or_else(|| {
            let text = "a reference such as RelatedPerson/123, an identifier as system|value, or an app as \
                        urn:concord:client|its client_id";
            ApiError::parameter("actor", text)
        })
    }

    /// Finds the one who bears the identifier, among those whom the asker may find.
    ///
    /// # Errors
    /// When there is none, or more than one, and when the store fails.
    pub(super) fn resolve(&mut self, session: &mut Session<'_, '_>) -> Result<(), ApiError> {
        let NamedActor::Identified(identifier) = self else { return Ok(()) };
        let pairs = [("identifier".to_owned(), identifier.clone())];
        let mut found = Vec::new();
        for resource_type in KINDS.iter().filter_map(|name| ResourceType::parse(name)) {
            if session.call.caller.scopes.that_permit(Action::Search, Some(resource_type)).next().is_none() {
                continue;
            }
            let now = session.transaction.now;
            let query = parse(Some(resource_type), &pairs, Handling::Strict, now, &session.service.base);
            for version in search::matches(session, &query.map_err(ApiError::Malformed)?, 2)? {
                found.push(NamedActor::Resource(resource_type.name().to_owned(), version.id));
            }
        }
        match (found.pop(), found.is_empty()) {
            (Some(only), true) => {
                *self = only;
                Ok(())
            }
            (None, _) => {
                Err(ApiError::parameter("actor", "nobody whom you may find has this identifier: give a reference"))
            }
            (Some(_), false) => Err(ApiError::parameter("actor", "several have this identifier: give a reference")),
        }
    }

    /// The reference to it, if it is a resource.
    pub(super) fn reference(&self) -> Option<String> {
        match self {
            NamedActor::Resource(kind, id) => Some(format!("{kind}/{id}")),
            NamedActor::App { .. } | NamedActor::Identified(_) => None,
        }
    }

    /// The call that they would make in the record of a patient, and what stands for an organization or an app.
    ///
    /// # Errors
    /// When nobody of that type asks for anything, and when the store fails.
    pub(super) fn call(
        &self,
        session: &mut Session<'_, '_>,
        patient: &str,
    ) -> Result<(Call, Option<RoleFacts>, Option<String>), ApiError> {
        let (actor, role, device, client) = match self {
            NamedActor::App { client, .. } => (Actor::Patient(patient.to_owned()), None, None, client.clone()),
            NamedActor::Resource(kind, id) => {
                let (actor, role, device) = of_resource(kind, id, patient)?;
                (actor, role, device, String::new())
            }
            NamedActor::Identified(_) => return Err(ApiError::Internal("an actor that was not resolved".to_owned())),
        };
        let base = session.service.base.as_str();
        let is_app = device.is_some() || matches!(self, NamedActor::App { .. });
        let issuer = match self {
            NamedActor::App { issuer: Some(issuer), .. } => issuer.as_str(),
            NamedActor::App { issuer: None, .. } => base.strip_suffix("/fhir").unwrap_or(base),
            _ => "",
        };
        let caller = Caller {
            actor,
            subject: String::new(),
            issuer: issuer.to_owned(),
            client,
            scopes: Scopes::parse("user/*.cruds patient/*.cruds"),
            patient: Some(patient.to_owned()),
            credentials: Credentials { app: if is_app { App::ThirdParty } else { App::Own }, ..Credentials::default() },
        };
        let own = known(session, &caller.actor)?;
        let (caller, asked_about) = (Arc::new(caller.into()), Some(Arc::new(AskedAbout { own })));
        Ok((Call { caller, purpose: None, reason: None, asked_about, ..session.call.clone() }, role, device))
    }
}

/// What is stored of whom is asked about, deleted or not, as far as the asker may know of it. Of themselves it is what the token names.
pub(super) fn known(session: &mut Session<'_, '_>, actor: &Actor) -> Result<Option<StoredVersion>, ApiError> {
    if *actor == session.call.caller.actor {
        return facts::own(session);
    }
    match actor.resource() {
        Some((resource_type, id)) => Ok(knowledge::known(session, resource_type, id)?.map(|head| head.version)),
        None => Ok(None),
    }
}

/// As whom a resource acts.
fn of_resource(kind: &str, id: &str, patient: &str) -> Result<(Actor, Option<RoleFacts>, Option<String>), ApiError> {
    let (own, name) = (id.to_owned(), format!("{kind}/{id}"));
    Ok(match kind {
        "Patient" => (Actor::Patient(own), None, None),
        "RelatedPerson" => (Actor::RelatedPerson(own), None, None),
        "Practitioner" => (Actor::Practitioner(own), None, None),
        "PractitionerRole" => (Actor::PractitionerRole(own), None, None),
        "Organization" => {
            // Somebody who works there and is nobody else.
            let role = RoleFacts {
                id: String::new(),
                practitioner: None,
                organization: Some(Target::Local(name)),
                active: true,
                period: Period::Always,
            };
            (Actor::PractitionerRole(String::new()), Some(role), None)
        }
        "Device" => (Actor::Patient(patient.to_owned()), None, Some(name)),
        _ => return Err(ApiError::parameter("actor", format!("one of {}", KINDS.join(", ")))),
    })
}
