//! `Patient/$summary`: a patient summary as a document (International Patient Summary 2.0, operation `summary`), with
//! what the person wants everybody to know at its top. Nothing is in it that the caller could not find by a search.

mod complete;
mod gather;
mod review;
mod sections;
mod table;

use concord_fhir::json::Value;
use concord_fhir::nhs_number;
use concord_model::build::{self, AuthorParts, CompositionParts, DocumentParts, SectionParts, code};
use concord_store::lower::Rows;

use crate::error::ApiError;
use crate::interact::access;
use crate::interact::logical_id;
use crate::interact::operation::collect::{self, ALONG, Held, Names};
use crate::interact::operation::record;
use crate::interact::operation::record::PATIENT;
use crate::interact::operation::{Computing, Conduct, Input, Level, Operation, OperationTarget, Output, Parameter};
use crate::interact::session::Session;
use crate::interact::{instant, patient_number, read, search};
use gather::Gathered;
use sections::{LOINC, SECTIONS, Section};

/// `Patient/$summary`
pub(super) const OPERATION: Operation = Operation {
    name: "$summary",
    levels: &[Level::Type, Level::Instance],
    types: &["Patient"],
    conduct: Conduct::READS,
    computing: Computing::InProportion,
    description: "A patient summary as a document, About Me first, of what the caller may see. On the type, the patient is the \
           caller or the one with the identifier.",
    definition: Some("http://hl7.org/fhir/uv/ips/OperationDefinition/summary"),
    parameters: &[
        Parameter::optional("identifier", "string", "The patient, as system|value"),
        Parameter::optional("profile", "canonical", "The profile of the summary: that of the IPS, which it always is"),
    ],
    run,
};

fn run(session: &mut Session<'_, '_>, target: &OperationTarget, input: &Input) -> Result<Output, ApiError> {
    if let Some(profile) = input.text("profile").filter(|profile| !is_kept_to(profile)) {
        let shown: String = profile.chars().take(200).collect();
        let text =
            format!("a summary by {shown} is not made here, but by {}, version {VERSION}", PROFILES.join(" with "));
        return Err(ApiError::parameter("profile", text));
    }
    let id = patient(session, target, input)?;
    let (value, held) = document(session, &id)?;
    let disclosed: Vec<_> = held.iter().map(|held| (Rows::Current, &held.version)).collect();
    access::disclose(session, &disclosed, &[id])?;
    Ok(Output::Value(value))
}

/// The profiles that every summary keeps to, and their version.
const PROFILES: [&str; 2] = [
    "http://hl7.org/fhir/uv/ips/StructureDefinition/Bundle-uv-ips",
    "http://hl7.org/fhir/uv/ips/StructureDefinition/Composition-uv-ips",
];
const VERSION: &str = "2.0.0";

/// Whether every summary keeps to that profile.
fn is_kept_to(canonical: &str) -> bool {
    let (url, version) = canonical.split_once('|').unwrap_or((canonical, VERSION));
    let is_version = VERSION.strip_prefix(version).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    PROFILES.contains(&url) && is_version
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

/// The document, and everything that it discloses.
fn document(session: &mut Session<'_, '_>, id: &str) -> Result<(Value<'static>, Vec<Held>), ApiError> {
    session.audit.about(id);
    session.audit.of_no_version();
    let person = read::current(session, PATIENT, id)?;
    let mut held = vec![Held::of(person)?];
    let mut gathered = Vec::new();
    for section in SECTIONS {
        gathered.push(gather::section(session, section, id, &mut held)?);
    }
    collect::along(session, Some(id), &mut held, &|_, named| ALONG.contains(&named.name()))?;
    let base = session.service.base.clone();
    let names = Names::of(&held, &base);
    let mut sections = Vec::new();
    for (section, found) in SECTIONS.iter().zip(&gathered) {
        if !found.entries.is_empty() || section.always {
            sections.push(written(section, found, &held, &names, session.transaction.now)?);
        }
    }
    let contents = collect::contents(&held);
    let identifiers = held.first().map(|person| person.value.list("identifier").to_vec()).unwrap_or_default();
    let mut entries = Vec::with_capacity(held.len());
    for held in &mut held {
        let mut value = std::mem::replace(&mut held.value, Value::Null);
        complete::name_subject(&mut value, id, &identifiers);
        complete::fill(&mut value);
        contents.cut(&mut value, &base);
        entries.push((held.address(&base), value));
    }
    let now = instant(session.transaction.now);
    let bundle = build::document(DocumentParts {
        id: logical_id::new_id(session.transaction.now),
        timestamp: &now,
        profiles: &PROFILES[..1],
        composition_id: logical_id::new_id(session.transaction.now),
        composition: CompositionParts {
            code: code(LOINC, "60591-5"),
            title: "Patient summary",
            profiles: &PROFILES[1..],
            subject: format!("{base}/Patient/{id}"),
            date: &now,
            text: &[WITHHELD, CUT],
            author: AuthorParts {
                id: logical_id::new_id(session.transaction.now),
                address: &base,
                name: "Concord",
                version: env!("CARGO_PKG_VERSION"),
            },
            sections,
        },
        entries,
    })?;
    Ok((bundle, held))
}

/// What every summary says, whether anything was withheld or not.
const WITHHELD: &str =
    "Some information may be withheld under the patient's sharing choices, or by those who wrote it.";

/// What has become of links out of the document.
const CUT: &str = "Links lead to what is part of this document. Of what is not, the address alone is told.";

fn written(
    section: &'static Section,
    found: &Gathered,
    held: &[Held],
    names: &Names,
    now: i64,
) -> Result<SectionParts<'static>, ApiError> {
    let text = match (found.entries.len(), found.cut) {
        (0, _) => "Nothing that may be shown here. That does not say that there is nothing.".to_owned(),
        (1, false) => "One entry.".to_owned(),
        (count, false) => format!("{count} entries, the newest first."),
        (count, true) => format!("The newest {count} entries. There are more: search for them."),
    };
    let entries: Vec<&Held> = found.entries.iter().filter_map(|at| held.get(*at)).collect();
    let remarks = if section.is_reviewed { review::overdue(&entries, now) } else { Vec::new() };
    Ok(SectionParts {
        codes: section.codes.to_vec(),
        title: section.title,
        text: std::iter::once(text).chain(remarks).collect(),
        table: table::of(section.table, &entries, names),
        entries: entries.iter().map(|entry| entry.address(names.base())).collect(),
    })
}
