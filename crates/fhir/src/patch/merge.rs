//! Merge patch (RFC 7396).

use crate::issue::{Issue, IssueCode};
use crate::json::{self, Limits, Object, Value};

/// Reads the body of a merge patch.
pub(super) fn read(body: &[u8], limits: &Limits) -> Result<Value<'static>, Vec<Issue>> {
    let value = json::parse(body, limits)?.into_owned();
    match value.as_object() {
        Some(_) => Ok(value),
        None => Err(vec![Issue::plain(IssueCode::Structure, "a merge patch is an object (RFC 7396)")]),
    }
}

/// The resource with the patch merged into it.
pub(super) fn apply(resource: Value<'static>, patch: &Value<'static>) -> Value<'static> {
    let mut value = resource;
    merge(&mut value, patch);
    value
}

/// Merges as RFC 7396 says in section 2: a list is replaced as a whole.
fn merge(target: &mut Value<'static>, patch: &Value<'static>) {
    let Some(members) = patch.as_object() else {
        *target = patch.clone();
        return;
    };
    if target.as_object().is_none() {
        *target = Value::Object(Object::default());
    }
    let Some(object) = target.as_object_mut() else { return };
    let names = object.names();
    let positions: Vec<Option<usize>> = members.0.iter().map(|(name, _)| names.position(name)).collect();
    let mut gone = vec![false; object.0.len()];
    for ((name, value), position) in members.0.iter().zip(positions) {
        let own = position.and_then(|position| object.0.get_mut(position));
        match (own, value) {
            (Some(_), Value::Null) => {
                if let Some(gone) = position.and_then(|position| gone.get_mut(position)) {
                    *gone = true;
                }
            }
            (Some((_, own)), value) => merge(own, value),
            (None, Value::Null) => {}
            (None, value) => {
                let mut made = Value::Null;
                merge(&mut made, value);
                object.0.push((name.clone(), made));
            }
        }
    }
    let mut gone = gone.into_iter();
    object.0.retain(|_| gone.next() != Some(true));
}

#[cfg(test)]
mod tests {
    use super::super::Patch;
    use super::*;

    #[test]
    fn a_merge_does_what_the_rfc_says() {
        let limits = Limits::default();
        let parsed = |text: &str| json::parse(text.as_bytes(), &limits).expect("JSON").into_owned();
        // RFC 7396, appendix A, as far as both are objects; and a digit that is not named stays.
        for (resource, patch, wanted) in [
            (r#"{"a":"b"}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"b":"c"}"#, r#"{"a":"b","b":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"a":null}"#, "{}"),
            (r#"{"a":"b","b":"c"}"#, r#"{"a":null}"#, r#"{"b":"c"}"#),
            (r#"{"a":["b"]}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"c"}"#, r#"{"a":["b"]}"#, r#"{"a":["b"]}"#),
            (r#"{"a":{"b":"c"}}"#, r#"{"a":{"b":"d","c":null}}"#, r#"{"a":{"b":"d"}}"#),
            (r#"{"a":[{"b":"c"}]}"#, r#"{"a":[1]}"#, r#"{"a":[1]}"#),
            (r#"{"e":null}"#, r#"{"a":1}"#, r#"{"e":null,"a":1}"#),
            ("{}", r#"{"a":{"bb":{"ccc":null}}}"#, r#"{"a":{"bb":{}}}"#),
            (r#"{"a":1.10,"b":"x"}"#, r#"{"b":"y"}"#, r#"{"a":1.10,"b":"y"}"#),
        ] {
            let patch = Patch::read_merge(patch.as_bytes(), &limits).expect("a patch");
            assert_eq!(patch.apply(parsed(resource)).map(|value| json::to_string(&value)), Ok(wanted.to_owned()));
        }
        // Of many members each is found as of few, and what stays keeps its place.
        let many = |text: &str, step: usize| -> String {
            let members: Vec<String> = (0..100).step_by(step).map(|number| format!(r#""m{number}":{text}"#)).collect();
            format!("{{{}}}", members.join(","))
        };
        let patch = Patch::read_merge(many("null", 3).as_bytes(), &limits).expect("a patch");
        let merged = patch.apply(parsed(&many("1", 1))).expect("a resource");
        let left: Vec<String> =
            (0..100).filter(|number| number % 3 != 0).map(|number| format!(r#""m{number}":1"#)).collect();
        assert_eq!(json::to_string(&merged), format!("{{{}}}", left.join(",")));
        for wrong in ["[]", "null", "1", "\"a\"", "{"] {
            Patch::read_merge(wrong.as_bytes(), &limits).expect_err(wrong);
        }
    }
}
