//! What a query asks for (R4 "Search").

mod prefix;

pub use prefix::Prefix;
