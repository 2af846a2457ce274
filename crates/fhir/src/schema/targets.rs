//! References to what their element does not name (R4 "References"), for those who want to be told.

use super::problems::Problems;
use super::walk::{Met, walk};
use crate::issue::{Issue, IssueCode, Severity};
use crate::json::Value;
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
    /// What a `#` reference may mean.
    contained: &'v [Value<'v>],
    problems: Problems,
}

impl<'v> TargetRemarks<'v> {
    /// Nothing yet.
    #[must_use]
    pub fn on(value: &'v Value<'_>) -> TargetRemarks<'v> {
        let contained = value.get("contained").map_or(&[][..], Value::items);
        TargetRemarks { contained, problems: Problems::default() }
    }

    /// Looks at what is met.
    pub fn see(&mut self, met: &Met<'_>) {
        if met.type_name == "Reference" && !met.of_type.targets.is_empty() {
            reference(met, self.contained, &mut self.problems);
        }
    }

    /// All that was found.
    #[must_use]
    pub fn issues(self) -> Vec<Issue> {
        let warning = |issue: Issue| Issue { severity: Severity::Warning, ..issue };
        self.problems.into_issues().into_iter().map(warning).collect()
    }
}

/// Tells of a reference that names what its element does not; `contained` is what a `#` reference may mean.
fn reference(met: &Met<'_>, contained: &[Value<'_>], problems: &mut Problems) {
    let targets = &met.of_type.targets;
    for name in ["reference", "type"] {
        let Some(Value::String(text)) = met.object.get(name) else { continue };
        let named = match (name, text.strip_prefix('#')) {
            ("type", _) => ResourceType::parse(text),
            (_, Some(id)) => {
                let meant = contained.iter().find(|resource| resource.text("id") == Some(id));
                meant.and_then(|resource| resource.text("resourceType")).and_then(ResourceType::parse)
            }
            (_, None) => literal::named_type(text),
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
