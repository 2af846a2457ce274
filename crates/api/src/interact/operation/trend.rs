//! `Observation/$trend`: how a reading goes over time, so that portals can draw it: the least, the greatest and the mean of
//! each day, week or month. Numbers in different units are different series; nothing is converted.

use std::collections::BTreeMap;

use chrono::{Datelike, NaiveDate};
use concord_fhir::issue::{Issue, IssueCode};
use concord_fhir::predicate::Predicate;
use concord_model::build::{self, Content, parameter};
use concord_store::rows::Version;

use crate::error::ApiError;
use crate::interact::access;
use crate::interact::operation::readings;
use crate::interact::operation::readings::{CATEGORY, DATE, Number, PATIENT, SUBJECT};
use crate::interact::operation::{Computing, Conduct, Input, Level, Operation, OperationTarget, Output, Parameter};
use crate::interact::session::Session;

/// How many readings a trend is made of at most.
const MOST_READINGS: usize = 20_000;

/// `Observation/$trend`
pub(super) const OPERATION: Operation = Operation {
    name: "$trend",
    levels: &[Level::Type],
    types: &["Observation"],
    conduct: Conduct { logs_parameters: true, ..Conduct::READS },
    computing: Computing::InProportion,
    description: "The least, greatest and mean of a patient's readings in each day, week or month, a series for each code and \
           unit. Days are those of the readings' own time zone.",
    definition: None,
    parameters: &[
        PATIENT,
        SUBJECT,
        Parameter { max: 5, ..Parameter::required("code", "string", "The code of the readings, as in a search") },
        CATEGORY,
        DATE,
        Parameter::optional("period", "code", "day, week or month; day by default"),
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

fn run(session: &mut Session<'_, '_>, _target: &OperationTarget, input: &Input) -> Result<Output, ApiError> {
    readings::run_logged(session, |session| trend(session, input))
}

fn trend(session: &mut Session<'_, '_>, input: &Input) -> Result<(Output, Vec<Version>, String), ApiError> {
    let period = match input.text("period").as_deref() {
        None | Some("day") => Period::Day,
        Some("week") => Period::Week,
        Some("month") => Period::Month,
        Some(_) => return Err(ApiError::parameter("period", "day, week or month")),
    };
    let meant = readings::meant(session.service, session.call, input, session.transaction.now)?;
    let query = readings::type_queries(session, &meant, Predicate::All)?;
    let mut series: BTreeMap<(String, String), Series> = BTreeMap::new();
    let (versions, more) = readings::each_newest(session.transaction, query, MOST_READINGS, |_, version| {
        let value = access::stored(version)?;
        // A reading that does not say its day is in no part of the trend.
        let Some(day) = readings::taken(&value).and_then(|text| text.get(..10)?.parse::<NaiveDate>().ok()) else {
            return Ok(());
        };
        for number in readings::numbers(&value) {
            let key = (number.code.clone(), number.unit.clone());
            series.entry(key).or_insert_with(|| Series::of(&number)).add(period.start(day), number);
        }
        Ok(())
    })?;
    if more {
        let text = format!("a trend is made of {MOST_READINGS} readings at most: ask for a shorter time by `date`");
        return Err(ApiError::Malformed(vec![Issue::plain(IssueCode::TooCostly, text)]));
    }
    let answer = series.into_values().map(Series::parameter).collect();
    Ok((Output::Value(build::parameters(answer)?), versions, meant.patient))
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

    fn parameter(self) -> build::Parameter {
        let (system, code) = self.code.split_once('|').unwrap_or_default();
        let coding = Content::Coding { system: system.to_owned(), code: code.to_owned(), display: self.display };
        let mut parts = vec![parameter("code", coding)];
        if !self.unit.is_empty() {
            parts.push(parameter("unit", Content::String(self.unit)));
        }
        for (start, point) in self.points {
            let inner = vec![
                parameter("start", Content::Date(start.to_string())),
                parameter("count", Content::Integer(i32::try_from(point.count).unwrap_or(i32::MAX))),
                parameter("min", Content::Decimal(point.least.1)),
                parameter("max", Content::Decimal(point.greatest.1)),
                parameter("mean", Content::Decimal(mean(point.sum, point.count))),
            ];
            parts.push(parameter("point", Content::Parts(inner)));
        }
        parameter("series", Content::Parts(parts))
    }
}

/// To three places after the point, which is more than any device has.
fn mean(sum: f64, count: u32) -> String {
    let text = format!("{:.3}", sum / f64::from(count.max(1)));
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
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
