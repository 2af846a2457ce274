//! What operations about codes share: which value set, code system or concept map is meant, and which code.

use concord_fhir::json::Value;
use concord_fhir::terminology::Code;
use concord_terminology::designation::is_language;
use concord_terminology::versions::{Meant, Versions};

use crate::error::ApiError;
use crate::interact::operation::{Input, OperationTarget, Parameter};
use crate::interact::read;
use crate::interact::session::Session;

/// How many codings of a concept are looked at.
const MOST_CODINGS: usize = 50;

/// How many code systems may be asked for in a version.
const MOST_VERSIONS: usize = 20;

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
    /// The version of the code system that a coding says.
    pub(super) version: Option<String>,
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
        let said = |name: &str| coding.text(name).map(str::to_owned);
        CodeAsked { code, version: said("version"), display: said("display"), place }
    };
    let mut found = Vec::new();
    if let Some(code) = input.text("code") {
        let code = Code { system: system.unwrap_or_default(), code };
        let (display, place) = (input.text("display"), "code".to_owned());
        found.push(CodeAsked { code, version: None, display, place });
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

/// The version of the code system of a code: the one that the request says and that of the coding are the same.
pub(super) fn version(
    parameter: &'static str,
    said: Option<String>,
    of_coding: Option<&str>,
) -> Result<Option<String>, ApiError> {
    match (said, of_coding) {
        (Some(said), Some(own)) if said != own => {
            Err(ApiError::parameter(parameter, format!("the coding is of version {own}")))
        }
        (said, own) => Ok(said.or_else(|| own.map(str::to_owned))),
    }
}

/// A code system in a version.
pub(super) fn versioned(system: &str, version: Option<&str>) -> String {
    version.map_or_else(|| system.to_owned(), |version| format!("{system}|{version}"))
}

/// The language that names are wanted in.
pub(super) fn language(input: &Input) -> Result<Option<String>, ApiError> {
    match input.text("displayLanguage") {
        Some(text) if !is_language(&text) => {
            Err(ApiError::parameter("displayLanguage", "a language, as `cy` or `de-CH`"))
        }
        said => Ok(said),
    }
}

/// In which versions a value set takes its code systems.
pub(super) const VERSIONS: [Parameter; 3] = [
    Parameter {
        max: MOST_VERSIONS,
        ..Parameter::optional(
            "system-version",
            "canonical",
            "The version of a code system where the value set names none",
        )
    },
    Parameter {
        max: MOST_VERSIONS,
        ..Parameter::optional(
            "check-system-version",
            "canonical",
            "The version of a code system, of which the value set may name no other",
        )
    },
    Parameter {
        max: MOST_VERSIONS,
        ..Parameter::optional(
            "force-system-version",
            "canonical",
            "The version of a code system whatever the value set names",
        )
    },
];

/// The versions that are asked for.
pub(super) fn versions(input: &Input, versions: &mut Versions) -> Result<(), ApiError> {
    for (parameter, how) in VERSIONS.iter().zip([Meant::Usually, Meant::Checked, Meant::Forced]) {
        for canonical in input.texts(parameter.name) {
            if !versions.mean(how, &canonical) {
                return Err(ApiError::parameter(
                    parameter.name,
                    "a code system with its version, as system|version, once",
                ));
            }
        }
    }
    Ok(())
}

/// A code is of a system that is known.
pub(super) fn with_system(asked: &CodeAsked) -> Result<&Code, ApiError> {
    if asked.code.system.is_empty() {
        return Err(ApiError::parameter("system", "the code system of the code"));
    }
    Ok(&asked.code)
}
