//! What operations over one patient's Observations share: which are meant, and reading them.

use concord_consent::caller::Actor;
use concord_consent::request::Action;
use concord_fhir::index::ParameterId;
use concord_fhir::json::Value;
use concord_fhir::predicate::Predicate;
use concord_fhir::registry::ResourceType;
use concord_fhir::search::{self, Handling, Sort, SortBy};
use concord_store::lower::Rows;
use concord_store::rows::Version;
use concord_store::search::{PageRequest, Position, TypeQuery};
use concord_store::transaction::Transaction;

use crate::error::ApiError;
use crate::interact::operation::record;
use crate::interact::operation::record::not_in_error;
use crate::interact::operation::{Input, Output, Parameter};

use crate::interact::session::Session;
use crate::interact::{Call, Service, access};

/// The type of readings.
pub(super) const OBSERVATION: ResourceType = ResourceType::of("Observation");

/// How many are read at once.
const CHUNK: u32 = 500;

/// The search parameters that say which readings are meant.
pub(super) const PATIENT: Parameter =
    Parameter::optional("patient", "string", "Whose readings; a patient's own by default");
/// Likewise.
pub(super) const SUBJECT: Parameter = Parameter::optional("subject", "string", "The same as patient, as Patient/id");
/// Likewise.
pub(super) const CODE: Parameter =
    Parameter { max: 5, ..Parameter::optional("code", "string", "Only readings with this code, as in a search") };
/// Likewise.
pub(super) const CATEGORY: Parameter =
    Parameter { max: 5, ..Parameter::optional("category", "string", "Only readings of this category") };
/// Likewise.
pub(super) const DATE: Parameter =
    Parameter { max: 2, ..Parameter::optional("date", "string", "Only readings of this time, as in a search") };

/// Whose readings, and which of them.
pub(super) struct ReadingQuery {
    /// The logical id of the patient.
    pub(super) patient: String,
    /// What the search parameters say.
    asked: Predicate,
}

/// Reads the search parameters.
pub(super) fn meant(service: &Service, call: &Call, input: &Input, now: i64) -> Result<ReadingQuery, ApiError> {
    let named = input.text("patient").or_else(|| input.text("subject"));
    let patient = match (named, &call.caller.actor) {
        (Some(text), _) => text.strip_prefix("Patient/").unwrap_or(&text).to_owned(),
        (None, Actor::Patient(own)) => own.clone(),
        (None, _) => return Err(ApiError::parameter("patient", "say whose readings are meant")),
    };
    let mut pairs = vec![("patient".to_owned(), patient.clone())];
    for name in ["code", "category", "date"] {
        pairs.extend(input.texts(name).into_iter().map(|value| (name.to_owned(), value)));
    }
    let query =
        search::parse(Some(OBSERVATION), &pairs, Handling::Strict, now, &service.base).map_err(ApiError::Malformed)?;
    Ok(ReadingQuery { patient, asked: query.predicate })
}

/// What is meant, also meets `further`, and may be found by the caller; none if nothing can be.
pub(super) fn type_queries(
    session: &mut Session<'_, '_>,
    meant: &ReadingQuery,
    further: Predicate,
) -> Result<Option<TypeQuery>, ApiError> {
    access::require_scope(session.call, Action::Search, OBSERVATION)?;
    let wanted = meant.asked.clone().and(not_in_error("Observation.status")).and(further);
    record::type_queries(session, OBSERVATION, &meant.patient, wanted)
}

/// The newest readings for an answer, the newest first, at most `most`; those that it has already without what they say.
pub(super) fn newest(
    transaction: &mut Transaction<'_>,
    query: Option<TypeQuery>,
    most: usize,
    is_known: &dyn Fn(i64) -> bool,
) -> Result<Vec<Version>, ApiError> {
    let mut all = Vec::new();
    each_newest(transaction, query, most, |transaction, version| {
        if is_known(version.key) {
            all.push(version.without_body());
        } else {
            transaction.hold(version)?;
            all.push(version.clone());
        }
        Ok(())
    })?;
    Ok(all)
}

