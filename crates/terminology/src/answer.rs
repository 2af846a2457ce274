//! What is answered: a ValueSet with its expansion, and the TerminologyCapabilities.

use concord_fhir::json::{Object, Value};

use crate::designation::Designation;
use crate::filter::Filter;
use crate::item::Item;
use crate::tables;
use crate::value_set::{Listed, Part, ValueSet};

/// A part of an expansion, and how it was asked for.
#[derive(Clone, Debug)]
pub struct ExpandedPage<'p> {
    /// What is handed out.
    pub items: &'p [Item],
    /// How many codes there are in all.
    pub total: usize,
    /// How many come before these; none where all were asked for.
    pub offset: Option<usize>,
    /// The parameters that matter, each with the member that holds its value.
    pub parameters: Vec<(&'static str, &'static str, Value<'static>)>,
    /// Whether what codes are called besides is told.
    pub with_designations: bool,
    /// How the value set is defined, where that is told.
    pub definition: Option<Value<'static>>,
    /// When it was made, as an instant.
    pub time: String,
}

/// Members of an object, of which those that are not there are left out.
fn object(members: Vec<(&'static str, Option<Value<'static>>)>) -> Value<'static> {
    let there = members.into_iter().filter_map(|(name, value)| Some((name.into(), value?)));
    Value::Object(Object(there.collect()))
}

fn string(text: &str) -> Option<Value<'static>> {
    Some(Value::string(text.to_owned())).filter(|_| !text.is_empty())
}

fn optional(text: Option<&String>) -> Option<Value<'static>> {
    text.and_then(|text| string(text))
}

fn number(number: usize) -> Option<Value<'static>> {
    Some(Value::Number(number.to_string().into()))
}

fn list(values: Vec<Value<'static>>) -> Option<Value<'static>> {
    Some(Value::Array(values)).filter(|list| !list.items().is_empty())
}

/// The ValueSet that an expansion is handed out in.
#[must_use]
pub fn expanded(set: &ValueSet, page: &ExpandedPage<'_>) -> Value<'static> {
    let parameters = page
        .parameters
        .iter()
        .map(|(name, member, value)| object(vec![("name", string(name)), (member, Some(value.clone()))]));
    let expansion = object(vec![
        ("timestamp", string(&page.time)),
        ("total", number(page.total)),
        ("offset", page.offset.and_then(number)),
        ("parameter", list(parameters.collect())),
        ("contains", list(page.items.iter().map(|item| contains(item, page.with_designations)).collect())),
    ]);
    object(vec![
        ("resourceType", string("ValueSet")),
        ("url", optional(set.url.as_ref())),
        ("version", optional(set.version.as_ref())),
        ("name", optional(set.name.as_ref())),
        ("title", optional(set.title.as_ref())),
        ("status", optional(set.status.as_ref()).or_else(|| string("active"))),
        ("compose", page.definition.clone()),
        ("expansion", Some(expansion)),
    ])
}

fn contains(item: &Item, with_designations: bool) -> Value<'static> {
    let flag = |is_so: bool| is_so.then_some(Value::Bool(true));
    let designations = item.designations.iter().filter(|_| with_designations).map(designation);
    object(vec![
        ("system", string(&item.system)),
        ("abstract", flag(item.is_abstract)),
        ("inactive", flag(item.is_inactive)),
        ("version", item.version.as_deref().and_then(string)),
        ("code", string(&item.code)),
        ("display", optional(item.display.as_ref())),
        ("designation", list(designations.collect())),
    ])
}

fn designation(one: &Designation) -> Value<'static> {
    let usage = one.usage.as_ref().map(|usage| {
        let parts = [
            ("system", string(&usage.system)),
            ("code", string(&usage.code)),
            ("display", optional(usage.display.as_ref())),
        ];
        object(parts.into())
    });
    object(vec![("language", optional(one.language.as_ref())), ("use", usage), ("value", string(&one.value))])
}

/// How a value set is defined; nothing where it lists what may not be written down here.
#[must_use]
pub fn definition(set: &ValueSet) -> Option<Value<'static>> {
    let parts = |parts: &[Part]| parts.iter().map(part).collect::<Vec<_>>();
    if !set.is_defined || set.include.iter().chain(&set.exclude).any(|one| one.is_left_out) {
        return None;
    }
    let inactive = set.active_only.then_some(Value::Bool(false));
    Some(object(vec![
        ("inactive", inactive),
        ("include", list(parts(&set.include))),
        ("exclude", list(parts(&set.exclude))),
    ]))
}

fn part(part: &Part) -> Value<'static> {
    let concept = |one: &Listed| {
        let designations = list(one.designations.iter().map(designation).collect());
        object(vec![
            ("code", string(&one.code)),
            ("display", optional(one.display.as_ref())),
            ("designation", designations),
        ])
    };
    let filter = |one: &Filter| {
        object(vec![("property", string(&one.property)), ("op", string(&one.operator)), ("value", string(&one.value))])
    };
    object(vec![
        ("system", optional(part.system.as_ref())),
        ("version", optional(part.version.as_ref())),
        ("concept", list(part.listed.iter().map(concept).collect())),
        ("filter", list(part.filters.iter().map(filter).collect())),
        ("valueSet", list(part.imports.iter().filter_map(|one| string(one)).collect())),
    ])
}

/// What the server can say of terminology (R4 "TerminologyCapabilities"). `parameters` are those of `$expand`.
#[must_use]
pub fn terminology_capabilities(base: &str, version: &str, date: &str, parameters: &[&str]) -> Value<'static> {
    let system = |(url, version): (&str, &str)| {
        let versions = object(vec![("code", string(version)), ("isDefault", Some(Value::Bool(true)))]);
        object(vec![
            ("uri", string(url)),
            ("version", list(Some(versions).filter(|_| !version.is_empty()).into_iter().collect())),
            ("subsumption", Some(Value::Bool(true))),
        ])
    };
    // Tables of one system in several versions are one system.
    let systems = tables::code_systems().into_iter().filter(|(url, _)| !url.contains('|'));
    let parameter = |name: &&str| object(vec![("name", string(name))]);
    let expansion = object(vec![
        ("hierarchical", Some(Value::Bool(false))),
        ("paging", Some(Value::Bool(true))),
        ("incomplete", Some(Value::Bool(false))),
        ("parameter", list(parameters.iter().map(parameter).collect())),
        ("textFilter", string("Every word of the filter begins a word of the code or of what it is called.")),
    ]);
    object(vec![
        ("resourceType", string("TerminologyCapabilities")),
        ("url", string(&format!("{base}/TerminologyCapabilities/concord"))),
        ("version", string(version)),
        ("name", string("Concord")),
        ("title", string("Concord")),
        ("status", string("active")),
        ("date", string(date)),
        ("kind", string("instance")),
        ("software", Some(object(vec![("name", string("Concord")), ("version", string(version))]))),
        ("implementation", Some(object(vec![("description", string("A Concord server")), ("url", string(base))]))),
        ("lockedDate", Some(Value::Bool(false))),
        ("codeSystem", list(systems.map(system).collect())),
        ("expansion", Some(expansion)),
        ("codeSearch", string("all")),
        ("validateCode", Some(object(vec![("translations", Some(Value::Bool(false)))]))),
        ("translation", Some(object(vec![("needsMap", Some(Value::Bool(false)))]))),
    ])
}
