//! `ValueSet/$expand`: which codes are in a value set (R4 "ValueSet-expand").

use std::sync::Arc;

use concord_fhir::issue::{Issue, IssueCode};
use concord_fhir::json::Value;
use concord_terminology::designation::{Designation, name_in};
use concord_terminology::item::Item;
use concord_terminology::name::split;
use concord_terminology::value_set::ValueSet;
use concord_terminology::{ExpandedPage, Library, MOST_EXPANDED, Source, definition, expanded};

use crate::error::ApiError;
use crate::interact::instant;
use crate::interact::operation::coded::{self, Definition};
use crate::interact::operation::{Computing, Conduct, Input, Level, Operation, OperationTarget, Output, Parameter};
use crate::interact::session::Session;
use crate::interact::terminology::{VisibleTerminology, fault};

/// How many words a filter may have.
const MOST_WORDS: usize = 20;

/// How many code systems may be left out, and how many languages and uses asked for.
const MOST_TOKENS: usize = 20;

/// `ValueSet/$expand`
pub(super) const OPERATION: Operation = Operation {
    name: "$expand",
    levels: &[Level::Type, Level::Instance],
    types: &["ValueSet"],
    conduct: Conduct::READS,
    computing: Computing::ByPieces,
    description: "The codes of a value set: of one that is stored, of R4 itself, given in the body, or known to the terminology \
           server that is asked.",
    definition: Some("http://hl7.org/fhir/OperationDefinition/ValueSet-expand"),
    parameters: &PARAMETERS,
    run,
};

/// What goes in; the TerminologyCapabilities list them too.
pub(crate) const PARAMETERS: [Parameter; 18] = [
    coded::URL,
    Parameter::optional("valueSet", "ValueSet", "The value set itself"),
    Parameter::optional("valueSetVersion", "string", "The version of the value set"),
    Parameter::optional("filter", "string", "Words, each of which begins a word of the code or of what it is called"),
    Parameter::optional("offset", "integer", "How many codes come before those that are wanted"),
    Parameter::optional("count", "integer", "How many codes are wanted, at most 10000; 0 for their number alone"),
    Parameter::optional("includeDesignations", "boolean", "Whether to tell what codes are called besides"),
    Parameter {
        max: MOST_TOKENS,
        ..Parameter::optional(
            "designation",
            "string",
            "Which of these names to tell: those in a language, or for a use (system|code)",
        )
    },
    Parameter::optional("includeDefinition", "boolean", "Whether to tell how the value set is defined"),
    Parameter::optional("activeOnly", "boolean", "Whether to leave out codes that are not in use any more"),
    Parameter::optional("excludeNested", "boolean", "Codes never lie in one another in the answer"),
    Parameter::optional("excludeNotForUI", "boolean", "Whether to leave out codes that only group others"),
    Parameter::optional(
        "displayLanguage",
        "code",
        "The language of names, or one that it is a kind of, where there are names in it",
    ),
    Parameter {
        max: MOST_TOKENS,
        ..Parameter::optional(
            "exclude-system",
            "canonical",
            "A code system, or a version of it, whose codes are left out",
        )
    },
    Parameter::optional("excludePostCoordinated", "boolean", "Codes that are put together of others are never told"),
    coded::VERSIONS[0],
    coded::VERSIONS[1],
    coded::VERSIONS[2],
];

/// How the codes are wanted.
struct Wanted {
    words: Vec<String>,
    offset: Option<usize>,
    count: Option<usize>,
    with_designations: bool,
    /// The designations that are told; none for all.
    designations: Vec<String>,
    with_definition: bool,
    without: Vec<String>,
    active_only: bool,
    without_groups: bool,
    language: Option<String>,
}

fn run(session: &mut Session<'_, '_>, target: &OperationTarget, input: &Input) -> Result<Output, ApiError> {
    let wanted = wanted(input)?;
    let given = coded::definition(session, target, input, "valueSet", "valueSetVersion")?;
    let time = instant(session.transaction.now);
    let mut source = VisibleTerminology::asked(session);
    let mut library = Library::new(&mut source);
    coded::versions(input, library.versions())?;
    let (set, items) = match given {
        Definition::Named(name) => {
            let items = library.expand_named(&name).map_err(fault)?;
            let elsewhere = || Arc::new(ValueSet { url: Some(name.clone()), ..ValueSet::default() });
            (library.value_set(&name).map_err(fault)?.unwrap_or_else(elsewhere), items)
        }
        Definition::Given(resource) => {
            let set = Arc::new(ValueSet::read(&resource));
            let items = library.expand_given(&set).map_err(fault)?;
            (set, items)
        }
    };
    library.source().spend(items.len().saturating_mul(1 + wanted.words.len()))?;
    let items = chosen(items, &wanted);
    let total = items.len();
    if wanted.count.is_none() && total > MOST_EXPANDED {
        let text = format!(
            "the value set has {total} codes, and at most {MOST_EXPANDED} are answered at once: ask for some by `count` and \
             `offset`, or by a `filter`"
        );
        return Err(ApiError::Unprocessable(vec![Issue::plain(IssueCode::TooCostly, text)]));
    }
    let offset = wanted.offset.unwrap_or(0).min(total);
    let end = wanted.count.map_or(total, |count| offset.saturating_add(count).min(total));
    let page = ExpandedPage {
        items: items.get(offset..end).unwrap_or_default(),
        total,
        offset: wanted.offset.or(wanted.count.map(|_| 0)),
        parameters: repeated(input, &wanted),
        with_designations: wanted.with_designations,
        definition: told_definition(&set, &wanted)?,
        time,
    };
    Ok(Output::Value(expanded(&set, &page)))
}

