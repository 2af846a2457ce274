//! What can be asked for: one [`Command`], made by one reader from a request or from an entry of a Bundle, and carried
//! out by one function ([`super::execute`]).

mod address;
mod precondition;
mod request;

use concord_consent::caller::Actor;
use concord_fhir::json::Value;
use concord_fhir::patch::Patch;
use concord_fhir::predicate::{Predicate, Test};
use concord_fhir::registry::{ResourceType, is_own_record};
use concord_fhir::search::{Query, Total};
use concord_store::Extent;

#[cfg(test)]
pub(crate) use address::every_shape;
pub(crate) use address::{Address, Method, Route, Shape, allowed, query_parameters};
pub(crate) use precondition::{Precondition, Unless};
pub(crate) use request::{Content, Criteria, Expected, Request};

use crate::interact::audit::Interaction;
use crate::interact::audit::entry::AuditEntry;
use crate::interact::history::{Of, Range};
use crate::interact::operation::{Input, Operation, OperationTarget, has_bytes};
use crate::interact::search::conditional;
use crate::interact::{Call, Pairs, is_event};

/// Which resource a write is for.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// The one of this logical id.
    Id(String),
    /// The only one that matches.
    Match(Box<Query>),
}

/// What a request or an entry of a Bundle asks for (R4 "RESTful API").
#[derive(Clone, Debug)]
pub(crate) enum Command {
    /// What the server can do.
    Capabilities,
    /// The current version of a resource.
    Read { resource_type: ResourceType, id: String, unless: Option<Unless> },
    /// One version of a resource.
    Vread { resource_type: ResourceType, id: String, version: i64, unless: Option<Unless> },
    /// Which versions; `asked` are the parameters, for the links of the answer.
    History { of: Of, range: Range, asked: Pairs },
    /// What is searched, and its path below the base.
    Search { query: Box<Query>, path: String },
    /// A new resource under an id of the server's: `id`, where it has been announced already. With a condition, only if
    /// nothing matches it.
    Create { resource_type: ResourceType, resource: Value<'static>, condition: Option<Box<Query>>, id: Option<String> },
    /// A new version, or the first one; `id` is that of a new resource, where it has been announced already.
    Update {
        resource_type: ResourceType,
        target: Target,
        resource: Value<'static>,
        precondition: Option<Precondition>,
        id: Option<String>,
    },
    /// A change of parts.
    Patch { resource_type: ResourceType, target: Target, patch: Patch, precondition: Option<Precondition> },
    /// A deletion.
    Delete { resource_type: ResourceType, target: Target, precondition: Option<Precondition> },
    /// An operation, called at a path below the base.
    Operation { operation: &'static Operation, target: OperationTarget, input: Box<Input>, path: String },
}

/// What kind of transaction a command needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TransactionKind {
    /// Mostly the current version of one resource, and nothing else.
    Head(ResourceType, String),
    /// Records, and never the audit log.
    Records,
    /// A snapshot of everything.
    Everything,
    /// It writes.
    Change,
}

impl TransactionKind {
    /// What kind of transaction two of them need together.
    pub(crate) fn and(self, other: TransactionKind) -> TransactionKind {
        match (self, other) {
            (TransactionKind::Change, _) | (_, TransactionKind::Change) => TransactionKind::Change,
            (TransactionKind::Everything, _) | (_, TransactionKind::Everything) => TransactionKind::Everything,
            (
                TransactionKind::Records | TransactionKind::Head(..),
                TransactionKind::Records | TransactionKind::Head(..),
            ) => TransactionKind::Records,
        }
    }
}

/// How many bytes a resource has, about, that is made ready to be stored before it has the only writer.
const LARGE: usize = 128 * 1024;

impl Command {
    /// Whether it reads one resource by its name, which may be large.
    pub(crate) fn reads_one(&self) -> bool {
        matches!(self, Command::Read { .. } | Command::Vread { .. })
    }

    /// The start of its audit entry.
    pub(crate) fn audit(&self, call: &Call) -> AuditEntry {
        let begin = |interaction, resource_type| AuditEntry::begin(call, interaction, resource_type);
        let mut entry = match self {
            Command::Capabilities => begin(Interaction::Read, None),
            Command::Read { resource_type, .. } => begin(Interaction::Read, Some(*resource_type)),
            Command::Vread { resource_type, version, .. } => {
                begin(Interaction::Vread, Some(*resource_type)).of_version(*version)
            }
            Command::History { of, .. } => begin(of.interaction(), of.resource_type()),
            Command::Search { query, .. } => {
                begin(Interaction::Search, query.resource_type).asking(conditional::criteria_text(query))
            }
            Command::Create { resource_type, .. } => begin(Interaction::Create, Some(*resource_type)),
            Command::Update { resource_type, .. } => begin(Interaction::Update, Some(*resource_type)),
            Command::Patch { resource_type, .. } => begin(Interaction::Patch, Some(*resource_type)),
            Command::Delete { resource_type, target: Target::Match(query), .. } => {
                begin(Interaction::Delete, Some(*resource_type)).asking(conditional::criteria_text(query))
            }
            Command::Delete { resource_type, .. } => begin(Interaction::Delete, Some(*resource_type)),
            Command::Operation { operation, target, input, .. } => {
                begin(Interaction::Operation, target.resource_type).asking(operation.asked(input))
            }
        };
        if let Some(id) = self.id() {
            entry.about(id);
        }
        entry
    }

