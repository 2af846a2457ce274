//! Whose data decides by a chain or `_has` what a search finds: they are told that it was looked at (ADR 92).
//!
//! The log tells those whom a match is about. What it leads through may be another's, or hers where the match itself is kept from
//! her: whoever may write that could read her record through it, value by value, and she would read nothing of it.

use std::collections::BTreeSet;

use concord_fhir::predicate::Predicate;
use concord_fhir::registry::ResourceType;
use concord_fhir::search::{Include, Query, names_owner};
use concord_store::lower::Rows;
use concord_store::rows::Version;

use crate::error::ApiError;
use crate::interact::labels::review::is_kept;
use crate::interact::search::include;
use crate::interact::session::Session;

/// The patients, each with a type of what is not kept from them, whose data some of these matches were found through, and to whom no
/// match is told: what is kept from a patient is not.
///
/// # Errors
/// When the store fails.
pub(super) fn led_through(
    session: &mut Session<'_, '_>,
    query: &Query,
    matches: &[Version],
) -> Result<Vec<(i64, ResourceType)>, ApiError> {
    // What is looked at is no part of the answer.
    let room = session.transaction.look_again();
    let found = session.without_explain(|session| of_all_types(session, query, matches));
    session.transaction.go_on_bounding(room);
    found
}

fn of_all_types(
    session: &mut Session<'_, '_>,
    query: &Query,
    matches: &[Version],
) -> Result<Vec<(i64, ResourceType)>, ApiError> {
    let mut walk = Walk { query, found: BTreeSet::new() };
    for one in query.searched_types() {
        let asked = query.of_type(one);
        if asked.has_chains() {
            let from: Vec<Version> =
                matches.iter().filter(|version| version.resource_type == one).map(Version::without_body).collect();
            walk.follow(session, &asked, &from)?;
        }
    }
    let mut found = walk.found;
    if !found.is_empty() {
        for version in matches.iter().filter(|version| !is_kept(version)) {
            let told = session.transaction.patients_of(Rows::Current, version)?;
            found.retain(|(patient, _)| !told.contains(patient));
        }
    }
    Ok(found.into_iter().collect())
}

struct Walk<'q> {
    query: &'q Query,
    found: BTreeSet<(i64, ResourceType)>,
}

impl Walk<'_> {
    /// Goes on from resources of which this was asked.
    fn follow(&mut self, session: &mut Session<'_, '_>, asked: &Predicate, from: &[Version]) -> Result<(), ApiError> {
        match asked {
            _ if from.is_empty() => Ok(()),
            Predicate::And(parts) | Predicate::Or(parts) => {
                parts.iter().try_for_each(|part| self.follow(session, part, from))
            }
            Predicate::Not(part) => self.follow(session, part, from),
            Predicate::Chain { parameter, types, then } => types.iter().try_for_each(|one| {
                let include = Include { target: Some(*one), parameter: Some(*parameter), ..Include::default() };
                self.step(session, include, from, then)
            }),
            Predicate::ReverseChain { resource_type, parameter, by, .. } => {
                let (source, parameter) = (Some(*resource_type), Some(*parameter));
                let include = Include { reverse: true, source, parameter, ..Include::default() };
                self.step(session, include, from, by)
            }
            _ => Ok(()),
        }
    }

    fn step(
        &mut self,
        session: &mut Session<'_, '_>,
        include: Include,
        from: &[Version],
        then: &Predicate,
    ) -> Result<(), ApiError> {
        // A patient and what is in her record are told to her by one another.
        let is_of_one_record = include.parameter.is_some_and(names_owner);
        let is_from = |version: &&Version| !is_of_one_record || is_kept(version);
        let from: Vec<Version> = from.iter().filter(is_from).map(Version::without_body).collect();
        if from.is_empty() {
            return Ok(());
        }
        let query = Query { include: vec![include], ..self.query.clone() };
        let (next, _) = include::included_by(session, &query, &from, |_| true)?;
        for version in next.iter().filter(|version| !is_kept(version)) {
            let patients = session.transaction.patients_of(Rows::Current, version)?;
            self.found.extend(patients.into_iter().map(|patient| (patient, version.resource_type)));
        }
        self.follow(session, then, &next)
    }
}
