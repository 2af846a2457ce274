//! What operations about codes share: which value set, code system or concept map is meant, and which code.

use concord_fhir::json::Value;
use concord_fhir::terminology::Code;

use crate::error::ApiError;
use crate::interact::operation::{Input, OperationTarget, Parameter};
use crate::interact::read;
use crate::interact::session::Session;

/// How many codings of a concept are looked at.
const MOST_CODINGS: usize = 50;

/// By its canonical url.
pub(super) const URL: Parameter = Parameter::optional(
    "url",
    "uri",
    "The canonical url, with or without |version; or the relative address of one that is stored",
);

/// One value set, code system or concept map.
pub(super) enum Definition {
    /// By its name.
    Named(String),
    /// As it is.
    Given(Box<Value<'static>>),
}

/// Which one is meant: the one in the address, the one in the body, or the one of a url.
pub(super) fn definition(
    session: &mut Session<'_, '_>,
    target: &OperationTarget,
    input: &Input,
    inline: &'static str,
    version: &'static str,
) -> Result<Definition, ApiError> {
    optional_definition(session, target, input, inline, version)?
        .ok_or_else(|| ApiError::parameter("url", format!("say which one by url, by {inline} or in the address")))
}

/// The same, where none needs to be meant.
pub(super) fn optional_definition(
    session: &mut Session<'_, '_>,
    target: &OperationTarget,
    input: &Input,
    inline: &'static str,
    version: &'static str,
) -> Result<Option<Definition>, ApiError> {
    let url = input.text("url");
    if let (Some(named), Some(id)) = (target.resource_type, &target.id) {
        if url.is_some() || input.resource(inline).is_some() {
            return Err(ApiError::parameter("url", "the address says which one is meant"));
        }
        let stored = read::current(session, named, id)?;
        return Ok(Some(Definition::Given(Box::new(stored.resource()?.into_owned()))));
    }
    if let Some(resource) = input.resource(inline) {
        if url.is_some() {
            return Err(ApiError::parameter("url", format!("{inline} says which one is meant")));
        }
        let wanted = target.resource_type.map(|named| named.name());
        if resource.text("resourceType") != wanted {
            return Err(ApiError::parameter(inline, format!("a {}", wanted.unwrap_or_default())));
        }
        return Ok(Some(Definition::Given(Box::new(resource.clone()))));
    }
    let Some(url) = url else { return Ok(None) };
    Ok(Some(Definition::Named(match input.text(version) {
        Some(_) if url.contains('|') => return Err(ApiError::parameter(version, "the url has a version already")),
        Some(version) => format!("{url}|{version}"),
        None => url,
    })))
}

/// True or false.
pub(super) fn flag(input: &Input, name: &'static str) -> Result<Option<bool>, ApiError> {
    match input.text(name).as_deref() {
        None => Ok(None),
        Some("true") => Ok(Some(true)),
        Some("false") => Ok(Some(false)),
        Some(_) => Err(ApiError::parameter(name, "true or false")),
    }
}

/// A code that is asked about.
pub(super) struct CodeAsked {
    /// The code; its system is empty where none was said.
    pub(super) code: Code,
    /// What whoever asks says that it is called.
    pub(super) display: Option<String>,
    /// Where it stands, for messages.
    pub(super) place: String,
}

/// The codes that are asked about: one by `code`, one by `coding`, or those of a `codeableConcept`.
pub(super) fn codes(input: &Input, system: Option<String>) -> Result<Vec<CodeAsked>, ApiError> {
    let of_coding = |coding: &Value<'_>, place: String| {
        let text = |name: &str| coding.text(name).unwrap_or_default().to_owned();
        let code = Code { system: text("system"), code: text("code") };
        CodeAsked { code, display: coding.text("display").map(str::to_owned), place }
    };
    let mut found = Vec::new();
    if let Some(code) = input.text("code") {
        let code = Code { system: system.unwrap_or_default(), code };
        found.push(CodeAsked { code, display: input.text("display"), place: "code".to_owned() });
    }
    found.extend(input.values("coding").map(|coding| of_coding(coding, "coding".to_owned())));
    let concepts: Vec<&Value<'static>> = input.values("codeableConcept").collect();
    if found.len() + concepts.len() != 1 {
        return Err(ApiError::parameter("code", "one of code, coding and codeableConcept"));
    }
    for (place, coding) in concepts.iter().flat_map(|concept| concept.list("coding")).enumerate() {
        found.push(of_coding(coding, format!("codeableConcept.coding[{place}]")));
    }
    if found.is_empty() || found.len() > MOST_CODINGS {
        return Err(ApiError::parameter("codeableConcept", format!("1 to {MOST_CODINGS} codings")));
    }
    if found.iter().any(|one| one.code.code.is_empty()) {
        return Err(ApiError::parameter("coding", "a coding has a code"));
    }
    Ok(found)
}

/// A code is of a system that is known.
pub(super) fn with_system(asked: &CodeAsked) -> Result<&Code, ApiError> {
    if asked.code.system.is_empty() {
        return Err(ApiError::parameter("system", "the code system of the code"));
    }
    Ok(&asked.code)
}