    /// The logical id that it names, where it is about one resource.
    fn id(&self) -> Option<&str> {
        match self {
            Command::Read { id, .. } | Command::Vread { id, .. } | Command::History { of: Of::Instance(_, id), .. } => {
                Some(id)
            }
            Command::Update { target: Target::Id(id), .. }
            | Command::Patch { target: Target::Id(id), .. }
            | Command::Delete { target: Target::Id(id), .. } => Some(id),
            Command::Operation { target, .. } => target.id.as_deref(),
            _ => None,
        }
    }

    /// What kind of transaction it needs.
    pub(crate) fn transaction_kind(&self) -> TransactionKind {
        match self {
            Command::Read { resource_type, .. } | Command::Vread { resource_type, .. } if is_event(*resource_type) => {
                TransactionKind::Everything
            }
            Command::Read { resource_type, id, .. } | Command::Vread { resource_type, id, .. } => {
                TransactionKind::Head(*resource_type, id.clone())
            }
            Command::Capabilities => TransactionKind::Records,
            // Nothing but a search of the log itself looks at it: no include and no chain leads there.
            Command::Search { query, .. } if !query.resource_type.is_some_and(is_event) => TransactionKind::Records,
            Command::Search { .. } | Command::History { .. } => TransactionKind::Everything,
            Command::Operation { operation, target, .. } if !operation.conduct.changes => {
                // An event is read from the log, whatever is asked of it.
                match operation.conduct.reads_log || target.resource_type.is_some_and(is_event) {
                    true => TransactionKind::Everything,
                    false => TransactionKind::Records,
                }
            }
            _ => TransactionKind::Change,
        }
    }

    /// When it is carried out in a transaction: deletes, then creates, updates and reads (R4 "RESTful API", transaction).
    /// Whose record there is comes before what is filed in it by a number.
    pub(crate) fn rank(&self) -> u8 {
        match self {
            Command::Delete { target: Target::Id(_), .. } => 0,
            Command::Delete { .. } => 1,
            Command::Create { resource_type, .. } | Command::Update { resource_type, .. }
                if is_own_record(*resource_type) =>
            {
                2
            }
            Command::Create { .. } => 3,
            Command::Operation { operation, .. } if operation.conduct.changes => 3,
            Command::Update { target: Target::Id(_), .. } | Command::Patch { target: Target::Id(_), .. } => 4,
            Command::Update { .. } | Command::Patch { .. } => 5,
            _ => 6,
        }
    }

    /// Leaves nothing of a search but what is in that record, or nothing at all.
    pub(crate) fn narrow_to(&mut self, record: Option<String>) {
        if let Command::Search { query, .. } = self {
            let bound = record.map_or(Predicate::None, Predicate::PatientCompartment);
            query.predicate = std::mem::replace(&mut query.predicate, Predicate::None).and(bound);
        }
    }

    /// Whether it changes parts of something.
    pub(crate) fn is_patch(&self) -> bool {
        matches!(self, Command::Patch { .. })
    }

    /// Whether it takes something away.
    pub(crate) fn removes(&self) -> bool {
        matches!(self, Command::Delete { .. })
    }

    /// The condition on which something is created or changed.
    pub(crate) fn condition(&self) -> Option<&Query> {
        match self {
            Command::Create { condition, .. } => condition.as_deref(),
            Command::Update { target: Target::Match(query), .. }
            | Command::Patch { target: Target::Match(query), .. } => Some(query),
            _ => None,
        }
    }

    /// The condition that decides what it writes to, or whether.
    pub(crate) fn decided_by(&self) -> Option<&Query> {
        match self {
            Command::Delete { target: Target::Match(query), .. } => Some(query),
            other => other.condition(),
        }
    }

    /// Whether what its condition matches can be found before the write: the log goes on meanwhile, and nobody could tell.
    pub(crate) fn is_foreseeable(&self) -> bool {
        !self.resource_type().is_some_and(is_event)
    }

    /// Whether it answers with what it gathers. What a write looks for beside is nothing of its answer.
    pub(crate) fn gathers(&self) -> bool {
        match self {
            Command::Search { .. } | Command::History { .. } => true,
            Command::Operation { operation, .. } => !operation.conduct.changes,
            _ => false,
        }
    }

