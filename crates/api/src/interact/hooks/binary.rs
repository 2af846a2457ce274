//! A Binary is its content: a body of any other media type than FHIR's is one (R4 "Binary", REST). It is in the
//! record of what its `securityContext` names: a patient, or something in a patient's record; what a patient stores is in hers.

use concord_fhir::json::{Object, Value};

use crate::error::ApiError;
use crate::interact::hooks::{Draft, RawContent, TypeHooks};
use crate::interact::session::Session;
use crate::interact::{access, base64};
use concord_consent::caller::Actor;

/// The element that says to what it belongs.
const CONTEXT: &str = "securityContext";

pub(super) const HOOKS: TypeHooks = TypeHooks {
    from_content: Some(from_content),
    complete: Some(complete),
    records: Some(records),
    ..TypeHooks::of("Binary")
};

fn from_content(content: RawContent<'_>) -> Value<'static> {
    let mut binary = Object::default();
    binary.set("resourceType", Value::string("Binary"));
    if let Some(id) = content.id {
        binary.set("id", Value::string(id));
    }
    binary.set("contentType", Value::string(content.media.trim()));
    if let Some(context) = content.security_context {
        binary.set(CONTEXT, Value::object([("reference", Value::string(context.trim()))]));
    }
    // R4 has no empty element.
    if !content.bytes.is_empty() {
        binary.set("data", Value::string(base64(content.bytes)));
    }
    Value::Object(binary)
}

/// It is in the record of what it belongs to, by itself or through a resource of that record.
fn records(session: &mut Session<'_, '_>, value: &Value<'_>) -> Result<Vec<String>, ApiError> {
    value.get(CONTEXT).map_or(Ok(Vec::new()), |context| access::records_of(session, context))
}

/// What a patient says nothing of is about her: a body that is no resource has no place to say so.
fn complete(session: &mut Session<'_, '_>, _draft: &Draft<'_>, value: &mut Value<'_>) -> Result<(), ApiError> {
    let (Actor::Patient(own), Some(object)) = (&session.call.caller.actor, value.as_object_mut()) else {
        return Ok(());
    };
    if object.get(CONTEXT).is_none() {
        object.set(CONTEXT, Value::object([("reference", Value::string(format!("Patient/{own}")))]));
    }
    Ok(())
}
