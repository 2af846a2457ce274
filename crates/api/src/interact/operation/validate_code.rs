//! `ValueSet/$validate-code` and `CodeSystem/$validate-code`: whether a code is in a value set, or is one of a code system
//! (R4 "ValueSet-validate-code", "CodeSystem-validate-code").

use std::sync::Arc;

use concord_fhir::issue::{Issue, IssueCode};
use concord_fhir::terminology::Membership;
use concord_model::build::{self, Content, parameter};
use concord_terminology::code_system::CodeSystem;
use concord_terminology::designation::{Designation, Shown, fits, in_language, name_in};
use concord_terminology::name::split;
use concord_terminology::value_set::ValueSet;
use concord_terminology::{Library, LookUpError};

use crate::error::ApiError;
use crate::interact::operation::coded::{self, CodeAsked, Definition};
use crate::interact::operation::{Computing, Conduct, Input, Level, Operation, OperationTarget, Output, Parameter};
use crate::interact::session::Session;
use crate::interact::terminology::{VisibleTerminology, fault};

const CODE: Parameter = Parameter::optional("code", "code", "The code");
const DISPLAY: Parameter = Parameter::optional("display", "string", "What it is said to be called");
const CODING: Parameter = Parameter::optional("coding", "Coding", "The code with its code system");
const CONCEPT: Parameter =
    Parameter::optional("codeableConcept", "CodeableConcept", "Several codes, of which one has to be in it");
const ABSTRACT: Parameter =
    Parameter::optional("abstract", "boolean", "With false, a code that only groups others is none");
const LANGUAGE: Parameter =
    Parameter::optional("displayLanguage", "code", "The language in which the name is right; any, unless it is said");

/// `ValueSet/$validate-code`
pub(super) const OF_VALUE_SET: Operation = Operation {
    name: "$validate-code",
    levels: &[Level::Type, Level::Instance],
    types: &["ValueSet"],
    conduct: Conduct::READS,
    computing: Computing::ByPieces,
    description: "Whether a code is in a value set. What nobody here can tell is refused (422), with what is missing.",
    definition: Some("http://hl7.org/fhir/OperationDefinition/ValueSet-validate-code"),
    parameters: &[
        coded::URL,
        Parameter::optional("valueSet", "ValueSet", "The value set itself"),
        Parameter::optional("valueSetVersion", "string", "The version of the value set"),
        CODE,
        Parameter::optional("system", "uri", "The code system of the code"),
        Parameter::optional("systemVersion", "string", "The version of the code system that the code is of"),
        DISPLAY,
        CODING,
        CONCEPT,
        ABSTRACT,
        LANGUAGE,
        coded::VERSIONS[0],
        coded::VERSIONS[1],
        coded::VERSIONS[2],
    ],
    run: in_value_set,
};

/// `CodeSystem/$validate-code`
pub(super) const OF_CODE_SYSTEM: Operation = Operation {
    name: "$validate-code",
    levels: &[Level::Type, Level::Instance],
    types: &["CodeSystem"],
    conduct: Conduct::READS,
    computing: Computing::ByPieces,
    description: "Whether a code is one of a code system. What nobody here can tell is refused (422), with what is missing.",
    definition: Some("http://hl7.org/fhir/OperationDefinition/CodeSystem-validate-code"),
    parameters: &[
        coded::URL,
        Parameter::optional("codeSystem", "CodeSystem", "The code system itself"),
        CODE,
        Parameter::optional("version", "string", "The version of the code system"),
        DISPLAY,
        CODING,
        CONCEPT,
        ABSTRACT,
        LANGUAGE,
    ],
    run: in_code_system,
};

/// What is said of one code.
struct Found {
    membership: Membership,
    display: Option<String>,
    /// What is wrong with it.
    text: Option<String>,
}

/// How a code is asked about.
struct Question {
    allows_groups: bool,
    language: Option<String>,
}

impl Question {
    fn of(input: &Input) -> Result<Question, ApiError> {
        let allows_groups = coded::flag(input, "abstract")? != Some(false);
        Ok(Question { allows_groups, language: coded::language(input)? })
    }
}

/// A name, and the language in which it is, if that is said.
type Named = (String, Option<Arc<str>>);

/// What a value set calls a code: its name, and others.
type Names = (Option<Named>, Vec<Designation>);

/// What the caller may find.
type Visible<'l, 'a, 's, 't> = Library<'l, VisibleTerminology<'a, 's, 't>>;

