use fhirbolt::model::r4::resources::{Composition, CompositionSection};
use fhirbolt::model::r4::types::{CodeableConcept, Reference};

use super::Code;
use super::elements::{codeable_concept, narrative, reference};

/// A document about a patient.
#[derive(Clone, Debug)]
pub struct CompositionParts<'a> {
    /// What document it is.
    pub code: Code<'a>,
    /// The same in words.
    pub title: &'a str,
    /// About whom, `Patient/1`.
    pub subject: String,
    /// When it was made, as an instant.
    pub date: &'a str,
    /// What stands above it: plain text.
    pub text: &'a str,
    /// What it is made of.
    pub sections: Vec<SectionParts<'a>>,
}

/// A section of a document. One without entries says that what it would have is not available.
#[derive(Clone, Debug)]
pub struct SectionParts<'a> {
    /// What section it is.
    pub code: Code<'a>,
    /// The same in words.
    pub title: &'a str,
    /// What it says itself: paragraphs of plain text.
    pub text: Vec<String>,
    /// The addresses of what it has.
    pub entries: Vec<String>,
}

const EMPTY_REASON: &str = "http://terminology.hl7.org/CodeSystem/list-empty-reason";

/// A finished Composition by the server (R4 "Composition").
pub(super) fn composition(parts: CompositionParts<'_>) -> Composition {
    Composition {
        text: Some(narrative([parts.text])),
        status: "final".into(),
        r#type: Box::new(titled(parts.code, parts.title)),
        subject: Some(Box::new(reference(parts.subject))),
        date: parts.date.into(),
        author: vec![Reference { display: Some("Concord".into()), ..Default::default() }],
        title: parts.title.into(),
        section: parts.sections.into_iter().map(section).collect(),
        ..Default::default()
    }
}

fn section(parts: SectionParts<'_>) -> CompositionSection {
    // Not "nil known": something may be hidden from this caller, or nobody may have asked.
    let empty = || Box::new(titled(super::code(EMPTY_REASON, "unavailable"), "Unavailable"));
    CompositionSection {
        title: Some(parts.title.into()),
        code: Some(Box::new(titled(parts.code, parts.title))),
        text: Some(narrative(parts.text.iter().map(String::as_str))),
        empty_reason: parts.entries.is_empty().then(empty),
        entry: parts.entries.into_iter().map(reference).collect(),
        ..Default::default()
    }
}

fn titled(code: Code<'_>, title: &str) -> CodeableConcept {
    CodeableConcept { text: Some(title.into()), ..codeable_concept(code) }
}
