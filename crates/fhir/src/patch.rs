//! JSON Patch (RFC 6902) on resources (R4 "RESTful API", patch), and merge patch (RFC 7396).
//!
//! Written for our own [`Value`], because a patch must not touch a digit of a decimal that it does not name.

use crate::issue::{Issue, IssueCode};
use crate::json::{self, Limits, Object, Value};
use crate::value::decimal;

/// The most operations that one patch may have.
pub const MOST_OPERATIONS: usize = 1_000;

/// The most values that the copies of one patch may make: a few lines could double a resource over and over.
pub const MOST_COPIED: usize = 50_000;

/// A patch, read.
#[derive(Clone, Debug, PartialEq)]
pub struct Patch(Content);

#[derive(Clone, Debug, PartialEq)]
enum Content {
    Operations(Vec<Operation>),
    /// Members that take the place of those of the same name; null takes them away.
    Merge(Value<'static>),
}

#[derive(Clone, Debug, PartialEq)]
struct Operation {
    path: Pointer,
    act: Act,
}

#[derive(Clone, Debug, PartialEq)]
enum Act {
    Add(Value<'static>),
    Remove,
    Replace(Value<'static>),
    Move(Pointer),
    Copy(Pointer),
    Test(Value<'static>),
}

/// A JSON Pointer (RFC 6901).
#[derive(Clone, Debug, Default, PartialEq)]
struct Pointer {
    text: String,
    parts: Vec<String>,
}

/// Why a patch does not fit the resource.
#[derive(Clone, Debug, PartialEq)]
pub enum Mismatch {
    /// A `test` of the patch does not hold: the resource is not as the client thinks.
    Test(Issue),
    /// A place that an operation names is not there.
    Place(Issue),
}

impl Patch {
    /// Reads the body of a patch.
    ///
    /// # Errors
    /// Every operation that is not one of RFC 6902, with its place in the patch.
    pub fn read(body: &[u8], limits: &Limits) -> Result<Patch, Vec<Issue>> {
        let value = json::parse(body, limits)?.into_owned();
        let Value::Array(items) = value else {
            return Err(vec![Issue::plain(IssueCode::Structure, "a JSON Patch is a list of operations (RFC 6902)")]);
        };
        if items.len() > MOST_OPERATIONS {
            let text = format!("a patch may have at most {MOST_OPERATIONS} operations");
            return Err(vec![Issue::plain(IssueCode::TooLong, text)]);
        }
        let (mut operations, mut issues) = (Vec::with_capacity(items.len()), Vec::new());
        for (place, item) in items.iter().enumerate() {
            match Operation::read(item) {
                Ok(operation) => operations.push(operation),
                Err(why) => issues.push(Issue::plain(IssueCode::Value, format!("operation {place}: {why}"))),
            }
        }
        if issues.is_empty() { Ok(Patch(Content::Operations(operations))) } else { Err(issues) }
    }

    /// Reads the body of a merge patch.
    ///
    /// # Errors
    /// When it is no object: it would take the place of the whole resource.
    pub fn read_merge(body: &[u8], limits: &Limits) -> Result<Patch, Vec<Issue>> {
        let value = json::parse(body, limits)?.into_owned();
        match value.as_object() {
            Some(_) => Ok(Patch(Content::Merge(value))),
            None => Err(vec![Issue::plain(IssueCode::Structure, "a merge patch is an object (RFC 7396)")]),
        }
    }

    /// The resource with all operations carried out, one after the other, or nothing.
    ///
    /// # Errors
    /// The first operation that does not fit.
    pub fn apply(&self, resource: Value<'static>) -> Result<Value<'static>, Mismatch> {
        let (mut value, mut room) = (resource, MOST_COPIED);
        let operations = match &self.0 {
            Content::Operations(operations) => operations,
            Content::Merge(patch) => {
                merge(&mut value, patch);
                return Ok(value);
            }
        };
        for (place, operation) in operations.iter().enumerate() {
            operation.apply(&mut value, &mut room).map_err(|failure| {
                let text = format!("operation {place} at {:?}: {}", operation.path.text, failure.text());
                match failure {
                    Failure::Differs => Mismatch::Test(Issue::plain(IssueCode::Conflict, text)),
                    Failure::Place(_) => Mismatch::Place(Issue::plain(IssueCode::Value, text)),
                }
            })?;
        }
        Ok(value)
    }
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

/// Why an operation cannot be carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failure {
    Differs,
    Place(&'static str),
}

impl Failure {
    fn text(self) -> &'static str {
        match self {
            Failure::Differs => "the value is not the one that is tested for",
            Failure::Place(text) => text,
        }
    }
}

const NOT_THERE: Failure = Failure::Place("there is nothing at this place");
const TOO_MUCH: Failure = Failure::Place("the copies make the resource too large");
const NO_INDEX: Failure = Failure::Place("a place in a list is a number within it, or - for its end");

impl Operation {
    fn read(item: &Value<'static>) -> Result<Operation, &'static str> {
        let name = item.text("op").ok_or("it has no op")?;
        let pointer = |member: &str| {
            let text = item.text(member).ok_or("it has no path or from")?;
            Pointer::read(text).ok_or("a path is a JSON Pointer (RFC 6901), such as /code/coding/0")
        };
        let value = || item.get("value").cloned().ok_or("it has no value");
        let path = pointer("path")?;
        let act = match name {
            "add" => Act::Add(value()?),
            "remove" => Act::Remove,
            "replace" => Act::Replace(value()?),
            "move" => Act::Move(pointer("from")?),
            "copy" => Act::Copy(pointer("from")?),
            "test" => Act::Test(value()?),
            _ => return Err("op is one of add, remove, replace, move, copy and test"),
        };
        if let Act::Move(from) = &act
            && path.parts.len() > from.parts.len()
            && path.parts.starts_with(&from.parts)
        {
            return Err("a value cannot be moved into itself");
        }
        Ok(Operation { path, act })
    }

    fn apply(&self, value: &mut Value<'static>, room: &mut usize) -> Result<(), Failure> {
        match &self.act {
            Act::Add(new) => self.path.add(value, new.clone()),
            Act::Remove => self.path.remove(value).map(|_| ()),
            Act::Replace(new) => {
                *self.path.find_mut(value)? = new.clone();
                Ok(())
            }
            Act::Move(from) => {
                let taken = from.remove(value)?;
                self.path.add(value, taken)
            }
            Act::Copy(from) => {
                let found = from.find(value)?;
                *room = room.checked_sub(size(found)).ok_or(TOO_MUCH)?;
                let copy = found.clone();
                self.path.add(value, copy)
            }
            Act::Test(wanted) => match self.path.find(value) {
                Ok(found) if equal(found, wanted) => Ok(()),
                _ => Err(Failure::Differs),
            },
        }
    }
}

impl Pointer {
    fn read(text: &str) -> Option<Pointer> {
        if text.is_empty() {
            return Some(Pointer::default());
        }
        let parts = text.strip_prefix('/')?.split('/').map(unescaped).collect::<Option<Vec<String>>>()?;
        Some(Pointer { text: text.to_owned(), parts })
    }

    fn find<'v>(&self, value: &'v Value<'static>) -> Result<&'v Value<'static>, Failure> {
        self.parts.iter().try_fold(value, |at, part| match at {
            Value::Object(object) => object.get(part).ok_or(NOT_THERE),
            Value::Array(items) => items.get(index(part, items.len())?).ok_or(NOT_THERE),
            _ => Err(NOT_THERE),
        })
    }

    fn find_mut<'v>(&self, value: &'v mut Value<'static>) -> Result<&'v mut Value<'static>, Failure> {
        walk(value, &self.parts)
    }

    fn add(&self, value: &mut Value<'static>, new: Value<'static>) -> Result<(), Failure> {
        let Some((last, before)) = self.parts.split_last() else {
            *value = new;
            return Ok(());
        };
        match walk(value, before)? {
            Value::Object(object) => {
                object.set(last.clone(), new);
                Ok(())
            }
            Value::Array(items) => {
                let at = if last == "-" { items.len() } else { index(last, items.len() + 1)? };
                items.insert(at, new);
                Ok(())
            }
            _ => Err(NOT_THERE),
        }
    }

    fn remove(&self, value: &mut Value<'static>) -> Result<Value<'static>, Failure> {
        let (last, before) =
            self.parts.split_last().ok_or(Failure::Place("the whole resource cannot be taken away"))?;
        match walk(value, before)? {
            Value::Object(object) => Object::remove(object, last).ok_or(NOT_THERE),
            Value::Array(items) => {
                let at = index(last, items.len())?;
                Ok(items.remove(at))
            }
            _ => Err(NOT_THERE),
        }
    }
}

fn walk<'v>(value: &'v mut Value<'static>, parts: &[String]) -> Result<&'v mut Value<'static>, Failure> {
    parts.iter().try_fold(value, |at, part| match at {
        Value::Object(object) => object.get_mut(part).ok_or(NOT_THERE),
        Value::Array(items) => {
            let at = index(part, items.len())?;
            items.get_mut(at).ok_or(NOT_THERE)
        }
        _ => Err(NOT_THERE),
    })
}

/// Whether two values are equal as RFC 6902 says (section 4.6): members in any order, numbers by their value.
fn equal(one: &Value<'_>, other: &Value<'_>) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => decimal::same(one, other),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| equal(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.0.len() == other.0.len()
                && one.0.iter().all(|(name, value)| other.get(name).is_some_and(|other| equal(value, other)))
        }
        (one, other) => one == other,
    }
}

/// How many values there are in it, with itself.
fn size(value: &Value<'_>) -> usize {
    match value {
        Value::Array(items) => items.iter().map(size).sum::<usize>().saturating_add(1),
        Value::Object(object) => object.0.iter().map(|(_, value)| size(value)).sum::<usize>().saturating_add(1),
        _ => 1,
    }
}

/// A place below `end`, written as RFC 6901 says: without zeros before it.
fn index(part: &str, end: usize) -> Result<usize, Failure> {
    let plain = part == "0" || !part.starts_with('0') && part.bytes().all(|byte| byte.is_ascii_digit());
    part.parse().ok().filter(|at| plain && *at < end).ok_or(NO_INDEX)
}

/// `~1` is a slash and `~0` a tilde; a tilde stands for nothing else.
fn unescaped(part: &str) -> Option<String> {
    let mut text = String::with_capacity(part.len());
    let mut letters = part.chars();
    while let Some(letter) = letters.next() {
        text.push(match letter {
            '~' => match letters.next()? {
                '0' => '~',
                '1' => '/',
                _ => return None,
            },
            other => other,
        });
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patched(resource: &str, patch: &str) -> Result<String, String> {
        let limits = Limits::default();
        let resource = json::parse(resource.as_bytes(), &limits).expect("JSON").into_owned();
        let patch = Patch::read(patch.as_bytes(), &limits).map_err(|issues| issues[0].text.clone())?;
        match patch.apply(resource) {
            Ok(value) => Ok(json::to_string(&value)),
            Err(Mismatch::Test(issue)) => Err(format!("test: {}", issue.text)),
            Err(Mismatch::Place(issue)) => Err(issue.text),
        }
    }

    #[test]
    fn the_operations_do_what_the_rfc_says() {
        for (resource, patch, wanted) in [
            (r#"{"a":1.10}"#, r#"[{"op":"add","path":"/b","value":"x"}]"#, r#"{"a":1.10,"b":"x"}"#),
            (r#"{"a":["x","y"]}"#, r#"[{"op":"add","path":"/a/1","value":"z"}]"#, r#"{"a":["x","z","y"]}"#),
            (r#"{"a":["x"]}"#, r#"[{"op":"add","path":"/a/-","value":"z"}]"#, r#"{"a":["x","z"]}"#),
            (r#"{"a":["x","y"]}"#, r#"[{"op":"remove","path":"/a/0"}]"#, r#"{"a":["y"]}"#),
            (r#"{"a":1,"b":2}"#, r#"[{"op":"remove","path":"/a"}]"#, r#"{"b":2}"#),
            (r#"{"a":1e2,"b":1}"#, r#"[{"op":"replace","path":"/b","value":2.50}]"#, r#"{"a":1e2,"b":2.50}"#),
            (r#"{"a":{"x":1},"b":{}}"#, r#"[{"op":"move","from":"/a/x","path":"/b/y"}]"#, r#"{"a":{},"b":{"y":1}}"#),
            (r#"{"a":[1,2,3]}"#, r#"[{"op":"move","from":"/a/0","path":"/a/2"}]"#, r#"{"a":[2,3,1]}"#),
            (r#"{"a":[1]}"#, r#"[{"op":"copy","from":"/a/0","path":"/b"}]"#, r#"{"a":[1],"b":1}"#),
            (
                r#"{"a":{"x":1,"y":2}}"#,
                r#"[{"op":"test","path":"/a","value":{"y":2,"x":1}}]"#,
                r#"{"a":{"x":1,"y":2}}"#,
            ),
            (
                r#"{"a":[1.10,{"x":-1e2}]}"#,
                r#"[{"op":"test","path":"/a","value":[1.1,{"x":-100.0}]}]"#,
                r#"{"a":[1.10,{"x":-1e2}]}"#,
            ),
            (r#"{"a/b":1,"m~n":2}"#, r#"[{"op":"remove","path":"/a~1b"},{"op":"remove","path":"/m~0n"}]"#, "{}"),
            (r#"{"a":1}"#, r#"[{"op":"add","path":"","value":{"b":2}}]"#, r#"{"b":2}"#),
            (r#"{"a":1}"#, "[]", r#"{"a":1}"#),
        ] {
            assert_eq!(patched(resource, patch).as_deref(), Ok(wanted), "{resource} {patch}");
        }
    }

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

    #[test]
    fn copies_of_copies_come_to_an_end() {
        let double = r#"{"op":"copy","from":"/a","path":"/a/-"}"#;
        let patch = format!("[{}]", [double; 100].join(","));
        let told = patched(r#"{"a":[1]}"#, &patch).expect_err("a problem");
        assert!(told.contains("too large"), "{told}");
    }

    #[test]
    fn what_does_not_fit_is_told() {
        for (patch, wanted) in [
            (r#"[{"op":"remove","path":"/b"}]"#, "operation 0 at \"/b\": there is nothing"),
            (r#"[{"op":"replace","path":"/a/5","value":1}]"#, "operation 0 at \"/a/5\": a place in a list"),
            (r#"[{"op":"add","path":"/a/01","value":1}]"#, "operation 0 at \"/a/01\": a place in a list"),
            (r#"[{"op":"add","path":"/x/y","value":1}]"#, "operation 0 at \"/x/y\": there is nothing"),
            (r#"[{"op":"remove","path":""}]"#, "operation 0 at \"\": the whole resource"),
            (r#"[{"op":"test","path":"/a/0","value":2}]"#, "test: operation 0"),
            (r#"[{"op":"test","path":"/b","value":2}]"#, "test: operation 0"),
            (r#"[{"op":"test","path":"/a","value":["1"]}]"#, "test: operation 0"),
            (r#"[{"op":"test","path":"/a/0","value":1.01}]"#, "test: operation 0"),
            (r#"[{"op":"move","from":"/a","path":"/a/0"}]"#, "operation 0: a value cannot be moved"),
            (r#"[{"op":"add","path":"a","value":1}]"#, "operation 0: a path is a JSON Pointer"),
            (r#"[{"op":"add","path":"/a~2","value":1}]"#, "operation 0: a path is a JSON Pointer"),
            (r#"[{"op":"add","path":"/a"}]"#, "operation 0: it has no value"),
            (r#"[{"op":"shake","path":"/a"}]"#, "operation 0: op is one of"),
            (r#"{"op":"add"}"#, "a JSON Patch is a list"),
        ] {
            let told = patched(r#"{"a":[1]}"#, patch).expect_err("a problem");
            assert!(told.starts_with(wanted), "{patch}: {told}");
        }
    }
}
