//! The forms of FHIRPath that search parameters use, taken apart: paths, what of them is meant, and alternatives.

use crate::path::ast::{Ast, NodeId, Operator, Part, Test, TypeName, Variable};
use crate::path::{Expression, System};

/// One step of an expression, from the resource down.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    /// `.name`
    Member(String),
    /// `as T`, `.as(T)`, `.ofType(T)`: only values of that data type.
    As(String),
    /// `.where(member='text')`
    Where(String, String),
    /// `.where(resolve() is T)`: only references to that type.
    RefersTo(String),
    /// `.where(hasExtension('url'))`
    HasExtension(String),
    /// `.extension('url')`
    Extension(String),
    /// `[0]`
    First,
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Step::Member(name) => write!(f, "`{name}`"),
            Step::As(data_type) => write!(f, "`as {data_type}`"),
            Step::Where(member, wanted) => write!(f, "`where({member}='{wanted}')`"),
            Step::RefersTo(target) => write!(f, "`where(resolve() is {target})`"),
            Step::HasExtension(url) => write!(f, "`where(hasExtension('{url}'))`"),
            Step::Extension(url) => write!(f, "`extension('{url}')`"),
            Step::First => f.write_str("`[0]`"),
        }
    }
}

/// One alternative of an expression.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Branch {
    /// What it starts from: a resource type, or nothing for a path within an element.
    pub(super) root: String,
    /// The steps down from there.
    pub(super) steps: Vec<Step>,
}

/// The alternatives of an expression (`A.b | (A.c as T)`).
pub(super) fn parse(expression: &str) -> Result<Vec<Branch>, String> {
    let compiled = Expression::compile(expression).map_err(|problem| problem.to_string())?;
    let (ast, whole) = compiled.parts();
    let mut branches = Vec::new();
    gather(ast, whole, &mut branches)?;
    Ok(branches)
}

/// The url in the first `extension('url')` of an expression.
#[must_use]
pub fn extension_url(expression: &str) -> Option<&str> {
    let (before, rest) = expression.split_once("extension('")?;
    if before.ends_with("has") {
        return None;
    }
    rest.split_once('\'').map(|(url, _)| url)
}

/// Adds what stands between the strokes of a union.
fn gather(ast: &Ast, id: NodeId, branches: &mut Vec<Branch>) -> Result<(), String> {
    if let Part::Binary(Operator::Union, left, right) = ast.part(id) {
        gather(ast, *left, branches)?;
        return gather(ast, *right, branches);
    }
    let Branch { root, steps } = branch(ast, id)?;
    branches.push(Branch { root, steps: extensions(steps) });
    Ok(())
}

fn unknown(part: impl std::fmt::Display) -> String {
    format!("`{part}` is a form of expression that is not supported")
}

/// One alternative: what it starts from, and a step for each part after that.
fn branch(ast: &Ast, id: NodeId) -> Result<Branch, String> {
    let (on, step) = match ast.part(id) {
        Part::Head(name) if name.starts_with(|first: char| first.is_ascii_uppercase()) => {
            return Ok(Branch { root: name.clone(), steps: Vec::new() });
        }
        Part::Variable(Variable::Resource) => {
            return Ok(Branch { root: "%resource".to_owned(), steps: Vec::new() });
        }
        Part::Head(name) => (None, Step::Member(member(name)?)),
        Part::Member(on, name) => (Some(*on), Step::Member(member(name)?)),
        Part::OfType(Test::As | Test::OfType, on, TypeName { name, .. }) => (*on, Step::As(name.clone())),
        Part::At(on, index) => match (ast.part(*on), ast.part(*index)) {
            (Part::Head(_) | Part::Member(..), Part::Literal(System::Integer(0))) => (Some(*on), Step::First),
            _ => return Err(unknown("[...]")),
        },
        Part::Call(on, called, arguments) => match (called.name, arguments.as_slice()) {
            ("extension", [url]) => (*on, Step::Extension(text(ast, *url)?)),
            ("where", [condition]) if on.is_some() => (*on, filter(ast, *condition)?),
            (name, _) => return Err(unknown(format_args!("{name}()"))),
        },
        Part::Binary(operator, ..) => return Err(unknown(operator.text())),
        _ => return Err(unknown("an expression that is no path")),
    };
    let mut branch = match on {
        Some(on) => branch(ast, on)?,
        None => Branch { root: String::new(), steps: Vec::new() },
    };
    branch.steps.push(step);
    Ok(branch)
}

