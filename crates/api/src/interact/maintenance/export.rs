//! Reading everything out, page by page, for the operator. The audit log tells every patient whose data went.

use std::sync::Arc;

use concord_fhir::registry::ResourceType;
use concord_store::lower::Rows;
use concord_store::rows::Version;

use crate::error::ApiError;
use crate::interact::access;
use crate::interact::audit::Interaction;
use crate::interact::audit::entry::AuditEntry;
use crate::interact::audit::grounds::Grounds;
use crate::interact::session::Session;
use crate::interact::{Call, Service};

/// How many resources are read at once.
const PAGE: i64 = 500;

/// The next resources of a type after a key, with their audit records durable.
pub(crate) async fn page(
    service: &Arc<Service>,
    call: Call,
    resource_type: ResourceType,
    after: i64,
) -> Result<Vec<Version>, ApiError> {
    let store = service.store.clone();
    let service = Arc::clone(service);
    store
        .read(move |transaction| {
            let mut audit = AuditEntry::begin(&call, Interaction::Search, Some(resource_type));
            audit.permitted(Grounds::Same("export by the operator".to_owned()));
            Session::run(&service, &call, transaction, audit, |session| {
                let versions = session.transaction.next_of_type(resource_type, after, PAGE)?;
                let listed: Vec<_> = versions.iter().map(|version| (Rows::Current, version)).collect();
                match listed.is_empty() {
                    true => session.audit.says_nothing(),
                    false => access::disclose(session, &listed, &[])?,
                }
                Ok(versions)
            })
        })
        .await
}
