//! `Observation/$lastn`: the last readings of each kind (R4 "Observation-lastn"). Kinds are told apart by their codes;
//! two that share one reading are one.

use std::collections::HashSet;

use concord_fhir::index::ParameterId;
use concord_fhir::issue::{Issue, IssueCode, Severity};
use concord_fhir::predicate::{Predicate, Test};
use concord_store::rows::Version;

use crate::error::ApiError;
use crate::interact::access;
use crate::interact::operation::readings;
use crate::interact::operation::readings::{CATEGORY, CODE, DATE, PATIENT, SUBJECT};
use crate::interact::operation::{Computing, Conduct, Input, Level, Operation, OperationTarget, Output, Parameter};
use crate::interact::search::Page;
use crate::interact::session::Session;

/// How many codes one patient's readings may have.
const MOST_CODES: usize = 300;

/// `Observation/$lastn`
pub(super) const OPERATION: Operation = Operation {
    name: "$lastn",
    levels: &[Level::Type],
    types: &["Observation"],
    conduct: Conduct { logs_parameters: true, ..Conduct::READS },
    computing: Computing::InProportion,
    description: "The last readings of each kind, the newest of a kind first.",
    definition: Some("http://hl7.org/fhir/OperationDefinition/Observation-lastn"),
    parameters: &[
        PATIENT,
        SUBJECT,
        CODE,
        CATEGORY,
        DATE,
        Parameter::optional("max", "positiveInt", "How many of each kind; 1 by default"),
    ],
    run,
};

fn run(session: &mut Session<'_, '_>, _target: &OperationTarget, input: &Input) -> Result<Output, ApiError> {
    readings::run_logged(session, |session| found(session, input))
}

fn found(session: &mut Session<'_, '_>, input: &Input) -> Result<(Output, Vec<Version>, String), ApiError> {
    let most = match input.text("max") {
        None => 1,
        Some(text) => text
            .parse::<usize>()
            .ok()
            .filter(|most| (1..=1000).contains(most))
            .ok_or_else(|| ApiError::parameter("max", "a whole number from 1 to 1000"))?,
    };
    let meant = readings::meant(session.service, session.call, input, session.transaction.now)?;
    let parameter = ParameterId::of("Observation.code");
    // Only what may be found is looked through for codes, or how many there are would tell of what is hidden.
    let all = readings::type_queries(session, &meant, Predicate::All)?;
    let mut codes = match &all {
        Some(all) => session.transaction.keys(all, parameter, MOST_CODES + 1)?,
        None => Vec::new(),
    };
    let cut = codes.len() > MOST_CODES;
    codes.truncate(MOST_CODES);
    let mut kinds: Vec<Kind> = Vec::new();
    for code in codes {
        let of_code = Predicate::Entry(parameter, Test::Is(code.clone()));
        let query = readings::type_queries(session, &meant, of_code)?;
        let known: HashSet<i64> = kinds.iter().flat_map(|kind| kind.0.iter().map(|(_, known)| known.key)).collect();
        let newest = readings::newest(session.transaction, query, most, &|key| known.contains(&key))?;
        if !newest.is_empty() {
            join(&mut kinds, newest);
        }
    }
    let mut versions = Vec::new();
    for mut kind in kinds {
        kind.0.sort_by(|one, other| other.0.total_cmp(&one.0).then(other.1.key.cmp(&one.1.key)));
        versions.extend(kind.0.into_iter().take(most).map(|(_, version)| version));
    }
    let mut remarks = Vec::new();
    if cut {
        let text = format!("the readings have more than {MOST_CODES} codes, and not all are here: name some by `code`");
        remarks.push(Issue::remark(Severity::Warning, IssueCode::TooCostly, text));
    }
    let total = i64::try_from(versions.len()).ok();
    let told = versions.iter().map(Version::without_body).collect();
    let page = Page { versions, remarks, total, ..Page::default() };
    Ok((Output::Page(page), told, meant.patient))
}

/// The readings of a kind with their times.
struct Kind(Vec<(f64, Version)>);

/// Adds readings of one code; a kind that has one of them already is the same kind.
fn join(kinds: &mut Vec<Kind>, newest: Vec<Version>) {
    let shared = |kind: &Kind| kind.0.iter().any(|(_, known)| newest.iter().any(|one| one.key == known.key));
    let (same, others): (Vec<Kind>, Vec<Kind>) = kinds.drain(..).partition(shared);
    *kinds = others;
    let mut all: Vec<(f64, Version)> = same.into_iter().flat_map(|kind| kind.0).collect();
    for version in newest {
        if !all.iter().any(|(_, known)| known.key == version.key) {
            all.push((time(&version), version));
        }
    }
    kinds.push(Kind(all));
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds are exact in a double for 285,000 years")]
fn time(version: &Version) -> f64 {
    let value = access::stored(version).ok();
    let range = value.as_ref().and_then(|value| concord_fhir::rules::instant::range(readings::taken(value)?));
    range.map_or(f64::MIN, |(_, last)| last as f64)
}
