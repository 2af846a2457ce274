//! The paths of discriminators: a small part of FHIRPath (R4 "Profiling", discriminator).

use crate::node::Step;

/// How many steps a path may have.
const MOST: usize = 20;

/// Reads a path such as `code.coding`, `extension('http://...').value`, `resolve()` or `value.ofType(Coding)`.
pub(super) fn read(path: &str) -> Result<Vec<Step>, String> {
    let mut steps = Vec::new();
    let mut rest = path.trim();
    while !rest.is_empty() {
        let (step, after) = next(rest).ok_or_else(|| format!("slices cannot be told apart by the path '{path}'"))?;
        steps.extend(step);
        if steps.len() > MOST {
            return Err(format!("a path has at most {MOST} steps"));
        }
        rest = match after.strip_prefix('.') {
            Some(after) if !after.is_empty() => after,
            None if after.is_empty() => after,
            _ => return Err(format!("slices cannot be told apart by the path '{path}'")),
        };
    }
    Ok(steps)
}

/// The first step, if it is one that does something, and what follows it.
fn next(text: &str) -> Option<(Option<Step>, &str)> {
    if let Some(rest) = text.strip_prefix("$this") {
        return Some((None, rest));
    }
    if let Some(rest) = text.strip_prefix("resolve()") {
        return Some((Some(Step::Resolve), rest));
    }
    for mark in ['\'', '"'] {
        if let Some(rest) = text.strip_prefix("extension(").and_then(|rest| rest.strip_prefix(mark)) {
            let (url, rest) = rest.split_once(mark)?;
            return Some((Some(Step::Extension(url.to_owned())), rest.strip_prefix(')')?));
        }
    }
    if let Some(rest) = text.strip_prefix("ofType(") {
        let (name, rest) = rest.split_once(')')?;
        let name = name.trim().trim_start_matches("FHIR.");
        return Some((Some(Step::OfType(name.to_owned())), rest));
    }
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let rest = rest.strip_prefix("[x]").unwrap_or(rest);
    (!name.is_empty()).then(|| (Some(Step::Element(name.to_owned())), rest))
}
