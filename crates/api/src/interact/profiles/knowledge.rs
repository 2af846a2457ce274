//! What a check asks that is not in the resource: codes of what is stored and of a terminology server elsewhere, and what
//! references lead to ([ADR 54](../../../../../docs/adr/0054-checks-ask-what-is-stored-and-elsewhere.md)).
//!
//! All of it goes by the caller's permit, and what is hidden is like what is not there. What R4 itself says of its codes
//! nobody changes.

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use concord_fhir::issue::{Issue, IssueCode, Severity};
use concord_fhir::json::Value;
use concord_fhir::registry::ResourceType;
use concord_fhir::rules::local_reference;
use concord_fhir::terminology::{CodingRef, Membership, Terminology};
use concord_profile::surroundings::Stored;
use concord_store::lower::Rows;
use concord_store::rows::Version;
use concord_terminology::code_system::{CodeSystem, Unusable};
use concord_terminology::elsewhere::{Question, Reply};
use concord_terminology::value_set::ValueSet;
use concord_terminology::{Kind, Library, LookUpError, Source, Tables, tables};

use super::code_lists::{CodeLists, ReadList};
use crate::error::ApiError;
use crate::interact::session::Session;
use crate::interact::{access, canonical, is_event};

/// How many answers a check remembers, and how long what they are about may be.
const REMEMBERED: usize = 5_000;
const LONGEST_REMEMBERED: usize = 500;
/// How many references of a resource may be followed into what is stored.
const MOST_REFERENCES: usize = 2_000;

/// What a check may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// The steps of all questions about codes.
    steps: usize,
    /// How many names of code systems and value sets are looked up, stored or not.
    names: usize,
    /// How many references are followed.
    references: usize,
    /// How long the text of a code system or value set may be, in bytes.
    largest: usize,
    /// Whether a terminology server elsewhere is asked.
    asks: bool,
}

impl Bounds {
    /// Where nobody else waits.
    pub(super) const ASKED: Bounds =
        Bounds { steps: 1_000_000, names: 200, references: 50, largest: usize::MAX, asks: true };

    /// Where everybody's writes may wait.
    pub(super) fn on_write(session: &Session<'_, '_>) -> Bounds {
        let asks = session.service.settings.profiles.asks_elsewhere;
        Bounds { steps: 100_000, names: 100, references: 20, largest: 1024 * 1024, asks }
    }
}

/// How the caller reads a resource.
pub(crate) type Reader = fn(&mut Session<'_, '_>, ResourceType, &str) -> Result<Version, ApiError>;

/// What there is beside the resource, for the caller of a session.
pub(super) struct Shelf<'a, 's, 't> {
    session: &'a mut Session<'s, 't>,
    bounds: Bounds,
    /// How what references lead to is read, where they are followed.
    reader: Option<Reader>,
    lists: Option<Arc<CodeLists>>,
    /// What has to be asked elsewhere first.
    pending: Vec<Question>,
    /// Why the check cannot be carried out.
    failed: Option<ApiError>,
    is_unreachable: bool,
    /// What references have led to.
    seen: Vec<Version>,
}

impl<'a, 's, 't> Shelf<'a, 's, 't> {
    pub(super) fn new(session: &'a mut Session<'s, 't>, bounds: Bounds) -> Shelf<'a, 's, 't> {
        let (pending, seen) = (Vec::new(), Vec::new());
        Shelf { session, bounds, reader: None, lists: None, pending, failed: None, is_unreachable: false, seen }
    }

    /// Where references are followed.
    pub(super) fn reading(self, reader: Reader) -> Shelf<'a, 's, 't> {
        Shelf { reader: Some(reader), ..self }
    }

    /// What there is to say besides what the check has found, and what stored resources were looked at.
    ///
    /// # Errors
    /// When something failed, or has to be asked elsewhere first: then the check is done again.
    pub(super) fn ended(self) -> Result<(Option<Issue>, Vec<Version>), ApiError> {
        if let Some(fault) = self.failed {
            return Err(fault);
        }
        if !self.pending.is_empty() {
            return Err(ApiError::AskElsewhere(self.pending));
        }
        let text = "the terminology server cannot be reached now, and what it would tell could not be checked";
        let told = self.is_unreachable.then(|| Issue::remark(Severity::Information, IssueCode::Transient, text));
        Ok((told, self.seen))
    }

