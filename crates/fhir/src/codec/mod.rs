//! Resources as bytes, in JSON and in XML (R4 "Resource Formats").
//!
//! Both are read into the same [`Value`], XML by the element table, so that one check finds every problem of either. Nothing
//! is lost on the way from one to the other: decimals keep their digits, primitives their ids and extensions, narratives
//! their text; only the order of JSON's members becomes that of the definitions, which XML requires.

mod entries;
pub(crate) mod namespaces;
mod read_xml;
mod write_xml;

use crate::check::check;
use crate::issue::Issue;
use crate::json::{self, Limits, Value};
use crate::registry::ResourceType;

pub use entries::{RequestEntry, Requests, is_in_entry, place_of_entry, read_requests};
pub(crate) use read_xml::read_in_any_order as read_xml_in_any_order;
pub use read_xml::root_of_xml;
pub(crate) use write_xml::escape;
pub use write_xml::{write_entry_xml, write_xml};

/// The namespace of FHIR's elements in XML.
pub(crate) const FHIR: &str = "http://hl7.org/fhir";

/// How a body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `application/fhir+json`
    Json,
    /// `application/fhir+xml`
    Xml,
}

/// A resource that has passed the check.
#[derive(Clone, Debug, PartialEq)]
pub struct Resource<'a> {
    /// Its type.
    pub resource_type: ResourceType,
    /// Its content, in FHIR's JSON form whatever it was read from.
    pub value: Value<'a>,
}

/// Reads a resource and checks it.
///
/// # Errors
/// Every problem that was found. One that says that the body is no JSON or XML at all, or beyond a limit, is the only one;
/// else all that [`check`] lists, and for XML what only XML can have: elements out of order, unknown attributes, text between
/// elements.
pub fn read<'a>(format: Format, body: &'a [u8], limits: &Limits) -> Result<Resource<'a>, Vec<Issue>> {
    let (value, mut issues) = parsed(format, body, limits)?;
    match check(&value, limits) {
        Ok(resource_type) if issues.is_empty() => Ok(Resource { resource_type, value }),
        Ok(_) => Err(issues),
        Err(more) => {
            issues.extend(more);
            Err(issues)
        }
    }
}

/// The body as a value, whatever [`check`] would say of it, with the problems that the value does not show any more: for
/// what is looked at by itself, such as published definitions that break a rule of their own type.
///
/// # Errors
/// Why it cannot be read at all.
pub fn parsed<'a>(format: Format, body: &'a [u8], limits: &Limits) -> Result<(Value<'a>, Vec<Issue>), Vec<Issue>> {
    match format {
        Format::Json => Ok((json::parse(body, limits)?, Vec::new())),
        Format::Xml => read_xml::read(body, limits),
    }
}

#[cfg(test)]
mod tests;
