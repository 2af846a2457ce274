//! CarePlan: has a title, and had better have a category, and a patient's plan orders nobody.

use super::writer::Writer;
use crate::issue::{Issue, IssueCode, Severity};
use crate::json::Value;

pub(super) fn check(resource: &Value<'_>, writer: &Writer, issues: &mut Vec<Issue>) {
    if resource.list("category").is_empty() {
        let missing = Issue::error(IssueCode::Required, "CarePlan.category", "does not say what kind of plan this is");
        issues.push(Issue { severity: Severity::Warning, ..missing });
    }
    if resource.text("title").is_none_or(|title| title.trim().is_empty()) {
        issues.push(Issue::error(IssueCode::Required, "CarePlan.title", "give the plan a title"));
    }
    if writer.is_person() && !matches!(resource.text("intent"), Some("proposal" | "plan")) {
        let text = "a patient's plan has the intent `proposal` or `plan`";
        issues.push(Issue::error(IssueCode::BusinessRule, "CarePlan.intent", text));
    }
}

#[cfg(test)]
mod tests {
    use super::super::prepare::tests::{patient, places, professional, system};

    fn plan(intent: &str, rest: &str) -> String {
        format!(
            r#"{{"resourceType":"CarePlan","status":"active","intent":"{intent}","subject":{{"reference":"Patient/p1"}}{rest}}}"#
        )
    }

    #[test]
    fn a_plan_has_a_title_and_a_category() {
        let full = r#","title":"My plan","category":[{"text":"support plan"}]"#;
        assert_eq!(places(&plan("plan", full), &patient()), Ok(vec![]));
        let both = vec!["CarePlan.category".to_owned(), "CarePlan.title".to_owned()];
        assert_eq!(places(&plan("plan", ""), &professional()), Err(both.clone()));
        let told = places(&plan("plan", r#","title":"  ","category":[]"#), &system());
        assert_eq!(told, Ok(both), "a system is told, and not refused");
    }

    #[test]
    fn a_patient_orders_nobody() {
        let full = r#","title":"My plan","category":[{"text":"support plan"}]"#;
        assert_eq!(places(&plan("proposal", full), &patient()), Ok(vec![]));
        assert_eq!(places(&plan("order", full), &patient()), Err(vec!["CarePlan.intent".to_owned()]));
        assert_eq!(places(&plan("order", full), &professional()), Ok(vec![]));
    }

    #[test]
    fn a_patients_plan_names_no_other_contributor() {
        let full = r#","title":"My plan","category":[{"text":"x"}],"contributor":[{"reference":"Practitioner/gp"}]"#;
        assert_eq!(places(&plan("plan", full), &patient()), Err(vec!["CarePlan.contributor[0]".to_owned()]));
        assert_eq!(places(&plan("plan", full), &professional()), Ok(vec![]));
    }
}
