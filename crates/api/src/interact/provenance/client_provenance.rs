//! `X-Provenance`: what a client says of where something is from, sent along with a create, update or patch (R4
//! "Provenance", HTTP header). It is stored in the transaction of the write, marked as the client's own statement, beside
//! the Provenance that the server itself writes.

use concord_consent::authorship::refuses_to_say;
use concord_fhir::issue::{Issue, IssueCode};
use concord_fhir::json::{self, Limits, Value};
use concord_fhir::{check, rules};
use concord_model::build::{code, fragment};

use crate::error::ApiError;
use crate::interact::access::named_before::NamedBefore;
use crate::interact::access::references;
use crate::interact::client_uri::client_uri;
use crate::interact::session::Session;
use crate::interact::write::PreparedVersion;
use crate::interact::{PROVENANCE, access, provenance};

/// The header.
pub(crate) const HEADER: &str = "X-Provenance";

/// How long it may be, in bytes.
const LONGEST: usize = 8 * 1024;

/// The tag of what a client says itself.
pub(crate) const TAG: (&str, &str) = ("urn:concord:provenance", "client-statement");

/// Reads and checks the header's value: a Provenance in JSON without a target, which the server fills in.
///
/// # Errors
/// Everything that is wrong with it, each with its place.
pub(crate) fn read(text: &[u8], limits: &Limits) -> Result<Value<'static>, ApiError> {
    let told = |issues: Vec<Issue>| -> Vec<Issue> {
        let told = |issue: Issue| Issue { text: format!("{HEADER}: {}", issue.text), ..issue };
        issues.into_iter().map(told).collect()
    };
    if text.len() > LONGEST {
        return Err(ApiError::header(HEADER, format!("may be {LONGEST} bytes long")));
    }
    let mut value = json::parse(text, limits).map_err(|issues| ApiError::Malformed(told(issues)))?.into_owned();
    if value.text("resourceType") != Some(PROVENANCE.name()) {
        let issue = Issue::error(IssueCode::Invalid, "resourceType", format!("{HEADER} holds a Provenance"));
        return Err(ApiError::Unprocessable(vec![issue]));
    }
    for (name, text) in [("target", "what is written is the target: leave it out"), ("id", "the server gives the id")] {
        if value.get(name).is_some() {
            let issue = Issue::error(IssueCode::BusinessRule, format!("Provenance.{name}"), text);
            return Err(ApiError::Unprocessable(told(vec![issue])));
        }
    }
    // Any target at all, so that the check misses nothing else.
    let target = Value::object([("display", Value::string("what is written"))]);
    if let Some(object) = value.as_object_mut() {
        object.set("target", Value::Array(vec![target]));
    }
    check::check(&value, limits).map_err(|issues| ApiError::Unprocessable(told(issues)))?;
    if let Some(object) = value.as_object_mut() {
        object.remove("target");
    }
    Ok(value)
}

/// The Provenance of a version about to be stored, as the client tells it; none where it says nothing.
///
/// # Errors
/// [`ApiError::Denied`] for whoever may write no Provenance for others, and a broken rule with its place: a reference that leads
/// nowhere, or somebody else as the one who answers for it.
pub(crate) fn of(
    session: &mut Session<'_, '_>,
    proposed: &PreparedVersion,
) -> Result<Option<PreparedVersion>, ApiError> {
    let Some(statement) = session.call.provenance.as_deref() else { return Ok(None) };
    let about = &proposed.version;
    if about.resource_type == PROVENANCE {
        return Err(ApiError::header(HEADER, "does not go with a Provenance"));
    }
    if let Some(text) = refuses_to_say(&session.call.caller, PROVENANCE) {
        return Err(ApiError::denied(text));
    }
    let writer = access::writer(session)?;
    let settings = session.service.rules();
    let issues = rules::provenance::check_statement(statement, &writer, session.transaction.now, &settings);
    if !issues.is_empty() {
        return Err(ApiError::Unprocessable(issues));
    }
    references::refuse_malformed(session, statement)?;
    if !session.call.caller.knows_everything() {
        references::unreadable(session, statement, &proposed.entries.patients, &NamedBefore::nothing())?.refuse()?;
    }
    let mut value = statement.clone();
    if let Some(object) = value.as_object_mut() {
        // Its labels are those of what it is about, and who vouches is not the client's to say.
        object.remove("meta");
        object.set_at(1, "meta", tagged());
        let target = fragment::reference(provenance::versioned(about, about.version));
        object.set_at(2, "target", Value::Array(vec![target]));
    }
    let source = Some(client_uri(&session.call.caller.client));
    provenance::version(session, value, about, &proposed.entries.patients, source).map(Some)
}

fn tagged() -> Value<'static> {
    let (system, tag) = TAG;
    Value::object([("tag", Value::Array(vec![fragment::coding(code(system, tag))]))])
}

/// Whether a Provenance is what a client said itself.
pub(crate) fn is_one(provenance: &Value<'_>) -> bool {
    let tags = provenance.get("meta").map_or(&[][..], |meta| meta.list("tag"));
    tags.iter().any(|tag| tag.text("system") == Some(TAG.0) && tag.text("code") == Some(TAG.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(text: &str) -> Vec<String> {
        match read(text.as_bytes(), &Limits::default()) {
            Ok(value) => {
                assert!(value.get("target").is_none());
                Vec::new()
            }
            Err(ApiError::Malformed(issues) | ApiError::Unprocessable(issues)) => {
                issues.into_iter().map(|issue| issue.expression.unwrap_or_default()).collect()
            }
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn it_is_checked_like_any_body() {
        let fine =
            r#"{"resourceType":"Provenance","recorded":"2026-03-01T11:00:00Z","agent":[{"who":{"display":"x"}}]}"#;
        assert_eq!(places(fine), [""; 0]);
        assert_eq!(places(r#"{"resourceType":"Provenance"}"#), ["Provenance.recorded", "Provenance.agent"]);
        assert_eq!(places(&fine.replace("agent", "agents")).len(), 2);
        assert_eq!(places(&fine.replace("\"recorded\"", "\"target\":[],\"recorded\"")), ["Provenance.target"]);
        assert_eq!(places(&fine.replace("Provenance", "Observation")), ["resourceType"]);
        assert_eq!(places("{").len(), 1);
        assert_eq!(places(&format!("{fine}{}", " ".repeat(LONGEST))), [""]);
    }
}
