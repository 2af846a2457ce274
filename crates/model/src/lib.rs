//! The typed R4 model of fhirbolt, behind a few functions without type parameters.
//!
//! This is the only crate that names fhirbolt. Its model is compiled again in every crate that calls it generically (minutes,
//! and gigabytes of memory), so that none of it shows in a signature. It is called only with what
//! `concord_fhir::schema::check` has passed: alone it panics on an empty array, and lets much through that is no FHIR. What it
//! is trusted with, and what not, is in docs/adr/0001-fhirbolt-behind-the-gate.md.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use fhirbolt::model::r4::Resource;
use fhirbolt::serde::{DeserializationConfig, DeserializationMode};

/// A resource in fhirbolt's typed model.
#[derive(Clone, Debug, PartialEq)]
pub struct Typed(Box<Resource>);

/// Why fhirbolt did not take or give a resource. The text is fhirbolt's own: it is for the log, not for the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused(String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the typed model refuses the resource: {}", self.0)
    }
}

impl std::error::Error for Refused {}

/// The typed form of a resource that has passed the check, from JSON.
///
/// # Errors
/// What fhirbolt's strict mode says, or that it panicked.
pub fn from_json(json: &str) -> Result<Typed, Refused> {
    guarded(|| fhirbolt::json::from_str(json, Some(strict())).map_err(|error| error.to_string()))
        .map(|resource| Typed(Box::new(resource)))
}

/// The typed form of a resource that has passed the check, from XML. Comments in narratives are lost, and white space
/// beside their tags.
///
/// # Errors
/// What fhirbolt's strict mode says, or that it panicked.
pub fn from_xml(xml: &str) -> Result<Typed, Refused> {
    guarded(|| fhirbolt::xml::from_str(xml, Some(strict())).map_err(|error| error.to_string()))
        .map(|resource| Typed(Box::new(resource)))
}

impl Typed {
    /// The resource in JSON. Decimals keep their digits, but an exponent's `E` becomes `e`.
    ///
    /// # Errors
    /// What fhirbolt says, or that it panicked.
    pub fn to_json(&self) -> Result<String, Refused> {
        guarded(|| fhirbolt::json::to_string(self.0.as_ref(), None).map_err(|error| error.to_string()))
    }
}

fn strict() -> DeserializationConfig {
    DeserializationConfig { mode: DeserializationMode::Strict }
}

/// Calls fhirbolt with a panic turned into a refusal. Nothing that it works on is seen after a panic.
fn guarded<T>(call: impl FnOnce() -> Result<T, String>) -> Result<T, Refused> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => result.map_err(Refused),
        Err(_) => Err(Refused("it panicked".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_keeps_its_digits() {
        let text =
            r#"{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":1.10}}"#;
        assert_eq!(from_json(text).unwrap().to_json().unwrap(), text);
        let xml = r#"<Patient xmlns="http://hl7.org/fhir"><active value="true"/></Patient>"#;
        assert_eq!(from_xml(xml).unwrap(), from_json(r#"{"resourceType":"Patient","active":true}"#).unwrap());
    }

    #[test]
    fn a_panic_is_a_refusal() {
        assert!(from_json(r#"{"resourceType":"Patient","name":[]}"#).is_err());
        assert!(from_json("{").is_err());
        assert!(from_xml("<").is_err());
    }
}
