//! The rows of the index.

use diesel::Insertable;

diesel::table! {
    entry (resource, parameter, position) {
        resource -> BigInt,
        parameter -> Integer,
        position -> Integer,
        patient -> BigInt,
        key -> Text,
        low -> Nullable<Double>,
        high -> Nullable<Double>,
        dated -> Nullable<Double>,
    }
}

/// A row of `entry`.
#[derive(Debug, Insertable)]
#[diesel(table_name = entry, treat_none_as_default_value = false)]
pub(crate) struct EntryRow {
    pub(crate) resource: i64,
    pub(crate) parameter: i32,
    pub(crate) position: i32,
    pub(crate) patient: i64,
    pub(crate) key: String,
    pub(crate) low: Option<f64>,
    pub(crate) high: Option<f64>,
    /// The clinical date, for rows that are read in the order of it (`latest`).
    pub(crate) dated: Option<f64>,
}

/// Above this position are the rows of the labels that people put beside a version, from it on those of the labels that it
/// inherits.
pub(crate) const INHERITED: i32 = -1_000_000;
