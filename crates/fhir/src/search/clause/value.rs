//! The values of a parameter that stands in the resource itself, under its modifier.

use crate::entry::ParameterId;
use crate::issue::IssueCode;
use crate::nhs_number;
use crate::predicate::{Comparison, Predicate, Test};
use crate::registry::{Kind, OWNER, Parameter, ResourceType, parameter};
use crate::search::value_text::{split, unescape};
use crate::search::{MOST_ALTERNATIVES, Operator, Prefix, Refusal, Setting, issue, shortened, unsupported, wrong};
use crate::terminology::{Code, Codes};
use crate::value::ask::{self, Interval};

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

/// Reads the values of a parameter.
pub(super) fn read(
    setting: Setting<'_>,
    parameter: &Parameter,
    modifier: Option<&str>,
    value: &str,
) -> Result<Predicate, Refusal> {
    let name = setting.whole;
    if modifier == Some("missing") {
        return missing(parameter, name, value);
    }
    if let Some(operator) = setting.operator {
        return compared(setting, parameter, modifier, operator, value);
    }
    let mut alternatives = Vec::new();
    for (position, alternative) in split(value, ',').enumerate() {
        if position == MOST_ALTERNATIVES {
            let why = format!("there are more than {MOST_ALTERNATIVES} values");
            return Err(Refusal::Wrong(issue(IssueCode::TooCostly, name, &why)));
        }
        alternatives.push(alternative);
    }
    match &*parameter.code {
        "_id" => logical_ids(name, modifier, &alternatives),
        "_lastUpdated" => updated(setting, name, modifier, &alternatives),
        _ => Clause { setting, name, parameter, modifier }.read(&alternatives),
    }
}

/// A test of a filter.
fn compared(
    setting: Setting<'_>,
    parameter: &Parameter,
    modifier: Option<&str>,
    operator: Operator,
    value: &str,
) -> Result<Predicate, Refusal> {
    let name = setting.whole;
    if modifier.is_some() {
        return Err(wrong(name, "a filter has operators and no modifiers"));
    }
    let code = &parameter.code;
    let ordered = matches!(parameter.kind, Kind::Date | Kind::Number | Kind::Quantity);
    if ordered && operator != Operator::Present && value.starts_with(|first: char| first.is_ascii_alphabetic()) {
        return Err(wrong(name, &format!("the value for `{code}` has no prefix in a filter")));
    }
    let plain = Setting { operator: None, ..setting };
    let asked = |modifier: Option<&str>, value: &str| match &*parameter.code {
        "_id" => logical_ids(name, modifier, &[value]),
        "_lastUpdated" => updated(plain, name, modifier, &[value]),
        _ => Clause { setting: plain, name, parameter, modifier }.read(&[value]),
    };
    let of_rows = parameter.id;
    match (operator, parameter.kind) {
        (Operator::Present, _) => match value {
            "true" => missing(parameter, name, "false"),
            "false" => missing(parameter, name, "true"),
            _ => Err(wrong(name, "`pr` takes `true` or `false`")),
        },
        (Operator::Equal, Kind::String) => {
            let test = ask::string_is(&unescape(value)).map_err(|why| wrong(name, why))?;
            Ok(Predicate::Entry(of_rows, test))
        }
        (Operator::Equal, _) => asked(None, value),
        (Operator::Other, Kind::Date | Kind::Number | Kind::Quantity) => asked(None, &format!("ne{value}")),
        (Operator::Other, Kind::String) => {
            let test = ask::string_is(&unescape(value)).map_err(|why| wrong(name, why))?;
            Ok(Predicate::Entry(of_rows, Test::Not(Box::new(test))))
        }
        (Operator::Other, _) => Ok(other(parameter, asked(None, value)?)),
        (Operator::Contains, Kind::String) => asked(Some("contains"), value),
        (Operator::Begins, Kind::String) => asked(None, value),
        (Operator::Ends, Kind::String) => {
            let test = ask::string_ends(&unescape(value)).map_err(|why| wrong(name, why))?;
            Ok(Predicate::Entry(of_rows, test))
        }
        (Operator::Prefix(prefix), Kind::Date | Kind::Number | Kind::Quantity) => {
            asked(None, &format!("{prefix}{value}"))
        }
        (Operator::Overlaps, Kind::Date) if of_rows != ParameterId::of("_lastUpdated") => {
            let (_, wanted) = date(name, value)?;
            Ok(Predicate::Entry(of_rows, ask::overlaps(wanted)))
        }
        (Operator::Modifier(modifier), Kind::Uri | Kind::Token) => asked(Some(modifier), value),
        (_, kind) => Err(unsupported(name, &format!("the operator cannot be used on `{code}`, a {}", kind.code()))),
    }
}

