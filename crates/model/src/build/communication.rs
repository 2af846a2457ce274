use concord_fhir::json::Value;
use fhirbolt::model::r4::Resource;
use fhirbolt::model::r4::resources::{Communication, CommunicationPayload, CommunicationPayloadContent};
use fhirbolt::model::r4::types::Reference;

use super::Code;
use super::elements::{codeable_concept, reference};
use crate::refused::Refused;
use crate::verbatim::Verbatim;
use crate::write::to_value;

/// A message that the server sends to somebody about their record.
#[derive(Clone, Debug)]
pub struct CommunicationParts<'a> {
    /// Of what kind.
    pub category: Code<'a>,
    /// How urgent (R4 value set `request-priority`).
    pub priority: &'static str,
    /// Whose record it is about, and to whom it goes.
    pub patient: String,
    /// Whom it is about: of what type, and what they are called. They are not referred to.
    pub about: (&'a str, &'a str),
    /// When, as an instant.
    pub sent: String,
    /// Why.
    pub reason: Code<'a>,
    /// What it says.
    pub text: String,
}

/// Somebody by their type and name.
fn named((kind, name): (&str, &str)) -> Reference {
    Reference { r#type: Some(kind.into()), display: Some(name.into()), ..Default::default() }
}

/// A Communication that is sent (R4 "Communication").
///
/// # Errors
/// When the typed model does not write it.
pub fn communication(parts: CommunicationParts<'_>) -> Result<Value<'static>, Refused> {
    let text =
        CommunicationPayload { content: CommunicationPayloadContent::String(parts.text.into()), ..Default::default() };
    let communication = Communication {
        status: "completed".into(),
        category: vec![codeable_concept(parts.category)],
        priority: Some(parts.priority.into()),
        subject: Some(Box::new(reference(parts.patient.as_str()))),
        about: vec![named(parts.about)],
        sent: Some(parts.sent.into()),
        recipient: vec![reference(parts.patient)],
        reason_code: vec![codeable_concept(parts.reason)],
        payload: vec![text],
        ..Default::default()
    };
    to_value(&Resource::Communication(Box::new(communication)), Verbatim::default())
}
