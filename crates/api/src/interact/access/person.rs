//! Finding the person whom a token names by an identifier: an NHS number, a smartcard user.

use std::sync::Arc;

use concord_fhir::index::{ParameterId, SEPARATOR};
use concord_fhir::nhs_number;
use concord_fhir::predicate::{Predicate, Test};
use concord_fhir::registry::{ResourceType, is_own_record};
use concord_store::named::KnownName;
use concord_store::rows::StoredVersion;
use concord_store::search::{PageRequest, TypeQuery};
use concord_store::transaction::Transaction;
use concord_store::{Asker, Extent, Reads, StoreError, WorkError};
use quick_cache::sync::Cache;

use crate::error::ApiError;
use crate::interact::access::facts::{is_active, is_of_the_ended};
use crate::interact::audit::Interaction;
use crate::interact::audit::entry::AuditEntry;
use crate::interact::hooks::Decides;
use crate::interact::session::Session;
use crate::interact::{Call, Service, access, patient_number};

/// How many of one identifier are looked at.
const MOST: u32 = 20;

/// Of how many identifiers it is remembered whom they mean.
const BEARERS: usize = 10_000;

/// An identifier that one resource of a type bears: what somebody who calls, or an organisation, is known by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct BorneIdentifier {
    resource_type: ResourceType,
    system: String,
    value: String,
}

/// Whom identifiers mean, with the access version of what is about nobody that it was read under: of types that raise it.
pub(crate) struct BearerCache(Cache<BorneIdentifier, Arc<(i64, Option<String>)>>);

impl BearerCache {
    pub(crate) fn new() -> BearerCache {
        BearerCache(Cache::new(BEARERS))
    }
}

impl BorneIdentifier {
    /// One of a type of that name, if there is such a type.
    fn of(type_name: &str, system: &str, value: &str) -> Option<BorneIdentifier> {
        let resource_type = ResourceType::parse(type_name)?;
        Some(BorneIdentifier { resource_type, system: system.to_owned(), value: value.to_owned() })
    }

    /// That of the organisation with an ODS code.
    fn of_organisation(code: &str) -> Option<BorneIdentifier> {
        BorneIdentifier::of("Organization", ODS_CODE, code)
    }
}

/// The logical id of the only resource of the type with that identifier that is active; none if there is none, or more than one, for
/// then nobody knows who is calling. A patient's own record stays theirs when it is inactive: after a death, or when it has been merged.
pub(crate) async fn person(
    service: &Arc<Service>,
    type_name: &'static str,
    system: &str,
    value: &str,
) -> Result<Option<String>, ApiError> {
    Ok(bearers(service, vec![BorneIdentifier::of(type_name, system, value)]).await?.pop().flatten())
}

/// The same of somebody who acts for an organisation, if the code of one is given: whom the identifier means, and whether that
/// organisation is on record here.
pub(crate) async fn person_for(
    service: &Arc<Service>,
    (type_name, system, value): (&'static str, &str, &str),
    organisation: Option<&str>,
) -> Result<(Option<String>, bool), ApiError> {
    let person = BorneIdentifier::of(type_name, system, value);
    let organisation = organisation.map(BorneIdentifier::of_organisation);
    let mut found = bearers(service, std::iter::once(person).chain(organisation.clone()).collect()).await?.into_iter();
    let person = found.next().flatten();
    Ok((person, organisation.is_none() || found.next().flatten().is_some()))
}

/// Who bears each of these.
async fn bearers(service: &Arc<Service>, known: Vec<Option<BorneIdentifier>>) -> Result<Vec<Option<String>>, ApiError> {
    let own = Arc::clone(service);
    let look = move |transaction: &mut Transaction<'_>| {
        let mut version = None;
        let mut of = |known: &Option<BorneIdentifier>| match known {
            Some(known) => bearer(&own, transaction, known, &mut version),
            None => Ok(None),
        };
        (known.iter().map(&mut of).collect(), Vec::new())
    };
    // It does not grow with what others have stored.
    service.store.read_bounded(Asker::SERVER, Reads::Records, Extent::Little, || std::future::ready(Ok(())), look).await
}

/// Who bears one. `version` is the access version of what is about nobody, once it has been read.
fn bearer(
    service: &Service,
    transaction: &mut Transaction<'_>,
    known: &BorneIdentifier,
    version: &mut Option<i64>,
) -> Result<Option<String>, ApiError> {
    let is_own = is_own_record(known.resource_type);
    if is_own && known.system == nhs_number::SYSTEM {
        return patient_number::only_survivor(transaction, &known.value);
    }
    if service.hooks.of(known.resource_type).decides_access != Some(Decides::Everything) {
        return only(transaction, known, is_own);
    }
    let version = match *version {
        Some(version) => version,
        None => *version.insert(transaction.access_versions(0)?.1),
    };
    if let Some(remembered) = service.bearers.0.get(known).filter(|remembered| remembered.0 == version) {
        return Ok(remembered.1.clone());
    }
    let found = only(transaction, known, is_own)?;
    service.bearers.0.insert(known.clone(), Arc::new((version, found.clone())));
    Ok(found)
}

