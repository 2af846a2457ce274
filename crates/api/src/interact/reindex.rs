//! Making the index rows of stored resources again, after a change of what resources are found by.

use std::sync::Arc;

use concord_fhir::index;
use concord_fhir::json;

use super::{Concord, PROVENANCE, provenance, write};
use crate::fault::Fault;
use crate::store::lower::Rows;
use crate::store::overlay;
use crate::store::statement::Sql;
use crate::store::transaction::Transaction;

/// How many resources share a transaction.
pub(crate) const BATCH: i64 = 200;

/// How far a run has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Everything up to this resource key is done.
    pub(crate) done_to: i64,
    /// How many were done in this step; none means that all is done.
    pub(crate) resources: usize,
}

/// Makes the rows of the next resources after a key again. What was true of a resource stays true while this runs: its
/// old rows go and its new ones come in one transaction.
pub(crate) async fn step(concord: &Arc<Concord>, after: i64) -> Result<Progress, Fault> {
    let concord = Arc::clone(concord);
    let store = concord.store.clone();
    store.write(move |transaction| (run(&concord, transaction, after), Vec::new())).await
}

/// How many resources there are after a key.
pub(crate) async fn remaining(concord: &Arc<Concord>, after: i64) -> Result<i64, Fault> {
    concord
        .store
        .read(move |transaction| {
            let sql = Sql::new("SELECT count(*) FROM resource r WHERE r.deleted = 0 AND r.rid > ").bind(after);
            (transaction.numbers(sql).map(|counts| counts.first().copied().unwrap_or_default()), Vec::new())
        })
        .await
}

fn run(concord: &Concord, transaction: &mut Transaction<'_>, after: i64) -> Result<Progress, Fault> {
    let condition = Sql::new("r.deleted = 0 AND r.rid > ").bind(after).sql(" ORDER BY r.rid ASC LIMIT +").bind(BATCH);
    let versions = transaction.versions(Rows::Current, condition)?;
    let done_to = versions.last().map_or(after, |version| version.key);
    let resources = versions.len();
    for mut version in versions {
        let value = json::parse(version.body.as_bytes(), &json::Limits::default())
            .map_err(|_| Fault::Internal("a stored body cannot be read".to_owned()))?
            .into_owned();
        let mut entries =
            index::extract_under(&concord.base, version.resource_type, &version.id, version.updated, &value);
        if version.resource_type == PROVENANCE {
            let mut patients = provenance::patients(concord, transaction, &value)?;
            // What it points at may have been deleted; it stays part of the records that it was part of.
            for key in transaction.patients_of(Rows::Current, &version)? {
                patients.push(transaction.patient_id(key)?);
            }
            entries = entries.part_of(patients);
        }
        let beside: Vec<String> = version.labels_beside().map(str::to_owned).collect();
        version.labels = overlay::joined(&write::own_labels(&entries), &beside);
        version.patient = match entries.patients.first() {
            Some(id) => transaction.make_patient_key(id)?,
            None => 0,
        };
        version.patients = i16::try_from(entries.patients.len()).unwrap_or(i16::MAX);
        transaction.reindex(&version, &entries)?;
    }
    Ok(Progress { done_to, resources })
}
