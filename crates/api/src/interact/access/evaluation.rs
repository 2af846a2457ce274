//! Whether a version is one of those that a decision means (`concord_store::evaluation`), and what of it is hidden.

use concord_consent::decision::Decision;
use concord_store::lower::Rows;
use concord_store::named::Permitted;
use concord_store::rows::{Head, Version};
use concord_store::transaction::Transaction;

use crate::error::ApiError;

pub(crate) use concord_store::evaluation::{holds_by_row, settled};

/// Whether a decision permits a version: from its row alone where that is enough, else from its index rows.
pub(crate) fn permits(
    transaction: &mut Transaction<'_>,
    decision: &Decision,
    rows: Rows,
    version: &Version,
) -> Result<bool, ApiError> {
    Ok(transaction.holds(&decision.permit, rows, version)?)
}

/// The same of a row that a caller names, to be shown for it.
pub(crate) fn permitted(
    transaction: &mut Transaction<'_>,
    decision: &Decision,
    head: &Head,
) -> Result<Option<Permitted>, ApiError> {
    Ok(transaction.permitted(&decision.permit, head)?)
}

/// The elements of a version that have to be left out of what is shown, each once.
pub(crate) fn redacted(
    transaction: &mut Transaction<'_>,
    decision: &Decision,
    rows: Rows,
    version: &Version,
) -> Result<Vec<&'static str>, ApiError> {
    let mut elements: Vec<&'static str> = Vec::new();
    for redaction in &decision.redactions {
        if transaction.holds(&redaction.of, rows, version)? {
            elements.extend(redaction.elements);
        }
    }
    elements.sort_unstable();
    elements.dedup();
    Ok(elements)
}
