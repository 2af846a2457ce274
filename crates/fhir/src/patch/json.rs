//! JSON Patch (RFC 6902).

use super::budget::{Budget, PatchBudget};
use super::{Mismatch, elements, require_few};
use crate::issue::{Issue, IssueCode};
use crate::json::{self, Limits, Object, Value};
use crate::value::decimal;

/// An operation of a JSON Patch.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Operation {
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

/// Reads the body of a JSON Patch.
pub(super) fn read(body: &[u8], limits: &Limits) -> Result<Vec<Operation>, Vec<Issue>> {
    let value = json::parse(body, limits)?.into_owned();
    let Value::Array(items) = value else {
        return Err(vec![Issue::plain(IssueCode::Structure, "a JSON Patch is a list of operations (RFC 6902)")]);
    };
    require_few(items.len())?;
    let (mut operations, mut issues) = (Vec::with_capacity(items.len()), Vec::new());
    for (place, item) in items.iter().enumerate() {
        match Operation::read(item) {
            Ok(operation) => operations.push(operation),
            Err(why) => issues.push(Issue::plain(IssueCode::Value, format!("operation {place}: {why}"))),
        }
    }
    if issues.is_empty() { Ok(operations) } else { Err(issues) }
}

/// The resource with all operations carried out, one after the other, or nothing.
pub(super) fn apply(
    operations: &[Operation],
    resource: Value<'static>,
    limits: &Limits,
    budget: &mut PatchBudget,
) -> Result<Value<'static>, Mismatch> {
    let mut value = resource;
    let mut room = Room { depth: limits.depth, budget };
    for (place, operation) in operations.iter().enumerate() {
        operation.apply(&mut value, &mut room).map_err(|failure| {
            let text = format!("operation {place} at {:?}: {}", operation.path.text, failure.text());
            match failure {
                Failure::Differs => Mismatch::Test(Issue::plain(IssueCode::Conflict, text)),
                Failure::Place(_) => Mismatch::place(text),
            }
        })?;
    }
    // FHIR has no empty list and no empty object: what has lost the last that it had is gone with it.
    for emptied in operations.iter().filter_map(Operation::emptied) {
        emptied.tidy(&mut value, &mut room.budget.visits).map_err(|failure| Mismatch::place(failure.text()))?;
    }
    Ok(value)
}

/// How deep anything may stand, and what all operations may still cost.
struct Room<'b> {
    depth: usize,
    budget: &'b mut PatchBudget,
}

