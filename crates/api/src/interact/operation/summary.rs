//! `Patient/$summary`: a patient summary as a document (International Patient Summary 2.0, operation `summary`), with
//! what the person wants everybody to know at its top. Nothing is in it that the caller could not find by a search.

use concord_fhir::index::ParameterId;
use concord_fhir::json::Value;
use concord_fhir::nhs_number;
use concord_fhir::predicate::Predicate;
use concord_fhir::registry::ResourceType;
use concord_fhir::rules::{communication, instant as fhir_instant};
use concord_fhir::search::Query;
use concord_model::build::{self, CompositionParts, DocumentParts, SectionParts, code};
use concord_store::lower::Rows;
use concord_store::rows::Version;
use concord_store::search::{PageRequest, SortBy, SortKey, TypeQuery};

use crate::error::ApiError;
use crate::interact::access;
use crate::interact::logical_id;
use crate::interact::operation::record;
use crate::interact::operation::record::{PATIENT, coded, standing};
use crate::interact::operation::{Input, Level, Operation, OperationTarget, Output, Parameter};

use crate::interact::search::include;
use crate::interact::session::Session;
use crate::interact::{instant, labels, patient_number, read, search};

const LOINC: &str = "http://loinc.org";
const SNOMED: &str = "http://snomed.info/sct";

/// How many entries a section has at most. A section that has more says so.
const MOST_ENTRIES: u32 = 100;

/// `Patient/$summary`
pub(super) const OPERATION: Operation = Operation {
    name: "$summary",
    levels: &[Level::Type, Level::Instance],
    types: &["Patient"],
    changes: false,
    reads_log: false,
    logs_parameters: false,
    takes_invalid: false,
    description: "A patient summary as a document, About Me first, of what the caller may see. On the type, the patient is the \
           caller or the one with the identifier.",
    definition: Some("http://hl7.org/fhir/uv/ips/OperationDefinition/summary"),
    parameters: &[
        Parameter { name: "identifier", of: "string", min: 0, max: 1, description: "The patient, as system|value" },
        Parameter {
            name: "profile",
            of: "canonical",
            min: 0,
            max: 1,
            description: "The IPS Composition, which it is anyway",
        },
    ],
    run,
};

/// A section of the summary.
struct Section {
    title: &'static str,
    system: &'static str,
    code: &'static str,
    /// Whether it is there also when it has no entries (IPS: problems, allergies and medicines).
    always: bool,
    parts: &'static [PartOf],
}

/// The resources of one type in a section, the newest by this parameter first.
struct PartOf {
    resource_type: &'static str,
    newest: &'static str,
    wanted: fn() -> Predicate,
}

const fn part(resource_type: &'static str, newest: &'static str, wanted: fn() -> Predicate) -> PartOf {
    PartOf { resource_type, newest, wanted }
}

/// The record standard's headings.
const HEADINGS: &str = "https://fhir.hl7.org.uk/CodeSystem/UKCore-RecordStandardHeadings";

/// The title of what a person has said for the time when they cannot speak.
const ADVANCE: &str = "Advance statements and decisions";

