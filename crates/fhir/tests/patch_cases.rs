//! The public cases of patches (HL7 fhir-test-cases, `patch`): JSON Patch, XML Patch and FHIRPath Patch.
//!
//! They are not part of this repository: `CONCORD_FHIR_TEST_CASES` names the folder that has them, or they lie in
//! `../shared/data/fhir-test-cases` beside it. Where they are missing the tests say so.

#![expect(clippy::expect_used, clippy::string_slice, reason = "these are tests")]
#![expect(clippy::print_stdout, reason = "the counts are what is to be seen")]

use std::path::{Path, PathBuf};

use concord_fhir::codec::{self, Format};
use concord_fhir::json::{self, Limits, Value};
use concord_fhir::patch::Patch;
use quick_xml::Reader;
use quick_xml::events::Event;

/// The cases that are not answered as they say, each with the reason.
const OTHERWISE: &[(&str, &str)] = &[];

#[expect(clippy::disallowed_methods, reason = "a test has no configuration to take a folder from")]
fn file(name: &str) -> Option<String> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/fhir-test-cases");
    let near = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../../shared/data/fhir-test-cases");
    let named = std::env::var("CONCORD_FHIR_TEST_CASES").ok().map(PathBuf::from);
    let folders = [named, Some(beside()), Some(near())];
    let found =
        folders.into_iter().flatten().find_map(|folder| std::fs::read_to_string(folder.join("patch").join(name)).ok());
    if found.is_none() {
        println!("{name} is not here: nothing was compared");
    }
    found
}

/// Counts the cases, and names those that are not answered as they say.
fn compare(kind: &str, cases: Vec<(String, Result<(), String>)>) {
    let wrong: Vec<String> = cases
        .iter()
        .filter_map(|(name, outcome)| Some(format!("{name}: {}", outcome.as_ref().err()?)))
        .filter(|told| !OTHERWISE.iter().any(|(name, _)| told.starts_with(name)))
        .collect();
    println!("{kind}: {} of {} cases as they say", cases.len() - wrong.len(), cases.len());
    assert!(wrong.is_empty(), "{kind}: {wrong:#?}");
}

fn parsed(value: &serde_json::Value) -> Value<'static> {
    json::parse(value.to_string().as_bytes(), &Limits::default()).expect("JSON").into_owned()
}

#[test]
fn json_patch() {
    let Some(text) = file("json-patch-tests.json") else { return };
    let all: Vec<serde_json::Value> = serde_json::from_str(&text).expect("JSON");
    let one = |case: &serde_json::Value| {
        let patch = Patch::read(case["patch"].to_string().as_bytes(), &Limits::default());
        let answer = patch.map_err(|issues| format!("{issues:?}"));
        let answer = answer.and_then(|patch| patch.apply(parsed(&case["doc"])).map_err(|why| format!("{why:?}")));
        let name = case["comment"].as_str().unwrap_or_default().to_owned();
        (name, judged(answer, case.get("expected").map(parsed), |one, other| one.same(other)))
    };
    compare("JSON Patch", all.iter().map(one).collect());
}

/// Whether an answer is the one that is wanted; none is wanted where an error is.
fn judged<T: std::fmt::Debug>(
    answer: Result<T, String>,
    wanted: Option<T>,
    same: impl Fn(&T, &T) -> bool,
) -> Result<(), String> {
    match (answer, wanted) {
        (Ok(answer), Some(wanted)) if same(&answer, &wanted) => Ok(()),
        (Err(_), None) => Ok(()),
        (answer, wanted) => Err(format!("{answer:?} and not {wanted:?}")),
    }
}

/// A case of a file in XML: its name, and the text of each part.
struct Case<'t> {
    name: &'t str,
    text: &'t str,
}

impl<'t> Case<'t> {
    fn all(text: &'t str) -> Vec<Case<'t>> {
        let mut cases = Vec::new();
        let mut rest = text;
        while let Some((_, after)) = rest.split_once("<case ") {
            let (case, after) = after.split_once("</case>").expect("an end");
            let name = case.split('"').nth(1).unwrap_or_default();
            cases.push(Case { name, text: case });
            rest = after;
        }
        cases
    }

    /// What is in a part.
    fn part(&self, name: &str) -> Option<&'t str> {
        let (_, after) = self.text.split_once(&format!("<{name}>"))?;
        Some(after.split_once(&format!("</{name}>"))?.0.trim())
    }

