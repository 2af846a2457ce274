use concord_fhir::json::Value;
use fhirbolt::model::r4::Resource;
use fhirbolt::model::r4::resources::{Bundle, BundleEntry, BundleEntrySearch};
use fhirbolt::model::r4::types::{Extension, ExtensionValue, Meta};

use super::composition::{CompositionParts, author, composition, urn};
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
    /// Which profiles it is made by.
    pub profiles: &'a [&'a str],
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
    let mut verbatim = Verbatim::default();
    let (own, by) = (urn(&parts.composition_id), urn(&parts.composition.author.id));
    let device = entry(by, Resource::Device(Box::new(author(&parts.composition.author))));
    let first = Resource::Composition(Box::new(composition(parts.composition, own.clone())));
    let others = parts.entries.into_iter().map(|(address, resource)| entry(address, verbatim.resource(resource)));
    let all = std::iter::once(entry(own, first)).chain(others).chain(std::iter::once(device));
    let profile = parts.profiles.iter().map(|profile| (*profile).into()).collect();
    let bundle = Bundle {
        meta: Some(Box::new(Meta { profile, ..Default::default() })),
        entry: all.collect(),
        ..of_document(&parts.id, parts.timestamp)
    };
    to_value(&Resource::Bundle(Box::new(bundle)), verbatim)
}

/// A Bundle that is a document of what somebody else has composed: the Composition first, each with its address.
///
/// # Errors
/// When the typed model does not write it.
pub fn stored_document(
    id: &str,
    timestamp: &str,
    entries: Vec<(String, Value<'static>)>,
) -> Result<Value<'static>, Refused> {
    let mut verbatim = Verbatim::default();
    let entry = entries.into_iter().map(|(address, resource)| entry(address, verbatim.resource(resource))).collect();
    let bundle = Bundle { entry, ..of_document(id, timestamp) };
    to_value(&Resource::Bundle(Box::new(bundle)), verbatim)
}

fn of_document(id: &str, timestamp: &str) -> Bundle {
    Bundle {
        identifier: Some(Box::new(identifier(Some("urn:ietf:rfc:3986".to_owned()), urn(id)))),
        r#type: "document".into(),
        timestamp: Some(timestamp.into()),
        ..Default::default()
    }
}

/// A resource that may be the one that was asked for, as it is stored.
#[derive(Clone, Debug)]
pub struct MatchParts {
    /// Its address.
    pub address: String,
    /// The resource.
    pub resource: Value<'static>,
    /// How sure that is (R4 value set `match-grade`).
    pub grade: &'static str,
    /// The same as a number from 0 to 1, in digits.
    pub score: &'static str,
}

/// The extension that says how sure a match is.
const MATCH_GRADE: &str = "http://hl7.org/fhir/StructureDefinition/match-grade";

/// A Bundle of matches, the surest first (R4 "Patient-match").
///
/// # Errors
/// When the typed model does not write it.
pub fn matches(found: Vec<MatchParts>) -> Result<Value<'static>, Refused> {
    let mut verbatim = Verbatim::default();
    let total = u32::try_from(found.len()).unwrap_or(u32::MAX);
    let mut one = |parts: MatchParts| {
        let grade = Extension {
            url: MATCH_GRADE.to_owned(),
            value: Some(ExtensionValue::Code(parts.grade.into())),
            ..Default::default()
        };
        let search = BundleEntrySearch {
            extension: vec![grade],
            mode: Some("match".into()),
            score: Some(verbatim.decimal(parts.score.to_owned())),
            ..Default::default()
        };
        BundleEntry { search: Some(search), ..entry(parts.address, verbatim.resource(parts.resource)) }
    };
    let entry = found.into_iter().map(&mut one).collect();
    let bundle = Bundle { r#type: "searchset".into(), total: Some(total.into()), entry, ..Default::default() };
    to_value(&Resource::Bundle(Box::new(bundle)), verbatim)
}

fn entry(address: String, resource: Resource) -> BundleEntry {
    BundleEntry { full_url: Some(address.into()), resource: Some(resource), ..Default::default() }
}