    /// Whether one more thing may be looked up.
    fn may_look_up(&mut self, of: impl FnOnce(&mut Bounds) -> &mut usize) -> bool {
        let bound = of(&mut self.bounds);
        let left = bound.checked_sub(1);
        *bound = left.unwrap_or_default();
        left.is_some() && self.failed.is_none()
    }

    /// The stored code system or value set of that name, read once for all who may see it.
    fn list(&mut self, kind: Kind, name: &str) -> Result<Option<ReadList>, ApiError> {
        let lists = match &self.lists {
            Some(lists) => Arc::clone(lists),
            None => Arc::clone(self.lists.insert(CodeLists::of(self.session)?)),
        };
        let Some(resource_type) = ResourceType::parse(kind.resource_type()) else { return Ok(None) };
        // A name counts whether anything is listed under it or not: what is listed may be hidden, and would count alone.
        let is_left = self.may_look_up(|bounds| &mut bounds.names);
        if !is_left || !lists.has(kind, name) {
            return Ok(None);
        }
        let found = canonical::find_in_use(self.session, resource_type, name)?;
        match found.filter(|found| found.body.len() <= self.bounds.largest) {
            Some(found) => Ok(Some(self.session.service.code_lists.read(&found)?)),
            None => Ok(None),
        }
    }

    /// What a reference leads to, as the caller may read it.
    fn resource(&mut self, resource_type: ResourceType, id: &str) -> Option<Value<'static>> {
        let reader = self.reader?;
        // The log is not read where resources are.
        if is_event(resource_type) || !self.may_look_up(|bounds| &mut bounds.references) {
            return None;
        }
        match self.session.unlogged(|session| reader(session, resource_type, id)) {
            Ok(version) => {
                let value = version.resource().ok().map(Value::into_owned);
                self.seen.push(version);
                value
            }
            Err(ApiError::NotFound | ApiError::Gone | ApiError::Denied(_)) => None,
            Err(fault) => {
                self.failed = Some(fault);
                None
            }
        }
    }
}

impl Source for Shelf<'_, '_, '_> {
    type Error = ApiError;

    /// Checks ask for no maps, and what else there is comes read.
    fn find(&mut self, _kind: Kind, _name: &str) -> Result<Option<Value<'static>>, ApiError> {
        Ok(None)
    }

    fn value_set(&mut self, name: &str) -> Result<Option<Arc<ValueSet>>, ApiError> {
        // What R4 says is in a value set of its own stays so.
        if tables::value_set(name).is_some() {
            return Ok(None);
        }
        Ok(match self.list(Kind::ValueSet, name)? {
            Some(ReadList::ValueSet(set)) => Some(set),
            _ => None,
        })
    }

    fn code_system(&mut self, name: &str) -> Result<Option<Result<Arc<CodeSystem>, Unusable>>, ApiError> {
        if tables::code_system(name).is_some() {
            return Ok(None);
        }
        Ok(match self.list(Kind::CodeSystem, name)? {
            Some(ReadList::CodeSystem(system)) => Some(system),
            _ => None,
        })
    }

    fn ask(&mut self, question: &Question) -> Result<Reply, ApiError> {
        let server = self.session.service.terminology_server.as_ref().filter(|_| self.bounds.asks);
        let Some(server) = server else { return Ok(Reply::NotAsked) };
        let reply = match server.known(question) {
            Some(reply) => reply,
            None => {
                // The check goes on, so that all that it has to ask is asked together.
                if self.pending.len() < self.session.call.questions.left() && !self.pending.contains(question) {
                    self.pending.push(question.clone());
                }
                Reply::NotAsked
            }
        };
        self.is_unreachable |= matches!(reply, Reply::Unreachable);
        Ok(reply)
    }

    /// What a check asks of codes has bounds of its own.
    fn spend(&mut self, _steps: usize) -> Result<(), ApiError> {
        Ok(())
    }
}

