//! The rows of one value, and which values a path goes on to.

use super::Entry;
use crate::json::Value;
use crate::registry::path::Only;
use crate::registry::{Kind, Leaf};
use crate::value::read;

/// Adds the rows of one value.
pub(super) fn read_leaf(leaf: &Leaf, value: &Value<'_>, base: &str, rows: &mut Vec<Entry>) {
    match leaf.kind {
        Kind::Token => read::token(leaf, value, rows),
        Kind::Reference => read::reference(leaf, value, base, rows),
        Kind::String => read::string(leaf.parameter, leaf.data_type, value, rows),
        Kind::Date => read::date(leaf.parameter, leaf.data_type, value, rows),
        Kind::Number => read::number(leaf.parameter, leaf.data_type, value, rows),
        Kind::Quantity => read::quantity(leaf, value, rows),
        Kind::Uri => read::uri(leaf.parameter, leaf.data_type, value, rows),
        Kind::Composite => {}
    }
}

/// Whether a path goes on through this item.
pub(super) fn followed(only: &Only, position: usize, item: &Value<'_>) -> bool {
    match only {
        Only::All => true,
        Only::First => position == 0,
        Only::Extended(url) => item.list("extension").iter().any(|extension| extension.text("url") == Some(&**url)),
        Only::With(member, wanted) => item.text(member) == Some(&**wanted),
    }
}
