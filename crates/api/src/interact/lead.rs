//! How the events that a search of the audit log means are found without reading the log from end to end.

use concord_fhir::index::ParameterId;
use concord_fhir::predicate::{Predicate, Test};

use super::audit;
use crate::fault::Fault;
use crate::store::late::{Lead, Sought};
use crate::store::transaction::Transaction;

const AGENT: ParameterId = ParameterId::of("AuditEvent.agent");
const PATIENT: ParameterId = ParameterId::of("AuditEvent.patient");

/// The events that a predicate means. Those that are told by neither patient nor agent are found by reading the log from
/// its end, as long as a search may take.
pub(super) fn sought(transaction: &mut Transaction<'_>, predicate: &Predicate) -> Result<Sought, Fault> {
    let lead = lead(transaction, predicate)?;
    Ok(Sought { condition: audit::condition(transaction, predicate)?, lead })
}

/// What every event has that the predicate means; none if it is not known.
fn lead(transaction: &mut Transaction<'_>, predicate: &Predicate) -> Result<Option<Lead>, Fault> {
    Ok(match predicate {
        Predicate::None => Some(Lead::Patients(Vec::new())),
        Predicate::Id(_) => Some(Lead::Number),
        Predicate::NoRecord => Some(Lead::Patients(vec![0])),
        Predicate::Record(patient) => Some(of_patient(transaction, patient)?),
        Predicate::And(parts) => best(each(parts, |part| lead(transaction, part))?),
        Predicate::Or(parts) => together(each(parts, |part| lead(transaction, part))?),
        Predicate::Entry(parameter, test) => tested(transaction, *parameter, test)?,
        _ => None,
    })
}

fn tested(transaction: &mut Transaction<'_>, parameter: ParameterId, test: &Test) -> Result<Option<Lead>, Fault> {
    Ok(match test {
        Test::Every(tests) => best(each(tests, |test| tested(transaction, parameter, test))?),
        Test::Either(tests) => together(each(tests, |test| tested(transaction, parameter, test))?),
        Test::Is(key) | Test::Starts(key) if parameter == AGENT => Some(Lead::Agents(vec![key.clone()])),
        Test::Is(key) | Test::Starts(key) if parameter == PATIENT => match key.strip_prefix("Patient/") {
            Some(id) => Some(of_patient(transaction, id)?),
            None => Some(Lead::Patients(Vec::new())),
        },
        _ => None,
    })
}

fn each<T>(parts: &[T], lead: impl FnMut(&T) -> Result<Option<Lead>, Fault>) -> Result<Vec<Option<Lead>>, Fault> {
    parts.iter().map(lead).collect()
}

fn of_patient(transaction: &mut Transaction<'_>, id: &str) -> Result<Lead, Fault> {
    Ok(Lead::Patients(transaction.patient_key(id)?.into_iter().collect()))
}

/// Of what all hold, the one that few events have.
fn best(leads: Vec<Option<Lead>>) -> Option<Lead> {
    leads.into_iter().flatten().min_by_key(|lead| match lead {
        Lead::Number => 0,
        Lead::Patients(keys) if !keys.contains(&0) => 1,
        Lead::Agents(_) => 2,
        Lead::Patients(_) => 3,
    })
}

/// Of what one holds at least, all of them, if they are of one kind.
fn together(leads: Vec<Option<Lead>>) -> Option<Lead> {
    let mut all = None;
    for lead in leads {
        all = Some(match (all, lead?) {
            (None, lead) => lead,
            (Some(Lead::Patients(mut keys)), Lead::Patients(more)) => {
                keys.extend(more);
                Lead::Patients(keys)
            }
            (Some(Lead::Agents(mut agents)), Lead::Agents(more)) => {
                agents.extend(more);
                Lead::Agents(agents)
            }
            (Some(Lead::Number), Lead::Number) => Lead::Number,
            _ => return None,
        });
    }
    all.or(Some(Lead::Patients(Vec::new())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_all_hold_is_led_by_the_rarest_and_what_one_holds_by_all() {
        let [one, two, nobody] = [1, 2, 0].map(|key| Lead::Patients(vec![key]));
        let agent = Lead::Agents(vec!["Practitioner/gp".to_owned()]);
        assert_eq!(best(vec![None, Some(nobody.clone()), Some(agent.clone())]), Some(agent.clone()));
        assert_eq!(best(vec![Some(agent.clone()), Some(one.clone())]), Some(one.clone()));
        assert_eq!(best(vec![Some(one.clone()), Some(Lead::Number)]), Some(Lead::Number));
        assert_eq!(best(vec![None]), None);
        assert_eq!(together(vec![Some(one.clone()), Some(two)]), Some(Lead::Patients(vec![1, 2])));
        assert_eq!(together(vec![Some(one.clone()), None]), None, "one part may mean any event");
        assert_eq!(together(vec![Some(one), Some(agent)]), None);
    }
}
