//! The value sets, code systems and concept maps that a caller may find: what is stored and visible, R4's own tables, and
//! what a server elsewhere tells. What is hidden is as if it were not there.

use concord_fhir::issue::{Issue, IssueCode};
use concord_fhir::json::Value;
use concord_fhir::predicate::Predicate;
use concord_fhir::registry::ResourceType;
use concord_fhir::search::{Handling, parse};
use concord_fhir::value::Literal;
use concord_store::search::{PageRequest, SortBy, SortKey, TypeQuery};
use concord_terminology::elsewhere::{Question, Reply};
use concord_terminology::{Kind, LookUpError, Source};

use crate::error::ApiError;
use crate::interact::session::Session;
use crate::interact::{Service, access};

/// How many resources of one url are looked at.
const VERSIONS: u32 = 20;

/// What the caller of a session may find.
pub(crate) struct VisibleTerminology<'a, 's, 't> {
    pub(crate) session: &'a mut Session<'s, 't>,
}

impl Source for VisibleTerminology<'_, '_, '_> {
    type Error = ApiError;

    /// The one of that url or id. Of several, the active one that was updated last.
    fn find(&mut self, kind: Kind, name: &str) -> Result<Option<Value<'static>>, ApiError> {
        let Some(resource_type) = ResourceType::parse(kind.resource_type()) else { return Ok(None) };
        let permit = access::findable(self.session, resource_type, None)?;
        let predicate = named(self.session.service, resource_type, name).and(permit);
        if predicate == Predicate::None {
            return Ok(None);
        }
        let among = [TypeQuery { resource_type, record: None, predicate }];
        let newest = [SortKey { by: SortBy::Updated, descending: true }];
        let wanted = PageRequest { queries: &among, sort: &newest, after: None, limit: VERSIONS };
        let mut first = None;
        for version in self.session.transaction.page(&wanted)?.0 {
            let value = version.resource()?.into_owned();
            if value.text("status") == Some("active") {
                return Ok(Some(value));
            }
            first = first.or(Some(value));
        }
        Ok(first)
    }

    /// Nobody waits for a server elsewhere inside a transaction: what it has not said yet ends the transaction, and is asked
    /// for before the next.
    fn ask(&mut self, question: &Question) -> Result<Reply, ApiError> {
        match &self.session.service.terminology_server {
            None => Ok(Reply::NotAsked),
            Some(server) => server.known(question).ok_or_else(|| ApiError::AskElsewhere(Box::new(question.clone()))),
        }
    }
}

/// `Type/id`, here or under the server's address, or a url with or without `|version`.
fn named(service: &Service, resource_type: ResourceType, name: &str) -> Predicate {
    if let Literal::Local(named, id) = Literal::read(name, &service.base) {
        return if named == resource_type { Predicate::Id(vec![id.to_owned()]) } else { Predicate::None };
    }
    let escaped = |text: &str| text.replace('\\', "\\\\").replace(',', "\\,").replace('|', "\\|").replace('$', "\\$");
    let (url, version) = name.split_once('|').map_or((name, None), |(url, version)| (url, Some(version)));
    let mut pairs = vec![("url".to_owned(), escaped(url))];
    pairs.extend(version.map(|version| ("version".to_owned(), escaped(version))));
    match parse(Some(resource_type), &pairs, Handling::Strict, 0, &service.base) {
        Ok(query) => query.predicate,
        // Nothing has a name like that.
        Err(_) => Predicate::None,
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
