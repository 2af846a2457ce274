//! How the events that a search of the audit log means are found without reading the log from end to end.

use concord_fhir::index::ParameterId;
use concord_fhir::predicate::{Predicate, Test};
use concord_fhir::registry::{EVENT_AGENT, EVENT_PATIENT, patient_named};

use crate::error::StoreError;
use crate::transaction::Transaction;

/// What every event that is looked for has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AuditIndexHint {
    /// A number that the condition names.
    Number,
    /// One of these patients.
    Patients(Vec<i64>),
    /// One of these agents.
    Agents(Vec<String>),
}

/// What every event has that the predicate means; none if it is not known.
pub(super) fn of_predicate(
    transaction: &mut Transaction<'_>,
    predicate: &Predicate,
) -> Result<Option<AuditIndexHint>, StoreError> {
    Ok(match predicate {
        Predicate::None => Some(AuditIndexHint::Patients(Vec::new())),
        Predicate::Id(_) => Some(AuditIndexHint::Number),
        Predicate::NoPatientCompartment => Some(AuditIndexHint::Patients(vec![0])),
        Predicate::PatientCompartment(patient) => Some(of_patient(transaction, patient)?),
        Predicate::And(parts) => best(each(parts, |part| of_predicate(transaction, part))?),
        Predicate::Or(parts) => together(each(parts, |part| of_predicate(transaction, part))?),
        Predicate::Entry(parameter, test) => tested(transaction, *parameter, test)?,
        _ => None,
    })
}

fn tested(
    transaction: &mut Transaction<'_>,
    parameter: ParameterId,
    test: &Test,
) -> Result<Option<AuditIndexHint>, StoreError> {
    Ok(match test {
        Test::Every(tests) => best(each(tests, |test| tested(transaction, parameter, test))?),
        Test::Either(tests) => together(each(tests, |test| tested(transaction, parameter, test))?),
        Test::Is(key) | Test::Starts(key) if parameter == EVENT_AGENT => {
            Some(AuditIndexHint::Agents(vec![key.clone()]))
        }
        Test::Is(key) | Test::Starts(key) if parameter == EVENT_PATIENT => match patient_named(key) {
            Some(id) => Some(of_patient(transaction, id)?),
            None => Some(AuditIndexHint::Patients(Vec::new())),
        },
        _ => None,
    })
}

fn each<T, H>(
    parts: &[T],
    hint: impl FnMut(&T) -> Result<Option<H>, StoreError>,
) -> Result<Vec<Option<H>>, StoreError> {
    parts.iter().map(hint).collect()
}

fn of_patient(transaction: &mut Transaction<'_>, id: &str) -> Result<AuditIndexHint, StoreError> {
    Ok(AuditIndexHint::Patients(transaction.patient_key(id)?.into_iter().collect()))
}

/// Of what all hold, the one that few events have.
fn best(hints: Vec<Option<AuditIndexHint>>) -> Option<AuditIndexHint> {
    hints.into_iter().flatten().min_by_key(|hint| match hint {
        AuditIndexHint::Number => 0,
        AuditIndexHint::Patients(keys) if !keys.contains(&0) => 1,
        AuditIndexHint::Agents(_) => 2,
        AuditIndexHint::Patients(_) => 3,
    })
}

/// Of what one holds at least, all of them, if they are of one kind.
fn together(hints: Vec<Option<AuditIndexHint>>) -> Option<AuditIndexHint> {
    let mut all = None;
    for hint in hints {
        all = Some(match (all, hint?) {
            (None, hint) => hint,
            (Some(AuditIndexHint::Patients(mut keys)), AuditIndexHint::Patients(more)) => {
                keys.extend(more);
                AuditIndexHint::Patients(keys)
            }
            (Some(AuditIndexHint::Agents(mut agents)), AuditIndexHint::Agents(more)) => {
                agents.extend(more);
                AuditIndexHint::Agents(agents)
            }
            (Some(AuditIndexHint::Number), AuditIndexHint::Number) => AuditIndexHint::Number,
            _ => return None,
        });
    }
    all.or(Some(AuditIndexHint::Patients(Vec::new())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_all_hold_is_led_by_the_rarest_and_what_one_holds_by_all() {
        let [one, two, nobody] = [1, 2, 0].map(|key| AuditIndexHint::Patients(vec![key]));
        let agent = AuditIndexHint::Agents(vec!["Practitioner/gp".to_owned()]);
        assert_eq!(best(vec![None, Some(nobody.clone()), Some(agent.clone())]), Some(agent.clone()));
        assert_eq!(best(vec![Some(agent.clone()), Some(one.clone())]), Some(one.clone()));
        assert_eq!(best(vec![Some(one.clone()), Some(AuditIndexHint::Number)]), Some(AuditIndexHint::Number));
        assert_eq!(best(vec![None]), None);
        assert_eq!(together(vec![Some(one.clone()), Some(two)]), Some(AuditIndexHint::Patients(vec![1, 2])));
        assert_eq!(together(vec![Some(one.clone()), None]), None, "one part may mean any event");
        assert_eq!(together(vec![Some(one), Some(agent)]), None);
    }
}
