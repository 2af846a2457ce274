//! Rules of single types that R4 states in words and not as constraints.

use crate::issue::IssueCode;
use crate::json::{Object, Value};
use crate::schema::element_path::ElementPath;
use crate::schema::problems::Problems;

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

/// What a code system says of its content is so (R4 `CodeSystem.content`, `CodeSystem.supplements`).
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
}

#[cfg(test)]
mod tests {
    use crate::check::check;
    use crate::json::{Limits, parse};

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
    fn a_code_system_has_the_content_that_it_says() {
        let system = |rest: &str| format!(r#"{{"resourceType":"CodeSystem","status":"active",{rest}}}"#);
        assert_eq!(places(&system(r#""content":"complete","concept":[{"code":"a"}]"#)), [""; 0]);
        assert_eq!(places(&system(r#""content":"not-present","concept":[{"code":"a"}]"#)), ["CodeSystem.content"]);
        assert_eq!(places(&system(r#""content":"fragment","supplements":"http://loinc.org""#)), ["CodeSystem.content"]);
    }
}
