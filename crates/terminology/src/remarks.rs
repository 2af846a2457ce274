//! What is odd about the codes of a resource, though it is no reason to refuse it: a slip like that is stored as it is, and
//! found by nobody who asks for the right one. Each check says what was meant, where that can be told.
//!
//! One table, `CHECKS`, a row a kind of oddity; whoever stores a resource is told, and so is whoever asks by `$validate`.
//! [`on_bindings`] are for the latter only: codes that are not of the value set that R4 would have there.

mod check_digits;
mod systems;
mod units;

use concord_fhir::issue::{Issue, IssueCode, Severity};
use concord_fhir::json::{Object, Value};
use concord_fhir::schema::{Met, walk};
use concord_fhir::terminology::{CodingRef, Membership};

use crate::membership::member_of;
use crate::tables;

/// How many remarks are made.
const MOST: usize = 200;

/// What is odd: the member, and what is to be said of it.
type Oddity = (&'static str, String);

/// A check of every value of a type.
struct Check {
    /// The type of data.
    of: &'static str,
    /// What it finds.
    find: fn(&Object<'_>, &Met<'_>) -> Option<Oddity>,
}

/// Every check. Of several that find something about one value, the first is told.
const CHECKS: [Check; 9] = [
    // A code system that is nearly one that is known, or is one by another name.
    Check { of: "Coding", find: systems::mistyped_coding },
    Check { of: "Coding", find: systems::missing },
    Check { of: "Coding", find: check_digits::loinc },
    Check { of: "Coding", find: check_digits::snomed },
    Check { of: "Coding", find: no_code_of_r4 },
    Check { of: "Identifier", find: systems::mistyped_identifier },
    Check { of: "Quantity", find: systems::mistyped_coding },
    Check { of: "Quantity", find: units::odd },
    Check { of: "Quantity", find: units::without_system },
];

/// What is worth telling about the codes of a resource that the check takes.
#[must_use]
pub fn on_codes(resource: &Value<'_>) -> Vec<Issue> {
    let mut remarks = CodeRemarks::default();
    walk(resource, &mut |met| remarks.see(met));
    remarks.issues
}

/// What is odd about the codes of a resource, while it is walked.
#[derive(Debug, Default)]
pub struct CodeRemarks {
    /// All that was found.
    pub issues: Vec<Issue>,
}

impl CodeRemarks {
    /// Looks at what is met.
    pub fn see(&mut self, met: &Met<'_>) {
        if self.issues.len() >= MOST {
            return;
        }
        let of_type = CHECKS.iter().filter(|check| is_of(met.type_name, check.of));
        if let Some((member, text)) = of_type.filter_map(|check| (check.find)(met.object, met)).next() {
            self.issues.push(warning(format!("{}.{member}", met.place()), text));
        }
    }
}

/// Whether a type is that one, or a narrower form of it.
fn is_of(name: &str, wanted: &str) -> bool {
    name == wanted
        || (wanted == "Quantity" && matches!(name, "SimpleQuantity" | "Age" | "Count" | "Distance" | "Duration"))
}

/// Codes that are not of the value set that R4 would have there: its binding is `extensible`, so that another code is right
/// where the set has none that fits.
#[must_use]
pub fn on_bindings(resource: &Value<'_>) -> Vec<Issue> {
    let mut found = Vec::new();
    walk(resource, &mut |met| {
        let codings = match met.type_name {
            "CodeableConcept" => met.object.get("coding").map_or(&[][..], Value::items),
            _ => return,
        };
        if codings.is_empty() || found.len() >= MOST {
            return;
        }
        let Some(set) = tables::extensible(met.within, met.element) else { return };
        let is_outside = |coding: &Value<'_>| match (coding.text("system"), coding.text("code")) {
            (Some(system), Some(code)) => member_of(set, CodingRef::of(Some(system), code)) == Membership::No,
            _ => false,
        };
        if codings.iter().all(is_outside) {
            let text =
                format!("no code of it is of the value set {set}, which R4 has here unless no code of that fits");
            found.push(warning(met.place(), text));
        }
    });
    found
}

fn warning(place: String, text: String) -> Issue {
    Issue::remark_at(Severity::Warning, IssueCode::CodeInvalid, place, text)
}

fn text<'o>(object: &'o Object<'_>, name: &str) -> Option<&'o str> {
    object.get(name).and_then(Value::as_str)
}

/// A code that a code system of R4 itself does not have. Those that are kept elsewhere go on, and have codes that R4's
/// version of them has not.
fn no_code_of_r4(coding: &Object<'_>, _met: &Met<'_>) -> Option<Oddity> {
    let system = text(coding, "system").filter(|system| system.starts_with("http://hl7.org/fhir/"))?;
    let known = tables::code_system(system).filter(|known| known.partial.is_none())?;
    let code = text(coding, "code").filter(|code| known.concept(code).is_none())?;
    let code: String = code.chars().take(60).collect();
    Some(("code", format!("`{code}` is no code of {system}")))
}

#[cfg(test)]
mod tests;
