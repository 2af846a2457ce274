//! `Patient/$match`: which Patients may be the one who is described (R4 "Patient-match"), for systems. One that another has
//! replaced is told as the one who is left.

use std::collections::BTreeMap;

use concord_consent::caller::Actor;
use concord_consent::request::Action;
use concord_fhir::issue::{Issue, IssueCode};
use concord_fhir::json::Value;
use concord_fhir::nhs_number;
use concord_fhir::rules::patient_match::{Grade, grade};
use concord_fhir::search::{Handling, parse};
use concord_model::build::{self, MatchParts};
use concord_store::lower::Rows;
use concord_store::rows::Version;

use crate::error::ApiError;
use crate::interact::access::knowledge;
use crate::interact::operation::record::PATIENT;
use crate::interact::operation::{Computing, Conduct, Input, Level, Operation, OperationTarget, Output, Parameter};
use crate::interact::session::Session;
use crate::interact::succession::{OnTheWay, survivor_beside};
use crate::interact::{access, labels, search};

/// How many Patients are compared that have a number, or a name and a date of birth.
const MOST_CANDIDATES: u32 = 100;

/// How many matches there are at most, and where nobody says how many.
const MOST_MATCHES: usize = 100;

/// How many names of the described are looked for.
const MOST_NAMES: usize = 10;

/// `Patient/$match`
pub(super) const OPERATION: Operation = Operation {
    name: "$match",
    levels: &[Level::Type],
    types: &["Patient"],
    conduct: Conduct::READS,
    computing: Computing::InProportion,
    description: "Which Patients may be the one who is described, by NHS number and demographics, with how sure that is.",
    definition: Some("http://hl7.org/fhir/OperationDefinition/Patient-match"),
    parameters: &[
        Parameter::required(
            "resource",
            "Resource",
            "A Patient with what is known: an NHS number, or a family name and a date of birth",
        ),
        Parameter::optional("onlyCertainMatches", "boolean", "Whether only the one who is certain is wanted"),
        Parameter::optional("count", "integer", "How many at most; 100 by default"),
    ],
    run,
};

fn run(session: &mut Session<'_, '_>, _target: &OperationTarget, input: &Input) -> Result<Output, ApiError> {
    if session.call.caller.actor != Actor::System {
        return Err(ApiError::denied("only systems, with a system/ scope, may ask which patients match"));
    }
    access::require_scope(session.call, Action::Search, PATIENT)?;
    let asked = input.resource("resource").filter(|asked| asked.text("resourceType") == Some("Patient"));
    let asked = asked.ok_or_else(|| ApiError::parameter("resource", "a Patient"))?;
    let most = match input.text("count") {
        None => MOST_MATCHES,
        Some(text) => text
            .parse::<usize>()
            .ok()
            .filter(|count| (1..=MOST_MATCHES).contains(count))
            .ok_or_else(|| ApiError::parameter("count", format!("a whole number from 1 to {MOST_MATCHES}")))?,
    };
    let mut found = graded(session, asked)?;
    if input.text("onlyCertainMatches").as_deref() == Some("true") {
        found.retain(|(grade, _)| *grade == Grade::Certain);
        if found.len() > 1 {
            // Of two who are both certain neither is.
            found.clear();
        }
    }
    found.truncate(most);
    let disclosed: Vec<_> = found.iter().map(|(_, version)| (Rows::Current, version)).collect();
    access::disclose(session, &disclosed, &[])?;
    let mut parts = Vec::with_capacity(found.len());
    for (grade, version) in found {
        let address = format!("{}/{}/{}", session.service.base, version.resource_type, version.id);
        let shown = Version { body: labels::shown(version.clone())?, ..version };
        let resource = shown.resource()?.into_owned();
        parts.push(MatchParts { address, resource, grade: grade.code(), score: grade.score() });
    }
    Ok(Output::Value(build::matches(parts)?))
}

/// Those who match, the surest first.
fn graded(session: &mut Session<'_, '_>, asked: &Value<'_>) -> Result<Vec<(Grade, Version)>, ApiError> {
    let mut all = Vec::new();
    // The numbers of each who is left, those of whom they have come in the place of among them.
    let mut known: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for candidate in candidates(session, asked)? {
        let left = survivor_beside(session, OnTheWay::Sent(&candidate), &candidate)?;
        known.entry(left.clone()).or_default().extend(nhs_number::borne(&candidate.resource()?));
        all.push((candidate, left));
    }
    let mut found: Vec<(Grade, Version)> = Vec::new();
    for (candidate, left) in all {
        let numbers = known.get(&left).map(Vec::as_slice).unwrap_or_default();
        let Some(grade) = grade(asked, &candidate.resource()?, numbers) else { continue };
        let meant = match left == candidate.id {
            true => candidate,
            // One whom the caller may not know is as one who is not there: then the candidate is left.
            false => match knowledge::readable(session, PATIENT, &left)? {
                Some(head) => head.version.into_version(),
                None => candidate,
            },
        };
        match found.iter_mut().find(|(_, known)| known.id == meant.id) {
            Some((known, _)) => *known = grade.max(*known),
            None => found.push((grade, meant)),
        }
    }
    found.sort_by(|(grade, one), (other_grade, other)| other_grade.cmp(grade).then_with(|| one.id.cmp(&other.id)));
    Ok(found)
}

/// The Patients whom the caller may find that have a number of the described, or a name and the date of birth.
fn candidates(session: &mut Session<'_, '_>, asked: &Value<'_>) -> Result<Vec<Version>, ApiError> {
    let numbers = nhs_number::borne(asked).into_iter().take(MOST_NAMES);
    let mut queries: Vec<Vec<(String, String)>> = numbers
        .map(|number| vec![("identifier".to_owned(), format!("{}|{}", nhs_number::SYSTEM, escaped(&number)))])
        .collect();
    let families = asked.list("name").iter().filter_map(|name| name.text("family")).take(MOST_NAMES);
    if let Some(born) = asked.text("birthDate") {
        let of = |family: &str| vec![("birthdate".to_owned(), born.to_owned()), ("family".to_owned(), escaped(family))];
        queries.extend(families.map(of));
    }
    if queries.is_empty() {
        let text =
            "say an NHS number (Patient.identifier), or a family name and a birthDate: by less nobody is told apart";
        return Err(ApiError::Unprocessable(vec![Issue::error(IssueCode::Required, "Patient", text)]));
    }
    let mut all: Vec<Version> = Vec::new();
    for pairs in queries {
        let now = session.transaction.now;
        let query = parse(Some(PATIENT), &pairs, Handling::Strict, now, &session.service.base);
        let query = query.map_err(ApiError::Unprocessable)?;
        for version in search::matches(session, &query, MOST_CANDIDATES)? {
            if all.iter().all(|known| known.id != version.id) {
                all.push(version);
            }
        }
    }
    Ok(all)
}

/// A text as the value of a search parameter: what separates values there stands for itself.
fn escaped(text: &str) -> String {
    let mut value = String::with_capacity(text.len());
    for letter in text.chars() {
        if matches!(letter, '\\' | ',' | '|' | '$') {
            value.push('\\');
        }
        value.push(letter);
    }
    value
}
