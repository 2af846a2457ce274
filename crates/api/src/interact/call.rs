//! One call: who, what for and why.

use std::collections::HashMap;
use std::sync::Arc;

use concord_consent::purpose::Purpose;
use concord_consent::request::{Action, Request};
use concord_fhir::json::Value;
use concord_fhir::registry::ResourceType;
use concord_store::rows::StoredVersion;

use crate::caller::KnownCaller;
use crate::interact::Questions;

/// The client of a call at the command line.
const OPERATOR: &str = "concord";

/// One call: who, what for, and the id by which logs and audit tell of it.
#[derive(Clone, Debug)]
pub struct Call {
    /// The verified caller, by whose rights decisions are remembered.
    pub caller: Arc<KnownCaller>,
    /// The purpose asked for, if any was.
    pub purpose: Option<Purpose>,
    /// Why, in the caller's own words, where that was said.
    pub reason: Option<String>,
    /// The request id.
    pub request_id: String,
    /// References (`Type/id`) to resources that the same transaction is about to store.
    pub together: Vec<String>,
    /// References (`Type/id`) by the ids that entries of the same Bundle have in their content and do not get, with the places of
    /// the entries: what is created gets an id of the server's.
    pub left_ids: Arc<HashMap<String, usize>>,
    /// What the client says itself of where that is from which it writes (`X-Provenance`), checked.
    pub provenance: Option<Arc<Value<'static>>>,
    /// What has been asked of a terminology server elsewhere for it.
    pub questions: Questions,
    /// The call that the person would make for whom a system asks: it is shown nothing that this one is not shown.
    pub on_behalf_of: Option<Arc<Call>>,
    /// That this call is made by nobody: somebody asks what it would be answered.
    pub asked_about: Option<Arc<AskedAbout>>,
}

/// Somebody whom a caller asks about.
#[derive(Clone, Debug, Default)]
pub struct AskedAbout {
    /// What is stored of them, as far as the caller may know of it: whom a hidden resource is about, or that it is there, is told by
    /// what they would be let to see.
    pub own: Option<StoredVersion>,
}

impl Call {
    /// A call of which nothing else is said.
    pub(crate) fn of(caller: Arc<KnownCaller>, request_id: &str) -> Call {
        Call {
            caller,
            purpose: None,
            reason: None,
            request_id: request_id.to_owned(),
            together: Vec::new(),
            left_ids: Arc::default(),
            provenance: None,
            questions: Questions::default(),
            on_behalf_of: None,
            asked_about: None,
        }
    }

    /// The call of an import at the command line.
    pub(crate) fn import() -> Call {
        Call::operator("concord import")
    }

    /// The call of a reindexing at the command line or in the background.
    pub(crate) fn reindex() -> Call {
        Call::operator("concord reindex")
    }

    /// The call of an export at the command line.
    pub(crate) fn export() -> Call {
        Call::operator("concord export")
    }

    /// A system with every right: whoever has the database has them all.
    fn operator(subject: &str) -> Call {
        use concord_consent::caller::{Actor, Caller, Credentials};
        use concord_consent::scope::Scopes;
        let caller = Caller {
            actor: Actor::System,
            subject: subject.to_owned(),
            issuer: String::new(),
            client: OPERATOR.to_owned(),
            scopes: Scopes::parse("system/*.cruds"),
            patient: None,
            credentials: Credentials::default(),
        };
        let request_id = uuid::Uuid::new_v4().to_string();
        Call { questions: Questions::none(), ..Call::of(Arc::new(caller.into()), &request_id) }
    }

    /// Whether it is one of those at the command line: every token has an issuer.
    pub(crate) fn is_operator(&self) -> bool {
        self.caller.issuer.is_empty() && self.caller.client == OPERATOR
    }

    /// What a decision about this call is asked.
    pub(crate) fn request(&self, action: Action, resource_type: Option<ResourceType>) -> Request<'_> {
        Request { caller: &self.caller, action, resource_type, purpose: self.purpose, reason: self.reason.as_deref() }
    }

    /// The same call with a resource (`Type/id`) that it is about to store besides.
    pub(crate) fn together_with(&self, reference: &str) -> Call {
        let mut call = self.clone();
        call.together.push(reference.to_owned());
        call
    }

    /// Whether the same transaction is about to store it.
    pub(crate) fn stores_together(&self, resource_type: ResourceType, id: &str) -> bool {
        self.together.iter().any(|other| other.split_once('/') == Some((resource_type.name(), id)))
    }

    /// The purpose to log: the one asked for, else the usual one of such a caller.
    pub(crate) fn purpose_code(&self) -> &'static str {
        use concord_consent::caller::Actor;
        match (&self.purpose, &self.caller.actor) {
            (Some(purpose), _) => purpose.code(),
            (None, Actor::Patient(_)) => Purpose::PATIENT_REQUEST.code(),
            (None, Actor::RelatedPerson(_)) => Purpose::FAMILY_REQUEST.code(),
            (None, Actor::Practitioner(_) | Actor::PractitionerRole(_)) => Purpose::TREATMENT.code(),
            (None, Actor::System) => "",
        }
    }
}
