//! `ValueSet/$validate-code` and `CodeSystem/$validate-code`: whether a code is in a value set, or is one of a code system
//! (R4 "ValueSet-validate-code", "CodeSystem-validate-code").

use concord_fhir::issue::Issue;
use concord_fhir::terminology::Membership;
use concord_model::build::{self, Content, parameter};
use concord_terminology::code_system::CodeSystem;
use concord_terminology::value_set::ValueSet;
use concord_terminology::{Library, LookUpError};

use crate::error::ApiError;
use crate::interact::operation::coded::{self, CodeAsked, Definition};
use crate::interact::operation::{Conduct, Input, Level, Operation, OperationTarget, Output, Parameter};
use crate::interact::session::Session;
use crate::interact::terminology::{VisibleTerminology, fault};

const CODE: Parameter = Parameter::optional("code", "code", "The code");
const DISPLAY: Parameter = Parameter::optional("display", "string", "What it is said to be called");
const CODING: Parameter = Parameter::optional("coding", "Coding", "The code with its code system");
const CONCEPT: Parameter =
    Parameter::optional("codeableConcept", "CodeableConcept", "Several codes, of which one has to be in it");
const ABSTRACT: Parameter =
    Parameter::optional("abstract", "boolean", "With false, a code that only groups others is none");
const LANGUAGE: Parameter = Parameter::optional("displayLanguage", "code", "Names of every language are right");

/// `ValueSet/$validate-code`
pub(super) const OF_VALUE_SET: Operation = Operation {
    name: "$validate-code",
    levels: &[Level::Type, Level::Instance],
    types: &["ValueSet"],
    conduct: Conduct { computes: true, ..Conduct::READS },
    description: "Whether a code is in a value set. What nobody here can tell is refused (422), with what is missing.",
    definition: Some("http://hl7.org/fhir/OperationDefinition/ValueSet-validate-code"),
    parameters: &[
        coded::URL,
        Parameter::optional("valueSet", "ValueSet", "The value set itself"),
        Parameter::optional("valueSetVersion", "string", "The version of the value set"),
        CODE,
        Parameter::optional("system", "uri", "The code system of the code"),
        Parameter::optional(
            "systemVersion",
            "string",
            "The version of the code system: codes are looked for in the one that the set names",
        ),
        DISPLAY,
        CODING,
        CONCEPT,
        ABSTRACT,
        LANGUAGE,
    ],
    run: in_value_set,
};

/// `CodeSystem/$validate-code`
pub(super) const OF_CODE_SYSTEM: Operation = Operation {
    name: "$validate-code",
    levels: &[Level::Type, Level::Instance],
    types: &["CodeSystem"],
    conduct: Conduct { computes: true, ..Conduct::READS },
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

fn in_value_set(session: &mut Session<'_, '_>, target: &OperationTarget, input: &Input) -> Result<Output, ApiError> {
    let allows_groups = coded::flag(input, "abstract")? != Some(false);
    let all = coded::codes(input, input.text("system"))?;
    let given = coded::definition(session, target, input, "valueSet", "valueSetVersion")?;
    let (name, set) = match given {
        Definition::Named(name) => (name, None),
        Definition::Given(resource) => {
            let set = ValueSet::read(&resource);
            (set.url.clone().unwrap_or_else(|| "that was given".to_owned()), Some(set))
        }
    };
    let mut source = VisibleTerminology::asked(session);
    let mut library = Library::new(&mut source);
    let mut found = Vec::new();
    for asked in &all {
        let membership = match &set {
            Some(set) => library.is_in_given(set, &asked.code),
            None => library.is_in_named(&name, &asked.code),
        };
        let mut one = Found { membership: membership.map_err(fault)?, display: None, text: None };
        match one.membership {
            Membership::No => {
                let system = if asked.code.system.is_empty() { "" } else { " of its code system" };
                one.text =
                    Some(format!("{}: `{}`{system} is not in the value set {name}", asked.place, asked.code.code));
            }
            Membership::Yes if !asked.code.system.is_empty() => {
                check_name(&mut library, asked, allows_groups, &mut one)?;
            }
            Membership::Yes | Membership::Unknown => {}
        }
        found.push(one);
    }
    answered(&all, &found, library.untold())
}

fn in_code_system(session: &mut Session<'_, '_>, target: &OperationTarget, input: &Input) -> Result<Output, ApiError> {
    let allows_groups = coded::flag(input, "abstract")? != Some(false);
    let given = coded::optional_definition(session, target, input, "codeSystem", "version")?;
    let (name, system) = match given {
        None => (None, None),
        Some(Definition::Named(name)) => (Some(name), None),
        Some(Definition::Given(resource)) => {
            let system = CodeSystem::read(&resource)
                .map_err(|(code, text)| ApiError::Unprocessable(vec![Issue::plain(code, text)]))?;
            (Some(system.url.clone()), Some(system))
        }
    };
    let url = name.as_deref().map(|name| concord_terminology::name::split(name).0.to_owned());
    let all = coded::codes(input, url.clone())?;
    let mut source = VisibleTerminology::asked(session);
    let mut library = Library::new(&mut source);
    if let (Some(name), Some(system)) = (&name, system) {
        library.put_code_system(name, system);
    }
    let mut found = Vec::new();
    for asked in &all {
        let code = coded::with_system(asked)?;
        let own = match (&name, &url) {
            (Some(name), Some(url)) if *url == code.system => name.clone(),
            (Some(name), _) => {
                let text = format!("{}: the code is of {}, and not of {name}", asked.place, code.system);
                found.push(Found { membership: Membership::No, display: None, text: Some(text) });
                continue;
            }
            _ => code.system.clone(),
        };
        let (membership, display) = library.is_code(&own, &code.code).map_err(fault)?;
        let mut one = Found { membership, display, text: None };
        match membership {
            Membership::No => {
                one.text = Some(format!("{}: `{}` is no code of the code system {own}", asked.place, code.code));
            }
            Membership::Yes => check_name(&mut library, asked, allows_groups, &mut one)?,
            Membership::Unknown => {}
        }
        found.push(one);
    }
    answered(&all, &found, library.untold())
}

/// Looks whether a code is called what it is said to be called, and is more than a group where that is asked.
fn check_name(
    library: &mut Library<'_, VisibleTerminology<'_, '_, '_>>,
    asked: &CodeAsked,
    allows_groups: bool,
    found: &mut Found,
) -> Result<(), ApiError> {
    let mut names: Vec<String> = Vec::new();
    if let Some(system) = library.code_system(&asked.code.system).map_err(fault)? {
        if let Some(concept) = system.concept(&asked.code.code) {
            found.display = concept.display.clone();
            names.extend(concept.designations.iter().map(|one| one.value.clone()));
            if concept.is_abstract && !allows_groups {
                found.membership = Membership::No;
                found.text = Some(format!("{}: `{}` only groups other codes", asked.place, asked.code.code));
                return Ok(());
            }
        }
    } else if found.display.is_none() && asked.display.is_some() {
        found.display = library.is_code(&asked.code.system, &asked.code.code).map_err(fault)?.1;
    }
    let Some(said) = &asked.display else { return Ok(()) };
    let Some(display) = found.display.clone() else { return Ok(()) };
    let alike = |name: &String| name.trim().to_lowercase() == said.trim().to_lowercase();
    if !alike(&display) && !names.iter().any(alike) {
        found.membership = Membership::No;
        found.text = Some(format!("{}: `{}` is not called so, but `{display}`", asked.place, asked.code.code));
    }
    Ok(())
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
