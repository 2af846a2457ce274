//! Turns an expression over elements into paths over JSON members, each with the data type at its end.

use super::expression::{self, Branch, Step};
use super::{Elements, Member};

/// The one expression of R4 that is no path. Its value is computed from the whole resource.
const DECEASED: &str = "Patient.deceased.exists() and Patient.deceased != false";

/// The most places that one alternative may lead to.
const MOST_WALKS: usize = 200;

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
///
/// # Errors
/// What the expression says that is not understood, or leads nowhere.
pub fn simple(
    kind: &str,
    expression: &str,
    targets: &[&str],
    base: &str,
    elements: &impl Elements,
) -> Result<Vec<String>, String> {
    if expression == DECEASED && base == "Patient" && elements.suits(kind, "Deceased") {
        return Ok(vec![".:Deceased".to_owned()]);
    }
    let branches = expression::parse(expression)?;
    let own = branches.iter().filter(|branch| branch.root == base || branch.root.is_empty());
    let mut paths = typed(own, base, elements)?;
    paths.retain(|path| elements.suits(kind, path.rsplit(':').next().unwrap_or_default()));
    // A resource that stands in place of a reference is only meant if it is of the type that is asked for.
    if let [target] = targets {
        for path in paths.iter_mut().filter(|path| path.ends_with(":Resource")) {
            path.push_str(&format!("({target})"));
        }
    }
    if paths.is_empty() { Err(format!("it leads to nothing in {base} that a {kind} is read from")) } else { Ok(paths) }
}

/// The elements of a composite parameter and the paths of its components, each with its code (R4 "Search", composite).
/// `components` are the urls of their definitions and their expressions.
///
/// # Errors
/// What an expression says that is not understood, or leads nowhere; of a component with its place.
pub fn composite(
    expression: &str,
    components: &[(&str, &str)],
    base: &str,
    elements: &impl Elements,
) -> Result<Vec<String>, (Option<usize>, String)> {
    let mut columns = Vec::new();
    let mut starts = Vec::new();
    let whole = |text: String| (None, text);
    for branch in expression::parse(expression).map_err(whole)?.iter().filter(|branch| branch.root == base) {
        for walk in follow(branch, base, elements).map_err(whole)? {
            columns.push(if walk.written.is_empty() { ".".to_owned() } else { walk.written.clone() });
            starts.push(walk.path);
        }
    }
    let start = starts.first().ok_or_else(|| whole(format!("it leads to no element of {base}")))?;
    for (place, (definition, expression)) in components.iter().enumerate() {
        let here = |text: String| (Some(place), text);
        let name = component_code(definition, base);
        for mut branch in expression::parse(expression).map_err(here)? {
            // One definition spells the data type with a capital that the type does not have.
            for step in &mut branch.steps {
                if *step == Step::As("DateTime".to_owned()) {
                    *step = Step::As("dateTime".to_owned());
                }
            }
            let (mark, from) = if branch.root == "%resource" { ("%", base) } else { ("", start.as_str()) };
            for path in typed([&branch], from, elements).map_err(here)? {
                columns.push(format!("@{name}={mark}{path}"));
            }
        }
    }
    Ok(columns)
}

/// The code of the parameter that a component's definition names: its id without the type or group in front.
pub(super) fn component_code(definition: &str, base: &str) -> String {
    let id = definition.rsplit('/').next().unwrap_or_default();
    let shorter = id.strip_prefix(base).and_then(|rest| rest.strip_prefix('-'));
    let grouped = || id.split_once('-').map(|(_, rest)| rest);
    shorter.or_else(grouped).unwrap_or(id).to_owned()
}

/// Where the alternatives lead, each as `path:DataType`, without repeats.
fn typed<'a>(
    branches: impl IntoIterator<Item = &'a Branch>,
    base: &str,
    elements: &impl Elements,
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
fn follow(branch: &Branch, base: &str, elements: &impl Elements) -> Result<Vec<Walk>, String> {
    let start = Walk { written: String::new(), path: base.to_owned(), data_type: base.to_owned(), refers_to: None };
    let mut walks = vec![start];
    for step in &branch.steps {
        let mut next = Vec::new();
        for walk in walks {
            next.extend(advance(walk, step, elements));
            if next.len() > MOST_WALKS {
                return Err(format!("{base} has too many places at {step}; say which data types are meant"));
            }
        }
        if next.is_empty() {
            return Err(format!("{base} has nothing at {step}"));
        }
        walks = next;
    }
    Ok(walks)
}

/// One step further along one path.
fn advance(mut walk: Walk, step: &Step, elements: &impl Elements) -> Vec<Walk> {
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
        Step::Where(member, wanted) => {
            // The texts that stand in the element itself are compared.
            let is_text = |place: &Member| place.member == *member && place.data_type.starts_with(is_small);
            if elements.step(&walk.path, member).iter().any(is_text) {
                vec![walk.only(&format!("{member}={wanted}"))]
            } else {
                Vec::new()
            }
        }
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
            let extension = Member { member: "extension".to_owned(), path: String::new(), data_type: String::new() };
            let extension = walk.enter(extension).only(&format!("url={url}"));
            elements.extension(url).into_iter().map(|place| extension.clone().enter(place)).collect()
        }
    }
}

/// Whether a data type's name begins so because it is a primitive one.
fn is_small(first: char) -> bool {
    first.is_ascii_lowercase()
}

impl Walk {
    /// Into a member.
    fn enter(mut self, place: Member) -> Walk {
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
