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

/// Why an `onBehalfOf` is refused.
const NOT_ON_BEHALF: &str = "names somebody on whose behalf you do not write";

/// The types of agents that may have made what something was made from.
const MADE: [&str; 2] = ["author", "enterer"];

/// What is wrong with a statement that somebody sends along with what they write; `now` is in milliseconds since 1970 UTC.
/// What a registered system hands in for others names whom it likes.
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
    let is_on_behalf = |behalf: &Value<'_>| {
        let named = behalf.text("reference").and_then(|one| settings.local(one));
        is_writer(Some(behalf)) || named.is_some_and(|named| writer.is_patient(&named))
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
        if agent.get("onBehalfOf").is_some_and(|behalf| !is_on_behalf(behalf)) {
            issues.push(Issue::error(IssueCode::BusinessRule, place("onBehalfOf"), NOT_ON_BEHALF));
        }
    }
    for (entity, position, agent) in of_entities(statement) {
        if vouches(agent) && !is_writer(agent.get("who")) {
            let place = format!("Provenance.entity[{entity}].agent[{position}].who");
            let text = "names somebody else than you as the one who vouches for this";
            issues.push(Issue::error(IssueCode::BusinessRule, place, text));
        }
    }
    for (position, signature) in statement.list("signature").iter().enumerate() {
        if !is_writer(signature.get("who")) {
            let place = format!("Provenance.signature[{position}].who");
            issues.push(Issue::error(IssueCode::BusinessRule, place, "names somebody else than you as the signer"));
        }
        if signature.get("onBehalfOf").is_some_and(|behalf| !is_on_behalf(behalf)) {
            let place = format!("Provenance.signature[{position}].onBehalfOf");
            issues.push(Issue::error(IssueCode::BusinessRule, place, NOT_ON_BEHALF));
        }
    }
    issues
}

/// The agents of what something was made from, each with the positions of the entity and of itself.
fn of_entities<'v, 'a>(statement: &'v Value<'a>) -> impl Iterator<Item = (usize, usize, &'v Value<'a>)> {
    statement.list("entity").iter().enumerate().flat_map(|(entity, one)| {
        one.list("agent").iter().enumerate().map(move |(position, agent)| (entity, position, agent))
    })
}

/// Whether an agent answers for what was written: each one but those of which it is plain that they do not. What is said in
/// words besides a code may be anything.
fn answers(agent: &Value<'_>) -> bool {
    let kind = agent.get("type");
    let codings = kind.map_or(&[][..], |one| one.list("coding"));
    let takes_part = |coding: &Value<'_>| {
        let code = coding.text("code").filter(|code| OTHERS.contains(code));
        code.is_some_and(|code| says_no_more(coding.text("display"), code))
    };
    let text = kind.and_then(|one| one.text("text"));
    let is_said = codings.iter().any(|coding| coding.text("code").is_some_and(|code| says_no_more(text, code)));
    codings.is_empty() || !codings.iter().all(takes_part) || !is_said || agent.get("role").is_some()
}

/// Whether words say what the code says, or there are none.
fn says_no_more(words: Option<&str>, code: &str) -> bool {
    words.is_none_or(|words| words.trim().eq_ignore_ascii_case(code))
}

/// Whether an agent of what something was made from vouches for it: whoever wrote that or took part may be anybody.
fn vouches(agent: &Value<'_>) -> bool {
    let codings = agent.get("type").map_or(&[][..], |one| one.list("coding"));
    let made = |coding: &Value<'_>| {
        let code = coding.text("code").filter(|code| MADE.contains(code) || OTHERS.contains(code));
        code.is_some_and(|code| says_no_more(coding.text("display"), code))
    };
    let text = agent.get("type").and_then(|one| one.text("text"));
    let is_said = codings.iter().any(|coding| coding.text("code").is_some_and(|code| says_no_more(text, code)));
    !codings.iter().all(made) || (!codings.is_empty() && !is_said) || (codings.is_empty() && text.is_some())
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
    fn no_words_and_no_entity_say_that_another_vouches() {
        let gp = r#""who":{"reference":"Practitioner/gp"}"#;
        let who = ["Provenance.agent[0].who"];
        for (kind, answers) in [
            (r#"{"coding":[{"code":"performer"}],"text":"author and verifier"}"#, true),
            (r#"{"coding":[{"code":"performer","display":"Verifier"}]}"#, true),
            (r#"{"text":"performer"}"#, true),
            (r#"{"coding":[{"code":"performer","display":"Performer"}],"text":"Performer"}"#, false),
        ] {
            let found = places(&format!(r#""agent":[{{"type":{kind},{gp}}}]"#), &patient());
            assert_eq!(found, if answers { &who[..] } else { &[] }, "{kind}");
        }
        for (kind, vouches) in [
            (r#""type":{"coding":[{"code":"verifier"}]},"#, true),
            (r#""type":{"coding":[{"code":"author"}],"text":"verified"},"#, true),
            (r#""type":{"coding":[{"code":"author"},{"code":"attester"}]},"#, true),
            (r#""type":{"text":"verifier"},"#, true),
            (r#""type":{"coding":[{"code":"author"}]},"#, false),
            ("", false),
        ] {
            let found =
                places(&format!(r#""agent":[],"entity":[{{"role":"source","agent":[{{{kind}{gp}}}]}}]"#), &patient());
            assert_eq!(found, if vouches { &["Provenance.entity[0].agent[0].who"][..] } else { &[] }, "{kind}");
        }
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
        let signs = |behalf: &str| {
            let who = r#"{"reference":"RelatedPerson/c1"}"#;
            format!(r#""agent":[],"signature":[{{"who":{who},"onBehalfOf":{{"reference":"{behalf}"}}}}]"#)
        };
        assert_eq!(places(&signs("Patient/p1"), &carer()), [""; 0]);
        assert_eq!(places(&signs("Practitioner/gp"), &carer()), ["Provenance.signature[0].onBehalfOf"]);
    }

    #[test]
    fn nothing_is_recorded_in_the_future() {
        let later = r#""agent":[],"recorded":"2026-03-02""#;
        let issues = check_statement(&json(&format!("{{{later}}}")), &patient(), NOW, &SETTINGS);
        assert_eq!(issues.len(), 1);
    }
}
