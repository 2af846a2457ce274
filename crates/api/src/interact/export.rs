//! Reading everything out, page by page, for the operator. The audit log tells every patient whose data went.

use std::sync::Arc;

use concord_fhir::registry::ResourceType;

use super::audit::Interaction;
use super::{Call, Concord, history, logged};
use crate::fault::Fault;
use crate::store::lower::Rows;
use crate::store::rows::Version;
use crate::store::statement::Sql;

/// How many resources are read at once.
const PAGE: i64 = 500;

/// The next resources of a type after a key, with their audit records durable.
pub(crate) async fn page(
    concord: &Arc<Concord>,
    call: Call,
    resource_type: ResourceType,
    after: i64,
) -> Result<Vec<Version>, Fault> {
    concord
        .store
        .read(move |transaction| {
            let mut record = call.record(Interaction::Search, Some(resource_type));
            record.reason = "export by the operator".to_owned();
            let condition = Sql::new("r.deleted = 0 AND r.type = ")
                .bind(resource_type.number())
                .sql(" AND r.rid > ")
                .bind(after)
                .sql(" ORDER BY r.rid ASC LIMIT +")
                .bind(PAGE);
            let found = transaction.versions(Rows::Current, condition).and_then(|versions| {
                if versions.is_empty() {
                    return Ok((versions, Vec::new()));
                }
                let listed: Vec<_> = versions.iter().map(|version| (Rows::Current, version)).collect();
                let records = history::per_patient(transaction, record.clone(), &listed, &[])?;
                Ok((versions, records))
            });
            match found {
                Ok((versions, records)) => (Ok(versions), records),
                Err(fault) => logged(Err(fault), record),
            }
        })
        .await
}
