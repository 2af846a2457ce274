//! What was said for later is looked at again on some day.

use concord_fhir::json::Value;
use concord_fhir::rules::instant;

use crate::interact::operation::collect::Held;
use crate::interact::operation::record;

/// The advance statements and decisions whose review date has passed, each in a sentence.
pub(super) fn overdue(found: &[&Held], now: i64) -> Vec<String> {
    let mut told = Vec::new();
    for held in found {
        let Some(date) = review_by(&held.value) else { continue };
        if instant::range(date).is_some_and(|(_, last)| last < now) {
            let day = date.get(..10).unwrap_or(date);
            told.push(format!(
                "{}/{} was to be looked at again by {day}: ask whether it still holds.",
                held.version.resource_type, held.version.id
            ));
        }
    }
    told
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
