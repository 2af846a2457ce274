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
    for (name, value) in &members.0 {
        if *value == Value::Null {
            object.remove(name);
            continue;
        }
        if object.get(name).is_none() {
            object.set(name.clone(), Value::Null);
        }
        if let Some(own) = object.get_mut(name) {
            merge(own, value);
        }
    }
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
        for wrong in ["[]", "null", "1", "\"a\"", "{"] {
            Patch::read_merge(wrong.as_bytes(), &limits).expect_err(wrong);
        }
    }
}
