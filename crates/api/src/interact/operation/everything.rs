//! `Patient/$everything`: a whole record, as far as the caller may see it (R4 "Patient-everything"). The Patient and
//! About Me come first; the decision is in the statement, as in a search.

use concord_consent::request::Action;
use concord_fhir::index::ParameterId;
use concord_fhir::issue::Issue;
use concord_fhir::predicate::{Comparison, Predicate};
use concord_fhir::registry::{ResourceType, parameter};
use concord_fhir::search::Query;
use concord_store::rows::Version;
use concord_store::search::{PageRequest, Position, PositionValue, TypeQuery};

use crate::error::ApiError;
use crate::interact::access;
use crate::interact::operation::record;
use crate::interact::operation::record::{PATIENT, QUESTIONNAIRE_RESPONSE};
use crate::interact::operation::{Computing, Conduct, Input, Level, Operation, OperationTarget, Output, Parameter};

use crate::interact::search::Page;
use crate::interact::search::include;
use crate::interact::session::Session;
use crate::interact::{Call, Service, read};

/// `Patient/$everything`
pub(super) const OPERATION: Operation = Operation {
    name: "$everything",
    levels: &[Level::Type, Level::Instance],
    types: &["Patient"],
    conduct: Conduct { logs_parameters: true, ..Conduct::READS },
    computing: Computing::InProportion,
    description: "Everything in the patient's record that the caller may see, page by page: the Patient and About Me first, \
           and with each page whom and what it names.",
    definition: Some("http://hl7.org/fhir/OperationDefinition/Patient-everything"),
    parameters: &[
        Parameter::optional("start", "date", "Only care from this date on"),
        Parameter::optional("end", "date", "Only care up to this date"),
        Parameter::optional("_since", "instant", "Only what has changed since"),
        Parameter { max: 20, ..Parameter::optional("_type", "code", "Only these types, with commas between them") },
        Parameter::optional("_count", "integer", "How many on a page"),
        Parameter::optional("_cursor", "string", "From a next link"),
    ],
    run,
};

/// The types whose time of care is kept under other names than `date`.
const CARE_DATES: [(&str, &[&str]); 13] = [
    ("Condition", &["onset-date", "recorded-date"]),
    ("Communication", &["sent"]),
    ("DocumentReference", &["date", "period"]),
    ("Goal", &["start-date"]),
    ("ImagingStudy", &["started"]),
    ("MedicationAdministration", &["effective-time"]),
    ("MedicationDispense", &["whenhandedover", "whenprepared"]),
    ("MedicationRequest", &["authoredon"]),
    ("MedicationStatement", &["effective"]),
    ("QuestionnaireResponse", &["authored"]),
    ("ServiceRequest", &["authored", "occurrence"]),
    ("Task", &["authored-on", "period"]),
    ("AllergyIntolerance", &["date", "onset"]),
];

/// What was asked for.
struct EverythingInput {
    patient: String,
    types: Vec<ResourceType>,
    care: (Option<i64>, Option<i64>),
    since: Option<i64>,
    limit: u32,
    cursor: Option<String>,
    /// Everything but the place in it: what a cursor is bound to.
    context: String,
}

fn run(session: &mut Session<'_, '_>, target: &OperationTarget, input: &Input) -> Result<Output, ApiError> {
    let asked = asked(session.service, session.call, target, input)?;
    session.audit.about(&asked.patient);
    let page = page(session, &asked)?;
    access::disclose(session, &page.disclosed(), &[asked.patient])?;
    Ok(Output::Page(page))
}

fn asked(service: &Service, call: &Call, target: &OperationTarget, input: &Input) -> Result<EverythingInput, ApiError> {
    let patient = record::patient(call, target)?;
    let mut types = Vec::new();
    for name in input.texts("_type").iter().flat_map(|names| names.split(',')) {
        let known = ResourceType::parse(name).filter(|one| record::types().any(|other| other == *one));
        types.push(known.ok_or_else(|| ApiError::parameter("_type", "not a type of resources in a patient's record"))?);
    }
    let context = format!("{} of {patient}", OPERATION.asked(input));
    Ok(EverythingInput {
        types: if types.is_empty() { record::types().collect() } else { types },
        care: record::span(input, "start", "end")?,
        since: record::span(input, "_since", "_since")?.0,
        limit: record::count(service, input)?,
        cursor: input.text("_cursor"),
        patient,
        context,
    })
}

