use concord_fhir::json::Value;
use fhirbolt::model::r4::Resource;
use fhirbolt::model::r4::resources::{Bundle, BundleEntry};

use super::composition::{CompositionParts, composition};
use super::elements::identifier;
use crate::refused::Refused;
use crate::verbatim::Verbatim;
use crate::write::to_value;

/// A document: a Composition and what it is about, as it is stored.
#[derive(Clone, Debug)]
pub struct DocumentParts<'a> {
    /// The UUID of the document.
    pub id: String,
    /// When it was made, as an instant.
    pub timestamp: &'a str,
    /// The UUID of the Composition.
    pub composition_id: String,
    /// The Composition.
    pub composition: CompositionParts<'a>,
    /// What it is about: each with its address.
    pub entries: Vec<(String, Value<'static>)>,
}

/// A Bundle that is a document (R4 "FHIR Documents").
///
/// # Errors
/// When the typed model does not write it.
pub fn document(parts: DocumentParts<'_>) -> Result<Value<'static>, Refused> {
    let urn = |id: String| format!("urn:uuid:{id}");
    let mut verbatim = Verbatim::default();
    let first = entry(urn(parts.composition_id), Resource::Composition(Box::new(composition(parts.composition))));
    let others = parts.entries.into_iter().map(|(address, resource)| entry(address, verbatim.resource(resource)));
    let bundle = Bundle {
        identifier: Some(Box::new(identifier(Some("urn:ietf:rfc:3986".to_owned()), urn(parts.id)))),
        r#type: "document".into(),
        timestamp: Some(parts.timestamp.into()),
        entry: std::iter::once(first).chain(others).collect(),
        ..Default::default()
    };
    to_value(&Resource::Bundle(Box::new(bundle)), verbatim)
}

fn entry(address: String, resource: Resource) -> BundleEntry {
    BundleEntry { full_url: Some(address.into()), resource: Some(resource), ..Default::default() }
}
