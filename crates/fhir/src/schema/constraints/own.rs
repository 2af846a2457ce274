//! Rules that R4 states in words only.

use std::borrow::Cow;
use std::sync::Arc;

use super::Row;
use crate::path::Expression;

/// A rule without a key of R4's: it is called by the element whose definition states it.
pub(super) struct Own {
    place: &'static str,
    key: &'static str,
    expression: &'static str,
    text: &'static str,
}

pub(super) const ALL: &[Own] = &[
    Own {
        place: "Bundle.entry",
        key: "Bundle.entry.fullUrl",
        expression: "fullUrl.matches('^[A-Za-z][A-Za-z0-9+.-]*:')",
        text: "a 'fullUrl' is absolute",
    },
    Own {
        place: "Bundle.entry",
        key: "Bundle.entry.fullUrl",
        expression: "(fullUrl.startsWith('http:') or fullUrl.startsWith('https:')).not() or resource.id.empty() or fullUrl.endsWith('/' & resource.id)",
        text: "a 'fullUrl' that is an address ends with the id of its resource",
    },
];

/// The row of a rule.
pub(super) fn row(own: &Own) -> Option<Row> {
    let expression = Expression::compile(own.expression).or_else(|_| Expression::compile("false")).ok()?;
    let (place, key, text) = (own.place, own.key, Cow::Borrowed(own.text));
    Some(Row { place, key, is_error: true, expression: Arc::new(expression), text })
}
