//! What References lead to (R4 "References"): to what their element does not name, for those who want to be told; and to another type
//! than they say themselves, which is refused.

use super::problems::Problems;
use super::walk::{Met, walk};
use crate::issue::{Issue, IssueCode, Severity};
use crate::json::{Object, Value};
use crate::literal;
use crate::registry::ResourceType;

/// What is worth telling about a resource that [`check`](crate::check::check()) takes: references to a type that their element does not
/// name, as warnings. A few official examples have such references, and so have real records: they are no reason to refuse a
/// resource.
#[must_use]
pub fn remarks(value: &Value<'_>) -> Vec<Issue> {
    let mut remarks = TargetRemarks::on(value);
    walk(value, &mut |met| remarks.see(met));
    remarks.issues()
}

/// What there is to remark on what the References of a resource lead to, while it is walked.
pub struct TargetRemarks<'v> {
    /// The resource, whose contained ones a `#` reference may mean.
    within: &'v Value<'v>,
    problems: Problems,
}

impl<'v> TargetRemarks<'v> {
    /// Nothing yet.
    #[must_use]
    pub fn on(value: &'v Value<'_>) -> TargetRemarks<'v> {
        TargetRemarks { within: value, problems: Problems::default() }
    }

    /// Looks at what is met.
    pub fn see(&mut self, met: &Met<'_>) {
        if met.type_name == "Reference" && !met.of_type.targets.is_empty() {
            reference(met, self.within, &mut self.problems);
        }
    }

    /// All that was found.
    #[must_use]
    pub fn issues(self) -> Vec<Issue> {
        let warning = |issue: Issue| Issue { severity: Severity::Warning, ..issue };
        self.problems.into_issues().into_iter().map(warning).collect()
    }
}

/// The type of what a literal reference leads to, as far as its text tells; `within` is the resource whose contained ones a `#` reference
/// may mean.
pub(crate) fn type_of_target(reference: &str, within: &Value<'_>) -> Option<ResourceType> {
    match reference.strip_prefix('#') {
        Some("") => type_of(within),
        Some(id) => within.list("contained").iter().find(|one| one.text("id") == Some(id)).and_then(type_of),
        None => literal::named_type(reference).or_else(|| Some(literal::by_search(reference, "")?.0)),
    }
}

fn type_of(resource: &Value<'_>) -> Option<ResourceType> {
    resource.text("resourceType").and_then(ResourceType::parse)
}

/// The type that a Reference says of itself, by its name or the address of its definition. What is no type of R4 may be that of a logical
/// model, of which nothing is known here.
pub(crate) fn stated_type(text: &str) -> Option<ResourceType> {
    ResourceType::parse(text.strip_prefix("http://hl7.org/fhir/StructureDefinition/").unwrap_or(text))
}

/// What is wrong with the type that a Reference says, if it leads to another one (R4 `Reference.type`: the type of the target).
pub(crate) fn mistaken_type(object: &Object<'_>, within: &Value<'_>) -> Option<String> {
    let text = |name: &str| object.get(name).and_then(Value::as_str);
    let (reference, said) = (text("reference")?, text("type")?);
    let said = stated_type(said)?;
    let found = type_of_target(reference, within).filter(|found| *found != said)?;
    Some(format!("the reference leads to a resource of the type {found}, and not {said}"))
}

/// Every Reference of a resource that says another type than it leads to, as an error at its place. The check has refused those that it
/// could tell; links to entries of a Bundle have got their types since.
#[must_use]
pub fn mistaken_types(resource: &Value<'_>) -> Vec<Issue> {
    let mut problems = Problems::default();
    walk(resource, &mut |met| {
        if met.type_name == "Reference"
            && let Some(text) = mistaken_type(met.object, resource)
        {
            problems.add(IssueCode::Value, &met.place.element("type"), text);
        }
    });
    problems.into_issues()
}

/// Tells of a reference that names what its element does not; `within` is the resource whose contained ones a `#` reference may mean.
fn reference(met: &Met<'_>, within: &Value<'_>, problems: &mut Problems) {
    let targets = &met.of_type.targets;
    for name in ["reference", "type"] {
        let Some(Value::String(text)) = met.object.get(name) else { continue };
        let named = match name {
            "type" => ResourceType::parse(text),
            _ => type_of_target(text, within),
        };
        let Some(found) = named.filter(|found| !targets.contains(found)) else { continue };
        let wanted: Vec<&str> = targets.iter().map(|one| one.name()).collect();
        let text = format!("R4 has no reference to {found} here, only to {}", wanted.join(", "));
        problems.add(IssueCode::Value, &met.place.element(name), text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::check;
    use crate::json::{Limits, parse};

    /// A reference to a type that its element does not name is told, and no reason to refuse.
    #[test]
    fn references_lead_to_what_their_element_names() {
        let told = |members: &str| {
            let text = format!(r#"{{"resourceType":"Observation","status":"final","code":{{"text":"x"}},{members}}}"#);
            let value = parse(text.as_bytes(), &Limits::default()).unwrap();
            check(&value, &Limits::default()).unwrap();
            let issues = remarks(&value);
            assert!(issues.iter().all(|issue| issue.severity == Severity::Warning), "{issues:?}");
            issues.into_iter().filter_map(|issue| issue.expression).collect::<Vec<_>>()
        };
        for fits in [
            r#""subject":{"reference":"Patient/1"}"#,
            r#""subject":{"reference":"https://other.example/r4/Patient/1/_history/2","type":"Patient"}"#,
            r#""subject":{"reference":"urn:uuid:0c3201bd-1cbf-4d64-b04d-cd9187a4c6e0"}"#,
            r#""subject":{"reference":"https://other.example/people?name=Medication/1"}"#,
            r#""subject":{"display":"a patient"},"focus":[{"reference":"Medication/1"}]"#,
            r##""contained":[{"resourceType":"Patient","id":"p"}],"subject":{"reference":"#p"}"##,
            r#""subject":{"reference":"Patient/1","type":"http://example.org/Thing"}"#,
        ] {
            assert!(told(fits).is_empty(), "{fits}");
        }
        for (wrong, place) in [
            (r#""subject":{"reference":"Medication/1"}"#, "Observation.subject.reference"),
            (r#""subject":{"reference":"https://other.example/r4/Medication/1"}"#, "Observation.subject.reference"),
            (r#""subject":{"type":"Medication","display":"x"}"#, "Observation.subject.type"),
            (
                r#""performer":[{"reference":"Patient/1"},{"reference":"Encounter/1/_history/1"}]"#,
                "Observation.performer[1].reference",
            ),
            (
                r##""contained":[{"resourceType":"Basic","id":"e","code":{"text":"x"}}],"subject":{"reference":"#e"}"##,
                "Observation.subject.reference",
            ),
        ] {
            assert_eq!(told(wrong), [place], "{wrong}");
        }
    }
}
