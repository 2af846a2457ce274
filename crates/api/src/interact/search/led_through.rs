//! Whose data decides by a chain or `_has` what a search finds: they are told that it was looked at (ADR 92).
//!
//! The log tells those whom a match is about. What it leads through may be another's, or hers where the match itself is kept from
//! her: whoever may write that could read her record through it, value by value, and she would read nothing of it.
//!
//! It is asked of the database as the search was, from the other end: whose data is there to which the matches lead, and which is as it was
//! asked for. No body is read for it, and what it costs is bounded as the search is.

use std::collections::BTreeSet;

use concord_consent::caller::Actor;
use concord_consent::hidden_from_patients;
use concord_fhir::entry::ParameterId;
use concord_fhir::predicate::{Predicate, Test};
use concord_fhir::registry::{PatientCompartment, ResourceType, is_own_record, patient_compartment, refers_by_url};
use concord_fhir::search::{Query, names_only_owner};
use concord_store::lower::Rows;
use concord_store::rows::Version;
use concord_store::search::{PageRequest, TypeQuery};

use crate::error::ApiError;
use crate::interact::access;
use crate::interact::labels::review::is_kept;
use crate::interact::search::query::{self, has_chains};
use crate::interact::session::Session;

/// What an answer tells of what was found.
pub(super) enum Matches<'m> {
    /// These are there.
    These(Vec<&'m Version>),
    /// So many are there: all that there are are counted. These patients are told of what is theirs among it.
    All(&'m [(i64, ResourceType)]),
}

/// The patients, each with a type of what is not kept from them, whose data some of these matches were found through, and to whom no
/// match is told: what is kept from a patient is not. Of a step whose data is that of more of them than a page has it says nothing of each.
///
/// # Errors
/// When the store fails, and when it takes too long.
pub(super) fn led_through(
    session: &mut Session<'_, '_>,
    query: &Query,
    matches: &Matches<'_>,
) -> Result<Vec<(i64, ResourceType)>, ApiError> {
    // What a patient finds is in her own record, and she asked for it herself.
    if !has_chains(query) || matches!(session.call.caller.actor, Actor::Patient(_)) {
        return Ok(Vec::new());
    }
    let found = session.without_explain(|session| session.unlogged(|session| of_all_types(session, query, matches)))?;
    without_those_told(session, found, matches)
}

fn of_all_types(
    session: &mut Session<'_, '_>,
    query: &Query,
    matches: &Matches<'_>,
) -> Result<BTreeSet<(i64, ResourceType)>, ApiError> {
    let mut walk = Walk { query, found: BTreeSet::new() };
    let all = match matches {
        Matches::All(_) => query::permitted_queries(session, query)?,
        Matches::These(_) => Vec::new(),
    };
    for of in query.searched_types() {
        let from = match matches {
            Matches::These(found) => {
                let found = || found.iter().filter(|version| version.resource_type == of);
                let all = Those::Known(found().map(|version| version.id.clone()).collect());
                let kept = found().filter(|version| is_kept(version)).map(|version| version.id.clone()).collect();
                Start { of, all, kept: Some(Those::Known(kept)) }
            }
            Matches::All(_) => match all.iter().find(|query| query.resource_type == of) {
                Some(those) => Start { of, all: Those::of(session, those)?, kept: None },
                None => continue,
            },
        };
        if !from.all.are_none() {
            let asked = query::asked(session, query, of)?;
            walk.follow(session, &asked, &from, false)?;
        }
    }
    Ok(walk.found)
}

/// Those of them to whom no match is told that is not kept from them.
fn without_those_told(
    session: &mut Session<'_, '_>,
    mut found: BTreeSet<(i64, ResourceType)>,
    matches: &Matches<'_>,
) -> Result<Vec<(i64, ResourceType)>, ApiError> {
    match matches {
        _ if found.is_empty() => {}
        Matches::All(told) => found.retain(|(patient, _)| !told.iter().any(|(other, _)| other == patient)),
        Matches::These(versions) => {
            for version in versions.iter().filter(|version| !is_kept(version)) {
                let told = session.transaction.patients_of(Rows::Current, version)?;
                found.retain(|(patient, _)| !told.contains(patient));
            }
        }
    }
    Ok(found.into_iter().collect())
}

/// Of how many something is asked by their names. More are not told apart from all others of their type.
const MOST_NAMED: usize = 1_000;

/// From where a chain leads on: what was found there.
struct Start {
    of: ResourceType,
    all: Those,
    /// What of it is kept from the patients whom it is about, where that is known.
    kept: Option<Those>,
}

#[derive(Clone)]
enum Those {
    /// Of these ids.
    Known(Vec<String>),
    /// More than that: of each it is as if it were one of them.
    Many,
}

impl Those {
    fn of(session: &mut Session<'_, '_>, query: &TypeQuery) -> Result<Those, ApiError> {
        if query.predicate == Predicate::None {
            return Ok(Those::Known(Vec::new()));
        }
        let ids = session.transaction.ids(query, MOST_NAMED + 1)?;
        Ok(if ids.len() > MOST_NAMED { Those::Many } else { Those::Known(ids) })
    }

    fn are_none(&self) -> bool {
        matches!(self, Those::Known(ids) if ids.is_empty())
    }
}

impl Start {
    /// What of it is kept from the patients whom it is about. Of many it is as if nothing were: where they are told by what they begin
    /// with, they are counted.
    fn kept(&self, session: &mut Session<'_, '_>) -> Result<Those, ApiError> {
        match (&self.kept, &self.all) {
            (Some(kept), _) => Ok(kept.clone()),
            (None, Those::Known(ids)) => {
                let predicate = Predicate::Id(ids.clone()).and(hidden_from_patients());
                Those::of(session, &TypeQuery { resource_type: self.of, record: None, predicate })
            }
            (None, Those::Many) => Ok(Those::Known(Vec::new())),
        }
    }
}

/// A step of a chain.
#[derive(Clone, Copy)]
enum Step {
    /// To what is referred to in such a parameter.
    To(ParameterId),
    /// To what refers in such a parameter.
    From(ParameterId),
}

struct Walk<'q> {
    query: &'q Query,
    found: BTreeSet<(i64, ResourceType)>,
}