impl Room<'_> {
    /// Takes what a copy of a value needs.
    fn take(&mut self, value: &Value<'_>) -> Option<()> {
        self.budget.copied.take(1)?;
        match value {
            Value::Array(items) => items.iter().try_for_each(|item| self.take(item)),
            Value::Object(object) => object.0.iter().try_for_each(|(name, value)| {
                self.budget.copied_bytes.take(name.len())?;
                self.take(value)
            }),
            Value::String(text) | Value::Number(text) => self.budget.copied_bytes.take(text.len()),
            Value::Null | Value::Bool(_) => Some(()),
        }
    }

    /// Refuses a value that would be nested deeper at this place than what is read may be: nothing that comes of a patch is.
    fn require_depth(&self, place: &Pointer, value: &Value<'_>) -> Result<(), Failure> {
        if place.parts.len() + value.depth() > self.depth { Err(TOO_DEEP) } else { Ok(()) }
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
const TOO_DEEP: Failure = Failure::Place("the value would be nested too deeply there");
const TOO_COSTLY: Failure = Failure::Place(super::TOO_COSTLY);
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

    /// What the operation takes something away from.
    fn emptied(&self) -> Option<&Pointer> {
        match &self.act {
            Act::Remove => Some(&self.path),
            Act::Move(from) => Some(from),
            _ => None,
        }
    }

    fn apply(&self, value: &mut Value<'static>, room: &mut Room<'_>) -> Result<(), Failure> {
        match &self.act {
            Act::Add(new) => self.path.add(value, new.clone(), room),
            Act::Remove => self.path.remove(value, &mut room.budget.visits).map(|_| ()),
            Act::Replace(new) => {
                room.require_depth(&self.path, new)?;
                *walk(value, &self.path.parts, &mut room.budget.visits)? = new.clone();
                Ok(())
            }
            Act::Move(from) => {
                let taken = from.remove(value, &mut room.budget.visits)?;
                // How deep it is takes a look at all of it.
                room.budget.visits.take(taken.count()).ok_or(TOO_COSTLY)?;
                self.path.add(value, taken, room)
            }
            Act::Copy(from) => {
                let found = walk(value, &from.parts, &mut room.budget.visits)?;
                room.take(&*found).ok_or(TOO_MUCH)?;
                let copy = found.clone();
                self.path.add(value, copy, room)
            }
            Act::Test(wanted) => match walk(value, &self.path.parts, &mut room.budget.visits) {
                Ok(found) if equal(found, wanted) => Ok(()),
                Err(TOO_COSTLY) => Err(TOO_COSTLY),
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

    fn add(&self, value: &mut Value<'static>, new: Value<'static>, room: &mut Room<'_>) -> Result<(), Failure> {
        room.require_depth(self, &new)?;
        let budget = &mut room.budget.visits;
        let Some((last, before)) = self.parts.split_last() else {
            *value = new;
            return Ok(());
        };
        if last == "-" {
            begin_list(value, before, budget)?;
        }
        match walk(value, before, budget)? {
            Value::Object(object) => {
                budget.take(object.0.len()).ok_or(TOO_COSTLY)?;
                object.set(last.clone(), new);
                Ok(())
            }
            Value::Array(items) => {
                budget.take(items.len()).ok_or(TOO_COSTLY)?;
                let at = if last == "-" { items.len() } else { index(last, items.len() + 1)? };
                items.insert(at, new);
                Ok(())
            }
            _ => Err(NOT_THERE),
        }
    }

    /// Takes away what this led to something in, as far up as nothing is left in it.
    fn tidy(&self, value: &mut Value<'static>, budget: &mut Budget) -> Result<(), Failure> {
        let mut parts = self.parts.as_slice();
        while let Some((_, above)) = parts.split_last() {
            let is_empty = match walk(value, above, budget) {
                Ok(Value::Array(items)) => items.is_empty(),
                Ok(Value::Object(object)) => object.0.is_empty(),
                Err(TOO_COSTLY) => return Err(TOO_COSTLY),
                _ => false,
            };
            if !is_empty || above.is_empty() {
                return Ok(());
            }
            let emptied = Pointer { text: String::new(), parts: above.to_vec() };
            match emptied.remove(value, budget) {
                Ok(_) => parts = above,
                Err(TOO_COSTLY) => return Err(TOO_COSTLY),
                Err(_) => return Ok(()),
            }
        }
        Ok(())
    }

    fn remove(&self, value: &mut Value<'static>, budget: &mut Budget) -> Result<Value<'static>, Failure> {
        let (last, before) =
            self.parts.split_last().ok_or(Failure::Place("the whole resource cannot be taken away"))?;
        match walk(value, before, budget)? {
            Value::Object(object) => {
                budget.take(object.0.len()).ok_or(TOO_COSTLY)?;
                Object::remove(object, last).ok_or(NOT_THERE)
            }
            Value::Array(items) => {
                budget.take(items.len()).ok_or(TOO_COSTLY)?;
                let at = index(last, items.len())?;
                Ok(items.remove(at))
            }
            _ => Err(NOT_THERE),
        }
    }
}

/// Makes the list that parts lead to, where it is missing and the element is one: whoever adds to its end need not know
/// whether there is anything in it.
fn begin_list(value: &mut Value<'static>, parts: &[String], budget: &mut Budget) -> Result<(), Failure> {
    let Some((member, before)) = parts.split_last() else { return Ok(()) };
    let Ok(Value::Object(object)) = walk(value, before, budget) else { return Ok(()) };
    if object.get(member).is_some() || !elements::is_list(value, before.iter().map(String::as_str), member) {
        return Ok(());
    }
    if let Value::Object(object) = walk(value, before, budget)? {
        object.set(member.clone(), Value::Array(Vec::new()));
    }
    Ok(())
}

/// The value that parts lead to. What is looked at on the way is counted.
fn walk<'v>(
    value: &'v mut Value<'static>,
    parts: &[String],
    budget: &mut Budget,
) -> Result<&'v mut Value<'static>, Failure> {
    parts.iter().try_fold(value, |at, part| match at {
        Value::Object(object) => {
            let position = object.0.iter().position(|(name, _)| name == part);
            budget.take(position.unwrap_or(object.0.len()) + 1).ok_or(TOO_COSTLY)?;
            position.and_then(|position| object.0.get_mut(position)).map(|(_, value)| value).ok_or(NOT_THERE)
        }
        Value::Array(items) => {
            budget.take(1).ok_or(TOO_COSTLY)?;
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
            let other = other.names();
            one.0.len() == other.len()
                && one.0.iter().all(|(name, value)| other.get(name).is_some_and(|other| equal(value, other)))
        }
        (one, other) => one == other,
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
    use super::super::Patch;
    use super::*;

    fn patched(resource: &str, patch: &str) -> Result<String, String> {
        let limits = Limits::default();
        let resource = json::parse(resource.as_bytes(), &limits).expect("JSON").into_owned();
        let patch = Patch::read(patch.as_bytes(), &limits).map_err(|issues| issues[0].text.clone())?;
        match patch.apply(resource) {
            Ok(value) => Ok(json::to_string(&value)),
            Err(Mismatch::Test(issue)) => Err(format!("test: {}", issue.text)),
            Err(Mismatch::Place(issues)) => Err(issues[0].text.clone()),
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
            (r#"{"a":{"x":1},"b":{}}"#, r#"[{"op":"move","from":"/a/x","path":"/b/y"}]"#, r#"{"b":{"y":1}}"#),
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
    fn copies_of_copies_come_to_an_end() {
        let double = r#"{"op":"copy","from":"/a","path":"/a/-"}"#;
        let patch = format!("[{}]", [double; 100].join(","));
        let told = patched(r#"{"a":[1]}"#, &patch).expect_err("a problem");
        assert!(told.contains("too large"), "{told}");
    }

    #[test]
    fn copies_of_long_texts_come_to_an_end() {
        let copy = r#"{"op":"copy","from":"/a/0","path":"/a/-"}"#;
        let patch = format!("[{}]", [copy; 100].join(","));
        let limits = Limits { bytes: 10_000, ..Limits::default() };
        let resource = Value::object([("a", Value::Array(vec![Value::string("x".repeat(1_000))]))]);
        let patch = Patch::read(patch.as_bytes(), &limits).expect("a patch");
        let told = patch.apply(resource).expect_err("a problem");
        assert!(matches!(&told, Mismatch::Place(issues) if issues[0].text.starts_with("operation 10 ")), "{told:?}");
    }

    #[test]
    fn lists_begin_with_what_is_added_to_their_end_and_end_with_what_is_taken_away() {
        let own =
            r#"{"resourceType":"Patient","name":[{"given":["A"]}],"contained":[{"resourceType":"Goal","id":"g"}]}"#;
        for (patch, wanted) in [
            (r#"[{"op":"add","path":"/address/-","value":{"text":"x"}}]"#, r#""address":[{"text":"x"}]"#),
            (r#"[{"op":"add","path":"/name/0/suffix/-","value":"x"}]"#, r#"{"given":["A"],"suffix":["x"]}"#),
            (r#"[{"op":"add","path":"/contained/0/note/-","value":{"text":"x"}}]"#, r#""note":[{"text":"x"}]"#),
            (r#"[{"op":"add","path":"/_birthDate/extension/-","value":{}}]"#, "there is nothing"),
            (r#"[{"op":"add","path":"/gender/-","value":"x"}]"#, "there is nothing"),
            (r#"[{"op":"add","path":"/colour/-","value":"x"}]"#, "there is nothing"),
            (r#"[{"op":"add","path":"/address/0","value":{"text":"x"}}]"#, "there is nothing"),
            (r#"[{"op":"remove","path":"/address/-"}]"#, "there is nothing"),
            (r#"[{"op":"remove","path":"/name/-"}]"#, "a place in a list is a number"),
            (r#"[{"op":"remove","path":"/name/0/given/0"}]"#, r#"{"resourceType":"Patient","contained":"#),
            (
                r#"[{"op":"remove","path":"/name/0/given/0"},{"op":"add","path":"/name/0/given/0","value":"B"}]"#,
                r#""name":[{"given":["B"]}]"#,
            ),
            (r#"[{"op":"move","from":"/name/0","path":"/name/0"}]"#, r#""name":[{"given":["A"]}]"#),
        ] {
            let found = patched(own, patch).unwrap_or_else(|told| told);
            assert!(found.contains(wanted), "{patch}: {found}");
        }
        for number in ["1.0", "1.00", "1e0", "10e-1", "0.1e1"] {
            let test = format!(r#"[{{"op":"test","path":"/a","value":{number}}}]"#);
            patched(r#"{"a":1}"#, &test).expect(number);
        }
        for index in ["00", "+0", "-0", "0.0", " 0", "1e0", ""] {
            let remove = format!(r#"[{{"op":"remove","path":"/a/{index}"}}]"#);
            assert!(patched(r#"{"a":[1]}"#, &remove).expect_err(index).contains("a place in a list"), "{index}");
        }
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
