//! The forms of FHIRPath that search parameters use, taken apart.

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
    split(expression, '|').iter().map(|branch| parse_branch(branch.trim())).collect()
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

/// Splits at a letter that stands outside parentheses and quotes.
fn split(text: &str, separator: char) -> Vec<String> {
    let mut parts = vec![String::new()];
    let (mut depth, mut quoted) = (0_i32, false);
    for letter in text.chars() {
        match letter {
            '\'' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth -= 1,
            _ => {}
        }
        if letter == separator && depth == 0 && !quoted {
            parts.push(String::new());
        } else if let Some(last) = parts.last_mut() {
            last.push(letter);
        }
    }
    parts
}

/// One alternative: a path, perhaps with `as T` after it or with its beginning in parentheses.
fn parse_branch(branch: &str) -> Result<Branch, String> {
    let mut steps = Vec::new();
    let mut root = String::new();
    let (path, data_type) = match branch.rsplit_once(" as ") {
        Some((path, data_type)) if !data_type.contains(')') => (path, Some(data_type)),
        _ => (branch, None),
    };
    for (position, part) in split(path, '.').iter().enumerate() {
        if let Some(inner) = part.strip_prefix('(').and_then(|part| part.strip_suffix(')')) {
            let inner = parse_branch(inner)?;
            root = inner.root;
            steps.extend(inner.steps);
        } else if position == 0 && part.starts_with(|letter: char| letter.is_ascii_uppercase() || letter == '%') {
            root = part.clone();
        } else {
            steps.extend(parse_step(part)?);
        }
    }
    steps.extend(data_type.map(|data_type| Step::As(data_type.trim().to_owned())));
    Ok(Branch { root, steps: extensions(steps) })
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

/// One part between dots.
fn parse_step(part: &str) -> Result<Vec<Step>, String> {
    let unknown = || format!("`{part}` is a form of expression that is not supported");
    if let Some((name, argument)) = part.strip_suffix(')').and_then(|part| part.split_once('(')) {
        return match name {
            "as" | "ofType" if is_name(argument) => Ok(vec![Step::As(argument.to_owned())]),
            "extension" => Ok(vec![Step::Extension(unquote(argument).ok_or_else(unknown)?)]),
            "where" => parse_condition(argument).map(|step| vec![step]).ok_or_else(unknown),
            _ => Err(unknown()),
        };
    }
    let name = part.strip_suffix("[0]").unwrap_or(part);
    if !is_name(name) {
        return Err(unknown());
    }
    let mut steps = vec![Step::Member(name.to_owned())];
    if name.len() < part.len() {
        steps.push(Step::First);
    }
    Ok(steps)
}

/// What stands in a `where`.
fn parse_condition(condition: &str) -> Option<Step> {
    if let Some(target) = condition.strip_prefix("resolve() is ") {
        return is_name(target).then(|| Step::RefersTo(target.to_owned()));
    }
    if let Some(argument) = condition.strip_prefix("hasExtension(").and_then(|rest| rest.strip_suffix(')')) {
        return unquote(argument).map(Step::HasExtension);
    }
    let (member, wanted) = condition.split_once('=')?;
    let member = member.trim();
    is_name(member).then_some(())?;
    Some(Step::Where(member.to_owned(), unquote(wanted)?))
}

/// Whether the text is the name of an element or type.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// The text between single quotes. One that the table of parameters cannot hold is none: it has blanks and brackets
/// between its parts.
fn unquote(text: &str) -> Option<String> {
    let text = text.trim().strip_prefix('\'')?.strip_suffix('\'')?;
    let is_plain = |letter: char| !letter.is_whitespace() && !letter.is_control() && !"'\\[]".contains(letter);
    (!text.is_empty() && text.chars().all(is_plain)).then(|| text.to_owned())
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
