//! `Patient/$summary`: a patient summary as a document (International Patient Summary 2.0, operation `summary`), with
//! what the person wants everybody to know at its top. Nothing is in it that the caller could not find by a search.

use std::sync::Arc;

use concord_fhir::index::ParameterId;
use concord_fhir::json::Value;
use concord_fhir::predicate::Predicate;
use concord_fhir::registry::ResourceType;
use concord_fhir::rules::{communication, instant as fhir_instant};
use concord_fhir::search::Query;

use super::record::{self, PATIENT, coded, standing};
use super::{Input, Level, Operation, Output, Parameter, Running, Target};
use crate::fault::Fault;
use crate::interact::audit::Interaction;
use crate::interact::history::per_patient;
use crate::interact::{Call, Concord, include, instant, labels, logged, matching, read, search};
use crate::store::audit::Record;
use crate::store::lower::Rows;
use crate::store::rows::Version;
use crate::store::search::{Among, SortBy, SortKey, Wanted};
use crate::store::transaction::Transaction;

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
    takes_invalid: false,
    told: "A patient summary as a document, About Me first, of what the caller may see. On the type, the patient is the \
           caller or the one with the identifier.",
    definition: Some("http://hl7.org/fhir/uv/ips/OperationDefinition/summary"),
    parameters: &[
        Parameter { name: "identifier", of: "string", min: 0, max: 1, told: "The patient, as system|value" },
        Parameter { name: "profile", of: "canonical", min: 0, max: 1, told: "The IPS Composition, which it is anyway" },
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

fn run(concord: Arc<Concord>, call: Call, target: Target, input: Input) -> Running {
    Box::pin(async move {
        let store = concord.store.clone();
        store
            .read_records(move |transaction| {
                let mut record = call.record(Interaction::Operation, Some(PATIENT));
                record.query = "$summary".to_owned();
                let made = document(&concord, &call, transaction, &target, &input, &mut record);
                let records = match &made {
                    Ok((_, versions)) => {
                        let disclosed: Vec<_> = versions.iter().map(|version| (Rows::Current, version)).collect();
                        per_patient(transaction, record.clone(), &disclosed, std::slice::from_ref(&record.entity))
                    }
                    Err(_) => Ok(Vec::new()),
                };
                match (made, records) {
                    (Ok((value, _)), Ok(records)) => (Ok(Output::Value(value)), records),
                    (Err(fault), _) | (_, Err(fault)) => logged(Err(fault), record),
                }
            })
            .await
    })
}

/// The patient in the address, else the only one with the identifier, else the caller's own.
fn patient(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    target: &Target,
    input: &Input,
) -> Result<String, Fault> {
    let identifier = match input.text("identifier") {
        Some(text) if target.id.is_none() => text,
        Some(_) => return Err(Fault::parameter("identifier", "the address names the patient already")),
        None => return record::patient(call, target),
    };
    let now = transaction.now;
    let pairs = [("identifier".to_owned(), identifier)];
    let query =
        concord_fhir::search::parse(Some(PATIENT), &pairs, concord_fhir::search::Handling::Strict, now, &concord.base)
            .map_err(Fault::Malformed)?;
    match search::matches(concord, call, transaction, &query, 2)?.as_slice() {
        [only] => Ok(only.id.clone()),
        _ => Err(Fault::NotFound),
    }
}

/// The document, and every version that it discloses.
fn document(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    target: &Target,
    input: &Input,
    record: &mut Record,
) -> Result<(Value<'static>, Vec<Version>), Fault> {
    let id = patient(concord, call, transaction, target, input)?;
    record.entity.clone_from(&id);
    let person = read::current(concord, call, transaction, PATIENT, &id, record)?;
    record.version = 0;
    let mut disclosed = vec![person];
    let mut sections = Vec::new();
    for section in &SECTIONS {
        let (found, cut) = entries(concord, call, transaction, section, &id)?;
        if !found.is_empty() || section.always {
            sections.push(written(section, &found, cut, &overdue(section, &found, transaction.now)?));
        }
        disclosed.extend(found);
    }
    let mut query = Query::of(None, Predicate::All);
    query.compartment = Some(id.clone());
    query.include = record::referred();
    let (along, _) = include::along(concord, call, transaction, &query, &disclosed)?;
    disclosed.extend(along);
    let now = instant(transaction.now);
    let composition = composition(&id, &now, sections);
    let urn = |id: String| format!("urn:uuid:{id}");
    let document = matching::new_id(transaction.now);
    let mut all = vec![Value::object([
        ("fullUrl", Value::string(urn(matching::new_id(transaction.now)))),
        ("resource", composition),
    ])];
    for version in &disclosed {
        let shown = Version { body: labels::shown(version.clone())?, ..version.clone() };
        let resource = labels::stored(&shown)?;
        all.push(Value::object([
            ("fullUrl", Value::string(format!("{}/{}/{}", concord.base, version.resource_type, version.id))),
            ("resource", resource.into_owned()),
        ]));
    }
    let bundle = Value::object([
        ("resourceType", Value::string("Bundle")),
        (
            "identifier",
            Value::object([("system", Value::string("urn:ietf:rfc:3986")), ("value", Value::string(urn(document)))]),
        ),
        ("type", Value::string("document")),
        ("timestamp", Value::string(now)),
        ("entry", Value::Array(all)),
    ]);
    Ok((bundle, disclosed))
}

/// The resources of a section, and whether there are more.
fn entries(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    section: &Section,
    patient: &str,
) -> Result<(Vec<Version>, bool), Fault> {
    let (mut all, mut cut) = (Vec::new(), false);
    for part in section.parts {
        let Some(resource_type) = ResourceType::parse(part.resource_type) else { continue };
        let wanted = (part.wanted)();
        let Some(among) = record::among(concord, call, transaction, resource_type, patient, wanted)? else { continue };
        let newest = ParameterId::of(&format!("{}.{}", part.resource_type, part.newest));
        let sort = [SortKey { by: SortBy::Range(newest), descending: true }];
        let among: [Among; 1] = [among];
        let wanted = Wanted { among: &among, sort: &sort, after: None, limit: MOST_ENTRIES };
        let (found, more) = transaction.page(&wanted)?;
        cut |= more.is_some();
        all.extend(found);
    }
    Ok((all, cut))
}

fn concept(system: &'static str, code: &'static str, text: &'static str) -> Value<'static> {
    let coding = Value::object([("system", Value::string(system)), ("code", Value::string(code))]);
    Value::object([("coding", Value::Array(vec![coding])), ("text", Value::string(text))])
}

fn narrative(text: &str) -> Value<'static> {
    Value::object([
        ("status", Value::string("generated")),
        ("div", Value::string(format!("<div xmlns=\"http://www.w3.org/1999/xhtml\"><p>{text}</p></div>"))),
    ])
}

/// The advance statements and decisions whose review date has passed, each in a sentence.
fn overdue(section: &Section, found: &[Version], now: i64) -> Result<Vec<String>, Fault> {
    let mut told = Vec::new();
    for version in found.iter().filter(|_| section.title == ADVANCE) {
        let value = labels::stored(version)?;
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

fn written(section: &Section, found: &[Version], cut: bool, remarks: &[String]) -> Value<'static> {
    let text = match (found.len(), cut) {
        (0, _) => "Nothing that may be shown here. That does not say that there is nothing.".to_owned(),
        (1, _) => "One entry.".to_owned(),
        (count, false) => format!("{count} entries, the newest first."),
        (count, true) => format!("The newest {count} entries. There are more: search for them."),
    };
    let text = std::iter::once(text).chain(remarks.iter().cloned()).collect::<Vec<_>>().join("</p><p>");
    let mut value = Value::object([
        ("title", Value::string(section.title)),
        ("code", concept(section.system, section.code, section.title)),
        ("text", narrative(&text)),
    ]);
    let Some(object) = value.as_object_mut() else { return value };
    if found.is_empty() {
        // Not "nil known": something may be hidden from this caller, or nobody may have asked.
        object.set(
            "emptyReason",
            concept("http://terminology.hl7.org/CodeSystem/list-empty-reason", "unavailable", "Unavailable"),
        );
    } else {
        let references = found.iter().map(|version| {
            Value::object([("reference", Value::string(format!("{}/{}", version.resource_type, version.id)))])
        });
        object.set("entry", Value::Array(references.collect()));
    }
    value
}

fn composition(patient: &str, now: &str, sections: Vec<Value<'static>>) -> Value<'static> {
    let withheld = "Some information may be withheld under the patient's sharing choices, or by those who wrote it.";
    Value::object([
        ("resourceType", Value::string("Composition")),
        ("text", narrative(withheld)),
        ("status", Value::string("final")),
        ("type", concept(LOINC, "60591-5", "Patient summary")),
        ("subject", Value::object([("reference", Value::string(format!("Patient/{patient}")))])),
        ("date", Value::string(now)),
        ("author", Value::Array(vec![Value::object([("display", Value::string("Concord"))])])),
        ("title", Value::string("Patient summary")),
        ("section", Value::Array(sections)),
    ])
}
