//! The one place where fhirbolt writes: everything generic of its writer is compiled for this file, once.

use concord_fhir::json::{self, Limits, Value};
use fhirbolt::model::r4::Resource;

use crate::refused::{Refused, guarded};
use crate::verbatim::Verbatim;

/// A resource as JSON.
pub(crate) fn to_json(resource: &Resource) -> Result<String, Refused> {
    guarded(|| fhirbolt::json::to_string(resource, None).map_err(|error| error.to_string()))
}

/// A resource as a tree, with what others wrote in it as they wrote it.
pub(crate) fn to_value(resource: &Resource, verbatim: Verbatim) -> Result<Value<'static>, Refused> {
    let text = to_json(resource)?;
    let value = json::parse(text.as_bytes(), &Limits::default())
        .map_err(|issues| Refused(format!("what it wrote cannot be read: {issues:?}")))?;
    Ok(verbatim.put_back(value.into_owned()))
}
