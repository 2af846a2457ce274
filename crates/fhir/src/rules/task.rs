//! Task: a request for correction goes through the states of HL7 Patient Corrections. The professional moves it on and
//! ends it with an answer; who asked may take it back; what was asked stays as it is.

use super::communication::CORRECTIONS;
use super::parties::{self, Party};
pub use super::parties::{correction, leaves_what_was_asked};
use super::writer::{WriteContext, WriterKind};
use crate::issue::{Issue, IssueCode};
use crate::json::Value;

/// The states of the business that go with each status of a task (HL7 Patient Corrections, "Task Status").
const STATES: [(&str, &[&str]); 4] = [
    ("ready", &["queued"]),
    ("in-progress", &["in-review", "waiting-for-information", "accepted", "partial-accept"]),
    ("cancelled", &["requester-cancelled"]),
    ("completed", &["amendment-completed", "partial-accept", "denied", "disagreement-logged", "completed"]),
];

/// The states that only one kind of task has: a request for correction, and a disagreement with its denial.
const ONLY: [&[&str]; 2] =
    [&["accepted", "partial-accept", "amendment-completed", "denied"], &["disagreement-logged", "completed"]];

/// Whether a state of the business is that of the task.
#[must_use]
pub fn is_in_state(resource: &Value<'_>, state: &str) -> bool {
    let codings = resource.get("businessStatus").map_or(&[][..], |status| status.list("coding"));
    codings.iter().any(|coding| coding.text("code") == Some(state))
}

pub(super) fn check(resource: &mut Value<'_>, context: &WriteContext<'_>, issues: &mut Vec<Issue>) {
    let WriteContext { previous, writer, settings, .. } = *context;
    let rule = |place: &str, text: String| Issue::error(IssueCode::BusinessRule, format!("Task.{place}"), text);
    let Some(code) = correction(resource) else {
        if previous.is_some_and(|previous| correction(previous.value).is_some()) {
            issues.push(rule("code", "a request for correction stays one".to_owned()));
        }
        return;
    };
    check_state(resource, code, issues);
    if writer.kind.is_system() {
        return;
    }
    parties::check_signatures("Task", resource, context, issues);
    let Some(previous) = previous else {
        let requester = resource.get("requester");
        let named = requester.and_then(|one| one.text("reference")).and_then(|one| settings.local(one));
        if requester.is_some() && !named.is_some_and(|named| writer.is(&named)) {
            let text = "who asks for a correction is who is signed in: $correctionrequest opens its Task";
            issues.push(rule("requester", text.to_owned()));
        }
        return;
    };
    let before = previous.value;
    let party = if writer.is_person() { Party::Asker } else { Party::Other };
    parties::check("Task", resource, before, party, issues);
    parties::check_notes("Task", resource, previous, context, issues);
    let rebuts = is_in_state(before, "disagreement-logged") && is_in_state(resource, "completed");
    if matches!(before.text("status"), Some("cancelled" | "completed")) && !rebuts {
        issues
            .push(rule("status", "this has come to its end and stays attached; a new request can be made".to_owned()));
        return;
    }
    let cancelled = resource.text("status") == Some("cancelled");
    if !writer.is_person() {
        if cancelled {
            let text = "only who asked takes a request back; a professional answers it";
            issues.push(rule("status", text.to_owned()));
        }
        return;
    }
    let requester = before.get("requester").and_then(|one| one.text("reference"));
    let asked = requester.and_then(|one| settings.local(one)).is_some_and(|one| writer.is(&one));
    if !cancelled || !(asked || writer.kind == WriterKind::Patient) {
        let text = "who asked may take the request back (`cancelled`); the professional moves it on: to say more, add a \
                    Communication with `about` pointing at it";
        issues.push(rule("status", text.to_owned()));
    }
}

/// The state of the business goes with the status and the kind, and the end has an answer.
fn check_state(resource: &Value<'_>, code: &'static str, issues: &mut Vec<Issue>) {
    let status = resource.text("status").unwrap_or_default();
    let Some((_, fitting)) = STATES.iter().find(|(name, _)| *name == status) else {
        let text = "a request for correction is ready, in-progress, cancelled or completed";
        issues.push(Issue::error(IssueCode::BusinessRule, "Task.status", text));
        return;
    };
    let others = if code == CORRECTIONS[0] { ONLY[1] } else { ONLY[0] };
    let mut fitting = fitting.iter().filter(|state| !others.contains(state));
    if !fitting.clone().any(|state| is_in_state(resource, state)) {
        let listed: Vec<&str> = fitting.by_ref().copied().collect();
        let text = format!("goes with `{status}`: {}", listed.join(", "));
        issues.push(Issue::error(IssueCode::BusinessRule, "Task.businessStatus", text));
    }
    let answered = !resource.list("output").is_empty();
    if status == "completed" && !answered && !is_in_state(resource, "disagreement-logged") {
        let text = "ends with an answer: what was changed, or why not";
        issues.push(Issue::error(IssueCode::Required, "Task.output", text));
    }
}