impl Walk<'_> {
    /// Goes on from resources of which this was asked; `otherwise` from those of which it does not hold.
    fn follow(
        &mut self,
        session: &mut Session<'_, '_>,
        asked: &Predicate,
        from: &Start,
        otherwise: bool,
    ) -> Result<(), ApiError> {
        match asked {
            Predicate::And(parts) | Predicate::Or(parts) => {
                parts.iter().try_for_each(|part| self.follow(session, part, from, otherwise))
            }
            Predicate::Not(part) => self.follow(session, part, from, !otherwise),
            Predicate::Chain { parameter, types, then } => {
                types.iter().try_for_each(|one| self.step(session, (Step::To(*parameter), *one), then, from, otherwise))
            }
            Predicate::ReverseChain { resource_type, parameter, by, .. } => {
                self.step(session, (Step::From(*parameter), *resource_type), by, from, otherwise)
            }
            _ => Ok(()),
        }
    }

    /// Tells whose that is to which it leads and which is as was asked, and goes on from there. A patient and what is in her record
    /// alone are told to her by one another.
    fn step(
        &mut self,
        session: &mut Session<'_, '_>,
        (step, of): (Step, ResourceType),
        then: &Predicate,
        from: &Start,
        otherwise: bool,
    ) -> Result<(), ApiError> {
        let is_of_one_record = match step {
            Step::To(parameter) => is_own_record(of) && names_only_owner(parameter),
            Step::From(parameter) => is_own_record(from.of) && names_only_owner(parameter),
        };
        let is_of_records = matches!(patient_compartment(of), PatientCompartment::Record { .. });
        let told = match is_of_one_record {
            true if is_of_records => from.kept(session)?,
            true => Those::Known(Vec::new()),
            false => from.all.clone(),
        };
        let tells = !told.are_none() && is_of_records;
        if !tells && !then.has_chains() {
            return Ok(());
        }
        let about = query::about(self.query);
        let permit = access::findable(session, of, about.as_deref())?;
        // What is not as was asked decides by that, whatever it is.
        let asked = if otherwise { Predicate::All } else { then.clone() };
        let there = query::guarded(session, self.query, about.as_deref(), asked)?.and(permit);
        let those = |predicate| TypeQuery { resource_type: of, record: None, predicate };
        if tells {
            let led = there.clone().and(led_to(session, step, of, (from.of, &told))?);
            self.tell(session, those(led.and(hidden_from_patients().negate())))?;
        }
        if then.has_chains() {
            let led = there.and(led_to(session, step, of, (from.of, &from.all))?);
            let next = Start { of, all: Those::of(session, &those(led))?, kept: None };
            if !next.all.are_none() {
                self.follow(session, then, &next, otherwise)?;
            }
        }
        Ok(())
    }

    fn tell(&mut self, session: &mut Session<'_, '_>, those: TypeQuery) -> Result<(), ApiError> {
        if those.predicate == Predicate::None {
            return Ok(());
        }
        let limit = session.service.settings.page.1;
        let wanted = PageRequest { queries: &[those], sort: &[], after: None, limit };
        let found = session.transaction.patients_among(&wanted)?;
        if found.len() <= usize::try_from(limit).unwrap_or(usize::MAX) {
            self.found.extend(found);
        }
        Ok(())
    }
}

/// Those of a type to which a step leads from these.
fn led_to(
    session: &mut Session<'_, '_>,
    step: Step,
    of: ResourceType,
    (from_type, from): (ResourceType, &Those),
) -> Result<Predicate, ApiError> {
    let Those::Known(ids) = from else {
        return Ok(match step {
            Step::To(parameter) => {
                let by = Box::new(Predicate::All);
                Predicate::ReverseChain { target: of, resource_type: from_type, parameter, by }
            }
            Step::From(parameter) => Predicate::Entry(parameter, Test::Present),
        });
    };
    let named = || Predicate::Id(ids.clone());
    match step {
        Step::To(parameter) if refers_by_url(parameter) => {
            let by = Box::new(named());
            Ok(Predicate::ReverseChain { target: of, resource_type: from_type, parameter, by })
        }
        Step::To(parameter) => {
            let those = TypeQuery { resource_type: from_type, record: None, predicate: named() };
            let names = session.transaction.keys(&those, parameter, MOST_NAMED + 1)?;
            if names.len() > MOST_NAMED {
                let by = Box::new(named());
                return Ok(Predicate::ReverseChain { target: of, resource_type: from_type, parameter, by });
            }
            let id =
                |name: &String| name.split_once('/').filter(|(one, _)| *one == of.name()).map(|(_, id)| id.to_owned());
            let ids: Vec<String> = names.iter().filter_map(id).collect();
            Ok(if ids.is_empty() { Predicate::None } else { Predicate::Id(ids) })
        }
        Step::From(parameter) if refers_by_url(parameter) => {
            Ok(Predicate::Chain { parameter, types: vec![from_type], then: Box::new(named()) })
        }
        Step::From(parameter) => {
            let names = ids.iter().map(|id| format!("{from_type}/{id}")).collect();
            Ok(Predicate::Entry(parameter, Test::OneOf(names)))
        }
    }
}
