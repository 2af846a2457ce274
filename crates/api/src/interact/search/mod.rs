//! search (R4 "Search"): which resources, in what order, what comes along, and what their words and codes say.

mod by_kept;
pub(crate) mod conditional;
pub(crate) mod cursor;
pub(crate) mod full_text;
pub(crate) mod include;
mod interaction;
mod led_through;
mod numbered;
pub(crate) mod page;
pub(crate) mod parameters;
pub(crate) mod query;
pub(crate) mod terminology;

pub(crate) use interaction::search;
pub(crate) use page::Page;
pub(crate) use query::{matches, matches_among};
