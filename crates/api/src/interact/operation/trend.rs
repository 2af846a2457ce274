//! `Observation/$trend`: how a reading goes over time, so that portals can draw it: the least, the greatest and the mean of
//! each day, week or month. Numbers in different units are different series; nothing is converted.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{Datelike, NaiveDate};
use concord_fhir::issue::{Issue, IssueCode};
use concord_fhir::json::Value;
use concord_fhir::predicate::Predicate;

use super::readings::{self, CATEGORY, DATE, Number, PATIENT, SUBJECT};
use super::{Input, Level, Operation, Output, Parameter, Running, Target};
use crate::fault::Fault;
use crate::interact::{Call, Concord, access};
use crate::store::rows::Version;
use crate::store::transaction::Transaction;

/// How many readings a trend is made of at most.
const MOST_READINGS: usize = 20_000;

/// `Observation/$trend`
pub(super) const OPERATION: Operation = Operation {
    name: "$trend",
    levels: &[Level::Type],
    types: &["Observation"],
    changes: false,
    takes_invalid: false,
    told: "The least, greatest and mean of a patient's readings in each day, week or month, a series for each code and \
           unit. Days are those of the readings' own time zone.",
    definition: None,
    parameters: &[
        PATIENT,
        SUBJECT,
        Parameter { name: "code", of: "string", min: 1, max: 5, told: "The code of the readings, as in a search" },
        CATEGORY,
        DATE,
        Parameter { name: "period", of: "code", min: 0, max: 1, told: "day, week or month; day by default" },
    ],
    run,
};

/// How long the parts of a trend are.
#[derive(Clone, Copy)]
enum Period {
    Day,
    Week,
    Month,
}

impl Period {
    /// The first day of the part that a day is in.
    fn start(self, day: NaiveDate) -> NaiveDate {
        match self {
            Period::Day => day,
            Period::Week => {
                day.checked_sub_days(chrono::Days::new(u64::from(day.weekday().num_days_from_monday()))).unwrap_or(day)
            }
            Period::Month => day.with_day(1).unwrap_or(day),
        }
    }
}

fn run(concord: Arc<Concord>, call: Call, _: Target, input: Input) -> Running {
    Box::pin(async move {
        let store = concord.store.clone();
        store
            .read_records(move |transaction| {
                let done = trend(&concord, &call, transaction, &input);
                readings::told(&call, transaction, OPERATION.name, &input, done)
            })
            .await
    })
}

fn trend(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    input: &Input,
) -> Result<(Output, Vec<Version>, String), Fault> {
    let period = match input.text("period").as_deref() {
        None | Some("day") => Period::Day,
        Some("week") => Period::Week,
        Some("month") => Period::Month,
        Some(_) => return Err(Fault::parameter("period", "day, week or month")),
    };
    let meant = readings::meant(concord, call, input, transaction.now)?;
    let among = readings::among(concord, call, transaction, &meant, Predicate::All)?;
    let (versions, more) = readings::newest(transaction, among, MOST_READINGS)?;
    if more {
        let text = format!("a trend is made of {MOST_READINGS} readings at most: ask for a shorter time by `date`");
        return Err(Fault::Malformed(vec![Issue::plain(IssueCode::TooCostly, text)]));
    }
    let mut series: BTreeMap<(String, String), Series> = BTreeMap::new();
    for version in &versions {
        let value = access::stored(version)?;
        // A reading that does not say its day is in no part of the trend.
        let Some(day) = readings::taken(&value).and_then(|text| text.get(..10)?.parse::<NaiveDate>().ok()) else {
            continue;
        };
        for number in readings::numbers(&value) {
            let key = (number.code.clone(), number.unit.clone());
            series.entry(key).or_insert_with(|| Series::of(&number)).add(period.start(day), number);
        }
    }
    let parameters = series.into_values().map(Series::told).collect();
    let value = Value::object([("resourceType", Value::string("Parameters")), ("parameter", Value::Array(parameters))]);
    Ok((Output::Value(without_empty(value)), versions, meant.patient))
}

/// FHIR has no empty lists.
fn without_empty(mut value: Value<'static>) -> Value<'static> {
    if value.list("parameter").is_empty()
        && let Some(object) = value.as_object_mut()
    {
        object.remove("parameter");
    }
    value
}

/// The numbers of one code in one unit.
struct Series {
    code: String,
    display: String,
    unit: String,
    points: BTreeMap<NaiveDate, Point>,
}

struct Point {
    count: u32,
    sum: f64,
    least: (f64, String),
    greatest: (f64, String),
}

impl Series {
    fn of(number: &Number) -> Series {
        let (code, display, unit) = (number.code.clone(), number.display.clone(), number.unit.clone());
        Series { code, display, unit, points: BTreeMap::new() }
    }

    fn add(&mut self, start: NaiveDate, number: Number) {
        let own = (number.value, number.text);
        let point = self.points.entry(start).or_insert_with(|| Point {
            count: 0,
            sum: 0.0,
            least: own.clone(),
            greatest: own.clone(),
        });
        point.count += 1;
        point.sum += own.0;
        if own.0 < point.least.0 {
            point.least = own.clone();
        }
        if own.0 > point.greatest.0 {
            point.greatest = own;
        }
    }

    fn told(self) -> Value<'static> {
        let mut parts = Vec::new();
        let coding = match self.code.split_once('|') {
            Some((system, code)) => {
                let mut coding = vec![];
                if !system.is_empty() {
                    coding.push(("system".into(), Value::string(system)));
                }
                coding.push(("code".into(), Value::string(code)));
                coding.push(("display".into(), Value::string(self.display)));
                Value::Object(concord_fhir::json::Object(coding))
            }
            None => Value::object([("display", Value::string(self.display))]),
        };
        parts.push(part("code", "valueCoding", coding));
        if !self.unit.is_empty() {
            parts.push(part("unit", "valueString", Value::string(self.unit)));
        }
        for (start, point) in self.points {
            let number = |text: String| Value::Number(text.into());
            let inner = vec![
                part("start", "valueDate", Value::string(start.to_string())),
                part("count", "valueInteger", number(point.count.to_string())),
                part("min", "valueDecimal", number(point.least.1)),
                part("max", "valueDecimal", number(point.greatest.1)),
                part("mean", "valueDecimal", number(mean(point.sum, point.count))),
            ];
            parts.push(Value::object([("name", Value::string("point")), ("part", Value::Array(inner))]));
        }
        Value::object([("name", Value::string("series")), ("part", Value::Array(parts))])
    }
}

/// To three places after the point, which is more than any device has.
fn mean(sum: f64, count: u32) -> String {
    let text = format!("{:.3}", sum / f64::from(count.max(1)));
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

fn part(name: &'static str, kind: &'static str, value: Value<'static>) -> Value<'static> {
    Value::object([("name", Value::string(name)), (kind, value)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_week_begins_on_monday_and_a_month_on_its_first() {
        let day = |text: &str| text.parse::<NaiveDate>().unwrap();
        assert_eq!(Period::Week.start(day("2026-11-22")), day("2026-11-16"));
        assert_eq!(Period::Week.start(day("2026-11-16")), day("2026-11-16"));
        assert_eq!(Period::Month.start(day("2024-02-29")), day("2024-02-01"));
        assert_eq!((mean(361.0, 3), mean(10.0, 3), mean(-0.0, 1)), ("120.333".into(), "3.333".into(), "0".into()));
    }
}
