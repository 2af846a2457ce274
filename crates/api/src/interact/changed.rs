//! In what two versions of a resource differ, as whoever writes the second says it: in what they say, in `meta`, or in their labels.

use concord_fhir::json::Value;
pub(crate) use concord_fhir::rules::difference as element;

use crate::interact::labels;

/// What the server stamps into `meta`.
const STAMPED: [&str; 3] = ["versionId", "lastUpdated", "source"];

/// Whether they differ in `meta`, apart from what the server stamps.
pub(crate) fn meta(stored: &Value<'_>, value: &Value<'_>) -> bool {
    let said = |value: &Value<'_>| -> Vec<(String, Value<'static>)> {
        let members = value.get("meta").and_then(Value::as_object).into_iter().flat_map(|meta| meta.0.iter());
        let mut said: Vec<_> = members
            .filter(|(name, _)| !STAMPED.contains(&name.as_ref()))
            .map(|(name, member)| (name.to_string(), member.clone().into_owned()))
            .collect();
        said.sort_by(|one, other| one.0.cmp(&other.0));
        said
    };
    let (before, after) = (said(stored), said(value));
    let same = |(one, other): (&(String, Value<'_>), &(String, Value<'_>))| one.0 == other.0 && one.1.same(&other.1);
    before.len() != after.len() || !before.iter().zip(&after).all(same)
}

/// Whether the second bears other labels, apart from those that say who vouches for it, which are the server's.
pub(crate) fn labels(stored: &Value<'_>, value: &Value<'_>) -> bool {
    let borne = |value: &Value<'_>| {
        let borne = labels::codings(value).iter().filter(|one| one.text("system") != Some(labels::INTEGRITY));
        let mut keys: Vec<String> = borne.map(labels::key).collect();
        keys.sort_unstable();
        keys
    };
    borne(stored) != borne(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use concord_fhir::json::{Limits, parse};

    fn read(text: &str) -> Value<'static> {
        parse(text.as_bytes(), &Limits::default()).unwrap().into_owned()
    }

    #[test]
    fn what_differs_is_told_by_its_element() {
        let stored = read(r#"{"resourceType":"Communication","id":"a","meta":{"versionId":"1"},"status":"completed"}"#);
        let with = |members: &str| {
            read(&format!(r#"{{"resourceType":"Communication","id":"a","status":"completed"{members}}}"#))
        };
        assert_eq!(element(&stored, &with(""), &[]), None);
        for name in ["text", "contained", "_status", "note", "modifierExtension"] {
            let more = with(&format!(r#","{name}":{{"x":1}}"#));
            assert_eq!(element(&stored, &more, &[]).as_deref(), Some(name));
            assert_eq!(element(&more, &stored, &[]).as_deref(), Some(name));
            assert_eq!(element(&stored, &more, &[name]), None);
        }
        assert!(!meta(&stored, &with("")) && meta(&stored, &with(r#","meta":{"tag":[{"code":"x"}]}"#)));
        let labelled = with(r#","meta":{"security":[{"system":"s","code":"SEX"}]}"#);
        assert!(labels(&stored, &labelled) && !labels(&stored, &with("")) && !labels(&labelled, &labelled));
    }
}
