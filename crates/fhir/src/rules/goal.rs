//! Goal: negotiated, so everybody accepts for themselves only (R4 "Goal", extension goal-acceptance).

use super::writer::{Settings, Writer, WriterKind};
use crate::issue::{Issue, IssueCode};
use crate::json::Value;

const ACCEPTANCE: &str = "http://hl7.org/fhir/StructureDefinition/goal-acceptance";

pub(super) fn check(resource: &Value<'_>, writer: &Writer, settings: &Settings<'_>, issues: &mut Vec<Issue>) {
    check_targets(resource, issues);
    if writer.kind == WriterKind::System {
        return;
    }
    if writer.kind == WriterKind::Professional && resource.text("lifecycleStatus") == Some("accepted") {
        let text = "only the patient can accept a goal: leave it `proposed` or `planned`";
        issues.push(Issue::error(IssueCode::BusinessRule, "Goal.lifecycleStatus", text));
    }
    check_acceptance(resource, writer, settings, issues);
}

/// gol-1: a target's detail needs the measure that it is a detail of.
fn check_targets(resource: &Value<'_>, issues: &mut Vec<Issue>) {
    for (position, target) in resource.list("target").iter().enumerate() {
        let has_detail =
            target.as_object().is_some_and(|target| target.0.iter().any(|(name, _)| name.starts_with("detail")));
        if has_detail && target.get("measure").is_none() {
            let place = format!("Goal.target[{position}].measure");
            issues.push(Issue::error(IssueCode::Invariant, place, "gol-1: a target with a detail needs a measure"));
        }
    }
}

/// Another party's entry may only wait for that party's word.
fn check_acceptance(resource: &Value<'_>, writer: &Writer, settings: &Settings<'_>, issues: &mut Vec<Issue>) {
    for (position, entry) in resource.list("extension").iter().enumerate() {
        if entry.text("url") != Some(ACCEPTANCE) {
            continue;
        }
        let part = |name| entry.list("extension").iter().find(move |part| part.text("url") == Some(name));
        let individual = part("individual")
            .and_then(|part| part.get("valueReference"))
            .and_then(|value| value.text("reference"))
            .and_then(|reference| settings.local(reference));
        let own = individual.is_some_and(|individual| writer.is(&individual));
        let pending = part("status").is_none_or(|part| part.text("valueCode") == Some("pending"));
        if !own && !pending {
            let place = format!("Goal.extension[{position}]");
            let text = "everybody accepts a goal for themselves: the entry of somebody else must be `pending`";
            issues.push(Issue::error(IssueCode::BusinessRule, place, text));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::prepare::tests::{patient, places, professional, system};

    fn goal(status: &str, rest: &str) -> String {
        format!(
            r#"{{"resourceType":"Goal","lifecycleStatus":"{status}","subject":{{"reference":"Patient/p1"}},
            "description":{{"text":"walk to the shop"}}{rest}}}"#
        )
    }

    fn accepted_by(who: &str, status: &str) -> String {
        format!(
            r#","extension":[{{"url":"http://hl7.org/fhir/StructureDefinition/goal-acceptance","extension":[
            {{"url":"individual","valueReference":{{"reference":"{who}"}}}},{{"url":"status","valueCode":"{status}"}}]}}]"#
        )
    }

    #[test]
    fn a_detail_needs_a_measure() {
        let target = r#","target":[{"dueDate":"2026-05-01"},{"detailString":"daily"}]"#;
        for writer in [patient(), professional(), system()] {
            assert_eq!(places(&goal("active", target), &writer), Err(vec!["Goal.target[1].measure".to_owned()]));
        }
        let target = r#","target":[{"measure":{"text":"steps"},"detailInteger":5000}]"#;
        assert_eq!(places(&goal("active", target), &patient()), Ok(vec![]));
    }

    #[test]
    fn only_the_patient_accepts() {
        assert_eq!(places(&goal("accepted", ""), &patient()), Ok(vec![]));
        assert_eq!(places(&goal("accepted", ""), &professional()), Err(vec!["Goal.lifecycleStatus".to_owned()]));
        assert_eq!(places(&goal("accepted", ""), &system()), Ok(vec![]));
    }

    #[test]
    fn everybody_accepts_for_themselves() {
        let wrong = Err(vec!["Goal.extension[0]".to_owned()]);
        for (who, status, writer, wanted) in [
            ("Patient/p1", "agree", patient(), Ok(vec![])),
            ("Practitioner/gp", "agree", patient(), wrong.clone()),
            ("Practitioner/gp", "pending", patient(), Ok(vec![])),
            ("Patient/p1", "disagree", professional(), wrong),
            ("Practitioner/gp", "agree", professional(), Ok(vec![])),
            ("Patient/p1", "agree", system(), Ok(vec![])),
        ] {
            assert_eq!(places(&goal("active", &accepted_by(who, status)), &writer), wanted, "{who} {status}");
        }
    }
}
