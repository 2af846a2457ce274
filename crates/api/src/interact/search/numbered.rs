//! Patients who are named by an NHS number in a search: they are looked up first, so that the database goes by references to them
//! and not through all that there is. What refers to a Patient who has come in the place of one that bears the number is found too, as far
//! as the caller may find both. To a professional in an emergency, who breaks the glass for a record, and to a system that asks on behalf
//! of somebody a number means the Patient who is left, whoever bore it.

use concord_consent::purpose::Purpose;
use concord_fhir::index::ParameterId;
use concord_fhir::nhs_number;
use concord_fhir::predicate::{Predicate, Test};
use concord_fhir::registry::{ResourceType, is_own_record};
use concord_store::rows::Version;
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
                && let Some(found) = found_of_all(session, record, *one, test)?
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

/// How many numbers are looked up at once.
const AT_ONCE: usize = 20;

/// [`found`] of every number that is asked for.
fn found_of_all(
    session: &mut Session<'_, '_>,
    record: Option<&str>,
    resource_type: ResourceType,
    test: &Test,
) -> Result<Option<Vec<String>>, ApiError> {
    let Test::Either(tests) = test else { return found(session, record, resource_type, test) };
    let mut all = Vec::new();
    for some in tests.chunks(AT_ONCE) {
        match found(session, record, resource_type, &Test::Either(some.into()))? {
            Some(found) => all.extend(found),
            None => return Ok(None),
        }
    }
    all.sort_unstable();
    all.dedup();
    Ok(Some(all))
}

/// The ids of those who meet it and whom the caller may find, and of those who have come in the place of these; none if there are
/// too many.
fn found(
    session: &mut Session<'_, '_>,
    record: Option<&str>,
    resource_type: ResourceType,
    test: &Test,
) -> Result<Option<Vec<String>>, ApiError> {
    let permit = access::findable(session, resource_type, record)?;
    let left = if means_who_is_left(session) { left(session, test)? } else { Vec::new() };
    let bears = Predicate::Entry(BEARS, test.clone());
    let wanted = if left.is_empty() { bears } else { bears.or(Predicate::Id(left)) };
    let (mut found, mut new) = (Vec::new(), Some(wanted));
    // Who has been replaced says by whom. Whoever may not find them is not told that; a circle is of those who have been found.
    while let Some(wanted) = new {
        let Some(some) = findable(session, resource_type, wanted.and(permit.clone()))? else { return Ok(None) };
        let mut others = Vec::new();
        for version in &some {
            others.extend(patient_number::replacement(session.transaction, &version.body)?);
        }
        found.extend(some.into_iter().map(|version| version.id));
        others.retain(|id| !found.contains(id));
        others.sort_unstable();
        others.dedup();
        new = Some(others).filter(|others| !others.is_empty()).map(Predicate::Id);
    }
    Ok(Some(found))
}

/// Those who meet it; none if there are too many.
fn findable(
    session: &mut Session<'_, '_>,
    resource_type: ResourceType,
    predicate: Predicate,
) -> Result<Option<Vec<Version>>, ApiError> {
    if predicate == Predicate::None {
        return Ok(Some(Vec::new()));
    }
    let queries = [TypeQuery { resource_type, record: None, predicate }];
    let wanted = PageRequest { queries: &queries, sort: &[], after: None, limit: MOST };
    let (found, more) = session.transaction.page(&wanted)?;
    found.iter().for_each(|version| session.transaction.let_go(version));
    Ok(more.is_none().then_some(found))
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
