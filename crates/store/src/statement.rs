//! SQL with its values: the one way in which a statement reaches either database.
//!
//! The text is built once for both: diesel writes the placeholders in each database's own form. Unlike
//! `diesel::sql_query`, a statement may be prepared once and kept ([`Statement::once`] is for shapes that are not
//! worth keeping), which is worth several microseconds a call on SQLite and a round trip on PostgreSQL.

use std::borrow::Cow;
use std::marker::PhantomData;

use diesel::backend::Backend;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::result::QueryResult;
use diesel::sql_types::{Array, BigInt, Double, Integer, Nullable, SmallInt, Text};
use diesel::sqlite::Sqlite;

/// A value for a placeholder.
#[derive(Clone, Debug)]
pub(crate) enum Bind {
    /// 64 bits.
    Big(i64),
    /// 32 bits.
    Int(i32),
    /// 16 bits.
    Small(i16),
    /// Text.
    Text(String),
    /// A double, or null.
    Double(Option<f64>),
    /// Columns of rows to insert at once; PostgreSQL only.
    Bigs(Vec<i64>),
    /// The same of 32 bits.
    Ints(Vec<i32>),
    /// The same of 16 bits.
    Smalls(Vec<i16>),
    /// The same of text.
    Texts(Vec<String>),
    /// The same of doubles.
    Doubles(Vec<Option<f64>>),
}

impl From<i64> for Bind {
    fn from(value: i64) -> Bind {
        Bind::Big(value)
    }
}

impl From<i32> for Bind {
    fn from(value: i32) -> Bind {
        Bind::Int(value)
    }
}

impl From<i16> for Bind {
    fn from(value: i16) -> Bind {
        Bind::Small(value)
    }
}

impl From<&str> for Bind {
    fn from(value: &str) -> Bind {
        Bind::Text(value.to_owned())
    }
}

impl From<String> for Bind {
    fn from(value: String) -> Bind {
        Bind::Text(value)
    }
}

impl From<f64> for Bind {
    fn from(value: f64) -> Bind {
        Bind::Double(Some(value))
    }
}

#[derive(Clone, Debug)]
enum Part {
    Sql(Cow<'static, str>),
    Bind(Bind),
}

/// A statement without an answer type yet: text and values in the order in which they stand.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sql {
    parts: Vec<Part>,
    keeping: Keeping,
}

/// Whether a connection keeps what it has prepared for a statement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Keeping {
    /// Nobody has said.
    #[default]
    Usual,
    /// It does: the shape is one of those that are counted.
    Counted,
    /// It does not.
    Once,
}

/// How many parts, text and values, a statement has whose shape does not grow with what is stored.
const LONG: usize = 128;

/// How many parts the longest has that inserts rows, so many at once.
const LONGEST_INSERT: usize = 2_048;

impl Sql {
    /// Starts with this text.
    pub(crate) fn new(text: impl Into<Cow<'static, str>>) -> Sql {
        Sql { parts: vec![Part::Sql(text.into())], keeping: Keeping::Usual }
    }

    /// Goes on with this text.
    #[must_use]
    pub(crate) fn sql(mut self, text: impl Into<Cow<'static, str>>) -> Sql {
        self.push_sql(text);
        self
    }

    /// Goes on with a placeholder for this value.
    #[must_use]
    pub(crate) fn bind(mut self, value: impl Into<Bind>) -> Sql {
        self.push_bind(value);
        self
    }

    /// Goes on with another piece.
    #[must_use]
    pub(crate) fn append(mut self, other: Sql) -> Sql {
        self.parts.extend(other.parts);
        self
    }

    /// [`Sql::sql`] in place.
    pub(crate) fn push_sql(&mut self, text: impl Into<Cow<'static, str>>) {
        self.parts.push(Part::Sql(text.into()));
    }

    /// [`Sql::bind`] in place.
    pub(crate) fn push_bind(&mut self, value: impl Into<Bind>) {
        self.parts.push(Part::Bind(value.into()));
    }

    /// Makes room for so many values more, with what stands between them.
    pub(crate) fn reserve(&mut self, values: usize) {
        self.parts.reserve(values.saturating_mul(2));
    }

    /// The values of one row, with the closing parenthesis.
    pub(crate) fn push_row(&mut self, binds: impl IntoIterator<Item = Bind>) {
        for (column, bind) in binds.into_iter().enumerate() {
            if column > 0 {
                self.push_sql(", ");
            }
            self.push_bind(bind);
        }
        self.push_sql(")");
    }

    /// Marks the statement as of a shape that will hardly come again, so that its preparation is not kept.
    pub(crate) fn once(&mut self) {
        self.keeping = Keeping::Once;
    }