    /// What it may take the database to find what is asked for.
    pub(crate) fn extent(&self, call: &Call) -> Extent {
        match self {
            // Words are read from the resources themselves.
            Command::Search { query, .. } if !query.full_text.is_empty() => Extent::Much,
            // What is computed is no work of the database, which would be stopped after a while.
            Command::Operation { operation, input, .. }
                if !operation.conduct.changes && (operation.computes() || input.names_many() || input.is_large()) =>
            {
                Extent::Much
            }
            other if other.is_costly(call) => Extent::Unknown,
            _ => Extent::Little,
        }
    }

    /// Whether the caller decides what it costs the database to find what is asked for.
    fn is_costly(&self, call: &Call) -> bool {
        let open = |query: &Query| is_costly(query, call);
        match self {
            Command::Capabilities | Command::Read { .. } | Command::Vread { .. } => false,
            Command::History { of, .. } => !matches!(of, Of::Instance(..)),
            Command::Search { query, .. } => open(query),
            Command::Operation { operation, .. } => !operation.conduct.changes,
            other => other.decided_by().is_some_and(open),
        }
    }

    /// The type and id of what is changed or taken away, if it is known beforehand.
    pub(crate) fn changed(&self) -> Option<(ResourceType, &str)> {
        match self {
            Command::Update { resource_type, target: Target::Id(id), .. }
            | Command::Patch { resource_type, target: Target::Id(id), .. }
            | Command::Delete { resource_type, target: Target::Id(id), .. } => Some((*resource_type, id)),
            _ => None,
        }
    }

    /// The resource that it would store.
    pub(crate) fn resource(&self) -> Option<&Value<'static>> {
        match self {
            Command::Create { resource, .. } | Command::Update { resource, .. } => Some(resource),
            _ => None,
        }
    }

    /// Whether others can refer to what it leads to by a name that the client gives it.
    pub(crate) fn is_named(&self) -> bool {
        matches!(self, Command::Create { .. } | Command::Update { .. } | Command::Patch { .. })
    }

    /// Whether nobody knows beforehand under which id it stores.
    pub(crate) fn names_anew(&self) -> bool {
        matches!(self, Command::Create { .. } | Command::Update { target: Target::Match(_), .. })
    }

    /// Whether it would store so much that this takes long whatever the database takes.
    pub(crate) fn is_large(&self) -> bool {
        self.resource().is_some_and(|resource| has_bytes(resource, LARGE))
    }

    /// The resource that it would store, to be changed before it is.
    pub(crate) fn resource_mut(&mut self) -> Option<&mut Value<'static>> {
        match self {
            Command::Create { resource, .. } | Command::Update { resource, .. } => Some(resource),
            _ => None,
        }
    }

    /// Says under which id a new resource is to be stored.
    pub(crate) fn announce(&mut self, new_id: String) {
        if let Command::Create { id, .. } | Command::Update { id, .. } = self {
            *id = Some(new_id);
        }
    }

    /// The type that it is about; none for what is about several.
    pub(crate) fn resource_type(&self) -> Option<ResourceType> {
        match self {
            Command::Read { resource_type, .. }
            | Command::Vread { resource_type, .. }
            | Command::Create { resource_type, .. }
            | Command::Update { resource_type, .. }
            | Command::Patch { resource_type, .. }
            | Command::Delete { resource_type, .. } => Some(*resource_type),
            Command::Capabilities => None,
            Command::History { of, .. } => of.resource_type(),
            Command::Search { query, .. } => query.resource_type,
            Command::Operation { target, .. } => target.resource_type,
        }
    }
}

/// The largest page that takes little.
const SMALL_PAGE: u32 = 100;

/// How many tests a search may have that takes little.
const FEW_TESTS: usize = 20;

/// Whether the caller decides what a search costs: one in a single record that follows no reference does not grow with
/// what others have stored, but its page, its count and its tests may be large.
fn is_costly(query: &Query, call: &Call) -> bool {
    let in_one_record = query.records().len() == 1 || matches!(call.caller.actor, Actor::Patient(_));
    !in_one_record
        || query.resource_type.is_none()
        || query.resource_type.is_some_and(is_event)
        || !query.include.is_empty()
        || !query.full_text.is_empty()
        || query.count.is_some_and(|count| count > SMALL_PAGE)
        || query.total == Total::Accurate
        || query.sort.len() > 1
        || tests(&query.predicate) > FEW_TESTS
        || follows(&query.predicate)
}

/// How many tests there are in it.
fn tests(predicate: &Predicate) -> usize {
    match predicate {
        Predicate::And(all) | Predicate::Or(all) => all.iter().map(tests).sum(),
        Predicate::Not(one) => tests(one),
        Predicate::Id(all) | Predicate::Entry(_, Test::OneOf(all)) => all.len(),
        _ => 1,
    }
}

/// Whether it leads through references.
fn follows(predicate: &Predicate) -> bool {
    match predicate {
        Predicate::Chain { .. } | Predicate::ReverseChain { .. } | Predicate::DependsOn { .. } => true,
        Predicate::And(all) | Predicate::Or(all) => all.iter().any(follows),
        Predicate::Not(one) => follows(one),
        _ => false,
    }
}
