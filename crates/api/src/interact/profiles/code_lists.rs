//! Code systems and value sets that are stored: which of them checks may look for, by what they are called. Whether the
//! caller may see one is asked when it is looked for ([ADR 54](../../../../../docs/adr/0054-checks-ask-what-is-stored-and-elsewhere.md)).

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use concord_consent::facts::GivenBy;
use concord_fhir::issue::{Issue, IssueCode, Severity};
use concord_fhir::json::Value;
use concord_store::code_lists::KeptCodeList;
use concord_store::rows::Version;
use concord_terminology::Kind;
use concord_terminology::code_system::{CodeSystem, Unusable};
use concord_terminology::name::split;
use concord_terminology::value_set::ValueSet;

use crate::error::ApiError;
use crate::interact::given;
use crate::interact::session::Session;

/// How many are listed.
const MOST_LISTS: i64 = 100_000;
/// How many bytes the texts have of what is remembered read.
const MOST_REMEMBERED: usize = 16 * 1024 * 1024;

/// The versions of those that are stored, by type and url.
#[derive(Debug, Default)]
pub(super) struct CodeLists(BTreeMap<(String, String), Vec<String>>);

/// A stored code system or value set, read.
#[derive(Clone)]
pub(crate) enum ReadList {
    CodeSystem(Result<Arc<CodeSystem>, Unusable>),
    ValueSet(Arc<ValueSet>),
}

/// What this process has read: of each by key the version, how long its text is, and what it says.
#[derive(Default)]
struct Read {
    known: HashMap<i64, (i64, usize, ReadList)>,
    bytes: usize,
}

/// The list that this process knows, with the version under which it read it, and what has been read of it.
pub(crate) struct Cache {
    lists: Mutex<(i64, Arc<CodeLists>)>,
    read: Mutex<Read>,
}

impl Cache {
    pub(crate) fn new() -> Cache {
        Cache { lists: Mutex::new((0, Arc::default())), read: Mutex::default() }
    }

    /// What a stored code system or value set says: read once, however often it is asked.
    ///
    /// # Errors
    /// When the text is no resource any more.
    pub(crate) fn read(&self, stored: &Version) -> Result<ReadList, ApiError> {
        let lock = || self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let known = lock().known.get(&stored.key).cloned();
        if let Some((_, _, list)) = known.filter(|(version, ..)| *version == stored.version) {
            return Ok(list);
        }
        let value = stored.resource()?;
        let list = if stored.resource_type.name() == Kind::ValueSet.resource_type() {
            ReadList::ValueSet(Arc::new(ValueSet::read(&value)))
        } else {
            ReadList::CodeSystem(CodeSystem::read(&value).map(Arc::new))
        };
        let bytes = stored.body.len();
        let mut cache = lock();
        if cache.bytes + bytes > MOST_REMEMBERED {
            *cache = Read::default();
        }
        if bytes <= MOST_REMEMBERED {
            let before = cache.known.insert(stored.key, (stored.version, bytes, list.clone()));
            cache.bytes = cache.bytes + bytes - before.map_or(0, |(_, bytes, _)| bytes);
        }
        Ok(list)
    }
}

impl CodeLists {
    /// The list as the transaction sees it.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) fn of(session: &mut Session<'_, '_>) -> Result<Arc<CodeLists>, ApiError> {
        let version = session.transaction.code_lists_version()?;
        let cache = &session.service.code_lists.lists;
        let (known, lists) = cache.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if known == version {
            return Ok(lists);
        }
        let mut read = CodeLists::default();
        for KeptCodeList { resource_type, url, version, .. } in session.transaction.code_lists()? {
            read.0.entry((resource_type, url)).or_default().push(version);
        }
        let lists = Arc::new(read);
        *cache.lock().unwrap_or_else(PoisonError::into_inner) = (version, Arc::clone(&lists));
        Ok(lists)
    }

    /// Whether one is listed that a canonical may mean.
    pub(super) fn has(&self, kind: Kind, canonical: &str) -> bool {
        let (url, version) = split(canonical);
        let all = self.0.get(&(kind.resource_type().to_owned(), url.to_owned()));
        all.into_iter().flatten().any(|listed| version.is_none_or(|version| listed == version))
    }
}

/// Lists a code system or value set that is about to be stored, or takes it off the list. Those of registered systems
/// count that are not retired: what they say decides what others are told of what they store.
pub(crate) fn list(
    session: &mut Session<'_, '_>,
    old: Option<&Version>,
    new: &Version,
) -> Result<Vec<Issue>, ApiError> {
    let by = given::keep_definition(session, old, new)?;
    list_by(session, new, by)
}

/// The same for what is stored again as it was.
pub(crate) fn list_again(session: &mut Session<'_, '_>, version: &Version) -> Result<Vec<Issue>, ApiError> {
    let by = given::keep_again(session, version)?;
    list_by(session, version, by)
}

/// The same of what somebody of this kind gave.
fn list_by(session: &mut Session<'_, '_>, version: &Version, by: GivenBy) -> Result<Vec<Issue>, ApiError> {
    let value = if version.deleted { None } else { Some(version.resource()?) };
    let named = value.as_ref().and_then(|value| listed(version, value));
    let unused = match &named {
        Some(_) if by != GivenBy::System => Some("only those from registered systems are"),
        Some(_) if session.transaction.count_code_lists()? >= MOST_LISTS => Some("there are too many"),
        _ => None,
    };
    let new = named.filter(|_| unused.is_none());
    session.transaction.replace_code_list(version.key, new.as_ref())?;
    let told = |why: &str| {
        let text = format!("stored, and not used where profiles are checked: {why}");
        Issue::remark(Severity::Warning, IssueCode::BusinessRule, text)
    };
    Ok(unused.into_iter().map(told).collect())
}

fn listed(version: &Version, value: &Value<'_>) -> Option<KeptCodeList> {
    let url = value.text("url").filter(|_| value.text("status") != Some("retired"))?;
    Some(KeptCodeList {
        resource_type: version.resource_type.name().to_owned(),
        id: version.id.clone(),
        url: url.to_owned(),
        version: value.text("version").unwrap_or_default().to_owned(),
        number: version.version,
        bytes: i64::try_from(version.body.len()).unwrap_or(i64::MAX),
    })
}
