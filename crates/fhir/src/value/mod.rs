//! The kinds of search parameters: what rows a value of a resource gives, and what test of a row a value of a query
//! means. The two sides of a kind stand in one file, so that they agree (R4 "Search", sections 3.1.1.4.6 ff.).

mod composite;
mod date;
pub(crate) mod decimal;
mod key;
mod number;
mod prefix;
mod quantity;
mod reference;
mod string;
mod token;
mod unit_code;
mod uri;

pub use crate::literal::{Literal, is_id, local, named_type};
pub use composite::LONGEST_COMPOSITE;
pub(crate) use key::pair;
pub use key::{LONGEST_HALF, LONGEST_KEY};
pub use prefix::Prefix;
pub(crate) use string::fold;
pub use token::of_codes;
pub use unit_code::is_unit;

pub(crate) mod read {
    //! What rows a value of a resource gives.
    pub(crate) use super::composite::{rows as composite, spans};
    pub(crate) use super::date::rows as date;
    pub(crate) use super::number::rows as number;
    pub(crate) use super::quantity::rows as quantity;
    pub(crate) use super::reference::rows as reference;
    pub(crate) use super::string::rows as string;
    pub(crate) use super::token::rows as token;
    pub(crate) use super::uri::rows as uri;
}

pub(crate) mod ask {
    //! What test of a row a value of a query means.
    pub(crate) use super::composite::{span, test as composite};
    pub(crate) use super::date::{Interval, interval, overlaps, test as date, tolerance};
    pub(crate) use super::number::read as number;
    pub(crate) use super::quantity::{in_base_units as quantity_in_base_units, test as quantity};
    pub(crate) use super::reference::test as reference;
    pub(crate) use super::string::{
        begins as string_begins, contains as string_contains, ends as string_ends, exact as string_exact, fold,
        is as string_is,
    };
    pub(crate) use super::token::{in_any_case as token_in_any_case, of_type as token_of_type, test as token};
    pub(crate) use super::uri::{above as uri_above, below as uri_below, is as uri};
}
