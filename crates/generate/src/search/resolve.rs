//! Turns an expression over elements into paths over JSON members, each with the data type at its end.

use super::elements::{Elements, Place};
use super::expression::{self, Branch, Step};
use crate::definitions::{member, text};
use serde_json::Value;

/// The one expression of R4 that is no path. Its value is computed from the whole resource.
const DECEASED: &str = "Patient.deceased.exists() and Patient.deceased != false";

/// A path that is being followed.
#[derive(Clone)]
struct Walk {
    /// What has been written of it.
    written: String,
    /// Where the members of what it leads to are defined.
    path: String,
    /// The data type of what it leads to.
    data_type: String,
    /// The type that the reference it leads to must point at.
    refers_to: Option<String>,
}

/// The paths of a parameter for one of its base types. Data types that its kind cannot be searched by are left out:
/// R4 offers `Procedure.performed` as a date, though it may be an age or a text.
pub(super) fn simple(definition: &Value, base: &str, elements: &Elements) -> Result<String, String> {
    let expression = text(definition, "expression");
    if expression == DECEASED {
        return Ok(".:Deceased".to_owned());
    }
    let branches = expression::parse(expression)?;
    let own = branches.iter().filter(|branch| branch.root == base || branch.root.is_empty());
    let mut paths = typed(own, base, elements)?;
    let kind = text(definition, "type");
    paths.retain(|path| suits(kind, path.rsplit(':').next().unwrap_or_default()));
    // A resource that stands in place of a reference is only meant if it is of the type that is asked for.
    if let [target] = super::texts(definition, "target").as_slice() {
        for path in paths.iter_mut().filter(|path| path.ends_with(":Resource")) {
            path.push_str(&format!("({target})"));
        }
    }
    if paths.is_empty() { Err(format!("no path for {base}")) } else { Ok(paths.join(" ")) }
}

/// Whether values of the data type can be searched by a parameter of the kind (R4 "Search", the table in section
/// "Search Parameter Types").
fn suits(kind: &str, data_type: &str) -> bool {
    match kind {
        "date" => matches!(data_type, "date" | "dateTime" | "instant" | "Period" | "Timing"),
        "quantity" => data_type != "SampledData",
        "reference" => data_type != "Attachment",
        _ => true,
    }
}

/// The elements of a composite parameter and the paths of its components (R4 "Search", composite).
pub(super) fn composite(definition: &Value, base: &str, elements: &Elements) -> Result<String, String> {
    let mut columns = Vec::new();
    let mut starts = Vec::new();
    for branch in expression::parse(text(definition, "expression"))?.iter().filter(|branch| branch.root == base) {
        for walk in follow(branch, base, elements)? {
            columns.push(if walk.written.is_empty() { ".".to_owned() } else { walk.written.clone() });
            starts.push(walk.path);
        }
    }
    let start = starts.first().ok_or_else(|| format!("no element for {base}"))?;
    for component in member(definition, "component") {
        let name = component_code(text(component, "definition"), base);
        for mut branch in expression::parse(text(component, "expression"))? {
            // One definition spells the data type with a capital that the type does not have.
            for step in &mut branch.steps {
                if *step == Step::As("DateTime".to_owned()) {
                    *step = Step::As("dateTime".to_owned());
                }
            }
            let (mark, from) = if branch.root == "%resource" { ("%", base) } else { ("", start.as_str()) };
            for path in typed([&branch], from, elements)? {
                columns.push(format!("@{name}={mark}{path}"));
            }
        }
    }
    Ok(columns.join(" "))
}

/// The code of the parameter that a component's definition names: its id without the type or group in front.
fn component_code(definition: &str, base: &str) -> String {
    let id = definition.rsplit('/').next().unwrap_or_default();
    let shorter = id.strip_prefix(base).and_then(|rest| rest.strip_prefix('-'));
    let grouped = || id.split_once('-').map(|(_, rest)| rest);
    shorter.or_else(grouped).unwrap_or(id).to_owned()
}

/// Where the alternatives lead, each as `path:DataType`, without repeats.
fn typed<'a>(
    branches: impl IntoIterator<Item = &'a Branch>,
    base: &str,
    elements: &Elements,
) -> Result<Vec<String>, String> {
    let mut paths: Vec<String> = Vec::new();
    for branch in branches {
        for walk in follow(branch, base, elements)? {
            let restriction = walk.refers_to.map(|target| format!("({target})")).unwrap_or_default();
            let path = format!("{}:{}{restriction}", walk.written, walk.data_type);
            if !paths.contains(&path) {
                paths.push(path);
            }
        }
    }
    Ok(paths)
}

/// Where one alternative leads.
fn follow(branch: &Branch, base: &str, elements: &Elements) -> Result<Vec<Walk>, String> {
    let start = Walk { written: String::new(), path: base.to_owned(), data_type: base.to_owned(), refers_to: None };
    let mut walks = vec![start];
    for step in &branch.steps {
        let mut next = Vec::new();
        for walk in walks {
            next.extend(advance(walk, step, elements));
        }
        if next.is_empty() {
            return Err(format!("{base} has nothing at {step:?}"));
        }
        walks = next;
    }
    Ok(walks)
}

/// One step further along one path.
fn advance(mut walk: Walk, step: &Step, elements: &Elements) -> Vec<Walk> {
    match step {
        Step::Member(name) => {
            elements.step(&walk.path, name).into_iter().map(|place| walk.clone().enter(place)).collect()
        }
        Step::As(data_type) => {
            if walk.data_type == *data_type {
                vec![walk]
            } else {
                Vec::new()
            }
        }
        Step::Where(member, wanted) => vec![walk.only(&format!("{member}={wanted}"))],
        Step::HasExtension(url) => vec![walk.only(&format!("extension={url}"))],
        Step::First => vec![walk.only("0")],
        Step::RefersTo(target) => {
            // A choice between a reference and something else keeps only the reference; a canonical names no type.
            if walk.data_type != "Reference" && walk.data_type != "Resource" {
                return Vec::new();
            }
            if walk.data_type == "Reference" {
                walk.refers_to = Some(target.clone());
            }
            vec![walk]
        }
        Step::Extension(url) => {
            let extension = Place { member: "extension".to_owned(), path: String::new(), data_type: String::new() };
            let extension = walk.enter(extension).only(&format!("url={url}"));
            let types = elements.extension(url).unwrap_or_default();
            let value = |data_type: &String| {
                let mut letters = data_type.chars();
                let first = letters.next().map(|letter| letter.to_ascii_uppercase()).into_iter();
                let member = "value".chars().chain(first).chain(letters).collect();
                extension.clone().enter(Place { member, path: data_type.clone(), data_type: data_type.clone() })
            };
            types.iter().map(value).collect()
        }
    }
}

impl Walk {
    /// Into a member.
    fn enter(mut self, place: Place) -> Walk {
        if !self.written.is_empty() {
            self.written.push('.');
        }
        self.written.push_str(&place.member);
        self.path = place.path;
        self.data_type = place.data_type;
        self
    }

    /// Only some of the items.
    fn only(mut self, condition: &str) -> Walk {
        self.written.push_str(&format!("[{condition}]"));
        self
    }
}