/// What stands in a `where`.
fn filter(ast: &Ast, id: NodeId) -> Result<Step, String> {
    match ast.part(id) {
        Part::OfType(Test::Is, Some(on), name) if matches!(ast.part(*on), Part::Call(None, called, _) if called.name == "resolve") => {
            Ok(Step::RefersTo(name.name.clone()))
        }
        Part::Call(None, called, arguments) if called.name == "hasExtension" => match arguments.as_slice() {
            [url] => text(ast, *url).map(Step::HasExtension),
            _ => Err(unknown("hasExtension()")),
        },
        Part::Binary(Operator::Equal, left, right) => match ast.part(*left) {
            Part::Head(name) => Ok(Step::Where(member(name)?, text(ast, *right)?)),
            _ => Err(unknown("where(...)")),
        },
        _ => Err(unknown("where(...)")),
    }
}

/// `extension('url')` with something after it is short for `extension.where(url='url')`. With nothing after it, R4 means
/// the value of the extension.
fn extensions(steps: Vec<Step>) -> Vec<Step> {
    let mut plain = Vec::with_capacity(steps.len());
    let mut rest = steps.into_iter().peekable();
    while let Some(step) = rest.next() {
        match (step, rest.peek()) {
            (Step::Extension(url), Some(Step::Member(_) | Step::Extension(_))) => {
                plain.extend([Step::Member("extension".to_owned()), Step::Where("url".to_owned(), url)]);
            }
            (step, _) => plain.push(step),
        }
    }
    plain
}

/// The name of an element.
fn member(name: &str) -> Result<String, String> {
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if is_name { Ok(name.to_owned()) } else { Err(unknown(name)) }
}

/// A literal text. One that the table of parameters cannot hold is none: it has blanks and brackets between its parts.
fn text(ast: &Ast, id: NodeId) -> Result<String, String> {
    let is_plain = |letter: char| !letter.is_whitespace() && !letter.is_control() && !"'\\[]".contains(letter);
    match ast.part(id) {
        Part::Literal(System::String(text)) if !text.is_empty() && text.chars().all(is_plain) => {
            Ok(text.clone().into_owned())
        }
        Part::Literal(System::String(text)) => Err(unknown(format_args!("'{text}'"))),
        _ => Err(unknown("what is no literal text")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(expression: &str) -> Branch {
        let mut branches = parse(expression).expect("understood");
        assert_eq!(branches.len(), 1, "{expression}");
        branches.remove(0)
    }

    fn member(name: &str) -> Step {
        Step::Member(name.to_owned())
    }

    #[test]
    fn every_form_of_r4_is_taken_apart() {
        let quantity = vec![member("value"), Step::As("Quantity".to_owned())];
        for form in
            ["(Observation.value as Quantity)", "Observation.value as Quantity", "Observation.value.as(Quantity)"]
        {
            assert_eq!(only(form), Branch { root: "Observation".to_owned(), steps: quantity.clone() });
        }
        let text = only("(Observation.value as CodeableConcept).text").steps;
        assert_eq!(text, [member("value"), Step::As("CodeableConcept".to_owned()), member("text")]);
        let email = only("Patient.telecom.where(system='email')").steps;
        assert_eq!(email, [member("telecom"), Step::Where("system".to_owned(), "email".to_owned())]);
        let patient = only("Goal.subject.where(resolve() is Patient)").steps;
        assert_eq!(patient, [member("subject"), Step::RefersTo("Patient".to_owned())]);
        let first = only("Bundle.entry[0].resource").steps;
        assert_eq!(first, [member("entry"), Step::First, member("resource")]);
        let extension = only("Observation.extension('http://example.org/a.b')").steps;
        assert_eq!(extension, [Step::Extension("http://example.org/a.b".to_owned())]);
        let value = only("Patient.extension('http://x.y/z').value").steps;
        assert_eq!(value, only("Patient.extension.where(url = 'http://x.y/z').value").steps);
        let answer = only("Q.item.where(hasExtension('http://x.y/z')).answer.value.ofType(Reference)").steps;
        assert_eq!(answer.get(1), Some(&Step::HasExtension("http://x.y/z".to_owned())));
        assert_eq!(parse("A.b | C.d").expect("understood").len(), 2);
    }

    #[test]
    fn an_unknown_form_is_an_error() {
        for unknown in [
            "Patient.name.first()",
            "Patient.name.where(use='a' and text='b')",
            "Patient.name.where(text='two words')",
            "Patient.name.where(text='a]b')",
            "Patient.name.where(a.b='c')",
            "Patient.name.where()",
            "Patient..name",
            "Patient.name.",
            "Patient.name[1]",
            "Patient.name as",
            "Patient.name.as(a b)",
            "Patient.subject.where(resolve() is )",
            "(Patient.name",
            "|",
        ] {
            assert!(parse(unknown).is_err(), "{unknown}");
        }
        assert!(parse("Patient.deceased.exists() and Patient.deceased != false").is_err());
        assert!(parse("").is_err());
    }
}
