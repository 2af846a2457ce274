//! Patients who are named by an NHS number in a search: they are looked up first, so that the database goes by references to them
//! and not through all that there is. What is found is the same; but to a professional in an emergency, who breaks the glass for a record,
//! and to a system that asks on behalf of somebody a number means the Patient who is left, whoever bore it.

use concord_consent::purpose::Purpose;
use concord_fhir::index::ParameterId;
use concord_fhir::nhs_number;
use concord_fhir::predicate::{Predicate, Test};
use concord_fhir::registry::{ResourceType, is_own_record};
use concord_store::search::{PageRequest, TypeQuery};

use crate::error::ApiError;
use crate::interact::patient_number::BEARS;
use crate::interact::session::Session;
use crate::interact::{access, patient_number};

/// How many Patients are looked up; where there are more, the database does it.
const MOST: u32 = 50;

/// The predicate with those whom the caller may find in place of every chain to the Patients of a number. `record` is the only one
/// that is searched, if it is one.
///
/// # Errors
/// As [`access::findable`], and when the store fails.
pub(crate) fn look_up(
    session: &mut Session<'_, '_>,
    record: Option<&str>,
    predicate: Predicate,
) -> Result<Predicate, ApiError> {
    if !predicate.has_chains() && !means_who_is_left(session) {
        return Ok(predicate);
    }
    match predicate {
        Predicate::Entry(BEARS, test) if means_who_is_left(session) && is_of_numbers(&test) => {
            let left = left(session, &test)?;
            let bears = Predicate::Entry(BEARS, test);
            Ok(if left.is_empty() { bears } else { bears.or(Predicate::Id(left)) })
        }
        Predicate::And(parts) => {
            let parts = each(session, record, parts)?;
            Ok(parts.into_iter().fold(Predicate::All, Predicate::and))
        }
        Predicate::Or(parts) => {
            let parts = each(session, record, parts)?;
            Ok(parts.into_iter().fold(Predicate::None, Predicate::or))
        }
        Predicate::Not(part) => Ok(look_up(session, record, *part)?.negate()),
        Predicate::Chain { parameter, types, then } => {
            if let ([one], Predicate::Entry(BEARS, test)) = (types.as_slice(), &*then)
                && is_own_record(*one)
                && is_of_numbers(test)
                && let Some(found) = found(session, record, *one, &then)?
            {
                return Ok(referring(parameter, *one, found));
            }
            Ok(Predicate::Chain { parameter, types, then })
        }
        leaf => Ok(leaf),
    }
}

fn each(
    session: &mut Session<'_, '_>,
    record: Option<&str>,
    parts: Vec<Predicate>,
) -> Result<Vec<Predicate>, ApiError> {
    parts.into_iter().map(|part| look_up(session, record, part)).collect()
}

/// Whether a test is for NHS numbers and nothing else.
fn is_of_numbers(test: &Test) -> bool {
    match test {
        Test::Is(key) => nhs_number::of_key(key).is_some(),
        Test::Either(tests) => tests.iter().all(is_of_numbers),
        _ => false,
    }
}

/// The ids of those who meet it and whom the caller may find; none if there are too many.
fn found(
    session: &mut Session<'_, '_>,
    record: Option<&str>,
    resource_type: ResourceType,
    wanted: &Predicate,
) -> Result<Option<Vec<String>>, ApiError> {
    let permit = access::findable(session, resource_type, record)?;
    let wanted = match wanted {
        Predicate::Entry(BEARS, test) if means_who_is_left(session) => match left(session, test)? {
            left if left.is_empty() => wanted.clone(),
            left => wanted.clone().or(Predicate::Id(left)),
        },
        wanted => wanted.clone(),
    };
    let predicate = wanted.and(permit);
    if predicate == Predicate::None {
        return Ok(Some(Vec::new()));
    }
    let among = [TypeQuery { resource_type, record: None, predicate }];
    let (found, more) =
        session.transaction.page(&PageRequest { queries: &among, sort: &[], after: None, limit: MOST })?;
    Ok(more.is_none().then(|| found.into_iter().map(|version| version.id).collect()))
}

/// Whether a number means the Patient who is left, whoever bore it.
fn means_who_is_left(session: &Session<'_, '_>) -> bool {
    session.call.purpose == Some(Purpose::BREAK_GLASS) || session.call.on_behalf_of.is_some()
}

/// Who has come in the place of those who bear the numbers of a test.
fn left(session: &mut Session<'_, '_>, test: &Test) -> Result<Vec<String>, ApiError> {
    let mut found = Vec::new();
    match test {
        Test::Is(key) => {
            if let Some(number) = nhs_number::of_key(key) {
                found = patient_number::survivors(session.transaction, number)?;
            }
        }
        Test::Either(tests) => {
            for one in tests.iter() {
                found.extend(left(session, one)?);
            }
        }
        _ => {}
    }
    Ok(found)
}

/// What refers to one of these.
fn referring(parameter: ParameterId, resource_type: ResourceType, ids: Vec<String>) -> Predicate {
    let mut tests: Vec<Test> = ids.into_iter().map(|id| Test::Is(format!("{resource_type}/{id}"))).collect();
    match (tests.pop(), tests.is_empty()) {
        (None, _) => Predicate::None,
        (Some(only), true) => Predicate::Entry(parameter, only),
        (Some(last), false) => {
            tests.push(last);
            Predicate::Entry(parameter, Test::Either(tests.into()))
        }
    }
}