/// About Me, then the sections of the IPS (R4 LOINC codes).
const SECTIONS: [Section; 12] = [
    Section {
        title: "About Me",
        system: SNOMED,
        code: "1515851000000101",
        always: false,
        parts: &[part("QuestionnaireResponse", "authored", record::about_me)],
    },
    Section {
        title: ADVANCE,
        system: LOINC,
        code: "42348-3",
        always: false,
        parts: &[
            part("Consent", "date", || coded("Consent.scope", &["adr"]).and(coded("Consent.status", &["active"]))),
            part("Flag", "date", || {
                coded("Flag.status", &["active"]).and(coded("Flag.category", &["advance-directive"]))
            }),
            part("QuestionnaireResponse", "authored", record::advance_statement),
            part("DocumentReference", "date", || {
                let kinds = ["advance-statement", "advance-decision-to-refuse-treatment", "42348-3"];
                coded("DocumentReference.status", &["current"])
                    .and(coded("DocumentReference.type", &kinds).or(coded("DocumentReference.category", &kinds)))
            }),
        ],
    },
    Section {
        title: "Allergies and intolerances",
        system: LOINC,
        code: "48765-2",
        always: true,
        parts: &[part("AllergyIntolerance", "date", || {
            let wrong = coded("AllergyIntolerance.verification-status", &["entered-in-error", "refuted"]);
            wrong.or(coded("AllergyIntolerance.clinical-status", &["resolved", "inactive"])).negate()
        })],
    },
    Section {
        title: "Medicines",
        system: LOINC,
        code: "10160-0",
        always: true,
        parts: &[
            part("MedicationStatement", "effective", || {
                coded("MedicationStatement.status", &["active", "intended", "on-hold", "unknown"])
            }),
            part("MedicationRequest", "authoredon", || coded("MedicationRequest.status", &["active", "on-hold"])),
        ],
    },
    Section {
        title: "Problems",
        system: LOINC,
        code: "11450-4",
        always: true,
        parts: &[part("Condition", "recorded-date", || {
            let wrong = coded("Condition.verification-status", &["entered-in-error", "refuted"]);
            wrong.or(coded("Condition.clinical-status", &["resolved", "inactive", "remission"])).negate()
        })],
    },
    Section {
        title: "Immunisations",
        system: LOINC,
        code: "11369-6",
        always: false,
        parts: &[part("Immunization", "date", || standing("Immunization.status"))],
    },
    Section {
        title: "Results",
        system: LOINC,
        code: "30954-2",
        always: false,
        parts: &[
            part("DiagnosticReport", "date", || standing("DiagnosticReport.status")),
            part("Observation", "date", || {
                coded("Observation.category", &["laboratory"]).and(standing("Observation.status"))
            }),
        ],
    },
    Section {
        title: "Vital signs",
        system: LOINC,
        code: "8716-3",
        always: false,
        parts: &[part("Observation", "date", || {
            coded("Observation.category", &["vital-signs"]).and(standing("Observation.status"))
        })],
    },
    Section {
        title: "Procedures",
        system: LOINC,
        code: "47519-4",
        always: false,
        parts: &[part("Procedure", "date", || standing("Procedure.status"))],
    },
    Section {
        title: "Goals",
        system: LOINC,
        code: "61146-7",
        always: false,
        parts: &[part("Goal", "start-date", || {
            coded("Goal.lifecycle-status", &["entered-in-error", "cancelled", "rejected", "completed"]).negate()
        })],
    },
    Section {
        title: "Plans",
        system: LOINC,
        code: "18776-5",
        always: false,
        parts: &[part("CarePlan", "date", || coded("CarePlan.status", &["active", "on-hold"]))],
    },
    Section {
        title: "Information prescribed",
        system: HEADINGS,
        code: "information-and-advice-given",
        always: false,
        parts: &[
            part("CommunicationRequest", "authored", || {
                coded("CommunicationRequest.status", &["active"])
                    .and(coded("CommunicationRequest.category", &[communication::INFORMATION]))
            }),
            part("Communication", "received", || {
                coded("Communication.category", &[communication::READ]).and(standing("Communication.status"))
            }),
        ],
    },
];

fn run(session: &mut Session<'_, '_>, target: &OperationTarget, input: &Input) -> Result<Output, ApiError> {
    let id = patient(session, target, input)?;
    let (value, versions) = document(session, &id)?;
    let disclosed: Vec<_> = versions.iter().map(|version| (Rows::Current, version)).collect();
    access::disclose(session, &disclosed, &[id])?;
    Ok(Output::Value(value))
}

/// The patient in the address, else the only one with the identifier, else the caller's own.
fn patient(session: &mut Session<'_, '_>, target: &OperationTarget, input: &Input) -> Result<String, ApiError> {
    let identifier = match input.text("identifier") {
        Some(text) if target.id.is_none() => text,
        Some(_) => return Err(ApiError::parameter("identifier", "the address names the patient already")),
        None => return record::patient(session.call, target),
    };
    let now = session.transaction.now;
    // A number means the Patient who is left. Whether the caller may know of her the search says.
    let number = identifier.split_once('|').filter(|(system, _)| *system == nhs_number::SYSTEM);
    let left = match number {
        Some((_, number)) => patient_number::only_survivor(session.transaction, number)?,
        None => None,
    };
    let pairs = [match left {
        Some(id) => ("_id".to_owned(), id),
        None => ("identifier".to_owned(), identifier),
    }];
    let query = concord_fhir::search::parse(
        Some(PATIENT),
        &pairs,
        concord_fhir::search::Handling::Strict,
        now,
        &session.service.base,
    )
    .map_err(ApiError::Malformed)?;
    match search::matches(session, &query, 2)?.as_slice() {
        [only] => Ok(only.id.clone()),
        _ => Err(ApiError::NotFound),
    }
}

