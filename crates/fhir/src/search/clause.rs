//! One search parameter with its modifier and values, as a predicate.

use super::value_text::{split, unescape};
use super::{MOST_ALTERNATIVES, Prefix, Refusal, Setting, issue, unsupported, wrong};
use crate::issue::IssueCode;
use crate::predicate::{Comparison, Predicate, Test};
use crate::registry::{Kind, Parameter, ResourceType, parameter, parameter_of_every_resource};
use crate::value::ask::{self, Interval};

/// Parameters of R4 that take part in a search in other ways than by a row, and that this server does not offer.
const UNSUPPORTED: [&str; 12] = [
    "_contained",
    "_containedType",
    "_content",
    "_filter",
    "_has",
    "_include",
    "_list",
    "_query",
    "_revinclude",
    "_score",
    "_text",
    "_type",
];

/// The modifiers of R4 (value set `search-modifier-code`) but for the names of types.
const MODIFIERS: [&str; 12] = [
    "above",
    "below",
    "contains",
    "exact",
    "identifier",
    "in",
    "missing",
    "not",
    "not-in",
    "of-type",
    "ofType",
    "text",
];

/// Reads `name` and `value` as a filter.
pub(super) fn read(setting: Setting<'_>, name: &str, value: &str) -> Result<Predicate, Refusal> {
    let (code, modifier) = match name.split_once(':') {
        Some((code, modifier)) => (code, Some(modifier)),
        None => (name, None),
    };
    if code == "_type" && setting.resource_type.is_none() && modifier.is_none() {
        return types(name, value);
    }
    if code.starts_with('_') && UNSUPPORTED.contains(&code) {
        return Err(unsupported(name, "this parameter is not supported"));
    }
    let (first, chained) = match name.split_once('.') {
        Some((first, _)) => (first.split(':').next().unwrap_or_default(), true),
        None => (code, false),
    };
    let found = match setting.resource_type {
        Some(resource_type) => parameter(resource_type, first),
        None => parameter_of_every_resource(first),
    };
    let Some(parameter) = found else { return Err(unknown(setting.resource_type)) };
    if chained {
        return Err(unsupported(name, "chained parameters are not supported"));
    }
    if parameter.kind == Kind::Composite {
        return Err(unsupported(name, "composite parameters are not supported"));
    }
    if value.is_empty() {
        return Err(wrong(name, "there is no value"));
    }
    if modifier == Some("missing") {
        return missing(parameter, name, value);
    }
    let mut alternatives = Vec::new();
    for (position, alternative) in split(value, ',').enumerate() {
        if position == MOST_ALTERNATIVES {
            let why = format!("there are more than {MOST_ALTERNATIVES} values");
            return Err(Refusal::Wrong(issue(IssueCode::TooCostly, name, &why)));
        }
        alternatives.push(alternative);
    }
    match parameter.code {
        "_id" => logical_ids(name, modifier, &alternatives),
        "_lastUpdated" => updated(setting, name, modifier, &alternatives),
        _ => Clause { setting, name, parameter, modifier }.read(&alternatives),
    }
}

fn unknown(resource_type: Option<ResourceType>) -> Refusal {
    Refusal::Unknown(match resource_type {
        Some(resource_type) => format!("{resource_type} has no such search parameter"),
        None => "there is no such search parameter of all types".to_owned(),
    })
}

/// `_type=Observation,Goal` in a search over all types.
fn types(name: &str, value: &str) -> Result<Predicate, Refusal> {
    let mut wanted = Vec::new();
    for text in split(value, ',') {
        let known = ResourceType::parse(text);
        wanted.push(known.ok_or_else(|| wrong(name, &format!("`{text}` is not a resource type")))?);
    }
    Ok(Predicate::Type(wanted))
}

/// `:missing=true` and `:missing=false`. A reference that is known by its identifier alone is not missing.
fn missing(parameter: &Parameter, name: &str, value: &str) -> Result<Predicate, Refusal> {
    let there = match parameter.code {
        // Every resource has both.
        "_id" | "_lastUpdated" => Predicate::All,
        _ => Predicate::Entry(parameter.id, Test::Present),
    };
    let there = if parameter.kind == Kind::Reference {
        there.or(Predicate::Entry(parameter.identifier_id(), Test::Present))
    } else {
        there
    };
    match value {
        "true" => Ok(there.negate()),
        "false" => Ok(there),
        _ => Err(wrong(name, "`:missing` takes `true` or `false`")),
    }
}

fn logical_ids(name: &str, modifier: Option<&str>, alternatives: &[&str]) -> Result<Predicate, Refusal> {
    if let Some(modifier) = modifier {
        return Err(refused(name, modifier));
    }
    let mut ids = Vec::new();
    for id in alternatives {
        if !ask::is_id(id) {
            return Err(wrong(name, &format!("`{id}` is not a logical id")));
        }
        ids.push((*id).to_owned());
    }
    Ok(Predicate::Id(ids))
}

