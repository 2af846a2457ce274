//! Several types in one record: those of which alike is asked and permitted are looked for together.
//!
//! A whole record is of more than sixty types, and what a professional may see of each is a long condition. Said once for
//! each type, the database reads a statement of hundreds of kilobytes before it looks at a single row.

use concord_fhir::index::ParameterId;
use concord_fhir::predicate::{Predicate, Test};
use concord_fhir::registry::{ResourceType, parameter_by_id};

use crate::lower::{parts_of, same_test};
use crate::type_query::TypeQuery;

/// What is searched for among the resources of several types.
#[derive(Debug, PartialEq)]
pub(crate) struct Alike<'q> {
    /// The types.
    pub types: Vec<ResourceType>,
    /// The only patient in whose record a match can be.
    pub record: Option<&'q str>,
    /// What holds for each of them. A parameter of one type has no rows of another's resources.
    pub predicate: Predicate,
}

impl<'q> Alike<'q> {
    /// One query by itself.
    pub(crate) fn of(query: &'q TypeQuery) -> Alike<'q> {
        Alike { types: vec![query.resource_type], record: query.record.as_deref(), predicate: query.predicate.clone() }
    }

    /// The same with another type, if that is asked alike.
    fn with(&self, query: &TypeQuery) -> Option<Predicate> {
        if self.record != query.record.as_deref() {
            return None;
        }
        let (own, other) = (Side(&self.types), Side(std::slice::from_ref(&query.resource_type)));
        let predicate = merged(&self.predicate, own, &query.predicate, other)?;
        // Among all records each type is searched by its own way, unless one key leads to all.
        (self.record.is_some() || parts_of(&predicate).iter().any(has_one_key)).then_some(predicate)
    }
}

/// The queries, those taken together that are alike but for the parameters of their types.
pub(crate) fn alike(queries: &[TypeQuery]) -> Vec<Alike<'_>> {
    let mut all: Vec<Alike<'_>> = Vec::new();
    for query in queries {
        let found = all.iter_mut().find_map(|one| one.with(query).map(|predicate| (one, predicate)));
        match found {
            Some((one, predicate)) => {
                one.types.push(query.resource_type);
                one.predicate = predicate;
            }
            None => all.push(Alike::of(query)),
        }
    }
    all
}

/// Whether the rows that meet it have one key.
fn has_one_key(part: &Predicate) -> bool {
    let test = match part {
        Predicate::Entry(_, test) => Some(test),
        Predicate::Or(parts) => same_test(parts).map(|(_, test)| test),
        _ => None,
    };
    matches!(test, Some(Test::Is(key)) if !key.is_empty())
}

/// The types that a predicate is about.
#[derive(Clone, Copy)]
struct Side<'s>(&'s [ResourceType]);

impl Side<'_> {
    /// Whether only resources of these types have rows of the parameters.
    fn owns(self, parameters: &[ParameterId]) -> bool {
        let owner = |one: &ParameterId| parameter_by_id(*one).and_then(|found| found.resource_type);
        parameters.iter().all(|one| owner(one).is_some_and(|owner| self.0.contains(&owner)))
    }
}

/// The predicate that means of each side's types what that side's predicate does; none if they differ in more than the
/// parameters of their types.
fn merged(one: &Predicate, own: Side<'_>, other: &Predicate, others: Side<'_>) -> Option<Predicate> {
    if one == other {
        return Some(one.clone());
    }
    match (one, other) {
        (Predicate::And(_), Predicate::And(_)) => {
            Some(Predicate::And(merged_each(parts_of(one), own, parts_of(other), others)?))
        }
        (Predicate::Not(one), Predicate::Not(other)) => {
            Some(Predicate::Not(Box::new(merged(one, own, other, others)?)))
        }
        (Predicate::Entry(..) | Predicate::Or(_), Predicate::Entry(..) | Predicate::Or(_)) => {
            let (one, other) = (Alternatives::of(one), Alternatives::of(other));
            one.merged(own, &other, others)
        }
        _ => None,
    }
}

fn merged_each(one: &[Predicate], own: Side<'_>, other: &[Predicate], others: Side<'_>) -> Option<Vec<Predicate>> {
    if one.len() != other.len() {
        return None;
    }
    one.iter().zip(other).map(|(one, other)| merged(one, own, other, others)).collect()
}

/// Alternatives: rows of any of some parameters, by their test, and others.
struct Alternatives<'p> {
    rows: Vec<(Vec<ParameterId>, &'p Test)>,
    others: Vec<Predicate>,
}

impl<'p> Alternatives<'p> {
    fn of(predicate: &'p Predicate) -> Alternatives<'p> {
        let mut all = Alternatives { rows: Vec::new(), others: Vec::new() };
        all.add(predicate);
        all
    }

    fn add(&mut self, predicate: &'p Predicate) {
        match predicate {
            Predicate::Or(parts) => parts.iter().for_each(|part| self.add(part)),
            Predicate::Entry(parameter, test) => match self.rows.iter_mut().find(|(_, known)| *known == test) {
                Some((parameters, _)) => parameters.push(*parameter),
                None => self.rows.push((vec![*parameter], test)),
            },
            other => self.others.push(other.clone()),
        }
    }

    fn merged(self, own: Side<'_>, other: &Alternatives<'_>, others: Side<'_>) -> Option<Predicate> {
        if self.rows.len() != other.rows.len() {
            return None;
        }
        let mut all = Vec::new();
        for ((parameters, test), (their, same)) in self.rows.iter().zip(&other.rows) {
            if test != same {
                return None;
            }
            let mut together = parameters.clone();
            if parameters != their {
                if !own.owns(parameters) || !others.owns(their) {
                    return None;
                }
                together.extend(their);
            }
            let any: Vec<Predicate> = together.iter().map(|one| Predicate::Entry(*one, (*test).clone())).collect();
            all.push(match any.as_slice() {
                [single] => single.clone(),
                _ => Predicate::Or(any),
            });
        }
        all.extend(merged_each(&self.others, own, &other.others, others)?);
        match all.as_slice() {
            [single] => Some(single.clone()),
            _ => Some(Predicate::Or(all)),
        }
    }
}
