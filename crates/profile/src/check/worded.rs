//! Rules that R4 states in words and that are told by `$validate` alone: what is published breaks them here and there, so
//! that nobody's record is refused for them.

use concord_fhir::issue::{IssueCode, Severity};
use concord_fhir::json::{Object, Value};

use super::{Walk, shown};
use crate::item::Place;

impl Walk<'_> {
    pub(super) fn worded(&mut self, shape: &str, object: &Object<'_>, place: &Place<'_>) {
        match shape {
            "Identifier" => self.identifier(object, place),
            "CodeSystem" => self.properties(object, place),
            _ => {}
        }
    }

    /// An identifier of the system of urls is a url itself (R4 `Identifier.value`).
    fn identifier(&mut self, object: &Object<'_>, place: &Place<'_>) {
        let text = |name: &str| object.get(name).and_then(Value::as_str);
        let (Some("urn:ietf:rfc:3986"), Some(value)) = (text("system"), text("value")) else { return };
        let scheme = value.split(':').next().unwrap_or_default();
        let is_scheme = scheme.len() < value.len()
            && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
        if !is_scheme {
            let said = format!(
                "'{}' must be a full url, such as urn:oid:1.2.3, for the system is urn:ietf:rfc:3986",
                shown(value)
            );
            self.add(Severity::Error, IssueCode::Value, &place.element("value"), said);
        }
    }

    /// Each property of a code system is defined once (R4 `CodeSystem.property.code`).
    fn properties(&mut self, object: &Object<'_>, place: &Place<'_>) {
        let properties = object.get("property").map_or(&[][..], Value::items);
        let mut codes: Vec<&str> = properties.iter().filter_map(|property| property.text("code")).collect();
        codes.sort_unstable();
        if let Some([twice, _]) = codes.windows(2).find(|pair| matches!(pair, [one, other] if one == other)) {
            let said = format!("the property '{}' is defined more than once", shown(twice));
            self.add(Severity::Error, IssueCode::Invalid, &place.element("property"), said);
        }
    }
}