fn updated(
    setting: Setting<'_>,
    name: &str,
    modifier: Option<&str>,
    alternatives: &[&str],
) -> Result<Predicate, Refusal> {
    if let Some(modifier) = modifier {
        return Err(refused(name, modifier));
    }
    let mut any = Predicate::None;
    for alternative in alternatives {
        let (prefix, wanted) = date(name, alternative)?;
        any = any.or(updated_at(prefix, wanted, setting.now_ms));
    }
    Ok(any)
}

/// The time of an update is a point, so that some prefixes mean the same.
fn updated_at(prefix: Prefix, wanted: Interval, now_ms: i64) -> Predicate {
    let at = Predicate::Updated;
    let between = |first: i64, last: i64| at(Comparison::AtLeast, first).and(at(Comparison::AtMost, last));
    match prefix {
        Prefix::Equal => between(wanted.first, wanted.last),
        Prefix::NotEqual => at(Comparison::Less, wanted.first).or(at(Comparison::Greater, wanted.last)),
        Prefix::Greater | Prefix::StartsAfter => at(Comparison::Greater, wanted.last),
        Prefix::Less | Prefix::EndsBefore => at(Comparison::Less, wanted.first),
        Prefix::AtLeast => at(Comparison::AtLeast, wanted.first),
        Prefix::AtMost => at(Comparison::AtMost, wanted.last),
        Prefix::About => {
            let reach = ask::tolerance(wanted, now_ms);
            between(wanted.first - reach, wanted.last + reach)
        }
    }
}

fn date(name: &str, text: &str) -> Result<(Prefix, Interval), Refusal> {
    let (prefix, rest) = Prefix::split(text).map_err(|why| wrong(name, &format!("`{text}`: {why}")))?;
    let wanted = ask::interval(rest).ok_or_else(|| wrong(name, &format!("`{rest}` is not a date or time")))?;
    Ok((prefix, wanted))
}

/// A modifier that cannot be used here.
fn refused(name: &str, modifier: &str) -> Refusal {
    if MODIFIERS.contains(&modifier) {
        unsupported(name, &format!("the modifier `:{modifier}` is not supported here"))
    } else {
        wrong(name, &format!("there is no modifier `:{modifier}`"))
    }
}

/// A parameter that has rows, and what it is asked.
struct Clause<'a> {
    setting: Setting<'a>,
    name: &'a str,
    parameter: &'static Parameter,
    modifier: Option<&'a str>,
}

impl Clause<'_> {
    fn read(&self, alternatives: &[&str]) -> Result<Predicate, Refusal> {
        let mut tests = Vec::with_capacity(alternatives.len());
        for alternative in alternatives {
            if alternative.is_empty() {
                return Err(wrong(self.name, "one of the values is empty"));
            }
            match self.test(alternative)? {
                Test::Either(more) => tests.extend(more),
                one => tests.push(one),
            }
        }
        let any = match tests.len() {
            1 => tests.pop().unwrap_or(Test::Either(Vec::new())),
            _ => Test::Either(tests),
        };
        let identifier = self.parameter.kind == Kind::Reference && self.modifier == Some("identifier");
        let id = if identifier { self.parameter.identifier_id() } else { self.parameter.id };
        let entry = Predicate::Entry(id, any);
        Ok(if self.modifier == Some("not") { entry.negate() } else { entry })
    }

    /// The test that one value means.
    fn test(&self, text: &str) -> Result<Test, Refusal> {
        let parts = || split(text, '|').map(unescape).collect::<Vec<_>>();
        let bad = |why: &str| wrong(self.name, &format!("`{text}`: {why}"));
        match (self.parameter.kind, self.modifier) {
            (Kind::Token, None | Some("not")) | (Kind::Reference, Some("identifier")) => {
                ask::token(&parts()).map_err(bad)
            }
            (Kind::String, None) => ask::string_begins(&unescape(text)).map_err(bad),
            (Kind::String, Some("contains")) => ask::string_contains(&unescape(text)).map_err(bad),
            (Kind::String, Some("exact")) => Ok(ask::string_exact(&unescape(text))),
            (Kind::Date, None) => {
                date(self.name, text).map(|(prefix, wanted)| ask::date(prefix, wanted, self.setting.now_ms))
            }
            (Kind::Number, None) => ask::number(text).map_err(bad),
            (Kind::Quantity, None) => ask::quantity(&parts()).map_err(bad),
            (Kind::Uri, None) => Ok(ask::uri(&unescape(text))),
            (Kind::Uri, Some("below")) => Ok(ask::uri_below(&unescape(text))),
            (Kind::Uri, Some("above")) => Ok(ask::uri_above(&unescape(text))),
            (Kind::Reference, None) => self.reference(None, text).map_err(bad),
            (Kind::Reference, Some(modifier)) => match ResourceType::parse(modifier) {
                Some(only) if self.parameter.targets.contains(only) => self.reference(Some(only), text).map_err(bad),
                Some(only) => Err(wrong(self.name, &format!("it never refers to {only}"))),
                None => Err(refused(self.name, modifier)),
            },
            (_, modifier) => Err(refused(self.name, modifier.unwrap_or_default())),
        }
    }

    fn reference(&self, only: Option<ResourceType>, text: &str) -> Result<Test, &'static str> {
        ask::reference(self.parameter, only, &unescape(text), self.setting.base)
    }
}
