//! The value sets, code systems and concept maps that a caller may find: what is stored and visible, R4's own tables, and
//! what a server elsewhere tells. What is hidden is as if it were not there.

use std::sync::Arc;

use concord_fhir::issue::{Issue, IssueCode};
use concord_fhir::json::Value;
use concord_fhir::registry::ResourceType;
use concord_store::rows::Version;
use concord_terminology::code_system::{CodeSystem, Unusable};
use concord_terminology::elsewhere::{Question, Reply};
use concord_terminology::value_set::ValueSet;
use concord_terminology::{Kind, LookUpError, Source, tables};

use crate::error::ApiError;
use crate::interact::canonical::{self, Whose};
use crate::interact::profiles::{ReadList, STEPS_OF_CODE};
use crate::interact::session::Session;

/// What the caller of a session may find.
pub(crate) struct VisibleTerminology<'a, 's, 't> {
    pub(crate) session: &'a mut Session<'s, 't>,
    whose: Whose,
}

impl<'a, 's, 't> VisibleTerminology<'a, 's, 't> {
    /// For an operation, whose caller names what is asked about: it may be what anybody gave, where nobody else has the name.
    pub(crate) fn asked(session: &'a mut Session<'s, 't>) -> VisibleTerminology<'a, 's, 't> {
        VisibleTerminology { session, whose: Whose::Anybody }
    }

    /// For a search, which finds by what registered systems gave alone.
    pub(crate) fn searched(session: &'a mut Session<'s, 't>) -> VisibleTerminology<'a, 's, 't> {
        VisibleTerminology { session, whose: Whose::Registered }
    }

    /// What is stored under a name. R4's own of it nobody replaces: another version may stand beside it, and where R4 did not
    /// define the codes itself, be meant where none is named.
    fn stored(&mut self, kind: Kind, name: &str) -> Result<Option<Version>, ApiError> {
        let Some(resource_type) = ResourceType::parse(kind.resource_type()) else { return Ok(None) };
        if !is_of_r4(kind, name) {
            return canonical::find_version(self.session, resource_type, name, self.whose);
        }
        if name.contains('|') || name.starts_with(OF_R4) {
            return Ok(None);
        }
        let Some(found) = canonical::find_version(self.session, resource_type, name, Whose::Registered)? else {
            return Ok(None);
        };
        let is_same = match found.resource()?.text("version") {
            Some(version) => is_of_r4(kind, &format!("{name}|{version}")),
            None => false,
        };
        Ok(Some(found).filter(|_| !is_same))
    }

    /// What is read once, however often it is asked about.
    fn read(&mut self, kind: Kind, name: &str) -> Result<Option<ReadList>, ApiError> {
        match self.stored(kind, name)? {
            Some(found) => Ok(Some(self.session.service.code_lists.read(&found)?)),
            None => Ok(None),
        }
    }
}

/// How the urls begin of what R4 itself defines.
const OF_R4: &str = "http://hl7.org/fhir/";

/// Whether R4 comes with one of that name.
fn is_of_r4(kind: Kind, name: &str) -> bool {
    match kind {
        Kind::CodeSystem => tables::code_system(name).is_some(),
        Kind::ValueSet => tables::value_set(name).is_some(),
        Kind::ConceptMap => tables::concept_map(name).is_some(),
    }
}

impl Source for VisibleTerminology<'_, '_, '_> {
    type Error = ApiError;

    fn find(&mut self, kind: Kind, name: &str) -> Result<Option<Value<'static>>, ApiError> {
        match self.stored(kind, name)? {
            Some(found) => Ok(Some(found.resource()?.into_owned())),
            None => Ok(None),
        }
    }

    fn value_set(&mut self, name: &str) -> Result<Option<Arc<ValueSet>>, ApiError> {
        Ok(match self.read(Kind::ValueSet, name)? {
            Some(ReadList::ValueSet(set)) => Some(set),
            _ => None,
        })
    }

    fn code_system(&mut self, name: &str) -> Result<Option<Result<Arc<CodeSystem>, Unusable>>, ApiError> {
        Ok(match self.read(Kind::CodeSystem, name)? {
            Some(ReadList::CodeSystem(system)) => Some(system),
            _ => None,
        })
    }

    fn concept_maps(&mut self, system: &str, reverse: bool) -> Result<Vec<Value<'static>>, ApiError> {
        let found = canonical::of_code_system(self.session, system, reverse)?;
        found.iter().map(|version| Ok(version.resource()?.into_owned())).collect()
    }

    /// Nobody waits for a server elsewhere inside a transaction: what it has not said yet ends the transaction, and is asked
    /// for before the next.
    fn ask(&mut self, question: &Question) -> Result<Reply, ApiError> {
        match &self.session.service.terminology_server {
            None => Ok(Reply::NotAsked),
            Some(server) => server.known(question).ok_or_else(|| ApiError::AskElsewhere(vec![question.clone()])),
        }
    }

    fn spend(&mut self, steps: usize) -> Result<(), ApiError> {
        let steps = u64::try_from(steps).unwrap_or(u64::MAX).saturating_mul(STEPS_OF_CODE);
        Ok(self.session.transaction.compute(steps)?)
    }
}

/// Why something cannot be told, as an operation answers it.
pub(crate) fn fault(error: LookUpError<ApiError>) -> ApiError {
    match error {
        LookUpError::Source(fault) => fault,
        LookUpError::Said(IssueCode::Transient, text) => ApiError::TerminologyUnreachable(text),
        LookUpError::Said(code, text) => ApiError::Unprocessable(vec![Issue::plain(code, text)]),
    }
}
