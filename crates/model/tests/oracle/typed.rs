//! fhirbolt as a reader. Only tests read with it, so that its reader is compiled for them alone.

use std::panic::{AssertUnwindSafe, catch_unwind};

use fhirbolt::model::r4::Resource;
use fhirbolt::serde::{DeserializationConfig, DeserializationMode};

/// The typed form of a resource that has passed the check, from JSON; what fhirbolt's strict mode says, or that it
/// panicked.
pub(crate) fn from_json(json: &str) -> Result<Resource, String> {
    guarded(|| fhirbolt::json::from_str(json, Some(strict())).map_err(|error| error.to_string()))
}

/// The typed form of a resource that has passed the check, from XML. Comments in narratives are lost, and white space
/// beside their tags.
pub(crate) fn from_xml(xml: &str) -> Result<Resource, String> {
    guarded(|| fhirbolt::xml::from_str(xml, Some(strict())).map_err(|error| error.to_string()))
}

/// The resource in JSON. Decimals keep their digits, but an exponent's `E` becomes `e`.
pub(crate) fn to_json(resource: &Resource) -> Result<String, String> {
    guarded(|| fhirbolt::json::to_string(resource, None).map_err(|error| error.to_string()))
}

fn strict() -> DeserializationConfig {
    DeserializationConfig { mode: DeserializationMode::Strict }
}

fn guarded<T>(call: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|_| Err("it panicked".to_owned()))
}
