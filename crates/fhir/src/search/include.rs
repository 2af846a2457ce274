//! `_include` and `_revinclude`: which other resources an answer brings along (R4 "Search", including other resources
//! in result).

use super::{KnownParameters, Query, Refusal, issue, wrong};
use crate::entry::ParameterId;
use crate::issue::IssueCode;
use crate::registry::{Kind, ResourceType};

/// The most parameters that include.
pub const MOST_INCLUDES: usize = 20;

/// What to bring along.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Include {
    /// Whether those are meant that refer to what was found (`_revinclude`), and not those that it refers to.
    pub reverse: bool,
    /// Whether it also holds of what has itself been brought along (`:iterate`).
    pub iterate: bool,
    /// The type of the resources that refer; none for any.
    pub source: Option<ResourceType>,
    /// The parameter in which they do; none for any.
    pub parameter: Option<ParameterId>,
    /// The only type that they are to refer to.
    pub target: Option<ResourceType>,
}

/// Reads `_include`, `_include:iterate`, `_revinclude` or `_revinclude:iterate`; false if it is none of these.
pub(super) fn read(query: &mut Query, known: &KnownParameters<'_>, name: &str, value: &str) -> Result<bool, Refusal> {
    let (code, modifier) = match name.split_once(':') {
        Some((code, modifier)) => (code, Some(modifier)),
        None => (name, None),
    };
    let reverse = match code {
        "_include" => false,
        "_revinclude" => true,
        _ => return Ok(false),
    };
    let iterate = match modifier {
        None => false,
        Some("iterate") => true,
        Some(_) => return Err(wrong(name, "the only modifier is `:iterate`")),
    };
    if query.include.len() >= MOST_INCLUDES {
        let why = format!("there are more than {MOST_INCLUDES} parameters that include");
        return Err(Refusal::Wrong(issue(IssueCode::TooCostly, name, &why)));
    }
    let include = what(known, name, value)?;
    let include = Include { reverse, iterate, ..include };
    let searched = |one: ResourceType| match query.resource_type {
        Some(own) => own == one,
        None => query.types.is_empty() || query.types.contains(&one),
    };
    if let Some(source) = include.source
        && !reverse
        && !iterate
        && !searched(source)
    {
        let why = format!("no {source} is among the matches; use `_include:iterate` for what is itself included");
        return Err(wrong(name, &why));
    }
    if !query.include.contains(&include) {
        query.include.push(include);
    }
    Ok(true)
}

/// `Type:code`, `Type:code:Target`, `Type:*`, `*`
fn what(known: &KnownParameters<'_>, name: &str, value: &str) -> Result<Include, Refusal> {
    let mut include = Include { reverse: false, iterate: false, source: None, parameter: None, target: None };
    if value == "*" {
        return Ok(include);
    }
    let type_of =
        |text: &str| ResourceType::parse(text).ok_or_else(|| wrong(name, &format!("`{text}` is not a resource type")));
    let mut parts = value.split(':');
    let (source, code) = (parts.next().unwrap_or_default(), parts.next());
    let source = type_of(source)?;
    let code = code.ok_or_else(|| wrong(name, "the value has the form `Type:parameter`"))?;
    include.source = Some(source);
    let mut parameter = None;
    if code != "*" {
        let found = known.parameter(name, source, code)?.filter(|found| found.kind == Kind::Reference);
        let found = found.ok_or_else(|| wrong(name, &format!("{source} has no reference parameter `{code}`")))?;
        include.parameter = Some(found.id);
        parameter = Some(found);
    }
    if let Some(target) = parts.next().filter(|target| !target.is_empty()) {
        let target = type_of(target)?;
        if parameter.is_some_and(|parameter| !parameter.targets.contains(target)) {
            return Err(wrong(name, &format!("`{code}` never refers to {target}")));
        }
        include.target = Some(target);
    }
    match parts.next() {
        Some(_) => Err(wrong(name, "the value has the form `Type:parameter:Target`")),
        None => Ok(include),
    }
}
