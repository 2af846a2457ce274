//! What single types do besides what every type does: a row of [`table::HOOKS`], and a file for each type that has one.
//!
//! The code that serves every type names none: it asks the service for the row of the type that it has before it, and so
//! needs to know what a row is and not what stands in it. To add a rule for a type is to write its file and its row in
//! [`table`]. Rules about nothing but the resource itself are `concord_fhir::rules`.

mod audit_event;
mod binary;
mod bundle;
mod code_system;
mod communication;
mod communication_request;
mod consent;
mod deciding;
mod definitions;
mod goal;
mod identifying;
mod patient;
mod provenance;
mod questionnaire_response;
mod search_parameter;
mod structure_definition;
mod subscription;
pub(crate) mod table;
mod task;
mod value_set;

use concord_fhir::issue::Issue;
use concord_fhir::json::Value;
use concord_fhir::registry::ResourceType;
use concord_fhir::rules::Previous;
use concord_fhir::search::Query;
use concord_store::rows::Version;

use identifying::Identifying;
pub(crate) use identifying::refuse_identifying;

use crate::error::ApiError;
use crate::interact::APPEND_ONLY;
use crate::interact::access::named_before::NamedBefore;
use crate::interact::session::Session;
use crate::interact::written::Written;

/// What a type does besides what every type does; see each field for when.
#[derive(Clone, Copy)]
pub(crate) struct TypeHooks {
    /// The type.
    resource_type: ResourceType,
    /// Nobody changes or deletes it: it says what happened.
    pub(crate) is_append_only: bool,
    /// What is in it is stored as it is, references that lead nowhere among it.
    pub(crate) is_kept_as_sent: bool,
    /// Where a system that does not say so itself is the source of what it writes (`meta.source`).
    pub(crate) comes_from_systems: bool,
    /// Whose access is decided by it: from a change on, facts that are remembered about them are read anew.
    pub(crate) decides_access: Option<Decides>,
    /// What in it says who somebody is, by which a sign-in or a Consent finds them.
    identifying: &'static [Identifying],
    /// In which elements something may be named that has been deleted and that the caller could read, each as it ends, without positions:
    /// of what was, the older versions are still there.
    pub(crate) names_deleted: &'static [&'static str],
    /// What a body that is none of FHIR's is as a resource, for a type that is nothing but its content.
    pub(crate) from_content: Option<FromContent>,
    /// It is not stored as a resource but in this way.
    pub(crate) create: Option<Create>,
    /// Before a new one is decided on: whether it brings another resource along.
    pub(crate) accompany: Option<Accompany>,
    /// Before it is decided on: completes it, or refuses it.
    pub(crate) complete: Option<Complete>,
    /// In which records it is besides those that its own elements name, by the ids of the patients.
    pub(crate) records: Option<Records>,
    /// Who besides the one who wrote it may change a part of it: `refuse_change` says which.
    pub(crate) also_changed: Option<AlsoChanged>,
    /// When somebody patches it: whether they agree by that to what others wrote, and so have to say to which version.
    pub(crate) agrees: Option<Agrees>,
    /// Before another version takes its place: refuses that.
    pub(crate) refuse_change: Option<RefuseChange>,
    /// Before it is deleted: refuses that.
    pub(crate) refuse_deletion: Option<RefuseDeletion>,
    /// Before a version of it is stored, deletions among them, in the place of the one that stands before if there is one:
    /// what the client should know although it is.
    pub(crate) before_store: Option<BeforeStore>,
    /// When the content that is stored already is stored again, of which no version is made.
    pub(crate) again: Option<Again>,
    /// At the end of a transaction of several: refuses what only the whole of it shows.
    pub(crate) confirm: Option<Confirm>,
    /// After a version of it has been stored.
    pub(crate) after_store: Option<AfterStore>,
    /// After a new one has been stored.
    pub(crate) after_create: Option<AfterCreate>,
}

