//! Which codes of a code system a filter of a value set lets through (R4 value set `filter-operator`).

use std::collections::{BTreeSet, HashSet};

use concord_fhir::issue::IssueCode;
use concord_fhir::json::Value;
use regex::RegexBuilder;

use crate::code_system::{CodeSystem, Concept, Unusable};

/// How many bytes a compiled expression may take: what would grow beyond is refused. Matching takes time in proportion to
/// the text, whatever the expression is.
const MOST_OF_AN_EXPRESSION: usize = 256 * 1024;
/// How many characters an expression may have.
const LONGEST_EXPRESSION: usize = 1_000;
/// How many steps it is worth to compile one.
const OF_AN_EXPRESSION: usize = 10_000;

/// What the codes of a part have to meet.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Filter {
    /// The property that is looked at.
    pub property: String,
    /// How.
    pub operator: String,
    /// What with.
    pub value: String,
}

impl Filter {
    /// Reads a `filter`.
    #[must_use]
    pub fn read(value: &Value<'_>) -> Filter {
        let text = |name: &str| value.text(name).unwrap_or_default().to_owned();
        Filter { property: text("property"), operator: text("op"), value: text("value") }
    }

    /// That a code is another one, or lies below it.
    #[must_use]
    pub fn is_a(code: &str) -> Filter {
        Filter { property: "concept".to_owned(), operator: "is-a".to_owned(), value: code.to_owned() }
    }

    /// That a code is another one, or lies above it.
    #[must_use]
    pub fn generalizes(code: &str) -> Filter {
        Filter { property: "concept".to_owned(), operator: "generalizes".to_owned(), value: code.to_owned() }
    }
}

/// A filter made ready for one code system.
pub(crate) enum Test {
    /// At these places, or at all others.
    Places(HashSet<usize>, bool),
    /// A property that is one of these values, or none of them.
    OneOf(String, BTreeSet<String>, bool),
    /// A property that matches.
    Matches(String, regex::Regex),
    /// Whether the property is there.
    Exists(String, bool),
}

impl Test {
    /// # Errors
    /// When the filter is not understood.
    pub(crate) fn of(system: &CodeSystem, filter: &Filter) -> Result<Test, Unusable> {
        let Filter { property, operator, value } = filter;
        let unsupported = || {
            let text = format!("the filter `{property} {operator}` of a value set is not supported");
            Err((IssueCode::NotSupported, text))
        };
        let is_code = matches!(property.as_str(), "concept" | "code");
        let listed = || value.split(',').map(|code| code.trim().to_owned()).collect::<BTreeSet<_>>();
        let is_known = |concept: &Concept| concept.properties.iter().any(|one| one.code == *property);
        let has_property = || {
            matches!(property.as_str(), "display" | "definition" | "inactive" | "parent" | "child" | "status")
                || system.concepts().iter().any(is_known)
        };
        Ok(match (is_code, operator.as_str()) {
            (true, "is-a") => Test::Places(system.with_descendants(value)?, true),
            (true, "descendent-of") => {
                let mut places = system.with_descendants(value)?;
                system.place(value).map(|own| places.remove(&own));
                Test::Places(places, true)
            }
            (true, "is-not-a") => Test::Places(system.with_descendants(value)?, false),
            (true, "generalizes") => Test::Places(system.with_ancestors(value)?, true),
            (true, "=") => Test::Places(system.place(value).into_iter().collect(), true),
            (true, "in" | "not-in") => {
                let places = listed().iter().filter_map(|code| system.place(code)).collect();
                Test::Places(places, operator == "in")
            }
            (_, "regex") => Test::Matches(property.clone(), expression(value)?),
            (false, "exists") => match value.as_str() {
                "true" | "false" => Test::Exists(property.clone(), value == "true"),
                _ => return unsupported(),
            },
            // A property that no concept has is one that nobody has understood.
            (false, "=" | "in" | "not-in") if has_property() => {
                let values = if operator == "=" { BTreeSet::from([value.clone()]) } else { listed() };
                Test::OneOf(property.clone(), values, operator != "not-in")
            }
            _ => return unsupported(),
        })
    }

    /// Whether the concept at a place passes.
    pub(crate) fn passes(&self, system: &CodeSystem, place: usize, concept: &Concept) -> bool {
        match self {
            Test::Places(places, inside) => places.contains(&place) == *inside,
            Test::OneOf(property, values, inside) => {
                any(system, concept, property, &mut |text| values.contains(text)) == *inside
            }
            Test::Matches(property, wanted) => any(system, concept, property, &mut |text| wanted.is_match(text)),
            Test::Exists(property, wanted) => any(system, concept, property, &mut |_| true) == *wanted,
        }
    }
}

/// How many steps it takes to make filters ready: each may look at every code, and an expression is compiled.
pub(crate) fn steps_of(system: &CodeSystem, filters: &[Filter]) -> usize {
    let of_one = |filter: &Filter| match filter.operator.as_str() {
        "regex" => OF_AN_EXPRESSION + filter.value.len(),
        _ => 1 + system.concepts().len() + filter.value.len() / 8,
    };
    filters.iter().map(of_one).sum()
}

/// How many steps it takes to match expressions with what is said of concepts.
pub(crate) fn steps_of_texts(system: &CodeSystem, filters: &[Filter], concepts: &[Concept]) -> usize {
    let mut steps = 0;
    for filter in filters.iter().filter(|filter| filter.operator == "regex") {
        for concept in concepts {
            any(system, concept, &filter.property, &mut |text| {
                steps += text.len();
                false
            });
        }
    }
    steps
}

/// Whether any value of a property meets a test.
fn any(system: &CodeSystem, concept: &Concept, property: &str, test: &mut dyn FnMut(&str) -> bool) -> bool {
    match property {
        "concept" | "code" => test(&concept.code),
        "display" => concept.display.as_deref().is_some_and(test),
        "definition" => concept.definition.as_deref().is_some_and(test),
        "inactive" => test(if concept.is_inactive { "true" } else { "false" }),
        "parent" => system.parents(concept).any(|one| test(&one.code)),
        "child" => system.children(concept).any(|one| test(&one.code)),
        other => concept.properties.iter().filter(|one| one.code == other).filter_map(|one| one.text()).any(test),
    }
}

/// An expression that the whole of a value has to match.
fn expression(text: &str) -> Result<regex::Regex, Unusable> {
    if text.len() > LONGEST_EXPRESSION {
        let text = format!("the expression of a filter `regex` has more than {LONGEST_EXPRESSION} characters");
        return Err((IssueCode::TooCostly, text));
    }
    RegexBuilder::new(&format!("^(?:{text})$"))
        .size_limit(MOST_OF_AN_EXPRESSION)
        .dfa_size_limit(MOST_OF_AN_EXPRESSION)
        .nest_limit(50)
        .build()
        .map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => {
                (IssueCode::TooCostly, "the expression of a filter `regex` is too large".to_owned())
            }
            _ => (IssueCode::Value, "the filter `regex` of a value set is no regular expression".to_owned()),
        })
}