fn in_value_set(session: &mut Session<'_, '_>, target: &OperationTarget, input: &Input) -> Result<Output, ApiError> {
    let question = Question::of(input)?;
    let all = coded::codes(input, input.text("system"))?;
    let given = coded::definition(session, target, input, "valueSet", "valueSetVersion")?;
    let (name, set) = match given {
        Definition::Named(name) => (name, None),
        Definition::Given(resource) => {
            let set = ValueSet::read(&resource);
            (set.url.clone().unwrap_or_else(|| "that was given".to_owned()), Some(Arc::new(set)))
        }
    };
    let mut source = VisibleTerminology::asked(session);
    let mut library = Library::new(&mut source);
    coded::versions(input, library.versions())?;
    let mut found = Vec::new();
    for asked in &all {
        let version = coded::version("systemVersion", input.text("systemVersion"), asked.version.as_deref())?;
        // Without its system a code has neither a version nor a name.
        if version.is_some() || asked.display.is_some() || !question.allows_groups {
            coded::with_system(asked)?;
        }
        library.versions().set_of_code(&asked.code.system, version.as_deref());
        let membership = match &set {
            Some(set) => library.is_in_given(set, &asked.code),
            None => library.is_in_named(&name, &asked.code),
        };
        let mut one = Found { membership: membership.map_err(fault)?, display: None, text: None };
        let system = coded::versioned(&asked.code.system, version.as_deref());
        match one.membership {
            Membership::No => {
                let of = if asked.code.system.is_empty() { String::new() } else { format!(" of {system}") };
                let why = library.take_reason().map(|why| format!(": {why}")).unwrap_or_default();
                one.text =
                    Some(format!("{}: `{}`{of} is not in the value set {name}{why}", asked.place, asked.code.code));
            }
            Membership::Yes if !asked.code.system.is_empty() => {
                let set = match &set {
                    Some(set) => Some(Arc::clone(set)),
                    None => library.value_set(&name).map_err(fault)?,
                };
                let names = set.as_ref().map(|set| names_of(set, asked)).unwrap_or_default();
                if version.is_some() {
                    check_version(&mut library, asked, &system, &mut one)?;
                }
                if one.membership == Membership::Yes {
                    check_name(&mut library, asked, &system, &question, names, &mut one)?;
                }
            }
            Membership::Yes | Membership::Unknown => {}
        }
        found.push(one);
    }
    answered(&all, &found, library.untold())
}

fn names_of(set: &ValueSet, asked: &CodeAsked) -> Names {
    let (own, others) = set.names(&asked.code);
    (own.map(|own| (own.to_owned(), set.language.clone())), others)
}

/// What a code system says, unless it is of no use here: what a value set says of a code holds without it.
fn if_usable<T>(told: Result<T, LookUpError<ApiError>>) -> Result<Option<T>, ApiError> {
    match told {
        Err(LookUpError::Said(IssueCode::NotSupported | IssueCode::NotFound, _)) => Ok(None),
        told => told.map(Some).map_err(fault),
    }
}

/// A value set may list a code that its code system does not have in that version. Where nobody knows that version, the list holds.
fn check_version(
    library: &mut Visible<'_, '_, '_, '_>,
    asked: &CodeAsked,
    system: &str,
    found: &mut Found,
) -> Result<(), ApiError> {
    let told = if_usable(library.is_code(system, &asked.code.code))?;
    if let Some((Membership::No, _)) = told {
        found.membership = Membership::No;
        found.text = Some(format!("{}: `{}` is no code of the code system {system}", asked.place, asked.code.code));
    }
    Ok(())
}

fn in_code_system(session: &mut Session<'_, '_>, target: &OperationTarget, input: &Input) -> Result<Output, ApiError> {
    let question = Question::of(input)?;
    let given = coded::optional_definition(session, target, input, "codeSystem", "version")?;
    let (name, system) = match given {
        None => (None, None),
        Some(Definition::Named(name)) => (Some(name), None),
        Some(Definition::Given(resource)) => {
            let system = CodeSystem::read(&resource)
                .map_err(|(code, text)| ApiError::Unprocessable(vec![Issue::plain(code, text)]))?;
            (Some(coded::versioned(&system.url, system.version.as_deref())), Some(system))
        }
    };
    let (url, said) = match name.as_deref().map(split) {
        Some((url, version)) => (Some(url.to_owned()), version.map(str::to_owned)),
        None => (None, input.text("version")),
    };
    let all = coded::codes(input, url.clone())?;
    let mut source = VisibleTerminology::asked(session);
    let mut library = Library::new(&mut source);
    let is_given = system.is_some();
    if let (Some(name), Some(system)) = (&name, system) {
        library.put_code_system(name, system);
    }
    let mut found = Vec::new();
    for asked in &all {
        let code = coded::with_system(asked)?;
        if let (Some(name), Some(url)) = (&name, &url)
            && *url != code.system
        {
            let text = format!("{}: the code is of {}, and not of {name}", asked.place, code.system);
            found.push(Found { membership: Membership::No, display: None, text: Some(text) });
            continue;
        }
        // One that is at hand and says no version is of any.
        let version = match (is_given, &said) {
            (true, None) => None,
            _ => coded::version("version", said.clone(), asked.version.as_deref())?,
        };
        let own = coded::versioned(&code.system, version.as_deref());
        let (membership, display) = library.is_code(&own, &code.code).map_err(fault)?;
        let mut one = Found { membership, display, text: None };
        match membership {
            Membership::No => {
                one.text = Some(format!("{}: `{}` is no code of the code system {own}", asked.place, asked.code.code));
            }
            Membership::Yes => check_name(&mut library, asked, &own, &question, Names::default(), &mut one)?,
            Membership::Unknown => {}
        }
        found.push(one);
    }
    answered(&all, &found, library.untold())
}

