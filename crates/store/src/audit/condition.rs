//! A predicate over AuditEvent as a condition on the rows of the log.

use concord_fhir::index::SEPARATOR;
use concord_fhir::predicate::{Comparison, Predicate, Test};
use concord_fhir::registry::{ResourceType, event_parameter, is_event, is_own_record, patient_named};

use super::recorded::recorded;
use crate::error::StoreError;
use crate::statement::Sql;
use crate::transaction::Transaction;

/// The numbers of the interactions that a key of the parameter `action` or `subtype` means: the name of the parameter, the
/// key, and whether the key is only the start of one, with any system.
pub type Interactions = fn(&str, &str, bool) -> Vec<i16>;

/// The search parameters of AuditEvent that the log can answer.
pub const SEARCHABLE: [&str; 9] =
    ["_id", "_lastUpdated", "patient", "date", "agent", "entity", "action", "outcome", "subtype"];

/// The identifier of an agent that is known by nothing else. It is one of this server's own, of no system.
const AGENT_IDENTIFIER: &str = "agent:identifier";

/// A condition on `audit a` that holds for the events that the predicate means. Clauses over other parameters than
/// [`SEARCHABLE`] hold for none; requests for them have been refused before.
pub(super) fn of_predicate(
    transaction: &mut Transaction<'_>,
    predicate: &Predicate,
    interactions: Interactions,
) -> Result<Sql, StoreError> {
    Ok(match predicate {
        Predicate::All => Sql::new("1 = 1"),
        Predicate::None => Sql::new("1 = 0"),
        Predicate::And(parts) => joined(transaction, interactions, parts, " AND ", "(1 = 1")?,
        Predicate::Or(parts) => joined(transaction, interactions, parts, " OR ", "(1 = 0")?,
        Predicate::Not(part) => Sql::new("NOT (").append(of_predicate(transaction, part, interactions)?).sql(")"),
        Predicate::Type(types) => Sql::new(if types.iter().copied().any(is_event) { "1 = 1" } else { "1 = 0" }),
        Predicate::Id(ids) => {
            let mut sql = Sql::new("(1 = 0");
            for pk in ids.iter().filter_map(|id| id.parse::<i64>().ok()) {
                sql = sql.sql(" OR a.pk = ").bind(pk);
            }
            sql.sql(")")
        }
        Predicate::PatientCompartment(patient) => of_record(transaction, patient)?,
        Predicate::NoPatientCompartment => Sql::new("a.patient = 0"),
        // Nobody writes the log: an event names its agents.
        Predicate::Author(names) => Sql::new(if names.iter().any(String::is_empty) { "1 = 1" } else { "1 = 0" }),
        Predicate::Updated(comparison, wanted) => at(*comparison, *wanted),
        Predicate::Entry(parameter, test) => {
            let named =
                SEARCHABLE.into_iter().chain([AGENT_IDENTIFIER]).find(|code| event_parameter(code) == *parameter);
            tested(transaction, interactions, named.unwrap_or_default(), test)?
        }
        // An event is kept back by what it is about.
        Predicate::AwaitsLabels | Predicate::DependsOn { .. } | Predicate::Given(_) => Sql::new("1 = 0"),
        Predicate::Chain { .. } | Predicate::ReverseChain { .. } => {
            return Err(StoreError::NotSupported(
                "the audit log cannot be searched through other resources".to_owned(),
            ));
        }
        Predicate::Coded(_, codes) => {
            let text = format!("the audit log cannot be searched by codes {codes}");
            return Err(StoreError::NotSupported(text));
        }
    })
}

fn of_record(transaction: &mut Transaction<'_>, patient: &str) -> Result<Sql, StoreError> {
    Ok(match transaction.patient_key(patient)? {
        Some(key) => Sql::new("a.patient = ").bind(key),
        None => Sql::new("1 = 0"),
    })
}

