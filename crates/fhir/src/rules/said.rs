//! What two versions of a resource say: all that stands in them but how they are kept. What the server stamps, the labels, tags and profiles
//! that are put on and taken off by their own operations, and the numbers under which somebody else keeps a resource say nothing of what
//! its writer said. Whatever else stands in those elements, or in an extension of them, does: it is there for somebody to read, and may
//! name anything.

use crate::json::{Object, Value};

/// The extension of `meta` that says when what is kept from the patient is looked at again.
pub const REVIEW_BY: &str = "urn:concord:review-by";

/// The members of `meta` that the server stamps.
const STAMPED: [&str; 3] = ["versionId", "lastUpdated", "source"];

/// With what members a Coding is a label or a tag, and nothing more.
const OF_CODING: [&str; 5] = ["system", "version", "code", "display", "userSelected"];

/// With what members an Identifier is a number, and nothing more: who issued it is a link.
const OF_IDENTIFIER: [&str; 5] = ["use", "type", "system", "value", "period"];

/// With what members the extension [`REVIEW_BY`] is a date, and nothing more.
const OF_REVIEW: [&str; 3] = ["url", "valueDate", "valueDateTime"];

/// The first element, besides these, in which two versions do not say the same; what stands beside a primitive is an element of its own
/// (`_status`). Of `meta` only what is more than how it is kept counts.
#[must_use]
pub fn difference(one: &Value<'_>, other: &Value<'_>, besides: &[&str]) -> Option<String> {
    let names = [one, other].into_iter().filter_map(Value::as_object).flat_map(|object| object.0.iter());
    let mut names = names.map(|(name, _)| name.as_ref());
    let differs = |name: &&str| match *name {
        name if besides.contains(&name) => false,
        "meta" => !is_kept_alike("meta", one, other),
        name => !is_same(one.get(name), other.get(name)),
    };
    names.find(differs).map(str::to_owned)
}

/// Whether two versions say the same, however they are kept.
#[must_use]
pub fn says_the_same(one: &Value<'_>, other: &Value<'_>) -> bool {
    difference(one, other, &[]).is_none()
}

/// Whether an element that says how a resource is kept, `meta` or `identifier`, says nothing else that differs in two versions. Any other
/// element says what it is.
pub(super) fn is_kept_alike(element: &str, one: &Value<'_>, other: &Value<'_>) -> bool {
    let (one, other) = (one.get(element), other.get(element));
    let is_object = |meta: Option<&Value<'_>>| meta.is_none_or(|meta| meta.as_object().is_some());
    match element {
        "meta" if is_object(one) && is_object(other) => {
            let names = [one, other].into_iter().flatten().filter_map(Value::as_object).flat_map(|meta| meta.0.iter());
            let mut names = names.map(|(name, _)| name.as_ref());
            names.all(|name| {
                is_alike_besides(name, one.and_then(|one| one.get(name)), other.and_then(|other| other.get(name)))
            })
        }
        "identifier" => is_alike_besides(element, one, other),
        _ => is_same(one, other),
    }
}

/// Whether what stands in a member of `meta`, or in `identifier`, is the same but for the items that say how a resource is kept.
fn is_alike_besides(name: &str, one: Option<&Value<'_>>, other: Option<&Value<'_>>) -> bool {
    let said = |value: Option<&Value<'_>>| -> Vec<Value<'static>> {
        let items = value.map_or(&[][..], Value::items).iter().filter(|item| !is_of_keeping(name, item));
        items.map(|item| item.clone().into_owned()).collect()
    };
    let (one, other) = (said(one), said(other));
    one.len() == other.len() && one.iter().zip(&other).all(|(one, other)| one.same(other))
}

/// Whether an item says how a resource is kept, and nothing more.
fn is_of_keeping(name: &str, item: &Value<'_>) -> bool {
    match name {
        name if STAMPED.contains(&name) => item.as_object().is_none(),
        "profile" => item.as_object().is_none(),
        "security" | "tag" => is_plain(item, &OF_CODING),
        "identifier" => is_plain(item, &OF_IDENTIFIER),
        "extension" => item.text("url") == Some(REVIEW_BY) && is_plain(item, &OF_REVIEW),
        _ => false,
    }
}

/// Whether a value has these members and no others, and no extension or id inside.
fn is_plain(value: &Value<'_>, names: &[&str]) -> bool {
    let has_these = |object: &Object<'_>| object.0.iter().all(|(name, _)| names.contains(&name.as_ref()));
    value.as_object().is_some_and(has_these) && marks(value).is_empty()
}

/// Whether two elements say the same, or neither is there.
#[must_use]
pub fn is_same(one: Option<&Value<'_>>, other: Option<&Value<'_>>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one.same(other),
        (None, None) => true,
        _ => false,
    }
}

