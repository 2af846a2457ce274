//! What else an app is started with beside patient and encounter (SMART App Launch 2.2, "fhirContext").

use concord_fhir::registry::ResourceType;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::error::OauthError;

/// The longest text that is read, in bytes.
const MAX_BYTES: usize = 8192;
/// The most resources that an app is started with.
const MAX_ITEMS: usize = 10;
/// The longest role, in bytes.
const MAX_ROLE_BYTES: usize = 256;

/// A resource that somebody looks at, and what for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// A relative reference to it.
    pub reference: String,
    /// Its type, where that is said as well.
    #[serde(rename = "type", skip_serializing)]
    resource_type: Option<String>,
    /// What it is there for: `launch`, which is meant where nothing is said, or an absolute URI.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
}

impl Item {
    /// The type and the logical id.
    #[must_use]
    pub fn named(&self) -> Option<(ResourceType, &str)> {
        let (name, id) = self.reference.split_once('/')?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
        let is_id = (1..=64).contains(&id.len()) && id.bytes().all(plain);
        Some((ResourceType::parse(name)?, id)).filter(|_| is_id)
    }

    fn check(&self) -> Result<(), OauthError> {
        let (resource_type, _) = self
            .named()
            .ok_or(OauthError::request("each entry of fhirContext has a reference such as DocumentReference/123"))?;
        let name = resource_type.name();
        if self.resource_type.as_deref().is_some_and(|said| said != name) {
            return Err(OauthError::request("the type of an entry of fhirContext is not that of its reference"));
        }
        let role = self.role.as_deref().unwrap_or("launch");
        if role.len() > MAX_ROLE_BYTES || (role != "launch" && Url::parse(role).is_err()) {
            return Err(OauthError::request("the role of an entry of fhirContext is launch or an absolute URI"));
        }
        if role == "launch" && matches!(name, "Patient" | "Encounter") {
            return Err(OauthError::request(
                "a Patient or Encounter is in fhirContext only in a role other than launch: \
                 the parameters patient and encounter say which are looked at",
            ));
        }
        Ok(())
    }
}

/// Reads an array of entries.
///
/// # Errors
/// What is wrong with it.
pub fn read(text: &str) -> Result<Vec<Item>, OauthError> {
    if text.len() > MAX_BYTES {
        return Err(OauthError::request("the fhirContext is longer than 8192 bytes"));
    }
    let items: Vec<Item> = serde_json::from_str(text).map_err(|_| {
        OauthError::request(
            "the fhirContext is not an array of objects with reference and perhaps role and type; \
             canonical and identifier are not taken, for nobody could tell whether they may be seen",
        )
    })?;
    if items.len() > MAX_ITEMS {
        return Err(OauthError::request("the fhirContext has more than 10 entries"));
    }
    items.iter().try_for_each(Item::check)?;
    Ok(items)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_context_has_a_reference_and_a_role() {
        let items = read(
            r#"[{"reference":"DocumentReference/a"},{"reference":"Task/b","type":"Task","role":"https://x.example/r"},
                {"reference":"Encounter/c","role":"https://x.example/last"}]"#,
        );
        assert_eq!(
            serde_json::to_string(&items.unwrap()).unwrap(),
            r#"[{"reference":"DocumentReference/a"},{"reference":"Task/b","role":"https://x.example/r"},{"reference":"Encounter/c","role":"https://x.example/last"}]"#
        );
        for bad in [
            "",
            "{}",
            r#"["Task/b"]"#,
            r#"[{"role":"launch"}]"#,
            r#"[{"reference":"Task"}]"#,
            r#"[{"reference":"Nonsense/a"}]"#,
            r#"[{"reference":"https://x.example/fhir/Task/b"}]"#,
            r#"[{"reference":"Task/a b"}]"#,
            r#"[{"reference":"Task/b","role":""}]"#,
            r#"[{"reference":"Task/b","role":"mine"}]"#,
            r#"[{"reference":"Task/b","type":"Goal"}]"#,
            r#"[{"reference":"Patient/a"}]"#,
            r#"[{"reference":"Encounter/a","role":"launch"}]"#,
            r#"[{"canonical":"https://x.example/q"}]"#,
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
        let many = |count| format!("[{}]", vec![r#"{"reference":"Task/b"}"#; count].join(","));
        assert!(read(&many(MAX_ITEMS)).is_ok() && read(&many(MAX_ITEMS + 1)).is_err());
    }
}
