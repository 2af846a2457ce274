//! `Patient/$due-for-review`: what is kept from the patient and is to be looked at again, as far as the caller sees it.

use concord_consent::request::Action;
use concord_fhir::issue::{Issue, IssueCode, Severity};
use concord_fhir::registry::ResourceType;
use concord_store::rows::Version;
use concord_store::search::PageRequest;
use concord_store::transaction::Transaction;

use crate::error::ApiError;
use crate::interact::operation::record;
use crate::interact::operation::record::PATIENT;
use crate::interact::operation::{Computing, Conduct, Input, Level, Operation, OperationTarget, Output, Parameter};

use crate::interact::labels::review;
use crate::interact::search::Page;
use crate::interact::session::Session;
use crate::interact::{PROVENANCE, SECURITY, access, read};

/// How many items are looked through.
const MOST: u32 = 500;

/// `Patient/$due-for-review`
pub(super) const OPERATION: Operation = Operation {
    name: "$due-for-review",
    levels: &[Level::Instance],
    types: &["Patient"],
    conduct: Conduct { logs_parameters: true, ..Conduct::READS },
    computing: Computing::InProportion,
    description: "What is kept from the patient and is to be looked at again, the longest due first.",
    definition: None,
    parameters: &[Parameter::optional("by", "date", "Due by that day; today by default")],
    run,
};

fn run(session: &mut Session<'_, '_>, target: &OperationTarget, input: &Input) -> Result<Output, ApiError> {
    let patient = record::patient(session.call, target)?;
    let by = record::span(input, "by", "by")?.1;
    session.audit.about(&patient);
    session.audit.of_no_version();
    let page = due(session, &patient, by)?;
    access::disclose(session, &page.disclosed(), &[patient])?;
    Ok(Output::Page(page))
}

/// The types of what in the record has labels: not what is shown, but where it is worth looking.
fn labelled(transaction: &mut Transaction<'_>, patient: i64) -> Result<Vec<ResourceType>, ApiError> {
    let known = transaction.types_in_record(patient, SECURITY)?;
    Ok(record::types().filter(|one| known.contains(one)).collect())
}

fn due(session: &mut Session<'_, '_>, patient: &str, by: Option<i64>) -> Result<Page, ApiError> {
    let person = read::visible(session, PATIENT, patient, Action::Read)?;
    let by = by.unwrap_or(session.transaction.now);
    let mut queries = Vec::new();
    let labelled = labelled(session.transaction, person.version.patient)?;
    // A Provenance has the labels of what it is about, and is looked at with it.
    for resource_type in labelled.into_iter().filter(|one| *one != PROVENANCE) {
        queries.extend(record::type_queries(session, resource_type, patient, review::hidden())?);
    }
    let (found, more) = match queries.is_empty() {
        true => (Vec::new(), None),
        false => session.transaction.page(&PageRequest { queries: &queries, sort: &[], after: None, limit: MOST })?,
    };
    let mut due: Vec<(i64, Version)> = Vec::new();
    // What inherits its label is looked at again where the label stands.
    for version in found.into_iter().filter(review::is_hidden) {
        // What says no date has been due ever since.
        let first = review::due(&access::stored(&version)?).map_or(i64::MIN, |(first, _)| first);
        if first <= by {
            due.push((first, version));
        }
    }
    due.sort_by_key(|(first, version)| (*first, version.key));
    let remarks = match more {
        Some(_) => {
            let text = format!("only {MOST} items were looked through: release or redate some, and ask again");
            vec![Issue::remark(Severity::Warning, IssueCode::TooCostly, text)]
        }
        None => Vec::new(),
    };
    let versions = due.into_iter().map(|(_, version)| version).collect();
    Ok(Page { versions, remarks, ..Page::default() })
}
