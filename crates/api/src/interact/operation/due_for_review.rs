//! `Patient/$due-for-review`: what is kept from the patient and is to be looked at again, as far as the caller sees it.

use std::sync::Arc;

use concord_consent::request::Action;
use concord_fhir::issue::{Issue, IssueCode, Severity};
use concord_fhir::registry::ResourceType;

use super::record::{self, PATIENT};
use super::{Input, Level, Operation, Output, Parameter, Running, Target};
use crate::fault::Fault;
use crate::interact::audit::Interaction;
use crate::interact::history::per_patient;
use crate::interact::search::Page;
use crate::interact::{Call, Concord, PROVENANCE, SECURITY, access, logged, read, review};
use crate::store::audit::Record;
use crate::store::rows::Version;
use crate::store::search::Wanted;
use crate::store::statement::Sql;
use crate::store::transaction::Transaction;

/// How many items are looked through.
const MOST: u32 = 500;

/// `Patient/$due-for-review`
pub(super) const OPERATION: Operation = Operation {
    name: "$due-for-review",
    levels: &[Level::Instance],
    types: &["Patient"],
    changes: false,
    takes_invalid: false,
    told: "What is kept from the patient and is to be looked at again, the longest due first.",
    definition: None,
    parameters: &[Parameter { name: "by", of: "date", min: 0, max: 1, told: "Due by that day; today by default" }],
    run,
};

fn run(concord: Arc<Concord>, call: Call, target: Target, input: Input) -> Running {
    Box::pin(async move {
        let patient = record::patient(&call, &target)?;
        let by = record::span(&input, "by", "by")?.1;
        let store = concord.store.clone();
        store
            .read(move |transaction| {
                let mut record = call.record(Interaction::Operation, Some(PATIENT));
                record.query = record::told(OPERATION.name, &input);
                record.entity.clone_from(&patient);
                let page = due(&concord, &call, transaction, &patient, by, &mut record);
                let records = match &page {
                    Ok(page) => {
                        let about = [patient.clone()];
                        per_patient(transaction, record.clone(), &page.disclosed(), &about)
                    }
                    Err(_) => Ok(Vec::new()),
                };
                match (page, records) {
                    (Ok(page), Ok(records)) => (Ok(Output::Page(page)), records),
                    (Err(fault), _) | (_, Err(fault)) => logged(Err(fault), record),
                }
            })
            .await
    })
}

/// The types of what in the record has labels: not what is shown, but where it is worth looking.
fn labelled(transaction: &mut Transaction<'_>, patient: &str) -> Result<Vec<ResourceType>, Fault> {
    let Some(key) = transaction.patient_key(patient)? else { return Ok(Vec::new()) };
    let sql = Sql::new("SELECT DISTINCT CAST(r.type AS BIGINT) FROM entry e JOIN resource r ON r.rid = e.resource ")
        .sql("WHERE e.key <> '' AND e.patient = ")
        .bind(key)
        .sql(" AND e.parameter = ")
        .bind(SECURITY.0);
    let known = transaction.numbers(sql)?;
    Ok(record::types().filter(|one| known.contains(&i64::from(one.number()))).collect())
}

fn due(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    patient: &str,
    by: Option<i64>,
    record: &mut Record,
) -> Result<Page, Fault> {
    read::visible(concord, call, transaction, PATIENT, patient, Action::Read, record)?;
    record.version = 0;
    let by = by.unwrap_or(transaction.now);
    let mut among = Vec::new();
    let labelled = labelled(transaction, patient)?;
    // A Provenance has the labels of what it is about, and is looked at with it.
    for resource_type in labelled.into_iter().filter(|one| *one != PROVENANCE) {
        among.extend(record::among(concord, call, transaction, resource_type, patient, review::hidden())?);
    }
    let (found, more) = match among.is_empty() {
        true => (Vec::new(), None),
        false => transaction.page(&Wanted { among: &among, sort: &[], after: None, limit: MOST })?,
    };
    let mut due: Vec<(i64, Version)> = Vec::new();
    for version in found {
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
    Ok(Page { versions, included: Vec::new(), remarks, total: None, next: None })
}
