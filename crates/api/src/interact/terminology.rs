//! The value sets, code systems and concept maps that a caller may find: what is stored and visible, R4's own tables, and
//! what a server elsewhere tells. What is hidden is as if it were not there.

use std::sync::Arc;

use concord_fhir::issue::{Issue, IssueCode};
use concord_fhir::json::Value;
use concord_fhir::registry::ResourceType;
use concord_terminology::code_system::{CodeSystem, Unusable};
use concord_terminology::elsewhere::{Question, Reply};
use concord_terminology::value_set::ValueSet;
use concord_terminology::{Kind, LookUpError, Source};

use crate::error::ApiError;
use crate::interact::canonical;
use crate::interact::profiles::ReadList;
use crate::interact::session::Session;

/// What the caller of a session may find.
pub(crate) struct VisibleTerminology<'a, 's, 't> {
    pub(crate) session: &'a mut Session<'s, 't>,
}

impl VisibleTerminology<'_, '_, '_> {
    /// What is read once, however often it is asked about.
    fn read(&mut self, kind: Kind, name: &str) -> Result<Option<ReadList>, ApiError> {
        let Some(resource_type) = ResourceType::parse(kind.resource_type()) else { return Ok(None) };
        match canonical::find_version(self.session, resource_type, name)? {
            Some(found) => Ok(Some(self.session.service.code_lists.read(&found)?)),
            None => Ok(None),
        }
    }
}

impl Source for VisibleTerminology<'_, '_, '_> {
    type Error = ApiError;

    fn find(&mut self, kind: Kind, name: &str) -> Result<Option<Value<'static>>, ApiError> {
        let Some(resource_type) = ResourceType::parse(kind.resource_type()) else { return Ok(None) };
        canonical::find(self.session, resource_type, name)
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

    /// Nobody waits for a server elsewhere inside a transaction: what it has not said yet ends the transaction, and is asked
    /// for before the next.
    fn ask(&mut self, question: &Question) -> Result<Reply, ApiError> {
        match &self.session.service.terminology_server {
            None => Ok(Reply::NotAsked),
            Some(server) => server.known(question).ok_or_else(|| ApiError::AskElsewhere(vec![question.clone()])),
        }
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
