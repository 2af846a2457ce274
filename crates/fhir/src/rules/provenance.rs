//! Provenance that comes along with a write (R4 "Provenance", header `X-Provenance`): what the client says of where it
//! is from. Nobody answers for it but the one who writes.

use super::instant;
use super::writer::{Settings, Writer, WriterKind};
use crate::issue::{Issue, IssueCode};
use crate::json::Value;

/// How far a clock may be ahead, in milliseconds.
const AHEAD: i64 = 5 * 60 * 1000;

/// The types of agents that others than the writer may be: they took part, and answer for nothing (R4
/// provenance-participant-type).
const OTHERS: [&str; 5] = ["performer", "informant", "custodian", "assembler", "composer"];

/// What is wrong with a statement that somebody sends along with what they write; `now` is in milliseconds since 1970 UTC.
/// What a system hands in for others names whom it likes.
#[must_use]
pub fn check_statement(statement: &Value<'_>, writer: &Writer, now: i64, settings: &Settings<'_>) -> Vec<Issue> {
    let mut issues = Vec::new();
    let recorded = statement.text("recorded").and_then(instant::range);
    if recorded.is_some_and(|(first, _)| first > now + AHEAD) {
        issues.push(Issue::error(IssueCode::BusinessRule, "Provenance.recorded", "'recorded' lies in the future"));
    }
    if writer.kind == WriterKind::System {
        return issues;
    }
    let is_writer = |reference: Option<&Value<'_>>| {
        let named = reference.and_then(|one| one.text("reference")).and_then(|one| settings.local(one));
        named.is_some_and(|named| writer.is(&named))
    };
    for (position, agent) in statement.list("agent").iter().enumerate() {
        if !answers(agent) {
            continue;
        }
        let place = |name: &str| format!("Provenance.agent[{position}].{name}");
        if !is_writer(agent.get("who")) {
            let text = "names somebody else than you as the one who answers for this";
            issues.push(Issue::error(IssueCode::BusinessRule, place("who"), text));
        }
        let behalf = agent.get("onBehalfOf");
        let own = behalf.and_then(|one| one.text("reference")).and_then(|one| settings.local(one));
        let patient = own.as_deref().and_then(|one| one.strip_prefix("Patient/"));
        let fits = is_writer(behalf) || (patient.is_some() && patient == writer.patient.as_deref());
        if behalf.is_some() && !fits {
            let text = "names somebody on whose behalf you do not write";
            issues.push(Issue::error(IssueCode::BusinessRule, place("onBehalfOf"), text));
        }
    }
    for (position, signature) in statement.list("signature").iter().enumerate() {
        if !is_writer(signature.get("who")) {
            let place = format!("Provenance.signature[{position}].who");
            issues.push(Issue::error(IssueCode::BusinessRule, place, "names somebody else than you as the signer"));
        }
    }
    issues
}

/// Whether an agent answers for what was written: each one but those of which it is plain that they do not.
fn answers(agent: &Value<'_>) -> bool {
    let codings = agent.get("type").map_or(&[][..], |one| one.list("coding"));
    let takes_part = |coding: &Value<'_>| coding.text("code").is_some_and(|code| OTHERS.contains(&code));
    codings.is_empty() || !codings.iter().all(takes_part) || agent.get("role").is_some()
}

#[cfg(test)]
mod tests {
    use super::super::prepare::tests::{NOW, SETTINGS, carer, json, patient, professional, system};
    use super::*;

    fn places(rest: &str, writer: &Writer) -> Vec<String> {
        let text = format!(r#"{{"resourceType":"Provenance","recorded":"2026-03-01T11:00:00Z",{rest}}}"#);
        let issues = check_statement(&json(&text), writer, NOW, &SETTINGS);
        issues.into_iter().map(|issue| issue.expression.unwrap_or_default()).collect()
    }

    #[test]
    fn nobody_answers_but_the_writer() {
        let agent = |code: &str, who: &str, rest: &str| {
            format!(r#""agent":[{{"type":{{"coding":[{{"code":"{code}"}}]}},"who":{{{who}}}{rest}}}]"#)
        };
        let gp = r#""reference":"Practitioner/gp""#;
        let own = r#""reference":"Patient/p1""#;
        let who = ["Provenance.agent[0].who"];
        assert_eq!(places(&agent("author", gp, ""), &professional()), [""; 0]);
        assert_eq!(places(&agent("author", own, ""), &patient()), [""; 0]);
        for code in ["author", "verifier", "attester", "legal", "enterer", "AUT", "constructor"] {
            assert_eq!(places(&agent(code, gp, ""), &patient()), who, "{code}");
        }
        for code in OTHERS {
            assert_eq!(places(&agent(code, gp, ""), &patient()), [""; 0], "{code}");
            let signs = agent(code, gp, r#","role":[{"text":"author"}]"#);
            assert_eq!(places(&signs, &patient()), who, "{code}");
        }
        assert_eq!(places(r#""agent":[{"who":{"display":"Dr Okafor"}}]"#, &patient()), who);
        assert_eq!(places(&agent("author", gp, ""), &system()), [""; 0]);
        let signed = r#""agent":[],"signature":[{"who":{"reference":"Practitioner/gp"}}]"#;
        assert_eq!(places(signed, &patient()), ["Provenance.signature[0].who"]);
    }

    #[test]
    fn on_whose_behalf() {
        let of = |who: &str, behalf: &str| {
            format!(r#""agent":[{{"who":{{"reference":"{who}"}},"onBehalfOf":{{"reference":"{behalf}"}}}}]"#)
        };
        assert_eq!(places(&of("RelatedPerson/c1", "Patient/p1"), &carer()), [""; 0]);
        assert_eq!(places(&of("Practitioner/gp", "Organization/surgery"), &professional()), [""; 0]);
        let place = ["Provenance.agent[0].onBehalfOf"];
        assert_eq!(places(&of("RelatedPerson/c1", "Patient/p2"), &carer()), place);
        assert_eq!(places(&of("Practitioner/gp", "Organization/other"), &professional()), place);
    }

    #[test]
    fn nothing_is_recorded_in_the_future() {
        let later = r#""agent":[],"recorded":"2026-03-02""#;
        let issues = check_statement(&json(&format!("{{{later}}}")), &patient(), NOW, &SETTINGS);
        assert_eq!(issues.len(), 1);
    }
}