/// Looks at the newest readings first, at most `most`, each of which is let go of but for what it is besides its body; these, and
/// whether there are more.
pub(super) fn each_newest(
    transaction: &mut Transaction<'_>,
    query: Option<TypeQuery>,
    most: usize,
    mut look: impl FnMut(&mut Transaction<'_>, &Version) -> Result<(), ApiError>,
) -> Result<(Vec<Version>, bool), ApiError> {
    let Some(query) = query else { return Ok((Vec::new(), false)) };
    let queries = [query];
    let mut found: Vec<Version> = Vec::new();
    let mut after: Option<Position> = None;
    loop {
        let wanted = newest_first(&queries, after.as_ref(), most.saturating_sub(found.len()));
        let (piece, next) = transaction.piece(&wanted)?;
        for mut version in piece {
            look(transaction, &version)?;
            version.body = String::new();
            found.push(version);
        }
        match next {
            None => return Ok((found, false)),
            Some(_) if found.len() >= most => return Ok((found, true)),
            next => after = next,
        }
    }
}

/// The newest first, so many at a time.
fn newest_first<'q>(queries: &'q [TypeQuery], after: Option<&'q Position>, room: usize) -> PageRequest<'q> {
    const SORT: [Sort; 1] = [Sort { by: SortBy::Range(ParameterId::of("Observation.date")), descending: true }];
    let limit = u32::try_from(room).unwrap_or(CHUNK).min(CHUNK);
    PageRequest { queries, sort: &SORT, after, limit }
}

/// Runs such an operation: what it has read is told in the log to the patient.
pub(super) fn run_logged(
    session: &mut Session<'_, '_>,
    work: impl FnOnce(&mut Session<'_, '_>) -> Result<(Output, Vec<Version>, String), ApiError>,
) -> Result<Output, ApiError> {
    let (output, versions, patient) = work(session)?;
    let disclosed: Vec<_> = versions.iter().map(|version| (Rows::Current, version)).collect();
    access::disclose(session, &disclosed, &[patient])?;
    Ok(output)
}

/// One number of a reading: of the Observation itself or of a component.
pub(super) struct Number {
    /// Its code, as `system|code` or the text.
    pub(super) code: String,
    /// What to call it.
    pub(super) display: String,
    /// The unit's code, else the unit as written.
    pub(super) unit: String,
    /// The number as it is stored.
    pub(super) text: String,
    /// The number.
    pub(super) value: f64,
}

/// The numbers of a reading.
pub(super) fn numbers(observation: &Value<'_>) -> Vec<Number> {
    let parts = std::iter::once(observation).chain(observation.list("component"));
    parts.filter_map(number).collect()
}

fn number(part: &Value<'_>) -> Option<Number> {
    let quantity = part.get("valueQuantity")?;
    let text = quantity.get("value")?.as_number()?.to_owned();
    let value: f64 = text.parse().ok()?;
    let code = part.get("code")?;
    let coding = code.list("coding").first();
    let key = coding.map(|coding| {
        format!("{}|{}", coding.text("system").unwrap_or_default(), coding.text("code").unwrap_or_default())
    });
    let named = code.text("text").or_else(|| coding.and_then(|coding| coding.text("display")));
    let unit = quantity.text("code").or_else(|| quantity.text("unit")).unwrap_or_default().to_owned();
    let key = key.or_else(|| named.map(str::to_owned)).unwrap_or_default();
    Some(Number { display: named.unwrap_or(&key).to_owned(), code: key, unit, text, value })
}

/// When a reading was taken: the text of its time.
pub(super) fn taken<'v>(observation: &'v Value<'_>) -> Option<&'v str> {
    let period = || observation.get("effectivePeriod").and_then(|period| period.text("start"));
    observation.text("effectiveDateTime").or_else(|| observation.text("effectiveInstant")).or_else(period)
}