    /// Says that the shape is counted among those whose preparation is kept.
    pub(crate) fn counted(&mut self) {
        self.keeping = Keeping::Counted;
    }

    /// Whether it is so long that its shape may be another each time, and nobody has said whether its preparation is kept.
    pub(crate) fn may_be_of_any_shape(&self) -> bool {
        self.keeping == Keeping::Usual && self.parts.len() > LONG
    }

    /// The same of one that inserts or changes rows: those of ours insert up to so many at once.
    pub(crate) fn may_change_any_number(&self) -> bool {
        self.keeping == Keeping::Usual && self.parts.len() > LONGEST_INSERT
    }

    /// The text with `?` for each value, for what tells shapes apart. Values are not in it.
    pub(crate) fn text(&self) -> String {
        self.parts
            .iter()
            .map(|part| match part {
                Part::Sql(text) => text.as_ref(),
                Part::Bind(_) => "?",
            })
            .collect()
    }

    /// The text with the values in place, for people to read.
    pub(crate) fn shown(&self) -> String {
        let quoted = |text: &str| {
            let plain: String = text.chars().map(|letter| if letter.is_control() { '|' } else { letter }).collect();
            format!("'{}'", plain.replace('\'', "''"))
        };
        self.parts
            .iter()
            .map(|part| match part {
                Part::Sql(text) => text.to_string(),
                Part::Bind(Bind::Big(value)) => value.to_string(),
                Part::Bind(Bind::Int(value)) => value.to_string(),
                Part::Bind(Bind::Small(value)) => value.to_string(),
                Part::Bind(Bind::Double(value)) => value.map_or("NULL".to_owned(), |value| value.to_string()),
                Part::Bind(Bind::Text(value)) => quoted(value),
                Part::Bind(Bind::Texts(values)) => {
                    let values: Vec<String> = values.iter().map(|value| quoted(value)).collect();
                    format!("ARRAY[{}]", values.join(", "))
                }
                Part::Bind(_) => "ARRAY[...]".to_owned(),
            })
            .collect()
    }

    /// The statement with the SQL types of its answer's columns.
    pub(crate) fn returning<T>(self) -> Statement<T> {
        Statement { sql: self, answer: PhantomData }
    }
}

/// A statement whose rows have the SQL types `T`.
#[derive(Debug)]
pub(crate) struct Statement<T> {
    sql: Sql,
    answer: PhantomData<T>,
}

impl<T> QueryId for Statement<T> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<T> Query for Statement<T> {
    type SqlType = T;
}

impl<T, C> diesel::query_dsl::RunQueryDsl<C> for Statement<T> {}

/// Pushes the values that both databases know; hands the others back.
macro_rules! push_scalar {
    ($out:expr, $bind:expr) => {
        match $bind {
            Bind::Big(value) => $out.push_bind_param::<BigInt, _>(value),
            Bind::Int(value) => $out.push_bind_param::<Integer, _>(value),
            Bind::Small(value) => $out.push_bind_param::<SmallInt, _>(value),
            Bind::Text(value) => $out.push_bind_param::<Text, _>(value),
            Bind::Double(value) => $out.push_bind_param::<Nullable<Double>, _>(value),
            _ => Err(diesel::result::Error::QueryBuilderError("this database takes no arrays".into())),
        }
    };
}

fn walk<'b, DB: Backend>(
    sql: &'b Sql,
    out: &mut AstPass<'_, 'b, DB>,
    mut push: impl FnMut(&mut AstPass<'_, 'b, DB>, &'b Bind) -> QueryResult<()>,
) -> QueryResult<()> {
    if sql.keeping == Keeping::Once {
        out.unsafe_to_cache_prepared();
    }
    for part in &sql.parts {
        match part {
            Part::Sql(text) => out.push_sql(text),
            Part::Bind(value) => push(out, value)?,
        }
    }
    Ok(())
}

impl<T> QueryFragment<Sqlite> for Statement<T> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        walk(&self.sql, &mut out, |out, value| push_scalar!(out, value))
    }
}

impl<T> QueryFragment<Pg> for Statement<T> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        walk(&self.sql, &mut out, |out, value| match value {
            Bind::Bigs(values) => out.push_bind_param::<Array<BigInt>, _>(values),
            Bind::Ints(values) => out.push_bind_param::<Array<Integer>, _>(values),
            Bind::Smalls(values) => out.push_bind_param::<Array<SmallInt>, _>(values),
            Bind::Texts(values) => out.push_bind_param::<Array<Text>, _>(values),
            Bind::Doubles(values) => out.push_bind_param::<Array<Nullable<Double>>, _>(values),
            scalar => push_scalar!(out, scalar),
        })
    }
}