/// Looks whether a code is called what it is said to be called, by its code system or by what a value set calls it, and is
/// more than a group where that is asked.
fn check_name(
    library: &mut Visible<'_, '_, '_, '_>,
    asked: &CodeAsked,
    system: &str,
    question: &Question,
    (own_name, mut others): Names,
    found: &mut Found,
) -> Result<(), ApiError> {
    let mut shown: Vec<Named> = own_name.into_iter().collect();
    found.display = shown.first().map(|(name, _)| name.clone()).or(found.display.take());
    if let Some(system) = if_usable(library.code_system(system))?.flatten() {
        if let Some(concept) = system.concept(&asked.code.code) {
            shown.extend(concept.display.clone().map(|name| (name, system.language.clone())));
            found.display = found.display.take().or_else(|| concept.display.clone());
            others.extend(concept.designations.iter().cloned());
            if concept.is_abstract && !question.allows_groups {
                found.membership = Membership::No;
                found.text = Some(format!("{}: `{}` only groups other codes", asked.place, asked.code.code));
                return Ok(());
            }
        }
    } else if found.display.is_none() && asked.display.is_some() {
        found.display = if_usable(library.is_code(system, &asked.code.code))?.and_then(|(_, display)| display);
    }
    if shown.is_empty() {
        shown.extend(found.display.clone().map(|name| (name, None)));
    }
    let names = right_names(&shown, &others, question.language.as_deref());
    if let Some(language) = question.language.as_deref() {
        let shown: Vec<Shown<'_>> = shown.iter().map(|(name, own)| (Some(name.as_str()), own.as_deref())).collect();
        let name = name_in(&shown, &others, language).map(str::to_owned);
        found.display = name.or(found.display.take());
    }
    let Some(said) = &asked.display else { return Ok(()) };
    let Some(display) = found.display.clone() else { return Ok(()) };
    let alike = |name: &String| name.trim().to_lowercase() == said.trim().to_lowercase();
    if !names.iter().any(alike) {
        found.membership = Membership::No;
        found.text = Some(format!("{}: `{}` is not called so, but `{display}`", asked.place, asked.code.code));
    }
    Ok(())
}

/// The names that are right: those in the language that is asked for, where there are any, and what is shown in a language
/// that nobody has said; without a language, every name.
fn right_names(shown: &[Named], others: &[Designation], language: Option<&str>) -> Vec<String> {
    let found = language.map(|wanted| in_language(others, wanted)).unwrap_or_default();
    let is_shown_in =
        |own: &Option<Arc<str>>| own.as_deref().zip(language).is_some_and(|(own, wanted)| fits(own, wanted));
    let is_any = !found.is_empty() || shown.iter().any(|(_, own)| is_shown_in(own));
    let is_right = |own: &Option<Arc<str>>| !is_any || own.is_none() || is_shown_in(own);
    let mut names: Vec<String> = shown.iter().filter(|(_, own)| is_right(own)).map(|(name, _)| name.clone()).collect();
    if is_any {
        names.extend(found.into_iter().map(|one| one.value.clone()));
    } else {
        let is_meant = |one: &&Designation| language.is_none() || one.language.is_none();
        names.extend(others.iter().filter(is_meant).map(|one| one.value.clone()));
    }
    names
}

/// One code that is in it is enough; if none is, nobody may be in doubt about any.
fn answered(all: &[CodeAsked], found: &[Found], untold: LookUpError<ApiError>) -> Result<Output, ApiError> {
    let hit = found.iter().zip(all).find(|(one, _)| one.membership == Membership::Yes);
    if hit.is_none() && found.iter().any(|one| one.membership == Membership::Unknown) {
        return Err(fault(untold));
    }
    let mut answer = vec![parameter("result", Content::Boolean(hit.is_some()))];
    let texts: Vec<String> = found.iter().filter_map(|one| one.text.clone()).collect();
    if hit.is_none() && !texts.is_empty() {
        answer.push(parameter("message", Content::String(texts.join("; "))));
    }
    let shown = hit.or_else(|| found.iter().zip(all).find(|(one, _)| one.display.is_some()));
    if let Some((one, asked)) = shown {
        if let Some(display) = &one.display {
            answer.push(parameter("display", Content::String(display.clone())));
        }
        answer.push(parameter("code", Content::Code(asked.code.code.clone())));
        if !asked.code.system.is_empty() {
            answer.push(parameter("system", Content::Uri(asked.code.system.clone())));
        }
    }
    Ok(Output::Value(build::parameters(answer)?))
}
