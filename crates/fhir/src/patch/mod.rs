//! Patches: what is to be changed of a resource (R4 "RESTful API", patch), in each of the forms in which that is said.
//!
//! | form | module |
//! |---|---|
//! | JSON Patch (RFC 6902) | `json` |
//! | merge patch (RFC 7396) | `merge` |
//! | XML Patch (RFC 5261) | `xml` |
//! | FHIRPath Patch (R4 "FHIRPath Patch") | `fhir_path` |
//!
//! All are written for our own [`Value`], because a patch must not touch a digit of a decimal that it does not name. What
//! comes of a patch is checked by whoever applies it, as what a client sends is.

#[cfg(test)]
mod bounds;
mod budget;
mod elements;
mod fhir_path;
mod json;
mod merge;
mod place;
mod xml;

pub use budget::PatchBudget;

use crate::issue::{Issue, IssueCode};
use crate::json::{Limits, Value};

/// The most operations that one patch may have.
pub const MOST_OPERATIONS: usize = 1_000;

const TOO_COSTLY: &str =
    "the patches of the request take too many steps: send fewer operations at once, or the whole resource";

/// The type of the resource that a FHIRPath Patch is.
pub const RESOURCE: &str = "Parameters";

/// Whether a resource is of the type of a FHIRPath Patch.
#[must_use]
pub fn is_patch(resource: &Value<'_>) -> bool {
    resource.text("resourceType") == Some(RESOURCE)
}

/// A patch, read.
#[derive(Clone, Debug, PartialEq)]
pub struct Patch {
    content: Content,
    limits: Limits,
}

#[derive(Clone, Debug, PartialEq)]
enum Content {
    Json(Vec<json::Operation>),
    /// Members that take the place of those of the same name; null takes them away.
    Merge(Value<'static>),
    Xml(Vec<xml::Operation>),
    FhirPath(Vec<fhir_path::Operation>),
}

/// Why a patch does not fit the resource.
#[derive(Clone, Debug, PartialEq)]
pub enum Mismatch {
    /// A `test` of the patch does not hold: the resource is not as the client thinks.
    Test(Issue),
    /// A place that an operation names is not there, or what would come of it is no resource.
    Place(Vec<Issue>),
}

impl Mismatch {
    fn place(text: impl Into<String>) -> Mismatch {
        Mismatch::Place(vec![Issue::plain(IssueCode::Value, text)])
    }
}

impl Patch {
    /// Reads the body of a JSON Patch.
    ///
    /// # Errors
    /// Every operation that is not one of RFC 6902, with its place in the patch.
    pub fn read(body: &[u8], limits: &Limits) -> Result<Patch, Vec<Issue>> {
        Ok(Patch { content: Content::Json(json::read(body, limits)?), limits: *limits })
    }

    /// Reads the body of a merge patch.
    ///
    /// # Errors
    /// When it is no object: it would take the place of the whole resource.
    pub fn read_merge(body: &[u8], limits: &Limits) -> Result<Patch, Vec<Issue>> {
        Ok(Patch { content: Content::Merge(merge::read(body, limits)?), limits: *limits })
    }

    /// Reads the body of an XML Patch.
    ///
    /// # Errors
    /// Every operation that is not one of RFC 5261, or whose selector is beyond what is understood of XPath.
    pub fn read_xml(body: &[u8], limits: &Limits) -> Result<Patch, Vec<Issue>> {
        Ok(Patch { content: Content::Xml(xml::read(body, limits)?), limits: *limits })
    }

    /// Reads a FHIRPath Patch from Parameters that have passed the check.
    ///
    /// # Errors
    /// Every parameter that is no operation of a FHIRPath Patch, with its place.
    pub fn of_parameters(parameters: &Value<'_>, limits: &Limits) -> Result<Patch, Vec<Issue>> {
        Ok(Patch { content: Content::FhirPath(fhir_path::read(parameters)?), limits: *limits })
    }

    /// The resource with all operations carried out, one after the other, or nothing: of a request that has no other patch.
    ///
    /// # Errors
    /// The first operation that does not fit.
    pub fn apply(&self, resource: Value<'static>) -> Result<Value<'static>, Mismatch> {
        self.apply_within(resource, &mut PatchBudget::of_request(&self.limits))
    }

    /// The resource with all operations carried out, one after the other, or nothing.
    ///
    /// # Errors
    /// The first operation that does not fit, or for which there is nothing left of what the request may cost.
    pub fn apply_within(&self, resource: Value<'static>, budget: &mut PatchBudget) -> Result<Value<'static>, Mismatch> {
        budget.take_all(&resource).ok_or_else(|| Mismatch::place(TOO_COSTLY))?;
        match &self.content {
            Content::Json(operations) => json::apply(operations, resource, &self.limits, budget),
            Content::Merge(patch) => {
                budget.take_all(patch).ok_or_else(|| Mismatch::place(TOO_COSTLY))?;
                Ok(merge::apply(resource, patch))
            }
            Content::Xml(operations) => xml::apply(operations, &resource, &self.limits, budget),
            Content::FhirPath(operations) => fhir_path::apply(operations, resource, &self.limits, budget),
        }
    }
}

/// The refusal of a patch with too many operations.
fn require_few(count: usize) -> Result<(), Vec<Issue>> {
    if count <= MOST_OPERATIONS {
        return Ok(());
    }
    let text = format!("a patch may have at most {MOST_OPERATIONS} operations");
    Err(vec![Issue::plain(IssueCode::TooLong, text)])
}
