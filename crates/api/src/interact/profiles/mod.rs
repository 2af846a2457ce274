//! Profiles: which definitions this server checks by, what is said of a resource that claims one, and of answers to a
//! Questionnaire ([ADR 43](../../../../docs/adr/0043-profiles-are-compiled-over-the-element-table.md)).

mod answers;
mod claims;
mod code_lists;
mod define;
mod knowledge;
mod settings;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use concord_fhir::issue::{Issue, IssueCode};
use concord_fhir::json::{Limits, Value, parse, to_string};
use concord_profile::check::{Asked, Checker};
use concord_profile::definition::{Definition, stripped};
use concord_profile::library::{Library, MOST_DEFINITIONS};
use concord_store::definitions::KeptDefinition;
use concord_store::rows::Version;
use concord_store::transaction::Transaction;

use crate::error::ApiError;
use crate::interact::session::Session;
use crate::interact::{Service, instant};

pub(crate) use answers::before_store as answers_before_store;
pub(crate) use claims::on_write;
pub(crate) use code_lists::{Cache as CodeListCache, ReadList, list as list_codes, list_again as list_codes_again};
pub(crate) use define::{define, define_again};
pub use settings::{OnWrite, ProfileChecks};

use knowledge::{Bounds, Knowledge, Reader, Shelf};

/// The definitions that this process knows, with the version under which it read them.
pub(crate) struct Cache(Mutex<(i64, Arc<Library>)>);

impl Cache {
    pub(crate) fn new() -> Cache {
        Cache(Mutex::new((0, Arc::new(Library::over_shipped()))))
    }

    fn lock(&self) -> MutexGuard<'_, (i64, Arc<Library>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The definitions as the transaction sees them: what ships, and what was added.
///
/// # Errors
/// When the store fails.
pub(crate) fn library(session: &mut Session<'_, '_>) -> Result<Arc<Library>, ApiError> {
    let version = session.transaction.definitions_version()?;
    let is_known = session.service.profiles.lock().0 == version;
    if !is_known && session.transaction.is_only_writer() && session.call.questions.reads_anew() {
        // Thousands of definitions are read where no other write waits for it, and then this is done again.
        return Err(ApiError::AskElsewhere(Vec::new()));
    }
    read(session.service, session.transaction)
}

/// The definitions as the transaction sees them, read if they have changed.
fn read(service: &Service, transaction: &mut Transaction<'_>) -> Result<Arc<Library>, ApiError> {
    let version = transaction.definitions_version()?;
    let (known, library) = service.profiles.lock().clone();
    if known == version {
        return Ok(library);
    }
    let library = Arc::new(load(transaction)?);
    *service.profiles.lock() = (version, Arc::clone(&library));
    Ok(library)
}

/// Reads the definitions in a transaction of its own, for which nobody waits.
///
/// # Errors
/// When the store fails.
pub(crate) async fn refresh(service: &Arc<Service>) -> Result<(), ApiError> {
    let own = Arc::clone(service);
    service.store.read(move |transaction| (read(&own, transaction).map(|_| ()), Vec::new())).await
}

/// Reads what was added.
///
/// # Errors
/// When the store fails.
pub(crate) fn load(transaction: &mut Transaction<'_>) -> Result<Library, ApiError> {
    let mut library = Library::over_shipped();
    for kept in transaction.definitions()? {
        // What an older release has taken and this one does not read is not known here.
        let read = parse(kept.body.as_bytes(), &Limits::default()).ok().and_then(|value| Definition::read(&value).ok());
        if let Some(definition) = read {
            let _ = library.add(definition);
        }
    }
    Ok(library)
}

/// A definition as it is kept.
///
/// # Errors
/// Why it cannot be used, with the place.
pub(crate) fn kept(resource: &Value<'_>) -> Result<(KeptDefinition, Definition), Issue> {
    if let Some(release) = resource.text("fhirVersion").filter(|release| !release.starts_with("4.0")) {
        let said = format!("it is for FHIR {release}, and this server is of FHIR 4.0");
        return Err(Issue::error(IssueCode::NotSupported, "StructureDefinition.fhirVersion", said));
    }
    let bare = stripped(resource);
    let definition = Definition::read(&bare)?;
    let (url, version) = (definition.url.clone(), definition.version.clone());
    Ok((KeptDefinition { url, version, body: to_string(&bare) }, definition))
}

/// Puts definitions into use in the place of those from the same source.
///
/// # Errors
/// When there are too many, or the store fails.
pub(crate) fn replace(
    transaction: &mut Transaction<'_>,
    source: &str,
    new: &[KeptDefinition],
) -> Result<bool, ApiError> {
    let others = transaction.count_definitions_besides(source)?;
    if usize::try_from(others).unwrap_or_default() + new.len() > MOST_DEFINITIONS {
        let said = format!("more than {MOST_DEFINITIONS} definitions cannot be used");
        return Err(ApiError::Unprocessable(vec![Issue::plain(IssueCode::TooCostly, said)]));
    }
    Ok(transaction.replace_definitions(source, new)?)
}

/// About how many steps of the database's machine it takes as long as to look at one code.
pub(crate) const STEPS_OF_CODE: u64 = 20;

/// What there is to say of a resource by the profiles that it claims and those that are asked, and of answers by their
/// Questionnaire. `stored` is the resource itself, if it is stored; `reader` reads what it refers to.
///
/// # Errors
/// When the store fails, or a terminology server elsewhere has to be asked first.
pub(crate) fn problems(
    session: &mut Session<'_, '_>,
    resource: &Value<'_>,
    asked: &[String],
    stored: Option<&Version>,
    reader: Reader,
) -> Result<Vec<Issue>, ApiError> {
    let library = library(session)?;
    let form = answers::form(session, resource)?;
    let now = instant(session.transaction.now);
    let mut shelf = Shelf::new(session, Bounds::ASKED).reading(reader);
    let knowledge = Knowledge::over(&mut shelf).following(resource);
    let checker = Checker {
        library: &library,
        terminology: &knowledge,
        stored: Some(&knowledge),
        is_whole: true,
        now: Some(&now),
        together: None,
    };
    let mut issues = checker.check(resource, Asked { profiles: asked, claimed: None });
    issues.extend(answers::checked(resource, &form, &knowledge, None));
    drop(knowledge);
    let (told, mut seen) = shelf.ended()?;
    issues.extend(told);
    if !seen.is_empty() {
        seen.extend(stored.cloned());
        knowledge::disclose(session, &seen)?;
    }
    Ok(issues)
}