type FromContent = fn(RawContent<'_>) -> Value<'static>;
type Create = fn(&mut Session<'_, '_>, &Value<'static>, Option<&Query>) -> Result<Written, ApiError>;
type Accompany = fn(&mut Session<'_, '_>, &mut Value<'_>) -> Result<Option<Accompanying>, ApiError>;
type Complete = fn(&mut Session<'_, '_>, &Draft<'_>, &mut Value<'_>) -> Result<(), ApiError>;
type Records = fn(&mut Session<'_, '_>, &Value<'_>) -> Result<Vec<String>, ApiError>;
type AlsoChanged = fn(&mut Session<'_, '_>, &Version) -> Result<bool, ApiError>;
type Agrees = fn(&mut Session<'_, '_>, &Version, &Value<'_>) -> Result<bool, ApiError>;
type RefuseChange = fn(&mut Session<'_, '_>, &Version, &Value<'_>) -> Result<(), ApiError>;
type RefuseDeletion = fn(&mut Session<'_, '_>, &Version) -> Result<(), ApiError>;
type BeforeStore = fn(&mut Session<'_, '_>, Option<&Version>, &Version) -> Result<Vec<Issue>, ApiError>;
type Again = fn(&mut Session<'_, '_>, &Version) -> Result<Vec<Issue>, ApiError>;
type Confirm = fn(&mut Session<'_, '_>, &Version) -> Result<(), ApiError>;
type AfterStore = fn(&mut Session<'_, '_>, &Version) -> Result<(), ApiError>;
type AfterCreate = fn(&mut Session<'_, '_>, &Version) -> Result<(), ApiError>;

/// A body that is none of FHIR's.
pub(crate) struct RawContent<'b> {
    /// Its media type.
    pub(crate) media: &'b str,
    /// What came.
    pub(crate) bytes: &'b [u8],
    /// The logical id in the address.
    pub(crate) id: Option<&'b str>,
    /// To what it belongs (`X-Security-Context`).
    pub(crate) security_context: Option<&'b str>,
}

/// Whose access is decided by a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decides {
    /// That to the records that the resource is in.
    Records,
    /// That of everybody, to every record.
    Everything,
}

/// Where a version that is about to be decided on goes.
pub(crate) struct Draft<'a> {
    /// The type.
    pub(crate) resource_type: ResourceType,
    /// The logical id.
    pub(crate) id: &'a str,
    /// The version in whose place it comes.
    pub(crate) old: Option<&'a Version>,
    /// What stands before, for types that several parties write.
    pub(crate) previous: Option<&'a Previous<'a>>,
    /// What stands before, of every type, as far as it names something.
    pub(crate) before: &'a NamedBefore<'a>,
}

/// What is to be done before the one that brings a companion is stored.
pub(crate) type Announce = fn(&mut Session<'_, '_>, &Version) -> Result<(), ApiError>;

/// What stores a companion.
pub(crate) type StoreAccompanying = Box<dyn FnOnce(&mut Session<'_, '_>, &Version) -> Result<(), ApiError>>;

/// A resource that another one brings along: both are stored, or neither.
pub(crate) struct Accompanying {
    /// `Type/id`, by which it can be named before it is stored.
    pub(crate) reference: String,
    /// What is kept of the one that brings it, before that is stored.
    pub(crate) announce: Announce,
    /// Stores it, when the one that brings it has been stored.
    pub(crate) store: StoreAccompanying,
}

impl TypeHooks {
    /// A type that does nothing besides.
    const fn of(name: &str) -> TypeHooks {
        TypeHooks {
            resource_type: ResourceType::of(name),
            is_append_only: false,
            is_kept_as_sent: false,
            comes_from_systems: false,
            decides_access: None,
            identifying: &[],
            names_deleted: &[],
            from_content: None,
            create: None,
            accompany: None,
            complete: None,
            records: None,
            also_changed: None,
            agrees: None,
            refuse_change: None,
            refuse_deletion: None,
            before_store: None,
            again: None,
            confirm: None,
            after_store: None,
            after_create: None,
        }
    }

    /// Refuses to change what nobody changes (405).
    ///
    /// # Errors
    /// [`ApiError::NotAllowed`] for such a type.
    pub(crate) fn refuse_if_append_only(&self) -> Result<(), ApiError> {
        if !self.is_append_only {
            return Ok(());
        }
        let text = format!("{} resources are never changed or deleted", self.resource_type);
        Err(ApiError::NotAllowed { text, allow: APPEND_ONLY })
    }
}

/// The rows of the types that have one.
#[derive(Clone, Copy)]
pub(crate) struct Hooks(&'static [TypeHooks]);

/// What a type without a row does besides: nothing.
static NOTHING: TypeHooks = TypeHooks::of("Basic");

impl Hooks {
    /// What a type does besides what every type does.
    pub(crate) fn of(self, resource_type: ResourceType) -> &'static TypeHooks {
        self.0.iter().find(|row| row.resource_type == resource_type).unwrap_or(&NOTHING)
    }
}