#[cfg(test)]
mod tests {
    use super::super::prepare::tests::{by, carer, json, patient, places, professional, system};
    use super::super::{Previous, Writer, prepare};
    use super::*;
    use crate::registry::ResourceType;

    const ANSWER: &str = r#","output":[{"type":{"text":"answer"},"valueString":"2017 it is"}]"#;

    fn task(status: &str, business: &str, rest: &str) -> String {
        format!(
            r#"{{"resourceType":"Task","status":"{status}","intent":"order","code":{{"coding":[{{"code":"medRecCxReq"}}]}},
            "requester":{{"reference":"Patient/p1"}},"businessStatus":{{"coding":[{{"code":"{business}"}}]}}{rest}}}"#
        )
    }

    fn disagreement(status: &str, business: &str, rest: &str) -> String {
        task(status, business, rest).replace("medRecCxReq", "medRecCxDenialDisagree")
    }

    fn at(place: &str) -> Result<Vec<String>, Vec<String>> {
        Err(vec![format!("Task.{place}")])
    }

    #[test]
    fn states_go_together_and_the_end_has_an_answer() {
        let found = |text: &str| places(&text.replace("Patient/p1", "Practitioner/gp"), &professional());
        assert_eq!(found(&task("ready", "queued", "")), Ok(vec![]));
        assert_eq!(places(&task("ready", "queued", ""), &professional()), at("requester"), "in another's name");
        assert_eq!(places(&task("ready", "queued", ""), &system()), Ok(vec![]));
        assert_eq!(found(&task("in-progress", "in-review", "")), Ok(vec![]));
        assert_eq!(found(&task("completed", "denied", ANSWER)), Ok(vec![]));
        assert_eq!(found(&task("ready", "denied", "")), at("businessStatus"));
        assert_eq!(found(&task("completed", "queued", ANSWER)), at("businessStatus"));
        assert_eq!(found(&task("completed", "disagreement-logged", ANSWER)), at("businessStatus"));
        assert_eq!(found(&task("failed", "denied", "")), at("status"));
        assert_eq!(found(&task("completed", "denied", "")), at("output"));
        assert_eq!(found(&disagreement("completed", "disagreement-logged", "")), Ok(vec![]));
        assert_eq!(found(&disagreement("completed", "denied", ANSWER)), at("businessStatus"));
        assert_eq!(found(&disagreement("completed", "completed", "")), at("output"), "a rebuttal says something");
        let other = task("failed", "x", "").replace("medRecCxReq", "other");
        assert_eq!(found(&other), Ok(vec![]));
    }

    #[test]
    fn who_moves_it_on() {
        let change = |before: &str, after: &str, writer: &Writer| {
            let (before, mut after) = (json(before), json(after));
            let previous = Previous { value: &before, own: false };
            let task = ResourceType::parse("Task").unwrap();
            let list = |issues: Vec<Issue>| -> Vec<String> {
                issues.into_iter().map(|issue| issue.expression.unwrap_or_default()).collect()
            };
            let context = WriteContext { previous: Some(&previous), ..by(writer) };
            prepare(task, &mut after, &context).map(list).map_err(list)
        };
        let open = task("in-progress", "in-review", "");
        let (cancelled, denied) = (task("cancelled", "requester-cancelled", ""), task("completed", "denied", ANSWER));
        assert_eq!(change(&open, &denied, &professional()), Ok(vec![]));
        assert_eq!(change(&open, &cancelled, &professional()), at("status"));
        assert_eq!(change(&open, &cancelled, &patient()), Ok(vec![]));
        assert_eq!(change(&open, &cancelled, &carer()), at("status"));
        let theirs = |text: &str| text.replace("Patient/p1", "RelatedPerson/c1");
        assert_eq!(change(&theirs(&open), &theirs(&cancelled), &carer()), Ok(vec![]));
        assert_eq!(change(&open, &task("ready", "queued", ""), &patient()), at("status"));
        let owned = task("cancelled", "requester-cancelled", r#","owner":{"reference":"Organization/o"}"#);
        assert_eq!(change(&open, &owned, &patient()), at("owner"));
        for closed in [&cancelled, &denied] {
            assert_eq!(change(closed, &open, &professional()), at("status"));
            assert_eq!(change(closed, &open, &system()), Ok(vec![]));
        }
        assert_eq!(change(&open, &theirs(&open), &professional()), at("requester"));
        let other = task("failed", "x", "").replace("medRecCxReq", "other");
        assert_eq!(change(&open, &other, &professional()), at("code"));
        let logged = disagreement("completed", "disagreement-logged", "");
        let rebutted = disagreement("completed", "completed", ANSWER);
        assert_eq!(change(&logged, &rebutted, &professional()), Ok(vec![]));
        assert_eq!(change(&rebutted, &logged, &professional()), at("status"));
    }
}