fn joined(
    transaction: &mut Transaction<'_>,
    interactions: Interactions,
    parts: &[Predicate],
    between: &'static str,
    start: &'static str,
) -> Result<Sql, StoreError> {
    let mut sql = Sql::new(start);
    for part in parts {
        sql = sql.sql(between).append(of_predicate(transaction, part, interactions)?);
    }
    Ok(sql.sql(")"))
}

fn at(comparison: Comparison, wanted: i64) -> Sql {
    Sql::new("a.at").sql(operator(comparison)).bind(wanted)
}

fn operator(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::Less => " < ",
        Comparison::AtMost => " <= ",
        Comparison::Greater => " > ",
        Comparison::AtLeast => " >= ",
    }
}

/// One clause over one column. A stored event has exactly one value for each but `entity`.
fn tested(
    transaction: &mut Transaction<'_>,
    interactions: Interactions,
    code: &str,
    test: &Test,
) -> Result<Sql, StoreError> {
    let parts = |transaction: &mut Transaction<'_>, tests: &[Test], between: &'static str, start: &'static str| {
        let mut sql = Sql::new(start);
        for test in tests {
            sql = sql.sql(between).append(tested(transaction, interactions, code, test)?);
        }
        Ok::<Sql, StoreError>(sql.sql(")"))
    };
    Ok(match test {
        Test::Every(tests) => parts(transaction, tests, " AND ", "(1 = 1")?,
        Test::Either(tests) => parts(transaction, tests, " OR ", "(1 = 0")?,
        Test::Low(comparison, wanted) | Test::High(comparison, wanted) if code == "date" => {
            let is_end = matches!(test, Test::High(..));
            #[expect(clippy::cast_possible_truncation, reason = "a time in milliseconds; an infinite one saturates")]
            let wanted = *wanted as i64;
            Sql::new(recorded(transaction.is_postgres(), is_end)).sql(operator(*comparison)).bind(wanted)
        }
        Test::Present => match code {
            "patient" => Sql::new("a.patient <> 0"),
            "entity" => Sql::new("(a.patient <> 0 OR a.entity <> '')"),
            "" => Sql::new("1 = 0"),
            _ => Sql::new("1 = 1"),
        },
        Test::Is(key) | Test::Starts(key) => {
            keyed(transaction, interactions, code, key, matches!(test, Test::Starts(_)))?
        }
        _ => Sql::new("1 = 0"),
    })
}

fn keyed(
    transaction: &mut Transaction<'_>,
    interactions: Interactions,
    code: &str,
    key: &str,
    prefix: bool,
) -> Result<Sql, StoreError> {
    let token = key.split(SEPARATOR).next().unwrap_or_default();
    Ok(match code {
        "patient" => match patient_named(key) {
            Some(id) => of_record(transaction, id)?,
            None => Sql::new("1 = 0"),
        },
        "agent" => Sql::new("a.agent = ").bind(key),
        // A reference has a slash in it.
        AGENT_IDENTIFIER if key.ends_with(SEPARATOR) && !token.contains('/') => Sql::new("a.agent = ").bind(token),
        "entity" => match key.split_once('/') {
            Some((name, id)) => {
                let named = ResourceType::parse(name);
                let itself = Sql::new("(a.entity = ")
                    .bind(id)
                    .sql(" AND a.type = ")
                    .bind(named.map_or(-1, ResourceType::number))
                    .sql(")");
                match named.is_some_and(is_own_record) {
                    true => Sql::new("(").append(of_record(transaction, id)?).sql(" OR ").append(itself).sql(")"),
                    false => itself,
                }
            }
            None => Sql::new("1 = 0"),
        },
        "outcome" => match token.parse::<i16>() {
            Ok(number) => Sql::new("a.outcome = ").bind(number),
            Err(_) => Sql::new("1 = 0"),
        },
        "action" | "subtype" => {
            let mut sql = Sql::new("(1 = 0");
            for interaction in interactions(code, key, prefix) {
                sql = sql.sql(" OR a.interaction = ").bind(interaction);
            }
            sql.sql(")")
        }
        _ => Sql::new("1 = 0"),
    })
}
