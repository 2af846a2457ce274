//! Observation: when, and what; not in the future; and a remark when a reading looks like a slip.

use super::instant;
use super::observation_range;
use crate::issue::{Issue, IssueCode};
use crate::json::Value;

/// How far a clock may be ahead, in milliseconds.
const AHEAD: i64 = 5 * 60 * 1000;

pub(super) fn check(resource: &Value<'_>, now: i64, issues: &mut Vec<Issue>) {
    let finished = !matches!(resource.text("status"), Some("registered" | "cancelled" | "entered-in-error"));
    check_time(resource, now, finished, issues);
    if finished && !says_something(resource) {
        let text = "give a value, a component, or the reason why there is none";
        issues.push(Issue::error(IssueCode::Required, "Observation.value", text));
    }
    observation_range::remark(resource, issues);
    observation_range::remark_on_codes(resource, issues);
}

/// The extension of an element that says why it has no value.
const ABSENT: &str = "http://hl7.org/fhir/StructureDefinition/data-absent-reason";

/// Whether there is a value, a reason for its absence, a component, or a member that has them (R4 "Observation", notes).
fn says_something(resource: &Value<'_>) -> bool {
    resource.as_object().is_some_and(|observation| {
        observation.0.iter().any(|(name, value)| {
            (name.starts_with("value") || name == "dataAbsentReason" || name == "component" || name == "hasMember")
                && !value.items().is_empty()
        })
    }) || says_why_not(resource, "_value")
}

/// Whether an element whose name begins so says why it has no value.
fn says_why_not(resource: &Value<'_>, begins: &str) -> bool {
    let is_why = |one: &Value<'_>| one.text("url") == Some(ABSENT);
    resource.as_object().is_some_and(|observation| {
        let mut elements = observation.0.iter().filter(|(name, _)| name.starts_with(begins));
        elements.any(|(_, beside)| beside.list("extension").iter().any(is_why))
    })
}

fn check_time(resource: &Value<'_>, now: i64, finished: bool, issues: &mut Vec<Issue>) {
    let period = resource.get("effectivePeriod");
    let times = [
        ("Observation.effective", resource.text("effectiveDateTime")),
        ("Observation.effective", resource.text("effectiveInstant")),
        ("Observation.effective.start", period.and_then(|period| period.text("start"))),
        ("Observation.effective.end", period.and_then(|period| period.text("end"))),
        ("Observation.issued", resource.text("issued")),
    ];
    for (place, text) in times.iter().filter_map(|(place, text)| text.map(|text| (*place, text))) {
        if instant::range(text).is_some_and(|(first, _)| first > now + AHEAD) {
            let element = place.trim_start_matches("Observation.");
            let text = format!("'{element}' lies in the future: say when it was, by a clock that is right");
            issues.push(Issue::error(IssueCode::BusinessRule, place, text));
        }
    }
    let timed = times.iter().take(4).any(|(_, text)| text.is_some()) || resource.get("effectiveTiming").is_some();
    if finished && !timed && !says_why_not(resource, "_effective") {
        issues.push(Issue::error(IssueCode::Required, "Observation.effective", "say when this was observed"));
    }
}

#[cfg(test)]
mod tests {
    use super::super::prepare::tests::{patient, places, professional, system};

    fn observation(rest: &str) -> String {
        format!(r#"{{"resourceType":"Observation","status":"final","subject":{{"reference":"Patient/p1"}}{rest}}}"#)
    }

    #[test]
    fn it_says_when_and_what() {
        let both = vec!["Observation.effective".to_owned(), "Observation.value".to_owned()];
        for writer in [patient(), professional()] {
            assert_eq!(places(&observation(""), &writer), Err(both.clone()));
        }
        assert_eq!(places(&observation(""), &system()), Ok(both.clone()), "a system is told, and not refused");
        for what in [
            r#""valueString":"well""#,
            r#""valueBoolean":false"#,
            r#""dataAbsentReason":{"text":"cuff broke"}"#,
            r#""component":[{"code":{"text":"x"},"valueInteger":1}]"#,
            r#""hasMember":[{"reference":"Observation/2"}]"#,
            r#""_valueString":{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"masked"}]}"#,
        ] {
            let text = observation(&format!(r#","effectiveDateTime":"2026-02-28",{what}"#));
            assert_eq!(places(&text, &patient()), Ok(vec![]), "{what}");
        }
        let why = |url: &str| {
            let why = format!(r#"{{"extension":[{{"url":"{url}","valueCode":"unknown"}}]}}"#);
            places(&observation(&format!(r#","_effectiveDateTime":{why},"_valueString":{why}"#)), &patient())
        };
        assert_eq!(why(super::ABSENT), Ok(vec![]));
        assert_eq!(why("http://example.org/own"), Err(both));
        let cancelled = observation("").replace("final", "cancelled");
        assert_eq!(places(&cancelled, &patient()), Ok(vec![]));
    }

    #[test]
    fn the_future_is_refused_but_for_five_minutes() {
        let at = |time: &str| observation(&format!(r#","effectiveDateTime":"{time}","valueInteger":1"#));
        assert_eq!(places(&at("2026-03-01T12:05:00Z"), &patient()), Ok(vec![]));
        assert_eq!(places(&at("2026-03-01T12:05:01Z"), &patient()), Err(vec!["Observation.effective".to_owned()]));
        assert_eq!(places(&at("2026-03-01T13:04:00+01:00"), &patient()), Ok(vec![]));
        assert_eq!(places(&at("2026-03-02"), &patient()), Err(vec!["Observation.effective".to_owned()]));
        assert_eq!(places(&at("2026"), &patient()), Ok(vec![]));
        let period = observation(r#","effectivePeriod":{"start":"2026-02-01","end":"2026-04-01"},"valueInteger":1"#);
        assert_eq!(places(&period, &patient()), Err(vec!["Observation.effective.end".to_owned()]));
    }
}
