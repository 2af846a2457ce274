//! Parameters that look at other resources: chains (`subject:Patient.name`), `_has` and `_list` (R4 "Search", chained
//! parameters, reverse chaining, `_list`).

use super::read;
use crate::entry::ParameterId;
use crate::issue::IssueCode;
use crate::predicate::Predicate;
use crate::registry::{Kind, Parameter, ResourceType, Targets};
use crate::search::value_text::split;
use crate::search::{Refusal, Setting, issue, unsupported, wrong};

/// The most resources that one parameter may look through, one behind the other.
pub const LONGEST_CHAIN: usize = 6;

/// The most ways through resources that one query may have: a chain that names no type has one for each type.
pub const MOST_WAYS: usize = 200;

const LIST: ResourceType = ResourceType::of("List");

/// `first.rest=value`: those that refer to a resource of which `rest=value` is true.
pub(super) fn chain(setting: Setting<'_>, first: &str, rest: &str, value: &str) -> Result<Predicate, Refusal> {
    let (code, only) = match first.split_once(':') {
        Some((code, only)) => (code, Some(only)),
        None => (first, None),
    };
    let own = own_type(setting)?;
    let found = setting.known.parameter(setting.whole, own, code)?;
    let parameter = found.ok_or_else(|| Refusal::Unknown(format!("{own} has no search parameter `{code}`")))?;
    if parameter.kind != Kind::Reference {
        let why = format!("`{code}` is a {} and leads to no resource", parameter.kind.code());
        return Err(wrong(setting.whole, &why));
    }
    let types = match only {
        Some(name) => vec![target(setting, parameter, name)?],
        None => match &parameter.targets {
            Targets::Types(types) => types.clone(),
            Targets::Any => {
                let why = format!("`{code}` leads to any type; name one, for instance `{code}:Patient.{rest}`");
                return Err(wrong(setting.whole, &why));
            }
        },
    };
    let (mut any, mut understood, mut refusal) = (Predicate::None, false, None);
    for one in types {
        match read(behind(setting, one)?, rest, value) {
            Ok(then) => {
                understood = true;
                let chain = Predicate::Chain { parameter: parameter.id, types: vec![one], then: Box::new(then) };
                any = any.or(chain);
            }
            Err(Refusal::Unknown(why)) => refusal = refusal.or_else(|| Some(wrong(setting.whole, &why))),
            Err(wrong) => refusal = Some(wrong),
        }
    }
    match refusal {
        Some(refusal) if !understood => Err(refusal),
        _ => Ok(any),
    }
}

/// `_has:Type:code:rest=value`: those that a resource of the type refers to in `code`, of which `rest=value` is true.
pub(super) fn has(setting: Setting<'_>, what: &str, value: &str) -> Result<Predicate, Refusal> {
    let own = own_type(setting)?;
    let mut parts = what.splitn(3, ':');
    let (Some(name), Some(code), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(wrong(setting.whole, "it has the form `_has:Type:reference:parameter`"));
    };
    let resource_type =
        ResourceType::parse(name).ok_or_else(|| wrong(setting.whole, &format!("`{name}` is not a resource type")))?;
    let found = setting.known.parameter(setting.whole, resource_type, code)?;
    let parameter =
        found.ok_or_else(|| wrong(setting.whole, &format!("{resource_type} has no search parameter `{code}`")))?;
    if parameter.kind != Kind::Reference {
        let why = format!("`{code}` is a {} and leads to no resource", parameter.kind.code());
        return Err(wrong(setting.whole, &why));
    }
    target(setting, parameter, own.name())?;
    let by = match read(behind(setting, resource_type)?, rest, value) {
        Err(Refusal::Unknown(why)) => return Err(wrong(setting.whole, &why)),
        read => read?,
    };
    Ok(Predicate::ReverseChain { target: own, resource_type, parameter: parameter.id, by: Box::new(by) })
}

/// `_list=id`: the items of a List.
pub(super) fn list(setting: Setting<'_>, value: &str) -> Result<Predicate, Refusal> {
    let own = own_type(setting)?;
    let mut ids = Vec::new();
    for id in split(value, ',') {
        if id.starts_with('$') {
            return Err(unsupported(setting.whole, "functional lists are not supported; give the id of a List"));
        }
        if !crate::value::is_id(id) {
            return Err(wrong(setting.whole, &format!("`{id}` is not the id of a List")));
        }
        ids.push(id.to_owned());
    }
    behind(setting, LIST)?;
    let parameter = ParameterId::of("List.item");
    Ok(Predicate::ReverseChain { target: own, resource_type: LIST, parameter, by: Box::new(Predicate::Id(ids)) })
}

fn own_type(setting: Setting<'_>) -> Result<ResourceType, Refusal> {
    let needed = || wrong(setting.whole, "a search over all types cannot look at other resources; give `_type`");
    setting.resource_type.ok_or_else(needed)
}

/// The type of that name, if the parameter may refer to it.
fn target(setting: Setting<'_>, parameter: &Parameter, name: &str) -> Result<ResourceType, Refusal> {
    let known = ResourceType::parse(name);
    let one = known.ok_or_else(|| wrong(setting.whole, &format!("`{name}` is not a resource type")))?;
    if !parameter.targets.contains(one) {
        return Err(wrong(setting.whole, &format!("`{}` never refers to {one}", parameter.code)));
    }
    Ok(one)
}

/// The setting one resource further on.
fn behind(setting: Setting<'_>, resource_type: ResourceType) -> Result<Setting<'_>, Refusal> {
    let costly = |why: String| Refusal::Wrong(issue(IssueCode::TooCostly, setting.whole, &why));
    if setting.depth >= LONGEST_CHAIN {
        return Err(costly(format!("it looks through more than {LONGEST_CHAIN} resources")));
    }
    let ways = setting.ways.get() + 1;
    if ways > MOST_WAYS {
        return Err(costly("it leads to too many types; name the type at each step".to_owned()));
    }
    setting.ways.set(ways);
    Ok(Setting { resource_type: Some(resource_type), depth: setting.depth + 1, ..setting })
}
