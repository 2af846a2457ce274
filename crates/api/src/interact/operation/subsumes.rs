//! `CodeSystem/$subsumes`: how two codes of a code system lie to one another (R4 "CodeSystem-subsumes").

use concord_fhir::issue::Issue;
use concord_fhir::json::Value;
use concord_model::build::{self, Content, parameter};
use concord_terminology::Library;
use concord_terminology::code_system::CodeSystem;

use crate::error::ApiError;
use crate::interact::operation::coded;
use crate::interact::operation::{Computing, Conduct, Input, Level, Operation, OperationTarget, Output, Parameter};
use crate::interact::read;
use crate::interact::session::Session;
use crate::interact::terminology::{VisibleTerminology, fault};

/// `CodeSystem/$subsumes`
pub(super) const OPERATION: Operation = Operation {
    name: "$subsumes",
    levels: &[Level::Type, Level::Instance],
    types: &["CodeSystem"],
    conduct: Conduct::READS,
    computing: Computing::ByPieces,
    description: "Whether one code of a code system is the same as another, above it, below it, or neither.",
    definition: Some("http://hl7.org/fhir/OperationDefinition/CodeSystem-subsumes"),
    parameters: &[
        Parameter::optional("codeA", "code", "One code"),
        Parameter::optional("codeB", "code", "The other"),
        Parameter::optional("system", "uri", "The code system of both"),
        Parameter::optional("version", "string", "The version of the code system"),
        Parameter::optional("codingA", "Coding", "One code with its code system"),
        Parameter::optional("codingB", "Coding", "The other"),
    ],
    run,
};

fn run(session: &mut Session<'_, '_>, target: &OperationTarget, input: &Input) -> Result<Output, ApiError> {
    let (first_system, first_version, first) = code(input, "codeA", "codingA")?;
    let (second_system, second_version, second) = code(input, "codeB", "codingB")?;
    let stored = match (target.resource_type, &target.id) {
        (Some(named), Some(id)) => {
            let resource = read::current(session, named, id)?.resource()?.into_owned();
            let read = CodeSystem::read(&resource);
            Some(read.map_err(|(code, text)| ApiError::Unprocessable(vec![Issue::plain(code, text)]))?)
        }
        _ => None,
    };
    let systems = [stored.as_ref().map(|stored| stored.url.clone()), input.text("system"), first_system, second_system];
    let mut named = systems.into_iter().flatten();
    let system = named.next().ok_or_else(|| ApiError::parameter("system", "the code system of both codes"))?;
    if named.any(|other| other != system) {
        return Err(ApiError::parameter("system", "both codes are of one code system"));
    }
    // One that is at hand and says no version is of any.
    let is_of_any = stored.as_ref().is_some_and(|stored| stored.version.is_none());
    let mut version = stored.as_ref().and_then(|stored| stored.version.clone());
    for said in [input.text("version"), first_version, second_version].into_iter().flatten().filter(|_| !is_of_any) {
        version = coded::version("version", version, Some(&said))?;
    }
    let name = coded::versioned(&system, version.as_deref());
    let mut source = VisibleTerminology::asked(session);
    let mut library = Library::new(&mut source);
    if let Some(stored) = stored {
        library.put_code_system(&name, stored);
    }
    let outcome = library.subsumes(&name, &first, &second).map_err(fault)?;
    Ok(Output::Value(build::parameters(vec![parameter("outcome", Content::Code(outcome))])?))
}

/// A code, after its code system and the version of that, where it says them.
type OfSystem = (Option<String>, Option<String>, String);

fn code(input: &Input, by_code: &'static str, by_coding: &'static str) -> Result<OfSystem, ApiError> {
    let coding: Option<&Value<'static>> = input.values(by_coding).next();
    match (input.text(by_code), coding) {
        (Some(code), None) => Ok((None, None, code)),
        (None, Some(coding)) => {
            let code = coding.text("code").ok_or_else(|| ApiError::parameter(by_coding, "a coding has a code"))?;
            let said = |name: &str| coding.text(name).map(str::to_owned);
            Ok((said("system"), said("version"), code.to_owned()))
        }
        _ => Err(ApiError::parameter(by_code, format!("one of {by_code} and {by_coding}"))),
    }
}