/// The extensions, ids and what stands beside a primitive, anywhere inside a value, each with its name.
pub(super) fn marks<'v, 'a>(value: &'v Value<'a>) -> Vec<(&'v str, &'v Value<'a>)> {
    let mut found = Vec::new();
    let mut inside = vec![value];
    while let Some(value) = inside.pop() {
        match value {
            Value::Array(items) => inside.extend(items),
            Value::Object(object) => {
                for (name, member) in &object.0 {
                    match name.as_ref() {
                        "extension" | "modifierExtension" | "id" => found.push((name.as_ref(), member)),
                        beside if beside.starts_with('_') => found.push((name.as_ref(), member)),
                        _ => inside.push(member),
                    }
                }
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Limits, parse};
    use crate::registry::ResourceType;
    use crate::schema::{Shape, r4};

    fn read(text: &str) -> Value<'static> {
        parse(text.as_bytes(), &Limits::default()).unwrap().into_owned()
    }

    fn shape(name: &str) -> &'static Shape {
        ResourceType::parse(name).map_or_else(|| r4().named(name), |found| r4().resource(found)).unwrap()
    }

    /// The elements of a shape, and what stands beside each.
    fn members(name: &str) -> Vec<String> {
        let names = shape(name).elements.iter().map(|element| match element.types.len() {
            1 => element.name.to_string(),
            _ => format!("{}{}", element.name, element.types.first().unwrap().name),
        });
        names.flat_map(|name| [format!("_{name}"), name]).collect()
    }

    /// Whether a resource says the same with and without a member, either way and with another value in it.
    fn is_free(text: impl Fn(&str) -> String, values: [&str; 2]) -> bool {
        let [one, two] = values.map(|value| read(&text(value)));
        let bare = read(r#"{"resourceType":"Communication"}"#);
        let pairs = [(&one, &two), (&bare, &one), (&one, &bare)];
        let found = pairs.map(|(one, other)| says_the_same(one, other));
        assert!(found.iter().all(|same| *same == found[0]) && says_the_same(&one, &one), "{one:?} {found:?}");
        found[0]
    }

    /// Every element of a message but `meta` is what it says, and so is what stands beside one.
    #[test]
    fn every_element_is_what_it_says() {
        for member in members("Communication").iter().filter(|member| *member != "meta") {
            let with = |value: &str| format!(r#"{{"resourceType":"Communication","{member}":{value}}}"#);
            for values in [["\"a\"", "\"b\""], [r#"[{"x":1}]"#, r#"[{"x":2}]"#]] {
                assert!(!is_free(with, values), "{member}");
            }
            let [one, two] = ["1", "2"].map(|value| read(&with(value)));
            assert_eq!(difference(&one, &two, &[]).as_deref(), Some(member.as_str()));
            assert_eq!(difference(&one, &two, &[member]), None);
        }
    }

    /// Of `meta` what the server stamps and what is put on by its own operations is not, in the form that these have: every element of
    /// it, and every element of what stands in it.
    #[test]
    fn meta_says_how_it_is_kept_and_nothing_else() {
        let with = |meta: String| format!(r#"{{"resourceType":"Communication","meta":{meta}}}"#);
        for member in members("Meta") {
            let of = |value: &str| with(format!(r#"{{"{member}":{value}}}"#));
            let is_text = ["versionId", "lastUpdated", "source"].contains(&member.as_str());
            assert_eq!(is_free(of, ["\"a\"", "\"b\""]), is_text || member == "profile", "{member}");
            let list = is_free(of, [r#"["a"]"#, r#"["b","c"]"#]);
            assert_eq!(list, is_text || member == "profile", "{member}");
            let coded = is_free(of, [r#"[{"code":"a"}]"#, r#"[{"code":"b"},{"code":"c"}]"#]);
            assert_eq!(coded, ["security", "tag"].contains(&member.as_str()), "{member}");
        }
        for (list, part) in
            ["security", "tag"].into_iter().flat_map(|list| members("Coding").into_iter().map(move |part| (list, part)))
        {
            let of = |value: &str| with(format!(r#"{{"{list}":[{{"code":"x"}},{{"{part}":{value}}}]}}"#));
            assert_eq!(is_free(of, ["\"a\"", "\"b\""]), OF_CODING.contains(&part.as_str()), "{list}.{part}");
        }
        let review = |more: &str| with(format!(r#"{{"extension":[{{"url":"{REVIEW_BY}"{more}}}]}}"#));
        assert!(is_free(review, [r#","valueDate":"2027-01-01""#, r#","valueDateTime":"2027-01-01""#]));
        for part in ["valueReference", "valueString", "id", "extension", "_valueDate"] {
            assert!(
                !is_free(review, [1, 2].map(|value| format!(r#","{part}":{value}"#)).each_ref().map(String::as_str)),
                "{part}"
            );
        }
    }

    /// A number under which somebody else keeps it is not, but for who issued it and what stands in it besides.
    #[test]
    fn a_number_says_how_it_is_kept_and_nothing_else() {
        let with = |identifier: &str| read(&format!(r#"{{"resourceType":"Task","identifier":[{identifier}]}}"#));
        let bare = read(r#"{"resourceType":"Task"}"#);
        for part in members("Identifier") {
            let [one, two] = ["a", "b"].map(|value| with(&format!(r#"{{"value":"1"}},{{"{part}":"{value}"}}"#)));
            for (one, other) in [(&one, &two), (&bare, &one), (&one, &bare)] {
                assert_eq!(is_kept_alike("identifier", one, other), OF_IDENTIFIER.contains(&part.as_str()), "{part}");
            }
        }
        let inside = with(r#"{"type":{"coding":[{"code":"a","extension":[{"url":"x","valueString":"y"}]}]}}"#);
        assert!(!is_kept_alike("identifier", &bare, &inside) && is_kept_alike("identifier", &inside, &inside));
    }
}