/// What does not equal what is asked for: for single rows, some other value.
fn other(parameter: &Parameter, equal: Predicate) -> Predicate {
    let is_another = |id: ParameterId, test: Test| Predicate::Entry(id, Test::Not(Box::new(test)));
    match equal {
        Predicate::Entry(id, test) => is_another(id, test),
        // A row says how a text is written: one that differs in case alone is another here.
        Predicate::Or(parts) if parameter.is_of_plain_texts() => match parts.into_iter().next() {
            Some(Predicate::Entry(id, test)) => is_another(id, test),
            _ => Predicate::None,
        },
        whole => whole.negate(),
    }
}

/// `:missing=true` and `:missing=false`. A reference that is known by its identifier alone is not missing.
fn missing(parameter: &Parameter, name: &str, value: &str) -> Result<Predicate, Refusal> {
    let there = match &*parameter.code {
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
        if !crate::value::is_id(id) {
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
    let no_date = |text: &str| {
        let text = shortened(text);
        wrong(
            name,
            &format!("`{text}` is not a date or time, such as 2026-11-30, or ge2026-11-30T08:00:00Z with a prefix"),
        )
    };
    let (prefix, rest) = match Prefix::split(text) {
        Ok(parts) => parts,
        // Words are no dates with an odd prefix.
        Err(_) if !text.contains(|letter: char| letter.is_ascii_digit()) => return Err(no_date(text)),
        Err(why) => return Err(wrong(name, &format!("`{text}`: {why}"))),
    };
    let wanted = ask::interval(rest).ok_or_else(|| no_date(rest))?;
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

/// What is told of a system where there is none.
const NO_SYSTEMS: &str = "what this parameter finds has no system: send the value alone, without `|` (`email` and `phone` find \
                          contact points of those kinds)";

/// The row meets one of these.
fn any_of(mut tests: Vec<Test>) -> Test {
    match tests.len() {
        1 => tests.pop().unwrap_or(Test::Either([].into())),
        _ => Test::Either(tests.into()),
    }
}

/// A parameter that has rows, and what it is asked.
#[derive(Clone, Copy)]
struct Clause<'a> {
    setting: Setting<'a>,
    name: &'a str,
    parameter: &'a Parameter,
    modifier: Option<&'a str>,
}

impl Clause<'_> {
    fn read(&self, alternatives: &[&str]) -> Result<Predicate, Refusal> {
        if let (Kind::Token, Some("in" | "not-in" | "above" | "below")) = (self.parameter.kind, self.modifier) {
            return self.coded(alternatives);
        }
        let (mut tests, mut in_base_units) = (Vec::with_capacity(alternatives.len()), Vec::new());
        let mut has_case = false;
        for alternative in alternatives {
            if alternative.is_empty() {
                return Err(wrong(self.name, "one of the values is empty"));
            }
            match (self.in_any_case(alternative)?, self.test(alternative)?) {
                (Some(both), _) => {
                    has_case = true;
                    both.into_iter().for_each(|one| {
                        if !tests.contains(&one) {
                            tests.push(one)
                        }
                    });
                }
                (None, Test::Either(more)) => tests.extend(more.iter().cloned()),
                (None, one) => tests.push(one),
            }
            in_base_units.extend(self.in_base_units(alternative)?);
        }
        let id = match (self.parameter.kind, self.modifier) {
            (Kind::Reference, Some("identifier")) => self.parameter.identifier_id(),
            (Kind::Token, Some("text")) => self.parameter.text_id(),
            (Kind::Token, Some("of-type")) => self.parameter.of_type_id(),
            _ => self.parameter.id,
        };
        let literal = self.referring_to_bearers(&tests);
        let test = any_of(tests);
        let folded = has_case.then(|| Predicate::Entry(self.parameter.any_case_id(), test.clone()));
        let entry = Predicate::Entry(id, test).or(folded.unwrap_or(Predicate::None)).or(literal);
        if !in_base_units.is_empty() {
            return Ok(entry.or(Predicate::Entry(self.parameter.base_unit_id(), any_of(in_base_units))));
        }
        Ok(if self.modifier == Some("not") { entry.negate() } else { entry })
    }

    /// What finds a plain text in any case, where it is one and has a case.
    fn in_any_case(&self, text: &str) -> Result<Option<[Test; 2]>, Refusal> {
        let is_plain = self.parameter.is_of_plain_texts();
        let test: fn(&[String]) -> Result<Test, &'static str> = match (self.parameter.kind, self.modifier) {
            (Kind::Token, None | Some("not")) if is_plain => ask::token,
            (Kind::Token, Some("of-type")) if is_plain => ask::token_of_type,
            (Kind::Reference, Some("identifier")) => ask::token,
            _ => return Ok(None),
        };
        let parts: Vec<String> = split(text, '|').map(unescape).collect();
        ask::token_in_any_case(&parts, test).map_err(|why| wrong(self.name, &format!("`{text}`: {why}")))
    }

    /// Those that refer by `Type/id` to a patient who bears an NHS number that the tests of `:identifier` are for: some name her
    /// by the one and some by the other.
    fn referring_to_bearers(&self, tests: &[Test]) -> Predicate {
        let is_number = |test: &&Test| matches!(test, Test::Is(key) if nhs_number::of_key(key).is_some());
        let numbers: Vec<Test> = tests.iter().filter(is_number).cloned().collect();
        let names_patients = self.parameter.kind == Kind::Reference && self.parameter.targets.contains(OWNER);
        match parameter(OWNER, "identifier") {
            Some(identifier) if names_patients && self.modifier == Some("identifier") && !numbers.is_empty() => {
                let then = Box::new(Predicate::Entry(identifier.id, any_of(numbers)));
                Predicate::Chain { parameter: self.parameter.id, types: vec![OWNER], then }
            }
            _ => Predicate::None,
        }
    }

    /// Codes that are named by a value set, or by their place in a code system.
    fn coded(&self, alternatives: &[&str]) -> Result<Predicate, Refusal> {
        let mut any = Predicate::None;
        for alternative in alternatives {
            let parts: Vec<String> = split(alternative, '|').map(unescape).collect();
            let codes = match (self.modifier, parts.as_slice()) {
                (Some("above"), [system, code]) if !system.is_empty() && !code.is_empty() => {
                    Codes::Above(Code { system: system.clone(), code: code.clone() })
                }
                (Some("below"), [system, code]) if !system.is_empty() && !code.is_empty() => {
                    Codes::Below(Code { system: system.clone(), code: code.clone() })
                }
                (Some("above" | "below"), _) => {
                    let why = format!("`{}`: a code and its system are needed, `system|code`", shortened(alternative));
                    return Err(wrong(self.name, &why));
                }
                (_, [name] | [name, _]) if !name.is_empty() => Codes::In(unescape(alternative)),
                _ => {
                    let why = format!("`{}` is not the url of a value set", shortened(alternative));
                    return Err(wrong(self.name, &why));
                }
            };
            any = any.or(Predicate::Coded(self.parameter.id, codes));
        }
        Ok(if self.modifier == Some("not-in") { any.negate() } else { any })
    }

    /// The test in base units, where one value means a quantity that can be compared so.
    fn in_base_units(&self, text: &str) -> Result<Option<Test>, Refusal> {
        let bad = |why: &str| wrong(self.name, &format!("`{text}`: {why}"));
        match self.parameter.kind {
            Kind::Quantity if self.modifier.is_none() => {
                ask::quantity_in_base_units(&split(text, '|').map(unescape).collect::<Vec<_>>()).map_err(bad)
            }
            Kind::Composite if self.modifier.is_none() && self.parameter.span().is_none() => {
                let (first, second, [value, other]) = self.halves(text)?;
                let test = second.in_base_units(other)?;
                Ok(match test {
                    Some(test) => Some(ask::composite(first.test(value)?, test)),
                    None => None,
                })
            }
            _ => Ok(None),
        }
    }

    /// The two parameters of a composite and their values.
    fn halves<'t>(&self, text: &'t str) -> Result<(Clause<'_>, Clause<'_>, [&'t str; 2]), Refusal> {
        let parts: Vec<&str> = split(text, '$').collect();
        let ([value, other], Some([code, other_code])) = (parts.as_slice(), self.parameter.parts()) else {
            return Err(wrong(self.name, "a composite takes two values with `$` between them"));
        };
        if value.is_empty() || other.is_empty() {
            return Err(wrong(self.name, "a composite takes two values with `$` between them"));
        }
        let of = |code: &str| {
            let parameter = self.parameter.resource_type.and_then(|one| parameter(one, code));
            parameter
                .map(|parameter| Clause { parameter, modifier: None, ..*self })
                .ok_or_else(|| refused(self.name, ""))
        };
        Ok((of(code)?, of(other_code)?, [value, other]))
    }

    /// What a composite of a token and the two ends of a span means.
    fn span(&self, text: &str) -> Result<Test, Refusal> {
        let parts: Vec<&str> = split(text, '$').collect();
        let ([value, from, to], Some([token, start, end])) = (parts.as_slice(), self.parameter.span()) else {
            return Err(wrong(self.name, "this composite takes three values with `$` between them"));
        };
        let of = |code: &str, value: &str| {
            let parameter = self.parameter.resource_type.and_then(|one| parameter(one, code));
            let parameter = parameter.ok_or_else(|| refused(self.name, ""))?;
            if value.is_empty() {
                return Err(wrong(self.name, "this composite takes three values with `$` between them"));
            }
            Clause { parameter, modifier: None, ..*self }.test(value)
        };
        Ok(ask::span(of(token, value)?, of(start, from)?, of(end, to)?))
    }

    /// The test that one value means.
    fn test(&self, text: &str) -> Result<Test, Refusal> {
        let parts = || split(text, '|').map(unescape).collect::<Vec<_>>();
        let bad = |why: &str| wrong(self.name, &format!("`{text}`: {why}"));
        match (self.parameter.kind, self.modifier) {
            (Kind::Token, None | Some("not")) | (Kind::Reference, Some("identifier")) => {
                let mut parts = parts();
                // Of an element of the type code the system is implied, and may be said all the same.
                if let [system, code] = parts.as_mut_slice()
                    && !system.is_empty()
                    && self.parameter.implies(system, code)
                {
                    system.clear();
                }
                match parts.as_slice() {
                    [system, _] if !system.is_empty() && self.parameter.has_no_systems() => Err(bad(NO_SYSTEMS)),
                    parts => ask::token(parts).map_err(bad),
                }
            }
            (Kind::Token, Some("of-type")) => ask::token_of_type(&parts()).map_err(bad),
            (Kind::Token, Some("text")) => ask::string_begins(&unescape(text)).map_err(bad),
            (Kind::Composite, None) if self.parameter.span().is_some() => self.span(text),
            (Kind::Composite, None) => {
                let (first, second, [value, other]) = self.halves(text)?;
                Ok(ask::composite(first.test(value)?, second.test(other)?))
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
