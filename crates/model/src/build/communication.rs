use concord_fhir::json::Value;
use fhirbolt::model::r4::Resource;
use fhirbolt::model::r4::resources::{Communication, CommunicationPayload, CommunicationPayloadContent};

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
    /// Whom or what it is about.
    pub about: &'a str,
    /// When, as an instant.
    pub sent: String,
    /// Why.
    pub reason: Code<'a>,
    /// What it says.
    pub text: String,
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
        about: vec![reference(parts.about)],
        sent: Some(parts.sent.into()),
        recipient: vec![reference(parts.patient)],
        reason_code: vec![codeable_concept(parts.reason)],
        payload: vec![text],
        ..Default::default()
    };
    to_value(&Resource::Communication(Box::new(communication)), Verbatim::default())
}