/// What is looked for of one type. What has no time of care is not left out for want of it.
fn wanted(asked: &EverythingInput, resource_type: ResourceType) -> Predicate {
    let mut wanted = Predicate::All;
    if let Some(since) = asked.since {
        wanted = wanted.and(Predicate::Updated(Comparison::AtLeast, since));
    }
    let dates = care_dates(resource_type);
    if asked.care != (None, None) && !dates.is_empty() {
        let test = record::overlapping(asked.care.0, asked.care.1);
        let any = dates.iter().fold(Predicate::None, |any, one| any.or(record::present(*one)));
        let within = dates.iter().fold(Predicate::None, |all, one| all.or(Predicate::Entry(*one, test.clone())));
        wanted = wanted.and(within.or(any.negate()));
    }
    wanted
}

fn care_dates(resource_type: ResourceType) -> Vec<ParameterId> {
    let name = resource_type.name();
    let listed = CARE_DATES.iter().find(|(listed, _)| *listed == name).map_or(&["date"][..], |(_, codes)| codes);
    listed.iter().filter_map(|code| parameter(resource_type, code)).map(|found| found.id).collect()
}

/// A page: first what is at the top of the record, then the rest. The cursor says in which of the two it goes on.
fn page(session: &mut Session<'_, '_>, asked: &EverythingInput) -> Result<Page, ApiError> {
    let after = match &asked.cursor {
        Some(text) => Some(session.service.cursors.open(session.call, &asked.context, text)?),
        None => None,
    };
    let mut versions: Vec<Version> = Vec::new();
    let mut next = None;
    for (number, part) in [EverythingPart::Top, EverythingPart::Rest].into_iter().enumerate() {
        let place = match &after {
            Some(position) if position.values.len() > number => continue,
            Some(position) if position.values.len() == number => {
                Some(Position { values: Vec::new(), key: position.key })
            }
            _ => None,
        };
        let room = asked.limit.saturating_sub(u32::try_from(versions.len()).unwrap_or(u32::MAX));
        let queries = part.queries(session, asked)?;
        let (found, more) = match (queries.is_empty(), room) {
            (true, _) => (Vec::new(), None),
            // The page is full: the next one begins at the start of this part, if there is anything in it.
            (false, 0) => {
                let (first, _) =
                    session.transaction.piece(&PageRequest { queries: &queries, sort: &[], after: None, limit: 1 })?;
                (Vec::new(), (!first.is_empty()).then_some(Position { values: Vec::new(), key: 0 }))
            }
            _ => session.transaction.page(&PageRequest {
                queries: &queries,
                sort: &[],
                after: place.as_ref(),
                limit: room,
            })?,
        };
        versions.extend(found);
        if let Some(position) = more {
            let values = vec![PositionValue::Missing; number];
            next = Some(session.service.cursors.seal(session.call, &asked.context, &Position { values, ..position }));
            break;
        }
    }
    if versions.is_empty() && after.is_none() {
        // With nothing to see, the record is as if it were not there, unless the Patient may be read.
        read::visible(session, PATIENT, &asked.patient, Action::Read)?;
    }
    let mut query = Query::of(None, Predicate::All);
    query.compartment = Some(asked.patient.clone());
    query.include = record::referred();
    let (included, remarks): (Vec<Version>, Vec<Issue>) = include::included(session, &query, &versions)?;
    Ok(Page { versions, included, remarks, next, ..Page::default() })
}

/// A part of a record.
#[derive(Clone, Copy, PartialEq, Eq)]
enum EverythingPart {
    /// The Patient and About Me.
    Top,
    /// All else.
    Rest,
}

impl EverythingPart {
    fn queries(self, session: &mut Session<'_, '_>, asked: &EverythingInput) -> Result<Vec<TypeQuery>, ApiError> {
        let mut all = Vec::new();
        for resource_type in &asked.types {
            let top = match *resource_type {
                PATIENT => Predicate::All,
                QUESTIONNAIRE_RESPONSE => record::about_me(),
                _ => Predicate::None,
            };
            let part = if self == EverythingPart::Top { top } else { top.negate() };
            let wanted = wanted(asked, *resource_type).and(part);
            if wanted != Predicate::None {
                all.extend(record::type_queries(session, *resource_type, &asked.patient, wanted)?);
            }
        }
        Ok(all)
    }
}
