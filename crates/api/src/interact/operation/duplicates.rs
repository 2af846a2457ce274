//! `Observation/$duplicates`: readings that several apps may have handed in twice: the same code, the same numbers, taken
//! within minutes of one another. They are proposed to the reader; nothing is merged.

use concord_fhir::predicate::Predicate;
use concord_fhir::rules::instant;
use concord_model::build::{self, Content, Link, parameter};
use concord_store::rows::Version;

use crate::error::ApiError;
use crate::interact::access;
use crate::interact::operation::readings;
use crate::interact::operation::readings::{CATEGORY, CODE, DATE, PATIENT, SUBJECT};
use crate::interact::operation::{Computing, Conduct, Input, Level, Operation, OperationTarget, Output, Parameter};
use crate::interact::session::Session;

/// How many readings are compared, the newest.
const MOST_READINGS: usize = 5_000;

/// `Observation/$duplicates`
pub(super) const OPERATION: Operation = Operation {
    name: "$duplicates",
    levels: &[Level::Type],
    types: &["Observation"],
    conduct: Conduct { logs_parameters: true, ..Conduct::READS },
    computing: Computing::InProportion,
    description: "Groups of a patient's readings that may be one reading handed in several times: same code, same numbers, same \
           few minutes. Nothing is merged: whoever wrote one may mark it as entered in error.",
    definition: None,
    parameters: &[
        PATIENT,
        SUBJECT,
        CODE,
        CATEGORY,
        DATE,
        Parameter::optional("minutes", "integer", "How far apart at most; 5 by default"),
    ],
    run,
};

fn run(session: &mut Session<'_, '_>, _target: &OperationTarget, input: &Input) -> Result<Output, ApiError> {
    readings::run_logged(session, |session| groups(session, input))
}

/// What two readings are compared by.
struct Reading {
    place: String,
    source: String,
    numbers: Vec<(String, String, String)>,
    at: i64,
}

fn groups(session: &mut Session<'_, '_>, input: &Input) -> Result<(Output, Vec<Version>, String), ApiError> {
    let minutes = match input.text("minutes") {
        None => 5,
        Some(text) => text
            .parse::<i64>()
            .ok()
            .filter(|minutes| (0..=1440).contains(minutes))
            .ok_or_else(|| ApiError::parameter("minutes", "a whole number from 0 to 1440"))?,
    };
    let meant = readings::meant(session.service, session.call, input, session.transaction.now)?;
    let query = readings::type_queries(session, &meant, Predicate::All)?;
    let mut read = Vec::new();
    let (versions, more) = readings::each_newest(session.transaction, query, MOST_READINGS, |_, version| {
        read.extend(reading(version)?);
        Ok(())
    })?;
    read.sort_by(|one, other| (&one.numbers, one.at).cmp(&(&other.numbers, other.at)));
    let near = |one: &Reading, other: &Reading| one.numbers == other.numbers && other.at - one.at <= minutes * 60_000;
    let mut answer: Vec<build::Parameter> = read.chunk_by(near).filter(|group| group.len() > 1).map(proposed).collect();
    if more {
        let text = format!("only the newest {MOST_READINGS} readings were compared: ask for another time by `date`");
        answer.push(parameter("remark", Content::String(text)));
    }
    Ok((Output::Value(build::parameters(answer)?), versions, meant.patient))
}

/// A reading with numbers and a time; none without.
fn reading(version: &Version) -> Result<Option<Reading>, ApiError> {
    let value = access::stored(version)?;
    let Some((at, _)) = readings::taken(&value).and_then(instant::range) else { return Ok(None) };
    let mut numbers: Vec<(String, String, String)> =
        readings::numbers(&value).into_iter().map(|one| (one.code, one.unit, one.value.to_string())).collect();
    numbers.sort();
    if numbers.is_empty() {
        return Ok(None);
    }
    let source = value.get("meta").and_then(|meta| meta.text("source")).unwrap_or_default().to_owned();
    Ok(Some(Reading { place: format!("Observation/{}", version.id), source, numbers, at }))
}

fn proposed(group: &[Reading]) -> build::Parameter {
    let several = group.iter().any(|one| group.first().is_some_and(|first| first.source != one.source));
    let why = match several {
        true => "the same numbers at nearly the same time, from several apps",
        false => "the same numbers at nearly the same time",
    };
    let link = |one: &Reading| Content::Reference(Link::To(one.place.clone()));
    let mut parts: Vec<build::Parameter> = group.iter().map(|one| parameter("observation", link(one))).collect();
    parts.push(parameter("reason", Content::String(why.to_owned())));
    parameter("group", Content::Parts(parts))
}
