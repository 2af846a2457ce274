//! Communication: a comment says something about something, and stands beside it.

use super::writer::Writer;
use crate::issue::{Issue, IssueCode};
use crate::json::Value;

/// The system of Concord's categories.
pub const CATEGORY_SYSTEM: &str = "urn:concord:communication-category";
/// The category of comments.
pub const COMMENT: &str = "comment";

/// The category of an information prescription: a CommunicationRequest with something to read, watch or try.
pub const INFORMATION: &str = "information-prescription";
/// The category of a Communication by which somebody says that they have read what was prescribed.
pub const READ: &str = "information-read";

/// The categories of HL7 Patient Corrections: a request for a correction, and a disagreement with its denial.
pub const CORRECTIONS: [&str; 2] = ["medRecCxReq", "medRecCxDenialDisagree"];

/// Whether it has a category of that code, whatever its system.
#[must_use]
pub fn has_category(resource: &Value<'_>, code: &str) -> bool {
    let codings = resource.list("category").iter().flat_map(|category| category.list("coding"));
    codings.filter_map(|coding| coding.text("code")).any(|one| one == code)
}

/// Whether it is about something, or answers something.
#[must_use]
pub fn is_comment(resource: &Value<'_>) -> bool {
    let asks_back = answers_request(resource) && !resource.list("payload").is_empty();
    !resource.list("about").is_empty()
        || !resource.list("inResponseTo").is_empty()
        || has_category(resource, COMMENT)
        || asks_back
}

/// Whether it is based on a CommunicationRequest: what was prescribed has been read, or is asked about.
#[must_use]
pub fn answers_request(resource: &Value<'_>) -> bool {
    let references = resource.list("basedOn").iter().filter_map(|one| one.text("reference"));
    references.into_iter().any(|reference| reference.contains("CommunicationRequest/"))
}

/// What people say about something is a comment unless it says what else it is, and says something.
pub(super) fn check(resource: &mut Value<'_>, writer: &Writer, issues: &mut Vec<Issue>) {
    if writer.kind.is_system() {
        return;
    }
    if !is_comment(resource) {
        if answers_request(resource) && resource.list("category").is_empty() {
            categorise(resource, READ, "Read");
        }
        return;
    }
    let says = resource.list("payload").iter().any(|payload| {
        payload.as_object().is_some_and(|payload| {
            payload.0.iter().any(|(name, value)| {
                name.starts_with("content") && value.as_str().is_none_or(|text| !text.trim().is_empty())
            })
        })
    });
    if !says && !matches!(resource.text("status"), Some("entered-in-error" | "not-done")) {
        issues.push(Issue::error(IssueCode::Required, "Communication.payload", "say what the comment is"));
    }
    if resource.list("category").is_empty() {
        categorise(resource, COMMENT, "Comment");
    }
}

fn categorise(resource: &mut Value<'_>, code: &'static str, text: &'static str) {
    if let Some(object) = resource.as_object_mut() {
        let coding = Value::object([("system", Value::string(CATEGORY_SYSTEM)), ("code", Value::string(code))]);
        let concept = Value::object([("coding", Value::Array(vec![coding])), ("text", Value::string(text))]);
        object.set("category", Value::Array(vec![concept]));
    }
}

/// An information prescription has something to read, and says what it is about.
pub(super) fn check_request(resource: &Value<'_>, writer: &Writer, issues: &mut Vec<Issue>) {
    if writer.kind.is_system() || !has_category(resource, INFORMATION) {
        return;
    }
    let holds = |payload: &Value<'_>| {
        let link =
            payload.get("contentAttachment").is_some_and(|one| one.get("url").is_some() || one.get("data").is_some());
        link || payload.get("contentReference").is_some()
            || payload.text("contentString").is_some_and(|text| !text.trim().is_empty())
    };
    if !resource.list("payload").iter().any(holds) {
        let text = "an information prescription says what to read: a reference, a link or a text";
        issues.push(Issue::error(IssueCode::Required, "CommunicationRequest.payload", text));
    }
    if resource.list("about").is_empty() {
        let text = "say what the information is about: a goal, or a condition";
        issues.push(Issue::error(IssueCode::Required, "CommunicationRequest.about", text));
    }
}

#[cfg(test)]
mod tests {
    use super::super::prepare::tests::{by, json, patient, places, professional, system};
    use super::*;
    use crate::registry::ResourceType;

    fn comment(rest: &str) -> String {
        format!(
            r#"{{"resourceType":"Communication","status":"completed","subject":{{"reference":"Patient/p1"}},
            "about":[{{"reference":"Observation/o1"}}]{rest}}}"#
        )
    }

    #[test]
    fn a_comment_says_something() {
        let said = r#","payload":[{"contentString":"I had just run"}]"#;
        let silent = Err(vec!["Communication.payload".to_owned()]);
        for writer in [patient(), professional()] {
            assert_eq!(places(&comment(said), &writer), Ok(vec![]));
            assert_eq!(places(&comment(""), &writer), silent);
            assert_eq!(places(&comment(r#","payload":[{"contentString":"  "}]"#), &writer), silent);
        }
        assert_eq!(places(&comment(""), &system()), Ok(vec![]));
        let file = r#","payload":[{"contentAttachment":{"url":"https://example.org/a"}}]"#;
        assert_eq!(places(&comment(file), &patient()), Ok(vec![]));
    }

    #[test]
    fn a_prescription_says_what_to_read_about_what() {
        let request = |rest: &str| {
            format!(
                r#"{{"resourceType":"CommunicationRequest","status":"active","subject":{{"reference":"Patient/p1"}},
                "category":[{{"coding":[{{"code":"information-prescription"}}]}}]{rest}}}"#
            )
        };
        let about = r#","about":[{"reference":"Goal/g"}]"#;
        let missing = |names: &[&str]| Err(names.iter().map(|name| format!("CommunicationRequest.{name}")).collect());
        assert_eq!(places(&request(""), &professional()), missing(&["payload", "about"]));
        for content in [
            r#""contentString":"Walk""#,
            r#""contentReference":{"reference":"DocumentReference/d"}"#,
            r#""contentAttachment":{"url":"https://www.example.org/a"}"#,
        ] {
            let full = request(&format!(r#"{about},"payload":[{{{content}}}]"#));
            assert_eq!(places(&full, &professional()), Ok(vec![]));
        }
        let empty = request(&format!(r#"{about},"payload":[{{"contentAttachment":{{"title":"A leaflet"}}}}]"#));
        assert_eq!(places(&empty, &professional()), missing(&["payload"]));
        assert_eq!(places(&request(""), &system()), Ok(vec![]));
    }

    #[test]
    fn it_is_a_comment_unless_it_says_what_else() {
        let of = |rest: &str| {
            let mut resource = json(&comment(&format!(r#","payload":[{{"contentString":"x"}}]{rest}"#)));
            let resource_type = ResourceType::parse("Communication").unwrap();
            super::super::prepare(resource_type, &mut resource, &by(&patient())).unwrap();
            resource
        };
        assert!(has_category(&of(""), COMMENT));
        let other = of(r#","category":[{"coding":[{"code":"medRecCxReq"}]}]"#);
        assert!(!has_category(&other, COMMENT) && has_category(&other, CORRECTIONS[0]));
    }
}