/// The only one that bears it; of what is no record of its own, the only one that is active.
fn only(transaction: &mut Transaction<'_>, known: &BorneIdentifier, is_own: bool) -> Result<Option<String>, ApiError> {
    let BorneIdentifier { resource_type, system, value } = known;
    let parameter = ParameterId::of(&format!("{resource_type}.identifier"));
    let predicate = Predicate::Entry(parameter, Test::Is(format!("{value}{SEPARATOR}{system}")));
    let queries = [TypeQuery { resource_type: *resource_type, record: None, predicate }];
    let wanted = PageRequest { queries: &queries, sort: &[], after: None, limit: MOST };
    let (found, _) = transaction.page(&wanted)?;
    let mut active = found.iter().filter(|version| is_own || is_active(version));
    match (active.next(), active.next()) {
        (Some(only), None) => Ok(Some(only.id.clone())),
        _ => Ok(None),
    }
}

/// Refuses a professional who acts no more, where there is no session that asks for that.
///
/// # Errors
/// [`ApiError::Denied`] for them, and when the store fails.
pub(crate) async fn require_acting(service: &Arc<Service>, call: &Call) -> Result<(), ApiError> {
    if !call.caller.actor.is_professional() {
        return Ok(());
    }
    let (own, call) = (Arc::clone(service), call.clone());
    let ask = move |transaction: &mut Transaction<'_>| {
        let audit = AuditEntry::begin(&call, Interaction::Read, None);
        Session::run(&own, &call, transaction, audit, |session| {
            session.audit.says_nothing();
            Ok(())
        })
    };
    service.store.read(ask).await
}

/// The fault that a caller is told of: a professional who acts no more is told that, whatever went wrong, but for what is said of how
/// busy the server is.
pub(crate) async fn told_to_whoever_acts(service: &Arc<Service>, call: &Call, fault: ApiError) -> ApiError {
    let is_of_load = matches!(
        fault.cause(),
        ApiError::Throttled(_) | ApiError::TookTooLong | ApiError::BodyTooSlow(_) | ApiError::Maintenance
    );
    if is_of_load || fault.is_failure() || is_of_the_ended(&fault) {
        return fault;
    }
    require_acting(service, call).await.err().unwrap_or(fault)
}

/// `Identifier.system` of an organisation's ODS code.
const ODS_CODE: &str = "https://fhir.nhs.uk/Id/ods-organization-code";

/// Whether an organisation is on record here, if a code names one that has to be.
pub(crate) async fn is_organisation(service: &Arc<Service>, code: Option<&str>) -> Result<bool, ApiError> {
    match code {
        Some(code) => {
            Ok(bearers(service, vec![BorneIdentifier::of_organisation(code)]).await?.pop().flatten().is_some())
        }
        None => Ok(true),
    }
}

/// The only Patient whom an NHS number means: the logical id, and the date of birth that is on record.
pub(crate) async fn of_number(
    service: &Arc<Service>,
    number: &str,
) -> Result<Option<(String, Option<String>)>, ApiError> {
    const PATIENT: &str = "Patient";
    let Some(id) = person(service, PATIENT, nhs_number::SYSTEM, number).await? else { return Ok(None) };
    let born = birth_date(service, PATIENT, &id).await?;
    Ok(Some((id, born)))
}

/// The date of birth that is on record of somebody.
pub(crate) async fn birth_date(service: &Arc<Service>, type_name: &str, id: &str) -> Result<Option<String>, ApiError> {
    let Some(resource_type) = ResourceType::parse(type_name) else { return Ok(None) };
    let id = id.to_owned();
    let find = move |transaction: &mut Transaction<'_>| (signing_in(transaction, resource_type, &id), Vec::new());
    let found: Option<StoredVersion> = service.store.read(find).await?;
    let Some(version) = found else { return Ok(None) };
    Ok(access::stored(&version)?.text("birthDate").map(str::to_owned))
}

/// The key of the record of the patient who signs in, if there is one.
///
/// # Errors
/// When the store fails.
pub(crate) fn record_signing_in(transaction: &mut Transaction<'_>, patient: &str) -> Result<Option<i64>, StoreError> {
    let Some(own) = ResourceType::all().find(|one| is_own_record(*one)) else { return Ok(None) };
    #[expect(clippy::disallowed_methods, reason = "a login service says who it is, in whose log that stands")]
    let name = KnownName::signing_in(own, patient);
    transaction.record_of(&name)
}

/// The resource of somebody who signs in, or has let an app in, if it is there and not deleted.
///
/// # Errors
/// When the store fails.
pub(crate) fn signing_in(
    transaction: &mut Transaction<'_>,
    resource_type: ResourceType,
    id: &str,
) -> Result<Option<StoredVersion>, StoreError> {
    #[expect(
        clippy::disallowed_methods,
        reason = "a login service says who it is, and they are told of themselves alone"
    )]
    let name = KnownName::signing_in(resource_type, id);
    Ok(transaction.head(&name, false)?.map(|head| head.version).filter(|version| !version.deleted))
}
