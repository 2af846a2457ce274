//! The data types that several resources are made of.

use fhirbolt::model::r4::types::{CodeableConcept, Coding, Identifier, Meta, Narrative, Reference};

use super::{Code, Link};
use crate::verbatim::Verbatim;

/// A table of plain text.
#[derive(Clone, Debug)]
pub struct TableParts<'a> {
    /// What stands above the columns.
    pub headings: Vec<&'a str>,
    /// The cells, row by row.
    pub rows: Vec<Vec<String>>,
}

pub(super) fn reference(to: impl Into<String>) -> Reference {
    Reference { reference: Some(to.into().into()), ..Default::default() }
}

pub(super) fn identifier(system: Option<String>, value: String) -> Identifier {
    Identifier { system: system.map(Into::into), value: Some(value.into()), ..Default::default() }
}

pub(super) fn link(link: Link, verbatim: &mut Verbatim) -> Reference {
    match link {
        Link::To(to) => reference(to),
        Link::Identified(system, value) => {
            Reference { identifier: Some(Box::new(identifier(system, value))), ..Default::default() }
        }
        Link::Verbatim(value) => verbatim.reference(value),
    }
}

pub(super) fn coding(Code { system, code }: Code<'_>) -> Coding {
    Coding { system: Some(system.into()), code: Some(code.into()), ..Default::default() }
}

pub(super) fn codeable_concept(code: Code<'_>) -> CodeableConcept {
    CodeableConcept { coding: vec![coding(code)], ..Default::default() }
}

pub(super) fn codeable_text(text: &str) -> CodeableConcept {
    CodeableConcept { text: Some(text.into()), ..Default::default() }
}

/// Labels and nothing else.
pub(super) fn security(labels: Vec<Coding>) -> Option<Box<Meta>> {
    (!labels.is_empty()).then(|| Box::new(Meta { security: labels, ..Default::default() }))
}

/// Paragraphs of plain text.
pub(super) fn narrative<'a>(paragraphs: impl IntoIterator<Item = &'a str>) -> Box<Narrative> {
    tabulated(paragraphs, None)
}

/// Paragraphs of plain text, and a table below them.
pub(super) fn tabulated<'a>(
    paragraphs: impl IntoIterator<Item = &'a str>,
    table: Option<&TableParts<'_>>,
) -> Box<Narrative> {
    let mut div = String::from("<div xmlns=\"http://www.w3.org/1999/xhtml\">");
    for text in paragraphs {
        element("p", text, &mut div);
    }
    if let Some(table) = table {
        div.push_str("<table><thead>");
        row("th", table.headings.iter().copied(), &mut div);
        div.push_str("</thead><tbody>");
        for cells in &table.rows {
            row("td", cells.iter().map(String::as_str), &mut div);
        }
        div.push_str("</tbody></table>");
    }
    div.push_str("</div>");
    Box::new(Narrative { status: "generated".into(), div: div.into(), ..Default::default() })
}

fn row<'c>(name: &str, cells: impl Iterator<Item = &'c str>, div: &mut String) {
    div.push_str("<tr>");
    cells.for_each(|text| element(name, text, div));
    div.push_str("</tr>");
}

/// Plain text as the content of an element, without what XML has no way to write.
fn element(name: &str, text: &str, div: &mut String) {
    div.extend(["<", name, ">"]);
    for letter in text.chars() {
        match letter {
            '&' => div.push_str("&amp;"),
            '<' => div.push_str("&lt;"),
            '>' => div.push_str("&gt;"),
            '\t' | '\n' => div.push(letter),
            letter if letter.is_control() || matches!(letter, '\u{FFFE}' | '\u{FFFF}') => {}
            letter => div.push(letter),
        }
    }
    div.extend(["</", name, ">"]);
}