/// What is asked: the code, its system, the version of that, and the value set.
type Asked = (String, Option<String>, Option<String>, String);

/// Whoever answers a check.
pub(super) struct Knowledge<'a, 's, 't, 'l> {
    library: RefCell<Library<'l, Shelf<'a, 's, 't>>>,
    known: RefCell<HashMap<Asked, Membership>>,
    /// The references of the resource, and what they lead to once somebody has asked.
    references: BTreeMap<String, OnceCell<Option<Value<'static>>>>,
    base: &'s str,
}

impl<'a, 's, 't, 'l> Knowledge<'a, 's, 't, 'l> {
    pub(super) fn over(shelf: &'l mut Shelf<'a, 's, 't>) -> Knowledge<'a, 's, 't, 'l> {
        let (steps, base) = (shelf.bounds.steps, shelf.session.service.base.as_str());
        let library = RefCell::new(Library::within(shelf, steps));
        Knowledge { library, known: RefCell::default(), references: BTreeMap::new(), base }
    }

    /// With what the references of a resource lead to.
    pub(super) fn following(mut self, resource: &Value<'_>) -> Knowledge<'a, 's, 't, 'l> {
        gather(resource, self.base, &mut self.references);
        self
    }

    fn noted<T>(&self, answer: Result<T, LookUpError<ApiError>>) -> Option<T> {
        match answer {
            Ok(told) => Some(told),
            // What is not understood or too much is not known.
            Err(LookUpError::Said(..)) => None,
            Err(LookUpError::Source(fault)) => {
                self.library.borrow_mut().source().failed.get_or_insert(fault);
                None
            }
        }
    }
}

impl Terminology for Knowledge<'_, '_, '_, '_> {
    fn member_of(&self, coding: CodingRef<'_>, value_set: &str) -> Membership {
        let told = Tables.member_of(coding, value_set);
        if told != Membership::Unknown || coding.length() + value_set.len() > LONGEST_REMEMBERED {
            return told;
        }
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let asked = (coding.code.to_owned(), owned(coding.system), owned(coding.version), value_set.to_owned());
        if let Some(known) = self.known.borrow().get(&asked) {
            return *known;
        }
        let answer = self.library.borrow_mut().is_coding_in(value_set, coding);
        let answer = self.noted(answer).unwrap_or(Membership::Unknown);
        let mut known = self.known.borrow_mut();
        if known.len() < REMEMBERED {
            known.insert(asked, answer);
        }
        answer
    }

    fn subsumes(&self, system: &str, above: &str, below: &str) -> Membership {
        let answer = self.library.borrow_mut().is_above(system, above, below);
        self.noted(answer).unwrap_or(Membership::Unknown)
    }
}

impl Stored for Knowledge<'_, '_, '_, '_> {
    fn resource<'k>(&'k self, reference: &str) -> Option<&'k Value<'k>> {
        let local = local_reference(self.base, reference)?;
        let found = self.references.get(&local)?.get_or_init(|| {
            let (name, id) = local.split_once('/')?;
            self.library.borrow_mut().source().resource(ResourceType::parse(name)?, id)
        });
        found.as_ref()
    }
}

/// The addresses here that a resource refers to.
fn gather(value: &Value<'_>, base: &str, found: &mut BTreeMap<String, OnceCell<Option<Value<'static>>>>) {
    match value {
        Value::Object(object) => {
            if let Some(local) = value.text("reference").and_then(|reference| local_reference(base, reference))
                && found.len() < MOST_REFERENCES
            {
                found.entry(local).or_default();
            }
            object.0.iter().for_each(|(_, inner)| gather(inner, base, found));
        }
        Value::Array(items) => items.iter().for_each(|inner| gather(inner, base, found)),
        _ => {}
    }
}

/// Says in the log what the answer tells of stored resources.
///
/// # Errors
/// When the store fails.
pub(super) fn disclose(session: &mut Session<'_, '_>, seen: &[Version]) -> Result<(), ApiError> {
    let versions: Vec<(Rows, &Version)> = seen.iter().map(|version| (Rows::Current, version)).collect();
    access::disclose(session, &versions, &[])
}