    /// A part with its tags, which may have attributes.
    fn whole(&self, name: &str) -> Option<&'t str> {
        let start = self.text.find(&format!("<{name} "))?;
        let end = self.text.rfind(&format!("</{name}>"))? + name.len() + 3;
        self.text.get(start..end)
    }
}

/// XML as it is compared: without declarations of namespaces, space between elements and the form of quotes.
fn plain(text: &str) -> Vec<String> {
    let mut reader = Reader::from_str(text);
    let mut parts = Vec::new();
    let opened = |tag: &quick_xml::events::BytesStart<'_>| {
        let mut attributes: Vec<String> = tag
            .attributes()
            .flatten()
            .filter(|one| !one.key.as_ref().starts_with("xmlns"))
            .map(|one| format!("{}={}", one.key.as_ref(), &*one.value))
            .collect();
        attributes.sort();
        format!("<{} {}", tag.name().as_ref(), attributes.join(" "))
    };
    let mut text = String::new();
    loop {
        let event = reader.read_event().expect("XML");
        match &event {
            Event::Text(more) => text.push_str(more),
            Event::GeneralRef(name) => text.push_str(match &**name {
                "quot" => "\"",
                "amp" => "&",
                "lt" => "<",
                "gt" => ">",
                _ => "'",
            }),
            _ => {
                let words: Vec<&str> = text.split_whitespace().collect();
                if !words.is_empty() {
                    parts.push(words.join(" "));
                }
                text.clear();
            }
        }
        match event {
            Event::Start(tag) => parts.push(opened(&tag)),
            Event::Empty(tag) => parts.extend([opened(&tag), "/".to_owned()]),
            Event::End(_) => parts.push("/".to_owned()),
            Event::Comment(text) => parts.push(format!("!{}", &*text)),
            Event::Eof => return parts,
            _ => {}
        }
    }
}

#[test]
fn xml_patch() {
    let Some(text) = file("xml-patch-tests.xml") else { return };
    let commented = |text: &str| text.rfind("<!--").is_some_and(|open| !text[open..].contains("-->"));
    let mut cases = Vec::new();
    for case in Case::all(&text) {
        let before = case.text.as_ptr() as usize - text.as_ptr() as usize;
        if commented(&text[..before]) {
            continue;
        }
        let target = case.part("target").unwrap_or_default();
        let patch = Patch::read_xml(case.whole("patch").unwrap_or_default().as_bytes(), &Limits::default());
        let answer = patch.map_err(|issues| format!("{issues:?}"));
        let answer = answer.and_then(|patch| patch.apply_to_xml(target).map_err(|why| format!("{why:?}")));
        let outcome =
            judged(answer.map(|text| plain(&text)), case.part("patched").map(plain), |one, other| one == other);
        cases.push((case.name.to_owned(), outcome));
    }
    compare("XML Patch", cases);
}

#[test]
fn fhir_path_patch() {
    let Some(text) = file("fhir-patch-tests.xml") else { return };
    let limits = Limits::default();
    let read = |text: &str| codec::read(Format::Xml, text.as_bytes(), &limits).map(|read| read.value.into_owned());
    let one = |case: &Case<'_>| {
        let resource = read(case.part("input").unwrap_or_default()).expect("a resource");
        let parameters = read(case.part("diff").unwrap_or_default());
        let patch = parameters.and_then(|parameters| Patch::of_parameters(&parameters, &limits));
        let answer = patch.map_err(|issues| format!("{issues:?}"));
        let answer = answer.and_then(|patch| patch.apply(resource).map_err(|why| format!("{why:?}")));
        let answer = answer.and_then(|value| codec::write_xml(&value).map_err(|why| format!("{why:?}")));
        // What is wanted is compared as XML, as some of it breaks a rule of its type (pat-1); it has no comments here.
        let content = |text: &str| plain(text).into_iter().filter(|part| !part.starts_with('!')).collect::<Vec<_>>();
        let wanted = case.part("output").map(content);
        (case.name.to_owned(), judged(answer.map(|text| content(&text)), wanted, |one, other| one == other))
    };
    compare("FHIRPath Patch", Case::all(&text).iter().map(one).collect());
}
