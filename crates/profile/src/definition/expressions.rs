//! The expressions of a definition that nobody can evaluate: it is used without them, and whoever gives it is told.

use concord_fhir::issue::{Issue, IssueCode, Severity};
use concord_fhir::json::Value;
use concord_fhir::path::{Expression, Patterns};

use super::{MOST_ELEMENTS, corrected};
use crate::value::short;

/// How many are told.
const MOST_TOLD: usize = 20;

/// The constraints of a StructureDefinition that are not checked, because their expressions cannot be read: a warning at the place
/// of each.
#[must_use]
pub fn unreadable(resource: &Value<'_>) -> Vec<Issue> {
    let section = if resource.get("differential").is_some() { "differential" } else { "snapshot" };
    let elements = resource.get(section).map_or(&[][..], |section| section.list("element"));
    let mut patterns = Patterns::of_one_definition();
    let mut found = Vec::new();
    for (at, element) in elements.iter().enumerate().take(MOST_ELEMENTS) {
        for (number, constraint) in element.list("constraint").iter().enumerate() {
            let Some(expression) = constraint.text("expression") else { continue };
            let Err(problem) = Expression::compile_with(corrected::instead(expression), &mut patterns) else {
                continue;
            };
            let place = format!("StructureDefinition.{section}.element[{at}].constraint[{number}].expression");
            let key = short(constraint.text("key").unwrap_or_default());
            let text = format!("the constraint {key} is not checked, for its expression cannot be read: {problem}");
            found.push(Issue::remark_at(Severity::Warning, IssueCode::Value, place, text));
            if found.len() >= MOST_TOLD {
                return found;
            }
        }
    }
    found
}
