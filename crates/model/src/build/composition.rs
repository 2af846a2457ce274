use fhirbolt::model::r4::resources::{
    Composition, CompositionEvent, CompositionSection, Device, DeviceDeviceName, DeviceVersion,
};
use fhirbolt::model::r4::types::{CodeableConcept, Coding, Meta, Period};

use super::Code;
use super::elements::{TableParts, codeable_concept, coding, identifier, narrative, reference, tabulated};

/// A document about a patient.
#[derive(Clone, Debug)]
pub struct CompositionParts<'a> {
    /// What document it is.
    pub code: Code<'a>,
    /// The same in words.
    pub title: &'a str,
    /// Which profiles it is made by.
    pub profiles: &'a [&'a str],
    /// About whom: the address.
    pub subject: String,
    /// When it was made, as an instant.
    pub date: &'a str,
    /// What stands above it: paragraphs of plain text.
    pub text: &'a [&'a str],
    /// Who has made it.
    pub author: AuthorParts<'a>,
    /// What it is made of.
    pub sections: Vec<SectionParts<'a>>,
}

/// The program that has made a document.
#[derive(Clone, Debug)]
pub struct AuthorParts<'a> {
    /// The UUID by which it is referred to in the document.
    pub id: String,
    /// By what it is known everywhere.
    pub address: &'a str,
    /// What it is called.
    pub name: &'a str,
    /// Which version of it.
    pub version: &'a str,
}

/// A section of a document. One without entries says that what it would have is not available.
#[derive(Clone, Debug)]
pub struct SectionParts<'a> {
    /// What section it is, by one code or several.
    pub codes: Vec<Code<'a>>,
    /// The same in words.
    pub title: &'a str,
    /// What it says itself: paragraphs of plain text.
    pub text: Vec<String>,
    /// What its entries say.
    pub table: Option<TableParts<'a>>,
    /// The addresses of what it has.
    pub entries: Vec<String>,
}

const EMPTY_REASON: &str = "http://terminology.hl7.org/CodeSystem/list-empty-reason";
const ACT_CLASS: &str = "http://terminology.hl7.org/CodeSystem/v3-ActClass";

/// A finished Composition by the server (R4 "Composition").
pub(super) fn composition(parts: CompositionParts<'_>, id: String) -> Composition {
    let profile = parts.profiles.iter().map(|profile| (*profile).into()).collect();
    // What care it documents: all up to now.
    let event = CompositionEvent {
        code: vec![codeable_concept(super::code(ACT_CLASS, "PCPR"))],
        period: Some(Box::new(Period { end: Some(parts.date.into()), ..Default::default() })),
        ..Default::default()
    };
    Composition {
        meta: Some(Box::new(Meta { profile, ..Default::default() })),
        language: Some("en-GB".into()),
        text: Some(narrative(parts.text.iter().copied())),
        identifier: Some(Box::new(identifier(Some("urn:ietf:rfc:3986".to_owned()), id))),
        status: "final".into(),
        r#type: Box::new(titled(&[parts.code], parts.title)),
        subject: Some(Box::new(reference(parts.subject))),
        date: parts.date.into(),
        author: vec![reference(urn(&parts.author.id))],
        title: parts.title.into(),
        event: vec![event],
        section: parts.sections.into_iter().map(section).collect(),
        ..Default::default()
    }
}

/// The program that has made a document, as a resource.
pub(super) fn author(parts: &AuthorParts<'_>) -> Device {
    let name = DeviceDeviceName { name: parts.name.into(), r#type: "user-friendly-name".into(), ..Default::default() };
    Device {
        identifier: vec![identifier(Some("urn:ietf:rfc:3986".to_owned()), parts.address.to_owned())],
        device_name: vec![name],
        version: vec![DeviceVersion { value: parts.version.into(), ..Default::default() }],
        ..Default::default()
    }
}

/// A UUID as an address.
pub(super) fn urn(id: &str) -> String {
    format!("urn:uuid:{id}")
}

fn section(parts: SectionParts<'_>) -> CompositionSection {
    // Not "nil known": something may be hidden from this caller, or nobody may have asked.
    let empty = || Box::new(titled(&[super::code(EMPTY_REASON, "unavailable")], "Unavailable"));
    CompositionSection {
        title: Some(parts.title.into()),
        code: Some(Box::new(titled(&parts.codes, parts.title))),
        text: Some(tabulated(parts.text.iter().map(String::as_str), parts.table.as_ref())),
        empty_reason: parts.entries.is_empty().then(empty),
        entry: parts.entries.into_iter().map(reference).collect(),
        ..Default::default()
    }
}

fn titled(codes: &[Code<'_>], title: &str) -> CodeableConcept {
    let coding: Vec<Coding> = codes.iter().map(|code| coding(*code)).collect();
    CodeableConcept { coding, text: Some(title.into()), ..Default::default() }
}
