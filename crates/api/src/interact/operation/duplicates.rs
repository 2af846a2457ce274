//! `Observation/$duplicates`: readings that several apps may have handed in twice: the same code, the same numbers, taken
//! within minutes of one another. They are proposed to the reader; nothing is merged.

use std::sync::Arc;

use concord_fhir::json::Value;
use concord_fhir::predicate::Predicate;
use concord_fhir::rules::instant;

use super::readings::{self, CATEGORY, CODE, DATE, PATIENT, SUBJECT};
use super::{Input, Level, Operation, Output, Parameter, Running, Target};
use crate::fault::Fault;
use crate::interact::{Call, Concord, access};
use crate::store::rows::Version;
use crate::store::transaction::Transaction;

/// How many readings are compared, the newest.
const MOST_READINGS: usize = 5_000;

/// `Observation/$duplicates`
pub(super) const OPERATION: Operation = Operation {
    name: "$duplicates",
    levels: &[Level::Type],
    types: &["Observation"],
    changes: false,
    takes_invalid: false,
    told: "Groups of a patient's readings that may be one reading handed in several times: same code, same numbers, same \
           few minutes. Nothing is merged: whoever wrote one may mark it as entered in error.",
    definition: None,
    parameters: &[
        PATIENT,
        SUBJECT,
        CODE,
        CATEGORY,
        DATE,
        Parameter { name: "minutes", of: "integer", min: 0, max: 1, told: "How far apart at most; 5 by default" },
    ],
    run,
};

fn run(concord: Arc<Concord>, call: Call, _: Target, input: Input) -> Running {
    Box::pin(async move {
        let store = concord.store.clone();
        store
            .read(move |transaction| {
                let done = groups(&concord, &call, transaction, &input);
                readings::told(&call, transaction, OPERATION.name, &input, done)
            })
            .await
    })
}

/// What two readings are compared by.
struct Reading {
    place: String,
    source: String,
    numbers: Vec<(String, String, String)>,
    at: i64,
}

fn groups(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    input: &Input,
) -> Result<(Output, Vec<Version>, String), Fault> {
    let minutes = match input.text("minutes") {
        None => 5,
        Some(text) => text
            .parse::<i64>()
            .ok()
            .filter(|minutes| (0..=1440).contains(minutes))
            .ok_or_else(|| Fault::parameter("minutes", "a whole number from 0 to 1440"))?,
    };
    let meant = readings::meant(concord, call, input, transaction.now)?;
    let among = readings::among(concord, call, transaction, &meant, Predicate::All)?;
    let (versions, more) = readings::newest(transaction, among, MOST_READINGS)?;
    let mut read = Vec::new();
    for version in &versions {
        read.extend(reading(version)?);
    }
    read.sort_by(|one, other| (&one.numbers, one.at).cmp(&(&other.numbers, other.at)));
    let near = |one: &Reading, other: &Reading| one.numbers == other.numbers && other.at - one.at <= minutes * 60_000;
    let mut parameters: Vec<Value<'static>> =
        read.chunk_by(near).filter(|group| group.len() > 1).map(proposed).collect();
    if more {
        let text = format!("only the newest {MOST_READINGS} readings were compared: ask for another time by `date`");
        parameters.push(Value::object([("name", Value::string("remark")), ("valueString", Value::string(text))]));
    }
    let mut value = Value::object([("resourceType", Value::string("Parameters"))]);
    if let (Some(object), false) = (value.as_object_mut(), parameters.is_empty()) {
        object.set("parameter", Value::Array(parameters));
    }
    Ok((Output::Value(value), versions, meant.patient))
}

/// A reading with numbers and a time; none without.
fn reading(version: &Version) -> Result<Option<Reading>, Fault> {
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

fn proposed(group: &[Reading]) -> Value<'static> {
    let several = group.iter().any(|one| group.first().is_some_and(|first| first.source != one.source));
    let why = match several {
        true => "the same numbers at nearly the same time, from several apps",
        false => "the same numbers at nearly the same time",
    };
    let mut parts: Vec<Value<'static>> = group
        .iter()
        .map(|one| {
            Value::object([
                ("name", Value::string("observation")),
                ("valueReference", Value::object([("reference", Value::string(one.place.as_str()))])),
            ])
        })
        .collect();
    parts.push(Value::object([("name", Value::string("reason")), ("valueString", Value::string(why))]));
    Value::object([("name", Value::string("group")), ("part", Value::Array(parts))])
}
