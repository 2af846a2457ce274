use super::Value;
use crate::pieces;

/// Appends the value as JSON without any space between its parts.
pub fn write(value: &Value<'_>, out: &mut String) {
    match value {
        Value::Array(items) => {
            out.push('[');
            for (position, item) in items.iter().enumerate() {
                if position > 0 {
                    out.push(',');
                }
                write(item, out);
            }
            out.push(']');
        }
        Value::Object(object) => {
            out.push('{');
            pieces::did(object.0.len());
            for (position, (name, member)) in object.0.iter().enumerate() {
                if position > 0 {
                    out.push(',');
                }
                write_string(name, out);
                out.push(':');
                write(member, out);
            }
            out.push('}');
        }
        single => write_single(single, out),
    }
}

/// The value as JSON without any space between its parts.
#[must_use]
pub fn to_string(value: &Value<'_>) -> String {
    let mut out = String::new();
    write(value, &mut out);
    out
}

/// The value as JSON for people: one member or item a line, two spaces a level (R4 `_pretty`).
#[must_use]
pub fn to_pretty(value: &Value<'_>) -> String {
    let mut out = String::new();
    write_pretty(value, 0, &mut out);
    out
}

/// Appends the value as [`to_pretty`] writes it so many levels deep.
pub fn write_pretty(value: &Value<'_>, level: usize, out: &mut String) {
    match value {
        Value::Array(items) if !items.is_empty() => {
            out.push('[');
            for (position, item) in items.iter().enumerate() {
                break_line(position > 0, level + 1, out);
                write_pretty(item, level + 1, out);
            }
            break_line(false, level, out);
            out.push(']');
        }
        Value::Object(object) if !object.0.is_empty() => {
            out.push('{');
            pieces::did(object.0.len());
            for (position, (name, member)) in object.0.iter().enumerate() {
                break_line(position > 0, level + 1, out);
                write_string(name, out);
                out.push_str(": ");
                write_pretty(member, level + 1, out);
            }
            break_line(false, level, out);
            out.push('}');
        }
        single => write(single, out),
    }
}

fn break_line(comma: bool, level: usize, out: &mut String) {
    if comma {
        out.push(',');
    }
    out.push('\n');
    for _ in 0..level {
        out.push_str("  ");
    }
}

fn write_single(value: &Value<'_>, out: &mut String) {
    match value {
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(text) => out.push_str(text),
        Value::String(text) => write_string(text, out),
        Value::Null | Value::Array(_) | Value::Object(_) => out.push_str("null"),
    }
}

/// Appends a JSON string with its quotes; only what RFC 8259 section 7 requires is escaped.
fn write_string(text: &str, out: &mut String) {
    const HEX: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    out.push('"');
    let mut rest = text;
    // Runs without an escape are copied whole; a byte that needs one is ASCII, so that a split there is between characters.
    while let Some(at) = rest.bytes().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1F)) {
        let Some((plain, special)) = rest.split_at_checked(at) else { break };
        out.push_str(plain);
        let mut characters = special.chars();
        match characters.next() {
            Some('"') => out.push_str("\\\""),
            Some('\\') => out.push_str("\\\\"),
            Some('\n') => out.push_str("\\n"),
            Some('\r') => out.push_str("\\r"),
            Some('\t') => out.push_str("\\t"),
            Some(control) => {
                out.push_str("\\u00");
                let code = usize::try_from(u32::from(control)).unwrap_or_default();
                out.extend([code >> 4, code & 15].iter().filter_map(|digit| HEX.get(*digit)));
            }
            None => {}
        }
        rest = characters.as_str();
    }
    out.push_str(rest);
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Limits, parse};

    #[test]
    fn only_what_must_be_escaped_is() {
        let value = Value::string("a\"\\/\u{1}\u{1f}\n\r\té😀\u{7f}");
        let text = to_string(&value);
        assert_eq!(text, "\"a\\\"\\\\/\\u0001\\u001f\\n\\r\\té😀\u{7f}\"");
        assert_eq!(parse(text.as_bytes(), &Limits::default()).unwrap(), value);
    }

    #[test]
    fn pretty_text_has_a_line_for_each_part() {
        let value = parse(br#"{"a":[1.10,{}],"b":{"c":null},"d":[]}"#, &Limits::default()).unwrap();
        let wanted = "{\n  \"a\": [\n    1.10,\n    {}\n  ],\n  \"b\": {\n    \"c\": null\n  },\n  \"d\": []\n}";
        assert_eq!(to_pretty(&value), wanted);
    }
}