/// How the value set is defined, where that is asked for.
fn told_definition(set: &ValueSet, wanted: &Wanted) -> Result<Option<Value<'static>>, ApiError> {
    if !wanted.with_definition {
        return Ok(None);
    }
    let missing = || ApiError::parameter("includeDefinition", "how this value set is defined is not here as a whole");
    definition(set).map(Some).ok_or_else(missing)
}

fn wanted(input: &Input) -> Result<Wanted, ApiError> {
    let number = |name: &'static str, most: usize| -> Result<Option<usize>, ApiError> {
        let Some(text) = input.text(name) else { return Ok(None) };
        let number = text.parse::<usize>().ok().filter(|number| *number <= most);
        number.map(Some).ok_or_else(|| ApiError::parameter(name, format!("a whole number from 0 to {most}")))
    };
    let words: Vec<String> =
        input.text("filter").unwrap_or_default().split_whitespace().map(str::to_lowercase).collect();
    if words.len() > MOST_WORDS {
        return Err(ApiError::parameter("filter", format!("at most {MOST_WORDS} words")));
    }
    // In the answer nothing lies in anything else, and nothing is put together, whether that is asked for or not.
    for name in ["excludeNested", "excludePostCoordinated"] {
        coded::flag(input, name)?;
    }
    let designations = input.texts("designation");
    Ok(Wanted {
        words,
        offset: number("offset", 1_000_000)?,
        count: number("count", MOST_EXPANDED)?,
        with_designations: coded::flag(input, "includeDesignations")?.unwrap_or(!designations.is_empty()),
        designations,
        with_definition: coded::flag(input, "includeDefinition")?.unwrap_or(false),
        without: input.texts("exclude-system"),
        active_only: coded::flag(input, "activeOnly")?.unwrap_or(false),
        without_groups: coded::flag(input, "excludeNotForUI")?.unwrap_or(false),
        language: coded::language(input)?,
    })
}

/// Those that are wanted, with the names that are.
fn chosen(items: Vec<Item>, wanted: &Wanted) -> Vec<Item> {
    let mut items: Vec<Item> = items
        .into_iter()
        .filter(|item| !item.is_inactive || !wanted.active_only)
        .filter(|item| !item.is_abstract || !wanted.without_groups)
        .filter(|item| !wanted.without.iter().any(|canonical| is_of(item, canonical)))
        .collect();
    for item in &mut items {
        let shown = [(item.display.as_deref(), item.language.as_deref())];
        let name = wanted.language.as_deref().and_then(|language| name_in(&shown, &item.designations, language));
        if let Some(name) = name.map(str::to_owned) {
            item.display = Some(name);
        }
    }
    items.retain(|item| begins(item, &wanted.words));
    if !wanted.designations.is_empty() {
        let is_told = |one: &Designation| wanted.designations.iter().any(|token| one.is_meant(token));
        items.iter_mut().for_each(|item| item.designations.retain(is_told));
    }
    items
}

/// Whether an item is of a code system, or of that version of it.
fn is_of(item: &Item, canonical: &str) -> bool {
    let (system, version) = split(canonical);
    *item.system == *system && version.is_none_or(|version| item.version.as_deref() == Some(version))
}

/// Whether every word begins a word of the code or of its name.
fn begins(item: &Item, words: &[String]) -> bool {
    if words.is_empty() {
        return true;
    }
    let mut shown = format!("{} {}", item.code, item.display.as_deref().unwrap_or_default());
    for one in &item.designations {
        shown.push(' ');
        shown.push_str(&one.value);
    }
    let shown = shown.to_lowercase();
    let parts: Vec<&str> = shown.split(|letter: char| !letter.is_alphanumeric()).collect();
    let found =
        |word: &String| shown.split_whitespace().chain(parts.iter().copied()).any(|part| part.starts_with(word));
    words.iter().all(found)
}

/// What of the parameters the answer repeats.
fn repeated(input: &Input, wanted: &Wanted) -> Vec<(&'static str, &'static str, Value<'static>)> {
    let number = |number: usize| Value::Number(number.to_string().into());
    let text =
        |name: &'static str, member: &'static str| input.text(name).map(|text| (name, member, Value::string(text)));
    let flag = |name: &'static str, is_so: bool| is_so.then_some((name, "valueBoolean", Value::Bool(true)));
    let repeated = ["exclude-system", "system-version", "check-system-version", "force-system-version"].into_iter();
    let all = |name: &'static str, member: &'static str| {
        input.texts(name).into_iter().map(move |text| (name, member, Value::string(text)))
    };
    let several = repeated.flat_map(|name| all(name, "valueUri")).chain(all("designation", "valueString"));
    [
        text("filter", "valueString"),
        wanted.offset.map(|offset| ("offset", "valueInteger", number(offset))),
        wanted.count.map(|count| ("count", "valueInteger", number(count))),
        flag("includeDesignations", wanted.with_designations),
        flag("includeDefinition", wanted.with_definition),
        flag("activeOnly", wanted.active_only),
        flag("excludeNotForUI", wanted.without_groups),
        text("displayLanguage", "valueCode"),
    ]
    .into_iter()
    .flatten()
    .chain(several)
    .collect()
}