/// The document, and every version that it discloses.
fn document(session: &mut Session<'_, '_>, id: &str) -> Result<(Value<'static>, Vec<Version>), ApiError> {
    session.audit.about(id);
    session.audit.of_no_version();
    let person = read::current(session, PATIENT, id)?;
    let mut disclosed = vec![person];
    let mut sections = Vec::new();
    for section in &SECTIONS {
        let (found, cut) = entries(session, section, id)?;
        if !found.is_empty() || section.always {
            sections.push(written(section, &found, cut, overdue(section, &found, session.transaction.now)?));
        }
        disclosed.extend(found);
    }
    let mut query = Query::of(None, Predicate::All);
    query.compartment = Some(id.to_owned());
    query.include = record::referred();
    let (along, _) = include::included(session, &query, &disclosed)?;
    disclosed.extend(along);
    let now = instant(session.transaction.now);
    let mut entries = Vec::with_capacity(disclosed.len());
    for version in &disclosed {
        let shown = Version { body: labels::shown(version.clone())?, ..version.clone() };
        let address = format!("{}/{}/{}", session.service.base, version.resource_type, version.id);
        entries.push((address, shown.resource()?.into_owned()));
    }
    let bundle = build::document(DocumentParts {
        id: logical_id::new_id(session.transaction.now),
        timestamp: &now,
        composition_id: logical_id::new_id(session.transaction.now),
        composition: composition(id, &now, sections),
        entries,
    })?;
    Ok((bundle, disclosed))
}

/// The resources of a section, and whether there are more.
fn entries(session: &mut Session<'_, '_>, section: &Section, patient: &str) -> Result<(Vec<Version>, bool), ApiError> {
    let (mut all, mut cut) = (Vec::new(), false);
    for part in section.parts {
        let Some(resource_type) = ResourceType::parse(part.resource_type) else { continue };
        let wanted = (part.wanted)();
        let Some(among) = record::type_queries(session, resource_type, patient, wanted)? else { continue };
        let newest = ParameterId::of(&format!("{}.{}", part.resource_type, part.newest));
        let sort = [SortKey { by: SortBy::Range(newest), descending: true }];
        let among: [TypeQuery; 1] = [among];
        let wanted = PageRequest { queries: &among, sort: &sort, after: None, limit: MOST_ENTRIES };
        let (found, more) = session.transaction.page(&wanted)?;
        cut |= more.is_some();
        all.extend(found);
    }
    Ok((all, cut))
}

/// The advance statements and decisions whose review date has passed, each in a sentence.
fn overdue(section: &Section, found: &[Version], now: i64) -> Result<Vec<String>, ApiError> {
    let mut told = Vec::new();
    for version in found.iter().filter(|_| section.title == ADVANCE) {
        let value = version.resource()?;
        let Some(date) = review_by(&value) else { continue };
        if fhir_instant::range(date).is_some_and(|(_, last)| last < now) {
            let day = date.get(..10).unwrap_or(date);
            told.push(format!(
                "{}/{} was to be looked at again by {day}: ask whether it still holds.",
                version.resource_type, version.id
            ));
        }
    }
    Ok(told)
}

/// Until when a statement or decision stands before it is looked at again: as its answer says, or the end of its period.
fn review_by<'v>(value: &'v Value<'_>) -> Option<&'v str> {
    let answered = || {
        let item = value.list("item").iter().find(|item| item.text("linkId") == Some(record::REVIEW_DATE))?;
        item.list("answer").first()?.text("valueDate")
    };
    let end = |of: Option<&'v Value<'_>>| of.and_then(|of| of.get("period")).and_then(|period| period.text("end"));
    answered()
        .or_else(|| end(Some(value)))
        .or_else(|| end(value.get("provision")))
        .or_else(|| end(value.get("context")))
}

fn written(section: &Section, found: &[Version], cut: bool, remarks: Vec<String>) -> SectionParts<'static> {
    let text = match (found.len(), cut) {
        (0, _) => "Nothing that may be shown here. That does not say that there is nothing.".to_owned(),
        (1, _) => "One entry.".to_owned(),
        (count, false) => format!("{count} entries, the newest first."),
        (count, true) => format!("The newest {count} entries. There are more: search for them."),
    };
    SectionParts {
        code: code(section.system, section.code),
        title: section.title,
        text: std::iter::once(text).chain(remarks).collect(),
        entries: found.iter().map(|version| format!("{}/{}", version.resource_type, version.id)).collect(),
    }
}

fn composition<'a>(patient: &str, now: &'a str, sections: Vec<SectionParts<'a>>) -> CompositionParts<'a> {
    CompositionParts {
        code: code(LOINC, "60591-5"),
        title: "Patient summary",
        subject: format!("Patient/{patient}"),
        date: now,
        text: "Some information may be withheld under the patient's sharing choices, or by those who wrote it.",
        sections,
    }
}
