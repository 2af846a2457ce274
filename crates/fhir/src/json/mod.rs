//! JSON as the client wrote it: number texts, member order and duplicate members are kept, nothing is guessed.
//!
//! `serde_json::Value` is not used for bodies: it drops duplicate members and, without a feature that changes every
//! crate in the build, rewrites decimals (`1.10`, `1e2`), whose precision FHIR requires to be kept
//! (R4 "Data Types", decimal).

mod limits;
mod read;
mod value;
mod write;

pub use limits::Limits;
pub(crate) use read::line_and_column;
pub use read::parse;
pub use value::{Names, Object, Value};
pub use write::{to_pretty, to_string, write, write_pretty};
