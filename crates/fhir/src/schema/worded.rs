//! Rules of single types that R4 states in words and not as constraints.

use super::element_path::ElementPath;
use super::problems::{Problems, shown};
use crate::issue::IssueCode;
use crate::json::{Object, Value};

/// The length of what base64 holds, in bytes.
fn length_of(base64: &str) -> u64 {
    let (mut characters, mut padding) = (0, 0);
    for byte in base64.bytes().filter(|byte| !byte.is_ascii_whitespace()) {
        characters += 1;
        padding += u64::from(byte == b'=');
    }
    (characters / 4 * 3_u64).saturating_sub(padding)
}

/// An attachment that holds its data says its true size, if it says one (R4 `Attachment.size`).
pub(super) fn attachment(object: &Object<'_>, place: &ElementPath<'_>, problems: &mut Problems) {
    let stated = object.get("size").and_then(Value::as_number).and_then(|size| size.parse::<u64>().ok());
    let (Some(stated), Some(data)) = (stated, object.get("data").and_then(Value::as_str)) else { return };
    let held = length_of(data);
    if stated != held {
        let text = format!("the data has {held} bytes, not {stated}");
        problems.add(IssueCode::Value, &place.element("size"), text);
    }
}

/// An identifier of the system of urls is a url itself (R4 `Identifier.value`).
pub(super) fn identifier(object: &Object<'_>, place: &ElementPath<'_>, problems: &mut Problems) {
    let text = |name: &str| object.get(name).and_then(Value::as_str);
    let (Some("urn:ietf:rfc:3986"), Some(value)) = (text("system"), text("value")) else { return };
    let scheme = value.split(':').next().unwrap_or_default();
    let is_scheme = scheme.len() < value.len()
        && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    if !is_scheme {
        let text = format!("'{}' must be a full url, such as urn:oid:1.2.3, for the system is urn:ietf:rfc:3986", shown(value));
        problems.add(IssueCode::Value, &place.element("value"), text);
    }
}

/// What a code system says of its content is so (R4 `CodeSystem.content`, `CodeSystem.supplements`), and each of its
/// properties is defined once.
pub(super) fn code_system(object: &Object<'_>, place: &ElementPath<'_>, problems: &mut Problems) {
    let content = object.get("content").and_then(Value::as_str).unwrap_or_default();
    if content == "not-present" && object.get("concept").is_some() {
        let text = "concepts are here, and the content is said to be 'not-present'";
        problems.add(IssueCode::Invalid, &place.element("content"), text);
    }
    if object.get("supplements").is_some() && content != "supplement" {
        let text = "what supplements another code system has the content 'supplement'";
        problems.add(IssueCode::Invalid, &place.element("content"), text);
    }
    let properties = object.get("property").map_or(&[][..], Value::items);
    let mut codes: Vec<&str> = properties.iter().filter_map(|property| property.text("code")).collect();
    codes.sort_unstable();
    if let Some([twice, _]) = codes.windows(2).find(|pair| matches!(pair, [one, other] if one == other)) {
        let text = format!("the property '{}' is defined more than once", shown(twice));
        problems.add(IssueCode::Invalid, &place.element("property"), text);
    }
}

#[cfg(test)]
mod tests {
    use crate::json::{Limits, parse};
    use crate::schema::check;

    fn places(text: &str) -> Vec<String> {
        let value = parse(text.as_bytes(), &Limits::default()).unwrap();
        let issues = check(&value, &Limits::default()).err().unwrap_or_default();
        issues.into_iter().filter_map(|issue| issue.expression).collect()
    }

    #[test]
    fn a_size_is_that_of_the_data() {
        let media = |size: &str| {
            format!(
                r#"{{"resourceType":"Media","status":"completed","content":{{"contentType":"text/plain","data":"aGVsbG8=","size":{size}}}}}"#
            )
        };
        assert_eq!(places(&media("5")), [""; 0]);
        assert_eq!(places(&media("6")), ["Media.content.size"]);
    }

    #[test]
    fn an_identifier_of_the_system_of_urls_is_one() {
        let patient = |value: &str| {
            format!(r#"{{"resourceType":"Patient","identifier":[{{"system":"urn:ietf:rfc:3986","value":"{value}"}}]}}"#)
        };
        for good in ["urn:oid:1.2.3", "https://example.org/x"] {
            assert_eq!(places(&patient(good)), [""; 0], "{good}");
        }
        for bad in ["1.2.3", ":x", "a b:c"] {
            assert_eq!(places(&patient(bad)), ["Patient.identifier[0].value"], "{bad}");
        }
    }

    #[test]
    fn a_code_system_has_the_content_that_it_says() {
        let system = |rest: &str| format!(r#"{{"resourceType":"CodeSystem","status":"active",{rest}}}"#);
        assert_eq!(places(&system(r#""content":"complete","concept":[{"code":"a"}]"#)), [""; 0]);
        assert_eq!(
            places(&system(r#""content":"not-present","concept":[{"code":"a"}]"#)),
            ["CodeSystem.content"]
        );
        assert_eq!(places(&system(r#""content":"fragment","supplements":"http://loinc.org""#)), ["CodeSystem.content"]);
        let twice = r#""content":"complete","property":[{"code":"p","type":"code"},{"code":"p","type":"string"}]"#;
        assert_eq!(places(&system(twice)), ["CodeSystem.property"]);
    }
}
